"""Numbers and times divide a stack only where each piece runs along it."""

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ct2zarr.plan.passes import find_passes
from ct2zarr.plan.stack import make_stack
from series_of import frame


def passes_of(*runs, values=None):
    """The places of each pass that is found for runs over places, in the order of acquisition."""
    places = [place for run in runs for place in run]
    values = list(range(len(places))) if values is None else values
    frames = [frame(i, 2.0 * place) for i, place in enumerate(places)]
    stack = make_stack(frames)
    passes = find_passes(stack, [float(values[f.instance_number]) for f in stack.frames])
    return [[int(stack.offsets[i] / 2) for i in one] for one in passes]


def test_two_passes_over_the_same_places_are_apart_whatever_their_direction():
    up, down = list(range(12)), list(range(11, -1, -1))
    assert passes_of(up, up) == [up, up]
    assert passes_of(up, down) == [up, up]
    assert passes_of(down, up) == [up, up]


def test_a_second_pass_that_comes_from_beyond_the_first_is_whole():
    up = list(range(12))
    assert passes_of(up, list(range(16, 3, -1))) == [up, list(range(4, 17))]


def test_frames_of_one_time_belong_to_one_pass():
    up = list(range(12))
    values = [i // 4 for i in range(24)]
    assert passes_of(up, up, values=values) == [up, up]
    assert passes_of(up[::-1], up[::-1], values=values) == [up, up]
    assert passes_of(up, up[::-1], values=values) == [up, up]
    assert passes_of(up[::-1], up, values=values) == [up, up]


@pytest.mark.parametrize(
    "runs",
    [
        [[0, 0, 1, 1, 2, 2, 3, 3, 4, 4]],  # turn about
        [[0, 2, 4, 6, 1, 3, 5, 7], [0, 2, 4, 6, 1, 3, 5, 7]],  # halves of passes
        [list(range(8)), [0, 4, 2, 6, 1, 3, 7, 5]],  # no order
        [[0, 1, 2, 6, 7, 8], [3, 4, 5, 9, 10, 11], list(range(12))],  # blocks of one pass
        [list(range(12)), [0, 1, 2, 6, 7, 8], [11, 10, 9, 5, 4, 3]],
        [list(range(20)), [17, 18, 19]],  # too few to be a pass of its own
        [list(range(8)), [3, 4]],
    ],
)
def test_what_does_not_run_along_the_stack_is_no_pass(runs):
    assert passes_of(*runs) == []


@pytest.mark.parametrize(
    ("first", "second"),
    [(range(6), range(11, 5, -1)), (range(6, 12), range(5, -1, -1)), (range(6), range(20, 14, -1))],
)
def test_stretches_beside_each_other_are_passes_where_one_pass_covers_both(first, second):
    whole = sorted({*first, *second})
    assert passes_of(first, second, whole) == [sorted(first), sorted(second), whole]


@pytest.mark.parametrize(("together", "passes"), [(4, 2), (6, 2), (12, 0)])
def test_a_pass_has_two_values_at_least(together, passes):
    up = list(range(12))
    values = [i // together for i in range(24)]
    assert passes_of(up, up, values=values) == [up] * passes


@pytest.mark.parametrize("shift", [1, 3, 4])
def test_numbers_that_restart_are_no_series(shift):
    first, second = list(range(12)), list(range(shift, shift + 6))
    assert passes_of(first, second, values=[*range(12), *range(6)]) == []
    third = list(range(2 * shift, 2 * shift + 6))
    assert passes_of(first, second, third, values=[*range(12), *range(6), *range(6)]) == []


def test_frames_at_one_place_are_passes_of_one_plane_if_each_has_its_own_value():
    assert passes_of([3, 3, 3]) == [[3], [3], [3]]
    assert passes_of([3, 3, 3], values=[1, 1, 2]) == []


@settings(max_examples=80, deadline=None)
@given(st.integers(3, 15), st.integers(2, 4), st.integers(0, 1000))
def test_every_pass_runs_one_way_and_none_has_a_place_twice(planes, count, seed):
    rng = random.Random(seed)
    runs = []
    for _ in range(count):
        run = list(range(rng.randrange(3), planes + rng.randrange(3)))
        runs.append(run if rng.random() < 0.6 else rng.sample(run, len(run)))
    places = [place for run in runs for place in run]
    frames = [frame(i, 2.0 * place) for i, place in enumerate(places)]
    stack = make_stack(frames)
    for one in find_passes(stack, [float(f.instance_number) for f in stack.frames]):
        own = sorted(int(stack.frames[i].instance_number) for i in one)
        steps = [places[b] - places[a] for a, b in itertools.pairwise(own)]
        assert all(step > 0 for step in steps) or all(step < 0 for step in steps)


def test_three_planes_are_a_pass_and_two_are_none():
    assert passes_of([0, 1, 2, 3, 4, 5], [3, 4, 5]) == [[0, 1, 2, 3, 4, 5], [3, 4, 5]]
    assert passes_of([0, 1, 2, 3, 4, 5], [4, 5]) == []
    assert passes_of([0, 1, 2, 3], [2, 3], [1, 2]) == []


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 4), st.lists(st.booleans(), min_size=2, max_size=4))
def test_frames_of_one_time_lie_in_the_direction_of_their_pass(together, downwards):
    up = list(range(12))
    runs = [up[::-1] if down else up for down in downwards]
    values = [i // together for run in range(len(runs)) for i in range(100 * run, 100 * run + 12)]
    assert passes_of(*runs, values=values) == [up] * len(runs)


def test_frames_of_one_time_that_share_a_place_or_lie_far_apart_are_no_step():
    up = list(range(12))
    assert passes_of(up, up, values=[*range(12), *range(12)]) == []
    far = [place for i in range(6) for place in (i, i + 6)]
    assert passes_of(far, far, values=[i // 2 for i in range(24)]) == []
    with_a_jump = [0, 5, 6, 7, 8, 9]
    assert passes_of(with_a_jump, up[:10], values=[0, 0, *range(1, 15)]) == []
    assert len(passes_of(with_a_jump, up[:10])) == 2
