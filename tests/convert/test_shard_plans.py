"""A shard has the volumes that the rule gives it, each once, and a name that sorts."""

from pathlib import Path

import pytest

from ct2zarr.codes import Code
from ct2zarr.convert.shard_plans import label_of, plans_of_shard
from ct2zarr.errors import SettingsError
from phantom import make_series
from shard_runs import manifest, rows_of, settings_for


@pytest.fixture
def folder(tmp_path) -> Path:
    """A manifest of three series of 4, 9 and 6 planes in two shards."""
    for name, planes in (("a", 4), ("b", 9), ("c", 6)):
        make_series(tmp_path / "in" / name, name=name, n=planes)
    return manifest(tmp_path / "in")


def test_the_largest_source_comes_first(folder):
    plans = plans_of_shard(settings_for(folder / "series_all.csv"))
    assert [len(plan.planes) for plan in plans] == [9, 6, 4]


def test_sources_of_one_size_come_in_the_order_of_their_hash(tmp_path):
    for name in "abcd":
        made = make_series(tmp_path / "in" / name, name=name, n=1, rows=8, columns=8)
        path = Path(made.paths[0])
        path.write_bytes(path.read_bytes().ljust(4000, b"\0"))
    plans = plans_of_shard(settings_for(manifest(tmp_path / "in") / "series_all.csv"))
    assert len({plan.planes[0].bytes for plan in plans}) == 1
    hashes = [plan.series_hash for plan in plans]
    assert hashes == sorted(hashes)
    assert len(hashes) == 4


def test_a_shard_of_a_manifest_with_another_number_of_shards_is_refused(folder):
    for shard in range(2):
        csv_path = folder / f"shards/series_shard_{shard:02}.csv"
        if any(int(row["series_hash"], 16) % 3 != shard for row in rows_of(csv_path)):
            with pytest.raises(SettingsError) as raised:
                plans_of_shard(settings_for(csv_path, shard_id=shard, num_shards=3))
            assert raised.value.code is Code.INPUT_MIXED
            assert (raised.value.facts["shard"], raised.value.facts["shards"]) == (shard, 3)
            break
    else:
        pytest.fail("the test needs a volume of another shard")


def test_a_shard_of_the_manifest_has_the_volumes_of_its_number(folder):
    found = []
    for shard in range(2):
        csv_path = folder / f"shards/series_shard_{shard:02}.csv"
        plans = plans_of_shard(settings_for(csv_path, shard_id=shard, num_shards=2))
        assert all(int(plan.series_hash, 16) % 2 == shard for plan in plans)
        found += [len(plan.planes) for plan in plans]
    assert sorted(found) == [4, 6, 9]


def test_a_volume_that_is_named_twice_is_an_error_that_counts(folder):
    lines = (folder / "series_all.csv").read_text().splitlines(keepends=True)
    csv_path = folder / "mine.csv"
    csv_path.write_text("".join([*lines, lines[1], lines[1]]))
    with pytest.raises(SettingsError) as raised:
        plans_of_shard(settings_for(csv_path))
    assert raised.value.code is Code.INPUT_DAMAGED
    assert raised.value.facts["series_hash"] == lines[1].split(",")[0]
    assert raised.value.facts["count"] == 3


@pytest.mark.parametrize(
    ("name", "shard_id", "num_shards", "label"),
    [
        ("series_shard_07.csv", None, None, "07"),
        ("series_shard_0007.csv", None, None, "0007"),
        ("series_shard_0007.csv", 7, 4096, "0007"),
        ("series_shard_0007.csv", 7, None, "0007"),
        ("series_shard_0007.csv", 8, None, "08"),
        ("series_all.csv", 3, 16, "03"),
        ("series_all.csv", 3, 1000, "003"),
        ("series_all.csv", None, None, "00"),
        ("mine.csv", 5, None, "05"),
    ],
)
def test_the_summary_is_named_after_the_shard(name, shard_id, num_shards, label):
    settings = settings_for(Path("x/y") / name, shard_id=shard_id, num_shards=num_shards)
    assert label_of(settings) == label


def test_two_lines_of_one_volume_are_one_too_many(folder):
    lines = (folder / "series_all.csv").read_text().splitlines(keepends=True)
    csv_path = folder / "mine.csv"
    csv_path.write_text("".join([*lines, lines[1]]))
    with pytest.raises(SettingsError) as raised:
        plans_of_shard(settings_for(csv_path))
    assert raised.value.facts["count"] == 2
