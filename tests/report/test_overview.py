"""The figures over the whole dataset are those of its rows."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ct2zarr.report.overview import (
    Bar,
    bar_groups,
    headline_tiles,
    histograms,
    outcome_parts,
    settings_lines,
)
from ct2zarr.report.summary_table import JoinedRow
from ct2zarr.run.counts import Counts
from ct2zarr.run.settings import ReportSettings


def row(status: str = "ok", **values: Any) -> JoinedRow:
    return JoinedRow("0", values.pop("dataset", "v1"), "/a", status, **values)


COUNTS = Counts(
    volumes=1500, ok=1400, failed=60, rejected=40, flagged=300, ok_flagged=230, verified=1300,
    slices=70_000, input_bytes=5_000_000_000, output_bytes=2_000_000_000, seconds=100.0,
)  # fmt: skip


def test_outcome_divides_all_volumes():
    parts = {part.label: (part.count, part.level) for part in outcome_parts(COUNTS)}
    assert parts == {
        "converted without a flag": (1170, "plain"),
        "converted, flagged": (230, "flagged"),
        "rejected": (40, "held"),
        "failed": (60, "bad"),
    }
    assert sum(count for count, _ in parts.values()) == COUNTS.volumes


def test_tiles_have_the_totals():
    tiles = {tile.label: (tile.value, tile.unit, tile.note) for tile in headline_tiles(COUNTS)}
    assert tiles == {
        "Volumes": ("1,500", "", "1,400 converted"),
        "Verified": ("1,300", "", "compared with the source"),
        "Not usable": ("100", "", "failed or rejected"),
        "Slices": ("70,000", "", "in converted volumes"),
        "Source": ("5", "GB", "read"),
        "Stores": ("2", "GB", "written"),
        "Compression": ("2.50", ": 1", "source to stores"),
        "Speed": ("50", "MB/s", "of source per worker"),
    }


def test_settings_keep_their_names_where_shards_differ():
    facts = {"settings": {"on_bad_slice": {"differs": ["drop", "fail"]}, "values": "hu"}}
    lines = settings_lines(facts, [], ReportSettings(Path("/x")))
    assert ("on_bad_slice", "differs between shards: drop or fail") in lines
    assert ("values", "hu") in lines
    assert "differs" not in dict(lines)


def test_what_people_rejected_is_not_among_what_was_lost():
    rows = [row("rejected", reason="rejected_in_review", flags="padding"), row()]
    assert "Failed and rejected, by reason" not in [group.title for group in bar_groups(rows)]
    rows.append(row("rejected", reason="padding", flags="padding"))
    groups = {group.title: group.rows for group in bar_groups(rows)}
    assert [(bar.label, bar.count) for bar in groups["Failed and rejected, by flag"]] == [
        ("padding", 1)
    ]


def test_what_was_not_measured_is_not_known():
    tiles = {tile.label: (tile.value, tile.unit) for tile in headline_tiles(Counts(volumes=1))}
    assert tiles["Compression"] == ("not known", "")
    assert tiles["Speed"] == ("not known", "")


def test_bars_are_of_the_rows_that_they_are_about():
    rows = [
        row(manufacturer="A", kernel="B30f", rows=512, columns=512, flags="padding",
            transfer_syntax="1.2.840.10008.1.2.1"),
        row(manufacturer="A", kernel="", rows=512, columns=256, dataset="v2"),
        row("failed", reason="timeout", manufacturer="B", flags="padding;gantry_tilt"),
        row("rejected", reason="timeout", kernel="B80f"),
    ]  # fmt: skip
    groups = {
        group.title: [(bar.label, bar.count) for bar in group.rows] for group in bar_groups(rows)
    }
    assert groups == {
        "Flags": [("padding", 2), ("gantry_tilt", 1)],
        "Failed and rejected, by reason": [("timeout", 2)],
        "Failed and rejected, by flag": [("gantry_tilt", 1), ("padding", 1)],
        "Headers of all planes": [("not checked, or not all", 2)],
        "Datasets": [("v1", 3), ("v2", 1)],
        "Manufacturer": [("A", 2)],
        "Kernel": [("B30f", 1), ("not stated", 1)],
        "Transfer syntax": [("Explicit VR Little Endian", 1), ("not stated", 1)],
        "Rows x columns": [("512 x 512", 1), ("512 x 256", 1)],
    }


def test_converted_volumes_are_counted_by_what_the_check_of_their_headers_said():
    rows = [row(belonging="constant"), row(belonging="constant"), row(belonging="flagged")]
    rows += [row(belonging="unchecked"), row(), row("failed", belonging="")]
    groups = {group.title: group.rows for group in bar_groups(rows)}
    assert [(bar.label, bar.count) for bar in groups["Headers of all planes"]] == [
        ("of one volume in every element checked", 2),
        ("not checked, or not all", 2),
        ("of one volume; KVP or thickness varies, flagged", 1),
    ]


def test_bars_have_lengths_levels_and_the_sentences_of_flags():
    rows = [row("failed", reason="timeout", flags="padding"), row(flags="padding"), row()]
    rows += [row(flags="gantry_tilt")]
    flags, reasons, lost_flags, *_ = bar_groups(rows)
    assert [(bar.percent, bar.level) for bar in flags.rows] == [(100.0, "look"), (50.0, "look")]
    assert flags.rows[0].note.startswith("the series declares a pixel padding value")
    assert reasons.rows == (Bar("timeout", 1, 100.0, "bad"),)
    assert lost_flags.rows[0].level == "bad"


def test_without_losses_there_are_no_bars_of_losses():
    titles = [group.title for group in bar_groups([row()])]
    assert titles[:2] == ["Headers of all planes", "Datasets"]


def test_chart_has_eight_bars_at_most_and_the_last_joins_the_rest():
    groups = {
        group.title: group.rows for group in bar_groups([row(kernel=str(i)) for i in range(9)])
    }
    assert [bar.label for bar in groups["Kernel"]] == [*"0123456", "2 others"]


@pytest.mark.parametrize(
    ("text", "label"),
    [("x" * 60, "x" * 60), ("x" * 61, "x" * 59 + "…"), ("see /data/DOE/1.dcm", "see [path]")],
)
def test_labels_are_short_and_without_paths(text, label):
    groups = {group.title: group.rows for group in bar_groups([row(kernel=text)])}
    assert [bar.label for bar in groups["Kernel"]] == [label]


def test_histograms_are_of_converted_volumes():
    rows = [
        row(slice_count=10, spacing_z=2.0, spacing_x=0.5, slice_thickness=3.0, total_seconds=2.0,
            input_bytes=8_000_000, output_bytes=2_000_000),
        row(slice_count=30, spacing_z=4.0, spacing_x=0.7, slice_thickness=5.0, total_seconds=4.0,
            input_bytes=8_000_000, output_bytes=1_000_000),
        row("failed", slice_count=999, spacing_z=99.0, total_seconds=99.0),
    ]  # fmt: skip
    summaries = {plot.title: plot.summary for plot in histograms(rows)}
    assert summaries == {
        "Slices per volume": "Median 20, from 10 to 30 slices, 2 volumes.",
        "Slice spacing": "Median 3, from 2 to 4 mm, 2 volumes.",
        "Pixel spacing": "Median 0.6, from 0.5 to 0.7 mm, 2 volumes.",
        "Slice thickness": "Median 4, from 3 to 5 mm, 2 volumes.",
        "Compression": "Median 6, from 4 to 8 source to store, 2 volumes.",
        "Speed": "Median 3, from 2 to 4 MB/s of source per worker, 2 volumes.",
        "Time per volume": "Median 3, from 2 to 4 s, 2 volumes.",
    }


def test_what_cannot_be_divided_is_left_out():
    rows = [row(input_bytes=8, output_bytes=0, total_seconds=0.0)]
    titles = [plot.title for plot in histograms(rows)]
    assert "Compression" not in titles
    assert "Speed" not in titles


def test_settings_are_those_of_the_run_without_folders(tmp_path):
    facts = {"settings": {"verify_slices": 3, "encoding": {"level": 5}, "root": "/data/DOE/x"}}
    rows = [row(version="0.2.0"), row(version="0.2.0"), row(version="0.1.0")]
    lines = settings_lines(facts, rows, ReportSettings(tmp_path, num_samples=4, seed=9))
    assert lines == [
        ("store_type", "sqlite"), ("num_samples", "4"), ("seed", "9"), ("verify_slices", "3"),
        ("level", "5"), ("root", "[path]"), ("version of ct2zarr", "0.2.0 (2 volumes)"),
        ("version of ct2zarr", "0.1.0 (1 volumes)"),
    ]  # fmt: skip
    assert settings_lines({}, [], ReportSettings(tmp_path))[0] == ("store_type", "sqlite")


def test_drawing_leaves_the_settings_of_matplotlib_alone():
    import matplotlib

    before = dict(matplotlib.rcParams)
    (drawn,) = (
        plot for plot in histograms([row(slice_count=3)]) if plot.title.startswith("Slices")
    )
    assert re.search(r"<svg", drawn.svg)
    assert dict(matplotlib.rcParams) == before
    assert np.isfinite(before["font.size"])
