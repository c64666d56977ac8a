"""The process that worker processes are forked from, and what they do.

``workers`` starts it as a program of its own, so that neither it nor the workers have threads,
locks or modules of the job. It imports the packages that the workers need, and forks a worker each
time that the job asks for one, which takes milliseconds. It alone waits for the workers, so that a
process id that it kills is never that of another process.

The job sends one byte with two sockets for each worker that it wants. Through the first, the worker
gets its tasks and answers them. Through the second, the server says how the worker ended; where the
job shuts its side of it down, the server kills the worker. When the job ends, however it does, the
server kills all workers and ends too; when the server is killed, the workers end themselves.
"""

import importlib
import os
import pickle
import resource
import selectors
import signal
import socket
import struct
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from io import BufferedRWPair
from pathlib import Path
from typing import Any

from .machine import lack
from .units import BYTES_PER_MB

LENGTH = struct.Struct("<Q")
"""Precedes each message between the job and a worker: its number of bytes."""

END = struct.Struct("<ci")
"""How a worker ended: ``EXITED`` and its exit code, or ``NOT_FORKED`` and the errno of the fork."""
EXITED, NOT_FORKED = b"x", b"e"

READY = b"ready"
"""The first message of a worker: from now on, its end is that of a task."""

Answer = tuple[Any, BaseException | None]
"""What a task returned, or what it raised."""


def send(stream: BufferedRWPair, message: bytes) -> None:
    """Send one message."""
    stream.write(LENGTH.pack(len(message)))
    stream.write(message)
    stream.flush()


def receive(stream: BufferedRWPair) -> bytes:
    """The next message. Raises EOFError where the other side is gone."""
    head = stream.read(LENGTH.size)
    length = LENGTH.unpack(head)[0] if len(head) == LENGTH.size else 1
    message = stream.read(length) if len(head) == LENGTH.size else b""
    if len(message) < length:
        raise EOFError
    return message


# The server -----------------------------------------------------------------------------------


class _Server:
    """Forks workers on request, and says how they ended."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._workers: dict[int, socket.socket] = {}  # process id, and where to say how it ended
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ)
        self._ended, self._wake = socket.socketpair()
        self._wake.setblocking(False)
        self._selector.register(self._ended, selectors.EVENT_READ)
        self._alive, self._held = os.pipe()  # the workers see the end of the server on the first

    def serve(self) -> None:
        """Work until the job is gone."""
        signal.set_wakeup_fd(self._wake.fileno())
        signal.signal(signal.SIGCHLD, lambda *_: None)
        while True:
            for key, _ in self._selector.select():
                if key.fileobj is self._ended:
                    self._ended.recv(4096)
                    self._reap(os.WNOHANG)
                elif key.fileobj is not self._control:
                    if self._workers.get(key.data) is key.fileobj:  # not reaped just before
                        self._kill(key.data)
                elif not self._fork_one():
                    for pid in tuple(self._workers):
                        self._kill(pid)
                    self._reap(0)
                    return

    def _fork_one(self) -> bool:
        """Fork a worker where the job asks for one; False where the job is gone."""
        request, descriptors, _, _ = socket.recv_fds(self._control, 1, 2)
        if not request:
            return False
        tasks, status = (socket.socket(fileno=number) for number in descriptors)
        try:
            pid = os.fork()
        except OSError as error:
            with suppress(ConnectionError):
                status.sendall(END.pack(NOT_FORKED, error.errno or 0))
            status.close()
            tasks.close()
            return True
        if pid == 0:
            self._become_worker(tasks, status)
        tasks.close()
        self._workers[pid] = status
        self._selector.register(status, selectors.EVENT_READ, pid)
        return True

    def _become_worker(self, tasks: socket.socket, status: socket.socket) -> None:
        """In the new process: keep nothing of the server, and never return."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._selector.close()
            os.close(self._held)
            for one in (self._control, self._ended, self._wake, status, *self._workers.values()):
                one.close()
            threading.Thread(target=_end_with, args=(self._alive,), daemon=True).start()
            code = work(tasks)
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        except BaseException:  # noqa: BLE001  this process ends here
            _print_unless_of_machine()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _kill(self, pid: int) -> None:
        status = self._workers[pid]
        if status in self._selector.get_map():
            self._selector.unregister(status)
            os.kill(pid, signal.SIGKILL)

    def _reap(self, options: int) -> None:
        """Report how each worker that has ended did so."""
        while self._workers:
            pid, state = os.waitpid(-1, options)
            if pid == 0:
                return
            status = self._workers.pop(pid)
            if status in self._selector.get_map():
                self._selector.unregister(status)
            with suppress(OSError):  # the job may have let go of it already
                status.sendall(END.pack(EXITED, os.waitstatus_to_exitcode(state)))
            status.close()


