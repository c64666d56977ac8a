"""The table of an audit comes back as it was written, and says what to convert again."""

import json
import os
from pathlib import Path

import pytest

from ct2zarr.codes import Code
from ct2zarr.errors import SettingsError
from ct2zarr.run.paths import TablePaths, shard_audit, shard_summary
from ct2zarr.run.sealed import write_table
from ct2zarr.verify.audit_table import (
    AuditRow,
    audit_to_csv,
    damage_found,
    needs_retry,
    read_audit,
    write_audit,
)

ROWS = [
    AuditRow("0", "v1", "intact", planes=12, bytes=99, seconds=0.25, record_md5="a", shard="07"),
    AuditRow(
        "1", "v1", "damaged", "store_size;plane_changed", "Two, sentences. Here.", 3, 98, 1.5,
        record_md5="b", shard="07", code="store_size",
    ),
    AuditRow("2", "v1", "missing", "file_missing", "It is missing.", code="file_missing"),
]  # fmt: skip


def audit_in(folder: Path) -> TablePaths:
    return shard_audit(folder, "07")


def test_rows_come_back_as_they_were_written(tmp_path):
    files = audit_in(tmp_path)
    write_audit(files, ROWS, {"shards": 1})
    assert read_audit(files) == ROWS
    content = json.loads(files.totals.read_text())
    assert content["totals"] == {
        "volumes": 3, "intact": 1, "damaged": 1, "missing": 1, "planes": 15, "bytes": 197,
        "seconds": 1.75,
    }  # fmt: skip
    assert content["reasons"] == {"file_missing": 1, "plane_changed": 1, "store_size": 1}
    assert content["shards"] == 1


def test_an_audit_of_the_first_version_has_no_codes(tmp_path):
    lines = audit_to_csv(ROWS[:1]).splitlines()
    files = audit_in(tmp_path)
    write_table(files, "".join(f"{line.rpartition(',')[0]}\n" for line in lines), {})
    assert read_audit(files) == ROWS[:1]


@pytest.mark.parametrize("text", ["", "series_hash,status\n0,intact\n"])
def test_what_is_no_audit_is_an_error_that_names_it(tmp_path, text):
    files = audit_in(tmp_path)
    write_table(files, text, {})
    with pytest.raises(SettingsError) as raised:
        read_audit(files)
    assert (raised.value.code, raised.value.path) == (Code.INPUT_DAMAGED, str(files.table))


def test_an_unknown_status_is_no_audit(tmp_path):
    files = audit_in(tmp_path)
    write_table(files, audit_to_csv(ROWS).replace("intact", "sound"), {})
    with pytest.raises(SettingsError, match="has 'sound' as status"):
        read_audit(files)


def test_an_audit_that_was_changed_or_lacks_its_json_is_an_error(tmp_path):
    files = audit_in(tmp_path)
    write_audit(files, ROWS)
    files.table.write_text(audit_to_csv(ROWS[:1]))
    with pytest.raises(SettingsError, match="was changed after it was written") as raised:
        read_audit(files)
    assert (raised.value.code, raised.value.path) == (Code.INPUT_DAMAGED, str(files.table))
    files.totals.unlink()
    with pytest.raises(SettingsError) as raised:
        read_audit(files)
    assert (raised.value.code, raised.value.path) == (Code.INPUT_MISSING, str(files.totals))
    with pytest.raises(SettingsError):
        damage_found(tmp_path, "07")


def test_damage_is_what_is_not_intact(tmp_path):
    assert damage_found(tmp_path, "07") == {}
    write_audit(shard_audit(tmp_path, "07"), ROWS)
    assert damage_found(tmp_path, "07") == {"1": "b", "2": ""}
    shard_audit(tmp_path, "08").table.write_text("x\n")
    with pytest.raises(SettingsError):
        damage_found(tmp_path, "08")


# Which shards to convert again ------------------------------------------------------------------


def summary(root: Path, failed: int, age: int = 10) -> None:
    """A summary that is ``age`` seconds old."""
    paths = shard_summary(root, "07")
    write_table(paths, "series_hash\n", {"totals": {"failed": failed}})
    os.utime(paths.table, (1000 - age, 1000 - age))


def audit(root: Path, rows: list[AuditRow], age: int) -> None:
    files = shard_audit(root, "07")
    write_audit(files, rows)
    os.utime(files.table, (1000 - age, 1000 - age))


def test_a_shard_without_a_summary_is_pending(tmp_path):
    assert not needs_retry(tmp_path, "07")
    audit(tmp_path, ROWS, age=0)
    assert not needs_retry(tmp_path, "07")


def test_a_shard_whose_table_is_gone_is_pending(tmp_path):
    summary(tmp_path, failed=1)
    shard_summary(tmp_path, "07").table.unlink()
    assert not needs_retry(tmp_path, "07")


@pytest.mark.parametrize(("failed", "retried"), [(0, False), (1, True), (7, True)])
def test_a_shard_with_failed_volumes_is_retried(tmp_path, failed, retried):
    summary(tmp_path, failed)
    assert needs_retry(tmp_path, "07") is retried


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"totals": {"failed": 0}}'])
def test_a_damaged_summary_is_written_again(tmp_path, text):
    summary(tmp_path, failed=0)
    shard_summary(tmp_path, "07").totals.write_text(text)
    assert needs_retry(tmp_path, "07")


def test_a_summary_whose_table_was_changed_is_written_again(tmp_path):
    summary(tmp_path, failed=0)
    shard_summary(tmp_path, "07").table.write_text("series-hash\n")
    assert needs_retry(tmp_path, "07")


@pytest.mark.parametrize(
    ("rows", "age", "retried"),
    [
        (ROWS, 9, True),
        (ROWS[2:], 9, True),
        (ROWS[:1], 9, False),
        (ROWS, 10, False),
        (ROWS, 11, False),
    ],
)
def test_only_damage_that_was_found_after_the_conversion_counts(tmp_path, rows, age, retried):
    summary(tmp_path, failed=0, age=10)
    audit(tmp_path, rows, age)
    assert needs_retry(tmp_path, "07") is retried
