"""Measure ct2zarr and other converters on the hard cases, and write docs/correctness.md.

Usage: ``python benchmarks/correctness.py --peers PYTHON_OF_THE_PEERS_ENVIRONMENT`` (``make
correctness`` sets both environments up). Every case is a phantom whose HU is linear in patient mm.
An error of order, geometry or rescale therefore shows as an HU error at the positions that the
converter itself stores. Rounding accounts for half a unit, so 0.5 is exact.
"""

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom import Dataset

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests")]

import ct2zarr  # noqa: E402
import phantom  # noqa: E402

PEERS = ("dcm2niix", "simpleitk", "highdicom", "dicom2nifti")
SIZE = {"n": 40, "rows": 48, "columns": 56, "spacing": (2.5, 0.8, 0.7), "origin": (-20, -19, -50)}
PHASE_HU = 300.0
SECOND_PASS_HU = 28.0
"""Added to a second phase or pass, so that a volume that mixes both shows an HU error."""


@dataclass(frozen=True)
class Case:
    """One hard case.

    Attributes:
        planes: number of planes of a correct conversion.
        offsets: HU offset of each correct volume.
        environment: options of ct2zarr in this row.
        files: number of files, where it is larger than ``planes``.
    """

    name: str
    make: Callable[[Path], object]
    planes: int
    offsets: tuple[float, ...] = (0.0,)
    environment: tuple[tuple[str, str], ...] = ()
    files: int = 0


def duplicate_with_other_pixels(folder: Path) -> None:
    phantom.make_series(folder, duplicates={17: "other"}, **SIZE)


def localizer_of_the_same_matrix(folder: Path) -> None:
    series = phantom.make_series(folder, **SIZE)
    phantom.localizer(
        folder, series_uid=series.series_uid, rows=SIZE["rows"], columns=SIZE["columns"]
    )


def numbered_from(first: int) -> Callable[[int, Dataset], None]:
    """Number the frames of a phase from ``first``, as scanners continue through a series."""

    def edit(index: int, dataset: Dataset) -> None:
        dataset.InstanceNumber = first + index

    return edit


def two_phases(folder: Path) -> None:
    series = phantom.make_series(folder, name="a", AcquisitionNumber=1, **SIZE)
    phantom.make_series(
        folder, name="b", series_uid=series.series_uid, study_uid=series.study_uid,
        hu_offset=PHASE_HU, AcquisitionNumber=2, edit=numbered_from(41), **SIZE,
    )  # fmt: skip


def overlapping_second_pass(folder: Path) -> None:
    size = SIZE | {"n": 30}
    series = phantom.make_series(folder, name="a", AcquisitionNumber=1, **size)
    phantom.make_series(
        folder, name="b", series_uid=series.series_uid, study_uid=series.study_uid, start=10,
        hu_offset=SECOND_PASS_HU, AcquisitionNumber=2, edit=numbered_from(31), **size,
    )  # fmt: skip


def spacing_changes(folder: Path) -> None:
    z = np.concatenate([np.arange(20) * 2.0, 40.0 + np.arange(20) * 5.0]) - 50
    positions = np.column_stack([np.full(40, -20.0), np.full(40, -19.0), z])
    thickness = [2.0] * 20 + [5.0] * 20
    phantom.make_series(folder, positions=positions, SliceThickness=thickness, **SIZE)


def rescale_differs(folder: Path) -> None:
    intercepts = [-1024.0 if index % 2 else -1000.0 for index in range(40)]
    slopes = [1.0 if index % 3 else 0.5 for index in range(40)]
    phantom.make_series(folder, slope=slopes, intercept=intercepts, bits_stored=13, **SIZE)


def truncated_last_file(folder: Path) -> None:
    series = phantom.make_series(folder, shuffle_seed=None, **SIZE)
    phantom.truncate(series.paths[-1], keep=0.6)


def jitter(folder: Path) -> None:
    rng = np.random.default_rng(7)
    z = np.arange(40) * 2.5 - 50 + rng.uniform(-0.03, 0.03, 40)
    positions = np.column_stack([np.full(40, -20.0), np.full(40, -19.0), z])
    phantom.make_series(folder, positions=positions, **SIZE)


CASES = (
    Case("missing slice", lambda f: phantom.make_series(f, drop=[19], **SIZE), 39),
    Case("duplicate with other pixels", duplicate_with_other_pixels, 40, files=41),
    Case("localizer of the same matrix", localizer_of_the_same_matrix, 40, files=41),
    Case("two phases in one series", two_phases, 80, (0.0, PHASE_HU)),
    Case("overlapping second pass", overlapping_second_pass, 60, (0.0, SECOND_PASS_HU)),
    Case("gantry tilt 20°", lambda f: phantom.make_series(f, tilt_degrees=20, **SIZE), 40),
    Case("spacing 2 to 5 mm", spacing_changes, 40),
    Case("rescale differs by slice", rescale_differs, 40),
    Case("truncated last file", truncated_last_file, 40,
         environment=(("ON_BAD_SLICE", "drop"),)),
    Case("MONOCHROME1", lambda f: phantom.make_series(
        f, PhotometricInterpretation="MONOCHROME1", **SIZE), 40),
    Case("0.03 mm jitter in z", jitter, 40),
)  # fmt: skip


