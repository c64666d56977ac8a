"""Header elements of the planes to the tags of a series and the rows of ``slices.csv``.

A plane's element is parsed only where its bytes differ from those of the first plane, so that
thousands of equal headers cost one comparison each. An element that cannot be parsed costs itself
alone and is counted. In multi-frame files the functional groups of the frame come before those
that are shared, and both before the top level (PS3.3 C.7.6.16).
"""

import math
import os
import struct
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from pydicom.charset import convert_encodings, decode_bytes
from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.valuerep import PN_DELIMS, TEXT_VR_DELIMS

from ..errors import SettingsError
from ..model import Frame, Json, SliceTable
from ..run.settings import MetadataSettings
from .header.raw_header import CHARACTER_SET, RawHeader

SERIES_KEYWORDS = (
    "PatientID", "PatientName", "PatientSex", "PatientAge", "StudyInstanceUID",
    "SeriesInstanceUID", "StudyDate", "SeriesDate", "StudyDescription", "SeriesDescription",
    "Modality", "Manufacturer", "ManufacturerModelName", "BodyPartExamined", "ProtocolName",
    "ConvolutionKernel", "KVP", "FrameOfReferenceUID", "Rows", "Columns", "PixelSpacing",
    "SliceThickness", "SpacingBetweenSlices", "ImageOrientationPatient", "PatientPosition",
    "PhotometricInterpretation", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "SamplesPerPixel", "RescaleSlope", "RescaleIntercept", "RescaleType", "WindowCenter",
    "WindowWidth", "PixelPaddingValue", "PixelPaddingRangeLimit", "GantryDetectorTilt", "ImageType",
    "LossyImageCompression",
)  # fmt: skip
"""Written to series.json where all planes agree, and to slices.csv where they do not."""

SLICE_KEYWORDS = (
    "SOPInstanceUID", "InstanceNumber", "ImagePositionPatient", "SliceLocation",
    "AcquisitionNumber", "AcquisitionTime", "ContentTime",
)  # fmt: skip
"""Always a column of slices.csv."""

Protect = Callable[[str, Json], Json]
"""Takes a keyword and a value; returns what may leave this module, ``None`` for nothing."""

Raw = tuple[str, bytes]
"""VR, empty where the encoding has none, and the bytes of the value."""

_SHARED_GROUPS, _FRAME_GROUPS = 0x52009229, 0x52009230
_SAME_IN_GROUPS = {0x00089007: 0x00080008, 0x00209156: 0x00200012}
"""FrameType stands for ImageType, FrameAcquisitionNumber for AcquisitionNumber."""

_BINARY = {
    "US": "H", "SS": "h", "UL": "I", "SL": "i", "UV": "Q", "SV": "q", "FL": "f", "FD": "d",
}  # fmt: skip
_LOCAL_TEXT = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
"""VRs in the character set of the file (PS3.5 section 6.1.2.2)."""
_ONE_VALUE = frozenset({"LT", "ST", "UT", "UR"})
"""VRs in which a backslash is text (PS3.5 section 6.2)."""
_OTHER_TEXT = frozenset({"AE", "AS", "CS", "DA", "DT", "TM", "UI", "UR"})


@dataclass(frozen=True, slots=True)
class SeriesMetadata:
    """Tags of a volume.

    Attributes:
        tags: keyword → value of the elements that are one for all planes.
        varying: keywords of series tags that are columns of ``slices`` because planes differ.
        slices: everything of slices.csv but ``md5``.
        unparsed: keyword → number of planes in which the element could not be parsed.
    """

    tags: Mapping[str, Json]
    varying: tuple[str, ...]
    slices: SliceTable
    unparsed: Mapping[str, int]


def resolve_tags(names: Iterable[str]) -> dict[int, str]:
    """Return tag → column name for DICOM keywords and for tags as eight hexadecimal digits.

    Raises:
        SettingsError: a name is neither.
    """
    found: dict[int, str] = {}
    for name in names:
        tag = tag_for_keyword(name)
        if tag is None:
            try:
                tag = int(name, 16) if len(name) == 8 else None
            except ValueError:
                tag = None
        if tag is None:
            raise SettingsError(
                f"{name!r} in extra_series_tags or extra_slice_tags is neither a DICOM keyword nor"
                " a tag of eight hexadecimal digits such as 00180015",
                "extra_tags",
            )
        found[tag] = keyword_for_tag(tag) or f"{tag:08x}"
    return found


