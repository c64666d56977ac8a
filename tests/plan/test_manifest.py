"""The manifest: volumes, shards and the account, stable while nothing changes."""

import json
import logging
import os
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import phantom
from ct2zarr.errors import MachineError, SettingsError
from ct2zarr.model import VolumePlan
from ct2zarr.plan.grouping import plan_volumes, series_hash
from ct2zarr.plan.manifest import make_manifest
from ct2zarr.plan.manifest_reading import read_plans
from ct2zarr.plan.manifest_rows import SERIES_SCHEMA
from ct2zarr.plan.roles import assign_role
from ct2zarr.run.settings import SelectionSettings
from ct2zarr.scan.frame_tables import FILES_SCHEMA
from ct2zarr.scan.scanning import scan, table_to_frames
from ct2zarr.vocabulary import Role
from manifests import input_of, many, rows_of, settings


def summary_of(manifest: Path) -> dict[str, Any]:
    summary: dict[str, Any] = json.loads((manifest / "manifest_summary.json").read_text())
    return summary


def files_of(manifest: Path) -> list[dict[str, Any]]:
    tables = [manifest / "files_excluded.parquet", *(manifest / "shards").glob("*.parquet")]
    return [row for path in tables for row in pq.read_table(path).to_pylist()]


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "scan_cache" not in path.parts
    }