def volume_error(values: np.ndarray, points: Callable[[int], np.ndarray], case: Case) -> float:
    """Largest HU error of a volume, relative to the truth at the positions that it claims."""
    errors = []
    for offset in case.offsets:
        worst = 0.0
        for index, plane in enumerate(values):
            truth = phantom.hu_at(points(index)) + offset
            worst = max(worst, float(np.abs(plane.astype(np.float64) - truth).max()))
        errors.append(worst)
    return min(errors)


def affine_points(matrix: np.ndarray, rows: int, columns: int) -> Callable[[int], np.ndarray]:
    """Positions (rows, columns, 3) of a plane's pixels, by a (z, y, x, 1) to LPS matrix."""
    y, x = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")

    def points(index: int) -> np.ndarray:
        homogeneous = np.stack([np.full_like(y, index), y, x, np.ones_like(y)], axis=-1)
        return (homogeneous @ matrix.T)[..., :3]

    return points


def run_peer(python: str, tool: str, case: Case, folder: Path, out: Path) -> str:
    """The cell of the table for one peer."""
    done = subprocess.run(
        [python, ROOT / "benchmarks" / "peers.py", tool, folder, out],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    said = json.loads(done.stdout.splitlines()[-1])["said"]
    cells, planes = [], 0
    for path in sorted(out.glob("volume_*.npz")):
        volume = np.load(path)
        values, matrix = volume["values"], volume["index_to_lps"]
        planes += len(values)
        points = affine_points(matrix, *values.shape[1:])
        cells.append(f"{volume_error(values, points, case):.1f}")
    warned = "warns" if said or "WARNING" in done.stderr.upper() else "silent"
    if not cells:
        refused = any("refused" in text for text in said) or "Traceback" in done.stderr
        return "refuses" if refused else f"no output, {warned}"
    wrong = max(map(float, cells)) > 0.5 or planes < case.planes
    return " and ".join(cells) + count_of_planes(planes, case) + (f", {warned}" if wrong else "")


def count_of_planes(planes: int, case: Case) -> str:
    """The number of planes in words, if planes are missing or outnumber the files."""
    files = case.files or case.planes
    if planes < case.planes:
        return f", {planes} of {case.planes} planes"
    return f", {planes} planes of {files} files" if planes > files else ""


def run_ct2zarr(case: Case, folder: Path, out: Path) -> str:
    """The cell of the table for ct2zarr, run by its scripts."""
    environment = os.environ | dict(case.environment) | {
        "OUT_DIR": str(out / "manifests"), "DATASET_VERSION": "v1", "DATASET_V1_ROOT": str(folder),
        "NUM_SHARDS": "1", "OUT_ROOT": str(out), "STORE_TYPE": "dir", "VERIFY_SLICES": "all",
        "INPUT_CSV": str(out / "manifests" / "shards" / "series_shard_00.csv"),
    }  # fmt: skip
    for script in ("generate_manifest", "convert_dicom_to_volume"):
        subprocess.run(
            [sys.executable, ROOT / "scripts" / f"{script}.py"],
            env=environment, check=True, capture_output=True,
        )  # fmt: skip
    cells, planes, flags = [], 0, set()
    for path in sorted((out / "zarr_dir" / "data").glob("*.zarr")):
        volume = ct2zarr.open_volume(path)
        values = volume.read()
        planes += len(values)
        flags |= {str(flag) for flag in volume.flags}
        origins, spacing = np.asarray(volume.slice_origins_lps), volume.spacing
        error = volume_error(
            values,
            lambda i, o=origins, v=volume, s=spacing, shape=values.shape: phantom.plane_points(
                o[i], np.ravel(v.orientation), s[1:], *shape[1:]
            ),
            case,
        )
        cells.append(f"{error:.1f}")
    lost = count_of_planes(planes, case)
    shown = "; ".join(f"`{flag}`" for flag in sorted(flags)) or "no flag"
    return f"**{' and '.join(cells)}**{lost}: {shown}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", required=True, help="python of the peers' environment")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "correctness.md")
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        for number, case in enumerate(CASES):
            folder = Path(scratch) / f"case{number}" / "dicom"
            case.make(folder)
            cells = [run_ct2zarr(case, folder, folder.parent / "ct2zarr")]
            for tool in PEERS:
                cells.append(run_peer(arguments.peers, tool, case, folder, folder.parent / tool))
            rows.append(f"| {case.name} | " + " | ".join(cells) + " |")
            print(rows[-1], flush=True)
    text = (ROOT / "benchmarks" / "correctness.template.md").read_text(encoding="utf-8")
    table = "\n".join(
        ["| case | ct2zarr | " + " | ".join(PEERS) + " |", "|---" * (len(PEERS) + 2) + "|", *rows]
    )
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    arguments.out.write_text(
        text.format(table=table, date=today, version=ct2zarr.__version__), encoding="utf-8"
    )


if __name__ == "__main__":
    main()
