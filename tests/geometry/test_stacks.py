import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ct2zarr.geometry.spacing import written_unit
from ct2zarr.geometry.stacks import (
    slice_normal,
    stack_geometry,
    unit_orientation,
    vector_lengths,
)

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)


def axial(offsets, shear=(0.0, 0.0)):
    offsets = np.asarray(offsets, dtype=float)
    t = offsets - offsets[0]
    return np.stack((10 + shear[0] * t, 20 + shear[1] * t, offsets), axis=1)


def test_affine_maps_indices_to_the_header_positions_of_pixels():
    positions = axial([5, 7.5, 10])
    geometry = stack_geometry(positions, AXIAL, (0.8, 0.7))
    assert geometry.spacing == (2.5, 0.8, 0.7)
    # row index moves along the column direction by PixelSpacing[0], PS3.3 C.7.6.2.1.1
    assert np.allclose(geometry.index_to_lps @ [2, 3, 4, 1], [10 + 4 * 0.7, 20 + 3 * 0.8, 10, 1])
    assert geometry.max_position_error_mm < 1e-9


def test_spacing_comes_from_the_span_not_from_the_first_gap():
    geometry = stack_geometry(axial([0, 2.51, 5, 7.5]), AXIAL, (1, 1))
    assert geometry.spacing[0] == 2.5
    assert geometry.uniform


def test_normal_of_a_sagittal_stack_is_row_cross_column():
    assert slice_normal(SAGITTAL) == (-1.0, 0.0, 0.0)


def test_orientation_that_spans_no_plane_is_refused():
    with pytest.raises(ValueError, match="does not span a plane"):
        slice_normal((1, 0, 0, 1, 0, 0))


@pytest.mark.parametrize("degrees", [20.0, -20.0])
def test_tilt_is_measured_from_positions_with_its_sign(degrees):
    shear = math.tan(math.radians(degrees))
    geometry = stack_geometry(axial(np.arange(10) * 3.0, (0, shear)), AXIAL, (1, 1))
    assert geometry.tilt_degrees == pytest.approx(degrees)
    assert geometry.in_plane_shift_mm < 1e-9
    assert geometry.max_position_error_mm < 1e-9
    assert np.allclose(geometry.index_to_lps[:3, 0], [0, 3 * shear, 3])


def test_shear_along_the_rows_is_a_tilt_too():
    geometry = stack_geometry(axial(np.arange(10) * 3.0, (-0.5, 0)), AXIAL, (1, 1))
    assert geometry.tilt_degrees == pytest.approx(-math.degrees(math.atan(0.5)))
    assert geometry.drift_mm == pytest.approx(13.5)
    assert geometry.in_plane_shift_mm == pytest.approx(0, abs=1e-9)


def test_origin_off_the_line_is_a_shift_and_measured():
    positions = axial(np.arange(10) * 3.0)
    positions[4, 0] += 0.3
    geometry = stack_geometry(positions, AXIAL, (1, 1))
    assert geometry.in_plane_shift_mm == pytest.approx(0.3)
    assert geometry.max_position_error_mm == pytest.approx(0.3)


@pytest.mark.parametrize("decimals", [1, 2])
def test_steps_that_the_written_decimals_cannot_hold_are_not_uneven(decimals):
    positions = axial(np.round(np.arange(60) * 0.625 - 37.3, decimals))
    geometry = stack_geometry(positions, AXIAL, (1, 1))
    assert geometry.uniform
    assert geometry.missing is None


def test_a_hole_is_found_among_rounded_positions():
    exact = np.delete(np.arange(40) * 0.625, [11, 12])
    geometry = stack_geometry(axial(np.round(exact, 1)), AXIAL, (1, 1))
    assert geometry.missing is not None
    assert geometry.missing.count == 2


def test_a_plane_off_by_a_whole_decimal_is_no_rounding():
    offsets = np.arange(20) * 2.5
    offsets[7] += 0.1
    positions = axial(offsets)
    assert written_unit(positions, (0, 0, 1)) == pytest.approx(0.1)
    assert not stack_geometry(positions, AXIAL, (1, 1)).uniform


def test_one_plane_takes_the_declared_spacing():
    assert stack_geometry(axial([3]), AXIAL, (1, 1), hints=(4.0, 5.0)).spacing[0] == 4.0
    geometry = stack_geometry(axial([3]), AXIAL, (1, 1))
    assert geometry.spacing[0] == 1.0
    assert np.allclose(geometry.index_to_lps[:3, 0], [0, 0, 1])


