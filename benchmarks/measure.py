"""Measure tasks in fresh processes, in turn, and store the results as JSON.

A task is a function ``module.name`` that prepares (imports, plans, opens) and returns the function
to measure, so start-up is measured separately. CPU seconds are those of the process and of the
children that it waited for (getrusage). ``run_job`` measures whole jobs with worker processes, and
also waits for the processes that outlive the job's first one.
"""

import argparse
import ctypes
import datetime
import importlib
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PATHS = [str(ROOT / name) for name in ("scripts", "tests", "benchmarks")]
KIB_PER_MB = 1000**2 / 1024
PR_SET_CHILD_SUBREAPER = 36  # prctl(2)


@dataclass(frozen=True)
class Measurement:
    """The cost and the result of one task.

    Attributes:
        cpu, wall: seconds of the task. startup_cpu: CPU seconds of imports and preparation.
        peak_mb: peak resident memory of the largest process. result: what the task returned.
    """

    cpu: float
    wall: float
    startup_cpu: float
    peak_mb: float
    result: Any = None


def run(task: str, python: str | None = None, **arguments: Any) -> Measurement:
    """Measure ``module.function(**arguments)()`` in a fresh process; arguments are JSON."""
    words = [python or sys.executable, __file__, "task", task, json.dumps(arguments)]
    return _measured(words)


def run_job(command: Sequence[str | Path], environment: Mapping[str, str]) -> Measurement:
    """Measure a command with all processes that it starts, including its start-up."""
    return _measured(
        [sys.executable, __file__, "job", *map(str, command)], os.environ | dict(environment)
    )


def _measured(words: Sequence[str], environment: Mapping[str, str] | None = None) -> Measurement:
    environment = dict(environment or os.environ)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # or each start would compile all modules
    given = environment.get("PYTHONPATH", "")
    environment["PYTHONPATH"] = os.pathsep.join([*PATHS, given] if given else PATHS)
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return Measurement(**json.loads(done.stdout.splitlines()[-1]))


def in_turn(
    tasks: Mapping[str, Callable[[], Measurement]], rounds: int, *, show: bool = True
) -> dict[str, list[Measurement]]:
    """Run all tasks in turn, ``rounds`` times, so that disturbances affect all of them."""
    found: dict[str, list[Measurement]] = {name: [] for name in tasks}
    for number in range(rounds):
        for name, task in tasks.items():
            found[name].append(task())
            if show:
                last = found[name][-1]
                print(
                    f"  {number + 1}/{rounds} {name:32s} CPU {last.cpu:8.3f} s  wall "
                    f"{last.wall:8.3f} s  peak {last.peak_mb:6.0f} MB", flush=True,
                )  # fmt: skip
    return found


def best(runs: Sequence[Measurement], what: str = "cpu") -> float:
    """The value of the least disturbed round, since disturbances only add."""
    return float(min(getattr(run, what) for run in runs))


def ratio(runs: Sequence[Measurement], base: Sequence[Measurement], what: str = "cpu") -> float:
    """Ratio of the least disturbed rounds."""
    return best(runs, what) / best(base, what)


def summary(runs: Sequence[Measurement]) -> dict[str, Any]:
    """The lowest times, the highest memory and the last result, for JSON."""
    numbers = {name: best(runs, name) for name in ("cpu", "wall", "startup_cpu")}
    peak = max(run.peak_mb for run in runs)
    return {**numbers, "peak_mb": peak, "rounds": len(runs), "result": runs[-1].result}


def absolute(text: str) -> Path:
    """An absolute path, for commands that run in other folders."""
    return Path(text).absolute()


def arguments_of(description: str | None) -> argparse.ArgumentParser:
    """A parser of the arguments of every benchmark."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--cache", type=absolute, required=True, help="folder of the series")
    parser.add_argument("--results", type=Path, required=True, help="folder of the results")
    parser.add_argument("--peers", help="python of the peers' environment")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--planes", type=int, default=300, help="of the series in each encoding")
    return parser


def save(folder: Path, name: str, content: Mapping[str, Any]) -> None:
    """Write the results of one benchmark."""
    folder.mkdir(parents=True, exist_ok=True)
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    whole = {"date": date, "machine": machine(), **content}
    (folder / f"{name}.json").write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")


def machine() -> dict[str, Any]:
    """Processor, cores, interpreter and load, but nothing that identifies the machine."""
    model = platform.machine()
    with Path("/proc/cpuinfo").open(encoding="ascii", errors="replace") as info:
        for line in info:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    load = round(os.getloadavg()[2], 1)  # of 15 minutes, including other programs
    return {
        "cpu": model, "cores": os.cpu_count(), "python": platform.python_version(), "load": load
    }  # fmt: skip


# In the fresh process -------------------------------------------------------------------------


def _usage() -> tuple[float, float]:
    """CPU seconds and peak MB of this process and its children."""
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF,
                                                         resource.RUSAGE_CHILDREN))  # fmt: skip
    cpu = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
    # ru_maxrss of the process itself remembers what its parent had before exec.
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    peak = int(status.split("VmHWM:")[1].split()[0])
    return cpu, max(peak, children.ru_maxrss) / KIB_PER_MB


def _task(name: str, arguments: dict[str, Any]) -> Measurement:
    module, _, function = name.rpartition(".")
    work = getattr(importlib.import_module(module), function)(**arguments)
    startup, _ = _usage()
    started = time.perf_counter()
    result = work()
    wall = time.perf_counter() - started
    cpu, peak = _usage()
    return Measurement(cpu - startup, wall, startup, peak, result)


def _job(command: Sequence[str]) -> Measurement:
    # The server of the workers may outlive its job by a moment; make this process their parent.
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    before, _ = _usage()
    started = time.perf_counter()
    done = subprocess.run(command, check=False, stdout=sys.stderr)
    wall = time.perf_counter() - started
    if done.returncode:
        sys.exit(done.returncode)
    while True:
        try:
            os.wait()
        except ChildProcessError:
            break
    cpu, _ = _usage()
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / KIB_PER_MB
    return Measurement(cpu - before, wall, 0.0, peak)


if __name__ == "__main__":
    kind, *rest = sys.argv[1:]
    measured = _task(rest[0], json.loads(rest[1])) if kind == "task" else _job(rest)
    print("\n" + json.dumps(asdict(measured)))
