"""An audit finds every flipped bit, and a retry converts again what failed or was damaged."""

import json
import os
import random
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ct2zarr.codes import Code
from ct2zarr.convert.shard import retry_shard, run_shard
from ct2zarr.errors import DamageError, SettingsError
from ct2zarr.plan.manifest import make_manifest
from ct2zarr.run.checksums import file_md5
from ct2zarr.run.paths import (
    TEMPORARY_PREFIX,
    VolumePaths,
    joined_audit,
    shard_audit,
    shard_summary,
    volume_paths,
)
from ct2zarr.run.sealed import write_table
from ct2zarr.run.settings import AuditSettings, ConvertSettings, EncodingSettings, ManifestSettings
from ct2zarr.run.summary_columns import SummaryRow, read_summary, rows_to_csv
from ct2zarr.verify.audit import audit_volume
from ct2zarr.verify.audit_run import (
    SHOWN_NAMES,
    audit_all,
    audit_shard,
    gather_audits,
    print_result,
    read_result,
)
from ct2zarr.verify.audit_table import AuditRow, needs_retry, read_audit, write_audit
from ct2zarr.vocabulary import AuditStatus, StoreType
from phantom import make_series, truncate

FLIPS = 150
"""Flipped bits per kind of file, at places that the seed chooses."""

