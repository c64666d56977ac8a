"""Checksums of planes, files and manifests."""

import hashlib
import json
import zlib

import numpy as np
import pytest

from ct2zarr.run.checksums import INDEX_MD5, crc32, file_md5, manifest_md5, plane_md5

VALUES = np.array([[1, -2], [300, 4]], np.int16)


@pytest.mark.parametrize(
    "plane",
    [
        VALUES,
        VALUES.astype(">i2"),
        np.asfortranarray(VALUES),
        np.repeat(VALUES, 2, axis=1)[:, ::2],
    ],
    ids=["as written", "big endian", "by columns", "not contiguous"],
)
def test_the_md5_of_a_plane_depends_on_its_values_alone(plane):
    due = hashlib.md5(b"\x01\x00\xfe\xff\x2c\x01\x04\x00").hexdigest()
    assert plane_md5(plane) == due


def test_the_md5_of_a_plane_depends_on_its_type():
    assert plane_md5(VALUES) != plane_md5(VALUES.astype(np.int32))


def test_a_file_has_the_md5_of_its_content(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    assert file_md5(path) == "900150983cd24fb0d6963f7d28e17f72"


@pytest.fixture
def shard(tmp_path):
    (tmp_path / "shards").mkdir()
    path = tmp_path / "shards" / "series_shard_07.csv"
    path.write_text("shard")
    (tmp_path / "series_all.csv").write_text("index")
    return path


def test_a_shard_has_the_md5_of_its_manifest_which_the_summary_states(shard):
    summary = shard.parents[1] / "manifest_summary.json"
    summary.write_text(json.dumps({INDEX_MD5: "0123"}))
    assert manifest_md5(shard) == "0123"


@pytest.mark.parametrize("content", [None, "{}", "no json", "[1]"])
def test_without_a_usable_summary_the_index_itself_is_read(shard, content):
    if content is not None:
        (shard.parents[1] / "manifest_summary.json").write_text(content)
    assert manifest_md5(shard) == hashlib.md5(b"index").hexdigest()


def test_a_shard_without_its_manifest_has_none(shard):
    (shard.parents[1] / "series_all.csv").unlink()
    assert manifest_md5(shard) == ""


def test_a_list_of_the_user_identifies_itself(shard):
    own = shard.with_name("mine.csv")
    own.write_text("mine")
    assert manifest_md5(own) == hashlib.md5(b"mine").hexdigest()


def test_a_copy_of_a_shard_under_another_name_is_a_list_of_the_user(shard):
    copy = shard.with_name("series_shard_07.csv.csv")
    copy.write_text("copy")
    assert manifest_md5(copy) == hashlib.md5(b"copy").hexdigest()


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 300001])
def test_the_crc_of_some_bytes_is_that_of_zlib(size):
    content = np.random.default_rng(size).bytes(size)
    assert crc32(content) == zlib.crc32(content)
    assert crc32(memoryview(content), 12345) == zlib.crc32(content, 12345)
    values = np.frombuffer(content[: size // 2 * 2], dtype=np.int16)
    assert crc32(values.data) == zlib.crc32(values)
