"""RLE Lossless by numpy: slow, without a further package, and independent of the others."""

import numpy as np

from ...codes import Code
from ...errors import FileError
from ..transfer_syntaxes import RLE
from .layout import FrameLayout, Integers, rle_segments

NAME = "numpy"
SYNTAXES: tuple[str, ...] = (RLE,)


def is_available() -> bool:
    """True: numpy is always there."""
    return True


def decode(encoded: bytes, layout: FrameLayout) -> Integers:
    """Decode one frame to (rows, columns), PS3.5 Annex G.

    Raises
    ------
    FileError
        The header or a segment does not fit the frame.
    """
    pixels, segments = layout.rows * layout.columns, rle_segments(encoded, layout)
    planes = np.empty((pixels, len(segments)), dtype=np.uint8)
    for place, segment in enumerate(reversed(segments)):
        planes[:, place] = np.frombuffer(_unpack_bits(segment, pixels), dtype=np.uint8)
    return planes.view(f"<u{len(segments)}").reshape(layout.rows, layout.columns)


def _unpack_bits(segment: bytes, due: int) -> bytearray:
    """Return ``due`` bytes from one PackBits segment, PS3.5 G.3.2."""
    unpacked = bytearray()
    at = 0
    while at < len(segment) and len(unpacked) < due:
        code = segment[at]
        if code < 128:
            unpacked += segment[at + 1 : at + 2 + code]
            at += 2 + code
        elif code > 128:
            unpacked += segment[at + 1 : at + 2] * (257 - code)
            at += 2
        else:
            at += 1
    if len(unpacked) < due:
        raise FileError(Code.TRUNCATED, "an RLE segment ends before its last pixel")
    return unpacked[:due]
