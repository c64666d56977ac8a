"""Zip files: entries where they are, checked, and in the order of OME RFC-9."""

import json
import stat
import zipfile
from pathlib import Path

import pytest

from ct2zarr.codes import Code
from ct2zarr.errors import FileError
from ct2zarr.store.zip import ZipContainer, ZipWriter

CHUNK = b"0123456789" * 30


def written(path: Path) -> Path:
    writer = ZipWriter(path)
    writer.put("volume/c/0", CHUNK)
    writer.put("volume/zarr.json", b"{}")
    writer.put("zarr.json", json.dumps({"attributes": {"ome": {"version": "0.5"}}}).encode())
    writer.finish()
    return path


def zip_with(path: Path, **entry: object) -> Path:
    info = zipfile.ZipInfo("a")
    for name, value in entry.items():
        setattr(info, name, value)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, CHUNK)
        archive.writestr("b", b"other")
    return path


def test_sizes_keys_and_parts_are_those_of_the_entries(tmp_path: Path) -> None:
    container = ZipContainer(written(tmp_path / "a"))
    assert container.keys() == ["volume/c/0", "volume/zarr.json", "zarr.json"]
    assert container.keys("volume/") == ["volume/c/0", "volume/zarr.json"]
    assert (container.size("volume/c/0"), container.size("volume")) == (300, None)
    assert bytes(container.get("volume/c/0", slice(-3, None)) or b"") == b"789"
    assert container.get("absent") is None


@pytest.mark.parametrize("extra", [0, 40, 64, 65, 500])
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_extra_fields_of_any_length_are_skipped(tmp_path: Path, extra: int, method: int) -> None:
    field = b"\x99\x99" + (extra - 4).to_bytes(2, "little") + bytes(extra - 4) if extra else b""
    container = ZipContainer(zip_with(tmp_path / "a", compress_type=method, extra=field))
    assert bytes(container.get("a") or b"") == CHUNK
    assert container.size("a") == 300


def test_another_compression_is_refused(tmp_path: Path) -> None:
    container = ZipContainer(zip_with(tmp_path / "a", compress_type=zipfile.ZIP_LZMA))
    with pytest.raises(FileError, match="entry a is compressed with a method") as raised:
        container.get("a")
    assert raised.value.code is Code.STORE_UNREADABLE
    assert bytes(container.get("b") or b"") == b"other"


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_changed_byte_of_an_entry_is_an_error(tmp_path: Path, method: int) -> None:
    path = zip_with(tmp_path / "a", compress_type=method)
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(content)
    with pytest.raises(FileError, match="entry a does not match its CRC-32") as raised:
        ZipContainer(path).get("a")
    assert raised.value.code is Code.STORE_DAMAGED


def test_an_entry_without_its_local_header_is_an_error(tmp_path: Path) -> None:
    path = zip_with(tmp_path / "a")
    content = bytearray(path.read_bytes())
    content[0] = 0
    path.write_bytes(content)
    with pytest.raises(FileError, match="entry a is not where the directory") as raised:
        ZipContainer(path).get("a")
    assert raised.value.code is Code.STORE_DAMAGED


def test_a_directory_entry_is_no_key(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a", "w") as archive:
        archive.mkdir("folder")
        archive.writestr("folder/zarr.json", b"{}")
    assert ZipContainer(tmp_path / "a").keys() == ["folder/zarr.json"]


def test_a_name_that_appears_twice_is_damage(tmp_path: Path) -> None:
    """Readers differ in which of the two they take."""
    with zipfile.ZipFile(tmp_path / "a", "w") as archive:
        archive.writestr("k", b"first")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("k", b"last")
    with pytest.raises(FileError, match="names an entry twice") as raised:
        ZipContainer(tmp_path / "a")
    assert raised.value.code is Code.STORE_DAMAGED


def test_entries_have_a_fixed_date_and_may_be_read_by_all(tmp_path: Path) -> None:
    with zipfile.ZipFile(written(tmp_path / "a")) as archive:
        assert [info.filename for info in archive.infolist()] == [
            "zarr.json", "volume/zarr.json", "volume/c/0",
        ]  # fmt: skip
        for info in archive.infolist():
            assert info.date_time == (1980, 1, 1, 0, 0, 0)
            assert stat.S_IMODE(info.external_attr >> 16) == 0o644
            assert (info.create_system, info.extract_version) == (3, 45)


def test_handles_are_closed_and_opened_again(tmp_path: Path) -> None:
    path = written(tmp_path / "a")
    container = ZipContainer(path)

    def handles() -> int:
        return sum(entry.resolve() == path for entry in Path("/proc/self/fd").iterdir())

    container.get("zarr.json")
    assert handles() == 1
    container.close()
    container.close()
    assert handles() == 0
    assert container.get("zarr.json") is not None
