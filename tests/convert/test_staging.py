"""A volume gets its final names whole, its record last; a failure leaves nothing behind."""

import os
from pathlib import Path

import pytest

from ct2zarr.convert.staging import remove_record, remove_volume, staged_volume
from ct2zarr.errors import MachineError
from ct2zarr.run.paths import volume_paths
from ct2zarr.vocabulary import StoreType

NAME = "0" * 32


@pytest.fixture(params=[StoreType.SQLITE, StoreType.DIR])
def final(tmp_path, request):
    for folder in ("data", "meta"):
        (tmp_path / folder).mkdir()
    return volume_paths(tmp_path, NAME, request.param)


def write(staged, text):
    """A store that is a file or a folder, and its slices."""
    if staged.final.store.name.endswith(".zarr"):
        staged.store.mkdir()
        (staged.store / "chunk").write_text(text)
    else:
        staged.store.write_text(text)
    staged.slices.write_text(text)


def content(final):
    chunk = final.store / "chunk" if final.store.is_dir() else final.store
    return [path.read_text() for path in (chunk, final.slices, final.record)]


def names(final):
    return sorted(
        path.name
        for folder in (final.store.parent, final.record.parent)
        for path in folder.iterdir()
    )


def test_a_published_volume_has_its_three_parts_and_no_other(final):
    with staged_volume(final) as staged:
        assert staged.store.parent == final.store.parent
        assert staged.slices.parent == final.slices.parent
        write(staged, "new")
        staged.publish("record")
    assert content(final) == ["new", "new", "record"]
    assert len(names(final)) == 3


def test_publishing_replaces_an_older_volume(final):
    for text in ("old", "new"):
        with staged_volume(final) as staged:
            write(staged, text)
            staged.publish(text)
    assert content(final) == ["new", "new", "new"]
    assert len(names(final)) == 3


def test_a_conversion_that_fails_keeps_the_older_volume_and_leaves_nothing(final):
    with staged_volume(final) as staged:
        write(staged, "old")
        staged.publish("old")

    def fail():
        with staged_volume(final) as staged:
            write(staged, "new")
            staged.store.with_name(staged.store.name + "-journal").write_text("spool")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert content(final) == ["old", "old", "old"]
    assert len(names(final)) == 3


def test_while_parts_are_replaced_no_record_claims_that_they_are_complete(final):
    with staged_volume(final) as staged:
        write(staged, "old")
        staged.publish("old")
    with staged_volume(final) as staged:
        write(staged, "new")
        staged.slices.unlink()  # the store is renamed before this shows
        with pytest.raises(MachineError):
            staged.publish("new")
    assert not final.record.exists()


def test_a_record_can_be_removed_twice(final):
    final.record.write_text("record")
    remove_record(final)
    remove_record(final)
    assert not final.record.exists()


def test_a_volume_is_removed_with_all_its_parts(final):
    with staged_volume(final) as staged:
        write(staged, "old")
        staged.publish("old")
    remove_volume(final)
    assert names(final) == []
    remove_volume(final)


def test_a_store_without_a_record_is_removed_too(final):
    with staged_volume(final) as staged:
        write(staged, "old")
        staged.publish("old")
    final.record.unlink()
    final.slices.unlink()
    remove_volume(final)
    assert names(final) == []


def test_the_old_record_goes_before_the_store_is_replaced(final):
    with staged_volume(final) as staged:
        write(staged, "old")
        staged.publish("old")
    with staged_volume(final) as staged:
        staged.slices.write_text("new")  # there is no store to rename
        with pytest.raises(MachineError):
            staged.publish("new")
    assert not final.record.exists()
    assert len(names(final)) == 2


def test_slices_and_folders_are_on_the_disk_before_the_record_is(final, monkeypatch):
    flushed: list[str] = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        flushed.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        fsync(descriptor)

    with staged_volume(final) as staged:
        write(staged, "new")
        monkeypatch.setattr(os, "fsync", note)
        staged.publish("record")
        monkeypatch.undo()
    data, meta = str(final.store.parent), str(final.record.parent)
    assert flushed[:3] == [data, str(staged.slices), meta]
    assert flushed[-1] == meta
    assert len(flushed) == 5  # the record itself before its folder


def test_slices_without_a_store_are_removed_too(final):
    final.slices.write_text("old")
    remove_volume(final)
    assert names(final) == []
