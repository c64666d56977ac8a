"""What all writers and containers share: keys, digests, errors of the disk."""

import errno
import os
import pickle
import sqlite3

import pytest

from ct2zarr.codes import Code
from ct2zarr.errors import MachineError
from ct2zarr.store.base import remove, write_all, write_errors
from ct2zarr.store.folder import FolderContainer, FolderWriter


@pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", ".", "..", "a/../b", "a/."])
def test_a_text_that_is_no_key_is_refused(tmp_path, key):
    writer = FolderWriter(tmp_path / "store")
    with pytest.raises(ValueError, match="no key"):
        writer.put(key, b"value")
    assert [*(tmp_path / "store").iterdir()] == []


def test_a_key_is_put_once_and_only_then_in_the_digest(tmp_path):
    writer = FolderWriter(tmp_path / "store")
    writer.put("a/b", b"value")
    digest = writer.digest()
    with pytest.raises(ValueError, match="twice"):
        writer.put("a/b", b"other")
    assert writer.digest() == digest
    assert (tmp_path / "store" / "a" / "b").read_bytes() == b"value"


def test_a_writer_that_starts_again_forgets_what_was_put(tmp_path):
    writer = FolderWriter(tmp_path / "store")
    empty = writer.digest()
    writer.put("a", b"value")
    writer.restart()
    assert writer.digest() == empty
    writer.put("a", b"value")
    writer.abort()
    writer.abort()
    assert not (tmp_path / "store").exists()


def test_what_an_interrupted_run_left_under_the_name_is_removed(tmp_path):
    (tmp_path / "store").write_text("a file")
    FolderWriter(tmp_path / "store").put("a", b"1")
    FolderWriter(tmp_path / "store")
    assert [*(tmp_path / "store").iterdir()] == []


def test_containers_are_their_path(tmp_path):
    one = FolderContainer(tmp_path / "a")
    assert pickle.loads(pickle.dumps(one)) == one == FolderContainer(str(tmp_path / "a"))
    assert hash(one) == hash(FolderContainer(tmp_path / "a"))
    assert one != FolderContainer(tmp_path / "b")
    assert one != tmp_path / "a"
    assert repr(one) == f"FolderContainer('{tmp_path}/a')"


def test_all_bytes_are_written_to_a_pipe_that_takes_few_at_a_time():
    reading, writing = os.pipe()
    value = bytes(range(256)) * 8
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        write_all(writing, memoryview(value).cast("H"))
        os._exit(0)
    os.close(writing)
    found = b""
    while part := os.read(reading, 100):
        found += part
    os.waitpid(pid, 0)
    os.close(reading)
    assert found == value


def test_files_and_folders_are_removed_and_absent_ones_are_no_error(tmp_path):
    (tmp_path / "folder" / "inner").mkdir(parents=True)
    (tmp_path / "file").touch()
    for name in ("folder", "file", "gone"):
        remove(tmp_path / name)
    assert [*tmp_path.iterdir()] == []


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "No space left on device"),
        (sqlite3.OperationalError("disk I/O error"), "disk I/O error"),
        (OSError("no number"), "no number"),
    ],
)
def test_what_the_disk_refuses_is_a_fault_of_the_machine(tmp_path, error, cause):
    def fail():
        with write_errors(tmp_path / "store"):
            raise error

    with pytest.raises(MachineError) as raised:
        fail()
    assert raised.value.code is Code.MACHINE
    assert f"{tmp_path}/store cannot be written: {cause}" in str(raised.value)


@pytest.mark.parametrize("error", [FileExistsError(), sqlite3.IntegrityError()])
def test_that_a_key_exists_is_no_fault_of_the_machine(tmp_path, error):
    def fail():
        with write_errors(tmp_path):
            raise error

    with pytest.raises(type(error)):
        fail()
