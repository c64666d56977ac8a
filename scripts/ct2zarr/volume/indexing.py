"""Indices as numpy has them, split into the region to read and the index to apply to it."""

from typing import Any, TypeAlias

import numpy as np

Region: TypeAlias = list[tuple[int, int]]
"""(start, stop) for each axis."""


def basic_index(key: Any, shape: tuple[int, ...]) -> tuple[Region, tuple[Any, ...]] | None:
    """Split an index into the region to read, and the index to apply to what was read.

    Returns
    -------
    tuple[Region, tuple[Any, ...]] | None
        ``None`` if ``key`` holds anything but integers, slices and one ``...``.

    Raises
    ------
    IndexError
        Where numpy raises it.
    """
    parts = list(key) if isinstance(key, tuple) else [key]
    if sum(part is Ellipsis for part in parts) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    if any(isinstance(part, bool | np.bool_) for part in parts) or not all(
        part is Ellipsis or isinstance(part, slice | int | np.integer) for part in parts
    ):
        return None
    given = [part for part in parts if part is not Ellipsis]
    if len(given) > len(shape):
        raise IndexError(f"too many indices: the volume has {len(shape)} axes")
    place = next((i for i, part in enumerate(parts) if part is Ellipsis), len(parts))
    fill = [slice(None)] * (len(shape) - len(given))
    full = given[:place] + fill + given[place:]
    axes = [_along(axis, part, shape[axis]) for axis, part in enumerate(full)]
    within = tuple(index for _, index in axes)
    # With "..." numpy returns an array without axes where it would return a scalar.
    return [limits for limits, _ in axes], (*within, ...) if len(given) < len(parts) else within


def _along(axis: int, part: Any, size: int) -> tuple[tuple[int, int], int | slice]:
    """Region and index along one axis."""
    if isinstance(part, slice):
        wanted = range(*part.indices(size))
        if not wanted:
            return (0, 0), slice(None)
        low, high = sorted((wanted[0], wanted[-1]))
        return (low, high + 1), slice(None, None, part.step)
    number = int(part)
    if not -size <= number < size:
        raise IndexError(f"index {number} is out of bounds for axis {axis} of size {size}")
    return (number % size, number % size + 1), 0
