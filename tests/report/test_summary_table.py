"""The joined summary is written as the shards write theirs, and an older one can be read."""

from dataclasses import fields
from pathlib import Path

import pytest

from ct2zarr.codes import Code
from ct2zarr.errors import SettingsError
from ct2zarr.report.summary_table import (
    REQUIRED_COLUMNS,
    DamagedRow,
    JoinedRow,
    joined_to_csv,
    read_joined,
)
from ct2zarr.run.summary_columns import COLUMNS, SummaryRow, rows_to_csv

ROW = JoinedRow(
    "0" * 32, "v1", "/data/ä, b", "ok", flags="padding;gantry_tilt", slice_count=7, verify_ok=True,
    spacing_z=0.1, kvp=None, reused=True, shard="03", decision="accept", comment='so "good", is it',
)  # fmt: skip


def test_row_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "summary_all.csv"
    path.write_text(joined_to_csv([ROW]), encoding="utf-8")
    assert read_joined(path) == [ROW]


def test_columns_are_those_of_the_shards_with_three_more():
    head, _ = joined_to_csv([ROW]).splitlines()
    assert head.split(",") == [*COLUMNS, "shard", "decision", "comment"]


def test_cells_are_those_of_the_shards():
    plain = SummaryRow(**{one.name: getattr(ROW, one.name) for one in fields(SummaryRow)})
    assert joined_to_csv([ROW]).splitlines()[1].startswith(rows_to_csv([plain]).splitlines()[1])


def test_comment_stays_one_line_of_valid_text():
    text = joined_to_csv([JoinedRow("0", "v1", "/a", "ok", comment="one\ntwo \udcff")])
    assert len(text.splitlines()) == 2
    assert text.encode("utf-8").endswith(b"one two \\udcff\n")


def test_column_that_an_older_summary_lacks_has_its_default(tmp_path):
    path = tmp_path / "summary_all.csv"
    path.write_text(
        ",".join(REQUIRED_COLUMNS) + f"\n{'0' * 32},v1,/a,failed,timeout,late,padding\n"
    )
    assert read_joined(path) == [
        JoinedRow("0" * 32, "v1", "/a", "failed", "timeout", "late", flags="padding")
    ]


@pytest.mark.parametrize("name", REQUIRED_COLUMNS)
def test_column_that_a_report_needs_is_missed_by_name(tmp_path, name):
    path = tmp_path / "summary_all.csv"
    path.write_text(",".join(one for one in REQUIRED_COLUMNS if one != name) + "\n")
    with pytest.raises(SettingsError, match=f"lacks the column {name}") as caught:
        read_joined(path)
    assert caught.value.code is Code.INPUT_DAMAGED


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("slice_count", "many"), ("slice_count", ""), ("slice_count", "1.5"), ("reused", "yes"),
        ("slice_count", "9" * 400), ("spacing_z", "nan"), ("spacing_x", "-inf"),
        ("kvp", "1e999"), ("belonging", "perhaps"), ("verify_ok", "no"),
    ],
)  # fmt: skip
def test_cell_that_makes_no_sense_costs_its_row_that_cell_alone(tmp_path, column, cell):
    path = tmp_path / "summary_all.csv"
    odd, fine = JoinedRow("1", "v1", "/a", "ok", flags="padding"), JoinedRow("2", "v1", "/b", "ok")
    header, first, second = joined_to_csv([odd, fine]).splitlines()
    cells = first.split(",")
    cells[header.split(",").index(column)] = cell
    path.write_text("\n".join((header, ",".join(cells), second)) + "\n")
    one, other = read_joined(path)
    assert other == fine
    assert isinstance(one, DamagedRow)
    assert one.damaged == (column,)
    assert (one.series_hash, one.status, one.flags) == ("1", "ok", "padding")
    assert getattr(one, column) == getattr(JoinedRow("1", "v1", "/a", "ok"), column)


def test_volume_of_unknown_status_counts_as_failed(tmp_path):
    path = tmp_path / "summary_all.csv"
    path.write_text(joined_to_csv([JoinedRow("0", "v1", "/a", "fine")]))
    (row,) = read_joined(path)
    assert (row.status, row.reason, row.code) == ("failed", "input_damaged", "input_damaged")
    assert isinstance(row, DamagedRow)
    assert row.damaged == ("status",)


def test_summary_that_is_not_there_says_what_to_do(tmp_path: Path):
    with pytest.raises(SettingsError, match="does not exist; run the aggregate step") as caught:
        read_joined(tmp_path / "summary_all.csv")
    assert caught.value.code is Code.INPUT_MISSING


@pytest.mark.parametrize(
    ("status", "reason", "expected"),
    [
        ("ok", "", True),
        ("failed", "timeout", False),
        ("rejected", "padding", False),
        ("rejected", "rejected_in_review", True),
    ],
)
def test_review_leaves_the_store_of_a_volume(status, reason, expected):
    assert JoinedRow("0", "v1", "/a", status, reason=reason).has_store is expected
