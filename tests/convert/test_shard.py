"""A shard converts its volumes, has a row for each, and survives what goes wrong."""

import hashlib
import importlib.metadata
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ct2zarr import __version__
from ct2zarr.convert.shard import ShardSummary, run_shard
from ct2zarr.dicom.deidentification import KEY_VARIABLE
from ct2zarr.errors import MachineError, SettingsError
from ct2zarr.plan.manifest import make_manifest
from ct2zarr.report.summaries import ACCOUNT, aggregate
from ct2zarr.run.settings import AggregateSettings, MetadataSettings
from ct2zarr.run.settings_reading import manifest_from_environ
from ct2zarr.run.summary_columns import COLUMNS
from ct2zarr.vocabulary import Flag, StoreType
from ct2zarr.volume.volume import open_volume
from phantom import localizer, make_series, truncate
from shard_runs import (
    SHARDS,
    in_a_process,
    manifest,
    rows_of,
    settings_for,
    stores_below,
    temporary_files,
    wait_until,
    without_times,
)

SQLITE_AND_SLOWLY_THE_OTHERS = [
    StoreType.SQLITE,
    *(pytest.param(store_type, marks=pytest.mark.slow) for store_type in list(StoreType)[1:]),
]


def make_tree(root: Path) -> Path:
    """Five volumes: plain, tilted, with a gap, with a localizer, and a long one.

    They have 61 files, so that a scan starts no processes.
    """
    make_series(root / "a", name="plain")
    make_series(root / "b", name="tilted", tilt_degrees=20)
    make_series(root / "c", name="gap", drop=[5])
    with_localizer = make_series(root / "d", name="with localizer", n=9)
    localizer(root / "d", series_uid=with_localizer.series_uid)
    make_series(root / "e", name="long", n=16)
    return root


@pytest.fixture
def tree(tmp_path) -> Path:
    """A tree that one test may change."""
    return make_tree(tmp_path / "in")


@pytest.fixture
def csv_of_tree(tree) -> Path:
    return manifest(tree) / "series_all.csv"


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> ShardSummary:
    """A finished run on a tree of its own, which no test may change, beside its manifest."""
    root = tmp_path_factory.mktemp("done")
    return run_shard(settings_for(manifest(make_tree(root / "in")) / "series_all.csv"))


@pytest.fixture
def series_csv(done, tmp_path) -> Path:
    """A copy of the manifest; nothing of it is converted."""
    shutil.copytree(done.csv_path.parents[2] / "manifests", tmp_path / "manifests")
    return tmp_path / "manifests" / "series_all.csv"


@pytest.fixture
def converted_csv(series_csv, done) -> Path:
    """A copy of the manifest with the results beside it, which one test may change."""
    shutil.copytree(done.csv_path.parents[1], series_csv.parents[1] / "out")
    return series_csv


@pytest.mark.parametrize("store_type", SQLITE_AND_SLOWLY_THE_OTHERS)
def test_from_folders_to_the_joined_summary_in_every_store(tree, store_type):
    folder = manifest(tree)
    for shard in range(SHARDS):
        csv_path = folder / f"shards/series_shard_{shard:02}.csv"
        summary = run_shard(settings_for(csv_path, store_type, num_shards=SHARDS, shard_id=shard))
        assert summary.csv_path.name == f"summary_shard_{shard:02}.csv"
    out_root = folder.parent / "out"
    aggregate(AggregateSettings(out_root=out_root, store_type=store_type))
    root = out_root / f"zarr_{store_type}"
    rows = rows_of(root / "summary_all.csv")
    assert list(rows[0]) == [*COLUMNS, "shard", "decision", "comment"]
    assert [row["status"] for row in rows] == ["ok"] * 5
    assert all(row["verify_ok"] == "true" and row["verified_slices"] == "3" for row in rows)
    assert all(int(row["series_hash"], 16) % SHARDS == int(row["shard"]) for row in rows)
    by_folder = {Path(row["series_dir"]).name: row for row in rows}
    assert by_folder["b"]["flags"] == "gantry_tilt"
    assert by_folder["c"]["flags"] == "missing_slices"
    assert by_folder["d"]["localizers_skipped"] == "1"
    assert by_folder["e"]["slice_count"] == "16"
    assert abs(float(by_folder["b"]["tilt_degrees"])) == pytest.approx(20, abs=0.01)
    for row in rows:
        assert (root / "data" / f"{row['series_hash']}{store_type.suffix}").exists()
        assert (root / "meta" / f"{row['series_hash']}.series.json").exists()
    assert temporary_files(root) == []


