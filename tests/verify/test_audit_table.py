"""The table of an audit comes back as it was written, and says what to convert again."""

import json
import os
from pathlib import Path

import pytest

from ct2zarr.codes import Code
from ct2zarr.errors import SettingsError
from ct2zarr.run.paths import shard_audit, shard_summary
from ct2zarr.verify.audit_table import (
    AuditRow,
    audit_to_csv,
    damage_found,
    needs_retry,
    read_audit,
)

ROWS = [
    AuditRow("0", "v1", "intact", planes=12, bytes=99, seconds=0.25, record_md5="a", shard="07"),
    AuditRow(
        "1", "v1", "damaged", "store_size;plane_changed", "Two, sentences. Here.", 3, 98, 1.5,
        record_md5="b", shard="07", code="store_size",
    ),
    AuditRow("2", "v1", "missing", "file_missing", "It is missing.", code="file_missing"),
]  # fmt: skip


def test_rows_come_back_as_they_were_written(tmp_path):
    path = tmp_path / "audit.csv"
    path.write_text(audit_to_csv(ROWS))
    assert read_audit(path) == ROWS


def test_an_audit_of_the_first_version_has_no_codes(tmp_path):
    path = tmp_path / "audit.csv"
    lines = audit_to_csv(ROWS[:1]).splitlines()
    path.write_text("".join(f"{line.rpartition(',')[0]}\n" for line in lines))
    assert read_audit(path) == ROWS[:1]


@pytest.mark.parametrize("text", ["", "series_hash,status\n0,intact\n"])
def test_what_is_no_audit_is_an_error_that_names_it(tmp_path, text):
    path = tmp_path / "audit.csv"
    path.write_text(text)
    with pytest.raises(SettingsError) as raised:
        read_audit(path)
    assert (raised.value.code, raised.value.path) == (Code.INPUT_DAMAGED, str(path))


def test_an_unknown_status_is_no_audit(tmp_path):
    path = tmp_path / "audit.csv"
    path.write_text(audit_to_csv(ROWS).replace("intact", "sound"))
    with pytest.raises(SettingsError):
        read_audit(path)


def test_damage_is_what_is_not_intact(tmp_path):
    assert damage_found(tmp_path, "07") == {}
    shard_audit(tmp_path, "07").write_text(audit_to_csv(ROWS))
    assert damage_found(tmp_path, "07") == {"1": "b", "2": ""}
    shard_audit(tmp_path, "08").write_text("x\n")
    with pytest.raises(SettingsError):
        damage_found(tmp_path, "08")


# Which shards to convert again ------------------------------------------------------------------


def summary(root: Path, failed: int, suffix: str = "", age: int = 10) -> None:
    """A summary that is ``age`` seconds old."""
    paths = shard_summary(root, "07", suffix)
    paths.totals.write_text(json.dumps({"totals": {"failed": failed}}))
    paths.table.write_text("series_hash\n")
    os.utime(paths.table, (1000 - age, 1000 - age))


def audit(root: Path, rows: list[AuditRow], age: int) -> None:
    path = shard_audit(root, "07")
    path.write_text(audit_to_csv(rows))
    os.utime(path, (1000 - age, 1000 - age))


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


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"totals": {}}', '{"totals": {"failed": ""}}'])
def test_a_damaged_summary_is_written_again(tmp_path, text):
    summary(tmp_path, failed=0)
    shard_summary(tmp_path, "07").totals.write_text(text)
    assert needs_retry(tmp_path, "07")


def test_the_suffix_of_the_summary_counts(tmp_path):
    summary(tmp_path, failed=1, suffix="_night")
    assert not needs_retry(tmp_path, "07")
    assert needs_retry(tmp_path, "07", "_night")


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
