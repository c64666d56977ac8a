"""What keeps frames off a common grid divides them, and rounding does not."""

import math
from dataclasses import replace

import numpy as np
import pytest

from ct2zarr.plan.identity import frame_order
from ct2zarr.plan.split_by_geometry import split_by_geometry
from series_of import at, frame, stack

MORE = ("ImageOrientationPatient", "PixelSpacing")
"""Frames without a position have neither in the comparison, so they differ there too."""

OTHER = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)


def grid(n, step=2.0):
    return [step * i for i in range(n)]


def sorted_groups(frames):
    return split_by_geometry(sorted(frames, key=frame_order))


def sizes(frames):
    return [len(group.frames) for group in split_by_geometry(frames)]


@pytest.mark.parametrize(
    ("fields", "keyword"),
    [
        ({"rows": 32}, "Rows"),
        ({"columns": 32}, "Columns"),
        ({"photometric": "PALETTE COLOR"}, "PhotometricInterpretation"),
        ({"orientation": OTHER}, "ImageOrientationPatient"),
        ({"pixel_spacing": (0.9, 0.7)}, "PixelSpacing"),
    ],
)
def test_frames_that_differ_in_one_element_are_apart_and_it_is_named(fields, keyword):
    first, second = split_by_geometry([*stack([0, 2, 4]), *stack([6, 8], first=4, **fields)])
    assert (len(first.frames), len(second.frames)) == (3, 2)
    assert first.keywords == second.keywords == (keyword,)


def test_frames_without_geometry_are_apart_from_those_with_it():
    located, other = split_by_geometry([*stack([0, 2, 4]), *stack([6], first=4, position=None)])
    assert (located.located, other.located) == (True, False)
    assert "ImagePositionPatient" in other.keywords


def test_one_group_has_no_keywords():
    (group,) = split_by_geometry(stack([0, 2, 4]))
    assert (group.keywords, group.located, len(group.frames)) == ((), True, 3)


def test_the_largest_group_comes_first_whatever_the_order_of_the_frames():
    few, many = stack([0, 2], rows=32), stack([0, 2, 4], first=3)
    assert sizes([*few, *many]) == sizes([*many, *few]) == [3, 2]


def test_groups_of_one_size_are_ordered_by_their_values():
    small, large = stack([0, 2], rows=32), stack([0, 2], first=3, rows=48)
    for frames in ([*small, *large], [*large, *small]):
        assert [group.frames[0].rows for group in split_by_geometry(frames)] == [32, 48]


@pytest.mark.parametrize(("change", "groups"), [(0.9e-4, 1), (9e-4, 1), (1.1e-3, 2)])
def test_cosines_that_differ_by_noise_belong_together(change, groups):
    turned = (1.0, change, 0.0, -change, 1.0, 0.0)
    frames = [*stack([0, 2]), *at(stack([4, 6], first=3), orientation=turned)]
    assert len(sizes(frames)) == groups


@pytest.mark.parametrize("jitter", [3e-4, 5e-4, 9e-4])
@pytest.mark.parametrize("offsets", [range(40), [*range(20), *range(23, 40)], [*range(10)] * 4])
def test_cosines_that_jitter_from_plane_to_plane_belong_together(jitter, offsets):
    noise = np.random.default_rng(3).uniform(-jitter, jitter, (40, 2))
    frames = [
        frame(i + 1, 2.5 * z, orientation=(1.0, a, 0.0, -a, 1.0, b))
        for i, (z, (a, b)) in enumerate(zip(offsets, noise.tolist(), strict=False))
    ]
    assert sizes(frames) == [len(list(offsets))]


