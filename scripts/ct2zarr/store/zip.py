"""A store in a zip file whose entries are not compressed; in format 3 also a valid ``.ozx``."""

import json
import os
import threading
import zipfile
import zlib
from contextlib import suppress
from pathlib import Path, PurePosixPath

from ..codes import Code
from ..errors import FileError, Private
from ..run.atomic_files import flush_file
from ..vocabulary import StoreType
from .base import (
    METADATA_NAMES,
    WHOLE,
    Container,
    StoreWriter,
    put_twice,
    remove,
    write_all,
    write_errors,
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
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._entries = self._read_directory()

    def get(self, key: str, part: slice = WHOLE) -> bytes | memoryview | None:
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
                Code.STORE_UNREADABLE,
                "{path}: entry {key} is compressed with a method that is not supported; store the"
                " entries uncompressed or deflated",
                path=self.path,
                key=key,
            )
        if len(data) != entry.file_size or zlib.crc32(data) != entry.CRC:
            raise FileError(
                Code.STORE_DAMAGED,
                "{path}: entry {key} does not match its CRC-32; copy or convert this volume again",
                path=self.path,
                key=key,
            )
        return data[part]

    def size(self, key: str) -> int | None:
        """Uncompressed size of the entry."""
        entry = self._entries.get(key)
        return None if entry is None else entry.file_size

    def keys(self, prefix: str = "") -> list[str]:
        """Names of all entries that are files."""
        return sorted(key for key in self._entries if key.startswith(prefix))

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
                # Where a name appears twice the last entry counts, as in zipfile itself.
                return {info.filename: info for info in file.infolist() if not info.is_dir()}
        except zipfile.BadZipFile as error:
            raise FileError(
                Code.STORE_INCOMPLETE,
                "{path}: the zip file has no directory at its end, so it was not written or copied"
                " to its end; convert this volume again",
                path=self.path,
            ) from error
        except OSError as error:
            raise FileError(
                Code.STORE_UNREADABLE,
                "{path} cannot be read: {cause}",
                path=self.path,
                cause=error.strerror or Private(error),
            ) from error

    def _read_entry(self, entry: zipfile.ZipInfo) -> memoryview:
        """Raw bytes of an entry, in one read: the name and the extra field in front are short."""
        guess = _LOCAL_HEADER_BYTES + len(entry.filename.encode()) + _EXTRA_BYTES
        try:
            head = self._pread(guess + entry.compress_size, entry.header_offset)
            if head[:4] != ZIP_MAGIC[0] or len(head) < _LOCAL_HEADER_BYTES:
                raise FileError(
                    Code.STORE_DAMAGED,
                    "{path}: entry {key} is not where the directory of the zip file says; copy or"
                    " convert this volume again",
                    path=self.path,
                    key=entry.filename,
                )
            start = _LOCAL_HEADER_BYTES + int.from_bytes(head[26:28], "little")
            start += int.from_bytes(head[28:30], "little")
            if start > guess:
                return self._pread(entry.compress_size, entry.header_offset + start)
            return head[start : start + entry.compress_size]
        except OSError as error:
            raise FileError(
                Code.STORE_UNREADABLE,
                "{path}: entry {key} cannot be read: {cause}",
                path=self.path,
                key=entry.filename,
                cause=error.strerror,
            ) from error

    def _pread(self, count: int, offset: int) -> memoryview:
        return memoryview(os.pread(self._file(), count, offset))


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
