"""Where the files of a run are, which exist, and what a shard asks a machine for."""

import os
from pathlib import Path

import pytest

from ct2zarr.plan.shard_needs import memory_mb, runtime_minutes, shard_size
from ct2zarr.run.options import config_defaults
from ct2zarr.run.sealed import write_table
from ct2zarr.workflow.reruns import digest
from ct2zarr.workflow.run_files import RunFiles


@pytest.fixture
def config(tmp_path):
    """The defaults, with folders of this test and three shards."""
    outputs = {"manifest_dir": str(tmp_path / "m"), "out_root": str(tmp_path / "o")}
    return config_defaults() | outputs | {"num_shards": 3}


@pytest.fixture
def files(config):
    """The files of that run, with the folders that hold them."""
    files = RunFiles.of_config(config)
    (files.manifest_dir / "shards").mkdir(parents=True)
    files.store_root.mkdir(parents=True)
    return files


def finish(files: RunFiles, label: str, failed: int = 0) -> None:
    write_table(files.summary(label), "", {"totals": {"failed": failed}})


def names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def test_names_are_those_of_the_contract(files, tmp_path):
    assert files.store_root == tmp_path / "o" / "zarr_sqlite"
    assert files.index == tmp_path / "m" / "series_all.csv"
    assert files.shard("01") == {
        "series": tmp_path / "m" / "shards" / "series_shard_01.csv",
        "files": tmp_path / "m" / "shards" / "files_shard_01.parquet",
    }
    assert names(files.summaries()) == [f"summary_shard_{label}.csv" for label in files.labels]
    assert files.labels == ("00", "01", "02")
    assert files.joined_summary.totals == files.store_root / "summary_all.json"
    assert files.joined_audit.table == files.store_root / "audit_all.csv"
    assert files.report == files.store_root / "verify_report.html"
    assert files.log("report") == files.store_root / "logs" / "report.log"
    assert files.benchmark("report") == files.store_root / "logs" / "report.benchmark.tsv"
    assert files.manifest_benchmark("a") == files.manifest_dir / "logs" / "a.benchmark.tsv"


def test_scan_has_shares_only_if_several_jobs_read_it(config):
    assert RunFiles.of_config(config).scan_shares() == []
    shares = RunFiles.of_config(config | {"scan_jobs": 2})
    assert names(shares.scan_shares()) == [
        "share_00_of_2.json", "share_00_of_2.arrow", "share_01_of_2.json", "share_01_of_2.arrow",
    ]  # fmt: skip
    assert {path.parent for path in shares.scan_shares()} == {shares.scan_folder}


def test_only_finished_shards_are_audited(files):
    assert files.audits() == []
    finish(files, "00")
    finish(files, "02")
    assert names(files.audits()) == ["audit_shard_00.csv", "audit_shard_02.csv"]


def test_only_finished_shards_with_failures_are_tried_again(files):
    finish(files, "00")
    finish(files, "02", failed=1)
    assert names(files.summaries_to_retry()) == ["summary_shard_02.csv"]
    files.summary("02").totals.unlink()
    assert names(files.summaries_to_retry()) == ["summary_shard_02.csv"], "asked once per process"


def test_summary_that_is_written_again_is_another_one_to_audit(files):
    finish(files, "01")
    os.utime(files.summary("01").table, ns=(1, 2))
    assert files.summary_time("01") == 2


def test_manifest_has_a_time_once_it_is_made(files):
    assert files.manifest_time() is None
    files.index.touch()
    os.utime(files.index, (0, 86400))
    assert files.manifest_time().timestamp() == 86400


def test_shard_asks_for_what_its_table_and_the_config_need(config, files):
    row = {"bytes": 10**10, "slice_count": 900, "rows": 512, "columns": 512, "file_count": 900}
    lines = [",".join(row), ",".join(map(str, row.values()))]
    table = files.shard("01")["series"]
    table.write_text("\n".join(lines) + "\n")
    size = shard_size(table)
    assert size.bytes == 10**10
    assert files.memory_mb("01", 4, 2) == memory_mb(size, 4, 64, 2)
    assert files.runtime_minutes("01", 4, 2) == runtime_minutes(size, 4, False, 2)
    other = RunFiles.of_config(config | {"chunks": [128, 64, 64], "verify_slices": "all"})
    assert other.memory_mb("01", 4, 2) == memory_mb(size, 4, 128, 2) > files.memory_mb("01", 4, 2)
    assert other.runtime_minutes("01", 4, 2) == runtime_minutes(size, 4, True, 2)
    assert other.runtime_minutes("01", 4, 2) > files.runtime_minutes("01", 4, 2)


def test_digest_is_that_of_earlier_runs_and_hides_the_value():
    """It is compared with what Snakemake recorded, so it must be the same in every process."""
    assert digest([]) == "71857576257465c7"
    assert digest(["1.2.3"]) != digest(["1.2.4"])
    assert "1.2.3" not in digest(["1.2.3"])
