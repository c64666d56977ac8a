"""A worker that never gets to a task, and workers that are killed one after the other."""

import os
import resource
import signal
import subprocess
import sys

import pytest

from ct2zarr.codes import Code
from ct2zarr.errors import MachineError, SeriesError
from ct2zarr.run import worker_processes
from ct2zarr.run.worker_processes import KILLED_IN_A_ROW
from ct2zarr.run.workers import Worker, WorkerServer, in_workers
from worker_tasks import LONG, answer_one, die_or_answer


def attempt(worker: Worker, item: int) -> int | str:
    """The answer for an item, or the code of the error that is its row."""
    try:
        return worker.run(die_or_answer, item, timeout=LONG)
    except SeriesError as error:
        return str(error.code)


def answers(items: list[int]) -> list[int | str]:
    with WorkerServer(()) as server:
        return list(in_workers(attempt, items, 1, server=server))


KILL, CRASH = -signal.SIGKILL, -signal.SIGSEGV


@pytest.mark.parametrize(
    "items",
    [
        [KILL],
        [KILL] * (KILLED_IN_A_ROW - 1) + [1] + [KILL] * (KILLED_IN_A_ROW - 1),
        pytest.param([CRASH] * (KILLED_IN_A_ROW + 1), marks=pytest.mark.slow),
        pytest.param([KILL, CRASH, KILL, 3], marks=pytest.mark.slow),
    ],
    ids=["one", "most but not all in a row", "crashes", "both"],
)
def test_tasks_that_end_their_worker_cost_themselves_alone(items):
    rows = answers(items)
    assert rows == [item if item > 0 else str(Code.WORKER_DIED) for item in items]


@pytest.mark.parametrize(
    "items",
    [
        [KILL] * 2,
        [1] + [KILL] * KILLED_IN_A_ROW + [1],
        pytest.param([-signal.SIGTERM] * KILLED_IN_A_ROW, marks=pytest.mark.slow),
    ],
    ids=["all of few", "many in a row", "terminated"],
)
def test_a_machine_that_kills_one_worker_after_the_other_ends_the_job(items):
    with pytest.raises(MachineError, match="tasks in a row were killed, most often because memory"):
        answers(items)


def test_a_worker_that_hangs_at_its_start_is_an_error_of_the_machine(monkeypatch):
    monkeypatch.setattr(worker_processes, "START_SECONDS", 0.5)
    monkeypatch.setattr(worker_processes, "SERVER_END_SECONDS", 0.5)
    with WorkerServer(("ct2zarr.convert.preloading",)) as server:
        # Stopped, the server forks nothing, whatever the job asks it for.
        server.start()
        assert server._process is not None
        os.kill(server._process.pid, signal.SIGSTOP)
        try:
            with pytest.raises(MachineError, match=r"it took longer than 0\.5 s"):
                Worker(server).run(os.getpid, timeout=LONG)
        finally:
            os.kill(server._process.pid, signal.SIGCONT)


@pytest.mark.parametrize("megabytes", [40, 90, 150])
def test_a_worker_without_memory_is_an_error_of_the_machine_and_no_row(megabytes):
    """The limit is that of the server and its workers, which it is set for when it runs."""
    with WorkerServer(()) as server:
        worker = Worker(server)
        pid = worker.run(os.getppid, timeout=LONG)
        limit = megabytes << 20
        resource.prlimit(pid, resource.RLIMIT_AS, (limit, limit))
        worker.stop()
        with pytest.raises(MachineError, match="a worker process cannot be started"):
            Worker(server).run(take_memory_of, 400, timeout=LONG)


def test_a_task_that_wants_too_much_of_a_machine_with_enough_is_a_row():
    with WorkerServer(()) as server:
        worker = Worker(server, memory_mb=100)
        with pytest.raises(SeriesError) as raised:
            worker.run(take_memory_of, 400, timeout=LONG)
        assert raised.value.code is Code.OUT_OF_MEMORY
        worker.stop()


def take_memory_of(megabytes: int) -> int:
    return len(bytearray(megabytes << 20))


def test_threads_that_cannot_be_started_are_an_error_of_the_machine():
    script = (
        "import resource, test_worker_processes as t\n"
        "from ct2zarr.errors import MachineError\n"
        "from ct2zarr.run.workers import WorkerServer, in_workers\n"
        "with WorkerServer(()) as server:\n"
        "    server.start()\n"
        "    size = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "    resource.setrlimit(resource.RLIMIT_AS, (size + (2 << 20),) * 2)\n"
        "    try:\n"
        "        list(in_workers(t.attempt, [1] * 8, 8, server=server))\n"
        "    except MachineError as error:\n"
        "        print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=LONG,
    )
    assert "the system starts no more threads" in done.stdout, done.stderr


def test_the_time_of_a_start_is_not_that_of_the_first_task(tmp_path, monkeypatch):
    (tmp_path / "slow_to_load.py").write_text("import time; time.sleep(2)")
    monkeypatch.syspath_prepend(tmp_path)
    with WorkerServer(("slow_to_load",)) as server:
        assert Worker(server).run(answer_one, timeout=1.0) == 1