def test_a_rerun_gives_the_same_rows_reused_and_touches_no_volume(converted_csv, done):
    settings = settings_for(converted_csv)
    times = {path: path.stat().st_mtime_ns for path in settings.store_root.glob("*/*")}
    assert times
    again = run_shard(settings)
    assert all(row.reused for row in again.rows)
    assert [replace(row, reused=False) for row in again.rows] == list(done.rows)
    assert {path: path.stat().st_mtime_ns for path in times} == times


def test_overwrite_and_another_setting_convert_again(converted_csv):
    settings = settings_for(converted_csv)
    assert not any(row.reused for row in run_shard(replace(settings, overwrite=True)).rows)
    stronger = replace(settings.encoding, compression_level=5)
    assert not any(row.reused for row in run_shard(replace(settings, encoding=stronger)).rows)
    assert all(row.reused for row in run_shard(replace(settings, encoding=stronger)).rows)


def test_the_rows_do_not_depend_on_the_number_of_workers(series_csv, done):
    three = run_shard(settings_for(series_csv, num_workers=3))
    rows = [without_times(rows_of(summary.csv_path)) for summary in (done, three)]
    assert rows[0] == rows[1]
    roots = [summary.csv_path.parent for summary in (done, three)]
    assert stores_below(roots[0]) == stores_below(roots[1])


def test_shards_of_an_unsharded_csv_hold_every_volume_once(series_csv):
    every = {row["series_hash"] for row in rows_of(series_csv)}
    found = []
    for shard in range(3):
        summary = run_shard(settings_for(series_csv, shard_id=shard, num_shards=3))
        assert summary.csv_path.name == f"summary_shard_{shard:02}.csv"
        found += [row.series_hash for row in summary.rows]
    assert len(every) == 5
    assert sorted(found) == sorted(every)


def test_a_csv_with_folders_alone_is_scanned_and_converted(tree, tmp_path):
    by_hand = tmp_path / "by_hand" / "mine.csv"
    by_hand.parent.mkdir()
    by_hand.write_text(f"series_dir\n{tree / 'a'}\n{tree / 'b'}\n")
    summary = run_shard(settings_for(by_hand))
    assert [row.status for row in summary.rows] == ["ok", "ok"]
    assert sorted(row.slice_count for row in summary.rows) == [12, 12]
    assert summary.csv_path.name == "summary_shard_00.csv"


# Rows of what is not converted ----------------------------------------------------------------


def by_folder(summary) -> dict[str, Any]:
    return {Path(row.series_dir).name: row for row in summary.rows}


def test_a_series_whose_files_are_gone_is_one_failed_row(csv_of_tree, tree):
    for path in (tree / "a").iterdir():
        path.unlink()
    rows = by_folder(run_shard(settings_for(csv_of_tree)))
    assert (rows["a"].status, rows["a"].reason) == ("failed", "source_gone")
    assert "gone" in rows["a"].error
    assert [rows[name].status for name in "bcde"] == ["ok"] * 4


def test_a_truncated_file_is_one_failed_row_that_names_it(tree):
    broken = sorted((tree / "a").iterdir())[3]
    truncate(broken, keep=0.9)
    rows = by_folder(run_shard(settings_for(manifest(tree) / "series_all.csv")))
    assert (rows["a"].status, rows["a"].reason) == ("failed", "unreadable_files")
    assert broken.name in rows["a"].error
    assert [rows[name].status for name in "bcde"] == ["ok"] * 4


def test_a_rejected_volume_is_a_row_and_what_was_published_of_it_before_goes(converted_csv):
    rejecting = settings_for(converted_csv, reject_flags=frozenset({Flag.GANTRY_TILT}))
    root = rejecting.store_root
    assert len(list((root / "data").iterdir())) == 5
    row = by_folder(run_shard(rejecting))["b"]
    assert (row.status, row.reason, row.flags) == ("rejected", "gantry_tilt", "gantry_tilt")
    assert list(root.glob(f"*/{row.series_hash}*")) == []
    assert len(list((root / "data").iterdir())) == 4


