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

from ..run.atomic_files import flush_file
from ..vocabulary import StoreType
from .base import WHOLE, Container, StoreWriter, put_twice, remove, write_errors
from .sqlite_file import connect_new, connect_read_only, connect_writable, explain

_LAST_CODE_POINT = chr(0x10FFFF)


class SqliteHandle:
    """A connection that belongs to one process, and is closed with the object that holds it.

    In a forked child it is kept without being closed: closing it there could touch what the
    parent still uses (https://www.sqlite.org/howtocorrupt.html, 2.6).
    """

    _kept: list[sqlite3.Connection] = []  # noqa: RUF012 - shared on purpose, see __del__

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.pid = os.getpid()

    def close(self) -> None:
        """Close the connection if it was opened in this process."""
        if self.pid == os.getpid():
            self.connection.close()
        else:
            self._kept.append(self.connection)

    def __del__(self) -> None:
        # A thread that ends drops its handle; Python 3.13 warns of connections left open.
        with suppress(sqlite3.Error, AttributeError, TypeError):
            self.close()


class SqliteContainer(Container):
    """Reads a SQLite store. Each thread of each process has a connection of its own.

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
        self._local = threading.local()

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickle, (type(self), self.path, self.immutable)

    def open(self) -> None:
        """Open the file in this thread; raises ``FileError`` if it is no store."""
        self._handle()

    def get(self, key: str, part: slice = WHOLE) -> bytes | None:
        """The blob of ``key``; only the bytes that are asked for are read."""
        what, bounds = _sql_of_part(part)
        rows = self.run(f"SELECT {what} FROM zarr WHERE k = ?", (*bounds, key))
        # An empty part of a blob comes back as NULL or b"".
        return rows[0][0] or b"" if rows else None

    def size(self, key: str) -> int | None:
        """Bytes of the blob of ``key``."""
        rows = self.run("SELECT length(v) FROM zarr WHERE k = ?", (key,))
        return int(rows[0][0] or 0) if rows else None

    def keys(self, prefix: str = "") -> list[str]:
        """All keys that start with ``prefix``; no blob is read."""
        where, bounds = _sql_of_prefix(prefix)
        return [key for (key,) in self.run(f"SELECT k FROM zarr {where} ORDER BY k", bounds)]

    def close(self) -> None:
        """Close the connections: this thread's now, those of other threads after their reads."""
        handle: SqliteHandle | None = getattr(self._local, "handle", None)
        self._local = threading.local()
        if handle is not None:
            handle.close()

    def run(self, statement: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Rows of a statement."""
        handle = self._handle()  # kept until the rows are read, even if another thread closes
        try:
            return handle.connection.execute(statement, parameters).fetchall()
        except sqlite3.Error as error:
            raise explain(self.path, error) from error

    def _handle(self) -> SqliteHandle:
        handle: SqliteHandle | None = getattr(self._local, "handle", None)
        if handle is None or handle.pid != os.getpid():
            connection = connect_read_only(self.path, immutable=self.immutable)
            handle = self._local.handle = SqliteHandle(connection)
        return handle


def _unpickle(kind: type[SqliteContainer], path: Path, immutable: bool) -> SqliteContainer:
    return kind(path, immutable=immutable)


@dataclass
class _Shared:
    """The one connection of a process, and the lock under which its threads use it."""

    lock: Any = field(default_factory=threading.RLock)
    handle: SqliteHandle | None = None


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
        with self._shared().lock:
            return super().run(statement, parameters)

    def _handle(self) -> SqliteHandle:
        shared = self._shared()
        with shared.lock:
            if shared.handle is None:
                shared.handle = SqliteHandle(connect_writable(self.path))
            return shared.handle

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
