"""The sidecars of a volume: ``series.json`` as a VolumeRecord, and ``slices.csv`` as a table.

A file that does not hold what it should raises SeriesError with reason ``damaged_record``; the
caller decides whether that means converting again (resume) or a fault to report (audit).
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, get_origin

from ..codes import Code
from ..errors import SeriesError, SettingsError
from ..model import SliceTable, VolumeRecord
from ..run.csv_tables import Column, Schema, cells_to_csv, read_table

DAMAGED = "damaged_record"
"""Reason of a sidecar that cannot be read as what it should be."""

SEAL = "record_md5"
"""Last field of series.json: the MD5 of the text before it."""


def record_to_json(record: VolumeRecord) -> str:
    """The text of series.json: a line a field, and a line a member of the fields that have some.

    The last field is the MD5 of all that stands before it, so that no byte changes unseen. NaN and
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
    return _sealed("{\n" + ",\n".join(lines))


def _sealed(text: str) -> str:
    digest = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
    return f'{text},\n "{SEAL}": "{digest}"\n}}\n'


def record_from_json(text: str, source: str) -> VolumeRecord:
    """Read the text of series.json back; ``source`` names the file in errors.

    Raises SeriesError when the text is no JSON, a field is missing, one is of another type, or
    the text was changed after it was written.
    """
    try:
        content = json.loads(text)
    except ValueError as error:
        raise SeriesError(f"{source} is not valid JSON ({error}); {ADVICE}", DAMAGED) from error
    if not isinstance(content, dict):
        raise SeriesError(f"{source} does not hold a JSON object; {ADVICE}", DAMAGED)
    values: dict[str, Any] = {}
    for field in fields(VolumeRecord):
        if field.name not in content:
            raise SeriesError(f"{source} lacks {field.name}; {ADVICE}", DAMAGED)
        value = content[field.name]
        if not _fits(field.type, value):
            raise SeriesError(f"{source} has a wrong {field.name}; {ADVICE}", DAMAGED)
        values[field.name] = tuple(value) if isinstance(value, list) else value
    if _sealed(text.rpartition(f',\n "{SEAL}"')[0]) != text:
        raise SeriesError(
            f"{source} was changed after it was written: it does not have the MD5 that its last "
            f"line gives; {ADVICE}",
            DAMAGED,
        )
    return VolumeRecord(**values)


ADVICE = "convert the volume again, which happens by itself when its shard runs again."
"""What to do about a damaged sidecar."""


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
    """Read series.json. Raises SeriesError when it is damaged, FileNotFoundError when absent."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise SeriesError(f"{path.name} is not UTF-8 text; {ADVICE}", DAMAGED) from error
    return record_from_json(text, path.name)


SLICES_SCHEMA = Schema((Column("slice_index"),), ADVICE, others=True)
"""slices.csv: a row per plane. Its other columns are the tags that vary, which differ by volume."""


def slices_to_csv(table: SliceTable) -> str:
    """The text of slices.csv."""
    return cells_to_csv(SLICES_SCHEMA, table.columns, table.rows)


def read_slices(path: Path) -> SliceTable:
    """Read slices.csv.

    Raises:
        SeriesError: it is missing or damaged (``damaged_record``).
    """
    try:
        read = read_table(path, SLICES_SCHEMA)
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
