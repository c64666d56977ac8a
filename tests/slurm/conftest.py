"""The cluster, for the time of the tests; and the dataset that they disturb the conversion of."""

import fcntl
import os
import subprocess
import tempfile
from pathlib import Path

import pytest
from cluster import SCRIPT

from phantom import make_series
from project import Project

SERIES = 24
SHARDS = 4


@pytest.fixture(scope="session")
def slurm_cluster():
    """A started SLURM. Without one the tests are skipped, or fail if CT2ZARR_REQUIRE_SLURM is 1."""
    # Two runs of the tests on one machine take turns.
    with (Path(tempfile.gettempdir()) / "ct2zarr-slurm.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        required = os.environ.get("CT2ZARR_REQUIRE_SLURM") == "1"
        done = subprocess.run([SCRIPT, "start"], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            message = f"no SLURM: {done.stderr.strip()}"
            pytest.fail(message) if required else pytest.skip(message)
        try:
            yield
        finally:
            subprocess.run([SCRIPT, "stop"], check=True)


@pytest.fixture(scope="session")
def many_series(tmp_path_factory):
    """Series enough for each shard that a fault finds some converted and some not."""
    root = tmp_path_factory.mktemp("many") / "ct"
    for number in range(SERIES):
        make_series(root / f"s{number:02}", name=f"s{number}", n=16, rows=96, columns=96)
    return root


@pytest.fixture(scope="session")
def disturbed_config(many_series):
    """The config of the runs that are disturbed."""
    return {"datasets": {"v1": str(many_series)}, "num_shards": SHARDS, "verify_slices": "all"}


@pytest.fixture(scope="session")
def undisturbed(disturbed_config, tmp_path_factory):
    """The final state of a run on this machine alone that nothing disturbed."""
    project = Project(tmp_path_factory.mktemp("undisturbed"), disturbed_config)
    project.snakemake("--until", "aggregate")
    return project.final_state()
