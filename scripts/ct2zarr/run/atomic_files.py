"""Files and folders that appear whole or not at all, and what killed jobs left of them.

What is written lies under a temporary name in its final folder until it is flushed to the disk and
renamed. A temporary name starts with ``.building-`` and says which process made it, on which
machine: a job removes what a dead process left, and never what another job is still writing.
"""

import errno
import hashlib
import os
import shutil
import socket
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from ..codes import Code
from ..errors import MachineError
from .paths import DATA_FOLDER, META_FOLDER, TEMPORARY_PREFIX

ABANDONED_AFTER_SECONDS = 24 * 3600
"""Age at which a temporary file of another machine, whose processes cannot be seen, is taken for
abandoned. Far above the time that one volume takes."""

FOLDER_FSYNC_UNSUPPORTED = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EBADF})
"""Errors of network and user-space file systems that cannot flush a folder. It is safe to ignore
them: such file systems have no state of their own to flush."""

IN_THE_WAY = frozenset({errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR, errno.EISDIR})
"""Errors of a rename whose target is of another kind, such as a folder in the place of a file."""


def prepare_store_root(store_root: Path) -> None:
    """Make the output folders. Raises MachineError where that is impossible or not writable."""
    for folder in (store_root, store_root / DATA_FOLDER, store_root / META_FOLDER):
        prepare_folder(folder)


def prepare_folder(folder: Path) -> None:
    """Make one folder. Raises MachineError where that is impossible or it is not writable."""
    with machine_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        probe = temporary_path(folder, "probe")
        probe.touch()
        probe.unlink()


@contextmanager
def machine_errors(folder: Path) -> Iterator[None]:
    """Turn whatever the file system or SQLite refuses into a MachineError that names the folder."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise _machine_error(folder, error.strerror or type(error).__name__, full) from error
    except sqlite3.Error as error:
        # SQLite's own words name no value; a full disk is one of its result codes.
        full = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        raise _machine_error(folder, str(error), full) from error


def _machine_error(folder: Path, cause: str, full: bool) -> MachineError:
    if full:
        return MachineError(
            Code.MACHINE,
            "cannot write below {folder}: {cause}; free some space, then start the job again: "
            "finished volumes are kept",
            folder=folder,
            cause=cause,
        )
    return MachineError(
        Code.MACHINE,
        "cannot write below {folder}: {cause}; make sure that the folder exists and may be "
        "written, then start the job again",
        folder=folder,
        cause=cause,
    )


# Temporary names ------------------------------------------------------------------------------


def temporary_path(folder: Path, name: str) -> Path:
    """A name in ``folder`` that no other process or call uses, and that identifies its owner."""
    owner = f"{_machine()}-{os.getpid()}-{_process_start(os.getpid())}-{os.urandom(4).hex()}"
    return folder / f"{TEMPORARY_PREFIX}{owner}-{name}"


def remove_abandoned(folders: Iterable[Path], older_than: float = ABANDONED_AFTER_SECONDS) -> int:
    """Remove what killed jobs left in ``folders``, and return how many entries that were.

    An entry goes when its process ran on this machine and is gone, or when it was made elsewhere
    and nothing in it changed for ``older_than`` seconds. What a living process writes stays.
    """
    removed = 0
    for path in abandoned_paths(folders, older_than):
        with suppress(OSError):  # the folder may have turned read-only: the next job's turn
            remove_path(path)
            removed += 1
    return removed


def abandoned_paths(
    folders: Iterable[Path], older_than: float = ABANDONED_AFTER_SECONDS
) -> Iterator[Path]:
    """What ``remove_abandoned`` removes."""
    for folder in folders:
        try:
            entries = [e for e in os.scandir(folder) if e.name.startswith(TEMPORARY_PREFIX)]
        except FileNotFoundError:
            continue
        for entry in entries:
            path = Path(entry.path)
            if _is_abandoned(path, older_than):
                yield path


def _is_abandoned(path: Path, older_than: float) -> bool:
    parts = path.name.removeprefix(TEMPORARY_PREFIX).split("-")
    if len(parts) >= 4 and parts[0] == _machine() and parts[1].isdigit():
        return _process_start(int(parts[1])) != parts[2]
    try:
        newest = max(p.stat().st_mtime for p in (path, *path.rglob("*")))
    except OSError:
        return False  # it is being removed or written by somebody else at this moment
    return time.time() - newest > older_than


@cache
def _machine() -> str:
    """Name of this boot of this machine and process namespace: where a process id means something.

    Containers may share a host name, and a machine may restart: both have other process ids.
    """
    facts = [socket.gethostname()]
    with suppress(OSError):  # not on Linux: the host name alone has to do
        facts.append(Path("/proc/sys/kernel/random/boot_id").read_text())
        facts.append(str(Path("/proc/self/ns/pid").readlink()))
    return hashlib.blake2b("\0".join(facts).encode(), digest_size=6).hexdigest()


def _process_start(pid: int) -> str:
    """When process ``pid`` started, in clock ticks since boot; ``gone`` when there is none.

    The start tells a process from a later one that was given the same number. Field 22 of
    /proc/[pid]/stat, counted behind the name in parentheses (proc(5)).
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return "gone"
        return "running" if _answers(pid) else "gone"
    except OSError:
        return "gone"  # it ended while it was being read
    fields = stat.rpartition(")")[2].split()
    return "gone" if fields[0] in ("Z", "X") else fields[19]


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def remove_path(path: Path) -> None:
    """Remove a file or a folder with all that is in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(FileNotFoundError):
            path.unlink()


# Whole or not at all -------------------------------------------------------------------------


def write_atomically(path: Path, text: str) -> None:
    """Write a small text file so that its name shows the old or the new content, never a part.

    Text is UTF-8; what cannot be encoded (file names that are no UTF-8) is written as ``\\udcXX``.

    Raises
    ------
    MachineError
        The folder cannot be written.
    """
    write_bytes_atomically(path, text.encode("utf-8", "backslashreplace"))


def write_bytes_atomically(path: Path, content: bytes) -> None:
    """The same for bytes."""
    temporary = temporary_path(path.parent, path.name.split(".")[0])
    with machine_errors(path.parent):
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            flush_folder(path.parent)
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)


def replace_path(temporary: Path, final: Path) -> None:
    """Rename a file or folder over whatever has the final name; readers never see a part of it.

    A folder cannot be renamed over one that has content, nor a file over a folder: the old one is
    moved away first, and for that moment the name is free. Two jobs doing this at once take turns.
    """
    old = temporary_path(final.parent, "old")
    while True:
        try:
            temporary.replace(final)
            break
        except OSError as error:
            if error.errno not in IN_THE_WAY:
                raise
        with suppress(FileNotFoundError):  # the other job has it out of the way already
            final.rename(old)
            remove_path(old)
    flush_folder(final.parent)


def flush_file(path: Path | str) -> None:
    """Wait until the content of a file is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def flush_folder(path: Path | str) -> None:
    """Wait until the names in a folder are on the disk, where the file system can do that."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in FOLDER_FSYNC_UNSUPPORTED:
            raise
    finally:
        os.close(descriptor)
