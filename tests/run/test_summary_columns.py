"""The rows of a summary are read back as they were written, by this version and the first."""

import csv
import io
from pathlib import Path

import pytest

from ct2zarr.codes import Code
from ct2zarr.errors import SettingsError
from ct2zarr.run.summary_columns import COLUMNS, SummaryRow, read_summary, rows_to_csv

ROWS = [
    SummaryRow("0" * 32, "v1", "/data/a", "ok", verify_ok=True, spacing_z=0.1, reused=True),
    SummaryRow("1" * 32, "v1", "/data/b", "failed", "timeout", "It took too long.", code="timeout"),
]


def written(folder: Path, text: str) -> Path:
    path = folder / "summary_shard_00.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_rows_are_read_back_as_they_were_written(tmp_path):
    text = rows_to_csv(ROWS)
    assert text.splitlines()[0] == ",".join(COLUMNS)
    assert read_summary(written(tmp_path, text)) == ROWS


def test_a_summary_of_the_first_version_has_two_columns_less(tmp_path):
    table = list(csv.reader(io.StringIO(rows_to_csv(ROWS[:1]))))
    old = [[cell for cell, name in zip(line, COLUMNS, strict=True) if name not in ADDED]
           for line in table]  # fmt: skip
    text = "\n".join(map(",".join, old)) + "\n"
    assert read_summary(written(tmp_path, text)) == ROWS[:1]


ADDED = ("code", "error_public")
"""Columns that version 0.1 did not write."""


def test_a_row_is_one_line_whatever_its_texts_hold():
    row = SummaryRow("0" * 32, "v1", "/data/\udce4", "failed", error="one\n  two")
    _, line = rows_to_csv([row]).splitlines()
    assert "/data/\\udce4" in line
    assert "one two" in line


def test_a_status_that_is_none_is_damage(tmp_path):
    text = rows_to_csv(ROWS[:1]).replace(",ok,", ",good,")
    with pytest.raises(SettingsError) as raised:
        read_summary(written(tmp_path, text))
    assert raised.value.code is Code.INPUT_DAMAGED
    assert raised.value.facts["column"] == "status"
    assert raised.value.facts["kind"] == "ok, failed, rejected"


def test_a_row_that_says_nothing_else_is_of_an_undivided_series():
    row = SummaryRow("0" * 32, "v1", "/data/a", "ok")
    assert (row.part, row.parts, row.reused, row.verify_ok) == (1, 1, False, None)
