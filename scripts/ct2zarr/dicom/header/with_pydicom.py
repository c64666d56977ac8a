"""Unusual headers, read by pydicom, which has met most kinds of broken files."""

import io
from collections.abc import Mapping, Sequence
from typing import BinaryIO, Protocol, cast

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import data_element_generator, read_partial

from ...codes import Code
from ...errors import FileError
from ..header_text import split_values
from ..tags import CHARACTER_SET, FUNCTIONAL_GROUPS, PIXEL_TAGS, UNDEFINED_LENGTH
from ..transfer_syntaxes import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from .bounds import LARGEST_UNUSUAL_HEADER, BoundedSource, check_elements
from .raw_header import (
    LONGEST_VALUE,
    TOO_LONG,
    ByteSource,
    PixelPlace,
    RawHeader,
    Unpacked,
    cut_short,
    parse_items,
)

_BUFFER = 16384
"""Bytes per read: the header of a usual CT file has 2 to 12 KiB."""

_META_KEYWORDS = ("TransferSyntaxUID", "MediaStorageSOPClassUID", "MediaStorageSOPInstanceUID")


def read_with_pydicom(source: ByteSource, wanted: frozenset[int]) -> RawHeader:
    """Let pydicom find its way from the start of an unusual file."""
    stream = _stream_of(source)
    found: list[PixelPlace] = []
    try:
        dataset = read_partial(stream, _stop(stream, found), None, True, list(wanted))
        meta = dataset.file_meta
        syntax, *media = (_meta_uid(meta, keyword) for keyword in _META_KEYWORDS)
        implicit, little = dataset.original_encoding
    except FileError:
        raise
    except Exception as error:
        raise _damaged(error) from error
    if not syntax:
        syntax = IMPLICIT_LITTLE if implicit else EXPLICIT_LITTLE
        syntax = syntax if little is not False else EXPLICIT_BIG
    # In ascending order, so that the character set comes before the text in functional groups.
    elements = [dataset.get_item(tag) for tag in sorted(wanted) if tag in dataset]
    if not len(dataset) and not len(meta) and not found:
        raise FileError(Code.NOT_DICOM, "the file holds no DICOM elements")
    if not found and stream.tell() > source.size:
        raise cut_short(source.size)
    return _header_of(source.size, elements, little is not False, (syntax, *media), found)


def read_unpacked_with_pydicom(
    source: Unpacked, wanted: frozenset[int], meta: Mapping[str, str]
) -> RawHeader:
    """As ``read_with_pydicom`` for the unpacked data set of a deflated file."""
    stream = _stream_of(source)
    found: list[PixelPlace] = []
    try:
        elements = list(
            data_element_generator(
                stream, False, True, _stop(stream, found), specific_tags=list(wanted)
            )
        )
    except FileError:
        raise
    except Exception as error:
        raise _damaged(error) from error
    names = (meta.get("syntax", ""), meta.get("sop_class", ""), meta.get("sop_instance", ""))
    return _header_of(source.size, elements, True, names, found)


def _stream_of(source: ByteSource) -> BinaryIO:
    bounded = BoundedSource(source, LARGEST_UNUSUAL_HEADER)
    return cast(BinaryIO, _Reader(_Stream(bounded), _BUFFER))


class _Stop(Protocol):
    def __call__(self, tag: int, vr: str | None, length: int) -> bool: ...


def _stop(stream: BinaryIO, found: list[PixelPlace]) -> _Stop:
    def at_pixels(tag: int, vr: str | None, length: int) -> bool:  # noqa: ARG001
        if tag not in PIXEL_TAGS:
            return False
        known = None if length == UNDEFINED_LENGTH else length
        found.append(PixelPlace(int(tag), stream.tell(), known))
        return True

    return at_pixels


def _meta_uid(meta: Dataset, keyword: str) -> str:
    return "\\".join(split_values(str(meta.get(keyword, "") or "")))


def _header_of(
    size: int,
    elements: Sequence[RawDataElement | DataElement | None],
    little: bool,
    meta: tuple[str, ...],
    found: list[PixelPlace],
) -> RawHeader:
    values: dict[int, tuple[str, bytes]] = {}
    groups: dict[int, list[Dataset]] = {}
    bad = 0
    for element in elements:
        if isinstance(element, RawDataElement):
            bad += _take_raw(element, values, groups)
        elif element is not None:
            _take_parsed(element, values, groups)
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


def _take_raw(
    element: RawDataElement, values: dict[int, tuple[str, bytes]], groups: dict[int, list[Dataset]]
) -> bool:
    """Put an element where it belongs; return whether it is a sequence that cannot be parsed."""
    content = element.value or b""
    if len(content) < element.length != UNDEFINED_LENGTH:
        raise cut_short(element.value_tell)
    tag = int(element.tag)
    if tag in FUNCTIONAL_GROUPS:
        check_elements(content, explicit=not element.is_implicit_VR)
        items = parse_items(content, not element.is_implicit_VR, values.get(CHARACTER_SET))
        groups[tag] = items or []
        return items is None
    values[tag] = (element.VR or "", content) if len(content) <= LONGEST_VALUE else TOO_LONG
    return False


def _take_parsed(
    element: DataElement, values: dict[int, tuple[str, bytes]], groups: dict[int, list[Dataset]]
) -> None:
    """Take an element that pydicom has parsed already: a sequence, or the character set."""
    tag = int(element.tag)
    if element.VR == "SQ":
        if tag in FUNCTIONAL_GROUPS:
            groups[tag] = list(element.value)
        else:
            values[tag] = ("SQ", b"")
    elif tag == CHARACTER_SET:
        names = [element.value] if isinstance(element.value, str) else element.value or []
        values[CHARACTER_SET] = ("CS", "\\".join(names).encode("ascii", "replace"))


class _Reader(io.BufferedReader):
    """Reads no more than there is; Python would make room for all that is asked for."""

    raw: "_Stream"

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _BUFFER:
            source = self.raw.source
            size = min(size, max(source.size - self.tell(), 0))
            source.check_left(size)
        return super().read(size)


class _Stream(io.RawIOBase):
    """A source as a stream for pydicom; it can be beyond the end, as in a file."""

    name = ""
    """pydicom asks a stream for its name."""

    def __init__(self, source: BoundedSource) -> None:
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


def _damaged(error: Exception) -> FileError:
    """The error of a header that pydicom cannot read; pydicom's own text may hold values of it."""
    return FileError(
        Code.DAMAGED,
        "the header of the file is damaged (pydicom: {kind})",
        kind=type(error).__name__,
    )
