"""Every file below the dataset roots to the table of its frames; each header is read only once.

Rows are in the order of the walk, whatever the number of processes. Headers are read in worker
processes: a file that hangs or crashes the reader becomes ``unreadable``, and the scan goes on.
Rows of files that have not changed are taken from the cache.
"""

import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..codes import Code
from ..errors import FileError, sentence
from ..model import Frame
from ..run.job_log import progress
from ..vocabulary import Role
from .cache import ScanCache
from .frame_tables import (
    FRAME_SCHEMA,
    frames_to_table,
    path_to_text,
    table_to_frames,
)
from .readers import read_in_processes, table_of
from .walking import FoundFile, WalkedRoot, walk

__all__ = ["Scan", "frames_to_table", "scan", "table_to_frames"]

logger = logging.getLogger(__name__)

CHUNK_FILES = 64
"""Files per task: enough that handing it over costs nothing, few enough to share work evenly."""

IN_PROCESS_FILES = 64
"""Up to so many new files are read without starting processes."""

KEEP_SECONDS = 300.0
"""How often a long scan saves what it has read, so that it need not start over if it is killed."""

LOG_SECONDS = 60.0
"""How often the log says how many files have been found."""

TAKE_ROWS = 1 << 20
"""Rows reordered at once, so that a text column of one piece stays below 2 GiB."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What was found below the roots.

    Attributes
    ----------
    table
        A row per frame, ``FRAME_SCHEMA``. The role is final for files that are not read (too deep,
        broken links); otherwise it is that of ``dicom.frames.read_frames``.
    headers_read
        Number of files that had to be opened.
    deeper
        Number of files that lie deeper than ``max_depth``.
    deepest
        The ``max_depth`` that would reach all files; 0 where nothing is too deep.
    unreadable_folders
        Folders that could not be listed, with the system's reason.
    others
        Sockets, devices and pipes, which are no files.
    leaving
        Links out of the roots, which are followed.
    left_out
        Names of system folders, sorted, with the number of folders of each name.
    """

    table: pa.Table
    files_found: int
    headers_read: int
    deeper: int
    deepest: int
    unreadable_folders: tuple[tuple[str, str], ...]
    others: int
    leaving: int = 0
    left_out: tuple[tuple[str, int], ...] = ()


def scan(
    datasets: Mapping[str, Path],
    *,
    max_depth: int | None,
    workers: int,
    cache: Path | None = None,
    log: Callable[[str], None] = logger.info,
) -> Scan:
    """Look at every file below the roots.

    Parameters
    ----------
    datasets
        Name to root.
    max_depth
        Folders that may lie between a root and the folder of a file, or None for no limit; deeper
        files are counted, not read.
    workers
        Processes that read headers.
    cache
        Folder of the cache, or None.

    Raises
    ------
    SettingsError
        A root is missing, is a file, or lies in another one.
    MachineError
        The cache cannot be written.
    """
    return scan_walked(
        walk(datasets, walking_log(log)),
        max_depth=max_depth,
        workers=workers,
        cache=cache,
        log=log,
    )


def walking_log(log: Callable[[str], None]) -> Callable[[int], None]:
    """A function that takes the number of files found so far, and logs it once a minute."""
    logged = time.monotonic()

    def on_folder(files: int) -> None:
        nonlocal logged
        if time.monotonic() - logged > LOG_SECONDS:
            logged = time.monotonic()
            log(f"looking for files: {files} so far")

    return on_folder


def scan_walked(
    walks: Iterable[WalkedRoot],
    *,
    max_depth: int | None,
    workers: int,
    cache: Path | None = None,
    log: Callable[[str], None] = logger.info,
) -> Scan:
    """Look at every file that was found below the roots; see ``scan``."""
    old = ScanCache(cache)
    scanned = [_scan_root(walked, max_depth, workers, old, log) for walked in walks]
    known = pa.concat_tables([root.known for root in scanned])
    read = sum(root.read for root in scanned)
    if read or not old.whole or known.num_rows != old.rows.num_rows:
        old.replace(known)
    deeper = [between for root in scanned for between in root.deeper]
    return Scan(
        table=pa.concat_tables([root.table for root in scanned]),
        files_found=sum(root.files for root in scanned),
        headers_read=read,
        deeper=len(deeper),
        deepest=max(deeper, default=0),
        unreadable_folders=tuple(entry for root in scanned for entry in root.unreadable_folders),
        others=sum(root.others for root in scanned),
        leaving=sum(root.leaving for root in scanned),
        left_out=summed(root.left_out for root in scanned),
    )


