import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ct2zarr.geometry.stacks import (
    LISTED_MISSING,
    is_uniform,
    slice_normal,
    spacing_of,
    stack_geometry,
    written_unit,
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


def test_origin_off_the_line_is_a_shift_and_measured():
    positions = axial(np.arange(10) * 3.0)
    positions[4, 0] += 0.3
    geometry = stack_geometry(positions, AXIAL, (1, 1))
    assert geometry.in_plane_shift_mm == pytest.approx(0.3)
    assert geometry.max_position_error_mm == pytest.approx(0.3)


def test_jitter_within_one_percent_of_the_grid_is_uniform_and_beyond_is_not():
    offsets = np.arange(10) * 5.0
    offsets[4] += 0.049
    assert is_uniform(offsets)
    offsets[4] += 0.02
    assert not is_uniform(offsets)
    assert spacing_of(offsets).kind == "uneven"


def test_missing_planes_are_counted_and_placed_on_the_grid():
    found = spacing_of(np.array([0, 2.5, 5, 12.5, 15, 20, 22.5]))
    assert found.kind == "missing"
    assert found.missing.count == 3
    assert found.missing.after == (2, 4)
    assert found.missing.offsets_mm == (7.5, 10.0, 17.5)
    assert found.missing.spacing_mm == pytest.approx(2.5)


def test_three_equal_wide_gaps_are_a_change_of_spacing_not_missing_planes():
    assert spacing_of(np.array([0, 2, 4, 6, 8, 12, 16, 20.0])).kind == "uneven"
    assert spacing_of(np.array([0, 2, 4, 6, 8, 12, 16.0])).kind == "missing"


def test_wide_gaps_that_outnumber_the_base_gaps_need_a_declared_spacing():
    offsets = np.array([0, 2, 4, 5, 6, 8, 10.0])
    assert spacing_of(offsets, hints=(2.0,)).kind == "uneven"
    assert spacing_of(offsets, hints=(1.0,)).kind == "missing"


def test_gaps_without_a_common_measure_are_uneven():
    assert spacing_of(np.array([0, 2, 4, 7, 9.0])).kind == "uneven"


def test_declared_spacing_finds_the_grid_where_no_neighbours_are_left():
    offsets = np.cumsum([0, 5.0, 7.5, 5.0])
    assert spacing_of(offsets).kind == "uneven"
    found = spacing_of(offsets, hints=(2.5,))
    assert found.kind == "missing"
    assert found.missing.count == 1 + 2 + 1


@pytest.mark.parametrize(("last", "kind"), [(9.0, "missing"), (10.0, "uneven"), (5e3, "uneven")])
def test_holes_never_outnumber_planes(last, kind):
    offsets = np.array([0, 1, 2, 3, last])
    for hints in ((), (1.0,)):
        found = spacing_of(offsets, hints)
        assert (found.kind, found.irregular_gaps) == (kind, 1)


@pytest.mark.parametrize(
    ("numbers", "kind"),
    [([1, 2, 3, 91], "missing"), ([91, 90, 89, 1], "missing"), ([1, 2, 3, 90], "uneven")],
)
def test_holes_outnumber_planes_where_instance_numbers_count_them(numbers, kind):
    offsets, numbers = np.array([0, 1, 2, 90.0]), np.array(numbers)
    found = spacing_of(offsets, (), 0.0, numbers, steps_count=False)
    assert found.kind == kind
    assert kind == "uneven" or found.missing.count == 87


@pytest.mark.parametrize("hints", [(), (2.5,), (2.5, 0.05)])
def test_two_passes_a_fiftieth_of_the_spacing_apart_are_no_grid_with_holes(hints):
    offsets = np.sort(np.concatenate([np.arange(12) * 2.5, np.arange(12) * 2.5 + 0.05]))
    found = spacing_of(offsets, hints)
    assert (found.kind, found.missing) == ("uneven", None)
    assert found.irregular_gaps > 10


def test_every_second_plane_gone_is_seen_by_instance_numbers_only():
    offsets = np.arange(8) * 5.0
    assert spacing_of(offsets).missing is None
    assert spacing_of(offsets, numbers=np.arange(1, 9)).missing is None
    found = spacing_of(offsets, numbers=np.arange(1, 17, 2))
    assert found.kind == "uniform"
    assert found.missing.count == 7


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


@pytest.mark.parametrize(("off", "uniform"), [(0.0999, True), (0.1001, False)])
def test_one_percent_of_the_mean_spacing_is_the_limit(off, uniform):
    offsets = np.arange(11) * 10.0
    offsets[3] += off
    assert is_uniform(offsets) is uniform
    offsets[3] -= 2 * off
    assert is_uniform(offsets) is uniform


def test_two_planes_are_always_uniform_and_three_need_not_be():
    assert is_uniform(np.array([0.0, 7.0]))
    assert not is_uniform(np.array([0.0, 1.0, 7.0]))


@pytest.mark.parametrize(("skip", "count"), [(2, 1), (3, 2)])
def test_a_single_gap_with_skipped_numbers_needs_a_declared_spacing(skip, count):
    offsets, numbers = np.array([0.0, 5.0 * skip]), np.array([1, 1 + skip])
    assert spacing_of(offsets, (), 0.0, numbers).missing is None
    found = spacing_of(offsets, (5.0,), 0.0, numbers)
    assert found.missing is not None
    assert found.missing.count == count
    assert spacing_of(offsets, (5.0 * 1.02,), 0.0, numbers).missing is None


@pytest.mark.parametrize("skip", [2, 10])
def test_numbers_may_run_in_steps_where_the_declared_spacing_is_the_measured_one(skip):
    offsets, numbers = np.arange(12) * 2.5, np.arange(12) * skip + 1
    assert spacing_of(offsets, (2.5,), 0.0, numbers).missing is None
    assert spacing_of(offsets, (2.5, 2.5 / skip), 0.0, numbers).missing is None
    assert spacing_of(offsets, (5.0, 2.5), 0.0, numbers).missing is None
    found = spacing_of(offsets, (2.5 / skip, 2.5), 0.0, numbers)
    assert found.missing.count == 11 * (skip - 1)


def test_numbers_alone_make_no_more_holes_than_there_are_planes():
    offsets = np.arange(12) * 2.5
    assert spacing_of(offsets, (), 0.0, np.arange(12) * 2).missing.count == 11
    assert spacing_of(offsets, (), 0.0, np.arange(12) * 3).missing is None


def test_two_gaps_with_skipped_numbers_count_by_the_declared_spacing():
    offsets, numbers = np.array([0.0, 10.0, 20.0]), np.array([1, 3, 5])
    found = spacing_of(offsets, (5.0,), 0.0, numbers)
    assert found.missing is not None
    assert found.missing.offsets_mm == (5.0, 15.0)
    assert spacing_of(offsets, (10.0,), 0.0, numbers).missing is None


@pytest.mark.parametrize(("planes", "seen"), [(3, False), (4, True)])
def test_three_equal_skips_are_evidence_enough_and_two_are_not(planes, seen):
    offsets, numbers = np.arange(planes) * 5.0, np.arange(planes) * 2 + 1
    assert (spacing_of(offsets, (), 0.0, numbers).missing is not None) is seen


def test_skips_that_differ_are_no_thinning():
    offsets = np.arange(6) * 5.0
    assert spacing_of(offsets, (), 0.0, np.array([1, 3, 5, 7, 9, 12])).missing is None
    assert spacing_of(offsets, (), 0.0, np.array([11, 9, 7, 5, 3, 1])).missing.count == 5


def test_two_wide_gaps_in_a_row_are_holes_and_three_are_another_spacing():
    two = spacing_of(np.array([0, 1, 2, 3, 4, 6, 8, 9, 10.0]))
    assert two.kind == "missing"
    assert two.irregular_gaps == 2
    three = spacing_of(np.array([0, 1, 2, 3, 4, 6, 8, 10, 11, 12.0]))
    assert three.kind == "uneven"
    assert three.irregular_gaps == 3


def test_wide_gaps_of_different_width_are_no_run():
    found = spacing_of(np.array([0, 1, 2, 3, 4, 5, 7, 10, 12, 13.0]))
    assert found.kind == "missing"
    assert found.missing.count == 4


def test_as_many_narrow_gaps_as_wide_ones_need_no_declared_spacing():
    assert spacing_of(np.array([0, 1, 3, 4, 6.0])).kind == "missing"
    assert spacing_of(np.array([0, 2, 3, 5.0])).kind == "uneven"


def test_an_uneven_stack_counts_at_least_one_irregular_gap():
    drift = np.cumsum(np.concatenate(([0], 1 + 0.004 * np.arange(20))))
    found = spacing_of(drift)
    assert found.kind == "uneven"
    assert found.irregular_gaps >= 1


def test_a_gap_counts_as_irregular_from_two_percent_of_the_usual_one():
    def irregular(by: float) -> int:
        gaps = np.full(12, 1.0)
        gaps[[2, 9]] += by, 0.5
        return spacing_of(np.concatenate(([0.0], np.cumsum(gaps)))).irregular_gaps

    assert irregular(0.019) == 1
    assert irregular(0.021) == 2


@pytest.mark.parametrize(
    ("positions", "unit"),
    [([1.0, 2.0], 0.1), ([1.1, 2.0], 0.1), ([1.25, 2.0], 0.01), ([1.125, 2.0], 0.001)],
)
def test_the_unit_is_that_of_the_fewest_decimals_that_hold_all_positions(positions, unit):
    places = np.array([[0, 0, z] for z in positions])
    assert written_unit(places, (0, 0, 1)) == pytest.approx(unit)


def test_positions_of_many_decimals_have_no_unit_and_an_oblique_normal_a_wider_one():
    assert written_unit(np.array([[0, 0, 1.123456789]]), (0, 0, 1)) == 0.0
    assert written_unit(np.array([[0, 0, 0.0012]]), (0, 0, 1)) == pytest.approx(1e-4)
    assert written_unit(np.array([[0, 0, 1.1]]), (0.0, 0.6, -0.8)) == pytest.approx(0.14)


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


def test_listed_offsets_of_holes_stop_at_the_limit_across_holes():
    found = spacing_of(np.concatenate([np.arange(700), np.arange(1300, 1900), [2500.0]]))
    assert found.missing.count == 1200
    assert found.missing.after == (699, 1299)
    assert len(found.missing.offsets_mm) == LISTED_MISSING
    assert found.missing.offsets_mm[:2] == (700.0, 701.0)
    assert found.missing.offsets_mm[600] == 1900.0


def test_offsets_of_holes_keep_their_digits_at_any_scale():
    found = spacing_of(np.array([0, 1, 2, 3, 5.0]) * 7e-4)
    assert found.missing.offsets_mm == (0.0028,)
    found = spacing_of(np.array([0, 1, 2, 3, 5.0]) * 7.77e-5)
    assert found.missing.offsets_mm == (0.0003108,)
