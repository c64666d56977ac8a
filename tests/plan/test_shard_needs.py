"""What a shard asks of a batch system grows with what is in it, and covers what was measured."""

import pytest

from ct2zarr.plan.shard_needs import (
    SNAKEMAKE_MB,
    ShardSize,
    memory_mb,
    runtime_minutes,
    shard_size,
)
from ct2zarr.run.units import BYTES_PER_MB

COLUMNS = "series_hash,file_count,slice_count,bytes,rows,columns"
GB = 1_000_000_000


@pytest.fixture
def table(tmp_path):
    """Three volumes: two of many files, one of a single file with all planes."""
    path = tmp_path / "series_shard_00.csv"
    rows = ["a,100,100,50000000,512,512", "b,300,300,20000000,256,512", "c,1,40,9000000,128,128"]
    path.write_text("\n".join([COLUMNS, *rows]) + "\n")
    return path


def test_size_is_summed_over_the_volumes_of_the_shard(table):
    assert shard_size(table) == ShardSize(
        bytes=79_000_000,
        planes=440,
        longest_bytes=50_000_000,
        plane_voxels=512 * 512,
        file_bytes=9_000_000,
    )


def test_shard_without_volumes_and_shard_without_a_table_ask_for_the_least(tmp_path, table):
    table.write_text(COLUMNS + "\n")
    for path in (table, tmp_path / "not_there.csv"):
        size = shard_size(path)
        assert size == ShardSize()
        # As docs/operations.md states: Snakemake, the job, and 200 MB per worker; half an hour.
        assert memory_mb(size, workers=1, slab_planes=64) == 300 + 300 + 200
        assert memory_mb(size, workers=3, slab_planes=64) == 300 + 300 + 3 * 200
        assert runtime_minutes(size, workers=1, verify_all=False) == 30


@pytest.mark.parametrize(("matrix", "slab"), [(512, 84), (2048, 1343)])
def test_a_worker_asks_for_its_slabs_and_its_largest_file_twice(matrix, slab):
    size = ShardSize(planes=20_000, plane_voxels=matrix**2, file_bytes=50 * BYTES_PER_MB)
    due = 300 + 300 + 20_000 * 0.005 + 2 * (200 + slab + 2 * 50)
    assert 0 <= memory_mb(size, workers=2, slab_planes=64) - due < 101


def test_time_is_that_of_two_megabytes_a_second():
    size = ShardSize(bytes=240 * 60 * BYTES_PER_MB, longest_bytes=BYTES_PER_MB)
    assert runtime_minutes(size, workers=2, verify_all=False) == 30 + 60
    assert runtime_minutes(size, workers=2, verify_all=True) == 30 + 120


@pytest.mark.parametrize("line", ["a,1,1", "a,1,many,1,1,1"])
def test_damaged_table_is_left_to_the_job_to_tell(table, line):
    table.write_text(f"{COLUMNS}\n{line}\n")
    assert shard_size(table) == ShardSize()


@pytest.mark.parametrize(
    ("matrix", "planes", "workers", "measured"),
    [
        (512, 260, 1, 381), (512, 260, 2, 454),
        (1024, 140, 1, 632), (1024, 140, 2, 800),
        (2048, 132, 1, 1043), (2048, 132, 2, 1599),
    ],
)  # fmt: skip
def test_memory_covers_what_conversions_were_measured_to_take(matrix, planes, workers, measured):
    size = ShardSize(planes=planes, plane_voxels=matrix**2, file_bytes=2 * matrix**2)
    asked = memory_mb(size, workers, slab_planes=64)
    assert asked - SNAKEMAKE_MB > measured
    assert asked < 4 * (measured + SNAKEMAKE_MB)


def test_memory_grows_with_planes_workers_chunks_files_and_attempts():
    size = ShardSize(planes=100_000, plane_voxels=512**2, file_bytes=1_000_000)
    asked = memory_mb(size, workers=4, slab_planes=64)
    wider = ShardSize(planes=100_000, plane_voxels=1024**2, file_bytes=1_000_000)
    longer = ShardSize(planes=200_000, plane_voxels=512**2, file_bytes=1_000_000)
    one_file = ShardSize(planes=100_000, plane_voxels=512**2, file_bytes=400 * BYTES_PER_MB)
    for more in (
        memory_mb(wider, workers=4, slab_planes=64),
        memory_mb(longer, workers=4, slab_planes=64),
        memory_mb(one_file, workers=4, slab_planes=64),
        memory_mb(size, workers=8, slab_planes=64),
        memory_mb(size, workers=4, slab_planes=128),
    ):
        assert more > asked
    assert memory_mb(size, workers=4, slab_planes=64, attempt=3) >= 3 * asked - 200


def test_time_grows_with_bytes_and_attempts_and_shrinks_with_workers():
    size = ShardSize(bytes=100 * GB, longest_bytes=GB)
    asked = runtime_minutes(size, workers=4, verify_all=False)
    assert runtime_minutes(size, workers=8, verify_all=False) < asked
    assert runtime_minutes(size, workers=4, verify_all=True) > 1.5 * asked
    assert runtime_minutes(size, workers=4, verify_all=False, attempt=2) == 2 * asked
    double = ShardSize(bytes=200 * GB, longest_bytes=GB)
    assert runtime_minutes(double, workers=4, verify_all=False) > 1.5 * asked


def test_more_workers_do_not_shorten_the_time_of_the_largest_volume():
    size = ShardSize(bytes=60 * GB, longest_bytes=50 * GB)
    asked = {runtime_minutes(size, workers, verify_all=False) for workers in (2, 16)}
    assert len(asked) == 1
