"""The verification report: one HTML file that a person can judge a dataset by.

It reads the summary, the records and the stores, and a few planes of the source again. The page
needs no network: style, scripts, drawings and pictures are inside it.
"""

import base64
import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import jinja2
from markupsafe import Markup

from ..codes import Code
from ..errors import SettingsError
from ..model import Json
from ..run.atomic_files import prepare_folder, write_atomically
from ..run.counts import Counts, totals_of
from ..run.job_log import progress
from ..run.paths import REPORT, joined_summary, store_root
from ..run.settings import ReportSettings
from ..version import __version__
from ..visible_text import HIDDEN, visible_lines
from .exports import write_exports
from .file_account import file_bars, unplanned_notices, unread_notices
from .overview import (
    bar_groups,
    headline_tiles,
    histograms,
    outcome_parts,
    settings_lines,
)
from .packing import to_script_json
from .redaction import redact
from .review_list import BLANK_ROW, make_review_list, select_rows
from .samples import SampleView, show_sample
from .sampling import Sample, find_listed, sample_volumes
from .sentences import MOST_OF_NAME, Line, shorten, verdict
from .summary_table import JOINED_SCHEMA, JoinedRow, read_joined

logger = logging.getLogger(__name__)

MOST_PARTS = 10_000
"""Volumes of a series among which a listed UID is looked for; a damaged row may state more."""
TABLE_ROWS = 200_000
"""Rows of the list at most; a browser can hold as many."""
TABLE_BYTES = 3_000_000
"""Room for the rows; with ``samples.PAGE_BYTES`` the page stays below 30 MB."""
_TEMPLATES = Path(__file__).parent / "templates"
_SCRIPTS = ("page.js", "review_list.js", "pictures.js", "decisions.js", "start.js")


def make_report(settings: ReportSettings) -> Path:
    """Write the report beside the summary, or where ``output_html`` says; return its path.

    Raises
    ------
    SettingsError
        There is no summary, or it cannot be read.
    MachineError
        The file cannot be written.
    """
    root = store_root(settings.converted_root, settings.store_type)
    path = settings.output_html or root / REPORT
    prepare_folder(path.parent)
    rows = read_joined(joined_summary(root).table)
    samples, note = _choose(rows, settings)
    views = _show(root, rows, samples)
    groups, plots = bar_groups(rows), histograms(rows)
    html = render(
        **_overview(rows, views, settings, root),
        bar_groups=groups,
        plots=plots,
        review=make_review_list(
            select_rows(rows),
            {sample.series_hash for sample in samples},
            root,
            most_rows=TABLE_ROWS,
            most_bytes=TABLE_BYTES,
            linked=path.parent.resolve() == root.resolve(),
        ),
        blank_row=BLANK_ROW,
        samples=views,
        sampling_note=note,
        decisions=to_script_json(_decisions(rows)),
    )
    write_atomically(path, html)
    if settings.exports:
        write_exports(settings.exports, rows, plots, groups)
    logger.info("report: %s (%.1f MB)", path, len(html) / 1e6)
    return path


def render(**content: object) -> str:
    """The page, every value escaped. Only the project's own style and scripts go in unchanged."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: visible_lines(value) if type(value) is str else value,
        trim_blocks=True,
    )
    dark = _template_text("dark.css")
    style = _template_text("report.css").replace(
        "{# DARK #}",
        "@media screen and (prefers-color-scheme: dark) { :root:not([data-theme='light']) {\n"
        f"{dark}}} }}\n"
        f"@media screen {{ :root[data-theme='dark'] {{\n{dark}}} }}",
    )
    scripts = (_template_text("early.js"), _script())
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
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _script() -> str:
    """The script of the page, which knows the hidden characters from their one home."""
    hidden = "".join(one if one == "-" else f"\\u{{{ord(one):x}}}" for one in HIDDEN)
    return "\n".join(map(_template_text, _SCRIPTS)).replace("{# HIDDEN #}", hidden)


def _script_hash(script: str) -> str:
    """For the content security policy: the browser runs these scripts and no other."""
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


# The head of the page -------------------------------------------------------------------------


def _overview(
    rows: Sequence[JoinedRow], views: Sequence[SampleView], settings: ReportSettings, root: Path
) -> dict[str, object]:
    """What the page says of the dataset as a whole."""
    counts = Counts.of_totals(totals_of(rows))
    outcome = outcome_parts(counts)
    facts = _read_facts(joined_summary(root).totals)
    account = _account(facts)
    return {
        "heading": _heading(rows),
        "report_id": _report_id(rows),
        "verdict": _verdict(counts, views),
        "outcome": outcome,
        "outcome_label": ", ".join(f"{part.label} {part.count:,}" for part in outcome),
        "tiles": headline_tiles(counts),
        "facts": settings_lines(facts, rows, settings),
        "notices": (*unread_notices(account), *unplanned_notices(facts.get("no_longer_planned"))),
        "files": file_bars(account),
    }


def _account(facts: Mapping[str, object]) -> Mapping[str, Json]:
    """The manifest's account of all files; empty where the aggregate step did not see it."""
    manifest = facts.get("manifest")
    account = manifest.get("account") if isinstance(manifest, Mapping) else None
    return account if isinstance(account, Mapping) else {}


