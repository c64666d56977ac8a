"""Plots of the report as inline SVG, drawn by matplotlib.

Static SVG keeps the page small (a few kilobytes per plot, where a plotting script has megabytes)
and prints well. Text stays text, and colours become CSS variables of the page, so that one drawing
suits both the light and the dark theme.
"""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from io import StringIO
from typing import Any, TypeGuard

import matplotlib
import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from ..geometry.tolerances import NORMAL_TOLERANCE
from .tallies import plausible
from .views import Array, Placement

_CSS_VARIABLES = {
    "#010101": "var(--muted)",
    "#020202": "var(--line)",
    "#030303": "var(--accent)",
    "#040404": "var(--bad)",
    "#050505": "var(--look)",
    "#060606": "var(--ink)",
}
_MUTED, _LINE, _ACCENT, _BAD, _LOOK, _INK = _CSS_VARIABLES
BAR_COLOURS = {"": _ACCENT, "look": _LOOK, "bad": _BAD}
"""Colour of bars by the level of their news."""
STYLE: dict[Any, Any] = {  # matplotlib types its keys as literals
    "svg.fonttype": "none",
    "svg.hashsalt": "ct2zarr",
    "font.size": 9,
    "axes.edgecolor": _LINE,
    "axes.labelcolor": _MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "xtick.color": _MUTED,
    "ytick.color": _MUTED,
    "text.color": _INK,
    "grid.color": _LINE,
    "grid.linewidth": 0.6,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "text.parse_math": False,
}
_SIZE = (340.0, 170.0)
"""Width and height of a plot in points, about those of a card of the page."""
_DRAWN_PLANES = 400
"""More planes than this cannot be distinguished in a drawing, so only every k-th is drawn."""


@dataclass(frozen=True, slots=True)
class Plot:
    """A drawing, and a sentence that says the same in words (also its text alternative)."""

    title: str
    svg: Markup
    summary: str


def plot_histogram(
    title: str, values: Array, unit: str, *, logarithmic: bool = False, whole: bool = False
) -> Plot | None:
    """Histogram over all volumes, or ``None`` without any plausible value.

    Values beyond the 99.5th percentile are counted in the last bar, so that one outlier does not
    flatten the rest; the sentence below gives the full range.
    """
    values = plausible(values)
    if not len(values):
        return None
    logarithmic = logarithmic and _spans_magnitudes(values)
    edges = _bin_edges(values, logarithmic, whole)
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    last_open = values.max() > edges[-1]
    tips = []
    for i, count in enumerate(counts):
        low, high = edges[i], edges[i + 1]
        inside = f"{_short(low)} to {_short(high)}"
        if whole and high - low == 1:
            inside = _short((low + high) / 2)
        elif last_open and i == len(counts) - 1:
            inside = f"{_short(low)} or more"
        tips.append(f"{inside} {unit}".strip() + f": {count:,}")
    with matplotlib.rc_context(STYLE):
        figure, axes = new_figure(_SIZE)
        bars = axes.bar(edges[:-1], counts, np.diff(edges) * 0.94, align="edge", color=_ACCENT)
        for i, bar in enumerate(bars):
            bar.set_gid(f"tip-{i}")
        if logarithmic:
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: _short(v)))
            axes.xaxis.set_minor_formatter(FuncFormatter(lambda _v, _p: ""))
        axes.set_xlabel(unit)
        _count_axis(axes)
        middle = float(np.median(values))
        summary = (
            f"Median {_short(middle)}, from {_short(values.min())} to {_short(values.max())} {unit}"
        ).strip() + f", {len(values):,} volumes."
        return Plot(title, to_svg(figure, f"Histogram: {title}. {summary}", tips), summary)


def plot_values(counts: Array, edges: Array, unit: str) -> Plot:
    """Histogram of the voxels of one volume; the axis of counts is logarithmic."""
    with matplotlib.rc_context(STYLE):
        figure, axes = new_figure((430, 150))
        drawn = np.maximum(counts, 0.5)
        axes.stairs(drawn, edges, baseline=0.5, fill=True, color=_ACCENT, alpha=0.25)
        axes.stairs(drawn, edges, baseline=0.5, color=_ACCENT, linewidth=1.1)
        axes.set_yscale("log")
        axes.set_ylim(bottom=0.5)
        axes.set_yticks([])
        axes.grid(visible=False)
        axes.set_xlabel(f"value, {unit}" if unit else "value")
        axes.set_xlim(edges[0], edges[-1])
        total = counts.sum() or 1.0
        peak = int(np.argmax(counts))
        summary = (
            f"Most voxels lie at {_short(edges[peak])} to {_short(edges[peak + 1])} {unit}"
        ).strip() + f" ({counts[peak] / total:.0%}); counts on a logarithmic scale."
        return Plot("Values", to_svg(figure, f"Histogram of values. {summary}", []), summary)


