"""Worker processes that may crash, hang or be killed without harm to the job.

A task whose worker ends costs that task alone, where the task is the cause. Where any task would
have ended so, as on a machine without memory, the job ends instead.
"""

import pickle
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, as_completed
from typing import Any, TypeVar

from ..codes import Code
from ..errors import MachineError, SeriesError
from .worker_processes import OUTSIDE_EXITS, EndedError, Process, WorkerServer, not_started
from .worker_server import Answer, take_memory

__all__ = ["Worker", "WorkerServer", "in_workers", "submitted"]

Result = TypeVar("Result")
Item = TypeVar("Item")

TRIES = 2
"""How often a task is started when its worker was ended from outside; a fault of the task itself,
such as a segmentation fault or a time-out, is not tried again."""

PROBE_MB, PROBE_SECONDS = 200, 60.0
"""Memory that every worker needs, whatever its task, and the time that taking it may last."""


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
        self._process: Process | None = None
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
            try:
                result, error = self._answer(pickle.dumps((function, args)), timeout)
            except SeriesError as died:
                if died.code is Code.WORKER_DIED:
                    self._require_machine()
                raise
            if isinstance(error, MemoryError):
                self._discard()  # what is left of the heap is not worth keeping
                self._require_machine()
                raise SeriesError(
                    Code.OUT_OF_MEMORY,
                    "memory ran out; raise series_memory if the series is merely large, or run "
                    "with fewer workers or on a machine with more memory",
                )
            self._server.count_done()
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
            except EndedError as end:
                self._discard()
                if self._stopped:
                    break
                if end.exit_code not in OUTSIDE_EXITS:
                    raise _death(end.exit_code) from None
                if attempt == TRIES:
                    self._server.count_killed()
                    raise _death(end.exit_code) from None
            except MachineError:
                self._discard()
                if self._stopped:
                    break
                if attempt == TRIES:
                    raise
        raise CancelledError

    def _require_machine(self) -> None:
        """After the end of a worker: raise MachineError if any worker would end on this machine.

        A new one without a limit of its own has to take the little memory that every task needs.
        """
        try:
            process = self._running(memory_mb=0)
            _, error = process.ask(pickle.dumps((take_memory, (PROBE_MB,))), PROBE_SECONDS)
        except EndedError as end:
            # Killed from outside, as a task may be: the server counts how often tasks are.
            error = None if end.exit_code in OUTSIDE_EXITS else MemoryError()
        except TimeoutError:
            error = MemoryError()
        finally:
            self._discard()
        if self._stopped:
            raise CancelledError
        if error is not None:
            raise not_started(f"it has less than {PROBE_MB} MB of memory")

    def _running(self, memory_mb: int | None = None) -> Process:
        if self._process is None and not self._stopped:
            limit = self._memory_mb if memory_mb is None else memory_mb
            self._process = Process(self._server, limit)
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


def submitted(
    threads: ThreadPoolExecutor, function: Callable[[Item], Result], items: Iterable[Item]
) -> list[Future[Result]]:
    """Give each item to the threads, in order. Raises MachineError if one cannot be started."""
    try:
        return [threads.submit(function, item) for item in items]
    except RuntimeError as error:  # of ``Thread.start``, which has no error of its own
        raise not_started("the system starts no more threads") from error


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
        for future in as_completed(submitted(threads, call, items)):
            yield future.result()
        server.require_survivors()
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
