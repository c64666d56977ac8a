"""The demonstration dataset is real DICOM, looks like a chest, and has the faults it promises."""

import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pydicom
import pytest

from ct2zarr.errors import SettingsError
from demonstration.chest_model import make_chest, paint_plane
from demonstration.series import MANUFACTURER, make_demonstration

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "make_demonstration.py"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demonstration") / "data"
    files = make_demonstration(folder, shrink=4)
    return folder, files


def headers(folder):
    return [pydicom.dcmread(path) for path in sorted(folder.glob("*.dcm"))]


def test_every_file_is_listed_and_named_files_exist(dataset):
    folder, files = dataset
    assert sorted(files) == sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.slow
def test_the_same_call_writes_the_same_files(dataset, tmp_path):
    folder, files = dataset
    again = make_demonstration(tmp_path, shrink=4)
    assert [p.relative_to(folder) for p in files] == [p.relative_to(tmp_path) for p in again]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(files, again, strict=True))


def test_all_persons_are_synthetic(dataset):
    _, files = dataset
    for path in files:
        if path.suffix == ".dcm":
            header = pydicom.dcmread(path, stop_before_pixels=True)
            assert str(header.PatientName).startswith("DEMO^")
            assert header.Manufacturer == MANUFACTURER


def test_planes_look_like_a_chest(dataset):
    folder, _ = dataset
    planes = [d for d in headers(folder / "DEMO-01" / "chest_soft") if "AXIAL" in d.ImageType]
    hu = np.stack([d.pixel_array.astype(int) + int(d.RescaleIntercept) for d in planes])
    middle = hu[len(hu) // 2]
    assert 0.1 < ((middle > -930) & (middle < -700)).mean() < 0.4  # lung
    assert 0.05 < ((middle > -150) & (middle < -50)).mean() < 0.25  # fat
    assert 0.05 < ((middle > 0) & (middle < 100)).mean() < 0.4  # muscle and blood
    assert 0.003 < (middle > 250).mean() < 0.08  # bone
    assert np.median(middle[:3]) == pytest.approx(-1000, abs=25)  # air


def test_a_sharp_kernel_is_noisier_than_a_soft_one(dataset):
    folder, _ = dataset
    soft = headers(folder / "DEMO-01" / "chest_soft")[8].pixel_array.astype(int)
    sharp = headers(folder / "DEMO-01" / "chest_lung")[8].pixel_array.astype(int)
    assert 2 < soft[1:5, 22:42].std() < 13
    assert sharp[1:5, 22:42].std() > 1.5 * soft[1:5, 22:42].std()


def test_each_series_has_what_it_demonstrates(dataset):
    folder, _ = dataset
    soft = headers(folder / "DEMO-01" / "chest_soft")
    assert ["LOCALIZER" in d.ImageType for d in soft] == [True] + [False] * 22
    assert len({d.SeriesInstanceUID for d in soft}) == 1

    lung = headers(folder / "DEMO-01" / "chest_lung")
    z = np.sort([float(d.ImagePositionPatient[2]) for d in lung])
    gaps = Counter(np.round(np.diff(z), 3))
    assert gaps == {10.0: 22, 20.0: 1}
    assert lung[0].PixelPaddingValue == lung[0].pixel_array[0, 0] == -2000

    contrast = headers(folder / "DEMO-02" / "chest_contrast")
    assert {d.file_meta.TransferSyntaxUID.name for d in contrast} == {
        "JPEG Lossless, Non-Hierarchical, First-Order Prediction (Process 14 [Selection Value 1])"
    }
    assert max(d.Rows for d in contrast) == 2 * max(d.Rows for d in lung)

    tilted = headers(folder / "DEMO-03" / "chest_tilted")
    step = np.subtract(tilted[0].ImagePositionPatient, tilted[1].ImagePositionPatient)
    cosines = np.array(tilted[0].ImageOrientationPatient, dtype=float)
    normal = np.cross(cosines[:3], cosines[3:])
    angle = np.degrees(np.arccos(step @ normal / np.linalg.norm(step)))
    assert angle == pytest.approx(12, abs=1e-3)

    phases = headers(folder / "DEMO-04" / "chest_two_phases")
    assert Counter(int(d.AcquisitionNumber) for d in phases) == {1: 10, 2: 10}
    assert len({tuple(d.ImagePositionPatient) for d in phases}) == 10
    first, second = phases[5].pixel_array, phases[15].pixel_array
    assert second.max() > first.max() or (second.astype(int) - first).max() > 100

    assert pydicom.dcmread(folder / "DEMO-02" / "dose_report.dcm").Modality == "SR"


def test_sop_instances_are_unique(dataset):
    _, files = dataset
    uids = [
        pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID
        for path in files
        if path.suffix == ".dcm"
    ]
    assert len(set(uids)) == len(uids)


def test_anatomy_is_where_it_belongs():
    chest = make_chest(1)
    axis = np.arange(-160.0, 160.0, 4.0)
    x, y, z = axis[None, :], axis[:, None], np.full((1, 1), 0.0)
    hu, lungs = paint_plane(chest, x, y, z, 2.0)
    assert lungs[40, 40 + 20] > 0.9  # 80 mm to the left of the middle
    assert lungs[40, 40 - 20] > 0.9
    assert lungs[40, 40] < 0.1
    assert hu[0, 40] == -1000
    assert hu[40 + 14, 40] > 50  # vertebra, 56 mm behind the middle


def test_a_folder_with_files_is_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(SettingsError, match="not an empty folder"):
        make_demonstration(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_the_script_explains_its_use():
    result = subprocess.run([sys.executable, SCRIPT], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "usage: python scripts/make_demonstration.py FOLDER" in result.stderr


@pytest.mark.slow
def test_the_full_dataset_is_small_enough(tmp_path):
    subprocess.run([sys.executable, SCRIPT, tmp_path / "data"], check=True)
    size = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    assert 20e6 < size < 120e6
