"""Check the reduced levels of a finished store against the level that each was made from.

The store is read as a user would read it, and means are computed here in float64, another way than
the one that made them. With the digest of the store, which covers all its keys, and level 0, which
is compared with the source, nothing of a pyramid is left unchecked.
"""

from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import VerificationError
from ..geometry.pyramid import Level
from ..volume.volume import Volume, open_volume

FLOAT_TOLERANCE = 1e-6
"""Relative difference of float32 means that is rounding (2**-24 is half a step)."""


def verify_pyramid(
    store_path: Path,
    found: object,
    levels: Sequence[Level],
    choose: Callable[[int], Sequence[int]],
    reason: str,
) -> None:
    """Compare planes of each level with the planes of the level before that they are made from.

    Args:
        found: the member ``levels`` of the store. levels: those that are due, level 0 first.
        choose: number of planes of a level → indices of those to compare.

    Raises:
        VerificationError: a difference; with ``reason``. FileError: a chunk cannot be read.
    """
    if found != [level.as_json() for level in levels]:
        raise VerificationError(
            f"verification failed: the store has other levels than are due: {found}", reason
        )
    for number, level in enumerate(levels[1:], start=1):
        with (
            open_volume(store_path, threads=1, level=number - 1) as below,
            open_volume(store_path, threads=1, level=number) as volume,
        ):
            _check_level(volume, below, level, choose(volume.shape[0]), reason)


def _check_level(
    volume: Volume, below: Volume, level: Level, chosen: Sequence[int], reason: str
) -> None:
    due = tuple(-(-size // step) for size, step in zip(below.shape, level.steps, strict=True))
    if volume.shape != due or volume.dtype != below.dtype:
        raise VerificationError(
            f"verification failed: {level.path} has shape {volume.shape} and type {volume.dtype}"
            f" where {due} and {below.dtype} are due",
            reason,
        )
    depth = level.steps[0]
    for _, members in groupby(chosen, key=lambda index: index // volume.chunks[0]):
        slab = list(members)  # planes of one layer of chunks, which are decoded once
        first, stop = slab[0], slab[-1] + 1
        planes = np.asarray(volume[first:stop])
        sources = np.asarray(below[first * depth : stop * depth])
        for index in slab:
            start = (index - first) * depth
            if not _equal(planes[index - first], _mean(sources[start : start + depth], level)):
                raise VerificationError(
                    f"verification failed: plane {index} of {level.path} is not the mean of the"
                    " voxels that it reduces",
                    reason,
                )


def _equal(plane: NDArray[Any], expected: NDArray[np.float64]) -> bool:
    if plane.dtype.kind == "f":
        return bool(np.allclose(plane, expected, rtol=FLOAT_TOLERANCE, atol=0, equal_nan=True))
    return np.array_equal(plane, np.rint(expected))


def _mean(block: NDArray[Any], level: Level) -> NDArray[np.float64]:
    """(rows, columns) means of whole planes and of blocks within them."""
    values = block.astype(np.float64)
    counts = np.ones_like(values)
    for axis, step in enumerate((len(block), *level.steps[1:])):
        starts = np.arange(0, values.shape[axis], step)
        values = np.add.reduceat(values, starts, axis)
        counts = np.add.reduceat(counts, starts, axis)
    return np.asarray((values / counts)[0])
