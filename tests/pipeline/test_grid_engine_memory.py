"""A job of a shard keeps to the address space that the Grid Engine profile asks for."""

import importlib.util
import os
import re
import resource
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import yaml

from phantom import make_series
from project import SNAKEMAKE, clean_environment

SYSTEMS = Path(__file__).parents[2] / "profiles" / "generic" / "systems.py"
LIMIT_SECONDS = 300
MEGABYTE = 10**6


@pytest.fixture
def systems():
    """The module of the profile, which is in no package."""
    spec = importlib.util.spec_from_file_location("systems", SYSTEMS)
    module = importlib.util.module_from_spec(spec)
    sys.modules["systems"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["systems"]


def address_space(job: psutil.Process) -> int:
    """Bytes of address space of a process and all below it, as Grid Engine counts them."""
    total = 0
    for process in (job, *job.children(recursive=True)):
        with suppress(psutil.Error):
            total += process.memory_info().vms
    return total


def start(folder: Path, target: str, workers: int, limit: int | None, **environment: str):
    return subprocess.Popen(
        [*SNAKEMAKE, "--configfile", "run.yaml", "--cores", str(workers), target],
        cwd=folder,
        env=clean_environment() | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=limit and (lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit))),
    )


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_conversion_runs_within_what_the_profile_asks_for(systems, tmp_path, workers):
    for number in range(4):
        make_series(tmp_path / "in" / f"s{number}", name=f"s{number}", n=20, rows=256, columns=256)
    config = {"datasets": {"v1": str(tmp_path / "in")}, "num_shards": 1, "num_workers": workers}
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(config))
    said, _ = start(tmp_path, "manifests/series_all.csv", workers, None).communicate()
    assert (tmp_path / "manifests/series_all.csv").exists(), said

    # ``ulimit -v`` as Grid Engine sets it for each process, and the environment of ``qsub -v``.
    summary = "converted/zarr_sqlite/summary_shard_00.csv"
    dry = subprocess.run(
        [*SNAKEMAKE, "--configfile", "run.yaml", "--cores", str(workers), "-n", summary],
        cwd=tmp_path, env=clean_environment(), capture_output=True, text=True,
    )  # fmt: skip
    (asked,) = re.findall(r"mem_mb=(\d+)", dry.stdout + dry.stderr)
    needs = systems.Needs("job", workers, int(asked), 60, tmp_path)
    limit = systems.address_space_mb(needs) * MEGABYTE
    environment = systems.SMALL_ADDRESS_SPACE
    job = start(tmp_path, summary, workers, limit, **environment)
    most, itself = 0, psutil.Process(job.pid)
    while job.poll() is None:
        with suppress(psutil.Error):
            # On a cluster the job has a second process of Snakemake above it.
            most = max(most, address_space(itself) + itself.memory_info().vms)
        time.sleep(0.02)
    said, _ = job.communicate(timeout=LIMIT_SECONDS)
    assert job.returncode == 0, said
    rows = (tmp_path / summary).read_text().splitlines()
    assert sum(",ok," in row for row in rows) == 4
    assert most > 0
    assert most <= limit
    assert os.environ.keys().isdisjoint(environment)
