"""The joined table of all summaries: its rows, and how they are read and written.

Rows are those of the shards with three columns more: the shard that a row comes from, and what a
person decided on the volume.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from ..codes import Code
from ..run.cells import SEPARATOR
from ..run.csv_tables import (
    Column,
    Schema,
    columns_of,
    converter,
    read_table,
    records_to_csv,
)
from ..run.paths import TablePaths, totals_beside
from ..run.sealed import check_table
from ..run.summary_columns import COLUMNS, SUMMARY_SCHEMA, SummaryRow
from ..vocabulary import Status


@dataclass(frozen=True, slots=True)
class JoinedRow(SummaryRow):
    """What became of one volume, and what was decided on it.

    Attributes
    ----------
    shard
        Label of the shard that the row comes from.
    decision
        See ``vocabulary.Decision``; empty while nobody has decided.
    comment
        What the person wrote, as one line.
    """

    shard: str = ""
    decision: str = ""
    comment: str = ""

    @property
    def flag_codes(self) -> list[str]:
        """The flags of the volume."""
        return [code for code in self.flags.split(SEPARATOR) if code]

    @property
    def has_store(self) -> bool:
        """Whether there is a store to look at. A review rejects a volume and leaves its store."""
        return self.status == Status.OK or self.reason == Code.REJECTED_IN_REVIEW


REQUIRED_COLUMNS = ("series_hash", "dataset", "series_dir", "status", "reason", "error", "flags")
"""Without these there is nothing to report; a summary of an older version may lack any other."""

JOINED_SCHEMA = Schema(
    columns_of(
        JoinedRow,
        optional=[*(set(COLUMNS) - set(REQUIRED_COLUMNS)), "shard", "decision", "comment"],
        allowed={one.name: one.allowed for one in SUMMARY_SCHEMA.columns if one.allowed},
    ),
    advice=(
        "run the aggregate step again, and check that CONVERTED_ROOT and STORE_TYPE are those of "
        "the conversion"
    ),
    one_line=True,
)
"""The joined summary, as it is written and as the report reads it."""


_AS_TEXT = replace(
    JOINED_SCHEMA,
    columns=tuple(Column(one.name, required=one.required) for one in JOINED_SCHEMA.columns),
)
"""The joined summary before its cells are parsed."""


@dataclass(frozen=True, slots=True)
class DamagedRow(JoinedRow):
    """A row with cells that cannot be parsed; they have their default here.

    Attributes
    ----------
    damaged
        The columns of those cells.
    """

    damaged: tuple[str, ...] = ()


def read_joined(path: Path) -> list[JoinedRow]:
    """The rows of ``summary_all.csv``; columns that it lacks have their default.

    A cell that cannot be parsed makes its row a ``DamagedRow``: one odd volume must not hide the
    others. If its status is such a cell, nobody knows what became of the volume, so it counts as
    failed.

    Raises
    ------
    SettingsError
        The file is absent, is not a joined summary, or was changed after it was written.
    """
    totals = totals_beside(path)
    if path.exists() and totals.exists():
        check_table(TablePaths(path, totals), JOINED_SCHEMA.advice)
    table = read_table(path, _AS_TEXT)
    columns = [one for one in JOINED_SCHEMA.columns if one.name in table.header]
    rows: list[dict[str, Any]] = [{} for _ in range(len(table))]
    damaged: dict[int, list[str]] = {}
    for column in columns:
        convert = cache(converter(column, str))
        for number, text in enumerate(table.columns[column.name]):
            try:
                rows[number][column.name] = convert(text)
            except (ValueError, OverflowError):
                damaged.setdefault(number, []).append(column.name)
    return [
        _damaged_row(row, damaged[number]) if number in damaged else JoinedRow(**row)
        for number, row in enumerate(rows)
    ]


def _damaged_row(values: Mapping[str, Any], damaged: Sequence[str]) -> DamagedRow:
    if "status" in damaged:
        code = Code.INPUT_DAMAGED
        failed = {"status": str(Status.FAILED), "reason": str(code), "code": str(code)}
        values = {**values, **failed, "error_public": code.sentence}
    return DamagedRow(**values, damaged=tuple(damaged))


def joined_to_csv(rows: Iterable[JoinedRow]) -> str:
    """The text of ``summary_all.csv``; cells are as the shards write them."""
    return records_to_csv(JOINED_SCHEMA, rows)
