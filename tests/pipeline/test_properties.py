"""Laws of the whole pipeline, from files to finished stores, on whatever Hypothesis thinks of."""

import csv
import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import cases
from converted import settings_for
from ct2zarr.convert.conversion import convert_volume
from ct2zarr.errors import SeriesError
from ct2zarr.plan.manifest import make_manifest
from ct2zarr.plan.manifest_reading import read_plans
from ct2zarr.run.atomic_files import prepare_store_root
from ct2zarr.run.paths import volume_paths
from ct2zarr.run.settings import ManifestSettings
from ct2zarr.vocabulary import Flag, Role
from phantom import (
    dicomdir,
    localizer,
    make_multiframe,
    make_series,
    not_dicom,
    secondary_capture,
    structured_report,
    truncate,
)

pytestmark = pytest.mark.slow

SMALL: Mapping[str, Any] = {"n": 8, "rows": 6, "columns": 7}
FEW = settings(
    max_examples=25,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # to make an example small takes minutes
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@dataclass(frozen=True)
class Outcome:
    """What manifest and conversion make of a tree.

    Attributes:
        rows: series_hash → the row of series_all.csv.
        account: series_hash, SOPInstanceUID, frame, role and slice index of every frame.
        chunks: series_hash → MD5 of keys and bytes of the array in the store.
        attributes: series_hash → attributes of the store.
    """

    rows: dict[str, dict[str, str]]
    account: list[tuple[Any, ...]]
    chunks: dict[str, str]
    attributes: dict[str, dict[str, Any]]


def run(tree: Path, place: Path) -> Outcome:
    """Manifest and conversion, each in this process."""
    shutil.rmtree(place, ignore_errors=True)
    make_manifest(ManifestSettings({"v1": tree}, place / "manifest", num_shards=1))
    with (place / "manifest" / "series_all.csv").open(newline="") as text:
        rows = {row["series_hash"]: row for row in csv.DictReader(text)}
    names = ("files_excluded.parquet", "shards/files_shard_00.parquet")
    table = pa.concat_tables([pq.read_table(place / "manifest" / name) for name in names])
    columns = ("series_hash", "sop_instance_uid", "frame", "role", "slice_index")
    account = sorted(
        (tuple(row[column] for column in columns) for row in table.to_pylist()), key=repr
    )
    chunks, attributes = {}, {}
    convert = settings_for(place, chunks=(4, 4, 4))
    convert = replace(convert, input_csv=place / "manifest" / "series_all.csv")
    prepare_store_root(convert.store_root)
    for plan in read_plans(convert):
        if not plan.planes:  # a series of which no file can be read
            continue
        convert_volume(plan, convert)
        store = volume_paths(convert.store_root, plan.series_hash, convert.encoding.store_type)
        chunks[plan.series_hash], attributes[plan.series_hash] = content(store.store)
    return Outcome(rows, account, chunks, attributes)


def content(store: Path) -> tuple[str, dict[str, Any]]:
    """MD5 over all keys and values of the array, and the attributes of the group."""
    digest = hashlib.md5(usedforsecurity=False)
    connection = sqlite3.connect(store)
    entries = dict(connection.execute("SELECT k, v FROM zarr ORDER BY k"))
    connection.close()
    for key, value in entries.items():
        if key.startswith("volume/"):
            digest.update(key.encode() + b"\0" + value)
    return digest.hexdigest(), json.loads(entries[".zattrs"])["ct2zarr"]


# The order of files and folders ---------------------------------------------------------------


SCENES: dict[str, cases.Build] = {
    "plain": cases.series(**SMALL),
    "tilted_with_a_hole": cases.series(tilt_degrees=12.0, drop=[3], **SMALL),
    "two_phases": cases.together(
        {"AcquisitionNumber": 1}, {"AcquisitionNumber": 2, "hu_offset": 90.0}, **SMALL
    ),
    "two_phases_without_a_tag": cases.together(
        {}, {"hu_offset": 90.0, "edit": cases.number_from(9)}, **SMALL
    ),
    "conflict": cases.series(duplicates={4: "other"}, **SMALL),
    "copies": cases.also(
        cases.series(**SMALL),
        lambda folder, made: [shutil.copy(p, folder / f"c{p.name}") for p in made.paths[::2]],
    ),
    "jitter": cases.series(
        positions=cases.z_positions(*(2.5 * i + 0.03 * (i % 3) for i in range(8))),
        rows=6,
        columns=7,
    ),
    "another_matrix_and_a_scout": cases.also(
        cases.together({}, {"n": 1, "start": 9, "rows": 9}, rows=6, columns=7),
        lambda folder, made: localizer(folder, series_uid=made.series_uid),
    ),
    "no_position": cases.series(without=["ImagePositionPatient"], **SMALL),
    "enhanced_and_classic": cases.also(cases.frames(**SMALL), cases.classic_twin),
    "monitoring": cases.series(
        positions=cases.z_positions(*[5.0] * 5),
        hu_offset=[20.0 * i for i in range(5)],
        AcquisitionNumber=lambda index: index + 1,
        rows=6,
        columns=7,
    ),
    "mixed_rescale_and_encoding": cases.series(
        slope=[1.0 + i % 2 for i in range(8)],
        transfer_syntax=["explicit", "rle", "implicit", "jpeg_ls"] * 2,
        **SMALL,
    ),
    "truncated_copy": cases.also(cases.series(**SMALL), cases.cut_a_copy),
}


@pytest.fixture(scope="module", params=SCENES, ids=str)
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple:
    """A tree with one scene, and what comes of it."""
    place = tmp_path_factory.mktemp(request.param)
    tree = place / "ct"
    SCENES[request.param](tree, request.param)
    return tree, place / "again", run(tree, place / "first")


@settings(FEW, max_examples=6)
@given(data=st.data())
def test_names_folders_and_order_of_files_change_nothing(scene: tuple, data: st.DataObject) -> None:
    tree, place, first = scene
    files = sorted(path for path in tree.rglob("*") if path.is_file())
    shuffled = data.draw(st.permutations(files))
    places = ["", "a", "b/c", "z"]
    if any(Flag.CONFLICTING_SLICES in row["flags"] for row in first.rows.values()):
        places = [data.draw(st.sampled_from(places))]  # a folder may tell rivals apart
    folders = data.draw(st.lists(st.sampled_from(places), min_size=len(files), max_size=len(files)))
    moved = place / "ct"
    shutil.rmtree(moved, ignore_errors=True)
    for number, (path, folder) in enumerate(zip(shuffled, folders, strict=True)):
        (moved / folder).mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, moved / folder / f"{number}.dcm")
    again = run(moved, place / "made")
    assert without_folder(again.rows) == without_folder(first.rows)
    assert again.account == first.account
    assert again.chunks == first.chunks
    for name, attributes in again.attributes.items():
        # It names the files, so that it sees which have changed.
        del attributes["source_fingerprint"]
        due = dict(first.attributes[name])
        del due["source_fingerprint"]
        assert attributes == due


