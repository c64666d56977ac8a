"""Join the summaries of all shards into one table and its totals.

A summary that is missing, cut short, or not of the same run as the others is an error that names
it: a total over a part of the shards would look like a total over all.
"""

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..errors import SettingsError
from ..run.atomic_files import write_atomically
from ..run.cells import SEPARATOR
from ..run.checksums import file_md5
from ..run.counts import Counts
from ..run.csv_tables import CsvTable, Schema, cells_to_csv, read_table
from ..run.job_log import log_outcome
from ..run.paths import (
    SERIES_ALL,
    SUFFIXED_SHARD_SUMMARY,
    joined_summary,
    shard_label,
    shard_summary,
    store_root,
    totals_beside,
)
from ..run.settings import AggregateSettings
from ..run.summary_columns import JOINED_SCHEMA, SHARD_COLUMN, SUMMARY_SCHEMA
from ..version import __version__
from ..vocabulary import Flag, Status
from .decisions import apply_decisions, read_decisions

logger = logging.getLogger(__name__)

HISTOGRAM_BINS = 20
PERCENTILES = {"p5": 5, "p25": 25, "median": 50, "p75": 75, "p95": 95}
DECIMALS = 6
"""Digits behind the point in the distributions: a nanometre, a microsecond."""

AGAIN = "convert that shard again (delete its summary and run the workflow)."
"""What to do about a damaged summary."""


@dataclass(frozen=True, slots=True)
class ShardTable:
    """One shard's summary: its CSV as text columns typed by ``summary_columns``, and its JSON."""

    path: Path
    label: str
    rows: pd.DataFrame
    content: dict[str, Any]


@dataclass(frozen=True, slots=True)
class AggregatedSummary:
    """What ``aggregate`` wrote."""

    volumes: int
    csv_path: Path
    json_path: Path


def aggregate(settings: AggregateSettings) -> AggregatedSummary:
    """Write summary_all.csv and summary_all.json from the summaries of all shards.

    Raises:
        SettingsError: a summary is missing, damaged, of another run, or names a volume again; or
            the decisions cannot be read or are about other volumes.
        MachineError: the folder cannot be written.
    """
    root = store_root(settings.out_root, settings.store_type)
    reviews = read_decisions(settings.decisions) if settings.decisions else {}
    paths = settings.summaries or find_summaries(root)
    shards = [read_shard(path) for path in paths]
    check_shards(shards, root)
    table = apply_decisions(join(shards), reviews, settings.decisions)
    joined = joined_summary(root)
    content = {**summary_content(table, shards), "manifest": manifest_content(settings, shards)}
    write_atomically(joined.totals, json.dumps(content, indent=1, allow_nan=False) + "\n")
    write_atomically(joined.table, table_to_csv(table))
    logger.info("joined %d shards, applied %d decisions", len(shards), len(reviews))
    log_outcome("all shards", Counts.of_totals(content["totals"]))
    return AggregatedSummary(len(table), joined.table, joined.totals)


# Reading --------------------------------------------------------------------------------------


def find_summaries(root: Path) -> list[Path]:
    """The shard summaries that lie in ``zarr_{store}/``, by shard number."""
    paths = [
        path
        for path in root.glob("summary_shard_*.csv")
        if SUFFIXED_SHARD_SUMMARY.fullmatch(path.name)
    ]
    if not paths:
        raise SettingsError(
            f"there is no summary_shard_XX.csv in {root}; convert the shards first, or check "
            "OUT_ROOT and STORE_TYPE."
        )
    return sorted(paths)


def read_shard(path: Path) -> ShardTable:
    """Read one shard's CSV and the JSON beside it. Raises SettingsError that names the file."""
    named = SUFFIXED_SHARD_SUMMARY.fullmatch(path.name)
    if named is None:
        raise SettingsError(f"{path} is not called summary_shard_XX.csv; check the list of inputs.")
    json_path = totals_beside(path)
    try:
        content = json.loads(json_path.read_text(encoding="utf-8"))
        totals = content["totals"]
        volumes, csv_md5 = int(totals["volumes"]), str(content["csv_md5"])
    except FileNotFoundError:
        raise SettingsError(f"{json_path} is missing; {AGAIN}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise SettingsError(
            f"{json_path} is damaged ({type(error).__name__}: {error}); {AGAIN}"
        ) from error
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise SettingsError(f"{path} is missing; {AGAIN}") from None
    rows = frame_of(read_table(path, SUMMARY_SCHEMA), SUMMARY_SCHEMA)
    if len(rows) != volumes:
        raise SettingsError(
            f"{path} has {len(rows)} rows, but {json_path.name} counts {volumes}; {AGAIN}"
        )
    if hashlib.md5(data, usedforsecurity=False).hexdigest() != csv_md5:
        raise SettingsError(
            f"{path} was changed after it was written: it does not have the MD5 that "
            f"{json_path.name} gives; {AGAIN}"
        )
    return ShardTable(path, named[1], rows, content)


