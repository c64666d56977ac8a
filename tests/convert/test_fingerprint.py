"""The fingerprint changes with all that changes the output, and with nothing else."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ct2zarr.convert.fingerprint import fingerprint
from ct2zarr.dicom.deidentification import KEY_VARIABLE
from ct2zarr.model import Frame, RaisedFlag, UnusedFrame, VolumePlan
from ct2zarr.run.settings import ConvertSettings, EncodingSettings, MetadataSettings
from ct2zarr.vocabulary import Flag, Role, StoreType


def frame(number: int, role: Role = Role.SLICE) -> Frame:
    return Frame(
        dataset="v1",
        root="/data",
        path=f"/data/s/f{number}.dcm",
        bytes=1000 + number,
        mtime_ns=10**18 + number,
        role=role,
        sop_instance_uid=f"1.2.{number}",
    )


PLAN = VolumePlan(
    series_hash="0123456789abcdef" * 2,
    dataset="v1",
    series_dir="/data/s",
    series_uid="1.2",
    study_uid="1.1",
    part=2,
    parts=3,
    split_by="KVP",
    planes=(frame(1), frame(2)),
    unused=(UnusedFrame(frame(3, Role.DUPLICATE), Role.DUPLICATE, "same pixels"),),
    flags=(
        RaisedFlag(Flag.PADDING, {"value": -2000}),
        RaisedFlag(Flag.SPLIT_SERIES, {"parts": 3}),
    ),
)
SETTINGS = ConvertSettings(Path("series_all.csv"), Path("out"))
KEY = {KEY_VARIABLE: "x" * 32}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (SETTINGS, "7ba633933533d8c5a2b0a3b6b9a37e13"),
        (
            replace(SETTINGS, metadata=MetadataSettings(deidentify=True)),
            "026f2b2d626080b0d52e39fb45476341",
        ),
        (
            replace(
                SETTINGS,
                encoding=EncodingSettings(StoreType.DIR, chunks=(5, 16, 16), pyramid_levels=2),
            ),
            "1e8573c9eeb9b62e3ca2b8efd4dfff64",
        ),
    ],
    ids=["defaults", "deidentify", "encoding"],
)
def test_fingerprints_are_those_of_the_volumes_that_users_have(settings, expected):
    """Where this fails, the next run of every user converts all volumes again."""
    assert fingerprint(PLAN, settings, KEY) == expected


def first_plane(**changes: Any) -> VolumePlan:
    return replace(PLAN, planes=(replace(PLAN.planes[0], **changes), PLAN.planes[1]))


@pytest.mark.parametrize(
    "changed",
    [
        replace(PLAN, series_hash="f" * 32),
        replace(PLAN, part=1),
        replace(PLAN, parts=4),
        replace(PLAN, split_by="ConvolutionKernel"),
        replace(PLAN, planes=PLAN.planes[::-1]),
        replace(PLAN, planes=PLAN.planes[:1]),
        first_plane(sop_instance_uid="1.9"),
        first_plane(path="/data/s/g1.dcm"),
        first_plane(frame_number=2),
        first_plane(bytes=7),
        first_plane(mtime_ns=7),
        replace(PLAN, unused=()),
        replace(PLAN, unused=(replace(PLAN.unused[0], role=Role.LOCALIZER),)),
        replace(PLAN, flags=PLAN.flags[:1]),
        replace(PLAN, flags=(RaisedFlag(Flag.PADDING, {"value": 0}), PLAN.flags[1])),
    ],
)
def test_a_change_of_the_sources_changes_the_fingerprint(changed):
    assert fingerprint(changed, SETTINGS, {}) != fingerprint(PLAN, SETTINGS, {})


def test_a_dataset_that_was_moved_as_a_whole_keeps_its_fingerprints():
    def moved(one: Frame) -> Frame:
        return replace(one, root="/other", path=one.path.replace("/data", "/other"))

    elsewhere = replace(
        PLAN,
        series_dir="/other/s",
        planes=tuple(moved(plane) for plane in PLAN.planes),
        unused=tuple(replace(one, frame=moved(one.frame)) for one in PLAN.unused),
    )
    assert fingerprint(elsewhere, SETTINGS, {}) == fingerprint(PLAN, SETTINGS, {})


def test_the_order_of_unused_frames_does_not_matter():
    other = UnusedFrame(frame(4, Role.LOCALIZER), Role.LOCALIZER, "scout")
    one, two = (
        replace(PLAN, unused=both) for both in ((*PLAN.unused, other), (other, *PLAN.unused))
    )
    assert fingerprint(one, SETTINGS, {}) == fingerprint(two, SETTINGS, {})


def test_another_key_of_the_pseudonyms_matters_with_deidentify_only():
    other = {KEY_VARIABLE: "y" * 32}
    private = replace(SETTINGS, metadata=MetadataSettings(deidentify=True))
    assert fingerprint(PLAN, private, KEY) != fingerprint(PLAN, private, other)
    assert fingerprint(PLAN, SETTINGS, KEY) == fingerprint(PLAN, SETTINGS, other)
