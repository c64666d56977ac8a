"""Plots and the summary leave the report as files of their own."""

import csv
import re
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np

from ct2zarr.report.exports import plot_bars, stand_alone, summary_without_names, write_exports
from ct2zarr.report.overview import Bar, BarGroup
from ct2zarr.report.plots import plot_histogram
from ct2zarr.report.summary_table import JoinedRow
from ct2zarr.run.summary_columns import COLUMNS

ROW = JoinedRow(
    "0" * 32, "v1", "/data/DOE", "failed", "timeout", "DOE.dcm is late", slice_count=3,
    error_public="[file] is late", comment="see /data/DOE/DOE.dcm", decision="accept",
    code="timeout",
)  # fmt: skip
GROUP = BarGroup("Failed, by flag", (Bar("padding", 12, 100.0, "bad"), Bar("tilt", 3, 25.0, "bad")))


def test_summary_has_every_column_but_the_folder_and_the_public_error_in_place_of_the_full_one():
    (line,) = csv.DictReader(summary_without_names([ROW]).splitlines())
    expected = [name for name in COLUMNS if name not in ("series_dir", "error_public")]
    assert list(line) == [*expected, "shard", "decision", "comment"]
    assert line["error"] == "[file] is late"
    assert line["comment"] == "see [path]"
    assert (line["status"], line["slice_count"], line["decision"]) == ("failed", "3", "accept")


def test_files_have_the_names_of_the_plots_and_older_ones_go(tmp_path):
    (tmp_path / "plots").mkdir()
    (tmp_path / "plots" / "old.svg").touch()
    plot = plot_histogram("Slices per volume", np.array([1.0, 2.0]), "slices")
    assert plot is not None
    write_exports(tmp_path, [replace(ROW)], [plot], [GROUP])
    assert {path.name for path in (tmp_path / "plots").iterdir()} == {
        "slices_per_volume.svg", "failed_by_flag.svg",
    }  # fmt: skip
    assert (tmp_path / "summary.csv").read_text() == summary_without_names([ROW])


def test_bars_are_drawn_with_their_labels_counts_and_colour():
    plot = plot_bars(GROUP)
    assert plot.summary == "padding 12, tilt 3"
    assert 'aria-label="Failed, by flag: padding 12, tilt 3."' in plot.svg
    texts = re.findall(r">([^<>]+)</text>", plot.svg)
    assert {"padding", "tilt", "12", "3", "volumes"} <= set(texts)
    assert "var(--bad)" in plot.svg
    assert "var(--accent)" not in plot.svg


def test_file_stands_alone_in_the_light_colours():
    svg = stand_alone(plot_bars(GROUP).svg)
    root = ElementTree.fromstring(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "var(" not in svg
    assert "#b3261e" in svg  # --bad of the light theme
    assert "background: #ffffff" in svg
    size = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert size
    assert root.get("width") == f"{1.6 * float(size[1]):.0f}"
    assert root.get("height") == f"{1.6 * float(size[2]):.0f}"
