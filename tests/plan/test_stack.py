"""Frames in order along the normal: steps, tolerances and repeated positions."""

import numpy as np
import pytest

from ct2zarr.plan.stack import (
    instance_numbers,
    is_spacing,
    make_stack,
    make_stack_without_geometry,
    missing_geometry,
    spacing_hints,
)
from series_of import at, frame, stack


def test_frames_are_in_ascending_order_with_ties_as_given():
    frames = [frame(1, 5.0), frame(2, 0.0), frame(3, 5.0), frame(4, 2.5)]
    made = make_stack(frames)
    assert [one.instance_number for one in made.frames] == [2, 4, 1, 3]
    assert made.offsets.tolist() == [0.0, 2.5, 5.0, 5.0]
    assert made.in_plane.tolist() == [[-20.0, -30.0]] * 4


def test_the_order_is_along_the_normal_not_along_z():
    flipped = (1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
    made = make_stack(at(stack([0, 2, 4]), orientation=flipped))
    assert [one.position[2] for one in made.frames] == [4.0, 2.0, 0.0]


@pytest.mark.parametrize(
    ("offsets", "step"),
    [
        ([0, 2, 4, 6], 2.0),
        ([0, 2, 4, 10, 12], 2.0),
        ([0, 0.001, 2, 2.001, 4, 4.001], 1.999),
        ([0, 0, 0], 0.0),
        ([7], 0.0),
    ],
)
def test_the_step_is_the_usual_distance_without_repeats(offsets, step):
    assert make_stack(stack(offsets)).step == pytest.approx(step)


@pytest.mark.parametrize(("gap", "repeats"), [(0.019, 1), (0.021, 0)])
def test_frames_within_one_percent_of_the_step_are_at_one_position(gap, repeats):
    assert make_stack(stack([0, 2, 4, 4 + gap, 6, 8])).repeats == repeats


@pytest.mark.parametrize(("gap", "repeats"), [(0.049, 1), (0.051, 0)])
def test_one_percent_of_the_thickness_counts_where_it_is_more(gap, repeats):
    frames = stack([0, 1, 2, 2 + gap, 3, 4], slice_thickness=5.0)
    assert make_stack(frames).repeats == repeats


@pytest.mark.parametrize(("gap", "repeats"), [(0.099, 1), (0.101, 0)])
def test_planes_a_tenth_of_a_millimetre_apart_are_never_one_position(gap, repeats):
    frames = stack([0, 20, 40, 40 + gap, 60, 80], slice_thickness=20.0)
    assert make_stack(frames).repeats == repeats


def test_the_most_frames_at_one_offset_are_counted():
    assert make_stack(stack([0, 2, 2, 2, 4, 4])).most_at_one_offset == 3
    assert make_stack(stack([0, 2, 4])).most_at_one_offset == 1


def test_frames_at_one_offset_with_origins_apart_are_at_different_positions():
    frames = [
        frame(1, 0.0),
        frame(2, 0.0, position=(-20.0, -29.91, 0.0)),
        frame(3, 0.0, position=(-20.0, -29.89, 0.0)),
        frame(4, 2.0),
    ]
    assert make_stack(frames).positions_of_frames() == [[0, 1], [2], [3]]


def test_some_frames_of_a_stack_are_a_stack():
    made = make_stack(stack([0, 2, 4, 6], slice_thickness=2.0)).take([0, 2, 3])
    assert made.offsets.tolist() == [0, 4, 6]
    assert [one.instance_number for one in made.frames] == [1, 3, 4]
    assert made.hints == (2.0,)
    assert made.spacing(np.array([1, 2])).kind == "uniform"


@pytest.mark.parametrize(
    ("fields", "missing"),
    [
        ({}, []),
        ({"position": None}, ["ImagePositionPatient"]),
        ({"position": (0.0, 0.0, float("nan"))}, ["ImagePositionPatient"]),
        ({"orientation": None}, ["ImageOrientationPatient"]),
        ({"orientation": (1.0, 0, 0, 1.0, 0, 0)}, ["ImageOrientationPatient"]),
        ({"pixel_spacing": None}, ["PixelSpacing"]),
        ({"pixel_spacing": (0.0, 1.0)}, ["PixelSpacing"]),
    ],
)
def test_elements_that_are_absent_or_make_no_sense_are_named(fields, missing):
    assert missing_geometry(frame(1, 0.0, **fields)) == missing


def test_a_spacing_is_two_positive_numbers():
    assert is_spacing((0.5, 0.7))
    assert not is_spacing((0.5, -0.7))
    assert not is_spacing((0.5, float("inf")))
    assert not is_spacing(None)


@pytest.mark.parametrize(
    ("fields", "hints"),
    [
        ({"spacing_between_slices": -2.5, "slice_thickness": 5.0}, (2.5, 5.0)),
        ({"spacing_between_slices": 0.0, "slice_thickness": 5.0}, (5.0,)),
        ({"slice_thickness": -1.0}, ()),
        ({"slice_thickness": float("inf")}, ()),
    ],
)
def test_hints_are_the_positive_spacings_that_headers_declare(fields, hints):
    assert spacing_hints(stack([0, 1, 2], **fields)) == hints


def test_a_hint_on_which_frames_differ_is_none():
    frames = [frame(1, 0.0, slice_thickness=2.0), frame(2, 2.0, slice_thickness=5.0)]
    assert spacing_hints(frames) == ()


def test_instance_numbers_are_those_of_single_frame_files():
    assert instance_numbers(stack([0, 1], first=7)).tolist() == [7, 8]
    assert instance_numbers([frame(1, 0.0), frame(2, 1.0, instance_number=None)]) is None
    assert instance_numbers([frame(1, 0.0), frame(2, 1.0, frames=2)]) is None


def test_frames_without_orientation_cannot_be_ordered():
    with pytest.raises(ValueError, match="no orientation"):
        make_stack([frame(1, 0.0, orientation=None)])


@pytest.mark.parametrize(
    ("step", "thickness", "tolerance"),
    [
        (2.0, None, 0.02),  # 1 % of the step
        (2.0, 5.0, 0.05),  # 1 % of the thickness, where that is more
        (20.0, None, 0.1),  # never more than 0.1 mm
        (0.05, None, 0.001),  # never less than a micrometre
    ],
)
def test_the_tolerance_is_a_share_of_the_step_or_of_the_thickness_within_limits(
    step, thickness, tolerance
):
    frames = stack([step * i for i in range(5)], slice_thickness=thickness)
    assert make_stack(frames).tolerance == pytest.approx(tolerance)


def test_the_step_is_the_median_of_the_gaps_that_are_no_jitter():
    assert make_stack(stack([0.0, 0.01, 2.0, 2.01, 5.0, 7.0])).step == 2.0
    assert make_stack(stack([0.0, 0.0005, 0.001])).step == 0.0
    assert make_stack(stack([0.0])).step == 0.0


def test_a_row_of_close_offsets_is_cut_by_the_distance_from_its_first():
    frames = stack([0.0, 0.015, 0.03, 2.0, 4.0, 6.0])
    assert make_stack(frames).positions_of_frames() == [[0, 1], [2], [3], [4], [5]]


@pytest.mark.parametrize(
    ("between", "thickness", "hints"),
    [
        ([-2.0, -2.0], [5.0, 5.0], (2.0, 5.0)),
        ([2.0, 3.0], [5.0, 5.0], (5.0,)),
        ([2.0, 2.0], [5.0, 4.0], (2.0,)),
        ([0.0, 0.0], [0.0, 0.0], ()),
        ([None, None], [-5.0, -5.0], ()),
        ([None, 2.0], [None, 5.0], ()),
        ([float("inf")] * 2, [5.0, 5.0], (5.0,)),
    ],
)
def test_hints_are_the_spacings_on_which_all_headers_agree(between, thickness, hints):
    frames = [
        frame(i, 0, spacing_between_slices=b, slice_thickness=t)
        for i, (b, t) in enumerate(zip(between, thickness, strict=True))
    ]
    assert spacing_hints(frames) == hints


@pytest.mark.parametrize("scale", [1.0, 1e-3])
@pytest.mark.parametrize(
    ("shift", "count", "repeats"), [(0.05, 12, 12), (0.05, 3, 3), (0.05, 2, 0), (0.3, 12, 0)]
)
def test_a_pass_that_lies_a_little_off_another_repeats_its_positions(shift, count, repeats, scale):
    offsets = [2.5 * i for i in range(12)] + [2.5 * i + shift for i in range(count)]
    frames = stack([scale * z for z in offsets], pixel_spacing=(0.8 * scale, 0.7 * scale))
    assert make_stack(frames).repeats == repeats


def test_planes_of_a_thin_stack_repeat_nothing_where_gaps_of_every_size_lie_between():
    offsets = np.cumsum([0, 2.5, 0.05, 2.5, 0.05, 2.5, 0.05, 1.0, 2.5, 2.5])
    assert make_stack(stack(offsets.tolist())).repeats == 0


def test_locations_have_the_unit_of_their_decimals():
    frames = [frame(i, 0, position=None, slice_location=0.6 * i) for i in range(5)]
    assert make_stack_without_geometry(frames).unit == pytest.approx(0.1)
