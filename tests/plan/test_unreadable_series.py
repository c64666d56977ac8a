"""A series of which no file can be read is a failed row, and a stray damaged file is none."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import phantom
from ct2zarr.convert.shard import run_shard
from ct2zarr.errors import SettingsError
from ct2zarr.plan.grouping import series_hash
from ct2zarr.plan.manifest import make_manifest
from ct2zarr.run.settings import ConvertSettings
from ct2zarr.vocabulary import Flag
from manifests import input_of, rows_of, settings

MR_CLASS = "1.2.840.10008.5.1.4.1.1.4"
IN_HEADER = 400
"""Bytes of a file that ends inside its header, before SeriesInstanceUID."""
BEHIND_UID = 1100
"""Bytes of a file that ends inside its header, behind SeriesInstanceUID."""


def manifest_rows(tmp_path: Path) -> list[dict[str, str]]:
    """The rows of the manifest of ``root``; its account adds up."""
    make_manifest(settings(tmp_path, num_shards=1))
    manifest = tmp_path / "manifest"
    summary = json.loads((manifest / "manifest_summary.json").read_text())
    rows = rows_of(manifest / "series_all.csv")
    assert sum(summary["roles"].values()) == summary["files_found"]
    assert summary["series"] == len(rows)
    assert summary["unreadable_series"] == sum(row["slice_count"] == "0" for row in rows)
    return rows


def cut(series: phantom.Series, size: int | None = None, **how: Any) -> phantom.Series:
    for path in series.paths:
        phantom.truncate(path, size=size, **how)
    return series


def account_of(tmp_path: Path, series: str) -> list[dict[str, Any]]:
    table = pq.read_table(tmp_path / "manifest" / "shards" / "files_shard_00.parquet")
    return [row for row in table.to_pylist() if row["series_hash"] == series]


def test_series_cut_in_its_pixels_keeps_its_uid_and_its_hash(tmp_path: Path) -> None:
    phantom.make_series(tmp_path / "root" / "whole", n=3)
    series = phantom.make_series(tmp_path / "root" / "ct", n=4, name="lost")
    before = {row["series_uid"]: row["series_hash"] for row in manifest_rows(tmp_path)}
    cut(series, keep=0.8)
    phantom.localizer(tmp_path / "root" / "ct", series_uid=series.series_uid)
    lost, whole = manifest_rows(tmp_path)
    assert whole["slice_count"] == "3"
    assert (lost["slice_count"], lost["file_count"], lost["bytes"]) == ("0", "0", "0")
    assert lost["series_hash"] == before[series.series_uid]
    assert lost["series_uid"] == series.series_uid
    assert lost["study_uid"]
    assert lost["series_dir"] == str(tmp_path / "root" / "ct")
    assert lost["flags"] == "unreadable_files;localizers_removed"
    assert lost["localizers_skipped"] == "1"
    roles = [row["role"] for row in account_of(tmp_path, lost["series_hash"])]
    assert sorted(roles) == ["localizer", *["unreadable"] * 4]


def test_series_cut_in_its_headers_is_named_by_its_folder(tmp_path: Path) -> None:
    cut(phantom.make_series(tmp_path / "root" / "a", n=3), IN_HEADER)
    cut(phantom.make_series(tmp_path / "root" / "b", n=2), IN_HEADER)
    first, second = manifest_rows(tmp_path)
    assert (first["series_uid"], second["series_uid"]) == ("", "")
    assert first["series_hash"] == series_hash("d", "folder:a", 1)
    assert second["series_dir"].endswith("/b")
    assert [len(account_of(tmp_path, row["series_hash"])) for row in (first, second)] == [3, 2]


def test_one_file_gives_the_uid_to_its_folder(tmp_path: Path) -> None:
    series = phantom.make_series(tmp_path / "root" / "a", n=5)
    cut(series, IN_HEADER)
    again = phantom.make_series(tmp_path / "again", n=5)
    shutil.copy(again.paths[2], series.paths[2])
    phantom.truncate(series.paths[2], size=BEHIND_UID)
    (lost,) = manifest_rows(tmp_path)
    assert lost["series_uid"] == again.series_uid
    assert lost["series_hash"] == series_hash("d", again.series_uid, 1)
    assert len(account_of(tmp_path, lost["series_hash"])) == 5


def test_two_series_in_a_folder_leave_files_without_uid_to_nobody(tmp_path: Path) -> None:
    folder = tmp_path / "root" / "a"
    cut(phantom.make_series(folder, n=2, name="one"), BEHIND_UID)
    cut(phantom.make_series(folder, n=2, name="two"), BEHIND_UID)
    cut(phantom.make_series(folder, n=2, name="three"), IN_HEADER)
    rows = manifest_rows(tmp_path)
    assert [len(account_of(tmp_path, row["series_hash"])) for row in rows] == [2, 2]


def empty_files(folder: Path) -> None:
    cut(phantom.make_series(folder, n=3), 0)


def zeroed_files(folder: Path) -> None:
    for path in phantom.make_series(folder, n=3).paths:
        path.write_bytes(bytes(path.stat().st_size))


def broken_links(folder: Path) -> None:
    folder.mkdir(parents=True)
    for number in range(3):
        (folder / f"IM{number:04}").symlink_to("nowhere")


def links_beside_a_damaged_file(folder: Path) -> None:
    cut(phantom.make_series(folder, n=1), IN_HEADER)
    (path,) = folder.iterdir()
    path.rename(folder / "first.xyz")
    for name in ("second.xyz", "third.xyz"):
        (folder / name).symlink_to("nowhere")


@pytest.mark.parametrize(
    "make", [empty_files, zeroed_files, broken_links, links_beside_a_damaged_file]
)
def test_names_and_neighbours_say_that_files_are_dicom(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "root" / "ct")
    phantom.not_dicom(tmp_path / "root" / "ct", "README.md")
    (tmp_path / "root" / "ct" / "missing.txt").symlink_to("nowhere")
    (lost,) = manifest_rows(tmp_path)
    rows = account_of(tmp_path, lost["series_hash"])
    assert [row["role"] for row in rows] == ["unreadable"] * 3
    assert lost["flags"] == "unreadable_files"


def readme(folder: Path) -> None:
    phantom.not_dicom(folder, "README")
    phantom.not_dicom(folder, "notes.dcm", b"text under a wrong name\n")
    phantom.not_dicom(folder, "empty.txt", b"")
    (folder / "link.txt").symlink_to("nowhere")


def damaged_directory(folder: Path) -> None:
    folder.mkdir(parents=True)
    path = phantom.dicomdir(folder, phantom.make_series(folder.parent / "whole", n=2))
    phantom.truncate(path, size=180)
    shutil.rmtree(folder.parent / "whole")


def directory_without_class(folder: Path, name: str = "DICOMDIR") -> None:
    folder.mkdir(parents=True)
    path = phantom.dicomdir(folder, phantom.make_series(folder.parent / "whole", n=2))
    phantom.truncate(path, size=400)
    path.rename(folder / name)
    shutil.rmtree(folder.parent / "whole")


def directory_in_lower_case(folder: Path) -> None:
    directory_without_class(folder, "dicomdir")


def other_modality(folder: Path) -> None:
    series = phantom.make_series(folder, n=2, SOPClassUID=MR_CLASS, Modality="MR")
    cut(series, keep=0.8)
    cut(phantom.make_series(folder.parent / "m", n=1, SOPClassUID=MR_CLASS), BEHIND_UID)


@pytest.mark.parametrize(
    "make",
    [readme, damaged_directory, directory_without_class, directory_in_lower_case, other_modality],
)
def test_what_is_no_ct_image_makes_no_series(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "root" / "x")
    assert manifest_rows(tmp_path) == []


def test_damaged_file_among_readable_ones_makes_no_series(tmp_path: Path) -> None:
    folder = tmp_path / "root" / "ct"
    phantom.make_series(folder, n=3)
    cut(phantom.make_series(folder, n=1, name="other"), IN_HEADER)
    (row,) = manifest_rows(tmp_path)
    assert (row["slice_count"], row["flags"]) == ("3", "")


def test_files_beyond_the_depth_say_nothing_of_their_folder(tmp_path: Path) -> None:
    cut(phantom.make_series(tmp_path / "root" / "a" / "b" / "c", n=2), IN_HEADER)
    make_manifest(settings(tmp_path, max_depth=0))
    assert rows_of(tmp_path / "manifest" / "series_all.csv") == []


@pytest.mark.parametrize(
    "options",
    [
        {},
        pytest.param({"on_bad_slice": "drop"}, marks=pytest.mark.slow),
        pytest.param({"reject_flags": frozenset({Flag.UNREADABLE_FILES})}, marks=pytest.mark.slow),
    ],
)
def test_conversion_fails_with_one_reason_and_changes_nothing_the_next_time(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    root = tmp_path / "root"
    phantom.make_series(root / "whole", n=3)
    cut(phantom.make_series(root / "header", n=3), IN_HEADER)
    cut(phantom.make_series(root / "pixels", n=3, name="p"), keep=0.8)
    manifest_rows(tmp_path)
    shard = tmp_path / "manifest" / "shards" / "series_shard_00.csv"
    run: ConvertSettings = input_of(shard, shard_id=0, num_shards=1, **options)
    found = [run_shard(run).rows, run_shard(run).rows]
    for rows in found:
        by_folder = {Path(row.series_dir).name: row for row in rows}
        assert by_folder["whole"].status == "ok"
        for name in ("header", "pixels"):
            row = by_folder[name]
            assert (row.status, row.code, row.reason) == ("failed", *["series_unreadable"] * 2)
            assert "none of the 3 files of the series can be read" in row.error
            assert (row.files_unreadable, row.slice_count, row.input_bytes) == (3, 0, 0)
            assert str(tmp_path) not in row.error_public
    before = {
        path: (path.stat().st_mtime_ns, path.read_bytes())
        for path in (tmp_path / "manifest").rglob("*")
        if path.suffix in (".csv", ".json", ".parquet") and path.is_file()
    }
    manifest_rows(tmp_path)
    assert before == {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in before}


def test_conversion_does_not_write_into_the_dataset_it_reads(tmp_path: Path) -> None:
    phantom.make_series(tmp_path / "root" / "ct", n=2)
    manifest_rows(tmp_path)
    shard = tmp_path / "manifest" / "shards" / "series_shard_00.csv"
    by_hand = tmp_path / "list.csv"
    by_hand.write_text(f"series_dir\n{tmp_path / 'root' / 'ct'}\n")
    for path, inside in ((shard, "root/new"), (by_hand, "root/ct/new")):
        with pytest.raises(SettingsError, match=r"OUT_ROOT is .* lies in the folder of dataset"):
            run_shard(ConvertSettings(input_csv=path, out_root=tmp_path / inside))
    assert [path.name for path in (tmp_path / "root").iterdir()] == ["ct"]
