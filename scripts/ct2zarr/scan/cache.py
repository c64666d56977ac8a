"""What earlier scans read: the facts of files that have not changed since.

A row is valid for a path as long as size and modification time are the same. The facts do not
depend on any setting, so the same cache serves every selection. It is one parquet file, and while
a long scan runs further ones, so that a scan that was killed goes on where it was.
"""

import logging
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..dicom.frames import CANNOT_OPEN
from ..run.atomic_files import machine_errors
from ..run.tables import parquet_bytes, write_bytes_if_changed
from ..vocabulary import Role
from .frame_tables import FRAME_SCHEMA

logger = logging.getLogger(__name__)

FACTS_VERSION = b"2"
"""Raised whenever ``headers`` reads something else from the same file; older caches are ignored."""

_VERSION_KEY = b"ct2zarr_facts_version"
_MAIN = "instances.parquet"
_NEW = "new_{:05d}.parquet"
_SCHEMA = pa.schema([column for column in FRAME_SCHEMA if column.name not in ("dataset", "root")])

GAVE_UP = "reading the header"
"""Start of the reason for a file whose header took too long or ended the reading process."""


class ScanCache:
    """The cache in one folder; ``rows`` are those of earlier scans, in the order they were kept."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self._parts = 0
        tables = []
        for path in [folder / _MAIN, *sorted(folder.glob("new_*.parquet"))] if folder else []:
            if not path.exists():
                continue
            table = _read(path)
            if table is not None:
                tables.append(table)
        self.rows: pa.Table = pa.concat_tables(tables) if tables else _SCHEMA.empty_table()
        self.whole = len(tables) == 1

    def add_part(self, table: pa.Table) -> None:
        """Keep rows that were just read, in a file of their own until ``replace``."""
        if self.folder is None or not table.num_rows:
            return
        with machine_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            while (self.folder / _NEW.format(self._parts)).exists():
                self._parts += 1
            self._write(table, _NEW.format(self._parts))

    def replace(self, table: pa.Table) -> None:
        """Keep exactly these rows for the next scan, without those that must be tried again."""
        if self.folder is None:
            return
        keep = pc.invert(
            pc.and_(
                pc.equal(table["role"], str(Role.UNREADABLE)),
                pc.or_(
                    pc.starts_with(table["reason"], CANNOT_OPEN),
                    pc.starts_with(table["reason"], GAVE_UP),
                ),
            )
        )
        with machine_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._write(table.filter(keep), _MAIN)
            for path in self.folder.glob("new_*.parquet"):
                path.unlink()

    def _write(self, table: pa.Table, name: str) -> None:
        assert self.folder is not None
        content = parquet_bytes(table.select(_SCHEMA.names), {_VERSION_KEY: FACTS_VERSION})
        write_bytes_if_changed(self.folder / name, content)


def _read(path: Path) -> pa.Table | None:
    try:
        with pq.ParquetFile(path, memory_map=False) as file:
            table = file.read()
    except (pa.ArrowInvalid, OSError) as error:
        logger.warning("the scan cache %s is not readable and is made again (%s)", path, error)
        return None
    found = (table.schema.metadata or {}).get(_VERSION_KEY)
    if found != FACTS_VERSION or table.schema.names != _SCHEMA.names:
        logger.info("the scan cache %s is of another version and is made again", path)
        return None
    return table.cast(_SCHEMA)
