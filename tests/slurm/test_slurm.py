"""Real Snakemake on a real SLURM: shards run as its jobs, and no fault loses or corrupts any."""

import re
import signal
import subprocess
from contextlib import suppress
from datetime import datetime, timedelta

import psutil
import pytest
from cluster import ASK_OFTEN, ENDED, SlurmProject, resume_node, set_node, slurm, until

from demonstration.series import make_demonstration
from phantom import real_set
from project import REPOSITORY, SNAKEMAKE, clean_environment

pytestmark = [pytest.mark.slow, pytest.mark.slurm, pytest.mark.usefixtures("slurm_cluster")]

REAL_SET = "crlm_ct_1004"
CANCELLED, TIMED_OUT, STARVED, LOST = "00", "01", "02", "03"
"""What happens to the first job of each shard in the run with faults."""


# An ordinary run --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ordinary(slurm_cluster, tmp_path_factory):  # noqa: ARG001
    """A run on the demonstration and a real set; one node is drained while shards run on it."""
    folder = tmp_path_factory.mktemp("ordinary")
    make_demonstration(folder / "demo", shrink=4)
    project = SlurmProject(
        folder,
        {
            "datasets": {"demo": str(folder / "demo"), "real": str(real_set(REAL_SET))},
            "max_depth": 5,
            "scan_jobs": 2,
            "num_shards": 4,
            "num_workers": 2,
            "num_samples": 1,
        },
    )
    running = project.start("--jobs", "2")
    first = until(lambda: project.shard_jobs("RUNNING", "COMPLETED"), "a shard runs")
    (drained,) = {job.node for job in first.values()}
    set_node(drained, "DRAIN")
    assert running.wait() == 0, project.output()
    resume_node(drained)
    return project, first, drained


def test_every_part_of_the_scan_and_every_shard_is_a_job_and_the_joining_is_here(ordinary):
    project, _, _ = ordinary
    assert {job.state for job in project.jobs()} == {"COMPLETED"}
    assert [job.rule for job in project.jobs()] == ["scan_part"] * 2 + ["convert_shard"] * 4
    assert sorted(project.shard_jobs("COMPLETED")) == ["00", "01", "02", "03"]
    for rule in ("aggregate", "report"):
        assert f"localrule {rule}:" in project.log()
    assert "localcheckpoint manifest:" in project.log()


def test_real_and_synthetic_series_are_converted_and_verified(ordinary):
    project, _, _ = ordinary
    rows = project.rows()
    assert {row["dataset"] for row in rows} == {"demo", "real"}
    assert {(row["status"], row["verify_ok"]) for row in rows} == {("ok", "true")}
    assert (project.store_root / "verify_report.html").is_file()
    assert "Nothing to be done" in project.snakemake()


def test_jobs_on_a_drained_node_end_well_and_later_ones_run_elsewhere(ordinary):
    project, first, drained = ordinary
    for job in project.shard_jobs("COMPLETED").values():
        if job.shard in first:
            assert job.node == drained
    assert {job.node for job in project.jobs()} == {"n1", "n2"}


def test_job_asks_for_what_its_shard_needs_and_leaves_its_log(ordinary):
    project, _, _ = ordinary
    for shard, job in project.shard_jobs("COMPLETED").items():
        asked = slurm("scontrol", "show", "job", job.number)
        assert "NumCPUs=2 " in asked, "threads are num_workers"
        minutes, megabytes = re.search(
            rf"wildcards: shard={shard}\n.*\n *resources: .*runtime=(\d+), mem_mb=(\d+)",
            project.log(),
        ).groups()
        assert f"mem={megabytes}M" in asked
        assert f"TimeLimit={int(minutes) // 60:02}:{int(minutes) % 60:02}:00" in asked
        log = project.store_root / "logs" / f"convert_shard_{shard}.log"
        assert f"shard {shard}: done" in log.read_text()


# Faults -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def faulted(slurm_cluster, disturbed_config, tmp_path_factory):  # noqa: ARG001
    """A run whose first job of each shard meets a fault, each another one."""
    project = SlurmProject(tmp_path_factory.mktemp("faulted"), disturbed_config)
    memory = f"60 if wildcards.shard == '{STARVED}' and attempt == 1 else 900"
    running = project.start(
        "--until", "aggregate", "--set-resources", f"convert_shard:mem_mb={memory}"
    )
    held = project.hold(CANCELLED, TIMED_OUT, LOST)
    try:
        slurm("scancel", held[CANCELLED][0].number)
        soon = datetime.now() + timedelta(seconds=1)
        slurm(
            "scontrol",
            "update",
            f"JobId={held[TIMED_OUT][0].number}",
            f"EndTime={soon:%Y-%m-%dT%H:%M:%S}",
        )
        for shard in (CANCELLED, TIMED_OUT, STARVED):
            until(lambda shard=shard: project.states(shard)[0] in ENDED, f"{shard} is hit")
        node = held[LOST][0].node
        set_node(node, "DOWN")
        until(lambda: project.states(LOST)[0] in ENDED, "the node is lost")
        # The node was only thought lost: its job goes on beside the one that replaces it.
        go_on(held[LOST][1])
        resume_node(node)
        assert running.wait() == 0, project.output()
    finally:
        running.kill()
        for _, script in held.values():
            end(script)
    return project


