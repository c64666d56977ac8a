"""Snakemake itself is killed at random moments; the next run ends as if nothing had happened."""

import os
import random
import signal
import subprocess
import time

import psutil
import pytest

from phantom import make_series
from project import Project, clean_environment

SEED = 9
SERIES = 12
KILLS = 10
LIMIT_SECONDS = 180

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Three shards of small series."""
    root = tmp_path_factory.mktemp("killed") / "ct"
    for number in range(SERIES):
        make_series(root / f"s{number:02}", name=f"s{number}", n=12, rows=96, columns=96)
    return {"datasets": {"v1": str(root)}, "num_shards": 3, "num_workers": 1}


@pytest.fixture(scope="module")
def undisturbed(dataset, tmp_path_factory):
    """The final state of a run that nothing disturbed."""
    project = Project(tmp_path_factory.mktemp("undisturbed"), dict(dataset))
    project.snakemake()
    return project.final_state()


def started(project: Project) -> subprocess.Popen:
    with (project.folder / "output.txt").open("a") as log:
        return subprocess.Popen(
            project.command(),
            cwd=project.folder,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def its_jobs(project: Project) -> list[psutil.Process]:
    """Processes that still work in the project's folder: what a killed Snakemake leaves behind."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(project.folder) and process.status() != "zombie":
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def test_snakemake_killed_at_random_moments_goes_on_each_time(dataset, undisturbed, tmp_path):
    """Ten kills, by SIGKILL and SIGTERM in turn. After SIGKILL the jobs go on without Snakemake,
    and the next run starts the same shards beside them."""
    project = Project(tmp_path / "project", dict(dataset))
    choose = random.Random(SEED)
    unlocked = 0
    for number in range(KILLS):
        running = started(project) if project.folder.exists() else first(project)
        time.sleep(choose.uniform(1.0, 7.0))
        running.send_signal(signal.SIGTERM if number % 2 else signal.SIGKILL)
        running.wait(timeout=LIMIT_SECONDS)
        if (project.folder / ".snakemake" / "locks").is_dir() and any(
            (project.folder / ".snakemake" / "locks").iterdir()
        ):
            project.snakemake("--unlock")
            unlocked += 1
        if number % 3 == 0:  # everything from the beginning, so that there is something to disturb
            for summary in project.store_root.glob("summary_shard_*.csv"):
                summary.unlink()
            for record in project.store_root.glob("meta/*.series.json"):
                record.unlink()
    assert unlocked
    project.snakemake()
    ended = time.monotonic() + LIMIT_SECONDS
    while its_jobs(project):
        assert time.monotonic() < ended
        time.sleep(0.1)
    project.snakemake()
    assert project.final_state() == undisturbed
    assert "Nothing to be done" in project.snakemake()


def first(project: Project) -> subprocess.Popen:
    project.folder.mkdir(parents=True)
    return started(project)


def test_clocks_that_jump_between_runs_convert_nothing_again(dataset, undisturbed, tmp_path):
    """Results of a day ahead, and of years ago: shards may be pending, volumes are all reused."""
    project = Project(tmp_path / "project", dict(dataset))
    project.snakemake()
    stores = {path: path.stat().st_mtime_ns for path in (project.store_root / "data").iterdir()}
    day = 24 * 3600
    for results, manifest in ((day, -1000 * day), (-1000 * day, day)):
        for folder, jump in ((project.store_root, results), (project.manifest, manifest)):
            moment = time.time() + jump
            for path in folder.rglob("*.csv"):
                os.utime(path, (moment, moment))
        project.snakemake()
        assert project.final_state() == undisturbed
    assert {path: path.stat().st_mtime_ns for path in stores} == stores