def assert_account_adds_up(manifest: Path, expected_files: set[str]) -> None:
    summary = summary_of(manifest)
    rows = files_of(manifest)
    frames = Counter((row["path"], row["frame"]) for row in rows)
    assert max(frames.values()) == 1
    assert {path for path, _ in frames} == expected_files
    assert summary["files_found"] == sum(summary["roles"].values()) == len(expected_files)
    for dataset in summary["datasets"].values():
        assert dataset["files_found"] == sum(dataset["roles"].values())
    for row in rows:
        Role(row["role"])
        assert bool(row["reason"]) is (row["role"] != "slice"), row
        assert (row["slice_index"] is not None) is (row["role"] == "slice"), row


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A root with two series, what lies beside them, and a deep one."""
    root = tmp_path / "root"
    series = phantom.make_series(root / "a" / "ct", n=8, drop=(3,), duplicates={2: "same"})
    phantom.localizer(root / "a" / "ct", series_uid=series.series_uid)
    phantom.truncate(series.paths[5], keep=0.8)
    phantom.make_multiframe(root / "b", n=4)
    phantom.secondary_capture(root / "b")
    phantom.structured_report(root / "b")
    phantom.dicomdir(root, series)
    phantom.not_dicom(root)
    phantom.not_dicom(root / "w" / "x" / "y" / "z" / "deep")
    return root


def test_every_file_is_accounted_once(tmp_path: Path, mixed: Path) -> None:
    make_manifest(settings(tmp_path, max_depth=3))
    manifest = tmp_path / "manifest"
    assert_account_adds_up(manifest, {str(p) for p in mixed.rglob("*") if p.is_file()})
    summary = summary_of(manifest)
    assert summary["roles"] == {
        "slice": 7,
        "duplicate": 1,
        "localizer": 1,
        "not_ct": 1,
        "not_image": 2,
        "not_dicom": 1,
        "unreadable": 1,
        "excluded": 1,
    }
    assert summary["volumes"] == summary["series"] == 2
    excluded = pq.read_table(manifest / "files_excluded.parquet")["path"].to_pylist()
    assert excluded == sorted(excluded)
    assert summary["deeper_than_max_depth"] == {
        "files": 1,
        "max_depth": 3,
        "max_depth_needed": 4,
    }


def test_a_row_describes_its_volume(tmp_path: Path) -> None:
    series = phantom.make_series(
        tmp_path / "root" / "ct",
        n=8,
        spacing=(2.5, 0.8, 0.7),
        drop=(3,),
        Manufacturer="ACME",
        KVP=120,
    )
    phantom.localizer(tmp_path / "root" / "ct", series_uid=series.series_uid)
    make_manifest(settings(tmp_path))
    (row,) = rows_of(tmp_path / "manifest" / "series_all.csv")
    assert list(row) == list(SERIES_SCHEMA.names)
    assert row["series_hash"] == series_hash("d", series.series_uid, 1)
    assert row["series_dir"] == str(tmp_path / "root" / "ct")
    assert (row["file_count"], row["slice_count"], row["localizers_skipped"]) == ("7", "7", "1")
    assert int(row["bytes"]) == sum(path.stat().st_size for path in series.paths)
    assert row["flags"] == "missing_slices;localizers_removed"
    assert float(row["spacing_z"]) == pytest.approx(17.5 / 6)
    assert (row["spacing_y"], row["spacing_x"]) == ("0.8", "0.7")
    assert (row["single_orientation"], row["uniform_slice_spacing"]) == ("true", "false")
    assert (row["manufacturer"], row["kvp"], row["part"], row["parts"]) == (
        "ACME",
        "120.0",
        "1",
        "1",
    )
    assert row["transfer_syntax"] == "1.2.840.10008.1.2.1"


@pytest.mark.usefixtures("mixed")
def test_plans_read_back_are_those_that_were_made(tmp_path: Path) -> None:
    make_manifest(settings(tmp_path))
    made = {plan.series_hash: plan for plan in planned(tmp_path / "root", "d")}
    read = read_plans(input_of(tmp_path / "manifest" / "series_all.csv"))
    assert {plan.series_hash for plan in read} == set(made)
    for plan in read:
        expected = made[plan.series_hash]
        unused = tuple(
            replace(
                left,
                frame=replace(left.frame, role=left.role, reason=left.reason, code=left.code),
            )
            for left in expected.unused
        )
        assert plan == replace(expected, unused=unused)


def planned(root: Path, dataset: str) -> list[VolumePlan]:
    from ct2zarr.dicom.frame_comparison import pixel_digest

    table = scan({dataset: root}, max_depth=3, workers=1).table
    frames = [assign_role(i, SelectionSettings()) for i in table_to_frames(table)]
    return plan_volumes(frames, pixel_digest)[0]


def test_a_volume_lies_in_the_shard_of_its_hash(tmp_path: Path) -> None:
    many(tmp_path)
    make_manifest(settings(tmp_path))
    shards = tmp_path / "manifest" / "shards"
    assert sorted(path.name for path in shards.iterdir()) == sorted(
        name for k in range(4) for name in (f"series_shard_0{k}.csv", f"files_shard_0{k}.parquet")
    )
    seen = 0
    for number in range(4):
        rows = rows_of(shards / f"series_shard_0{number}.csv")
        files = pq.read_table(shards / f"files_shard_0{number}.parquet")
        assert files.schema.names == FILES_SCHEMA.names
        hashes = {row["series_hash"] for row in rows}
        assert all(int(name, 16) % 4 == number for name in hashes)
        assert set(files["series_hash"].to_pylist()) == hashes
        seen += len(rows)
    assert seen == 9


def test_shard_names_have_the_digits_they_need(tmp_path: Path) -> None:
    many(tmp_path, 1)
    make_manifest(settings(tmp_path, num_shards=101))
    shards = tmp_path / "manifest" / "shards"
    assert (shards / "series_shard_100.csv").exists()
    make_manifest(settings(tmp_path, num_shards=2))
    assert sorted(path.name for path in shards.iterdir()) == [
        "files_shard_00.parquet",
        "files_shard_01.parquet",
        "series_shard_00.csv",
        "series_shard_01.csv",
    ]


@pytest.mark.usefixtures("mixed")
def test_a_second_run_changes_no_file(tmp_path: Path) -> None:
    make_manifest(settings(tmp_path))
    before = snapshot(tmp_path / "manifest")
    make_manifest(settings(tmp_path))
    assert snapshot(tmp_path / "manifest") == before


@pytest.mark.usefixtures("mixed")
def test_the_index_is_made_again_from_the_shards(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_manifest(settings(tmp_path))
    manifest = tmp_path / "manifest"
    before = snapshot(manifest)
    (manifest / "series_all.csv").unlink()
    with caplog.at_level(logging.INFO, logger="ct2zarr"):
        make_manifest(settings(tmp_path))
    assert "nothing has changed" in caplog.text
    after = snapshot(manifest)
    assert after["series_all.csv"][1] == before["series_all.csv"][1]
    assert {name: after[name] for name in before if name != "series_all.csv"} == {
        name: before[name] for name in before if name != "series_all.csv"
    }


@pytest.mark.parametrize("damage", ["remove", "empty", "edit"])
@pytest.mark.parametrize("name", ["shards/series_shard_01.csv", "files_excluded.parquet"])
def test_a_damaged_manifest_is_written_again(tmp_path: Path, name: str, damage: str) -> None:
    many(tmp_path, 5)
    make_manifest(settings(tmp_path))
    manifest = tmp_path / "manifest"
    before = snapshot(manifest)
    path = manifest / name
    if damage == "remove":
        path.unlink()
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    make_manifest(settings(tmp_path))
    after = snapshot(manifest)
    assert {k: content for k, (_, content) in after.items()} == {
        k: content for k, (_, content) in before.items()
    }
    assert [k for k in before if after[k][0] != before[k][0]] == [name]


def test_new_files_change_only_their_shards(tmp_path: Path) -> None:
    many(tmp_path)
    make_manifest(settings(tmp_path))
    manifest = tmp_path / "manifest"
    before = snapshot(manifest)
    new = phantom.make_series(tmp_path / "root" / "new", n=2, name="new")
    make_manifest(settings(tmp_path))
    after = snapshot(manifest)
    shard = int(series_hash("d", new.series_uid, 1), 16) % 4
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {
        "series_all.csv",
        "manifest_summary.json",
        f"shards/series_shard_0{shard}.csv",
        f"shards/files_shard_0{shard}.parquet",
    }


def test_the_manifest_does_not_depend_on_processes_or_history(tmp_path: Path, mixed: Path) -> None:
    make_manifest(settings(tmp_path, workers=2))
    phantom.make_series(mixed / "later", n=3, name="later")
    make_manifest(settings(tmp_path))
    make_manifest(settings(tmp_path, manifest_dir=tmp_path / "fresh"))
    assert {k: v[1] for k, v in snapshot(tmp_path / "manifest").items()} == {
        k: v[1] for k, v in snapshot(tmp_path / "fresh").items()
    }


def test_a_setting_is_taken_up_without_reading_headers_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    phantom.make_series(tmp_path / "root" / "ct", n=2)
    make_manifest(settings(tmp_path))
    selection = SelectionSettings(exclude_image_types=("AXIAL",))
    with caplog.at_level(logging.INFO, logger="ct2zarr"):
        make_manifest(settings(tmp_path, selection=selection))
    assert "0 headers read" in caplog.text
    assert "NO CT VOLUME WAS FOUND" in caplog.text
    assert summary_of(tmp_path / "manifest")["roles"]["excluded"] == 2


@pytest.mark.usefixtures("mixed")
def test_files_that_are_too_deep_are_counted_in_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_manifest(settings(tmp_path, max_depth=0))
    warnings = [r.getMessage() for r in caplog.records if "NOT READ" in r.message]
    assert (
        "NOT READ: files that lie deeper than max_depth 0: 10; set max_depth to 4, or to all"
        in warnings
    )
    for reaching in (4, None):
        make_manifest(settings(tmp_path, max_depth=reaching))
        assert summary_of(tmp_path / "manifest")["roles"]["excluded"] == 0


def test_manifest_is_not_written_into_a_dataset(tmp_path: Path) -> None:
    phantom.make_series(tmp_path / "root" / "ct", n=2)
    for manifest in (tmp_path / "root", tmp_path / "root" / "m"):
        with pytest.raises(SettingsError, match=r"OUT_DIR.* lies in the folder of dataset d"):
            make_manifest(settings(tmp_path, manifest_dir=manifest))
    assert [path.name for path in (tmp_path / "root").iterdir()] == ["ct"]


def test_braces_in_the_names_of_a_dataset_do_no_harm(tmp_path: Path) -> None:
    root = tmp_path / "{shard}" / "ro{}ot{0}"
    phantom.truncate(phantom.make_series(root / "{x}", n=3).paths[0], keep=0.8)
    phantom.not_dicom(root, "{y}.txt")
    make_manifest(settings(tmp_path, datasets={"d": root}))
    (row,) = rows_of(tmp_path / "manifest" / "series_all.csv")
    assert (row["series_dir"], row["slice_count"]) == (str(root / "{x}"), "2")
    with pytest.raises(SettingsError, match=r"ro\{\}ot"):
        make_manifest(settings(tmp_path, datasets={"d": root / "gone"}))


def test_system_folders_are_counted_and_say_nothing_of_the_depth(tmp_path: Path) -> None:
    root = tmp_path / "root"
    phantom.make_series(root / "ct", n=3)
    phantom.make_series(root / ".Trash-1000" / "files" / "a" / "b" / "c" / "d", n=2)
    phantom.make_series(root / "ct" / "@eaDir", n=3)
    make_manifest(settings(tmp_path, max_depth=3))
    manifest = tmp_path / "manifest"
    assert_account_adds_up(manifest, {str(p) for p in root.rglob("*") if p.is_file()})
    summary = summary_of(manifest)
    assert {role: count for role, count in summary["roles"].items() if count} == {
        "slice": 3, "excluded": 5,
    }  # fmt: skip
    assert summary["codes"] == {"system_folder": 5}
    assert summary["left_out_folders"] == {".Trash-1000": 1, "@eaDir": 1}
    assert summary["deeper_than_max_depth"]["files"] == 0
    assert summary["unread"] == []


def test_a_dataset_of_git_annex_is_read_through_its_links(tmp_path: Path) -> None:
    root = tmp_path / "root"
    series = phantom.make_series(root / "ct", n=3)
    keys = root / ".git" / "annex" / "objects" / "aa"
    keys.mkdir(parents=True)
    for number, path in enumerate(series.paths):
        path.rename(keys / f"KEY{number}")
        path.symlink_to(keys / f"KEY{number}")
    series.paths[0].unlink()
    series.paths[0].symlink_to(keys / "not fetched")
    make_manifest(settings(tmp_path))
    (row,) = rows_of(tmp_path / "manifest" / "series_all.csv")
    assert (row["slice_count"], row["series_dir"]) == ("2", str(root / "ct"))
    summary = summary_of(tmp_path / "manifest")
    assert summary["links_out_of_datasets"] == 0
    assert summary["codes"] == {"broken_link": 1, "system_folder": 3}


@pytest.mark.parametrize("hidden", [".cache/ct", "a/.old", ".one"])
def test_the_visible_one_of_two_copies_is_kept(tmp_path: Path, hidden: str) -> None:
    root = tmp_path / "root"
    series = phantom.make_series(root / "z" / "ct", n=3)
    shutil.copytree(root / "z" / "ct", root / hidden)
    (root / "z" / "ct" / ".copy.dcm").write_bytes(series.paths[1].read_bytes())
    make_manifest(settings(tmp_path))
    (row,) = rows_of(tmp_path / "manifest" / "series_all.csv")
    assert row["series_dir"] == str(root / "z" / "ct")
    kept = {file["path"] for file in files_of(tmp_path / "manifest") if file["role"] == "slice"}
    assert kept == {str(path) for path in series.paths}


def test_links_out_of_the_dataset_are_followed_counted_and_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    phantom.make_series(tmp_path / "beside", n=3)
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link").symlink_to("../beside")
    (tmp_path / "root" / "file.txt").symlink_to(phantom.not_dicom(tmp_path))
    with caplog.at_level(logging.INFO, logger="ct2zarr"):
        make_manifest(settings(tmp_path))
    summary = summary_of(tmp_path / "manifest")
    assert (summary["slices"], summary["links_out_of_datasets"]) == (3, 2)
    assert caplog.text.count("2 links lead out of the folders of the datasets") == 1


def test_frames_of_a_multi_frame_file_are_counted_as_one_file(tmp_path: Path) -> None:
    series = phantom.make_multiframe(tmp_path / "root", n=4)
    make_manifest(settings(tmp_path))
    manifest = tmp_path / "manifest"
    (row,) = rows_of(manifest / "series_all.csv")
    assert (row["file_count"], row["slice_count"]) == ("1", "4")
    assert summary_of(manifest)["roles"]["slice"] == 1
    (plan,) = read_plans(input_of(manifest / "series_all.csv"))
    assert [plane.frame_number for plane in plan.planes] == series.frames


def test_an_empty_root_is_an_error_and_names_the_folder(tmp_path: Path) -> None:
    many(tmp_path, 1)
    (tmp_path / "empty").mkdir()
    datasets = {"d": tmp_path / "root", "e": tmp_path / "empty"}
    with pytest.raises(SettingsError, match=f"dataset e: there is no file below {tmp_path}/empty"):
        make_manifest(settings(tmp_path, datasets=datasets))


def test_a_manifest_folder_that_cannot_be_made_is_reported_before_the_scan(tmp_path: Path) -> None:
    many(tmp_path, 1)
    (tmp_path / "manifest").write_text("a file is in the way")
    with pytest.raises(MachineError, match="cannot write below"):
        make_manifest(settings(tmp_path))


def test_equal_series_in_two_datasets_are_two_volumes(tmp_path: Path) -> None:
    phantom.make_series(tmp_path / "one", n=2)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    datasets = {"v1": tmp_path / "one", "v2": tmp_path / "two"}
    make_manifest(settings(tmp_path, datasets=datasets))
    rows = rows_of(tmp_path / "manifest" / "series_all.csv")
    assert [row["dataset"] for row in rows] == ["v1", "v2"]
    assert rows[0]["series_uid"] == rows[1]["series_uid"]


@pytest.mark.usefixtures("mixed")
def test_series_are_grouped_alike_in_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_manifest(settings(tmp_path))
    monkeypatch.setattr("ct2zarr.plan.account.GROUPED_ROWS", 1)
    make_manifest(settings(tmp_path, manifest_dir=tmp_path / "other"))
    assert {k: v[1] for k, v in snapshot(tmp_path / "manifest").items()} == {
        k: v[1] for k, v in snapshot(tmp_path / "other").items()
    }


def test_folders_with_odd_names_come_back_as_they_are(tmp_path: Path) -> None:
    folder = Path(os.fsdecode(os.fsencode(tmp_path / "root") + b'/caf\xe9, "a"\nb'))
    series = phantom.make_series(folder, n=2)
    make_manifest(settings(tmp_path))
    (plan,) = read_plans(input_of(tmp_path / "manifest" / "series_all.csv"))
    assert plan.series_dir == str(folder)
    assert [plane.path for plane in plan.planes] == [str(path) for path in series.paths]


# Real data ------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_account_adds_up_on_all_real_data(tmp_path: Path) -> None:
    data = phantom.real_data()
    datasets = {"ct": data / "ct", "malformed": data / "malformed"}
    make_manifest(settings(tmp_path, datasets=datasets, workers=2, max_depth=8))
    files = {str(path) for root in datasets.values() for path in root.rglob("*") if path.is_file()}
    assert_account_adds_up(tmp_path / "manifest", files)
    before = snapshot(tmp_path / "manifest")
    make_manifest(settings(tmp_path, datasets=datasets, max_depth=8))
    assert snapshot(tmp_path / "manifest") == before
    summary = summary_of(tmp_path / "manifest")
    plans = read_plans(input_of(tmp_path / "manifest" / "series_all.csv"))
    assert len(plans) == summary["volumes"]
    assert sum(len(plan.planes) for plan in plans) == summary["slices"]


def test_a_manifest_that_was_not_written_to_its_end_counts_for_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ends(*_: object) -> None:
        raise KeyboardInterrupt

    many(tmp_path, 2)
    make_manifest(settings(tmp_path))
    state = tmp_path / "manifest" / "scan_cache" / "state.json"
    assert state.exists()
    phantom.make_series(tmp_path / "root" / "new", n=2, name="new")
    monkeypatch.setattr("ct2zarr.plan.manifest.write_shards", ends)
    with pytest.raises(KeyboardInterrupt):
        make_manifest(settings(tmp_path))
    assert not state.exists()