def summed(counts: Iterable[Mapping[str, int]]) -> tuple[tuple[str, int], ...]:
    """Names with the sums of their counts, sorted by name."""
    total: Counter[str] = Counter()
    for some in counts:
        total.update(some)
    return tuple(sorted(total.items()))


@dataclass(frozen=True, slots=True)
class _ScannedRoot:
    """What was found below one root.

    Attributes
    ----------
    table
        The rows of all files.
    known
        Those that the cache is to keep.
    read
        Number of files that were opened.
    deeper
        For each file that is too deep, the ``max_depth`` that would reach it.
    unreadable_folders, others, leaving, left_out
        As in ``Scan``.
    """

    table: pa.Table
    known: pa.Table
    files: int
    read: int
    deeper: tuple[int, ...]
    unreadable_folders: tuple[tuple[str, str], ...]
    others: int
    leaving: int
    left_out: Mapping[str, int]


def _scan_root(
    walked: WalkedRoot,
    max_depth: int | None,
    workers: int,
    cache: ScanCache,
    log: Callable[[str], None],
) -> _ScannedRoot:
    limit = math.inf if max_depth is None else max_depth
    reachable: list[FoundFile] = []
    not_read: list[FoundFile] = []
    for file in walked.files:
        opened = file.between <= limit and not file.broken and not file.system
        (reachable if opened else not_read).append(file)
    known, read = _rows_of_files(reachable, walked.root, workers, cache)
    known = _with_root(known, walked.dataset, walked.root)
    table = known
    if not_read:
        others = [_not_read(f, walked.dataset, walked.root, limit) for f in not_read]
        table = _merge(walked.files, known, frames_to_table(others))
    log(
        f"dataset {walked.dataset}: {len(walked.files)} files below {walked.root}, "
        f"{read} headers read, {len(reachable) - read} known from the last scan"
    )
    return _ScannedRoot(
        table=table,
        known=known,
        files=len(walked.files),
        read=read,
        deeper=tuple(f.between for f in not_read if f.between > limit and not f.system),
        unreadable_folders=tuple(walked.unreadable_folders),
        others=walked.others,
        leaving=walked.leaving,
        left_out=walked.left_out,
    )


def _not_read(file: FoundFile, dataset: str, root: str, limit: float) -> Frame:
    """The row of a file that is accounted without being opened."""
    role = Role.UNREADABLE
    error = FileError(Code.BROKEN_LINK, "the file is a link to a file that is not there")
    if file.system:
        role = Role.EXCLUDED
        error = FileError(
            Code.SYSTEM_FOLDER,
            "the file is in a folder of version control, of deleted files, of snapshots or of "
            "thumbnails",
        )
    elif file.between > limit:
        role = Role.EXCLUDED
        error = FileError(
            Code.TOO_DEEP,
            "the file lies deeper than max_depth {max_depth}; max_depth {needed} would reach it",
            max_depth=limit,
            needed=file.between,
        )
    about = (sentence(error), error.code)
    return Frame(dataset, root, file.path, file.bytes, file.mtime_ns, role, *about)


def _with_root(table: pa.Table, dataset: str, root: str) -> pa.Table:
    """The rows with the dataset and root under which the files were found this time."""
    columns = {
        "dataset": pa.repeat(pa.scalar(dataset), table.num_rows),
        "root": pa.repeat(pa.scalar(path_to_text(root)), table.num_rows),
    }
    arrays = [columns[n] if n in columns else table[n] for n in FRAME_SCHEMA.names]
    return pa.Table.from_arrays(arrays, schema=FRAME_SCHEMA)


