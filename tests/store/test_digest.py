"""The digest of a store is the formula of docs/output-format.md, and stays what it was."""

import hashlib
import zlib
from pathlib import Path

import pytest

from ct2zarr.codes import Code
from ct2zarr.errors import FileError
from ct2zarr.store.containers import open_writer, store_crc32, store_digest
from ct2zarr.store.digest import StoreDigest
from ct2zarr.store.folder import FolderContainer
from ct2zarr.vocabulary import StoreType

CONTENT = {"zarr.json": b"{}", "volume/c/0/0/0": b"chunk", "volume/c/0/0/10": b"", "ü": b"\xff"}
DIGEST = "9149d6631780381d6c760eb7a9a532c3a76aeb51"


def test_the_digest_is_that_of_the_stores_that_users_have():
    digest = StoreDigest()
    for key, value in CONTENT.items():
        digest.add(key, memoryview(value))
    assert digest.hexdigest() == DIGEST
    text = b"".join(
        key.encode()
        + b"\0"
        + len(value).to_bytes(8, "little")
        + zlib.crc32(value).to_bytes(4, "little")
        for key, value in sorted(CONTENT.items(), key=lambda item: item[0].encode())
    )
    assert hashlib.sha1(text).hexdigest() == DIGEST


@pytest.mark.parametrize("store_type", list(StoreType))
def test_a_finished_store_of_each_kind_has_it(tmp_path: Path, store_type: StoreType):
    writer = open_writer(store_type, tmp_path / "a")
    for key, value in CONTENT.items():
        writer.put(key, value)
    writer.finish()
    assert writer.digest() == store_digest(tmp_path / "a") == DIGEST
    crc = store_crc32(tmp_path / "a")
    if store_type is StoreType.DIR:
        assert crc == ""
    else:
        assert crc == f"{zlib.crc32((tmp_path / 'a').read_bytes()):08x}"


def test_leading_zeros_and_many_blocks_are_part_of_the_crc(tmp_path: Path):
    path = tmp_path / "a"
    path.write_bytes(bytes(3 << 20) + b"end")
    assert store_crc32(path) == f"{zlib.crc32(bytes(3 << 20) + b'end'):08x}"
    small = next(text for text in map(str, range(10**6)) if zlib.crc32(text.encode()) < 1 << 24)
    path.write_text(small)
    assert store_crc32(path) == f"{zlib.crc32(small.encode()):08x}"
    assert store_crc32(path).startswith("00")


def test_a_key_that_disappears_while_reading_is_an_error(tmp_path: Path, monkeypatch):
    writer = open_writer(StoreType.DIR, tmp_path / "a")
    for key, value in CONTENT.items():
        writer.put(key, value)
    writer.finish()
    keys = FolderContainer.keys

    def keys_then_loss(self, prefix=""):
        found = keys(self, prefix)
        (self.path / "volume/c/0/0/0").unlink()
        return found

    monkeypatch.setattr(FolderContainer, "keys", keys_then_loss)
    with pytest.raises(FileError, match="disappeared") as raised:
        store_digest(tmp_path / "a")
    assert raised.value.code is Code.STORE_UNREADABLE
    assert raised.value.facts["key"] == "volume/c/0/0/0"
