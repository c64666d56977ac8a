"""The figures over the whole dataset: outcome, tiles, bar charts, histograms, settings."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..codes import Code
from ..run.counts import Counts, size_words
from ..run.settings import ReportSettings
from ..visible_text import visible
from ..vocabulary import Belonging, Status
from .plots import Plot, plot_histogram
from .redaction import redact
from .sentences import MOST_OF_NAME, MOST_OF_TEXT, flag_sentence, shorten, syntax_names
from .summary_table import JoinedRow
from .tallies import commonest, count_flags, numbers_of

_BARS = 8
"""Lines of a bar chart at most; the rest is joined in the last one."""
_VERSIONS = 6
"""Versions of ct2zarr that are named; more are joined."""
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


def outcome_parts(counts: Counts) -> tuple[Outcome, ...]:
    """How the volumes divide; the parts add up to all of them."""
    return (
        Outcome("converted without a flag", counts.ok - counts.ok_flagged, "plain"),
        Outcome("converted, flagged", counts.ok_flagged, "flagged"),
        Outcome("rejected", counts.rejected, "held"),
        Outcome("failed", counts.failed, "bad"),
    )


def headline_tiles(counts: Counts) -> tuple[Tile, ...]:
    """The figures of the head of the page."""
    rate = size_words(counts.rate) if counts.rate else ("not known", "")
    return (
        Tile("Volumes", f"{counts.volumes:,}", note=f"{counts.ok:,} converted"),
        Tile("Verified", f"{counts.verified:,}", note=_compared(counts)),
        Tile("Not usable", f"{counts.failed + counts.rejected:,}", note="failed or rejected"),
        Tile("Slices", f"{counts.slices:,}", note="in converted volumes"),
        Tile("Source", *size_words(counts.input_bytes), note="read"),
        Tile("Stores", *size_words(counts.output_bytes), note="written"),
        Tile(
            "Compression",
            f"{counts.ratio:.2f}" if counts.ratio else "not known",
            ": 1" if counts.ratio else "",
            "source to stores",
        ),
        Tile("Speed", rate[0], f"{rate[1]}/s" if rate[1] else "", "of source per worker"),
    )


def _compared(counts: Counts) -> str:
    """What verified means; volumes that no second decoder could read are counted apart."""
    if not counts.same_decoder:
        return "compared with the source"
    return f"compared with the source; {counts.same_decoder:,} by the decoder that converted them"


def settings_lines(
    facts: Mapping[str, object], rows: Sequence[JoinedRow], settings: ReportSettings
) -> list[tuple[str, str]]:
    """Names and values of the settings and versions, without folders.

    Parameters
    ----------
    facts
        Content of ``summary_all.json``; may be empty.
    """
    lines = [("store_type", str(settings.store_type)), ("num_samples", str(settings.num_samples)),
             ("seed", str(settings.seed))]  # fmt: skip
    used = facts.get("settings")
    if isinstance(used, Mapping):
        for name, value in used.items():
            lines += _setting_lines(str(name), value)
    for version, count in commonest((row.version for row in rows), _VERSIONS):
        lines.append(("version of ct2zarr", f"{version} ({count:,} volumes)"))
    return [
        (shorten(name, MOST_OF_NAME), shorten(redact(value), MOST_OF_TEXT))
        for name, value in dict.fromkeys(lines)
    ]


def _setting_lines(name: str, value: object) -> list[tuple[str, str]]:
    """A setting under its name; ``differs`` lists the values of shards that do not agree."""
    if not isinstance(value, Mapping):
        return [(name, str(value))]
    if isinstance(value.get("differs"), list):
        return [(name, f"differs between shards: {' or '.join(map(str, value['differs']))}")]
    return [(str(key), str(item)) for key, item in value.items()]


def bar_groups(rows: Sequence[JoinedRow]) -> list[BarGroup]:
    """What the volumes are, by name: flags, reasons, datasets, makers, kernels, syntaxes, sizes."""
    ok = [row for row in rows if row.status == Status.OK]
    # What people rejected is no loss of the conversion; the groups would hide what is.
    lost = [r for r in rows if r.status != Status.OK and r.reason != Code.REJECTED_IN_REVIEW]
    groups = [_flag_bars("Flags", rows, "look")]
    if lost:
        groups.append(
            _value_bars("Failed and rejected, by reason", (r.reason for r in lost), "bad")
        )
        groups.append(_flag_bars("Failed and rejected, by flag", lost, "bad"))
    groups += [
        _value_bars("Headers of all planes", map(_belonging, ok)),
        _value_bars("Datasets", (row.dataset for row in rows)),
        _value_bars("Manufacturer", (row.manufacturer for row in ok)),
        _value_bars("Kernel", (row.kernel for row in ok)),
        _value_bars("Transfer syntax", (syntax_names(row.transfer_syntax) for row in ok)),
        _value_bars("Rows x columns", (f"{row.rows} x {row.columns}" for row in ok)),
    ]
    return [group for group in groups if group.rows]


def _belonging(row: JoinedRow) -> str:
    """What the check of belonging said of a converted volume; older summaries say nothing."""
    words: dict[str, str] = {
        Belonging.CONSTANT: "of one volume in every element checked",
        Belonging.FLAGGED: "of one volume; KVP or thickness varies, flagged",
    }
    return words.get(row.belonging, "not checked, or not all")


def histograms(rows: Sequence[JoinedRow]) -> list[Plot]:
    """What the converted volumes measure: slices, lengths, compression, speed, time."""
    ok = [row for row in rows if row.status == Status.OK]
    seconds = numbers_of(ok, "total_seconds")
    read = numbers_of(ok, "input_bytes")
    ratio = _quotient(read, numbers_of(ok, "output_bytes"))
    drawn = (
        plot_histogram("Slices per volume", numbers_of(ok, "slice_count"), "slices", whole=True),
        plot_histogram("Slice spacing", numbers_of(ok, "spacing_z"), "mm"),
        plot_histogram("Pixel spacing", numbers_of(ok, "spacing_x"), "mm"),
        plot_histogram("Slice thickness", numbers_of(ok, "slice_thickness"), "mm"),
        plot_histogram("Compression", ratio, "source to store"),
        plot_histogram("Speed", _quotient(read / 1e6, seconds), "MB/s of source per worker"),
        plot_histogram("Time per volume", seconds, "s", logarithmic=True),
    )
    return [plot for plot in drawn if plot is not None]


def _quotient(upper: NDArray[np.float64], lower: NDArray[np.float64]) -> NDArray[np.float64]:
    """NaN where the lower number is not positive."""
    out = np.full(len(upper), np.nan)
    np.divide(upper, lower, where=lower > 0, out=out)
    return out


def _flag_bars(title: str, rows: Sequence[JoinedRow], level: str) -> BarGroup:
    counts = sorted(count_flags(rows).items(), key=lambda item: -item[1])
    return BarGroup(title, _bars(counts, level, {code: flag_sentence(code) for code, _ in counts}))


def _value_bars(title: str, values: Iterable[str], level: str = "") -> BarGroup:
    return BarGroup(title, _bars(commonest(values, _BARS), level))


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
    text = visible(redact(text))
    return text if len(text) <= _LABEL_LENGTH else text[: _LABEL_LENGTH - 1] + "…"
