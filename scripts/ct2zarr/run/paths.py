"""The names of all files and folders that ct2zarr writes: the one home for every step.

Shard numbers in names count from 0 and have two digits, or as many as the highest number needs,
so that names sort as the shards do.
"""

import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ..vocabulary import StoreType

DATA_FOLDER = "data"
"""Folder of the stores below ``zarr_{store}/``."""

META_FOLDER = "meta"
"""Folder of the sidecars of the stores below ``zarr_{store}/``."""

ARRAY_NAME = "volume"
"""Name of the array within the group of a store."""

DEIDENTIFIED_MARK = "deidentified.txt"
"""File in ``zarr_{store}/`` that says that all beside it was written with ``deidentify``."""

TEMPORARY_PREFIX = ".building-"
"""Start of every temporary name; no pattern for finished volumes or sidecars matches it."""

# The manifest ---------------------------------------------------------------------------------

SERIES_ALL = "series_all.csv"
"""The index of the manifest; its MD5 identifies the manifest in records and summaries."""

FILES_EXCLUDED = "files_excluded.parquet"
"""The files that are part of no volume."""

MANIFEST_SUMMARY = "manifest_summary.json"
"""The counts of the manifest, and the settings that led to them."""

SHARDS_FOLDER = "shards"
"""Folder of the manifest's shards below that of the manifest."""

SCAN_FOLDER = "scan"
"""Folder of the results of parallel scans below that of the manifest."""

SCAN_CACHE_FOLDER = "scan_cache"
"""Folder of what earlier scans read, below that of the manifest."""

# The results ----------------------------------------------------------------------------------

LOGS_FOLDER = "logs"
"""Folder of the logs of all jobs, below ``zarr_{store}/`` and below the manifest."""

REPORT = "verify_report.html"
EXPORTS_FOLDER = "report"
EXPORTED_SUMMARY = "summary.csv"
EXPORTED_PLOTS_FOLDER = "plots"

PROGRESS_SUFFIX = ".progress"
"""Takes the place of ``.log`` in the name of the file that says how far a job is."""

# Shards ---------------------------------------------------------------------------------------

MINIMUM_DIGITS = 2
SHARD_CSV = re.compile(r"series_shard_(\d+)\.csv")
"""Name of a CSV that holds one shard; its number is group 1."""

SHARD_FILES = re.compile(r"files_shard_(\d+)\.parquet")
"""Name of the list of files of one shard; its number is group 1."""

SHARD_SUMMARY = re.compile(r"summary_shard_(\d+)\.csv")
"""Name of the summary of a shard; its number is group 1."""

ANY_SHARD_SUMMARY = re.compile(r"summary_shard_(\d+).*\.(?:csv|json)")
"""Either file of the summary of a shard, also with the suffix that version 0.1.0 added."""

SHARD_SUFFIX = re.compile(r"shard_(\d+)")
"""What SUMMARY_SUFFIX may be; the number of the shard is group 1."""


def shard_of(series_hash: str, num_shards: int) -> int:
    """The shard of a volume: the rule by which every step divides the volumes."""
    return int(series_hash, 16) % num_shards


def shard_label(shard: int, num_shards: int) -> str:
    """The number of a shard as it stands in file names: ``07`` of 16, ``0007`` of 4096."""
    return str(shard).zfill(max(MINIMUM_DIGITS, len(str(num_shards - 1))))


def shard_labels(num_shards: int) -> list[str]:
    """The labels of all shards, in order."""
    return [shard_label(shard, num_shards) for shard in range(num_shards)]


def store_root(out_root: Path, store_type: StoreType) -> Path:
    """The folder ``zarr_{store}/`` that holds all results of one store type."""
    return out_root / f"zarr_{store_type}"


def series_shard(manifest_dir: Path, label: str) -> Path:
    """The list of the volumes of a shard."""
    return manifest_dir / SHARDS_FOLDER / f"series_shard_{label}.csv"


