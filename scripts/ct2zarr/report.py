"""The verification report: one HTML file that a person can judge a dataset by.

It reads the summary, the records and the stores, and a few planes of the source once more. The
page needs no network: style, script, drawings and pictures are inside it.
"""

import base64
import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import jinja2
import numpy as np
import pandas as pd
from markupsafe import Markup

from . import __version__
from .publishing import prepare_folder, write_atomically
from .report_plots import Plot, plot_histogram
from .report_privacy import scrub_error, scrub_text
from .report_samples import FlagLine, Line, SampleView, show_sample, syntax_names
from .report_sampling import Sample, sample_volumes
from .report_summary import (
    AttentionTable,
    Totals,
    count_flags,
    count_totals,
    count_values,
    flag_sentence,
    read_facts,
    read_summary,
    select_attention,
    split_flags,
    verdict,
)
from .settings import ReportSettings
from .vocabulary import Status

logger = logging.getLogger(__name__)

TABLE_ROWS = 2000
"""Rows of the table at most: a browser sorts and searches as many at once."""
_BARS = 8


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


@dataclass(frozen=True, slots=True)
class AttentionRow:
    """A row of the table, its text free of paths and identifiers."""

    series_hash: str
    dataset: str
    status: str
    slices: int
    reason: str
    error: str
    flags: tuple[FlagLine, ...]
    sampled: bool


@dataclass(frozen=True, slots=True)
class Attention:
    """The table; ``total`` counts the rows that it would have without a limit."""

    rows: tuple[AttentionRow, ...]
    total: int
    statuses: tuple[str, ...]
    flags: tuple[str, ...]


def make_report(settings: ReportSettings) -> Path:
    """Write the report beside the summary, or where ``output_html`` says; return its path.

    Raises:
        SettingsError: there is no summary, or it cannot be read.
        MachineError: the file cannot be written.
    """
    root = settings.converted_root / f"zarr_{settings.store_type}"
    table = read_summary(root / "summary_all.csv")
    facts = read_facts(root / "summary_all.json")
    samples = _choose(table, settings)
    datasets = dict(zip(table["series_hash"], table["dataset"].astype(str), strict=True))
    views = []
    for number, sample in enumerate(samples, 1):
        views.append(show_sample(root, sample, datasets[sample.series_hash], len(samples)))
        logger.info("sample %d of %d: %s", number, len(samples), sample.series_hash)
    totals = count_totals(table)
    attention = select_attention(table, TABLE_ROWS)
    outcome = _outcome(table, totals)
    html = render(
        heading=_heading(table),
        report_id=_report_id(table),
        verdict=_verdict(totals, views),
        outcome=outcome,
        outcome_label=", ".join(f"{part.label} {part.count:,}" for part in outcome),
        tiles=_tiles(totals),
        facts=_facts(facts, table, settings),
        bar_groups=_bar_groups(table, totals),
        plots=_plots(table),
        attention=_attention(attention, {sample.series_hash for sample in samples}),
        samples=views,
        sampling_note=_sampling_note(len(samples), totals.ok, settings.seed),
    )
    path = settings.output_html or root / "verify_report.html"
    prepare_folder(path.parent)
    write_atomically(path, html)
    logger.info("report: %s (%.1f MB)", path, len(html) / 1e6)
    return path


