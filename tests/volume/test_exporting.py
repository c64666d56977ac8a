"""What fits one affine is exported voxel by voxel; what does not is refused, or interpolated."""

from pathlib import Path

import numpy as np
import pytest

from converted import convert, plans_in, settings_for
from ct2zarr.codes import Code
from ct2zarr.errors import FileError
from ct2zarr.run.settings import EncodingSettings
from ct2zarr.volume.exporting import even_volume, write_whole
from ct2zarr.volume.volume import Volume, open_volume
from phantom import hu_at, make_series

OBLIQUE = (0.96, 0.0, 0.28, 0.0, 1.0, 0.0)
UNEVEN = [(-11.0, -9.5, z) for z in (-14.0, -13, -12, -8, -4, 0, 1, 2, 3)]


def volume_of(folder: Path, values: str = "hu", **series: object) -> Volume:
    make_series(folder / "in", **series)  # type: ignore[arg-type]
    (plan,) = plans_in(folder / "in")
    encoding = EncodingSettings(values=values, chunks=(5, 16, 16))  # type: ignore[arg-type]
    return open_volume(convert(plan, settings_for(folder / "out", encoding=encoding)).paths.store)


def hu_error(voxels: np.ndarray, matrix: np.ndarray, ignore: float | None = None) -> float:
    points = np.stack(np.indices(voxels.shape), axis=-1) @ matrix[:3, :3].T + matrix[:3, 3]
    error = np.abs(voxels - hu_at(points))
    return float(error[voxels != ignore].max())


@pytest.mark.parametrize("allow_shear", [True, False])
def test_an_even_volume_keeps_its_voxels(tmp_path: Path, allow_shear: bool) -> None:
    volume = volume_of(tmp_path, n=7, orientation=OBLIQUE)
    even = even_volume(volume, resample_uneven=True, allow_shear=allow_shear)
    np.testing.assert_array_equal(even.voxels, volume.numpy())
    np.testing.assert_allclose(even.index_to_lps, volume.index_to_lps, atol=1e-6)
    columns = even.index_to_lps[:3, :3] / volume.spacing
    np.testing.assert_allclose(columns.T @ columns, np.eye(3), atol=1e-12)
    assert (even.sheared, even.resampled) == (False, "")


def test_a_tilted_volume_keeps_its_voxels_only_where_a_shear_is_allowed(tmp_path: Path) -> None:
    volume = volume_of(tmp_path, n=7, tilt_degrees=12.0)
    even = even_volume(volume)
    assert even.sheared
    np.testing.assert_array_equal(even.index_to_lps, volume.index_to_lps)
    assert hu_error(even.voxels, even.index_to_lps) <= 0.5001
    with pytest.raises(FileError, match="gantry tilt of 12 degrees; ask for resampling") as raised:
        even_volume(volume, allow_shear=False)
    assert raised.value.code is Code.NOT_REGULAR
    squared = even_volume(volume, allow_shear=False, resample_uneven=True)
    assert "sheared by a gantry tilt of 12 degrees" in squared.resampled
    assert not squared.sheared


def test_uneven_planes_are_refused_or_interpolated(tmp_path: Path) -> None:
    volume = volume_of(tmp_path, n=9, positions=UNEVEN)
    with pytest.raises(FileError, match=r"unevenly spaced \(1 to 4 mm\); ask for resampling"):
        even_volume(volume)
    even = even_volume(volume, resample_uneven=True, spacing=(1.0, 0.8, 0.7), fill=-5000)
    assert even.resampled == (
        "interpolated linearly to 1 x 0.8 x 0.7 mm (z y x) from planes unevenly spaced (1 to 4 mm)"
    )
    assert hu_error(even.voxels, even.index_to_lps, ignore=-5000) <= 1.0


def test_another_spacing_needs_resampling(tmp_path: Path) -> None:
    volume = volume_of(tmp_path, n=7)
    with pytest.raises(FileError, match="another spacing needs new voxels"):
        even_volume(volume, spacing=(1.0, 1.0, 1.0))
    even = even_volume(volume, resample_uneven=True, spacing=(1.25, 0.8, 0.7))
    assert even.resampled.endswith("from even planes")
    assert even.voxels.shape[0] == 13


@pytest.mark.parametrize("values", ["hu", "stored"])
def test_outside_of_all_planes_is_the_smallest_value(tmp_path: Path, values: str) -> None:
    volume = volume_of(tmp_path, n=7, tilt_degrees=20.0, values=values)
    even = even_volume(volume, resample_uneven=True, allow_shear=False)
    lowest = volume.hu.numpy().min()
    assert even.voxels.min() == lowest
    assert (even.voxels == lowest).sum() > 100


def test_stored_values_are_exported_in_hounsfield_units_where_they_are_known(
    tmp_path: Path,
) -> None:
    volume = volume_of(tmp_path / "known", n=4, values="stored", intercept=-1000)
    np.testing.assert_array_equal(even_volume(volume).voxels, volume.hu.numpy())
    without = ("RescaleSlope", "RescaleIntercept", "RescaleType")
    unknown = volume_of(tmp_path / "unknown", n=4, without=without)
    np.testing.assert_array_equal(even_volume(unknown).voxels, unknown.numpy())


def test_a_file_appears_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "scan.nii.gz"
    path.write_text("old")

    def fail(temporary: Path) -> None:
        assert temporary.name.endswith("scan.nii.gz")
        temporary.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_whole(path, fail)
    assert [entry.name for entry in tmp_path.iterdir()] == ["scan.nii.gz"]
    assert path.read_text() == "old"
    write_whole(path, lambda temporary: temporary.write_text("new"))
    assert path.read_text() == "new"
