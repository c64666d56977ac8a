"""The list of volumes to review: which they are, and how the page carries them.

The page has the first rows as HTML, for readers without scripts. All of them are packed column by
column into deflated JSON, some 30 bytes per volume, from which the script draws what is asked for.
"""

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..codes import Code
from ..run.paths import LOGS_FOLDER, META_FOLDER, convert_log, volume_paths
from ..vocabulary import Status, StoreType
from .packing import to_base64, visible_values
from .sentences import MOST_OF_NAME, error_sentence, flag_sentence, shorten
from .summary_table import DamagedRow, JoinedRow
from .tallies import count_flags

MOST_FLAGS = 60
"""Flags of a volume that are listed; there are half as many."""
PLAIN_ROWS = 100
"""Rows that the page has as HTML."""

_GRAVITY = {str(Status.FAILED): 0, str(Status.REJECTED): 1, str(Status.OK): 2}


@dataclass(frozen=True, slots=True)
class FlagLine:
    """A flag as it is shown; ``evidence`` is the count or measure in words."""

    code: str
    sentence: str
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class ReviewRow:
    """A row of the list. It has no path and no identifier of a patient.

    Attributes
    ----------
    sampled
        The page has pictures of the volume.
    record, log
        Names relative to the folder of the summary; empty where there is none.
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


BLANK_ROW = ReviewRow("", "", "", 0, "", "", (FlagLine("", ""),), sampled=False)
"""A row of which the page makes the template that its script fills."""


@dataclass(frozen=True, slots=True)
class ReviewList:
    """The list.

    Attributes
    ----------
    rows
        Those that the page has as HTML.
    pack
        All rows, Base64.
    count
        Rows in the pack.
    total
        Rows that there would be without a limit.
    statuses, flags
        What the rows can be filtered by.
    """

    rows: tuple[ReviewRow, ...]
    pack: str
    count: int
    total: int
    statuses: tuple[str, ...]
    flags: tuple[str, ...]


def needs_review(row: JoinedRow) -> bool:
    """Whether a volume failed, was rejected, has a flag, differs from its source, or its row is
    damaged."""
    damaged = isinstance(row, DamagedRow)
    return row.status != Status.OK or row.flags != "" or row.verify_ok is False or damaged


def select_rows(rows: Sequence[JoinedRow]) -> list[JoinedRow]:
    """The volumes that need a review, the most serious first.

    Failed volumes come first, then rejected ones, then those that do not agree with their source.
    Among the others, those with the rarest flag come first, so that a limit hides what is
    commonplace and not what is odd.
    """
    chosen = [row for row in rows if needs_review(row)]
    counts = count_flags(chosen)
    rarity = {
        row.flags: min((counts[code] for code in row.flag_codes), default=0) for row in chosen
    }
    return sorted(
        chosen,
        key=lambda row: (
            _GRAVITY[row.status],
            row.verify_ok is not False,
            rarity[row.flags],
            row.series_hash,
        ),
    )


def make_review_list(
    chosen: Sequence[JoinedRow],
    sampled: set[str],
    root: Path,
    *,
    most_rows: int,
    most_bytes: int,
    linked: bool,
) -> ReviewList:
    """Rows for the page, as many as fit, the most serious first.

    Parameters
    ----------
    chosen
        The volumes that need a review, in order.
    sampled
        series_hash of the volumes that have pictures.
    root
        The folder of the summary, to see which logs there are.
    most_rows, most_bytes
        What the page has room for: rows, and bytes of their pack.
    linked
        The page lies in ``root`` too, so that links to records and logs hold.
    """
    logs = {path.name for path in (root / LOGS_FOLDER).glob("*.log")} if linked else set()
    rows = [_review_row(row, sampled, root, logs, linked) for row in chosen[:most_rows]]
    pack = pack_rows(rows)
    while len(pack) > most_bytes:
        rows = rows[: int(0.95 * len(rows) * most_bytes / len(pack))]
        pack = pack_rows(rows)
    return ReviewList(
        rows=tuple(rows[:PLAIN_ROWS]),
        pack=pack,
        count=len(rows),
        total=len(chosen),
        statuses=tuple(dict.fromkeys(row.status for row in rows)),
        flags=tuple(sorted({flag.code for row in rows for flag in row.flags})),
    )


def pack_rows(rows: Sequence[ReviewRow]) -> str:
    """All rows as Base64 of deflated JSON: a list per column, of numbers where values repeat."""
    words: dict[str, list[str]] = {}
    columns: dict[str, list[int]] = {}
    for name in ("dataset", "status", "reason", "error", "log"):
        values = [getattr(row, name) for row in rows]
        numbers = {value: i for i, value in enumerate(dict.fromkeys(values))}
        words[name] = list(numbers)
        columns[name] = [numbers[value] for value in values]
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
        "recorded": [int(bool(row.record)) for row in rows],
    }
    text = json.dumps(visible_values(content), separators=(",", ":"))
    return to_base64(zlib.compress(text.encode("utf-8"), 6))


def record_name(series_hash: str) -> str:
    """Where the record of a volume lies, relative to the folder of the summary."""
    record = volume_paths(Path(), series_hash, StoreType.SQLITE).record  # same for every type
    return f"{META_FOLDER}/{record.name}"


def _review_row(
    row: JoinedRow, sampled: set[str], root: Path, logs: set[str], linked: bool
) -> ReviewRow:
    log = convert_log(root, row.shard).name
    codes = row.flag_codes[:MOST_FLAGS]
    return ReviewRow(
        series_hash=shorten(row.series_hash, MOST_OF_NAME),
        dataset=shorten(row.dataset, MOST_OF_NAME),
        status=row.status,
        slices=row.slice_count,
        reason=shorten(row.reason or _code_of_damage(row), MOST_OF_NAME),
        error=" ".join(filter(None, (error_sentence(row), damage_sentence(row)))),
        flags=tuple(FlagLine(shorten(c, MOST_OF_NAME), flag_sentence(c)) for c in codes),
        sampled=row.series_hash in sampled,
        record=record_name(row.series_hash) if linked and row.has_store else "",
        log=f"{LOGS_FOLDER}/{log}" if log in logs and not row.has_store else "",
    )


def damage_sentence(row: JoinedRow) -> str:
    """Which cells of its row in the summary make no sense; empty where all do."""
    if not isinstance(row, DamagedRow):
        return ""
    return f"Its row in summary_all.csv makes no sense in {', '.join(row.damaged)}."


def _code_of_damage(row: JoinedRow) -> str:
    return str(Code.INPUT_DAMAGED) if isinstance(row, DamagedRow) else ""


def _codes(row: ReviewRow) -> tuple[str, ...]:
    return tuple(flag.code for flag in row.flags)
