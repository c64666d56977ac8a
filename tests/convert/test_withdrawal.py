"""A run with ``deidentify`` leaves nothing of an earlier run without it below ``out_root``."""

import os
import shutil
import signal
import sqlite3
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from ct2zarr.codes import Code
from ct2zarr.convert.shard import run_shard
from ct2zarr.convert.withdrawal import MARK_TEXT, unmark, withdraw_identified
from ct2zarr.errors import SettingsError
from ct2zarr.report.page import make_report
from ct2zarr.report.summaries import aggregate
from ct2zarr.run.atomic_files import temporary_path
from ct2zarr.run.paths import DEIDENTIFIED_MARK
from ct2zarr.run.settings import (
    AggregateSettings,
    AuditSettings,
    ConvertSettings,
    MetadataSettings,
    ReportSettings,
)
from ct2zarr.verify.audit_run import audit_all
from ct2zarr.vocabulary import StoreType
from phantom import make_series, truncate
from shard_runs import in_a_process, manifest, settings_for, wait_until

KEY = {"CT2ZARR_DEIDENTIFY_KEY": "a key that nobody guesses"}
FOLDER, FILE, PATIENT, DATE = "zqfolder", "zqfile", "ZQPATIENT", "17530217"
DEIDENTIFY = MetadataSettings(deidentify=True)


def plant(_: int, dataset) -> None:
    dataset.PatientID, dataset.PatientName = f"{PATIENT}1", f"{PATIENT}^Jane"
    dataset.StudyDate = dataset.SeriesDate = DATE


def make_dataset(root: Path, names: str) -> None:
    for name in names:
        place = root / f"{FOLDER}_{name}"
        made = make_series(place, name=f"{FILE}_{name}", n=5, edit=plant)
        if name == "d":
            truncate(made.paths[2], keep=0.9)


def identified_run(root: Path, store_type: StoreType) -> ConvertSettings:
    """A whole run of two shards on five series, with audit, report, exports, logs, leftovers."""
    make_dataset(root / "ct", "abcde")
    shards = manifest(root / "ct", num_shards=2) / "shards"
    for path in sorted(shards.glob("*.csv")):
        settings = settings_for(path, store_type)
        run_shard(settings)
    older = settings.store_root / "summary_shard_00_again.csv"  # as version 0.1.0 named them
    older.write_text(f"series_dir\n/{FOLDER}\n")
    store_root = settings.store_root
    paths = tuple(store_root.glob("summary_shard_??.csv"))
    aggregate(AggregateSettings(settings.out_root, store_type, summaries=paths))
    audit_all(AuditSettings(settings.out_root, store_type))
    exports = store_root / "report"
    make_report(ReportSettings(settings.out_root, store_type, exports=exports))
    record = next((store_root / "meta").glob("*.series.json")).read_text()
    for folder in (store_root, store_root / "data", store_root / "meta"):
        temporary_path(folder, "left").write_text(record)
        (folder / ".building-0123-1-1-0-left").write_text(record)  # of another machine
    (store_root / "logs").mkdir()
    (store_root / "logs" / "convert_shard_00.log").write_text(f"Traceback\n/ct/{FOLDER}_a\n")
    return settings


def contents(path: Path) -> bytes:
    """The bytes of a file and of whatever is packed in it."""
    whole = path.read_bytes()
    if path.suffix == ".sqlite":
        with sqlite3.connect(path) as connection:
            rows = connection.execute("SELECT k, v FROM zarr").fetchall()
        whole += b"".join(str(key).encode() + bytes(value) for key, value in rows)
    elif path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            whole += b"".join(archive.read(name) for name in archive.namelist())
    return whole


def leaks(folder: Path) -> dict[str, list[str]]:
    """File below ``folder`` → what its name or bytes have of the patients."""
    words = [word.lower().encode() for word in (FOLDER, FILE, PATIENT, DATE)]
    found = {}
    for path in sorted(folder.rglob("*")):
        text = str(path.relative_to(folder)).encode()
        text += contents(path) if path.is_file() else b""
        if hits := [word.decode() for word in words if word in text.lower()]:
            found[path.name] = hits
    return found


@pytest.fixture(params=list(StoreType))
def identified(request, tmp_path, monkeypatch) -> ConvertSettings:
    monkeypatch.setenv(*next(iter(KEY.items())))
    return identified_run(tmp_path, request.param)


def fewer_and_more_shards(settings: ConvertSettings) -> ConvertSettings:
    """The same with ``deidentify``, without two series and in five shards."""
    dataset = settings.out_root.parent / "ct"
    for name in "ae":
        shutil.rmtree(dataset / f"{FOLDER}_{name}")
    shards = manifest(dataset, num_shards=5) / "shards"
    largest = max(shards.glob("*.csv"), key=lambda path: path.stat().st_size)
    return replace(settings, input_csv=largest, metadata=DEIDENTIFY)


@pytest.mark.slow
def test_nothing_of_an_identified_run_is_left_even_if_the_next_is_killed_midway(identified):
    before = leaks(identified.out_root)
    kinds = {"series.json", "slices.csv", "summary_all.csv", "left", ".log"}
    assert all(any(name.endswith(kind) for name in before) for kind in kinds), before
    settings = fewer_and_more_shards(identified)
    mark = settings.store_root / DEIDENTIFIED_MARK
    process = in_a_process(settings)
    wait_until(lambda: mark.exists() or process.poll() is not None)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert leaks(settings.out_root) == {}
    run_shard(settings)
    assert leaks(settings.out_root) == {}
    assert list((settings.store_root / "meta").glob("*.series.json"))
    assert mark.read_text() == MARK_TEXT