SEED = 20260


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A manifest with one shard of two series, of which one has a file cut short."""
    root = tmp_path_factory.mktemp("audit")
    make_series(root / "in" / "a", name="a", n=12)
    make_series(root / "in" / "b", name="b", n=9, tilt_degrees=10)
    broken = make_series(root / "in" / "c", name="c", n=6)
    truncate(broken.paths[2], keep=0.9)
    make_manifest(ManifestSettings({"v1": root / "in"}, root / "manifests", num_shards=1))
    return root


def settings_for(made: Path, store_type: StoreType = StoreType.SQLITE, **changes: Any):
    settings = ConvertSettings(
        made / "manifests/shards/series_shard_00.csv",
        made / "out",
        encoding=EncodingSettings(store_type, chunks=(5, 16, 16)),
        num_shards=1,
        shard_id=0,
    )
    return replace(settings, **changes)


@pytest.fixture(scope="module")
def outs(made) -> dict[StoreType, AuditSettings]:
    """The converted shard in each store."""
    for store_type in StoreType:
        run_shard(settings_for(made, store_type))
    return {store_type: AuditSettings(made / "out", store_type) for store_type in StoreType}


@pytest.fixture(params=list(StoreType))
def finished(request, outs) -> AuditSettings:
    """The shard in one store; a test that damages something puts it right again."""
    return outs[request.param]


def volumes(settings: AuditSettings) -> dict[str, tuple[VolumePaths, SummaryRow]]:
    """Folder → files and row of the finished volumes."""
    return {
        Path(row.series_dir).name: (
            volume_paths(settings.store_root, row.series_hash, settings.store_type),
            row,
        )
        for row in read_summary(settings.store_root / "summary_shard_00.csv")
        if row.status == "ok"
    }


def audited(settings: AuditSettings, name: str) -> AuditRow:
    paths, row = volumes(settings)[name]
    return audit_volume(paths, row.series_hash, row)


def test_what_was_converted_is_intact(finished):
    result = audit_all(finished)
    assert result.counts == {"intact": 2, "damaged": 0, "missing": 0}
    result.require_intact()
    rows = read_audit(joined_audit(finished.store_root))
    assert sorted(row.planes for row in rows) == [9, 12]
    assert {(row.status, row.shard, row.reason, row.error) for row in rows} == {
        ("intact", "00", "", "")
    }
    content = json.loads(result.csv_path.with_suffix(".json").read_text())
    assert content["totals"]["planes"] == 21
    assert content["unaccounted"] == {"files": 0, "names": []}


SLOWLY_THE_OTHERS = pytest.mark.parametrize(
    "finished",
    [StoreType.SQLITE, *(pytest.param(one, marks=pytest.mark.slow) for one in list(StoreType)[1:])],
    indirect=True,
)


def kinds_of_files(settings: AuditSettings) -> dict[str, list[Path]]:
    """Kind → files of one volume."""
    paths, _ = volumes(settings)["b"]
    kinds = {"record": [paths.record], "slices": [paths.slices]}
    if settings.store_type is not StoreType.DIR:
        return kinds | {"store": [paths.store]}
    files = sorted(path for path in paths.store.rglob("*") if path.is_file())
    documents = [path for path in files if path.name == "zarr.json"]
    assert len(documents) == 2
    return kinds | {"documents": documents, "chunks": [f for f in files if f not in documents]}


KINDS = {
    StoreType.SQLITE: ("record", "slices", "store"),
    StoreType.DIR: ("record", "slices", "documents", "chunks"),
    StoreType.ZIP: ("record", "slices", "store"),
}


@pytest.mark.parametrize(
    ("finished", "kind"),
    [(store_type, kind) for store_type, kinds in KINDS.items() for kind in kinds],
    indirect=["finished"],
)
def test_a_flipped_bit_anywhere_is_found(finished, kind):
    files = kinds_of_files(finished)[kind]
    choose = random.Random(f"{SEED} {finished.store_type} {kind}")
    for _ in range(FLIPS):
        path = choose.choices(files, weights=[file.stat().st_size for file in files])[0]
        whole = path.read_bytes()
        place, bit = choose.randrange(len(whole)), choose.randrange(8)
        with damaged(path, whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :]):
            row = audited(finished, "b")
        assert row.status == AuditStatus.DAMAGED, f"bit {bit} of byte {place} of {path.name}"
        assert row.reason
        assert row.error
    assert audited(finished, "b").status == AuditStatus.INTACT


class damaged:  # noqa: N801 - reads as a statement
    """The file has another content inside of the block, and its own again behind it."""

    def __init__(self, path: Path, content: bytes) -> None:
        self.path, self.content, self.whole = path, content, path.read_bytes()

    def __enter__(self) -> None:
        self.path.write_bytes(self.content)

    def __exit__(self, *_: object) -> None:
        self.path.write_bytes(self.whole)


def test_bytes_cut_off_or_added_are_found(finished):
    for files in kinds_of_files(finished).values():
        whole = files[0].read_bytes()
        for content in (whole[:-1], whole + b"\n", b""):
            with damaged(files[0], content):
                assert audited(finished, "b").status == AuditStatus.DAMAGED


def test_each_file_that_is_gone_is_named(finished, tmp_path):
    paths, _ = volumes(finished)["b"]
    for path in (paths.store, paths.slices, paths.record):
        path.rename(tmp_path / "away")
        row = audited(finished, "b")
        (tmp_path / "away").rename(path)
        assert (row.status, row.reason) == (AuditStatus.MISSING, "file_missing")
        assert path.name in row.error


def test_volumes_under_each_others_name_are_found(finished):
    (one, _), (two, _) = volumes(finished).values()
    for other, own in zip(
        (one.store, one.slices, one.record), (two.store, two.slices, two.record), strict=True
    ):
        swap(other, own)
    rows = [audited(finished, name) for name in "ab"]
    for other, own in zip(
        (one.store, one.slices, one.record), (two.store, two.slices, two.record), strict=True
    ):
        swap(other, own)
    assert all("other_volume" in row.reason for row in rows)


def swap(one: Path, two: Path) -> None:
    between = one.with_name("between")
    one.rename(between)
    two.rename(one)
    between.rename(two)


@SLOWLY_THE_OTHERS
def test_a_stranger_among_the_volumes_is_listed(finished):
    stranger = finished.store_root / "data" / ("0" * 32 + finished.store_type.suffix)
    stranger.write_text("x")
    content = json.loads(audit_all(finished).csv_path.with_suffix(".json").read_text())
    stranger.unlink()
    assert content["unaccounted"] == {"files": 1, "names": [f"data/{stranger.name}"]}


# Repair ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(made, tmp_path_factory) -> Path:
    """A folder with the manifest and a converted shard, which no test may change."""
    root = tmp_path_factory.mktemp("whole")
    shutil.copytree(made / "manifests", root / "manifests")
    run_shard(settings_for(root))
    return root


@pytest.fixture
def copy(whole, tmp_path) -> ConvertSettings:
    """A copy of that shard for one test to damage."""
    for name in ("manifests", "out"):
        shutil.copytree(whole / name, tmp_path / name)
    return settings_for(tmp_path)


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def times(settings: ConvertSettings) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in settings.store_root.glob("*/*.zarr*")}


def test_what_the_audit_found_is_converted_again_and_nothing_else(copy):
    audit = AuditSettings(copy.out_root)
    paths, _ = volumes(audit)["b"]
    whole = paths.store.read_bytes()
    flip(paths.store, len(whole) // 2)
    with pytest.raises(DamageError, match=r"1 damaged and 0 missing of 2 volumes"):
        audit_all(audit).require_intact()
    before = times(copy)
    retry_shard(replace(copy, retry_failed=True))
    changed = {name for name, time in times(copy).items() if time != before[name]}
    assert changed == {paths.store.name}
    assert paths.store.read_bytes() == whole
    audit_all(audit).require_intact()


def test_a_damaged_volume_whose_source_is_gone_is_kept(copy, made):
    audit = AuditSettings(copy.out_root)
    paths, row = volumes(audit)["b"]
    flip(paths.slices, 3)
    audit_all(audit)
    away = made / "away"
    (made / "in" / "b").rename(away)
    try:
        summary = run_shard(copy)
    finally:
        away.rename(made / "in" / "b")
    (failed,) = (one for one in summary.rows if one.series_hash == row.series_hash)
    assert (failed.status, failed.reason) == ("failed", "source_gone")
    assert paths.store.exists()
    assert paths.record.exists()


def test_retrying_converts_failed_volumes_and_leaves_a_shard_without_them_alone(copy):
    assert needs_retry(copy.store_root, "00")
    retry = replace(copy, retry_failed=True)
    before = times(copy)
    retry_shard(retry)
    assert times(copy) == before
    summary = copy.store_root / "summary_shard_00.csv"
    assert [row.status for row in read_summary(summary)].count("failed") == 1

    run_shard(replace(copy, on_bad_slice="drop"))
    assert not needs_retry(copy.store_root, "00")
    written = summary.stat().st_mtime_ns
    retry_shard(replace(retry, on_bad_slice="drop"))
    assert summary.stat().st_mtime_ns == written


def test_retrying_leaves_a_shard_alone_that_is_only_pending(made, tmp_path):
    shutil.copytree(made / "manifests", tmp_path / "manifests")
    retry_shard(settings_for(tmp_path, retry_failed=True))
    assert not (tmp_path / "out").exists()


def test_an_audit_older_than_the_conversion_says_nothing(copy):
    audit = AuditSettings(copy.out_root)
    run_shard(replace(copy, on_bad_slice="drop"))
    paths, _ = volumes(audit)["b"]
    flip(paths.record, 100)
    audit_all(audit)
    assert needs_retry(copy.store_root, "00")
    run_shard(replace(copy, on_bad_slice="drop"))
    assert not needs_retry(copy.store_root, "00")


def test_a_shard_without_a_summary_is_said_in_a_sentence(tmp_path):
    with pytest.raises(SettingsError, match="convert the shard first"):
        audit_shard(AuditSettings(tmp_path), "00")
    with pytest.raises(SettingsError, match="convert the shards first"):
        gather_audits(AuditSettings(tmp_path), [])


@SLOWLY_THE_OTHERS
def test_a_store_that_ends_its_reader_is_one_row(finished):
    """The reader ends because its time is over: the audit goes on with the next volume."""
    hanging, _ = volumes(finished)["b"]
    slow = hanging.slices.read_bytes()
    hanging.slices.unlink()
    os.mkfifo(hanging.slices)
    try:
        audit_shard(replace(finished, series_timeout_seconds=4.0), "00")
    finally:
        hanging.slices.unlink()
        hanging.slices.write_bytes(slow)
    rows = {row.status: row for row in read_audit(shard_audit(finished.store_root, "00"))}
    assert rows["damaged"].reason == "timeout"
    assert rows["damaged"].record_md5 == file_md5(hanging.record)
    assert rows["intact"].planes == 12


# Joining --------------------------------------------------------------------------------------

SOUND = AuditRow("a" * 32, "v1", "intact", planes=12, bytes=100, seconds=0.25, record_md5="x")
BROKEN = AuditRow(
    "b" * 32, "v1", "damaged", "store_size;plane_changed", "Two. Sentences.", 3, 50, 1.5,
    code="store_size",
)  # fmt: skip
GONE = AuditRow("c" * 32, "v1", "missing", "file_missing", "It is gone.", code="file_missing")


@pytest.fixture
def shards(tmp_path) -> AuditSettings:
    """Two audited shards of a run with two, with the files of the volumes that they name."""
    settings = AuditSettings(tmp_path)
    root = settings.store_root
    for folder in ("data", "meta"):
        (root / folder).mkdir(parents=True)
    for label, rows in (("00", [BROKEN, SOUND]), ("01", [GONE])):
        write_shard(root, label, rows, num_shards=2)
    for paths in (volume_paths(root, row.series_hash, StoreType.SQLITE) for row in (SOUND, BROKEN)):
        for path in (paths.store, paths.slices, paths.record):
            path.touch()
    return settings


def write_shard(root: Path, label: str, rows: list[AuditRow], num_shards: int | None) -> None:
    named = [SummaryRow(row.series_hash, row.dataset, "/s", "ok") for row in rows]
    write_table(shard_summary(root, label), rows_to_csv(named), {"num_shards": num_shards})
    write_audit(shard_audit(root, label), [replace(row, shard=label) for row in rows])


def joined(settings: AuditSettings, labels: list[str]) -> dict[str, Any]:
    result = gather_audits(settings, labels)
    content: dict[str, Any] = json.loads(result.csv_path.with_suffix(".json").read_text())
    return content


def test_the_joined_audit_sums_its_rows(shards):
    content = joined(shards, ["00", "01"])
    assert content["totals"] == {
        "volumes": 3, "intact": 1, "damaged": 1, "missing": 1, "planes": 15, "bytes": 150,
        "seconds": 1.75,
    }  # fmt: skip
    assert content["reasons"] == {"file_missing": 1, "plane_changed": 1, "store_size": 1}
    assert content["shards"] == 2
    rows = read_audit(joined_audit(shards.store_root))
    assert [row.series_hash for row in rows] == ["a" * 32, "b" * 32, "c" * 32]
    assert [row.shard for row in rows] == ["00", "00", "01"]


def test_files_that_no_summary_names_are_counted_and_the_first_are_listed(shards):
    assert joined(shards, ["00", "01"])["unaccounted"] == {"files": 0, "names": []}
    meta = shards.store_root / "meta"
    for number in range(SHOWN_NAMES + 1):
        (meta / f"stranger{number:02}.json").touch()
    (meta / f"{TEMPORARY_PREFIX}of-a-job-that-runs").touch()
    found = joined(shards, ["00", "01"])["unaccounted"]
    assert found["files"] == SHOWN_NAMES + 1
    assert found["names"] == [f"meta/stranger{number:02}.json" for number in range(SHOWN_NAMES)]


@pytest.mark.parametrize("num_shards", [3, None])
def test_files_are_not_called_unaccounted_while_shards_are_missing(shards, num_shards):
    for label, rows in (("00", [BROKEN, SOUND]), ("01", [GONE])):
        write_shard(shards.store_root, label, rows, num_shards)
    assert "unaccounted" not in joined(shards, ["00", "01"])


def test_a_shard_without_an_audit_is_named(shards):
    path = shard_audit(shards.store_root, "01").table
    path.unlink()
    with pytest.raises(SettingsError) as raised:
        gather_audits(shards, ["00", "01"])
    assert (raised.value.code, raised.value.path) == (Code.INPUT_MISSING, str(path))


@pytest.mark.parametrize(
    ("row", "damaged", "missing"), [(SOUND, 0, 0), (BROKEN, 1, 0), (GONE, 0, 1)]
)
def test_only_an_audit_that_finds_everything_intact_ends_well(
    shards, capsys, row, damaged, missing
):
    write_shard(shards.store_root, "00", [row], 1)
    result = gather_audits(shards, ["00"])
    assert read_result(shards) == result
    if row is SOUND:
        print_result(shards)
    else:
        with pytest.raises(DamageError) as raised:
            print_result(shards)
        facts = raised.value.facts
        assert (facts["damaged"], facts["missing"], facts["volumes"]) == (damaged, missing, 1)
        assert raised.value.path == str(result.csv_path)
    intact = int(row is SOUND)
    said = f"audit: {intact} intact, {damaged} damaged, {missing} missing"
    assert capsys.readouterr().out.strip() == said


def test_without_an_audit_there_is_no_result(shards):
    with pytest.raises(SettingsError) as raised:
        read_result(shards)
    totals = joined_audit(shards.store_root).totals
    assert (raised.value.code, raised.value.path) == (Code.INPUT_MISSING, str(totals))


@pytest.mark.parametrize("text", ["{", '{"totals": {"intact": 1}}', "[]"])
def test_a_result_that_is_no_audit_is_damage_that_names_it(shards, text):
    totals = joined_audit(shards.store_root).totals
    totals.write_text(text)
    with pytest.raises(DamageError, match=r"audit_all\.json") as raised:
        read_result(shards)
    assert (raised.value.code, raised.value.path) == (Code.DAMAGE_FOUND, str(totals))


def test_an_older_volume_of_a_failed_row_is_audited_and_a_failed_row_alone_is_not(copy):
    """The series with a file that is cut short failed; "b" fails now, and keeps its volume."""
    audit = AuditSettings(copy.out_root)
    table = shard_summary(copy.store_root, "00").table
    _, old = volumes(audit)["b"]
    rows = [
        replace(row, status="failed", dtype="") if row.series_hash == old.series_hash else row
        for row in read_summary(table)
    ]
    write_table(shard_summary(copy.store_root, "00"), rows_to_csv(rows), {})
    audit_shard(audit, "00")
    audited_rows = read_audit(shard_audit(copy.store_root, "00"))
    assert sorted(row.planes for row in audited_rows) == [9, 12]
    assert {row.status for row in audited_rows} == {"intact"}
