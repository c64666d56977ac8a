"""One attempt to write a volume: all planes from file to store, with one data type.

Planes are decoded in order and rescaled into a slab as deep as a chunk; a full slab is cut into
chunks and stored. So never more than a slab of the volume is in memory.
"""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..codes import Code
from ..dicom.decoding import SourceReader, StoredFrame
from ..dicom.metadata import TagCollector
from ..dicom.planes import ValueType, write_values
from ..dicom.rescale import Rescale
from ..dicom.stored_values import AS_THE_HEADER_SAYS, Assumed, BitTally
from ..errors import FileError, SeriesError
from ..geometry.pyramid import Level, plan_levels
from ..model import Frame, VolumePlan
from ..run.checksums import plane_md5
from ..run.settings import ConvertSettings
from ..store.array_writing import ChunkWriter, PyramidWriter
from ..store.attributes import spacing_of_plan
from ..store.base import StoreWriter
from ..store.zarr_documents import FILL_VALUE, ArrayLayout
from .hu_check import HuCheck

NEVER_DROPPED = frozenset({Code.SOURCE_GONE, Code.SOURCE_CHANGED})
"""Codes of files that fail their volume under ``on_bad_slice: drop`` too: they are not bad, but
other files than those that the manifest describes."""


@dataclass(slots=True)
class Seconds:
    """Wall clock seconds, summed over all attempts."""

    read: float = 0.0
    write: float = 0.0

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Add the time inside of the block to ``write``."""
        started = time.perf_counter()
        yield
        self.write += time.perf_counter() - started


@dataclass
class WriteAttempt:
    """One run over all planes with one value type; ``run`` fills the fields below ``seconds``.

    Attributes
    ----------
    rescales
        One per plane.
    assumed
        How the bits lie in planes that do not tell.
    unreadable
        Index in the plan → why the plane could not be read. Later planes move up.
    collector
        Has the tags of the planes that were read.
    digests
        MD5 of each plane in the array.
    decoders
        Decoder name → number of planes.
    refused
        Index in the array → decoders that could not read the plane, although others could.
    minimum, maximum
        Of all values.
    bits
        What the bits of the planes show.
    padding_pixels
        Number of pixels with the padding value of their plane.
    reduced_layouts
        Of the levels of the pyramid beyond level 0.
    """

    plan: VolumePlan
    rescales: list[Rescale]
    value_type: ValueType
    settings: ConvertSettings
    writer: StoreWriter
    seconds: Seconds
    assumed: Assumed = AS_THE_HEADER_SAYS
    unreadable: dict[int, FileError] = field(default_factory=dict)
    collector: TagCollector = field(init=False)
    digests: list[str] = field(default_factory=list)
    decoders: Counter[str] = field(default_factory=Counter)
    refused: dict[int, tuple[str, ...]] = field(default_factory=dict)
    minimum: float = float("inf")
    maximum: float = float("-inf")
    padding_pixels: int = 0
    hu_check: HuCheck = field(default_factory=HuCheck)
    bits: BitTally = field(default_factory=BitTally)
    reduced_layouts: tuple[ArrayLayout, ...] = ()

    def __post_init__(self) -> None:
        self.collector = TagCollector(self.settings.metadata)

    @property
    def levels(self) -> tuple[Level, ...]:
        """Level 0 and the reduced copies that are wanted and possible."""
        first = self.plan.planes[0]
        shape = (len(self.plan.planes), first.rows, first.columns)
        return plan_levels(shape, spacing_of_plan(self.plan), self.settings.encoding.pyramid_levels)

    @property
    def chunks(self) -> tuple[int, int, int]:
        """Chunk shape, z capped at the number of planes."""
        z, y, x = self.settings.encoding.chunks
        return min(z, len(self.plan.planes)), y, x

    def layout(self) -> ArrayLayout:
        """Layout of the planes that were written so far."""
        first = self.plan.planes[0]
        return ArrayLayout(
            zarr_format=self.settings.encoding.format_number,
            shape=(len(self.digests), first.rows, first.columns),
            chunks=self.chunks,
            dtype=self.value_type,
            compression_level=self.settings.encoding.compression_level,
        )

    def run(self) -> None:
        """Read all planes, and write all chunks of all levels.

        Raises
        ------
        DoesNotFitError
            A value does not fit the value type.
        SeriesError
            A plane cannot be read and may not be dropped, or none can be read.
        MachineError
            From the writer.
        """
        slab = _Slab(self)
        with SourceReader(self.collector.wanted, assumed=self.assumed) as reader:
            for index, plane in enumerate(self.plan.planes):
                started = time.perf_counter()
                frame = self._read(index, plane, reader)
                if frame is None:
                    continue
                self._rescale(plane, frame, self.rescales[index], slab.next_plane)
                self.seconds.read += time.perf_counter() - started
                slab.advance()
        if not self.digests:
            raise SeriesError(
                Code.NO_PLANES,
                "none of the {count} planes can be read: {cause}",
                count=len(self.plan.planes),
                cause=self.unreadable[0],
            )
        self.reduced_layouts = slab.finish()

    def _read(self, index: int, plane: Frame, reader: SourceReader) -> StoredFrame | None:
        """Read one plane, or note why it cannot be read and return None."""
        try:
            frame = reader.read(plane)
            _check_matrix(frame, plane, self.plan.planes[0])
        except FileError as error:
            if self.settings.on_bad_slice == "fail" or error.code in NEVER_DROPPED:
                raise SeriesError(
                    error.code, "{cause}", path=error.path, frame=error.frame, cause=error
                ) from error
            self.unreadable[index] = error
            return None
        return frame

    def _rescale(
        self, plane: Frame, frame: StoredFrame, rescale: Rescale, out: NDArray[Any]
    ) -> None:
        """Write the values of a plane into ``out`` (rows, columns), and note what they show."""
        ends = None if frame.found is None else frame.found.ends
        found = write_values(frame.stored, rescale, plane.padding_value, out, ends)
        self.collector.add(plane, frame.header)
        self.decoders[frame.decoder] += 1
        if frame.refused_by:
            self.refused[len(self.digests)] = frame.refused_by
        if frame.found is not None:
            self.bits.add(frame.found, plane, raw_in_compressed=frame.raw_in_compressed)
        self.digests.append(plane_md5(out))
        self.minimum = min(self.minimum, found.minimum)
        self.maximum = max(self.maximum, found.maximum)
        self.padding_pixels += found.padding_pixels
        self.hu_check.add(out, rescaled_padding(plane.padding_value, rescale))


def _check_matrix(frame: StoredFrame, plane: Frame, first: Frame) -> None:
    if frame.stored.shape == (first.rows, first.columns):
        return
    raise FileError(
        Code.OTHER_MATRIX,
        "{file} has {rows} rows and {columns} columns where its volume has {due_rows} and "
        "{due_columns}",
        path=plane.path,
        frame=plane.frame_number if plane.frames > 1 else None,
        rows=frame.stored.shape[0],
        columns=frame.stored.shape[1],
        due_rows=first.rows,
        due_columns=first.columns,
    )


class _Slab:
    """The planes of one layer of chunks, written when the layer is full."""

    def __init__(self, attempt: WriteAttempt) -> None:
        layout = attempt.layout()
        _, rows, columns = layout.shape
        shape = (len(attempt.plan.planes), rows, columns)
        self._values = np.empty((layout.chunks[0], rows, columns), dtype=attempt.value_type)
        self._filled = 0
        self._seconds = attempt.seconds
        self._chunks = ChunkWriter(layout, attempt.writer)
        self._pyramid = PyramidWriter(attempt.levels, replace(layout, shape=shape), attempt.writer)

    @property
    def next_plane(self) -> NDArray[Any]:
        """Where the next plane goes: (rows, columns)."""
        plane: NDArray[Any] = self._values[self._filled]
        return plane

    def advance(self) -> None:
        """Keep ``next_plane``, and write the slab if that was its last one."""
        self._filled += 1
        if self._filled < len(self._values):
            return
        with self._seconds.writing():
            self._chunks.write(self._values)
            self._pyramid.add(self._values)
        self._filled = 0

    def finish(self) -> tuple[ArrayLayout, ...]:
        """Write what is left; the layouts of the reduced levels."""
        with self._seconds.writing():
            if self._filled:
                self._pyramid.add(self._values[: self._filled])
                self._values[self._filled :] = FILL_VALUE
                self._chunks.write(self._values)
            return self._pyramid.finish()


def rescaled_padding(padding_value: int | None, rescale: Rescale) -> float | None:
    """The padding value of a plane as it is in the array."""
    if padding_value is None:
        return None
    value = rescale.slope * padding_value + rescale.intercept
    return int(value) if value.is_integer() else float(np.float32(value))
