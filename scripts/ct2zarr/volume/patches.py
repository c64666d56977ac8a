"""Patches of a volume: by indices, or by millimetres around a point in the patient."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import FileError
from ..geometry.resampling import Grid, resample, stack_axes

if TYPE_CHECKING:
    from .volume import Volume

Triple = tuple[float, float, float]


def read_patch(
    volume: "Volume", start: Sequence[int], size: Sequence[int], fill: float | None = None
) -> npt.NDArray[Any]:
    """The voxels from ``start`` on, in the array's own order and exactly of shape ``size``.

    Args:
        start: (z, y, x) of the first voxel; may lie outside when ``fill`` is given.
        size: (z, y, x) voxels. fill: the value outside of the volume.

    Raises:
        IndexError: the patch reaches outside, and there is no ``fill``.
    """
    starts, sizes = [int(v) for v in start], [int(v) for v in size]
    if len(starts) != volume.ndim or len(sizes) != volume.ndim or min(sizes) < 1:
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
            f" outside of the volume {volume.shape}; give fill, the value to have there"
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
    volume: "Volume",
    center_lps: Sequence[float] | npt.NDArray[np.float64],
    size_mm: Sequence[float],
    spacing: Triple | None = None,
    fill: float | None = None,
) -> npt.NDArray[Any]:
    """The voxels of a box around a point, along the axes of the array.

    Without ``spacing`` these are the voxels as they are: the ``size_mm / volume.spacing`` of them
    (rounded, at least one) whose middle is nearest to the point. With ``spacing`` the box is
    interpolated linearly on a regular grid centred on the point, along rows, columns and the
    slice normal, with ``size_mm / spacing`` voxels: the same shape from every volume.

    Args:
        center_lps: (x, y, z) in LPS mm. size_mm: of the box along z, y, x.
        spacing: (dz, dy, dx), mm. fill: the value outside of the volume.

    Raises:
        FileError: positions are not known, or planes are unevenly spaced and ``spacing`` is not
            given.
        IndexError: the box reaches outside, and there is no ``fill``.
    """
    center = np.asarray(center_lps, dtype=np.float64)
    stack = volume.stack_geometry()
    if spacing is None:
        if not stack.uniform:
            raise FileError(
                f"{volume.path}: planes are unevenly spaced, so a box in mm has no fixed number"
                " of them; give spacing to have it interpolated",
                "uneven_spacing",
            )
        count = _counts(size_mm, volume.spacing)
        start = np.rint(volume.to_index(center) - (count - 1) / 2).astype(int)
        return read_patch(volume, start.tolist(), count.tolist(), fill)
    count = _counts(size_mm, spacing)
    axes = stack_axes(stack)
    origin = center - ((count - 1) / 2 * spacing) @ axes
    grid = Grid(origin, axes, spacing, (int(count[0]), int(count[1]), int(count[2])))
    z, y, x = volume.shape
    try:
        return resample(volume.__getitem__, volume.dtype, (z, y, x), stack, grid, fill)
    except IndexError:
        raise IndexError(
            f"{volume.path.name}: the box of {tuple(size_mm)} mm around {center.tolist()} reaches"
            " outside of the volume; give fill, the value to have there"
        ) from None


def _counts(size_mm: Sequence[float], spacing: Triple) -> npt.NDArray[np.int64]:
    sizes = np.asarray(size_mm, dtype=np.float64)
    if sizes.shape != (3,) or not (sizes > 0).all():
        raise ValueError(f"size_mm is three lengths along z, y, x in mm, not {size_mm}")
    return np.maximum(np.rint(sizes / spacing), 1).astype(np.int64)
