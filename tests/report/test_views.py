"""Views hang as radiologists expect, in the size that the volume has in the patient."""

import numpy as np
import pytest

from ct2zarr.report.views import Limits, axis_letters, make_stacks, match_axes, place_planes


class Array:
    """A volume in memory."""

    def __init__(self, voxels: np.ndarray) -> None:
        self.voxels = voxels

    @property
    def shape(self) -> tuple[int, int, int]:
        planes, rows, columns = self.voxels.shape
        return planes, rows, columns

    def read_planes(self, start: int, stop: int) -> np.ndarray:
        return self.voxels[start:stop]


def scanned(
    orientation: list[float], step: float = 2.0, count: int = 12
) -> tuple[Array, np.ndarray, np.ndarray]:
    """Voxels that say where they lie: 100 to the patient's left, 10 behind, 1 up."""
    cosines = np.array(orientation, dtype=np.float64).reshape(2, 3)
    normal = np.cross(*cosines)
    origins = np.arange(count)[:, None] * step * normal
    z, y, x = np.indices((count, 10, 8))
    points = z[..., None] * step * normal + y[..., None] * cosines[1] + x[..., None] * cosines[0]
    return Array((points @ [100.0, 10.0, 1.0]).astype(np.float32)), cosines, origins


@pytest.mark.parametrize(
    "orientation",
    [
        [1, 0, 0, 0, 1, 0],
        [-1, 0, 0, 0, 1, 0],
        [1, 0, 0, 0, 0, -1],
        [0, 1, 0, 0, 0, -1],
        [0, -1, 0, 1, 0, 0],
    ],
    ids=["axial", "axial mirrored", "coronal", "sagittal", "axial turned"],
)
def test_views_hang_as_radiologists_expect_for_any_scan_direction(
    orientation: list[float],
) -> None:
    source, cosines, origins = scanned(orientation)
    placement = place_planes(12, (2.0, 1.0, 1.0), cosines, origins)
    stacks = {s.name: s for s in make_stacks(source, placement, Limits(256, 32, 32))}
    assert list(stacks) == ["axial", "coronal", "sagittal"]
    assert stacks["axial"].letters == ("R", "L", "A", "P")
    assert stacks["coronal"].letters == ("R", "L", "H", "F")
    assert stacks["sagittal"].letters == ("A", "P", "H", "F")
    steps = {"axial": (100, 10), "coronal": (100, -1), "sagittal": (10, -1)}
    for name, (right, down) in steps.items():
        pixels = stacks[name].pixels
        assert np.sign(np.diff(pixels, axis=2)).min() == np.sign(right), name
        assert np.sign(np.diff(pixels, axis=1)).max() == np.sign(down), name


def test_views_keep_the_aspect_of_the_patient() -> None:
    source, cosines, origins = scanned([1, 0, 0, 0, 1, 0], step=2.5, count=20)
    placement = place_planes(20, (2.5, 0.5, 0.8), cosines, origins)
    axial, coronal, sagittal = make_stacks(source, placement, Limits(256, 32, 32))
    assert (axial.width_mm, axial.height_mm) == pytest.approx((6.4, 5.0))
    assert (coronal.width_mm, coronal.height_mm) == pytest.approx((6.4, 50.0))
    assert (sagittal.width_mm, sagittal.height_mm) == pytest.approx((5.0, 50.0))


def test_missing_planes_leave_an_empty_band() -> None:
    source, cosines, origins = scanned([1, 0, 0, 0, 1, 0], count=12)
    kept = np.array([0, 1, 2, 3, 4, 7, 8, 9, 10, 11])
    placement = place_planes(10, (2.4, 1, 1), cosines, origins[kept])
    stacks = make_stacks(Array(source.voxels[kept]), placement, Limits(256, 32, 32))
    coronal = stacks[1].pixels
    empty = np.isnan(coronal).all(axis=(0, 2))
    assert coronal.shape[1] == 12
    assert np.flatnonzero(empty).tolist() == [5, 6]  # seen from the head, so 11 - 6 and 11 - 5


def test_tilt_is_undone_in_the_sagittal_view() -> None:
    source, cosines, origins = scanned([1, 0, 0, 0, 1, 0], count=8)
    tilted = origins + np.arange(8)[:, None] * [0.0, 1.0, 0.0]
    placement = place_planes(8, (2, 1, 1), cosines, tilted)
    sagittal = make_stacks(source, placement, Limits(256, 32, 32))[2].pixels[0]
    first = [int(np.flatnonzero(~np.isnan(row))[0]) for row in sagittal]
    assert first == list(range(7, -1, -1))


def test_large_planes_are_reduced_by_their_mean() -> None:
    voxels = np.random.default_rng(0).integers(-1000, 1000, (3, 600, 400)).astype(np.int16)
    placement = place_planes(3, (1, 1, 1), None, None)
    picture = make_stacks(Array(voxels), placement, Limits(200, 3, 3))[0].pixels
    expected = voxels.reshape(3, 200, 3, 400)[:, :, :, :399].reshape(3, 200, 3, 133, 3)
    assert picture.shape == (3, 200, 134)
    assert picture[:, :, :133] == pytest.approx(expected.mean(axis=(2, 4)), abs=1e-3)


def test_volume_without_geometry_has_views_without_letters() -> None:
    placement = place_planes(4, (1, 1, 1), None, None)
    stacks = make_stacks(Array(np.zeros((4, 5, 6))), placement, Limits(256, 32, 32))
    assert [stack.name for stack in stacks] == ["planes", "rows", "columns"]
    assert {stack.letters for stack in stacks} == {("", "", "", "")}


def test_oblique_axis_has_two_letters() -> None:
    assert axis_letters(np.array([0.0, 0.9, -0.436])) == ("AH", "PF")
    assert axis_letters(np.array([-1.0, 0.1, 0.0])) == ("L", "R")


def test_axes_are_matched_one_to_one() -> None:
    turned = np.array([[0.6, 0.6, 0.53], [0.1, 0.7, -0.7], [0.79, -0.4, -0.46]])
    assert sorted(match_axes(turned)) == [0, 1, 2]
