"""Stacks that break each other's grid are apart by whatever makes each of them regular."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ct2zarr.plan.explanations import HeaderReader
from ct2zarr.plan.overlapping import divide_overlapping
from ct2zarr.plan.stack import make_stack
from series_of import frame


def grid(n, step=2.0, start=0.0):
    return [round(start + step * i, 3) for i in range(n)]


def numbered(stacks, number_of=None):
    """Frames of stacks by their heights, in names without meaning, and the stack by path."""
    rng, stack_of, frames = random.Random(4), {}, []
    for k, heights in enumerate(stacks):
        for i, z in enumerate(heights):
            path = f"/data/series/1.2.3.{rng.randrange(10**9)}"
            stack_of[path] = k
            uid = str(rng.random())
            number = number_of(k, i) if number_of else None
            frames.append(frame(0, z, path=path, instance_number=number, sop_instance_uid=uid))
    return frames, stack_of


def divided(frames, stack_of, header):
    """The keywords, and the stacks in each part."""
    reader = HeaderReader(lambda some: [header(stack_of[f.path], f) for f in some])
    parts = divide_overlapping(make_stack(frames), reader)
    keywords = {names for names, _ in parts}
    assert len(keywords) == 1
    return keywords.pop(), sorted(
        sorted({stack_of[f.path] for f in part.frames}) for _, part in parts
    )


def nothing(*_):
    return {}


UNEVEN = {
    "a third of a plane apart": [grid(10), grid(10, start=0.6)],
    "a short one within a long one": [grid(30), grid(10, start=21)],
    "a short one at the start": [grid(20), grid(8, start=1)],
    "three": [grid(10), grid(10, start=0.5), grid(10, start=1.1)],
    "another spacing": [grid(20), grid(12, 3.0, 0.5)],
}


@pytest.mark.parametrize("stacks", UNEVEN.values(), ids=UNEVEN)
@pytest.mark.parametrize("name", ["ImageComments", "(0019,1023)", "XRayTubeCurrent"])
def test_any_element_divides_stacks_that_are_regular_only_apart(stacks, name):
    found = divided(*numbered(stacks), lambda k, f: {name: str(k), "ContentTime": f.path})
    assert found == ((name,), [[k] for k in range(len(stacks))])


@pytest.mark.parametrize("stacks", UNEVEN.values(), ids=UNEVEN)
@pytest.mark.parametrize("turned", [False, True])
def test_numbers_that_run_along_one_stack_after_the_other_divide(stacks, turned):
    def one_after_another(k, i):
        before = sum(map(len, stacks[:k]))
        return 1 + before + (len(stacks[k]) - 1 - i if turned and k % 2 else i)

    found = divided(*numbered(stacks, one_after_another), nothing)
    assert found == (("InstanceNumber",), [[k] for k in range(len(stacks))])


def test_a_value_that_each_file_has_for_itself_names_no_stack():
    stacks = UNEVEN["a third of a plane apart"]
    frames, stack_of = numbered(stacks)
    own = {f.path: f"{'ab'[stack_of[f.path]]}{n:02}" for n, f in enumerate(frames)}
    assert divided(frames, stack_of, lambda _, f: {"ImageComments": own[f.path]})[0] == ()


def test_three_planes_are_a_stack_and_two_are_none():
    three = [grid(3), grid(3, start=0.73)]
    assert divided(*numbered(three), lambda k, _: {"StudyID": str(k)})[1] == [[0], [1]]
    two = [grid(4), grid(2, start=0.73)]
    assert divided(*numbered(two), lambda k, _: {"StudyID": str(k)})[1] == [[0, 1]]


def test_text_comes_before_exposure_and_the_folder_before_an_order():
    stacks = UNEVEN["a short one within a long one"]
    frames, stack_of = numbered(stacks, lambda k, i: 1 + 30 * k + i)
    keywords, _ = divided(frames, stack_of, lambda k, _: {"Exposure": str(k), "StudyID": str(k)})
    assert keywords == ("StudyID",)
    moved = {f.path: f"/data/{stack_of[f.path]}/{f.path[-6:]}" for f in frames}
    in_folders = [replace(f, path=moved[f.path]) for f in frames]
    found = divided(in_folders, {moved[path]: k for path, k in stack_of.items()}, nothing)
    assert found == (("folder",), [[0], [1]])


@pytest.mark.parametrize(
    "heights",
    [
        grid(10, 5.0) + grid(8, 10.0, 55.0),  # the vertex is scanned more coarsely
        grid(5) + grid(10, 1.0, 10.0) + grid(5, 2.0, 21.0),  # the middle more finely
        [2.0 * i + random.Random(i).uniform(-0.3, 0.3) for i in range(20)],
    ],
    ids=["coarse", "fine", "jitter"],
)
def test_one_uneven_stack_stays_one_whatever_alternates_in_it(heights):
    frames, stack_of = numbered([heights], lambda _, i: 1 + i)
    rng = random.Random(8)

    def header(_, f):
        return {
            "XRayTubeCurrent": str(f.instance_number % 2),
            "FocalSpots": str(f.instance_number // 2 % 2),
            "ImageComments": str(rng.randrange(2)),
            "SeriesTime": str(f.instance_number // 9),
        }

    assert divided(frames, stack_of, header) == ((), [[0]])


PAIRS = [0.0, 2.0, 4.0, 7.0, 9.0, 12.0, 13.0, 15.0, 18.0, 22.0]
"""An uneven stack; another one that repeats it makes pairs of planes."""


@pytest.mark.parametrize(
    ("shift", "name", "apart"),
    [
        (0.6, "ImageComments", True),
        (0.6, "(0019,1023)", False),  # as rows of the detector
        (0.6, "XRayTubeCurrent", False),
        (2.6, "ImageComments", False),  # planes do not follow each other in turn
    ],
)
def test_two_uneven_stacks_are_apart_where_text_names_one_and_its_likeness(shift, name, apart):
    stacks = [PAIRS, [z + shift for z in PAIRS]]
    found = divided(*numbered(stacks), lambda k, _: {name: str(k)})
    assert found == (((name,), [[0], [1]]) if apart else ((), [[0, 1]]))


def test_text_of_two_uneven_halves_that_continue_each_other_divides_nothing():
    frames, stack_of = numbered([PAIRS])
    found = divided(frames, stack_of, lambda _, f: {"StudyID": str(f.position[2] > 10)})
    assert found == ((), [[0]])


def test_an_uneven_stack_that_does_not_repeat_the_other_stays_with_it():
    stacks = [PAIRS, [z + 0.6 + 0.1 * (i % 2) for i, z in enumerate(PAIRS)]]
    assert divided(*numbered(stacks), lambda k, _: {"StudyID": str(k)}) == ((), [[0, 1]])


def test_headers_of_an_even_stack_and_of_one_with_few_holes_are_not_read():
    def fail(*_):
        raise AssertionError("a header was read")

    for lost in ((), (4,), (3, 9, 15)):
        heights = [z for i, z in enumerate(grid(20)) if i not in lost]
        assert divided(*numbered([heights]), fail) == ((), [[0]])


@settings(max_examples=60, deadline=None)
@given(
    st.integers(4, 15),
    st.integers(4, 15),
    st.integers(0, 3),
    st.floats(0.15, 0.85).filter(lambda share: abs(share - 0.5) > 0.06),
    st.booleans(),
)
def test_two_stacks_at_any_share_of_a_plane_are_apart_and_complete(n, m, later, share, explained):
    start = round(2.0 * min(later, n - 3) + 2.0 * share, 3)
    frames, stack_of = numbered([grid(n), grid(m, start=start)])
    element = "ImageComments" if explained else "Rows"
    found = divided(frames, stack_of, lambda k, _: {element: str(k) if explained else "64"})
    assert found == (((element,), [[0], [1]]) if explained else ((), [[0, 1]]))


@settings(max_examples=200, deadline=None)
@given(st.sets(st.integers(0, 8), min_size=6), st.randoms(use_true_random=False))
def test_numbers_in_no_order_never_divide_a_short_stack_that_lost_planes(kept, rng):
    places = rng.sample(range(9), 9)
    heights = [2.0 * i for i in sorted(kept)]
    frames, stack_of = numbered([heights], lambda _, i: places[i])
    assert divided(frames, stack_of, nothing) == ((), [[0]])


def test_two_runs_of_three_planes_divide_nothing():
    numbers = [4, 1, 2, 5, 3, 6]
    frames, stack_of = numbered([[0.0, 2.0, 6.0, 8.0, 10.0, 16.0]], lambda _, i: numbers[i])
    assert divided(frames, stack_of, nothing) == ((), [[0]])
