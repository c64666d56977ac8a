"""Voxels on a regular grid, for those who ask for one; the only place that interpolates.

Planes are parallel, so the grid is laid along their own axes: rows, columns and the slice normal.
Each source plane is interpolated linearly within itself at the feet of the grid's points, then
two neighbouring planes between them, wherever their headers put them. That is exact for values
that are linear in space, for uneven spacing and for a tilted gantry alike. Arrays only.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from .stacks import StackGeometry
from .tolerances import INDEX_ROUNDING

Floats = npt.NDArray[np.float64]
Truths = npt.NDArray[np.bool_]
Region = tuple[slice, slice, slice]
ReadRegion = Callable[[Region], npt.NDArray[Any]]
"""Gives the voxels (z, y, x) of a region of the source; every slice has a start and a stop."""

_WITHIN_EDGE = 0.5
"""A voxel reaches this far beyond its centre: up to there its value holds."""


@dataclass(frozen=True, slots=True)
class Grid:
    """A regular grid along the axes of a stack of planes.

    Attributes
    ----------
    origin_lps
        (3,) centre of its first voxel, mm.
    axes_lps
        (3, 3) unit vectors of growing z, y, x, in this order.
    spacing
        (dz, dy, dx), mm.
    shape
        (z, y, x).
    """

    origin_lps: Floats
    axes_lps: Floats
    spacing: tuple[float, float, float]
    shape: tuple[int, int, int]

    @property
    def index_to_lps(self) -> Floats:
        """(4, 4) for indices (z, y, x, 1) to LPS mm."""
        matrix = np.eye(4)
        matrix[:3, :3] = self.axes_lps.T * self.spacing
        matrix[:3, 3] = self.origin_lps
        return matrix


def stack_axes(stack: StackGeometry) -> Floats:
    """(3, 3) unit vectors of growing z (the normal), y and x; y made square to the other two."""
    row, normal = np.array(stack.orientation[:3]), np.array(stack.normal)
    row /= np.linalg.norm(row)
    return np.stack([normal, np.cross(normal, row), row])


def grid_around(
    stack: StackGeometry,
    rows: int,
    columns: int,
    spacing: tuple[float, float, float] | None = None,
) -> Grid:
    """The grid that covers all planes, from the first to the last.

    Parameters
    ----------
    rows, columns
        Of a plane.
    spacing
        (dz, dy, dx), mm; ``None``: the mean distance of the planes, and their pixels.
    """
    axes = stack_axes(stack)
    spacing = spacing or stack.spacing
    corners = stack.slice_origins_lps @ axes.T
    low = corners.min(axis=0)
    _, dy, dx = stack.spacing
    extent = corners.max(axis=0) - low + [0.0, (rows - 1) * dy, (columns - 1) * dx]
    shape = np.floor(extent / spacing + INDEX_ROUNDING).astype(int) + 1
    return Grid(low @ axes, axes, spacing, (int(shape[0]), int(shape[1]), int(shape[2])))


def resample(
    read: ReadRegion,
    dtype: npt.DTypeLike,
    shape: tuple[int, int, int],
    stack: StackGeometry,
    grid: Grid,
    fill: float | None,
) -> npt.NDArray[Any]:
    """The values on ``grid``, linearly interpolated; whole numbers are rounded to whole numbers.

    The part of the source that the grid touches is read at once and held.

    Parameters
    ----------
    read
        Gives source voxels. dtype, shape: of the source.
    grid
        Has the axes of ``stack_axes(stack)``.
    fill
        The value where the source has no plane or no pixel.

    Raises
    ------
    IndexError
        The grid reaches outside of the source, and ``fill`` is ``None``.
    """
    kind = np.dtype(dtype)
    layers = _layers(stack, grid)
    planes = _InPlane(read, shape, stack, grid, layers)
    out = np.empty(grid.shape, kind)
    for number, place in enumerate(layers):
        if place is None:
            known = np.zeros(grid.shape[1:], bool)
        else:
            values, known = planes.between(place)
            values = np.rint(values) if kind.kind in "iu" else values
            np.copyto(out[number], values, where=known, casting="unsafe")
        if not known.all():
            if fill is None:
                raise IndexError("the grid reaches outside of the volume")
            out[number][~known] = fill
    return out


def _layers(stack: StackGeometry, grid: Grid) -> list[float | None]:
    """For each layer of the grid its place among the source planes; ``None`` where there is none.

    2.25 is a quarter of the way from plane 2 to plane 3.
    """
    start = float(grid.origin_lps @ np.array(stack.normal))
    offsets = start + np.arange(grid.shape[0]) * grid.spacing[0]
    reach = _WITHIN_EDGE * stack.spacing[0] + INDEX_ROUNDING
    first, last = stack.offsets_mm[0], stack.offsets_mm[-1]
    places = np.interp(offsets, stack.offsets_mm, np.arange(len(stack.offsets_mm)))
    places = _near_whole(places)
    inside = (offsets >= first - reach) & (offsets <= last + reach)
    return [float(p) if ok else None for p, ok in zip(places, inside, strict=True)]


class _InPlane:
    """Source planes interpolated within themselves at the columns of a grid.

    The grid goes along the normal, so a plane meets every layer of it at the same points.
    """

    def __init__(
        self,
        read: ReadRegion,
        shape: tuple[int, int, int],
        stack: StackGeometry,
        grid: Grid,
        layers: Sequence[float | None],
    ) -> None:
        used = [place for place in layers if place is not None]
        self._first = math.floor(min(used)) if used else 0
        stop = math.ceil(max(used)) + 1 if used else 0
        away = grid.origin_lps - stack.slice_origins_lps[self._first : stop]
        self._places = {
            axis: _near_whole(
                (
                    (away @ grid.axes_lps[axis])[:, None]
                    + np.arange(grid.shape[axis]) * grid.spacing[axis]
                )
                / stack.spacing[axis]
            )
            for axis in (1, 2)
        }
        self._shape = shape
        spans = [_span(self._places[axis], shape[axis]) for axis in (1, 2)]
        self._starts = {1: spans[0].start, 2: spans[1].start}
        self._block = read((slice(self._first, stop), spans[0], spans[1]))
        self._plane = lru_cache(maxsize=2)(self._interpolated)

    def between(self, place: float) -> tuple[Floats, Truths]:
        """(values, where they are known), each (y, x) of the grid, at a place among the planes."""
        low = math.floor(place)
        values, known = self._plane(low)
        weight = place - low
        if weight > 0:
            upper, upper_known = self._plane(low + 1)
            values = values * (1 - weight) + upper * weight
            known = known & upper_known
        return values, known

    def _interpolated(self, number: int) -> tuple[Floats, Truths]:
        plane = self._block[number - self._first].astype(np.float64)
        inside = {}
        for axis in (1, 2):
            places = self._places[axis][number - self._first]
            inside[axis] = _in_pixels(places, self._shape[axis])
            plane = _linear(plane, places - self._starts[axis], axis - 1)
        return plane, inside[1][:, None] & inside[2][None, :]


def _near_whole(places: Floats) -> Floats:
    """Coordinates come from decimal text: what is a voxel's centre but for rounding is one."""
    whole = np.rint(places)
    return np.where(np.abs(places - whole) < INDEX_ROUNDING, whole, places)


def _in_pixels(places: Floats, size: int) -> Truths:
    reach = _WITHIN_EDGE + INDEX_ROUNDING
    return np.asarray((places >= -reach) & (places <= size - 1 + reach))


def _span(places: Floats, size: int) -> slice:
    """The pixels of an axis that are needed for ``places``; one where there is none."""
    used = np.clip(places[_in_pixels(places, size)], 0, size - 1)
    if not used.size:
        return slice(0, 1)
    return slice(math.floor(used.min()), math.ceil(used.max()) + 1)


def _linear(plane: Floats, places: Floats, axis: int) -> Floats:
    """``plane`` at fractional ``places`` along one axis; places outside take the edge."""
    last = plane.shape[axis] - 1
    places = np.clip(places, 0, last)
    low = np.floor(places).astype(int)
    weight = places - low
    lower = plane.take(low, axis)
    if not weight.any():
        return lower
    weight = weight[:, None] if axis == 0 else weight
    upper = plane.take(np.minimum(low + 1, last), axis)
    return np.asarray(lower * (1 - weight) + upper * weight)
