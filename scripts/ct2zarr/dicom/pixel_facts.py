"""What a header and a few bytes tell of the pixel data: whether all are there, and lossy or not."""

import struct
from typing import Any

from .header.raw_header import PIXEL_DATA, ByteSource, RawHeader

LOSSY = 0x00282110
"""LossyImageCompression."""

_LOSSY_SYNTAXES = frozenset(
    {f"1.2.840.10008.1.2.4.{i}" for i in (*range(50, 57), *range(59, 65), 81)}
    | {f"1.2.840.10008.1.2.4.{i}" for i in (*range(100, 109), 111, 112)}
)
"""JPEG baseline, extended and the retired DCT processes, JPEG-LS near-lossless, MPEG, and JPEG XL
that need not be lossless (PS3.6 table A-1)."""
_WAVELET_SYNTAXES = frozenset({f"1.2.840.10008.1.2.4.{i}" for i in (91, 93, 203)})
"""JPEG 2000 and HTJ2K syntaxes that may be lossless or not: the codestream tells."""
_ENCAPSULATED = "1.2.840.10008.1.2.4."
_RLE = "1.2.840.10008.1.2.5"

_COLOUR_422 = frozenset({"YBR_FULL_422", "YBR_PARTIAL_422"})


def pixels_missing(
    header: RawHeader, source: ByteSource, frames: int, fields: dict[str, Any]
) -> int | None:
    """Bytes of pixel data that the file lacks; ``None`` where it has no pixel data at all.

    Uncompressed pixels are held against rows x columns x samples x frames. Of compressed ones
    only the fragments are counted: a fragment that ends behind the file's end lacks the
    difference, and fewer fragments than frames lack the uncompressed size of those frames.
    """
    place = header.pixels
    if place is None or place.length == 0:
        return None
    allocated = fields.get("bits_allocated", 0)
    if place.tag != PIXEL_DATA:
        allocated = 64 if place.tag == 0x7FE00009 else 32
    rows, columns = fields.get("rows", 0), fields.get("columns", 0)
    bits: int = rows * columns * fields.get("samples_per_pixel", 1) * allocated
    if fields.get("photometric") in _COLOUR_422:
        bits = bits * 2 // 3
    expected = (bits * frames + 7) // 8
    syntax = header.transfer_syntax
    encapsulated = syntax.startswith(_ENCAPSULATED) or syntax == _RLE
    if place.length is not None:
        present = min(place.length, header.size - place.offset)
        cut: int = place.length - present
        return cut if encapsulated else max(cut, expected - present, 0)
    fragments = _Fragments(header, source, frames if encapsulated else None)
    if fragments.missing:
        return fragments.missing
    if encapsulated:
        return max(0, frames - fragments.count) * max((bits + 7) // 8, 1)
    return max(0, expected - fragments.bytes)


def is_lossy(header: RawHeader, source: ByteSource) -> bool:
    """Whether the pixels went through lossy compression, as far as header and codestream tell.

    JPEG 2000 syntaxes that allow both are judged by the wavelet of the codestream: the 9-7
    wavelet is irreversible. The reversible one counts as lossless unless the header says 01.
    """
    said = header.values.get(LOSSY, ("", b""))[1].strip(b" \0")
    if said == b"01" or header.transfer_syntax in _LOSSY_SYNTAXES:
        return True
    if header.transfer_syntax not in _WAVELET_SYNTAXES or header.pixels is None:
        return False
    start = source.read(header.pixels.offset, 4096)
    coding = start.find(b"\xff\x52\x00")
    if coding < 0 or coding + 14 > len(start):
        return said != b"00"
    # Marker 2, length 2, Scod 1, SGcod 4, levels 1, block 2, style 1, then the transformation
    # (ISO/IEC 15444-1 table A.15): 0 is 9-7 irreversible, 1 is 5-3 reversible.
    return start[coding + 13] == 0


class _Fragments:
    """The fragments of encapsulated pixel data (PS3.5 A.4), the first ``limit`` or all.

    Attributes:
        count: fragments behind the offset table. bytes: their length.
        missing: bytes by which the last one reaches beyond the end of the file.
    """

    def __init__(self, header: RawHeader, source: ByteSource, limit: int | None) -> None:
        self.count, self.bytes, self.missing = 0, 0, 0
        position = header.pixels.offset if header.pixels else header.size
        order = "<" if header.little_endian else ">"
        table = True
        while limit is None or self.count < limit:
            item = source.read(position, 8)
            if len(item) < 8:
                return
            group, element, length = struct.unpack(f"{order}HHI", item)
            if (group, element) != (0xFFFE, 0xE000):
                return
            position += 8 + length
            if position > header.size:
                self.missing = position - header.size
                return
            if not table:
                self.count += 1
                self.bytes += length
            table = False
