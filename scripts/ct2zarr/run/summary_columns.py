"""The columns of the summaries: one typed row per volume, and its CSV text.

Shards write these rows, the aggregate joins them, the report shows them. A column is a field of
``SummaryRow``; its meaning is stated there once. An absent value is an empty cell.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

from ..vocabulary import Belonging, Status
from .csv_tables import Schema, columns_of, read_records, records_to_csv


@dataclass(frozen=True, slots=True)
class SummaryRow:
    """What became of one volume.

    Attributes
    ----------
    status
        See ``vocabulary.Status``.
    reason
        The code of what failed, or the rejected flags joined by ``;``; empty when ok.
    error
        The sentence that explains the reason; it may name files.
    flags
        Codes in the order of ``vocabulary.Flag``, joined by ``;``.
    slice_count
        Planes. rows, columns: of a plane.
    localizers_skipped, duplicates, files_unreadable
        Files of the series that are no plane.
    input_bytes
        Of the source files.
    output_bytes
        Of the store; 0 when there is none.
    verify_ok
        The verification found no difference; empty when there was none.
    verified_slices
        Number of planes that were compared with their source.
    read_seconds
        Reading and decoding.
    write_seconds
        Encoding and storing.
    total_seconds
        All, with the verification. Wall clock of the conversion that made it.
    reused
        The volume was there already, complete and from the same source and settings.
    part, parts, split_by
        See ``model.VolumePlan``.
    spacing_z, spacing_y, spacing_x
        Mm.
    slice_thickness
        Mm, as in the header.
    tilt_degrees
        Gantry tilt, from positions.
    max_position_error_mm
        Of the planes against index_to_lps.
    transfer_syntax
        UID, several joined by ``;``.
    decoder
        Likewise.
    files
        Number of source files.
    values_kind
        ``hu`` or ``stored``, as in the attributes.
    version
        ct2zarr that wrote it.
    code
        See ``codes.Code``; empty when ok.
    error_public
        ``error`` without names of files and text from headers.
    same_decoder_slices
        Of the verified slices, those that only a decoder of the conversion could read.
    belonging
        See ``vocabulary.Belonging``; empty when the volume was not converted.
    belonging_planes
        Number of planes whose headers were compared with each other.
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
    belonging: str = ""
    belonging_planes: int = 0
    same_decoder_slices: int = 0


COLUMNS: tuple[str, ...] = tuple(field.name for field in fields(SummaryRow))
"""Names of the columns, in the order of the file."""

SUMMARY_SCHEMA = Schema(
    columns_of(
        SummaryRow,
        optional=(  # not in version 0.1
            "code",
            "error_public",
            "belonging",
            "belonging_planes",
            "same_decoder_slices",
        ),
        allowed={
            "status": tuple(map(str, Status)),
            "belonging": ("", *map(str, Belonging)),
        },
    ),
    "convert that shard again (delete its summary and run the workflow)",
    one_line=True,
)
"""summary_shard_XX.csv: a row per volume, in the order of series_hash."""


def rows_to_csv(rows: Iterable[SummaryRow]) -> str:
    """The text of a summary."""
    return records_to_csv(SUMMARY_SCHEMA, rows)


def read_summary(path: Path) -> list[SummaryRow]:
    """The rows of a shard's summary. Raises SettingsError as ``read_table``."""
    return read_records(path, SUMMARY_SCHEMA, SummaryRow)
