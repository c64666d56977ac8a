"""Planes are decoded again from the source and subtracted from those of the store."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ct2zarr import open_volume
from ct2zarr.report.samples import VolumePlanes
from ct2zarr.report.sources import Comparison, compare_planes
from ct2zarr.store.records import read_record, read_slices
from report_dataset import Dataset


class Changed:
    """The planes of a volume with something added to each."""

    def __init__(self, planes: Any, added: np.ndarray) -> None:
        self.planes, self.added = planes, added

    @property
    def shape(self) -> tuple[int, int, int]:
        return tuple(self.planes.shape)  # type: ignore[return-value]

    def read_planes(self, start: int, stop: int) -> np.ndarray:
        return np.asarray(self.planes.read_planes(start, stop)) + self.added


def compared(
    dataset: Dataset,
    added: Any = 0,
    *,
    source: Path | None = None,
    wanted: Any = (0, 7),
    side: int = 64,
) -> Comparison | None:
    root = dataset.root / "zarr_sqlite"
    name = dataset.hashes["plain"]
    record = read_record(root / f"meta/{name}.series.json")
    if source is not None:
        record = replace(record, series_dir=str(source))
    slices = read_slices(root / f"meta/{name}.slices.csv")
    with open_volume(root / f"data/{name}.zarr.sqlite") as volume:
        planes = Changed(VolumePlanes(volume), np.asarray(added))
        return compare_planes(planes, record, slices, wanted, side)


def test_difference_is_store_minus_source(dataset):
    found = compared(dataset, added=3)
    assert found is not None
    assert found.planes == (0, 7)
    assert found.largest == (3.0, 3.0)
    assert np.unique(found.difference).tolist() == [3.0]
    assert np.array_equal(found.store - found.source, np.full_like(found.source, 3))
    assert found.problem == ""


def test_single_wrong_pixel_stays_visible_in_a_reduced_picture(dataset):
    shape = read_record(
        dataset.root / f"zarr_sqlite/meta/{dataset.hashes['plain']}.series.json"
    ).shape
    added = np.zeros(shape[1:], dtype=np.int16)
    added[1, 2] = -9
    added[-1, -1] = 5
    found = compared(dataset, added, side=-(-max(shape[1:]) // 4))
    assert found is not None
    height, width = (-(-size // 4) for size in shape[1:])
    assert found.difference.shape == found.source.shape == (2, height, width)
    assert found.difference[0, 0, 0] == -9
    assert found.difference[0, -1, -1] == 5
    assert np.count_nonzero(found.difference[0]) == 2
    assert found.largest == (9.0, 9.0)


def test_source_that_is_gone_is_not_compared(dataset, tmp_path):
    assert compared(dataset, source=tmp_path / "gone") is None


def test_file_that_is_gone_is_said_without_its_name(dataset, tmp_path):
    source = tmp_path / "source"
    shutil.copytree(dataset.source / "plain", source)
    slices = read_slices(
        dataset.root / f"zarr_sqlite/meta/{dataset.hashes['plain']}.slices.csv"
    ).column("file_name")
    (source / slices[7]).unlink()
    found = compared(dataset, source=source)
    assert found is not None
    assert found.planes == (0,)
    assert found.problem == ("Plane 8 could not be compared: [file] is no longer in the source.")
    (source / slices[0]).write_bytes(b"no DICOM")
    nothing = compared(dataset, source=source)
    assert nothing is not None
    assert (nothing.planes, nothing.largest) == ((), ())
    assert nothing.problem.startswith("Plane 8 could not be compared")
    assert slices[7] not in nothing.problem


def test_record_without_its_folder_is_not_compared(dataset):
    root = dataset.root / "zarr_sqlite"
    name = dataset.hashes["plain"]
    record = replace(read_record(root / f"meta/{name}.series.json"), series_dir="")
    slices = read_slices(root / f"meta/{name}.slices.csv")
    with open_volume(root / f"data/{name}.zarr.sqlite") as volume:
        assert compare_planes(VolumePlanes(volume), record, slices, [0], 64) is None


def test_plane_of_another_size_is_said(dataset):
    class Cropped(Changed):
        def read_planes(self, start: int, stop: int) -> np.ndarray:
            return np.asarray(self.planes.read_planes(start, stop))[:, 1:]

    root = dataset.root / "zarr_sqlite"
    name = dataset.hashes["plain"]
    record = read_record(root / f"meta/{name}.series.json")
    slices = read_slices(root / f"meta/{name}.slices.csv")
    with open_volume(root / f"data/{name}.zarr.sqlite") as volume:
        found = compare_planes(
            Cropped(VolumePlanes(volume), np.asarray(0)), record, slices, [2], 64
        )
    assert found is not None
    assert found.problem == "Plane 3 has another size in its source."
    assert found.planes == ()
