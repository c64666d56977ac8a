"""Direction cosines that are not exact still give one orientation of unit vectors."""

import math

import numpy as np
import pytest

from ct2zarr.plan.orientation import common_orientation, inexact_orientation, spans_a_plane
from series_of import AXIAL, frame


def planes(*orientations):
    return [frame(i + 1, 2.0 * i, orientation=one) for i, one in enumerate(orientations)]


@pytest.mark.parametrize("length", [0.011, 0.7, 1.0, 1.04, 99.0])
def test_crossed_vectors_of_any_length_that_means_something_span_a_plane(length):
    assert spans_a_plane((length, 0, 0, 0, 1, 0))
    assert spans_a_plane((1, 0, 0, 0, 0, length))


@pytest.mark.parametrize(
    "orientation",
    [
        None,
        (0, 0, 0, 0, 0, 0),
        (1, 0, 0, 0, 0, 0),
        (0.009, 0, 0, 0, 1, 0),
        (101, 0, 0, 0, 1, 0),
        (1, 0, 0, 1, 0, 0),
        (1, 0, 0, 0.45, 0.89, 0),
        (math.nan, 0, 0, 0, 1, 0),
        (1, 0, 0, 0, math.inf, 0),
    ],
)
def test_other_vectors_span_none(orientation):
    assert not spans_a_plane(orientation)


def test_vectors_of_length_one_but_for_rounding_stay_as_they_are():
    rounded = (0.70711, 0.70711, 0.0, 0.0, 0.0, -1.0)
    assert common_orientation(planes(rounded)) == rounded
    assert inexact_orientation(planes(rounded)) is None


def test_the_first_of_nearly_equal_orientations_is_that_of_all():
    near = (1.0, 1.9e-4, 0.0, 0.0, 1.0, 0.0)
    assert common_orientation(planes(AXIAL, near)) == AXIAL
    assert inexact_orientation(planes(AXIAL, near)) is None


def test_jitter_has_the_mean_of_all_planes_in_unit_vectors():
    turned = (1.0, 6e-4, 0.0, -6e-4, 1.0, 0.0)
    found = np.array(common_orientation(planes(AXIAL, AXIAL, turned)))
    assert np.allclose(found, [1, 2e-4, 0, -2e-4, 1, 0], atol=1e-7)
    assert np.allclose(np.linalg.norm(found.reshape(2, 3), axis=1), 1, atol=1e-15)
    assert inexact_orientation(planes(AXIAL, turned)) == {
        "shortest_vector": 1.0,
        "longest_vector": 1.0,
        "largest_difference_of_cosines": 0.0006,
    }


def test_lengths_are_evidence_and_do_not_count_as_jitter():
    scaled = (0.7, 0.0, 0.0, 0.0, 1.04, 0.0)
    assert common_orientation(planes(AXIAL, scaled)) == AXIAL
    assert inexact_orientation(planes(AXIAL, scaled)) == {
        "shortest_vector": 0.7,
        "longest_vector": 1.04,
        "largest_difference_of_cosines": 0.0,
    }


def test_evidence_of_lengths_and_differences_has_six_decimals():
    long = (1.0001234567, 0.0, 0.0, 0.0, 0.9987654321, 7.654321e-4)
    assert inexact_orientation(planes(AXIAL, long)) == {
        "shortest_vector": 0.998766,
        "longest_vector": 1.000123,
        "largest_difference_of_cosines": 0.000766,
    }


def test_planes_without_an_orientation_say_nothing_of_the_others():
    turned = (1.0, 6e-4, 0.0, -6e-4, 1.0, 0.0)
    assert common_orientation(planes(None, AXIAL)) == AXIAL
    assert common_orientation(planes(None, AXIAL, turned)) == common_orientation(
        planes(AXIAL, turned)
    )
    assert inexact_orientation(planes(None, AXIAL)) is None


def test_a_mean_is_of_planes_not_of_orientations():
    turned = (1.0, 6e-4, 0.0, -6e-4, 1.0, 0.0)
    few = common_orientation(planes(AXIAL, turned))
    many = common_orientation(planes(AXIAL, *[turned] * 5))
    assert few[1] == pytest.approx(3e-4)
    assert many[1] == pytest.approx(5e-4)
