"""Tables under checksums: JSON that is sealed by its own MD5 and states those of other files.

The last member of such a JSON is the MD5 of the text before it. It gives the MD5 of each file that
belongs to it, so a changed byte in any of them shows. The JSON is written before its table: a table
exists only beside its checksum, even where a job is killed in between.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..codes import Code
from ..errors import Private, SettingsError
from .atomic_files import machine_errors, write_atomically, write_bytes_atomically
from .checksums import bytes_md5, file_md5
from .paths import TablePaths

SEAL = "json_md5"
"""Last member: the MD5 of the text before it."""

TABLE_MD5 = "csv_md5"
"""Member with the MD5 of the CSV beside the JSON."""


def seal(text: str, name: str = SEAL) -> str:
    """The text of a JSON object that is sealed; ``text`` is the object without its closing ``}``.

    Parameters
    ----------
    name
        Of the member that holds the MD5.
    """
    return f'{text},\n "{name}": "{bytes_md5(text.encode())}"\n}}\n'


def is_sealed(text: str, name: str = SEAL) -> bool:
    """Whether no character of a sealed JSON has changed since it was written."""
    return seal(text.rpartition(f',\n "{name}"')[0], name) == text


def sealed_json(content: Mapping[str, Any]) -> str:
    """The text of a JSON object, a line per value, that ends with its seal."""
    return seal(json.dumps(dict(content), indent=1, allow_nan=False).removesuffix("\n}"))


def read_sealed(path: Path, advice: str) -> dict[str, Any]:
    """Read a sealed JSON object.

    Parameters
    ----------
    advice
        What to do about a damaged file.

    Raises
    ------
    SettingsError
        It does not exist (``input_missing``), is not JSON, or was changed after it was written
        (``input_damaged``).
    """
    try:
        text = _bytes_of(path, advice).decode("utf-8")
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SettingsError(
            Code.INPUT_DAMAGED,
            "{path} is not valid JSON ({cause}); {advice}",
            path=path,
            cause=Private(error),
            advice=advice,
        ) from error
    if not isinstance(content, dict) or not is_sealed(text):
        raise SettingsError(
            Code.INPUT_DAMAGED,
            "{path} was changed after it was written, or an older version of ct2zarr wrote it: it "
            "does not end with the MD5 of its text; {advice}",
            path=path,
            advice=advice,
        )
    return content


def check_file(path: Path, md5: str, advice: str) -> None:
    """Check that a file of any size has this MD5. Raises SettingsError as ``read_sealed``."""
    try:
        found = file_md5(path)
    except OSError as error:
        raise _unreadable(path, error, advice) from error
    if found != md5:
        raise _changed(path, advice)


def write_table(files: TablePaths, text: str, content: Mapping[str, Any]) -> None:
    """Write a table and its JSON, which gets the MD5 of the table, each whole or not at all.

    An old table is removed first, so that none exists beside the JSON of another one.

    Raises
    ------
    MachineError
        The folder cannot be written.
    """
    table = text.encode("utf-8", "backslashreplace")
    with machine_errors(files.table.parent):
        files.table.unlink(missing_ok=True)
    write_atomically(files.totals, sealed_json({**content, TABLE_MD5: bytes_md5(table)}))
    write_bytes_atomically(files.table, table)


def check_table(files: TablePaths, advice: str) -> dict[str, Any]:
    """The content of the JSON beside a table, once both are seen to be as they were written.

    Raises
    ------
    SettingsError
        One of them is missing or was changed.
    """
    content = read_sealed(files.totals, advice)
    check_file(files.table, str(content.get(TABLE_MD5)), advice)
    return content


def check_table_if_sealed(files: TablePaths, advice: str) -> None:
    """Check a table as ``check_table`` does, unless nothing beside it says what it was.

    Nothing does where there is no JSON, or one of version 0.1, which stated no checksum.

    Raises
    ------
    SettingsError
        The table or the JSON was changed after it was written.
    """
    if not files.totals.exists():
        return
    text = _bytes_of(files.totals, advice)
    if TABLE_MD5.encode() in text or SEAL.encode() in text:
        check_table(files, advice)


def _bytes_of(path: Path, advice: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error, advice) from error


def _unreadable(path: Path, error: OSError, advice: str) -> SettingsError:
    if isinstance(error, FileNotFoundError):
        return SettingsError(
            Code.INPUT_MISSING, "{path} does not exist; {advice}", path=path, advice=advice
        )
    return SettingsError(
        Code.INPUT_DAMAGED,
        "{path} cannot be read: {cause}; {advice}",
        path=path,
        cause=error.strerror,
        advice=advice,
    )


def _changed(path: Path, advice: str) -> SettingsError:
    return SettingsError(
        Code.INPUT_DAMAGED,
        "{path} was changed after it was written: its MD5 is not the recorded one; {advice}",
        path=path,
        advice=advice,
    )
