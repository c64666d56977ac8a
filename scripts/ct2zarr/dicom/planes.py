"""Stored integers of one plane to the values of the array.

Whole slopes and intercepts are computed in integers, modulo the width of the array, after the
range of the result has been checked exactly: so nothing wraps and nothing wider is allocated.
Fractional ones are computed in float64 and kept as float32 (PS3.3 C.11.1.1.2).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .decoders.layout import Pixels
from .rescale import Rescale

Values = NDArray[np.int16] | NDArray[np.int32] | NDArray[np.float32]
ValueType = Literal["int16", "int32", "float32"]

WIDER: dict[ValueType, ValueType] = {"int16": "int32", "int32": "float32"}
"""The data type of the next attempt when a value does not fit."""


class DoesNotFitError(Exception):
    """A value of the plane lies outside the type that was tried."""


@dataclass(frozen=True, slots=True)
class PlaneRange:
    """Smallest and largest value of a plane, and how many pixels have the padding value."""

    minimum: float
    maximum: float
    padding_pixels: int


def first_type(rescales: Iterable[Rescale]) -> ValueType:
    """The narrowest type worth trying: int16, unless a slope or intercept is fractional."""
    return "int16" if all(rescale.whole for rescale in rescales) else "float32"


def write_values(
    stored: Pixels,
    rescale: Rescale,
    padding_value: int | None,
    out: NDArray[Any],
    ends: tuple[int, int] | None = None,
) -> PlaneRange:
    """Write the values of a plane into ``out``.

    Parameters
    ----------
    stored
        (rows, columns), any integer or floating point type.
    padding_value
        As a stored value.
    out
        (rows, columns), int16, int32 or float32.
    ends
        Smallest and largest of ``stored``, if they are known.

    Raises
    ------
    DoesNotFitError
        A value does not fit the type of ``out``; ``out`` is then unchanged.
    """
    if stored.dtype.kind == "f":
        return _write_floats(stored, rescale, out)
    if ends is None:
        ends = int(stored.min()), int(stored.max())
    padding = 0
    if padding_value is not None and ends[0] <= padding_value <= ends[1]:
        padding = int(np.count_nonzero(stored == stored.dtype.type(padding_value)))
    if out.dtype.kind == "f":
        exact = stored.astype(np.float64)
        exact *= rescale.slope
        exact += rescale.intercept
        out[...] = exact
        low, high = sorted(rescale.slope * end + rescale.intercept for end in ends)
        return PlaneRange(float(np.float32(low)), float(np.float32(high)), padding)
    if not rescale.whole:
        raise DoesNotFitError
    slope, intercept = int(rescale.slope), int(rescale.intercept)
    low, high = sorted(slope * end + intercept for end in ends)
    limits = np.iinfo(out.dtype)
    if low < limits.min or high > limits.max:
        raise DoesNotFitError
    _rescale_modulo(stored, slope, intercept, out)
    return PlaneRange(low, high, padding)


def _write_floats(stored: Pixels, rescale: Rescale, out: NDArray[Any]) -> PlaneRange:
    """Floating point numbers stay such; NaN and infinity, which some use as padding, too."""
    if out.dtype.kind != "f":
        raise DoesNotFitError
    exact = stored.astype(np.float64)
    exact *= rescale.slope
    exact += rescale.intercept
    with np.errstate(over="ignore"):
        out[...] = exact
    finite = out[np.isfinite(out)]
    if not finite.size:
        return PlaneRange(np.inf, -np.inf, 0)
    return PlaneRange(float(finite.min()), float(finite.max()), 0)


def _rescale_modulo(stored: Pixels, slope: int, intercept: int, out: NDArray[Any]) -> None:
    """Integer arithmetic modulo the width of ``out``: exact, as the results are known to fit."""
    if stored.dtype.itemsize == out.dtype.itemsize:
        source: NDArray[Any] = stored.view(out.dtype)
    else:
        np.copyto(out, stored, casting="unsafe")
        source = out
    if slope != 1:
        np.multiply(source, _wrapped(slope, out), out=out)
        source = out
    np.add(source, _wrapped(intercept, out), out=out)


def _wrapped(number: int, out: NDArray[Any]) -> Any:  # a numpy scalar of out's type
    bits = 8 * out.dtype.itemsize
    number &= (1 << bits) - 1
    return out.dtype.type(number - (1 << bits) if number >> (bits - 1) else number)
