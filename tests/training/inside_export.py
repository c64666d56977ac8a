"""Volumes as images of SimpleITK and as NIfTI, in Python and on the command line."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
import SimpleITK
from dataset import UNEVEN, Dataset

import ct2zarr
from converted import convert, plans_in, settings_for
from ct2zarr.errors import FileError
from phantom import hu_at, make_series, real_set

COMMAND = Path(sys.executable).with_name("ct2zarr")
AFFINE_ERROR_MM = 1e-4
"""NIfTI has float32: 1e-5 of the largest coordinates, a few hundred mm."""

REGULAR = (
    "crlm_ct_1004",
    "dcmqi_ct_3slice",
    "ibsi2_orientation_phantom",
    "ibsi_sts_003",
    "panimg_enhanced_twin",
    "philips_head_phantom_study",
    "slicer_cthead_64",
)


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(COMMAND), *map(str, arguments)], capture_output=True, text=True, check=False
    )


def hu_error(image: nibabel.Nifti1Image) -> float:
    """Of a phantom's NIfTI through its own affine."""
    values = np.asarray(image.dataobj, np.float64)
    points = np.stack(np.indices(values.shape), axis=-1) @ image.affine[:3, :3].T
    return float(np.abs(values - hu_at((points + image.affine[:3, 3]) * [-1, -1, 1])).max())


def sitk_hu_error(image: SimpleITK.Image, ignore: float | None = None) -> float:
    values = SimpleITK.GetArrayFromImage(image).astype(np.float64)
    worst = 0.0
    for index in np.ndindex(values.shape):
        if values[index] != ignore:
            point = image.TransformIndexToPhysicalPoint([int(n) for n in index[::-1]])
            worst = max(worst, abs(values[index] - float(hu_at(point))))
    return worst


# NIfTI.


@pytest.mark.parametrize("name", REGULAR)
def test_voxels_and_affine_are_those_of_dcm2niix(tmp_path: Path, name: str) -> None:
    """Every volume of a regular set is one of those that dcm2niix makes of the same files."""
    source = real_set(name)
    from dcm2niix import bin as dcm2niix

    for folder in ("theirs", "ours"):
        (tmp_path / folder).mkdir()
    subprocess.run(
        [dcm2niix, "-b", "n", "-z", "n", "-f", "%s_%p", "-o", tmp_path / "theirs", source],
        check=False,  # it complains of files beside the images
        capture_output=True,
    )
    theirs = [nibabel.load(path) for path in (tmp_path / "theirs").glob("*.nii")]
    assert theirs
    for number, plan in enumerate(plans_in(source)):
        settings = settings_for(tmp_path / f"out{number}", chunks=(64, 64, 64), verify_slices=0)
        volume = ct2zarr.open_volume(convert(plan, settings).paths.store)
        if len(plan.planes) == 1:
            continue  # the spacing of one plane is nominal
        volume.to_nifti(tmp_path / "ours" / "v.nii")
        image = nibabel.load(tmp_path / "ours" / "v.nii")
        assert image.header["sform_code"] == image.header["qform_code"] == 1
        np.testing.assert_allclose(image.get_qform(), image.affine, atol=AFFINE_ERROR_MM)
        assert any(
            one.shape == image.shape
            and np.abs(one.affine - image.affine).max() < AFFINE_ERROR_MM
            and np.array_equal(one.get_fdata(), image.get_fdata())
            for one in theirs
        ), plan.series_uid


def test_a_nifti_file_is_made_in_one_call_from_each_store(dataset: Dataset, tmp_path: Path) -> None:
    for name in ("even", "oblique", "tilted"):
        image = ct2zarr.open_volume(dataset.path(name)).to_nifti(tmp_path / f"{name}.nii.gz")
        saved = nibabel.load(tmp_path / f"{name}.nii.gz")
        np.testing.assert_array_equal(saved.get_fdata(), image.get_fdata())
        assert saved.get_data_dtype() == np.int16
        assert saved.header.get_xyzt_units()[0] == "mm"
        assert hu_error(saved) <= 0.5001
        assert bool(saved.header["qform_code"]) == (name != "tilted"), "a quaternion has no shear"
        assert dataset.hashes[name] in str(saved.header["descrip"])


def test_uneven_planes_are_nifti_only_when_resampling_is_asked_for(
    zipped: Dataset, tmp_path: Path
) -> None:
    volume = ct2zarr.open_volume(zipped.path("uneven"))
    with pytest.raises(FileError, match=r"unevenly spaced \(1 to 4 mm\); ask for resampling"):
        volume.to_nifti(tmp_path / "v.nii")
    assert not list(tmp_path.iterdir())
    image = volume.to_nifti(tmp_path / "v.nii", resample=True)
    assert hu_error(image) <= 1.0
    assert image.shape[2] == len(UNEVEN)
    assert "interpolated" in str(nibabel.load(tmp_path / "v.nii").header["descrip"])
    fine = volume.to_nifti(resample=True, spacing=(1.0, 0.8, 0.7))
    assert fine.shape[2] == 18
    assert hu_error(fine) <= 1.0


def test_an_even_volume_is_not_interpolated_by_resample_alone(zipped: Dataset) -> None:
    volume = ct2zarr.open_volume(zipped.path("oblique"))
    plain, asked = volume.to_nifti(), volume.to_nifti(resample=True)
    np.testing.assert_array_equal(plain.get_fdata(), asked.get_fdata())
    np.testing.assert_array_equal(plain.affine, asked.affine)
    with pytest.raises(FileError, match="another spacing needs new voxels; ask for resampling"):
        volume.to_nifti(spacing=(1, 1, 1))


