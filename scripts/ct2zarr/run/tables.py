"""Files of the manifest: whole or not at all, and untouched while their content is the same."""

import io
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from .atomic_files import machine_errors, write_bytes_atomically

ROW_GROUP = 1 << 18
"""Rows per group: readers that want a few columns or rows hold no more than this at once."""


def parquet_bytes(table: pa.Table, metadata: Mapping[bytes, bytes]) -> bytes:
    """A table as parquet; the bytes depend on its rows and on the version of pyarrow alone."""
    sink = io.BytesIO()
    pq.write_table(
        table.replace_schema_metadata(dict(metadata)).combine_chunks(),
        sink,
        compression="zstd",
        row_group_size=ROW_GROUP,
    )
    return sink.getvalue()


def write_bytes_if_changed(path: Path, content: bytes) -> bool:
    """Write ``content`` to ``path``, unless the file has this content already.

    Returns
    -------
    bool
        Whether the file was written.

    Raises
    ------
    MachineError
        The folder cannot be written.
    """
    with machine_errors(path.parent), suppress(FileNotFoundError):
        if path.stat().st_size == len(content) and path.read_bytes() == content:
            return False
    write_bytes_atomically(path, content)
    return True
