"""Decode a few planes from the source again and compare them with the store."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..codes import Code
from ..dicom.decoding import SourceReader
from ..dicom.frames import read_frames
from ..dicom.rescale import rescale_of
from ..errors import FileError, SeriesError, sentence
from ..model import Frame, SliceTable, VolumeRecord
from .views import Pixels, PlaneSource


@dataclass(frozen=True, slots=True)
class Comparison:
    """Planes of the source beside those of the store.

    Attributes
    ----------
    planes
        Indices that were compared.
    source, store
        (k, h, w) float32, values reduced for display.
    difference
        (k, h, w) float32, store minus source; the largest of each block of pixels.
    largest
        Largest absolute difference of all pixels, one per plane.
    problem
        Why a plane could not be compared, without names of files; empty when all were.
    """

    planes: tuple[int, ...]
    source: Pixels
    store: Pixels
    difference: Pixels
    largest: tuple[float, ...]
    problem: str

    @classmethod
    def failed(cls, problem: str) -> "Comparison":
        """No plane could be compared."""
        empty = np.zeros((0, 1, 1), dtype=np.float32)
        return cls((), empty, empty, empty, (), problem)


def compare_planes(
    volume: PlaneSource, record: VolumeRecord, slices: SliceTable, wanted: Sequence[int], side: int
) -> Comparison | None:
    """Decode the wanted planes from their files and subtract them from the store's.

    The arithmetic is that of the definition, slope times stored plus intercept in float64 (PS3.3
    C.11.1.1.2), not that of the conversion. ``None`` where the source folder no longer exists, or
    the record does not name it (``deidentify``).
    """
    folder = Path(record.series_dir)
    if not record.series_dir or not folder.is_dir():
        return None
    rows, columns = volume.shape[1:]
    step = max(1, -(-max(rows, columns) // side))
    planes: list[int] = []
    pictures: list[tuple[Pixels, Pixels, Pixels]] = []
    largest: list[float] = []
    problem = ""
    avoid = tuple(record.decoders)
    with SourceReader(avoid=avoid) as reader:
        for index in wanted:
            try:
                decoded = _source_plane(reader, folder, record, slices, index)
            except (FileError, SeriesError) as error:
                reason = sentence(error, private=False)
                problem = f"Plane {index + 1} could not be compared: {reason}."
                continue
            kept = volume.read_planes(index, index + 1)[0]
            if kept.shape != decoded.shape:
                problem = f"Plane {index + 1} has another size in its source."
                continue
            # a float32 store holds the nearest float32, which is no difference
            nearest = decoded.astype(np.float32) if kept.dtype == np.float32 else decoded
            apart = kept.astype(np.float64) - nearest
            planes.append(index)
            largest.append(float(np.abs(apart).max()))
            pictures.append(
                (_thin(decoded, step), _thin(kept, step), _largest_of_blocks(apart, step))
            )
    if not planes:
        return Comparison.failed(problem)
    source, store, difference = (np.stack(kind) for kind in zip(*pictures, strict=True))
    return Comparison(tuple(planes), source, store, difference, tuple(largest), problem)


def _source_plane(
    reader: SourceReader, folder: Path, record: VolumeRecord, slices: SliceTable, index: int
) -> np.ndarray:
    frame = _frame_of(folder, record.dataset, slices, index)
    stored = reader.read(frame).stored.astype(np.float64)
    rescale = rescale_of(frame, "stored" if record.values.get("kind") == "stored" else "hu")
    return stored * rescale.slope + rescale.intercept


def _frame_of(folder: Path, dataset: str, slices: SliceTable, index: int) -> Frame:
    path = folder / slices.column("file_name")[index]
    if not path.is_file():
        raise FileError(Code.SOURCE_GONE, "{file} is no longer in the source", path=path)
    number = int(slices.column("frame")[index] or 1) if "frame" in slices.columns else 1
    for frame in read_frames(dataset, str(folder), str(path)):
        if frame.frame_number == number:
            return frame
    raise FileError(
        Code.SOURCE_CHANGED, "{file} no longer has frame {number}", path=path, number=number
    )


def _thin(plane: np.ndarray, step: int) -> Pixels:
    """Every ``step``-th pixel: real values, so that source and store can be told apart."""
    return plane[::step, ::step].astype(np.float32)


def _largest_of_blocks(plane: np.ndarray, step: int) -> Pixels:
    """Of each block of pixels the one farthest from zero: a single wrong pixel stays visible."""
    rows, columns = plane.shape
    pad = ((0, -rows % step), (0, -columns % step))
    blocks = np.pad(plane, pad).reshape((rows + pad[0][1]) // step, step, -1, step)
    high, low = blocks.max(axis=(1, 3)), blocks.min(axis=(1, 3))
    largest: Pixels = np.where(high >= -low, high, low).astype(np.float32)
    return largest
