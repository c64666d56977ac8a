"""The job's side of its worker processes: the server that forks them, and each of them.

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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import connection
from typing import Self

from ..codes import Code
from ..errors import MachineError
from . import worker_server
from .worker_server import END, EXITED, READY, Answer, receive, send

PRELOADED = ("ct2zarr.convert.preloading",)
"""Modules that the server imports once for all workers of a conversion."""

OUTSIDE_EXITS = (-signal.SIGKILL, -signal.SIGTERM)
"""Exit codes of a worker that was ended from outside: by the kernel for want of memory, by a
person, or by a batch system."""

START_SECONDS = 600.0
"""Time for a worker to start, which includes that of the server: its packages may lie in a slow
network folder."""

KILLED_IN_A_ROW = 5
"""So many tasks whose workers were killed, with none done in between, are no matter of the tasks.
Fewer may be the few largest volumes of a collection, too large for the machine."""

WAIT_SECONDS = 3600.0
"""Longest single wait; a time limit of months would not fit into the call of the system."""

SERVER_END_SECONDS = 30.0
"""Time for the server to end a worker, or itself once its job is done."""


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
        self._done = 0
        self._killed = 0  # in a row, since a task was done

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

    def count_done(self) -> None:
        """A worker has done a task, well or not."""
        self._done += 1
        self._killed = 0

    def count_killed(self) -> None:
        """The workers of a task were killed from outside. Raises MachineError if those of all are.

        Called by all threads of a job; that two count at once does not matter much.
        """
        self._killed += 1
        if self._killed >= KILLED_IN_A_ROW:
            raise _all_killed(self._killed)

    def require_survivors(self) -> None:
        """At the end of a job: raise MachineError if the workers of all its tasks were killed."""
        if self._done == 0 and self._killed > 1:
            raise _all_killed(self._killed)

    def _running_control(self) -> socket.socket:
        """The socket to the running process; a new one where it has ended."""
        if self._control is not None and self._process is not None and self._process.poll() is None:
            return self._control
        self._close()
        ours, theirs = socket.socketpair()
        with theirs, _ctrl_c_blocked():
            self._process = subprocess.Popen(
                # -P: no module of the current folder takes the place of another.
                [sys.executable, "-P", "-m", worker_server.__name__, str(theirs.fileno()),
                 *self._preloaded],
                env=environment_of_workers(),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )  # fmt: skip
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


@contextmanager
def _ctrl_c_blocked() -> Iterator[None]:
    """For the start of a process, which inherits it: Ctrl-C is for the job alone."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


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
        raise not_started(0) from error
    except OSError as error:
        raise not_started(error.errno or 0) from error


def not_started(cause: int | str) -> MachineError:
    """The error for a worker that never got to a task: for which errno, or why."""
    if cause == 0:
        cause = "the process that starts them has ended"
    return MachineError(
        Code.MACHINE,
        "a worker process cannot be started: {cause}; free some memory, raise the limits of "
        "processes and open files, or run with fewer workers, then start the job again: finished "
        "volumes are kept",
        cause=os.strerror(cause) if isinstance(cause, int) else cause,
    )


def _all_killed(times: int) -> MachineError:
    return MachineError(
        Code.MACHINE,
        "the worker processes of {times} tasks in a row were killed, most often because memory ran "
        "out; run with fewer workers or more memory: finished volumes are kept",
        times=times,
    )


# Each worker --------------------------------------------------------------------------------------


class EndedError(Exception):
    """The process of a worker has ended."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code


class Process:
    """One worker process, as the job sees it."""

    def __init__(self, server: WorkerServer, memory_mb: int) -> None:
        self._tasks, self._status = server.fork()
        self._stream = self._tasks.makefile("rwb")
        self._first = pickle.dumps((memory_mb, environment_of_workers()))
        self._ending = threading.Lock()
        self._end: bytes | None = None

    def ask(self, task: bytes, timeout: float) -> Answer:
        """The answer to a pickled task.

        Raises TimeoutError after ``timeout`` seconds, and ``EndedError`` or MachineError where
        there is no process any more.
        """
        try:
            self._start()
            send(self._stream, task)
            answer: Answer = pickle.loads(self._receive(timeout))
        except (EOFError, ConnectionError):
            kind, number = self.end()
            if kind != EXITED:
                raise not_started(number) from None  # nor will the next one be, most likely
            if self._first and number not in OUTSIDE_EXITS:
                raise not_started(f"it ended at once (exit code {number})") from None
            raise EndedError(number) from None
        return answer

    def _start(self) -> None:
        """Wait until the process is ready for its first task. Raises MachineError if it hangs."""
        if not self._first:
            return
        send(self._stream, self._first)
        try:
            ready = self._receive(START_SECONDS)
        except TimeoutError:
            raise not_started(f"it took longer than {START_SECONDS:g} s") from None
        if ready == READY:
            self._first = b""

    def _receive(self, timeout: float) -> bytes:
        """The next message. Raises TimeoutError after so many seconds."""
        deadline = time.monotonic() + timeout
        # Looked at even if the first wait comes back early: clocks that jump cut waits short.
        while not connection.wait([self._tasks], min(timeout, WAIT_SECONDS)):
            timeout = deadline - time.monotonic()
            if timeout <= 0:
                raise TimeoutError
        return receive(self._stream)

    def end(self) -> tuple[bytes, int]:
        """Kill the process, and say how it ended. Another thread may be in ``ask``."""
        with self._ending:
            if self._end is None:
                try:
                    self._status.shutdown(socket.SHUT_WR)
                    self._status.settimeout(SERVER_END_SECONDS)  # the server may hang, too
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
