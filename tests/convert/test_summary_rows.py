"""A row has what the record, or the error, says of its volume, and no name where none may be."""

from dataclasses import replace

import pytest

from ct2zarr import __version__
from ct2zarr.codes import Code
from ct2zarr.convert.rejection import RejectedError
from ct2zarr.convert.summary_rows import (
    count_role,
    row_of_failure,
    row_of_record,
    row_of_rejection,
    without_names,
)
from ct2zarr.errors import FileError, Private, SeriesError
from ct2zarr.model import RaisedFlag, UnusedFrame, VolumePlan
from ct2zarr.vocabulary import Flag, Role
from record_samples import sample_plan, sample_record


@pytest.fixture
def plan() -> VolumePlan:
    """Three planes, two localizers in one file, one duplicate and one unreadable file."""
    plan = sample_plan()
    first = plan.planes[0]
    unused = (
        UnusedFrame(replace(first, path="/data/s/l.dcm", frame_number=1), Role.LOCALIZER, ""),
        UnusedFrame(replace(first, path="/data/s/l.dcm", frame_number=2), Role.LOCALIZER, ""),
        UnusedFrame(replace(first, path="/data/s/d.dcm"), Role.DUPLICATE, ""),
        UnusedFrame(replace(first, path="/data/s/u.dcm"), Role.UNREADABLE, ""),
    )
    planes = (
        replace(first, kernel="B60f", transfer_syntax_uid="1.2", slice_thickness=2.0),
        replace(plan.planes[1], transfer_syntax_uid="1.1", slice_thickness=3.0),
        replace(plan.planes[2], kernel="", manufacturer="M", slice_thickness=None),
    )
    flags = (RaisedFlag(Flag.PADDING, {}), RaisedFlag(Flag.SPLIT_SERIES, {}))
    return replace(plan, planes=planes, unused=unused, flags=flags, part=2, parts=3, split_by="KVP")


def test_the_row_of_a_finished_volume_is_that_of_its_record(plan):
    record = sample_record(
        plan,
        flags=("padding", "gantry_tilt"),
        localizers_skipped=1,
        duplicates=2,
        files_unreadable=3,
        input_files=4,
        input_bytes=500,
        output_bytes=60,
        verification={
            "ok": True,
            "slices": [0, 2],
            "decoders": {},
            "same_decoder": 1,
            "belonging": {"result": "flagged", "planes": 3},
        },
        seconds={"read": 1, "write": 2.5, "verify": 0.25, "total": 4.0},
        decoders={"native": 2, "imagecodecs": 1},
        geometry={"spacing": [2.0, 0.8, 0.7], "tilt_degrees": -20, "max_position_error_mm": 0.5},
    )
    row = row_of_record(plan, record, reused=True)
    assert (row.status, row.code, row.reason, row.error, row.error_public) == ("ok", "", "", "", "")
    assert (row.flags, row.decoder) == ("padding;gantry_tilt", "imagecodecs;native")
    assert (row.slice_count, row.rows, row.columns) == (3, 4, 5)
    assert (row.localizers_skipped, row.duplicates, row.files_unreadable) == (1, 2, 3)
    assert (row.files, row.input_bytes, row.output_bytes) == (4, 500, 60)
    assert (row.verify_ok, row.verified_slices, row.reused) == (True, 2, True)
    assert (row.belonging, row.belonging_planes) == ("flagged", 3)
    assert row.same_decoder_slices == 1
    assert (row.read_seconds, row.write_seconds, row.total_seconds) == (1.0, 2.5, 4.0)
    assert (row.spacing_z, row.spacing_y, row.spacing_x) == (2.0, 0.8, 0.7)
    assert (row.tilt_degrees, row.max_position_error_mm) == (-20.0, 0.5)
    assert (row.dtype, row.values_kind, row.version) == ("int16", "hu", __version__)


def test_a_volume_without_geometry_or_verification_has_empty_cells(plan):
    record = sample_record(
        plan,
        geometry={"spacing": None},
        verification={"ok": None, "slices": [], "decoders": {}},
    )
    row = row_of_record(plan, record, reused=False)
    assert (row.spacing_z, row.tilt_degrees, row.max_position_error_mm) == (None, None, None)
    assert (row.verify_ok, row.verified_slices, row.reused) == (None, 0, False)
    assert (row.belonging, row.belonging_planes) == ("unchecked", 0)


