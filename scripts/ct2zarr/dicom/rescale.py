"""The linear rescale of a frame, and what applies where its header states none."""

from dataclasses import dataclass
from typing import Literal, Self

from ..codes import Code
from ..model import Frame
from .frame_errors import frame_error

DEFAULT_SLOPE = 1.0
DEFAULT_INTERCEPT = 0.0
"""Without RescaleSlope and RescaleIntercept the stored values are the values (PS3.3 C.11.1.1.2)."""

SMALLEST_SLOPE, LARGEST_SLOPE = 1e-12, 1e3
"""Beyond them no image is left: all pixels become one value, or neighbouring grey levels lie
further apart than air and bone. Between them are the slopes of all units of CT."""
_SHORTEST_RANGE = 16
"""Bits: an intercept moves values within the range that they can have, which CT stores in 16."""


@dataclass(frozen=True, slots=True)
class Rescale:
    """value = slope * stored + intercept."""

    slope: float = DEFAULT_SLOPE
    intercept: float = DEFAULT_INTERCEPT

    @classmethod
    def declared(cls, slope: float | None, intercept: float | None) -> Self:
        """The rescale of a header; half of one says nothing, so the values stay as stored."""
        if slope is None or intercept is None:
            return cls()
        return cls(slope, intercept)

    @classmethod
    def of(cls, frame: Frame) -> Self:
        """The rescale that the header of a frame declares."""
        return cls.declared(frame.rescale_slope, frame.rescale_intercept)

    @property
    def whole(self) -> bool:
        """Whether integers stay integers."""
        return self.slope.is_integer() and self.intercept.is_integer()


def rescale_of(frame: Frame, values: Literal["hu", "stored"]) -> Rescale:
    """The rescale that a plane is written with.

    Raises
    ------
    FileError
        The slope is 0, which would make all pixels equal, or no CT can have the slope or the
        intercept.
    """
    if values == "stored":
        return Rescale()
    rescale = Rescale.of(frame)
    if rescale.slope == 0.0:
        raise frame_error(
            frame,
            Code.CANNOT_RESCALE,
            "{file} has RescaleSlope 0, which would lose all pixels;"
            " convert it with values: stored",
        )
    if not SMALLEST_SLOPE <= abs(rescale.slope) <= LARGEST_SLOPE:
        raise frame_error(
            frame,
            Code.CANNOT_RESCALE,
            "{file} has RescaleSlope {number:g}, which no CT can have;"
            " correct it, or convert with values: stored",
            number=rescale.slope,
        )
    bits = max(frame.bits_allocated, _SHORTEST_RANGE)
    if abs(rescale.intercept) > 2.0**bits * max(1.0, abs(rescale.slope)):
        raise frame_error(
            frame,
            Code.CANNOT_RESCALE,
            "{file} has RescaleIntercept {number:g}, which no CT can have;"
            " correct it, or convert with values: stored",
            number=rescale.intercept,
        )
    return rescale
