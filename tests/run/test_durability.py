"""What is written is on the disk before its name shows, and what a dead process left is known."""

import hashlib
import os
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ct2zarr.codes import Code
from ct2zarr.convert.staging import remove_record, staged_volume
from ct2zarr.errors import MachineError
from ct2zarr.run.atomic_files import (
    FOLDER_FSYNC_UNSUPPORTED,
    flush_file,
    flush_folder,
    machine_errors,
    prepare_folder,
    remove_abandoned,
    remove_path,
    replace_path,
    temporary_path,
    write_atomically,
)
from ct2zarr.run.paths import TEMPORARY_PREFIX, volume_paths
from ct2zarr.run.tables import write_bytes_if_changed
from ct2zarr.vocabulary import StoreType

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture
def events(monkeypatch) -> list[tuple[str, str]]:
    """What is flushed, and which names files get, in order; a temporary name is ``*``."""
    seen: list[tuple[str, str]] = []
    flush, rename = os.fsync, os.replace

    def name_of(path: str) -> str:
        name = Path(path).name
        return "*" if name.startswith(TEMPORARY_PREFIX) else name

    def flushed(descriptor: int) -> None:
        seen.append(("flush", name_of(os.readlink(f"/proc/self/fd/{descriptor}"))))  # noqa: PTH115
        flush(descriptor)

    def renamed(source: Path, target: Path) -> None:
        seen.append(("rename", name_of(str(target))))
        rename(source, target)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(os, "replace", renamed)
    return seen


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder"


WRITTEN = [("flush", "*"), ("rename", "a.csv"), ("flush", "folder")]


def test_a_file_is_flushed_before_it_has_its_name_and_its_folder_afterwards(folder, events):
    write_atomically(folder / "a.csv", "content")
    assert events == WRITTEN


def test_the_whole_content_of_a_file_is_handed_over_before_it_is_flushed(folder, monkeypatch):
    sizes = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: sizes.append(os.fstat(descriptor).st_size))
    write_atomically(folder / "a.csv", "content")
    assert sizes[0] == len("content")


def test_a_folder_that_is_prepared_is_empty(folder):
    prepare_folder(folder / "a" / "b")
    assert list((folder / "a" / "b").iterdir()) == []


@pytest.mark.parametrize("old_is_folder", [True, False])
def test_a_file_replaces_a_folder_and_a_folder_a_file(folder, old_is_folder):
    old, new = folder / "a", folder / "new"
    for path, is_folder in ((old, old_is_folder), (new, not old_is_folder)):
        if is_folder:
            path.mkdir()
            (path / "chunk").touch()
        else:
            path.touch()
    replace_path(new, old)
    assert old.is_dir() != old_is_folder
    assert [path.name for path in folder.iterdir()] == ["a"]


def test_a_link_is_removed_without_what_it_leads_to(folder):
    (folder / "there").mkdir()
    (folder / "there" / "chunk").touch()
    (folder / "link").symlink_to(folder / "there")
    remove_path(folder / "link")
    assert not (folder / "link").is_symlink()
    assert (folder / "there" / "chunk").exists()


def test_bytes_are_written_like_text_and_only_where_they_differ(folder, events):
    assert write_bytes_if_changed(folder / "a.csv", b"one")
    assert not write_bytes_if_changed(folder / "a.csv", b"one")
    assert events == WRITTEN
    assert write_bytes_if_changed(folder / "a.csv", b"two")
    assert (folder / "a.csv").read_bytes() == b"two"
    assert events == WRITTEN * 2


def test_a_replaced_file_or_folder_is_made_durable_by_its_folder(folder, events):
    for name in ("new", "newer"):
        (folder / name).mkdir()
        (folder / name / "chunk").touch()
        replace_path(folder / name, folder / "a.zarr")
    assert [event for event in events if event[0] == "flush"] == [("flush", "folder")] * 2
    assert events[-1] == ("flush", "folder")


def test_a_volume_is_on_the_disk_part_by_part_with_its_record_last(tmp_path, events):
    final = volume_paths(tmp_path, "a" * 32, StoreType.SQLITE)
    for part in (final.store, final.record):
        part.parent.mkdir(exist_ok=True)
    final.record.touch()
    with staged_volume(final) as staged:
        staged.store.touch()
        staged.slices.touch()
        staged.publish("record")
    assert events == [
        ("flush", "meta"),  # the old record is gone
        ("rename", final.store.name),
        ("flush", "data"),
        ("flush", "*"),
        ("rename", final.slices.name),
        ("flush", "meta"),
        ("flush", "*"),
        ("rename", final.record.name),
        ("flush", "meta"),
    ]


def test_removing_a_record_that_is_not_there_flushes_nothing(tmp_path, events):
    final = volume_paths(tmp_path, "a" * 32, StoreType.SQLITE)
    remove_record(final)
    assert events == []


@pytest.mark.parametrize("number", sorted(FOLDER_FSYNC_UNSUPPORTED))
def test_a_file_system_that_cannot_flush_folders_is_good_enough_for_folders_alone(
    folder, monkeypatch, number
):
    def refuse(_: int) -> None:
        raise OSError(number, "refused")

    (folder / "a").touch()
    monkeypatch.setattr(os, "fsync", refuse)
    flush_folder(folder)
    with pytest.raises(OSError, match="refused"):
        flush_file(folder / "a")


