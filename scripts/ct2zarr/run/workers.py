"""Worker processes that may crash, hang or be killed without harm to the job.

Each worker is a pool of its own with one process: a process that dies takes nothing with it that
another needs (a pool of several shares locks and pipes, which a kill at the wrong moment leaves
blocked). Processes come from a fork server that has the packages loaded already, so that the
replacement of a dead one costs milliseconds, and that holds no threads or locks of the job.
"""

import multiprocessing
import multiprocessing.forkserver
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor, TimeoutError, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import connection
from pathlib import Path
from typing import Any, TypeVar

from pebble import ProcessExpired, ProcessFuture, ProcessPool

from ..codes import Code
from ..errors import SeriesError
from .job_log import BYTES_PER_MB

Result = TypeVar("Result")
Item = TypeVar("Item")

PRELOADED = ("ct2zarr.convert.conversion", "pebble")
"""Modules that the fork server imports once for all workers of a conversion."""

TRIES = 2
"""How often a task is started when its worker was ended from outside; a fault of the task itself,
such as a segmentation fault or a time-out, is not tried again."""

OUTSIDE_EXITS = (-signal.SIGKILL, -signal.SIGTERM, signal.SIGTERM)
"""Exit codes of a worker that was ended from outside: by the kernel for want of memory, by a
person, or by a batch system. pebble answers SIGTERM with the number as exit code."""

TIMEOUT_SHARE = 0.9
"""A time-out that comes before this share of the limit has passed on the monotonic clock is due to
a jump of the system's clock, by which pebble measures."""


class Worker:
    """One worker process, started when first needed and replaced when it has died.

    ``memory_mb``: what a task may take beyond what the idle process has; 0 for no limit.
    """

    def __init__(self, memory_mb: int = 0) -> None:
        self._memory_mb = memory_mb
        self._pool: ProcessPool | None = None
        self._future: ProcessFuture[Any] | None = None
        self._stopped = False
        self._closing = threading.Lock()

    def run(self, function: Callable[..., Result], *args: Any, timeout: float) -> Result:
        """Run ``function`` in the process and return its result, or raise what it raised.

        Raises:
            SeriesError: the process died (``worker_died``), took longer than ``timeout`` seconds
                (``timeout``), or had no memory left (``out_of_memory``).
            CancelledError: the worker was stopped.
        """
        for attempt in range(1, TRIES + 1):
            if self._stopped:
                break
            started = time.monotonic()
            try:
                return self._schedule(function, args, timeout)
            except TimeoutError:
                self._discard()
                if attempt == TRIES or time.monotonic() - started >= TIMEOUT_SHARE * timeout:
                    raise SeriesError(
                        Code.TIMEOUT,
                        "the work on the series took longer than {limit:g} s and was stopped; "
                        "raise series_timeout if the series is merely large.",
                        limit=timeout,
                    ) from None
            except ProcessExpired as error:
                self._discard()
                if self._stopped:
                    break
                if attempt == TRIES or error.exitcode not in OUTSIDE_EXITS:
                    raise _death(error.exitcode) from None
            except (BrokenProcessPool, RuntimeError, OSError) as error:
                # The process died before it had taken the task, so it was not the task's doing.
                self._discard()
                if not _is_pool_error(error):
                    raise
                if attempt == TRIES and not self._stopped:
                    raise SeriesError(
                        Code.WORKER_DIED,
                        "the worker process could not be started or died at once; look for a "
                        "lack of memory or processes on the machine.",
                    ) from error
            except MemoryError:
                self._discard()  # what is left of the heap is not worth keeping
                raise SeriesError(
                    Code.OUT_OF_MEMORY,
                    "memory ran out; raise series_memory if the series is merely large, or run "
                    "with fewer workers or on a machine with more memory.",
                ) from None
        raise CancelledError

    def _schedule(
        self, function: Callable[..., Result], args: tuple[Any, ...], timeout: float
    ) -> Result:
        pool = self._pool
        if pool is None or not pool.active:
            self._discard()
            pool = self._pool = ProcessPool(
                max_workers=1,
                initializer=prepare_process,
                initargs=(self._memory_mb, dict(os.environ)),
                context=multiprocessing.get_context("forkserver"),
            )
        future = self._future = pool.schedule(function, args=args, timeout=timeout)
        if self._stopped:
            future.cancel()  # type: ignore[no-untyped-call]
            self._discard()
        result: Result = future.result()
        return result

    def _discard(self) -> None:
        with self._closing:  # twice at once would close the same descriptors twice
            pool, self._pool = self._pool, None
            if pool is not None:
                pool.stop()  # type: ignore[no-untyped-call]
                pool.join()

    def stop(self) -> None:
        """End the process at once, whatever it does; ``run`` in another thread then raises."""
        self._stopped = True
        if self._future is not None:  # a pool that is stopped leaves its futures open
            self._future.cancel()  # type: ignore[no-untyped-call]
        self._discard()


