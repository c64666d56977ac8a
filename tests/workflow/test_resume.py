"""A shard job that is killed in the middle: the next run ends as if nothing had happened."""

import subprocess
import time

import psutil
import pytest

from phantom import make_series
from project import Project, clean_environment

pytestmark = pytest.mark.slow

SERIES = 12
POLL_SECONDS = 0.02
LIMIT_SECONDS = 180


@pytest.fixture(scope="module")
def many_series(tmp_path_factory):
    """Enough series in one shard that a kill finds some done and some not."""
    root = tmp_path_factory.mktemp("many") / "ct"
    for number in range(SERIES):
        make_series(root / f"s{number:02}", name=f"s{number}", n=16, rows=96, columns=96)
    return root


def project_on(root, folder):
    config = {"datasets": {"v1": str(root)}, "num_shards": 1, "num_workers": 2}
    return Project(folder, config)


@pytest.fixture(scope="module")
def undisturbed(many_series, tmp_path_factory):
    """The final state of a run that nothing disturbed."""
    project = project_on(many_series, tmp_path_factory.mktemp("undisturbed"))
    project.snakemake()
    return project.final_state()


def shard_job(snakemake: subprocess.Popen) -> psutil.Process | None:
    """The process that converts the shard: the script, not the Snakemake processes above it."""
    for process in psutil.Process(snakemake.pid).children(recursive=True):
        try:
            words = process.cmdline()
        except psutil.NoSuchProcess:
            continue
        if len(words) > 1 and words[1].endswith("convert_dicom_to_volume.py"):
            return process
    return None


def run_until(project: Project, records: int) -> tuple[subprocess.Popen, psutil.Process]:
    """Start a run and wait until so many volumes are complete."""
    log = (project.folder / "output.txt").open("w")
    command = project.command()
    running = subprocess.Popen(
        command, cwd=project.folder, env=clean_environment(), stdout=log, stderr=log
    )
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline:
        done = len(list((project.store_root / "meta").glob("*.series.json")))
        job = shard_job(running) if done >= records else None
        if job is not None:
            return running, job
        assert running.poll() is None, "the run ended before it could be killed"
        time.sleep(POLL_SECONDS)
    raise AssertionError("the run did not get so far in time")


@pytest.mark.parametrize("records", [0, 1, 5])
def test_killed_shard_job_is_resumed_to_the_same_result(
    records, many_series, undisturbed, tmp_path
):
    project = project_on(many_series, tmp_path / "project")
    project.folder.mkdir()
    running, job = run_until(project, records)
    job.kill()
    assert running.wait(timeout=LIMIT_SECONDS) != 0
    kept = len(list((project.store_root / "meta").glob("*.series.json")))
    assert records <= kept < SERIES
    assert not list(project.store_root.glob("summary_shard_*.csv"))

    project.snakemake()
    assert project.final_state() == undisturbed
    reused = [row for row in project.rows() if row["reused"] == "true"]
    assert len(reused) >= kept
    assert "Nothing to be done" in project.snakemake()
