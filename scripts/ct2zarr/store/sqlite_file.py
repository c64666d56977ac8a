"""A Zarr hierarchy in one SQLite file: the schema, and how such a file is opened.

The schema is that of ``zarr.SQLiteStore`` in zarr-python 2 (a rowid table ``zarr`` with two
columns), with the second table and the application id that the PyPI package ``zarr-sqlite``
requires, so that one file serves three readers. This module knows SQLite but not zarr.

Readers open the file with ``mode=ro&immutable=1``: no lock, no look-up of a journal (each is a
round trip on a network file system), and nothing is written beside the file. That is safe because
a volume is renamed into place when it is complete, and never changes afterwards.
"""

import os
import sqlite3
import urllib.parse
from contextlib import suppress
from pathlib import Path

from ..codes import Code
from ..errors import Ct2zarrError, FileError, MachineError, Private
from ..run.bounded_files import OUT_OF_DESCRIPTORS, open_regular
from .base import unreadable

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
_LONGEST_SCHEMA = 1 << 20  # bytes of a statement or value while the schema is read
_MOST_STEPS = 100_000  # of SQLite's virtual machine, for the schema of a store some 100


def file_uri(path: Path, **query: str | int) -> str:
    """``file:`` URI of ``path`` for ``sqlite3.connect``, with ``?``, ``#`` and ``%`` quoted."""
    quoted = urllib.parse.quote(os.fsencode(path.absolute()))
    return f"file:{quoted}?{urllib.parse.urlencode(query)}"


def check_header(path: Path) -> os.stat_result:
    """Raise ``FileError`` unless ``path`` is a complete SQLite database that can be read in place.

    Returns what the system says of the file.

    Only the 100-byte header and the size are looked at. Refused are a missing or empty file,
    another kind of file, WAL mode (an immutable reader would miss the ``-wal`` file), fewer bytes
    than the header says, and a rollback journal beside the file.
    """
    header, found = _header_and_state(path)
    size = found.st_size
    if size == 0:
        raise FileError(
            Code.STORE_INCOMPLETE, "{path} is empty; convert this volume again", path=path
        )
    if not header.startswith(SQLITE_MAGIC):
        raise FileError(Code.NOT_A_STORE, "{path} is not a SQLite file", path=path)
    if len(header) < _HEADER_BYTES or size < _expected_size(header):
        raise FileError(
            Code.STORE_INCOMPLETE,
            "{path}: the SQLite file is cut short ({found} bytes are left); copy or convert this"
            " volume again",
            path=path,
            found=size,
        )
    if _WAL in header[18:20]:
        raise FileError(
            Code.STORE_IN_WAL_MODE,
            "{path}: the SQLite file is in WAL mode, which fails in read-only and network folders;"
            " end that mode with: PRAGMA journal_mode=DELETE",
            path=path,
        )
    if _has_hot_journal(path):
        raise FileError(
            Code.STORE_INCOMPLETE,
            "{path} has a rollback journal beside it, so it is being written or its writer was"
            " killed; convert this volume again",
            path=path,
        )
    return found


def _header_and_state(path: Path) -> tuple[bytes, os.stat_result]:
    try:
        descriptor, found = open_regular(path)
        try:
            return os.read(descriptor, _HEADER_BYTES), found
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        raise FileError(Code.STORE_MISSING, "{path}: there is no such file", path=path) from None
    except OSError as error:
        raise unreadable(path, error) from error


def connect_read_only(
    path: Path, *, immutable: bool = True
) -> tuple[sqlite3.Connection, os.stat_result]:
    """Connection to a finished store, and what the system says of its file.

    Raises ``FileError`` if ``path`` is no such store. The connection may be used from any thread
    and must not be carried over a fork.
    """
    found = check_header(path)
    query: dict[str, str | int] = {"mode": "ro"}
    if immutable:
        query["immutable"] = 1
    try:
        connection = sqlite3.connect(
            file_uri(path, **query), uri=True, check_same_thread=False, isolation_level=None
        )
    except sqlite3.Error as error:
        raise explain(path, error) from error
    return _checked(path, connection), found


def connect_new(path: Path) -> sqlite3.Connection:
    """Connection to a new store in one open transaction, without locks and journal.

    The caller commits. Raises ``sqlite3.Error``.
    """
    _create(path)
    connection = sqlite3.connect(
        # No locks: they fail on some network file systems and protect nothing here.
        file_uri(path, mode="rwc", nolock=1),
        uri=True,
        isolation_level=None,
        check_same_thread=False,
    )
    for pragma in (
        f"page_size = {PAGE_SIZE}",
        "journal_mode = OFF",
        "synchronous = OFF",
        "locking_mode = EXCLUSIVE",
    ):
        connection.execute(f"PRAGMA {pragma}")
    connection.execute("BEGIN")
    for statement in SCHEMA:
        connection.execute(statement)
    return connection


