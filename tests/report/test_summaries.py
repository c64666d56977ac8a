"""The shard summaries join into one, and a bad one is an error that names it."""

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ct2zarr.codes import Code
from ct2zarr.convert.shard import run_shard
from ct2zarr.convert.shard_summary import ShardSummary, write_summary
from ct2zarr.errors import SettingsError
from ct2zarr.report.summaries import aggregate
from ct2zarr.report.tallies import distribution
from ct2zarr.run.paths import shard_label
from ct2zarr.run.sealed import SEAL, sealed_json
from ct2zarr.run.settings import AggregateSettings, ConvertSettings
from ct2zarr.run.summary_columns import COLUMNS, SummaryRow
from phantom import localizer, make_series
from shard_runs import manifest, settings_for

LARGE = 100_000


def row(number: int, **values: object) -> SummaryRow:
    measured = SummaryRow(
        series_hash=f"{number:032x}",
        dataset="v1",
        series_dir=f"/data/äö, {number}",
        status="ok",
        slice_count=10 + number % 7,
        rows=64,
        columns=64,
        input_bytes=100_000,
        output_bytes=40_960,
        dtype="int16",
        spacing_z=2.5,
        total_seconds=0.5,
        verify_ok=True,
        version="0.1.0",
    )
    return replace(measured, **values)  # type: ignore[arg-type]


def write_shards(
    out_root: Path, rows: Sequence[SummaryRow], num_shards: int = 4, told: int | None = None
) -> AggregateSettings:
    input_csv = out_root / "series_all.csv"
    input_csv.write_text("series_hash\n")
    for shard in range(num_shards):
        settings = ConvertSettings(
            input_csv=input_csv,
            out_root=out_root,
            shard_id=shard,
            num_shards=num_shards if told is None else told,
        )
        settings.store_root.mkdir(exist_ok=True)
        mine = [one for one in rows if int(one.series_hash, 16) % num_shards == shard]
        label = shard_label(shard, num_shards)
        path = settings.store_root / f"summary_shard_{label}.csv"
        write_summary(ShardSummary(label, tuple(mine), path, path.with_suffix(".json")), settings)
    return AggregateSettings(out_root=out_root)


ROWS = [
    *(row(number) for number in range(8)),
    row(8, status="failed", reason="timeout", error="the series took\nlonger", verify_ok=None,
        output_bytes=0, dtype="", total_seconds=None, spacing_z=None),
    row(9, status="rejected", reason="gantry_tilt", flags="gantry_tilt;padding", verify_ok=None,
        output_bytes=0, dtype="", total_seconds=None),
    row(10, flags="padding", reused=True),
]  # fmt: skip


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_all_rows_stand_in_the_joined_table_with_their_shard(tmp_path):
    aggregate(write_shards(tmp_path, ROWS))
    joined = read(tmp_path / "zarr_sqlite/summary_all.csv")
    assert [line["series_hash"] for line in joined] == [one.series_hash for one in ROWS]
    assert [int(line["shard"]) for line in joined] == [number % 4 for number in range(len(ROWS))]
    shards = {
        line["series_hash"]: line
        for shard in range(4)
        for line in read(tmp_path / f"zarr_sqlite/summary_shard_{shard:02}.csv")
    }
    for line in joined:
        ours = {name: line[name] for name in COLUMNS}
        assert ours == shards[line["series_hash"]]


def test_totals_counts_and_distributions_are_those_of_the_rows(tmp_path):
    aggregate(write_shards(tmp_path, ROWS))
    content = json.loads((tmp_path / "zarr_sqlite/summary_all.json").read_text())
    assert content["totals"]["volumes"] == 11
    assert content["status"] == {"ok": 9, "failed": 1, "rejected": 1}
    assert content["reason"] == {"gantry_tilt": 1, "timeout": 1}
    assert content["flag"] == {"gantry_tilt": 1, "padding": 2}
    assert content["totals"]["reused"] == 1
    assert content["totals"]["input_bytes"] == 900_000
    assert content["totals"]["slices"] == sum(one.slice_count for one in ROWS if one.status == "ok")
    ratio = content["distributions"]["compression_ratio"]
    assert ratio["count"] == 9
    assert ratio["max"] == pytest.approx(16 * 64 * 64 * 2 / 40_960)
    assert content["distributions"]["spacing_z"]["median"] == 2.5
    assert content["shards"]["00"]["volumes"] == 3


