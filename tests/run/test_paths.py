"""The names of files: the layout of the contract, written out."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ct2zarr.run import paths
from ct2zarr.vocabulary import StoreType

ROOT = Path("out")


@pytest.mark.parametrize(
    ("shard", "shards", "label"),
    [(0, 1, "00"), (7, 16, "07"), (99, 100, "99"), (7, 101, "007"), (7, 4096, "0007")],
)
def test_labels_have_two_digits_or_as_many_as_the_highest_number(
    shard: int, shards: int, label: str
) -> None:
    assert paths.shard_label(shard, shards) == label
    assert paths.shard_labels(shards)[shard] == label


def test_names_are_those_of_the_contract() -> None:
    assert paths.store_root(ROOT, StoreType.DIR) == Path("out/zarr_dir")
    volume = paths.volume_paths(ROOT, "abc", StoreType.SQLITE)
    summary = paths.shard_summary(ROOT, "03")
    joined, audits = paths.joined_summary(ROOT), paths.joined_audit(ROOT)
    share = paths.scan_share_paths(ROOT, 3, 16)

    assert (volume.store, volume.slices, volume.record) == (
        Path("out/data/abc.zarr.sqlite"),
        Path("out/meta/abc.slices.csv"),
        Path("out/meta/abc.series.json"),
    )
    assert (summary.table, summary.totals) == (
        Path("out/summary_shard_03.csv"),
        Path("out/summary_shard_03.json"),
    )
    assert (joined.table, joined.totals) == (
        Path("out/summary_all.csv"),
        Path("out/summary_all.json"),
    )
    assert (audits.table, audits.totals) == (Path("out/audit_all.csv"), Path("out/audit_all.json"))
    assert (share.facts, share.rows, share.cache) == (
        Path("out/scan/share_03_of_16.json"),
        Path("out/scan/share_03_of_16.arrow"),
        Path("out/scan_cache/share_03_of_16"),
    )
    audit = paths.shard_audit(ROOT, "03")
    assert (audit.table, audit.totals) == (
        Path("out/audit_shard_03.csv"),
        Path("out/audit_shard_03.json"),
    )
    assert paths.series_shard(ROOT, "03") == Path("out/shards/series_shard_03.csv")
    assert paths.files_shard(ROOT, "03") == Path("out/shards/files_shard_03.parquet")
    assert paths.convert_log(ROOT, "03") == Path("out/logs/convert_shard_03.log")


def test_patterns_find_the_number_in_the_names_that_are_written() -> None:
    name = paths.series_shard(ROOT, "0007").name
    assert (paths.SHARD_CSV.fullmatch(name) or [])[1] == "0007"
    name = paths.files_shard(ROOT, "0007").name
    assert (paths.SHARD_FILES.fullmatch(name) or [])[1] == "0007"
    name = paths.shard_summary(ROOT, "07").table.name
    assert (paths.SHARD_SUMMARY.fullmatch(name) or [])[1] == "07"
    for path in (name, "summary_shard_07.json", "summary_shard_07_again.csv"):
        assert (paths.ANY_SHARD_SUMMARY.fullmatch(path) or [])[1] == "07"
    for path in ("summary_all.csv", "summary_shard_07.csv.bak", "audit_shard_07.csv"):
        assert paths.ANY_SHARD_SUMMARY.fullmatch(path) is None
    assert (paths.SHARD_SUFFIX.fullmatch("shard_07") or [])[1] == "07"


def test_the_shard_of_a_volume_is_its_whole_hash_modulo_the_number_of_shards() -> None:
    assert paths.shard_of("0" * 31 + "7", 16) == 7
    assert paths.shard_of("1" + "0" * 31, 7) == 16**31 % 7


def test_dots_in_the_name_of_a_table_stay_in_that_of_its_totals() -> None:
    assert paths.totals_beside(Path("out/a.b.csv")) == Path("out/a.b.json")


PARTS = st.lists(st.sampled_from(["a", "b", "c.dcm", "..", ".", ""]), max_size=5)


@given(
    PARTS,
    st.sampled_from(["plane.dcm", "", ".", ".."]),
    PARTS,
    st.sampled_from(["/", "", "//"]),
    st.sampled_from(["/", ""]),
)
def test_the_path_below_a_folder_is_that_of_the_standard_library(path, name, folder, start, other):
    path, folder = start + "/".join([*path, name]), other + "/".join(folder)
    try:
        due = os.path.relpath(path, folder)
    except ValueError:
        with pytest.raises(ValueError, match="path"):
            paths.path_below(path, folder)
    else:
        assert paths.path_below(path, folder) == due
