"""Splits by tags: no more of them than the geometry asks for, and how parts are joined again."""

from dataclasses import replace

import pytest

from ct2zarr.plan.split_by_tags import LARGEST_COMBINATION, split_by_tags
from ct2zarr.plan.stack import make_stack, make_stack_without_geometry
from series_of import at, frame, stack


def grid(n, step=2.0, start=0.0):
    return [start + step * i for i in range(n)]


def split(frames):
    """Keywords of the first part, and the offsets of all parts."""
    parts = split_by_tags(make_stack(frames))
    return parts[0][0], [part.offsets.tolist() for _, part in parts]


def test_a_stack_with_one_irregular_gap_is_left_whole():
    frames = stack(grid(6), acquisition_number=1) + stack([11.0], 9, acquisition_number=2)
    assert split(frames)[0] == ()


def test_parts_that_overlap_are_apart_if_that_halves_the_irregular_gaps():
    # Two stacks of four planes each, half a step apart: seven gaps of 1 and 2 mm together.
    one = stack([0.0, 3.0, 6.0, 9.0], acquisition_number=1)
    other = stack([4.0, 7.0, 10.0, 13.0], 11, acquisition_number=2)
    keywords, parts = split(one + other)
    assert keywords == ("AcquisitionNumber",)
    assert parts == [[0.0, 3.0, 6.0, 9.0], [4.0, 7.0, 10.0, 13.0]]


def test_parts_that_follow_each_other_are_never_apart_however_uneven_together():
    one = stack([0.0, 1.0, 2.0, 3.0], acquisition_number=1)
    other = stack([13.3, 16.3, 19.3, 22.3], 11, acquisition_number=2)
    assert split(one + other)[0] == ()


@pytest.mark.parametrize("second", [[6.5, 9.0], [5.0, 7.5, 10.0]])
def test_an_overlap_that_gains_little_is_left_together(second):
    frames = stack([0.0, 2.0, 4.0, 6.0], acquisition_number=1)
    frames += stack(second, 11, acquisition_number=2)
    overlaps = second[0] < 6.0
    assert (split(frames)[0] != ()) is overlaps


@pytest.mark.parametrize("tags", [1, 2, 3, 4])
def test_up_to_three_tags_are_combined(tags):
    names = ("acquisition_number", "temporal_position", "echo_number", "kernel")
    frames = []
    for code in range(2**tags):
        fields = {name: (code >> bit) & 1 for bit, name in enumerate(names[:tags])}
        fields = {n: "AB"[v] if n == "kernel" else v for n, v in fields.items()}
        frames += stack(grid(3), 1 + 3 * code, **fields)
    parts = split_by_tags(make_stack(frames))
    if tags <= LARGEST_COMBINATION:
        assert len(parts) == 2**tags
        assert len(parts[0][0]) == tags
        assert all(part.repeats == 0 for _, part in parts)
    else:
        # What three tags leave is split again by the fourth.
        assert len(parts) == 16
        assert all(len(keywords) == 4 for keywords, _ in parts)


def test_a_tag_that_adds_nothing_to_another_is_not_named():
    frames = []
    for phase in (1, 2):
        for echo in (1, 2):
            frames += stack(
                grid(4), len(frames) + 1,
                temporal_position=phase, echo_number=echo, image_type=f"TYPE{phase}",
            )  # fmt: skip
    keywords, parts = split(frames)
    assert keywords == ("TemporalPositionIdentifier", "EchoNumbers")
    assert len(parts) == 4


def test_a_part_is_split_further_by_another_tag_where_only_it_repeats():
    frames = stack(grid(5), temporal_position=1)
    frames += stack(grid(5), 11, temporal_position=2, kernel="A")
    frames += stack(grid(5), 21, temporal_position=2, kernel="B")
    parts = split_by_tags(make_stack(frames))
    assert sorted(part.offsets.tolist() for _, part in parts) == [grid(5)] * 3


def test_a_hole_is_no_reason_to_cut_a_phase_in_two():
    # TriggerTime would make three whole parts; the preferred tag makes two, one with a hole.
    frames = stack(grid(10), acquisition_number=1, trigger_time=1.0)
    second = [z for z in grid(10) if z not in (8.0, 10.0, 12.0)]
    frames += [
        frame(20 + i, z, acquisition_number=2, trigger_time=2.0 + (z > 8.0))
        for i, z in enumerate(second)
    ]
    keywords, parts = split(frames)
    assert keywords == ("AcquisitionNumber",)
    assert parts == [grid(10), second]