def files_shard(manifest_dir: Path, label: str) -> Path:
    """The list of the files of a shard."""
    return manifest_dir / SHARDS_FOLDER / f"files_shard_{label}.parquet"


@dataclass(frozen=True, slots=True)
class ScanSharePaths:
    """What the scan of one share of the dataset folders writes: counts, rows and a cache."""

    facts: Path
    rows: Path
    cache: Path


def scan_share_paths(manifest_dir: Path, share: int, shares: int) -> ScanSharePaths:
    """The files of share ``share`` (from 0) of ``shares``."""
    name = f"share_{shard_label(share, shares)}_of_{shares}"
    folder = manifest_dir / SCAN_FOLDER
    return ScanSharePaths(
        facts=folder / f"{name}.json",
        rows=folder / f"{name}.arrow",
        cache=manifest_dir / SCAN_CACHE_FOLDER / name,
    )


@dataclass(frozen=True, slots=True)
class TablePaths:
    """A table, and the JSON beside it with its totals and what it was made from."""

    table: Path
    totals: Path


def _table_paths(folder: Path, name: str) -> TablePaths:
    table = folder / f"{name}.csv"
    return TablePaths(table=table, totals=totals_beside(table))


def totals_beside(table: Path) -> Path:
    """The JSON that belongs to a table."""
    return table.with_name(table.name.removesuffix(".csv") + ".json")


def shard_summary(store_root: Path, label: str) -> TablePaths:
    """The summary of a shard."""
    return _table_paths(store_root, f"summary_shard_{label}")


def joined_summary(store_root: Path) -> TablePaths:
    """The summary of all shards."""
    return _table_paths(store_root, "summary_all")


def shard_audit(store_root: Path, label: str) -> TablePaths:
    """The audit of a shard."""
    return _table_paths(store_root, f"audit_shard_{label}")


def joined_audit(store_root: Path) -> TablePaths:
    """The audit of all shards."""
    return _table_paths(store_root, "audit_all")


def convert_log(store_root: Path, label: str) -> Path:
    """The log of the job that converts a shard."""
    return store_root / LOGS_FOLDER / f"convert_shard_{label}.log"


RECORD_ENDING, SLICES_ENDING = ".series.json", ".slices.csv"
"""What follows the ``series_hash`` in the names of the sidecars."""


VOLUME_FILE = re.compile(
    r"([0-9a-f]{32})(\.zarr(?:\.zip|\.sqlite(?:-journal|-wal|-shm)?)?|\.series\.json|\.slices\.csv)"
)
"""Name of a part of a volume, and what SQLite may leave beside one; group 1: the series_hash."""


@dataclass(frozen=True, slots=True)
class VolumePaths:
    """Where the three parts of one volume lie."""

    store: Path
    slices: Path
    record: Path


def volume_paths(store_root: Path, series_hash: str, store_type: StoreType) -> VolumePaths:
    """The final names of a volume below ``zarr_{store}/`` (the folder layout of the output)."""
    return VolumePaths(
        store=store_root / DATA_FOLDER / f"{series_hash}{store_type.suffix}",
        slices=store_root / META_FOLDER / f"{series_hash}{SLICES_ENDING}",
        record=store_root / META_FOLDER / f"{series_hash}{RECORD_ENDING}",
    )


# Source files ---------------------------------------------------------------------------------


def path_below(path: str, folder: str) -> str:
    """``os.path.relpath`` of a file, for thousands of files in a few folders."""
    parent, name = os.path.split(path)
    if not (parent.startswith("/") and folder.startswith("/")) or name in ("", ".", ".."):
        return os.path.relpath(path, folder)
    below = _folder_below(parent, folder)
    return name if below == "." else f"{below}/{name}"


@lru_cache(maxsize=64)
def _folder_below(folder: str, start: str) -> str:
    return os.path.relpath(folder, start)