@pytest.mark.slow
def test_a_series_that_hangs_is_one_failed_row_after_the_time_limit(csv_of_tree, tree):
    hanging = sorted((tree / "a").iterdir())[0]
    hanging.unlink()
    os.mkfifo(hanging)  # opening it waits for a writer that never comes
    rows = by_folder(run_shard(settings_for(csv_of_tree, series_timeout_seconds=8.0)))
    assert (rows["a"].status, rows["a"].reason) == ("failed", "timeout")
    assert [rows[name].status for name in "bcde"] == ["ok"] * 4
    assert temporary_files(csv_of_tree.parent.parent / "out") == []


def test_a_failed_conversion_keeps_an_older_complete_volume(csv_of_tree, tree):
    settings = settings_for(csv_of_tree)
    root = run_shard(settings).csv_path.parent
    before = stores_below(root)
    for path in tree.rglob("*.dcm"):
        path.rename(path.with_suffix(".away"))
    summary = run_shard(replace(settings, overwrite=True))
    assert {row.reason for row in summary.rows} == {"source_gone"}
    assert stores_below(root) == before


def test_a_store_that_a_killed_job_left_without_record_goes_when_the_series_fails(
    csv_of_tree, tree
):
    settings = settings_for(csv_of_tree)
    summary = run_shard(settings)
    row = by_folder(summary)["a"]
    root = summary.csv_path.parent
    (root / "meta" / f"{row.series_hash}.series.json").unlink()
    for path in (tree / "a").iterdir():
        path.unlink()
    run_shard(settings)
    assert list(root.glob(f"*/{row.series_hash}*")) == []


@pytest.mark.parametrize("store_type", SQLITE_AND_SLOWLY_THE_OTHERS)
def test_half_written_stores_that_lie_there_are_replaced(series_csv, store_type):
    settings = settings_for(series_csv, store_type)
    summary = run_shard(settings)
    root = summary.csv_path.parent
    good = stores_below(root)
    for record in (root / "meta").glob("*.json"):
        record.unlink()
    for name in good:
        path = root / name
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    again = run_shard(settings)
    assert not any(row.reused for row in again.rows)
    assert stores_below(root) == good


# The machine ----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("store_type", SQLITE_AND_SLOWLY_THE_OTHERS)
def test_a_disk_that_takes_no_more_ends_the_job_without_a_summary(series_csv, store_type):
    settings = settings_for(series_csv, store_type)
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))"
    job = in_a_process(settings, before=limit)
    _, said = job.communicate(timeout=120)
    assert job.returncode == 3, said
    assert "cannot be written" in said or "cannot write" in said
    assert "Traceback" not in said
    root = settings.store_root
    assert list(root.glob("summary*")) == []
    assert [path for path in root.rglob("*") if path.is_file()] == []


def test_an_output_folder_that_cannot_be_made_ends_the_job(series_csv):
    settings = settings_for(series_csv)
    settings.out_root.mkdir()
    settings.store_root.write_text("a file")
    with pytest.raises(MachineError, match="zarr_sqlite"):
        run_shard(settings)


@pytest.mark.slow
def test_a_shard_killed_in_the_middle_resumes_to_the_same_result(tree):
    for number in range(6):
        make_series(tree / f"more{number}", name=f"more {number}", n=30, rows=128, columns=128,
                    spacing=(0.5, 0.2, 0.2))  # fmt: skip
    series_csv = manifest(tree) / "series_all.csv"
    undisturbed = run_shard(settings_for(series_csv, out_root=tree.parent / "undisturbed"))
    settings = settings_for(series_csv, num_workers=2)
    job = in_a_process(settings)
    meta = settings.store_root / "meta"
    wait_until(lambda: meta.exists() and len(list(meta.glob("*.series.json"))) >= 2)
    os.killpg(job.pid, signal.SIGKILL)
    job.communicate()
    finished = {path.name for path in meta.glob("*.series.json")}
    assert len(finished) < len(undisturbed.rows)
    assert list(settings.store_root.glob("summary*")) == []
    resumed = run_shard(settings)
    assert sum(row.reused for row in resumed.rows) >= len(finished)
    assert stores_below(settings.store_root) == stores_below(undisturbed.csv_path.parent)
    rows = [without_times(rows_of(one.csv_path)) for one in (undisturbed, resumed)]
    assert rows[0] == rows[1]
    assert temporary_files(settings.store_root) == []