def without_folder(rows: Mapping[str, Mapping[str, str]]) -> list[dict[str, str]]:
    """Rows of series_all.csv without the folder that the files lie in."""
    return [
        {column: value for column, value in row.items() if column != "series_dir"}
        for _, row in sorted(rows.items())
    ]


# Slices that are gone -------------------------------------------------------------------------

PLANES = 9


def copy_without(source: Sequence[Path], gone: set[int], target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for index, path in enumerate(source):
        if index not in gone:
            shutil.copy2(path, target / path.name)


@pytest.fixture(
    scope="module",
    params=[(), ("InstanceNumber",), ("SliceThickness",), ("InstanceNumber", "SliceThickness")],
    ids=lambda names: "without_" + "_".join(names) if names else "whole_headers",
)
def stack(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple:
    place = tmp_path_factory.mktemp("stack")
    made = make_series(place / "whole", n=PLANES, rows=6, columns=7, without=request.param)
    return made.paths, place, request.param


@FEW
@given(gone=st.sets(st.integers(0, PLANES - 1), min_size=1, max_size=PLANES - 1))
def test_slices_missing_within_a_stack_are_never_ok_without_a_flag(
    stack: tuple, gone: set[int]
) -> None:
    """What no header shows is not claimed: slices gone from the ends, which leave a whole stack;
    and slices gone at a regular step where neither numbers nor thickness say so.
    """
    paths, place, absent = stack
    copy_without(paths, gone, place / "ct")
    kept = [index for index in range(PLANES) if index not in gone]
    steps = {b - a for a, b in pairwise(kept)}
    outcome = run(place / "ct", place / "made")
    (row,) = outcome.rows.values()
    flags = set(row["flags"].split(";")) - {""}
    if len(kept) == 1:
        assert flags == {Flag.SINGLE_SLICE}
    elif steps == {1}:
        assert flags == set()
    elif len(steps) > 1:
        assert flags & {Flag.MISSING_SLICES, Flag.UNEVEN_SPACING}
    elif not absent:
        assert flags == {Flag.MISSING_SLICES}
    assert int(row["slice_count"]) == len(kept)


@FEW
@given(gone=st.sets(st.integers(0, PLANES - 1), min_size=1, max_size=PLANES - 1))
def test_slices_that_go_after_the_manifest_always_fail_their_volume(
    tmp_path: Path, gone: set[int]
) -> None:
    """From the ends, too: the manifest knows what was there."""
    shutil.rmtree(tmp_path / "ct", ignore_errors=True)
    made = make_series(tmp_path / "ct", n=PLANES, rows=6, columns=7)
    make_manifest(ManifestSettings({"v1": tmp_path / "ct"}, tmp_path / "manifest", num_shards=1))
    for index in gone:
        made.paths[index].unlink()
    for policy in ("fail", "drop"):
        convert = settings_for(tmp_path / "out", on_bad_slice=policy)
        convert = replace(convert, input_csv=tmp_path / "manifest" / "series_all.csv")
        prepare_store_root(convert.store_root)
        (plan,) = read_plans(convert)
        with pytest.raises(SeriesError):
            convert_volume(plan, convert)
        assert not list((convert.store_root / "data").iterdir())


# A foreign file more --------------------------------------------------------------------------


def a_truncated_slice(folder: Path) -> None:
    truncate(make_series(folder, n=1, name="cut", rows=6, columns=7).paths[0], keep=0.8)


def an_mr_image(folder: Path) -> None:
    uid = "1.2.840.10008.5.1.4.1.1.4"
    make_series(folder, n=1, name="mr", SOPClassUID=uid, Modality="MR")


def a_directory(folder: Path) -> None:
    dicomdir(folder, make_series(folder, n=1, name="listed"))


FOREIGN: dict[str, Callable[[Path], Any]] = {
    "dose_report": structured_report,
    "mr": an_mr_image,
    "garbage": lambda folder: not_dicom(folder, "IM99", os.urandom(3000)),
    "header_only": lambda folder: not_dicom(folder, "IM98", b"\0" * 128 + b"DICM" + b"\1" * 40),
    "empty": lambda folder: not_dicom(folder, "IM97", b""),
    # Under a name of its own: the series may have a scout of the usual name already.
    "scout_of_another_series": lambda folder: localizer(folder, name="foreign_scout"),
    "screenshot": secondary_capture,
    "truncated_slice_of_another_series": a_truncated_slice,
    "another_series": lambda folder: make_series(folder, name="other", **SMALL),
    "another_enhanced_series": lambda folder: make_multiframe(folder, name="more", **SMALL),
    "directory": a_directory,
}


@settings(FEW, max_examples=3)
@given(kinds=st.sets(st.sampled_from(sorted(FOREIGN)), min_size=1, max_size=4))
def test_foreign_files_change_no_volume(scene: tuple, kinds: set[str]) -> None:
    tree, place, first = scene
    mixed = place / "mixed"
    shutil.rmtree(mixed, ignore_errors=True)
    shutil.copytree(tree, mixed)
    for kind in sorted(kinds):
        FOREIGN[kind](mixed)
    again = run(mixed, place / "made")
    assert without_folder({name: again.rows[name] for name in first.rows}) == without_folder(
        first.rows
    )
    assert {name: again.chunks[name] for name in first.chunks} == first.chunks
    assert {name: again.attributes[name] for name in first.attributes} == first.attributes
    slices = [frame for frame in first.account if frame[3] == Role.SLICE]
    assert set(slices) <= set(again.account)
