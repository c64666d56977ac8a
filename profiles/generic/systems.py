"""The commands of each batch system: to submit a job, to query it, and to cancel it."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RUNNING, SUCCESS, FAILED = "running", "success", "failed"
"""The three answers that Snakemake accepts about a job."""
LOGS = Path("cluster_logs")
ASK_SECONDS = 60


@dataclass(frozen=True)
class Needs:
    """The resources of one job. ``log`` is a folder."""

    name: str
    processors: int
    megabytes: int
    minutes: int
    log: Path

    @property
    def clock(self) -> str:
        """The time as HH:MM:SS."""
        return f"{self.minutes // 60:02}:{self.minutes % 60:02}:00"


@dataclass(frozen=True)
class System:
    """One batch system.

    Attributes:
        submit: returns the command that submits a job; the command prints the job's number.
        ask: commands that query a job; if one does not know the job, the next one is used.
        judge: turns the output of a query into running, success or failed, or None if the output
            does not say.
        unknown: what the last command prints about a job that is no longer known.
        cancel: the command that takes the numbers of the jobs to cancel.
        by_input: whether the script of the job goes to standard input.
    """

    submit: Callable[[Needs], list[str]]
    ask: tuple[str, ...]
    judge: Callable[[str], str | None]
    unknown: str
    cancel: str
    by_input: bool = False


def _sbatch(needs: Needs) -> list[str]:
    return [
        "sbatch", "--parsable", "--no-requeue", f"--job-name={needs.name}", "--ntasks=1",
        f"--cpus-per-task={needs.processors}", f"--mem={needs.megabytes}",
        f"--time={needs.minutes}", f"--output={needs.log}/%j.log",
    ]  # fmt: skip


def _pbs(needs: Needs) -> list[str]:
    chunk = f"select=1:ncpus={needs.processors}:mem={needs.megabytes}mb"
    return [
        "qsub", "-r", "n", "-V", "-N", needs.name[:15], "-j", "oe", "-o", f"{needs.log}/",
        "-l", chunk, "-l", f"walltime={needs.clock}",
    ]  # fmt: skip


VIRTUAL_MB, VIRTUAL_MB_PER_PROCESSOR = 1200, 300
"""What h_vmem counts beyond the memory that is used: the address space of all processes of a job
(measured: 914 MB for Snakemake, the job and its server, and 220 MB for each worker)."""

SMALL_ADDRESS_SPACE = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "2",
    "OPENBLAS_NUM_THREADS": "1",
}
"""Environment of jobs under h_vmem: packages reserve gigabytes without it, more with each core."""


def address_space_mb(needs: Needs) -> int:
    """Megabytes of address space that the processes of a job take together."""
    return needs.megabytes + VIRTUAL_MB + VIRTUAL_MB_PER_PROCESSOR * needs.processors


def _grid_engine(needs: Needs) -> list[str]:
    # Memory is per processor; the parallel environment has another name on some clusters.
    memory = -(-address_space_mb(needs) // needs.processors)
    environment = os.environ.get("CT2ZARR_SGE_PE", "smp")
    variables = ",".join(f"{name}={value}" for name, value in SMALL_ADDRESS_SPACE.items())
    return [
        "qsub", "-terse", "-r", "n", "-V", "-v", variables, "-cwd", "-S", "/bin/bash",
        "-N", needs.name, "-j", "y", "-o", str(needs.log),
        "-pe", environment, str(needs.processors),
        "-l", f"h_vmem={memory}M,h_rt={needs.clock}",
    ]  # fmt: skip


def _lsf(needs: Needs) -> list[str]:
    return [
        "bsub", "-rn", "-J", needs.name, "-o", f"{needs.log}/%J.log", "-n", str(needs.processors),
        "-R", "span[hosts=1]", "-M", f"{needs.megabytes}MB", "-W", str(needs.minutes),
    ]  # fmt: skip


def _by_word(success: str, failed: str) -> Callable[[str], str | None]:
    """A judge that knows the words for ended jobs; any other word means that the job is running."""

    def judge(output: str) -> str | None:
        words = output.split()
        if not words:
            return None
        if re.fullmatch(success, words[0]):
            return SUCCESS
        return FAILED if re.fullmatch(failed, words[0]) else RUNNING

    return judge


def _judge_pbs(output: str) -> str | None:
    state = re.search(r"job_state = (\w)", output)
    if state is None:
        return None
    if state[1] not in "FX":
        return RUNNING
    code = re.search(r"Exit_status = (-?\d+)", output, flags=re.IGNORECASE)
    return SUCCESS if code and code[1] == "0" else FAILED


def _judge_grid_engine(output: str) -> str | None:
    if re.search(r"^job_number:", output, flags=re.MULTILINE):
        return RUNNING
    codes = dict(re.findall(r"^(failed|exit_status) +(\d+)", output, flags=re.MULTILINE))
    if not codes:
        return None
    return SUCCESS if set(codes.values()) == {"0"} else FAILED


SYSTEMS: Mapping[str, System] = {
    "slurm": System(
        _sbatch,
        ("squeue --noheader --states=all --format=%T --jobs={job}",),
        _by_word(
            "COMPLETED", "BOOT_FAIL|CANCELLED|DEADLINE|FAILED|NODE_FAIL|OUT_OF_MEMORY|TIMEOUT"
        ),
        "Invalid job id",
        "scancel",
    ),
    "pbs": System(_pbs, ("qstat -x -f {job}",), _judge_pbs, "Unknown Job", "qdel"),
    "sge": System(
        _grid_engine, ("qstat -j {job}", "qacct -j {job}"), _judge_grid_engine, "not found", "qdel"
    ),
    "lsf": System(
        _lsf, ("bjobs -noheader -o stat {job}",), _by_word("DONE", "EXIT"), "not found", "bkill",
        by_input=True,
    ),
}  # fmt: skip


def chosen_system() -> System:
    """The system that CT2ZARR_CLUSTER names; ends the process if it names none."""
    name = os.environ.get("CT2ZARR_CLUSTER", "")
    if name not in SYSTEMS:
        sys.exit(f"error: CT2ZARR_CLUSTER is '{name}'; it must be one of {', '.join(SYSTEMS)}")
    return SYSTEMS[name]


def needs_of(script: str) -> Needs:
    """The resources of a job, from the properties that Snakemake writes into its script."""
    properties: dict[str, Any] = json.loads(
        next(line for line in script.splitlines() if line.startswith("# properties = "))[15:]
    )
    resources = properties["resources"]
    name = "_".join([properties["rule"], *properties["wildcards"].values()])
    log = LOGS / name
    return Needs(
        f"ct2zarr_{name}", properties["threads"], resources["mem_mb"], resources["runtime"], log
    )


def submit(path: Path) -> str:
    """Submit the job and return its number."""
    system = chosen_system()
    script = path.read_text()
    needs = needs_of(script)
    needs.log.mkdir(parents=True, exist_ok=True)
    more = shlex.split(os.environ.get("CT2ZARR_SUBMIT_OPTIONS", ""))
    command = [*system.submit(needs), *more, *([] if system.by_input else [str(path)])]
    done = subprocess.run(
        command, input=script if system.by_input else "", stdout=subprocess.PIPE, text=True,
        check=False,
    )  # fmt: skip
    if done.returncode != 0:
        sys.exit(f"error: {shlex.join(command)} failed with exit code {done.returncode}")
    return job_number(done.stdout)


def job_number(printed: str) -> str:
    """The number of the job in the output of the submit command."""
    named = re.search(r"<(\d+)>", printed)  # LSF: Job <123> is submitted to queue <normal>.
    return named[1] if named else printed.split()[0].split(";")[0]


def status(job: str) -> str:
    """Whether a job is running, has succeeded or has failed.

    If the system does not answer, the job counts as running and is queried again later. A job that
    the system no longer knows counts as failed and is submitted again: if its shard is finished,
    there is nothing left to do.
    """
    system = chosen_system()
    printed = ""
    for question in system.ask:
        try:
            done = subprocess.run(
                question.format(job=job).split(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=ASK_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return RUNNING
        printed = done.stdout
        verdict = system.judge(printed) if done.returncode == 0 else None
        if verdict:
            return verdict
    return FAILED if system.unknown.lower() in printed.lower() else RUNNING


def cancel(jobs: list[str]) -> None:
    """Cancel jobs."""
    subprocess.run([chosen_system().cancel, *jobs], check=False)
