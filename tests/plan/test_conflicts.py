"""Frames at one position that nothing tells apart: which one is kept, and what is ambiguous."""

from dataclasses import replace

import numpy as np
import pytest

from ct2zarr.codes import Code
from ct2zarr.plan.conflicts import resolve_conflicts
from ct2zarr.plan.duplicates import Digests
from ct2zarr.plan.identity import frame_order
from ct2zarr.plan.stack import make_stack
from ct2zarr.vocabulary import Role
from series_of import broken, different, frame, stack


def grid(n, step=2.0, start=0.0):
    return [start + step * i for i in range(n)]


def ordered(frames):
    return tuple(sorted(frames, key=frame_order))


def kept_of(frames, preview=None):
    resolved = resolve_conflicts(make_stack(ordered(frames)), Digests(different, preview))
    (layer,) = resolved.layers
    return {one.instance_number for one in layer.frames}


@pytest.mark.parametrize(
    ("numbers", "stray", "at", "kept"),
    [
        # Between neighbours the number is interpolated, whatever the step and its sign.
        ([1, 2, 3, 4, 5, 6], 90, 2, 3),
        ([2000, 1998, 1996, 1994, 1992, 1990], 1000, 2, 1996),
        ([10, 20, 30, 40, 50, 60], 31, 2, 30),
        # At an end it is extrapolated from the nearest two.
        ([10, 20, 30, 40, 50, 60], 2, 0, 10),
        ([10, 20, 30, 40, 50, 60], 69, 5, 60),
        ([60, 50, 40, 30, 20, 10], 58, 0, 60),
    ],
)
def test_the_frame_whose_number_fits_its_neighbours_is_kept(numbers, stray, at, kept):
    frames = [frame(n, 2.0 * i) for i, n in enumerate(numbers)] + [frame(stray, 2.0 * at)]
    assert kept_of(frames) == {*numbers}
    assert kept in kept_of(frames)


def test_with_one_numbered_neighbour_numbers_are_expected_to_grow_along_the_normal():
    bare = [frame(50, 10.0, instance_number=None), frame(51, 12.0, instance_number=None)]
    below = [frame(5, 0.0), frame(6, 2.0), frame(4, 2.0)]
    assert kept_of(below + bare) == {5, 6, None}
    above = [frame(4, 20.0), frame(6, 20.0), frame(5, 22.0)]
    assert kept_of(bare + above) == {None, 4, 5}


def test_a_frame_without_a_number_counts_as_fitting_and_the_order_decides():
    frames = [*stack(grid(4)), frame(9, 2.0, instance_number=None)]
    assert kept_of(frames) == {1, 2, 3, 4}
    frames = [frame(1, 0), frame(7, 2.0), frame(9, 2.0, instance_number=None), frame(3, 4.0)]
    assert kept_of(frames) == {1, None, 3}


def test_equal_misfits_are_decided_by_the_pixels_of_the_nearest_single_planes():
    frames = [frame(1, 0), frame(2, 2), frame(4, 2), frame(5, 4), frame(9, 6)]
    # The number due at 2 mm is 3: both are one off.
    looks = {1: 0.0, 5: 10.0, 9: 1000.0, 2: 400.0, 4: 6.0}
    preview = lambda one: np.full((2, 2), looks[one.instance_number])  # noqa: E731
    assert kept_of(frames) == {1, 2, 5, 9}
    assert kept_of(frames, preview) == {1, 4, 5, 9}


def test_only_the_nearest_single_planes_are_compared():
    frames = [frame(0, 0), frame(1, 2), frame(2, 4), frame(4, 4), frame(5, 6), frame(6, 8)]
    looks = {0: 2000.0, 1: 0.0, 2: 400.0, 4: 6.0, 5: 10.0, 6: 2000.0}
    preview = lambda one: np.full((2, 2), looks[one.instance_number])  # noqa: E731
    assert kept_of(frames, preview) == {0, 1, 4, 5, 6}


