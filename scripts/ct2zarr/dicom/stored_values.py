"""Containers of pixels, as read or decoded, to the integers that the header means."""

import numpy as np

from ..model import Frame
from .decoders.layout import Codestream, Integers


def stored_values(plane: Integers, frame: Frame, codestream: Codestream | None = None) -> Integers:
    """The integers that the header means by the containers that were read or decoded.

    A container holds BitsStored bits that end at HighBit; the bits beside them mean nothing
    (PS3.5 section 8.1.1). A container equal to PixelPaddingValue is kept unchanged, since some
    scanners pad with a value outside BitsStored (PS3.3 C.7.5.1.1.2). A codestream of at most
    BitsStored bits holds the values modulo 2^precision, whatever it says about their sign.

    Parameters
    ----------
    plane
        (rows, columns), any integer type.
    codestream
        What the frame's codestream says; ``None`` for containers as in the file.

    Returns
    -------
    Integers
        (rows, columns), signed or unsigned by PixelRepresentation; ``plane`` itself, viewed as that
        type, wherever no bit has to change.
    """
    size = plane.dtype.itemsize
    containers = plane.view(f"u{size}")
    signed = frame.pixel_representation == 1
    bits, shift = frame.bits_stored, 0
    if codestream is None or not codestream.precision or codestream.precision > bits:
        shift = min(max(frame.high_bit + 1 - bits, 0), 8 * size - 1)
    else:
        bits = codestream.precision
    declared = containers.view(f"i{size}") if signed else containers
    if shift == 0 and bits >= 8 * size:
        return declared
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    if shift == 0 and declared.min() >= low and declared.max() <= high:
        return declared
    values = (containers >> shift) & ((1 << bits) - 1)
    if signed:
        values = values.astype(containers.dtype)
        values <<= 8 * size - bits
        values = values.view(f"i{size}") >> (8 * size - bits)
    else:
        values = values.astype(containers.dtype)
    padding = frame.padding_value
    if padding is not None and not low <= padding <= high:
        np.copyto(values, declared, where=declared == padding)
    return values
