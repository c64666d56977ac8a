"""Write a store key by key, fast, under a temporary name: a SQLite file, a directory or a zip file.

The writers put finished chunks and metadata documents under zarr's keys; they know nothing of
arrays. Equal content put in equal order gives equal bytes. ``finish`` returns when everything has
reached the disk (fsync), so the caller may rename the result; ``abort`` takes everything away.
"""

import json
import os
import shutil
import sqlite3
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Protocol

from ..errors import MachineError
from ..vocabulary import StoreType
from .containers import StoreDigest
from .sqlite_file import PAGE_SIZE, SCHEMA, file_uri

METADATA_NAMES = frozenset({"zarr.json", ".zgroup", ".zattrs", ".zarray", ".zmetadata"})
"""Last part of the keys that are metadata documents, in Zarr formats 3 and 2."""

_ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that zip can say: bytes must not vary with time
_ZIP_UNIX = 3
_ZIP_FILE_MODE = 0o644


class StoreWriter(Protocol):
    """Takes keys and values of one store. Each key is put once; ``ValueError`` otherwise."""

    def put(self, key: str, value: bytes) -> None:
        """Write ``value`` (any contiguous buffer of bytes) under ``key``."""

    def finish(self) -> None:
        """Complete the store and wait until it is on the disk."""

    def abort(self) -> None:
        """Remove all that was written; safe to call at any time, also twice."""

    def restart(self) -> None:
        """Remove all that was put and begin again: a value did not fit the type tried first."""

    def digest(self) -> str:
        """``StoreDigest`` of what was put: what ``store_digest`` finds in a sound store later."""


def open_writer(store_type: StoreType, temporary_path: Path) -> StoreWriter:
    """A writer of a new store at ``temporary_path``; what an interrupted run left there goes.

    Raises (here, and from the writer's methods):
        MachineError: the disk is full, the folder cannot be written, or the like.
    """
    writers: dict[StoreType, type[_SqliteWriter] | type[_DirWriter] | type[_ZipWriter]] = {
        StoreType.SQLITE: _SqliteWriter,
        StoreType.DIR: _DirWriter,
        StoreType.ZIP: _ZipWriter,
    }
    return writers[store_type](temporary_path)