def test_between_two_conflicts_the_expected_number_is_that_of_the_place():
    frames = [frame(n, 2.0 * i) for i, n in enumerate([1, 3, 5, 7, 9, 11])]
    assert kept_of([*frames, frame(4, 2.0), frame(6, 4.0)]) == {1, 3, 5, 7, 9, 11}
    assert kept_of([frame(2, 2.0), *frames, frame(4, 4.0)]) == {1, 3, 5, 7, 9, 11}


def test_one_neighbour_alone_expects_numbers_to_grow_by_one_per_position():
    unnumbered = [frame(0, z, instance_number=None) for z in (2.0, 6.0, 8.0, 10.0)]
    frames = [frame(10, 0), *unnumbered, frame(12, 4.0), frame(13, 4.0)]
    assert kept_of(frames) == {10, 12, None}


@pytest.mark.parametrize("up", [True, False])
def test_at_an_end_the_two_nearest_numbers_say_which_is_due(up):
    numbers = [5, 7, 20, 40, 41, 42]
    places = [2.0 * i for i in range(1, 7)]
    frames = [frame(n, z if up else -z) for n, z in zip(numbers, places, strict=True)]
    assert kept_of([*frames, frame(3, 0), frame(-3, 0)]) == {3, *numbers}


@pytest.mark.parametrize(("unreadable", "kept"), [({4}, 2), ({2}, 4), ({1, 5}, 2), ({1}, 4)])
def test_previews_that_cannot_be_read_come_last_and_without_neighbours_the_order_stays(
    unreadable, kept
):
    frames = [frame(1, 0), frame(2, 2), frame(4, 2), frame(5, 4)]
    looks = {1: 0.0, 5: 10.0, 2: 400.0, 4: 6.0}

    def preview(one):
        if one.instance_number in unreadable:
            broken(one)
        return np.full((2, 2), looks[one.instance_number])

    assert kept_of(frames, preview) == {1, kept, 5}


def test_excluded_frames_name_the_frame_that_was_kept():
    resolved = resolve_conflicts(
        make_stack(ordered([*stack(grid(6)), frame(90, 4.0)])), Digests(different)
    )
    ((removed,), repeated, positions) = resolved.removed, resolved.repeated, resolved.positions
    assert (repeated, positions) == (2, 1)
    assert removed.kept.instance_number == 3
    assert (removed.unused.role, removed.unused.code) == (Role.EXCLUDED, Code.CONFLICTING_SLICES)


@pytest.mark.parametrize(("number", "ambiguous"), [(3, True), (90, False)])
def test_a_stray_that_only_its_uid_distinguishes_is_ambiguous(number, ambiguous):
    frames = [*stack(grid(6)), frame(number, 4.0, sop_instance_uid="1.0", path="/data/stray")]
    resolved = resolve_conflicts(make_stack(ordered(frames)), Digests(different))
    assert resolved.ambiguous is ambiguous
    assert len(resolved.removed) == 1


@pytest.mark.parametrize(
    ("first", "second"),
    [({}, {}), ({"instance_number": 9}, {"instance_number": 9, "sop_instance_uid": "1.3"})],
)
def test_of_frames_that_fit_alike_the_first_acquired_is_kept_wherever_it_lies(first, second):
    near = {"instance_number": 3, "sop_instance_uid": "1.2"}
    one = frame(3, 4.0, path="/data/b", **{**near, **first})
    other = frame(3, 4.0, path="/data/a", **{**near, "sop_instance_uid": "1.3", **second})
    others = [each for each in stack(grid(6)) if each.instance_number != 3]
    for shift in (0.005, -0.005):
        moved = replace(one, position=(*one.position[:2], 4.0 + shift))
        resolved = resolve_conflicts(
            make_stack(ordered([*others, moved, other])), Digests(different)
        )
        assert [removed.kept for removed in resolved.removed] == [moved]


def test_layers_are_ambiguous_but_not_those_of_one_plane_each():
    layers = stack(grid(4)) + stack(grid(4), first=11)
    assert resolve_conflicts(make_stack(ordered(layers)), Digests(different)).ambiguous
    one_place = stack([2.0] * 3)
    resolved = resolve_conflicts(make_stack(ordered(one_place)), Digests(different))
    assert (len(resolved.layers), resolved.ambiguous) == (3, False)
