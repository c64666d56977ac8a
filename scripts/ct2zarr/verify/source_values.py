"""What the values of a plane have to be, from its containers and its header alone.

The conversion has its own arithmetic of bits, ``dicom.stored_values``. This one shares nothing with
it: it works on whole numbers, and reads the header through pydicom, so a fault in either shows.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..dicom.decoding import StoredFrame
from ..dicom.source_headers import FrameHeader, PixelHeader

Numbers = NDArray[Any]

_LITTLE = 0.05
"""Share of pixels that metal may take."""
_SOME = 16
"""Pixels with digits below the lowest bit from which they are no accident."""


def possible_values(source: StoredFrame, header: FrameHeader) -> Iterator[Numbers]:
    """The stored values that the plane may have, (rows, columns).

    There is one, except where the header and the bits contradict each other and the plane does
    not tell which of two it is.
    """
    plane = source.stored if source.plane is None else source.plane
    if plane.dtype.kind == "f":
        yield plane
        return
    told = header.pixels
    width = 8 * plane.dtype.itemsize
    containers = plane.astype(np.int64) % (1 << width)
    whole = _signed(containers, width) if told.signed else containers
    precision = source.codestream.precision if source.codestream is not None else 0
    coded = 0 < precision <= told.bits_stored
    bits = precision if coded else told.bits_stored
    free = 0 if coded else max(told.high_bit + 1 - bits, 0)
    cut = (containers // (1 << min(free, width - 1))) % (1 << bits)
    if told.signed:
        cut = _signed(cut, bits)
    limit = 1 << (bits - told.signed)
    if told.padding is not None and not -limit * told.signed <= told.padding < limit:
        cut = np.where(whole == told.padding, whole, cut)
    if coded or told.overlay:
        yield cut
        return
    certain = _is_whole(whole, limit, free, told)
    if certain is not True:
        yield cut
    if certain is not False:
        yield whole


def _signed(numbers: Numbers, bits: int) -> Any:  # an array of numbers
    """Two's complement of ``bits`` bits."""
    return numbers - (numbers >= 1 << (bits - 1)) * (1 << bits)


def _is_whole(whole: Numbers, limit: int, free: int, told: PixelHeader) -> bool | None:
    """Whether the containers are the values, whatever the header says of their bits."""
    fits = (-limit * told.signed <= whole) & (whole < limit)
    if told.padding is not None:
        fits |= whole == told.padding
    if free:
        odd = int(np.sum(whole % (1 << free) != 0))
        if odd >= _SOME and 2 * odd > int(np.sum(whole != 0)):
            return True
        return None if bool(fits.all()) else False
    if not told.signed or bool(fits.all()):
        return False
    below, above = whole[whole < 0], whole[whole >= 0]
    good_below, good_above = int(np.sum(below >= -limit)), int(np.sum(above < limit))
    bad_below = int(np.sum(~fits & (whole < 0)))
    bad_above = int(np.sum(~fits & (whole >= 0)))
    little = bad_below + bad_above <= _LITTLE * whole.size
    if good_below > bad_below and (good_above > bad_above or little):
        return True
    return None if below.size == 0 and little else False
