"""`snakemake audit` and `retry_failed` by real Snakemake: what they do and what they leave."""

import os
from pathlib import Path

import pytest

from project import Project, read_csv

pytestmark = pytest.mark.slow

SHARDS = 3


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def stores(project: Project) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in (project.store_root / "data").iterdir()}


def by_folder(project: Project) -> dict[str, dict[str, str]]:
    return {row["series_dir"].rpartition("/")[2]: row for row in project.rows()}


def test_audit_reads_every_volume_and_fails_where_one_is_damaged_until_it_is_repaired(project):
    before = project.final_state()
    assert "5 intact, 0 damaged, 0 missing" in project.snakemake("audit")
    rows = read_csv(project.store_root / "audit_all.csv")
    ok = {row["series_hash"] for row in project.rows() if row["status"] == "ok"}
    assert {row["series_hash"] for row in rows} == ok
    assert project.pending("audit") == {"audit": 1}  # says again how the last one ended

    name = by_folder(project)["tilted"]["series_hash"]
    flip_a_bit(project.store_root / "data" / f"{name}.zarr.sqlite")
    kept = stores(project)
    output = project.snakemake("audit", "-R", "audit_shard", code=None)
    assert "Traceback" not in output
    assert "the audit found 1 damaged and 0 missing of 5 volumes" in output
    (bad,) = (r for r in read_csv(project.store_root / "audit_all.csv") if r["status"] != "intact")
    assert (bad["series_hash"], bad["status"]) == (name, "damaged")

    assert "Nothing to be done" in project.snakemake()
    shards = {row["shard"] for row in project.rows() if row["status"] == "failed"} | {bad["shard"]}
    retry = ("--config", "retry_failed=true")
    assert project.pending(*retry)["convert_shard"] == len(shards)
    project.snakemake(*retry)
    changed = {name for name, time in stores(project).items() if time != kept[name]}
    assert changed == {f"{name}.zarr.sqlite"}
    assert "5 intact, 0 damaged, 0 missing" in project.snakemake("audit")
    after = project.final_state()
    audits = {name for name in after["names"] if name.startswith("audit_")}
    assert len(audits) == 2 * (SHARDS + 1)
    assert after | {"names": sorted(set(after["names"]) - audits)} == before


def test_audit_looks_at_the_tables_every_time_and_a_run_repairs_them(project):
    before = project.final_state()
    project.snakemake("audit")
    changed = {
        "summary_all.csv": project.store_root / "summary_all.csv",
        "files_excluded.parquet": project.manifest / "files_excluded.parquet",
    }
    for path in changed.values():
        status = path.stat()
        flip_a_bit(path)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    output = project.snakemake("audit", code=None)
    assert "the audit found 2 changed tables, and 0 damaged and 0 missing" in output
    assert all(f"{name} was changed after it was written" in output for name in changed)
    assert "Traceback" not in output
    project.snakemake("-R", "manifest", "aggregate")
    assert "5 intact, 0 damaged, 0 missing" in project.snakemake("audit")
    assert project.final_state()["rows"] == before["rows"]


def test_a_flipped_bit_of_the_manifest_is_refused_before_it_is_converted(project):
    shard = next(row["shard"] for row in project.rows())
    flip_a_bit(project.manifest / "shards" / f"files_shard_{shard}.parquet")
    kept = stores(project)
    output = project.snakemake(code=None)
    assert f"files_shard_{shard}.parquet was changed after it was written" in output
    assert "Traceback" not in output
    assert stores(project) == kept
    project.snakemake("-R", "manifest")
    assert stores(project) == kept


def test_audit_converts_nothing_whatever_is_pending(project):
    project.config |= {"chunks": [8, 8, 8]}
    (project.store_root / "summary_shard_01.csv").unlink()
    before = stores(project)
    assert project.pending("audit") == {"audit_shard": 2, "gather_audits": 1, "audit": 1}
    project.snakemake("audit")
    assert stores(project) == before


def test_audit_before_anything_is_converted_is_a_sentence(fresh):
    output = fresh.snakemake("audit", code=None)
    assert "convert the shards first" in output
    assert "Traceback" not in output


@pytest.mark.parametrize("words", [["--config", "retry_failed=true"], ["retry_failed"]])
def test_retry_converts_the_shards_with_failed_volumes_and_a_dry_run_says_so(project, words):
    failed = {row["shard"] for row in project.rows() if row["status"] == "failed"}
    assert len(failed) == 1
    times, kept = project.times(), stores(project)
    assert project.pending(*words)["convert_shard"] == 1
    assert project.times() == times
    project.snakemake(*words)
    changed = {name for name, time in project.times().items() if time != times[name]}
    assert changed == {f"summary_shard_{shard}.csv" for shard in failed}
    assert stores(project) == kept
    # The file is still cut short: the row is the same, and is pending as soon as one asks again.
    assert by_folder(project)["cut"]["status"] == "failed"
    assert project.pending(*words)["convert_shard"] == 1
    assert "convert_shard" not in project.pending()


def test_retrying_alone_leaves_pending_shards_pending(project):
    failed = {row["shard"] for row in project.rows() if row["status"] == "failed"}
    pending = next(f"{n:02}" for n in range(SHARDS) if f"{n:02}" not in failed)
    (project.store_root / f"summary_shard_{pending}.csv").unlink()
    assert project.pending("retry_failed") == {"convert_shard": 1, "retry_failed": 1}
    assert project.pending("--config", "retry_failed=true")["convert_shard"] == 2


def test_retry_works_where_results_lie_under_an_absolute_path(fresh):
    fresh.config["out_root"] = str(fresh.folder / "converted")
    fresh.snakemake()
    assert fresh.pending("--config", "retry_failed=true")["convert_shard"] == 1


def test_retry_has_nothing_to_do_where_nothing_failed(project):
    project.config |= {"on_bad_slice": "drop"}
    project.snakemake()
    assert project.pending("--config", "retry_failed=true") == {}
    assert project.pending("retry_failed") in ({}, {"retry_failed": 1})


def test_an_audit_that_was_changed_is_named_at_the_close_and_refused_by_a_retry(project):
    project.snakemake("audit")
    shards = [project.store_root / f"summary_shard_{number:02}.csv" for number in range(3)]
    well = [path for path in shards if all(row["status"] == "ok" for row in read_csv(path))]
    audit = well[0].with_name(well[0].name.replace("summary", "audit"))
    audit.write_text(audit.read_text() + "x")
    printed = project.snakemake()
    assert "Traceback" not in printed
    (line,) = [line for line in printed.splitlines() if line.strip().startswith("damaged")]
    assert f"{audit.name} was changed after it was written" in line
    refused = project.snakemake("--config", "retry_failed=true", code=None)
    assert "Traceback" not in refused
    assert f"{audit.name} was changed after it was written" in refused
