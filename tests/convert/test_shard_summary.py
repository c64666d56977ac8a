"""The summary of a shard counts its rows, and its two files belong together."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from ct2zarr import FORMAT_VERSION, __version__
from ct2zarr.convert.shard_summary import ShardSummary, write_summary
from ct2zarr.errors import MachineError
from ct2zarr.run.paths import shard_summary
from ct2zarr.run.settings import ConvertSettings
from ct2zarr.run.summary_columns import SummaryRow, read_summary
from ct2zarr.vocabulary import Flag

ROWS = (
    SummaryRow("0", "v1", "/a", "ok", flags="padding;gantry_tilt", slice_count=10, reused=True),
    SummaryRow("1", "v1", "/b", "ok", flags="gantry_tilt", slice_count=20, output_bytes=7),
    SummaryRow("2", "v1", "/c", "failed", "truncated", code="truncated"),
    SummaryRow("3", "v1", "/d", "failed", "timeout", code="timeout"),
    SummaryRow("4", "v1", "/e", "rejected", "padding;not_hu", flags="padding;not_hu"),
    SummaryRow("5", "v1", "/f", "failed", "timeout", code="timeout"),
)


@pytest.fixture
def settings(tmp_path) -> ConvertSettings:
    (tmp_path / "series_shard_07.csv").write_text("series_hash\n")
    settings = ConvertSettings(tmp_path / "series_shard_07.csv", tmp_path / "out", num_shards=12)
    settings.store_root.mkdir(parents=True)
    return replace(settings, shard_id=7, reject_flags=frozenset({Flag.PADDING, Flag.NOT_HU}))


def summary_of(settings: ConvertSettings) -> ShardSummary:
    paths = shard_summary(settings.store_root, "07")
    return ShardSummary("07", ROWS, paths.table, paths.totals)


def test_the_files_have_the_rows_and_their_counts(settings):
    summary = summary_of(settings)
    write_summary(summary, settings, "the MD5 of a manifest")
    assert read_summary(summary.csv_path) == list(ROWS)
    content = json.loads(summary.json_path.read_text())
    assert (content["shard"], content["num_shards"]) == ("07", 12)
    assert content["csv_md5"] == hashlib.md5(summary.csv_path.read_bytes()).hexdigest()
    totals = content["totals"]
    assert (totals["volumes"], totals["ok"], totals["failed"], totals["rejected"]) == (6, 2, 3, 1)
    assert (totals["reused"], totals["slices"], totals["output_bytes"]) == (1, 30, 7)
    assert content["flags"] == {"gantry_tilt": 2, "padding": 2, "not_hu": 1}
    assert list(content["flags"]) == [flag for flag in Flag if flag in content["flags"]]
    assert content["reasons"] == {"padding;not_hu": 1, "timeout": 2, "truncated": 1}
    assert list(content["reasons"]) == sorted(content["reasons"])
    assert content["manifest_md5"] == "the MD5 of a manifest"
    md5 = hashlib.md5(b"series_hash\n").hexdigest()
    assert content["input"] == {"name": "series_shard_07.csv", "md5": md5}
    assert content["versions"] == {"ct2zarr": __version__, "format": FORMAT_VERSION}
    assert content["libraries"]["numpy"]


def test_the_settings_are_there_without_folders(settings):
    summary = summary_of(settings)
    write_summary(summary, settings)
    found = json.loads(summary.json_path.read_text())["settings"]
    assert found["reject_flags"] == ["not_hu", "padding"]
    assert (found["shard_id"], found["encoding"]["store_type"]) == (7, "sqlite")
    assert not {"input_csv", "out_root"} & found.keys()
    assert str(settings.out_root) not in summary.json_path.read_text()


def test_the_csv_for_which_a_workflow_waits_is_written_last(settings):
    """The folder is in the way of the JSON: no CSV is there yet, and an older one is gone."""
    summary = summary_of(settings)
    summary.csv_path.write_text("older")
    summary.json_path.mkdir()
    with pytest.raises(MachineError):
        write_summary(summary, settings)
    assert not summary.csv_path.exists()


def test_a_folder_that_is_gone_is_a_fault_of_the_machine(settings):
    summary = summary_of(settings)
    Path(settings.store_root).rmdir()
    with pytest.raises(MachineError):
        write_summary(summary, settings)
