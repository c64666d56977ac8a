"""The pixels and whole headers that a manifest compares, read in a process of their own.

Only files that share a position, and the others of their stack, are read. A file may crash the
decoder or never return; that must cost this file alone, not the manifest of a million files.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ..codes import Code
from ..dicom.whole_headers import Elements
from ..errors import FileError, SeriesError
from ..model import Frame
from ..run.workers import Worker, WorkerServer

READING_SECONDS = 120.0
"""Limit for one file; decoding one takes some milliseconds."""

HEADERS_AT_ONCE = 256
"""Frames whose headers the worker reads between two answers."""

Result = TypeVar("Result")


class IsolatedPixels:
    """Digests, previews and whole headers by a worker, which is started when first needed.

    ``digest`` and ``preview`` raise FileError for a file that cannot be decoded or that ends its
    process.
    """

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def digest(self, frame: Frame) -> str:
        """Equal for equal images."""
        return self._run(_digest, frame)

    def preview(self, frame: Frame) -> NDArray[np.float64]:
        """Rescaled values in coarse blocks."""
        return self._run(_preview, frame)

    def headers(self, frames: Sequence[Frame]) -> list[Elements]:
        """All elements of each frame; none of those that cannot be read or end the process."""
        read: list[Elements] = []
        for begin in range(0, len(frames), HEADERS_AT_ONCE):
            some = list(frames[begin : begin + HEADERS_AT_ONCE])
            try:
                read.extend(self._worker.run(_headers, some, timeout=READING_SECONDS))
            except SeriesError:
                read.extend({} for _ in some)
        return read

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


def _headers(frames: Sequence[Frame]) -> list[Elements]:
    from ..dicom.whole_headers import read_whole_headers

    return read_whole_headers(frames)
