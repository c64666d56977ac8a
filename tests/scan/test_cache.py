"""What a scan keeps for the next one, and what it does not trust."""

from dataclasses import replace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ct2zarr.codes import Code
from ct2zarr.run.tables import parquet_bytes
from ct2zarr.scan import cache as module
from ct2zarr.scan.cache import TRIED_AGAIN, ScanCache
from ct2zarr.scan.frame_tables import frames_to_table
from ct2zarr.vocabulary import Role
from series_of import frame, stack


def paths(cache):
    return cache.rows["path"].to_pylist()


def table(*numbers):
    return frames_to_table([frame(number, 0.0, path=f"/{number}") for number in numbers])


def test_rows_are_kept_for_the_next_scan_without_root_and_dataset(tmp_path):
    ScanCache(tmp_path).replace(table(1, 2))
    found = ScanCache(tmp_path)
    assert paths(found) == ["/1", "/2"]
    assert found.whole
    assert not {"root", "dataset"} & set(found.rows.column_names)


def test_rows_of_a_killed_scan_are_added_to_those_before(tmp_path):
    ScanCache(tmp_path).replace(table(1))
    killed = ScanCache(tmp_path)
    killed.add(table(2))
    killed.add(table(3))
    found = ScanCache(tmp_path)
    assert paths(found) == ["/1", "/2", "/3"]
    assert not found.whole


def test_a_second_killed_scan_does_not_overwrite_the_files_of_the_first(tmp_path):
    for number in (1, 2):
        ScanCache(tmp_path).add(table(number))
    assert sorted(paths(ScanCache(tmp_path))) == ["/1", "/2"]


def test_a_finished_scan_leaves_one_file(tmp_path):
    cache = ScanCache(tmp_path)
    cache.add(table(1))
    cache.replace(table(2, 3))
    assert [path.name for path in tmp_path.iterdir()] == ["instances.parquet"]
    assert paths(ScanCache(tmp_path)) == ["/2", "/3"]


@pytest.mark.parametrize("code", list(Code))
def test_only_files_that_the_machine_may_have_failed_on_are_read_again(tmp_path, code):
    bad = replace(frame(2, 0.0), path="/2", role=Role.UNREADABLE, reason="No.", code=code)
    good = frame(1, 0.0, path="/1")
    ScanCache(tmp_path).replace(frames_to_table([good, bad]))
    assert paths(ScanCache(tmp_path)) == (["/1"] if code in TRIED_AGAIN else ["/1", "/2"])


def test_nothing_is_written_without_rows_or_without_a_folder(tmp_path):
    ScanCache(tmp_path / "new").add(frames_to_table([]))
    assert not (tmp_path / "new").exists()
    nowhere = ScanCache(None)
    nowhere.add(table(1))
    nowhere.replace(table(1))
    assert nowhere.rows.num_rows == 0


def test_a_cache_of_another_version_is_not_used(tmp_path, monkeypatch):
    ScanCache(tmp_path).replace(table(1))
    monkeypatch.setattr(module, "FACTS_VERSION", b"0")
    assert ScanCache(tmp_path).rows.num_rows == 0


def test_a_cache_with_other_columns_is_not_used(tmp_path):
    ScanCache(tmp_path).replace(frames_to_table(stack([0.0])))
    path = tmp_path / "instances.parquet"
    kept = pq.read_table(pa.BufferReader(module._checked(path.read_bytes())))
    fewer = parquet_bytes(kept.drop_columns(["kernel"]), kept.schema.metadata)
    path.write_bytes(module._sealed(fewer))
    assert ScanCache(tmp_path).rows.num_rows == 0


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no parquet"])
def test_a_damaged_file_costs_its_rows_alone(tmp_path, content):
    ScanCache(tmp_path).replace(table(1))
    (tmp_path / "new_00000.parquet").write_bytes(content)
    found = ScanCache(tmp_path)
    assert paths(found) == ["/1"]
    assert isinstance(found.rows, pa.Table)


def test_no_decision_depends_on_the_words_of_a_reason(tmp_path):
    words = frame(
        1, 0, path="/data/a", role=Role.UNREADABLE,
        reason="cannot be opened: it reads like it", code=Code.DAMAGED,
    )  # fmt: skip
    ScanCache(tmp_path).replace(frames_to_table([words]))
    assert paths(ScanCache(tmp_path)) == ["/data/a"]


def test_a_cache_that_cannot_be_read_is_named_in_the_log(tmp_path, caplog):
    (tmp_path / "instances.parquet").write_bytes(b"junk")
    assert paths(ScanCache(tmp_path)) == []
    assert f"the scan cache {tmp_path / 'instances.parquet'} cannot be used" in caplog.text
    assert "its headers are read again" in caplog.text


def test_no_flipped_bit_changes_what_a_scan_finds(tmp_path, caplog):
    ScanCache(tmp_path).replace(table(1, 2))
    ScanCache(tmp_path).add(table(3))
    for path in sorted(tmp_path.iterdir()):
        whole = path.read_bytes()
        others = [
            one for one in ("/1", "/2", "/3") if (one == "/3") == path.name.startswith("inst")
        ]
        for place in range(0, len(whole), 97):
            changed = bytearray(whole)
            changed[place] ^= 1 << place % 8
            path.write_bytes(changed)
            caplog.clear()
            assert paths(ScanCache(tmp_path)) == others, place
            assert f"{path} cannot be used" in caplog.text
        for end in (len(whole) - 1, 20, 0):
            path.write_bytes(whole[:end])
            assert paths(ScanCache(tmp_path)) == others, end
        path.write_bytes(whole)
    assert paths(ScanCache(tmp_path)) == ["/1", "/2", "/3"]


def test_a_cache_that_earlier_versions_kept_without_a_checksum_is_not_used(tmp_path, caplog):
    caplog.set_level("INFO")
    (tmp_path / "instances.parquet").write_bytes(
        parquet_bytes(table(1).select(module._SCHEMA.names), {b"ct2zarr_facts_version": b"6"})
    )
    assert paths(ScanCache(tmp_path)) == []
    assert "is of another version" in caplog.text
