"""The scripts one after the other as programs, told by environment variables alone."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from phantom import make_series

pytestmark = pytest.mark.slow

SCRIPTS = Path(__file__).parents[2] / "scripts"
SHARDS = 3
LIMIT_SECONDS = 120


def start(script: str, folder: Path, **variables: object) -> subprocess.CompletedProcess[str]:
    """Run a script of the workflow with these variables and none of ours."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    environment |= {name: str(value) for name, value in variables.items()}
    return subprocess.run(
        [sys.executable, str(SCRIPTS / script)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
    )


def run(script: str, folder: Path, **variables: object) -> None:
    done = start(script, folder, **variables)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def manifest(tmp_path_factory) -> Path:
    """The folder of five series, with their manifest in ``manifests``."""
    folder = tmp_path_factory.mktemp("cloud")
    for number in range(5):
        make_series(folder / "in" / f"s{number}", name=f"s{number}", n=3, rows=16, columns=16)
    run("generate_manifest.py", folder, OUT_DIR="manifests", NUM_SHARDS=SHARDS,
        DATASET_V1_ROOT=folder / "in")  # fmt: skip
    return folder


def names(out: Path) -> set[str]:
    return {path.name for path in out.glob("zarr_sqlite/summary_*")}


def due(shards: int = SHARDS) -> set[str]:
    stems = [f"summary_shard_{shard:02}" for shard in range(shards)]
    return {f"{stem}.{ending}" for stem in stems for ending in ("csv", "json")}


def hashes(table: Path) -> list[str]:
    with table.open(newline="") as lines:
        return sorted(row["series_hash"] for row in csv.DictReader(lines))


@pytest.mark.parametrize("sharded", [False, True], ids=["one CSV", "a CSV per shard"])
def test_shards_of_a_cloud_run_are_named_by_their_suffix_and_joined(manifest, tmp_path, sharded):
    out = tmp_path / "converted"
    for shard in range(SHARDS):
        name = f"shard_{shard:02}"
        table = f"manifests/shards/series_{name}.csv" if sharded else "manifests/series_all.csv"
        run("convert_dicom_to_volume.py", manifest, INPUT_CSV=table, OUT_ROOT=out, NUM_WORKERS=2,
            SHARD_ID=shard, NUM_SHARDS=SHARDS, SUMMARY_SUFFIX=name, STORE_TYPE="sqlite",
            OVERWRITE=0, VERIFY_SLICES=3)  # fmt: skip
        root = out / "zarr_sqlite"
        assert hashes(root / f"summary_{name}.csv") == hashes(
            manifest / f"manifests/shards/series_{name}.csv"
        )
    assert names(out) == due()
    run("aggregate_summaries.py", manifest, OUT_ROOT=out, STORE_TYPE="sqlite")
    run("generate_verify_report.py", manifest, CONVERTED_ROOT=out, STORE_TYPE="sqlite",
        OUTPUT_HTML=out / "report.html", NUM_SAMPLES=2)  # fmt: skip
    assert hashes(root / "summary_all.csv") == hashes(manifest / "manifests/series_all.csv")
    assert (out / "report.html").stat().st_size > 0


@pytest.mark.parametrize("suffix", ["shard_01", "shard_1", ""])
def test_a_shard_has_one_summary_whatever_names_it_was_given(manifest, tmp_path, suffix):
    out = tmp_path / "converted"
    about = {"INPUT_CSV": "manifests/series_all.csv", "OUT_ROOT": out, "SHARD_ID": 1,
             "NUM_SHARDS": SHARDS}  # fmt: skip
    for name in ("shard_001", "shard_01", "", suffix):
        run("convert_dicom_to_volume.py", manifest, **about, SUMMARY_SUFFIX=name)
    stem = f"summary_{suffix or 'shard_01'}"
    assert names(out) == {f"{stem}.csv", f"{stem}.json"}


def test_the_suffix_names_the_shard_of_a_csv_that_does_not(manifest, tmp_path):
    out = tmp_path / "converted"
    run("convert_dicom_to_volume.py", manifest, INPUT_CSV="manifests/series_all.csv", OUT_ROOT=out,
        SUMMARY_SUFFIX="shard_05")  # fmt: skip
    assert names(out) == {"summary_shard_05.csv", "summary_shard_05.json"}


@pytest.mark.parametrize("suffix", ["shard_02", "_again", "00", "../x"])
def test_a_suffix_that_is_not_the_shard_is_one_line_that_names_it(manifest, tmp_path, suffix):
    about = {"INPUT_CSV": "manifests/shards/series_shard_01.csv", "SUMMARY_SUFFIX": suffix}
    done = start("convert_dicom_to_volume.py", manifest, OUT_ROOT=tmp_path / "converted", **about)
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith(f"error: SUMMARY_SUFFIX is {suffix}") or f"'{suffix}'" in line
    assert not (tmp_path / "converted").exists()


def test_another_number_of_shards_supersedes_the_summaries_of_the_last(manifest, tmp_path):
    out = tmp_path / "converted"
    for shards in (SHARDS, 2, 1):
        for shard in range(shards):
            run("convert_dicom_to_volume.py", manifest, INPUT_CSV="manifests/series_all.csv",
                OUT_ROOT=out, SHARD_ID=shard, NUM_SHARDS=shards)  # fmt: skip
        assert names(out) - {"summary_all.csv", "summary_all.json"} == due(shards)
        run("aggregate_summaries.py", manifest, OUT_ROOT=out)


@pytest.mark.parametrize("umask", [0o002, 0o077], ids=oct)
@pytest.mark.parametrize("store_type", ["sqlite", "dir", "zip"])
def test_every_file_and_folder_follows_the_umask(manifest, tmp_path, umask, store_type):
    before = os.umask(umask)
    try:
        run("generate_manifest.py", tmp_path, OUT_DIR="m", NUM_SHARDS=1,
            DATASET_V1_ROOT=manifest / "in")  # fmt: skip
        run("convert_dicom_to_volume.py", tmp_path, INPUT_CSV="m/shards/series_shard_00.csv",
            OUT_ROOT="out", STORE_TYPE=store_type)  # fmt: skip
        about = {"OUT_ROOT": "out", "STORE_TYPE": store_type}
        run("aggregate_summaries.py", tmp_path, **about)
        run("audit_volumes.py", tmp_path, **about)
        run("generate_verify_report.py", tmp_path, CONVERTED_ROOT="out", STORE_TYPE=store_type)
    finally:
        os.umask(before)
    files, folders = set(), set()
    for top in ("m", "out"):
        for path in (tmp_path / top, *(tmp_path / top).rglob("*")):
            mode = path.stat().st_mode & 0o777
            (folders if path.is_dir() else files).add((path.suffix, mode))
    assert {mode for _, mode in files} == {0o666 & ~umask}, files
    assert {mode for _, mode in folders} == {0o777 & ~umask}, folders
    assert {".csv", ".json", ".parquet", ".html"} <= {suffix for suffix, _ in files}
