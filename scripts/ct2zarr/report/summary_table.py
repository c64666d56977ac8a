"""The joined table of all summaries: its rows, and how they are read and written.

Rows are those of the shards with three columns more: the shard that a row comes from, and what a
person decided on the volume.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..codes import Code
from ..run.cells import SEPARATOR
from ..run.csv_tables import Schema, columns_of, read_table, records_to_csv
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


def read_joined(path: Path) -> list[JoinedRow]:
    """The rows of ``summary_all.csv``; columns that it lacks have their default.

    Raises
    ------
    SettingsError
        The file is absent, is not a joined summary, or was changed after it was written.
    """
    totals = totals_beside(path)
    if path.exists() and totals.exists():
        check_table(TablePaths(path, totals), JOINED_SCHEMA.advice)
    table = read_table(path, JOINED_SCHEMA)
    there = [name for name in JOINED_SCHEMA.names if name in table.header]
    values = zip(*(table.columns[name] for name in there), strict=True)
    return [JoinedRow(**dict(zip(there, row, strict=True))) for row in values]


def joined_to_csv(rows: Iterable[JoinedRow]) -> str:
    """The text of ``summary_all.csv``; cells are as the shards write them."""
    return records_to_csv(JOINED_SCHEMA, rows)
