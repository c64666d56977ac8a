"""The figures over the whole dataset: outcome, tiles, bar charts, histograms, settings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..run.counts import size_words
from ..run.redaction import scrub_text
from ..run.settings import ReportSettings
from ..vocabulary import Status
from .plots import Plot, plot_histogram
from .sentences import syntax_names
from .summary_table import Totals, count_flags, count_values, flag_sentence

_BARS = 8
"""Lines of a bar chart at most; the rest is one line."""
_LABEL_LENGTH = 60


@dataclass(frozen=True, slots=True)
class Bar:
    """A line of a bar chart; ``percent`` is its length against the longest."""

    label: str
    count: int
    percent: float
    level: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class BarGroup:
    """A bar chart, drawn as a table so that it can be read aloud."""

    title: str
    rows: tuple[Bar, ...]


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure of the head of the page."""

    label: str
    value: str
    unit: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A part of the line that shows how the volumes divide."""

    label: str
    count: int
    level: str


def outcome_parts(totals: Totals) -> tuple[Outcome, ...]:
    """How the volumes divide; the parts add up to all of them."""
    return (
        Outcome("converted without a flag", totals.ok - totals.flagged, "plain"),
        Outcome("converted, flagged", totals.flagged, "flagged"),
        Outcome("rejected", totals.rejected, "held"),
        Outcome("failed", totals.failed, "bad"),
        Outcome("other", totals.volumes - totals.ok - totals.rejected - totals.failed, "held"),
    )


def headline_tiles(totals: Totals) -> tuple[Tile, ...]:
    """The figures of the head of the page."""
    rate = size_words(totals.rate) if totals.rate else ("none", "")
    verified = totals.ok - totals.unverified
    return (
        Tile("Volumes", f"{totals.volumes:,}", note=f"{totals.ok:,} converted"),
        Tile("Verified", f"{verified:,}", note="compared with the source"),
        Tile("Lost", f"{totals.failed + totals.rejected:,}", note="failed or rejected"),
        Tile("Slices", f"{totals.slices:,}", note="in converted volumes"),
        Tile("Source", *size_words(totals.input_bytes), note="read"),
        Tile("Stores", *size_words(totals.output_bytes), note="written"),
        Tile(
            "Compression",
            f"{totals.ratio:.2f}" if totals.ratio else "none",
            ": 1",
            "files to stores",
        ),
        Tile("Rate", rate[0], f"{rate[1]}/s" if rate[1] else "", "of source, a worker"),
    )


def settings_lines(
    facts: Mapping[str, object], table: pd.DataFrame, settings: ReportSettings
) -> list[tuple[str, str]]:
    """Names and values of the settings and versions, without folders."""
    lines = [("store_type", str(settings.store_type)), ("num_samples", str(settings.num_samples)),
             ("seed", str(settings.seed))]  # fmt: skip
    used = facts.get("settings")
    if isinstance(used, Mapping):
        for name, value in used.items():
            if isinstance(value, Mapping):
                lines += [(str(key), str(item)) for key, item in value.items()]
            else:
                lines.append((str(name), str(value)))
    for version, count in count_values(table["version"], 6):
        lines.append(("version of ct2zarr", f"{version} ({count:,} volumes)"))
    return [(name, scrub_text(value)) for name, value in dict.fromkeys(lines)]


def bar_groups(table: pd.DataFrame) -> list[BarGroup]:
    """What the volumes are, by name: flags, reasons, datasets, makers, kernels, syntaxes, sizes."""
    ok = table[table["status"] == Status.OK]
    lost = table[table["status"] != Status.OK]
    groups = [_flag_bars("Flags", table, "look")]
    if len(lost):
        reasons = count_values(lost["reason"], _BARS)
        groups.append(BarGroup("Failed and rejected, by reason", _bars(reasons, "bad")))
        groups.append(_flag_bars("Failed and rejected, by flag", lost, "bad"))
    groups.append(BarGroup("Datasets", _bars(count_values(table["dataset"], _BARS))))
    for title, column in (
        ("Manufacturer", ok["manufacturer"]),
        ("Kernel", ok["kernel"]),
        ("Transfer syntax", ok["transfer_syntax"].astype(str).map(syntax_names)),
        ("Matrix", _matrix(ok)),
    ):
        groups.append(BarGroup(title, _bars(count_values(column, _BARS))))
    return [group for group in groups if group.rows]


def histograms(table: pd.DataFrame) -> list[Plot]:
    """What the converted volumes measure: slices, lengths, compression, time, speed."""
    ok = table[table["status"] == Status.OK]
    seconds = ok["total_seconds"].to_numpy()
    megabytes = ok["input_bytes"].to_numpy() / 1e6
    ratio = _quotient(ok["input_bytes"].to_numpy(), ok["output_bytes"].to_numpy())
    drawn = (
        plot_histogram("Slices a volume", ok["slice_count"].to_numpy(), "slices", whole=True),
        plot_histogram("Spacing of planes", ok["spacing_z"].to_numpy(), "mm"),
        plot_histogram("Pixel spacing", ok["spacing_x"].to_numpy(), "mm"),
        plot_histogram("Slice thickness", ok["slice_thickness"].to_numpy(), "mm"),
        plot_histogram("Compression", ratio, "source to store"),
        plot_histogram("Speed", _quotient(megabytes, seconds), "MB/s of source, a worker"),
        plot_histogram("Time a volume", seconds, "s", logarithmic=True),
    )
    return [plot for plot in drawn if plot is not None]


def _quotient(upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """NaN where the lower number is not positive."""
    out = np.full(len(upper), np.nan)
    np.divide(upper, lower, where=lower > 0, out=out)
    return out


def _flag_bars(title: str, table: pd.DataFrame, level: str) -> BarGroup:
    counts = sorted(count_flags(table).items(), key=lambda item: -item[1])
    return BarGroup(title, _bars(counts, level, {code: flag_sentence(code) for code, _ in counts}))


def _bars(
    counts: Sequence[tuple[str, int]], level: str = "", notes: Mapping[str, str] | None = None
) -> tuple[Bar, ...]:
    longest = max((count for _, count in counts), default=1)
    return tuple(
        Bar(_label(label), count, 100 * count / longest, level, (notes or {}).get(label, ""))
        for label, count in counts
        if count
    )


def _label(text: str) -> str:
    text = scrub_text(text)
    return text if len(text) <= _LABEL_LENGTH else text[: _LABEL_LENGTH - 1] + "…"


def _matrix(ok: pd.DataFrame) -> pd.Series:
    sizes = ok[["rows", "columns"]].fillna(0).astype(int).astype(str)
    return sizes["rows"] + " x " + sizes["columns"]
