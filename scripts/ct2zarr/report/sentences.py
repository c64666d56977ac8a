"""What a record says of a volume, in words for the report and free of patients."""

import itertools
from collections.abc import Mapping, Sequence

from pydicom.uid import UID

from ..model import Json, VolumeRecord
from ..run.redaction import scrub_text

_TAGS = (
    ("Modality", "Modality"), ("Manufacturer", "Manufacturer"),
    ("ManufacturerModelName", "Model"), ("SeriesDescription", "Description"),
    ("ProtocolName", "Protocol"), ("BodyPartExamined", "Body part"),
    ("PatientPosition", "Patient position"), ("ConvolutionKernel", "Kernel"), ("KVP", "kVp"),
    ("SliceThickness", "Slice thickness, mm"), ("ImageType", "Image type"),
    ("PhotometricInterpretation", "Photometric"), ("BitsStored", "Bits stored"),
    ("RescaleSlope", "Slope"), ("RescaleIntercept", "Intercept"),
)  # fmt: skip
"""Header elements that are shown: none of the patient, no date, no UID, no institution."""
_IDENTITY_TAGS = (
    "PatientID", "PatientName", "OtherPatientIDs", "AccessionNumber", "StudyID",
    "PatientBirthDate", "StudyDate", "SeriesDate", "InstitutionName", "ReferringPhysicianName",
)  # fmt: skip
"""Elements whose values are taken out of any text that repeats them."""
_SMALLEST = 5e-7
"""Half a nanometre, in mm: what is smaller comes from rounding."""


def describe_volume(record: VolumeRecord, secrets: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Labels and values of what is shown of a volume: geometry, header elements, sizes."""
    planes, rows, columns = record.shape
    spacing = record.geometry.get("spacing")
    lines = [
        ("Volume", record.series_hash),
        ("Planes x rows x columns", f"{planes} x {rows} x {columns}"),
    ]
    if isinstance(spacing, list | tuple):
        lines.append(("Spacing z, y, x, mm", ", ".join(_number(value) for value in spacing)))
    tilt = record.geometry.get("tilt_degrees")
    if isinstance(tilt, int | float) and tilt:
        lines.append(("Tilt, degrees", _number(tilt)))
    error = record.geometry.get("max_position_error_mm")
    if isinstance(error, int | float):
        lines.append(("Position error at most, mm", _number(error)))
    if record.parts > 1:
        by = f", by {record.split_by}" if record.split_by else ""
        lines.append(("Part of its series", f"{record.part} of {record.parts}{by}"))
    for keyword, label in _TAGS:
        value = record.tags.get(keyword)
        if value not in (None, "", []):
            lines.append((label, scrub_text(_words(value), [record.series_dir], secrets)))
    units = record.values.get("units")
    lines += [
        ("Values", f"{record.dtype}, {units}" if units else f"{record.dtype}, as stored"),
        ("Decoder", ", ".join(record.decoders)),
        (
            "Source, store",
            f"{record.input_bytes / 1e6:,.1f} MB, {record.output_bytes / 1e6:,.1f} MB",
        ),
    ]
    return tuple(lines)


def thickness_of(record: VolumeRecord) -> float | None:
    """SliceThickness in mm, where all planes agree on one."""
    value = record.tags.get("SliceThickness")
    try:
        return float(value) if isinstance(value, int | float | str) else None
    except ValueError:
        return None


def describe_evidence(value: Json, record: VolumeRecord, secrets: Sequence[str]) -> str:
    """Counts and measures of a finding in words; names of files and UIDs are counted, not shown."""
    if not isinstance(value, Mapping):
        return ""
    words = []
    for key, item in value.items():
        label = key.replace("_", " ")
        if isinstance(item, list) and any(isinstance(part, str) for part in item):
            private = any(word in key.lower() for word in ("file", "path", "uid", "name"))
            item = len(item) if private else item
        if isinstance(item, Mapping) and "file" in key.lower():
            item = len(item)
        words.append(f"{label}: {_words(item)}")
    return scrub_text("; ".join(words), [record.series_dir], secrets)


def _words(value: Json) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, Mapping):
        pairs = itertools.islice(value.items(), 6)
        return ", ".join(f"{key} {_words(item)}" for key, item in pairs)
    if isinstance(value, list | tuple):
        more = f" and {len(value) - 8} more" if len(value) > 8 else ""
        return ", ".join(_words(item) for item in value[:8]) + more
    return "none" if value is None else str(value)


def _number(value: Json) -> str:
    if not isinstance(value, float):
        return str(value)
    return "0" if abs(value) < _SMALLEST else f"{value:.5g}"


def secrets_of(record: VolumeRecord) -> list[str]:
    """Values of the record that name a patient, to be taken out of free text."""
    values = (record.tags.get(keyword) for keyword in _IDENTITY_TAGS)
    return [str(value) for value in values if value not in (None, "")]


def syntax_names(uids: str) -> str:
    """Transfer syntaxes by name, from the UIDs of a summary cell."""
    return ", ".join(UID(uid).name for uid in uids.split(";") if uid)
