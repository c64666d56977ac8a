"""The sidecars of a volume: ``series.json`` as a VolumeRecord, and ``slices.csv`` as a table.

A damaged sidecar raises SeriesError with the code ``damaged_record``. The caller decides whether
to convert the volume again (when a run resumes) or to report the damage (in an audit).
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, get_origin

from ..codes import Code
from ..errors import Private, SeriesError, SettingsError
from ..model import SliceTable, VolumeRecord
from ..run.bounded_files import NotRegularError, TooLargeError, read_bounded
from ..run.csv_tables import Column, Schema, cells_to_csv, parse_table
from ..run.sealed import is_sealed, seal
from .bounds import DOCUMENT_BYTES, SLICES_BYTES
from .json_documents import parse_json

ADVICE = "convert the volume again, which happens by itself when its shard runs again"
"""What to do about a damaged sidecar."""

SEAL = "record_md5"
"""Last field of series.json: the MD5 of the text before it."""


def record_to_json(record: VolumeRecord) -> str:
    """The text of series.json: a line per field, and a line per member of a field that has some.

    The last field is the MD5 of all text before it, so that no byte can change unnoticed. NaN and
    infinity are not JSON and raise ValueError.
    """
    lines = []
    for name, value in asdict(record).items():
        text = json.dumps(value, allow_nan=False)
        if isinstance(value, dict) and value:
            inner = ",\n  ".join(
                f"{json.dumps(key)}: {json.dumps(one, allow_nan=False)}"
                for key, one in value.items()
            )
            text = f"{{\n  {inner}\n }}"
        lines.append(f" {json.dumps(name)}: {text}")
    return seal("{\n" + ",\n".join(lines), SEAL)


def record_from_json(text: str, path: Path) -> VolumeRecord:
    """The record that the text of a series.json holds; ``path`` is where it comes from, for errors.

    Raises
    ------
    SeriesError
        The text is no JSON, a field is missing or has another type, or the text was changed after
        it was written (``damaged_record``).
    """
    try:
        content = parse_json(text)
    except ValueError as error:
        raise SeriesError(
            Code.DAMAGED_RECORD,
            "{file} is not valid JSON ({cause}); {advice}",
            path=path,
            cause=Private(error),
            advice=ADVICE,
        ) from error
    if not isinstance(content, dict):
        raise SeriesError(
            Code.DAMAGED_RECORD,
            "{file} does not hold a JSON object; {advice}",
            path=path,
            advice=ADVICE,
        )
    values: dict[str, Any] = {}
    for field in fields(VolumeRecord):
        value = content.get(field.name)
        if field.name not in content or not _fits(field.type, value):
            raise SeriesError(
                Code.DAMAGED_RECORD,
                "{file} has no {field}, or one of another type; {advice}",
                path=path,
                field=field.name,
                advice=ADVICE,
            )
        values[field.name] = tuple(value) if isinstance(value, list) else value
    if not is_sealed(text, SEAL):
        raise SeriesError(
            Code.DAMAGED_RECORD,
            "{file} was changed after it was written: its MD5 is not the one in its last line;"
            " {advice}",
            path=path,
            advice=ADVICE,
        )
    return VolumeRecord(**values)


def _fits(declared: Any, value: Any) -> bool:
    if declared is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if declared is str:
        return isinstance(value, str)
    if get_origin(declared) is tuple:
        if not isinstance(value, list):
            return False
        if Ellipsis in declared.__args__:
            return all(isinstance(item, str) for item in value)
        return len(value) == len(declared.__args__) and all(isinstance(i, int) for i in value)
    return isinstance(value, Mapping)


def read_record(path: Path) -> VolumeRecord:
    """Read series.json.

    Raises
    ------
    SeriesError
        It is damaged (``damaged_record``).
    FileNotFoundError
        There is none.
    """
    return record_from_json(_text(path, DOCUMENT_BYTES), path)


def _text(path: Path, most: int) -> str:
    """The text of a sidecar of up to ``most`` bytes, with the ends of its lines as they are."""
    try:
        return read_bounded(path, most).decode("utf-8")
    except UnicodeDecodeError as error:
        raise SeriesError(
            Code.DAMAGED_RECORD,
            "{file} is not text in UTF-8; {advice}",
            path=path,
            advice=ADVICE,
        ) from error
    except (NotRegularError, TooLargeError) as error:
        raise SeriesError(
            Code.DAMAGED_RECORD,
            "{file} cannot be read: {cause}; {advice}",
            path=path,
            cause=error.strerror,
            advice=ADVICE,
        ) from error


SLICES_SCHEMA = Schema((Column("slice_index"),), ADVICE, others=True)
"""slices.csv: a row per plane. Its other columns are the tags that vary, which differ by volume."""


def slices_to_csv(table: SliceTable) -> str:
    """The text of slices.csv."""
    return cells_to_csv(SLICES_SCHEMA, table.columns, table.rows)


def read_slices(path: Path) -> SliceTable:
    """Read slices.csv.

    Raises
    ------
    SeriesError
        It is missing or damaged (``damaged_record``).
    """
    try:
        text = _text(path, SLICES_BYTES)
    except OSError as error:
        raise SeriesError(
            Code.DAMAGED_RECORD,
            "{file} cannot be read: {cause}; {advice}",
            path=path,
            cause=error.strerror or Private(error),
            advice=ADVICE,
        ) from error
    return slices_from_csv(text, path)


def slices_from_csv(text: str, path: Path) -> SliceTable:
    """The table that the text of a slices.csv holds; ``path`` is where it comes from, for errors.

    Raises
    ------
    SeriesError
        It is damaged (``damaged_record``).
    """
    try:
        read = parse_table(text, path, SLICES_SCHEMA)
    except SettingsError as error:
        raise SeriesError(Code.DAMAGED_RECORD, "{cause}", path=path, cause=error) from error
    rows = zip(*(read.columns[name] for name in read.header), strict=True)
    table = SliceTable(read.header, tuple(rows))
    if table.column("slice_index") != tuple(map(str, range(len(read)))):
        raise SeriesError(
            Code.DAMAGED_RECORD,
            "{file} does not count its planes from 0; {advice}",
            path=path,
            advice=ADVICE,
        )
    return table
