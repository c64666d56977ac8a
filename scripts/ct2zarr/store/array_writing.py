"""Write planes as the chunks of an array and of its pyramid, one slab of chunks at a time."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numcodecs import Blosc
from numpy.typing import NDArray

from ..geometry.pyramid import Halving, Level, halved
from .base import StoreWriter
from .zarr_documents import BITSHUFFLE, COMPRESSOR, FILL_VALUE, ArrayLayout


class ChunkWriter:
    """Cuts slabs into chunks, each compressed as one Blosc block.

    Blosc uses its threads for several blocks only, so a chunk is compressed in the calling thread.
    """

    def __init__(self, layout: ArrayLayout, writer: StoreWriter) -> None:
        self._writer = writer
        self._key = layout.chunk_key()
        self._chunk = np.empty(layout.chunks, dtype=layout.dtype)
        self._codec = Blosc(
            cname=COMPRESSOR,
            clevel=layout.compression_level,
            shuffle=BITSHUFFLE,
            blocksize=layout.chunk_bytes,
        )
        self._slab_number = 0

    def write(self, slab: NDArray[Any]) -> None:
        """Write the chunks of the next slab (chunk depth, rows, columns)."""
        _, height, width = self._chunk.shape
        _, rows, columns = slab.shape
        for y in range(0, rows, height):
            for x in range(0, columns, width):
                block = slab[:, y : y + height, x : x + width]
                if block.shape == self._chunk.shape:
                    self._chunk[...] = block
                else:
                    self._chunk.fill(FILL_VALUE)
                    self._chunk[:, : block.shape[1], : block.shape[2]] = block
                key = self._key(self._slab_number, y // height, x // width)
                self._writer.put(key, self._codec.encode(self._chunk))
        self._slab_number += 1


class PyramidWriter:
    """Writes the levels above level 0 while the planes of level 0 are written.

    Each level holds one slab and at most one plane that waits for its pair. With rows and columns
    halved at each level, all levels together hold a third of what level 0 holds.
    """

    def __init__(self, levels: Sequence[Level], layout: ArrayLayout, writer: StoreWriter) -> None:
        """Prepare the levels.

        Parameters
        ----------
        levels
            From ``plan_levels``, level 0 first.
        layout
            Of level 0, with the expected number of planes.
        """
        self._levels: list[_LevelWriter] = []
        for level in levels[1:]:
            shape = halved(layout.shape, level.steps)
            chunks = (min(layout.chunks[0], shape[0]), *layout.chunks[1:])
            layout = replace(layout, path=level.path, shape=shape, chunks=chunks)
            self._levels.append(_LevelWriter(level, layout, writer))
        for lower, upper in zip(self._levels, self._levels[1:], strict=False):
            lower.next = upper

    def add(self, planes: NDArray[Any]) -> None:
        """Add the next planes of level 0 (n, rows, columns); the caller may reuse their memory."""
        if self._levels:
            for plane in planes:
                self._levels[0].add(plane)

    def finish(self) -> tuple[ArrayLayout, ...]:
        """Write the rest, and return the layouts of the levels with their final shapes."""
        return tuple(level.finish() for level in self._levels)


class _LevelWriter:
    """One level: takes planes of the level before it, and passes its own on to ``next``."""

    def __init__(self, level: Level, layout: ArrayLayout, writer: StoreWriter) -> None:
        self.next: _LevelWriter | None = None
        self._layout = layout
        self._halving = Halving(level.steps, self._take)
        self._chunk_writer = ChunkWriter(layout, writer)
        self._slab = np.empty((layout.chunks[0], *layout.shape[1:]), layout.dtype)
        self._filled = 0
        self._planes = 0

    def add(self, plane: NDArray[Any]) -> None:
        self._halving.add(plane)

    def _take(self, plane: NDArray[Any]) -> None:
        self._slab[self._filled] = plane
        self._filled += 1
        self._planes += 1
        if self.next is not None:
            self.next.add(plane)
        if self._filled == len(self._slab):
            self._chunk_writer.write(self._slab)
            self._filled = 0

    def finish(self) -> ArrayLayout:
        self._halving.finish()
        if self._filled:
            self._slab[self._filled :] = FILL_VALUE
            self._chunk_writer.write(self._slab)
        return replace(self._layout, shape=(self._planes, *self._layout.shape[1:]))
