"""Layers first, copies after: equal planes of two layers stay, whole copies and strays do not."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ct2zarr.plan.grouping import plan_series
from ct2zarr.vocabulary import Flag, Role
from series_of import accounted, different, evidence, flags, frame, stack, unread


def grid(n, step=2.0, start=0.0):
    return [start + step * i for i in range(n)]


def two_layers(planes=12, names="", **second):
    """Two layers whose numbers restart and whose UIDs mean nothing; paths of the second have b.

    ``names``: put before the number in a path of each layer, to make names of files mean nothing.
    """
    return [
        frame(
            i + 1,
            2.0 * i,
            path=f"/data/s/{names and (7 * i) % 5}{k}{i:02d}",
            sop_instance_uid=f"2.{(7 * i + number) % 5}.{i}{number}",
            **(second if number else {}),
        )
        for number, k in enumerate("ab")
        for i in range(planes)
    ]


def comments(some):
    return [{"ImageComments": frame.path[-3]} for frame in some]


def nothing(some):
    return [{} for _ in some]


def air_at_the_ends(frame):
    i = int(frame.path[-2:])
    return "air" if i in (0, 1, 10, 11) else frame.path


def layers_in(plans):
    return [{plane.path[-3] for plane in plan.planes} for plan in plans]


def test_two_layers_with_some_equal_planes_keep_them_all():
    plans = plan_series(two_layers(), air_at_the_ends, None, comments)
    assert [len(plan.planes) for plan in plans] == [12, 12]
    assert layers_in(plans) == [{"a"}, {"b"}]
    assert [flags(plan) for plan in plans] == [{Flag.SPLIT_SERIES}] * 2
    assert {plan.split_by for plan in plans} == {"ImageComments"}


def test_a_stray_copy_within_a_layer_goes_and_equal_planes_of_the_other_stay():
    frames = two_layers()
    copy = replace(frames[0], path="/data/s/copya00", sop_instance_uid="9.1")
    plans = plan_series([*frames, copy], air_at_the_ends, None, comments)
    assert [len(plan.planes) for plan in plans] == [12, 12]
    assert [one.role for plan in plans for one in plan.unused] == [Role.DUPLICATE]


def test_a_layer_that_repeats_another_in_all_planes_is_a_copy():
    (plan,) = plan_series(two_layers(), lambda f: str(f.position), None, comments)
    assert flags(plan) == {Flag.DUPLICATE_SLICES}
    assert {plane.path[-3] for plane in plan.planes} == {"a"}
    assert plan.split_by == ""


def test_an_element_that_divides_only_copies_is_not_named_where_another_one_divides():
    other = stack(grid(5), first=50, rows=32)
    plans = plan_series([*two_layers(), *other], lambda f: str(f.position), None, comments)
    assert [len(plan.planes) for plan in plans] == [12, 5]
    assert {plan.split_by for plan in plans} == {"Rows"}


def test_a_shorter_copy_goes_to_the_longer_layer():
    frames = stack(grid(12)) + [
        replace(f, path=f"/data/t/{f.instance_number}") for f in stack(grid(4, start=8), first=21)
    ]
    (plan,) = plan_series(frames, lambda f: str(f.position), None, nothing)
    assert len(plan.planes) == 12
    assert evidence(plan, Flag.DUPLICATE_SLICES) == {"count": 4}


def test_what_nothing_explains_is_ambiguous():
    plans = plan_series(two_layers(names="x"), different, None, nothing)
    assert [flags(plan) for plan in plans] == [
        {Flag.SPLIT_SERIES, Flag.CONFLICTING_SLICES, Flag.AMBIGUOUS_LAYERS}
    ] * 2
    assert {plan.split_by for plan in plans} == {""}
    expected = {"frames": 24, "positions": 12, "layers": 2}
    assert evidence(plans[0], Flag.AMBIGUOUS_LAYERS) == expected


def test_an_order_that_runs_along_the_stack_is_named_and_flagged_as_conflict():
    frames = [replace(f, instance_number=n) for n, f in enumerate(two_layers(), start=1)]
    plans = plan_series(frames, different, None, nothing)
    assert layers_in(plans) == [{"a"}, {"b"}]
    assert {plan.split_by for plan in plans} == {"InstanceNumber"}
    assert [flags(plan) for plan in plans] == [{Flag.SPLIT_SERIES, Flag.CONFLICTING_SLICES}] * 2


@pytest.mark.parametrize(
    ("keyword", "second"),
    [
        ("KVP", {"kvp": 140.0}),
        ("SliceThickness", {"slice_thickness": 1.0}),
        ("ScanOptions", {"scan_options": "HELICAL"}),
        ("TemporalPositionIndex", {"temporal_index": 2}),
        ("NominalPercentageOfCardiacPhase", {"cardiac_phase": 70.0}),
        ("NominalCardiacTriggerDelayTime", {"cardiac_delay": 300.0}),
        ("LossyImageCompression", {"lossy": True}),
    ],
)
def test_usual_tags_explain_without_whole_headers_or_pixels(keyword, second):
    def no_headers(some):
        raise AssertionError(f"headers of {len(some)} frames were read")

    frames = [replace(f, slice_thickness=f.slice_thickness or 2.0) for f in two_layers(**second)]
    plans = plan_series(frames, unread, None, no_headers)
    assert layers_in(plans) in ([{"a"}, {"b"}], [{"b"}, {"a"}])
    assert {plan.split_by for plan in plans} == {keyword}


@pytest.mark.parametrize(
    ("field", "low", "high"),
    [
        ("kvp", 80.0, 140.0),
        ("slice_thickness", 1.0, 3.0),
        ("temporal_index", 9, 10),
        ("cardiac_phase", 5.0, 70.0),
        ("kernel", "B30", "B70"),
        ("kernel", "B30", ""),
    ],
)
def test_layers_are_in_order_of_the_values_that_set_them_apart(field, low, high):
    for values, due in (((low, high), [{"a"}, {"b"}]), ((high, low), [{"b"}, {"a"}])):
        frames = [replace(f, **{field: values[f.path[-3] == "b"]}) for f in two_layers()]
        assert layers_in(plan_series(frames, unread, None, nothing)) == due


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 4), st.integers(4, 12), st.booleans())
def test_no_layer_depends_on_uids_or_on_the_order_of_the_input(seed, layers, planes, explained):
    rng = random.Random(seed)
    elements = comments if explained else nothing

    def plan_with(uids):
        names = iter(uids)
        frames = [
            frame(
                1,
                2.0 * i,
                path=f"/data/s/{(7 * i) % 5}{k}{i:02d}",
                sop_instance_uid=str(next(names)),
            )
            for k in "abcd"[:layers]
            for i in range(planes)
        ]
        rng.shuffle(frames)
        return plan_series(frames, different, None, elements)

    numbers = list(range(100, 100 + layers * planes))
    one, other = plan_with(numbers), plan_with(rng.sample(numbers, len(numbers)))
    if explained:
        assert [p.planes[0].path for p in one] == [p.planes[0].path for p in other]
        assert all(len(found) == 1 for found in layers_in(one) + layers_in(other))
    else:
        assert all(Flag.AMBIGUOUS_LAYERS in flags(plan) for plan in one + other)
    assert accounted(one) == accounted(other)


def test_trigger_times_that_jitter_never_mix_two_phases():
    rng = random.Random(3)
    frames = [
        replace(f, trigger_time=300.0 * ("b" in f.path) + rng.random() * 40)
        for f in two_layers(names="x")
    ]
    plans = plan_series(
        frames, different, None, lambda some: [{"TriggerTime": str(f.trigger_time)} for f in some]
    )
    assert layers_in(plans) == [{"a"}, {"b"}]
    assert {plan.split_by for plan in plans} == {"TriggerTime"}
