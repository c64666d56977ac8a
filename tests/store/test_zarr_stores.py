"""Any store opens by its content, and reads right after forks, in threads and after pickling."""

import asyncio
import multiprocessing
import os
import pickle
import shutil
import threading
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import zarr
from zarr.abc.store import OffsetByteRequest, RangeByteRequest, Store, SuffixByteRequest
from zarr.buffer import default_buffer_prototype

from ct2zarr.errors import FileError
from ct2zarr.store.containers import open_container, open_writer
from ct2zarr.store.zarr_stores import SQLiteStore, open_store
from ct2zarr.store.zip import ZipContainer
from ct2zarr.vocabulary import StoreType
from handmade_volume import voxels, write_volume

ALL_STORES = pytest.mark.parametrize("store_type", list(StoreType))


async def collected(keys: AsyncIterator[str]) -> list[str]:
    return [key async for key in keys]


def read(store: Store) -> np.ndarray:
    return np.asarray(zarr.open_group(store, mode="r")["volume"][:])


@ALL_STORES
@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("name", ["a.zarr.sqlite", "a.zarr.zip", "no suffix", "ü?#%20.zarr"])
def test_a_store_is_recognised_by_content_under_any_name(
    tmp_path: Path, store_type: StoreType, zarr_format: int, name: str
) -> None:
    data = voxels()
    path = write_volume(tmp_path / name, data, store_type=store_type, zarr_format=zarr_format)
    assert open_container(path).store_type is store_type
    store = open_store(path)
    assert store.read_only
    np.testing.assert_array_equal(read(store), data)


@ALL_STORES
def test_containers_list_and_give_the_same_keys_as_zarr(
    tmp_path: Path, store_type: StoreType
) -> None:
    path = write_volume(tmp_path / "a", voxels(), store_type=store_type)
    container, store = open_container(path), open_store(path)
    assert container.keys() == sorted(asyncio.run(collected(store.list())))
    for key in container.keys():  # noqa: SIM118
        value = asyncio.run(store.get(key, default_buffer_prototype()))
        assert value is not None
        assert bytes(container.get(key) or b"") == value.to_bytes()
    assert container.get("volume/absent") is None


@ALL_STORES
def test_a_store_cannot_be_written(tmp_path: Path, store_type: StoreType) -> None:
    path = write_volume(tmp_path / "a", voxels(), store_type=store_type)
    store = open_store(path)
    value = default_buffer_prototype().buffer.from_bytes(b"1")
    with pytest.raises(ValueError, match="read-only"):
        asyncio.run(store.set("zarr.json", value))
    with pytest.raises(ValueError, match="read-only"):
        asyncio.run(store.delete("zarr.json"))
    with pytest.raises(ValueError, match="read-only"):
        zarr.open_group(store, mode="r+")["volume"][0, 0, 0] = 1


@ALL_STORES
def test_a_store_survives_pickling(tmp_path: Path, store_type: StoreType) -> None:
    data = voxels()
    store = open_store(write_volume(tmp_path / "a", data, store_type=store_type))
    read(store)
    copy = pickle.loads(pickle.dumps(store))
    assert copy == store
    np.testing.assert_array_equal(read(copy), data)


def _read_often(store: Store, expected: np.ndarray) -> None:
    for _ in range(15):
        np.testing.assert_array_equal(read(store), expected)


@ALL_STORES
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_forked_processes_share_an_open_store(tmp_path: Path, store_type: StoreType) -> None:
    """zarr's own ZipStore fails here: the processes move one another's file offset."""
    data = voxels()
    store = open_store(write_volume(tmp_path / "a", data, store_type=store_type))
    read(store)
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=_read_often, args=(store, data)) for _ in range(4)]
    for child in children:
        child.start()
    _read_often(store, data)
    for child in children:
        child.join(60)
        assert child.exitcode == 0


@ALL_STORES
def test_threads_share_a_container(tmp_path: Path, store_type: StoreType) -> None:
    path = write_volume(tmp_path / "a", voxels((20, 64, 64)), store_type=store_type)
    container = open_container(path)
    expected = {key: bytes(container.get(key) or b"") for key in container.keys()}  # noqa: SIM118
    wrong: list[str] = []

    def work() -> None:
        for key, value in expected.items():
            if bytes(container.get(key) or b"") != value:
                wrong.append(key)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@ALL_STORES
def test_a_container_opens_again_after_close(tmp_path: Path, store_type: StoreType) -> None:
    path = write_volume(tmp_path / "a", voxels(), store_type=store_type)
    container = open_container(path)
    key = container.keys()[-1]
    before = bytes(container.get(key) or b"")
    container.close()
    assert bytes(container.get(key) or b"") == before


def test_parts_of_a_zip_entry_are_what_was_asked_for(tmp_path: Path) -> None:
    writer = open_writer(StoreType.ZIP, tmp_path / "a")
    writer.put("volume/c/0", b"0123456789")
    writer.put("zarr.json", b"{}")
    writer.finish()
    store = open_store(tmp_path / "a")
    prototype = default_buffer_prototype()
    for request, expected in [
        (None, b"0123456789"),
        (RangeByteRequest(2, 5), b"234"),
        (RangeByteRequest(8, 50), b"89"),
        (OffsetByteRequest(7), b"789"),
        (SuffixByteRequest(3), b"789"),
        (SuffixByteRequest(30), b"0123456789"),
        (SuffixByteRequest(0), b""),
    ]:
        value = asyncio.run(store.get("volume/c/0", prototype, request))
        assert value is not None
        assert value.to_bytes() == expected
    with pytest.raises(TypeError, match="Unexpected byte_range, got"):
        asyncio.run(store.get("volume/c/0", prototype, (0, 2)))  # type: ignore[arg-type]


