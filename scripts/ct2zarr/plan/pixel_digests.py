"""The pixels that a manifest compares, read in a process of their own.

Only files that share a position, and their neighbours, are read. A file may crash the decoder or
never return; that must cost this file alone, not the manifest of a million files.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..codes import Code
from ..errors import FileError, SeriesError
from ..model import Frame
from ..run.workers import Worker, WorkerServer

READING_SECONDS = 120.0
"""Limit for one file; decoding one takes some milliseconds."""

Result = TypeVar("Result")


class IsolatedPixels:
    """``decoding.pixel_digest`` and ``decoding.preview`` in a worker, started when first needed.

    Both raise FileError for a file that cannot be decoded or ends its process.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def digest(self, frame: Frame) -> str:
        """Equal for equal images."""
        return self._run(_digest, frame)

    def preview(self, frame: Frame) -> NDArray[np.float64]:
        """Rescaled values in coarse blocks."""
        return self._run(_preview, frame)

    def _run(self, function: Callable[[Frame], Result], frame: Frame) -> Result:
        try:
            return self._worker.run(function, frame, timeout=READING_SECONDS)
        except SeriesError as error:
            raise FileError(
                Code.CANNOT_DECODE,
                "{file} cannot be compared with the other files at its position: {cause}",
                path=frame.path,
                frame=frame.frame_number if frame.frames > 1 else None,
                cause=error,
            ) from error


@contextmanager
def isolated_pixels() -> Iterator[IsolatedPixels]:
    """Pixels of single files for the time of one manifest."""
    with WorkerServer(("ct2zarr.scan.scanning",)) as server:
        yield IsolatedPixels(Worker(server))


def _digest(frame: Frame) -> str:
    from ..dicom.frame_comparison import pixel_digest

    return pixel_digest(frame)


def _preview(frame: Frame) -> NDArray[Any]:
    from ..dicom.frame_comparison import preview

    return preview(frame)
