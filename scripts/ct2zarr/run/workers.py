"""Worker processes that may crash, hang or be killed without harm to the job.

A process that dies takes nothing with it that another needs: each has sockets of its own, and
shares no lock or pipe with others. All are forked from a ``WorkerServer``, which has the packages
loaded already, so that the replacement of a dead worker costs milliseconds.
"""

import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from multiprocessing import connection
from typing import Any, Self, TypeVar

from ..codes import Code
from ..errors import MachineError, SeriesError
from . import worker_server
from .worker_server import END, EXITED, Answer, receive, send

Result = TypeVar("Result")
Item = TypeVar("Item")

PRELOADED = ("ct2zarr.convert.preloading",)
"""Modules that the server imports once for all workers of a conversion."""

TRIES = 2
"""How often a task is started when its worker was ended from outside; a fault of the task itself,
such as a segmentation fault or a time-out, is not tried again."""

OUTSIDE_EXITS = (-signal.SIGKILL, -signal.SIGTERM)
"""Exit codes of a worker that was ended from outside: by the kernel for want of memory, by a
person, or by a batch system."""

WAIT_SECONDS = 3600.0
"""Longest single wait; a time limit of months would not fit into the call of the system."""

SERVER_END_SECONDS = 30.0
"""Time for the server to end once its job is done; it has only processes to kill."""


# The server -----------------------------------------------------------------------------------