def in_workers(
    function: Callable[[Worker, Item], Result],
    items: Sequence[Item],
    count: int,
    *,
    memory_mb: int = 0,
    preloaded: Sequence[str] = PRELOADED,
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
            own.worker = Worker(memory_mb)
            crew.append(own.worker)
        return function(own.worker, item)

    threads = ThreadPoolExecutor(min(count, len(items)))
    with fork_server(preloaded):
        try:
            for future in as_completed([threads.submit(call, item) for item in items]):
                yield future.result()
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
            if crew:  # side by side: each waits a moment for its process to end
                with ThreadPoolExecutor(len(crew)) as stoppers:
                    list(stoppers.map(Worker.stop, crew))
            threads.shutdown(wait=True)


def _is_pool_error(error: BaseException) -> bool:
    """Whether an error comes from the pool, not from the function that ran in it."""
    return isinstance(error, BrokenProcessPool) or error.__cause__ is None


def _death(exit_code: int) -> SeriesError:
    """What to say of a worker that ended on its own account or was ended from outside."""
    if exit_code in OUTSIDE_EXITS:
        return SeriesError(
            Code.WORKER_DIED,
            "the worker process was killed {times} times (exit code {exit_code}), most often "
            "because memory ran out; run with fewer workers or more memory.",
            times=TRIES,
            exit_code=exit_code,
        )
    if exit_code < 0:
        return SeriesError(
            Code.WORKER_DIED,
            "the worker process crashed (signal {number}: {name}), most often in the decoder of a "
            "damaged file.",
            number=-exit_code,
            name=signal.strsignal(-exit_code) or "unknown signal",
        )
    return SeriesError(
        Code.WORKER_DIED,
        "the worker process ended with exit code {exit_code}.",
        exit_code=exit_code,
    )


def prepare_process(memory_mb: int, environment: Mapping[str, str]) -> None:
    """In a new worker: be quiet, keep to the memory, and die with the job.

    ``environment``: that of the job; the fork server has the one in which it was started.
    """
    import logging
    import warnings

    os.environ.clear()
    os.environ.update(environment)

    # What pydicom warns of may quote values of patients; findings are reported as flags instead.
    warnings.simplefilter("ignore")
    logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)
    # numcodecs makes a semaphore when it first compresses. Under "fork" it has no name, so that a
    # worker that is killed leaves none behind; no process is ever started from here.
    multiprocessing.set_start_method("fork", force=True)
    job = multiprocessing.parent_process()
    if job is not None:
        threading.Thread(target=_end_with, args=(job.sentinel,), daemon=True).start()
    if memory_mb:
        limit_memory(memory_mb)


def limit_memory(megabytes: int) -> None:
    """Let this process have so much more memory than it has now; what goes beyond is refused.

    RLIMIT_DATA counts private writable memory, touched or not (setrlimit(2), since Linux 4.7): it
    refuses at once what would take a machine down, and is not fooled by the large address space
    that threads and allocators reserve, as RLIMIT_AS is. Elsewhere than on Linux it means
    something else, and nothing is done.
    """
    import resource

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


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def fork_server_ahead() -> Iterator[None]:
    """A fork server that loads its packages while the job still looks at what it has to do."""
    with fork_server():
        multiprocessing.forkserver.ensure_running()
        yield


@contextmanager
def fork_server(preloaded: Sequence[str] = PRELOADED) -> Iterator[None]:
    """The fork server of this process, with the packages loaded, for the time of a job.

    Workers need nothing of the script that was started, so it is hidden from them: a script that
    Snakemake runs would unpickle Snakemake's objects again in every worker.
    """
    multiprocessing.forkserver.set_forkserver_preload(list(preloaded))
    main = sys.modules["__main__"]
    hidden = {name: getattr(main, name) for name in ("__file__", "__spec__") if hasattr(main, name)}
    variables = {
        # Python 3.11 does not hand sys.path to the fork server (CPython issue 117378).
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        # numpy would start a thread a core in every process, which spins before it sleeps.
        "OPENBLAS_NUM_THREADS": "1",
    }
    former = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    for name in hidden:
        setattr(main, name, None)
    try:
        yield
    finally:
        for name, value in hidden.items():
            setattr(main, name, value)
        for name, text in former.items():
            if text is None:
                del os.environ[name]
            else:
                os.environ[name] = text
