"""Series with two disturbances at once: each is found in spite of the other."""

from dataclasses import replace

import pytest

from ct2zarr.codes import Code
from ct2zarr.plan.grouping import plan_series
from ct2zarr.vocabulary import Flag, Role
from series_of import at, different, evidence, flags, frame, stack, unread, z_of

UNEVEN = [0.0, 1.1, 3.0, 4.2, 5.0, 7.3, 8.1, 9.9, 11.0, 13.5]
FINE = [round(0.3125 * i, 2) for i in range(20)]
"""Planes 0.3125 mm apart whose positions are written with two decimals."""


def grid(n, step=2.0, start=0.0):
    return [start + step * i for i in range(n)]


def numbers(plan):
    return [plane.instance_number for plane in plan.planes]


def test_phases_with_holes_and_a_frame_of_reference_for_each_plane_are_apart_by_phase():
    frames = [
        frame(i + 1, 2.0 * (i % 10), frame_of_reference_uid=f"1.7.{i}", temporal_position=i // 10)
        for i in range(20)
        if i not in (4, 13)
    ]
    first, second = plan_series(frames, unread)
    assert first.split_by == second.split_by == "TemporalPositionIdentifier"
    assert evidence(first, Flag.MISSING_SLICES)["offsets_mm"] == [8.0]
    assert evidence(second, Flag.MISSING_SLICES)["offsets_mm"] == [6.0]


def test_uneven_planes_with_a_frame_of_reference_each_are_apart():
    frames = [frame(i + 1, z, frame_of_reference_uid=f"1.7.{i}") for i, z in enumerate(UNEVEN)]
    plans = plan_series(frames, unread)
    assert [numbers(plan) for plan in plans] == [[i + 1] for i in range(10)]
    assert {plan.split_by for plan in plans} == {"FrameOfReferenceUID"}


@pytest.mark.parametrize(("planes", "volumes"), [(7, 1), (8, 4)])
def test_a_hole_among_frames_of_reference_divides_from_two_planes_per_reference_on(planes, volumes):
    offsets = [0, 2, 4, 6, 10, 12, 14, 16][:planes]
    frames = [frame(i + 1, z, frame_of_reference_uid=f"1.7.{i % 4}") for i, z in enumerate(offsets)]
    assert len(plan_series(frames, unread)) == volumes


@pytest.mark.parametrize(
    ("offsets", "volumes"), [([0, 2], 2), ([0, 2, 4], 1), ([0, 2, 6], 1), ([0, 0, 2], 3)]
)
def test_three_positions_show_a_grid_of_planes_with_a_frame_of_reference_each(offsets, volumes):
    frames = [frame(i + 1, z, frame_of_reference_uid=f"1.7.{i}") for i, z in enumerate(offsets)]
    assert len(plan_series(frames, unread)) == volumes


def test_another_matrix_in_a_hole_of_one_phase_is_a_volume_and_leaves_the_hole():
    frames = stack(grid(8), temporal_position=1) + stack(grid(8), 11, temporal_position=2)
    frames[11] = replace(frames[11], rows=32)
    first, second, third = plan_series(frames, unread)
    assert [len(plan.planes) for plan in (first, second, third)] == [8, 7, 1]
    assert first.split_by == second.split_by == "Rows+TemporalPositionIdentifier"
    assert third.split_by == "Rows"
    assert Flag.MISSING_SLICES not in flags(first)
    assert evidence(second, Flag.MISSING_SLICES)["offsets_mm"] == [6.0]
    assert evidence(third, Flag.SPLIT_SERIES) == {"by": "Rows", "part": 3, "parts": 3}


def test_numbers_above_a_thousand_are_compared_as_numbers():
    stray = frame(999, 4.0)
    plan, *others = plan_series([*stack(grid(6), 1001), stray], different)
    assert not others
    assert numbers(plan) == [1001, 1002, 1003, 1004, 1005, 1006]
    assert [(entry.frame, entry.code) for entry in plan.unused] == [
        (stray, Code.CONFLICTING_SLICES)
    ]
    (plan,) = plan_series([*stack(grid(6), 1001), stray], lambda f: str(f.position))
    assert numbers(plan) == [1001, 1002, 999, 1004, 1005, 1006]
    layers = plan_series(stack(grid(6), 995) + stack(grid(6), 1001), different)
    assert [numbers(plan)[0] for plan in layers] == [995, 1001]


@pytest.mark.parametrize(
    ("start", "sizes"), [(40, [22, 2]), (42, [20, 2, 2]), (43, [20, 2, 2]), (46, [20, 2, 2])]
)
def test_two_planes_join_a_long_acquisition_only_where_it_ends(start, sizes):
    frames = stack(grid(20), acquisition_number=1)
    frames += stack([0, 2], 21, acquisition_number=2)
    frames += stack([start, start + 2], 23, acquisition_number=3)
    plans = plan_series(frames, unread)
    assert [len(plan.planes) for plan in plans] == sizes
    assert {plan.split_by for plan in plans} == {"AcquisitionNumber"}


@pytest.mark.parametrize(("hole", "volumes"), [(0, 2), (1, 2), (2, 2), (3, 4)])
def test_acquisitions_of_two_phases_join_over_a_hole_of_up_to_two_planes(hole, volumes):
    frames = []
    for number, start in enumerate([0, 20 + 2 * hole] * 2, 1):
        frames += stack(grid(10, start=start), 10 * number, acquisition_number=number)
    plans = plan_series(frames, unread)
    assert len(plans) == volumes
    for plan in plans if hole and volumes == 2 else []:
        assert evidence(plan, Flag.MISSING_SLICES) == {
            "count": hole,
            "after": [9],
            "offsets_mm": [20.0 + 2 * i for i in range(hole)],
            "spacing_mm": 2.0,
        }


def test_a_shifted_origin_and_a_hole_are_both_flagged():
    frames = stack(grid(9))
    frames[3] = replace(frames[3], position=(-19.5, -30.0, 6.0))
    (plan,) = plan_series(frames[:6] + frames[7:], unread)
    assert flags(plan) == {Flag.MISSING_SLICES, Flag.IN_PLANE_SHIFT}
    assert evidence(plan, Flag.IN_PLANE_SHIFT)["max_mm"] == pytest.approx(0.5)
    assert evidence(plan, Flag.MISSING_SLICES)["offsets_mm"] == [12.0]


@pytest.mark.parametrize("lean", [0.3, -0.3])
def test_a_tilted_stack_with_a_hole_is_flagged_with_both(lean):
    frames = [frame(i + 1, 0, position=(0.0, lean * z, z)) for i, z in enumerate(grid(8)) if i != 3]
    (plan,) = plan_series(frames, unread)
    assert flags(plan) == {Flag.MISSING_SLICES, Flag.GANTRY_TILT}
    degrees = evidence(plan, Flag.GANTRY_TILT)["degrees"]
    assert degrees == pytest.approx(16.699 if lean > 0 else -16.699, abs=0.001)


def test_positions_rounded_to_two_decimals_are_even_and_show_their_hole():
    (plan,) = plan_series(stack(FINE), unread)
    assert plan.flags == ()
    frames = stack(FINE, temporal_position=1)
    frames += stack(FINE[:7] + FINE[8:], 30, temporal_position=2)
    first, second = plan_series(frames, unread)
    assert flags(first) == {Flag.SPLIT_SERIES}
    holes = evidence(second, Flag.MISSING_SLICES)
    assert (holes["count"], holes["after"]) == (1, [6])
    assert holes["spacing_mm"] == pytest.approx(0.3125, abs=0.001)


def test_cosines_that_differ_by_rounding_in_the_first_and_last_plane_do_not_divide():
    rounded = (0.99999, 0.00004, 0.0, 0.0, 1.0, 0.0)
    frames = stack(grid(10))
    frames[0] = replace(frames[0], orientation=rounded)
    frames[-1] = replace(frames[-1], orientation=rounded)
    (plan,) = plan_series(frames[:4] + frames[5:], unread)
    assert z_of(plan) == grid(4) + grid(5, start=10)
    assert flags(plan) == {Flag.MISSING_SLICES}


@pytest.mark.parametrize(
    ("role", "seen"),
    [(Role.LOCALIZER, True), (Role.UNREADABLE, True), (Role.EXCLUDED, False)],
)
def test_skipped_numbers_are_missing_planes_unless_another_frame_has_taken_them(role, seen):
    every_second = stack(grid(12))[::2]
    other = frame(50, 0, role=role, reason="other")
    (plan,) = plan_series([*every_second, other], unread)
    assert (Flag.MISSING_SLICES in flags(plan)) is seen


def test_skipped_numbers_mean_nothing_in_a_series_of_two_volumes():
    first = at(stack(grid(12))[::2], temporal_position=1)
    second = at(stack(grid(12), 20)[::2], temporal_position=2)
    assert [flags(plan) for plan in plan_series(first + second, unread)] == [
        {Flag.SPLIT_SERIES}
    ] * 2


@pytest.mark.parametrize(
    ("second", "sizes", "found"),
    [
        # A pass of the scanner reaches at least three planes where no other does.
        (grid(6, start=34), [20, 6], {"frames": 6, "positions": 3, "excluded": 0}),
        (grid(5, start=34), [22], {"frames": 6, "positions": 3, "excluded": 3}),
        # It shares at least three positions with another.
        (grid(8, start=36), [26], {"frames": 4, "positions": 2, "excluded": 2}),
    ],
)
def test_a_second_pass_without_a_tag_needs_three_planes_of_its_own(second, sizes, found):
    plans = plan_series(stack(grid(20)) + stack(second, first=21), different)
    assert [len(plan.planes) for plan in plans] == sizes
    assert {tuple(evidence(plan, Flag.CONFLICTING_SLICES).items()) for plan in plans} == {
        tuple(found.items())
    }


@pytest.mark.parametrize("second", [grid(8, start=4), grid(8, start=-4)[::-1]], ids=["up", "down"])
def test_passes_that_cover_most_of_a_region_twice_are_apart(second):
    plans = plan_series(stack(grid(8)) + stack(second, 9), different)
    assert [z_of(plan) for plan in plans] == [grid(8), sorted(second)]
    assert plans[0].split_by == "InstanceNumber"


@pytest.mark.parametrize(("extra", "sizes"), [(3, [8]), (4, [8, 4])])
def test_extra_frames_at_half_of_the_positions_are_a_layer(extra, sizes):
    scattered = [frame(100 + (7 * k) % 8, 4.0 * k) for k in range(extra)]
    plans = plan_series(stack(grid(8)) + scattered, different)
    assert [len(plan.planes) for plan in plans] == sizes
    excluded = 0 if len(sizes) > 1 else extra
    for plan in plans:
        assert evidence(plan, Flag.CONFLICTING_SLICES) == {
            "frames": 2 * extra,
            "positions": extra,
            "excluded": excluded,
        }
        assert plan.split_by == ""
        assert (Flag.AMBIGUOUS_LAYERS in flags(plan)) is (len(sizes) > 1)


def test_a_zigzag_of_numbers_is_no_pass_and_its_layers_are_ambiguous():
    up_and_down = [frame(7 + i, z) for i, z in enumerate([0, 4, 2, 6, 10, 8])]
    plans = plan_series(stack(grid(6)) + up_and_down, different)
    assert [numbers(plan) for plan in plans] == [[1, 2, 3, 4, 5, 6], [7, 9, 8, 10, 12, 11]]
    assert all(Flag.AMBIGUOUS_LAYERS in flags(plan) for plan in plans)


def test_three_layers_of_a_conflict_are_three_volumes_in_order_of_acquisition():
    frames = stack(grid(4), 21) + stack(grid(4), 1) + stack(grid(4), 11)
    plans = plan_series(frames, different)
    assert [numbers(plan)[0] for plan in plans] == [1, 11, 21]
    assert evidence(plans[0], Flag.CONFLICTING_SLICES)["frames"] == 12