def test_a_volume_without_positions_is_refused(tmp_path: Path) -> None:
    make_series(tmp_path / "in", n=4, without=["ImagePositionPatient"])
    (plan,) = plans_in(tmp_path / "in")
    volume = ct2zarr.open_volume(convert(plan, settings_for(tmp_path / "out")).paths.store)
    for export in (volume.to_nifti, volume.to_sitk):
        with pytest.raises(FileError, match="no_geometry"):
            export(resample=True)


def test_stored_values_become_hounsfield_units_in_an_image(tmp_path: Path) -> None:
    stored = Dataset(tmp_path, ct2zarr.vocabulary.StoreType.DIR, values="stored")
    volume = ct2zarr.open_volume(stored.path("even"))
    assert volume.units == ""
    assert hu_error(volume.to_nifti()) <= 0.5001
    assert sitk_hu_error(volume.to_sitk()) <= 0.5001


# SimpleITK.


def test_an_image_of_simpleitk_has_the_phantoms_hu(dataset: Dataset) -> None:
    for name in ("even", "oblique"):
        volume = ct2zarr.open_volume(dataset.path(name))
        image = volume.to_sitk()
        assert sitk_hu_error(image) <= 0.5001
        assert image.GetSize() == volume.shape[::-1]
        assert image.GetPixelID() == SimpleITK.sitkInt16
        assert image.GetMetaData("ct2zarr_series_hash") == dataset.hashes[name]


@pytest.mark.parametrize(
    ("name", "why"), [("tilted", "gantry tilt of 15 degrees"), ("uneven", "unevenly spaced")]
)
def test_what_simpleitk_cannot_hold_is_refused_or_interpolated(
    zipped: Dataset, name: str, why: str
) -> None:
    volume = ct2zarr.open_volume(zipped.path(name))
    with pytest.raises(FileError, match=why):
        volume.to_sitk()
    image = volume.to_sitk(resample=True, fill=-5000)
    assert why in image.GetMetaData("ct2zarr_resampled")
    # Half a voxel beyond the outermost centre the edge goes on: 0.8 mm of 4.7 HU/mm.
    assert sitk_hu_error(image, ignore=-5000) <= 1.0 + 0.5 * 0.8 * 4.7


# The command line.


def test_the_command_exports_a_volume_by_the_suffix_of_its_target(
    zipped: Dataset, tmp_path: Path
) -> None:
    for name in ("v.nii", "v.nii.gz", "v.nrrd", "v.mha"):
        done = run("export", zipped.path("even"), tmp_path / "new" / name)
        assert (done.returncode, done.stdout.strip()) == (0, str(tmp_path / "new" / name))
    assert hu_error(nibabel.load(tmp_path / "new" / "v.nii.gz")) <= 0.5001
    for name in ("v.nrrd", "v.mha"):
        assert sitk_hu_error(SimpleITK.ReadImage(str(tmp_path / "new" / name))) <= 0.5001
    assert len(list((tmp_path / "new").iterdir())) == 4, "nothing else is left there"


def test_the_command_exports_a_summary_and_says_what_it_refuses(
    zipped: Dataset, tmp_path: Path
) -> None:
    done = run("export", zipped.summary, tmp_path / "n")
    assert done.returncode == 1
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith("error: ")
    assert "unevenly spaced (1 to 4 mm); ask for resampling" in sentence
    names = {f"{zipped.hashes[name]}.nii.gz" for name in ("even", "oblique", "tilted")}
    assert {path.name for path in (tmp_path / "n").iterdir()} == names
    done = run("export", zipped.summary, tmp_path / "m", "--format", "mha", "--resample")
    assert (done.returncode, done.stderr) == (0, "")
    said = [line for line in done.stdout.splitlines() if "interpolated linearly to" in line]
    assert len(said) == 2, done.stdout
    assert len(list((tmp_path / "m").iterdir())) == 4


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("{volume}", "{folder}/v.tiff"), 2, "v.tiff must end in one of .nii, .nii.gz, .nrrd"),
        (
            ("{volume}", "{folder}/v.nii", "--format", "mha"),
            2,
            "v.nii must end in .mha, the format that --format names",
        ),
        (
            ("{volume}", "{folder}/v.nii", "--spacing", "1", "1", "1"),
            2,
            "can only be used with --resample",
        ),
        (("{folder}/none.zarr", "{folder}/v.nii"), 1, "there is no such file or folder"),
        (("{folder}/none.csv", "{folder}/n"), 1, "none.csv does not exist"),
        (("{volume}", "/proc/nothing/v.nii"), 3, "cannot write"),
    ],
)
def test_a_mistake_is_one_sentence(
    zipped: Dataset, tmp_path: Path, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    names: dict[str, Any] = {"volume": zipped.path("even"), "folder": tmp_path}
    done = run("export", *[argument.format(**names) for argument in arguments])
    assert done.returncode == code, done.stderr
    assert sentence in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_the_command_says_which_package_is_missing(zipped: Dataset, tmp_path: Path) -> None:
    code = "import sys; sys.modules['nibabel'] = None; from ct2zarr.cli.command import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "export", str(zipped.path("even")), str(tmp_path / "v.nii")],
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ),
    )
    assert done.returncode == 2
    assert "needs nibabel, which is not installed" in done.stderr
    assert done.stderr.strip().endswith("pip install 'ct2zarr[nifti]'")