def _print_unless_of_machine() -> None:
    """The traceback, unless the machine lacks something: then the job has a sentence for it."""
    if lack() is None:
        traceback.print_exc()


def _end_with(alive: int) -> None:
    """End this worker when the server has ended."""
    os.read(alive, 1)
    os.kill(os.getpid(), signal.SIGKILL)


# A worker -------------------------------------------------------------------------------------


def work(tasks: socket.socket) -> int:
    """In a worker: answer one task after the other until the job is gone; the exit code.

    The socket stays open: the job takes its end for that of the process, and kills what is left.
    """
    stream = tasks.makefile("rwb")
    try:
        prepare_process(*pickle.loads(receive(stream)))
        send(stream, READY)
        while True:
            send(stream, answer_to(receive(stream)))
    except (EOFError, ConnectionError):
        return 0


def take_memory(megabytes: int) -> None:
    """Take memory and give it back: what every worker has to be able to do, whatever its task.

    Raises
    ------
    MemoryError
        There is not so much.
    """
    taken = bytearray(megabytes * BYTES_PER_MB)
    taken[:: resource.getpagesize()] = b"\1" * len(range(0, len(taken), resource.getpagesize()))


def answer_to(task: bytes) -> bytes:
    """Run a pickled function with its arguments; a pickled ``Answer``."""
    try:
        function, arguments = pickle.loads(task)
        return pickle.dumps((function(*arguments), None))
    except MemoryError:
        pass  # answered below, where what the task held is given back
    except Exception as error:  # noqa: BLE001  it is for the job to judge
        # Without the text of the error, which may quote a header.
        error.add_note("In a worker:\n" + "".join(traceback.format_tb(error.__traceback__)))
        try:
            return pickle.dumps((None, error))
        except Exception:  # noqa: BLE001  whatever keeps an error from being sent
            return pickle.dumps((None, RuntimeError(f"a task raised {type(error).__name__}")))
    return pickle.dumps((None, MemoryError()))


def prepare_process(memory_mb: int, environment: Mapping[str, str]) -> None:
    """In a new worker: silence warnings, and limit the memory.

    Parameters
    ----------
    memory_mb
        What tasks may take beyond what the process has now; 0 for no limit.
    environment
        That of the job when it asks for the worker; the server has the one in which it was started.
    """
    import logging
    import warnings

    os.environ.clear()
    os.environ.update(environment)
    # What pydicom warns of may quote values of patients; findings are reported as flags instead.
    warnings.simplefilter("ignore")
    logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)
    if memory_mb:
        limit_memory(memory_mb)


def limit_memory(megabytes: int) -> None:
    """Limit the memory that this process may take beyond what it has now; more is refused.

    RLIMIT_DATA counts private writable memory, touched or not (setrlimit(2), since Linux 4.7): it
    refuses at once what would take a machine down, and is not fooled by the large address space
    that threads and allocators reserve, as RLIMIT_AS is. Elsewhere than on Linux it means
    something else, and nothing is done.
    """
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return
    used = next((line for line in status.splitlines() if line.startswith("VmData:")), None)
    if used is None:
        return
    limit = int(used.split()[1]) * 1024 + megabytes * BYTES_PER_MB
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard != resource.RLIM_INFINITY:
        limit = min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


def main(control: int, preloaded: Sequence[str]) -> None:
    """Serve the job that holds the other end of a socket.

    Parameters
    ----------
    control
        Descriptor of the socket.
    preloaded
        Modules to import before the first worker is forked.
    """
    import multiprocessing

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the job decides what Ctrl-C ends
    # numcodecs makes a semaphore when it first compresses. Under "fork" it has no name, so that a
    # worker that is killed leaves none behind.
    multiprocessing.set_start_method("fork")
    with socket.socket(fileno=control) as held:
        try:
            for module in preloaded:
                importlib.import_module(module)
            server = _Server(held)
        except Exception:  # noqa: BLE001  the job sees that this process has ended
            _print_unless_of_machine()
            sys.exit(1)
        server.serve()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
