"""Folders with a file per key."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ct2zarr.codes import Code
from ct2zarr.errors import FileError
from ct2zarr.store.containers import store_size
from ct2zarr.store.folder import FolderContainer, FolderWriter


@pytest.fixture
def store(tmp_path: Path) -> FolderContainer:
    writer = FolderWriter(tmp_path / "a")
    writer.put("volume/c/0/0", b"0123456789")
    writer.put("volume/zarr.json", b"{}")
    writer.put("zarr.json", b"{}")
    writer.finish()
    return FolderContainer(tmp_path / "a")


def test_sizes_keys_and_parts_are_those_of_the_files(store: FolderContainer) -> None:
    store.check()
    assert store.keys() == ["volume/c/0/0", "volume/zarr.json", "zarr.json"]
    assert store.keys("volume/c") == ["volume/c/0/0"]
    assert (store.size("volume/c/0/0"), store.size("volume"), store.size("x")) == (10, None, None)
    assert store.get("volume/c/0/0", slice(2, 4)) == b"23"
    assert store.get("volume/c/0/0") == b"0123456789"
    assert store_size(store.path) == 14


def test_folders_and_what_lies_below_files_are_no_keys(store: FolderContainer) -> None:
    for key in ("volume", "volume/c", "zarr.json/0", "absent"):
        assert store.get(key) is None


def test_a_folder_without_metadata_at_its_root_is_no_store(store: FolderContainer) -> None:
    inner = FolderContainer(store.path / "volume" / "c")
    with pytest.raises(FileError, match="is a folder without Zarr metadata") as raised:
        inner.check()
    assert raised.value.code is Code.NOT_A_STORE


def test_a_file_that_cannot_be_read_is_an_error_that_names_its_key(store: FolderContainer) -> None:
    (store.path / "loop").symlink_to("loop")
    with pytest.raises(FileError, match="key loop cannot be read") as raised:
        store.get("loop")
    assert raised.value.code is Code.STORE_UNREADABLE


@pytest.mark.parametrize("read", [FolderContainer.get, FolderContainer.size])
def test_what_is_no_file_of_the_store_is_an_error_that_names_its_key(
    store: FolderContainer, tmp_path: Path, read: Callable[[FolderContainer, str], object]
) -> None:
    os.mkfifo(store.path / "pipe")
    (store.path / "device").symlink_to("/dev/null")
    (tmp_path / "other").write_bytes(b"another store")
    (store.path / "outside").symlink_to("../other")
    for key in ("pipe", "device", "outside"):
        with pytest.raises(FileError, match=f"key {key} cannot be read") as raised:
            read(store, key)
        assert raised.value.code is Code.STORE_UNREADABLE
    (store.path / "inside").symlink_to("volume/c/0/0")
    assert store.get("inside") == b"0123456789"


@pytest.mark.parametrize("key", ["/etc/passwd", "../other", "volume/../../other", "..", "x/.."])
def test_a_key_that_leaves_the_store_is_none(
    store: FolderContainer, tmp_path: Path, key: str
) -> None:
    (tmp_path / "other").write_bytes(b"another store")
    assert (store.get(key), store.size(key)) == (None, None)


def test_every_file_and_every_folder_is_flushed_the_folders_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        flushed.append(os.path.relpath(Path(f"/proc/self/fd/{descriptor}").readlink(), tmp_path))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    writer = FolderWriter(tmp_path / "a")
    writer.put("b/c/0", b"1")
    writer.put("zarr.json", b"{}")
    writer.finish()
    assert flushed == ["a/b/c/0", "a/zarr.json", "a/b/c", "a/b", "a"]