def test_what_the_plan_alone_determines_is_in_every_row(plan):
    for row in (
        row_of_record(plan, sample_record(plan), reused=False),
        row_of_failure(plan, SeriesError(Code.TIMEOUT, "It took too long.")),
    ):
        assert (row.series_hash, row.dataset, row.series_dir) == ("0" * 32, "v1", "/data/s")
        assert (row.part, row.parts, row.split_by) == (2, 3, "KVP")
        assert (row.kernel, row.manufacturer, row.transfer_syntax) == ("B30f;B60f", "M", "1.1;1.2")
        assert (row.slice_thickness, row.kvp) == (None, 120.0)


def test_a_number_that_differs_between_planes_is_no_number_of_the_volume(plan):
    kvps = (120.0, 80.0, None)
    planes = tuple(
        replace(plane, kvp=kvp, slice_thickness=2.0)
        for plane, kvp in zip(plan.planes, kvps, strict=True)
    )
    row = row_of_failure(replace(plan, planes=planes), SeriesError(Code.TIMEOUT, "Too long."))
    assert (row.slice_thickness, row.kvp) == (2.0, None)


def test_a_failed_row_has_the_code_and_both_sentences_of_its_error(plan):
    error = FileError(
        Code.TRUNCATED,
        "{path} of {patient} has {found} bytes",
        path="/data/s/DOE.dcm",
        patient=Private("Doe^Jane"),
        found=7,
    )
    row = row_of_failure(plan, error)
    assert (row.status, row.code, row.reason) == ("failed", "truncated", "truncated")
    assert row.error == "/data/s/DOE.dcm of Doe^Jane has 7 bytes"
    assert row.error_public == "[file] of [removed] has 7 bytes"
    assert row.flags == "padding;split_series"
    assert (row.slice_count, row.rows, row.columns) == (3, 4, 5)
    assert (row.localizers_skipped, row.duplicates, row.files_unreadable) == (1, 1, 1)
    assert (row.files, row.input_bytes, row.output_bytes) == (3, 3003, 0)
    assert (row.reused, row.verify_ok, row.version) == (False, None, __version__)


def test_a_rejected_row_names_the_rejected_flags_as_its_reason(plan):
    found = (Flag.PADDING, Flag.GANTRY_TILT, Flag.NOT_HU)
    rejected = (Flag.PADDING, Flag.NOT_HU)
    row = row_of_rejection(plan, RejectedError(rejected, found, frozenset(rejected)))
    assert (row.status, row.code) == ("rejected", "rejected_flag")
    assert row.reason == "padding;not_hu"
    assert row.flags == "padding;gantry_tilt;not_hu"
    assert row.error == row.error_public


def test_a_volume_without_planes_has_a_row_too(plan):
    row = row_of_failure(replace(plan, planes=()), SeriesError(Code.NO_PLANES, "No plane."))
    assert (row.slice_count, row.rows, row.columns, row.files, row.input_bytes) == (0, 0, 0, 0, 0)


def test_a_multi_frame_file_is_one_file_of_its_own_size(plan):
    first = plan.planes[0]
    planes = (replace(first, frames=2), replace(first, frames=2, frame_number=2))
    row = row_of_failure(replace(plan, planes=planes), SeriesError(Code.TIMEOUT, "Too long."))
    assert (row.slice_count, row.files, row.input_bytes) == (2, 1, 1000)


def test_without_names_a_row_has_neither_folder_nor_file(plan):
    error = FileError(Code.TRUNCATED, "{path} is cut short", path="/data/s/DOE.dcm")
    row = row_of_failure(plan, error)
    assert without_names(row) == replace(row, series_dir="", error="[file] is cut short")


def test_files_are_counted_once_for_all_their_frames(plan):
    assert [count_role(plan, role) for role in (Role.LOCALIZER, Role.DUPLICATE, Role.NOT_CT)] == [
        1,
        1,
        0,
    ]