def plot_placement(placement: Placement, rows: int, thickness: float | None = None) -> Plot:
    """Planes seen from the side, as they lie in the patient, above the distance to the next one.

    Missing planes, an overlap and a tilted gantry are visible at a glance; unusual distances have
    another colour. Where the thickness of the planes is known and differs from their distance, so
    that they overlap or leave gaps, a dotted line below shows it.
    """
    offsets, count = placement.offsets, len(placement.offsets)
    gaps = np.diff(offsets)
    usual = placement.usual_gap
    odd = np.abs(gaps - usual) > NORMAL_TOLERANCE * usual
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(430 / 72, 240 / 72), layout="constrained")
        FigureCanvasSVG(figure)
        upper, lower = figure.subplots(2, 1, height_ratios=(3, 2))
        _draw_planes(upper, placement, rows, odd)
        if len(gaps):
            _draw_gaps(lower, gaps, usual, odd, thickness)
        else:
            lower.set_axis_off()
        summary = _describe_placement(placement, gaps, odd, thickness)
        svg = to_svg(figure, f"Planes seen from the side. {summary}", [])
    title = "Positions of the planes" if count > 1 else "Position of the plane"
    return Plot(title, svg, summary)


def _draw_planes(axes: Axes, placement: Placement, rows: int, odd: np.ndarray) -> None:
    offsets, shifts = placement.offsets, placement.shifts[:, 0]
    height = rows * placement.pixel[0]
    beside_odd = np.zeros(len(offsets), dtype=bool)
    beside_odd[:-1] |= odd
    beside_odd[1:] |= odd
    stride = -(-len(offsets) // _DRAWN_PLANES)
    drawn = np.arange(len(offsets)) % stride == 0
    for mask, colour in ((drawn & ~beside_odd, _ACCENT), (beside_odd, _BAD)):
        x = np.repeat(offsets[mask], 3)
        y = np.repeat(shifts[mask], 3)
        y[1::3] += height
        y[2::3] = np.nan
        axes.plot(x, y, color=colour, linewidth=0.9, solid_capstyle="butt")
    for i in np.flatnonzero(odd & (np.diff(offsets) > 0)):
        axes.axvspan(offsets[i], offsets[i + 1], color=_BAD, alpha=0.14, linewidth=0)
    axes.set_ylabel("along columns, mm")
    axes.set_xlabel("along the normal, mm")
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.grid(visible=False)
    axes.margins(y=0.05)
    axes.invert_yaxis()  # as in a picture, rows go down
    span = float(np.ptp(offsets))
    if span and 0.15 < height / span < 1.2:
        axes.set_aspect("equal", adjustable="datalim")


def _draw_gaps(
    axes: Axes, gaps: Array, usual: float, odd: np.ndarray, thickness: float | None
) -> None:
    index = np.arange(1, len(gaps) + 1)
    axes.axhline(usual, color=_MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
    axes.plot(index, gaps, color=_ACCENT, linewidth=1.0, drawstyle="steps-mid")
    axes.plot(index[odd], gaps[odd], "o", color=_BAD, markersize=3.2)
    low, high = min(0.0, float(gaps.min())), float(gaps.max())
    if _differs(thickness, usual):
        axes.axhline(thickness, color=_LOOK, linewidth=1.2, linestyle=(0, (1, 2)))
        high = max(high, thickness)
    axes.set_ylim(low * 1.1, high * 1.15 or 1.0)
    axes.set_xlabel("plane")
    axes.set_ylabel("to the next one, mm")
    axes.yaxis.set_major_locator(MaxNLocator(3))
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.grid(axis="y", visible=True)


def _differs(thickness: float | None, usual: float) -> TypeGuard[float]:
    """Whether the planes overlap or leave gaps, by more than the flags allow."""
    return (
        thickness is not None
        and thickness > 0
        and abs(thickness - usual) > NORMAL_TOLERANCE * usual
    )


def _describe_placement(
    placement: Placement, gaps: Array, odd: np.ndarray, thickness: float | None
) -> str:
    count = len(placement.offsets)
    if not placement.known:
        return f"{count} planes without position or orientation; distances are nominal."
    if not len(gaps):
        return "One plane; its spacing along z is nominal."
    text = f"{count} planes over {_short(float(np.ptp(placement.offsets)))} mm"
    if not odd.any():
        text += f", {_short(placement.usual_gap)} mm apart throughout"
    else:
        other = "other distance" if odd.sum() == 1 else "other distances"
        low, high = _short(gaps[odd].min()), _short(gaps[odd].max())
        size = f"{high} mm" if low == high else f"from {low} to {high} mm"
        text += (
            f", usually {_short(placement.usual_gap)} mm apart; {int(odd.sum())} {other}, {size}"
        )
    usual = placement.usual_gap
    if _differs(thickness, usual):
        what = "overlap by" if thickness > usual else "leave gaps of"
        size = _short(abs(thickness - usual))
        text += f"; {_short(thickness)} mm thick (dotted), so that they {what} {size} mm"
    span = float(np.ptp(placement.offsets))
    tilt = np.degrees(np.arctan2(np.ptp(placement.shifts, axis=0).max(), span)) if span else 0.0
    if tilt > 0.05:
        text += f"; sheared by {tilt:.1f} degrees"
    return text + "."


def _spans_magnitudes(values: Array) -> bool:
    """Whether a logarithmic axis shows more than a linear one; it needs values above zero."""
    low, high = float(values.min()), float(np.percentile(values, 99.5))
    return low > 0 and high / low > 20


def _bin_edges(values: Array, logarithmic: bool, whole: bool) -> Array:
    low, high = float(values.min()), float(np.percentile(values, 99.5))
    if whole:
        low, high = np.floor(low), np.ceil(high)
        if high - low <= 30 and not logarithmic:
            return np.arange(low - 0.5, high + 1.0)
    if logarithmic:
        return np.geomspace(low, high, 25)
    if high - low <= 1e-9 * max(abs(high), 1.0):
        margin = max(abs(low) * 0.05, 0.5 if whole else 1e-3)
        return np.linspace(low - 5 * margin, low + 5 * margin, 12)
    return np.linspace(low, high, 25)


def new_figure(size: tuple[float, float]) -> tuple[Figure, Axes]:
    """A figure of this width and height, in points, with its axes."""
    figure = Figure(figsize=(size[0] / 72, size[1] / 72), layout="constrained")
    FigureCanvasSVG(figure)
    return figure, figure.subplots()


def _count_axis(axes: Axes) -> None:
    axes.grid(axis="y", visible=True)
    axes.set_axisbelow(True)
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}"))


def _short(value: float) -> str:
    """A number with at most four significant digits."""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def to_svg(figure: Figure, label: str, tips: Sequence[str]) -> Markup:
    """The SVG element alone, with the colours of the page, a text alternative and tips on bars."""
    figure.patch.set_alpha(0)
    for axes in figure.axes:
        axes.patch.set_alpha(0)
    buffer = StringIO()
    with warnings.catch_warnings():
        # The browser has other fonts; matplotlib's own is only used to leave room.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.S)
    svg = re.sub(
        r'<g id="tip-(\d+)">', lambda m: f"<g><title>{escape(tips[int(m[1])])}</title>", svg
    )
    svg = _make_ids_unique(svg)
    for colour, variable in _CSS_VARIABLES.items():
        svg = svg.replace(colour, variable)
    svg = re.sub(r"font: (?:\w+ )*([\d.]+)px [^;\"]*", r"font-size: \1px", svg)
    svg = re.sub(r"font-family: [^;\"]*;?", "", svg)
    svg = re.sub(r"<style[^>]*>.*?</style>", "", svg, flags=re.S)
    view = re.search(r'viewBox="[^"]*"', svg)
    head = f'<svg class="plot" {view[0] if view else ""} role="img" aria-label="{escape(label)}">'
    svg = re.sub(r"<svg[^>]*>", lambda _: head, svg, count=1)
    return Markup(re.sub(r">\s+<", "><", svg).strip())


def _make_ids_unique(svg: str) -> str:
    """Remove ids that nothing refers to; the others are hashes of their content and may repeat."""
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', svg))
    return re.sub(r' id="([^"]*)"', lambda m: m[0] if m[1] in used else "", svg)
