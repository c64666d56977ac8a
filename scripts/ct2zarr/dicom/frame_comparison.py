"""What frames are compared by: a digest of their values, and a coarse picture of them."""

import hashlib

import numpy as np
from numpy.typing import NDArray

from ..model import Frame
from .decoding import SourceReader
from .rescale import Rescale

_PREVIEW_BLOCKS = 32
"""Blocks of a preview along a side: enough to tell neighbouring anatomy, cheap to send."""


COMPARED_DECIMALS = 4
"""Decimals of rescaled values that are compared; the rest is rounding of slope and intercept."""


def pixel_digest(frame: Frame) -> str:
    """The MD5 of a frame's rescaled values: equal for equal images, however they are stored.

    Raises
    ------
    FileError
        As ``SourceReader.read``.
    """
    with SourceReader() as reader:
        stored = reader.read(frame).stored
    rescale = Rescale.of(frame)
    values = stored * np.float64(rescale.slope) + np.float64(rescale.intercept)
    values = np.round(values, COMPARED_DECIMALS) + 0.0  # -0.0 is 0.0
    digest = hashlib.md5(values.astype("<f8").tobytes(), usedforsecurity=False)
    digest.update(repr(stored.shape).encode())
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
