"""The direct walk along the elements of a header, and the decision who reads a file.

A file in explicit or implicit little endian with ascending tags is walked here, which needs a
fraction of the time that pydicom takes to build its elements. Whatever is unusual (no file meta
information, big endian, unknown VRs, tags out of order) is left to pydicom, with its long
experience of broken files. Both ways end in the same ``RawHeader``.
"""

import struct
import zlib
from collections.abc import Mapping

from pydicom.dataset import Dataset

from ...codes import Code
from ...errors import FileError
from ..header_text import decode_uid
from ..tags import (
    CHARACTER_SET,
    FUNCTIONAL_GROUPS,
    ITEM,
    ITEM_END,
    PIXEL_TAGS,
    SEQUENCE_END,
    UNDEFINED_LENGTH,
)
from ..transfer_syntaxes import DEFLATED, EXPLICIT_BIG, IMPLICIT_SYNTAXES
from .bounds import (
    LARGEST_HEADER,
    LARGEST_UNPACKED,
    MOST_TOP_LEVEL_ELEMENTS,
    BoundedSource,
    check_elements,
    too_many_elements,
    unpacks_too_large,
)
from .raw_header import (
    LONG_VRS,
    LONGEST_VALUE,
    TOO_LONG,
    ByteSource,
    PixelPlace,
    RawHeader,
    Unpacked,
    cut_short,
    parse_items,
)
from .repeated_runs import HEAD, repeated_runs
from .with_pydicom import read_unpacked_with_pydicom, read_with_pydicom

_META_TAGS = {0x00020002: "sop_class", 0x00020003: "sop_instance", 0x00020010: "syntax"}
_FIRST_READ = 16384
"""Bytes of a read: the header of a usual CT file has 2 to 12 KiB."""
_LAST_OF_META = 0x0007FFFF
"""The data set has no elements below group 8 (PS3.5 section 7.8.1)."""

_COMPRESSED_FILES = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ\0": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\3\4": "zip",
    b"7z\xbc\xaf\x27\x1c": "7-zip",
    b"Rar!\x1a\x07": "rar",
}
"""How files begin that hold others, compressed."""
_TAR_MARK, _TAR_MARK_AT = b"ustar", 257

