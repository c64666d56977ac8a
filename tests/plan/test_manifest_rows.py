"""The row of a volume, where its planes agree, where they differ, and without geometry."""

from dataclasses import replace
from pathlib import Path

import pytest

from ct2zarr.codes import Code
from ct2zarr.errors import SettingsError
from ct2zarr.model import RaisedFlag
from ct2zarr.plan.grouping import plan_series, whole_flags
from ct2zarr.plan.manifest_rows import (
    LISTED_IN_TABLE,
    SERIES_SCHEMA,
    flags_from_text,
    flags_to_text,
    plan_of_row,
    row_order,
    series_row,
)
from ct2zarr.run.csv_tables import read_table, rows_to_csv
from ct2zarr.store.attributes import geometry_attributes, spacing_of_plan
from ct2zarr.vocabulary import Flag, Role
from series_of import at, frame, stack, unread


def row_of(frames):
    (plan,) = plan_series(frames, unread)
    return series_row(plan)


def grid(n, step=2.0):
    return [step * i for i in range(n)]


def test_a_row_has_the_columns_of_the_schema_and_no_other():
    assert sorted(row_of(stack(grid(3)))) == sorted(SERIES_SCHEMA.names)


def rows_of_all_kinds():
    """Rows with and without geometry, of one plane and of none."""
    (plan,) = plan_series(stack(grid(3)), unread)
    return [
        row_of(stack(grid(3), kvp=120.0, slice_thickness=2.0)),
        row_of(stack(grid(3), position=None, pixel_spacing=None)),
        row_of(stack([0.0])),
        series_row(replace(plan, planes=(), flags=())),
    ]


def test_each_row_reads_back_as_it_was(tmp_path):
    path = tmp_path / "series_all.csv"
    rows = rows_of_all_kinds()
    path.write_text(rows_to_csv(SERIES_SCHEMA, rows))
    assert list(read_table(path, SERIES_SCHEMA).rows()) == [
        {name: row[name] for name in SERIES_SCHEMA.names} for row in rows
    ]


def test_only_cells_that_some_volume_has_no_value_for_may_be_empty():
    absent = {name for row in rows_of_all_kinds() for name, value in row.items() if value is None}
    assert absent == {column.name for column in SERIES_SCHEMA.columns if column.empty}


def test_numbers_on_which_planes_differ_are_absent_and_texts_are_joined():
    frames = stack(grid(4), kvp=120.0, slice_thickness=2.0, manufacturer="B", kernel="x")
    frames[1:2] = at(frames[1:2], kvp=100.0, slice_thickness=None, manufacturer="A", kernel="")
    row = row_of(frames)
    assert (row["kvp"], row["slice_thickness"]) == (None, 2.0)
    assert (row["manufacturer"], row["kernel"]) == ("A;B", "x")


def test_files_are_counted_once_whatever_their_frames():
    frames = [
        frame(1, 2.0 * n, path="/data/m", frames=3, frame_number=n + 1, bytes=500) for n in range(3)
    ]
    scouts = [
        frame(9, 0, path="/data/s", frames=2, frame_number=n, role=Role.LOCALIZER, reason="scout")
        for n in (1, 2)
    ]
    row = row_of(frames + scouts)
    assert (row["file_count"], row["slice_count"], row["bytes"]) == (1, 3, 500)
    assert row["localizers_skipped"] == 1


@pytest.mark.parametrize(
    ("fields", "spacing"),
    [
        ({}, (2.0, 0.8, 0.7)),
        ({"position": None}, (1.0, 0.8, 0.7)),
        ({"pixel_spacing": None}, (1.0, None, None)),
        ({"position": None, "slice_thickness": 3.0}, (3.0, 0.8, 0.7)),
    ],
)
def test_the_spacing_is_what_is_known_of_it(fields, spacing):
    row = row_of(stack(grid(3), **fields))
    assert (row["spacing_z"], row["spacing_y"], row["spacing_x"]) == spacing
    assert (row["tilt_degrees"] is None) is bool(fields)


@pytest.mark.parametrize("fields", [{}, {"position": None}])
def test_a_single_plane_has_one_nominal_spacing_everywhere_and_no_tilt(fields):
    frames = stack([0.0], spacing_between_slices=3.0, slice_thickness=5.0, **fields)
    (plan,) = plan_series(frames, unread)
    stored = geometry_attributes(plan, None)
    raised = {one.flag: one.evidence for one in plan.flags}
    row = series_row(plan)
    assert raised[Flag.SINGLE_SLICE]["nominal_spacing_mm"] == 5.0
    assert (row["spacing_z"], stored["spacing"][0], spacing_of_plan(plan)[0]) == (5.0, 5.0, 5.0)
    assert (row["tilt_degrees"], stored["tilt_degrees"]) == (None, None)