def connect_writable(path: Path) -> sqlite3.Connection:
    """Connection in autocommit mode to a store, which is created if there is none."""
    created = not path.exists() or path.stat().st_size == 0
    if created:
        _create(path)
    else:
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
            # Another process may have created the tables after the size was looked at.
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name='zarr'").fetchone():
                for statement in SCHEMA:
                    connection.execute(statement)
            connection.execute("COMMIT")
    except sqlite3.Error as error:
        if connection is not None:
            connection.close()
        raise explain(path, error) from error
    return _checked(path, connection)


def _create(path: Path) -> None:
    """Create the file as any other file is: SQLite would grant others no more than to read it."""
    with suppress(OSError):  # SQLite meets the same obstacle, and says so
        path.touch()


def explain(path: Path, error: sqlite3.Error) -> Ct2zarrError:
    """The error for users: a fault of the disk or the machine, or of the file."""
    code = getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE
    if code == sqlite3.SQLITE_CANTOPEN:
        try:
            os.close(open_regular(path)[0])
        except OSError as refused:
            if refused.errno in OUT_OF_DESCRIPTORS:
                return unreadable(path, refused)
    if code in _MACHINE_CODES:
        return MachineError(
            Code.MACHINE,
            "{path}: SQLite cannot continue: {cause}",
            path=path,
            cause=Private(error),
        )
    return FileError(
        Code.STORE_UNREADABLE,
        "{path} is damaged, or is no Zarr store in SQLite: {cause}",
        path=path,
        cause=Private(error),
    )


_PRIMARY_CODE = 0xFF  # the lower byte; the others tell why (https://www.sqlite.org/rescode.html)
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


def _checked(path: Path, connection: sqlite3.Connection) -> sqlite3.Connection:
    """The connection, after a check that it has the table ``zarr(k, v)``; closed otherwise.

    A schema is a program that SQLite runs: a view or a virtual table of that name, or a generated
    column, could make values of any size in any time. Only a plain table is read, and the schema
    itself is read within a bound of bytes and of steps.
    """
    try:
        longest = connection.getlimit(sqlite3.SQLITE_LIMIT_LENGTH)
        _distrust(connection)
        plain = _has_plain_table(connection)
        if plain:
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, longest)
            connection.set_progress_handler(None, 0)
            return connection
    except sqlite3.Error as error:
        connection.close()
        raise explain(path, error) from error
    connection.close()
    raise FileError(
        Code.NOT_A_STORE,
        "{path} is a SQLite file, but no Zarr store (it has no table zarr with columns k and v)",
        path=path,
    )


def _distrust(connection: sqlite3.Connection) -> None:
    """Let the schema run no functions and tables of its choice, and be read within bounds."""
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_SCHEMA)
    connection.set_progress_handler(_stop, _MOST_STEPS)
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")


def _stop() -> int:
    return 1


def _has_plain_table(connection: sqlite3.Connection) -> bool:
    found = connection.execute(
        # Views and virtual tables have no page of their own.
        "SELECT 1 FROM sqlite_master WHERE type = 'table' AND lower(name) = 'zarr' AND rootpage > 0"
    ).fetchone()
    if found is None:
        return False
    columns = {
        name.lower(): (key, hidden)
        for _, name, _, _, _, key, hidden in connection.execute("PRAGMA table_xinfo(zarr)")
    }
    # Hidden columns are those of virtual tables and generated ones. Without an index on the keys
    # each read would go through the whole file.
    return columns.get("k") == (1, 0) and columns.get("v") == (0, 0)


def _expected_size(header: bytes) -> int:
    """Bytes that the database should have; 0 where the header does not say (file format 1.3.7)."""
    page_size = int.from_bytes(header[16:18], "big")
    page_size = 65536 if page_size == 1 else page_size
    pages = int.from_bytes(header[28:32], "big")
    page_count_is_valid = header[24:28] == header[92:96]
    return page_size * pages if page_count_is_valid else 0


def _has_hot_journal(path: Path) -> bool:
    with suppress(OSError):
        descriptor, _ = open_regular(f"{path}-journal")
        try:
            return os.read(descriptor, len(_JOURNAL_MAGIC)) == _JOURNAL_MAGIC
        finally:
            os.close(descriptor)
    return False
