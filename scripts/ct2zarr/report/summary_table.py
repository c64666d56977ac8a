"""Read ``summary_all.csv`` for the report: typed columns, totals, and what needs a look."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import SettingsError
from ..run.csv_tables import Schema, read_table
from ..run.summary_columns import JOINED_SCHEMA
from ..vocabulary import Flag, Status
from .summaries import frame_of

_CATEGORIES = (
    "dataset", "status", "reason", "flags", "kernel", "manufacturer", "transfer_syntax",
    "values_kind", "version", "dtype", "split_by", "decision", "shard",
)  # fmt: skip
_SENTENCES = {flag.value: flag.sentence for flag in Flag}
REQUIRED_COLUMNS = ("series_hash", "dataset", "series_dir", "status", "reason", "error", "flags")
"""Without these there is nothing to report; any other column may be absent."""

AGAIN = "aggregate again, and check that CONVERTED_ROOT and STORE_TYPE are those of the conversion."
"""What to do about a summary that is missing or damaged."""

REPORT_SCHEMA = Schema(
    tuple(
        replace(column, required=column.name in REQUIRED_COLUMNS, empty=True)
        for column in JOINED_SCHEMA.columns
    ),
    AGAIN,
)
"""summary_all.csv, of this version or an older one."""


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over the whole summary. Bytes are bytes; ``seconds`` is the sum over all workers."""

    volumes: int
    ok: int
    failed: int
    rejected: int
    flagged: int
    unverified: int
    slices: int
    input_bytes: float
    output_bytes: float
    seconds: float
    reused: int

    @property
    def ratio(self) -> float | None:
        """Source bytes over store bytes, of the volumes that were converted."""
        return self.input_bytes / self.output_bytes if self.output_bytes else None

    @property
    def rate(self) -> float | None:
        """Source bytes a second and worker."""
        return self.input_bytes / self.seconds if self.seconds else None


@dataclass(frozen=True, slots=True)
class AttentionTable:
    """The rows that are not plainly ok, the gravest and rarest first; ``total`` counts them all."""

    rows: pd.DataFrame
    total: int


def read_summary(path: Path) -> pd.DataFrame:
    """Read the summary of all volumes.

    Categories for the columns with few values keep 100,000 rows below 200 MB. Absent columns are
    filled with empty values. ``verify_ok`` becomes a nullable boolean: NA where nothing was
    verified.

    Raises:
        SettingsError: the file is absent, is not a CSV, or lacks one of ``REQUIRED_COLUMNS``.
    """
    table = frame_of(read_table(path, REPORT_SCHEMA), REPORT_SCHEMA)
    for name in _CATEGORIES:
        table[name] = table[name].astype("category")
    return table


def read_texts(path: Path) -> pd.DataFrame:
    """All columns of the summary, and every cell as text."""
    return pd.DataFrame(read_table(path, Schema((), AGAIN, others=True)).columns, dtype=str)


def read_facts(path: Path) -> dict[str, object]:
    """The members of ``summary_all.json``; empty when there is no such file (the CSV suffices)."""
    if not path.is_file():
        return {}
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not valid JSON ({error}); aggregate again.") from error
    return facts if isinstance(facts, dict) else {}


def count_totals(table: pd.DataFrame) -> Totals:
    """Sums over all rows; bytes, slices and seconds over the converted ones."""
    ok = table[table["status"] == Status.OK]
    return Totals(
        volumes=len(table),
        ok=len(ok),
        failed=int((table["status"] == Status.FAILED).sum()),
        rejected=int((table["status"] == Status.REJECTED).sum()),
        flagged=int((ok["flags"].astype(str) != "").sum()),
        unverified=int((~ok["verify_ok"].fillna(False).astype(bool)).sum()),
        slices=int(np.nansum(ok["slice_count"])),
        input_bytes=float(np.nansum(ok["input_bytes"])),
        output_bytes=float(np.nansum(ok["output_bytes"])),
        seconds=float(np.nansum(ok["total_seconds"])),
        reused=int(ok["reused"].fillna(False).astype(bool).sum()),
    )


