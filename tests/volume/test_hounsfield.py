"""Hounsfield units of stored values, with one rescale or one per plane."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ct2zarr.codes import Code
from ct2zarr.errors import FileError
from ct2zarr.volume.hounsfield import hu_rescale, rescale_of_planes
from ct2zarr.volume.volume import open_volume
from handmade_volume import ct2zarr_attribute, voxels, write_volume

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


def test_one_plane_beyond_int16_makes_the_volume_int32():
    rescale = hu_rescale([1, 1, 1], [0, 30000, 0], SHAPE, INT16, (0, 3000))
    assert rescale.dtype == np.int32


def test_bounds_of_planes_with_other_intercepts_are_not_known():
    rescale = hu_rescale([1, 1, 1], [0, 0, 1], SHAPE, INT16, (0, 100))
    assert rescale.values({"minimum": 0, "maximum": 100})["minimum"] is None


# Volumes.


def stored(tmp_path: Path, **values: Any) -> Path:
    described = {"kind": "stored", "slope": 2.0, "intercept": -1000.0, "units": "",
                 "minimum": -1000, "maximum": 2999, **values}  # fmt: skip
    attribute = ct2zarr_attribute(10, values=described, flags=values.pop("flags", []))
    return write_volume(tmp_path / "v", voxels(), attribute=attribute)


def test_every_index_of_a_stored_volume_reads_hounsfield_units(tmp_path: Path):
    volume = open_volume(stored(tmp_path))
    hu, expected = volume.hu, voxels().astype(np.int16) * 2 - 1000
    assert (hu.dtype, hu.units) == (np.int16, "HU")
    for key in [..., 3, (slice(2, 9, 3), 4), (-1, slice(None), slice(5, None, -2)), (1, 2, 3)]:
        found = hu[key]
        assert type(found) is type(expected[key])
        np.testing.assert_array_equal(found, expected[key])
    mask = np.zeros(hu.shape, bool)
    mask[3, 4, 5] = True
    np.testing.assert_array_equal(hu[mask], expected[mask])
    np.testing.assert_array_equal(np.asarray(hu.array[:]), voxels())
    assert hu.hu is hu
    np.testing.assert_array_equal(volume.numpy(), voxels())


def test_a_volume_in_hounsfield_units_pickles_as_such(tmp_path: Path):
    volume = open_volume(stored(tmp_path), threads=3)
    copy = pickle.loads(pickle.dumps(volume.hu))
    assert (copy.units, copy.threads) == ("HU", 3)
    np.testing.assert_array_equal(copy.numpy(), volume.hu.numpy())
    assert pickle.loads(pickle.dumps(volume)).rescale is None


@pytest.mark.parametrize(
    ("flags", "values", "why"),
    [
        (["no_rescale"], {}, "RescaleSlope"),
        (["not_hu"], {}, "not declared to be Hounsfield units"),
        ([], {"kind": "rescaled", "units": "OD"}, "another unit"),
    ],
)
def test_a_volume_without_hounsfield_units_says_why(tmp_path: Path, flags, values, why):
    described = {"kind": "stored", "slope": 1, "intercept": 0, "units": "", **values}
    attribute = ct2zarr_attribute(10, values=described, flags=flags)
    volume = open_volume(write_volume(tmp_path / "v", voxels(), attribute=attribute))
    with pytest.raises(FileError, match=why) as raised:
        _ = volume.hu
    assert raised.value.code is Code.NO_HU


def test_planes_with_rescales_of_their_own_need_the_sidecars(tmp_path: Path):
    with pytest.raises(FileError, match="copy it along") as raised:
        _ = open_volume(stored(tmp_path, slope=None)).hu
    assert raised.value.code is Code.FILE_MISSING
