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


AXIAL = [1.0, 0, 0, 0, 1, 0]


def kept(offsets: list[float]) -> np.ndarray:
    """The coronal view of planes at these offsets, as whether each row shows something."""
    origins = np.array(offsets)[:, None] * np.array([0.0, 0.0, 1.0])
    placement = place_planes(len(offsets), (1, 1, 1), np.eye(3)[:2], origins)
    stacks = make_stacks(Array(np.ones((len(offsets), 3, 3))), placement, Limits(256, 32, 32))
    return ~np.isnan(stacks[1].pixels[0]).all(axis=1)[::-1]


@pytest.mark.parametrize(
    ("gap", "empty"),
    [(2.0, 0), (2.6, 0), (3.0, 0), (4.0, 1), (5.0, 0), (6.0, 2), (6.08, 3), (6.12, 0)],
)
def test_only_a_gap_of_whole_distances_is_left_empty(gap: float, empty: int) -> None:
    shown = kept([0, 2, 4, 6, 6 + gap, 8 + gap, 10 + gap])
    assert np.count_nonzero(~shown) == empty


def test_view_across_the_planes_has_a_row_per_usual_distance_and_two_at_least() -> None:
    assert len(kept([0, 2, 4, 6])) == 4
    assert len(kept([0, 2])) == 2
    assert len(kept(list(range(300)))) == 256


def test_one_plane_has_one_view() -> None:
    placement = place_planes(1, (5, 1, 1), np.eye(3)[:2], np.zeros((1, 3)))
    (only,) = make_stacks(Array(np.zeros((1, 4, 4))), placement, Limits(256, 32, 32))
    assert only.name == "axial"
    assert only.captions == ("plane 1 of 1",)


def test_pictures_are_spread_over_the_volume_and_say_where_they_are() -> None:
    voxels = np.zeros((100, 20, 30), dtype=np.int16)
    voxels += np.arange(100, dtype=np.int16)[:, None, None]
    placement = place_planes(100, (1, 1, 1), None, None)
    planes, rows, columns = make_stacks(Array(voxels), placement, Limits(10, 4, 5))
    assert planes.captions == tuple(f"plane {n} of 100" for n in (13, 38, 63, 88))
    assert planes.pixels[:, 0, 0].tolist() == [12, 37, 62, 87]
    assert rows.captions == tuple(f"row {n} of 20" for n in (2, 8, 11, 14, 20))
    assert columns.captions == tuple(f"column {n} of 30" for n in (5, 11, 17, 23, 29))


def test_few_pictures_are_all_there() -> None:
    placement = place_planes(4, (1, 1, 1), None, None)
    stacks = make_stacks(Array(np.zeros((4, 4, 4))), placement, Limits(10, 4, 4))
    assert [len(stack.captions) for stack in stacks] == [4, 4, 4]


@pytest.mark.parametrize("direction", [1, -1])
def test_scrolling_goes_from_the_feet_to_the_head(direction: int) -> None:
    cosines = [1, 0, 0, 0, direction, 0]
    source, orientation, origins = scanned([float(one) for one in cosines])
    placement = place_planes(12, (2.0, 1.0, 1.0), orientation, origins)
    axial, coronal, sagittal = make_stacks(source, placement, Limits(256, 32, 32))
    assert (np.diff(axial.pixels.mean(axis=(1, 2))) > 0).all()
    assert (np.diff(np.nanmean(coronal.pixels, axis=(1, 2))) > 0).all()
    assert (np.diff(np.nanmean(sagittal.pixels, axis=(1, 2))) > 0).all()
    planes = range(1, 13) if direction == 1 else range(12, 0, -1)
    assert axial.captions == tuple(f"plane {n} of 12" for n in planes)


def test_planes_shifted_out_of_all_proportion_are_shown_unshifted() -> None:
    source, cosines, origins = scanned(AXIAL, count=6)
    for shift, width in ((3.9, 10 + 20), (4.2, 10)):
        moved = origins + np.arange(6)[:, None] * [0.0, shift, 0.0]
        placement = place_planes(6, (2, 1, 1), cosines, moved)
        sagittal = make_stacks(source, placement, Limits(256, 32, 32))[2].pixels[0]
        assert sagittal.shape == (6, width)


def test_shift_of_the_first_plane_alone_moves_the_others_back() -> None:
    source, cosines, origins = scanned(AXIAL, count=4)
    moved = origins + np.array([[0, 2, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]])
    placement = place_planes(4, (2, 1, 1), cosines, moved)
    coronal = make_stacks(source, placement, Limits(256, 32, 32))[1]
    sagittal = make_stacks(source, placement, Limits(256, 32, 32))[2].pixels[0]
    first = [int(np.flatnonzero(~np.isnan(row))[0]) for row in sagittal[::-1]]
    assert first == [2, 0, 0, 0]
    assert len(coronal.captions) == 10


