"""Every case of the table, through manifest and conversion: volumes, HU, flags and account."""

import csv
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ct2zarr
from cases import CASES, Case, Volume
from converted import settings_for
from ct2zarr.convert.shard import run_shard
from ct2zarr.plan.manifest import make_manifest
from ct2zarr.run.settings import ConvertSettings, ManifestSettings
from ct2zarr.run.summary_columns import SummaryRow
from ct2zarr.store.records import read_record
from ct2zarr.vocabulary import Flag, Role, Status
from phantom import HU_PER_MM, Series, hu_error

IRREGULAR = {Flag.MISSING_SLICES, Flag.UNEVEN_SPACING, Flag.IN_PLANE_SHIFT}
"""Flags under which index_to_lps is an approximation, and slice_origins_lps is exact."""

TOLERANCE_MM = 0.025
"""1 % of the spacing of 2.5 mm: so far may a plane of a uniform stack be off."""


def settings_of(kind: str, out: Path) -> ConvertSettings:
    """The settings that a row of the table names."""
    settings = settings_for(out / kind, chunks=(64, 64, 64), num_workers=2)
    if kind == "drop":
        return replace(settings, on_bad_slice="drop")
    if kind == "stored":
        return replace(settings, encoding=replace(settings.encoding, values="stored"))
    if kind == "reject":
        flags = frozenset({Flag.GANTRY_TILT, Flag.SUSPICIOUS_HU})
        return replace(settings, reject_flags=flags)
    assert kind == "usual"
    return settings


@dataclass(frozen=True)
class Done:
    """What became of the one dataset that holds all cases."""

    tree: Path
    out: Path
    manifest: Path
    built: dict[str, Series]
    lines: list[dict[str, str]]
    files: list[dict[str, Any]]
    rows: dict[str, SummaryRow]

    def lines_of(self, case: Case) -> list[dict[str, str]]:
        """The lines of series_all.csv for the volumes of a case, in their order."""
        folder = str(self.tree / case.name)
        return [line for line in self.lines if f"{line['series_dir']}/".startswith(f"{folder}/")]

    def files_of(self, case: Case) -> list[dict[str, Any]]:
        """The account of the files of a case, a row a frame."""
        folder = str(self.tree / case.name)
        return [row for row in self.files if row["path"].startswith(f"{folder}/")]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Done:
    """All cases as one dataset, one manifest, and a conversion for each kind of settings."""
    root = tmp_path_factory.mktemp("cases")
    tree, manifest, out = root / "ct", root / "manifest", root / "out"
    built = {case.name: case.build(tree / case.name, case.name) for case in CASES}
    make_manifest(ManifestSettings({"v1": tree}, manifest, num_shards=2, workers=2))
    with (manifest / "series_all.csv").open(newline="") as text:
        lines = list(csv.DictReader(text))
    names = ["files_excluded.parquet", *(f"shards/files_shard_{n:02}.parquet" for n in range(2))]
    files = pa.concat_tables([pq.read_table(manifest / name) for name in names]).to_pylist()
    done = Done(tree, out, manifest, built, lines, files, {})
    for kind in sorted({case.settings for case in CASES}):
        chosen = [line for case in CASES if case.settings == kind for line in done.lines_of(case)]
        input_csv = manifest / f"series_{kind}.csv"
        with input_csv.open("w", newline="") as text:
            writer = csv.DictWriter(text, lines[0])
            writer.writeheader()
            writer.writerows(chosen)
        summary = run_shard(replace(settings_of(kind, out), input_csv=input_csv))
        done.rows.update({row.series_hash: row for row in summary.rows})
    return done


def test_the_table_is_large_and_its_words_exist():
    names = [case.name for case in CASES]
    assert len(names) == len(set(names)) >= 45
    for case in CASES:
        assert set(case.roles) <= {str(role) for role in Role}
        for volume in case.volumes:
            assert set(volume.flags.split()) <= {str(flag) for flag in Flag}


