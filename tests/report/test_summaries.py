"""The shard summaries join into one, and a bad one is an error that names it."""

import csv
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ct2zarr.convert.shard_summary import ShardSummary, write_summary
from ct2zarr.errors import SettingsError
from ct2zarr.report.summaries import aggregate
from ct2zarr.report.tallies import distribution
from ct2zarr.run.paths import shard_label
from ct2zarr.run.settings import AggregateSettings, ConvertSettings
from ct2zarr.run.summary_columns import COLUMNS, SummaryRow

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
        shard_file(tmp_path, f"summary_shard_01_again.{suffix}").write_bytes(source.read_bytes())
    with pytest.raises(SettingsError, match=r"01.csv and in .*01_again.csv"):
        aggregate(settings)


def test_an_empty_folder_is_an_error_that_says_what_to_do(tmp_path):
    with pytest.raises(SettingsError, match="convert the shards first"):
        aggregate(AggregateSettings(out_root=tmp_path))


@pytest.mark.slow
def test_a_hundred_thousand_rows_are_joined_within_seconds(tmp_path):
    settings = write_shards(tmp_path, [row(number) for number in range(LARGE)], num_shards=16)
    started = time.process_time()
    assert aggregate(settings).volumes == LARGE
    assert time.process_time() - started < 20
