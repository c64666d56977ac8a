"""Which way the planes of a volume lie, from direction cosines that are not always exact."""

import math
from collections.abc import Sequence

import numpy as np

from ..geometry.stacks import cross, unit_orientation, vector_lengths
from ..geometry.tolerances import (
    COSINE_ROUNDING,
    NORMAL_LENGTH_TOLERANCE,
    VECTOR_LENGTHS,
)
from ..model import Frame, Json


def spans_a_plane(orientation: Sequence[float] | None) -> bool:
    """Whether direction cosines are two crossed vectors, within a wide margin."""
    if orientation is None:
        return False
    shortest, longest = VECTOR_LENGTHS
    if not all(shortest <= length <= longest for length in vector_lengths(orientation)):
        return False  # also for nan
    length = math.hypot(*cross(unit_orientation(orientation)))
    return abs(length - 1) <= NORMAL_LENGTH_TOLERANCE


def common_orientation(frames: Sequence[Frame]) -> tuple[float, ...]:
    """Unit vectors along the rows and the columns of frames that belong together.

    Those of the first frame, or the mean where cosines jitter by more than their decimals.

    Parameters
    ----------
    frames
        All have an orientation that spans a plane.
    """
    units = _units(frames)
    if _spread(units) <= 2 * COSINE_ROUNDING:
        return units[0]
    every = [unit_orientation(frame.orientation) for frame in frames if frame.orientation]
    row, column = np.mean(every, axis=0).reshape(2, 3)
    row /= np.linalg.norm(row)
    column /= np.linalg.norm(column)
    return (*row.tolist(), *column.tolist())


def inexact_orientation(planes: Sequence[Frame]) -> dict[str, Json] | None:
    """Evidence that the cosines of planes are no unit vectors or jitter; None if they are exact."""
    lengths = sorted(
        length
        for orientation in {plane.orientation for plane in planes if plane.orientation}
        for length in vector_lengths(orientation)
    )
    spread = _spread(_units(planes))
    unit = max(abs(lengths[0] - 1), abs(lengths[-1] - 1)) <= COSINE_ROUNDING
    if unit and spread <= 2 * COSINE_ROUNDING:
        return None
    return {
        "shortest_vector": round(lengths[0], 6),
        "longest_vector": round(lengths[-1], 6),
        "largest_difference_of_cosines": round(spread, 6),
    }


def _units(frames: Sequence[Frame]) -> list[tuple[float, ...]]:
    """The distinct orientations as unit vectors, in the order in which they first come."""
    distinct = dict.fromkeys(frame.orientation for frame in frames)
    return [unit_orientation(orientation) for orientation in distinct if orientation]


def _spread(units: Sequence[tuple[float, ...]]) -> float:
    """The largest difference of any of the six cosines."""
    if len(units) < 2:
        return 0.0
    return float(np.ptp(np.array(units), axis=0).max())