@pytest.mark.slow
@pytest.mark.parametrize("store_type", SQLITE_AND_SLOWLY_THE_OTHERS)
def test_two_jobs_on_one_shard_at_once_end_in_the_same_result(series_csv, store_type):
    alone = run_shard(settings_for(series_csv, store_type, out_root=series_csv.parent / "alone"))
    settings = settings_for(series_csv, store_type, overwrite=True)
    jobs = [in_a_process(settings) for _ in range(2)]
    for job in jobs:
        _, said = job.communicate(timeout=120)
        assert job.returncode == 0, said
    assert stores_below(settings.store_root) == stores_below(alone.csv_path.parent)
    assert temporary_files(settings.store_root) == []
    resumed = run_shard(replace(settings, overwrite=False))
    assert all(row.reused for row in resumed.rows)


def test_a_job_that_ends_by_the_machine_leaves_no_older_summary(csv_of_tree, tree):
    settings = settings_for(csv_of_tree)
    summary = run_shard(settings)
    tree.rename(tree.with_name("away"))
    with pytest.raises(MachineError, match="gone or empty"):
        run_shard(replace(settings, overwrite=True))
    assert not summary.csv_path.exists()
    assert not summary.json_path.exists()


# Without names --------------------------------------------------------------------------------


def test_deidentify_needs_its_key_before_anything_is_done(series_csv, monkeypatch):
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    settings = settings_for(series_csv, metadata=MetadataSettings(deidentify=True))
    with pytest.raises(SettingsError, match=KEY_VARIABLE):
        run_shard(settings)
    assert not settings.out_root.exists()


def test_with_deidentify_the_summary_names_no_folder_and_no_file(csv_of_tree, tree, monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, "a key of enough characters")
    for path in (tree / "a").iterdir():
        path.unlink()
    summary = run_shard(settings_for(csv_of_tree, metadata=MetadataSettings(deidentify=True)))
    assert {row.series_dir for row in summary.rows} == {""}
    (failed,) = (row for row in summary.rows if row.status == "failed")
    assert failed.code == "source_gone"
    assert failed.error == failed.error_public
    assert "[file]" in failed.error
    for path in (summary.csv_path, summary.json_path):
        assert str(tree) not in path.read_text()
        assert ".dcm" not in path.read_text()


# The summary and the log ----------------------------------------------------------------------


def test_the_json_has_the_totals_of_the_csv(csv_of_tree, tree):
    for path in (tree / "a").iterdir():
        path.unlink()
    summary = run_shard(settings_for(csv_of_tree))
    content = json.loads(summary.json_path.read_text())
    rows = rows_of(summary.csv_path)
    done = [row for row in rows if row["status"] == "ok"]
    assert content["totals"]["volumes"] == len(rows) == 5
    assert content["totals"]["ok"] == len(done) == 4
    assert content["reasons"] == {"source_gone": 1}
    assert content["totals"]["output_bytes"] == sum(int(row["output_bytes"]) for row in done)
    assert content["csv_md5"] == hashlib.md5(summary.csv_path.read_bytes()).hexdigest()
    assert content["settings"]["encoding"]["store_type"] == "sqlite"


@pytest.mark.parametrize(
    "name", ["series_all.csv", pytest.param("shards/series_shard_00.csv", marks=pytest.mark.slow)]
)
def test_volume_record_and_summaries_say_by_what_they_were_made(tree, name):
    folder = manifest(tree)
    index_md5 = hashlib.md5((folder / "series_all.csv").read_bytes()).hexdigest()
    settings = settings_for(folder / name, metadata=MetadataSettings(False, ("Exposure",)))
    summary = run_shard(settings)
    (made,) = {
        json.dumps([source[key] for key in ("version", "libraries", "settings", "manifest_md5")])
        for row in summary.rows
        for volume in [open_volume(settings.store_root / f"data/{row.series_hash}.zarr.sqlite")]
        for source in (volume.attrs, volume.series)
    }
    version, libraries, options, md5 = json.loads(made)
    assert (version, md5) == (__version__, index_md5)
    assert options["extra_series_tags"] == ["Exposure"]
    assert set(options) == {
        "store_type", "values", "zarr_format", "chunks", "compression_level",
        "pyramid_levels", "deidentify", "extra_series_tags", "extra_slice_tags",
    }  # fmt: skip
    content = json.loads(summary.json_path.read_text())
    assert content["manifest_md5"] == index_md5
    assert content["libraries"] == libraries
    assert libraries["numpy"] == importlib.metadata.version("numpy")
    assert content["versions"]["ct2zarr"] == __version__


