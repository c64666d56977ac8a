"""Read a region of an array straight from its chunks: container, Blosc, output; no zarr between.

zarr-python spends 0.25 to 0.65 ms a chunk on its own machinery, as much as decompressing one.
This path covers what ct2zarr writes (regular chunks, Blosc, little endian, C order); ``layout_of``
gives ``None`` for anything else, which is then left to zarr. ct2zarr writes every chunk, so one
that is missing is an error here: zarr would fill its place with 0, which is the HU of water.
"""

import itertools
import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import FileError
from .blosc_frames import check_frame, frame_of_items
from .containers import Container

MAX_THREADS = 8
"""Threads that decompress at most; memory bandwidth is used up by then."""

_THIN = 0.5  # share of a chunk's planes up to which it pays to put only those in order
_FEW_CHUNKS = 4  # below this, handing them to threads costs more than it gains


@dataclass(frozen=True, slots=True)
class ArrayLayout:
    """Where the chunks of an array are and how they are encoded.

    Attributes:
        path: of the array in the store, such as ``volume``.
        key_stem: what comes before the chunk's numbers in its key. separator: what is between them.
    """

    path: str
    shape: tuple[int, ...]
    chunks: tuple[int, ...]
    dtype: np.dtype[Any]
    key_stem: str
    separator: str

    def key(self, index: Sequence[int]) -> str:
        """Key of the chunk at ``index`` in the grid of chunks."""
        return self.key_stem + self.separator.join(map(str, index))


def layout_of(path: str, document: Mapping[str, Any]) -> ArrayLayout | None:
    """The layout of the array ``path`` from its metadata document, ``.zarray`` or ``zarr.json``.

    ``None`` where the array is encoded in a way that this module does not read.
    """
    try:
        if document["zarr_format"] == 2:
            return _layout_of_format_2(path, document)
        return _layout_of_format_3(path, document)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _layout_of_format_2(path: str, document: Mapping[str, Any]) -> ArrayLayout | None:
    plain = (
        document["compressor"]["id"] == "blosc"
        and not document["filters"]
        and document["order"] == "C"
    )
    return _layout(
        path,
        plain,
        shape=document["shape"],
        chunks=document["chunks"],
        dtype=np.dtype(document["dtype"]),
        key_stem=f"{path}/",
        separator=document.get("dimension_separator", "."),
    )


def _layout_of_format_3(path: str, document: Mapping[str, Any]) -> ArrayLayout | None:
    codecs = document["codecs"]
    plain = (
        [codec["name"] for codec in codecs] == ["bytes", "blosc"]
        and codecs[0].get("configuration", {}).get("endian", "little") == "little"
        and document["chunk_grid"]["name"] == "regular"
        and document["chunk_key_encoding"]["name"] == "default"
        and not document.get("storage_transformers")
    )
    separator = document["chunk_key_encoding"].get("configuration", {}).get("separator", "/")
    return _layout(
        path,
        plain,
        shape=document["shape"],
        chunks=document["chunk_grid"]["configuration"]["chunk_shape"],
        dtype=np.dtype(document["data_type"]),
        key_stem=f"{path}/c{separator}",
        separator=separator,
    )


def _layout(
    path: str,
    plain: bool,
    *,
    shape: Sequence[int],
    chunks: Sequence[int],
    dtype: np.dtype[Any],
    key_stem: str,
    separator: str,
) -> ArrayLayout | None:
    if not plain or dtype.kind not in "iuf" or dtype != dtype.newbyteorder("<"):
        return None
    return ArrayLayout(
        path=path,
        shape=tuple(map(int, shape)),
        chunks=tuple(map(int, chunks)),
        dtype=dtype,
        key_stem=key_stem,
        separator=separator,
    )


def read_region(
    container: Container,
    layout: ArrayLayout,
    region: Sequence[tuple[int, int]],
    threads: int | None = None,
) -> npt.NDArray[Any]:
    """The part ``region`` of the array: (start, stop) for each axis, within its shape.

    Args:
        threads: how many decompress at once; ``None``: as many as there are processors, up to
            ``MAX_THREADS``.

    Raises:
        FileError: a chunk is damaged or missing; names its key.
    """
    out = np.empty([stop - start for start, stop in region], layout.dtype)
    grid = [
        range(start // size, -(-stop // size)) if stop > start else range(0)
        for (start, stop), size in zip(region, layout.chunks, strict=True)
    ]
    indices = list(itertools.product(*grid))
    workers = min(threads or available_threads(), len(indices) // 2)
    if workers <= 1 or len(indices) < _FEW_CHUNKS:
        _read_chunks(container, layout, region, indices, out)
    else:
        pool = _pool(os.getpid(), threads or available_threads())
        shares = [indices[i::workers] for i in range(workers)]
        tasks = [
            pool.submit(_read_chunks, container, layout, region, share, out) for share in shares
        ]
        for task in tasks:
            task.result()
    return out


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
    layout: ArrayLayout,
    region: Sequence[tuple[int, int]],
    indices: Sequence[tuple[int, ...]],
    out: npt.NDArray[Any],
) -> None:
    """Decode the chunks at ``indices`` and copy what lies in ``region`` into ``out``."""
    scratch = np.empty(layout.chunks, layout.dtype)
    for index in indices:
        target, source = [], []
        for number, size, (start, stop) in zip(index, layout.chunks, region, strict=True):
            low, high = max(start, number * size), min(stop, (number + 1) * size)
            target.append(slice(low - start, high - start))
            source.append(slice(low - number * size, high - number * size))
        key = layout.key(index)
        part = out[tuple(target)]
        frame = container.get(key)
        if frame is None:
            raise FileError(
                f"{container.path}: chunk {key} is missing; copy or convert this volume again",
                "store_damaged",
            )
        try:
            check_frame(frame, scratch.nbytes)
            if part.shape == layout.chunks and part.flags.c_contiguous:
                _blosc().decompress(frame, part)
            else:
                planes = _unpack_planes(frame, source[0], scratch)
                part[...] = planes[:, *source[1:]]
        except (ValueError, RuntimeError) as error:
            raise FileError(
                f"{container.path}: chunk {key} is damaged; copy or convert this volume again",
                "store_damaged",
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
            _blosc().decompress(thin, scratch[:count])
            return scratch[:count]
    _blosc().decompress(frame, scratch)
    return scratch[planes]


@cache
def _blosc() -> Any:
    import numcodecs.blosc

    # As zarr does: Blosc's own threads would share a lock, and do not survive a fork.
    numcodecs.blosc.use_threads = False
    return numcodecs.blosc
