"""A worker that crashes, hangs, is killed or runs out of memory costs its own task alone."""

import errno
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from pathlib import Path

import psutil
import pytest

from ct2zarr.codes import Code
from ct2zarr.errors import MachineError, SeriesError
from ct2zarr.run import worker_processes
from ct2zarr.run.worker_processes import environment_of_workers
from ct2zarr.run.workers import Worker, WorkerServer, in_workers
from worker_tasks import (
    LONG,
    answer,
    be_killed,
    be_killed_once,
    exit_with,
    fill_disk,
    fill_memory,
    parent,
    raise_os_error,
    raise_stubborn_error,
    raise_time_out,
    read_variable,
    segfault,
    sleep_and_answer,
    sleep_long,
    sleep_once,
    start_method,
    take_memory,
)


@pytest.fixture
def server() -> Iterator[WorkerServer]:
    with WorkerServer(()) as server:
        yield server


@pytest.fixture
def worker(server: WorkerServer) -> Iterator[Worker]:
    worker = Worker(server)
    yield worker
    worker.stop()


def modules_and_main() -> tuple[bool, str | None]:
    """Whether the tests' modules are loaded, and which script the process is."""
    return "pytest" in sys.modules, getattr(sys.modules["__main__"], "__file__", None)


def take_memory_in(worker: Worker, megabytes: int) -> int:
    return worker.run(take_memory, megabytes, timeout=LONG)


def sleep_or_answer(worker: Worker, seconds: float) -> float:
    if not seconds:
        raise MachineError(Code.MACHINE, "the disk is full")
    worker.run(time.sleep, seconds, timeout=LONG)
    return seconds


def test_tasks_share_one_process(worker):
    first, second = (worker.run(answer, value, timeout=LONG) for value in (1, 2))
    assert (first[0], second[0]) == (1, 2)
    assert first[1] == second[1] != os.getpid()


def test_a_worker_has_the_environment_that_its_job_has_when_it_starts(server, worker, monkeypatch):
    worker.run(answer, 1, timeout=LONG)  # the server is up from here on
    monkeypatch.setenv("CT2ZARR_TEST_LATER", "later")
    later = Worker(server)
    try:
        assert later.run(read_variable, "CT2ZARR_TEST_LATER", timeout=LONG) == "later"
        assert later.run(read_variable, "OPENBLAS_NUM_THREADS", timeout=LONG) == "1"
    finally:
        later.stop()


def test_the_job_keeps_its_environment_and_its_main_module(server):
    environment, main = dict(os.environ), dict(vars(sys.modules["__main__"]))
    worker = Worker(server)
    loaded, script = worker.run(modules_and_main, timeout=LONG)
    assert (dict(os.environ), dict(vars(sys.modules["__main__"]))) == (environment, main)
    worker.stop()
    # Nor does a worker run the script of the job again, which here would load pytest.
    assert script.endswith("worker_server.py")
    assert loaded  # by this module, which the task is from


@pytest.mark.parametrize(
    ("task", "arguments", "code", "said"),
    [
        (segfault, (), Code.WORKER_DIED, "signal 11: Segmentation fault"),
        (be_killed, (), Code.WORKER_DIED, r"killed 2 times \(exit code -9\).* memory"),
        (exit_with, (3,), Code.WORKER_DIED, "ended with exit code 3"),
        (sys.exit, (4,), Code.WORKER_DIED, "ended with exit code 4"),
        (sys.exit, ("a reason",), Code.WORKER_DIED, "ended with exit code 1"),
        (fill_memory, (), Code.OUT_OF_MEMORY, "memory ran out; raise series_memory"),
    ],
)
def test_a_death_is_an_error_with_its_code_and_the_next_task_runs(
    worker, task, arguments, code, said
):
    with pytest.raises(SeriesError, match=said) as raised:
        worker.run(task, *arguments, timeout=LONG)
    assert raised.value.code is code
    assert worker.run(answer, 3, timeout=LONG)[0] == 3


def test_the_process_that_ran_out_of_memory_is_replaced(worker):
    _, pid = worker.run(answer, 1, timeout=LONG)
    with pytest.raises(SeriesError):
        worker.run(fill_memory, timeout=LONG)
    assert worker.run(answer, 1, timeout=LONG)[1] != pid


