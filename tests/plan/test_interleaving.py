"""Stacks whose planes lie between each other are apart where that is certain, else flagged."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ct2zarr.codes import Code
from ct2zarr.errors import FileError
from ct2zarr.plan.element_meaning import Weight, weight_of
from ct2zarr.plan.grouping import plan_series, plan_without
from ct2zarr.vocabulary import Flag
from series_of import evidence, flags, frame, stack, unread


def grid(n, step=2.0, start=0.0):
    return [start + step * i for i in range(n)]


def number(rule, k, i, count, planes):
    """InstanceNumber of plane ``i`` of stack ``k``."""
    return {
        "by_position": 1 + count * i + k,
        "one_after_another": 1 + planes * k + i,
        "snake": planes * k + (i if k % 2 == 0 else planes - 1 - i),
        "restart": 1 + i,
        "absent": None,
    }[rule]


RULES = ["absent", "by_position", "one_after_another", "restart", "snake"]


def woven(count=2, planes=10, numbers="by_position", lost=(), **fields):
    """Stacks 2 mm x count each, whose planes lie between each other; the stack of each by path."""
    stack_of, frames = {}, []
    for k in range(count):
        for i in range(planes):
            place = count * i + k
            if place in lost:
                continue
            each = {
                "path": f"/data/series/{place:04d}.dcm",
                "instance_number": number(numbers, k, i, count, planes),
            }
            for name, value in fields.items():
                each[name] = value(k, place) if callable(value) else value
            frames.append(frame(place, 2.0 * place, **each))
            stack_of[frames[-1].path] = k
    return frames, stack_of


def planned(frames, stack_of, header):
    """The plans, and the stacks in each volume; ``header`` takes the stack and the frame."""

    def read(some):
        return [header(stack_of[f.path], f) for f in some]

    plans = plan_series(frames, unread, None, read)
    return plans, [{stack_of[plane.path] for plane in plan.planes} for plan in plans]


def with_(name, value="kind {}"):
    """A header with one element whose value names the stack, beside what ordinary series have."""
    return lambda k, f: {name: value.format(k), "ContentTime": f.path, "Rows": "64"}


def outcome(frames, stack_of, header):
    """``apart``, ``flagged`` or ``one``; the volumes of another division are an error."""
    plans, stacks = planned(frames, stack_of, header)
    if len(plans) > 1:
        assert sorted(map(tuple, stacks)) == [(k,) for k in sorted(set(stack_of.values()))]
        assert not any(Flag.INTERLEAVED_STACKS in flags(plan) for plan in plans)
        return "apart"
    return "flagged" if Flag.INTERLEAVED_STACKS in flags(plans[0]) else "one"


TEXT, PRIVATE, EXPOSURE = "ImageComments", "(0019,1023)", "XRayTubeCurrent"
CONTIGUOUS, APART, UNLIKE = 2.0, 4.0, 3.0
"""Thickness of the distance of all planes, of that of the planes of a stack, and of neither."""


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize(
    ("thickness", "numbers", "by_text", "by_private", "by_exposure"),
    [
        # Planes that leave no gap in their stack: each may be complete by itself.
        (APART, "by_position", "apart", "flagged", "one"),
        (APART, "absent", "apart", "flagged", "one"),
        (APART, "one_after_another", "apart", "apart", "flagged"),
        (APART, "snake", "apart", "apart", "flagged"),
        (APART, "restart", "apart", "apart", "flagged"),
        # Planes that complete each other: only numbers that restart speak against one stack.
        (CONTIGUOUS, "by_position", "one", "one", "one"),
        (CONTIGUOUS, "one_after_another", "flagged", "one", "one"),
        (CONTIGUOUS, "restart", "apart", "flagged", "flagged"),
        # A thickness that says nothing.
        (UNLIKE, "by_position", "one", "one", "one"),
        (UNLIKE, "one_after_another", "apart", "flagged", "flagged"),
        (UNLIKE, "restart", "apart", "apart", "flagged"),
        (None, "by_position", "flagged", "one", "one"),
        (None, "one_after_another", "apart", "flagged", "flagged"),
    ],
)
def test_what_alternates_divides_where_thickness_and_numbers_show_several_stacks(
    count, thickness, numbers, by_text, by_private, by_exposure
):
    if thickness == APART:
        thickness = 2.0 * count
    frames, stack_of = woven(count, numbers=numbers, slice_thickness=thickness)
    assert outcome(frames, stack_of, with_(TEXT)) == by_text
    assert outcome(frames, stack_of, with_(PRIVATE)) == by_private
    assert outcome(frames, stack_of, with_(EXPOSURE)) == by_exposure


@pytest.mark.parametrize(
    "name",
    ["Exposure", "FocalSpots", "DetectorID", "TableHeight", "ContentTime", "AcquisitionDate",
     "WindowWidth", "SmallestImagePixelValue", "RescaleIntercept", "InStackPositionNumber"],
)  # fmt: skip
def test_exposure_detector_times_and_values_alternate_in_overlapping_reconstructions(name):
    frames, stack_of = woven(slice_thickness=4.0)
    assert outcome(frames, stack_of, with_(name, "{}")) == "one"
    assert weight_of(name) is Weight.NONE


def test_the_declared_spacing_of_a_stack_is_a_sign_whatever_the_thickness():
    for thickness in (CONTIGUOUS, APART, 9.0):
        fields = {"slice_thickness": thickness, "spacing_between_slices": -4.0}
        frames, stack_of = woven(**fields)
        assert outcome(frames, stack_of, with_(PRIVATE)) == "apart"
        assert outcome(frames, stack_of, with_(EXPOSURE)) == "flagged"
        assert outcome(frames, stack_of, lambda *_: {}) == "one"
    frames, stack_of = woven(slice_thickness=APART, spacing_between_slices=2.0)
    assert outcome(frames, stack_of, with_(TEXT)) == "one"


def test_a_declared_spacing_is_a_sign_of_as_many_stacks_as_it_has_steps_and_of_no_others():
    for declared, found in ((4.0, "apart"), (6.0, "flagged"), (8.0, "flagged"), (5.0, "flagged")):
        frames, stack_of = woven(numbers="one_after_another", spacing_between_slices=declared)
        assert outcome(frames, stack_of, with_(PRIVATE)) == found, declared


@pytest.mark.parametrize(("count", "found"), [(4, "apart"), (5, "one")])
def test_by_thickness_alone_four_stacks_are_looked_for_and_thicker_planes_are_slabs(count, found):
    frames, stack_of = woven(count, slice_thickness=2.0 * count)
    assert outcome(frames, stack_of, with_(TEXT)) == found


@pytest.mark.parametrize(("count", "found"), [(10, "apart"), (11, "one")])
def test_up_to_ten_stacks_are_looked_for_where_the_spacing_is_declared(count, found):
    frames, stack_of = woven(count, 4, spacing_between_slices=2.0 * count)
    assert outcome(frames, stack_of, with_(TEXT)) == found


def test_the_evidence_names_what_alternates_and_what_runs_along_each_stack():
    frames, stack_of = woven(numbers="one_after_another", slice_thickness=UNLIKE)
    header = with_(PRIVATE)
    (plan,), _ = planned(frames, stack_of, lambda k, f: {**header(k, f), "SeriesNumber": str(k)})
    assert evidence(plan, Flag.INTERLEAVED_STACKS) == {
        "stacks": 2,
        "spacing_mm": 2.0,
        "alternating": [PRIVATE, "SeriesNumber"],
        "ordered_by": "InstanceNumber",
    }


def test_the_weightiest_element_is_named():
    frames, stack_of = woven(slice_thickness=APART)
    header = {PRIVATE: "{}", "AAA": "{}", TEXT: "{}", EXPOSURE: "{}"}
    plans, _ = planned(frames, stack_of, lambda k, _: {n: v.format(k) for n, v in header.items()})
    assert {plan.split_by for plan in plans} == {TEXT}


def test_the_folder_divides_where_numbers_restart_and_not_where_files_take_turns():
    folders = {"path": lambda k, place: f"/data/{'ab'[k]}/{place:04d}.dcm"}
    frames, stack_of = woven(numbers="restart", slice_thickness=APART, **folders)
    plans, stacks = planned(frames, stack_of, lambda *_: {})
    assert stacks == [{0}, {1}]
    assert {plan.split_by for plan in plans} == {"folder"}
    frames, stack_of = woven(slice_thickness=CONTIGUOUS, **folders)
    assert outcome(frames, stack_of, lambda *_: {}) == "one"


def test_numbers_in_no_order_are_no_sign():
    order = [3, 9, 0, 14, 7, 18, 1, 12, 5, 16, 19, 2, 10, 4, 13, 8, 17, 6, 15, 11]
    for thickness, found in ((APART, "flagged"), (UNLIKE, "one")):
        shuffled = {"instance_number": lambda _, place: order[place], "slice_thickness": thickness}
        frames, stack_of = woven(**shuffled)
        assert outcome(frames, stack_of, with_(PRIVATE)) == found
        assert outcome(frames, stack_of, lambda *_: {}) == "one"


def test_names_of_files_that_run_along_each_stack_are_a_sign_and_uids_are_none():
    for path, found in (("im_{}_{:03}.dcm", "flagged"), ("1.2.3.4.{}{:03}", "one")):
        names = {"path": lambda k, place, path=path: "/data/s/" + path.format(k, place)}
        frames, stack_of = woven(slice_thickness=APART, **names)
        assert outcome(frames, stack_of, lambda *_: {}) == found


def test_sizes_of_files_that_alternate_are_reason_to_read_a_few_headers():
    sizes = {"bytes": lambda k, place: 1000 + 20 * k + place % 7}
    frames, stack_of = woven(slice_thickness=CONTIGUOUS, **sizes)
    assert outcome(frames, stack_of, with_(TEXT)) == "flagged"
    assert outcome(frames, stack_of, with_(PRIVATE)) == "one"


def test_headers_of_an_ordinary_series_are_not_read_and_few_where_planes_overlap():
    read = []

    def header(_, f):
        read.append(f.path)
        return {"ImageComments": "same", "ContentTime": f.path}

    for thickness in (2.0, 3.9, 1.0):
        ordinary, stack_of = woven(slice_thickness=thickness)
        assert outcome(ordinary, stack_of, header) == "one"
    assert read == []
    overlapping, stack_of = woven(slice_thickness=4.0)
    assert outcome(overlapping, stack_of, header) == "one"
    assert len(read) == 4


@pytest.mark.parametrize("lost", [(0,), (1,), (7,), (7, 8, 15), (18, 19), (3, 10, 16)])
def test_missing_planes_do_not_hide_two_stacks(lost):
    frames, stack_of = woven(numbers="restart", slice_thickness=APART, lost=lost)
    plans, stacks = planned(frames, stack_of, with_(TEXT))
    assert sorted(map(min, stacks)) == sorted(map(max, stacks)) == [0, 1]
    assert sum(len(plan.planes) for plan in plans) == 20 - len(lost)


def test_two_elements_one_within_the_other_make_four_stacks():
    frames, stack_of = woven(4, planes=6, slice_thickness=8.0)
    plans, stacks = planned(
        frames,
        stack_of,
        lambda k, _: {"SeriesDescription": "ab"[k % 2], "ImageComments": "abcd"[k // 2 * 2]},
    )
    assert stacks == [{0}, {1}, {2}, {3}]
    assert {plan.split_by for plan in plans} == {"SeriesDescription+ImageComments"}


def test_two_planes_are_no_stack_and_a_value_per_plane_is_no_kind():
    frames, stack_of = woven(planes=2, numbers="restart", slice_thickness=APART)
    assert outcome(frames, stack_of, with_(TEXT)) == "one"
    frames, stack_of = woven(planes=4, numbers="restart", slice_thickness=APART, lost=(3, 5))
    assert outcome(frames, stack_of, with_(TEXT)) == "one"
    frames, stack_of = woven(planes=3, numbers="restart", slice_thickness=APART)
    assert outcome(frames, stack_of, with_(TEXT)) == "apart"
    assert outcome(frames, stack_of, lambda _, f: {TEXT: f.path}) == "one"


def test_numbers_alone_are_a_sign_from_five_planes_of_each_stack():
    for planes, found in ((4, "one"), (5, "flagged")):
        frames, stack_of = woven(planes=planes, numbers="one_after_another", slice_thickness=APART)
        assert outcome(frames, stack_of, lambda *_: {}) == found


def test_the_flag_stays_when_a_plane_cannot_be_decoded():
    frames, stack_of = woven(slice_thickness=APART)
    (plan,), _ = planned(frames, stack_of, with_(PRIVATE))
    error = FileError(Code.CANNOT_DECODE, "{file} cannot be decoded", path=plan.planes[3].path)
    assert Flag.INTERLEAVED_STACKS in flags(plan_without(plan, {3: error}))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 4),
    st.integers(3, 12),
    st.sampled_from(RULES),
    st.randoms(use_true_random=False),
)
def test_a_text_that_names_its_stack_divides_and_one_by_chance_never_does(
    count, planes, numbers, rng
):
    frames, stack_of = woven(count, planes, numbers, slice_thickness=2.0 * count)
    rng.shuffle(frames)
    assert outcome(frames, stack_of, with_(TEXT)) == "apart"
    drawn = {f.path: str(rng.randrange(count)) for f in frames}
    by_place = [drawn[f.path] for f in sorted(frames, key=lambda f: f.position[2])]
    periodic = any(by_place[i:] == by_place[:-i] for i in range(1, 2 * count))
    if not periodic:
        assert outcome(frames, stack_of, lambda _, f: {TEXT: drawn[f.path]}) != "apart"


# Usual tags, which need no whole headers ----------------------------------------------------------


def interleaved(one, other, planes=10, shift=1.0, **fields):
    first = stack(grid(planes), **one, **fields)
    second = stack(grid(planes, start=shift), first=101, **other, **fields)
    plans = plan_series(first + second, unread)
    return [(plan.split_by, len(plan.planes)) for plan in plans], plans


@pytest.mark.parametrize(
    ("fields", "keyword"),
    [
        (({"kvp": 80.0}, {"kvp": 140.0}), "KVP"),
        (({"slice_thickness": 1.0}, {"slice_thickness": 5.0}), "SliceThickness"),
        (({"slice_thickness": 1.0}, {"slice_thickness": 1.2}), "SliceThickness"),
    ],
)
def test_planes_of_two_kinds_between_each_other_are_two_stacks_though_their_grid_is_even(
    fields, keyword
):
    assert interleaved(*fields)[0] == [(keyword, 10)] * 2


@pytest.mark.parametrize(("thickness", "parts"), [(2.0, 2), (1.0, 1), (3.0, 2), (1.5, 2)])
def test_a_kernel_divides_planes_between_each_other_unless_they_complete_each_other(
    thickness, parts
):
    found, plans = interleaved({"kernel": "A"}, {"kernel": "B"}, slice_thickness=thickness)
    assert found == ([("ConvolutionKernel", 10)] * 2 if parts == 2 else [("", 20)])
    assert (Flag.INTERLEAVED_STACKS in flags(plans[0])) is (parts == 1)


@pytest.mark.parametrize(("thickness", "parts"), [(2.0, 2), (1.0, 1), (1.5, 1)])
def test_acquisitions_divide_only_where_each_is_complete_by_itself(thickness, parts):
    one, other = {"acquisition_number": 1}, {"acquisition_number": 2}
    found, _ = interleaved(one, other, slice_thickness=thickness)
    assert len(found) == parts


def test_one_spectrum_beyond_the_other_and_rounded_thicknesses_stay_together():
    assert interleaved({"kvp": 80.0}, {"kvp": 140.0}, shift=20.0)[0] == [("", 20)]
    assert interleaved({"slice_thickness": 1.0}, {"slice_thickness": 1.1})[0] == [("", 20)]