def frame_of(table: CsvTable, schema: Schema) -> pd.DataFrame:
    """The columns of a schema as pandas types; empty cells are NaN, those of truths ``<NA>``."""
    types: dict[type, Any] = {str: str, int: np.int64, float: np.float64, bool: "boolean"}
    return pd.DataFrame(
        {
            column.name: pd.Series(
                table.columns[column.name],
                # An integer cannot be absent in numpy's types.
                dtype=types[float if column.kind is int and column.empty else column.kind],
            )
            for column in schema.columns
        }
    )


# Checking -------------------------------------------------------------------------------------


def check_shards(shards: Sequence[ShardTable], root: Path) -> None:
    """The summaries are of one run, of every shard, and name no volume twice."""
    known = {int(n) for shard in shards if (n := shard.content.get("num_shards")) is not None}
    if len(known) > 1:
        by_number = {shard.content.get("num_shards"): shard.path for shard in shards}
        raise SettingsError(
            "the summaries are of runs with other numbers of shards: "
            + ", ".join(f"{path} is one of {n}" for n, path in by_number.items() if n)
            + "; delete those of the older run."
        )
    highest = max(int(shard.label) for shard in shards)
    num_shards = max(known, default=highest + 1)
    present = {int(shard.label) for shard in shards}
    if highest >= num_shards:
        raise SettingsError(
            f"there is a summary of shard {highest} in {root}, but there are {num_shards} shards; "
            "delete the summaries of older runs."
        )
    missing = sorted(set(range(num_shards)) - present)
    if missing:
        labels = [shard_label(number, num_shards) for number in missing]
        names = [shard_summary(root, label).table.name for label in labels]
        raise SettingsError(
            f"{len(missing)} of {num_shards} shards have no summary in {root}: "
            f"{', '.join(names[:10])}{' and others' if len(names) > 10 else ''}; "
            "convert them first."
        )
    hashes = pd.concat([shard.rows["series_hash"] for shard in shards], ignore_index=True)
    if hashes.duplicated().any():
        twice = hashes[hashes.duplicated()].iloc[0]
        where = [str(s.path) for s in shards if (s.rows["series_hash"] == twice).any()]
        raise SettingsError(
            f"series_hash {twice} stands in {' and in '.join(where)}; delete the summaries that "
            "are not of this run."
        )


# Joining --------------------------------------------------------------------------------------


def join(shards: Sequence[ShardTable]) -> pd.DataFrame:
    """All rows with their shard, sorted by series_hash."""
    tables = [shard.rows.assign(**{SHARD_COLUMN: shard.label}) for shard in shards]
    # Empty tables have no dtypes worth joining.
    filled = [table for table in tables if len(table)] or tables[:1]
    joined: pd.DataFrame = pd.concat(filled, ignore_index=True)
    return joined.sort_values("series_hash", ignore_index=True)


def table_to_csv(table: pd.DataFrame) -> str:
    """The text of summary_all.csv."""
    columns = (table[name] for name in JOINED_SCHEMA.names)
    cells = [column.astype(object).where(column.notna(), None).tolist() for column in columns]
    return cells_to_csv(JOINED_SCHEMA, JOINED_SCHEMA.names, zip(*cells, strict=True))


