"""The profile for Kubernetes: no file of the data leaves the volume that all pods share.

A dry run by the plugin itself, against an S3 endpoint on loopback, shows that the profile is
understood and where each file would lie; a run on this machine with the same storage shows that the
results are those of any other run; and a run by the plugin against a stand-in for the cluster,
which runs each pod as a process, shows which jobs run in pods.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml
from pods import Cluster

from ct2zarr.run.options import OPTIONS
from phantom import make_series
from reader_environment import environment_python, own_requirements

REPOSITORY = Path(__file__).parents[2]
PROFILE = REPOSITORY / "profiles" / "kubernetes" / "profile.yaml"
BUCKET = "ct2zarr-workflow"
REQUIREMENTS = (
    "snakemake==9.27.*",
    "snakemake-executor-plugin-kubernetes==0.5.*",
    "snakemake-storage-plugin-s3==0.3.*",
    "jsonschema",
    "moto[server]==5.*",
)
KEYS = {"SNAKEMAKE_STORAGE_S3_ACCESS_KEY": "key", "SNAKEMAKE_STORAGE_S3_SECRET_KEY": "secret"}
START_SECONDS = 60

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def python():
    return environment_python(*own_requirements(), *REQUIREMENTS)


@pytest.fixture(scope="module")
def endpoint(python, tmp_path_factory):
    """The address of a server of S3's interface with one empty bucket."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    log = tmp_path_factory.mktemp("s3") / "log"
    command = [python.with_name("moto_server"), "-H", "127.0.0.1", "-p", str(port)]
    with log.open("w") as output, subprocess.Popen(command, stdout=output, stderr=output) as server:
        try:
            make_bucket(address, log)
            yield address
        finally:
            server.terminate()


def make_bucket(address: str, log: Path) -> None:
    """As soon as the server answers."""
    for _ in range(START_SECONDS * 10):
        try:
            request = urllib.request.Request(f"{address}/{BUCKET}", method="PUT")
            urllib.request.urlopen(request).close()
        except urllib.error.URLError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"the S3 server has not started: {log.read_text()}")


def keys_in_bucket(address: str) -> list[str]:
    with urllib.request.urlopen(f"{address}/{BUCKET}") as answer:
        return re.findall(r"<Key>([^<]*)</Key>", answer.read().decode())


@pytest.fixture
def volume(tmp_path):
    """A folder in the place of the volume that pods share, with two series and a config."""
    for name in ("a", "b"):
        make_series(tmp_path / "ct" / name, n=4, name=name)
    config = {
        "datasets": {"v1": str(tmp_path / "ct")},
        "manifest_dir": str(tmp_path / "manifests"),
        "out_root": str(tmp_path / "converted"),
        "num_shards": 2,
        "scan_jobs": 2,
    }
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(config))
    return tmp_path


def snakemake(python, endpoint, volume, *options, **variables):
    command = [python, "-m", "snakemake", "--snakefile", REPOSITORY / "Snakefile"]
    storage = ["--configfile", "run.yaml", "--storage-s3-endpoint-url", endpoint]
    return subprocess.run(
        [*command, *storage, *options],
        cwd=volume,
        env={**os.environ, **KEYS, "PYTHONPATH": "", **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def test_every_declared_file_of_a_dry_run_lies_on_the_volume(python, endpoint, volume):
    done = snakemake(python, endpoint, volume, "--profile", PROFILE.parent, "--dry-run")
    assert done.returncode == 0, done.stdout
    for rule, jobs in {"scan_part": 2, "manifest": 1, "convert_shard": 2, "report": 1}.items():
        assert re.search(rf"^{rule} +{jobs}$", done.stdout, re.MULTILINE), done.stdout
    files = re.findall(r"^ +(?:input|output|log|benchmark): (.*)$", done.stdout, re.MULTILINE)
    declared = {name for line in files for name in line.split(", ")} - {"<TBD>"}
    assert len(declared) > 20
    assert {name for name in declared if not name.startswith(f"{volume}/")} == set()


def test_a_run_with_the_storage_of_the_profile_puts_no_data_into_the_bucket(
    python, endpoint, volume
):
    profile = yaml.safe_load(PROFILE.read_text())
    names = ("default-storage-provider", "default-storage-prefix")
    storage = [word for name in names for word in (f"--{name}", profile[name])]
    done = snakemake(python, endpoint, volume, "--cores", "2", *storage)
    assert done.returncode == 0, done.stdout
    results = volume / "converted" / "zarr_sqlite"
    assert json.loads((results / "summary_all.json").read_text())["totals"]["ok"] == 2
    assert len(list((results / "data").glob("*.zarr.sqlite"))) == 2
    assert (results / "verify_report.html").is_file()
    assert keys_in_bucket(endpoint) == []


@pytest.mark.parametrize("option", ["datasets", "manifest_dir", "out_root"])
def test_a_path_that_pods_would_not_find_is_named_before_any_job(python, endpoint, volume, option):
    assert option in OPTIONS
    config = yaml.safe_load((volume / "run.yaml").read_text())
    config[option] = {"v1": "ct"} if option == "datasets" else "here"
    (volume / "run.yaml").write_text(yaml.safe_dump(config))
    done = snakemake(python, endpoint, volume, "--profile", PROFILE.parent, "--dry-run")
    assert done.returncode != 0
    named = "the folder of dataset 'v1' is ct" if option == "datasets" else f"{option} is here"
    assert f"config: {named}; with a default storage provider" in done.stdout
    assert "Traceback" not in done.stdout


def test_shards_run_in_pods_and_small_jobs_beside_snakemake(python, endpoint, volume):
    """The last test here: with its archive of the workflow, Snakemake removes the empty bucket."""
    for name in ("Snakefile", "rules", "scripts", "report", "envs"):
        copy = shutil.copytree if (REPOSITORY / name).is_dir() else shutil.copy
        copy(REPOSITORY / name, volume / name)
    pods = volume / "pods"
    pods.mkdir()
    environment = {**os.environ, "PATH": f"{python.parent}:{os.environ['PATH']}", "PYTHONPATH": ""}
    with Cluster(pods, environment) as cluster:
        threading.Thread(target=cluster.serve_forever, daemon=True).start()
        done = snakemake(
            python,
            endpoint,
            volume,
            *("--snakefile", "Snakefile", "--profile", PROFILE.parent, "--retries", "0"),
            *("--seconds-between-status-checks", "1"),
            KUBECONFIG=cluster.config(),
        )
        cluster.shutdown()
    assert done.returncode == 0, done.stdout + cluster.output()
    results = volume / "converted" / "zarr_sqlite"
    assert json.loads((results / "summary_all.json").read_text())["totals"]["ok"] == 2
    in_pods = re.findall(r"^(?:rule|checkpoint|localrule) (\w+):$", cluster.output(), re.MULTILINE)
    assert sorted(in_pods) == ["convert_shard", "convert_shard", "scan_part", "scan_part"]
