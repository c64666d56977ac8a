"""One DICOM file to the raw bytes of the few header elements that a scan needs.

A file in explicit or implicit little endian with ascending tags is walked here directly, which
needs a fraction of the time that pydicom takes to build its elements. Whatever is unusual (no
file meta information, big endian, unknown VRs, tags out of order) is left to pydicom, with its
long experience of broken files. Both ways end in the same ``RawHeader``.
"""

import io
import os
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol, cast

from pydicom.charset import convert_encodings
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import data_element_generator, read_partial, read_sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from .errors import FileError

PIXEL_TAGS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
"""FloatPixelData, DoubleFloatPixelData and PixelData (PS3.3 C.7.6.3, C.7.6.24, C.7.6.25)."""
PIXEL_DATA = 0x7FE00010
CHARACTER_SET = 0x00080005
FUNCTIONAL_GROUPS = frozenset({0x52009229, 0x52009230})
"""Shared and PerFrameFunctionalGroupsSequence (PS3.3 C.7.6.16)."""

_META_TAGS = {0x00020002: "sop_class", 0x00020003: "sop_instance", 0x00020010: "syntax"}
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_FIRST_READ = 16384
"""Bytes of the first read: the header of a usual CT file has 2 to 12 KiB."""
_LONGEST_VALUE = 1 << 20
"""Bytes of a single value that is read; the values needed have a few dozen."""
_DEFLATED_LIMIT = 1 << 28
"""Bytes to which a deflated file is unpacked in memory; guards against a decompression bomb."""