def test_a_distribution_is_what_numpy_says():
    values = np.random.default_rng(0).normal(size=1000)
    found = distribution([*values, float("nan")])
    assert found["count"] == 1000
    assert found["p5"] == pytest.approx(np.percentile(values, 5), abs=1e-6)
    assert found["mean"] == pytest.approx(values.mean(), abs=1e-6)
    assert sum(found["histogram"]["counts"]) == 1000


def test_no_volume_at_all_gives_an_empty_table(tmp_path):
    aggregate(write_shards(tmp_path, []))
    assert read(tmp_path / "zarr_sqlite/summary_all.csv") == []
    content = json.loads((tmp_path / "zarr_sqlite/summary_all.json").read_text())
    assert content["distributions"]["slice_count"] == {"count": 0}


def shard_file(root: Path, name: str) -> Path:
    return root / "zarr_sqlite" / name


def drop_last_line(path: Path) -> None:
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


def cut_mid_line(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])


def drop_column(path: Path) -> None:
    path.write_text(path.read_text().replace(",error,", ",mistake,", 1))


def write_word_for_number(path: Path) -> None:
    path.write_text(path.read_text().replace("100000", "many", 1))


def change_number(path: Path) -> None:
    path.write_text(path.read_text().replace("100000", "100001", 1))


@pytest.mark.parametrize(
    ("damage", "name", "said"),
    [
        (Path.unlink, "summary_shard_02.csv", "have no summary.*summary_shard_02.csv"),
        (Path.unlink, "summary_shard_02.json", "summary_shard_02.json does not exist"),
        (drop_last_line, "summary_shard_01.csv", "summary_shard_01.csv has 2 rows.*counts 3"),
        (cut_mid_line, "summary_shard_01.csv", "summary_shard_01.csv"),
        (cut_mid_line, "summary_shard_01.json", "summary_shard_01.json is not valid JSON"),
        (drop_column, "summary_shard_03.csv", "summary_shard_03.csv lacks the column error"),
        (
            write_word_for_number,
            "summary_shard_00.csv",
            "_00.csv has 'many' as input_bytes on line 2",
        ),
        (change_number, "summary_shard_00.csv", "summary_shard_00.csv was changed"),
        (lambda path: path.write_text(""), "summary_shard_00.csv", "summary_shard_00.csv is empty"),
    ],
)
def test_a_missing_or_damaged_shard_summary_is_an_error_that_names_it(tmp_path, damage, name, said):
    settings = write_shards(tmp_path, ROWS)
    damage(shard_file(tmp_path, name))
    with pytest.raises(SettingsError, match=said):
        aggregate(settings)
    assert not shard_file(tmp_path, "summary_all.csv").exists()


def test_a_shard_asked_for_by_name_that_is_not_there_is_an_error(tmp_path):
    settings = write_shards(tmp_path, ROWS)
    path = shard_file(tmp_path, "summary_shard_07.csv")
    with pytest.raises(SettingsError, match=r"summary_shard_07.json does not exist"):
        aggregate(replace(settings, summaries=(path,)))


def test_summaries_of_runs_with_other_numbers_of_shards_are_not_joined(tmp_path):
    settings = write_shards(tmp_path, ROWS, num_shards=4)
    write_shards(tmp_path, ROWS, num_shards=2)
    with pytest.raises(SettingsError, match="different numbers of shards"):
        aggregate(settings)


def test_a_volume_in_two_shards_is_an_error_that_names_both(tmp_path):
    settings = write_shards(tmp_path, ROWS)
    for suffix in ("csv", "json"):
        source = shard_file(tmp_path, f"summary_shard_01.{suffix}")
        shard_file(tmp_path, f"summary_shard_1.{suffix}").write_bytes(source.read_bytes())
    with pytest.raises(SettingsError, match=r"01.csv and in .*_1.csv"):
        aggregate(settings)


def test_an_empty_folder_is_an_error_that_says_what_to_do(tmp_path):
    with pytest.raises(SettingsError, match="convert the shards first"):
        aggregate(AggregateSettings(out_root=tmp_path))


@pytest.mark.slow
def test_a_hundred_thousand_rows_are_joined(tmp_path):
    settings = write_shards(tmp_path, [row(number) for number in range(LARGE)], num_shards=16)
    assert aggregate(settings).volumes == LARGE
    with shard_file(tmp_path, "summary_all.csv").open() as lines:
        assert sum(1 for _ in lines) == LARGE + 1


def json_of(root: Path, shard: int) -> Path:
    return shard_file(root, f"summary_shard_{shard:02}.json")