class TagCollector:
    """Takes the headers of the planes in order and gives the metadata of the volume."""

    def __init__(self, settings: MetadataSettings) -> None:
        self._series = resolve_tags((*SERIES_KEYWORDS, *settings.extra_series_tags))
        self._slice = resolve_tags((*SLICE_KEYWORDS, *settings.extra_slice_tags))
        for tag in self._slice:
            self._series.pop(tag, None)
        self.wanted = frozenset(self._series) | frozenset(self._slice)
        """Tags that ``SourceReader`` is to keep."""
        self._first: dict[int, Raw] = {}
        self._others: dict[int, dict[int, Raw]] = {}
        self._slice_raws: list[dict[int, Raw]] = []
        self._contexts: list[_Context] = []
        self._planes: list[Frame] = []
        self._groups = _GroupCache()

    def add(self, frame: Frame, header: RawHeader) -> None:
        """Take the header of the next plane."""
        index = len(self._planes)
        self._planes.append(frame)
        values = header.values
        if header.groups:
            values = {**values, **self._groups.of_frame(frame, header)}
        context = _Context.of(frame, header)
        if self._contexts and context == self._contexts[-1]:
            context = self._contexts[-1]
        self._contexts.append(context)
        nothing: Raw = ("", b"")
        for tag in self._series:
            raw = values.get(tag, nothing)
            if index == 0:
                self._first[tag] = raw
            elif raw != self._first[tag]:
                self._others.setdefault(tag, {})[index] = raw
        self._slice_raws.append({tag: values.get(tag, nothing) for tag in self._slice})

    def patient_id(self) -> str:
        """PatientID of the first plane, which the keyed offset of dates belongs to."""
        raw = self._first.get(tag_for_keyword("PatientID") or 0, ("", b""))
        value = self._parse(0x00100020, 0, raw, Counter())
        return value if isinstance(value, str) else ""

    def finish(self, series_dir: str, protect: Protect | None = None) -> SeriesMetadata:
        """Return the metadata of all planes that were added.

        Args:
            series_dir: file names are written relative to it.
            protect: applied to every value that leaves; ``None`` leaves them as they are.
        """
        guard: Protect = protect or (lambda _, value: value)
        unparsed: Counter[str] = Counter()
        tags: dict[str, Json] = {}
        varying: dict[str, list[Json]] = {}
        for tag, name in self._series.items():
            first = self._parse(tag, 0, self._first.get(tag, ("", b"")), unparsed)
            others = {
                index: self._parse(tag, index, raw, unparsed)
                for index, raw in self._others.get(tag, {}).items()
            }
            if all(value == first for value in others.values()):
                kept = guard(name, first)
                if kept is not None:
                    tags[name] = kept
            else:
                varying[name] = [others.get(n, first) for n in range(len(self._planes))]
        columns: dict[str, list[Json]] = {
            name: [
                self._parse(tag, n, raws[tag], unparsed) for n, raws in enumerate(self._slice_raws)
            ]
            for tag, name in self._slice.items()
        }
        if "SOPInstanceUID" in columns:  # where the header has none, that of the file's meta group
            columns["SOPInstanceUID"] = [
                uid or plane.sop_instance_uid or None
                for uid, plane in zip(columns["SOPInstanceUID"], self._planes, strict=True)
            ]
        columns |= varying
        names = [guard("file_name", os.path.relpath(p.path, series_dir)) for p in self._planes]
        rows = tuple(
            (
                str(index),
                as_text(names[index]),
                str(plane.frame_number),
                *(as_text(guard(name, values[index])) for name, values in columns.items()),
            )
            for index, plane in enumerate(self._planes)
        )
        table = SliceTable(("slice_index", "file_name", "frame", *columns), rows)
        return SeriesMetadata(tags, tuple(varying), table, dict(unparsed))

    def _parse(self, tag: int, plane: int, raw: Raw, unparsed: Counter[str]) -> Json:
        try:
            return parse_value(tag, raw, self._contexts[plane])
        except (ValueError, LookupError, OverflowError, struct.error, TypeError):
            unparsed[keyword_for_tag(tag) or f"{tag:08x}"] += 1
            return None


@dataclass(frozen=True, slots=True)
class _Context:
    """What the parsing of an element depends on beside its own bytes."""

    character_set: bytes
    little_endian: bool
    signed: bool

    @classmethod
    def of(cls, frame: Frame, header: RawHeader) -> "_Context":
        character_set = header.values.get(CHARACTER_SET, ("", b""))[1]
        return cls(character_set, header.little_endian, frame.pixel_representation == 1)


