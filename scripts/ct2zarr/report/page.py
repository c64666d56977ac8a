"""The verification report: one HTML file that a person can judge a dataset by.

It reads the summary, the records and the stores, and a few planes of the source once more. The
page needs no network: style, script, drawings and pictures are inside it.
"""

import base64
import hashlib
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import jinja2
import pandas as pd
from markupsafe import Markup

from ..codes import Code
from ..run.atomic_files import prepare_folder, write_atomically
from ..run.job_log import progress
from ..run.redaction import scrub_text
from ..run.settings import ReportSettings
from ..version import __version__
from ..vocabulary import Status
from .exports import write_exports
from .overview import (
    bar_groups,
    headline_tiles,
    histograms,
    outcome_parts,
    settings_lines,
)
from .packing import to_script_json
from .review_list import AttentionRow, make_attention
from .samples import FlagLine, Line, SampleView, show_sample
from .sampling import Sample, find_listed, sample_volumes
from .summary_table import (
    Totals,
    count_totals,
    read_facts,
    read_summary,
    read_texts,
    select_attention,
    split_flags,
    verdict,
)

logger = logging.getLogger(__name__)

TABLE_ROWS = 200_000
"""Rows of the table at most; a browser holds as many."""
_SCRIPTS = ("page.js", "table.js", "pictures.js", "decisions.js", "start.js")
TABLE_BYTES = 3_000_000
"""Room for the rows; with ``report_samples.PAGE_BYTES`` the page stays below 30 MB."""


def make_report(settings: ReportSettings) -> Path:
    """Write the report beside the summary, or where ``output_html`` says; return its path.

    Raises:
        SettingsError: there is no summary, or it cannot be read.
        MachineError: the file cannot be written.
    """
    root = settings.converted_root / f"zarr_{settings.store_type}"
    path = settings.output_html or root / "verify_report.html"
    prepare_folder(path.parent)
    table = read_summary(root / "summary_all.csv")
    facts = read_facts(root / "summary_all.json")
    samples, note = _choose(table, settings)
    datasets = dict(zip(table["series_hash"], table["dataset"].astype(str), strict=True))
    views = []
    with progress("report", len(samples)) as bar:
        for number, sample in enumerate(samples, 1):
            views.append(show_sample(root, sample, datasets[sample.series_hash], len(samples)))
            bar.advance()
            logger.info("sample %d of %d: %s", number, len(samples), sample.series_hash)
    totals = count_totals(table)
    outcome = outcome_parts(totals)
    attention = make_attention(
        select_attention(table, TABLE_ROWS),
        {sample.series_hash for sample in samples},
        root,
        TABLE_BYTES,
        linked=path.parent.resolve() == root.resolve(),
    )
    groups, plots = bar_groups(table), histograms(table)
    html = render(
        heading=_heading(table),
        report_id=_report_id(table),
        verdict=_verdict(totals, views),
        outcome=outcome,
        outcome_label=", ".join(f"{part.label} {part.count:,}" for part in outcome),
        tiles=headline_tiles(totals),
        facts=settings_lines(facts, table, settings),
        bar_groups=groups,
        plots=plots,
        attention=attention,
        blank_row=AttentionRow("", "", "", 0, "", "", (FlagLine("", ""),), sampled=False),
        samples=views,
        sampling_note=note,
        decisions=to_script_json(_decisions(table)),
    )
    write_atomically(path, html)
    if settings.exports:
        write_exports(settings.exports, read_texts(root / "summary_all.csv"), plots, groups)
    logger.info("report: %s (%.1f MB)", path, len(html) / 1e6)
    return path


def render(**content: object) -> str:
    """The page, every value escaped. Only the project's own style and script go in as they are."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("ct2zarr.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
    dark = _template_text("dark.css")
    style = _template_text("report.css").replace(
        "{# DARK #}",
        "@media screen and (prefers-color-scheme: dark) { :root:not([data-theme='light']) {\n"
        f"{dark}}} }}\n"
        f"@media screen {{ :root[data-theme='dark'] {{\n{dark}}} }}",
    )
    scripts = (_template_text("early.js"), "\n".join(map(_template_text, _SCRIPTS)))
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


def _choose(table: pd.DataFrame, settings: ReportSettings) -> tuple[list[Sample], str]:
    """The volumes to show, and what is said of the choice. All that have a store may be chosen."""
    stored = table[(table["status"] == Status.OK) | (table["reason"] == Code.REJECTED_IN_REVIEW)]
    columns = (stored["series_hash"], stored["dataset"].astype(str), stored["flags"].astype(str))
    volumes = {
        series_hash: (dataset, split_flags(flags))
        for series_hash, dataset, flags in zip(*columns, strict=True)
    }
    parts = table["parts"].max()
    listed = find_listed(
        settings.sample_series,
        list(table["series_hash"]),
        sorted(table["dataset"].astype(str).unique()),
        int(parts) if parts >= 1 else 1,
    )
    shown = [series_hash for series_hash in listed if series_hash in volumes]
    samples = sample_volumes(volumes, settings.num_samples, settings.seed, shown)
    if len(samples) == len(volumes):
        note = "all volumes that have a store"
    else:
        note = f"{len(samples):,} of {len(volumes):,}"
        note += f", {len(shown):,} of them listed by hand" if shown else ""
        note += f"; the rarest flags first, seed {settings.seed}"
    if len(listed) > len(shown):
        note += f"; {len(listed) - len(shown):,} listed by hand have no store"
    return samples, note


def _decisions(table: pd.DataFrame) -> list[dict[str, str]]:
    """What was decided before: the page starts from it, and its export includes it."""
    decided = table[table["decision"] != ""]
    columns = ("series_hash", "dataset", "decision", "comment", "series_dir")
    return [
        {
            "series_hash": series_hash,
            "dataset": dataset,
            "decision": decision,
            "comment": scrub_text(comment, [folder]),
        }
        for series_hash, dataset, decision, comment, folder in zip(
            *(decided[name].astype(str) for name in columns), strict=True
        )
    ]


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
