"""What the three kinds of store have in common: how one is read, and how one is written.

A store maps keys such as ``volume/c/0/1/2`` to bytes. ``Container`` reads a finished one and
``StoreWriter`` writes a new one; ``sqlite``, ``zip`` and ``folder`` hold a pair of them each, and
``containers`` picks the right one. Neither knows arrays, and neither needs zarr.
"""

import os
import resource
import shutil
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Self, TypeAlias

from ..codes import Code
from ..errors import Ct2zarrError, FileError, MachineError, Private
from ..run.bounded_files import OUT_OF_DESCRIPTORS
from ..vocabulary import StoreType
from .bounds import VALUE_BYTES
from .digest import StoreDigest
from .handles import POOL, Handle

ROOT_DOCUMENTS = ("zarr.json", ".zgroup", ".zarray")
"""A Zarr hierarchy has one of these at its root (format 3; format 2 group; format 2 array)."""

METADATA_NAMES = frozenset({"zarr.json", ".zgroup", ".zattrs", ".zarray", ".zmetadata"})
"""Last part of the keys of metadata documents, in Zarr formats 3 and 2."""

WHOLE = slice(None)
"""All bytes of a value."""

DUE_DESCRIPTORS = 4096
"""What ``ulimit -n`` is to be raised to where it is too low."""

Identity: TypeAlias = tuple[int, int, int, int]
"""Device, inode, bytes and time of change (ns) of a file."""


class Container(ABC):
    """The keys and values of a finished store, read only.

    A container may be read from several threads, is pickled as its path, and works on both sides
    of a fork. Handles are opened when they are needed.
    """

    store_type: ClassVar[StoreType]

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._handles: list[Handle[Any]] = []
        self._identity: Identity | None = None

    @abstractmethod
    def get(
        self, key: str, part: slice = WHOLE, *, most: int = VALUE_BYTES
    ) -> bytes | memoryview | None:
        """The value of ``key``, or ``None`` if there is no such key.

        Parameters
        ----------
        part
            Bytes of the value to return, without a step: ``[a:b]``, ``[a:]`` or ``[-n:]``.
        most
            Bytes that the whole value may have. A larger one is not read.

        Raises
        ------
        FileError
            The value cannot be read, is damaged or too large, or the store is no longer the one
            that was opened.
        """

    @abstractmethod
    def size(self, key: str) -> int | None:
        """Bytes of the value of ``key``, which is not read; ``None`` if there is no such key."""

    @abstractmethod
    def keys(self, prefix: str = "") -> list[str]:
        """All keys that start with ``prefix``, sorted."""

    @abstractmethod
    def check_unchanged(self) -> None:
        """Raise ``FileError`` if what is read now may belong to another store than what was read.

        What is read of one store is of one version, or an error: whoever has read a part asks this
        after it.
        """

    def close(self) -> None:
        """Close the handles; the container opens them again if it is used again."""
        POOL.close(self._handles)

    def _check_identity(self, found: os.stat_result) -> None:
        """Raise ``FileError`` if a file is not the one that this container opened before."""
        identity = identity_of(found)
        if self._identity is None:
            self._identity = identity
        elif self._identity != identity:
            raise self._replaced()

    def _replaced(self) -> FileError:
        return FileError(
            Code.STORE_REPLACED,
            "{path} was replaced or changed while it was open; open it again",
            path=self.path,
        )

    def __reduce__(self) -> tuple[type[Self], tuple[Path]]:
        return type(self), (self.path,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self.path == other.path

    def __hash__(self) -> int:
        return hash((type(self), self.path))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"


class StoreWriter(ABC):
    """Writes a new store key by key under a temporary name.

    Equal content put in equal order gives equal bytes. What an interrupted run left under the name
    is removed first. All methods raise ``MachineError`` if the disk is full or refuses to be
    written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._begin()

    def put(self, key: str, value: bytes | memoryview) -> None:
        """Write ``value`` under ``key``; ``ValueError`` if it is no key or was put before."""
        if not key or any(part in {"", ".", ".."} for part in key.split("/")):
            raise ValueError(f"{key!r} is no key of a Zarr store")
        self._put(key, value)
        self._digest.add(key, value)

    def digest(self) -> str:
        """The ``StoreDigest`` of what was put; ``store_digest`` finds the same in a sound store."""
        return self._digest.hexdigest()

    @abstractmethod
    def finish(self) -> None:
        """Complete the store and wait until it is on the disk (fsync), so it may be renamed."""

    @abstractmethod
    def abort(self) -> None:
        """Remove everything that was written; may be called at any time, also twice."""

    def restart(self) -> None:
        """Remove everything that was put and start again."""
        self.abort()
        self._begin()

    def _begin(self) -> None:
        self._digest = StoreDigest()
        remove(self.path)
        self._create()

    @abstractmethod
    def _create(self) -> None:
        """Create an empty store at ``path``, where there is nothing."""

    @abstractmethod
    def _put(self, key: str, value: bytes | memoryview) -> None:
        """Write one value; ``ValueError`` if the key was put before."""


def identity_of(found: os.stat_result) -> Identity:
    """What tells a file from the one that takes its name, or from itself after a change."""
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def too_large(path: Path, key: str, size: int, most: int) -> FileError:
    """The error of a value that has more bytes than it may have."""
    return FileError(
        Code.STORE_DAMAGED,
        "{path}: {key} has {size} bytes, more than the {most} that it may have; copy or convert"
        " this volume again",
        path=path,
        key=key,
        size=size,
        most=most,
    )


def unreadable(path: Path, error: OSError, key: str = "") -> Ct2zarrError:
    """The error of a file, or of the file of a key, that cannot be opened or read."""
    if error.errno in OUT_OF_DESCRIPTORS:
        return MachineError(
            Code.MACHINE,
            "{path} cannot be opened: this process may have no more than {limit} files open; raise"
            " the limit with: ulimit -n {due}",
            path=path,
            limit=resource.getrlimit(resource.RLIMIT_NOFILE)[0],
            due=DUE_DESCRIPTORS,
        )
    if key:
        return FileError(
            Code.STORE_UNREADABLE,
            "{path}: key {key} cannot be read: {cause}",
            path=path,
            key=key,
            cause=error.strerror or Private(error),
        )
    return FileError(
        Code.STORE_UNREADABLE,
        "{path} cannot be read: {cause}",
        path=path,
        cause=error.strerror or Private(error),
    )


def put_twice(key: str) -> ValueError:
    """The error of a key that is put a second time."""
    return ValueError(f"key {key} was put twice")


def write_all(descriptor: int, value: bytes | memoryview) -> None:
    """Write all of ``value``: ``os.write`` takes at most 2 GiB, and less on a nearly full disk."""
    rest = memoryview(value).cast("B")
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def remove(path: Path) -> None:
    """Remove a file or a folder with all that is in it, if there is one."""
    with write_errors(path):
        try:
            path.unlink(missing_ok=True)
        except (IsADirectoryError, PermissionError):  # macOS gives the second for a folder
            if not path.is_dir():
                raise
            shutil.rmtree(path)


@contextmanager
def write_errors(path: Path) -> Iterator[None]:
    """Turn what the system refuses into ``MachineError``; that a key exists passes through."""
    try:
        yield
    except (FileExistsError, sqlite3.IntegrityError):
        raise
    except (OSError, sqlite3.Error) as error:
        cause = error.strerror if isinstance(error, OSError) else str(error)
        raise MachineError(
            Code.MACHINE,
            "{path} cannot be written: {cause}; make sure that the disk has space and the folder"
            " may be written, then start the job again",
            path=path,
            cause=cause or Private(error),
        ) from error