cosines = st.floats(-math.pi, math.pi)


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(2, 40),
    step=st.floats(0.2, 10),
    a=cosines,
    b=cosines,
    c=cosines,
    shear=st.tuples(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5)),
)
def test_any_regular_stack_is_uniform_and_exact_in_its_affine(n, step, a, b, c, shear):
    z = np.array([[math.cos(a), -math.sin(a), 0], [math.sin(a), math.cos(a), 0], [0, 0, 1]])
    x = np.array([[1, 0, 0], [0, math.cos(b), -math.sin(b)], [0, math.sin(b), math.cos(b)]])
    y = np.array([[math.cos(c), 0, math.sin(c)], [0, 1, 0], [-math.sin(c), 0, math.cos(c)]])
    turn = z @ x @ y
    orientation = (*turn[:, 0], *turn[:, 1])
    move = turn @ [shear[0] * step, shear[1] * step, step]
    positions = np.array([100, -50, 7]) + np.arange(n)[:, None] * move
    geometry = stack_geometry(positions, orientation, (1, 1))
    assert geometry.uniform
    assert geometry.missing is None
    assert geometry.spacing[0] == pytest.approx(step)
    assert geometry.max_position_error_mm < 1e-6
    assert np.all(geometry.gaps_mm > 0)


# Exact boundaries, and two disturbances at once ---------------------------------------------------


@pytest.mark.parametrize("decimals", [2, 3])
def test_positions_of_a_third_of_a_millimetre_rounded_to_decimals_are_uniform(decimals):
    positions = axial(np.round(np.arange(80) * 0.3125 - 11.2, decimals))
    geometry = stack_geometry(positions, AXIAL, (1, 1))
    assert geometry.uniform
    assert geometry.missing is None


def test_rounding_to_one_decimal_explains_no_steps_that_are_nearly_as_small():
    positions = axial(np.round(np.arange(80) * 0.3125 - 11.2, 1))
    geometry = stack_geometry(positions, AXIAL, (1, 1))
    assert not geometry.uniform


def test_a_hole_among_positions_rounded_to_two_decimals_is_counted_exactly():
    exact = np.delete(np.arange(60) * 0.3125, [20, 21, 40])
    geometry = stack_geometry(axial(np.round(exact, 2)), AXIAL, (1, 1))
    assert geometry.missing is not None
    assert geometry.missing.count == 3
    assert geometry.missing.after == (19, 37)
    assert geometry.missing.spacing_mm == pytest.approx(0.3125, abs=2e-4)


def test_an_in_plane_shift_beside_a_hole_is_measured_against_the_line_of_the_stack():
    offsets = np.delete(np.arange(12) * 2.0, [5, 6])
    positions = axial(offsets, (0.0, 0.25))
    positions[7, 0] += 0.4
    geometry = stack_geometry(positions, AXIAL, (1, 1))
    assert geometry.in_plane_shift_mm == pytest.approx(0.4)
    assert geometry.tilt_degrees == pytest.approx(math.degrees(math.atan(0.25)))
    assert geometry.missing is not None
    assert geometry.missing.offsets_mm == (10.0, 12.0)
    assert geometry.max_position_error_mm > 0.4  # index_to_lps knows no holes


def test_a_shift_in_rows_and_columns_counts_as_one_distance():
    positions = axial(np.arange(5) * 2.0)
    positions[2] += [0.3, 0.4, 0.0]
    assert stack_geometry(positions, AXIAL, (1, 1)).in_plane_shift_mm == pytest.approx(0.5)


@pytest.mark.parametrize(("length", "spans"), [(0.901, True), (0.899, False), (1.099, True)])
def test_an_orientation_means_something_within_a_tenth_of_unit_length(length, spans):
    orientation = (length, 0, 0, 0, 1, 0)
    if spans:
        assert slice_normal(orientation) == (0.0, 0.0, 1.0)
    else:
        with pytest.raises(ValueError, match="does not span a plane"):
            slice_normal(orientation)


def test_an_orientation_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="does not span a plane"):
        slice_normal((math.nan, 0, 0, 0, 1, 0))


def test_a_stack_without_planes_is_refused():
    with pytest.raises(ValueError, match="at least one plane"):
        stack_geometry(np.empty((0, 3)), AXIAL, (1, 1))


def test_two_planes_at_one_position_take_the_declared_spacing():
    geometry = stack_geometry(axial([3, 3]), AXIAL, (1, 1), hints=(4.0,))
    assert geometry.spacing[0] == 4.0
    assert np.allclose(geometry.index_to_lps[:3, 0], [0, 0, 0])


def test_the_tilt_takes_its_sign_from_the_columns_unless_they_hardly_move():
    for shear, sign in (((-0.5, 0.1), 1), ((0.5, -0.1), -1), ((0.5, -1e-5), 1), ((-0.5, 1e-5), -1)):
        geometry = stack_geometry(axial(np.arange(5) * 3.0, shear), AXIAL, (1, 1))
        assert math.copysign(1, geometry.tilt_degrees) == sign, shear


def test_cosines_of_any_direction_and_length_become_unit_vectors_of_that_direction():
    row, column = np.array([2, 1, 2]) / 3, np.array([-2, 2, 1]) / 3
    scaled = (*(1.5 * row), *(0.5 * column))
    assert vector_lengths(scaled) == pytest.approx((1.5, 0.5))
    assert unit_orientation(scaled) == pytest.approx((*row, *column))
    rounded = (*np.round(row, 4), *np.round(column, 4))
    assert unit_orientation(rounded) == rounded