def test_a_wait_longer_than_the_system_takes_goes_on_until_the_limit_of_the_task(
    worker, monkeypatch
):
    monkeypatch.setattr(worker_processes, "WAIT_SECONDS", 0.01)
    assert worker.run(sleep_and_answer, 0.2, timeout=LONG) == 0.2


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is one of Linux")
def test_every_worker_of_a_crew_keeps_to_the_memory(server):
    with pytest.raises(SeriesError) as raised:
        list(in_workers(take_memory_in, [150, 250], 2, server=server, memory_mb=200))
    assert raised.value.code is Code.OUT_OF_MEMORY


def test_no_module_of_the_current_folder_takes_the_place_of_another(server, tmp_path, monkeypatch):
    (tmp_path / "selectors.py").write_text("raise ImportError")
    monkeypatch.chdir(tmp_path)
    worker = Worker(server)
    assert worker.run(answer, 1, timeout=LONG)[0] == 1
    worker.stop()


def test_a_worker_reads_nothing_of_what_is_typed():
    reading, writing = os.pipe()
    before = os.dup(0)
    os.dup2(reading, 0)
    try:
        with WorkerServer(()) as server:
            worker = Worker(server)
            assert worker.run(os.readlink, "/proc/self/fd/0", timeout=LONG) == os.devnull
            worker.stop()
    finally:
        os.dup2(before, 0)
        for descriptor in (before, reading, writing):
            os.close(descriptor)


def test_ctrl_c_ends_neither_the_server_nor_its_workers(server, worker):
    first = worker.run(parent, timeout=LONG), worker.run(os.getpid, timeout=LONG)
    for pid in first:
        os.kill(pid, signal.SIGINT)
    assert (worker.run(parent, timeout=LONG), worker.run(os.getpid, timeout=LONG)) == first
    later = Worker(server)
    assert later.run(parent, timeout=LONG) == first[0]
    later.stop()


def test_what_a_worker_starts_is_forked(worker):
    # A semaphore has a name otherwise, which a worker that is killed leaves behind.
    assert worker.run(start_method, timeout=LONG) == "fork"


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is one of Linux")
def test_a_task_that_wants_more_memory_than_allowed_is_an_error_and_a_smaller_one_runs(server):
    worker = Worker(server, memory_mb=200)
    assert worker.run(take_memory, 150, timeout=LONG)
    with pytest.raises(SeriesError, match="raise series_memory") as raised:
        worker.run(take_memory, 250, timeout=LONG)
    assert raised.value.code is Code.OUT_OF_MEMORY
    assert worker.run(take_memory, 150, timeout=LONG)


def test_a_hang_ends_with_the_time_limit_and_the_process_with_it(worker, tmp_path):
    mark = tmp_path / "pid"
    with pytest.raises(SeriesError, match="longer than 2 s") as raised:
        worker.run(sleep_long, str(mark), timeout=2.0)
    assert raised.value.code is Code.TIMEOUT
    assert raised.value.facts["limit"] == 2.0
    assert not is_alive(int(mark.read_text()))
    assert worker.run(answer, 1, timeout=LONG)[0] == 1


def test_a_worker_that_was_killed_from_outside_gets_a_second_try(worker, tmp_path):
    assert worker.run(be_killed_once, str(tmp_path / "mark"), timeout=LONG) == "done"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_worker_killed_while_idle_is_replaced(worker, number):
    _, pid = worker.run(answer, 1, timeout=LONG)
    os.kill(pid, number)
    assert worker.run(answer, 2, timeout=LONG)[0] == 2


def test_errors_of_the_task_come_through_with_the_place_where_they_were_raised(worker):
    with pytest.raises(MachineError, match="full") as raised:
        worker.run(fill_disk, timeout=LONG)
    assert raised.value.code is Code.MACHINE
    with pytest.raises(OSError, match="of the task") as other:
        worker.run(raise_os_error, timeout=LONG)
    assert "in raise_os_error" in other.value.__notes__[0]
    with pytest.raises(RuntimeError, match="a task raised StubbornError"):
        worker.run(raise_stubborn_error, timeout=LONG)


