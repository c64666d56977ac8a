"""A SQLite store in format 2 opens in zarr 2.18 with none of our code, and the other way round."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import zarr

from converted import convert, plans_in, settings_for
from ct2zarr.store.zarr_stores import open_store
from ct2zarr.vocabulary import StoreType
from ct2zarr.volume.volume import open_volume
from handmade_volume import ct2zarr_attribute, voxels, write_volume
from phantom import make_series
from reader_environment import environment_python, run_reader

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def zarr2() -> Path:
    # zarr 2.18 imports names from numcodecs that version 0.16 took out.
    return environment_python("zarr==2.18.*", "numcodecs<0.16")


def test_zarr_2_reads_all_values_and_attributes_of_a_sqlite_store(
    zarr2: Path, tmp_path: Path
) -> None:
    data = voxels()
    path = write_volume(tmp_path / "v.zarr.sqlite", data, store_type=StoreType.SQLITE)
    found = json.loads(run_reader(zarr2, HERE / "read_with_zarr2.py", path))
    assert found["zarr"].startswith("2.18.")
    assert found["shape"] == list(data.shape)
    assert found["chunks"] == [4, 8, 8]
    assert found["dtype"] == "<i2"
    assert found["md5"] == hashlib.md5(data.tobytes()).hexdigest()
    assert found["patch"] == data[3:7, 5:9, 2].tolist()
    assert found["attributes"]["ct2zarr"] == ct2zarr_attribute(10)
    assert found["array_attributes"] == {"_ARRAY_DIMENSIONS": ["z", "y", "x"]}


def test_a_sqlite_store_of_zarr_2_opens_here(zarr2: Path, tmp_path: Path) -> None:
    data = voxels()
    np.save(tmp_path / "data.npy", data)
    run_reader(zarr2, HERE / "write_with_zarr2.py", tmp_path / "old.sqlite", tmp_path / "data.npy")
    group = zarr.open_group(open_store(tmp_path / "old.sqlite"), mode="r")
    np.testing.assert_array_equal(np.asarray(group["volume"][:]), data)
    assert group.attrs["written by"].startswith("2.18.")


def test_zarr_2_reads_a_converted_volume_by_default(zarr2: Path, tmp_path: Path) -> None:
    make_series(tmp_path / "in", n=9)
    (plan,) = plans_in(tmp_path / "in")
    store = convert(plan, settings_for(tmp_path / "out")).paths.store
    found = json.loads(run_reader(zarr2, HERE / "read_with_zarr2.py", store))
    volume = open_volume(store)
    assert found["md5"] == hashlib.md5(volume.numpy().tobytes()).hexdigest()
    assert found["attributes"]["ct2zarr"] == volume.attrs
    assert found["attributes"]["multiscales"][0]["version"] == "0.4"
