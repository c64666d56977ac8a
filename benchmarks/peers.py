"""Run another converter on a folder and save its volumes (in the peers' environment).

Usage: ``python peers.py TOOL FOLDER OUT`` with TOOL one of dcm2niix, simpleitk, highdicom,
dicom2nifti. OUT gets ``volume_N.npz`` with ``values`` (planes, rows, columns) and
``index_to_lps`` (4, 4), (z, y, x, 1) to patient mm, from the tool's own geometry. The last line of
standard output is JSON: the number of volumes, and the warnings or the refusal of the tool.
"""

import contextlib
import json
import logging
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np

PHANTOM_HAS_NO_VENDOR = "Unable to determine manufacturer"
"""dcm2niix warns of this for every phantom, so the warning says nothing about the case."""

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def read_nifti(path: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Read the volumes of a NIfTI file, one per time point, with (z, y, x, 1) to LPS matrix."""
    import nibabel

    image = nibabel.load(path)
    data = np.asanyarray(image.dataobj)
    if data.ndim == 3:
        data = data[..., None]
    if data.ndim != 4:
        return []
    matrix = (RAS_TO_LPS @ image.affine)[:, [2, 1, 0, 3]]
    return [(np.transpose(data[..., t], (2, 1, 0)), matrix) for t in range(data.shape[3])]


def run_dcm2niix(folder: Path, out: Path, *options: str) -> tuple[list, list[str]]:
    import dcm2niix

    command = [dcm2niix.bin, "-b", "n", "-z", "n", *options, "-f", "v_%s", "-o", out, folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    messages = [line for line in lines if "arning" in line or "rror" in line]
    messages = [line for line in messages if PHANTOM_HAS_NO_VENDOR not in line]
    if done.returncode:
        messages.append(f"exit {done.returncode}")
    return [v for path in sorted(out.glob("*.nii")) for v in read_nifti(path)], messages


def run_simpleitk(folder: Path, out: Path) -> tuple[list, list[str]]:
    import SimpleITK as sitk  # noqa: N813 (the name its users know)

    del out
    volumes = []
    for series in sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder)):
        names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), series)
        image = sitk.ReadImage(names)
        columns = np.array(image.GetDirection()).reshape(3, 3) * np.array(image.GetSpacing())
        matrix = np.eye(4)
        matrix[:3, :3] = columns[:, [2, 1, 0]]
        matrix[:3, 3] = image.GetOrigin()
        volumes.append((sitk.GetArrayFromImage(image), matrix))
    return volumes, []


def run_highdicom(folder: Path, out: Path) -> tuple[list, list[str]]:
    import highdicom
    from pydicom import dcmread

    del out
    series: dict[str, list] = {}
    for path in sorted(folder.rglob("*.dcm")):
        dataset = dcmread(path)
        series.setdefault(dataset.SeriesInstanceUID, []).append(dataset)
    volumes = [highdicom.get_volume_from_series(datasets) for datasets in series.values()]
    return [(v.array, v.affine) for v in volumes], []


def run_dicom2nifti(folder: Path, out: Path) -> tuple[list, list[str]]:
    import dicom2nifti

    dicom2nifti.convert_directory(str(folder), str(out), compression=False, reorient=False)
    return [v for path in sorted(out.glob("*.nii")) for v in read_nifti(path)], []


RUNNERS = {
    "dcm2niix": run_dcm2niix,
    "simpleitk": run_simpleitk,
    "highdicom": run_highdicom,
    "dicom2nifti": run_dicom2nifti,
}


def main(tool: str, folder: Path, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    said: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno >= logging.WARNING:
                said.append(record.getMessage())

    logging.getLogger().addHandler(Listener())
    volumes: list = []
    with warnings.catch_warnings(record=True) as caught, contextlib.redirect_stdout(sys.stderr):
        warnings.simplefilter("always")
        # A peer that refuses is a result to report, whatever it raises.
        try:
            volumes, messages = RUNNERS[tool](folder, out)
            said += messages
        except Exception as error:  # noqa: BLE001
            said.append(f"refused: {type(error).__name__}: {error}")
    said += [str(w.message) for w in caught if not issubclass(w.category, DeprecationWarning)]
    for index, (values, matrix) in enumerate(volumes):
        np.savez(out / f"volume_{index}.npz", values=values, index_to_lps=matrix)
    print(json.dumps({"volumes": len(volumes), "said": said[:5]}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
