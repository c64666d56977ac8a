"""Plots say in words what they draw, and draw what is there."""

import re

import numpy as np
import pytest

from ct2zarr.report.plots import plot_histogram, plot_placement
from ct2zarr.report.views import place_planes


def test_plots_use_the_colours_of_the_page_and_say_what_they_show() -> None:
    plot = plot_histogram("Slices", np.array([10.0, 20.0, 20.0, 90.0]), "slices", whole=True)
    assert plot is not None
    assert not re.search(r"#[0-9a-f]{6}\b", plot.svg)
    assert 'role="img"' in plot.svg
    assert "Median 20, from 10 to 90 slices, 4 volumes." in plot.svg
    assert "<title>" in plot.svg


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