def change_json(path: Path, **values: object) -> None:
    """What a JSON of the same writer says with other values."""
    content = json.loads(path.read_text())
    del content[SEAL]
    path.write_text(sealed_json({**content, **values}))


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda root: json_of(root, 1).unlink(), Code.INPUT_MISSING),
        (lambda root: shard_file(root, "summary_shard_01.csv").unlink(), Code.INPUT_MISSING),
        (lambda root: json_of(root, 1).write_text("[]"), Code.INPUT_DAMAGED),
        (lambda root: change_json(json_of(root, 1), totals=[]), Code.INPUT_DAMAGED),
        (lambda root: change_json(json_of(root, 1), totals={"volumes": "3"}), Code.INPUT_DAMAGED),
        (lambda root: change_json(json_of(root, 1), csv_md5=None), Code.INPUT_DAMAGED),
        (lambda root: change_json(json_of(root, 1), csv_md5="0" * 32), Code.INPUT_DAMAGED),
        (lambda root: change_json(json_of(root, 1), num_shards=5), Code.INPUT_MIXED),
        (
            lambda root: shard_file(root, "summary_shard_01.csv").write_bytes(b"\xff\xfe"),
            Code.INPUT_DAMAGED,
        ),
    ],
)
def test_damage_has_the_code_of_its_kind(tmp_path, damage, code):
    settings = write_shards(tmp_path, ROWS)
    paths = tuple(shard_file(tmp_path, f"summary_shard_{shard:02}.csv") for shard in range(4))
    damage(tmp_path)
    with pytest.raises(SettingsError) as caught:
        aggregate(replace(settings, summaries=paths))
    assert caught.value.code is code


def test_summary_of_a_shard_beyond_the_last_is_an_error(tmp_path):
    settings = write_shards(tmp_path, ROWS)
    for suffix in ("csv", "json"):
        source = shard_file(tmp_path, f"summary_shard_01.{suffix}")
        source.rename(source.with_name(f"summary_shard_04.{suffix}"))
    with pytest.raises(
        SettingsError, match=r"summary of shard 4 in .* there are 4 shards"
    ) as caught:
        aggregate(settings)
    assert caught.value.code is Code.INPUT_MIXED


def test_without_a_number_of_shards_the_highest_summary_counts(tmp_path):
    settings = write_shards(tmp_path, ROWS)
    for shard in range(4):
        change_json(json_of(tmp_path, shard), num_shards=None)
    assert aggregate(settings).volumes == len(ROWS)
    shard_file(tmp_path, "summary_shard_02.csv").unlink()
    with pytest.raises(SettingsError, match="1 of 4 shards have no summary") as caught:
        aggregate(settings)
    assert caught.value.code is Code.INPUT_MISSING


def test_ten_missing_summaries_are_named_and_more_are_counted(tmp_path):
    settings = write_shards(tmp_path, ROWS, num_shards=13)
    for shard in (*range(10), 11):
        shard_file(tmp_path, f"summary_shard_{shard:02}.csv").unlink()
    with pytest.raises(SettingsError) as caught:
        aggregate(settings)
    named = [f"summary_shard_{shard:02}.csv" for shard in range(10)]
    assert (
        f"11 of 13 shards have no summary in {tmp_path}/zarr_sqlite: {', '.join(named)}, and"
        in str(caught.value)
    )
    shard_file(tmp_path, "summary_shard_11.csv").touch()
    with pytest.raises(SettingsError) as caught:
        aggregate(replace(settings, summaries=tuple(
            shard_file(tmp_path, f"summary_shard_{shard:02}.csv") for shard in (10, 12)
        )))  # fmt: skip
    assert caught.value.facts["names"][-1] == "and others"


def test_volume_that_one_summary_names_twice_is_an_error(tmp_path):
    settings = write_shards(tmp_path, [*ROWS, ROWS[1]])
    with pytest.raises(SettingsError, match=r"is both in .*_01\.csv and in .*_01\.csv") as caught:
        aggregate(settings)
    assert caught.value.code is Code.INPUT_MIXED


def test_file_of_another_name_is_no_summary(tmp_path):
    settings = write_shards(tmp_path, ROWS)
    with pytest.raises(SettingsError, match=r"is not called summary_shard_XX\.csv") as caught:
        aggregate(replace(settings, summaries=(tmp_path / "series_all.csv",)))
    assert caught.value.code is Code.SETTING_WRONG