def test_time_out_errors_of_the_task_are_not_those_of_the_worker(worker):
    with pytest.raises(TimeoutError, match="of the task"):
        worker.run(raise_time_out, timeout=LONG)


def test_stopping_ends_a_running_task(worker, tmp_path):
    mark = tmp_path / "pid"

    def stop_when_it_runs() -> None:
        wait_until(lambda: mark.exists() and mark.read_text())
        worker.stop()

    stopper = threading.Thread(target=stop_when_it_runs)
    stopper.start()
    with pytest.raises(CancelledError):
        worker.run(sleep_long, str(mark), timeout=LONG)
    stopper.join()
    assert not is_alive(int(mark.read_text()))


def test_a_stopped_worker_starts_nothing(worker):
    worker.stop()
    with pytest.raises(CancelledError):
        worker.run(answer, 1, timeout=LONG)


def test_an_error_of_one_task_stops_the_others(server):
    with pytest.raises(MachineError, match="full"):
        list(in_workers(sleep_or_answer, [LONG, LONG, 0.0], 3, server=server))


def test_results_come_as_they_are_done(server):
    assert list(in_workers(sleep_or_answer, [3.0, 0.1], 2, server=server)) == [0.1, 3.0]


def test_a_server_that_was_killed_takes_its_workers_along_and_is_replaced(worker, tmp_path):
    server_pid = worker.run(parent, timeout=LONG)
    mark = tmp_path / "pid"
    killer = threading.Thread(
        target=lambda: (
            wait_until(lambda: mark.exists() and mark.read_text()),
            os.kill(server_pid, signal.SIGKILL),
        )
    )
    killer.start()
    assert worker.run(sleep_once, str(mark), timeout=LONG) == "done"
    killer.join()
    wait_until(lambda: not is_alive(int(mark.read_text())))


def test_a_server_that_is_gone_before_it_shows_as_ended_is_replaced(server, worker, monkeypatch):
    server_pid = worker.run(parent, timeout=LONG)
    os.kill(server_pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(server_pid))
    monkeypatch.setattr(server._process, "poll", lambda: None)
    later = Worker(server)
    assert later.run(parent, timeout=LONG) != server_pid
    later.stop()


def test_a_machine_without_sockets_is_an_error_of_the_machine_that_ends_the_job(worker):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (psutil.Process().num_fds(), hard))
    try:
        with pytest.raises(MachineError) as raised:
            worker.run(answer, 1, timeout=LONG)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert raised.value.code is Code.MACHINE
    assert raised.value.facts["cause"] == os.strerror(errno.EMFILE)
    assert worker.run(answer, 1, timeout=LONG)[0] == 1


def test_a_server_that_cannot_load_its_packages_is_an_error_of_the_machine(capfd):
    server = WorkerServer(("ct2zarr.no_such_module",))
    with server, pytest.raises(MachineError, match="the process that starts them has ended"):
        Worker(server).run(answer, 1, timeout=LONG)
    assert "no_such_module" in capfd.readouterr().err


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


def test_workers_die_with_a_job_that_is_killed(tmp_path):
    mark = tmp_path / "pid"
    script = (
        "import sys; import worker_tasks as t\n"
        "from ct2zarr.run.workers import Worker, WorkerServer\n"
        "with WorkerServer(()) as s: Worker(s).run(t.sleep_long, sys.argv[1], timeout=60)"
    )
    job = subprocess.Popen(
        [sys.executable, "-c", script, str(mark)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    wait_until(lambda: mark.exists() and mark.read_text())
    pid = int(mark.read_text())
    server = psutil.Process(pid).ppid()
    assert is_alive(pid)
    job.kill()
    job.wait()
    wait_until(lambda: not is_alive(pid) and not is_alive(server))


def wait_until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_the_server_ends_with_the_job():
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "ct2zarr.run.worker_server", str(theirs.fileno())],
            env=environment_of_workers(),
            pass_fds=[theirs.fileno()],
        )
    ours.close()
    assert process.wait(LONG) == 0
