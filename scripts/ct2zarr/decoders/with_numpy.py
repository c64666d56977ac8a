"""RLE Lossless by numpy: slow, without a further package, and independent of pylibjpeg-rle."""

import struct

import numpy as np

from ..errors import FileError
from .layout import RLE, FrameLayout, Integers

NAME = "numpy"
SYNTAXES: tuple[str, ...] = (RLE,)
PACKAGES: tuple[str, ...] = ("numpy",)
_HEADER_BYTES = 64  # number of segments and 15 offsets, PS3.5 G.5


def is_available() -> bool:
    """Return True: numpy is always there."""
    return True


def decode(encoded: bytes, layout: FrameLayout) -> Integers:
    """Decode one frame to (rows, columns), PS3.5 Annex G.

    Raises:
        FileError: the header or a segment does not fit the frame.
    """
    if len(encoded) < _HEADER_BYTES:
        raise FileError("the RLE header is cut short", "truncated")
    size = layout.bits_allocated // 8
    count, *offsets = struct.unpack_from("<16L", encoded)
    if count != size:
        raise FileError(f"the RLE frame has {count} segments where {size} are due", "cannot_decode")
    pixels = layout.rows * layout.columns
    ends = [*offsets[1:count], len(encoded)]
    planes = np.empty((pixels, size), dtype=np.uint8)
    for byte, (start, end) in enumerate(zip(offsets[:count], ends, strict=True)):
        segment = _unpack_bits(encoded, start, end, pixels)
        planes[:, size - 1 - byte] = np.frombuffer(segment, dtype=np.uint8, count=pixels)
    return planes.view(f"<u{size}").reshape(layout.rows, layout.columns)


def _unpack_bits(encoded: bytes, start: int, end: int, due: int) -> bytearray:
    """Return ``due`` bytes from one PackBits segment, PS3.5 G.3.2."""
    unpacked = bytearray()
    at = start
    while at < end and len(unpacked) < due:
        code = encoded[at]
        if code < 128:
            unpacked += encoded[at + 1 : min(at + 2 + code, end)]
            at += 2 + code
        elif code > 128:
            unpacked += encoded[at + 1 : at + 2] * (257 - code)
            at += 2
        else:
            at += 1
    if len(unpacked) < due:
        raise FileError("an RLE segment ends before its last pixel", "truncated")
    return unpacked[:due]