def test_every_flag_of_the_vocabulary_but_two_has_a_case():
    seen = {flag for case in CASES for volume in case.volumes for flag in volume.flags.split()}
    # Secondary captures are taken in by a setting of the manifest; test_secondary_capture has it.
    # Damaged streams have no values that are due; test_damaged_streams has them.
    assert seen == {str(flag) for flag in Flag} - {Flag.SECONDARY_CAPTURE, Flag.DOUBTFUL_PIXELS}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_volumes_flags_and_hu_are_as_due(done: Done, case: Case):
    lines = done.lines_of(case)
    found = [(int(line["slice_count"]), line["series_hash"]) for line in lines]
    rows = [done.rows[name] for _, name in found]
    assert [(row.slice_count, row.flags, row.status) for row in rows] == [
        (volume.planes, flags_in_order(volume), volume.status) for volume in case.volumes
    ], [row.error for row in rows]
    for row, volume in zip(rows, case.volumes, strict=True):
        assert row.reason == volume.reason
        assert volume.said in row.error
        assert bool(row.error) == (volume.status != Status.OK)
        if volume.status == Status.OK:
            check_volume(done, case, row, volume)
        else:
            assert not list((done.out / case.settings).rglob(f"{row.series_hash}*"))


def flags_in_order(volume: Volume) -> str:
    wanted = set(volume.flags.split())
    return ";".join(flag for flag in Flag if flag in wanted)


def check_volume(done: Done, case: Case, row: SummaryRow, due: Volume) -> None:
    """The finished store, as a user opens it."""
    store_root = done.out / case.settings / "zarr_sqlite"
    volume = ct2zarr.open_volume(store_root / "data" / f"{row.series_hash}.zarr.sqlite")
    record = read_record(store_root / "meta" / f"{row.series_hash}.series.json")
    attributes = volume.attrs
    values = np.asarray(volume.array[:])
    assert row.verify_ok
    assert (str(values.dtype), attributes["values"]["kind"]) == (due.dtype, due.kind)
    assert attributes["flags"] == list(record.flags) == [f for f in row.flags.split(";") if f]
    assert set(record.findings) == set(record.flags)
    assert all(evidence for evidence in record.findings.values())
    padding = attributes["values"]["padding_value"]
    ignored = None if padding is None else values == padding
    assert (attributes["index_to_lps"] is None) == (Flag.NO_GEOMETRY in row.flags)
    fault = record.findings[Flag.SUSPICIOUS_HU]["fault"] if due.fault else ""
    assert fault == due.fault
    assert sum(record.decoders.values()) == due.planes
    if due.truth is not None:
        assert np.array_equal(values, due.truth(done.built[case.name]))
        return
    options: dict[str, Any] = {"offset": due.offset, "ignore": ignored}
    origins = np.array(attributes["slice_origins_lps"])
    orientation = np.ravel(attributes["orientation"])
    pixel_spacing = attributes["spacing"][1:]
    assert hu_error(values, origins, orientation, pixel_spacing, **options) <= due.error
    off = attributes["max_position_error_mm"]
    allowed = due.error + float(np.linalg.norm(HU_PER_MM)) * off
    assert hu_error(values, attributes["index_to_lps"], **options) <= allowed
    if not IRREGULAR.intersection(row.flags.split(";")):
        assert off <= TOLERANCE_MM


def test_a_second_run_converts_no_finished_volume_again(done: Done):
    again = run_shard(
        replace(settings_of("usual", done.out), input_csv=done.manifest / "series_usual.csv")
    )
    ok = [row for row in again.rows if row.status == Status.OK]
    assert len(ok) > 100
    assert all(row.reused for row in ok)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_file_has_its_role_and_a_reason(done: Done, case: Case):
    frames = done.files_of(case)
    roles: dict[str, set[str]] = {}
    for frame in frames:
        roles.setdefault(frame["path"], set()).add(frame["role"])
        assert bool(frame["reason"]) == (frame["role"] != Role.SLICE), frame
    counted = Counter(
        Role.SLICE if Role.SLICE in found else next(iter(found)) for found in roles.values()
    )
    names = [path for path in (done.tree / case.name).rglob("*") if not path.is_dir()]
    due = case.roles or {Role.SLICE: len(names)}
    assert counted == due
    assert sum(counted.values()) == len(names)
