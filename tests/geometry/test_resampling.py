"""Resampling is exact for values that are linear in space, whatever the planes are like."""

import numpy as np
import pytest

from ct2zarr.geometry.resampling import Grid, grid_around, resample, stack_axes
from ct2zarr.geometry.stacks import stack_geometry

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
TILTED = (1.0, 0.0, 0.0, 0.0, float(np.cos(0.3)), -float(np.sin(0.3)))
ROWS, COLUMNS = 12, 10
SPACING = (0.8, 0.5)


def truth(points):
    return 40 + np.asarray(points) @ [3.0, -5.0, 7.0]


def linear_stack(z, orientation=AXIAL, shift=None):
    """A stack whose values are linear in space: its geometry, and how it is read."""
    origins = np.column_stack([np.zeros(len(z)), np.zeros(len(z)), np.asarray(z, float)])
    if shift is not None:
        origins[:, 0] += shift
    stack = stack_geometry(origins, list(orientation), SPACING, (1.0,))
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    y, x = np.mgrid[:ROWS, :COLUMNS]
    points = (
        stack.slice_origins_lps[:, None, None]
        + y[..., None] * SPACING[0] * column
        + x[..., None] * SPACING[1] * row
    )
    values = truth(points)
    return stack, values, lambda region: values[region]


@pytest.mark.parametrize(
    ("z", "orientation", "shift"),
    [
        ([0, 2, 4, 6], AXIAL, None),
        ([0, 2, 5, 6], AXIAL, None),
        ([0, 2, 4, 6], TILTED, None),
        ([0, 2, 4, 6], AXIAL, [0, 0.3, 0, 0.2]),
    ],
    ids=["even", "uneven", "tilted", "shifted"],
)
def test_values_that_are_linear_in_space_are_exact(z, orientation, shift):
    stack, values, read = linear_stack(z, orientation, shift)
    grid = grid_around(stack, ROWS, COLUMNS, (0.7, 0.6, 0.4))
    found = resample(read, np.float64, values.shape, stack, grid, np.nan)
    indices = np.stack(np.meshgrid(*map(np.arange, grid.shape), indexing="ij"), axis=-1)
    points = indices @ grid.index_to_lps[:3, :3].T + grid.index_to_lps[:3, 3]
    known = ~np.isnan(found)
    inside = np.abs(truth(points) - found)[known]
    assert known.mean() > 0.5
    # Within half a voxel of an edge the value of the edge is taken.
    steep = np.abs([3.0, -5.0, 7.0]).sum()
    assert np.quantile(inside, 0.5) < 1e-9
    assert inside.max() <= steep * 0.5 * max(SPACING)


def test_the_grid_around_regular_planes_is_the_stack_itself():
    stack, values, read = linear_stack([0, 2, 4])
    grid = grid_around(stack, ROWS, COLUMNS)
    assert grid.shape == values.shape
    assert grid.spacing == pytest.approx((2.0, *SPACING))
    found = resample(read, np.float64, values.shape, stack, grid, None)
    assert found == pytest.approx(values)


@pytest.mark.parametrize(
    "orientation",
    [AXIAL, TILTED, (1.05, 0.0, 0.0, 0.0, 0.97, 0.0), (0.6, 0.8, 0.0, 0.1, 0.0, -1.0)],
)
def test_axes_are_unit_vectors_square_to_each_other_whatever_the_cosines(orientation):
    stack = stack_geometry(np.array([[0.0, 0, 0], [0, 0, 2]]), list(orientation), SPACING, (1.0,))
    axes = stack_axes(stack)
    assert axes @ axes.T == pytest.approx(np.eye(3))
    assert axes[2] @ orientation[:3] == pytest.approx(np.linalg.norm(orientation[:3]))
    assert axes[1] @ orientation[3:] > 0
    assert axes[0] == pytest.approx(np.cross(axes[2], axes[1]))


def test_whole_numbers_are_rounded_not_cut():
    stack, values, _ = linear_stack([0, 2])
    whole = np.full(values.shape, 3, np.int16)
    whole[1] = 4
    grid = Grid(np.array([0.0, 0, 1.6]), stack_axes(stack), (1.0, *SPACING), (1, 2, 2))
    found = resample(lambda region: whole[region], np.int16, whole.shape, stack, grid, 0)
    assert found.dtype == np.int16
    assert found.tolist() == [[[4, 4], [4, 4]]]  # 3.8


@pytest.mark.parametrize(("z", "known"), [(-1.0, True), (-1.1, False), (5.0, True), (5.1, False)])
def test_a_plane_reaches_half_a_spacing_beyond_its_position_and_no_further(z, known):
    stack, values, read = linear_stack([0, 2, 4])
    grid = Grid(np.array([0.0, 0, z]), stack_axes(stack), (1.0, *SPACING), (1, 2, 2))
    found = resample(read, np.float64, values.shape, stack, grid, -1.0)
    assert (found[0, 0, 0] != -1.0) == known


@pytest.mark.parametrize(
    ("x", "known"), [(-0.25, True), (-0.26, False), (4.75, True), (4.76, False)]
)
def test_a_pixel_reaches_half_a_pixel_beyond_its_centre_and_no_further(x, known):
    stack, values, read = linear_stack([0, 2, 4])
    grid = Grid(np.array([x, 0, 2.0]), stack_axes(stack), (1.0, *SPACING), (1, 1, 1))
    found = resample(read, np.float64, values.shape, stack, grid, -1.0)
    assert (found[0, 0, 0] != -1.0) == known


def test_without_a_fill_value_a_grid_outside_of_the_source_is_an_error():
    stack, values, read = linear_stack([0, 2, 4])
    for origin in ([0.0, 0, 9.0], [99.0, 0, 2.0]):
        grid = Grid(np.array(origin), stack_axes(stack), (1.0, *SPACING), (1, 2, 2))
        with pytest.raises(IndexError, match="reaches outside"):
            resample(read, np.float64, values.shape, stack, grid, None)


def test_only_the_region_that_the_grid_needs_is_read():
    stack, values, _ = linear_stack([0, 2, 4, 6])
    asked = []

    def read(region):
        asked.append(region)
        return values[region]

    grid = Grid(np.array([1.0, 1.6, 2.5]), stack_axes(stack), (1.0, *SPACING), (1, 2, 2))
    resample(read, np.float64, values.shape, stack, grid, None)
    assert asked == [(slice(1, 3), slice(2, 4), slice(2, 4))]
