"""Check the reduced levels of a finished store, each against the level that it was made from.

The store is read as a user would read it, and means are computed here in float64, by other code
than that of the conversion. Level 0 is compared with the source, and the digest of the store covers
all its keys, so that nothing of a pyramid is left unchecked.
"""

from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..codes import Code
from ..errors import Private, VerificationError
from ..geometry.pyramid import Level
from ..volume.volume import Volume, open_volume

FLOAT_TOLERANCE = 1e-6
"""Relative difference between float32 means that is rounding error: 2**-24 is half a step."""


def check_pyramid(
    store_path: Path,
    found: object,
    levels: Sequence[Level],
    choose: Callable[[int], Sequence[int]],
) -> None:
    """Compare planes of each level with the planes of the level before that they reduce.

    Parameters
    ----------
    found
        The attribute ``levels`` of the store.
    levels
        The levels that the store should have, level 0 first.
    choose
        Number of planes of a level → indices of those to compare.

    Raises
    ------
    VerificationError
        A difference.
    FileError
        A chunk cannot be read.
    """
    if found != [level.as_json() for level in levels]:
        raise VerificationError(
            Code.VERIFICATION_FAILED,
            "verification failed: the store does not have the levels that it should have: {found}",
            found=Private(found),
        )
    for number, level in enumerate(levels[1:], start=1):
        with (
            open_volume(store_path, threads=1, level=number - 1) as below,
            open_volume(store_path, threads=1, level=number) as volume,
        ):
            _check_level(volume, below, level, choose(volume.shape[0]))


def _check_level(volume: Volume, below: Volume, level: Level, chosen: Sequence[int]) -> None:
    due = tuple(-(-size // step) for size, step in zip(below.shape, level.steps, strict=True))
    if volume.shape != due or volume.dtype != below.dtype:
        raise VerificationError(
            Code.VERIFICATION_FAILED,
            "verification failed: {level} has shape ({found}) and type {found_type}; "
            "({due}) and {due_type} were expected",
            level=level.path,
            found=volume.shape,
            found_type=str(volume.dtype),
            due=due,
            due_type=str(below.dtype),
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
                    Code.VERIFICATION_FAILED,
                    "verification failed: plane {plane} of {level} is not the mean of the voxels "
                    "that it reduces",
                    plane=index,
                    level=level.path,
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
