"""A store in a zip file whose entries are not compressed; in format 3 also a valid ``.ozx``."""

import errno
import json
import os
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path, PurePosixPath

from ..codes import Code
from ..errors import FileError
from ..run.atomic_files import flush_file
from ..run.bounded_files import open_regular
from ..vocabulary import StoreType
from .base import (
    METADATA_NAMES,
    WHOLE,
    Container,
    StoreWriter,
    put_twice,
    remove,
    too_large,
    unreadable,
    write_all,
    write_errors,
)
from .bounds import DIRECTORY_BYTES, PACKING_BYTES, VALUE_BYTES
from .handles import POOL, Handle
from .zip_directory import (
    DEFLATED,
    STORED,
    BadDirectoryError,
    Directory,
    Entry,
    NoDirectoryError,
    read_directory,
)

ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
"""Signatures of a local file header, and of the end record that an empty zip file starts with."""

_LOCAL_HEADER_BYTES = 30  # then the name and the extra field (APPNOTE.TXT, 4.3.7)
_EXTRA_BYTES = 64  # room for the extra field that writers usually add
_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that zip can express: bytes must not vary with time
_UNIX = 3
_FILE_MODE = 0o644


class ZipContainer(Container):
    """Reads a zip file. Values are checked against their CRC-32.

    The file is read with ``pread``, which has no file offset that processes could share after a
    fork; zarr's own ``ZipStore`` has one, and one read in three fails there.
    """

    store_type = StoreType.ZIP

    def __init__(self, path: Path | str) -> None:
        super().__init__(path)
        self._directory = self._read_directory()

    def get(
        self, key: str, part: slice = WHOLE, *, most: int = VALUE_BYTES
    ) -> bytes | memoryview | None:
        """The content of the entry ``key``, a view where the entry is stored uncompressed."""
        entry = self._entry(key)
        if entry is None:
            return None
        self._check_entry(key, entry, most)
        data = self._read_entry(key, entry)
        if entry.method == DEFLATED:
            with suppress(zlib.error):
                # One byte more than the directory says, so that a longer value is noticed.
                inflated = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, entry.size + 1)
                data = memoryview(inflated)
        if len(data) != entry.size or zlib.crc32(data) != entry.crc:
            raise FileError(
                Code.STORE_DAMAGED,
                "{path}: entry {key} does not match its CRC-32; copy or convert this volume again",
                path=self.path,
                key=key,
            )
        return data[part]

    def size(self, key: str) -> int | None:
        """Uncompressed size of the entry."""
        entry = self._entry(key)
        return None if entry is None else entry.size

    def keys(self, prefix: str = "") -> list[str]:
        """Names of all entries that are files."""
        return sorted(key for key in self._directory if key.startswith(prefix))

    def check_unchanged(self) -> None:
        """Raise ``FileError`` if the file was written since it was opened."""
        with POOL.lend(self._handles, self._open) as handle:
            self._check_identity(os.fstat(handle.value))

    def _open(self) -> Handle[int]:
        try:
            descriptor, found = open_regular(self.path)
        except FileNotFoundError:
            if self._identity is not None:
                raise self._replaced() from None
            raise FileError(
                Code.STORE_MISSING, "{path}: there is no such file", path=self.path
            ) from None
        except OSError as error:
            raise unreadable(self.path, error) from error
        handle = Handle(descriptor, os.close, shared=True, crosses_forks=True)
        self._check_identity(found)
        return handle

    def _read_directory(self) -> Directory:
        with POOL.lend(self._handles, self._open) as handle:
            descriptor = handle.value
            try:
                return read_directory(
                    lambda count, offset: os.pread(descriptor, count, offset),
                    os.fstat(descriptor).st_size,
                    DIRECTORY_BYTES,
                )
            except NoDirectoryError as error:
                raise FileError(
                    Code.STORE_INCOMPLETE,
                    "{path}: the zip file has no directory at its end, so it was not written or"
                    " copied to its end; convert this volume again",
                    path=self.path,
                ) from error
            except BadDirectoryError as error:
                raise self._bad_directory(error) from error
            except OSError as error:
                raise unreadable(self.path, error) from error

    def _entry(self, key: str) -> Entry | None:
        try:
            return self._directory.entry(key)
        except BadDirectoryError as error:
            raise self._bad_directory(error) from error

    def _bad_directory(self, error: BadDirectoryError) -> FileError:
        return FileError(
            Code.STORE_DAMAGED,
            "{path}: the directory of the zip file is damaged: {cause}; copy or convert this volume"
            " again",
            path=self.path,
            cause=str(error),
        )

    def _check_entry(self, key: str, entry: Entry, most: int) -> None:
        """Raise ``FileError`` unless an entry can be read within ``most`` bytes."""
        if entry.encrypted:
            raise FileError(
                Code.STORE_UNREADABLE,
                "{path}: entry {key} is encrypted; store the entries without a password",
                path=self.path,
                key=key,
            )
        if entry.method not in (STORED, DEFLATED):
            raise FileError(
                Code.STORE_UNREADABLE,
                "{path}: entry {key} is compressed with a method that is not supported; store the"
                " entries uncompressed or deflated",
                path=self.path,
                key=key,
            )
        # What does not shrink is stored unchanged, in blocks with a few bytes before each.
        if max(entry.size, entry.packed - PACKING_BYTES) > most:
            raise too_large(self.path, key, max(entry.size, entry.packed), most)

    def _read_entry(self, key: str, entry: Entry) -> memoryview:
        """Raw bytes of an entry, in one read: the name and the extra field in front are short."""
        guess = _LOCAL_HEADER_BYTES + len(key.encode()) + _EXTRA_BYTES
        try:
            head = self._pread(guess + entry.packed, entry.offset)
            if head[:4] != ZIP_MAGIC[0] or len(head) < _LOCAL_HEADER_BYTES:
                raise FileError(
                    Code.STORE_DAMAGED,
                    "{path}: entry {key} is not where the directory of the zip file says; copy or"
                    " convert this volume again",
                    path=self.path,
                    key=key,
                )
            start = _LOCAL_HEADER_BYTES + int.from_bytes(head[26:28], "little")
            start += int.from_bytes(head[28:30], "little")
            if start > guess:
                return self._pread(entry.packed, entry.offset + start)
            return head[start : start + entry.packed]
        except (OSError, OverflowError) as error:
            cause = error if isinstance(error, OSError) else OSError(errno.EINVAL, "no such place")
            raise unreadable(self.path, cause, key) from error

    def _pread(self, count: int, offset: int) -> memoryview:
        with POOL.lend(self._handles, self._open) as handle:
            # No more than there is: a buffer of that size is made before anything is read.
            there = max(0, os.fstat(handle.value).st_size - offset)
            return memoryview(os.pread(handle.value, min(count, there), offset))


