"""The sidecars of a volume are its own, or an error."""

import json
from pathlib import Path

import pytest

from ct2zarr.codes import Code
from ct2zarr.errors import FileError
from ct2zarr.volume.volume import open_volume
from handmade_volume import (
    SERIES_HASH,
    SLICES,
    ct2zarr_attribute,
    voxels,
    write_sidecars,
    write_volume,
)

OTHER = "a" * 32


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """Two volumes beside each other, with sidecars."""
    (tmp_path / "data").mkdir()
    attribute = ct2zarr_attribute(10, series_hash=OTHER)
    write_volume(tmp_path / "data" / f"{SERIES_HASH}.zarr.sqlite", voxels())
    write_volume(tmp_path / "data" / f"{OTHER}.zarr.sqlite", voxels(), attribute=attribute)
    write_sidecars(tmp_path / "meta")
    other = SLICES.replace("a/", "b/")
    write_sidecars(tmp_path / "meta", other, name=OTHER, series_hash=OTHER)
    return tmp_path


def swap(folder: Path, ending: str) -> None:
    (folder / f"{OTHER}{ending}").rename(folder / "aside")
    (folder / f"{SERIES_HASH}{ending}").rename(folder / f"{OTHER}{ending}")
    (folder / "aside").rename(folder / f"{SERIES_HASH}{ending}")


@pytest.mark.parametrize("ending", [".series.json", ".slices.csv"])
@pytest.mark.parametrize("name", [SERIES_HASH, OTHER])
def test_sidecars_that_were_swapped_are_refused(two: Path, ending: str, name: str) -> None:
    swap(two / "meta", ending)
    volume = open_volume(two / "data" / f"{name}.zarr.sqlite")
    for use in ("slices", "slice_table"):
        with pytest.raises(FileError, match=f"{name}{ending} does not belong") as raised:
            getattr(volume, use)()
        assert raised.value.code is Code.OTHER_VOLUME


@pytest.mark.parametrize("name", [SERIES_HASH, OTHER])
def test_sidecars_of_stores_that_were_swapped_are_refused(two: Path, name: str) -> None:
    swap(two / "data", ".zarr.sqlite")
    with pytest.raises(FileError, match="not the one that its name says") as raised:
        _ = open_volume(two / "data" / f"{name}.zarr.sqlite").series
    assert raised.value.code is Code.OTHER_VOLUME


@pytest.mark.parametrize("name", ["scan", "b" * 31, "b" * 32 + ".copy.sqlite", "b" * 32])
def test_a_copy_may_have_any_other_name(two: Path, name: str) -> None:
    (two / "data" / f"{OTHER}.zarr.sqlite").rename(two / "data" / name)
    assert open_volume(two / "data" / name).slices[0]["file_name"] == "b/0.dcm"


@pytest.mark.parametrize("fingerprint", ["e" * 32, None])
def test_the_record_of_another_conversion_is_refused(two: Path, fingerprint: str | None) -> None:
    write_sidecars(two / "meta", fingerprint=fingerprint)
    with pytest.raises(FileError, match="does not belong"):
        _ = open_volume(two / "data" / f"{SERIES_HASH}.zarr.sqlite").series


def test_as_many_rows_as_planes_are_due(two: Path) -> None:
    write_sidecars(two / "meta", SLICES.rpartition("9,a")[0])
    with pytest.raises(FileError, match="does not belong"):
        _ = open_volume(two / "data" / f"{SERIES_HASH}.zarr.sqlite").slices


@pytest.mark.parametrize("text", ["{", "[]", "\udcff", json.dumps({"a": 1})])
def test_a_record_that_is_none_is_an_error(two: Path, text: str) -> None:
    record = two / "meta" / f"{SERIES_HASH}.series.json"
    record.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(FileError) as raised:
        _ = open_volume(two / "data" / f"{SERIES_HASH}.zarr.sqlite").series
    assert raised.value.code in {Code.DAMAGED_RECORD, Code.OTHER_VOLUME}
    assert raised.value.path == str(record)
