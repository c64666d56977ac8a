"""Measure the CPU time of a conversion: ct2zarr, the floor, the usual script, other converters.

All convert the same series of 300 x 512 x 512 in turn. Start-up is measured separately, and all
write to the same disk.
"""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import measure

ENCODINGS = ("uncompressed", "jpeg_lossless", "jpeg_ls", "jpeg_2000", "rle")
INTERCEPT = -1024
PEERS = ("dcm2niix", "dcm2niix_gzip", "simpleitk", "dicom2nifti", "highdicom", "script")
FLOOR = "floor"
VERIFIED_PLANES = 3


# Tasks; each runs in a process of its own ------------------------------------------------------


def ct2zarr(folder: str, out: str, verify: int, store: str = "sqlite") -> Callable[[], Any]:
    """Write, verify and publish one volume in this process."""
    from ct2zarr.convert.conversion import convert_volume

    plan = plan_of(Path(folder))
    settings = settings_for(Path(out), verify, store)

    def work() -> dict[str, Any]:
        record = convert_volume(plan, settings)
        return {"bytes": record.output_bytes, "seconds": record.seconds}

    return work


def plan_of(folder: Path) -> Any:
    """The plan of the one volume in a folder."""
    from ct2zarr.dicom.frame_comparison import pixel_digest
    from ct2zarr.dicom.frames import read_frames
    from ct2zarr.plan.grouping import plan_series

    paths = sorted(folder.iterdir())
    frames = [i for path in paths for i in read_frames("v1", str(folder), str(path))]
    (plan,) = plan_series(frames, pixel_digest)
    return plan


def settings_for(out: Path, verify: int, store: str) -> Any:
    """The settings of a conversion; makes its output folder."""
    from ct2zarr.run.atomic_files import prepare_store_root
    from ct2zarr.run.settings import ConvertSettings, EncodingSettings
    from ct2zarr.vocabulary import StoreType

    settings = ConvertSettings(
        input_csv=out / "none.csv", out_root=out, verify_slices=verify,
        encoding=EncodingSettings(store_type=StoreType(store)),
    )  # fmt: skip
    prepare_store_root(settings.store_root)
    return settings


def floor(folder: str, out: str, encoding: str) -> Callable[[], Any]:
    """The cheapest code for each unavoidable step; see ``floor.py``."""
    import floor as cheapest
    import imagecodecs
    from pydicom import dcmread

    paths = sorted(Path(folder).iterdir())
    header = dcmread(paths[0], stop_before_pixels=True)
    shape = (int(header.Rows), int(header.Columns))
    if encoding != "uncompressed":
        # imagecodecs loads its extension modules at first use, which is start-up.
        cheapest.DECODERS[encoding](paths[0].read_bytes(), shape)
    assert imagecodecs.__version__
    target = Path(out) / "floor"

    def work() -> dict[str, Any]:
        cheapest.convert(paths, encoding, shape, INTERCEPT, target)
        return {"bytes": target.stat().st_size}

    return work


def script(folder: str, out: str) -> Callable[[], Any]:
    """The usual script: pydicom, sort by z, stack, rescale, zarr."""
    import numpy as np
    import zarr
    from pydicom import dcmread

    def work() -> dict[str, Any]:
        slices = [dcmread(path) for path in Path(folder).iterdir()]
        slices.sort(key=lambda s: float(s.ImagePositionPatient[2]))
        volume = np.stack([s.pixel_array for s in slices]).astype(np.int16)
        slope, intercept = float(slices[0].RescaleSlope), float(slices[0].RescaleIntercept)
        volume = (volume * slope + intercept).astype(np.int16)
        group = zarr.open_group(f"{out}/script.zarr", mode="w")
        group.create_array("volume", data=volume, chunks=(64, 64, 64))
        return {"bytes": _size(Path(out))}

    return work


def dcm2niix(folder: str, out: str) -> Callable[[], Any]:
    """Convert to plain NIfTI."""
    return _dcm2niix(folder, out, "n")


def dcm2niix_gzip(folder: str, out: str) -> Callable[[], Any]:
    """Convert to NIfTI with gzip, using its own zlib at the default level."""
    return _dcm2niix(folder, out, "i")


