"""Volumes are refused for the flags that the user names and for files that cannot be read."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ct2zarr.codes import Code
from ct2zarr.convert.rejection import (
    RejectedError,
    check_flags,
    check_readable,
    unreadable_without_copy,
)
from ct2zarr.errors import SeriesError, sentence
from ct2zarr.model import Frame, RaisedFlag, UnusedFrame, VolumePlan
from ct2zarr.run.settings import ConvertSettings
from ct2zarr.vocabulary import Flag, Role
from record_samples import sample_plan

SETTINGS = ConvertSettings(Path("series_all.csv"), Path("out"))


def test_only_the_flags_that_are_named_reject_a_volume():
    flags = [RaisedFlag(Flag.GANTRY_TILT), RaisedFlag(Flag.PADDING), RaisedFlag(Flag.NOT_HU)]
    settings = replace(SETTINGS, reject_flags=frozenset({Flag.NOT_HU, Flag.GANTRY_TILT}))
    with pytest.raises(RejectedError) as raised:
        check_flags(flags, settings)
    assert raised.value.code is Code.REJECTED_FLAG
    assert raised.value.rejected == (Flag.GANTRY_TILT, Flag.NOT_HU)
    assert raised.value.flags == (Flag.GANTRY_TILT, Flag.PADDING, Flag.NOT_HU)
    said = sentence(raised.value, private=False)
    assert said.startswith("the setting reject_flags names gantry_tilt, not_hu: ")
    assert Flag.GANTRY_TILT.sentence in said
    assert Flag.NOT_HU.sentence in said
    check_flags(flags, replace(SETTINGS, reject_flags=frozenset({Flag.SINGLE_SLICE})))


def test_ambiguous_layers_are_rejected_unless_they_are_accepted():
    flags = [RaisedFlag(Flag.CONFLICTING_SLICES), RaisedFlag(Flag.AMBIGUOUS_LAYERS)]
    with pytest.raises(RejectedError) as raised:
        check_flags(flags, SETTINGS)
    assert raised.value.code is Code.AMBIGUOUS_LAYERS
    assert raised.value.rejected == (Flag.AMBIGUOUS_LAYERS,)
    assert "accept_ambiguous_layers" in str(raised.value)
    check_flags(flags, replace(SETTINGS, accept_ambiguous_layers=True))
    named = replace(SETTINGS, reject_flags=frozenset({Flag.AMBIGUOUS_LAYERS}))
    for settings in (named, replace(named, accept_ambiguous_layers=True)):
        with pytest.raises(RejectedError) as raised:
            check_flags(flags, settings)
        assert raised.value.code is Code.REJECTED_FLAG


def unreadable(frame: Frame) -> UnusedFrame:
    return UnusedFrame(frame, Role.UNREADABLE, "SECRET.dcm is cut short", Code.TRUNCATED)


def plan_with(*frames: Frame) -> VolumePlan:
    return replace(sample_plan(), unused=tuple(unreadable(one) for one in frames))


def other(number: int, **changes: Any) -> Frame:
    """A frame that the plan has not."""
    first = sample_plan().planes[0]
    path = f"/data/s/SECRET{number}.dcm"
    return replace(first, path=path, sop_instance_uid=f"1.9.{number}", **changes)


def test_an_unreadable_file_fails_its_volume_by_name():
    with pytest.raises(SeriesError) as raised:
        check_readable(plan_with(other(1)), SETTINGS)
    assert raised.value.code is Code.UNREADABLE_FILES
    assert raised.value.path == "/data/s/SECRET1.dcm"
    said = sentence(raised.value)
    assert said.startswith("/data/s/SECRET1.dcm cannot be read: SECRET.dcm is cut short; repair")
    assert "SECRET" not in sentence(raised.value, private=False)


def test_several_unreadable_files_are_counted():
    with pytest.raises(SeriesError) as raised:
        check_readable(plan_with(other(1), other(2), other(3)), SETTINGS)
    assert raised.value.facts["others"] == 2
    assert "SECRET1.dcm cannot be read, nor can 2 other frames" in sentence(raised.value)
    assert "SECRET" not in sentence(raised.value, private=False)


def test_unreadable_files_may_be_dropped():
    check_readable(plan_with(other(1)), replace(SETTINGS, on_bad_slice="drop"))


def test_unused_files_that_can_be_read_fail_nothing():
    localizer = UnusedFrame(other(1), Role.LOCALIZER, "scout")
    check_readable(replace(sample_plan(), unused=(localizer,)), SETTINGS)


def test_an_unreadable_copy_of_a_plane_costs_nothing():
    copy = replace(sample_plan().planes[1], path="/data/s/copy.dcm")
    assert unreadable_without_copy(plan_with(copy)) == []
    check_readable(plan_with(copy), SETTINGS)


def test_an_unreadable_copy_of_an_unused_frame_costs_nothing():
    duplicate = UnusedFrame(other(1), Role.DUPLICATE, "same pixels")
    copy = unreadable(replace(other(1), path="/data/s/copy.dcm"))
    assert unreadable_without_copy(replace(sample_plan(), unused=(duplicate, copy))) == []


def test_two_unreadable_copies_of_one_frame_are_both_lost():
    both = (other(1), replace(other(1), path="/data/s/copy.dcm"))
    assert len(unreadable_without_copy(plan_with(*both))) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"sop_instance_uid": ""},
        {"position": (0.0, 0.0, 99.0)},
        {"instance_number": 99},
        {"acquisition_number": 99},
        {"rows": 99},
        {"columns": 99},
        {"frame_number": 2},
        {"frames": 2},
    ],
)
def test_a_frame_that_only_shares_its_uid_is_no_copy(changes):
    frame = replace(sample_plan().planes[1], path="/data/s/other.dcm", **changes)
    assert len(unreadable_without_copy(plan_with(frame))) == 1


def test_frames_without_uid_are_never_copies():
    plan = sample_plan()
    nameless = replace(plan.planes[0], sop_instance_uid="")
    plan = replace(plan, planes=(nameless,), unused=(unreadable(nameless),))
    assert len(unreadable_without_copy(plan)) == 1


def test_frames_of_a_truncated_file_are_compared_by_uid_and_number_alone():
    """The header of the file that is cut short has no positions."""
    plan = sample_plan()
    frame = replace(plan.planes[0], frames=3, frame_number=2)
    lost = replace(frame, path="/data/s/cut.dcm", position=None, instance_number=7)
    plan = replace(plan, planes=(frame,), unused=(unreadable(lost),))
    assert unreadable_without_copy(plan) == []
