"""The order of frames that have no complete geometry, and what it is taken from."""

import math
from collections.abc import Sequence
from enum import StrEnum

import numpy as np

from ..geometry.spacing import Floats
from ..geometry.stacks import project, slice_normal
from ..geometry.tolerances import FLOAT_NOISE_SHARE
from ..model import Frame
from .identity import natural_order, relative_path
from .orientation import common_orientation, spans_a_plane


class OrderedBy(StrEnum):
    """What the order of planes without geometry is taken from, the most credible first."""

    POSITION = "ImagePositionPatient"
    LOCATION = "SliceLocation"
    NUMBER = "InstanceNumber"
    FRAME = "frame"
    UNKNOWN = "unknown"


def order_of(frames: Sequence[Frame]) -> tuple[OrderedBy, Floats]:
    """What orders the frames, and (N,) the coordinate of each one: mm, or a number that counts.

    An element orders them only if each frame has it and it is not the same in all. Coordinates
    may repeat, as positions do where a series has several phases. ``FRAME`` is the number within
    multi-frame files. Where the order is unknown, frames count in the order of their files.
    """
    for by, coordinates in (
        (OrderedBy.POSITION, _along_normal(frames)),
        (OrderedBy.LOCATION, _numbers([frame.slice_location for frame in frames])),
        (OrderedBy.NUMBER, _numbers([_number_of(frame) for frame in frames])),
    ):
        if coordinates is not None and (len(frames) == 1 or not is_constant(coordinates)):
            if by is OrderedBy.NUMBER and all(frame.frames > 1 for frame in frames):
                by = OrderedBy.FRAME
            return by, coordinates
    files = sorted(range(len(frames)), key=lambda index: _file_order(frames[index]))
    ranks = np.empty(len(frames))
    ranks[files] = np.arange(len(frames))
    return OrderedBy.UNKNOWN, ranks


def is_constant(coordinates: Floats) -> bool:
    """Whether numbers differ by no more than arithmetic makes them."""
    largest = float(np.abs(coordinates).max())
    return float(np.ptp(coordinates, axis=0).max()) <= FLOAT_NOISE_SHARE * 1e-6 * largest


def position_does_not_vary(frames: Sequence[Frame]) -> bool:
    """Whether several frames have positions and all of them are the same."""
    first = frames[0].position
    return (
        len(frames) > 1
        and first is not None
        and all(frame.position == first for frame in frames[1:])
    )


def _along_normal(frames: Sequence[Frame]) -> Floats | None:
    """Positions along the normal; along the axis in which they reach farthest without one."""
    known = [frame.position for frame in frames if frame.position is not None]
    if len(known) < len(frames) or not all(math.isfinite(sum(one)) for one in known):
        return None
    positions = np.array(known, dtype=np.float64)
    if all(spans_a_plane(frame.orientation) for frame in frames):
        return project(positions, slice_normal(common_orientation(frames)))
    along: Floats = positions[:, int(np.ptp(positions, axis=0).argmax())]
    return along


def _numbers(values: Sequence[float | None]) -> Floats | None:
    known = [value for value in values if value is not None and math.isfinite(value)]
    return np.array(known, dtype=np.float64) if len(known) == len(values) else None


def _number_of(frame: Frame) -> int | None:
    return frame.frame_number if frame.frames > 1 else frame.instance_number


def _file_order(frame: Frame) -> tuple[object, ...]:
    """InstanceNumber where there is one, then the path, whose numbers count as numbers."""
    number = frame.instance_number
    path = natural_order(relative_path(frame))
    return number is None, number or 0, path, frame.frame_number