@pytest.mark.parametrize(
    ("declared", "spacing"),
    [
        ({"spacing_between_slices": 3.0, "slice_thickness": 5.0}, 3.0),
        ({"slice_thickness": 5.0}, 5.0),
        ({}, 1.0),
    ],
)
def test_planes_without_positions_have_one_nominal_spacing_everywhere(declared, spacing):
    (plan,) = plan_series(stack(grid(3), position=None, **declared), unread)
    stored = geometry_attributes(plan, None)["spacing"][0]
    assert (series_row(plan)["spacing_z"], stored, spacing_of_plan(plan)[0]) == (spacing,) * 3


def test_long_evidence_is_cut_in_the_row_and_measured_again_for_the_record():
    offsets = [0.0, 2.0]
    while len(offsets) < 80:  # a hole after every third plane
        offsets += [offsets[-1] + step for step in (4.0, 6.0, 8.0)]
    (plan,) = plan_series(stack(offsets), unread)
    whole = {one.flag: one.evidence for one in plan.flags}[Flag.MISSING_SLICES]
    assert len(whole["offsets_mm"]) > LISTED_IN_TABLE
    text = flags_to_text(plan.flags)
    read = replace(plan, flags=flags_from_text(text))
    short = {one.flag: one.evidence for one in read.flags}[Flag.MISSING_SLICES]
    assert short["offsets_mm"] == whole["offsets_mm"][:LISTED_IN_TABLE]
    assert short["shortened"] == ["after", "offsets_mm"]
    assert short["count"] == whole["count"]
    assert whole_flags(read) == plan.flags
    assert whole_flags(plan) is plan.flags


def test_flags_and_their_evidence_survive_the_row():
    (plan,) = plan_series(stack([0.0, 2.0, 6.0], lossy=True), unread)
    assert plan.flags
    assert flags_from_text(flags_to_text(plan.flags)) == plan.flags
    assert series_row(plan)["flags"] == f"{Flag.MISSING_SLICES};{Flag.LOSSY_COMPRESSION}"


def test_findings_are_pairs_of_flag_and_evidence_as_short_json():
    raised = RaisedFlag(Flag.MISSING_SLICES, {"after": [1, 2], "name": "é"})
    assert flags_to_text([raised]) == '[["missing_slices",{"after":[1,2],"name":"\\u00e9"}]]'
    assert flags_to_text([]) == "[]"


def test_rows_are_in_order_of_dataset_folder_series_and_number_of_the_part():
    def row(dataset, folder, uid, part, name):
        values = (dataset, folder, uid, part, name)
        names = ("dataset", "series_dir", "series_uid", "part", "series_hash")
        return dict(zip(names, values, strict=True))

    rows = [
        row("a", "/b", "1", 9, "f"),
        row("a", "/b", "1", 10, "e"),
        row("a", "/b", "2", 1, "d"),
        row("a", "/c", "1", 1, "c"),
        row("b", "/a", "1", 1, "b"),
    ]
    assert sorted(rows[3:] + rows[:3], key=row_order) == rows


def test_unused_frames_come_back_in_the_order_of_all_frames():
    (plan,) = plan_series(stack(grid(3)), unread)
    about = {"role": Role.LOCALIZER, "reason": "scout", "code": Code.LOCALIZER}
    scouts = [frame(i, 0, path=f"/data/{i}", **about) for i in (8, 7, 9)]
    frames = [*((one, i) for i, one in enumerate(plan.planes)), *((one, None) for one in scouts)]
    read = plan_of_row(series_row(plan), plan.series_dir, frames, Path("series_all.csv"))
    assert [entry.frame.instance_number for entry in read.unused] == [7, 8, 9]
    assert read.planes == plan.planes


@pytest.mark.parametrize("indices", [[0, 1], [1, 2], [0, 2], [0, 1, 1], [0, 1, 2, 3], []])
def test_frames_that_are_not_the_planes_of_the_row_belong_to_another_run(indices):
    (plan,) = plan_series(stack(grid(3)), unread)
    frames = [(frame(i, 2.0 * i), i) for i in indices]
    with pytest.raises(SettingsError, match="has 3 slices") as raised:
        plan_of_row(series_row(plan), plan.series_dir, frames, Path("series_all.csv"))
    assert raised.value.code is Code.INPUT_MIXED


@pytest.mark.parametrize("text", ["", "[", "7", "[7]", '[["no_such_flag",{}]]', '[["tilt"]]'])
def test_findings_that_are_no_flags_with_evidence_are_damage(text):
    (plan,) = plan_series(stack(grid(3)), unread)
    row = {**series_row(plan), "findings": text}
    frames = [(one, i) for i, one in enumerate(plan.planes)]
    with pytest.raises(SettingsError, match="findings") as raised:
        plan_of_row(row, plan.series_dir, frames, Path("series_all.csv"))
    assert raised.value.code is Code.INPUT_DAMAGED


def test_evidence_is_cut_only_where_it_is_longer_than_a_row_lists():
    whole = list(range(LISTED_IN_TABLE))
    for values, cut in ((whole, False), ([*whole, 99], True)):
        raised = RaisedFlag(Flag.MISSING_SLICES, {"after": values, "count": 7})
        (found,) = flags_from_text(flags_to_text([raised]))
        due = {"after": whole, "count": 7, "shortened": ["after"]} if cut else raised.evidence
        assert found.evidence == due