def _dcm2niix(folder: str, out: str, compress: str) -> Callable[[], Any]:
    import dcm2niix as package

    command = [package.bin, "-b", "n", "-z", compress, "-f", "volume", "-o", out, folder]

    def work() -> dict[str, Any]:
        subprocess.run(command, check=True, capture_output=True)
        return {"bytes": _size(Path(out))}

    return work


def simpleitk(folder: str, out: str) -> Callable[[], Any]:
    """Read the series into memory; nothing is written."""
    import SimpleITK as sitk  # noqa: N813 (the name its users know)

    del out

    def work() -> dict[str, Any]:
        names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(folder)
        image = sitk.ReadImage(names)
        return {"bytes": 0, "planes": image.GetSize()[2]}

    return work


def dicom2nifti(folder: str, out: str) -> Callable[[], Any]:
    """Convert to NIfTI with gzip."""
    import dicom2nifti as package

    def work() -> dict[str, Any]:
        package.convert_directory(folder, out, compression=True, reorient=False)
        return {"bytes": _size(Path(out))}

    return work


def highdicom(folder: str, out: str) -> Callable[[], Any]:
    """Read the series into memory, rescaled; nothing is written."""
    import highdicom as package
    from pydicom import dcmread

    del out

    def work() -> dict[str, Any]:
        volume = package.get_volume_from_series([dcmread(p) for p in Path(folder).iterdir()])
        return {"bytes": 0, "planes": volume.array.shape[0]}

    return work


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


# The benchmark --------------------------------------------------------------------------------


def in_scratch(cache: Path, task: str, python: str | None = None, **arguments: Any) -> Any:
    """Measure a task in an output folder of its own, and remove the folder."""
    out = Path(tempfile.mkdtemp(prefix="out_", dir=cache))
    try:
        return measure.run(f"conversion.{task}", python, out=str(out), **arguments)
    finally:
        shutil.rmtree(out)


def tasks_for(
    cache: Path, folder: str, encoding: str, peers_python: str | None
) -> dict[str, Callable[[], measure.Measurement]]:
    """The tasks that convert one series, by name; with peers if their environment is given."""
    here = partial(in_scratch, cache, folder=folder)
    tasks: dict[str, Callable[[], measure.Measurement]] = {
        FLOOR: partial(here, "floor", encoding=encoding),
        "ct2zarr": partial(here, "ct2zarr", verify=0),
        "ct2zarr_verify_3": partial(here, "ct2zarr", verify=VERIFIED_PLANES),
    }
    for peer in PEERS if peers_python else ():
        tasks[peer] = partial(here, peer, python=peers_python)
    return tasks


def main() -> None:
    parser = measure.arguments_of(__doc__)
    parser.add_argument("--encodings", nargs="*", default=ENCODINGS, choices=ENCODINGS)
    arguments = parser.parse_args()

    from series import scan_folder

    found: dict[str, Any] = {}
    before = arguments.results / "conversion.json"
    if set(arguments.encodings) != set(ENCODINGS) and before.is_file():
        found = json.loads(before.read_text(encoding="utf-8"))["encodings"]  # of the others
    for encoding in arguments.encodings:
        print(f"conversion, {encoding}")
        folder = str(scan_folder(arguments.cache, arguments.planes, encoding))
        tasks = tasks_for(arguments.cache, folder, encoding, arguments.peers)
        ours = {name: task for name, task in tasks.items() if name not in PEERS}
        runs = measure.in_turn(ours, arguments.rounds)
        # Peers take ten times as long, and the noise of a round is small beside their difference.
        peers = {name: task for name, task in tasks.items() if name in PEERS}
        runs |= measure.in_turn(peers, max(1, arguments.rounds // 3))
        found[encoding] = {
            name: {
                **measure.summary(of_name),
                "to_floor": measure.ratio(of_name, runs[FLOOR]),
                "to_ct2zarr": measure.ratio(of_name, runs["ct2zarr"]),
            }
            for name, of_name in runs.items()
        }
        for name, numbers in found[encoding].items():
            print(f"  {name:32s} {numbers['cpu']:7.2f} s CPU, {numbers['to_floor']:.2f} x floor")
        content = {"planes": arguments.planes, "encodings": found}
        measure.save(arguments.results, "conversion", content)


if __name__ == "__main__":
    main()
