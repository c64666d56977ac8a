"""Read a region of an array from its chunks: container, Blosc, output, without zarr in between.

This path covers what ct2zarr writes (regular chunks, Blosc, little-endian, C order).
``readable_array`` returns ``None`` for anything else, which is then left to zarr. ct2zarr writes
every chunk, so a missing one is an error here: zarr would fill its place with 0, which is the HU of
water. What the path saves is in docs/design.md.
"""

import itertools
import os
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from ..codes import Code
from ..errors import FileError
from .base import Container
from .blosc_frames import check_frame, frame_of_items
from .bounds import PACKING_BYTES

MAX_THREADS = 8
"""Most threads that decompress at once; they use up the memory bandwidth."""

_THIN = 0.5  # share of a chunk's planes up to which it pays to reorder only those
_LARGE = 1 << 30  # bytes from which on a region is looked at before memory is taken for it
_PROBES = 16
_LONGEST_TYPE = 16  # characters
_FEW_CHUNKS = 4  # below this, handing chunks to threads costs more than it gains


@dataclass(frozen=True, slots=True)
class ReadableArray:
    """An array whose chunks are Blosc frames: its shape, and where its chunks are.

    Attributes
    ----------
    key_stem
        What comes before the numbers of a chunk in its key.
    separator
        What stands between the numbers.
    """

    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: np.dtype[Any]
    key_stem: str
    separator: str

    def key(self, index: Sequence[int]) -> str:
        """Key of the chunk at ``index`` in the grid of chunks."""
        return self.key_stem + self.separator.join(map(str, index))


def readable_array(path: str, document: Mapping[str, Any]) -> ReadableArray | None:
    """The array at ``path`` from its metadata document, ``.zarray`` or ``zarr.json``.

    ``None`` if the array is encoded in a way that this module does not read.
    """
    try:
        if document["zarr_format"] == 2:
            return _array_of_format_2(path, document)
        if document["zarr_format"] == 3:
            return _array_of_format_3(path, document)
        return None
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _array_of_format_2(path: str, document: Mapping[str, Any]) -> ReadableArray | None:
    plain = (
        document["compressor"]["id"] == "blosc"
        and not document["filters"]
        and document["order"] == "C"
    )
    return _array(
        plain,
        shape=document["shape"],
        chunks=document["chunks"],
        dtype=_data_type(document["dtype"]),
        key_stem=f"{path}/",
        separator=document.get("dimension_separator", "."),
    )


def _array_of_format_3(path: str, document: Mapping[str, Any]) -> ReadableArray | None:
    codecs = document["codecs"]
    plain = (
        [codec["name"] for codec in codecs] == ["bytes", "blosc"]
        and codecs[0].get("configuration", {}).get("endian", "little") == "little"
        and document.get("node_type", "array") == "array"
        and document["chunk_grid"]["name"] == "regular"
        and document["chunk_key_encoding"]["name"] == "default"
        and not document.get("storage_transformers")
    )
    separator = document["chunk_key_encoding"].get("configuration", {}).get("separator", "/")
    return _array(
        plain,
        shape=document["shape"],
        chunks=document["chunk_grid"]["configuration"]["chunk_shape"],
        dtype=_data_type(document["data_type"]),
        key_stem=f"{path}/c{separator}",
        separator=separator,
    )


def _sizes(values: Sequence[int]) -> tuple[int, ...]:
    if not all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        raise ValueError("a size is no whole number")
    return tuple(values)


def _data_type(name: str) -> np.dtype[Any]:
    """The type of a name; ``ValueError``, without a closer look, for longer descriptions."""
    if not isinstance(name, str) or len(name) > _LONGEST_TYPE:
        raise ValueError("no name of a data type")
    return np.dtype(name)


def _array(
    plain: bool,
    *,
    shape: Sequence[int],
    chunks: Sequence[int],
    dtype: np.dtype[Any],
    key_stem: str,
    separator: str,
) -> ReadableArray | None:
    if not plain or dtype.kind not in "iuf" or dtype != dtype.newbyteorder("<"):
        return None
    return ReadableArray(
        shape=_sizes(shape),
        chunks=_sizes(chunks),
        dtype=dtype,
        key_stem=key_stem,
        separator=separator,
    )


def read_region(
    container: Container,
    array: ReadableArray,
    region: Sequence[tuple[int, int]],
    threads: int | None = None,
) -> npt.NDArray[Any]:
    """Read a part of an array.

    Parameters
    ----------
    region
        (start, stop) for each axis, within the shape of the array.
    threads
        How many decompress at once; ``None``: as many as there are processors, up to
        ``MAX_THREADS``.

    Raises
    ------
    FileError
        A chunk is damaged or missing; names its key.
    """
    try:
        out = _read(container, array, region, threads)
    except FileError:
        container.check_unchanged()  # its error says why what was there is gone
        raise
    container.check_unchanged()
    return out