def _rows_of_files(
    files: Sequence[FoundFile], root: str, workers: int, cache: ScanCache
) -> tuple[pa.Table, int]:
    """Rows of all files in their order, from the cache where it is valid; and how many were read.

    The table has the columns of ``FRAME_SCHEMA`` without dataset and root.
    """
    names = [name for name in FRAME_SCHEMA.names if name not in ("dataset", "root")]
    known = cache.rows.select(names)
    paths = pa.array([path_to_text(file.path) for file in files], pa.string())
    starts = np.flatnonzero(known["frame"].to_numpy() == 1)
    stops = np.append(starts[1:], known.num_rows)
    first = known.select(["path", "bytes", "mtime_ns"]).take(starts)
    place = pc.index_in(paths, first["path"].combine_chunks()).fill_null(-1).to_numpy()
    hit = place >= 0
    if len(starts):
        sizes = np.fromiter((file.bytes for file in files), np.int64, len(files))
        times = np.fromiter((file.mtime_ns for file in files), np.int64, len(files))
        hit &= sizes == first["bytes"].to_numpy()[place]
        hit &= times == first["mtime_ns"].to_numpy()[place]
    todo = [file.path for file, known_already in zip(files, hit, strict=True) if not known_already]
    if not todo and len(files) == len(starts) and (place == np.arange(len(starts))).all():
        return known, 0
    fresh = [table.select(names) for table in _read(todo, root, workers, cache)]
    both = pa.concat_tables([known, *fresh])
    new_starts = np.flatnonzero(both["frame"].to_numpy() == 1)[len(starts) :]
    new_stops = np.append(new_starts[1:], both.num_rows)
    begin, end = np.empty(len(files), np.int64), np.empty(len(files), np.int64)
    begin[hit], end[hit] = starts[place[hit]], stops[place[hit]]
    begin[~hit], end[~hit] = new_starts, new_stops[: len(new_starts)]
    return take_ranges(both, begin, end), len(todo)


def take_ranges(table: pa.Table, begin: np.ndarray, end: np.ndarray) -> pa.Table:
    """Rows begin[i] to end[i] of each i, one after the other."""
    lengths = end - begin
    rows = np.repeat(begin - np.concatenate([[0], lengths.cumsum()[:-1]]), lengths)
    rows += np.arange(len(rows))
    pieces = [table.take(pa.array(rows[i : i + TAKE_ROWS])) for i in range(0, len(rows), TAKE_ROWS)]
    return pa.concat_tables(pieces) if pieces else table.slice(0, 0)


def _merge(files: Sequence[FoundFile], read: pa.Table, unread: pa.Table) -> pa.Table:
    """Rows of the files that were read and of those that were not, in the order of the walk."""
    both = pa.concat_tables([read, unread])
    starts = np.flatnonzero(both["frame"].to_numpy() == 1)
    stops = np.append(starts[1:], both.num_rows)
    paths = pa.array([path_to_text(file.path) for file in files], pa.string())
    place = pc.index_in(paths, both["path"].take(starts).combine_chunks()).to_numpy()
    return take_ranges(both, starts[place], stops[place])


def _read(paths: Sequence[str], root: str, workers: int, cache: ScanCache) -> Iterator[pa.Table]:
    """Read the headers of the files, in their order; a table for each chunk of them."""
    chunks = [paths[i : i + CHUNK_FILES] for i in range(0, len(paths), CHUNK_FILES)]
    if len(paths) <= IN_PROCESS_FILES:
        for chunk in chunks:
            yield table_of(chunk, root)
        return
    waiting: list[pa.Table] = []
    kept_at = time.monotonic()
    with progress("headers", len(paths)) as bar:
        for chunk, table in zip(chunks, read_in_processes(chunks, root, workers), strict=True):
            for _ in chunk:
                bar.advance()
            yield table
            waiting.append(table)
            if time.monotonic() - kept_at > KEEP_SECONDS:
                cache.add(pa.concat_tables(waiting))
                waiting, kept_at = [], time.monotonic()