class _Writer:
    """Checks keys, and takes the digest of what passes by."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._digest = StoreDigest()
        _remove(path)

    def put(self, key: str, value: bytes) -> None:
        if not key or any(part in {"", ".", ".."} for part in key.split("/")):
            raise ValueError(f"{key!r} is no key of a Zarr store")
        self._put(key, value)
        self._digest.add(key, value)

    def _put(self, key: str, value: bytes) -> None:
        raise NotImplementedError

    def digest(self) -> str:
        return self._digest.hexdigest()


class _SqliteWriter(_Writer):
    """One transaction, no journal, no locks: nobody else knows the temporary name.

    A writer that is killed leaves a useless file, which is why the name is temporary.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with _writing(path):
            self._connection = sqlite3.connect(
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
                self._connection.execute(f"PRAGMA {pragma}")
            self._connection.execute("BEGIN")
            for statement in SCHEMA:
                self._connection.execute(statement)

    def _put(self, key: str, value: bytes) -> None:
        try:
            with _writing(self._path):
                self._connection.execute("INSERT INTO zarr(k, v) VALUES (?, ?)", (key, value))
        except sqlite3.IntegrityError:
            raise _put_twice(key) from None

    def finish(self) -> None:
        with _writing(self._path):
            self._connection.execute("COMMIT")
            self._connection.close()
            _sync(self._path)

    def restart(self) -> None:
        self.abort()
        _SqliteWriter.__init__(self, self._path)

    def abort(self) -> None:
        with suppress(sqlite3.Error):
            self._connection.close()
        _remove(self._path)


class _DirWriter(_Writer):
    """A file for each key.

    Files are synced at the end, when the system has written most of them out by itself; then their
    folders, the deepest first.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._files: list[str] = []
        self._folders = {str(path)}
        with _writing(path):
            path.mkdir()

    def _put(self, key: str, value: bytes) -> None:
        file = f"{self._path}/{key}"
        folder = file.rpartition("/")[0]
        try:
            with _writing(self._path):
                if folder not in self._folders:
                    Path(folder).mkdir(parents=True, exist_ok=True)
                    while folder not in self._folders:
                        self._folders.add(folder)
                        folder = folder.rpartition("/")[0]
                with open(file, "xb", buffering=0) as out:  # noqa: PTH123 - faster
                    _write_all(out.fileno(), value)
        except FileExistsError:
            raise _put_twice(key) from None
        self._files.append(file)

    def finish(self) -> None:
        with _writing(self._path):
            for file in self._files:
                _sync(Path(file))
            for folder in sorted(self._folders, key=len, reverse=True):
                _sync(Path(folder))

    def restart(self) -> None:
        self.abort()
        _DirWriter.__init__(self, self._path)

    def abort(self) -> None:
        _remove(self._path)


class _ZipWriter(_Writer):
    """Entries stored uncompressed, metadata documents first: also a valid ``.ozx`` (OME RFC-9).

    The documents are known last, so the chunks wait in a file beside; the documents in memory.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._spool_path = Path(f"{path}.chunks")
        self._documents: dict[str, bytes] = {}
        self._chunks: dict[str, int] = {}  # key -> bytes, in the order of the spool
        with _writing(path):
            self._spool = self._spool_path.open("wb", buffering=0)

    def _put(self, key: str, value: bytes) -> None:
        if key in self._documents or key in self._chunks:
            raise _put_twice(key)
        if PurePosixPath(key).name in METADATA_NAMES:
            self._documents[key] = bytes(value)
            return
        with _writing(self._path):
            _write_all(self._spool.fileno(), value)
        self._chunks[key] = memoryview(value).nbytes

    def finish(self) -> None:
        with _writing(self._path):
            self._spool.close()
            with (
                self._spool_path.open("rb") as spool,
                self._path.open("xb") as file,
                zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive,
            ):
                for key in sorted(self._documents, key=_breadth_first):
                    _add_entry(archive, key, self._documents[key])
                for key, size in self._chunks.items():
                    _add_entry(archive, key, spool.read(size))
                archive.comment = _ozx_comment(self._documents.get("zarr.json"))
            self._spool_path.unlink()
            _sync(self._path)

    def restart(self) -> None:
        self.abort()
        _ZipWriter.__init__(self, self._path)

    def abort(self) -> None:
        self._spool.close()
        _remove(self._spool_path)
        _remove(self._path)


def _add_entry(archive: zipfile.ZipFile, key: str, value: bytes) -> None:
    info = zipfile.ZipInfo(key, _ZIP_DATE)
    info.create_system = _ZIP_UNIX
    info.external_attr = _ZIP_FILE_MODE << 16
    info.file_size = len(value)
    # RFC-9: "The ZIP64 format extension SHOULD be used, irrespective of the ZIP file size."
    with archive.open(info, "w", force_zip64=True) as entry:
        entry.write(value)


def _breadth_first(key: str) -> tuple[int, str]:
    return key.count("/"), key


def _ozx_comment(root_document: bytes | None) -> bytes:
    """The archive comment of RFC-9, where the root is OME-Zarr in format 3; else nothing."""
    if root_document is None:
        return b""
    version = json.loads(root_document).get("attributes", {}).get("ome", {}).get("version")
    if version is None:
        return b""
    comment = {"ome": {"version": version, "zipFile": {"centralDirectory": {"jsonFirst": True}}}}
    return json.dumps(comment, separators=(",", ":")).encode()


def _put_twice(key: str) -> ValueError:
    return ValueError(f"key {key} was put twice")


def _write_all(descriptor: int, value: bytes) -> None:
    """``os.write`` takes at most 2 GiB at once, and less on a disk that is nearly full."""
    rest = memoryview(value).cast("B")
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    """Remove a file or a directory tree; nothing there is fine."""
    with _writing(path):
        try:
            path.unlink(missing_ok=True)
        except (IsADirectoryError, PermissionError):  # macOS gives the second for a directory
            if not path.is_dir():
                raise
            shutil.rmtree(path)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """Turn what the system refuses into ``MachineError``; a key put twice passes."""
    try:
        yield
    except (FileExistsError, sqlite3.IntegrityError):
        raise
    except OSError as error:
        raise MachineError(
            f"{path}: cannot be written: {error.strerror or error}", "disk"
        ) from error
    except sqlite3.Error as error:
        raise MachineError(f"{path}: cannot be written: {error}", "disk") from error