def parse_value(tag: int, raw: Raw, context: _Context) -> Json:
    """Return the value of an element as JSON knows it; a list for several, ``None`` for empty.

    Raises:
        ValueError, LookupError, OverflowError, struct.error: the bytes do not fit the VR, or the
            VR has no value that fits a table.
    """
    vr, content = raw
    if not content:
        return None
    known = vr if vr and vr != "UN" else _dictionary_vr(tag, context.signed)
    if known in _BINARY:
        letter, order = _BINARY[known], "<" if context.little_endian else ">"
        size = struct.calcsize(letter)
        if len(content) % size:
            raise ValueError(f"{len(content)} bytes for {known}")
        return _one_or_list(
            [_number(n) for n in struct.unpack(f"{order}{len(content) // size}{letter}", content)]
        )
    if known in ("DS", "IS"):
        return _one_or_list([_number_text(part) for part in _split(content.decode("ascii"))])
    if known in _LOCAL_TEXT:
        text = _local_text(content, known, context.character_set)
    elif known in _OTHER_TEXT:
        text = content.decode("ascii")
    else:
        raise ValueError(f"{known} is neither text nor number")
    if known in _ONE_VALUE:
        return text.strip(" \0\r\n\t") or None
    return _one_or_list([part or None for part in _split(text)])


def as_text(value: Json) -> str:
    """Return a value as a cell of a table: several are joined by a backslash, as in DICOM."""
    if value is None:
        return ""
    if isinstance(value, list):
        return "\\".join(as_text(part) for part in value)
    return str(value)


def _split(text: str) -> list[str]:
    return [part.strip(" \0\r\n\t") for part in text.split("\\")]


def _one_or_list(parts: list[Json]) -> Json:
    if all(part is None for part in parts):
        return None
    return parts[0] if len(parts) == 1 else parts


def _number_text(text: str) -> Json:
    if not text:
        return None
    if "_" in text:
        raise ValueError(text)
    return _number(float(text))


def _number(number: float) -> Json:
    if not math.isfinite(number):
        raise ValueError("not finite")
    return int(number) if number == int(number) else number


def _dictionary_vr(tag: int, signed: bool) -> str:
    known = dictionary_VR(tag)
    if known.startswith("US or SS"):
        return "SS" if signed else "US"
    return known


def _local_text(content: bytes, vr: str, character_set: bytes) -> str:
    if content.isascii() and b"\x1b" not in content:
        return content.decode("ascii")
    names = _split(character_set.decode("ascii", "replace"))
    delimiters = set(PN_DELIMS if vr == "PN" else TEXT_VR_DELIMS) | {ord("\\"), ord("=")}
    with warnings.catch_warnings():
        # A warning of pydicom may hold the value, and so a patient's name.
        warnings.simplefilter("ignore")
        text = decode_bytes(content, convert_encodings(names), delimiters)
    if "\N{REPLACEMENT CHARACTER}" in text:
        raise ValueError("not in the character set that the file declares")
    return text


class _GroupCache:
    """Elements of the functional groups, flat; those that are shared are flattened once a file."""

    def __init__(self) -> None:
        self._path = ""
        self._shared: dict[int, Raw] = {}

    def of_frame(self, frame: Frame, header: RawHeader) -> dict[int, Raw]:
        if frame.path != self._path:
            shared = header.groups.get(_SHARED_GROUPS, [])
            self._shared = _flat(shared[0]) if shared else {}
            self._path = frame.path
        own = header.groups.get(_FRAME_GROUPS, [])
        mine = _flat(own[frame.frame_number - 1]) if frame.frame_number <= len(own) else {}
        return {**self._shared, **mine}


def _flat(item: Dataset) -> dict[int, Raw]:
    """Elements of the first item of each macro of a functional group item."""
    found: dict[int, Raw] = {}
    for macro in list(item.keys()):
        try:
            sequence = item[macro].value
            inner = sequence[0] if sequence else None
        except Exception:  # noqa: BLE001, S112 - pydicom raises many kinds; the macro is lost alone
            continue
        if not isinstance(inner, Dataset):
            continue
        for tag in list(inner.keys()):
            element = inner.get_item(tag)
            if isinstance(element, RawDataElement) and element.value is not None:
                same = _SAME_IN_GROUPS.get(int(tag))
                # Implicit VR: the element has the VR of its own tag, not of the one it stands for.
                vr = element.VR or (dictionary_VR(int(tag)) if same else "")
                found[same or int(tag)] = (vr, element.value)
    return found