def render(**content: object) -> str:
    """The page, every value escaped. Only the project's own style and script go in as they are."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("ct2zarr"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    parts = {
        name: _template_text(name) for name in ("early.js", "report.js", "report.css", "dark.css")
    }
    dark = parts["dark.css"]
    style = parts["report.css"].replace(
        "{# DARK #}",
        "@media screen and (prefers-color-scheme: dark) { :root:not([data-theme='light']) {\n"
        f"{dark}}} }}\n"
        f"@media screen {{ :root[data-theme='dark'] {{\n{dark}}} }}",
    )
    scripts = (_template_text("early.js"), _template_text("report.js"))
    return environment.get_template("report.html.j2").render(
        style=Markup(style),
        early_script=Markup(scripts[0]),
        script=Markup(scripts[1]),
        script_hashes=Markup(" ".join(map(_script_hash, scripts))),
        version=__version__,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        **content,
    )


def _template_text(name: str) -> str:
    return (Path(__file__).parent / "templates" / name).read_text(encoding="utf-8")


def _script_hash(script: str) -> str:
    """For the content security policy: the browser runs these scripts and no other."""
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def _choose(table: pd.DataFrame, settings: ReportSettings) -> list[Sample]:
    ok = table[table["status"] == Status.OK]
    columns = (ok["series_hash"], ok["dataset"].astype(str), ok["flags"].astype(str))
    volumes = {
        series_hash: (dataset, split_flags(flags))
        for series_hash, dataset, flags in zip(*columns, strict=True)
    }
    return sample_volumes(volumes, settings.num_samples, settings.seed)


def _heading(table: pd.DataFrame) -> str:
    names = sorted(name for name in table["dataset"].astype(str).unique() if name)
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    word = "Dataset" if len(names) == 1 else "Datasets"
    return f"{word} {shown}" if names else "Converted volumes"


def _report_id(table: pd.DataFrame) -> str:
    """Names the set of volumes: decisions in the browser are kept under it."""
    digest = hashlib.blake2b(digest_size=8)
    for series_hash in sorted(table["series_hash"]):
        digest.update(series_hash.encode())
    return digest.hexdigest()


def _verdict(totals: Totals, views: Sequence[SampleView]) -> Line:
    """The outcome of the summary, unless a sample shows that a store is not what it says."""
    wrong = [view.short for view in views if view.problem or view.compared.level == "bad"]
    level, sentence = verdict(totals)
    if wrong:
        level = "bad"
        found = "A sample cannot be read or differs from its source now"
        sentence = f"{found}: {', '.join(wrong)}. {sentence}"
    return Line(level, sentence)


def _outcome(table: pd.DataFrame, totals: Totals) -> tuple[Outcome, ...]:
    return (
        Outcome("converted without a flag", totals.ok - totals.flagged, "plain"),
        Outcome("converted, flagged", totals.flagged, "flagged"),
        Outcome("rejected", totals.rejected, "held"),
        Outcome("failed", totals.failed, "bad"),
        Outcome("other", len(table) - totals.ok - totals.rejected - totals.failed, "held"),
    )


def _tiles(totals: Totals) -> tuple[Tile, ...]:
    read, read_unit = _size(totals.input_bytes)
    written, written_unit = _size(totals.output_bytes)
    rate = _size(totals.rate) if totals.rate else ("", "")
    verified = totals.ok - totals.unverified
    return (
        Tile("Volumes", f"{totals.volumes:,}", note=f"{totals.ok:,} converted"),
        Tile("Verified", f"{verified:,}", note="compared with the source"),
        Tile("Lost", f"{totals.failed + totals.rejected:,}", note="failed or rejected"),
        Tile("Slices", f"{totals.slices:,}", note="in converted volumes"),
        Tile("Source", read, read_unit, "read"),
        Tile("Stores", written, written_unit, "written"),
        Tile(
            "Compression",
            f"{totals.ratio:.2f}" if totals.ratio else "none",
            ": 1",
            "files to stores",
        ),
        Tile("Rate", rate[0] or "none", f"{rate[1]}/s" if rate[0] else "", "of source, a worker"),
    )


def _size(number: float) -> tuple[str, str]:
    """Bytes with a decimal unit."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if number < 1000 or unit == "TB":
            break
        number /= 1000
    return (f"{number:.0f}" if number >= 100 else f"{number:.3g}"), unit


def _facts(
    facts: Mapping[str, object], table: pd.DataFrame, settings: ReportSettings
) -> list[tuple[str, str]]:
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
    unique = dict.fromkeys(lines)
    return [(name, scrub_text(value)) for name, value in unique]


