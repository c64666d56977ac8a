"""Reduced copies of a volume for viewers: their shapes, and their voxels from planes as they come.

Each level is the mean of blocks of two voxels of the level before, along those axes whose voxels
are less than twice as long as the shortest: voxels become cubes first, which suits viewers. At
the far edge of an odd axis the block is one voxel long. Planes go through one pair at a time, so
a level holds no more than the chunks that it is filling.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..model import Json, Vector
from ..run.paths import ARRAY_NAME

METHOD = "mean"
"""How levels are made, in the words of OME-Zarr."""

Shape = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Level:
    """One array of a pyramid.

    Attributes
    ----------
    path
        Of the array in the store.
    factors
        How many voxels of level 0 one of its voxels spans along z, y, x.
    steps
        The same for voxels of the level before; 1 or 2 each.
    """

    path: str
    factors: Shape
    steps: Shape

    def as_json(self) -> dict[str, Json]:
        """As in the attribute ``levels``."""
        return {"path": self.path, "factors": list(self.factors)}

    def scale(self, spacing: Vector) -> Vector:
        """Spacing of the level, mm, where that of level 0 is ``spacing``."""
        z, y, x = (step * factor for step, factor in zip(spacing, self.factors, strict=True))
        return z, y, x

    def translation(self, spacing: Vector, translation: Vector) -> Vector:
        """Centre of its first voxel along z, y, x: half a block of level 0 voxels further on."""
        z, y, x = (
            start + (factor - 1) / 2 * step
            for start, factor, step in zip(translation, self.factors, spacing, strict=True)
        )
        return z, y, x


LEVEL_0 = Level(ARRAY_NAME, (1, 1, 1), (1, 1, 1))


def plan_levels(shape: Shape, spacing: Vector, count: int) -> tuple[Level, ...]:
    """The levels of a volume, level 0 first; fewer than ``count`` where nothing can be halved.

    Parameters
    ----------
    shape
        (planes, rows, columns).
    spacing
        (dz, dy, dx), mm.
    """
    levels = [LEVEL_0]
    while len(levels) < count:
        steps = _steps(shape, levels[-1].scale(spacing))
        if prod(steps) == 1:
            break
        z, y, x = (a * b for a, b in zip(levels[-1].factors, steps, strict=True))
        levels.append(Level(f"level_{len(levels)}", (z, y, x), steps))
        shape = halved(shape, steps)
    return tuple(levels)


def halved(shape: Shape, steps: Shape) -> Shape:
    """Shape of the level after one of ``shape``: a voxel left at the end counts as a block."""
    z, y, x = (-(-size // step) for size, step in zip(shape, steps, strict=True))
    return z, y, x


def _steps(shape: Shape, spacing: Vector) -> Shape:
    shortest = min(
        (step for step, size in zip(spacing, shape, strict=True) if size > 1), default=0.0
    )
    z, y, x = (
        2 if size > 1 and step < 2 * shortest else 1
        for step, size in zip(spacing, shape, strict=True)
    )
    return z, y, x


class Halving:
    """Turns the planes of one level into those of the next.

    ``emit`` is called with each new plane (rows, columns), in order.
    """

    def __init__(self, steps: Shape, emit: Callable[[NDArray[Any]], None]) -> None:
        self._steps = steps
        self._emit = emit
        self._waiting: list[NDArray[Any]] = []

    def add(self, plane: NDArray[Any]) -> None:
        """The next plane; its memory may be used again afterwards."""
        if self._steps[0] == 1:
            self._emit(block_mean([plane], self._steps))
        elif self._waiting:
            self._emit(block_mean([*self._waiting, plane], self._steps))
            self._waiting.clear()
        else:
            self._waiting.append(plane.copy())

    def finish(self) -> None:
        """After the last plane, which is a block by itself where it has no pair."""
        if self._waiting:
            self._emit(block_mean(self._waiting, self._steps))
            self._waiting.clear()


def block_mean(planes: Sequence[NDArray[Any]], steps: Shape) -> NDArray[Any]:
    """Mean over whole planes (one or two) and blocks within them, in the type of the planes.

    Whole numbers are rounded to the nearest, halves to the even one.
    """
    kind = planes[0].dtype
    wide = np.dtype(np.float64 if kind.kind == "f" else np.int64)
    total = planes[0].astype(wide)
    for plane in planes[1:]:
        total += plane
    rows, columns = total.shape
    for axis in (0, 1):
        if steps[axis + 1] == 2:
            total = _pair_sums(total, axis)
    counts = len(planes) * np.multiply.outer(
        _block_sizes(rows, steps[1]), _block_sizes(columns, steps[2])
    )
    mean = total / counts
    return np.asarray((np.rint(mean) if kind.kind in "iu" else mean).astype(kind))


def _pair_sums(values: NDArray[Any], axis: int) -> NDArray[Any]:
    size = values.shape[axis]
    even = np.take(values, np.arange(0, size, 2), axis)
    odd = np.take(values, np.arange(1, size, 2), axis)
    paired = [slice(None)] * values.ndim
    paired[axis] = slice(0, size // 2)
    even[tuple(paired)] += odd
    return even


def _block_sizes(size: int, step: int) -> NDArray[np.int64]:
    sizes = np.full(-(-size // step), step, np.int64)
    if size % step:
        sizes[-1] = 1
    return sizes
