"""`snakemake tidy` by real Snakemake, and `deidentify` over an earlier run without it."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from project import Project, clean_environment

pytestmark = pytest.mark.slow

KEY = "CT2ZARR_DEIDENTIFY_KEY"


@pytest.fixture
def own(finished, tmp_path) -> Project:
    """A copy of the finished run, whose config a test may change."""
    folder = tmp_path / "project"
    shutil.copytree(finished.folder, folder)
    return Project(folder, dict(finished.config))


def files_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_tidy_lists_in_a_dry_run_and_removes_what_is_no_longer_planned(own, dataset, tmp_path):
    smaller = tmp_path / "ct"
    shutil.copytree(dataset, smaller)
    own.config["datasets"] = {"v1": str(smaller)}
    rows = own.rows()
    gone = next(r["series_hash"] for r in rows if r["series_dir"].endswith("tilted"))
    shutil.rmtree(smaller / "b" / "tilted")
    output = own.snakemake("-R", "manifest")
    assert (
        "1 volumes are no longer planned" in (own.store_root / "logs" / "aggregate.log").read_text()
    )
    assert "Traceback" not in output

    before = files_below(own.store_root)
    listed = own.snakemake("tidy", "-n")
    assert files_below(own.store_root) == before
    names = {f"data/{gone}.zarr.sqlite", f"meta/{gone}.series.json", f"meta/{gone}.slices.csv"}
    assert all(
        f"would remove {own.store_root.relative_to(own.folder)}/{n}" in listed for n in names
    )
    own.snakemake("tidy")
    after = files_below(own.store_root)
    assert before - after == names
    assert "Nothing to be done" in own.snakemake()


def test_deidentify_leaves_nothing_of_an_earlier_run_even_if_snakemake_is_killed(own):
    def names_of_the_source() -> list[str]:
        words = (b"phantom^patient", b"phantom-id-77", b"20200102", b"/tilted", b"/scouted")
        return [
            path.name
            for path in sorted((own.folder / "converted").rglob("*"))
            if path.is_file() and any(word in path.read_bytes().lower() for word in words)
        ]

    assert names_of_the_source()
    own.config |= {"deidentify": True, "num_shards": 5}
    environment = {**clean_environment(), KEY: "a key that nobody guesses"}
    process = subprocess.Popen(
        own.command(), cwd=own.folder, env=environment, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    mark = own.store_root / "deidentified.txt"
    while not mark.exists():
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert names_of_the_source() == []
    subprocess.run(own.command("--unlock"), cwd=own.folder, env=environment, check=True)
    subprocess.run(own.command("--rerun-incomplete"), cwd=own.folder, env=environment, check=True)
    assert names_of_the_source() == []
    assert len(own.rows()) == 6