def test_origins_that_differ_within_the_plane_divide_only_if_they_are_few():
    shifted = [frame(11 + i, z, position=(40.0, 0.0, z)) for i, z in enumerate(grid(4))]
    keywords, parts = split(stack(grid(4)) + shifted)
    assert keywords == ("ImagePositionPatient",)
    assert parts == [grid(4), grid(4)]
    # A tilted stack of two frames per offset: every plane has an origin of its own.
    tilted = [
        frame(10 * k + i, z, position=(0.0, 3.0 * z + k, z))
        for i, z in enumerate(grid(4))
        for k in (1, 2)
    ]
    assert split(tilted)[0] == ()


@pytest.mark.parametrize(("apart", "parts"), [(0.099, 1), (0.101, 2)])
def test_origins_are_the_same_within_a_tenth_of_a_millimetre(apart, parts):
    shifted = [frame(11 + i, z, position=(-20.0, -30.0 + apart, z)) for i, z in enumerate(grid(4))]
    assert len(split(stack(grid(4)) + shifted)[1]) == parts


def test_more_groups_than_are_tried_for_joining_leave_single_planes():
    # 70 positions with two planes each, every plane with an acquisition of its own.
    frames = [frame(i + 1, 2.0 * (i % 70), acquisition_number=i + 1) for i in range(140)]
    assert [len(part) for part in split(frames)[1]] == [70, 70]


@pytest.mark.parametrize("take_turns", [(), (1, 2), (0, 1), (0, 1, 2)])
def test_values_of_single_frames_are_phases_only_if_no_two_of_these_take_turns(take_turns):
    order = [(phase, i) for phase in range(3) for i in range(6)]
    first = min(take_turns, default=0)
    order.sort(key=lambda one: (first, one[1], one[0]) if one[0] in take_turns else (one[0], 0, 0))
    frames = [
        frame(1, 2.0 * i, path=f"/data/{phase}{i}", trigger_time=10.0 * order.index((phase, i)))
        for phase in range(3)
        for i in range(6)
    ]
    keywords, parts = split(frames)
    assert keywords == (() if take_turns else ("TriggerTime",))
    assert parts == ([sorted(3 * grid(6))] if take_turns else 3 * [grid(6)])


def test_gaps_of_numbers_that_are_no_distances_are_no_reason_to_divide():
    one = stack([0.0, 3.0, 6.0, 9.0], acquisition_number=1)
    other = stack([4.0, 7.0, 10.0, 13.0], 11, acquisition_number=2)
    frames = [
        replace(each, position=None, instance_number=int(each.position[2])) for each in one + other
    ]
    located = [replace(each, slice_location=float(each.instance_number)) for each in frames]
    assert len(split_by_tags(make_stack_without_geometry(located))) == 2
    assert len(split_by_tags(make_stack_without_geometry(frames))) == 1


def test_absent_values_come_last():
    frames = stack(grid(4), echo_number=None) + stack(grid(4), 11, echo_number=7)
    parts = split_by_tags(make_stack(frames))
    assert [part.frames[0].echo_number for _, part in parts] == [7, None]
    frames = stack(grid(4), kernel="") + stack(grid(4), 11, kernel="B30f")
    parts = split_by_tags(make_stack(frames))
    assert [part.frames[0].kernel for _, part in parts] == ["B30f", ""]


@pytest.mark.parametrize("scale", [1.0, 0.1, 1e-3])
def test_fine_parts_continue_each_other_as_coarse_ones_do(scale):
    frames = []
    for phase in (0, 1):
        numbers = {"acquisition_number": 1 + 2 * phase}, {"acquisition_number": 2 + 2 * phase}
        frames += stack(grid(5, 2.0 * scale), 1 + 20 * phase, **numbers[0])
        frames += stack(grid(5, 3.0 * scale, 11.0 * scale), 11 + 20 * phase, **numbers[1])
    scaled = at(frames, pixel_spacing=(0.8 * scale, 0.7 * scale))
    assert [len(part.frames) for _, part in split_by_tags(make_stack(scaled))] == [10, 10]


@pytest.mark.parametrize(
    ("spacing", "joint", "joined"),
    [
        (2.0, 2.01, True),  # the usual gap, within 1 %
        (2.0, 2.1, False),
        (5.0, 5.04, True),  # the usual gap of the coarser part
        (5.0, 5.06, False),
    ],
)
def test_parts_continue_each_other_at_no_more_than_the_larger_usual_gap(spacing, joint, joined):
    frames = []
    for phase in (0, 1):
        frames += stack(grid(5), 1 + 20 * phase, acquisition_number=1 + 2 * phase)
        start = 8.0 + joint
        frames += stack(grid(5, spacing, start), 11 + 20 * phase, acquisition_number=2 + 2 * phase)
    assert len(split(frames)[1]) == (2 if joined else 4)
