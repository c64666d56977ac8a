"""A manifest is current only while what it was made from, and each of its files, is the same."""

import os

import pytest

from ct2zarr.plan.manifest_state import forget_state, is_current, keep_state
from ct2zarr.run.paths import SCAN_CACHE_FOLDER


@pytest.fixture
def manifest(tmp_path):
    files = [tmp_path / "series_all.csv", tmp_path / "shards" / "files_shard_00.parquet"]
    for path in files:
        path.parent.mkdir(exist_ok=True)
        path.write_text(path.name)
    (tmp_path / SCAN_CACHE_FOLDER).mkdir()
    keep_state(tmp_path, "key", files)
    return tmp_path


def test_an_unchanged_manifest_is_current(manifest):
    assert is_current(manifest, "key")


def test_another_key_is_another_manifest(manifest):
    assert not is_current(manifest, "other")


@pytest.mark.parametrize("name", ["series_all.csv", "shards/files_shard_00.parquet"])
def test_a_file_that_is_gone_longer_or_touched_makes_it_old(manifest, name):
    path = manifest / name
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert not is_current(manifest, "key")
    path.write_text("longer than before, " * 9)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert not is_current(manifest, "key")
    path.unlink()
    assert not is_current(manifest, "key")


def test_a_manifest_that_is_being_written_is_not_current(manifest):
    forget_state(manifest)
    assert not is_current(manifest, "key")
    forget_state(manifest)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"key": "key", "files": []}', "no json"])
def test_a_state_that_cannot_be_understood_is_old(manifest, content):
    (state,) = manifest.rglob("state.json")
    state.write_text(content)
    assert not is_current(manifest, "key")