_LONG_VRS = frozenset(
    {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
)
"""VRs with a length of 32 bits (PS3.5 table 7.1-1)."""
_SHORT_VRS = frozenset(
    {b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT"}
    | {b"PN", b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US"}
)
_VRS = _LONG_VRS | _SHORT_VRS


@dataclass(frozen=True, slots=True)
class PixelPlace:
    """Where the pixel data begin. ``length`` is ``None`` for encapsulated (undefined length)."""

    tag: int
    offset: int
    length: int | None


@dataclass(frozen=True, slots=True)
class RawHeader:
    """The wanted elements of one file, unparsed.

    Attributes:
        size: bytes of the file, or of the unpacked stream of a deflated file.
        values: tag → (VR or "" where the encoding has none, value bytes).
        groups: tag of a functional groups sequence → its items.
        transfer_syntax: as in the file meta information, or as guessed where there is none.
        media_sop_class, media_sop_instance: as in the file meta information.
        pixels: ``None`` for an object without pixel data.
        bad_elements: functional groups that could not be parsed.
        problem: why the file is unreadable, where it ends inside its header; what was read up to
            there still tells its series. Completes the sentence "the file ...".
    """

    size: int
    values: Mapping[int, tuple[str, bytes]]
    groups: Mapping[int, list[Dataset]]
    little_endian: bool
    transfer_syntax: str
    media_sop_class: str
    media_sop_instance: str
    pixels: PixelPlace | None
    bad_elements: int = 0
    problem: str = ""


class ByteSource(Protocol):
    """Bytes at offsets: a file, or a deflated file that was unpacked."""

    size: int

    def read(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes from ``offset``."""


class OpenFile:
    """An open file as a ``ByteSource``; one system call a read, no position kept."""

    def __init__(self, descriptor: int, size: int) -> None:
        self.descriptor = descriptor
        self.size = size

    def read(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes from ``offset``."""
        return os.pread(self.descriptor, length, offset)


class Unpacked:
    """Bytes in memory as a ``ByteSource``."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.size = len(content)

    def read(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes from ``offset``."""
        return self.content[offset : offset + length]


class _UnusualError(Exception):
    """The direct walk met something that pydicom must judge."""


def read_header(source: ByteSource, wanted: frozenset[int]) -> tuple[RawHeader, ByteSource]:
    """Read the ``wanted`` elements that stand before the pixel data.

    Returns the header and the source in which ``pixels.offset`` counts (another one than was
    given for a deflated file).

    Raises:
        FileError: with reason ``not_dicom`` or ``damaged``; the message completes the sentence
            "the file ...".
    """
    if source.size == 0:
        raise FileError("is empty (zero bytes)", "not_dicom")
    start = source.read(0, _FIRST_READ)
    if start[128:132] != b"DICM":
        if not _looks_like_elements(start, source.size):
            raise FileError("does not begin like a DICOM file", "not_dicom")
        return _read_with_pydicom(source, wanted), source
    try:
        meta, position = _read_meta(start)
        syntax = meta.get("syntax", "")
        if syntax == DeflatedExplicitVRLittleEndian:
            source, position = Unpacked(_inflate(source, position)), 0
            start = source.read(0, _FIRST_READ)
        elif syntax in ("", ExplicitVRBigEndian):
            raise _UnusualError
        explicit = syntax != ImplicitVRLittleEndian
        header = _walk(source, start, position, explicit, wanted, meta)
    except _UnusualError:
        if isinstance(source, Unpacked):
            return _elements_with_pydicom(source, wanted, meta), source
        return _read_with_pydicom(source, wanted), source
    return header, source


def _looks_like_elements(start: bytes, size: int) -> bool:
    """Whether a file without the DICM mark begins with an element of group 2 or 8.

    Such files are written by old software and by network tools; anything else is not guessed at.
    """
    if len(start) < 8:
        return False
    for order in ("<", ">"):
        group, element, vr, short = struct.unpack_from(f"{order}HH2sH", start)
        if group not in (0x0002, 0x0008) or element > 0x0100:
            continue
        (long,) = struct.unpack_from(f"{order}I", start, 4)
        if vr in _VRS and (vr in _LONG_VRS or short + 8 <= size):
            return True
        if order == "<" and long + 8 <= size:
            return True
    return False


def _read_meta(start: bytes) -> tuple[dict[str, str], int]:
    """File meta information (PS3.10 section 7.1) and where the data set begins."""
    meta: dict[str, str] = {}
    position = 132
    while True:
        if position + 12 > len(start):
            if position == len(start):
                return meta, position
            raise _UnusualError
        group, element, vr, length, long = struct.unpack_from("<HH2sHI", start, position)
        if group != 2:
            return meta, position
        value = position + 8
        if vr in _LONG_VRS:
            value, length = position + 12, long
        elif vr not in _SHORT_VRS:
            raise _UnusualError
        if value + length > len(start):
            raise _UnusualError
        name = _META_TAGS.get(group << 16 | element)
        if name is not None:
            meta[name] = start[value : value + length].decode("ascii", "replace").strip(" \0")
        position = value + length


def _inflate(source: ByteSource, position: int) -> bytes:
    """The data set of a deflated file (PS3.5 A.5), up to a limit."""
    packed = source.read(position, source.size - position)
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, _DEFLATED_LIMIT)
    except zlib.error as error:
        raise FileError(f"cannot be inflated ({error})", "damaged") from error


def _walk(
    source: ByteSource,
    data: bytes,
    position: int,
    explicit: bool,
    wanted: frozenset[int],
    meta: Mapping[str, str],
) -> RawHeader:
    """The header of a little endian data set that begins at ``position``."""
    values: dict[int, tuple[str, bytes]] = {}
    ranges: dict[int, tuple[int, int]] = {}
    pixels, problem = None, ""
    try:
        pixels = _to_pixels(source, data, position, explicit, wanted, values, ranges)
    except FileError as error:
        problem = str(error)
    groups: dict[int, list[Dataset]] = {}
    bad = 0
    for tag, (begin, end) in ranges.items():
        items = _items(source.read(begin, end - begin), explicit, values.get(CHARACTER_SET))
        bad += items is None
        groups[tag] = items or []
    return RawHeader(
        size=source.size,
        values=values,
        groups=groups,
        little_endian=True,
        transfer_syntax=meta.get("syntax", ""),
        media_sop_class=meta.get("sop_class", ""),
        media_sop_instance=meta.get("sop_instance", ""),
        pixels=pixels,
        bad_elements=bad,
        problem=problem,
    )


def _to_pixels(
    source: ByteSource,
    data: bytes,
    position: int,
    explicit: bool,
    wanted: frozenset[int],
    values: dict[int, tuple[str, bytes]],
    ranges: dict[int, tuple[int, int]],
) -> PixelPlace | None:
    """Walk the top level of a little endian data set up to its pixel data.

    Puts the wanted elements into ``values``, and where functional groups lie into ``ranges``.
    ``data`` is a window on the source that begins at offset 0; it moves when the walk leaves it.

    Raises:
        FileError: the file ends inside its header.
    """
    size = source.size
    base, edge = 0, len(data) - 12
    last = 0x0007FFFF
    unpack = struct.unpack_from
    first = position
    while position < size:
        at = position - base
        if at > edge:
            if position + 8 > size:
                raise _cut_short(position)
            base, at = position, 0
            # Padded so that a last element of 8 bytes can be unpacked as one of 12.
            data = source.read(position, _FIRST_READ) + bytes(12)
            edge = len(data) - 24 if position + _FIRST_READ < size else len(data) - 20
        if explicit:
            group, element, vr, length, long = unpack("<HH2sHI", data, at)
            value = position + 8
            if vr in _LONG_VRS:
                value, length = position + 12, long
            elif vr not in _SHORT_VRS:
                raise _UnusualError
        else:
            group, element, length = unpack("<HHI", data, at)
            value, vr = position + 8, b""
            if position == first and data[at + 4 : at + 6] in _VRS:
                raise _UnusualError  # explicit in truth; pydicom finds out
        tag = group << 16 | element
        if tag <= last:
            raise _UnusualError
        last = tag
        if tag in PIXEL_TAGS:
            return PixelPlace(tag, value, None if length == _UNDEFINED else length)
        if length == _UNDEFINED:
            if explicit and vr not in (b"SQ", b"UN"):
                raise _UnusualError
            end = _end_of_sequence(source, value, explicit and vr == b"SQ")
        else:
            end = value + length
            if end > size:
                raise _cut_short(position)
        if tag in wanted:
            if tag in FUNCTIONAL_GROUPS:
                ranges[tag] = (value, end)
            elif length <= _LONGEST_VALUE:
                at = value - base
                content = data[at : at + length] if end - base <= edge else b""
                if len(content) != length:
                    content = source.read(value, length)
                values[tag] = (vr.decode(), content)
            else:
                values[tag] = ("SQ", b"")  # no value of this element is so long: counted as bad
        position = end
    return None


def _cut_short(position: int) -> FileError:
    return FileError(
        f"ends inside its header (in the element at byte {position}): cut short or damaged",
        "damaged",
    )


def _end_of_sequence(source: ByteSource, position: int, explicit: bool) -> int:
    """Where a sequence of undefined length ends, behind its delimiter.

    Nested sequences and items of undefined length are entered, all others are stepped over.
    A UN of undefined length holds implicit VR little endian (PS3.5 section 6.2.2).
    """
    modes = [explicit]
    data, base = b"", position
    while modes:
        at = position - base
        if at + 12 > len(data):
            if position + 8 > source.size:
                raise _cut_short(position)
            data, base, at = source.read(position, _FIRST_READ), position, 0
            if position + len(data) >= source.size:
                data += bytes(12)  # so that a last delimiter of 8 bytes can be unpacked
        group, element, length = struct.unpack_from("<HHI", data, at)
        tag = group << 16 | element
        position += 8
        if tag in (_ITEM_END, _SEQUENCE_END):
            modes.pop()
            continue
        if tag == _ITEM:
            if length == _UNDEFINED:
                modes.append(modes[-1])
                continue
        elif group == 0xFFFE:
            raise _UnusualError
        else:
            nested = modes[-1]
            if nested:
                vr, length, long = struct.unpack_from("<2sHI", data, at + 4)
                if vr in _LONG_VRS:
                    length = long
                    position += 4
                elif vr not in _SHORT_VRS:
                    raise _UnusualError
                nested = vr != b"UN"
            if length == _UNDEFINED:
                modes.append(nested)
                continue
        position += length
        if position > source.size:
            raise _cut_short(base + at)
    return position


def _items(
    content: bytes, explicit: bool, character_set: tuple[str, bytes] | None
) -> list[Dataset] | None:
    """Items of a sequence; ``None`` where pydicom cannot parse it."""
    encoding = None
    if character_set is not None:
        encoding = character_set[1].decode("ascii", "replace").strip(" \0").split("\\")
    try:
        return list(
            read_sequence(
                io.BytesIO(content), not explicit, True, len(content), convert_encodings(encoding)
            )
        )
    except Exception:  # noqa: BLE001 - pydicom raises many kinds; the caller counts the element
        return None


def _read_with_pydicom(source: ByteSource, wanted: frozenset[int]) -> RawHeader:
    """Let pydicom find its way from the start of an unusual file."""
    stream = cast(BinaryIO, io.BufferedReader(_Stream(source), _FIRST_READ))
    found: list[PixelPlace] = []
    try:
        dataset = read_partial(stream, _stop(stream, found), None, True, list(wanted))
        meta = dataset.file_meta
        syntax = str(meta.get("TransferSyntaxUID", "") or "")
        media_class = str(meta.get("MediaStorageSOPClassUID", "") or "")
        media_instance = str(meta.get("MediaStorageSOPInstanceUID", "") or "")
        implicit, little = dataset.original_encoding
    except Exception as error:
        raise FileError(f"has a damaged header ({_brief(error)})", "damaged") from error
    if not syntax:
        syntax = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
        syntax = syntax if little is not False else ExplicitVRBigEndian
    elements = [dataset.get_item(tag) for tag in wanted if tag in dataset]
    if not len(dataset) and not len(meta) and not found:
        raise FileError("does not hold DICOM elements", "not_dicom")
    if not found and stream.tell() > source.size:
        raise _cut_short(source.size)
    return _header_of(
        source.size, elements, little is not False, (syntax, media_class, media_instance), found
    )


def _elements_with_pydicom(
    source: Unpacked, wanted: frozenset[int], meta: Mapping[str, str]
) -> RawHeader:
    """As ``_read_with_pydicom`` for the unpacked data set of a deflated file."""
    stream = io.BytesIO(source.content)
    found: list[PixelPlace] = []
    try:
        elements = list(
            data_element_generator(
                stream, False, True, _stop(stream, found), specific_tags=list(wanted)
            )
        )
    except Exception as error:
        raise FileError(f"has a damaged header ({_brief(error)})", "damaged") from error
    names = (
        meta.get("syntax", ""),
        meta.get("sop_class", ""),
        meta.get("sop_instance", ""),
    )
    return _header_of(source.size, elements, True, names, found)


class _Stop(Protocol):
    def __call__(self, tag: int, vr: str | None, length: int) -> bool: ...


def _stop(stream: BinaryIO, found: list[PixelPlace]) -> _Stop:
    def at_pixels(tag: int, vr: str | None, length: int) -> bool:  # noqa: ARG001
        if tag not in PIXEL_TAGS:
            return False
        found.append(PixelPlace(int(tag), stream.tell(), None if length == _UNDEFINED else length))
        return True

    return at_pixels


def _header_of(
    size: int,
    elements: Sequence[object],
    little: bool,
    meta: tuple[str, str, str],
    found: list[PixelPlace],
) -> RawHeader:
    values: dict[int, tuple[str, bytes]] = {}
    groups: dict[int, list[Dataset]] = {}
    bad = 0
    for element in elements:
        if isinstance(element, RawDataElement):
            content = element.value or b""
            if len(content) < element.length != _UNDEFINED:
                raise _cut_short(element.value_tell)
            tag = int(element.tag)
            if tag in FUNCTIONAL_GROUPS:
                items = _items(content, not element.is_implicit_VR, values.get(CHARACTER_SET))
                bad += items is None
                groups[tag] = items or []
            elif len(content) <= _LONGEST_VALUE:
                values[tag] = (element.VR or "", content)
        elif getattr(element, "VR", "") == "SQ":
            tag = int(element.tag)  # type: ignore[attr-defined]
            if tag in FUNCTIONAL_GROUPS:
                groups[tag] = list(element.value)  # type: ignore[attr-defined]
            else:
                values[tag] = ("SQ", b"")
        elif getattr(element, "tag", 0) == CHARACTER_SET:
            # pydicom has parsed this one already.
            names = element.value  # type: ignore[attr-defined]
            names = [names] if isinstance(names, str) else names or []
            values[CHARACTER_SET] = ("CS", "\\".join(names).encode("ascii", "replace"))
    return RawHeader(
        size=size,
        values=values,
        groups=groups,
        little_endian=little,
        transfer_syntax=meta[0],
        media_sop_class=meta[1],
        media_sop_instance=meta[2],
        pixels=found[0] if found else None,
        bad_elements=bad,
    )


class _Stream(io.RawIOBase):
    """A ``ByteSource`` as a stream for pydicom; a seek beyond the end is kept, as in a file."""

    name = ""
    """pydicom asks a stream for its name."""

    def __init__(self, source: ByteSource) -> None:
        self.source = source
        self.position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        start = (0, self.position, self.source.size)[whence]
        self.position = max(0, start + offset)
        return self.position

    def tell(self) -> int:
        return self.position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        content = self.source.read(self.position, len(buffer))
        buffer[: len(content)] = content
        self.position += len(content)
        return len(content)


def _brief(error: Exception) -> str:
    """The kind of an error only: its text may hold values of the header."""
    return type(error).__name__
