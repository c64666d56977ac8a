"""Hounsfield units of stored values, with one rescale or one per plane."""

import numpy as np
import pytest

from ct2zarr.volume.hounsfield import hu_rescale, rescale_of_planes

SHAPE = (3, 2, 2)
INT16 = np.dtype(np.int16)


def test_planes_without_a_rescale_have_the_default():
    rows = [{"RescaleSlope": "2", "RescaleIntercept": "-5"}, {"RescaleSlope": ""}, {}]
    assert rescale_of_planes(rows) == ([2.0, 1.0, 1.0], [-5.0, 0.0, 0.0])


def test_a_slope_of_zero_is_not_absent():
    assert rescale_of_planes([{"RescaleSlope": "0", "RescaleIntercept": "0"}]) == ([0.0], [0.0])


def test_each_plane_has_its_own_rescale():
    stored = np.arange(12, dtype=np.int16).reshape(SHAPE)
    rescale = hu_rescale([1, 2, 3], [0, -10, -20], SHAPE, INT16, (0, 11))
    expected = stored * np.array([1, 2, 3])[:, None, None] + np.array([0, -10, -20])[:, None, None]
    whole = rescale.apply(stored, (slice(None),) * 3)
    assert whole.dtype == np.int16
    assert whole.tolist() == expected.tolist()
    assert rescale.apply(stored[1:, 0], (slice(1, None), 0)).tolist() == expected[1:, 0].tolist()
    one = rescale.apply(stored[2, 1, 1], (2, 1, 1))
    assert (one, type(one)) == (expected[2, 1, 1], np.int16)


@pytest.mark.parametrize(
    ("slope", "intercept", "ends", "kind"),
    [
        (1, -1024, (0, 4095), np.int16),
        (1, 0, (-32768, 32767), np.int16),
        (1, 1, (0, 32767), np.int32),
        (1, -1, (-32768, 0), np.int32),
        (-1, 0, (-32768, 0), np.int32),
        (0.5, 0, (0, 10), np.float32),
        (1, 0.5, (0, 10), np.float32),
    ],
)
def test_the_type_is_the_narrowest_that_is_exact(slope, intercept, ends, kind):
    assert hu_rescale([slope], [intercept], SHAPE, INT16, ends).dtype == kind


def test_stored_floats_stay_floats():
    assert hu_rescale([1], [0], SHAPE, np.dtype(np.float32), (0, 1)).dtype == np.float32


def test_the_values_are_described_in_hu():
    rescale = hu_rescale([2], [-10], SHAPE, INT16, (0, 100))
    written = {"kind": "stored", "units": "", "minimum": 0, "maximum": 100, "padding_value": None}
    assert rescale.values(written) == {
        "kind": "hu", "units": "HU", "minimum": -10, "maximum": 190, "padding_value": None
    }  # fmt: skip


def test_a_negative_slope_exchanges_the_bounds():
    rescale = hu_rescale([-1], [0], SHAPE, INT16, (0, 100))
    found = rescale.values({"minimum": 0, "maximum": 100, "padding_value": 50})
    assert (found["minimum"], found["maximum"], found["padding_value"]) == (-100, 0, -50)


def test_bounds_of_planes_with_other_rescales_are_not_known():
    rescale = hu_rescale([1, 1, 2], [0, 0, 0], SHAPE, INT16, (0, 100))
    found = rescale.values({"minimum": 0, "maximum": 100, "padding_value": 50})
    assert found["minimum"] is found["maximum"] is found["padding_value"] is None
