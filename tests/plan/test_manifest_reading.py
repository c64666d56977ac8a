"""A CSV of volumes to their plans: the manifest's own, or folders that a person listed."""

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import phantom
from ct2zarr.codes import Code
from ct2zarr.errors import SettingsError
from ct2zarr.plan.grouping import series_hash
from ct2zarr.plan.manifest import make_manifest
from ct2zarr.plan.manifest_reading import read_plans
from ct2zarr.run.settings import ConvertSettings, SelectionSettings
from ct2zarr.vocabulary import Role
from manifests import input_of, many, rows_of, settings


def test_a_shard_of_the_whole_list_is_that_of_its_own_csv(tmp_path: Path) -> None:
    many(tmp_path)
    make_manifest(settings(tmp_path))
    manifest = tmp_path / "manifest"
    total = 0
    for number in range(4):
        own = read_plans(input_of(manifest / "shards" / f"series_shard_0{number}.csv"))
        whole = input_of(manifest / "series_all.csv", shard_id=number, num_shards=4)
        assert read_plans(whole) == own
        total += len(own)
    assert total == 9


def selection(tmp_path: Path) -> Path:
    """A copy of the index beside it, for a person to edit."""
    path = tmp_path / "manifest" / "mine.csv"
    return Path(shutil.copy(path.with_name("series_all.csv"), path))


def copied_alone(manifest: Path) -> Path:
    """The shards without the summary of the manifest, which holds their checksums."""
    (manifest / "manifest_summary.json").unlink()
    return manifest / "shards"


def edit_csv(path: Path, drop: str) -> None:
    rows = rows_of(path)
    columns = [column for column in rows[0] if column != drop]
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)


@pytest.mark.parametrize("column", ["series_hash", "series_dir", "findings", "slice_count"])
def test_a_missing_column_is_named(tmp_path: Path, column: str) -> None:
    many(tmp_path, 1)
    make_manifest(settings(tmp_path))
    path = selection(tmp_path)
    edit_csv(path, column)
    with pytest.raises(SettingsError, match=f"lacks the column {column}"):
        read_plans(input_of(path))


def test_a_list_without_its_files_is_an_error(tmp_path: Path) -> None:
    many(tmp_path, 1)
    make_manifest(settings(tmp_path, num_shards=1))
    manifest = tmp_path / "manifest"
    (copied_alone(manifest) / "files_shard_00.parquet").unlink()
    with pytest.raises(SettingsError, match=r"files_shard_00\.parquet is missing"):
        read_plans(input_of(manifest / "shards" / "series_shard_00.csv"))
    with pytest.raises(SettingsError, match=r"no files_shard_XX\.parquet"):
        read_plans(input_of(manifest / "series_all.csv"))
    with pytest.raises(SettingsError, match="does not exist"):
        read_plans(input_of(manifest / "gone.csv"))


def test_files_of_another_run_are_an_error(tmp_path: Path) -> None:
    many(tmp_path, 1)
    make_manifest(settings(tmp_path, num_shards=1))
    shards = copied_alone(tmp_path / "manifest")
    path = shards / "series_shard_00.csv"
    text = path.read_text()
    (row,) = rows_of(path)
    path.write_text(text.replace(row["series_hash"], "0" * 32))
    with pytest.raises(SettingsError, match="has no file"):
        read_plans(input_of(path))
    files = shards / "files_shard_00.parquet"
    path.write_text(text)
    table = pq.read_table(files)
    pq.write_table(table.slice(1), files)
    with pytest.raises(SettingsError, match=r"has 2 slices, and the list .* names 1"):
        read_plans(input_of(path))
    files.write_bytes(b"junk")
    with pytest.raises(SettingsError, match="cannot be read"):
        read_plans(input_of(path))


def by_hand(tmp_path: Path, *lines: str) -> ConvertSettings:
    path = tmp_path / "list.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return input_of(path)


def test_a_list_of_folders_is_scanned(tmp_path: Path) -> None:
    one = phantom.make_series(tmp_path / "one" / "deep", n=3, name="one")
    two = phantom.make_series(tmp_path / "two", n=2, name="two")
    plans = read_plans(by_hand(tmp_path, "series_dir", f"{tmp_path}/one", f"{tmp_path}/two"))
    assert {plan.series_uid: len(plan.planes) for plan in plans} == {
        one.series_uid: 3,
        two.series_uid: 2,
    }
    assert {plan.series_hash for plan in plans} == {
        series_hash("default", series.series_uid, 1) for series in (one, two)
    }


