"""The linear rescale of a frame, and what applies where its header states none."""

from dataclasses import dataclass
from typing import Literal, Self

from ..codes import Code
from ..errors import FileError
from ..model import Frame

DEFAULT_SLOPE = 1.0
DEFAULT_INTERCEPT = 0.0
"""Without RescaleSlope and RescaleIntercept the stored values are the values (PS3.3 C.11.1.1.2)."""


@dataclass(frozen=True, slots=True)
class Rescale:
    """value = slope * stored + intercept."""

    slope: float = DEFAULT_SLOPE
    intercept: float = DEFAULT_INTERCEPT

    @classmethod
    def declared(cls, slope: float | None, intercept: float | None) -> Self:
        """The rescale of a header that may lack either element."""
        return cls(
            DEFAULT_SLOPE if slope is None else slope,
            DEFAULT_INTERCEPT if intercept is None else intercept,
        )

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
        The slope is 0, which would make all pixels equal.
    """
    if values == "stored":
        return Rescale()
    rescale = Rescale.of(frame)
    if rescale.slope == 0.0:
        raise FileError(
            Code.CANNOT_RESCALE,
            "{file} has RescaleSlope 0, which would lose all pixels;"
            " convert it with values: stored",
            path=frame.path,
            frame=frame.frame_number if frame.frames > 1 else None,
        )
    return rescale