def _bars(counts: list[tuple[str, int]], level: str = "", notes: Mapping[str, str] | None = None
) -> tuple[Bar, ...]:  # fmt: skip
    longest = max((count for _, count in counts), default=1)
    return tuple(
        Bar(_label(label), count, 100 * count / longest, level, (notes or {}).get(label, ""))
        for label, count in counts
        if count
    )


def _label(text: str) -> str:
    text = scrub_text(text)
    return text if len(text) <= 60 else text[:59] + "…"


def _bar_groups(table: pd.DataFrame, totals: Totals) -> list[BarGroup]:
    ok = table[table["status"] == Status.OK]
    groups = []
    flags = list(count_flags(table).items())
    if flags:
        flags.sort(key=lambda item: -item[1])
        notes = {code: flag_sentence(code) for code, _ in flags}
        groups.append(BarGroup("Flags", _bars(flags, "look", notes)))
    if totals.failed + totals.rejected:
        lost = table[table["status"] != Status.OK]
        groups.append(
            BarGroup(
                "Failed and rejected, by reason", _bars(count_values(lost["reason"], _BARS), "bad")
            )
        )
    groups.append(BarGroup("Datasets", _bars(count_values(table["dataset"], _BARS))))
    syntaxes = ok["transfer_syntax"].astype(str).map(syntax_names)
    for title, column in (
        ("Manufacturer", ok["manufacturer"]),
        ("Kernel", ok["kernel"]),
        ("Transfer syntax", syntaxes),
        ("Matrix", _matrix(ok)),
    ):
        if len(ok):
            groups.append(BarGroup(title, _bars(count_values(column, _BARS))))
    return groups


def _matrix(ok: pd.DataFrame) -> pd.Series:
    sizes = ok[["rows", "columns"]].fillna(0).astype(int).astype(str)
    return sizes["rows"] + " x " + sizes["columns"]


def _plots(table: pd.DataFrame) -> list[Plot]:
    ok = table[table["status"] == Status.OK]
    sizes = ok["output_bytes"].to_numpy()
    ratio = np.divide(ok["input_bytes"].to_numpy(), sizes, where=sizes > 0,
                      out=np.full(len(ok), np.nan))  # fmt: skip
    drawn = (
        plot_histogram("Slices a volume", ok["slice_count"].to_numpy(), "slices", whole=True),
        plot_histogram("Spacing of planes", ok["spacing_z"].to_numpy(), "mm"),
        plot_histogram("Pixel spacing", ok["spacing_x"].to_numpy(), "mm"),
        plot_histogram("Slice thickness", ok["slice_thickness"].to_numpy(), "mm"),
        plot_histogram("Compression", ratio, "source to store"),
        plot_histogram("Time a volume", ok["total_seconds"].to_numpy(), "s", logarithmic=True),
    )
    return [plot for plot in drawn if plot is not None]


def _attention(table: AttentionTable, sampled: set[str]) -> Attention:
    columns = ("series_hash", "dataset", "status", "slice_count", "reason", "error", "flags")
    cells = [table.rows[name].astype(str) for name in (*columns, "series_dir")]
    rows = tuple(
        AttentionRow(
            series_hash=series_hash,
            dataset=dataset,
            status=status,
            slices=int(float(slices)) if slices != "nan" else 0,
            reason=scrub_text(reason, [folder]),
            error=scrub_error(error, folder),
            flags=tuple(FlagLine(code, flag_sentence(code)) for code in split_flags(flags)),
            sampled=series_hash in sampled,
        )
        for series_hash, dataset, status, slices, reason, error, flags, folder in zip(
            *cells, strict=True
        )
    )
    statuses = dict.fromkeys(row.status for row in rows)
    flags = sorted({flag.code for row in rows for flag in row.flags})
    return Attention(rows, table.total, tuple(statuses), tuple(flags))


def _sampling_note(count: int, converted: int, seed: int) -> str:
    if count == converted:
        return "all converted volumes"
    return f"{count:,} of {converted:,}, the rarest flags first, seed {seed}"