def _read_facts(path: Path) -> Mapping[str, object]:
    """Content of ``summary_all.json``; empty when there is no such file (the CSV suffices)."""
    if not path.is_file():
        return {}
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SettingsError(
            Code.INPUT_DAMAGED,
            "{path} is not valid JSON ({cause}); {advice}",
            path=path,
            cause=str(error),
            advice=JOINED_SCHEMA.advice,
        ) from error
    return facts if isinstance(facts, dict) else {}


def _heading(rows: Sequence[JoinedRow]) -> str:
    names = sorted({shorten(row.dataset, MOST_OF_NAME) for row in rows if row.dataset})
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    word = "Dataset" if len(names) == 1 else "Datasets"
    return f"{word} {shown}" if names else "Converted volumes"


def _report_id(rows: Sequence[JoinedRow]) -> str:
    """Identifies the set of volumes: the browser keeps decisions under it."""
    digest = hashlib.blake2b(digest_size=8)
    for series_hash in sorted(row.series_hash for row in rows):
        digest.update(series_hash.encode())
    return digest.hexdigest()


def _verdict(counts: Counts, views: Sequence[SampleView]) -> Line:
    """The outcome of the summary, unless a sample shows that a store is not what it says."""
    wrong = [view.short for view in views if view.is_bad]
    line = verdict(counts)
    if not wrong:
        return line
    found = "A sample cannot be read or now differs from its source"
    return Line("bad", f"{found}: {', '.join(wrong)}. {line.sentence}")


# Samples --------------------------------------------------------------------------------------


def _choose(rows: Sequence[JoinedRow], settings: ReportSettings) -> tuple[list[Sample], str]:
    """The volumes to show, and a note on the choice. Any volume that has a store can be chosen."""
    volumes = {row.series_hash: (row.dataset, row.flag_codes) for row in rows if row.has_store}
    listed = find_listed(
        settings.sample_series,
        [row.series_hash for row in rows],
        sorted({row.dataset for row in rows}),
        min(max((row.parts for row in rows), default=1), MOST_PARTS),
    )
    shown = [series_hash for series_hash in listed if series_hash in volumes]
    samples = sample_volumes(volumes, settings.num_samples, settings.seed, shown)
    if len(samples) == len(volumes):
        note = "all volumes that have a store"
    else:
        note = f"{len(samples):,} of {len(volumes):,}"
        note += f", {len(shown):,} of them listed in sample_series" if shown else ""
        note += f"; the rarest flags first, seed {settings.seed}"
    if missing := len(listed) - len(shown):
        note += (
            f"; {missing:,} listed in sample_series {'has' if missing == 1 else 'have'} no store"
        )
    return samples, note


def _show(root: Path, rows: Sequence[JoinedRow], samples: Sequence[Sample]) -> list[SampleView]:
    datasets = {row.series_hash: row.dataset for row in rows}
    views = []
    with progress("report", len(samples)) as bar:
        for number, sample in enumerate(samples, 1):
            views.append(show_sample(root, sample, datasets[sample.series_hash], len(samples)))
            bar.advance()
            logger.info("sample %d of %d: %s", number, len(samples), sample.series_hash)
    return views


def _decisions(rows: Sequence[JoinedRow]) -> list[dict[str, str]]:
    """What was decided before: the page starts from it, and its export includes it."""
    return [
        {
            "series_hash": row.series_hash,
            "dataset": row.dataset,
            "decision": row.decision,
            "comment": redact(row.comment, row.series_dir),
        }
        for row in rows
        if row.decision
    ]