def test_frames_of_groups_that_are_joined_are_in_the_order_of_all_frames():
    cosines = [(1.0, a, 0.0, -a, 1.0, 0.0) for a in (5e-4, 0.0, -5e-4)]
    frames = [frame(i + 1, 2.0 * (i // 2), orientation=cosines[i % 3]) for i in range(12)]
    (group,) = sorted_groups(frames)
    assert group.frames == tuple(sorted(frames, key=frame_order))


def test_stacks_that_were_turned_a_little_are_apart_where_they_repeat_positions():
    turned = (1.0, 5e-4, 0.0, -5e-4, 1.0, 0.0)
    again = at(stack(grid(6), first=7), orientation=turned)
    assert sizes([*stack(grid(6)), *again]) == [6, 6]
    assert sizes([*stack(grid(6)), *at(stack([12, 14, 16], first=7), orientation=turned)]) == [9]


def test_planes_that_turn_steadily_do_not_belong_together():
    frames = [
        frame(i + 1, 2.0 * i, orientation=(1.0, 0.0, 0.0, 0.0, math.cos(a), math.sin(a)))
        for i, a in enumerate(np.arange(12) * 5e-4)
    ]
    assert sizes(frames) == [1] * 12


def test_frames_without_a_place_are_apart_by_orientation_and_spacing():
    coronal = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
    frames = stack(grid(4), position=None) + stack(grid(3), 5, position=None, orientation=coronal)
    assert sizes(frames) == [4, 3]
    frames = stack(grid(4), position=None) + stack(grid(3), 5, position=None, orientation=None)
    assert sizes(frames) == [7]
    frames = stack(grid(4), position=None) + stack(grid(3), 5, position=None, pixel_spacing=(2, 2))
    assert sizes(frames) == [4, 3]
    frames += stack(grid(2), 9, position=None, pixel_spacing=None)
    assert sizes(frames) == [4, 3, 2]
    frames = stack(grid(4), position=None) + stack(grid(3), 5, position=None, pixel_spacing=None)
    assert sizes(frames) == [7]


def one_position(n, **fields):
    return [frame(i + 1, 0.0, **fields) for i in range(n)]


@pytest.mark.parametrize(
    ("frames", "located"),
    [
        (one_position(20), False),
        (one_position(3), False),
        (one_position(2), True),
        (
            [frame(i + 1, 0.0, slice_location=2.5 * i) for i in range(2)],
            False,
        ),
        ([frame(i + 1, 0.0, acquisition_number=i) for i in range(6)], True),
        ([frame(i + 1, 0.0, acquisition_number=i, slice_location=5.0) for i in range(6)], True),
        (
            [frame(i + 1, 0.0, acquisition_number=i, slice_location=1.0 * i) for i in range(6)],
            False,
        ),
        (one_position(6, slice_location=5.0), False),
        ([frame(i + 1, 0.0, lossy=i > 2, slice_location=5.0) for i in range(6)], True),
        ([frame(i + 1, 0.0, lossy=i > 2) for i in range(6)], False),
        ([frame(i + 1, 0.0, frame_of_reference_uid=f"1.{i}") for i in range(6)], False),
        ([frame(i + 1, 2.0 * (i == 5)) for i in range(6)], True),
    ],
)
def test_a_position_that_does_not_vary_means_nothing_unless_tags_tell_the_frames_apart(
    frames, located
):
    (group,) = split_by_geometry(frames)
    assert (len(group.frames), group.located) == (len(frames), located)


@pytest.mark.parametrize(("change", "groups"), [(0.0015, 1), (0.0017, 2)])
def test_pixel_spacings_belong_together_up_to_a_tenth_of_a_millimetre_at_the_edge(change, groups):
    # 64 pixels: 0.1 mm / 64 = 0.00156 mm.
    frames = [*stack([0, 2]), *stack([4, 6], first=3, pixel_spacing=(0.8 + change, 0.7))]
    assert len(sizes(frames)) == groups


def test_values_are_linked_in_chains():
    frames = [
        frame(number, 2.0 * number, pixel_spacing=(0.8 + 0.0015 * number, 0.7))
        for number in range(5)
    ]
    assert sizes(frames) == [5]


def references(*blocks):
    """Blocks of planes, each with a frame of reference of its own."""
    frames = []
    for number, offsets in enumerate(blocks):
        frames += stack(offsets, first=len(frames) + 1, frame_of_reference_uid=f"1.7.{number}")
    return frames


def test_frames_of_reference_that_continue_one_grid_belong_together():
    assert sizes(references([0, 2, 4], [6, 8, 10])) == [6]


def test_frames_of_reference_with_other_positions_are_apart():
    groups = split_by_geometry(references([0, 2, 4], [7, 9, 11]))
    assert [len(group.frames) for group in groups] == [3, 3]
    assert groups[0].keywords == ("FrameOfReferenceUID",)


def test_frames_of_reference_that_repeat_positions_are_apart():
    assert sizes(references([0, 2, 4], [0, 2, 4])) == [3, 3]


def test_a_frame_of_reference_for_each_plane_means_nothing():
    assert sizes(references([0], [2], [4], [6])) == [4]
    assert sizes(references([0], [2], [6], [8])) == [4]


def test_a_frame_of_reference_for_each_uneven_plane_divides():
    assert sizes(references([0], [2], [5], [6])) == [1, 1, 1, 1]


@pytest.mark.parametrize(("thickness", "groups"), [(2.0, [2]), (3.0, [1, 1])])
def test_two_planes_make_a_grid_only_as_far_apart_as_a_header_says(thickness, groups):
    frames = [
        frame(1, 0.0, frame_of_reference_uid="1.1", slice_thickness=thickness),
        frame(2, 2.0, frame_of_reference_uid="1.2", slice_thickness=thickness),
    ]
    assert sizes(frames) == groups


def test_a_chain_of_small_differences_is_one_cluster():
    frames = [
        frame(i + 1, 2.0 * i, orientation=(1.0, 0.0, 0.0, 0.0, 1.0, 0.8e-4 * i)) for i in range(6)
    ]
    assert sizes(frames) == [6]


@pytest.mark.parametrize(("off", "volumes"), [(0.09, 1), (0.11, 2)])
@pytest.mark.parametrize("shape", [(64, 32), (32, 64)])
def test_pixel_spacings_may_differ_by_a_tenth_of_a_millimetre_over_the_longer_edge(
    shape, off, volumes
):
    rows, columns = shape
    frames = stack(grid(6), rows=rows, columns=columns)
    frames[2] = replace(frames[2], pixel_spacing=(0.8, 0.7 + off / 64))
    assert len(sorted_groups(frames)) == volumes


@pytest.mark.parametrize(
    ("fields", "located"),
    [
        ({}, True),
        ({"position": None}, False),
        ({"position": (0.0, float("nan"), 0.0)}, False),
        ({"orientation": None}, False),
        ({"orientation": (1.04, 0.0, 0.0, 0.0, 0.7, 0.0)}, True),
        ({"orientation": (0.8, 0.6, 0.0, 0.0, 1.0, 0.0)}, False),
        ({"orientation": (0.92, 0.392, 0.0, 0.0, 1.0, 0.0)}, True),
        ({"orientation": (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)}, False),
        ({"pixel_spacing": None}, False),
        ({"pixel_spacing": (0.8, 0.0)}, False),
        ({"pixel_spacing": (-0.8, 0.7)}, False),
        ({"pixel_spacing": (0.8, float("inf"))}, False),
    ],
)
def test_a_frame_is_located_if_its_geometry_makes_sense(fields, located):
    (group,) = sorted_groups([frame(1, 0, **fields)])
    assert group.located is located


def test_groups_are_in_order_of_size_then_of_their_values():
    small = stack([100.0, 102.0], 20, rows=16) + stack([100.0, 102.0], 30, rows=128)
    none = [frame(40 + i, 0, position=None) for i in range(2)]
    found = sorted_groups(stack(grid(6)) + small + none)
    assert [(len(group.frames), group.located) for group in found] == [
        (6, True), (2, True), (2, True), (2, False),
    ]  # fmt: skip
    assert [group.frames[0].rows for group in found] == [64, 16, 128, 64]
    assert {group.keywords for group in found} == {("ImagePositionPatient", "Rows", *MORE)}


@pytest.mark.parametrize(("gap", "volumes"), [(2.0, 1), (2.0199, 1), (2.0201, 2), (1.979, 2)])
def test_two_planes_of_two_references_are_as_far_apart_as_the_header_says(gap, volumes):
    frames = [
        frame(1, -7.0, slice_thickness=2.0),
        frame(2, gap - 7.0, slice_thickness=2.0, frame_of_reference_uid="1.7.2"),
    ]
    assert len(sorted_groups(frames)) == volumes


def test_frames_without_geometry_stay_together_whatever_their_reference():
    frames = [frame(i, 0, position=None, frame_of_reference_uid=f"1.7.{i}") for i in range(4)]
    assert sizes(frames) == [4]


def test_references_are_divided_in_the_order_of_their_size_then_of_their_uid():
    frames = stack(grid(3), 1, frame_of_reference_uid="1.7.9")
    frames += stack([50.0, 52.0, 54.0], 11, frame_of_reference_uid="1.7.2")
    frames += stack([90.0, 92.0, 94.0, 96.0], 21, frame_of_reference_uid="1.7.5")
    assert [group.frames[0].frame_of_reference_uid for group in sorted_groups(frames)] == [
        "1.7.5", "1.7.2", "1.7.9",
    ]  # fmt: skip
    assert {group.keywords for group in sorted_groups(frames)} == {("FrameOfReferenceUID",)}


def test_monitoring_planes_of_two_references_that_jitter_evenly_are_no_grid():
    frames = stack([0.0, 0.02], slice_thickness=5.0)
    frames += stack([0.01, 0.03], 3, slice_thickness=5.0, frame_of_reference_uid="1.7.2")
    assert sizes(frames) == [2, 2]


def test_a_cluster_is_ordered_by_its_lowest_value():
    spacings = [(0.8, 0.7), (0.801, 0.7), (0.8005, 0.9), (0.8005, 0.9)]
    frames = [frame(i, 2.0 * i, pixel_spacing=spacing) for i, spacing in enumerate(spacings)]
    assert [group.frames[0].pixel_spacing[1] for group in sorted_groups(frames)] == [0.7, 0.9]