@pytest.mark.parametrize(
    "other", [StoreType.DIR, pytest.param(StoreType.ZIP, marks=pytest.mark.slow)]
)
def test_results_of_another_store_type_are_refused(tmp_path, monkeypatch, other):
    monkeypatch.setenv(*next(iter(KEY.items())))
    make_dataset(tmp_path / "ct", "a")
    path = manifest(tmp_path / "ct", num_shards=1) / "shards" / "series_shard_00.csv"
    first = settings_for(path, other)
    run_shard(first)
    settings = replace(settings_for(path), metadata=DEIDENTIFY)
    with pytest.raises(SettingsError, match=f"zarr_{other} holds results") as raised:
        run_shard(settings)
    assert raised.value.code is Code.SETTING_WRONG
    assert not list((settings.store_root / "data").iterdir())
    run_shard(replace(first, metadata=DEIDENTIFY))
    run_shard(settings)
    assert leaks(settings.out_root) == {}


def test_a_manifest_below_the_results_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv(*next(iter(KEY.items())))
    make_dataset(tmp_path / "ct", "a")
    path = manifest(tmp_path / "ct", num_shards=1) / "series_all.csv"
    settings = replace(settings_for(path), metadata=DEIDENTIFY, out_root=tmp_path)
    with pytest.raises(SettingsError, match="lies below out_root"):
        run_shard(settings)
    assert not settings.store_root.exists()


def test_an_identified_run_takes_the_mark_away_before_it_writes(tmp_path, monkeypatch):
    monkeypatch.setenv(*next(iter(KEY.items())))
    make_dataset(tmp_path / "ct", "a")
    path = manifest(tmp_path / "ct", num_shards=1) / "shards" / "series_shard_00.csv"
    settings = settings_for(path)
    hidden = replace(settings, metadata=DEIDENTIFY)
    run_shard(hidden)
    assert (settings.store_root / DEIDENTIFIED_MARK).exists()
    run_shard(settings)
    assert not (settings.store_root / DEIDENTIFIED_MARK).exists()
    assert leaks(settings.out_root)
    run_shard(hidden)
    assert leaks(settings.out_root) == {}


def test_the_input_has_no_name_of_a_person(tmp_path, monkeypatch):
    monkeypatch.setenv(*next(iter(KEY.items())))
    make_dataset(tmp_path / "ct", "a")
    folder = manifest(tmp_path / "ct", num_shards=1)
    mine = Path(shutil.copy(folder / "series_all.csv", folder / f"{PATIENT}.csv"))
    run_shard(replace(settings_for(mine), metadata=DEIDENTIFY))
    assert leaks(tmp_path / "out") == {}


def test_finished_volumes_stay_where_the_mark_was_lost_and_so_does_what_people_put_there(
    tmp_path, monkeypatch
):
    monkeypatch.setenv(*next(iter(KEY.items())))
    make_dataset(tmp_path / "ct", "ab")
    path = manifest(tmp_path / "ct", num_shards=1) / "shards" / "series_shard_00.csv"
    settings = replace(settings_for(path), metadata=DEIDENTIFY)
    run_shard(settings)
    aggregate(AggregateSettings(settings.out_root))
    audit_all(AuditSettings(settings.out_root))
    strangers = [
        settings.store_root / "data" / "notes.zarr",
        settings.store_root / "notes.csv",
        settings.store_root / "meta" / "x.series.json",
        settings.out_root / "page.html",
    ]
    for stranger in strangers:
        stranger.write_text("mine")
    before = sorted(settings.out_root.rglob("*"))
    unmark(settings.store_root)
    assert withdraw_identified(settings.out_root, StoreType.SQLITE) == 0
    assert sorted(settings.out_root.rglob("*")) == before
    # One record that does not say how it was written takes along what does not say it either.
    record = next((settings.store_root / "meta").glob("*[0-9a-f].series.json"))
    name = record.name.split(".")[0]
    record.write_text("{")
    unmark(settings.store_root)
    gone = {
        f"data/{name}.zarr.sqlite", f"meta/{name}.series.json", f"meta/{name}.slices.csv",
        "audit_all.csv", "audit_all.json", "audit_shard_00.csv", "audit_shard_00.json",
        "summary_all.csv", "summary_all.json",
    }  # fmt: skip
    assert withdraw_identified(settings.out_root, StoreType.SQLITE) == len(gone)
    left = {*before} - {*settings.out_root.rglob("*")}
    assert {one.relative_to(settings.store_root).as_posix() for one in left} == gone


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("2026-03-02 10:14:07,101 INFO shard 07: 412 volumes, 0 finished before", True),
        (f"2026-03-02 10:14:07,101 WARNING {'0a' * 16} failed: source_gone", True),
        ("2026-03-02 10:14:07,101 INFO report: /out/zarr_sqlite/verify_report.html", False),
        ("2026-03-02 10:14:07,101 WARNING /ct/doe cannot be read", False),
        ("2026-03-02 10:14:07,101 ERROR doe.dcm is missing", False),
        ("ValueError: doe", False),
    ],
)
def test_logs_that_may_name_a_file_are_emptied(tmp_path, line, kept):
    log = tmp_path / "zarr_sqlite" / "logs" / "convert_shard_00.log"
    log.parent.mkdir(parents=True)
    text = f"2026-03-02 10:14:07,100 INFO shard 07: done in 1.0 s\n{line}\n"
    log.write_text(text)
    withdraw_identified(tmp_path, StoreType.SQLITE)
    assert log.read_text() == (text if kept else "")
