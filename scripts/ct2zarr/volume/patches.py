"""Patches of a volume: by indices, or by millimetres around a point in the patient."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..codes import Code
from ..errors import FileError
from ..geometry.resampling import Grid, resample, stack_axes
from ..geometry.stacks import StackGeometry
from .readable import Readable

Triple = tuple[float, float, float]


def read_patch(
    volume: Readable, start: Sequence[int], size: Sequence[int], fill: float | None = None
) -> npt.NDArray[Any]:
    """Read the voxels from ``start`` on, in the order of the array and exactly of shape ``size``.

    Parameters
    ----------
    start
        (z, y, x) of the first voxel; may lie outside the volume if ``fill`` is given.
    size
        Voxels along z, y, x.
    fill
        The value outside the volume.

    Raises
    ------
    IndexError
        The patch reaches outside the volume, and there is no ``fill``.
    """
    starts, sizes = [int(v) for v in start], [int(v) for v in size]
    if len(starts) != len(volume.shape) or len(sizes) != len(volume.shape) or min(sizes) < 1:
        raise IndexError(f"a patch has three starts and three sizes of at least 1, not {size}")
    inside = [
        slice(min(max(low, 0), n), max(min(low + count, n), 0))
        for low, count, n in zip(starts, sizes, volume.shape, strict=True)
    ]
    shape = [max(part.stop - part.start, 0) for part in inside]
    if shape == sizes:
        return np.asarray(volume[tuple(inside)])
    if fill is None:
        raise IndexError(
            f"{volume.path.name}: the patch from {tuple(starts)} of size {tuple(sizes)} reaches"
            f" outside the volume {volume.shape}; give fill, the value to use there"
        )
    patch = np.full(sizes, fill, volume.dtype)
    if min(shape) > 0:
        target = tuple(
            slice(part.start - low, part.stop - low)
            for part, low in zip(inside, starts, strict=True)
        )
        patch[target] = volume[tuple(inside)]
    return patch


def read_patch_mm(
    volume: Readable,
    center_lps: Sequence[float] | npt.NDArray[np.float64],
    size_mm: Sequence[float],
    spacing: Triple | None = None,
    fill: float | None = None,
) -> npt.NDArray[Any]:
    """Read the voxels of a box around a point, along the axes of the array.

    Without ``spacing`` these are voxels of the array: ``size_mm / volume.spacing`` of them
    (rounded, at least one), with their middle as near to the point as possible. With ``spacing``
    the box is interpolated linearly on a regular grid that is centred on the point, along rows,
    columns and the slice normal, with ``size_mm / spacing`` voxels: the same shape from every
    volume.

    Parameters
    ----------
    center_lps
        (x, y, z) in LPS mm.
    size_mm
        Of the box along z, y, x.
    spacing
        (dz, dy, dx), mm.
    fill
        The value outside the volume.

    Raises
    ------
    FileError
        Positions are not known, or planes are unevenly spaced and ``spacing`` is not given.
    IndexError
        The box reaches outside the volume, and there is no ``fill``.
    """
    center = np.asarray(center_lps, dtype=np.float64)
    stack = volume.stack_geometry()
    if spacing is None:
        return _nearest_voxels(volume, center, size_mm, stack, fill)
    grid = _grid_around_point(center, _counts(size_mm, spacing), spacing, stack)
    z, y, x = volume.shape
    try:
        return resample(volume.__getitem__, volume.dtype, (z, y, x), stack, grid, fill)
    except IndexError:
        raise IndexError(
            f"{volume.path.name}: the box of {tuple(size_mm)} mm around {center.tolist()} reaches"
            " outside the volume; give fill, the value to use there"
        ) from None


def _nearest_voxels(
    volume: Readable,
    center: npt.NDArray[np.float64],
    size_mm: Sequence[float],
    stack: StackGeometry,
    fill: float | None,
) -> npt.NDArray[Any]:
    if not stack.uniform:
        raise FileError(
            Code.NOT_REGULAR,
            "{path}: planes are unevenly spaced, so the number of planes in a box of some mm is not"
            " fixed; give spacing to have the box interpolated",
            path=volume.path,
        )
    count = _counts(size_mm, volume.spacing)
    start = np.rint(volume.to_index(center) - (count - 1) / 2).astype(int)
    return read_patch(volume, start.tolist(), count.tolist(), fill)


def _grid_around_point(
    center: npt.NDArray[np.float64],
    count: npt.NDArray[np.int64],
    spacing: Triple,
    stack: StackGeometry,
) -> Grid:
    """The grid of ``count`` voxels whose middle is ``center``, along the axes of the stack."""
    axes = stack_axes(stack)
    origin = center - ((count - 1) / 2 * spacing) @ axes
    return Grid(origin, axes, spacing, (int(count[0]), int(count[1]), int(count[2])))


def _counts(size_mm: Sequence[float], spacing: Triple) -> npt.NDArray[np.int64]:
    sizes = np.asarray(size_mm, dtype=np.float64)
    if sizes.shape != (3,) or not (sizes > 0).all():
        raise ValueError(f"size_mm has three lengths along z, y, x in mm, not {size_mm}")
    return np.maximum(np.rint(sizes / spacing), 1).astype(np.int64)