def go_on(process: psutil.Process) -> None:
    """Let a stopped process go on, if it is there."""
    with suppress(psutil.NoSuchProcess):
        process.send_signal(signal.SIGCONT)


def end(process: psutil.Process) -> None:
    """End a process that SLURM could not end while it was stopped."""
    with suppress(psutil.NoSuchProcess):
        process.kill()


@pytest.mark.parametrize(
    ("shard", "state"),
    [
        (CANCELLED, "CANCELLED"),
        (TIMED_OUT, "TIMEOUT"),
        (STARVED, "FAILED"),  # OUT_OF_MEMORY where memory is limited by cgroups
        (LOST, "NODE_FAIL"),
    ],
)
def test_job_that_meets_a_fault_is_reported_and_sent_again(faulted, shard, state):
    states = faulted.states(shard)
    assert states[0] == state
    assert states[-1] == "COMPLETED"
    assert f"status is: '{state}'" in faulted.output()


def test_job_that_was_killed_for_memory_says_so_and_is_given_more(faulted):
    logs = (faulted.folder / "slurm_logs" / "rule_convert_shard" / STARVED).glob("*.log")
    assert any("exceeded memory limit" in log.read_text() for log in logs)
    last = faulted.shard_jobs("COMPLETED")[STARVED]
    assert "mem=900M" in slurm("scontrol", "show", "job", last.number)


def test_run_with_faults_ends_as_one_without(faulted, undisturbed):
    assert faulted.final_state() == undisturbed
    assert "Nothing to be done" in faulted.snakemake("--until", "aggregate")


# The controlling Snakemake is killed ------------------------------------------------------------


def documented_commands() -> str:
    """The commands by which docs/operations.md resumes a run whose Snakemake was killed."""
    text = (REPOSITORY / "docs" / "operations.md").read_text()
    section = text.partition("### Snakemake itself was killed")[2]
    return re.search(r"```sh\n(.*?)```", section, flags=re.DOTALL)[1]


@pytest.mark.parametrize("orphans", ["cancelled_as_documented", "running_beside_the_next_run"])
def test_sigkill_of_snakemake_loses_and_corrupts_nothing(
    orphans, disturbed_config, undisturbed, tmp_path
):
    project = SlurmProject(tmp_path / "killed", disturbed_config)
    running = project.start("--until", "aggregate")
    held = project.hold(*(f"{n:02}" for n in range(4)))
    try:
        running.kill()
        running.wait()
        assert set(project.shard_jobs("RUNNING")) == set(held), "the jobs go on"
        if orphans == "cancelled_as_documented":
            assert "LockException" in project.snakemake("--until", "aggregate", code=1)
            (tmp_path / "killed" / "profiles").symlink_to(REPOSITORY / "profiles")
            ours = [*SNAKEMAKE, "--configfile", "run.yaml", *ASK_OFTEN]
            words = " ".join(f"'{word}'" for word in ours)
            function = f'snakemake() {{ {words} "$@" --until aggregate; }}\n'
            resumed = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", function + documented_commands()],
                cwd=project.folder,
                env=clean_environment(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            assert resumed.returncode == 0, resumed.stdout
            for shard in held:
                assert project.states(shard) == ["CANCELLED", "COMPLETED"]
        else:
            project.snakemake("--unlock")
            beside = project.start("--until", "aggregate")

            def sent_again() -> bool:
                jobs = project.shard_jobs("RUNNING", "COMPLETED")
                return any(jobs[shard].number != held[shard][0].number for shard in jobs)

            until(sent_again, "a shard runs a second time")
            for _, script in held.values():
                go_on(script)
            assert beside.wait() == 0, project.output()
            until(lambda: not project.shard_jobs("RUNNING", "COMPLETING"), "the orphans end")
    finally:
        for _, script in held.values():
            end(script)
    assert project.final_state() == undisturbed
    assert "Nothing to be done" in project.snakemake("--until", "aggregate")


# Another engine: the commands of a batch system ---------------------------------------------------


def test_generic_profile_sends_by_sbatch_and_sends_again_what_was_cancelled(
    disturbed_config, undisturbed, tmp_path, monkeypatch
):
    monkeypatch.setenv("CT2ZARR_CLUSTER", "slurm")
    monkeypatch.setenv("CT2ZARR_SUBMIT_OPTIONS", "--comment='of the user'")
    project = SlurmProject(tmp_path / "generic", disturbed_config, profile="generic")
    running = project.start("--until", "aggregate")

    def shard_job(*states: str):
        lines = slurm("squeue", "--noheader", "--states=all", "--format=%i|%T|%j|%k").splitlines()
        found = [line.split("|") for line in lines if "|ct2zarr_convert_shard_02|" in line]
        return [job for job in found if job[1] in states]

    ((number, _, _, comment),) = until(lambda: shard_job("RUNNING"), "a shard runs")
    assert comment == "of the user"
    slurm("scancel", number)
    assert running.wait() == 0, project.output()
    assert [job[1] for job in shard_job(*ENDED)].count("COMPLETED") == 1
    assert shard_job("CANCELLED")
    assert project.final_state() == undisturbed
    assert (project.folder / "cluster_logs" / "convert_shard_02" / f"{number}.log").is_file()
