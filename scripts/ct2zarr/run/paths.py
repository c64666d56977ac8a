"""The names of all files and folders that ct2zarr writes: the one home for every step.

Shard numbers in names count from 0 and have two digits, or as many as the highest number needs,
so that names sort as the shards do.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from ..vocabulary import StoreType

DATA_FOLDER = "data"
"""Folder of the stores below ``zarr_{store}/``."""

META_FOLDER = "meta"
"""Folder of the sidecars of the stores below ``zarr_{store}/``."""

ARRAY_NAME = "volume"
"""Name of the array within the group of a store."""

SERIES_ALL = "series_all.csv"
"""The index of the manifest; its MD5 is the name of the manifest wherever one is named."""

MANIFEST_SUMMARY = "manifest_summary.json"
"""The counts of the manifest, and the settings that led to them."""

MINIMUM_DIGITS = 2
SHARD_CSV = re.compile(r"series_shard_(\d+)\.csv")
"""Name of a CSV that holds one shard; its number is group 1."""

SHARD_SUMMARY = re.compile(r"summary_shard_(\d+)\.csv")
"""Name of the summary of a shard, without a suffix of the user's; its number is group 1."""


def shard_label(shard: int, num_shards: int) -> str:
    """The number of a shard as it stands in file names: ``07`` of 16, ``0007`` of 4096."""
    return str(shard).zfill(max(MINIMUM_DIGITS, len(str(num_shards - 1))))


def shard_labels(num_shards: int) -> list[str]:
    """The labels of all shards, in order."""
    return [shard_label(shard, num_shards) for shard in range(num_shards)]


def store_root(out_root: Path, store_type: StoreType) -> Path:
    """The folder ``zarr_{store}/`` that holds all results of one store type."""
    return out_root / f"zarr_{store_type}"


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
        slices=store_root / META_FOLDER / f"{series_hash}.slices.csv",
        record=store_root / META_FOLDER / f"{series_hash}.series.json",
    )
