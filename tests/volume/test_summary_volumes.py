"""The volumes that a summary names: which ones, their order, and what may be wrong."""

from pathlib import Path

import pytest

from ct2zarr.codes import Code
from ct2zarr.errors import FileError
from ct2zarr.run.paths import joined_summary, volume_paths
from ct2zarr.run.sealed import write_table
from ct2zarr.run.summary_columns import SummaryRow, rows_to_csv
from ct2zarr.vocabulary import StoreType
from ct2zarr.volume.summary_volumes import volumes_in

HASHES = {name: name * 32 for name in "abcd"}
TYPES = {"a": StoreType.DIR, "b": StoreType.ZIP, "c": StoreType.SQLITE}


def row(name: str, **changes: str) -> SummaryRow:
    values = {"dataset": "one", "status": "ok", "series_dir": "/in"} | changes
    return SummaryRow(series_hash=HASHES[name], **values)


@pytest.fixture
def summary(tmp_path: Path) -> Path:
    """Three volumes in a store of each type, and one that failed."""
    rows = [
        row("c", flags="padding;gantry_tilt"),
        row("a", dataset="two", flags="padding"),
        row("d", status="failed"),
        row("b"),
    ]
    (tmp_path / "data").mkdir()
    for name, store_type in TYPES.items():
        volume_paths(tmp_path, HASHES[name], store_type).store.touch()
    path = joined_summary(tmp_path).table
    path.write_text(rows_to_csv(rows))
    return path


def names(paths: list[Path]) -> str:
    return "".join(path.name[0] for path in paths)


def test_converted_volumes_are_in_the_order_of_the_table_in_any_store(summary: Path) -> None:
    assert volumes_in(summary) == [
        volume_paths(summary.parent, HASHES[name], TYPES[name]).store for name in "cab"
    ]
    assert volumes_in(str(summary)) == volumes_in(summary)


def test_volumes_are_left_out_by_any_of_their_flags_and_by_dataset(summary: Path) -> None:
    assert names(volumes_in(summary, exclude_flags=["gantry_tilt"])) == "ab"
    assert names(volumes_in(summary, exclude_flags=["gantry_tilt", "padding"])) == "b"
    assert names(volumes_in(summary, dataset="one")) == "cb"
    assert volumes_in(summary, dataset="three") == []


def test_a_flag_that_does_not_exist_is_an_error(summary: Path) -> None:
    with pytest.raises(FileError, match="there is no flag padings") as raised:
        volumes_in(summary, exclude_flags=["padings", "padding"])
    assert raised.value.code is Code.UNKNOWN_FLAG


def test_a_volume_that_is_not_beside_its_summary_is_an_error(summary: Path) -> None:
    volume_paths(summary.parent, HASHES["a"], TYPES["a"]).store.unlink()
    with pytest.raises(FileError, match=HASHES["a"]) as raised:
        volumes_in(summary)
    assert raised.value.code is Code.STORE_MISSING


@pytest.mark.parametrize("text", [None, "", "series_hash,status,flags\n"])
def test_what_is_no_summary_is_an_error_that_names_it(summary: Path, text: str | None) -> None:
    summary.unlink() if text is None else summary.write_text(text)
    with pytest.raises(FileError, match="summary_all") as raised:
        volumes_in(summary)
    assert raised.value.code is Code.NOT_A_SUMMARY


def test_a_table_that_was_changed_since_it_was_written_names_no_volume(summary: Path) -> None:
    files = joined_summary(summary.parent)
    write_table(files, summary.read_text(), {"totals": {"volumes": 4}})
    assert names(volumes_in(summary)) == "cab"
    for path in (files.table, files.totals):
        whole = path.read_bytes()
        for place in range(0, len(whole), 7):
            changed = bytearray(whole)
            changed[place] ^= 1
            path.write_bytes(changed)
            with pytest.raises(FileError, match=r"changed after it was written|not valid JSON"):
                volumes_in(summary)
        path.write_bytes(whole)
    files.table.write_text(files.table.read_text().replace("failed", "ok"))
    with pytest.raises(FileError, match="changed after it was written"):
        volumes_in(summary)


def test_a_table_of_the_first_version_or_of_a_person_has_no_checksum(summary: Path) -> None:
    joined_summary(summary.parent).totals.write_text('{"totals": {"volumes": 4}}')
    assert names(volumes_in(summary)) == "cab"
    own = summary.with_name("mine.csv")
    own.write_text(rows_to_csv([row("b")]))
    assert names(volumes_in(own)) == "b"
