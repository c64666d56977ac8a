"""Only regular files are opened, and only so many bytes are read."""

import os
import socket
from pathlib import Path

import pytest

from ct2zarr.run.bounded_files import (
    NotRegularError,
    TooLargeError,
    open_regular,
    read_bounded,
    read_descriptor,
)


@pytest.mark.parametrize("size", [0, 1, 9, 10])
def test_a_file_of_as_many_bytes_as_it_may_have_is_read(tmp_path: Path, size: int) -> None:
    (tmp_path / "a").write_bytes(b"x" * size)
    assert read_bounded(tmp_path / "a", 10) == b"x" * size


def test_a_file_of_one_byte_more_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 11)
    with pytest.raises(TooLargeError, match="it has 11 bytes, more than the 10 it may have"):
        read_bounded(tmp_path / "a", 10)


def test_a_file_that_grows_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 11)
    descriptor, _ = open_regular(tmp_path / "a")
    with pytest.raises(TooLargeError, match="grows"):
        read_descriptor(descriptor, 10, 100)
    os.close(descriptor)


@pytest.mark.parametrize(
    ("kind", "said"), [("folder", "a folder"), ("pipe", "a pipe"), ("device", "a device")]
)
def test_what_is_no_file_is_named_and_left_closed(tmp_path: Path, kind: str, said: str) -> None:
    path = tmp_path / "a"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path = Path("/dev/zero")
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(NotRegularError, match=f"it is {said}, not a file"):
        open_regular(path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_socket_cannot_be_opened(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "a"))
    with pytest.raises(OSError, match="No such device"):
        open_regular(tmp_path / "a")


def test_a_relative_path_starts_from_the_folder(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    folder = os.open(tmp_path, os.O_RDONLY)
    descriptor, found = open_regular("a", folder=folder)
    assert (os.read(descriptor, 9), found.st_size) == (b"1", 1)
    assert not os.get_inheritable(descriptor)
    os.close(descriptor)
    os.close(folder)
