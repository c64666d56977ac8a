"""Profiles for other engines: the commands of batch systems, and what each system answers."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

PROFILES = Path(__file__).parents[2] / "profiles"


def load(path):
    """A module of a profile, which is not a package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


systems = load(PROFILES / "generic" / "systems.py")

PROPERTIES = {
    "rule": "convert_shard",
    "wildcards": {"shard": "07"},
    "threads": 4,
    "resources": {"mem_mb": 2600, "runtime": 95, "tmpdir": "/tmp"},
}
SCRIPT = f"#!/bin/sh\n# properties = {json.dumps(PROPERTIES)}\ntrue\n"


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """Replaces a command of a batch system by a script; returns the file of its arguments."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)

    def put(name, prints="", code=0):
        called = tmp_path / f"{name}.called"
        script = folder / name
        script.write_text(
            f"#!/bin/sh\nprintf '%s\\n' \"$@\" >{called}\n[ -t 0 ] || cat >{called}.input\n"
            f"cat <<'TEXT'\n{prints}\nTEXT\nexit {code}\n"
        )
        script.chmod(0o755)
        return called

    return put


def run(monkeypatch, system, script, *arguments):
    monkeypatch.setenv("CT2ZARR_CLUSTER", system)
    done = subprocess.run(
        [PROFILES / "generic" / script, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.strip(), done.stderr


@pytest.mark.parametrize(
    ("system", "command", "prints", "expected"),
    [
        ("slurm", "sbatch", "123;cluster", ["--mem=2600", "--time=95", "--cpus-per-task=4"]),
        ("pbs", "qsub", "123", ["select=1:ncpus=4:mem=2600mb", "walltime=01:35:00", "-r", "n"]),
        ("sge", "qsub", "123", ["smp", "4", "h_vmem=1250M,h_rt=01:35:00", "-terse"]),
        (
            "lsf",
            "bsub",
            "Job <123> is submitted to queue <normal>.",
            ["-n", "4", "2600MB", "95", "-rn"],
        ),
    ],
)
def test_job_is_submitted_with_the_resources_of_its_rule(
    system, command, prints, expected, cluster, monkeypatch, tmp_path
):
    called = cluster(command, prints)
    monkeypatch.setenv("CT2ZARR_SUBMIT_OPTIONS", "-q 'my queue'")
    script = tmp_path / "job.sh"
    script.write_text(SCRIPT)
    assert run(monkeypatch, system, "submit.py", str(script)) == (0, "123", "")
    arguments = called.read_text().splitlines()
    assert set(expected) <= set(arguments)
    assert arguments[arguments.index("-q") + 1] == "my queue"
    if system == "lsf":
        assert Path(f"{called}.input").read_text() == SCRIPT
    else:
        assert arguments[-1] == str(script)
    assert (tmp_path / "cluster_logs" / "convert_shard_07").is_dir()


@pytest.mark.parametrize(
    ("system", "command", "prints", "code", "expected"),
    [
        ("slurm", "squeue", "RUNNING", 0, "running"),
        ("slurm", "squeue", "COMPLETED", 0, "success"),
        ("slurm", "squeue", "OUT_OF_MEMORY", 0, "failed"),
        ("slurm", "squeue", "slurm_load_jobs error: Invalid job id specified", 1, "failed"),
        ("slurm", "squeue", "Unable to contact slurm controller", 1, "running"),
        ("pbs", "qstat", "Job Id: 123\n    job_state = R", 0, "running"),
        ("pbs", "qstat", "Job Id: 123\n    job_state = F\n    Exit_status = 0", 0, "success"),
        ("pbs", "qstat", "Job Id: 123\n    job_state = F\n    Exit_status = 271", 0, "failed"),
        ("pbs", "qstat", "Job Id: 123\n    job_state = F", 0, "failed"),
        ("pbs", "qstat", "qstat: Unknown Job Id 123", 153, "failed"),
        ("pbs", "qstat", "Connection refused\nqstat: cannot connect to server", 1, "running"),
        ("sge", "qstat", "job_number:                 123", 0, "running"),
        ("lsf", "bjobs", "PEND", 0, "running"),
        ("lsf", "bjobs", "DONE", 0, "success"),
        ("lsf", "bjobs", "EXIT", 0, "failed"),
        ("lsf", "bjobs", "Job <123> is not found", 255, "failed"),
        ("lsf", "bjobs", "LSF is down. Please wait ...", 255, "running"),
    ],
)
def test_answer_of_the_system_becomes_a_status(
    system, command, prints, code, expected, cluster, monkeypatch
):
    cluster(command, prints, code)
    assert run(monkeypatch, system, "status.py", "123") == (0, expected, "")


@pytest.mark.parametrize(
    ("accounted", "expected"),
    [
        ("failed       0\nexit_status  0", "success"),
        ("failed       100 : assumedly after job\nexit_status  137", "failed"),
        ("error: job id 123 not found", "failed"),
        ("error: no accounting file", "running"),
    ],
)
def test_grid_engine_reports_an_ended_job_in_its_accounting(
    accounted, expected, cluster, monkeypatch
):
    cluster("qstat", "Following jobs do not exist: 123", 1)
    cluster("qacct", accounted, int("error" in accounted))
    assert run(monkeypatch, "sge", "status.py", "123") == (0, expected, "")


def test_jobs_are_cancelled_together(cluster, monkeypatch):
    called = cluster("bkill")
    assert run(monkeypatch, "lsf", "cancel.py", "123", "124")[0] == 0
    assert called.read_text().split() == ["123", "124"]


def test_unknown_system_ends_with_a_sentence(monkeypatch):
    code, _, error = run(monkeypatch, "condor", "status.py", "123")
    assert code == 1
    assert "CT2ZARR_CLUSTER is 'condor'; it must be one of slurm, pbs, sge, lsf" in error


@pytest.mark.parametrize("profile", ["slurm", "generic"])
def test_profile_shares_no_key_with_the_default_one(profile):
    """On a shared key the default profile silently wins."""
    given = yaml.safe_load((PROFILES / profile / "profile.yaml").read_text())
    default = yaml.safe_load((PROFILES / "default" / "profile.yaml").read_text())
    assert not set(given) & set(default)
    assert "set-resources" not in given, "the rules know what they need"
