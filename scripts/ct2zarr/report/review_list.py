"""The table of all that is not plainly ok: its rows, and how the page carries them.

The first rows stand in the page, for readers without scripts. All of them are packed column by
column into deflated JSON, some 30 bytes a volume, from which the script draws what is asked for.
"""

import json
import zlib
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ..codes import Code
from ..run.redaction import scrub_error, scrub_text
from ..vocabulary import Status
from .packing import to_base64
from .samples import FlagLine
from .summary_table import AttentionTable, flag_sentence, split_flags

PLAIN_ROWS = 100
"""Rows that stand in the page as they are."""


@dataclass(frozen=True, slots=True)
class AttentionRow:
    """A row of the table, its text free of paths and identifiers.

    Attributes:
        sampled: the page has pictures of it.
        record, log: names relative to the folder of the summary; empty where there is none.
    """

    series_hash: str
    dataset: str
    status: str
    slices: int
    reason: str
    error: str
    flags: tuple[FlagLine, ...]
    sampled: bool
    record: str = ""
    log: str = ""


@dataclass(frozen=True, slots=True)
class Attention:
    """The table.

    Attributes:
        rows: those that stand in the page. pack: all rows, Base64.
        count: rows in the pack. total: what it would be without a limit.
    """

    rows: tuple[AttentionRow, ...]
    pack: str
    count: int
    total: int
    statuses: tuple[str, ...]
    flags: tuple[str, ...]


def make_attention(
    table: AttentionTable, sampled: set[str], folder: Path, room: int, *, linked: bool
) -> Attention:
    """Rows for the page, as many as fit in ``room`` bytes of Base64, the gravest first.

    Args:
        table: the rows that are not plainly ok, in order.
        sampled: series_hash of the volumes that have pictures.
        folder: where the summary lies, to see which logs there are.
        linked: the page lies there too, so that links to records and logs hold.
    """
    logs = {path.name for path in (folder / "logs").glob("*.log")} if linked else set()
    rows = [_row(line, sampled, logs, linked) for line in table.rows.to_dict("records")]
    pack = pack_rows(rows)
    while len(pack) > room:
        rows = rows[: int(0.95 * len(rows) * room / len(pack))]
        pack = pack_rows(rows)
    statuses = dict.fromkeys(row.status for row in rows)
    flags = sorted({flag.code for row in rows for flag in row.flags})
    return Attention(
        tuple(rows[:PLAIN_ROWS]), pack, len(rows), table.total, tuple(statuses), tuple(flags)
    )


def pack_rows(rows: Sequence[AttentionRow]) -> str:
    """All rows as Base64 of deflated JSON: a list a column, few-valued ones by number."""
    words: dict[str, list[str]] = {}
    columns: dict[str, list[int]] = {}
    for name in ("dataset", "status", "reason", "error", "log"):
        numbers = {value: i for i, value in enumerate(dict.fromkeys(_all(rows, name)))}
        words[name] = list(numbers)
        columns[name] = [numbers[value] for value in _all(rows, name)]
    sets = {codes: i for i, codes in enumerate(dict.fromkeys(_codes(row) for row in rows))}
    codes = sorted({code for codes in sets for code in codes})
    content = {
        "hashes": [row.series_hash for row in rows],
        "words": words,
        "columns": columns,
        "sets": [[codes.index(code) for code in one] for one in sets],
        "flags": [{"code": code, "sentence": flag_sentence(code)} for code in codes],
        "flag": [sets[_codes(row)] for row in rows],
        "slices": [row.slices for row in rows],
        "sampled": [i for i, row in enumerate(rows) if row.sampled],
        "recorded": [int(bool(row.record)) for row in rows],
    }
    text = json.dumps(content, separators=(",", ":"))
    return to_base64(zlib.compress(text.encode("utf-8"), 6))


def record_name(series_hash: str) -> str:
    """Where the record of a volume lies, relative to the folder of the summary."""
    return f"meta/{series_hash}.series.json"


def _row(
    line: Mapping[Hashable, Any], sampled: set[str], logs: set[str], linked: bool
) -> AttentionRow:
    folder, series_hash = str(line["series_dir"]), str(line["series_hash"])
    has_store = line["status"] == Status.OK or line["reason"] == Code.REJECTED_IN_REVIEW
    log = f"convert_shard_{line['shard']}.log"
    slices = line["slice_count"]
    codes = split_flags(str(line["flags"]))
    return AttentionRow(
        series_hash=series_hash,
        dataset=str(line["dataset"]),
        status=str(line["status"]),
        slices=int(slices) if isinstance(slices, float) and not pd.isna(slices) else 0,
        reason=scrub_text(str(line["reason"]), [folder]),
        error=scrub_error(str(line["error"]), folder),
        flags=tuple(FlagLine(code, flag_sentence(code)) for code in codes),
        sampled=series_hash in sampled,
        record=record_name(series_hash) if linked and has_store else "",
        log=f"logs/{log}" if not has_store and log in logs else "",
    )


def _all(rows: Sequence[AttentionRow], name: str) -> list[str]:
    return [getattr(row, name) for row in rows]


def _codes(row: AttentionRow) -> tuple[str, ...]:
    return tuple(flag.code for flag in row.flags)
