"""Plots say in words what they draw, and draw what is there."""

import re
import warnings

import numpy as np
import pytest

from ct2zarr.report.plots import Plot, plot_histogram, plot_placement, plot_values
from ct2zarr.report.views import Placement, place_planes


def test_plots_use_the_colours_of_the_page_and_say_what_they_show() -> None:
    plot = plot_histogram("Slices", np.array([10.0, 20.0, 20.0, 90.0]), "slices", whole=True)
    assert plot is not None
    assert not re.search(r"#[0-9a-f]{6}\b", plot.svg)
    assert 'role="img"' in plot.svg
    assert "Median 20, from 10 to 90 slices, 4 volumes." in plot.svg
    assert "<title>" in plot.svg


def test_drawing_leaves_the_warnings_of_the_process_alone() -> None:
    before = warnings.filters[:]
    assert plot_histogram("Slices", np.array([10.0, 20.0]), "slices") is not None
    assert warnings.filters == before


def test_plot_without_values_is_left_out() -> None:
    assert plot_histogram("Slices", np.array([np.nan]), "slices") is None


def test_drawing_of_the_planes_tells_gap_and_shear() -> None:
    heights = np.array([0, 2, 4, 6, 12, 14], dtype=np.float64)
    origins = np.stack([heights * 0, heights * 0.5, heights], axis=1)
    placement = place_planes(6, (2.8, 1, 1), np.eye(3)[:2], origins)
    summary = plot_placement(placement, rows=10).summary
    assert "usually 2 mm apart; 1 other distance, 6 mm" in summary
    assert "sheared by 26.6 degrees" in summary


@pytest.mark.parametrize(
    ("thickness", "said"),
    [(5.0, "so that they overlap by 3 mm"), (1.5, "so that they leave gaps of 0.5 mm"),
     (2.0, ""), (None, ""), (0.0, "")],
)  # fmt: skip
def test_drawing_of_the_planes_tells_whether_they_overlap(
    thickness: float | None, said: str
) -> None:
    origins = np.arange(6)[:, None] * np.array([0.0, 0.0, 2.0])
    placement = place_planes(6, (2, 1, 1), np.eye(3)[:2], origins)
    plot = plot_placement(placement, 10, thickness)
    assert said in plot.summary
    assert ("thick" in plot.summary) == bool(said)


def tips(plot: Plot | None) -> list[str]:
    assert plot is not None
    return re.findall(r"<title>([^<]+)</title>", plot.svg)


def test_bar_of_whole_numbers_says_its_number_and_count() -> None:
    plot = plot_histogram("Slices", np.array([10.0, 11.0, 11.0, 13.0]), "slices", whole=True)
    assert tips(plot) == [
        "10 slices: 1", "11 slices: 2", "12 slices: 0", "13 slices: 1",
    ]  # fmt: skip


@pytest.mark.parametrize(("most", "bars"), [(30, 31), (31, 24)])
def test_whole_numbers_have_a_bar_each_up_to_a_span_of_thirty(most: int, bars: int) -> None:
    plot = plot_histogram("Slices", np.array([0.0, most] * 300), "slices", whole=True)
    assert len(tips(plot)) == bars
    assert tips(plot)[0].startswith("0 ")


def test_outliers_are_counted_in_the_last_bar_which_says_so() -> None:
    values = np.concatenate([np.linspace(0, 10, 999), [1e6]])
    plot = plot_histogram("Times", values, "s")
    found = tips(plot)
    assert len(found) == 24
    assert " or more s: " in found[-1]
    assert sum(int(tip.rpartition(": ")[2]) for tip in found) == 1000
    assert plot is not None
    assert plot.summary == "Median 5.005, from 0 to 1,000,000 s, 1,000 volumes."


@pytest.mark.parametrize(
    ("values", "logarithmic"), [([1.0, 21.0], True), ([1.0, 20.0], False), ([0.0, 99.0], False)]
)
def test_axis_is_logarithmic_where_values_span_magnitudes(
    values: list[float], logarithmic: bool
) -> None:
    found = tips(plot_histogram("Times", np.array(values * 200), "s", logarithmic=True))
    widths = [
        float(high) - float(low)
        for low, high in (re.match(r"([\d.]+) to ([\d.]+)", tip).groups() for tip in found[:-1])  # type: ignore[union-attr]
    ]
    assert (widths[-1] > 2 * widths[0]) is logarithmic


def test_equal_values_have_one_bar_in_the_middle() -> None:
    found = tips(plot_histogram("Spacing", np.array([2.5, 2.5]), "mm"))
    assert len(found) == 11
    assert [int(tip.rpartition(": ")[2]) for tip in found].index(2) in (5, 6)


def test_histogram_of_values_names_the_peak() -> None:
    plot = plot_values(np.array([1.0, 7.0, 2.0]), np.array([-1000.0, -500.0, 0.0, 500.0]), "HU")
    assert plot.summary == ("Most voxels lie at -500 to 0 HU (70%); counts on a logarithmic scale.")
    assert "value, HU" in plot.svg


def placed(*heights: float, known: bool = True) -> Placement:
    origins = np.array(heights)[:, None] * np.array([0.0, 0.0, 1.0])
    cosines = np.eye(3)[:2] if known else None
    return place_planes(len(heights), (2, 1, 1), cosines, origins)


@pytest.mark.parametrize(
    ("placement", "summary"),
    [
        (placed(0, 2, 4), "3 planes over 4 mm, 2 mm apart throughout."),
        (placed(0, 2, 4, 5, 7, 10, 12),
         "7 planes over 12 mm, usually 2 mm apart; 2 other distances, from 1 to 3 mm."),
        (placed(0, 2, 4, 7, 9, 12, 14),
         "7 planes over 14 mm, usually 2 mm apart; 2 other distances, 3 mm."),
        (placed(5), "One plane; its spacing along z is nominal."),
        (placed(0, 2, known=False),
         "2 planes without position or orientation; distances are nominal."),
    ],
)  # fmt: skip
def test_positions_are_said_in_words(placement: Placement, summary: str) -> None:
    assert plot_placement(placement, 10).summary == summary


@pytest.mark.parametrize(("last", "odd"), [(4.0199, False), (4.0201, True)])
def test_distance_is_odd_beyond_one_percent(last: float, odd: bool) -> None:
    placement = placed(0, 2, last, last + 2, last + 4)
    assert ("other distance" in plot_placement(placement, 10).summary) is odd


def test_one_plane_has_a_title_of_its_own() -> None:
    assert plot_placement(placed(5), 10).title == "Position of the plane"
    assert plot_placement(placed(5, 6), 10).title == "Positions of the planes"