def test_zip_files_of_other_tools_are_read(tmp_path: Path) -> None:
    """Deflated, with folders among the entries, and with long extra fields."""
    path = tmp_path / "other.zip"
    data = voxels()
    source = write_volume(tmp_path / "dir", data, store_type=StoreType.DIR)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("volume")
        for file in sorted(source.rglob("*")):
            if file.is_file():
                info = zipfile.ZipInfo(file.relative_to(source).as_posix())
                info.compress_type = zipfile.ZIP_DEFLATED
                info.extra = b"\x99\x99\xc8\x00" + bytes(200)
                archive.writestr(info, file.read_bytes())
    np.testing.assert_array_equal(read(open_store(path)), data)


def test_a_zip_entry_with_a_changed_byte_is_an_error_that_names_it(tmp_path: Path) -> None:
    path = write_volume(tmp_path / "a", voxels(), store_type=StoreType.ZIP)
    container = ZipContainer(path)
    key = "volume/c/1/1/1"
    value = bytes(container.get(key) or b"")
    content = bytearray(path.read_bytes())
    content[content.index(value) + 40] ^= 1
    path.write_bytes(content)
    with pytest.raises(FileError, match=f"entry {key} does not match its CRC-32"):
        ZipContainer(path).get(key)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (bytes(100), "starts with zeros"),
        (b"DICM or something else", "neither a SQLite file, nor a zip file"),
        (b"PK\x03\x04" + bytes(100), "no directory at its end"),
        (b"SQLite format 3\x00" + bytes(10), "cut short"),
    ],
)
def test_what_is_no_store_is_refused_with_a_sentence(
    tmp_path: Path, content: bytes, sentence: str
) -> None:
    path = tmp_path / "a"
    path.write_bytes(content)
    with pytest.raises(FileError, match=sentence) as caught:
        open_store(path)
    assert str(path) in str(caught.value)


def test_missing_and_empty_folders_are_refused_with_a_sentence(tmp_path: Path) -> None:
    for path in (tmp_path / "absent", tmp_path / "absent" / "deeper"):
        with pytest.raises(FileError, match="no such file or folder"):
            open_store(path)
    with pytest.raises(FileError, match="folder without Zarr metadata"):
        open_store(tmp_path)


@ALL_STORES
def test_a_store_without_metadata_is_half_written(tmp_path: Path, store_type: StoreType) -> None:
    writer = open_writer(store_type, tmp_path / "a")
    writer.put("volume/c/0/0/0", b"chunk")
    writer.finish()
    with pytest.raises(FileError, match="without Zarr metadata"):
        open_store(tmp_path / "a")


@pytest.mark.parametrize("store_type", [StoreType.SQLITE, StoreType.ZIP])
@pytest.mark.parametrize("kept", [0.05, 0.5, 0.99])
def test_a_truncated_file_is_refused(tmp_path: Path, store_type: StoreType, kept: float) -> None:
    path = write_volume(tmp_path / "a", voxels((20, 64, 64)), store_type=store_type)
    os.truncate(path, int(path.stat().st_size * kept))
    with pytest.raises(FileError, match=r"cut short|no directory at its end"):
        open_store(path)


def test_a_store_that_may_be_written_is_not_the_one_that_may_only_be_read(tmp_path: Path) -> None:
    writable = SQLiteStore(tmp_path / "a.sqlite")
    assert writable == SQLiteStore(tmp_path / "a.sqlite")
    assert writable != writable.with_read_only(read_only=True)


def folder_store(path: Path) -> Path:
    return write_volume(path, voxels((3, 8, 8)), store_type=StoreType.DIR)


def read_through_zarr(path: Path) -> object:
    return zarr.open_group(open_store(path), mode="r")["volume"][:]


@pytest.mark.parametrize("key", ["zarr.json", "volume/zarr.json"])
def test_a_document_beyond_its_bound_is_not_read_through_zarr_either(tmp_path, key):
    path = folder_store(tmp_path / "a")
    os.truncate(path / key, (1 << 24) + 1)
    with pytest.raises(FileError, match="more than the 16777216 that it may have"):
        read_through_zarr(path)


def test_a_chunk_that_is_a_pipe_or_lies_elsewhere_is_an_error_at_once_through_zarr(tmp_path):
    path = folder_store(tmp_path / "a")
    chunk = path / "volume" / "c" / "0" / "0" / "0"
    chunk.rename(tmp_path / "elsewhere")
    chunk.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileError, match="a link that leaves the store"):
        read_through_zarr(path)
    chunk.unlink()
    os.mkfifo(chunk)
    with pytest.raises(FileError, match="it is a pipe, not a file"):
        read_through_zarr(path)


def test_a_folder_that_is_gone_or_replaced_does_not_read_as_an_empty_volume(tmp_path):
    path = folder_store(tmp_path / "a")
    array = zarr.open_group(open_store(path), mode="r")["volume"]
    path.rename(tmp_path / "old")
    np.testing.assert_array_equal(array[:], voxels((3, 8, 8)))  # the folder that was opened
    shutil.rmtree(tmp_path / "old")
    folder_store(path)
    with pytest.raises(FileError, match="was replaced or changed while it was open"):
        array[:]


def test_a_folder_that_cannot_be_listed_is_named(tmp_path):
    path = folder_store(tmp_path / "a")
    container = open_store(path).container
    shutil.rmtree(path)
    with pytest.raises(FileError, match="cannot be read"):
        container.keys()
