"""A volume is reused while its record, its files and its fingerprint are as they should be."""

from dataclasses import replace
from pathlib import Path

import pytest

from ct2zarr.codes import Code
from ct2zarr.convert.fingerprint import fingerprint
from ct2zarr.convert.finished import (
    damaged_volumes,
    finished_record,
    finished_rows,
    lacks_records,
)
from ct2zarr.model import UnusedFrame, VolumePlan, VolumeRecord
from ct2zarr.run.atomic_files import prepare_store_root
from ct2zarr.run.checksums import file_md5
from ct2zarr.run.paths import VolumePaths, shard_audit, volume_paths
from ct2zarr.run.settings import ConvertSettings
from ct2zarr.store.records import record_to_json
from ct2zarr.verify.audit_table import AuditRow, write_audit
from ct2zarr.vocabulary import Flag, Role, StoreType
from record_samples import sample_plan, sample_record

STORE = b"the content of a store"
PLAN = sample_plan()


@pytest.fixture
def settings(tmp_path) -> ConvertSettings:
    settings = ConvertSettings(tmp_path / "series_shard_00.csv", tmp_path / "out")
    prepare_store_root(settings.store_root)
    return settings


def paths_of(settings: ConvertSettings, plan: VolumePlan = PLAN) -> VolumePaths:
    return volume_paths(settings.store_root, plan.series_hash, settings.encoding.store_type)


def finish(settings: ConvertSettings, plan: VolumePlan = PLAN, **changes: object) -> VolumeRecord:
    """Put a volume there that looks finished."""
    paths = paths_of(settings, plan)
    record = sample_record(
        plan,
        **{
            "fingerprint": fingerprint(plan, settings),
            "output_bytes": len(STORE),
            "files_unreadable": 0,
            **changes,
        },
    )
    paths.store.write_bytes(STORE)
    paths.slices.write_text("slice_index\n")
    paths.record.write_text(record_to_json(record))
    return record


def found(settings: ConvertSettings, plan: VolumePlan = PLAN) -> VolumeRecord | None:
    return finished_record(paths_of(settings, plan), fingerprint(plan, settings), plan, settings)


def test_a_complete_volume_needs_no_conversion(settings):
    record = finish(settings)
    assert found(settings) == record


@pytest.mark.parametrize("part", ["store", "slices", "record"])
def test_a_volume_without_one_of_its_files_is_not_complete(settings, part):
    finish(settings)
    getattr(paths_of(settings), part).unlink()
    assert found(settings) is None


@pytest.mark.parametrize("size", [len(STORE) - 1, len(STORE) + 1])
def test_a_store_of_another_size_is_not_complete(settings, size):
    finish(settings, output_bytes=size)
    assert found(settings) is None


def test_a_damaged_record_is_no_record(settings):
    finish(settings)
    paths_of(settings).record.write_text("{}")
    assert found(settings) is None


def test_another_fingerprint_or_store_type_is_another_volume(settings):
    finish(settings, fingerprint="0" * 32)
    assert found(settings) is None
    finish(settings, store_type=str(StoreType.ZIP))
    assert found(settings) is None


def test_a_volume_with_dropped_planes_counts_only_where_planes_may_be_dropped(settings):
    finish(settings, files_unreadable=1)
    assert found(settings) is None
    assert found(replace(settings, on_bad_slice="drop")) is not None


def test_unreadable_copies_that_the_plan_knows_are_no_dropped_planes(settings):
    copy = replace(PLAN.planes[0], path="/data/s/copy.dcm")
    plan = replace(PLAN, unused=(UnusedFrame(copy, Role.UNREADABLE, "", Code.TRUNCATED),))
    finish(settings, plan, files_unreadable=1)
    assert found(settings, plan) is not None


def test_an_unreadable_file_without_a_copy_is_a_dropped_plane(settings):
    lost = replace(PLAN.planes[0], path="/data/s/lost.dcm", sop_instance_uid="1.9")
    plan = replace(PLAN, unused=(UnusedFrame(lost, Role.UNREADABLE, "", Code.TRUNCATED),))
    finish(settings, plan, files_unreadable=1)
    assert found(settings, plan) is None
    assert found(replace(settings, on_bad_slice="drop"), plan) is not None


# Rows -----------------------------------------------------------------------------------------


def test_rows_are_those_of_complete_volumes_that_are_wanted(settings):
    finish(settings)
    missing = sample_plan("1" * 32)
    (row,) = finished_rows([PLAN, missing], settings)
    assert (row.series_hash, row.reused, row.status) == (PLAN.series_hash, True, "ok")
    assert not list(finished_rows([PLAN], replace(settings, overwrite=True)))
    assert not list(finished_rows([PLAN], settings, damaged={PLAN.series_hash}))
    assert list(finished_rows([PLAN], settings, damaged={"1" * 32}))


def test_a_finished_volume_with_a_rejected_flag_gets_no_row(settings):
    finish(settings, flags=("gantry_tilt",))
    rejecting = replace(settings, reject_flags=frozenset({Flag.GANTRY_TILT}))
    assert not list(finished_rows([PLAN], rejecting))
    assert list(finished_rows([PLAN], replace(settings, reject_flags=frozenset({Flag.PADDING}))))


# What the last audit found ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "seen", "damaged"),
    [
        ("damaged", "as it is", True),
        ("missing", "as it is", True),
        ("intact", "as it is", False),
        ("damaged", "older", False),
        ("damaged", "", False),
    ],
)
def test_a_volume_is_damaged_until_it_is_converted_again(settings, status, seen, damaged):
    finish(settings)
    md5 = {"as it is": file_md5(paths_of(settings).record), "older": "0" * 32, "": ""}[seen]
    row = AuditRow(PLAN.series_hash, "v1", status, record_md5=md5)
    write_audit(shard_audit(settings.store_root, "07"), [row])
    assert damaged_volumes(settings, "07") == ({PLAN.series_hash} if damaged else set())
    assert damaged_volumes(settings, "08") == set()


def test_a_damaged_volume_that_is_gone_is_missing_anyway(settings):
    row = AuditRow(PLAN.series_hash, "v1", "damaged", record_md5="0" * 32)
    write_audit(shard_audit(settings.store_root, "07"), [row])
    assert damaged_volumes(settings, "07") == set()


# A look ahead -----------------------------------------------------------------------------------


def write_csv(path: Path, *hashes: str) -> None:
    path.write_text("".join(f"{line}\n" for line in ("dataset,series_hash", *hashes)))


def test_a_volume_without_record_is_noticed(settings):
    finish(settings)
    write_csv(settings.input_csv, f"v1,{PLAN.series_hash}")
    assert not lacks_records(settings)
    write_csv(settings.input_csv, f"v1,{PLAN.series_hash}", f"v1,{'1' * 32}")
    assert lacks_records(settings)


@pytest.mark.parametrize("text", [None, "dataset\nv1\n", "", "\udcff"])
def test_a_table_that_cannot_be_read_lacks_nothing(settings, text):
    if text is not None:
        settings.input_csv.write_text(text, errors="surrogateescape")
    assert not lacks_records(settings)
