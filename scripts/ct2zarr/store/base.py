"""What the three kinds of store have in common: how one is read, and how one is written.

A store maps keys such as ``volume/c/0/1/2`` to bytes. ``Container`` reads a finished one and
``StoreWriter`` writes a new one; ``sqlite``, ``zip`` and ``folder`` hold a pair of them each, and
``containers`` picks the right one. Neither knows arrays, and neither needs zarr.
"""

import os
import shutil
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar, Self

from ..codes import Code
from ..errors import MachineError, Private
from ..vocabulary import StoreType
from .digest import StoreDigest

ROOT_DOCUMENTS = ("zarr.json", ".zgroup", ".zarray")
"""A Zarr hierarchy has one of these at its root (format 3; format 2 group; format 2 array)."""

METADATA_NAMES = frozenset({"zarr.json", ".zgroup", ".zattrs", ".zarray", ".zmetadata"})
"""Last part of the keys of metadata documents, in Zarr formats 3 and 2."""

WHOLE = slice(None)
"""All bytes of a value."""


class Container(ABC):
    """The keys and values of a finished store, read only.

    A container may be read from several threads, is pickled as its path, and works on both sides
    of a fork. Handles are opened when they are needed.
    """

    store_type: ClassVar[StoreType]

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    @abstractmethod
    def get(self, key: str, part: slice = WHOLE) -> bytes | memoryview | None:
        """The value of ``key``, or ``None`` if there is no such key.

        Parameters
        ----------
        part
            Bytes of the value to return, without a step: ``[a:b]``, ``[a:]`` or ``[-n:]``.

        Raises
        ------
        FileError
            The value cannot be read or is damaged.
        """

    @abstractmethod
    def size(self, key: str) -> int | None:
        """Bytes of the value of ``key``, which is not read; ``None`` if there is no such key."""

    @abstractmethod
    def keys(self, prefix: str = "") -> list[str]:
        """All keys that start with ``prefix``, sorted."""

    @abstractmethod
    def close(self) -> None:
        """Close the handles; the container opens them again if it is used again."""

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
