"""What is left to zarr has the errors of open_volume, and no missing chunk becomes water."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import zarr

from ct2zarr.codes import Code
from ct2zarr.errors import FileError
from ct2zarr.store.base import Container
from ct2zarr.store.containers import open_container
from ct2zarr.store.zarr_reading import open_array, read_with_zarr
from ct2zarr.vocabulary import StoreType
from handmade_volume import voxels, write_volume


@pytest.fixture
def gzipped(tmp_path: Path) -> Container:
    group = zarr.open_group(tmp_path / "v", mode="w")
    array = group.create_array(
        "volume", shape=(10, 17, 19), dtype="int16", chunks=(4, 8, 8),
        compressors=zarr.codecs.GzipCodec(),
    )  # fmt: skip
    array[:] = voxels()
    return open_container(tmp_path / "v")


def test_an_array_of_another_codec_is_read_also_after_a_pickle(gzipped: Container) -> None:
    array = open_array(gzipped, "volume", None)
    np.testing.assert_array_equal(read_with_zarr(gzipped, array, slice(None)), voxels())
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(array))[:], voxels())


@pytest.mark.parametrize("damage", ["missing", "cut", "other", "large"])
def test_a_chunk_that_is_not_whole_is_an_error(gzipped: Container, damage: str) -> None:
    array = open_array(gzipped, "volume", None)
    chunk = gzipped.path / "volume/c/1/1/1"
    content = chunk.read_bytes()
    if damage == "missing":
        chunk.unlink()
    else:
        changed = {"cut": content[:-9], "other": b"no gzip", "large": bytes(70_000)}
        chunk.write_bytes(changed[damage])
    with pytest.raises(FileError, match="volume") as raised:
        read_with_zarr(gzipped, array, slice(None))
    assert raised.value.code is Code.STORE_DAMAGED


def test_what_the_index_is_to_blame_for_stays_an_index_error(gzipped: Container) -> None:
    array = open_array(gzipped, "volume", None)
    with pytest.raises(IndexError):
        read_with_zarr(gzipped, array, 10)


@pytest.mark.parametrize("name", ["absent", "group", "text"])
def test_what_is_no_array_of_numbers_is_refused(gzipped: Container, name: str) -> None:
    group = zarr.open_group(gzipped.path, mode="a")
    group.create_group("group")
    group.create_array("text", shape=(1, 1, 1), dtype="bool")
    with pytest.raises(FileError, match=name) as raised:
        open_array(gzipped, name, None)
    assert raised.value.code is Code.NOT_A_VOLUME


def test_metadata_that_are_absent_are_no_missing_chunk(tmp_path: Path) -> None:
    path = write_volume(tmp_path / "v", voxels(), store_type=StoreType.ZIP, zarr_format=2)
    container = open_container(path)
    assert open_array(container, "volume", None).shape == (10, 17, 19)
