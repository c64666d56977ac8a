"""The check of reduced levels: it accepts true means and finds each kind of difference."""

import numpy as np
import pytest
import zarr

from converted import convert, plans_in, settings_for
from ct2zarr.codes import Code
from ct2zarr.errors import VerificationError
from ct2zarr.geometry.pyramid import plan_levels
from ct2zarr.run.settings import EncodingSettings
from ct2zarr.verify.pyramid_check import check_pyramid
from ct2zarr.vocabulary import StoreType
from ct2zarr.volume.volume import open_volume
from phantom import make_series


def every(count):
    return range(count)


@pytest.fixture
def volume(tmp_path):
    """A directory store with two reduced levels, its attribute, and the levels it should have."""
    make_series(tmp_path / "in", n=7, rows=21, columns=26)
    (plan,) = plans_in(tmp_path / "in")
    encoding = EncodingSettings(StoreType.DIR, chunks=(2, 8, 8), pyramid_levels=3)
    store = convert(plan, settings_for(tmp_path / "out", encoding=encoding)).paths.store
    with open_volume(store) as found:
        levels = plan_levels(found.shape, found.spacing, 3)
        assert len(levels) == 3
        return store, found.attrs["levels"], levels


def refusal(volume, choose=every):
    store, found, levels = volume
    with pytest.raises(VerificationError) as raised:
        check_pyramid(store, found, levels, choose)
    assert raised.value.code is Code.VERIFICATION_FAILED
    return str(raised.value)


def change(store, level, place):
    array = zarr.open_group(store, mode="r+")[level]
    values = np.asarray(array[...])
    values[place] += 1
    array[...] = values


def test_true_means_pass_for_all_planes_and_for_some(volume):
    store, found, levels = volume
    check_pyramid(store, found, levels, every)
    check_pyramid(store, found, levels, lambda count: [0, count - 1])
    check_pyramid(store, found, levels, lambda _: [])


@pytest.mark.parametrize("level", ["level_1", "level_2"])
@pytest.mark.parametrize("place", [(0, 0, 0), (-1, -1, -1)])
def test_one_voxel_that_is_no_mean_is_found_in_its_plane(volume, level, place):
    store, _, _ = volume
    change(store, level, place)
    plane = 0 if place[0] == 0 else zarr.open_group(store, mode="r")[level].shape[0] - 1
    assert f"plane {plane} of {level} is not the mean" in refusal(volume)


def test_a_plane_that_is_not_chosen_is_not_compared(volume):
    store, found, levels = volume
    change(store, "level_2", (-1, 0, 0))
    check_pyramid(store, found, levels, lambda count: range(count - 1))


def test_a_change_of_the_level_below_shows_in_the_level_above(volume):
    store, _, _ = volume
    array = zarr.open_group(store, mode="r+")["level_1"]
    values = np.asarray(array[...])
    values[0, :2, :2] += 400
    array[...] = values
    assert "of level_1" in refusal(volume)
    first = zarr.open_group(store, mode="r+")["volume"]
    whole = np.asarray(first[...])
    whole[...] += 100
    first[...] = whole
    assert "plane 0 of level_1" in refusal(volume)


def test_other_levels_than_are_due_are_found(volume):
    store, found, levels = volume
    assert "does not have the levels" in refusal((store, found[:2], levels))
    assert "does not have the levels" in refusal((store, None, levels))
    factors = [1, 1, 1]
    assert "does not have the levels" in refusal(
        (store, [found[0], {**found[1], "factors": factors}], levels)
    )


def test_a_level_of_another_shape_or_type_is_found(volume):
    store, _, _ = volume
    group = zarr.open_group(store, mode="r+")
    values = np.asarray(group["level_2"][...])
    dimensions = group["level_2"].metadata.dimension_names
    group.create_array(
        "level_2", data=values[:, :-1], overwrite=True, dimension_names=dimensions
    )  # fmt: skip
    assert "level_2 has shape" in refusal(volume)
    group.create_array(
        "level_2", data=values.astype(np.int32), overwrite=True, dimension_names=dimensions
    )
    assert "and type int32;" in refusal(volume)


def test_means_of_fractions_pass_within_the_rounding_of_their_type_and_no_further(tmp_path):
    make_series(tmp_path / "in", n=7, slope=0.7)
    (plan,) = plans_in(tmp_path / "in")
    encoding = EncodingSettings(StoreType.DIR, chunks=(2, 8, 8), pyramid_levels=2)
    store = convert(plan, settings_for(tmp_path / "out", encoding=encoding)).paths.store
    with open_volume(store) as found:
        volume = store, found.attrs["levels"], plan_levels(found.shape, found.spacing, 2)
        assert found.dtype == np.float32
    check_pyramid(*volume, every)
    array = zarr.open_group(store, mode="r+")["level_1"]
    values = np.asarray(array[...])
    values[0, 0, 0] *= np.float32(1.00001)
    array[...] = values
    assert "plane 0 of level_1 is not the mean" in refusal(volume)
