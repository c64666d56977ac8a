"""What the report says in words: the verdict, why a volume failed, and what a record holds.

No sentence here names a file or a patient. Errors are rendered without such facts, and header text
goes through ``redact``.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydicom.config import IGNORE
from pydicom.uid import UID

from ..codes import Code
from ..model import Json, VolumeRecord
from ..run.cells import SEPARATOR
from ..run.counts import Counts
from ..vocabulary import Decision, Flag, Status
from .redaction import redact
from .sources import Comparison
from .summary_table import JoinedRow

_FLAG_SENTENCES = {str(flag): flag.sentence for flag in Flag}
_CODE_SENTENCES = {str(code): code.sentence for code in Code}
_TAGS = (
    ("Modality", "Modality"), ("Manufacturer", "Manufacturer"),
    ("ManufacturerModelName", "Model"), ("SeriesDescription", "Description"),
    ("ProtocolName", "Protocol"), ("BodyPartExamined", "Body part"),
    ("PatientPosition", "Patient position"), ("ConvolutionKernel", "Kernel"), ("KVP", "kVp"),
    ("SliceThickness", "Slice thickness, mm"), ("ImageType", "Image type"),
    ("PhotometricInterpretation", "Photometric"), ("BitsStored", "Bits stored"),
    ("RescaleSlope", "Slope"), ("RescaleIntercept", "Intercept"),
)  # fmt: skip
"""Header elements that are shown: nothing about the patient, no date, no UID, no institution."""
_IDENTITY_TAGS = (
    "PatientID", "PatientName", "OtherPatientIDs", "AccessionNumber", "StudyID",
    "PatientBirthDate", "StudyDate", "SeriesDate", "InstitutionName", "ReferringPhysicianName",
)  # fmt: skip
"""Elements whose values are removed from any text that repeats them."""
MOST_OF_NAME = 100
"""Characters that are shown of a name: a dataset, a code, an element of a header."""
MOST_OF_TEXT = 2000
"""Characters that are shown of a sentence."""
_SMALLEST = 5e-7
"""Half a nanometre, in mm: what is smaller comes from rounding."""


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence and how good its news is: ``good``, ``look`` or ``bad``."""

    level: str
    sentence: str