def test_a_list_has_the_hashes_of_the_manifest_for_the_same_dataset(tmp_path: Path) -> None:
    many(tmp_path, 2)
    make_manifest(settings(tmp_path))
    listed = read_plans(by_hand(tmp_path, "dataset,series_dir", f"d,{tmp_path}/root"))
    read = read_plans(input_of(tmp_path / "manifest" / "series_all.csv"))
    assert {p.series_hash for p in listed} == {p.series_hash for p in read}


def test_a_series_over_two_listed_folders_is_one_volume(tmp_path: Path) -> None:
    series = phantom.make_series(tmp_path / "one", n=6)
    (tmp_path / "two").mkdir()
    for path in series.paths[3:]:
        path.rename(tmp_path / "two" / path.name)
    (plan,) = read_plans(by_hand(tmp_path, "series_dir", f"{tmp_path}/one", f"{tmp_path}/two"))
    assert len(plan.planes) == 6


def test_series_without_uid_in_two_listed_folders_stay_apart(tmp_path: Path) -> None:
    for name in ("one", "two"):
        phantom.make_series(tmp_path / name, n=2, without=["SeriesInstanceUID"])
    plans = read_plans(by_hand(tmp_path, "series_dir", f"{tmp_path}/one", f"{tmp_path}/two"))
    assert len({plan.series_hash for plan in plans}) == 2
    assert [len(plan.planes) for plan in plans] == [2, 2]


def test_a_listed_folder_of_copies_is_no_volume_of_its_own(tmp_path: Path) -> None:
    phantom.make_series(tmp_path / "one", n=3)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    (plan,) = read_plans(by_hand(tmp_path, "series_dir", f"{tmp_path}/one", f"{tmp_path}/two"))
    assert [left.role for left in plan.unused] == [Role.DUPLICATE] * 3


def test_given_names_are_used(tmp_path: Path) -> None:
    one = phantom.make_series(tmp_path / "one", n=2, name="one")
    phantom.make_series(tmp_path / "one", n=2, name="other")
    given = "0123456789abcdef" * 2
    header = "series_dir,series_uid,series_hash"
    (plan,) = read_plans(by_hand(tmp_path, header, f"{tmp_path}/one,{one.series_uid},{given}"))
    assert (plan.series_hash, plan.series_uid) == (given, one.series_uid)
    plans = read_plans(by_hand(tmp_path, header, f"{tmp_path}/one,,{given}"))
    assert len({plan.series_hash for plan in plans} - {given}) == 2
    with pytest.raises(SettingsError, match=r"has '\.\./x' as series_hash on line 2"):
        read_plans(by_hand(tmp_path, header, f"{tmp_path}/one,,../x"))


def test_a_listed_folder_without_ct_is_a_plan_without_planes(tmp_path: Path) -> None:
    phantom.make_series(tmp_path / "one", n=2)
    phantom.not_dicom(tmp_path / "two")
    lines = [f"{tmp_path}/{name}" for name in ("one", "two", "gone")]
    plans = read_plans(by_hand(tmp_path, "series_dir", *lines))
    assert [len(plan.planes) for plan in plans] == [2, 0, 0]
    assert [plan.series_dir for plan in plans] == lines
    assert len({plan.series_hash for plan in plans}) == 3
    assert [left.role for left in plans[1].unused] == [Role.NOT_DICOM]


def test_plans_are_in_the_order_of_the_list(tmp_path: Path) -> None:
    many(tmp_path, 6)
    make_manifest(settings(tmp_path))
    path = selection(tmp_path)
    header, *lines = path.read_text().splitlines()
    path.write_text("\n".join([header, *reversed(lines)]) + "\n")
    names = [plan.series_hash for plan in read_plans(input_of(path))]
    assert names == [row["series_hash"] for row in rows_of(path)]
    assert names != sorted(names)


