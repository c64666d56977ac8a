"""Read the keys of a finished store, whatever it is kept in: SQLite file, zip file or directory.

A container maps keys such as ``volume/c/0/1/2`` to bytes. It is recognised by content, never by
name, needs no zarr, may be read from several threads, is pickled as its path, and can be used on
both sides of a fork: SQLite is opened again in the child (a connection must not cross a fork), and
zip files are read with ``pread``, which has no file offset that processes could share.
"""

import hashlib
import os
import sqlite3
import threading
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol, Self

from ..errors import FileError
from ..vocabulary import StoreType
from .sqlite_file import SQLITE_MAGIC, connect_read_only, explain

ROOT_DOCUMENTS = ("zarr.json", ".zgroup", ".zarray")
"""A Zarr hierarchy has one of these at its root (format 3; format 2 group; format 2 array)."""

ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
"""Signatures of a local file header, and of the end record with which an empty zip file starts."""


class Container(Protocol):
    """The keys and values of a store; read only."""

    path: Path
    store_type: StoreType

    def get(self, key: str) -> bytes | memoryview | None:
        """The value of ``key`` or ``None``; raises ``FileError`` if it is damaged."""

    def keys(self) -> list[str]:
        """All keys, sorted."""

    def close(self) -> None:
        """Give back handles; the container may be used again and then opens them anew."""