def verdict(totals: Totals) -> tuple[str, str]:
    """The outcome in one sentence, with its level: ``good``, ``look`` or ``bad``."""
    if totals.volumes == 0:
        return "bad", "The summary has no volume: nothing was found to convert."
    if totals.failed:
        return "bad", (
            f"{totals.failed:,} of {_volumes(totals.volumes)} failed. The table below says why "
            "for each; the others can be used."
        )
    if totals.rejected:
        return "look", (
            f"{totals.rejected:,} of {_volumes(totals.volumes)} {_were(totals.rejected)} "
            "rejected, by reject_flags or in review; all others were converted."
        )
    if totals.unverified:
        return "look", (
            f"All {_volumes(totals.volumes)} were converted, but {totals.unverified:,} "
            f"{_were(totals.unverified)} not compared with the source."
        )
    if totals.flagged:
        carries = "carries a flag" if totals.flagged == 1 else "carry a flag"
        return "good", (
            f"All {_volumes(totals.volumes)} were converted and agree with the source in "
            f"all planes compared; {totals.flagged:,} {carries} worth a look."
        )
    return "good", (
        f"All {_volumes(totals.volumes)} were converted and agree with the source in all planes "
        "compared."
    )


def _volumes(count: int) -> str:
    return f"{count:,} volume" if count == 1 else f"{count:,} volumes"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def count_flags(table: pd.DataFrame) -> dict[str, int]:
    """Flag code to the number of volumes that carry it, in the order of ``Flag``."""
    counts: dict[str, int] = {}
    for codes, number in table["flags"].astype(str).value_counts().items():
        for code in split_flags(str(codes)):
            counts[code] = counts.get(code, 0) + int(number)
    order = {flag.value: index for index, flag in enumerate(Flag)}
    return dict(sorted(counts.items(), key=lambda item: (order.get(item[0], len(order)), item[0])))


def split_flags(codes: str) -> list[str]:
    """The codes of a ``flags`` cell."""
    return [code for code in codes.split(";") if code]


def flag_sentence(code: str) -> str:
    """The sentence of a flag; a code of another version keeps its name alone."""
    return _SENTENCES.get(code, "a flag that this version does not know")


def select_attention(table: pd.DataFrame, limit: int) -> AttentionTable:
    """At most ``limit`` rows that are not plainly ok: failed, rejected, not verified, flagged.

    Among the flagged ones those with the rarest flag come first, so that a cap hides what is
    commonplace and not what is odd.
    """
    flags = table["flags"].astype(str)
    failed_check = table["verify_ok"].eq(False).fillna(False).astype(bool)
    odd = (table["status"] != Status.OK) | (flags != "") | failed_check
    rows = table[odd]
    if rows.empty:
        return AttentionTable(rows, 0)
    counts = count_flags(rows)
    rarity = {
        codes: min((counts[code] for code in split_flags(codes)), default=0)
        for codes in rows["flags"].astype(str).unique()
    }
    grave = {Status.FAILED.value: 0, Status.REJECTED.value: 1}
    keys = pd.DataFrame(
        {
            "grave": rows["status"].astype(str).map(grave).fillna(2),
            "unverified": (~failed_check[odd]).astype(int),
            "rarity": rows["flags"].astype(str).map(rarity),
            "series_hash": rows["series_hash"],
        }
    )
    order = keys.sort_values(list(keys.columns), kind="stable").index[:limit]
    return AttentionTable(rows.loc[order], len(rows))


def count_values(column: pd.Series, limit: int) -> list[tuple[str, int]]:
    """The commonest values of a column with their counts, the rest joined as one line."""
    counts = [(str(k), int(v)) for k, v in column.astype(str).value_counts().items() if v]
    named: list[tuple[str, int]] = [(name or "not stated", number) for name, number in counts]
    if len(named) <= limit:
        return named
    rest = named[limit - 1 :]
    return [*named[: limit - 1], (f"{len(rest)} others", sum(number for _, number in rest))]


def finite(column: Iterable[float]) -> np.ndarray:
    """The finite numbers of a column, float64."""
    values = np.asarray(list(column), dtype=np.float64)
    return values[np.isfinite(values)]
