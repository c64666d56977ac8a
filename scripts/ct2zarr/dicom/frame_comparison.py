"""What frames are compared by: a digest of their values, and a coarse picture of them."""

import hashlib

import numpy as np
from numpy.typing import NDArray

from ..model import Frame
from .decoding import SourceReader
from .rescale import Rescale

_PREVIEW_BLOCKS = 32
"""Blocks of a preview along a side: enough to tell neighbouring anatomy, cheap to send."""


def pixel_digest(frame: Frame) -> str:
    """The MD5 of a frame's stored values and rescale: equal for equal images.

    Raises
    ------
    FileError
        As ``SourceReader.read``.
    """
    with SourceReader() as reader:
        stored = reader.read(frame).stored
    digest = hashlib.md5(stored.astype("<i4").tobytes(), usedforsecurity=False)
    rescale = Rescale.of(frame)
    declared = (float(rescale.slope), float(rescale.intercept))
    digest.update(repr((stored.shape, declared)).encode())
    return digest.hexdigest()


def preview(frame: Frame) -> NDArray[np.float64]:
    """A frame's rescaled values in coarse blocks, at most 32 x 32, to compare frames by.

    Raises
    ------
    FileError
        As ``SourceReader.read``.
    """
    with SourceReader() as reader:
        stored = reader.read(frame).stored
    rescale = Rescale.of(frame)
    height, width = (max(size // _PREVIEW_BLOCKS, 1) for size in stored.shape)
    rows, columns = stored.shape[0] // height, stored.shape[1] // width
    blocks = stored[: rows * height, : columns * width].reshape(rows, height, columns, width)
    means: NDArray[np.float64] = blocks.mean(axis=(1, 3), dtype=np.float64)
    return means * rescale.slope + rescale.intercept
