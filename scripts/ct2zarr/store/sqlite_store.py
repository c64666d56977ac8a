"""A zarr-python 3 store in one SQLite file; zarr-python has had none since its version 3.

The class passes zarr's own conformance suites (``zarr.testing``). The schema is described in
``sqlite_file``. A store opened ``read_only=True`` takes no locks and expects that the file does
not change.
"""

import os
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from zarr.abc.store import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    Store,
    SuffixByteRequest,
)
from zarr.core.buffer import Buffer, BufferPrototype, default_buffer_prototype

from .containers import SqliteHandle
from .sqlite_file import connect_read_only, connect_writable, explain

if TYPE_CHECKING:
    from collections.abc import Callable

_LAST_CODE_POINT = chr(0x10FFFF)

_opening = threading.Lock()
"""Held while the one connection of a writable store is opened: a second one, made by a thread that
came at the same time and dropped again, would be closed under the thread that got it."""
os.register_at_fork(
    before=_opening.acquire, after_in_parent=_opening.release, after_in_child=_opening.release
)


class SQLiteStore(Store):
    """A Zarr store in a SQLite file.

    It may be pickled (only the path travels), used from several threads, and used on both sides of
    a fork: each process opens the file for itself. A read-only store gives each thread its own
    connection, so that threads read in parallel; a writable one has a single connection and a lock,
    and each ``set`` or ``delete`` is a transaction. To write many keys fast use ``writers``.

    Args:
        path: the file; a writable store makes it where it is missing.
        read_only: open with ``mode=ro`` and ``immutable=1``.
        immutable: with ``read_only``: trust that the file does not change while it is open. Give
            ``False`` to read while another process writes.

    Raises:
        FileError: on first use, if the file is missing (read only), is no Zarr store in SQLite, is
            cut short, is in WAL mode, or is damaged.
        MachineError: the disk is full or refuses to be read or written.
    """

    supports_writes: bool = True
    supports_deletes: bool = True
    supports_listing: bool = True

    def __init__(
        self, path: Path | str, *, read_only: bool = False, immutable: bool = True
    ) -> None:
        super().__init__(read_only=read_only)
        # Absolute, so that a worker process in another folder finds the same file.
        self.path = Path(path).absolute()
        self.immutable = immutable
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.RLock()
        self._local = threading.local()
        self._shared: SqliteHandle | None = None

    # State of the handle: one connection a process (and thread, when read only).

    def _connection(self) -> sqlite3.Connection:
        pid = os.getpid()
        if self.read_only:
            handle: SqliteHandle | None = getattr(self._local, "handle", None)
            if handle is None or handle.pid != pid:
                connection = connect_read_only(self.path, immutable=self.immutable)
                handle = self._local.handle = SqliteHandle(connection)
        else:
            with _opening:
                handle = self._shared
                if handle is None or handle.pid != pid:
                    if handle is not None:
                        # A fork may have copied the lock while another thread held it.
                        self._lock = threading.RLock()
                    handle = self._shared = SqliteHandle(connect_writable(self.path))
        self._is_open = True
        return handle.connection

    def _run(self, statement: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        connection = self._connection()
        try:
            if self.read_only:
                return connection.execute(statement, parameters).fetchall()
            with self._lock:
                return connection.execute(statement, parameters).fetchall()
        except sqlite3.Error as error:
            raise explain(self.path, error) from error

    async def _open(self) -> None:
        if self._is_open:
            raise ValueError("store is already open")
        self._connection()

    def close(self) -> None:
        """Close the connections; the store opens them again if it is used again."""
        handle: SqliteHandle | None = getattr(self._local, "handle", None)
        for one in (handle, self._shared):
            if one is not None:
                one.close()
        self._reset()
        super().close()

    def with_read_only(self, read_only: bool = False) -> Self:
        """A store of the same file with ``read_only`` set, not yet opened."""
        return type(self)(self.path, read_only=read_only, immutable=self.immutable)

    def __reduce__(self) -> tuple["Callable[..., SQLiteStore]", tuple[Any, ...]]:
        return _unpickle, (type(self), str(self.path), self.read_only, self.immutable)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, type(self))
            and self.path == other.path
            and self.read_only == other.read_only
        )

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return f"sqlite://{self.path}"

    def __repr__(self) -> str:
        return f"SQLiteStore('{self}')"

    # Reading.

    def get_sync(
        self,
        key: str,
        *,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """The value of ``key`` or a part of it; ``None`` if there is no such key."""
        what, bounds = _select_part(byte_range)
        rows = self._run(f"SELECT {what} FROM zarr WHERE k = ?", (*bounds, key))
        if not rows:
            return None
        buffer = (prototype or default_buffer_prototype()).buffer
        # An empty range of a blob comes back as NULL or b"".
        return buffer.from_bytes(rows[0][0] or b"")

    async def get(
        self,
        key: str,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """See ``get_sync``. Runs inline: handing each read to a thread was measured slower."""
        return self.get_sync(key, prototype=prototype, byte_range=byte_range)

    async def get_partial_values(
        self,
        prototype: BufferPrototype,
        key_ranges: Iterable[tuple[str, ByteRequest | None]],
    ) -> list[Buffer | None]:
        """Parts of several values, in the order asked for."""
        return [
            self.get_sync(key, prototype=prototype, byte_range=byte_range)
            for key, byte_range in key_ranges
        ]

    async def exists(self, key: str) -> bool:
        """Whether ``key`` has a value."""
        return bool(self._run("SELECT 1 FROM zarr WHERE k = ?", (key,)))

    async def getsize(self, key: str) -> int:
        """Bytes of the value of ``key``, which is not read; ``FileNotFoundError`` without it."""
        rows = self._run("SELECT length(v) FROM zarr WHERE k = ?", (key,))
        if not rows:
            raise FileNotFoundError(key)
        return int(rows[0][0])

    async def getsize_prefix(self, prefix: str) -> int:
        """Bytes of all values in the directory ``prefix``; none is read."""
        where, bounds = _starting_with(_as_directory(prefix))
        rows = self._run(f"SELECT coalesce(sum(length(v)), 0) FROM zarr {where}", bounds)
        return int(rows[0][0])

    # Writing.

    def set_sync(self, key: str, value: Buffer) -> None:
        """Write ``key``, replacing what it had."""
        self._check_writable()
        if not isinstance(value, Buffer):
            raise TypeError(
                f"SQLiteStore.set(): `value` must be a Buffer, got an instance of {type(value)}."
            )
        self._run("REPLACE INTO zarr(k, v) VALUES (?, ?)", (key, _blob(value)))

    async def set(self, key: str, value: Buffer) -> None:
        """See ``set_sync``."""
        self.set_sync(key, value)

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        """Write ``key`` unless it has a value, in one step."""
        self._check_writable()
        self._run("INSERT OR IGNORE INTO zarr(k, v) VALUES (?, ?)", (key, _blob(value)))

    async def _set_many(self, values: Iterable[tuple[str, Buffer]]) -> None:
        """Write several keys: all of them, or none."""
        self._check_writable()
        rows = [(key, _blob(value)) for key, value in values]
        connection = self._connection()
        with self._lock:
            try:
                connection.execute("BEGIN IMMEDIATE")
                connection.executemany("REPLACE INTO zarr(k, v) VALUES (?, ?)", rows)
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise explain(self.path, error) from error

    def delete_sync(self, key: str) -> None:
        """Remove ``key`` if it is there."""
        self._check_writable()
        self._run("DELETE FROM zarr WHERE k = ?", (key,))

    async def delete(self, key: str) -> None:
        """See ``delete_sync``."""
        self.delete_sync(key)

    async def delete_dir(self, prefix: str) -> None:
        """Remove all keys in the directory ``prefix``, none of ``{prefix}-other``."""
        self._check_writable()
        where, bounds = _starting_with(_as_directory(prefix))
        self._run(f"DELETE FROM zarr {where}", bounds)

    # Listing.

    async def is_empty(self, prefix: str) -> bool:
        """Whether the directory ``prefix`` has no keys."""
        where, bounds = _starting_with(_as_directory(prefix))
        return not self._run(f"SELECT 1 FROM zarr {where} LIMIT 1", bounds)

    async def list(self) -> AsyncIterator[str]:
        """All keys, sorted."""
        async for key in self.list_prefix(""):
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Keys that begin with ``prefix``, sorted."""
        where, bounds = _starting_with(prefix)
        for (key,) in self._run(f"SELECT k FROM zarr {where} ORDER BY k", bounds):
            yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Names of what lies directly in the directory ``prefix``, each once."""
        directory = _as_directory(prefix)
        seen: set[str] = set()
        async for key in self.list_prefix(directory):
            name = key.removeprefix(directory).partition("/")[0]
            if name not in seen:
                seen.add(name)
                yield name


def _unpickle(cls: type[SQLiteStore], path: str, read_only: bool, immutable: bool) -> SQLiteStore:
    return cls(path, read_only=read_only, immutable=immutable)


def _blob(value: Buffer) -> memoryview:
    """The bytes of a buffer, without a copy where it lies in main memory."""
    return value.as_numpy_array().data


def _as_directory(prefix: str) -> str:
    prefix = prefix.rstrip("/")
    return f"{prefix}/" if prefix else ""


def _starting_with(prefix: str) -> tuple[str, tuple[str, ...]]:
    """A WHERE clause for keys that start with ``prefix``, and its parameters.

    A half-open range of keys uses the index and knows no wildcards, as LIKE and GLOB do.
    """
    stem = prefix.rstrip(_LAST_CODE_POINT)
    if not prefix:
        return "", ()
    if not stem:
        return "WHERE k >= ?", (prefix,)
    successor = ord(stem[-1]) + 1
    if successor == 0xD800:  # surrogates cannot be stored as UTF-8
        successor = 0xE000
    return "WHERE k >= ? AND k < ?", (prefix, stem[:-1] + chr(successor))


def _select_part(byte_range: ByteRequest | None) -> tuple[str, tuple[int, ...]]:
    """SQL for the part of ``v`` that is asked for, and its parameters. ``substr`` counts from 1."""
    match byte_range:
        case None:
            return "v", ()
        case RangeByteRequest(start, end):
            return "substr(v, ?, ?)", (start + 1, max(0, end - start))
        case OffsetByteRequest(offset):
            return "substr(v, ?)", (offset + 1,)
        case SuffixByteRequest(0):
            return "x''", ()
        case SuffixByteRequest(suffix):
            return "substr(v, max(1, length(v) - ? + 1))", (suffix,)
    raise TypeError(f"Unexpected byte_range, got {byte_range!r}.")
