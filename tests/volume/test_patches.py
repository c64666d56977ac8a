"""Patches by index and by millimetre, interpolation on a regular grid, and Hounsfield units."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from converted import convert, plans_in, settings_for
from ct2zarr.errors import FileError
from ct2zarr.geometry.resampling import grid_around, resample
from ct2zarr.run.settings import EncodingSettings
from ct2zarr.volume.volume import Volume, open_volume
from handmade_volume import voxels, write_volume
from phantom import HU_PER_MM, hu_at, make_series

OBLIQUE = (0.96, 0, 0.28, 0, 1, 0)
UNEVEN = [(-11.0, -9.5, z) for z in (-14.0, -13, -12, -8, -4, 0, 1, 2, 3)]
INTERPOLATED = 1.0
"""HU error of a volume that was interpolated: 0.5 from rounding the source, 0.5 the result."""


def volume_of(folder: Path, **series: object) -> Volume:
    make_series(folder / "in", **series)  # type: ignore[arg-type]
    (plan,) = plans_in(folder / "in")
    return open_volume(convert(plan, settings_for(folder / "out")).paths.store)


@pytest.fixture
def volume(tmp_path: Path) -> Volume:
    return open_volume(write_volume(tmp_path / "v", voxels()))


def test_a_patch_by_index_is_the_slice_of_the_array(volume: Volume) -> None:
    np.testing.assert_array_equal(volume.patch((2, 5, 7), (4, 6, 8)), volume[2:6, 5:11, 7:15])


@pytest.mark.parametrize("start", [(-3, 0, 0), (8, 14, 15), (-2, -2, -2), (30, 0, 0), (0, -40, 0)])
def test_a_patch_beyond_the_volume_needs_a_fill_and_has_it(
    volume: Volume, start: tuple[int, int, int]
) -> None:
    size = (5, 6, 7)
    with pytest.raises(IndexError, match="give fill"):
        volume.patch(start, size)
    padded = np.pad(volume.numpy(), 50, constant_values=-1024)
    expected = padded[tuple(slice(s + 50, s + 50 + n) for s, n in zip(start, size, strict=True))]
    np.testing.assert_array_equal(volume.patch(start, size, fill=-1024), expected)


def test_a_patch_has_three_sizes_of_at_least_one_voxel(volume: Volume) -> None:
    for start, size in [((0, 0), (1, 1)), ((0, 0, 0), (0, 1, 1))]:
        with pytest.raises(IndexError, match="three starts and three sizes"):
            volume.patch(start, size)
    with pytest.raises(ValueError, match="three lengths"):
        volume.patch_mm((0, 0, 0), (10, 10))


def test_a_patch_by_millimetre_has_the_voxels_around_the_point(volume: Volume) -> None:
    """Spacing 2.5, 0.8, 0.7 mm: a box of 10, 4, 3.5 mm is 4, 5, 5 voxels."""
    center = volume.to_lps([4.5, 8, 9])
    found = volume.patch_mm(center, (10, 4, 3.5))
    np.testing.assert_array_equal(found, volume[3:7, 6:11, 7:12])
    with pytest.raises(IndexError, match="give fill"):
        volume.patch_mm(volume.to_lps([0, 8, 9]), (10, 4, 3.5))


@pytest.mark.parametrize(
    "series",
    [
        {"n": 9},
        {"n": 9, "tilt_degrees": 14.0, "orientation": OBLIQUE},
        {"n": 9, "positions": UNEVEN},
        {"n": 9, "drop": [4]},
    ],
    ids=["even", "tilted", "uneven", "missing"],
)
def test_an_interpolated_patch_has_the_phantoms_hu_at_its_points(
    tmp_path: Path, series: dict[str, object]
) -> None:
    volume = volume_of(tmp_path, **series)
    stack = volume.stack_geometry()
    middle = volume.to_lps([(n - 1) / 2 for n in volume.shape])
    center = middle + np.array([0.31, -0.17, 0.23])
    spacing = (1.1, 0.9, 1.3)
    patch = volume.patch_mm(center, (5.5, 4.5, 6.5), spacing=spacing)
    assert patch.shape == (5, 5, 5)
    steps = np.stack(np.indices((5, 5, 5)), axis=-1) - 2.0
    row, column = np.reshape(stack.orientation, (2, 3))
    axes = np.stack([stack.normal, column, row])
    points = center + (steps * spacing) @ axes
    assert np.abs(patch - hu_at(points)).max() <= INTERPOLATED


def test_uneven_planes_make_no_box_in_millimetres_without_a_spacing(tmp_path: Path) -> None:
    volume = volume_of(tmp_path, n=9, positions=UNEVEN)
    center = volume.to_lps([4, 12, 16])
    with pytest.raises(FileError, match=r"unevenly spaced.*give spacing"):
        volume.patch_mm(center, (5, 5, 5))


def test_an_interpolated_patch_beyond_the_volume_needs_a_fill(tmp_path: Path) -> None:
    volume = volume_of(tmp_path, n=9)
    corner = volume.to_lps([0, 0, 0])
    with pytest.raises(IndexError, match="give fill"):
        volume.patch_mm(corner, (10, 8, 7), spacing=(2.5, 0.8, 0.7))
    patch = volume.patch_mm(corner, (12.5, 7.2, 6.3), spacing=(2.5, 0.8, 0.7), fill=-1024)
    assert (patch[:2] == -1024).all()
    assert (patch[:, :4] == -1024).all()
    assert (patch[:, :, :4] == -1024).all()
    np.testing.assert_array_equal(patch[2:, 4:, 4:], volume[:3, :5, :5])
    far = volume.patch_mm(corner - 500, (12.5, 7.2, 6.3), spacing=(2.5, 0.8, 0.7), fill=-7)
    assert (far == -7).all()


# The whole volume on a regular grid.


def test_an_even_volume_is_not_changed_by_its_own_grid(tmp_path: Path) -> None:
    volume = volume_of(tmp_path, n=9, orientation=OBLIQUE)
    stack = volume.stack_geometry()
    grid = grid_around(stack, *volume.shape[1:])
    assert grid.shape == volume.shape
    np.testing.assert_allclose(grid.index_to_lps, volume.index_to_lps, atol=1e-6)
    shape = volume.shape[0], volume.shape[1], volume.shape[2]
    found = resample(volume.__getitem__, volume.dtype, shape, stack, grid, None)
    np.testing.assert_array_equal(found, volume.numpy())


@pytest.mark.parametrize("tilt", [0.0, 20.0])
def test_the_grid_covers_all_planes_and_only_known_places_have_values(
    tmp_path: Path, tilt: float
) -> None:
    volume = volume_of(tmp_path, n=9, tilt_degrees=tilt)
    stack = volume.stack_geometry()
    grid = grid_around(stack, *volume.shape[1:], spacing=(1.0, 0.8, 0.7))
    shape = volume.shape[0], volume.shape[1], volume.shape[2]
    found = resample(volume.__getitem__, np.float32, shape, stack, grid, -5000)
    known = found > -5000
    points = np.stack(np.indices(grid.shape), axis=-1) @ grid.index_to_lps[:3, :3].T
    error = np.abs(found - hu_at(points + grid.origin_lps))
    beyond = 0.5 * 0.8 * HU_PER_MM.sum()  # half a voxel beyond the last centre the edge goes on
    assert error[known].max() <= 0.5 + beyond
    assert np.median(error[known]) <= 0.5
    assert known.all() == (tilt == 0)
    assert known[0, :24].sum() + known[0, 24:].sum() >= 24 * 32


# Hounsfield units of stored values.


def stored_volume(folder: Path, **series: object) -> Volume:
    make_series(folder / "in", n=5, **series)  # type: ignore[arg-type]
    (plan,) = plans_in(folder / "in")
    encoding = EncodingSettings(values="stored", chunks=(5, 16, 16))
    return open_volume(convert(plan, settings_for(folder / "out", encoding=encoding)).paths.store)


@pytest.mark.parametrize(
    ("rescale", "dtype"),
    [
        ({"intercept": -1024}, np.int16),
        ({"slope": 0.5, "intercept": -1024}, np.float32),
        ({"intercept": 49000, "hu_offset": 50000.0}, np.int32),
        ({"slope": [1, 2, 1, 3, 1], "intercept": [-1024, -1000, -1024, -900, -1024]}, np.int16),
    ],
)
def test_stored_values_read_as_hounsfield_units(
    tmp_path: Path, rescale: dict[str, Any], dtype: type
) -> None:
    volume = stored_volume(tmp_path, **rescale)
    made = make_series(tmp_path / "again", n=5, **rescale)
    assert volume.units == ""
    hu = volume.hu
    assert (hu.units, hu.dtype, hu.values["kind"]) == ("HU", dtype, "hu")
    np.testing.assert_array_equal(hu.numpy(), made.hu)
    np.testing.assert_array_equal(hu[1:4, ::2, 5], made.hu[1:4, ::2, 5])
    np.testing.assert_array_equal(hu.patch((1, 2, 3), (2, 3, 4)), made.hu[1:3, 2:5, 3:7])
    assert hu[1, 2, 3] == made.hu[1, 2, 3]
    np.testing.assert_array_equal(volume.numpy(), np.stack(made.stored))
    if hu.values["minimum"] is not None:
        assert hu.values["minimum"] == made.hu.min()


def test_hounsfield_units_are_the_volume_itself_or_unknown(tmp_path: Path) -> None:
    volume = volume_of(tmp_path / "hu", n=4)
    assert volume.hu is volume
    without = ("RescaleSlope", "RescaleIntercept", "RescaleType")
    unknown = volume_of(tmp_path / "unknown", n=4, without=without)
    with pytest.raises(FileError, match="cannot become Hounsfield units: RescaleSlope"):
        _ = unknown.hu
