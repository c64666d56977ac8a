"""A store in a SQLite file: read by threads and processes, changed key by key, or written at once.

The schema and the ways to open such a file are in ``sqlite_file``.
"""

import os
import sqlite3
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..codes import Code
from ..errors import FileError
from ..run.atomic_files import flush_file
from ..vocabulary import StoreType
from .base import (
    WHOLE,
    Container,
    StoreWriter,
    identity_of,
    put_twice,
    remove,
    too_large,
    write_errors,
)
from .bounds import VALUE_BYTES
from .handles import POOL, Handle
from .sqlite_file import connect_new, connect_read_only, connect_writable, explain

_BLOB = "blob"
_LAST_CODE_POINT = chr(0x10FFFF)


class SqliteContainer(Container):
    """Reads a SQLite store. Threads that read at once have a connection each.

    Parameters
    ----------
    immutable
        Trust that the file does not change while it is open: no locks are taken. Give ``False`` to
        read while another process writes.
    """

    store_type = StoreType.SQLITE

    def __init__(self, path: Path | str, *, immutable: bool = True) -> None:
        super().__init__(path)
        self.immutable = immutable

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickle, (type(self), self.path, self.immutable)

    def open(self) -> None:
        """Open the file; raises ``FileError`` if it is no store."""
        self.run("SELECT 1")

    def get(self, key: str, part: slice = WHOLE, *, most: int = VALUE_BYTES) -> bytes | None:
        """The blob of ``key``; only the bytes that are asked for are read."""
        what, bounds = _sql_of_part(part)
        # SQLite learns type and length of a value from the head of its row, without reading it.
        statement = (
            f"SELECT CASE WHEN typeof(v) = 'blob' AND length(v) <= ? THEN {what} END,"
            " typeof(v), length(v) FROM zarr WHERE k = ? LIMIT 1"
        )
        rows = self.run(statement, (most, *bounds, key))
        if not rows:
            return None
        value, kind, size = rows[0]
        if kind != _BLOB:
            raise self._no_blob(key, kind)
        if size > most:
            raise too_large(self.path, key, size, most)
        return value or b""  # an empty part of a blob comes back as NULL or b""

    def size(self, key: str) -> int | None:
        """Bytes of the blob of ``key``."""
        rows = self.run("SELECT typeof(v), length(v) FROM zarr WHERE k = ? LIMIT 1", (key,))
        if rows and rows[0][0] != _BLOB:
            raise self._no_blob(key, rows[0][0])
        return int(rows[0][1]) if rows else None

    def keys(self, prefix: str = "") -> list[str]:
        """All keys that start with ``prefix``; no blob is read."""
        where, bounds = _sql_of_prefix(prefix)
        return [key for (key,) in self.run(f"SELECT k FROM zarr {where} ORDER BY k", bounds)]

    def check_unchanged(self) -> None:
        """Raise ``FileError`` if the file was written since it was opened.

        A connection goes on with the file that it opened if another one takes its name.
        """
        if not self.immutable or self._identity is None:
            return
        with suppress(FileNotFoundError):
            found = identity_of(self.path.stat())
            if found[:2] == self._identity[:2] and found != self._identity:
                raise self._replaced()

    def run(self, statement: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Rows of a statement."""
        with POOL.lend(self._handles, self._open) as handle:
            try:
                connection: sqlite3.Connection = handle.value
                return connection.execute(statement, parameters).fetchall()
            except sqlite3.Error as error:
                raise explain(self.path, error) from error

    def _open(self) -> Handle[sqlite3.Connection]:
        connection, found = connect_read_only(self.path, immutable=self.immutable)
        handle = sqlite_handle(connection)
        if self.immutable:
            self._check_identity(found)
            with suppress(FileNotFoundError):  # SQLite opened the path a moment after the check
                self._check_identity(self.path.stat())
        return handle

    def _no_blob(self, key: str, kind: str) -> FileError:
        return FileError(
            Code.STORE_DAMAGED,
            "{path}: the value of {key} is of the SQL type {kind}, where a blob is expected; copy"
            " or convert this volume again",
            path=self.path,
            key=key,
            kind=kind,
        )


def sqlite_handle(connection: sqlite3.Connection) -> Handle[sqlite3.Connection]:
    """A connection as a handle, for one thread at a time and one process."""
    return Handle(connection, sqlite3.Connection.close, shared=False, crosses_forks=False)


def _unpickle(kind: type[SqliteContainer], path: Path, immutable: bool) -> SqliteContainer:
    return kind(path, immutable=immutable)


@dataclass
class _Shared:
    """The one connection of a process, and the lock under which its threads use it."""

    lock: Any = field(default_factory=threading.RLock)
    handle: Handle[sqlite3.Connection] | None = None


class WritableSqlite(SqliteContainer):
    """Reads and changes a SQLite store, which is created if there is none.

    The threads of a process share one connection and a lock; each change is a transaction. To
    write many keys quickly use ``SqliteWriter``.
    """

    def __init__(self, path: Path | str, *, immutable: bool = False) -> None:
        super().__init__(path, immutable=immutable)
        self._processes: dict[int, _Shared] = {}

    def set(self, key: str, value: memoryview) -> None:
        """Write ``key``, replacing its value."""
        self.run("REPLACE INTO zarr(k, v) VALUES (?, ?)", (key, value))

    def set_if_absent(self, key: str, value: memoryview) -> None:
        """Write ``key`` unless it has a value, in one step."""
        self.run("INSERT OR IGNORE INTO zarr(k, v) VALUES (?, ?)", (key, value))

    def delete(self, key: str) -> None:
        """Remove ``key`` if it is there."""
        self.run("DELETE FROM zarr WHERE k = ?", (key,))

    def delete_all(self, prefix: str) -> None:
        """Remove all keys that start with ``prefix``."""
        where, bounds = _sql_of_prefix(prefix)
        self.run(f"DELETE FROM zarr {where}", bounds)

    def close(self) -> None:
        """Close the connection."""
        shared, self._processes = self._shared(), {}
        if shared.handle is not None:
            shared.handle.close()

    def run(self, statement: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Rows of a statement, run by one thread at a time."""
        shared = self._shared()
        with shared.lock:
            if shared.handle is None:
                shared.handle = sqlite_handle(connect_writable(self.path))
            try:
                return shared.handle.value.execute(statement, parameters).fetchall()
            except sqlite3.Error as error:
                raise explain(self.path, error) from error

    def _shared(self) -> _Shared:
        # By process, since a fork may copy a lock that another thread of the parent holds. The
        # look-up and the insertion are one step each, so all threads get the same object.
        pid = os.getpid()
        return self._processes.get(pid) or self._processes.setdefault(pid, _Shared())


def _sql_of_prefix(prefix: str) -> tuple[str, tuple[str, ...]]:
    """A WHERE clause for keys that start with ``prefix``, and its parameters.

    A half-open range of keys uses the index and has no wildcards, unlike LIKE and GLOB.
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


def _sql_of_part(part: slice) -> tuple[str, tuple[int, ...]]:
    """SQL for a part of ``v``, and its parameters. ``substr`` counts from 1."""
    if part is WHOLE:
        return "v", ()
    start = part.start or 0
    if start < 0:
        return "substr(v, max(1, length(v) - ? + 1))", (-start,)
    if part.stop is None:
        return "substr(v, ?)", (start + 1,)
    return "substr(v, ?, ?)", (start + 1, max(0, part.stop - start))


class SqliteWriter(StoreWriter):
    """Writes a SQLite store in one transaction, without journal and locks.

    Nobody else knows the temporary name. A writer that is killed leaves a useless file, which is
    why the name is temporary.
    """

    def _create(self) -> None:
        with write_errors(self.path):
            self._connection = connect_new(self.path)

    def _put(self, key: str, value: bytes | memoryview) -> None:
        try:
            with write_errors(self.path):
                self._connection.execute("INSERT INTO zarr(k, v) VALUES (?, ?)", (key, value))
        except sqlite3.IntegrityError:
            raise put_twice(key) from None

    def finish(self) -> None:
        """Commit, close and flush the file."""
        with write_errors(self.path):
            self._connection.execute("COMMIT")
            self._connection.close()
            flush_file(self.path)

    def abort(self) -> None:
        """Remove the file."""
        with suppress(sqlite3.Error):
            self._connection.close()
        remove(self.path)
