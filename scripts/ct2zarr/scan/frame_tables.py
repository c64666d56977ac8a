"""The tables of frames: columns and types of a scan and of the account of files.

They are columnar (pyarrow), so that the rows of millions of files fit into memory. The columns of a
scan are the fields of ``Frame``.

A path need not be valid text: names on disk are bytes. Python keeps a stray byte as a lone
surrogate, which no table can hold, so it is stored as a private character (U+10FF00 plus the
byte) and restored when read.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

import pyarrow as pa

from ..codes import Code
from ..model import Frame
from ..vocabulary import Role

_STRAY = re.compile("[\udc80-\udcff]")
_STORED = re.compile("[\U0010ff80-\U0010ffff]")
_PRIVATE, _SURROGATES = 0x10FF00, 0xDC00

_TYPES: dict[Any, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    bool: pa.bool_(),
    Role: pa.string(),
    Code | None: pa.string(),
    int | None: pa.int64(),
    float | None: pa.float64(),
}
_VECTORS = {"position": 3, "orientation": 6, "pixel_spacing": 2}
_TEXTS_FROM_DISK = ("root", "path")

_ROLES = {str(role): role for role in Role}
_CODES: dict[str, Code | None] = {"": None, **{str(code): code for code in Code}}
_COLUMN_OF_FIELD = {"frame_number": "frame"}
"""Fields whose column has another name: the one that the contract of the manifest gives."""

_FIELD_OF_COLUMN = {
    _COLUMN_OF_FIELD.get(field.name, field.name): field.name for field in fields(Frame)
}
FRAME_COLUMNS = tuple(_FIELD_OF_COLUMN)
_FIELD_TYPES = {field.name: field.type for field in fields(Frame)}


def _type_of(name: str) -> pa.DataType:
    if name in _VECTORS:
        return pa.list_(pa.float64(), _VECTORS[name])
    return _TYPES[_FIELD_TYPES[_FIELD_OF_COLUMN[name]]]


FRAME_SCHEMA = pa.schema([(name, _type_of(name)) for name in FRAME_COLUMNS])
"""A row per frame; the columns are the fields of ``Frame``."""

_ACCOUNT = ("path", "bytes", "mtime_ns", "role", "reason", "code")
_PLACE = (("series_hash", pa.string()), ("slice_index", pa.int32()))
FILES_SCHEMA = pa.schema(
    [FRAME_SCHEMA.field(name) for name in _ACCOUNT]
    + list(_PLACE)
    + [FRAME_SCHEMA.field(name) for name in ("frame", "sop_instance_uid")]
    + [
        column
        for column in FRAME_SCHEMA
        if column.name not in (*_ACCOUNT, "frame", "sop_instance_uid")
    ]
)
"""files_shard_XX.parquet and files_excluded.parquet: a row per frame of each file below the roots.

``series_hash`` is empty for a file of no volume; ``slice_index`` (from 0) is null unless the role
is ``slice``. ``reason`` and ``code`` are empty for slices.
"""


def path_to_text(path: str) -> str:
    """A path as it is stored in a table."""
    if path.isascii():
        return path
    return _STRAY.sub(lambda found: chr(_PRIVATE - _SURROGATES + ord(found[0])), path)


def text_to_path(text: str) -> str:
    """The path that ``path_to_text`` stored."""
    if text.isascii():
        return text
    return _STORED.sub(lambda found: chr(_SURROGATES - _PRIVATE + ord(found[0])), text)


def frames_to_table(frames: Sequence[Frame]) -> pa.Table:
    """Rows of ``FRAME_SCHEMA`` in the order given."""
    columns = []
    for column in FRAME_SCHEMA:
        name = column.name
        values: list[Any] = [getattr(frame, _FIELD_OF_COLUMN[name]) for frame in frames]
        if name in _TEXTS_FROM_DISK:
            values = [path_to_text(value) for value in values]
        elif name == "role":
            values = [str(value) for value in values]
        elif name == "code":
            values = ["" if value is None else str(value) for value in values]
        elif column.type == pa.string():
            # Text from a header may hold surrogates as well; nobody needs those back.
            values = [
                value if value.isascii() else value.encode("utf-8", "replace").decode()
                for value in values
            ]
        columns.append(pa.array(values, column.type))
    return pa.Table.from_arrays(columns, schema=FRAME_SCHEMA)


def table_to_frames(table: pa.Table) -> Iterator[Frame]:
    """The frames of a table with (at least) the columns of ``FRAME_SCHEMA``."""
    for batch in table.select(FRAME_COLUMNS).to_batches():
        columns: list[list[Any]] = []
        for name, column in zip(FRAME_COLUMNS, batch.columns, strict=True):
            values = column.to_pylist()
            if name in _VECTORS:
                values = [None if value is None else tuple(value) for value in values]
            elif name in _TEXTS_FROM_DISK:
                values = [text_to_path(value) for value in values]
            elif name == "role":
                values = [_ROLES[value] for value in values]
            elif name == "code":
                values = [_CODES[value] for value in values]
            columns.append(values)
        for row in zip(*columns, strict=True):
            yield Frame(*row)


def empty_frame_table() -> pa.Table:
    """A table without rows."""
    return FRAME_SCHEMA.empty_table()
