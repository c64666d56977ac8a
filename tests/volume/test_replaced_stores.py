"""A store that is replaced or written under an open reader: values of one version, or an error."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ct2zarr.codes import Code
from ct2zarr.errors import FileError
from ct2zarr.vocabulary import StoreType
from ct2zarr.volume.volume import Volume, open_volume
from handmade_volume import voxels, write_volume

ALL_STORES = pytest.mark.parametrize("store_type", list(StoreType))
OLD = voxels()
NEW = (voxels() + 1).astype(np.int16)


def remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def rename_over(old: Path, new: Path) -> None:
    old.rename(old.with_name("aside"))
    new.rename(old)
    remove(old.with_name("aside"))


def remove_and_copy(old: Path, new: Path) -> None:
    remove(old)
    shutil.copytree(new, old) if new.is_dir() else shutil.copy(new, old)


def copy_over(old: Path, new: Path) -> None:
    """The files stay and get other content, as with ``cp -r``."""
    if new.is_dir():
        shutil.copytree(new, old, dirs_exist_ok=True)
    else:
        shutil.copy(new, old)


@ALL_STORES
@pytest.mark.parametrize("replace", [rename_over, remove_and_copy, copy_over])
@pytest.mark.parametrize("closed", [False, True])
def test_a_reader_gives_values_of_the_version_that_it_opened_or_an_error(
    tmp_path: Path, store_type: StoreType, replace: Callable[[Path, Path], None], closed: bool
) -> None:
    path = write_volume(tmp_path / "v", OLD, store_type=store_type)
    new = write_volume(tmp_path / "new", NEW, store_type=store_type)
    volume = open_volume(path, threads=1)
    np.testing.assert_array_equal(volume[:5], OLD[:5])
    if closed:
        volume.close()
    replace(path, new)
    try:
        for part in (volume[5:], volume[2], volume[...]):
            assert part.shape in {OLD[5:].shape, OLD[2].shape, OLD.shape}
        np.testing.assert_array_equal(volume[...], OLD)
        assert not closed, "the file was opened again, and is another one"
    except FileError as error:
        assert error.code is Code.STORE_REPLACED  # noqa: PT017
    np.testing.assert_array_equal(open_volume(path)[...], NEW)


@ALL_STORES
def test_a_store_that_is_removed_is_an_error_or_still_whole(
    tmp_path: Path, store_type: StoreType
) -> None:
    path = write_volume(tmp_path / "v", OLD, store_type=store_type)
    volume: Volume = open_volume(path)
    remove(path)
    if store_type is StoreType.DIR:
        with pytest.raises(FileError, match="open it again"):
            volume[...]
    else:
        try:
            found = volume[...]
        except FileError as error:  # a thread more would have to open the file again
            assert error.code is Code.STORE_MISSING  # noqa: PT017
        else:
            np.testing.assert_array_equal(found, OLD)