def open_container(path: Path | str) -> Container:
    """The container at ``path``, recognised by content.

    Raises:
        FileError: there is nothing, or something that is no store, or a store that was not written
            to its end.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            magic = file.read(len(SQLITE_MAGIC))
    except IsADirectoryError:
        return DirContainer(path)
    except (FileNotFoundError, NotADirectoryError):
        raise FileError(f"{path}: there is no such file or folder", "store_missing") from None
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror}", "store_unreadable") from error
    if magic == SQLITE_MAGIC:
        return SqliteContainer(path)
    if magic.startswith(ZIP_MAGIC):
        return ZipContainer(path)
    if not magic:
        raise FileError(f"{path}: the file is empty; convert this volume again", "store_incomplete")
    if not magic.strip(b"\0"):
        raise FileError(
            f"{path}: the file starts with zeros, so it was not written to its end;"
            " convert this volume again",
            "store_incomplete",
        )
    raise FileError(
        f"{path}: neither a SQLite file, nor a zip file, nor a directory with Zarr metadata",
        "not_a_store",
    )


def store_size(path: Path | str) -> int:
    """Bytes of the store: of the file, or of all files below the directory."""
    path = Path(path)
    if path.is_dir():
        return sum(file.stat().st_size for file in _files_below(path))
    return path.stat().st_size


class StoreDigest:
    """A digest of the keys and values of a store: equal for equal content, whatever keeps it.

    SHA-1 over the sorted keys, each as UTF-8, a NUL, the length of its value in 8 bytes and the
    CRC-32 of its value in 4; so values may come in any order, and a writer need not read back what
    it wrote. It protects against accidents, not against forgery. The voxels have MD5s of their own
    in slices.csv; a second strong hash of every byte would cost 6 % of a conversion.
    """

    def __init__(self) -> None:
        self._entries: list[bytes] = []

    def add(self, key: str, value: bytes | memoryview) -> None:
        """Take in one key, which was not there before."""
        size = memoryview(value).nbytes.to_bytes(8, "little")
        crc = zlib.crc32(value).to_bytes(4, "little")
        self._entries.append(key.encode() + b"\0" + size + crc)

    def hexdigest(self) -> str:
        """40 hexadecimal digits."""
        return hashlib.sha1(b"".join(sorted(self._entries)), usedforsecurity=False).hexdigest()


def store_digest(path: Path | str) -> str:
    """The digest of a store that is there, see ``StoreDigest``; all of it is read."""
    container = open_container(path)
    digest = StoreDigest()
    try:
        for key in container.keys():  # noqa: SIM118 - a container is no dict
            value = container.get(key)
            if value is None:
                raise FileError(f"{path}: key {key} went away while reading", "store_unreadable")
            digest.add(key, value)
    finally:
        container.close()
    return digest.hexdigest()


def store_crc32(path: Path | str) -> str:
    """CRC-32 (8 hexadecimal digits) of a store that is one file, every byte; ``""`` of a directory.

    It finds what no reader of the keys would see: a flipped bit in a header or in unused space.
    The files of a directory have no such bytes.
    """
    path = Path(path)
    if path.is_dir():
        return ""
    crc = 0
    with path.open("rb", buffering=0) as file:
        while block := file.read(_CRC_BLOCK):
            crc = zlib.crc32(block, crc)
    return f"{crc:08x}"


_CRC_BLOCK = 1 << 20


class _PickledAsPath:
    """A container is its path; handles are opened where they are used."""

    path: Path

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    def __reduce__(self) -> tuple[type[Self], tuple[Path]]:
        return type(self), (self.path,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self.path == other.path

    def __hash__(self) -> int:
        return hash((type(self), self.path))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"


class DirContainer(_PickledAsPath):
    """A directory with a file for each key."""

    store_type = StoreType.DIR

    def __init__(self, path: Path | str) -> None:
        super().__init__(path)
        if not any((self.path / name).is_file() for name in ROOT_DOCUMENTS):
            raise FileError(
                f"{self.path}: a directory without Zarr metadata"
                f" ({', '.join(ROOT_DOCUMENTS)}): no store, or not written to its end",
                "not_a_store",
            )
        self._prefix = f"{self.path}{os.sep}"

    def get(self, key: str) -> bytes | None:
        """The content of the file for ``key``."""
        try:
            with open(self._prefix + key, "rb", buffering=0) as file:  # noqa: PTH123 - 3x faster
                return file.read()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            raise FileError(
                f"{self.path}: key {key} cannot be read: {error.strerror}", "store_unreadable"
            ) from error

    def keys(self) -> list[str]:
        """Paths of all files below the directory, sorted."""
        return sorted(file.relative_to(self.path).as_posix() for file in _files_below(self.path))

    def close(self) -> None:
        """Nothing is kept open."""


class SqliteHandle:
    """A connection that belongs to one process, closed with the object that holds it.

    In a forked child it is given up unclosed: closing there could touch what the parent still
    uses (https://www.sqlite.org/howtocorrupt.html, 2.6).
    """

    _given_up: list[sqlite3.Connection] = []  # noqa: RUF012 - shared on purpose, see __del__

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.pid = os.getpid()

    def close(self) -> None:
        """Close the connection if it was opened in this process."""
        if self.pid == os.getpid():
            self.connection.close()
        else:
            self._given_up.append(self.connection)

    def __del__(self) -> None:
        # A thread that ends drops its handle; Python 3.13 warns of connections left open.
        with suppress(sqlite3.Error, AttributeError, TypeError):
            self.close()


class SqliteContainer(_PickledAsPath):
    """A finished SQLite store. Each thread of each process has a connection of its own."""

    store_type = StoreType.SQLITE

    def __init__(self, path: Path | str) -> None:
        super().__init__(path)
        self._local = threading.local()
        self.connection()

    def connection(self) -> sqlite3.Connection:
        """The connection of this thread in this process."""
        handle: SqliteHandle | None = getattr(self._local, "handle", None)
        if handle is None or handle.pid != os.getpid():
            handle = self._local.handle = SqliteHandle(connect_read_only(self.path))
        return handle.connection

    def get(self, key: str) -> bytes | None:
        """The blob of ``key``."""
        row = self._one("SELECT v FROM zarr WHERE k = ?", key)
        return None if row is None else row[0]

    def keys(self) -> list[str]:
        """All keys, sorted; no blob is read."""
        try:
            rows = self.connection().execute("SELECT k FROM zarr ORDER BY k").fetchall()
        except sqlite3.Error as error:
            raise explain(self.path, error) from error
        return [key for (key,) in rows]

    def close(self) -> None:
        """Close this thread's connection; those of other threads close when they end."""
        handle: SqliteHandle | None = getattr(self._local, "handle", None)
        if handle is not None:
            handle.close()
            self._local.handle = None

    def _one(self, statement: str, key: str) -> tuple[bytes] | None:
        try:
            row: tuple[bytes] | None = self.connection().execute(statement, (key,)).fetchone()
        except sqlite3.Error as error:
            raise explain(self.path, error) from error
        return row


class ZipContainer(_PickledAsPath):
    """A zip file. Values are checked against their CRC-32 when they are read."""

    store_type = StoreType.ZIP

    def __init__(self, path: Path | str) -> None:
        super().__init__(path)
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._entries = self._read_directory()

    def get(self, key: str) -> bytes | memoryview | None:
        """The content of the entry ``key``, a view where the entry is stored uncompressed."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        data = self._read_entry(entry)
        if entry.compress_type == zipfile.ZIP_DEFLATED:
            with suppress(zlib.error):
                data = memoryview(zlib.decompress(data, -zlib.MAX_WBITS, entry.file_size))
        elif entry.compress_type != zipfile.ZIP_STORED:
            raise FileError(
                f"{self.path}: entry {key} is compressed in a way that is not supported;"
                " store its entries uncompressed or deflated",
                "store_unreadable",
            )
        if len(data) != entry.file_size or zlib.crc32(data) != entry.CRC:
            raise FileError(f"{self.path}: entry {key} does not fit its CRC-32", "store_damaged")
        return data

    def __contains__(self, key: str) -> bool:
        return key in self._entries

    def keys(self) -> list[str]:
        """Names of all entries that are files, sorted."""
        return sorted(self._entries)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._descriptor is not None:
                os.close(self._descriptor)
                self._descriptor = None

    def __del__(self) -> None:
        with suppress(OSError, AttributeError, TypeError):
            self.close()

    def _file(self) -> int:
        if self._descriptor is None:
            with self._lock:
                if self._descriptor is None:
                    self._descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        return self._descriptor

    def _read_directory(self) -> dict[str, zipfile.ZipInfo]:
        try:
            with zipfile.ZipFile(self.path) as file:
                # Where a name is there twice the last entry counts, as in zipfile itself.
                return {info.filename: info for info in file.infolist() if not info.is_dir()}
        except zipfile.BadZipFile as error:
            raise FileError(
                f"{self.path}: the zip file has no directory at its end, so it was not written or"
                " copied to its end; convert this volume again",
                "store_incomplete",
            ) from error
        except OSError as error:
            raise FileError(f"{self.path}: cannot be read: {error}", "store_unreadable") from error

    def _read_entry(self, entry: zipfile.ZipInfo) -> memoryview:
        """Raw bytes of an entry: one read, for the name and extra field in front are short."""
        guess = 30 + len(entry.filename.encode()) + 64
        try:
            head = self._pread(guess + entry.compress_size, entry.header_offset)
            if head[:4] != ZIP_MAGIC[0] or len(head) < 30:
                raise FileError(
                    f"{self.path}: entry {entry.filename} is not where the zip directory says",
                    "store_damaged",
                )
            start = 30 + int.from_bytes(head[26:28], "little")
            start += int.from_bytes(head[28:30], "little")
            if start > guess:
                return self._pread(entry.compress_size, entry.header_offset + start)
            return head[start : start + entry.compress_size]
        except OSError as error:
            raise FileError(
                f"{self.path}: entry {entry.filename} cannot be read: {error.strerror}",
                "store_unreadable",
            ) from error

    def _pread(self, count: int, offset: int) -> memoryview:
        return memoryview(os.pread(self._file(), count, offset))


def _files_below(folder: Path) -> Iterator[Path]:
    def fail(error: OSError) -> None:
        raise error

    for parent, folders, names in os.walk(folder, onerror=fail):
        folders.sort()
        for name in names:
            yield Path(parent, name)