def test_settings_and_libraries_are_listed_where_shards_differ(tmp_path):
    settings = write_shards(tmp_path, ROWS, num_shards=2)
    same = {"level": 5, "shard_id": 0}
    change_json(json_of(tmp_path, 0), settings=same, libraries={"numpy": "2.1"})
    change_json(json_of(tmp_path, 1), settings={**same, "shard_id": 1}, libraries={"numpy": "2.2"})
    aggregate(settings)
    content = json.loads((tmp_path / "zarr_sqlite/summary_all.json").read_text())
    assert content["settings"] == {"level": 5}
    assert content["libraries"] == {"numpy": {"differs": ["2.1", "2.2"]}}
    assert list(content["inputs"]) == list(content["shards"]) == ["00", "01"]


def write_manifest_summary(folder: Path, **values: object) -> Path:
    path = folder / "manifest_summary.json"
    whole = {"roles": {"slice": 20, "localizer": 8}, "series_all_md5": "", **values}
    path.write_text(sealed_json(whole))
    return path


def test_manifest_is_named_by_the_shards_or_by_its_own_checksum(tmp_path):
    settings = write_shards(tmp_path, ROWS, num_shards=2)
    for shard in range(2):
        change_json(json_of(tmp_path, shard), manifest_md5="aa")

    def manifest(**values: object) -> dict[str, object]:
        aggregate(replace(settings, **values))
        return json.loads((tmp_path / "zarr_sqlite/summary_all.json").read_text())["manifest"]

    assert manifest() == {"file": "series_all.csv", "md5": "aa", "shards_by_md5": {"aa": 2}}
    assert manifest(manifest_dir=tmp_path / "gone")["md5"] == "aa"
    write_manifest_summary(tmp_path, series_all_md5="cc")
    assert manifest(manifest_dir=tmp_path)["md5"] == "cc"
    change_json(json_of(tmp_path, 1), manifest_md5="bb")
    assert manifest()["md5"] == ""
    assert manifest()["shards_by_md5"] == {"aa": 1, "bb": 1}


def test_localizers_of_series_without_a_volume_are_in_the_totals(tmp_path):
    rows = [row(0, localizers_skipped=2), row(1, localizers_skipped=1)]
    settings = write_shards(tmp_path, rows, num_shards=2)

    def counted(**values: object) -> tuple[int, str]:
        aggregate(replace(settings, **values))
        content = json.loads((tmp_path / "zarr_sqlite/summary_all.json").read_text())
        return content["totals"]["localizers_skipped"], content["localizers_counted_in"]

    summary = write_manifest_summary(tmp_path)
    assert counted(manifest_dir=tmp_path) == (8, "manifest_summary.json")
    assert counted() == (3, "summary_all.csv")
    assert counted(manifest_dir=tmp_path / "gone") == (3, "summary_all.csv")
    for damaged in ("{", "[]", "{}", summary.read_text().replace("8", "9")):
        summary.write_text(damaged)
        with pytest.raises(SettingsError, match=r"manifest_summary\.json .*make the manifest"):
            aggregate(replace(settings, manifest_dir=tmp_path))


def test_a_series_of_nothing_but_localizers_counts_in_the_totals_of_a_run(tmp_path):
    series = make_series(tmp_path / "in" / "scan", n=3)
    shared = {"series_uid": series.series_uid, "study_uid": series.study_uid}
    localizer(tmp_path / "in" / "scan" / "scout", **shared)
    for view in ("front", "side"):
        localizer(tmp_path / "in" / view, name=view)
    folder = manifest(tmp_path / "in", num_shards=1)
    settings = settings_for(folder / "shards" / "series_shard_00.csv")
    run_shard(settings)
    aggregate(AggregateSettings(settings.out_root, manifest_dir=folder))
    (joined,) = read(settings.store_root / "summary_all.csv")
    totals = json.loads((settings.store_root / "summary_all.json").read_text())["totals"]
    assert (joined["localizers_skipped"], totals["localizers_skipped"]) == ("1", 3)


def test_totals_are_those_of_the_shards_added_up(tmp_path):
    aggregate(write_shards(tmp_path, ROWS))
    content = json.loads((tmp_path / "zarr_sqlite/summary_all.json").read_text())
    for name, total in content["totals"].items():
        assert total == pytest.approx(sum(one[name] for one in content["shards"].values())), name
    assert content["totals"]["flagged"] == 2
    assert content["totals"]["ok_flagged"] == 1
    assert content["totals"]["seconds"] == 4.5
    assert content["dataset"] == {"v1": 11}
    assert content["versions"] == {"0.1.0": 11}
