"""The memory and time that the conversion of a shard needs, from the shard's own table.

Batch systems must know both in advance, and end a job that takes more. Only the table of the one
shard is read: every job of a cluster asks again, and a shard has a few hundred lines where the
whole collection may have a million.
"""

import math
from dataclasses import dataclass
from pathlib import Path

from ..errors import SettingsError
from ..run.csv_tables import Column, Schema, read_table
from ..run.units import BYTES_PER_MB

SIZES_SCHEMA = Schema(
    tuple(Column(name, int) for name in ("bytes", "slice_count", "rows", "columns", "file_count")),
    "make the manifest again",
)
"""Those columns of the manifest that say how large a volume is."""

SNAKEMAKE_MB = 300
"""Each job of a cluster has two processes of Snakemake (measured: 260 to 300 MB)."""
JOB_MB = 300
"""The job itself and the server that its workers are forked from (measured: 295 MB)."""
WORKER_MB = 200
"""A worker without its slab (measured: 80 to 110 MB)."""
SLABS = 2.5
"""Slabs of two bytes per voxel that a worker holds (measured: 1.2). Values that do not fit into two
bytes take four."""
FILES = 2
"""Files that a worker holds at once: the file that it reads, and what it has decoded of it. This
matters where one file has all planes."""
PLANE_BYTES = 5_000
"""Memory of the job for the plan of one plane (measured: 3,400)."""
STORED_BYTES = 2
"""Bytes per voxel."""

START_MINUTES = 30
"""For the start on a busy node with a slow network folder, and for series that are tried twice."""
BYTES_A_SECOND = 2_000_000
"""Source that one worker reads at least: JPEG 2000 gives 3.5 MB/s, uncompressed ten times that."""

ROUND_MB = 100


@dataclass(frozen=True, slots=True)
class ShardSize:
    """How much there is to convert.

    Attributes
    ----------
    bytes
        Of all source files.
    planes
        Of all volumes.
    longest_bytes
        Of the source files of the largest volume, which one worker converts.
    plane_voxels
        Of the largest plane.
    file_bytes
        Of the largest file, as a mean of a volume.
    """

    bytes: int = 0
    planes: int = 0
    longest_bytes: int = 0
    plane_voxels: int = 0
    file_bytes: int = 0


def shard_size(series_csv: Path) -> ShardSize:
    """The size of the shard that ``series_shard_XX.csv`` lists; zeros where it is not there yet."""
    size = ShardSize()
    try:
        rows = read_table(series_csv, SIZES_SCHEMA).rows()
    except SettingsError:
        return size  # not there yet, or no manifest: the job itself says so in a sentence
    for row in rows:
        size = ShardSize(
            bytes=size.bytes + row["bytes"],
            planes=size.planes + row["slice_count"],
            longest_bytes=max(size.longest_bytes, row["bytes"]),
            plane_voxels=max(size.plane_voxels, row["rows"] * row["columns"]),
            file_bytes=max(size.file_bytes, row["bytes"] // max(1, row["file_count"])),
        )
    return size


def memory_mb(size: ShardSize, workers: int, slab_planes: int, attempt: int = 1) -> int:
    """Megabytes to ask for; the nth attempt asks for n times as much.

    Parameters
    ----------
    workers
        Processes that convert.
    slab_planes
        Depth of a chunk; a worker holds so many whole planes.
    """
    slab = SLABS * slab_planes * size.plane_voxels * STORED_BYTES
    worker = WORKER_MB + (slab + FILES * size.file_bytes) / BYTES_PER_MB
    plans = size.planes * PLANE_BYTES / BYTES_PER_MB
    needed = (SNAKEMAKE_MB + JOB_MB + plans + workers * worker) * attempt
    return math.ceil(needed / ROUND_MB) * ROUND_MB


def runtime_minutes(size: ShardSize, workers: int, verify_all: bool, attempt: int = 1) -> int:
    """Minutes to ask for; the nth attempt asks for n times as many.

    The workers share the volumes, but one worker converts the largest volume alone.
    """
    readings = 2 if verify_all else 1
    seconds = readings * max(size.bytes / workers, size.longest_bytes) / BYTES_A_SECOND
    return math.ceil(START_MINUTES + seconds / 60) * attempt
