"""The task for cloud machines: SkyPilot takes it, and its nodes convert every shard once."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ct2zarr.plan.manifest import make_manifest
from ct2zarr.report.summaries import aggregate
from ct2zarr.run.settings import AggregateSettings, ManifestSettings
from phantom import make_series
from reader_environment import environment_python

REPOSITORY = Path(__file__).parents[2]
TASK_FILE = REPOSITORY / "config" / "skypilot" / "convert_full.yaml"
TASK = yaml.safe_load(TASK_FILE.read_text())
SHARDS = 5
SERIES = 12

pytestmark = pytest.mark.slow


# SkyPilot's own opinion --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def skypilot():
    return environment_python("skypilot==0.14.*")


def read_by_skypilot(python, path, tmp_path):
    """What SkyPilot prints about a task; it has a home of its own and no network to ask."""
    return subprocess.run(
        [python, "-I", Path(__file__).with_name("validate_task.py"), path],
        env={**os.environ, "HOME": str(tmp_path), "SKYPILOT_DISABLE_USAGE_COLLECTION": "1"},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )


def test_skypilot_accepts_the_task(skypilot, tmp_path):
    done = read_by_skypilot(skypilot, TASK_FILE, tmp_path)
    assert done.returncode == 0, done.stderr
    task = json.loads(done.stdout.splitlines()[-1])
    assert task["envs"] == TASK["envs"]
    assert task["run"] == TASK["run"]
    assert task["spot"]
    assert task["recovery"]["max_restarts_on_errors"] > 0
    assert task["mounts"] == {
        "/data": [TASK["envs"]["DATA_BUCKET"], "MOUNT"],
        "/results": [TASK["envs"]["RESULT_BUCKET"], "MOUNT_CACHED"],
    }


@pytest.mark.parametrize(
    "change",
    [
        {"runs": "echo"},
        {"num_nodes": "many"},
        {"resources": {**TASK["resources"], "infra": "no/such/cloud/at/all"}},
        {"file_mounts": {"/data": {"source": "s3://bucket", "mode": "MOUNTED"}}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_skypilot_refuses_a_task_with_a_mistake(skypilot, tmp_path, change):
    path = tmp_path / "task.yaml"
    path.write_text(yaml.safe_dump({**TASK, **change}))
    assert read_by_skypilot(skypilot, path, tmp_path).returncode != 0


# What the nodes do -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    """A manifest of five shards, each with volumes."""
    folder = tmp_path_factory.mktemp("cloud")
    for number in range(SERIES):
        make_series(folder / "ct" / f"s{number}", name=f"s{number}", n=4)
    settings = ManifestSettings({"v1": folder / "ct"}, folder / "manifests", num_shards=SHARDS)
    make_manifest(settings)
    return folder / "manifests"


@pytest.fixture
def run_node(manifest, tmp_path):
    """Run the task's ``run`` section as one node of the cluster would; gives what it printed."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "ct2zarr").symlink_to(sys.prefix)  # what the ``setup`` section makes there

    def run(code=0, **variables):
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            **TASK["envs"],
            "MANIFEST_DIR": str(manifest),
            "OUT_ROOT": str(tmp_path / "converted"),
            "NUM_SHARDS": str(SHARDS),
            "NUM_WORKERS": "1",
            **variables,
        }
        done = subprocess.run(
            ["bash", "-c", TASK["run"]],
            env=environment,
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stdout
        return done.stdout

    return run


def shards_in(tmp_path):
    summaries = (tmp_path / "converted" / "zarr_sqlite").glob("summary_shard_*.csv")
    return {int(path.stem.rpartition("_")[2]) for path in summaries}


@pytest.mark.parametrize("names", [("NODE_RANK", "NUM_NODES"), ("JOB_RANK", "NUM_JOBS")])
def test_two_nodes_or_two_jobs_convert_every_shard_once(names, run_node, tmp_path):
    rank, count = (f"SKYPILOT_{name}" for name in names)
    done_by = []
    for number in range(2):
        before = shards_in(tmp_path)
        output = run_node(**{rank: str(number), count: "2"})
        assert "is finished" not in output, "a shard of the other one"
        done_by.append(shards_in(tmp_path) - before)
    assert done_by == [{0, 2, 4}, {1, 3}]
    totals = aggregate(AggregateSettings(tmp_path / "converted"))
    rows = (tmp_path / "converted" / "zarr_sqlite" / "summary_all.csv").read_text().splitlines()
    assert len(rows) == 1 + SERIES, totals
    assert sum(",ok," in row for row in rows) == SERIES


def test_recovered_node_skips_finished_shards_and_reuses_finished_volumes(run_node, tmp_path):
    run_node()
    root = tmp_path / "converted" / "zarr_sqlite"
    stores = {path: path.stat().st_mtime_ns for path in (root / "data").iterdir()}
    (root / "summary_shard_03.csv").unlink()  # the machine was taken away in this shard
    output = run_node()
    assert output.count("is finished") == SHARDS - 1
    assert shards_in(tmp_path) == set(range(SHARDS))
    assert {path: path.stat().st_mtime_ns for path in stores} == stores


def test_overwrite_converts_again(run_node, tmp_path):
    run_node(END_SHARD="0")
    stores = list((tmp_path / "converted" / "zarr_sqlite" / "data").iterdir())
    times = [path.stat().st_mtime_ns for path in stores]
    assert "is finished" not in run_node(END_SHARD="0", OVERWRITE="1")
    assert all(path.stat().st_mtime_ns > time for path, time in zip(stores, times, strict=True))


def test_shards_from_start_to_end_are_converted_and_no_others(run_node, tmp_path):
    run_node(START_SHARD="1", END_SHARD="3")
    assert shards_in(tmp_path) == {1, 2, 3}


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"NUM_SHARDS": "16"}, f"NUM_SHARDS is 16, but .* has {SHARDS} shards"),
        ({"START_SHARD": "4", "END_SHARD": "2"}, "START_SHARD is 4 and END_SHARD 2"),
        ({"END_SHARD": "5"}, "END_SHARD 5; they must ascend, up to 4"),
        ({"STORE_TYPE": "tape"}, "STORE_TYPE is 'tape'"),
    ],
)
def test_wrong_setting_ends_the_node_with_a_sentence(variables, sentence, run_node, tmp_path):
    output = run_node(2, **variables)
    assert "error: " in output
    assert re.search(sentence, output), output
    assert not shards_in(tmp_path)
