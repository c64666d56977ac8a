"""Tolerances in mm hold for voxels of a patient's size, and shrink with smaller ones."""

import pytest

from ct2zarr.geometry.tolerances import (
    copied_position_tolerance,
    float_noise,
    in_plane_tolerance,
    smallest_step,
    varying_numbers,
)


@pytest.mark.parametrize(
    ("pixel_spacing", "due"),
    [((0.5, 0.5), 0.1), ((0.8, 0.7), 0.1), ((0.4, 2.0), 0.08), ((2.0, 0.01), 0.002)],
)
def test_a_plane_may_lie_off_by_a_tenth_of_a_millimetre_but_never_more_than_a_share_of_a_pixel(
    pixel_spacing, due
):
    assert in_plane_tolerance(pixel_spacing) == pytest.approx(due)


@pytest.mark.parametrize("function", [smallest_step, copied_position_tolerance])
@pytest.mark.parametrize(
    ("pixel_spacing", "due"),
    [((0.8, 0.7), 1e-3), ((0.1, 0.1), 1e-3), ((0.7, 0.0007), 7e-6), ((0.0007, 0.7), 7e-6)],
)
def test_a_micrometre_is_one_position_unless_pixels_are_that_small(function, pixel_spacing, due):
    assert function(pixel_spacing) == pytest.approx(due)


@pytest.mark.parametrize(("spacing", "due"), [(2.5, 1e-7), (0.01, 1e-7), (0.001, 1e-8)])
def test_noise_of_arithmetic_is_a_share_of_a_small_spacing(spacing, due):
    assert float_noise(spacing) == pytest.approx(due)


@pytest.mark.parametrize(
    ("values", "vary"),
    [
        ([], False),
        ([0.0, -1.0], False),
        ([120.0], False),
        ([120.0, 0.0], False),
        ([120.0, 119.0], False),
        ([120.0, 118.7], True),
        ([80.0, 140.0], True),
    ],
)
def test_numbers_vary_where_they_differ_by_more_than_a_hundredth_of_the_largest(values, vary):
    assert varying_numbers(values) is vary
