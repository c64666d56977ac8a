"""With which volume of a series a frame is accounted that is no plane of any."""

from dataclasses import replace

import pytest

from ct2zarr.codes import Code
from ct2zarr.errors import FileError
from ct2zarr.plan.grouping import plan_series, plan_without
from ct2zarr.vocabulary import Flag, Role
from series_of import at, different, frame, stack, unread


def grid(n, step=2.0):
    return [step * i for i in range(n)]


def phases():
    return stack(grid(5), temporal_position=1) + stack(grid(5), 11, temporal_position=2)


def unreadable(**fields):
    about = {"role": Role.UNREADABLE, "reason": "cut", "code": Code.TRUNCATED}
    return frame(50, 20.0, **{**about, **fields})


def counts(frames):
    return [len(plan.unused) for plan in plan_series(frames, unread)]


def test_an_unreadable_copy_is_accounted_with_its_original_whatever_its_tags():
    copy = unreadable(sop_instance_uid="1.2.13", temporal_position=1)
    assert counts([*phases(), copy]) == [0, 1]


def test_an_unreadable_frame_of_another_number_is_no_copy():
    copy = unreadable(sop_instance_uid="1.2.13", frame_number=2, temporal_position=1)
    assert counts([*phases(), copy]) == [1, 0]


def test_frames_without_a_uid_are_no_copies_of_planes_without_one():
    first, second = phases()[:5], phases()[5:]
    frames = at(first, sop_instance_uid="") + second
    frames = [replace(one, path=f"/data/{i}") for i, one in enumerate(frames)]
    assert counts([*frames, unreadable(sop_instance_uid="", temporal_position=2)]) == [0, 1]


@pytest.mark.parametrize(
    "layout",
    [
        {"rows": 32},
        {"columns": 32},
        {"orientation": (1.0, 0.0, 0.0, 0.0, 0.999, 0.0447)},
        {"pixel_spacing": (0.5, 0.5)},
    ],
    ids=str,
)
def test_the_layout_counts_more_than_any_tag(layout):
    frames = stack(grid(6), kernel="A", stack_id="1")
    frames += [replace(one, **layout) for one in stack(grid(4), 11, kernel="B", stack_id="2")]
    bad = unreadable(**{"kernel": "A", "stack_id": "1", **layout})
    assert counts([*frames, bad]) == [0, 1]


def test_a_frame_that_fits_two_volumes_alike_is_accounted_with_the_first():
    bad = unreadable(temporal_position=None, rows=0, columns=0, orientation=None)
    assert counts([*phases(), bad]) == [1, 0]


@pytest.mark.parametrize("role", [Role.LOCALIZER, Role.EXCLUDED])
def test_readable_frames_that_are_no_slices_are_accounted_with_the_first_volume(role):
    assert counts([*phases(), unreadable(role=role, temporal_position=2)]) == [1, 0]


def test_unused_frames_are_in_the_order_of_all_frames():
    frames = [unreadable(sop_instance_uid=f"1.2.{i}", path=f"/data/{9 - i}") for i in (9, 7, 8)]
    (plan,) = plan_series([*stack(grid(5)), *frames], unread)
    assert [entry.frame.sop_instance_uid for entry in plan.unused] == ["1.2.7", "1.2.8", "1.2.9"]


@pytest.mark.parametrize("samples", [0, 2, 3])
def test_frames_without_exactly_one_sample_are_excluded(samples):
    (plan,) = plan_series([*stack(grid(5)), frame(9, 3.0, samples_per_pixel=samples)], unread)
    assert [(entry.role, entry.code) for entry in plan.unused] == [(Role.EXCLUDED, Code.COLOUR)]
    assert plan.unused[0].reason == f"the image has {samples} samples per pixel; a plane has one"


def test_the_study_of_a_volume_is_the_one_that_its_planes_name():
    frames = [frame(i, 2.0 * i, study_uid="1.8.5" if i == 3 else "") for i in range(5)]
    (plan,) = plan_series(frames, unread)
    assert plan.study_uid == "1.8.5"


def test_parts_that_no_tag_orders_are_numbered_from_the_lowest_position_up():
    higher = [frame(1 + i, 2.0 + 2.0 * i) for i in range(6)]
    lower = [frame(11 + i, 0, position=(40.0, 0.0, 2.0 * i)) for i in range(7)]
    first, second = plan_series(higher + lower, unread)
    assert first.split_by == "ImagePositionPatient"
    assert (len(first.planes), len(second.planes)) == (7, 6)


def test_the_first_plane_that_failed_is_named_where_all_did():
    errors = {
        index: FileError(Code.TRUNCATED, "{file} is cut short.", path=f"/data/{index}")
        for index in (1, 0)
    }
    (plan,) = plan_series(stack(grid(2)), unread)
    with pytest.raises(Exception, match=r"the first error: 0 is cut short\."):
        plan_without(plan, errors)


def test_conflict_and_split_stay_known_when_a_plane_is_lost():
    plans = plan_series(stack(grid(6)) + stack(grid(6), 7), different)
    error = FileError(Code.TRUNCATED, "{file} is cut short.", path="/data/x")
    less = plan_without(plans[0], {2: error})
    found = {raised.flag: raised.evidence for raised in less.flags}
    before = {raised.flag: raised.evidence for raised in plans[0].flags}
    for flag in (Flag.SPLIT_SERIES, Flag.CONFLICTING_SLICES):
        assert found[flag] == before[flag]
    assert found[Flag.MISSING_SLICES]["after"] == [1]
    assert found[Flag.UNREADABLE_FILES] == {"count": 1}
