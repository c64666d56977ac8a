"""Each check of an audit finds its own fault alone, where every other checksum has been renewed."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from converted import Converted, convert, plans_in, settings_for
from ct2zarr.convert.summary_rows import row_of_record
from ct2zarr.model import SliceTable, VolumeRecord
from ct2zarr.run.checksums import file_md5
from ct2zarr.run.paths import VolumePaths
from ct2zarr.run.summary_columns import SummaryRow
from ct2zarr.store.containers import store_crc32, store_digest, store_size
from ct2zarr.store.records import read_record, read_slices, record_to_json, slices_to_csv
from ct2zarr.verify.audit import audit_volume
from ct2zarr.verify.audit_table import AuditRow
from ct2zarr.vocabulary import StoreType
from phantom import make_series

PLANES = 12


@pytest.fixture(scope="module", params=[StoreType.SQLITE, StoreType.DIR])
def original(request, tmp_path_factory) -> Converted:
    root = tmp_path_factory.mktemp("original")
    make_series(root / "in", n=PLANES, tilt_degrees=10, slope=2)
    (plan,) = plans_in(root / "in")
    return convert(plan, settings_for(root, request.param))


class Volume:
    """A finished volume to change, with the row that its summary has."""

    def __init__(self, original: Converted, folder: Path) -> None:
        root = original.paths.store.parent.parent
        shutil.copytree(root, folder)
        moved = [folder / path.relative_to(root) for path in _three(original.paths)]
        self.paths = VolumePaths(*moved)
        self.hash = original.record.series_hash
        self.row: SummaryRow = row_of_record(original.plan, original.record, reused=False)

    @property
    def record(self) -> VolumeRecord:
        return read_record(self.paths.record)

    def write_record(self, **changes: Any) -> None:
        self.paths.record.write_text(record_to_json(replace(self.record, **changes)))

    def renew_checksums(self) -> None:
        """Give series.json and the row the sizes and checksums of the files as they are now."""
        self.write_record(
            slices_md5=file_md5(self.paths.slices),
            output_bytes=store_size(self.paths.store),
            store_crc32=store_crc32(self.paths.store),
            store_digest=store_digest(self.paths.store),
        )
        self.row = replace(self.row, output_bytes=store_size(self.paths.store))

    def edit_slices(self, edit: Callable[[list[list[str]], tuple[str, ...]], None]) -> None:
        table = read_slices(self.paths.slices)
        rows = [list(row) for row in table.rows]
        edit(rows, table.columns)
        changed = SliceTable(table.columns, tuple(tuple(row) for row in rows))
        self.paths.slices.write_text(slices_to_csv(changed))

    def audit(self) -> AuditRow:
        return audit_volume(self.paths, self.hash, self.row)

    def has_only(self, code: str) -> str:
        """The sentence of the one difference that the audit finds."""
        row = self.audit()
        assert (row.status, row.reason, row.code) == ("damaged", code, code), row.error
        return row.error


def _three(paths: VolumePaths) -> tuple[Path, Path, Path]:
    return paths.store, paths.slices, paths.record


@pytest.fixture
def volume(original, tmp_path) -> Volume:
    return Volume(original, tmp_path / "volume")


def test_a_volume_as_it_was_written_is_intact(volume):
    row = volume.audit()
    assert (row.status, row.reason, row.code, row.error) == ("intact", "", "", "")
    assert (row.planes, row.bytes) == (PLANES, store_size(volume.paths.store))
    assert row.record_md5 == file_md5(volume.paths.record)
    assert (row.series_hash, row.dataset) == (volume.hash, "v1")


def test_renewed_checksums_hide_nothing_from_the_other_checks(volume):
    volume.renew_checksums()
    assert volume.audit().status == "intact"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("slice_count", PLANES - 1),
        ("rows", 1),
        ("columns", 1),
        ("flags", "padding"),
        ("output_bytes", 1),
        ("input_bytes", 1),
        ("dtype", "int32"),
        ("version", "0.0.1"),
    ],
)
def test_a_summary_with_another_value_is_found(volume, column, value):
    volume.row = replace(volume.row, **{column: value})
    error = volume.has_only("summary_differs")
    assert f"{value!r} as {column} where" in error


def test_the_summary_of_a_failed_conversion_says_nothing_about_an_older_volume(volume):
    volume.row = replace(volume.row, status="failed", output_bytes=0, dtype="", version="9")
    assert volume.audit().status == "intact"


def test_the_record_of_another_volume_is_found(volume):
    volume.row = replace(volume.row, series_hash="0" * 32)
    assert volume.hash in volume.has_only("other_volume")


def test_the_record_of_another_store_is_found(volume):
    volume.write_record(store="another.zarr")
    assert "another.zarr" in volume.has_only("other_volume")


def test_changed_slices_are_found(volume):
    def edit(rows: list[list[str]], columns: tuple[str, ...]) -> None:
        rows[3][columns.index("InstanceNumber")] = "77"

    volume.edit_slices(edit)
    volume.has_only("slices_changed")


def test_another_size_of_the_store_is_found(volume):
    size = store_size(volume.paths.store)
    volume.write_record(output_bytes=size + 1)
    volume.row = replace(volume.row, output_bytes=size + 1)
    assert f"{size} bytes where {size + 1}" in volume.has_only("store_size")


def test_another_checksum_of_the_file_is_found(volume):
    volume.write_record(store_crc32="01234567")
    volume.has_only("store_changed")


def test_another_digest_of_the_content_is_found(volume):
    volume.write_record(store_digest="0" * 40)
    volume.has_only("content_changed")


@pytest.mark.parametrize(
    ("attribute", "changes"),
    [
        ("version", {"version": "0.0.1"}),
        ("format_version", {"format_version": 0}),
        ("source_fingerprint", {"fingerprint": "0" * 32}),
        ("flags", {"flags": ("padding",)}),
        ("values", {"values": {"kind": "stored"}}),
        ("settings", {"settings": {}}),
        ("libraries", {"libraries": {}}),
        ("manifest_md5", {"manifest_md5": "0" * 32}),
    ],
)
def test_an_attribute_that_differs_from_the_record_is_found(volume, attribute, changes):
    volume.write_record(**changes)
    version, flags = volume.record.version, ";".join(volume.record.flags)
    volume.row = replace(volume.row, version=version, flags=flags)
    assert f"another {attribute} than" in volume.has_only("attribute_differs")


def test_a_store_of_another_volume_is_found(volume):
    other = "0" * 32
    volume.write_record(series_hash=other)
    volume.row = replace(volume.row, series_hash=other)
    assert "another series_hash than" in volume.has_only("attribute_differs")


@pytest.mark.parametrize(
    "name",
    [
        "spacing",
        "orientation",
        "index_to_lps",
        "slice_origins_lps",
        "max_position_error_mm",
        "frame_of_reference_uid",
    ],
)
def test_each_member_of_the_geometry_is_compared(volume, name):
    volume.write_record(geometry={**volume.record.geometry, name: None})
    assert f"another {name} than" in volume.has_only("attribute_differs")


def test_the_tilt_stands_in_the_record_alone(volume):
    assert "tilt_degrees" not in zarr_attributes(volume)
    assert volume.record.geometry["tilt_degrees"] == pytest.approx(-10)


def zarr_attributes(volume: Volume) -> dict[str, Any]:
    from ct2zarr.volume.volume import open_volume

    with open_volume(volume.paths.store) as opened:
        return opened.attrs


@pytest.mark.parametrize(
    ("name", "changes", "columns"),
    [
        ("shape", {"shape": (PLANES, 24, 31)}, {"columns": 31}),
        ("chunks", {"chunks": (4, 16, 16)}, {}),
        ("dtype", {"dtype": "int32"}, {"dtype": "int32"}),
    ],
)
def test_another_layout_is_found(volume, name, changes, columns):
    volume.write_record(**changes)
    volume.row = replace(volume.row, **columns)
    assert f" as {name} where" in volume.has_only("layout_differs")


def test_a_plane_too_few_in_slices_is_found(volume):
    volume.edit_slices(lambda rows, _: rows.pop())
    volume.renew_checksums()
    assert f"{PLANES - 1} rows for {PLANES} planes" in volume.has_only("plane_count")
    assert volume.audit().planes == 0


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ((0,), "1 planes do not have the MD5 that slices.csv gives: 0"),
        ((3, PLANES - 1), "2 planes do not have the MD5 that slices.csv gives: 3, 11"),
        (tuple(range(10)), "gives: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9"),
        (tuple(range(12)), "gives: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 and 2 others"),
    ],
)
def test_planes_with_another_md5_are_named(volume, changed, said):
    def edit(rows: list[list[str]], columns: tuple[str, ...]) -> None:
        for index in changed:
            rows[index][columns.index("md5")] = "0" * 32

    volume.edit_slices(edit)
    volume.renew_checksums()
    assert volume.has_only("plane_changed").endswith(said)
    assert volume.audit().planes == PLANES


IN_A_FOLDER = pytest.mark.parametrize("original", [StoreType.DIR], indirect=True)
"""The store that is simple to change."""


@IN_A_FOLDER
def test_a_voxel_that_was_changed_with_every_checksum_of_the_store_is_found(volume):
    array = zarr.open_group(volume.paths.store, mode="r+")["volume"]
    array[7, 3, 5] = np.asarray(array[7, 3, 5]) + 1
    volume.renew_checksums()
    assert volume.has_only("plane_changed").endswith(": 7")


@IN_A_FOLDER
def test_an_attribute_that_was_changed_with_every_checksum_of_the_store_is_found(volume):
    document = volume.paths.store / "zarr.json"
    content = json.loads(document.read_text())
    content["attributes"]["ct2zarr"]["spacing"][0] *= 2
    document.write_text(json.dumps(content))
    volume.renew_checksums()
    assert "another spacing than" in volume.has_only("attribute_differs")


@pytest.mark.parametrize("missing", ["store", "slices", "record"])
def test_a_missing_part_is_found_without_reading_the_others(volume, missing):
    path = getattr(volume.paths, missing)
    path.rename(path.with_name("away"))
    row = volume.audit()
    assert (row.status, row.reason, row.code) == ("missing", "file_missing", "file_missing")
    assert row.error == f"{path.name} is missing"
    assert row.planes == 0
    assert (row.bytes == 0) == (missing == "store")
    assert (row.record_md5 == "") == (missing == "record")


def test_several_differences_are_listed_once_each_and_the_first_is_the_code(volume):
    volume.row = replace(volume.row, rows=1, columns=1)
    volume.write_record(store_digest="0" * 40)
    row = volume.audit()
    assert row.reason == "summary_differs;content_changed"
    assert row.code == "summary_differs"
    assert row.error.count("the summary has") == 2


def test_a_damaged_record_is_the_one_difference(volume):
    volume.paths.record.write_text("{")
    assert "series.json" in volume.has_only("damaged_record")
