"""The summary of a manifest: counts that add up, in words that JSON can hold."""

import json
import logging
from pathlib import Path

import pytest

from ct2zarr.codes import Code
from ct2zarr.errors import Ct2zarrError
from ct2zarr.plan.account import make_account
from ct2zarr.plan.manifest_summary import log_summary, summarize
from ct2zarr.run.settings import ManifestSettings, SelectionSettings
from ct2zarr.scan.frame_tables import frames_to_table
from ct2zarr.scan.scanning import Scan
from ct2zarr.vocabulary import Role
from series_of import frame, stack


def test_the_summary_counts_files_by_role_code_dataset_and_flag(tmp_path):
    frames = stack([0.0, 2.0, 4.0, 8.0], bytes=1000)
    multi = [
        frame(9, 0, path="/data/m", frames=2, frame_number=n, series_uid="1.7", position=None)
        for n in (1, 2)
    ]
    colour = [frame(30 + n, 0, samples_per_pixel=3, dataset="v2", series_uid="1.6") for n in (1, 2)]
    frames = [*frames, *multi, *colour]
    table = frames_to_table(frames)
    found = Scan(table, 7, 7, 2, 9, (("/data/caf\udce9", "Permission denied"),), 4)
    account = make_account(table, SelectionSettings())
    datasets = {"v1": Path("/data"), "v2": Path("/data2")}
    summary = summarize(
        found, account, ManifestSettings(datasets, tmp_path, num_shards=3, max_depth=3)
    )
    assert {role: count for role, count in summary["roles"].items() if count} == {
        "slice": 5,
        "excluded": 2,
    }
    assert summary["codes"] == {"colour": 2}
    assert (summary["series"], summary["volumes"], summary["slices"]) == (2, 2, 6)
    assert summary["bytes"] == 5000
    assert summary["flags"] == {"missing_slices": 1, "no_geometry": 1}
    assert summary["datasets"]["v1"]["volumes"] == summary["datasets"]["v1"]["series"] == 2
    assert summary["datasets"]["v2"] == {
        "root": "/data2",
        "files_found": 2,
        "roles": {**dict.fromkeys(map(str, Role), 0), "excluded": 2},
        "series": 0,
        "volumes": 0,
    }
    assert summary["deeper_than_max_depth"] == {
        "files": 2,
        "max_depth": 3,
        "max_depth_needed": 9,
    }
    assert summary["unreadable_folders"] == [
        {"folder": "/data/caf\\udce9", "reason": "Permission denied"}
    ]
    assert summary["not_regular_files"] == 4
    json.dumps(summary).encode("ascii")


@pytest.mark.parametrize("files_found", [2, 4])
def test_roles_that_do_not_add_up_to_the_files_found_are_an_error(tmp_path, files_found):
    table = frames_to_table(stack([0.0, 2.0, 4.0]))
    account = make_account(table, SelectionSettings())
    found = Scan(table, files_found, 0, 0, 3, (), 0)
    with pytest.raises(Ct2zarrError, match=f"{files_found} files were found, and 3 have") as caught:
        summarize(found, account, ManifestSettings({"v1": tmp_path}, tmp_path))
    assert caught.value.code is Code.UNEXPECTED_ERROR


def test_a_frame_without_a_role_is_an_error(tmp_path):
    table = frames_to_table(stack([0.0, 2.0, 4.0]))
    account = make_account(table, SelectionSettings())
    account.roles[1] = ""
    with pytest.raises(Ct2zarrError, match="3 files were found, and 2 have a role"):
        summarize(Scan(table, 3, 0, 0, 3, (), 0), account, ManifestSettings({}, tmp_path))


def test_a_file_is_a_slice_if_any_of_its_frames_is_one(tmp_path):
    frames = [
        frame(1, 2.0 * n, path="/data/m", frames=3, frame_number=n + 1, bits_allocated=bits)
        for n, bits in enumerate((1, 16, 16))
    ]
    table = frames_to_table(frames)
    account = make_account(table, SelectionSettings())
    summary = summarize(
        Scan(table, 1, 0, 0, 3, (), 0), account, ManifestSettings({"v1": tmp_path}, tmp_path)
    )
    assert {role for role, count in summary["roles"].items() if count} == {"slice"}
    assert summary["codes"] == {}


def test_the_log_counts_the_roles_and_warns_of_no_volume(caplog):
    summary = {
        "roles": {"slice": 2, "not_ct": 0},
        "files_found": 2,
        "series": 1,
        "volumes": 1,
        "unreadable_series": 0,
        "links_out_of_datasets": 0,
        "unread": [],
    }
    with caplog.at_level(logging.INFO, logger="ct2zarr"):
        log_summary(summary)
    assert [record.getMessage() for record in caplog.records] == [
        "2 files found: 2 slice",
        "1 series with CT images, 1 volumes",
    ]
    assert not any(record.levelno > logging.INFO for record in caplog.records)
    with caplog.at_level(logging.INFO, logger="ct2zarr"):
        log_summary({**summary, "links_out_of_datasets": 3})
    assert "3 links lead out of the folders of the datasets" in caplog.text
    log_summary({**summary, "unreadable_series": 4})
    assert "NO FILE CAN BE READ of 4 series" in caplog.text
    log_summary({**summary, "unread": [{"sentence": "5 files lie too deep", "remedy": "dig"}]})
    assert "NOT READ: 5 files lie too deep; dig" in caplog.text
    log_summary({**summary, "volumes": 0})
    assert "NO CT VOLUME WAS FOUND" in caplog.text


def test_a_series_of_two_volumes_is_one_series(tmp_path):
    frames = stack([0.0, 2.0], temporal_position=1) + stack([0.0, 2.0], 11, temporal_position=2)
    table = frames_to_table(frames)
    account = make_account(table, SelectionSettings())
    settings = ManifestSettings({"v1": tmp_path}, tmp_path)
    summary = summarize(Scan(table, 4, 0, 0, 3, (), 0), account, settings)
    for counts in (summary, summary["datasets"]["v1"]):
        assert (counts["series"], counts["volumes"]) == (1, 2)
