"""Any sequence of shard numbers: each run ends, and every volume is reused."""

import shutil
from pathlib import Path

import pytest

from ct2zarr.run.paths import shard_labels
from project import Project

pytestmark = pytest.mark.slow


def summaries(project: Project) -> list[str]:
    return sorted(path.name for path in project.store_root.glob("summary_shard_*"))


def summaries_of(num_shards: int) -> list[str]:
    names = [f"summary_shard_{label}" for label in shard_labels(num_shards)]
    return sorted(f"{name}.{ending}" for name in names for ending in ("csv", "json"))


def written(project: Project) -> dict[str, int]:
    """When each file of a volume was written."""
    volumes = [
        path for folder in ("data", "meta") for path in (project.store_root / folder).iterdir()
    ]
    return {path.name: path.stat().st_mtime_ns for path in volumes}


def test_every_sequence_of_shard_numbers_reuses_all_volumes(project: Project) -> None:
    rows = project.final_state()["rows"]
    volumes = written(project)
    for num_shards in (16, 4, 16, 1, 101, 2):
        project.config["num_shards"] = num_shards
        project.snakemake()
        assert summaries(project) == summaries_of(num_shards)
        assert all(row["reused"] == "true" for row in project.rows() if row["status"] == "ok")
        assert written(project) == volumes
        now = project.final_state()["rows"]
        assert [{**row, "shard": ""} for row in now] == [{**row, "shard": ""} for row in rows]
        assert project.pending() == {}


@pytest.mark.parametrize("num_shards", [1, 4])
def test_another_number_reuses_all_volumes_and_removes_the_summaries_of_the_last(
    project: Project, num_shards: int
) -> None:
    stale = project.store_root / "summary_shard_02_again.csv"
    shutil.copy2(project.store_root / "summary_shard_02.csv", stale)
    volumes = written(project)
    project.config["num_shards"] = num_shards
    project.snakemake()
    assert summaries(project) == summaries_of(num_shards)
    assert written(project) == volumes
    assert len(project.rows()) == 6


def test_a_run_that_ends_between_two_numbers_goes_on_with_either(project: Project) -> None:
    project.config["num_shards"] = 5
    first = Path("converted/zarr_sqlite/summary_shard_01.csv")
    project.snakemake(str(first))
    for num_shards in (3, 5):
        project.config["num_shards"] = num_shards
        project.snakemake()
        assert summaries(project) == summaries_of(num_shards)
