"""A volume stands in one summary, whatever numbers of shards and names earlier runs had."""

import json
from dataclasses import replace

import pytest

from ct2zarr.convert.superseded import remove_all_but, remove_superseded
from ct2zarr.errors import MachineError
from ct2zarr.run.settings import ConvertSettings


@pytest.fixture
def settings(tmp_path) -> ConvertSettings:
    """Of the first shard of four."""
    made = ConvertSettings(tmp_path / "series_shard_00.csv", tmp_path / "out", num_shards=4)
    made.store_root.mkdir(parents=True)
    return made


def leave(settings: ConvertSettings, *labels: str, num_shards: int | None) -> None:
    """Summaries as an earlier run leaves them."""
    for label in labels:
        stem = settings.store_root / f"summary_shard_{label}"
        stem.with_name(stem.name + ".json").write_text(json.dumps({"num_shards": num_shards}))
        stem.with_name(stem.name + ".csv").write_text("series_hash\n")


def labels_left(settings: ConvertSettings) -> list[str]:
    """The labels of the summaries that are whole; no half of one is left."""
    names = {path.name for path in settings.store_root.iterdir()}
    tables = sorted(name[:-4] for name in names if name.endswith(".csv"))
    assert {f"{name}.json" for name in tables} == {n for n in names if n.endswith(".json")}
    return [name.removeprefix("summary_shard_") for name in tables]


@pytest.mark.parametrize(
    ("earlier", "number", "left"),
    [
        (["00", "01", "03", "04", "15"], 16, ["00", "01", "03"]),
        (["000", "001", "127"], 128, []),
        (["00", "03"], 4, ["00", "03"]),
        (["00_again", "00", "0", "01"], 4, ["00", "01"]),
        (["1", "01_x"], 16, []),
        (["1"], 4, ["1"]),
        (["1"], None, ["1"]),
    ],
    ids=str,
)
def test_names_that_the_run_does_not_use_go_and_the_others_stay(settings, earlier, number, left):
    leave(settings, *earlier, num_shards=number)
    remove_superseded(settings, "00")
    assert labels_left(settings) == left


@pytest.mark.parametrize("text", [None, "{", "[]", "{}"])
def test_half_a_summary_under_a_name_that_the_run_does_not_use_goes(settings, text):
    leave(settings, "001", num_shards=4)
    totals = settings.store_root / "summary_shard_001.json"
    totals.unlink() if text is None else totals.write_text(text)
    remove_superseded(settings, "00")
    assert list(settings.store_root.iterdir()) == []


def test_more_digits_supersede_fewer(settings):
    leave(settings, "00", "03", "15", num_shards=16)
    remove_superseded(replace(settings, num_shards=128), "007")
    assert labels_left(settings) == []


def test_the_manifest_tells_the_number_of_shards_where_the_settings_do_not(settings, tmp_path):
    shards = tmp_path / "manifests" / "shards"
    shards.mkdir(parents=True)
    settings = replace(settings, input_csv=shards / "series_shard_00.csv", num_shards=None)
    leave(settings, "00", "05", num_shards=None)
    remove_superseded(settings, "00")
    assert labels_left(settings) == ["00", "05"]
    (shards.parent / "manifest_summary.json").write_text('{"num_shards": 4}')
    for csv in (shards.parent / "series_all.csv", shards / "my_series.csv"):
        remove_superseded(replace(settings, input_csv=csv), "00")
        assert labels_left(settings) == ["00", "05"]
    remove_superseded(settings, "00")
    assert labels_left(settings) == ["00"]


def test_nothing_but_summaries_of_shards_goes(settings):
    others = ["summary_all.csv", "summary_all.json", "audit_shard_09.csv", "verify_report.html",
              "summary_shard_09.txt", "my_summary_shard_09.csv"]  # fmt: skip
    for name in others:
        (settings.store_root / name).touch()
    leave(settings, "09", num_shards=16)
    remove_all_but(settings.store_root, [])
    assert sorted(path.name for path in settings.store_root.iterdir()) == sorted(others)


def test_all_but_the_joined_summaries_go(settings):
    leave(settings, "00", "01", "02", "001", num_shards=4)
    kept = [settings.store_root / f"summary_shard_{label}.csv" for label in ("00", "01")]
    remove_all_but(settings.store_root, kept)
    assert labels_left(settings) == ["00", "01"]


def test_a_summary_that_cannot_be_removed_is_a_fault_of_the_machine(settings):
    (settings.store_root / "summary_shard_09.csv").mkdir()
    with pytest.raises(MachineError) as raised:
        remove_superseded(settings, "00")
    assert str(settings.store_root) in str(raised.value)