def test_another_fault_of_a_folder_is_an_error(folder, monkeypatch):
    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(MachineError) as raised:
        write_atomically(folder / "a.csv", "content")
    assert raised.value.code is Code.MACHINE
    assert raised.value.facts == {"folder": folder, "cause": "Input/output error"}


@pytest.mark.parametrize(("number", "full"), [(28, True), (122, True), (13, False), (30, False)])
def test_only_a_full_disk_asks_for_space(folder, number, full):
    with pytest.raises(MachineError) as raised, machine_errors(folder):
        raise OSError(number, os.strerror(number))
    assert ("free some space" in str(raised.value)) == full
    assert ("may be written" in str(raised.value)) != full


def test_a_database_asks_for_space_only_where_it_has_no_room(folder):
    with sqlite3.connect(folder / "a.sqlite") as database:
        database.execute("PRAGMA max_page_count = 2")
        database.execute("CREATE TABLE a (b)")
        with pytest.raises(MachineError, match="free some space"), machine_errors(folder):
            database.execute("INSERT INTO a VALUES (zeroblob(100000))")
        with pytest.raises(MachineError, match="may be written"), machine_errors(folder):
            database.execute("SELECT * FROM missing")
    database.close()


# Whose file it is -----------------------------------------------------------------------------


def left_by(folder: Path, pid: int, start: str) -> Path:
    """A temporary file as a process of this machine would name it."""
    machine, *_ = temporary_path(folder, "x").name.removeprefix(TEMPORARY_PREFIX).split("-")
    path = folder / f"{TEMPORARY_PREFIX}{machine}-{pid}-{start}-0-x"
    path.touch()
    return path


def start_of(pid: int) -> str:
    """When a process was started: field 22 of its stat, in clock ticks (proc(5))."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]


def test_a_process_is_known_by_its_number_and_its_start(folder):
    path = temporary_path(folder, "x")
    _, pid, start, *_ = path.name.removeprefix(TEMPORARY_PREFIX).split("-")
    assert (int(pid), start) == (os.getpid(), start_of(os.getpid()))
    assert path != temporary_path(folder, "x")


def test_a_file_of_a_process_whose_number_another_one_has_now_is_removed(folder):
    mine = left_by(folder, os.getpid(), start_of(os.getpid()))
    theirs = left_by(folder, os.getpid(), str(int(start_of(os.getpid())) - 1))
    assert remove_abandoned([folder]) == 1
    assert (mine.exists(), theirs.exists()) == (True, False)


def test_a_process_that_nobody_has_waited_for_yet_counts_as_gone(folder):
    child = subprocess.Popen(["sleep", "60"])
    path = left_by(folder, child.pid, start_of(child.pid))
    assert remove_abandoned([folder]) == 0
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and is still listed
    assert remove_abandoned([folder]) == 1
    assert not path.exists()
    child.wait()


def test_files_of_other_names_and_folders_that_are_away_are_left_alone(folder):
    (folder / "building-x").touch()
    assert remove_abandoned([folder, folder / "away"], older_than=-1) == 0
    assert (folder / "building-x").exists()


def test_age_counts_from_the_newest_file_in_a_folder(folder):
    old = folder / f"{TEMPORARY_PREFIX}elsewhere-1-1-0-x"
    old.mkdir()
    (old / "volume").mkdir()
    chunk = old / "volume" / "chunk"
    chunk.touch()
    past = chunk.stat().st_mtime - 1000
    for path in (old / "volume", old):
        os.utime(path, (past, past))
    assert remove_abandoned([folder], older_than=500) == 0
    os.utime(chunk, (past, past))
    assert remove_abandoned([folder], older_than=500) == 1
    assert not old.exists()


def test_what_another_machine_left_is_kept_for_a_day(folder):
    path = folder / f"{TEMPORARY_PREFIX}elsewhere-1-1-0-x"
    path.touch()
    for hours, removed in ((23, 0), (25, 1)):
        then = time.time() - hours * 3600
        os.utime(path, (then, then))
        assert remove_abandoned([folder]) == removed


def test_a_folder_in_which_something_cannot_be_looked_at_is_not_judged_by_its_age(folder):
    path = folder / f"{TEMPORARY_PREFIX}elsewhere-1-1-0-x"
    path.mkdir()
    (path / "chunk").symlink_to(folder / "gone")
    os.utime(path, (1, 1))
    assert remove_abandoned([folder]) == 0
    assert path.exists()


def test_a_machine_is_a_boot_of_a_host_and_a_namespace_of_process_numbers(folder):
    boot = Path("/proc/sys/kernel/random/boot_id").read_text()
    namespace = os.readlink("/proc/self/ns/pid")  # noqa: PTH115
    facts = "\0".join((socket.gethostname(), boot, namespace))
    due = hashlib.blake2b(facts.encode(), digest_size=6).hexdigest()
    assert temporary_path(folder, "x").name.startswith(f"{TEMPORARY_PREFIX}{due}-")
