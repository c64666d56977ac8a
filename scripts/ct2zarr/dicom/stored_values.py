"""Containers of pixels, as read or decoded, to the integers that the header means.

Where the pixels contradict what the header says of their bits, they are taken for what they are if
that is certain. What one plane cannot tell, the others of its volume may: see ``Assumed``.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..model import Frame
from .decoders.layout import Codestream, Pixels

_LITTLE = 0.05
"""Share of pixels that may be metal; the signs of air, where they are cut, are missing in more."""
_ENOUGH = 16
"""Pixels with low bits from which it is no chance that there are some."""


@dataclass(frozen=True, slots=True)
class Assumed:
    """How the bits of a volume lie, for planes that do not tell.

    Attributes
    ----------
    right_aligned
        Values begin at bit 0, although HighBit says that they end higher up.
    sign_extended
        Containers hold whole signed numbers, which may exceed BitsStored.
    """

    right_aligned: bool = False
    sign_extended: bool = False


AS_THE_HEADER_SAYS = Assumed()


@dataclass(frozen=True, slots=True)
class StoredPixels:
    """The values of a plane, and what their bits show.

    Attributes
    ----------
    values
        (rows, columns), signed or unsigned by PixelRepresentation, or floating point.
    beyond
        Number of pixels, without padding, with bits above BitsStored.
    right_aligned
        Whether HighBit is contradicted; ``None`` where the plane does not tell.
    sign_extended
        Whether containers hold whole signed numbers; ``None`` likewise.
    undecided
        Another of ``Assumed`` would change the values.
    ends
        Smallest and largest of ``values``, where they had to be known.
    """

    values: Pixels
    beyond: int = 0
    right_aligned: bool | None = None
    sign_extended: bool | None = None
    undecided: bool = False
    ends: tuple[int, int] | None = None


def bits_of(frame: Frame) -> tuple[int, int]:
    """BitsStored and HighBit; an absent BitsStored means that all allocated bits are used."""
    if not frame.bits_stored:
        return frame.bits_allocated, frame.bits_allocated - 1
    return frame.bits_stored, frame.high_bit


def stored_values(
    plane: Pixels,
    frame: Frame,
    codestream: Codestream | None = None,
    *,
    assumed: Assumed = AS_THE_HEADER_SAYS,
    overlay: bool = False,
) -> StoredPixels:
    """The integers that the header means by the containers that were read or decoded.

    A container holds BitsStored bits that end at HighBit; the bits beside them mean nothing
    (PS3.5 section 8.1.1). A container equal to PixelPaddingValue is kept unchanged, since some
    scanners pad with a value outside BitsStored (PS3.3 C.7.5.1.1.2). A codestream of at most
    BitsStored bits holds the values modulo 2^precision, whatever it says about their sign.

    Parameters
    ----------
    plane
        (rows, columns), any integer type; floating point is passed on.
    codestream
        What the frame's codestream says; ``None`` for containers as in the file.
    assumed
        What other planes of the volume show.
    overlay
        The header declares an overlay in bits that the pixels leave free.

    Returns
    -------
    StoredPixels
        ``values`` are ``plane`` itself, viewed as their type, wherever no bit has to change.
    """
    if plane.dtype.kind == "f":
        return StoredPixels(plane)
    size = plane.dtype.itemsize
    containers = plane.view(f"u{size}")
    signed = frame.pixel_representation == 1
    (bits, high_bit), shift = bits_of(frame), 0
    coded = codestream is not None and 0 < codestream.precision <= bits
    if codestream is not None and coded:
        bits = codestream.precision
    else:
        shift = min(max(high_bit + 1 - bits, 0), 8 * size - 1)
    declared = containers.view(f"i{size}") if signed else containers
    if shift == 0 and bits >= 8 * size:
        return StoredPixels(declared)
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    right, open_question = None, False
    if shift and not overlay:
        outside = _outside(declared, low, high, frame)
        right = _is_right_aligned(declared, outside, shift)
        open_question = right is None
        if right or (right is None and assumed.right_aligned):
            return StoredPixels(declared, outside, right, None, open_question)
    least, most = int(declared.min()), int(declared.max())
    if shift == 0 and least >= low and most <= high:
        # Negative and other numbers side by side, all within BitsStored: signs are extended.
        extended = True if signed and least < 0 <= most else None
        return StoredPixels(declared, 0, right, extended, open_question, (least, most))
    found = _BitsAbove(0, None) if shift or coded or overlay else _look(declared, low, high, frame)
    untold = found.possible and found.sign_extended is None
    if found.sign_extended or (untold and assumed.sign_extended):
        return StoredPixels(declared, found.count, right, found.sign_extended, untold)
    values = _cut(containers, declared, bits, shift, frame)
    undecided = open_question or untold
    return StoredPixels(
        values, found.beyond(containers, bits), right, found.sign_extended, undecided
    )


@dataclass(frozen=True, slots=True)
class _BitsAbove:
    """Pixels outside of BitsStored, and whether they are whole signed numbers."""

    count: int
    sign_extended: bool | None
    possible: bool = False

    def beyond(self, containers: NDArray[Any], bits: int) -> int:
        """The count, but 0 where no container has a bit above: then their writer cut the signs."""
        return self.count if self.count and int(containers.max()) >> bits else 0


def _look(declared: NDArray[Any], low: int, high: int, frame: Frame) -> _BitsAbove:
    """What the pixels outside of BitsStored are.

    Signs are extended where most negative and most other numbers lie within BitsStored, for bits
    that mean nothing would have to repeat the sign by chance.
    """
    below, above = declared < low, declared > high
    outside = below | above
    padding = frame.padding_value
    if padding is not None:
        outside &= declared != padding
    count = int(np.count_nonzero(outside))
    if frame.pixel_representation != 1 or not count:
        return _BitsAbove(count, None)
    negative = int(np.count_nonzero(declared < 0))
    negative_out = int(np.count_nonzero(outside & below))
    others_out = count - negative_out
    negative_in = negative - int(np.count_nonzero(below))
    others_in = declared.size - negative - int(np.count_nonzero(above))
    little = count <= _LITTLE * declared.size
    if negative_in > negative_out and (others_in > others_out or little):
        return _BitsAbove(count, True)
    untold = negative == 0 and little
    return _BitsAbove(count, None if untold else False, untold)


def _is_right_aligned(declared: NDArray[Any], outside: int, shift: int) -> bool | None:
    """Whether values begin at bit 0; ``None`` where they could begin at either.

    Left-aligned values leave the bits below them empty, which the noise of a scanner never does to
    right-aligned ones, and reach beyond those.
    """
    used = int(np.count_nonzero(declared & ((1 << shift) - 1)))
    if used >= _ENOUGH and 2 * used > np.count_nonzero(declared):
        return True
    return None if outside == 0 else False


def _outside(declared: NDArray[Any], low: int, high: int, frame: Frame) -> int:
    """Number of pixels outside of the range of BitsStored, without padding."""
    outside = (declared < low) | (declared > high)
    if frame.padding_value is not None:
        outside &= declared != frame.padding_value
    return int(np.count_nonzero(outside))


def _cut(
    containers: NDArray[Any], declared: NDArray[Any], bits: int, shift: int, frame: Frame
) -> NDArray[Any]:
    """The bits that the header means, as numbers; padding outside of them stays what it is."""
    size = containers.dtype.itemsize
    signed = frame.pixel_representation == 1
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    values = ((containers >> shift) & ((1 << bits) - 1)).astype(containers.dtype)
    if signed:
        values <<= 8 * size - bits
        values = values.view(f"i{size}") >> (8 * size - bits)
    padding = frame.padding_value
    if padding is not None and not low <= padding <= high:
        np.copyto(values, declared, where=declared == padding)
    return values


class BitTally:
    """What the planes of a volume show about their bits, plane by plane."""

    def __init__(self) -> None:
        self.right_aligned = self.sign_extended = self.undecided = 0
        self.contradicting = self.planes_beyond = self.pixels_beyond = 0
        self.without_bits_stored = self.wrong_high_bit = self.not_compressed = 0

    def add(self, found: StoredPixels, frame: Frame, *, raw_in_compressed: bool) -> None:
        """Count a plane."""
        self.right_aligned += found.right_aligned is True
        self.sign_extended += found.sign_extended is True
        self.contradicting += found.right_aligned is False or found.sign_extended is False
        self.undecided += found.undecided
        self.planes_beyond += found.beyond > 0
        self.pixels_beyond += found.beyond
        integers = found.values.dtype.kind != "f"
        self.without_bits_stored += integers and not frame.bits_stored
        self.wrong_high_bit += integers and 0 < frame.high_bit < frame.bits_stored - 1
        self.not_compressed += raw_in_compressed

    def assumption(self) -> Assumed:
        """How undecided planes are to be read: as those that tell, where these agree."""
        if not self.undecided or self.contradicting:
            return AS_THE_HEADER_SAYS
        return Assumed(self.right_aligned > 0, self.sign_extended > 0)

    def evidence(self) -> dict[str, int]:
        """What contradicts the header, with the number of planes, and of pixels for the bits."""
        counts = {
            "high_bit_ignored": self.right_aligned + self.wrong_high_bit,
            "beyond_bits_stored": self.planes_beyond,
            "pixels_beyond": self.pixels_beyond,
            "bits_stored_missing": self.without_bits_stored,
            "not_compressed": self.not_compressed,
        }
        return {name: count for name, count in counts.items() if count}
