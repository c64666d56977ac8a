"""Measure how fast the headers of a tree are read, by ct2zarr and by other readers.

All read the same elements of the same files, which are in the page cache. ct2zarr also reads
sequences, detects irregular files and makes rows of a table; the others only read plain values.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import measure

SERIES, PLANES = 20, 150
COPIES = 20
"""Copies of the tree by hard links: with so many files the start of a scan is negligible."""
ELEMENTS = (
    "SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "Modality",
    "ImageType", "FrameOfReferenceUID", "ImagePositionPatient", "ImageOrientationPatient",
    "PixelSpacing", "SliceThickness", "SpacingBetweenSlices", "GantryDetectorTilt", "Rows",
    "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel",
    "PhotometricInterpretation", "PixelPaddingValue", "RescaleSlope", "RescaleIntercept",
    "RescaleType", "AcquisitionNumber", "AcquisitionTime", "ContentTime", "InstanceNumber",
    "TemporalPositionIdentifier", "TriggerTime", "ConvolutionKernel", "KVP", "Manufacturer",
    "BurnedInAnnotation", "LossyImageCompression",
)  # fmt: skip
"""The elements of a plain CT file that grouping and the manifest use."""


def files_below(folder: str) -> Iterator[Path]:
    return (path for path in sorted(Path(folder).rglob("*.dcm")))


def ct2zarr_in_process(folder: str) -> Callable[[], Any]:
    """Read headers to rows of the manifest's table, in this process."""
    from ct2zarr.scan.readers import read_packed

    def work() -> int:
        return len(read_packed([str(path) for path in files_below(folder)], folder))

    work_once = [str(path) for path in files_below(folder)][:1]
    read_packed(work_once, folder)
    return work


def ct2zarr(folder: str, workers: int, cache: str | None = None) -> Callable[[], Any]:
    """The whole scan with its processes; with ``cache``, a repeated scan."""
    from ct2zarr.scan.scanning import scan

    def scan_of(root: str, place: str) -> Any:
        return scan(
            {"v1": Path(root)}, max_depth=3, workers=workers, cache=Path(place),
            log=lambda _: None,
        )  # fmt: skip

    def work() -> dict[str, int]:
        with tempfile.TemporaryDirectory() as own:
            found = scan_of(folder, cache or own)
        return {"files": found.files_found, "read": found.headers_read}

    with tempfile.TemporaryDirectory() as empty, tempfile.TemporaryDirectory() as place:
        scan_of(empty, place)  # pyarrow loads modules at first use, which is start-up
    return work


def pydicom(folder: str) -> Callable[[], Any]:
    """``dcmread`` with specific_tags, up to the pixels."""
    from pydicom import dcmread

    tags = [*ELEMENTS]

    def work() -> int:
        count = 0
        for path in files_below(folder):
            dataset = dcmread(path, stop_before_pixels=True, specific_tags=tags)
            count += sum(dataset.get(name) is not None for name in ELEMENTS)
        return count

    return work


def dicomsdl(folder: str) -> Callable[[], Any]:
    """A reader in C++, which loads the whole file unless given an element to stop at."""
    import dicomsdl as package

    pixels = 0x7FE00010

    def work() -> int:
        count = 0
        for path in files_below(folder):
            dataset = package.open(str(path), load_until=pixels)
            count += sum(getattr(dataset, name) is not None for name in ELEMENTS)
        return count

    return work


def main() -> None:
    arguments = measure.arguments_of(__doc__).parse_args()

    from series import clones, scan_files

    tree = arguments.cache / "scan_tree"
    if not tree.is_dir():
        files = scan_files(arguments.cache, arguments.planes, "jpeg_2000")
        clones(files, tree, [(f"series_{number}", PLANES) for number in range(SERIES)])
    large = arguments.cache / "scan_tree_large"
    for number in range(0 if large.is_dir() else COPIES):
        shutil.copytree(tree, large / f"copy_{number}", copy_function=os.link)
    with tempfile.TemporaryDirectory(dir=arguments.cache) as kept:
        run = partial(measure.run, folder=str(tree))
        scan = partial(measure.run, "scanning.ct2zarr", folder=str(large))
        scan(workers=1, cache=kept)
        tasks = {
            "scan_1_process": partial(scan, workers=1),
            "scan_2_processes": partial(scan, workers=2),
            "rescan": partial(scan, workers=1, cache=kept),
            "ct2zarr_headers": partial(run, "scanning.ct2zarr_in_process"),
            "pydicom": partial(run, "scanning.pydicom"),
        }
        if arguments.peers:
            tasks["dicomsdl"] = partial(run, "scanning.dicomsdl", python=arguments.peers)
        print("scanning")
        runs = measure.in_turn(tasks, arguments.rounds)
    found = {name: measure.summary(of_name) for name, of_name in runs.items()}
    measure.save(
        arguments.results, "scanning", {"files": SERIES * PLANES, "copies": COPIES, "ways": found}
    )


if __name__ == "__main__":
    main()