def summary_content(table: pd.DataFrame, shards: Sequence[ShardTable]) -> dict[str, Any]:
    """Content of summary_all.json: totals, counts, distributions, versions and shards."""
    done = table[table["status"] == Status.OK]
    flags = _flag_counts(table["flags"])
    return {
        "version": __version__,
        "totals": {
            "volumes": len(table),
            **{status: int((table["status"] == status).sum()) for status in Status},
            "flagged": int((table["flags"] != "").sum()),
            "reused": int(done["reused"].fillna(False).sum()),
            "verified": int((table["verify_ok"].fillna(False)).sum()),
            "slices": int(done["slice_count"].sum()),
            "localizers_skipped": int(table["localizers_skipped"].sum()),
            "files_unreadable": int(table["files_unreadable"].sum()),
            "input_bytes": int(done["input_bytes"].sum()),
            "output_bytes": int(done["output_bytes"].sum()),
            "seconds": round(float(done["total_seconds"].sum()), 3),
        },
        "status": _counts(table["status"], list(Status)),
        "reason": _counts(table["reason"][table["reason"] != ""]),
        "flag": flags,
        "dataset": _counts(table["dataset"]),
        "distributions": distributions(done),
        "versions": _counts(table["version"]),
        "libraries": _agreed([shard.content.get("libraries") for shard in shards]),
        "settings": _agreed([shard.content.get("settings") for shard in shards]),
        "inputs": {shard.label: shard.content.get("input") for shard in shards},
        "shards": {
            shard.label: shard.content["totals"]
            for shard in sorted(shards, key=lambda shard: int(shard.label))
        },
    }


def manifest_content(settings: AggregateSettings, shards: Sequence[ShardTable]) -> dict[str, Any]:
    """Which manifest the summary is of, and how many shards were made from which.

    A shard that gained nothing is not converted again when the manifest is made anew, so it names
    the older manifest, in which the shard was the same.
    """
    named = Counter(str(shard.content.get("manifest_md5") or "") for shard in shards)
    md5 = next(iter(named)) if len(named) == 1 else ""
    if settings.manifest_dir is not None:
        with suppress(OSError):  # the results may lie where their manifest does not
            md5 = file_md5(settings.manifest_dir / SERIES_ALL)
    return {"file": SERIES_ALL, "md5": md5, "shards_by_md5": dict(sorted(named.items()))}


def distributions(done: pd.DataFrame) -> dict[str, Any]:
    """Statistics of the converted volumes; lengths in mm, sizes in bytes, times in s."""
    measured = {
        name: done[name]
        for name in (
            "slice_count", "rows", "columns", "spacing_z", "spacing_y", "spacing_x",
            "slice_thickness", "tilt_degrees", "input_bytes", "output_bytes", "read_seconds",
            "write_seconds", "total_seconds",
        )
    }  # fmt: skip
    elements = done["slice_count"] * done["rows"] * done["columns"]
    sizes = {name: np.dtype(name).itemsize for name in done["dtype"].unique() if name}
    array_bytes = elements * done["dtype"].map(sizes).astype(float)
    measured["compression_ratio"] = array_bytes / done["output_bytes"].where(
        done["output_bytes"] > 0
    )
    return {name: distribution(values) for name, values in measured.items()}


def distribution(values: Iterable[float]) -> dict[str, Any]:
    """Count, extremes, percentiles, mean and a histogram; absent values are not counted."""
    numbers = np.asarray(list(values), dtype=np.float64)
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers):
        return {"count": 0}
    counts, edges = np.histogram(numbers, bins=HISTOGRAM_BINS)
    return {
        "count": len(numbers),
        "min": round(float(numbers.min()), DECIMALS),
        **{
            name: round(float(value), DECIMALS)
            for name, value in zip(
                PERCENTILES, np.percentile(numbers, list(PERCENTILES.values())), strict=True
            )
        },
        "max": round(float(numbers.max()), DECIMALS),
        "mean": round(float(numbers.mean()), DECIMALS),
        "histogram": {
            "edges": [round(float(edge), DECIMALS) for edge in edges],
            "counts": [int(count) for count in counts],
        },
    }


def _flag_counts(cells: "pd.Series[str]") -> dict[str, int]:
    flags = cells[cells != ""].str.split(SEPARATOR).explode()
    return _counts(flags, [flag for flag in Flag if (flags == flag).any()])


def _counts(values: "pd.Series[str]", order: Sequence[str] = ()) -> dict[str, int]:
    """Value → how often; in ``order``, then by name."""
    found = {str(value): int(count) for value, count in values.value_counts().items()}
    names = [*map(str, order), *sorted(set(found) - set(map(str, order)))]
    return {name: found.get(name, 0) for name in names}


def _agreed(settings: Sequence[dict[str, Any] | None]) -> dict[str, Any]:
    """The settings in which all shards agree; where they differ, the list of what was used."""
    names = sorted({name for one in settings if one for name in one})
    agreed: dict[str, Any] = {}
    for name in names:
        seen: list[Any] = []
        for one in settings:
            value = (one or {}).get(name)
            if value not in seen:
                seen.append(value)
        if name != "shard_id":
            agreed[name] = seen[0] if len(seen) == 1 else {"differs": seen}
    return agreed
