"""A Zarr hierarchy in one SQLite file: the schema, and how such a file is opened.

The schema is that of ``zarr.SQLiteStore`` in zarr-python 2 (a rowid table ``zarr`` of two columns),
with the second table and the application id that the PyPI package ``zarr-sqlite`` asks for, so
that one file serves three readers. This module knows SQLite and nothing of zarr.

Readers open with ``mode=ro&immutable=1``: no lock, no journal lookup (each a round trip on a
network file system), nothing written beside the file. That is safe because volumes are renamed
into place complete and never changed afterwards.
"""

import os
import sqlite3
import urllib.parse
from contextlib import suppress
from pathlib import Path

from ..errors import Ct2zarrError, FileError, MachineError

SQLITE_MAGIC = b"SQLite format 3\x00"
"""First 16 bytes of every SQLite database (https://www.sqlite.org/fileformat2.html, 1.3.1)."""

PAGE_SIZE = 16384
"""Bytes. Blobs of 100 to 700 KB read in half the time that 4096 takes; 65536 makes larger files."""

ZARR_SQLITE_APPLICATION_ID = 0x10B50760
"""``PRAGMA application_id`` of the PyPI package zarr-sqlite, specification 1.0."""

SCHEMA = (
    # A rowid table: WITHOUT ROWID keeps blobs in the tree of the keys and reads 4 times slower.
    "CREATE TABLE zarr(k TEXT PRIMARY KEY NOT NULL, v BLOB NOT NULL)",
    "CREATE TABLE zarr_sqlitestore_metadata(k TEXT PRIMARY KEY NOT NULL, v TEXT NOT NULL)",
    "INSERT INTO zarr_sqlitestore_metadata(k, v) VALUES"
    " ('sqlitestore_version', '1.0'), ('compatible_flags', ''), ('incompatible_flags', '')",
    f"PRAGMA application_id = {ZARR_SQLITE_APPLICATION_ID}",
)

_HEADER_BYTES = 100
_WAL = 2  # header bytes 18 and 19, "file format write/read version": 1 rollback journal, 2 WAL
_JOURNAL_MAGIC = bytes.fromhex("d9d505f920a163d7")
_BUSY_TIMEOUT_SECONDS = 30.0


def file_uri(path: Path, **query: str | int) -> str:
    """``file:`` URI of ``path`` for ``sqlite3.connect``, with ``?``, ``#`` and ``%`` quoted."""
    quoted = urllib.parse.quote(os.fsencode(path.absolute()))
    return f"file:{quoted}?{urllib.parse.urlencode(query)}"


def check_header(path: Path) -> None:
    """Raise ``FileError`` unless ``path`` is a complete SQLite database that may be read as it is.

    Looks at the 100-byte header and the size only. Refused: a missing or empty file, another kind
    of file, WAL mode (reading it as immutable would miss what lies in the ``-wal`` file), fewer
    bytes than the header says, a rollback journal beside it.
    """
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_BYTES)
            size = os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        raise FileError(f"{path}: there is no such file", "store_missing") from None
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror}", "store_unreadable") from error
    if size == 0:
        raise FileError(f"{path}: the file is empty; convert this volume again", "store_incomplete")
    if not header.startswith(SQLITE_MAGIC):
        raise FileError(f"{path}: this is not a SQLite file", "not_a_store")
    if len(header) < _HEADER_BYTES or size < _expected_size(header):
        raise FileError(
            f"{path}: the SQLite file is cut short ({size} bytes are left);"
            " copy or convert it again",
            "store_incomplete",
        )
    if _WAL in header[18:20]:
        raise FileError(
            f"{path}: the SQLite file is in WAL mode, which fails in read-only and network folders;"
            " end that mode with: PRAGMA journal_mode=DELETE",
            "store_in_wal_mode",
        )
    if _has_hot_journal(path):
        raise FileError(
            f"{path}: a rollback journal lies beside it, so it is being written or its writer was"
            " stopped; convert this volume again",
            "store_incomplete",
        )


def connect_read_only(path: Path, *, immutable: bool = True) -> sqlite3.Connection:
    """Connection to a finished store; raises ``FileError`` if ``path`` is not one.

    The connection may be used from any thread and must not be carried over a fork.
    """
    check_header(path)
    query: dict[str, str | int] = {"mode": "ro"}
    if immutable:
        query["immutable"] = 1
    try:
        connection = sqlite3.connect(
            file_uri(path, **query), uri=True, check_same_thread=False, isolation_level=None
        )
    except sqlite3.Error as error:
        raise explain(path, error) from error
    return _with_store_tables(path, connection)


def connect_writable(path: Path) -> sqlite3.Connection:
    """Connection in autocommit mode to a store that is made if ``path`` is missing or empty."""
    created = not path.exists() or path.stat().st_size == 0
    if not created:
        check_header(path)
    connection: sqlite3.Connection | None = None
    try:
        connection = sqlite3.connect(
            file_uri(path, mode="rwc"),
            uri=True,
            check_same_thread=False,
            isolation_level=None,
            timeout=_BUSY_TIMEOUT_SECONDS,
        )
        if created:
            connection.execute(f"PRAGMA page_size = {PAGE_SIZE}")
            connection.execute("BEGIN IMMEDIATE")
            # Another process may have made the tables between the look at the size and here.
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name='zarr'").fetchone():
                for statement in SCHEMA:
                    connection.execute(statement)
            connection.execute("COMMIT")
    except sqlite3.Error as error:
        if connection is not None:
            connection.close()
        raise explain(path, error) from error
    return _with_store_tables(path, connection)


def explain(path: Path, error: sqlite3.Error) -> Ct2zarrError:
    """The error for users: what the disk or the machine refuses, or what is wrong with the file."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _MACHINE_CODES:
        return MachineError(f"{path}: SQLite cannot go on: {error}", "machine")
    return FileError(f"{path}: damaged, or not a Zarr store in SQLite: {error}", "store_unreadable")


_MACHINE_CODES = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PERM,
    }
)


def _with_store_tables(path: Path, connection: sqlite3.Connection) -> sqlite3.Connection:
    """``connection``, once it is shown to have the table ``zarr(k, v)``."""
    try:
        connection.execute("SELECT v FROM zarr WHERE k = ''").fetchone()
    except sqlite3.Error as error:
        connection.close()
        if "no such" in str(error):
            raise FileError(
                f"{path}: a SQLite file, but no Zarr store (it has no table zarr with columns"
                " k and v)",
                "not_a_store",
            ) from error
        raise explain(path, error) from error
    return connection


def _expected_size(header: bytes) -> int:
    """Bytes that the database should have; 0 where the header does not say (file format 1.3.7)."""
    page_size = int.from_bytes(header[16:18], "big")
    page_size = 65536 if page_size == 1 else page_size
    pages = int.from_bytes(header[28:32], "big")
    page_count_is_valid = header[24:28] == header[92:96]
    return page_size * pages if page_count_is_valid else 0


def _has_hot_journal(path: Path) -> bool:
    with suppress(OSError), Path(f"{path}-journal").open("rb") as journal:
        return journal.read(len(_JOURNAL_MAGIC)) == _JOURNAL_MAGIC
    return False
