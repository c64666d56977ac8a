"""Files of the manifest: whole or not at all, and untouched while their content is the same."""

import io
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from .atomic_files import flush_folder, machine_errors, temporary_path

ROW_GROUP = 1 << 18
"""Rows a group: readers that want a few columns or rows hold no more than this at once."""


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
    """Make ``path`` hold ``content``; its time stays if it does already. Says if it was written.

    Raises MachineError.
    """
    with machine_errors(path.parent):
        with suppress(FileNotFoundError):
            if path.stat().st_size == len(content) and path.read_bytes() == content:
                return False
        temporary = temporary_path(path.parent, path.name)
        try:
            with temporary.open("wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
            flush_folder(path.parent)
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
    return True
