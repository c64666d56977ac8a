"""Make the series that the benchmarks convert: a synthetic chest in five encodings.

Usage: ``python benchmarks/series.py FOLDER [PLANES]``. A scan of PLANES x 512 x 512 with anatomy,
texture and scanner noise is written uncompressed and then re-encoded: FOLDER/planes_N/ENCODING.
Existing folders are kept. ``clones`` repeats the files under new headers for benchmarks that need a
longer series or many series.
"""

import os
import shutil
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path

import numpy as np
from pydicom import dcmread
from pydicom.uid import (
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

import phantom
from demonstration.series import DemoSeries, write_series

ENCODINGS = {
    "uncompressed": ExplicitVRLittleEndian,
    "jpeg_lossless": JPEGLosslessSV1,
    "jpeg_ls": JPEGLSLossless,
    "jpeg_2000": JPEG2000Lossless,
    "rle": RLELossless,
}
SPACING_MM = 1.0
MATRIX = 512


def scan_folder(cache: Path, planes: int, encoding: str) -> Path:
    """Folder of the scan in one encoding; written if absent."""
    place = cache / f"planes_{planes}"
    if not (place / encoding).is_dir():
        if encoding != "uncompressed":
            _encode(scan_folder(cache, planes, "uncompressed"), place / encoding, encoding)
        else:
            _scan(place, planes)
    return place / encoding


def scan_files(cache: Path, planes: int, encoding: str) -> list[Path]:
    """Files of the scan in plane order, which is the order of their names."""
    return sorted(scan_folder(cache, planes, encoding).iterdir())


def _scan(place: Path, planes: int) -> None:
    """Write the scan uncompressed; files are named in plane order, from the lowest up."""
    scratch = place / f"scratch_{os.getpid()}"
    series = DemoSeries(
        "chest", 1, "benchmark", planes, MATRIX, SPACING_MM, -planes * SPACING_MM / 2 - 20, "B30f",
        13.0, 0.42,
    )  # fmt: skip
    files = write_series(scratch, series)
    target = scratch / "named"
    target.mkdir()
    for index, path in enumerate(reversed(files)):
        path.rename(target / f"{index:05d}.dcm")
    target.rename(place / "uncompressed")
    shutil.rmtree(scratch)


def _encode(source: Path, target: Path, encoding: str) -> None:
    scratch = target.with_name(f"{target.name}_{os.getpid()}")
    scratch.mkdir()
    files = sorted(source.iterdir())
    with ProcessPoolExecutor() as pool:
        for _ in pool.map(_encode_file, files, repeat(scratch), repeat(encoding), chunksize=8):
            pass
    scratch.rename(target)


def _encode_file(path: Path, target: Path, encoding: str) -> None:
    dataset = dcmread(path)
    pixels = np.frombuffer(dataset.PixelData, "<u2").reshape(dataset.Rows, dataset.Columns)
    phantom.encode_pixels(dataset, [pixels], ENCODINGS[encoding])
    phantom.write(dataset, target / path.name)


def clones(files: Sequence[Path], target: Path, names: Sequence[tuple[str, int]]) -> None:
    """Write series that repeat the planes of ``files`` with headers of their own.

    Args:
        target: a folder that is not there. names: (name of a series, planes) of each; the name is
            that of its folder.
    """
    scratch = target.with_name(f"{target.name}_{os.getpid()}")
    with ProcessPoolExecutor() as pool:
        tasks = [pool.submit(_clone, list(files), scratch / name, n) for name, n in names]
        for task in tasks:
            task.result()
    scratch.rename(target)


def _clone(files: Sequence[Path], folder: Path, planes: int) -> None:
    folder.mkdir(parents=True)
    series, study = phantom.make_uid("series", folder.name), phantom.make_uid("study", folder.name)
    frame = phantom.make_uid("frame", folder.name)
    for index in range(planes):
        dataset = dcmread(files[index % len(files)])
        instance = phantom.make_uid("instance", folder.name, index)
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = instance
        dataset.SeriesInstanceUID, dataset.StudyInstanceUID = series, study
        dataset.FrameOfReferenceUID = frame
        x, y, _ = dataset.ImagePositionPatient
        dataset.ImagePositionPatient = [x, y, round(-900 + index * SPACING_MM, 3)]
        dataset.SliceLocation = round(-900 + index * SPACING_MM, 3)
        dataset.InstanceNumber = index + 1
        phantom.write(dataset, folder / f"{index:05d}.dcm")


def shrunken(files: Sequence[Path], target: Path, matrix: int) -> list[Path]:
    """The middle ``matrix`` x ``matrix`` pixels of uncompressed files, as files of ``target``."""
    if not target.is_dir():
        scratch = target.with_name(f"{target.name}_{os.getpid()}")
        scratch.mkdir(parents=True)
        for path in files:
            dataset = dcmread(path)
            start = (dataset.Rows - matrix) // 2
            pixels = np.frombuffer(dataset.PixelData, "<u2").reshape(dataset.Rows, dataset.Columns)
            dataset.PixelData = pixels[start : start + matrix, start : start + matrix].tobytes()
            dataset.Rows = dataset.Columns = matrix
            phantom.write(dataset, scratch / path.name)
        scratch.rename(target)
    return sorted(target.iterdir())


if __name__ == "__main__":
    for name in ENCODINGS:
        size = int(sys.argv[2]) if len(sys.argv) > 2 else 300
        print(name, len(scan_files(Path(sys.argv[1]), size, name)), flush=True)