def shorten(text: str, most: int) -> str:
    """The text, or its start where it is longer than ``most`` characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


# The dataset ----------------------------------------------------------------------------------


def verdict(counts: Counts) -> Line:
    """The outcome in one sentence."""
    volumes = _volumes(counts.volumes)
    unverified = counts.ok - counts.verified
    if counts.volumes == 0:
        return Line("bad", "The summary has no volume: nothing was found to convert.")
    if counts.failed:
        failed = f"{counts.failed:,} of {volumes} failed. The table below gives the reason for each"
        return Line("bad", f"{failed}{_others(counts)}.")
    if counts.rejected:
        return Line(
            "look",
            f"{counts.rejected:,} of {volumes} {_were(counts.rejected)} rejected, by reject_flags "
            "or in review; all others were converted.",
        )
    one = counts.volumes == 1
    converted = "The one volume was converted" if one else f"All {volumes} were converted"
    if unverified:
        missed = "it was" if one else f"{unverified:,} {_were(unverified)}"
        return Line("look", f"{converted}, but {missed} not compared with the source.")
    agree = f"{converted} and agree{'s' if one else ''} with the source in every plane compared"
    if counts.flagged:
        has = "has a flag" if counts.flagged == 1 else "have flags"
        return Line("good", f"{agree}; {counts.flagged:,} {has} that you should check.")
    return Line("good", f"{agree}.")


def _others(counts: Counts) -> str:
    """What became of the volumes that did not fail."""
    plain = counts.ok - counts.ok_flagged
    unverified = counts.ok - counts.verified
    parts = [
        f"{plain:,} {_were(plain)} converted without a flag" if plain else "",
        f"{counts.ok_flagged:,} with flags that you should check" if counts.ok_flagged else "",
        f"{counts.rejected:,} {_were(counts.rejected)} rejected" if counts.rejected else "",
        f"{unverified:,} {_were(unverified)} not compared with the source" if unverified else "",
    ]
    said = ", ".join(filter(None, parts))
    return f"; of the others, {said}" if said else ""


def _volumes(count: int) -> str:
    return f"{count:,} volume" if count == 1 else f"{count:,} volumes"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def flag_sentence(code: str) -> str:
    """What a flag means; a flag of another version has no sentence here."""
    return _FLAG_SENTENCES.get(code, "a flag that this version of ct2zarr does not know")


def error_sentence(row: JoinedRow) -> str:
    """Why a volume failed or was rejected, without names of files and text from headers.

    At most ``MOST_OF_TEXT`` characters.

    A summary of an older version has no such sentence, and its column ``error`` may name a
    patient's file. The sentence of its code is shown instead.
    """
    if row.decision == Decision.REJECT and row.reason == Code.REJECTED_IN_REVIEW and row.comment:
        said = f"{row.error_public}: {redact(row.comment, row.series_dir)}"
        return shorten(said, MOST_OF_TEXT)
    if row.error_public or row.status == Status.OK:
        return shorten(row.error_public, MOST_OF_TEXT)
    default = Code.REJECTED_FLAG if row.status == Status.REJECTED else Code.UNEXPECTED_ERROR
    return _CODE_SENTENCES.get(row.code or row.reason, default.sentence)


# One volume -----------------------------------------------------------------------------------


def verification_line(record: VolumeRecord) -> Line:
    """Whether the planes that were checked during the conversion agreed with the source."""
    checked = record.verification.get("slices")
    count = len(checked) if isinstance(checked, list | tuple) else 0
    if not count:
        return Line("look", "not verified during conversion")
    if record.verification.get("ok") is not True:
        return Line("bad", "verification failed during conversion")
    same = record.verification.get("same_decoder")
    apart = f"; {same} read by the decoder of the conversion" if same else ""
    if count == record.shape[0]:
        return Line("good", f"verified during conversion: all planes equal their source{apart}")
    return Line(
        "good",
        f"verified during conversion: {count} of {record.shape[0]} planes compared, all equal"
        f"{apart}",
    )


def comparison_line(comparison: Comparison | None, units: str) -> Line:
    """Whether the planes that were decoded for the report agree with the source."""
    if comparison is None:
        return Line("look", "The source is no longer available, so no plane was decoded again.")
    if not comparison.planes:
        return Line("bad", comparison.problem or "No plane could be compared.")
    count = len(comparison.planes)
    largest = max(comparison.largest)
    planes = "plane" if count == 1 else "planes"
    if largest == 0 and not comparison.problem:
        return Line("good", f"{count} {planes} decoded again from the source: no pixel differs.")
    text = f"{count} {planes} decoded again: the largest difference is {largest:g} {units}".strip()
    return Line("bad" if largest else "look", f"{text}. {comparison.problem}".strip())


def describe_volume(
    record: VolumeRecord, identifiers: Sequence[str]
) -> tuple[tuple[str, str], ...]:
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
        lines.append(("Gantry tilt, degrees", _number(tilt)))
    error = record.geometry.get("max_position_error_mm")
    if isinstance(error, int | float):
        lines.append(("Largest position error, mm", _number(error)))
    if record.parts > 1:
        by = f", split by {shorten(record.split_by, MOST_OF_NAME)}" if record.split_by else ""
        lines.append(("Part of the series", f"{record.part} of {record.parts}{by}"))
    for keyword, label in _TAGS:
        value = record.tags.get(keyword)
        if value not in (None, "", []):
            words = redact(_words(value), record.series_dir, identifiers)
            lines.append((label, shorten(words, MOST_OF_NAME)))
    units = record.values.get("units")
    lines += [
        ("Values", f"{record.dtype}, {units}" if units else f"{record.dtype}, as stored"),
        ("Decoder", shorten(", ".join(record.decoders), MOST_OF_NAME)),
        (
            "Size of source, of store",
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


def describe_evidence(value: Json, record: VolumeRecord, identifiers: Sequence[str]) -> str:
    """The evidence of a flag in words; names of files and UIDs are counted, not shown."""
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
    return shorten(redact("; ".join(words), record.series_dir, identifiers), MOST_OF_TEXT)


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


def identifiers_of(record: VolumeRecord) -> list[str]:
    """Values of the record that identify a patient, which are removed from header text."""
    values = (record.tags.get(keyword) for keyword in _IDENTITY_TAGS)
    return [str(value) for value in values if value not in (None, "")]


def syntax_names(uids: str) -> str:
    """Transfer syntaxes by name, from the UIDs of a summary cell."""
    return ", ".join(UID(uid, validation_mode=IGNORE).name for uid in uids.split(SEPARATOR) if uid)
