"""What the tests ask of the cluster that ``cluster.sh`` starts: its jobs, nodes and processes."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import psutil

from project import REPOSITORY, SNAKEMAKE, Project, clean_environment

SCRIPT = Path(__file__).with_name("cluster.sh")
LIMIT_SECONDS = 300
POLL_SECONDS = 0.05
STEP_SECONDS = 0.1
ENDED = {"COMPLETED", "CANCELLED", "TIMEOUT", "OUT_OF_MEMORY", "NODE_FAIL", "FAILED"}

# The profile spares a controller that serves thousands; asking more often only ends tests sooner.
ASK_OFTEN = ["--max-status-checks-per-second=2", "--slurm-init-seconds-before-status-checks=2"]

Found = TypeVar("Found")


@dataclass(frozen=True)
class Job:
    """One line of squeue. ``rule`` and ``shard`` are from the comment that the plugin gives."""

    number: str
    state: str
    node: str
    comment: str
    folder: str

    @property
    def rule(self) -> str:
        return self.comment.removeprefix("rule_").partition("_wildcards_")[0]

    @property
    def shard(self) -> str:
        return self.comment.partition("_wildcards_")[2]


@dataclass
class SlurmProject(Project):
    """A project that runs by ``profiles/slurm``."""

    profile: str = "slurm"

    def command(self, *arguments: str) -> list[str]:
        super().command()
        profile = ["--profile", str(REPOSITORY / "profiles" / self.profile)]
        often = ASK_OFTEN if self.profile == "slurm" else ASK_OFTEN[:1]
        return [*SNAKEMAKE, "--configfile", "run.yaml", *profile, *often, *arguments]

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Run in the background; what it prints is in ``output.txt``."""
        command = self.command(*arguments)
        with (self.folder / "output.txt").open("a") as output:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env=clean_environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def output(self) -> str:
        """What runs in the background have printed so far."""
        return (self.folder / "output.txt").read_text()

    def log(self) -> str:
        """What Snakemake has logged in this folder, of which a run prints a part."""
        files = (self.folder / ".snakemake" / "log").glob("*.snakemake.log")
        return "".join(path.read_text() for path in sorted(files))

    def jobs(self) -> list[Job]:
        """All jobs of this folder that SLURM knows of, also ended ones, in the order of sending."""
        lines = slurm("squeue", "--noheader", "--states=all", "--format=%i|%T|%N|%k|%Z")
        jobs = [Job(*line.split("|")) for line in lines.splitlines()]
        return sorted(
            (job for job in jobs if job.folder == str(self.folder)), key=lambda job: int(job.number)
        )

    def shard_jobs(self, *states: str) -> dict[str, Job]:
        """Shard → the job that converts it and is in one of the states."""
        return {
            job.shard: job
            for job in self.jobs()
            if job.rule == "convert_shard" and job.state in states
        }

    def states(self, shard: str) -> list[str]:
        """States of all jobs of a shard, in the order of sending."""
        return [j.state for j in self.jobs() if j.rule == "convert_shard" and j.shard == shard]

    def scripts(self) -> dict[str, psutil.Process]:
        """SLURM's job number → the process that converts: without what is above and below it."""
        found = {}
        for process in psutil.process_iter(["cmdline"]):
            words = process.info["cmdline"] or []
            if len(words) > 1 and words[1].endswith("convert_dicom_to_volume.py"):
                with suppress(psutil.Error):
                    if process.cwd() == str(self.folder):
                        found[process.environ()["SLURM_JOB_ID"]] = process
        return found

    def converted(self, shard: str) -> int:
        """Volumes that the log of a shard says are finished."""
        log = self.store_root / "logs" / f"convert_shard_{shard}.log"
        return log.read_text().count(" ok: ") if log.exists() else 0

    def hold(self, *shards: str) -> dict[str, tuple[Job, psutil.Process]]:
        """Stop the processes that convert these shards, each when a volume of it is finished.

        A stopped process starts no further volume. It is stopped as soon as it is seen and goes on
        in short steps, so that none gets to the end of its shard in the meantime.
        """
        held: dict[str, tuple[Job, psutil.Process]] = {}

        def all_are_stopped() -> bool:
            for number, script in self.scripts().items():
                if script.status() != psutil.STATUS_STOPPED:
                    job = next(job for job in self.jobs() if job.number == number)
                    if job.shard in shards:
                        script.send_signal(signal.SIGSTOP)
                        held[job.shard] = (job, script)
            return set(held) == set(shards)

        until(all_are_stopped, f"shards {', '.join(shards)} are converting")
        for shard, (_, script) in held.items():
            while not self.converted(shard):
                script.send_signal(signal.SIGCONT)
                time.sleep(STEP_SECONDS)
                script.send_signal(signal.SIGSTOP)
            assert not (self.store_root / f"summary_shard_{shard}.csv").exists(), "too late"
        return held


def slurm(*command: str) -> str:
    """What a command of SLURM prints."""
    environment = {**os.environ, "PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    done = subprocess.run(
        command, env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=60
    )
    return done.stdout


def until(question: Callable[[], Found | None], what: str) -> Found:
    """Ask until there is an answer."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline:
        if answer := question():
            return answer
        time.sleep(POLL_SECONDS)
    raise AssertionError(f"waited {LIMIT_SECONDS} s for this: {what}")


def set_node(node: str, state: str) -> None:
    """Drain a node or lose it."""
    slurm("scontrol", "update", f"NodeName={node}", f"State={state}", "Reason=test")


def resume_node(node: str) -> None:
    """Let a node serve again; one that was lost may have come back by itself."""

    def serves() -> bool:
        state = slurm("sinfo", "--noheader", f"--nodes={node}", "--format=%T").strip()
        if state in ("idle", "mixed", "allocated"):
            return True
        with suppress(subprocess.CalledProcessError):  # it came back just now
            slurm("scontrol", "update", f"NodeName={node}", "State=RESUME")
        return False

    until(serves, f"node {node} serves again")
