"""A worker that crashes, hangs, is killed or runs out of memory costs its own task alone."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import CancelledError
from pathlib import Path

import pytest

from ct2zarr.errors import MachineError, SeriesError
from ct2zarr.run.workers import Worker, fork_server

LONG = 60.0


@pytest.fixture
def worker() -> Iterator[Worker]:
    with fork_server():
        worker = Worker()
        yield worker
        worker.stop()


def answer(value: int) -> tuple[int, int]:
    return value, os.getpid()


def segfault() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def sleep_long(mark: str = "") -> None:
    if mark:
        Path(mark).write_text(str(os.getpid()))
    time.sleep(LONG)


def be_killed_once(mark: str) -> str:
    if not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


def be_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fill_memory() -> None:
    raise MemoryError


def read_variable(name: str) -> str | None:
    return os.environ.get(name)


def take_memory(megabytes: int) -> int:
    return len(bytearray(megabytes * 1_000_000))


def fill_disk() -> None:
    raise MachineError("the disk is full", "machine")


def raise_os_error() -> None:
    raise OSError("of the task")


def test_tasks_share_one_process(worker):
    first, second = (worker.run(answer, value, timeout=LONG) for value in (1, 2))
    assert (first[0], second[0]) == (1, 2)
    assert first[1] == second[1] != os.getpid()


def test_a_worker_has_the_environment_that_its_job_has_when_it_starts(worker, monkeypatch):
    worker.run(answer, 1, timeout=LONG)  # the fork server is up from here on
    monkeypatch.setenv("CT2ZARR_TEST_LATER", "later")
    later = Worker()
    try:
        assert later.run(read_variable, "CT2ZARR_TEST_LATER", timeout=LONG) == "later"
    finally:
        later.stop()


@pytest.mark.parametrize(
    ("task", "reason", "said"),
    [
        (segfault, "worker_died", "Segmentation fault"),
        (be_killed, "worker_died", "memory"),
        (fill_memory, "out_of_memory", "memory ran out"),
    ],
)
def test_a_death_is_an_error_with_its_reason_and_the_next_task_runs(worker, task, reason, said):
    with pytest.raises(SeriesError, match=said) as raised:
        worker.run(task, timeout=LONG)
    assert raised.value.reason == reason
    assert worker.run(answer, 3, timeout=LONG)[0] == 3


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is one of Linux")
def test_a_task_that_wants_more_memory_than_allowed_is_an_error_and_a_smaller_one_runs():
    with fork_server():
        worker = Worker(memory_mb=200)
        try:
            assert worker.run(take_memory, 150, timeout=LONG)
            with pytest.raises(SeriesError, match="raise series_memory") as raised:
                worker.run(take_memory, 250, timeout=LONG)
            assert raised.value.reason == "out_of_memory"
            assert worker.run(take_memory, 150, timeout=LONG)
        finally:
            worker.stop()


def test_a_hang_ends_with_the_time_limit(worker):
    worker.run(answer, 1, timeout=LONG)
    started = time.monotonic()
    with pytest.raises(SeriesError, match="longer than 1 s") as raised:
        worker.run(sleep_long, timeout=1.0)
    assert raised.value.reason == "timeout"
    assert time.monotonic() - started < 10


def test_a_worker_that_was_killed_from_outside_gets_a_second_try(worker, tmp_path):
    assert worker.run(be_killed_once, str(tmp_path / "mark"), timeout=LONG) == "done"


def test_a_worker_killed_while_idle_is_replaced(worker):
    _, pid = worker.run(answer, 1, timeout=LONG)
    os.kill(pid, signal.SIGKILL)
    assert worker.run(answer, 2, timeout=LONG)[0] == 2


def test_errors_of_the_task_come_through_as_they_are(worker):
    with pytest.raises(MachineError, match="full"):
        worker.run(fill_disk, timeout=LONG)
    with pytest.raises(OSError, match="of the task"):
        worker.run(raise_os_error, timeout=LONG)


def test_stopping_ends_a_running_task(worker, tmp_path):
    mark = tmp_path / "pid"
    worker.run(answer, 1, timeout=LONG)
    timer = threading.Timer(0.5, worker.stop)
    timer.start()
    with pytest.raises(CancelledError):
        worker.run(sleep_long, str(mark), timeout=LONG)
    wait_until(lambda: not is_alive(int(mark.read_text())))


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


def test_workers_die_with_a_job_that_is_killed(tmp_path):
    mark = tmp_path / "pid"
    script = (
        "import sys; import test_workers as t\n"
        "from ct2zarr.run.workers import Worker, fork_server\n"
        "with fork_server(): Worker().run(t.sleep_long, sys.argv[1], timeout=60)"
    )
    job = subprocess.Popen(
        [sys.executable, "-c", script, str(mark)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    wait_until(lambda: mark.exists() and mark.read_text())
    pid = int(mark.read_text())
    assert is_alive(pid)
    job.kill()
    job.wait()
    wait_until(lambda: not is_alive(pid))


def wait_until(condition, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
