"""What a header and a few bytes say about the pixel data: are they all there, are they lossy."""

from typing import Any

from ..errors import FileError
from .element_values import ABSENT, read_code
from .fragments import walk_items
from .header import ByteSource, PixelPlace, RawHeader
from .tags import DOUBLE_FLOAT_PIXEL_DATA, LOSSY_COMPRESSION, PIXEL_DATA
from .transfer_syntaxes import ALWAYS_LOSSY, LOSSY_OR_NOT, NATIVE_SYNTAXES

_COLOUR_422 = frozenset({"YBR_FULL_422", "YBR_PARTIAL_422"})
"""Colour images with half the chrominance: two bytes per pixel instead of three."""

_CODING_STYLE = b"\xff\x52\x00"
"""COD marker of a JPEG 2000 codestream and the high byte of its length (ISO/IEC 15444-1 A.6.1)."""
_WAVELET = 13
"""Offset of the wavelet from that marker: behind marker 2, length 2, Scod 1, SGcod 4, levels 1,
block 2 and style 1 (table A.15)."""
_IRREVERSIBLE = 0
"""The 9-7 wavelet; 1 is the reversible 5-3 wavelet (table A.20)."""
_MAIN_HEADER = 4096
"""Bytes of pixel data in which the main header of the first codestream lies."""


def pixels_missing(
    header: RawHeader, source: ByteSource, frames: int, fields: dict[str, Any]
) -> int | None:
    """Bytes of pixel data that the file lacks; ``None`` where it has no pixel data at all.

    Uncompressed pixels are held against rows x columns x samples x frames. Of compressed ones
    only the fragments are counted: a fragment that ends behind the file's end lacks the
    difference, and fewer fragments than frames lack the uncompressed size of those frames.

    Parameters
    ----------
    fields
        Of ``Frame``, as far as they could be read.
    """
    place = header.pixels
    if place is None or place.length == 0:
        return None
    allocated = fields.get("bits_allocated", 0)
    if place.tag != PIXEL_DATA:
        allocated = 64 if place.tag == DOUBLE_FLOAT_PIXEL_DATA else 32
    rows, columns = fields.get("rows", 0), fields.get("columns", 0)
    bits: int = rows * columns * fields.get("samples_per_pixel", 1) * allocated
    if fields.get("photometric") in _COLOUR_422:
        bits = bits * 2 // 3
    expected = (bits * frames + 7) // 8
    encapsulated = header.transfer_syntax not in NATIVE_SYNTAXES
    if place.length is not None:
        present = min(place.length, header.size - place.offset)
        cut: int = place.length - present
        return cut if encapsulated else max(cut, expected - present, 0)
    count, present, beyond = _sum_fragments(header, source, place, frames if encapsulated else None)
    if beyond:
        return beyond
    if encapsulated:
        return max(0, frames - count) * max((bits + 7) // 8, 1)
    return max(0, expected - present)


def _sum_fragments(
    header: RawHeader, source: ByteSource, place: PixelPlace, limit: int | None
) -> tuple[int, int, int]:
    """Number of the fragments, their bytes, and by how much the last one passes the file's end.

    Parameters
    ----------
    limit
        As many fragments are enough; ``None`` for all.
    """
    count = present = 0
    items = walk_items(source, place.offset, little_endian=header.little_endian)
    try:
        for number, (offset, length) in enumerate(items):
            beyond = offset + length - header.size
            if beyond > 0:
                return count, present, beyond
            if number:  # the first item is the offset table
                count += 1
                present += length
            if count == limit:
                break
    except FileError:
        pass  # what lies behind the damage counts as missing
    return count, present, 0


def is_lossy(header: RawHeader, source: ByteSource) -> bool:
    """Whether the pixels went through lossy compression, as far as header and codestream say.

    JPEG 2000 syntaxes that allow both are judged by the wavelet of the codestream: the 9-7
    wavelet is irreversible. The reversible one counts as lossless unless the header says 01.
    """
    try:
        said = read_code(*header.values.get(LOSSY_COMPRESSION, ABSENT), header)
    except (ValueError, LookupError):
        said = ""
    if said == "01" or header.transfer_syntax in ALWAYS_LOSSY:
        return True
    if header.transfer_syntax not in LOSSY_OR_NOT or header.pixels is None:
        return False
    start = source.read(header.pixels.offset, _MAIN_HEADER)
    coding = start.find(_CODING_STYLE)
    if coding < 0 or coding + _WAVELET >= len(start):
        return said != "00"
    return start[coding + _WAVELET] == _IRREVERSIBLE
