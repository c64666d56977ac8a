"""Frames in fragments that need no package: uncompressed ones, and deflated ones by zlib."""

import zlib

from ...codes import Code
from ...errors import FileError
from ..transfer_syntaxes import DEFLATED_FRAME, ENCAPSULATED_UNCOMPRESSED
from .layout import FrameLayout, Integers, as_plane

NAME = "python"
SYNTAXES: tuple[str, ...] = (DEFLATED_FRAME, ENCAPSULATED_UNCOMPRESSED)


def is_available() -> bool:
    """True: zlib comes with Python."""
    return True


def decode(encoded: bytes, layout: FrameLayout) -> Integers:
    """Decode one frame to (rows, columns), little endian (PS3.5 A.4.11, A.4.13).

    Raises
    ------
    FileError
        The frame has another number of bytes than its header says.
    zlib.error
        The stream is damaged.
    """
    due = layout.rows * layout.columns * layout.bits_allocated // 8
    if layout.syntax == DEFLATED_FRAME:
        stream = zlib.decompressobj(-zlib.MAX_WBITS)
        encoded = stream.decompress(encoded, due + 2)
        if not stream.eof:
            raise FileError(Code.TRUNCATED, "the deflated frame has no end")
    if len(encoded) not in (due, due + due % 2):
        raise FileError(
            Code.CANNOT_DECODE,
            "the frame has {found} bytes where {due} are due",
            found=len(encoded),
            due=due,
        )
    return as_plane(encoded[:due], layout, layout.bits_allocated)
