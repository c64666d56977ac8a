"""The scan cache: what earlier scans read of files that have not changed since.

A row is valid for a path as long as size and modification time are the same. The rows do not
depend on any setting, so one cache serves every selection. It is one parquet file. A long scan
adds further files as it goes, so that a scan that is killed continues where it was.

Each file ends with the MD5 of what precedes it. A file that has changed since, by a flipped bit for
instance, is not used, and its headers are read again.
"""

import hashlib
import logging
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..codes import Code
from ..run.atomic_files import machine_errors
from ..run.tables import parquet_bytes, write_bytes_if_changed
from .frame_tables import FRAME_SCHEMA

logger = logging.getLogger(__name__)

FACTS_VERSION = b"6"
"""Raised whenever ``dicom.frames`` reads something else from a file; older caches are ignored."""

_MARK = b"ct2zarr"
_PARQUET_END = b"PAR1"
"""Last bytes of a parquet file, as which versions before the MD5 kept the cache."""
_DIGEST_BYTES = hashlib.md5(usedforsecurity=False).digest_size

_VERSION_KEY = b"ct2zarr_facts_version"
_MAIN = "instances.parquet"
_NEW = "new_{:05d}.parquet"
_SCHEMA = pa.schema([column for column in FRAME_SCHEMA if column.name not in ("dataset", "root")])

TRIED_AGAIN = (Code.UNREADABLE, Code.HEADER_TIMEOUT, Code.HEADER_CRASH)
"""Files with these codes are read at every scan: the machine may be at fault, not the file."""


class ScanCache:
    """The cache in one folder.

    Attributes
    ----------
    rows
        Rows of earlier scans, in the order in which they were kept.
    whole
        They are in the one file that a finished scan leaves.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._files = 0
        tables = []
        for path in [folder / _MAIN, *sorted(folder.glob("new_*.parquet"))] if folder else []:
            if not path.exists():
                continue
            table = _read(path)
            if table is not None:
                tables.append(table)
        self.rows: pa.Table = pa.concat_tables(tables) if tables else _SCHEMA.empty_table()
        self.whole = len(tables) == 1

    def add(self, table: pa.Table) -> None:
        """Keep rows that were just read, in a file of their own until ``replace``."""
        if self.folder is None or not table.num_rows:
            return
        with machine_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            while (self.folder / _NEW.format(self._files)).exists():
                self._files += 1
            self._write(self.folder, table, _NEW.format(self._files))

    def replace(self, table: pa.Table) -> None:
        """Keep exactly these rows for the next scan, but for those that are to be tried again."""
        if self.folder is None:
            return
        again = pa.array([str(code) for code in TRIED_AGAIN], pa.string())
        keep = pc.invert(pc.is_in(table["code"], again))
        with machine_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._write(self.folder, table.filter(keep), _MAIN)
            for path in self.folder.glob("new_*.parquet"):
                path.unlink()

    @staticmethod
    def _write(folder: Path, table: pa.Table, name: str) -> None:
        content = parquet_bytes(table.select(_SCHEMA.names), {_VERSION_KEY: FACTS_VERSION})
        write_bytes_if_changed(folder / name, _sealed(content))


def _sealed(content: bytes) -> bytes:
    """A parquet file with its MD5 after it."""
    return b"".join((content, _MARK, _digest(content)))


def _checked(content: bytes) -> memoryview:
    """The parquet file within; raises ``ValueError`` if a byte has changed since it was written."""
    end = max(len(content) - len(_MARK) - _DIGEST_BYTES, 0)
    body = memoryview(content)[:end]
    if content[end:] != _MARK + _digest(body):
        raise ValueError("it does not end with the MD5 of its content")
    return body


def _digest(content: bytes | memoryview) -> bytes:
    return hashlib.md5(content, usedforsecurity=False).digest()


def _read(path: Path) -> pa.Table | None:
    try:
        content = path.read_bytes()
        if content.endswith(_PARQUET_END):
            _say_of_another_version(path)
            return None
        with pq.ParquetFile(pa.BufferReader(pa.py_buffer(_checked(content)))) as file:
            table = file.read()
    except (pa.ArrowInvalid, OSError, ValueError) as error:
        logger.warning(
            "the scan cache %s cannot be used; its headers are read again (%s)", path, error
        )
        return None
    found = (table.schema.metadata or {}).get(_VERSION_KEY)
    if found != FACTS_VERSION or table.schema.names != _SCHEMA.names:
        _say_of_another_version(path)
        return None
    return table.cast(_SCHEMA)


def _say_of_another_version(path: Path) -> None:
    logger.info("the scan cache %s is of another version; its headers are read again", path)
