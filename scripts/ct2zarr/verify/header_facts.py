"""What the source file of each plane says of the things that a volume has only one of.

The headers are read by pydicom from the file itself; neither the manifest nor the parser of the
scan has a part in it. Reading every header like this would add a quarter to a conversion. So a
file whose header holds the same bytes for all these elements as one that pydicom has read counts
as read: up to its pixel data each tag occurs as often as there, each time followed by the same
bytes, and the SOPInstanceUID that is due follows its tag. Whatever differs from all headers known
so far is read by pydicom.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BufferedReader, FileIO
from pathlib import Path
from typing import Any, BinaryIO

import pydicom
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from ..dicom.header_text import split_values
from ..dicom.source_headers import finite_number
from ..dicom.tags import PER_FRAME_GROUPS, PIXEL_DATA, SHARED_GROUPS, SOP_INSTANCE_UID
from ..model import Frame

IDENTITY = ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "Modality")
"""Texts of which a volume has one value, where its files have any."""

MATRIX = ("Rows", "Columns", "ImageOrientationPatient", "PixelSpacing")
"""Numbers of which a volume has one value each."""

ACQUISITION = ("KVP", "SliceThickness")
"""Numbers that may vary within a volume if its flag says so."""

COMPARED = (*IDENTITY, *MATRIX, *ACQUISITION)
"""The keywords that are compared, in the order of the record."""

READER = "pydicom"
SAME_BYTES = "same bytes"
"""Names of the two ways to read a header; series.json has the version of pydicom."""

_TAGS: dict[str, int] = {keyword: tag_for_keyword(keyword) or 0 for keyword in COMPARED}
_WANTED = [*_TAGS.values(), SOP_INSTANCE_UID, SHARED_GROUPS, PER_FRAME_GROUPS]
_KNOWN_AT_MOST = 8
"""Kinds of headers that are remembered; a volume has one, or a few where exposures vary."""
_BEYOND_PIXELS = 1024
"""Bytes that a header may be longer than the one it is compared with, mostly by text and UIDs."""
_LONGEST_HEADER = 1 << 16
"""A header longer than this is not compared by its bytes."""
_HEAD, _IMPLICIT_HEAD = 12, 8
"""Bytes of the pixel element before its value: tag, VR and length, or tag and length."""


@dataclass(frozen=True, slots=True)
class HeaderFacts:
    """What the file of one plane says.

    Attributes
    ----------
    sop_instance_uid
        As ``Frame.sop_instance_uid``; empty where the header has none.
    texts
        Keyword of ``IDENTITY`` → text, empty where absent.
    numbers
        Keyword of ``MATRIX`` and ``ACQUISITION`` → its numbers; empty where absent or unreadable.
    """

    sop_instance_uid: str
    texts: dict[str, str]
    numbers: dict[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class _KnownHeader:
    """The encoded elements of a header that pydicom has read.

    Attributes
    ----------
    size
        Bytes up to the pixel data, and some more.
    pixels
        First bytes of the pixel element, which ends the header, as far as its value.
    occurrences
        Of each tag: its four bytes, how often they occur, and the bytes with the value at each
        place.
    uid_start
        The bytes of SOPInstanceUID before its length: tag, and VR where explicit.
    """

    facts: HeaderFacts
    size: int
    pixels: bytes
    occurrences: tuple[tuple[bytes, int, tuple[bytes, ...]], ...]
    uid_start: bytes
    uid_length: int

    def describes(self, start: bytes, sop_instance_uid: str) -> bool:
        """Whether another header has the same elements, and the SOPInstanceUID that is due.

        Values may look like the start of pixels, so the last such place counts. Behind it are
        pixels, which may look like a tag: 16 and 32 are PatientID.
        """
        end = start.rfind(self.pixels)
        if end < 0:
            return False
        header = start[:end]
        uid = sop_instance_uid.encode("ascii", "replace")
        uid += b"\0" * (len(uid) % 2)
        due = self.uid_start + len(uid).to_bytes(self.uid_length, "little") + uid
        if header.count(self.uid_start[:4]) != 1 or due not in header:
            return False
        for tag, count, encoded in self.occurrences:
            if header.count(tag) != count:
                return False
            if not all(header.count(one) == encoded.count(one) for one in encoded):
                return False
        return True


_PIXELS = (PIXEL_DATA >> 16).to_bytes(2, "little") + (PIXEL_DATA & 0xFFFF).to_bytes(2, "little")


@dataclass
class HeaderReader:
    """Reads the facts of planes; a multi-frame file is parsed once for all its frames.

    Attributes
    ----------
    readers
        Name of the reader → number of planes.
    unreadable
        Planes that no reader could read.
    """

    readers: dict[str, int] = field(default_factory=dict)
    unreadable: int = 0
    _known: list[_KnownHeader] = field(default_factory=list)
    _path: str = ""
    _dataset: Dataset = field(default_factory=Dataset)

    def read(self, frame: Frame, *, by_pydicom: bool) -> HeaderFacts | None:
        """The facts of one plane; ``None`` where its header cannot be read.

        Parameters
        ----------
        by_pydicom
            Never conclude from equal bytes.
        """
        facts = self._facts_of_file(frame, by_pydicom)
        if facts is None:
            self.unreadable += 1
        return facts

    def _facts_of_file(self, frame: Frame, by_pydicom: bool) -> HeaderFacts | None:
        if frame.path == self._path:  # a further frame of the same file
            return self._count(READER, _facts_of(self._dataset, frame.frame_number))
        try:
            with Path(frame.path).open("rb", buffering=0) as file:
                if not by_pydicom and (known := self._known_of(file, frame)) is not None:
                    facts = HeaderFacts(frame.sop_instance_uid, known.texts, known.numbers)
                    return self._count(SAME_BYTES, facts)
                with BufferedReader(file) as buffered:
                    return self._count(READER, self._parse(buffered, frame))
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - whatever pydicom runs into in a damaged header
            return None

    def _count(self, reader: str, facts: HeaderFacts) -> HeaderFacts:
        self.readers[reader] = self.readers.get(reader, 0) + 1
        return facts

    def _known_of(self, file: FileIO, frame: Frame) -> HeaderFacts | None:
        """The facts of the header, seen before, that has the same bytes."""
        if frame.frames != 1 or not self._known or not frame.sop_instance_uid:
            return None
        start = file.read(max(known.size for known in self._known))
        file.seek(0)
        for known in self._known:
            if known.describes(start, frame.sop_instance_uid):
                return known.facts
        return None

    def _parse(self, file: BinaryIO, frame: Frame) -> HeaderFacts:
        dataset = pydicom.dcmread(file, stop_before_pixels=True, force=True, specific_tags=_WANTED)
        end = file.tell()
        # Before the values are asked for: pydicom then replaces the raw elements.
        raw = {tag: dataset.get_item(tag) for tag in (SOP_INSTANCE_UID, *_TAGS.values())}
        facts = _facts_of(dataset, frame.frame_number)
        if frame.frames > 1:
            self._path, self._dataset = frame.path, dataset
        elif len(self._known) < _KNOWN_AT_MOST:
            file.seek(0)
            start = file.read(_LONGEST_HEADER)
            known = _known_header(raw, facts, start, end)
            if known is not None and not any(
                other.describes(start[: other.size], facts.sop_instance_uid)
                for other in self._known
            ):
                self._known.append(known)
        return facts


def _known_header(
    raw: Mapping[int, Any], facts: HeaderFacts, start: bytes, end: int
) -> _KnownHeader | None:
    """The encoded elements of a header, for files that have the same.

    None where the bytes of the file are not the elements: deflated, big endian, or unusual in
    another way.

    Parameters
    ----------
    raw
        Tag → element as pydicom found it.
    start
        First bytes of the file.
    end
        Where pydicom found the pixel element.
    """
    uid = raw[SOP_INSTANCE_UID]
    if not isinstance(uid, RawDataElement):
        return None
    before = start[uid.value_tell - 8 : uid.value_tell]
    header = start[:end]
    pixels = start[end : end + (_IMPLICIT_HEAD if uid.is_implicit_VR else _HEAD)]
    if not pixels.startswith(_PIXELS) or before[:4] != _encoded_tag(SOP_INSTANCE_UID):
        return None
    present = (one for one in raw.values() if one is not None)
    if not all(isinstance(one, RawDataElement) and one.value_tell < end for one in present):
        return None
    occurrences = tuple(_occurrences(header, _encoded_tag(tag), raw[tag]) for tag in _TAGS.values())
    length = 4 if uid.is_implicit_VR else 2
    size = end + _BEYOND_PIXELS
    known = _KnownHeader(facts, size, pixels, occurrences, before[: 8 - length], length)
    return known if known.describes(start[:size], facts.sop_instance_uid) else None


def _encoded_tag(tag: int) -> bytes:
    return (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little")


def _occurrences(header: bytes, tag: bytes, element: Any) -> tuple[bytes, int, tuple[bytes, ...]]:
    """Where four bytes occur: how often, and the bytes that follow as far as a value reaches."""
    length = element.length if isinstance(element, RawDataElement) else 0
    places: list[bytes] = []
    at = header.find(tag)
    while at >= 0:
        places.append(header[at : at + 8 + length])
        at = header.find(tag, at + 4)
    return tag, len(places), tuple(places)


def _facts_of(dataset: Dataset, frame_number: int) -> HeaderFacts:
    places = [*_macros(dataset, frame_number), dataset]
    return HeaderFacts(
        sop_instance_uid=_text(dataset, "SOPInstanceUID"),
        texts={keyword: _text(dataset, keyword) for keyword in IDENTITY},
        numbers={keyword: _numbers(places, keyword) for keyword in (*MATRIX, *ACQUISITION)},
    )


def _macros(dataset: Dataset, frame_number: int) -> list[Dataset]:
    """All macros of a frame: those of its own item before the shared ones (PS3.3 C.7.6.16.2)."""
    own = _items(dataset, "PerFrameFunctionalGroupsSequence")[frame_number - 1 : frame_number]
    groups = [*own, *_items(dataset, "SharedFunctionalGroupsSequence")[:1]]
    return [item for group in groups for keyword in _MACROS for item in _items(group, keyword)[:1]]


_MACROS = (
    "PlaneOrientationSequence",
    "PixelMeasuresSequence",
    "CTXRayDetailsSequence",
    "UnassignedPerFrameConvertedAttributesSequence",
    "UnassignedSharedConvertedAttributesSequence",
)


def _items(dataset: Dataset, keyword: str) -> list[Dataset]:
    value = _value(dataset, keyword)
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else []


def _text(dataset: Dataset, keyword: str) -> str:
    """Text of the top level as the scan normalises it; several values joined by a backslash."""
    value = _value(dataset, keyword)
    parts: Iterable[Any] = value if isinstance(value, MultiValue) else [value]
    return "\\".join("".join(split_values(str(part))) for part in parts if part is not None)


def _numbers(places: Sequence[Dataset], keyword: str) -> tuple[float, ...]:
    for place in places:
        value = _value(place, keyword)
        if value is None or value == "":
            continue
        parts = value if isinstance(value, MultiValue) else [value]
        try:
            return tuple(map(finite_number, parts))
        except (ValueError, TypeError, OverflowError):
            continue
    return ()


def _value(dataset: Dataset, keyword: str) -> Any:
    """The value of an element; one that pydicom cannot parse counts as absent."""
    try:
        return dataset.get(keyword)
    except Exception:  # noqa: BLE001 - whatever pydicom runs into in a damaged element
        return None