class ZipWriter(StoreWriter):
    """Writes entries uncompressed, metadata documents first (OME RFC-9).

    The documents arrive last, so the chunks wait in a file beside; the documents in memory.
    """

    def _create(self) -> None:
        self._spool_path = Path(f"{self.path}.chunks")
        self._documents: dict[str, bytes] = {}
        self._chunks: dict[str, int] = {}  # key -> bytes, in the order of the spool
        with write_errors(self.path):
            self._spool = self._spool_path.open("wb", buffering=0)

    def _put(self, key: str, value: bytes | memoryview) -> None:
        if key in self._documents or key in self._chunks:
            raise put_twice(key)
        if PurePosixPath(key).name in METADATA_NAMES:
            self._documents[key] = bytes(value)
            return
        with write_errors(self.path):
            write_all(self._spool.fileno(), value)
        self._chunks[key] = memoryview(value).nbytes

    def finish(self) -> None:
        """Write the zip file: the documents, then the chunks."""
        with write_errors(self.path):
            self._spool.close()
            with (
                self._spool_path.open("rb") as spool,
                self.path.open("xb") as file,
                zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive,
            ):
                for key in sorted(self._documents, key=_breadth_first):
                    _add_entry(archive, key, self._documents[key])
                for key, size in self._chunks.items():
                    _add_entry(archive, key, spool.read(size))
                archive.comment = _ozx_comment(self._documents.get("zarr.json"))
            self._spool_path.unlink()
            flush_file(self.path)

    def abort(self) -> None:
        """Remove the zip file and the chunks beside it."""
        self._spool.close()
        remove(self._spool_path)
        remove(self.path)


def _add_entry(archive: zipfile.ZipFile, key: str, value: bytes) -> None:
    info = zipfile.ZipInfo(key, _DATE)
    info.create_system = _UNIX
    info.external_attr = _FILE_MODE << 16
    info.file_size = len(value)
    # RFC-9: "The ZIP64 format extension SHOULD be used, irrespective of the ZIP file size."
    with archive.open(info, "w", force_zip64=True) as entry:
        entry.write(value)


def _breadth_first(key: str) -> tuple[int, str]:
    return key.count("/"), key


def _ozx_comment(root_document: bytes | None) -> bytes:
    """The archive comment of RFC-9 if the root is OME-Zarr in format 3, else nothing."""
    if root_document is None:
        return b""
    version = json.loads(root_document).get("attributes", {}).get("ome", {}).get("version")
    if version is None:
        return b""
    comment = {"ome": {"version": version, "zipFile": {"centralDirectory": {"jsonFirst": True}}}}
    return json.dumps(comment, separators=(",", ":")).encode()