def test_geometry_of_another_number_of_planes_is_not_used() -> None:
    placement = place_planes(3, (2.5, 1, 1), np.eye(3)[:2], np.zeros((2, 3)))
    assert not placement.known
    assert placement.offsets.tolist() == [0, 2.5, 5]
    assert placement.usual_gap == 2.5


@pytest.mark.parametrize(("part", "letters"), [(0.19, ("R", "L")), (0.21, ("RA", "LP"))])
def test_second_letter_is_shown_beyond_twelve_degrees(
    part: float, letters: tuple[str, str]
) -> None:
    assert axis_letters(np.array([np.sqrt(1 - part**2), part, 0.0])) == letters


def test_row_midway_between_two_planes_shows_the_lower_one() -> None:
    voxels = np.zeros((8, 2, 2), dtype=np.int16) + np.arange(8, dtype=np.int16)[:, None, None]
    origins = np.arange(8)[:, None] * np.array([0.0, 0.0, 1.0])
    placement = place_planes(8, (1, 1, 1), np.eye(3)[:2], origins)
    coronal = make_stacks(Array(voxels), placement, Limits(4, 8, 2))[1].pixels[0]
    assert coronal[::-1, 0].tolist() == [0, 2, 4, 6]


class Noted:
    """A volume of zeros that notes which planes are read at once, as far as the reads allow."""

    def __init__(self, shape: tuple[int, int, int], reads: int) -> None:
        self.shape = shape
        self.reads: list[range] = []
        self.allowed = reads

    def read_planes(self, start: int, stop: int) -> np.ndarray:
        self.reads.append(range(start, stop))
        if len(self.reads) > self.allowed:
            raise EOFError
        return np.zeros((stop - start, *self.shape[1:]), np.int16)


@pytest.mark.parametrize(
    ("shape", "most"),
    [((130, 2048, 2048), 64), ((130, 2048, 2049), 63), ((3, 1, 1 << 28), 1), ((3, 1, 1 << 29), 1)],
    ids=str,
)
def test_no_more_than_a_chunk_and_no_more_than_fits_into_memory_is_read_at_once(
    shape: tuple[int, int, int], most: int
) -> None:
    source = Noted(shape, reads=0)
    placement = place_planes(shape[0], (1, 1, 1), None, None)
    with pytest.raises(EOFError):
        make_stacks(source, placement, Limits(shape[0], shape[0], 1))
    assert source.reads == [range(most)]


def test_planes_are_read_once_in_blocks_of_64() -> None:
    source = Noted((200, 4, 4), reads=4)
    placement = place_planes(200, (1, 1, 1), None, None)
    make_stacks(source, placement, Limits(200, 200, 1))
    assert source.reads == [range(64), range(64, 128), range(128, 192), range(192, 200)]


def test_planes_that_are_not_shown_are_not_read() -> None:
    source = Noted((200, 4, 4), reads=3)
    origins = np.arange(200)[:, None] * np.eye(3)[2]
    placement = place_planes(200, (1, 1, 1), np.eye(3)[:2], origins)
    make_stacks(source, placement, Limits(2, 1, 1))
    assert source.reads == [range(49, 50), range(100, 101), range(149, 150)]


PLAUSIBLE = (1.0, 0.5, 0.5)


@pytest.mark.parametrize("size", [1e-7, 1e5, 0.0, -1.0, np.nan])
@pytest.mark.parametrize("axis", range(3))
def test_voxels_of_no_possible_size_are_not_plausible(size: float, axis: int) -> None:
    sizes = [1.0, 0.5, 0.5]
    assert place_planes(4, PLAUSIBLE, None, None).is_plausible
    sizes[axis] = size
    assert not place_planes(4, (sizes[0], sizes[1], sizes[2]), None, None).is_plausible


@pytest.mark.parametrize(
    ("last", "plausible"),
    [([0, 0, 3], True), ([0, 0, 2], True), ([0, 0, 1.9], False), ([9e8, 0, 3], True),
     ([1e9, 0, 3], False), ([0, -1e9, 3], False), ([0, np.nan, 3], False)],
)  # fmt: skip
def test_planes_that_run_backwards_or_lie_at_no_possible_place_are_not_plausible(
    last: list[float], plausible: bool
) -> None:
    origins = np.array([[0, 0, 0], [0, 0, 1], [0, 0, 2], last], dtype=np.float64)
    assert place_planes(4, PLAUSIBLE, np.eye(3)[:2], origins).is_plausible is plausible
