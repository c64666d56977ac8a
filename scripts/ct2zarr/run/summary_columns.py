"""The columns of the summaries: one typed row a volume, and its CSV text.

Shards write these rows, the aggregate joins them, the report shows them. A column is a field of
``SummaryRow``; its meaning is stated there once. An absent value is an empty cell.
"""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import get_args, get_type_hints

from ..errors import SettingsError


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """What became of one volume.

    Attributes:
        status: see ``vocabulary.Status``.
        reason: the code of what failed, or the rejected flags joined by ``;``; empty when ok.
        error: the sentence that explains the reason; it may name files.
        flags: codes in the order of ``vocabulary.Flag``, joined by ``;``.
        slice_count: planes. rows, columns: of a plane.
        localizers_skipped, duplicates, files_unreadable: files of the series that are no plane.
        input_bytes: of the source files. output_bytes: of the store; 0 when there is none.
        verify_ok: the verification found no difference; empty when there was none.
        verified_slices: number of planes that were compared with their source.
        read_seconds: reading and decoding. write_seconds: encoding and storing.
            total_seconds: all, with the verification. Wall clock of the conversion that made it.
        reused: the volume was there already, complete and from the same source and settings.
        part, parts, split_by: see ``model.VolumePlan``.
        spacing_z, spacing_y, spacing_x: mm. slice_thickness: mm, as in the header.
        tilt_degrees: gantry tilt, from positions. max_position_error_mm: of the planes against
            index_to_lps.
        transfer_syntax: UID, several joined by ``;``. decoder: likewise.
        files: number of source files. values_kind: ``hu`` or ``stored``, as in the attributes.
        version: ct2zarr that wrote it.
        code: see ``codes.Code``; empty when ok.
        error_public: ``error`` without names of files and text from headers.
    """

    series_hash: str
    dataset: str
    series_dir: str
    status: str
    reason: str = ""
    error: str = ""
    flags: str = ""
    slice_count: int = 0
    rows: int = 0
    columns: int = 0
    localizers_skipped: int = 0
    files_unreadable: int = 0
    input_bytes: int = 0
    output_bytes: int = 0
    verify_ok: bool | None = None
    verified_slices: int = 0
    read_seconds: float | None = None
    write_seconds: float | None = None
    total_seconds: float | None = None
    reused: bool = False
    part: int = 1
    parts: int = 1
    split_by: str = ""
    dtype: str = ""
    spacing_z: float | None = None
    spacing_y: float | None = None
    spacing_x: float | None = None
    slice_thickness: float | None = None
    tilt_degrees: float | None = None
    max_position_error_mm: float | None = None
    kernel: str = ""
    kvp: float | None = None
    manufacturer: str = ""
    transfer_syntax: str = ""
    decoder: str = ""
    duplicates: int = 0
    files: int = 0
    values_kind: str = ""
    version: str = ""
    code: str = ""
    error_public: str = ""


COLUMNS: tuple[str, ...] = tuple(field.name for field in fields(SummaryRow))
"""Names of the columns, in the order of the file."""


def _columns_of(kind: type) -> tuple[str, ...]:
    hints = get_type_hints(SummaryRow)
    return tuple(name for name in COLUMNS if kind in (hints[name], *get_args(hints[name])))


TEXT_COLUMNS = _columns_of(str)
INTEGER_COLUMNS = _columns_of(int)
NUMBER_COLUMNS = _columns_of(float)
TRUTH_COLUMNS = _columns_of(bool)


def rows_to_csv(rows: Iterable[SummaryRow]) -> str:
    """The text of a summary CSV."""
    return table_to_csv(COLUMNS, rows)


def table_to_csv(columns: Sequence[str], rows: Iterable[object]) -> str:
    """A header line, then a line a row of its attributes; ``true`` and ``false``."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([cell_text(getattr(row, name)) for name in columns])
    return text.getvalue()


def read_summary(path: Path) -> list[dict[str, str]]:
    """The rows of a summary CSV as text. Raises SettingsError when it is none."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise SettingsError(
            f"{path} cannot be read ({error}); convert that shard again."
        ) from error
    for row in rows:
        if not set(COLUMNS) <= row.keys() or None in row.values():
            raise SettingsError(f"{path} is not a whole summary; convert that shard again.")
    return rows


def cell_text(value: str | int | float | bool | None) -> str:
    """A value as it stands in a cell: one line of UTF-8, nothing where it is absent."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str):
        return str(value)
    # A folder's name may be no UTF-8; as elsewhere in what is written, such a byte is \\udcXX.
    return " ".join(value.split()).encode("utf-8", "backslashreplace").decode()
