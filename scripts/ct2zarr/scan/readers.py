"""Read the headers of files in worker processes, so that no file ends or stops the scan.

A file that hangs or crashes its reader becomes ``unreadable``. Where every file does, the fault is
none of the files, and the scan stops.
"""

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue

import pyarrow as pa

from ..codes import Code
from ..dicom.frames import read_frames
from ..errors import FileError, MachineError, SeriesError, sentence
from ..model import Frame
from ..run.workers import Worker, WorkerServer, submitted
from ..vocabulary import Role
from .frame_tables import FRAME_SCHEMA, frames_to_table

logger = logging.getLogger(__name__)

CHUNK_SECONDS = 120.0
FILE_SECONDS = 30.0
"""Limits for a task and for one file. A header takes less than a millisecond, or some tenths of a
second from a slow network folder."""

ENDED_MOST = 8
"""After so many files have ended their reader, and none was read, files from all over the dataset
are tried; if each ends its reader too, the scan stops."""


def read_in_processes(
    chunks: Sequence[Sequence[str]], root: str, workers: int
) -> Iterator[pa.Table]:
    """Read chunks of files in so many processes; a table for each, in their order.

    Raises
    ------
    MachineError
        No process can be started, or every file ended the process that read it.
    """
    count = max(1, min(workers, len(chunks)))
    idle: SimpleQueue[Worker] = SimpleQueue()
    readers = _Readers(chunks, root)

    def read(chunk: Sequence[str]) -> pa.Table:
        worker = idle.get()
        try:
            return readers.read(worker, chunk)
        finally:
            idle.put(worker)

    with WorkerServer((__name__,)) as server:
        crew = [Worker(server) for _ in range(count)]
        for worker in crew:
            idle.put(worker)
        threads = ThreadPoolExecutor(count)
        try:
            for future in submitted(threads, read, chunks):
                yield future.result()
            readers.require_survivors()
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
            for worker in crew:
                worker.stop()
            threads.shutdown()


class _Readers:
    """Reads chunks of files in workers, and stops where every file ends its worker.

    Then the files are not the cause: the machine is, or a package that is installed in it.
    """

    def __init__(self, chunks: Sequence[Sequence[str]], root: str) -> None:
        self._root = root
        paths = [path for chunk in chunks for path in chunk]
        self._others = paths[:: max(1, len(paths) // ENDED_MOST)]  # from all over the dataset
        self._survived = False
        self._ended = 0

    def read(self, worker: Worker, chunk: Sequence[str]) -> pa.Table:
        """Read one chunk; where that fails, file by file to find the one at fault."""
        try:
            table = self._ask(worker, chunk, CHUNK_SECONDS)
        except SeriesError:
            logger.warning(
                "a reading process failed; its %d files are tried one by one", len(chunk)
            )
            return pa.concat_tables([self._read_alone(worker, path) for path in chunk])
        return table

    def require_survivors(self) -> None:
        """Raise MachineError where no file could be read and several ended their worker."""
        if not self._survived and self._ended > 1:
            raise MachineError(
                Code.MACHINE,
                "reading ended the process that read it for each of {files} files, so the files "
                "are not the cause; free some memory, check the installation with `python -c "
                '"import numpy, pyarrow, pydicom"`, then start the job again',
                files=self._ended,
            )

    def _read_alone(self, worker: Worker, path: str) -> pa.Table:
        try:
            return self._ask(worker, [path], FILE_SECONDS)
        except SeriesError as error:
            self._ended += 1
            if self._ended == ENDED_MOST and not self._survived:
                self._try_others(worker)
            return frames_to_table([_unreadable(path, self._root, error)])

    def _try_others(self, worker: Worker) -> None:
        """Look for a file that can be read before the scan takes hours to fail at every one."""
        for path in self._others:
            if self._survived:
                return
            with suppress(SeriesError):
                self._ask(worker, [path], FILE_SECONDS)
        self.require_survivors()

    def _ask(self, worker: Worker, paths: Sequence[str], seconds: float) -> pa.Table:
        packed = worker.run(read_packed, list(paths), self._root, timeout=seconds)
        self._survived = True
        return _unpacked(packed)


def _unreadable(path: str, root: str, error: SeriesError) -> Frame:
    """The row of a file at which the reading process failed."""
    why = FileError(Code.HEADER_CRASH, "reading the header ended the process that read it")
    if error.code is Code.TIMEOUT:
        why = FileError(
            Code.HEADER_TIMEOUT,
            "reading the header took longer than {seconds:g} s",
            seconds=FILE_SECONDS,
        )
    about = (Role.UNREADABLE, sentence(why), why.code)
    try:
        status = Path(path).stat()
    except OSError:
        return Frame("", root, path, 0, 0, *about)
    return Frame("", root, path, status.st_size, status.st_mtime_ns, *about)


def table_of(paths: Sequence[str], root: str) -> pa.Table:
    """Read some files in this process."""
    frames = [frame for path in paths for frame in read_frames("", root, path)]
    return frames_to_table(frames)


def read_packed(paths: list[str], root: str) -> bytes:
    """In a worker: the frames of some files as bytes of an Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, FRAME_SCHEMA) as stream:
        stream.write_table(table_of(paths, root))
    packed: bytes = sink.getvalue().to_pybytes()
    return packed


def _unpacked(packed: bytes) -> pa.Table:
    with pa.ipc.open_stream(packed) as stream:
        return stream.read_all()
