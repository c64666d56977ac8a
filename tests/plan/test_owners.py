"""Frames of two studies or patients never share a volume, whatever UID and geometry they have."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ct2zarr.plan.grouping import plan_series, plan_volumes, plan_without, series_hash
from ct2zarr.plan.owners import divide_by_owner, owners_of
from ct2zarr.vocabulary import Flag, Role
from series_of import accounted, at, by_uid, different, evidence, flags, frame, stack, unread, z_of


def grid(n, step=2.0, start=0.0):
    return [start + step * i for i in range(n)]


PLACES = {
    "apart": grid(8, start=50),
    "abutting": grid(8, start=16),
    "interleaved": grid(8, start=1),
    "overlapping": grid(8, start=8),
    "the same": grid(8),
}


@pytest.mark.parametrize("places", PLACES)
@pytest.mark.parametrize("fields", [{"study_uid": "1.5"}, {"patient": "b"}])
def test_another_study_or_patient_is_another_series_wherever_its_planes_lie(places, fields):
    frames = stack(grid(8), patient="a") + at(stack(PLACES[places], first=1, patient="a"), **fields)
    frames = [
        replace(f, sop_instance_uid=f"2.{i}", path=f"/data/{i}") for i, f in enumerate(frames)
    ]
    random.Random(1).shuffle(frames)
    plans = plan_series(frames, unread)
    assert sorted(map(z_of, plans)) == sorted([grid(8), PLACES[places]])
    assert [flags(plan) for plan in plans] == [{Flag.REUSED_SERIES_UID}] * 2
    assert [(plan.part, plan.parts, plan.split_by) for plan in plans] == [(1, 1, "")] * 2
    studies, patients = (2, 1) if "study_uid" in fields else (1, 2)
    expected = {"studies": studies, "patients": patients}
    assert evidence(plans[0], Flag.REUSED_SERIES_UID) == expected
    assert all({p.study_uid for p in plan.planes} == {plan.study_uid} for plan in plans)


def test_three_studies_are_three_series_and_each_is_divided_by_itself():
    frames = stack(grid(9))
    frames += stack(grid(6), first=20, study_uid="1.6")
    frames += stack(grid(6), first=30, study_uid="1.6", acquisition_number=2)
    frames += stack(grid(5, start=3), first=40, study_uid="1.7")
    plans = plan_series(frames, unread)
    assert [(p.study_uid, len(p.planes), p.part, p.parts) for p in plans] == [
        ("1.6", 6, 1, 2),
        ("1.6", 6, 2, 2),
        ("1.8", 9, 1, 1),
        ("1.7", 5, 1, 1),
    ]
    assert plans[0].series_hash == series_hash("v1", "1.9\0" + "1.6\0", 1)
    assert len({plan.series_hash for plan in plans}) == 4


def test_the_hash_stays_where_one_study_and_patient_use_the_uid():
    (plan,) = plan_series(stack(grid(5), patient="a"), unread)
    assert plan.series_hash == series_hash("v1", "1.9", 1)


def test_an_absent_value_goes_with_the_one_that_is_there():
    frames = stack(grid(4)) + stack(grid(4, start=8), first=5, study_uid="", patient="a")
    (plan,) = plan_series(frames, unread)
    assert (plan.study_uid, plan.flags) == ("1.8", ())


def test_absent_values_are_a_series_of_their_own_beside_several():
    frames = stack(grid(4), patient="a") + stack(grid(4, start=8), first=5, patient="b")
    frames += stack(grid(3, start=16), first=9)
    assert sorted(len(plan.planes) for plan in plan_series(frames, unread)) == [3, 4, 4]


def test_an_absent_patient_is_looked_for_within_the_study():
    frames = [
        frame(1, 0.0, patient="a"),
        frame(2, 2.0),
        frame(3, 4.0, patient="b", study_uid="1.5"),
        frame(4, 6.0, study_uid="1.5"),
    ]
    assert [patient for _, patient, _ in owners_of(frames)] == ["a", "a", "b", "b"]


def test_exact_copies_in_another_study_are_duplicates_and_the_larger_study_keeps_all():
    frames = stack(grid(9))
    names = "zazazaza"
    copies = [
        replace(f, study_uid="1.5", path=f"/data/{name}/{f.instance_number}")
        for f, name in zip(frames, names, strict=False)
    ]
    (plan,) = plan_series(copies + frames, by_uid)
    assert plan.planes == tuple(frames)
    assert flags(plan) == {Flag.DUPLICATE_SLICES}
    assert {one.frame.study_uid for one in plan.unused} == {"1.5"}


def test_the_same_uid_with_other_pixels_in_another_study_is_no_copy():
    frames = stack(grid(6))
    others = at(frames, study_uid="1.5")
    others = [replace(f, path=f"/data/other/{f.instance_number}") for f in others]
    plans = plan_series(frames + others, different)
    assert [len(plan.planes) for plan in plans] == [6, 6]


EMPTY = {"series_uid": "", "study_uid": "", "frame_of_reference_uid": ""}


def test_without_uids_patient_and_series_number_divide_a_folder():
    one = stack(grid(6), **EMPTY, patient="a", series_number=2)
    other = stack(grid(6), first=11, **EMPTY, patient="b", series_number=2)
    third = stack(grid(6), first=21, **EMPTY, patient="a", series_number=3)
    alone, _ = plan_volumes(one, unread)
    assert alone[0].series_hash == series_hash("v1", "folder:series", 1)
    both, _ = plan_volumes(one + other, unread)
    assert [flags(plan) for plan in both] == [{Flag.REUSED_SERIES_UID}] * 2
    numbers, _ = plan_volumes(one + third, unread)
    assert [plan.flags for plan in numbers] == [(), ()]
    assert [len(plan.planes) for plan in numbers] == [6, 6]
    keys = [divided.key for divided in divide_by_owner(one + other + third)]
    assert keys == ["folder:series\0\0a\0002", "folder:series\0\0a\0003", "folder:series\0\0b\0002"]


def test_with_a_uid_the_series_number_says_nothing():
    frames = stack(grid(6), series_number=1) + stack(grid(6, start=12), first=7, series_number=2)
    assert len(plan_series(frames, unread)) == 1


def test_the_flag_stays_when_a_plane_cannot_be_decoded():
    frames = stack(grid(8)) + stack(grid(6), first=10, study_uid="1.5")
    plan = plan_series(frames, unread)[0]
    left = plan_without(plan, {})
    assert flags(left) == {Flag.REUSED_SERIES_UID}


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_volume_has_two_studies_or_patients(data):
    places = st.sampled_from(grid(6, step=1.0))
    some = data.draw(
        st.lists(
            st.tuples(places, st.sampled_from(["", "1.1", "1.2", "1.3"]), st.sampled_from("ab")),
            min_size=1,
            max_size=25,
        )
    )
    uid = data.draw(st.sampled_from(["", "1.9"]))
    absent = data.draw(st.booleans())
    frames = [
        frame(i, z, study_uid=study, series_uid=uid, patient="" if absent and i % 3 else patient)
        for i, (z, study, patient) in enumerate(some)
    ]
    plans = plan_series(frames, different)
    for plan in plans:
        assert len({plane.study_uid for plane in plan.planes} - {""}) <= 1
        assert len({plane.patient for plane in plan.planes} - {""}) <= 1
        assert plan.study_uid in {plane.study_uid for plane in plan.planes}
    assert len(accounted(plans)) == len(frames)
    assert all(one.role is not Role.DUPLICATE for plan in plans for one in plan.unused)
