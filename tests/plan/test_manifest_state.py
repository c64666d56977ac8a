"""A manifest is current only while what it was made from, and each of its files, is the same."""

import os
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from ct2zarr.codes import Code
from ct2zarr.plan.manifest_state import forget_state, is_current, keep_state, manifest_key
from ct2zarr.run.paths import SCAN_CACHE_FOLDER
from ct2zarr.run.settings import ManifestSettings, SelectionSettings
from ct2zarr.scan.frame_tables import frames_to_table
from ct2zarr.scan.scanning import Scan
from series_of import stack


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


def key_of(frames, tmp_path, chunks=1, others=0, folders=(), **options):
    table = pa.concat_tables([frames_to_table(frames[i::chunks]) for i in range(chunks)])
    settings = ManifestSettings(
        **{"datasets": {"v1": tmp_path}, "manifest_dir": tmp_path, **options}
    )
    return manifest_key(Scan(table, len(frames), 0, 0, 3, folders, others), settings)


@pytest.mark.parametrize(
    "change",
    [
        {"path": "/data/other"},
        {"dataset": "v2"},
        {"bytes": 1001},
        {"mtime_ns": 2},
        {"frame_number": 2},
        {"reason": "Because."},
        {"code": Code.DAMAGED},
    ],
    ids=str,
)
def test_each_fact_that_tells_files_apart_changes_the_key(tmp_path, change):
    frames = stack([0.0, 2.0])
    changed = [frames[0], replace(frames[1], **change)]
    assert key_of(changed, tmp_path) != key_of(frames, tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"others": 1},
        {"folders": (("/data/shut", "Permission denied"),)},
        {"num_shards": 5},
        {"max_depth": 9},
        {"selection": SelectionSettings(include_secondary_capture=True)},
        {"datasets": {"v1": Path("/elsewhere")}},
    ],
    ids=str,
)
def test_each_setting_and_finding_changes_the_key(tmp_path, change):
    frames = stack([0.0, 2.0])
    assert key_of(frames, tmp_path, **change) != key_of(frames, tmp_path)


def test_the_key_is_that_of_the_rows_however_they_lie_in_chunks(tmp_path):
    frames = stack([0.0, 2.0])
    assert key_of(frames, tmp_path, chunks=2) == key_of(frames, tmp_path)


def test_a_reader_that_finds_other_facts_changes_the_key(tmp_path, monkeypatch):
    frames = stack([0.0, 2.0])
    before = key_of(frames, tmp_path)
    monkeypatch.setattr("ct2zarr.plan.manifest_state.FACTS_VERSION", b"another")
    assert key_of(frames, tmp_path) != before