def test_a_list_of_the_manifest_may_be_filtered_in_a_spreadsheet(tmp_path: Path) -> None:
    many(tmp_path, 3)
    make_manifest(settings(tmp_path))
    path = selection(tmp_path)
    header, *lines = path.read_text().splitlines()
    path.write_text("\ufeff" + "\r\n".join([header, lines[1]]) + "\r\n")
    (plan,) = read_plans(input_of(path))
    assert plan.series_hash == rows_of_text(header, lines[1])["series_hash"]
    path.write_text(header + "\n")
    assert read_plans(input_of(path)) == []


def rows_of_text(header: str, line: str) -> dict[str, str]:
    return next(csv.DictReader([header, line]))


@pytest.mark.parametrize("name", ["g" * 32, "0" * 31, "", "A" * 32])
def test_a_hash_that_is_none_is_named_with_its_line(tmp_path: Path, name: str) -> None:
    many(tmp_path, 1)
    make_manifest(settings(tmp_path))
    path = selection(tmp_path)
    (row,) = rows_of(path)
    path.write_text(path.read_text().replace(row["series_hash"], name))
    with pytest.raises(SettingsError, match="as series_hash on line 2") as caught:
        read_plans(input_of(path))
    assert caught.value.code is Code.INPUT_DAMAGED


@pytest.mark.parametrize("findings", ["", "x", "[1]", "5", '[["no_flag",{}]]'])
def test_findings_that_cannot_be_read_are_an_error(tmp_path: Path, findings: str) -> None:
    many(tmp_path, 1)
    make_manifest(settings(tmp_path))
    path = selection(tmp_path)
    (row,) = rows_of(path)
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, row)
        writer.writeheader()
        writer.writerow({**row, "findings": findings})
    with pytest.raises(SettingsError, match="has findings of volume") as caught:
        read_plans(input_of(path))
    assert caught.value.code is Code.INPUT_DAMAGED


def test_a_file_list_without_a_column_is_an_error_that_names_it(tmp_path: Path) -> None:
    many(tmp_path, 1)
    make_manifest(settings(tmp_path, num_shards=1))
    files = copied_alone(tmp_path / "manifest") / "files_shard_00.parquet"
    table: pa.Table = pq.read_table(files)
    pq.write_table(table.drop_columns(["code", "kvp"]), files)
    with pytest.raises(SettingsError, match="lacks the column code, kvp"):
        read_plans(input_of(tmp_path / "manifest" / "series_all.csv"))


def test_a_listed_hash_may_be_in_capitals_and_names_parts_from_one(tmp_path: Path) -> None:
    series = phantom.make_series(tmp_path / "one", n=2)
    given = "0123456789ABCDEF" * 2
    (plan,) = read_plans(by_hand(tmp_path, "series_dir,series_hash", f"{tmp_path}/one,{given}"))
    assert plan.series_hash == given.lower()
    phantom.make_series(tmp_path / "one", n=3, name="more")
    plans = read_plans(by_hand(tmp_path, "series_dir,series_hash", f"{tmp_path}/one,{given}"))
    assert [plan.series_hash for plan in plans] == [
        series_hash("default", given.lower(), number) for number in (1, 2)
    ]
    assert series.series_uid in {plan.series_uid for plan in plans}


def test_a_listed_folder_has_the_files_below_it_and_not_beside_it(tmp_path: Path) -> None:
    phantom.not_dicom(tmp_path / "one")
    phantom.not_dicom(tmp_path / "one2", name="other.txt")
    plans = read_plans(by_hand(tmp_path, "series_dir", f"{tmp_path}/one", f"{tmp_path}/one2"))
    assert [[Path(left.frame.path).parent.name for left in plan.unused] for plan in plans] == [
        ["one"],
        ["one2"],
    ]


def test_a_row_without_a_folder_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no series_dir on line 3"):
        read_plans(by_hand(tmp_path, "series_dir,dataset", f"{tmp_path},a", ",b"))


def test_selection_and_depth_hold_for_listed_folders(tmp_path: Path) -> None:
    phantom.make_series(tmp_path / "one" / "a" / "b", n=2)
    listed = by_hand(tmp_path, "series_dir", f"{tmp_path}/one")
    assert [len(plan.planes) for plan in read_plans(listed)] == [2]
    assert [len(plan.planes) for plan in read_plans(replace(listed, max_depth=0))] == [0]
    without = replace(listed, selection=SelectionSettings(exclude_image_types=("AXIAL",)))
    assert [len(plan.planes) for plan in read_plans(without)] == [0]
