"""The most that a reader takes from a store: what exceeds a bound is damage or an attack.

Each bound lies far above what a conversion writes, and low enough that a reader of a hostile store
ends within seconds and some hundred megabytes. What has no bound of its own follows from these: a
chunk has the size that the metadata say, and as many are read as a region touches.
"""

from math import prod
from pathlib import Path

from ..codes import Code
from ..errors import FileError

DOCUMENT_BYTES = 1 << 24
"""Of a metadata document and of series.json. The position of a plane takes 100 bytes there."""

SLICES_BYTES = 1 << 25
"""Of slices.csv, where a plane takes 250 bytes."""

DIRECTORY_BYTES = 1 << 26
"""Of the directory of a zip file, where a chunk takes 65 bytes."""

BLOSC_BYTES = (1 << 31) - 17
"""Of a chunk, unpacked: the most that Blosc packs (c-blosc, BLOSC_MAX_BUFFERSIZE)."""

PACKING_BYTES = 1 << 16
"""By how much a packed chunk may exceed the chunk: headers, offsets of blocks and checksums."""

VALUE_BYTES = BLOSC_BYTES + PACKING_BYTES
"""Of any value of a store, where nothing narrower is known of it."""

LONGEST_AXIS = 65_535
"""Voxels along y and x: Rows and Columns of DICOM are 16-bit numbers."""

MOST_PLANES = 1 << 22
VOLUME_BYTES = 1 << 40
MOST_CHUNKS = 1 << 22

LOOSE_CHUNK_BYTES = 1 << 28
"""Up to here a chunk may be of any size; beyond it, it is at most four times the volume."""

_AXES = 3
_SHOWN = 8  # numbers, at most, in a sentence


def check_grid(
    path: Path, shape: tuple[int, ...], chunks: tuple[int, ...], item_bytes: int, node: str
) -> None:
    """Raise ``FileError`` unless an array of this shape, in these chunks, can be a volume."""
    plausible = (
        len(shape) == len(chunks) == _AXES
        and 1 <= shape[0] <= MOST_PLANES
        and all(1 <= size <= LONGEST_AXIS for size in shape[1:])
        and all(1 <= size <= BLOSC_BYTES for size in chunks)
    )
    if plausible:
        whole, chunk = prod(shape) * item_bytes, prod(chunks) * item_bytes
        count = prod(-(-size // step) for size, step in zip(shape, chunks, strict=True))
        plausible = (
            whole <= VOLUME_BYTES
            and count <= MOST_CHUNKS
            and chunk <= min(BLOSC_BYTES, max(LOOSE_CHUNK_BYTES, 4 * whole))
        )
    if not plausible:
        raise FileError(
            Code.STORE_DAMAGED,
            "{path}: the metadata of {node} give the shape ({shape}) in chunks of ({chunks}), which"
            " no volume has; copy or convert this volume again",
            path=path,
            node=node,
            shape=shape[:_SHOWN],
            chunks=chunks[:_SHOWN],
        )