def _read(
    container: Container,
    array: ReadableArray,
    region: Sequence[tuple[int, int]],
    threads: int | None,
) -> npt.NDArray[Any]:
    grid = [
        range(start // size, -(-stop // size)) if stop > start else range(0)
        for (start, stop), size in zip(region, array.chunks, strict=True)
    ]
    count = prod(map(len, grid))
    shape = [stop - start for start, stop in region]
    if prod(shape) * array.dtype.itemsize > _LARGE:
        _check_presence(container, array, grid, count)
    out = np.empty(shape, array.dtype)
    workers = min(threads or available_threads(), count // 2)
    if workers <= 1 or count < _FEW_CHUNKS:
        _read_chunks(container, array, region, itertools.product(*grid), out)
    else:
        pool = _pool(os.getpid(), threads or available_threads())
        shares = [
            itertools.islice(itertools.product(*grid), i, None, workers) for i in range(workers)
        ]
        tasks = [
            pool.submit(_read_chunks, container, array, region, share, out) for share in shares
        ]
        for task in tasks:
            task.result()
    return out


def _check_presence(
    container: Container, array: ReadableArray, grid: Sequence[range], count: int
) -> None:
    """Raise ``FileError`` where chunks of a large region are missing, before memory is taken.

    A few places all over the region are looked at: a shape that is wrong is wrong by far.
    """
    lengths = [len(numbers) for numbers in grid]
    for place in sorted({(count - 1) * step // _PROBES for step in range(_PROBES + 1)}):
        within = np.unravel_index(place, lengths)
        index = [numbers[int(i)] for numbers, i in zip(grid, within, strict=True)]
        if container.size(array.key(index)) is None:
            raise _missing(container, array.key(index))


def _missing(container: Container, key: str) -> FileError:
    return FileError(
        Code.STORE_DAMAGED,
        "{path}: chunk {key} is missing; copy or convert this volume again",
        path=container.path,
        key=key,
    )


def available_threads() -> int:
    """Processors that this process may use, up to ``MAX_THREADS``."""
    if hasattr(os, "sched_getaffinity"):
        return min(MAX_THREADS, len(os.sched_getaffinity(0)))
    return min(MAX_THREADS, os.cpu_count() or 1)


@cache
def _pool(pid: int, threads: int) -> ThreadPoolExecutor:  # noqa: ARG001 - threads end at a fork
    return ThreadPoolExecutor(threads, thread_name_prefix="ct2zarr-read")


def _read_chunks(
    container: Container,
    array: ReadableArray,
    region: Sequence[tuple[int, int]],
    indices: Iterable[tuple[int, ...]],
    out: npt.NDArray[Any],
) -> None:
    """Decode the chunks at ``indices`` and copy what lies in ``region`` into ``out``."""
    scratch = np.empty(array.chunks, array.dtype)
    for index in indices:
        target, source = [], []
        for number, size, (start, stop) in zip(index, array.chunks, region, strict=True):
            low, high = max(start, number * size), min(stop, (number + 1) * size)
            target.append(slice(low - start, high - start))
            source.append(slice(low - number * size, high - number * size))
        key = array.key(index)
        part = out[tuple(target)]
        frame = container.get(key, most=scratch.nbytes + PACKING_BYTES)
        if frame is None:
            raise _missing(container, key)
        try:
            check_frame(frame, scratch.nbytes)
            if part.shape == array.chunks and part.flags.c_contiguous:
                _blosc().decode(frame, part)
            else:
                planes = _unpack_planes(frame, source[0], scratch)
                part[...] = planes[:, *source[1:]]
        except (ValueError, RuntimeError) as error:
            raise FileError(
                Code.STORE_DAMAGED,
                "{path}: chunk {key} is damaged; copy or convert this volume again",
                path=container.path,
                key=key,
            ) from error


def _unpack_planes(
    frame: bytes | memoryview, planes: slice, scratch: npt.NDArray[Any]
) -> npt.NDArray[Any]:
    """Some planes of a chunk; ``scratch`` is as large as the chunk and may hold the result."""
    count = planes.stop - planes.start
    if count <= _THIN * len(scratch):
        size = scratch[0].nbytes
        limits = (planes.start * size, planes.stop * size)
        thin = frame_of_items(frame, *limits, scratch.reshape(-1).view(np.uint8))
        if thin is not frame:
            _blosc().decode(thin, scratch[:count])
            return scratch[:count]
    _blosc().decode(frame, scratch)
    return scratch[planes]


@cache
def _blosc() -> Any:
    """The codec; what packed a frame stands in the frame. A chunk of ct2zarr is one Blosc block,
    which is unpacked in the thread that asks for it, whatever Blosc is set to."""
    from numcodecs import Blosc

    return Blosc()
