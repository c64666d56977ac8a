"""Headers that only pydicom, with its long experience of broken files, finds its way through."""

import io
from collections.abc import Mapping, Sequence
from typing import BinaryIO, Protocol, cast

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import data_element_generator, read_partial
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from ...errors import FileError
from .raw_header import (
    CHARACTER_SET,
    FUNCTIONAL_GROUPS,
    LONGEST_VALUE,
    PIXEL_TAGS,
    UNDEFINED,
    ByteSource,
    PixelPlace,
    RawHeader,
    Unpacked,
    cut_short,
    parse_items,
)

_BUFFER = 16384
"""Bytes a read; the header of a usual CT file has 2 to 12 KiB."""


def read_with_pydicom(source: ByteSource, wanted: frozenset[int]) -> RawHeader:
    """Let pydicom find its way from the start of an unusual file."""
    stream = cast(BinaryIO, io.BufferedReader(_Stream(source), _BUFFER))
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
        raise cut_short(source.size)
    return _header_of(
        source.size, elements, little is not False, (syntax, media_class, media_instance), found
    )


def read_unpacked_with_pydicom(
    source: Unpacked, wanted: frozenset[int], meta: Mapping[str, str]
) -> RawHeader:
    """As ``read_with_pydicom`` for the unpacked data set of a deflated file."""
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
        found.append(PixelPlace(int(tag), stream.tell(), None if length == UNDEFINED else length))
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
            if len(content) < element.length != UNDEFINED:
                raise cut_short(element.value_tell)
            tag = int(element.tag)
            if tag in FUNCTIONAL_GROUPS:
                items = parse_items(content, not element.is_implicit_VR, values.get(CHARACTER_SET))
                bad += items is None
                groups[tag] = items or []
            elif len(content) <= LONGEST_VALUE:
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