@pytest.mark.slow
def test_the_joined_summary_names_the_checksum_of_the_manifest(tree):
    folder = manifest(tree)
    for shard in range(SHARDS):
        run_shard(settings_for(folder / f"shards/series_shard_{shard:02}.csv", num_shards=SHARDS))
    totals = folder.parent / "out/zarr_sqlite/summary_all.json"

    def of_index() -> str:
        return hashlib.md5((folder / "series_all.csv").read_bytes()).hexdigest()

    def account() -> dict[str, Any]:
        written = json.loads((folder / "manifest_summary.json").read_text())
        assert written["files_found"] > 0
        return {name: written[name] for name in ACCOUNT}

    def named(manifest_dir: Path | None) -> dict[str, Any]:
        aggregate(AggregateSettings(out_root=folder.parent / "out", manifest_dir=manifest_dir))
        return json.loads(totals.read_text())["manifest"]

    old = of_index()
    alone = {"file": "series_all.csv", "md5": old, "shards_by_md5": {old: SHARDS}}
    assert named(None) == alone
    assert named(folder) == alone | {"account": account()}
    make_series(tree / "f", name="one more")
    manifest(tree)
    assert of_index() != old
    assert named(folder) == alone | {"md5": of_index(), "account": account()}


def test_the_log_has_a_line_a_volume_and_no_word_of_a_patient(csv_of_tree, tree, caplog):
    truncate(sorted((tree / "e").iterdir())[3], keep=0.9)
    with caplog.at_level("INFO", logger="ct2zarr"):
        summary = run_shard(settings_for(csv_of_tree))
    lines = [record.getMessage() for record in caplog.records]
    for row in summary.rows:
        (line,) = [line for line in lines if row.series_hash in line]
        assert row.status in line
    text = "\n".join(lines)
    assert not re.search(r"PHANTOM|PATIENT|20200102", text)
    assert str(tree) not in text


def test_a_csv_that_is_not_there_is_an_error_that_names_it(tmp_path):
    with pytest.raises(SettingsError, match="series_shard_07"):
        run_shard(settings_for(tmp_path / "shards" / "series_shard_07.csv"))


def test_starting_a_shard_loads_no_large_package():
    script = "import sys, ct2zarr.convert.shard; print(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stdout.split())
    assert loaded & {"pandas", "zarr", "pydicom", "numpy", "rich", "subprocess"} == set()


@pytest.mark.slow
def test_a_whole_job_runs_without_what_only_its_workers_or_the_report_need(tmp_path):
    """pyarrow imports pandas when it is given a list of Python; that takes as long as the rest."""
    manifest = tmp_path / "manifest"
    make_series(tmp_path / "in", n=3)
    scan = {"DATASET_V1_ROOT": str(tmp_path / "in"), "OUT_DIR": str(manifest), "NUM_SHARDS": "1"}
    make_manifest(manifest_from_environ(scan | {"DATASET_VERSION": "v1"}))
    script = (
        "import os, sys; from ct2zarr.convert.shard import run_shard;"
        "from ct2zarr.run.settings_reading import convert_from_environ;"
        "run_shard(convert_from_environ(os.environ)); print(*sorted(sys.modules))"
    )
    job = {
        "INPUT_CSV": str(manifest / "shards" / "series_shard_00.csv"),
        "OUT_ROOT": str(tmp_path / "out"),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, **job},
        capture_output=True,
        text=True,
        check=True,
    )
    assert list((tmp_path / "out").rglob("*.series.json"))
    loaded = set(done.stdout.split())
    assert "pyarrow.parquet" in loaded
    assert loaded & {"pandas", "zarr", "pydicom", "numcodecs", "pyarrow.compute"} == set()
