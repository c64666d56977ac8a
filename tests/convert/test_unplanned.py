"""What no manifest names is found and removed, and nothing else is."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from ct2zarr.codes import Code
from ct2zarr.convert.shard import run_shard
from ct2zarr.convert.unplanned import find_unplanned, tidy, unplanned_volumes
from ct2zarr.errors import SettingsError
from ct2zarr.report.summaries import aggregate
from ct2zarr.run.atomic_files import temporary_path
from ct2zarr.run.settings import AggregateSettings, TidySettings
from ct2zarr.vocabulary import StoreType
from phantom import make_series
from shard_runs import manifest, rows_of, settings_for


def convert_all(root: Path, store_type: StoreType, num_shards: int) -> Path:
    """Convert every shard of the manifest; the folder of the results."""
    for path in sorted((manifest(root / "in", num_shards) / "shards").glob("*.csv")):
        settings = settings_for(path, store_type, num_shards=num_shards)
        run_shard(settings)
    return settings.store_root


def tidy_of(root: Path, store_type: StoreType = StoreType.SQLITE, num_shards: int = 2):
    return TidySettings(root / "out", root / "manifests", store_type, num_shards)


def files_below(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()}


def hash_of(root: Path, name: str) -> str:
    rows = rows_of(root / "manifests" / "series_all.csv")
    return next(row["series_hash"] for row in rows if Path(row["series_dir"]).name == name)


STORE_TYPES = [
    StoreType.SQLITE,
    *(pytest.param(store_type, marks=pytest.mark.slow) for store_type in list(StoreType)[1:]),
]


def copy_of(root: Path, target: Path) -> Path:
    """The manifest and the results below a folder, for one test to change."""
    for name in ("manifests", "out"):
        shutil.copytree(root / name, target / name)
    return target


@pytest.fixture(scope="module", params=STORE_TYPES)
def outgrown_once(request, tmp_path_factory) -> tuple[Path, StoreType, str]:
    """Results of three shards; then a series goes away, and the shards are two.

    The summaries of the third shard were put back: a run that supersedes them removes them.
    """
    folder = tmp_path_factory.mktemp("outgrown")
    for name in ("a", "b", "c"):
        make_series(folder / "in" / name, name=name, n=3)
    root = convert_all(folder, request.param, num_shards=3)
    third = {path.name: path.read_bytes() for path in root.glob("summary_shard_02.*")}
    gone = hash_of(folder, "b")
    shutil.rmtree(folder / "in" / "b")
    convert_all(folder, request.param, num_shards=2)
    for name, content in third.items():
        (root / name).write_bytes(content)
    return folder, request.param, gone


@pytest.fixture
def outgrown(outgrown_once, tmp_path) -> tuple[Path, StoreType, str]:
    folder, store_type, gone = outgrown_once
    return copy_of(folder, tmp_path), store_type, gone


@pytest.fixture(scope="module")
def one_series(tmp_path_factory) -> Path:
    """A folder with the results of one series in two shards, which no test may change."""
    folder = tmp_path_factory.mktemp("one")
    make_series(folder / "in" / "a", name="a", n=3)
    convert_all(folder, StoreType.SQLITE, num_shards=2)
    return folder


def test_a_volume_whose_series_is_gone_and_summaries_of_other_shards_are_removed(outgrown):
    root, store_type, gone = outgrown
    settings = tidy_of(root, store_type)
    left = settings.store_root / ".building-0123-1-1-0-left"
    left.write_text("x")
    os.utime(left, (0, 0))
    running = temporary_path(settings.store_root / "data", "of-a-living-process")
    running.write_text("x")
    before = files_below(settings.store_root)
    found = find_unplanned(settings)
    assert files_below(settings.store_root) == before
    assert found.volumes == (gone,)
    assert found.foreign == ()
    tables = {"summary_shard_02.csv", "summary_shard_02.json", left.name}
    assert {path.name for path in found.paths} == tables | {
        f"{gone}{store_type.suffix}", f"{gone}.series.json", f"{gone}.slices.csv",
    }  # fmt: skip
    assert found.paths[0].name == f"{gone}.series.json"
    assert tidy(settings) == found
    removed = before - files_below(settings.store_root)
    assert {name.split("/")[-1] for name in removed if gone not in name} == tables
    assert not [name for name in files_below(settings.store_root) if gone in name]
    assert running.exists()
    assert find_unplanned(settings).paths == ()
    aggregate(AggregateSettings(root / "out", store_type, manifest_dir=root / "manifests"))


def test_what_ct2zarr_did_not_write_stays(outgrown):
    root, store_type, gone = outgrown
    settings = tidy_of(root, store_type)
    store = settings.store_root / "data" / f"{gone}{store_type.suffix}"
    strangers = [
        settings.store_root / "data" / "notes.txt",
        settings.store_root / "data" / f"{gone}.zarr.bak",
        settings.store_root / "data" / f"{gone[:-1]}.zarr.sqlite",
        settings.store_root / "meta" / f"{gone}.csv",
        settings.store_root / "summary_shard_02_mine.txt",
        settings.store_root / "other" / f"{gone}.zarr.sqlite",
    ]
    for path in strangers:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine")
    archive = root / "archive"
    store.rename(archive)
    store.symlink_to(archive)
    strangers.append(store)
    tidy(settings)
    assert all(path.exists() for path in strangers)
    assert store.is_symlink()


def test_a_folder_store_with_a_file_of_a_person_is_kept_and_named(tmp_path, monkeypatch):
    for name in ("a", "b"):
        make_series(tmp_path / "in" / name, name=name, n=3)
    convert_all(tmp_path, StoreType.DIR, num_shards=2)
    gone = hash_of(tmp_path, "b")
    shutil.rmtree(tmp_path / "in" / "b")
    manifest(tmp_path / "in", num_shards=2)
    settings = tidy_of(tmp_path, StoreType.DIR)
    store = settings.store_root / "data" / f"{gone}.zarr"
    (store / "volume" / "notes.txt").write_text("mine")
    found = tidy(settings)
    assert found.foreign == (store,)
    assert (store / "volume" / "notes.txt").exists()
    (store / "volume" / "notes.txt").unlink()
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda fd: flushed.append(os.path.realpath(f"/dev/fd/{fd}")))
    assert tidy(settings).paths == (store,)
    assert not store.exists()
    assert flushed == [str(store.parent)], "it stays removed after a loss of power"


@pytest.mark.parametrize("damage", ["missing", "changed", "empty"])
def test_without_a_manifest_that_names_volumes_nothing_is_removed(one_series, tmp_path, damage):
    root = copy_of(one_series, tmp_path) / "out" / "zarr_sqlite"
    before = files_below(root)
    assert before
    index = tmp_path / "manifests" / "series_all.csv"
    header, *lines = index.read_text().splitlines(keepends=True)
    if damage == "empty":
        (tmp_path / "manifests" / "manifest_summary.json").unlink()
        index.write_text(header)
    elif damage == "changed":
        index.write_text("".join([header, *lines]).replace(",d,", ",e,") + "\n")
    else:
        index.unlink()
    with pytest.raises(SettingsError, match="manifest again") as raised:
        tidy(tidy_of(tmp_path))
    missing = Code.INPUT_MISSING if damage == "missing" else Code.INPUT_DAMAGED
    assert raised.value.code is missing
    assert files_below(root) == before


def test_the_joined_summary_counts_and_names_what_is_no_longer_planned(outgrown, caplog):
    root, store_type, gone = outgrown
    settings = AggregateSettings(root / "out", store_type, manifest_dir=root / "manifests")
    summaries = tuple(
        root / "out" / f"zarr_{store_type}" / f"summary_shard_{n:02}.csv" for n in (0, 1)
    )
    result = aggregate(replace(settings, summaries=summaries))
    content = json.loads(result.json_path.read_text())
    assert content["no_longer_planned"] == {"volumes": 1, "series_hash": [gone]}
    assert "1 volumes are no longer planned" in caplog.text
    tidy(tidy_of(root, store_type))
    caplog.clear()
    content = json.loads(aggregate(replace(settings, summaries=summaries)).json_path.read_text())
    assert content["no_longer_planned"] == {"volumes": 0, "series_hash": []}
    assert "no longer planned" not in caplog.text


def test_a_folder_without_results_has_nothing(tmp_path):
    assert unplanned_volumes(tmp_path, ()) == {}