class WorkerServer:
    """The process that workers are forked from; started when first needed.

    Parameters
    ----------
    preloaded
        Modules that it imports before it forks.
    """

    def __init__(self, preloaded: Sequence[str] = PRELOADED) -> None:
        self._preloaded = tuple(preloaded)
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self) -> None:
        """Start the process, so that it loads its packages while the job does something else."""
        with self._lock, _machine_errors():
            self._running_control()

    def fork(self) -> tuple[socket.socket, socket.socket]:
        """Ask for a worker: the socket for its tasks, and the one that says how it ended.

        Raises MachineError where the machine has no sockets or no memory for it.
        """
        with _machine_errors():
            tasks, tasks_of_worker = socket.socketpair()
            status, status_of_server = socket.socketpair()
            with tasks_of_worker, status_of_server, self._lock:
                descriptors = [tasks_of_worker.fileno(), status_of_server.fileno()]
                try:
                    socket.send_fds(self._running_control(), [b"w"], descriptors)
                except ConnectionError:  # it ends now: its socket closes before ``poll`` says so
                    self._close()
                    socket.send_fds(self._running_control(), [b"w"], descriptors)
        return tasks, status

    def _running_control(self) -> socket.socket:
        """The socket to the running process; a new one where it has ended."""
        if self._control is not None and self._process is not None and self._process.poll() is None:
            return self._control
        self._close()
        ours, theirs = socket.socketpair()
        # Blocked, as the process inherits it: Ctrl-C is for the job, also while the process starts.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        with theirs:
            self._process = subprocess.Popen(
                # -P: no module of the current folder takes the place of another.
                [sys.executable, "-P", "-m", worker_server.__name__, str(theirs.fileno()),
                 *self._preloaded],
                env=environment_of_workers(),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        self._control = ours
        return ours

    def close(self) -> None:
        """End the process and all workers."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._control is not None:
            self._control.close()
        if self._process is not None:
            try:
                self._process.wait(SERVER_END_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._control = self._process = None


def environment_of_workers() -> dict[str, str]:
    """The environment of this process, with what workers need beside it."""
    return {
        **os.environ,
        # A script finds the package beside itself, by an entry of sys.path.
        "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),  # noqa: PTH109
        # numpy would start a thread per core in every process, which spins before it sleeps.
        "OPENBLAS_NUM_THREADS": "1",
    }


@contextmanager
def _machine_errors() -> Iterator[None]:
    try:
        yield
    except ConnectionError as error:
        raise _not_started(0) from error
    except OSError as error:
        raise _not_started(error.errno or 0) from error


def _not_started(number: int) -> MachineError:
    return MachineError(
        Code.MACHINE,
        "a worker process cannot be started: {cause}; free some memory, raise the limits of "
        "processes and open files, or run with fewer workers, then start the job again: finished "
        "volumes are kept",
        cause=os.strerror(number) if number else "the process that starts them has ended",
    )


# Workers --------------------------------------------------------------------------------------


class _EndedError(Exception):
    """The process of a worker has ended."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code


class _Process:
    """One worker process, as the job sees it."""

    def __init__(self, server: WorkerServer, memory_mb: int) -> None:
        self._tasks, self._status = server.fork()
        self._stream = self._tasks.makefile("rwb")
        self._first = pickle.dumps((memory_mb, environment_of_workers()))
        self._ending = threading.Lock()
        self._end: bytes | None = None

    def ask(self, task: bytes, timeout: float) -> Answer:
        """The answer to a pickled task.

        Raises TimeoutError after ``timeout`` seconds, and ``_EndedError`` or MachineError where
        there is no process any more.
        """
        deadline = time.monotonic() + timeout
        try:
            if self._first:
                send(self._stream, self._first)
                self._first = b""
            send(self._stream, task)
            while not connection.wait([self._tasks], min(timeout, WAIT_SECONDS)):
                timeout = deadline - time.monotonic()
                if timeout <= 0:
                    raise TimeoutError
            answer: Answer = pickle.loads(receive(self._stream))
        except (EOFError, ConnectionError):
            kind, number = self.end()
            if kind == EXITED:
                raise _EndedError(number) from None
            raise _not_started(number) from None  # nor will the next one be, most likely
        return answer

    def end(self) -> tuple[bytes, int]:
        """Kill the process, and say how it ended. Another thread may be in ``ask``."""
        with self._ending:
            if self._end is None:
                try:
                    self._status.shutdown(socket.SHUT_WR)
                    self._end = self._status.recv(END.size, socket.MSG_WAITALL)
                except OSError:
                    self._end = b""
        return END.unpack(self._end) if len(self._end) == END.size else (b"", 0)

    def close(self) -> None:
        """Forget a process that has ended."""
        self.end()
        with suppress(OSError):  # nobody is left to receive what was not sent yet
            self._stream.close()
        self._tasks.close()
        self._status.close()


class Worker:
    """One worker process, started when first needed and replaced when it has died.

    Parameters
    ----------
    server
        Where it is forked from.
    memory_mb
        What a task may take beyond what the idle process has; 0 for no limit.
    """

    def __init__(self, server: WorkerServer, memory_mb: int = 0) -> None:
        self._server = server
        self._memory_mb = memory_mb
        self._process: _Process | None = None
        self._stopped = False
        self._busy = threading.Lock()

    def run(self, function: Callable[..., Result], *args: Any, timeout: float) -> Result:
        """Run ``function`` in the process and return its result, or raise what it raised.

        Raises
        ------
        SeriesError
            The process died (``worker_died``), took longer than ``timeout`` seconds (``timeout``),
            or had no memory left (``out_of_memory``).
        MachineError
            No process can be started.
        CancelledError
            The worker was stopped.
        """
        with self._busy:
            result, error = self._answer(pickle.dumps((function, args)), timeout)
            if isinstance(error, MemoryError):
                self._discard()  # what is left of the heap is not worth keeping
                raise SeriesError(
                    Code.OUT_OF_MEMORY,
                    "memory ran out; raise series_memory if the series is merely large, or run "
                    "with fewer workers or on a machine with more memory",
                )
        if error is not None:
            raise error
        answer: Result = result
        return answer

    def _answer(self, task: bytes, timeout: float) -> Answer:
        """The answer of the process, on a second try if needed."""
        for attempt in range(1, TRIES + 1):
            try:
                return self._running().ask(task, timeout)
            except TimeoutError:
                self._discard()
                raise SeriesError(
                    Code.TIMEOUT,
                    "the work on the series took longer than {limit:g} s and was stopped; "
                    "raise series_timeout if the series is merely large",
                    limit=timeout,
                ) from None
            except _EndedError as end:
                self._discard()
                if self._stopped:
                    break
                if attempt == TRIES or end.exit_code not in OUTSIDE_EXITS:
                    raise _death(end.exit_code) from None
            except MachineError:
                self._discard()
                if self._stopped:
                    break
                if attempt == TRIES:
                    raise
        raise CancelledError

    def _running(self) -> _Process:
        if self._process is None and not self._stopped:
            self._process = _Process(self._server, self._memory_mb)
        process = self._process
        if self._stopped:  # looked at after the process shows, as ``stop`` does the other way round
            raise CancelledError
        assert process is not None
        return process

    def _discard(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.close()

    def stop(self) -> None:
        """End the process at once, whatever it does; ``run`` in another thread then raises."""
        self._stopped = True
        process = self._process
        if process is not None:
            process.end()
        with self._busy:
            self._discard()


def in_workers(
    function: Callable[[Worker, Item], Result],
    items: Sequence[Item],
    count: int,
    *,
    server: WorkerServer,
    memory_mb: int = 0,
) -> Iterator[Result]:
    """Call ``function`` for each item with one of ``count`` workers; results as they are done.

    Raises what ``function`` raises, as soon as one call does; the others are stopped then.
    """
    if not items:
        return
    own = threading.local()
    crew: list[Worker] = []

    def call(item: Item) -> Result:
        if not hasattr(own, "worker"):
            own.worker = Worker(server, memory_mb)
            crew.append(own.worker)
        return function(own.worker, item)

    threads = ThreadPoolExecutor(min(count, len(items)))
    try:
        for future in as_completed([threads.submit(call, item) for item in items]):
            yield future.result()
    finally:
        threads.shutdown(wait=False, cancel_futures=True)
        for worker in crew:
            worker.stop()
        threads.shutdown(wait=True)


def _death(exit_code: int) -> SeriesError:
    """The error for a worker that ended in the middle of a task."""
    if exit_code in OUTSIDE_EXITS:
        return SeriesError(
            Code.WORKER_DIED,
            "the worker process was killed {times} times (exit code {exit_code}), most often "
            "because memory ran out; run with fewer workers or more memory",
            times=TRIES,
            exit_code=exit_code,
        )
    if exit_code < 0:
        return SeriesError(
            Code.WORKER_DIED,
            "the worker process crashed (signal {number}: {name}), most often in the decoder of a "
            "damaged file",
            number=-exit_code,
            name=signal.strsignal(-exit_code) or "unknown signal",
        )
    return SeriesError(
        Code.WORKER_DIED,
        "the worker process ended with exit code {exit_code}",
        exit_code=exit_code,
    )
