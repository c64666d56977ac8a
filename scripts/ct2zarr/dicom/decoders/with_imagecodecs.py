"""JPEG, JPEG-LS, JPEG 2000, JPEG XL, RLE and deflated frames by imagecodecs.

It calls libjpeg-turbo 3, CharLS, OpenJPEG, libjxl and libdeflate; PackBits is its own.
"""

from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from ...codes import Code
from ...errors import FileError
from ..transfer_syntaxes import (
    DEFLATED_FRAME,
    HTJ2K_FAMILY,
    JPEG_2000_FAMILY,
    JPEG_FAMILY,
    JPEG_LS_FAMILY,
    JPEG_XL_FAMILY,
    RLE,
)
from .layout import FrameLayout, Integers, as_plane, rle_segments

NAME = "imagecodecs"
SYNTAXES: tuple[str, ...] = (
    *JPEG_FAMILY,
    *JPEG_LS_FAMILY,
    *JPEG_2000_FAMILY,
    *HTJ2K_FAMILY,
    *JPEG_XL_FAMILY,
    RLE,
    DEFLATED_FRAME,
)


def is_available() -> bool:
    """Whether imagecodecs is installed."""
    return find_spec("imagecodecs") is not None


def decode(encoded: bytes, layout: FrameLayout) -> Integers:
    """Decode one frame to (rows, columns)."""
    import imagecodecs

    if layout.syntax == RLE:
        return _decode_rle(encoded, layout)
    if layout.syntax == DEFLATED_FRAME:
        due = layout.rows * layout.columns * layout.bits_allocated // 8
        raw = imagecodecs.deflate_decode(encoded, raw=True, out=due + due % 2)
        return as_plane(bytes(raw[:due]), layout, layout.bits_allocated)
    if layout.syntax in JPEG_XL_FAMILY:
        return as_plane(imagecodecs.jpegxl_decode(encoded), layout, 0)
    if layout.syntax in JPEG_FAMILY:
        decoded = imagecodecs.jpeg_decode(encoded)
    elif layout.syntax in JPEG_LS_FAMILY:
        decoded = imagecodecs.jpegls_decode(encoded)
    else:
        decoded = imagecodecs.jpeg2k_decode(encoded)
    return as_plane(decoded, layout, 0)


def _decode_rle(encoded: bytes, layout: FrameLayout) -> Integers:
    """RLE is PackBits for each byte of a pixel (PS3.5 Annex G)."""
    pixels = layout.rows * layout.columns
    first, *others = (_unpack_bits(part, pixels) for part in rle_segments(encoded, layout))
    samples: Integers = first.astype(f"u{1 + len(others)}")
    for lower in others:
        samples <<= 8
        samples |= lower
    return samples.reshape(layout.rows, layout.columns)


def _unpack_bits(segment: bytes, due: int) -> NDArray[np.uint8]:
    import imagecodecs

    out = np.empty(due, np.uint8)
    try:
        unpacked = imagecodecs.packbits_decode(segment, out=out.data)
    except imagecodecs.PackbitsError:
        # A segment of odd length is padded by a 0 (PS3.5 G.3.1), which says that a byte follows.
        if not segment or segment[-1] != 0:
            raise
        unpacked = imagecodecs.packbits_decode(segment[:-1], out=out.data)
    if len(unpacked) != due:
        raise FileError(Code.TRUNCATED, "an RLE segment ends before its last pixel")
    return out