_SHORT_VRS = frozenset(
    {b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT"}
    | {b"PN", b"SH", b"SL", b"SS", b"ST", b"TM", b"UI", b"UL", b"US"}
)
_VRS = {vr: vr.decode() for vr in LONG_VRS | _SHORT_VRS}
"""VR in a file → as text."""


class _UnusualError(Exception):
    """The direct walk met something that pydicom must judge."""


def read_header(source: ByteSource, wanted: frozenset[int]) -> tuple[RawHeader, ByteSource]:
    """Read the ``wanted`` elements in front of the pixel data.

    Returns
    -------
    tuple[RawHeader, ByteSource]
        The header, and the source that ``pixels.offset`` counts in: the one given, or the unpacked
        data set of a deflated file.

    Raises
    ------
    FileError
        The file is not DICOM, or its header is damaged. The sentence does not name the file, since
        a header does not know it.
    """
    if source.size == 0:
        raise FileError(Code.EMPTY_FILE, "the file is empty (zero bytes)")
    start = source.read(0, _FIRST_READ)
    if start[128:132] != b"DICM":
        if not _looks_like_elements(start, source.size):
            raise _no_dicom(start)
        return read_with_pydicom(source, wanted), source
    try:
        meta, position = _read_meta(start, is_whole=source.size == len(start))
        syntax = meta.get("syntax", "")
        if syntax == DEFLATED:
            source, position = Unpacked(_inflate(source, position)), 0
            start = source.read(0, _FIRST_READ)
        elif syntax in ("", EXPLICIT_BIG):
            raise _UnusualError
        explicit = syntax not in IMPLICIT_SYNTAXES
        bounded = BoundedSource(source, LARGEST_HEADER)
        header = _walk(bounded, start, position, explicit, wanted, meta)
    except _UnusualError:
        if isinstance(source, Unpacked):
            return read_unpacked_with_pydicom(source, wanted, meta), source
        return read_with_pydicom(source, wanted), source
    return header, source


_SHORTEST = 8  # bytes of a tag, a VR and a length of 16 bits


def _no_dicom(start: bytes) -> FileError:
    """Why a file that begins like this is not DICOM."""
    for mark, kind in _COMPRESSED_FILES.items():
        if start.startswith(mark):
            return FileError(
                Code.COMPRESSED_FILE,
                "the file is compressed with {kind}; unpack it, and scan again",
                kind=kind,
            )
    if start[_TAR_MARK_AT:].startswith(_TAR_MARK):
        return FileError(
            Code.COMPRESSED_FILE, "the file is a tar archive; unpack it, and scan again"
        )
    if not start.strip(b"\0"):
        return FileError(Code.EMPTY_FILE, "the file begins with nothing but zeros")
    return FileError(Code.NOT_DICOM, "the file does not begin like a DICOM file")


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
        if vr in _VRS and (vr in LONG_VRS or short + 8 <= size):
            return True
        if order == "<" and long + 8 <= size:
            return True
    return False


def _read_meta(start: bytes, is_whole: bool) -> tuple[dict[str, str], int]:
    """File meta information (PS3.10 section 7.1) of the first bytes, or all, of a file.

    Also returns where the data set begins.
    """
    meta: dict[str, str] = {}
    position = 132
    while True:
        if position + 12 > len(start):
            in_meta = len(start) < position + _SHORTEST or start.startswith(b"\2\0", position)
            raise cut_short(position) if is_whole and in_meta else _UnusualError
        group, element, vr, length, long = struct.unpack_from("<HH2sHI", start, position)
        if group != 2:
            return meta, position
        value = position + 8
        if vr in LONG_VRS:
            value, length = position + 12, long
        elif vr not in _SHORT_VRS:
            raise _UnusualError
        if value + length > len(start):
            raise cut_short(position) if is_whole else _UnusualError
        name = _META_TAGS.get(group << 16 | element)
        if name is not None:
            meta[name] = decode_uid(start[value : value + length])
        position = value + length


def _inflate(source: ByteSource, position: int) -> bytes:
    """The data set of a deflated file (PS3.5 A.5).

    Raises
    ------
    FileError
        It unpacks to more than is held in memory, or its data are damaged.
    """
    if source.size - position > LARGEST_UNPACKED:
        raise unpacks_too_large()
    packed = source.read(position, source.size - position)
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        content = stream.decompress(packed, LARGEST_UNPACKED)
        if stream.unconsumed_tail and stream.decompress(stream.unconsumed_tail, 1):
            raise unpacks_too_large()
    except zlib.error as error:
        raise FileError(Code.DAMAGED, "the deflated data of the file are damaged") from error
    return content


def _walk(
    source: ByteSource,
    data: bytes,
    position: int,
    explicit: bool,
    wanted: frozenset[int],
    meta: Mapping[str, str],
) -> RawHeader:
    """The header of a little endian data set that begins at ``position``."""
    if not explicit and data[position + 4 : position + 6] in _VRS:
        raise _UnusualError  # explicit in truth; pydicom finds out
    values: dict[int, tuple[str, bytes]] = {}
    ranges: dict[int, tuple[int, int]] = {}
    pixels, problem = None, None
    try:
        pixels = _walk_to_pixels(source, data, position, explicit, wanted, values, ranges)
    except FileError as error:
        problem = error
    groups: dict[int, list[Dataset]] = {}
    bad = 0
    try:
        for tag, (begin, end) in ranges.items():
            content = source.read(begin, end - begin)
            check_elements(content, explicit=explicit)
            items = parse_items(content, explicit, values.get(CHARACTER_SET))
            bad += items is None
            groups[tag] = items or []
    except FileError as error:
        problem = error
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


def _walk_to_pixels(
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
    One loop, since every call in it is paid for each of the hundred elements of a header. Only the
    first window is looked through for runs of elements that earlier headers had: later ones are
    padded.

    Raises
    ------
    FileError
        The file ends inside its header, or that is too large.
    """
    size, unpack = source.size, struct.unpack_from
    base, edge = 0, len(data) - 12
    last = _LAST_OF_META
    repeated = repeated_runs(explicit, wanted)
    runs, start, places = repeated.by_head, data, [position]
    while position < size:
        at = position - base
        if at > edge:
            if len(places) > MOST_TOP_LEVEL_ELEMENTS:
                raise too_many_elements()
            data, edge = _window(source, position)
            base, at, runs = position, 0, {}
        run = runs.get(data[at : at + HEAD])
        if run is not None and run.first > last and data.startswith(run.content, at):
            values.update(run.values)
            position, last = position + len(run.content), run.last
            places.append(position)
            continue
        if explicit:
            group, element, vr, length, long = unpack("<HH2sHI", data, at)
            value = position + 8
            if vr not in _SHORT_VRS:
                if vr not in LONG_VRS:
                    raise _UnusualError
                value, length = position + 12, long
        else:
            group, element, length = unpack("<HHI", data, at)
            value, vr = position + 8, b""
        tag = group << 16 | element
        if tag <= last:
            raise _UnusualError
        last = tag
        if tag in PIXEL_TAGS:
            repeated.note(start, places, values)
            return PixelPlace(tag, value, None if length == UNDEFINED_LENGTH else length)
        if length == UNDEFINED_LENGTH:
            end = _end_of_undefined(source, value, vr)
        else:
            end = value + length
            if end > size:
                raise cut_short(position)
        if tag in wanted:
            if tag in FUNCTIONAL_GROUPS:
                ranges[tag] = (value, end)
            elif length <= LONGEST_VALUE:
                at = value - base
                content = data[at : at + length] if end - base <= edge else b""
                if len(content) != length:
                    content = source.read(value, length)
                values[tag] = (_VRS[vr] if explicit else "", content)
            else:
                values[tag] = TOO_LONG
        position = end
        places.append(position)
    return None


def _window(source: ByteSource, position: int) -> tuple[bytes, int]:
    """Bytes from ``position`` on, and the last place in them where an element may begin.

    They are padded so that a last element of 8 bytes can be unpacked as one of 12.

    Raises
    ------
    FileError
        The file ends before the next element does.
    """
    if position + 8 > source.size:
        raise cut_short(position)
    data = source.read(position, _FIRST_READ) + bytes(12)
    at_end = position + _FIRST_READ >= source.size
    return data, len(data) - (20 if at_end else 24)


def _end_of_undefined(source: ByteSource, position: int, vr: bytes) -> int:
    """Where an element of undefined length ends; ``vr`` is empty in implicit encoding."""
    if vr not in (b"SQ", b"UN", b""):
        raise _UnusualError
    return _end_of_sequence(source, position, vr == b"SQ")


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
                raise cut_short(position)
            data, base, at = source.read(position, _FIRST_READ), position, 0
            if position + len(data) >= source.size:
                data += bytes(12)  # so that a last delimiter of 8 bytes can be unpacked
        group, element, length = struct.unpack_from("<HHI", data, at)
        tag = group << 16 | element
        position += 8
        if tag in (ITEM_END, SEQUENCE_END):
            modes.pop()
            continue
        if tag == ITEM:
            if length == UNDEFINED_LENGTH:
                modes.append(modes[-1])
                continue
        elif group == 0xFFFE:
            raise _UnusualError
        else:
            nested = modes[-1]
            if nested:
                vr, length, long = struct.unpack_from("<2sHI", data, at + 4)
                if vr in LONG_VRS:
                    length = long
                    position += 4
                elif vr not in _SHORT_VRS:
                    raise _UnusualError
                nested = vr != b"UN"
            if length == UNDEFINED_LENGTH:
                modes.append(nested)
                continue
        position += length
        if position > source.size:
            raise cut_short(base + at)
    return position
