"""What a terminal shows: a bar while a job works, and a table when all is done.

Without a terminal the table is plain text, readable in a log file. Bars are drawn on stderr, and
log lines appear above them.
"""

import json
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from ..visible_text import visible_lines
from .counts import Counts
from .paths import REPORT, joined_summary, shard_summary

LOG_WIDTH = 1000
"""Maximum width of a table in a log file, in columns: wide enough that no path is broken."""


def terminal_console() -> Console:
    """The console of stderr."""
    return Console(stderr=True)


def closing_table(title: str, lines: Sequence[tuple[str, str]]) -> Table:
    """The table at the end of a job or a run; failed and rejected volumes stand out."""
    table = Table(title=title, title_justify="left", show_header=False, box=None, padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(overflow="fold")  # a path stays whole
    colours = {"failed": "bold red", "rejected": "bold yellow"}
    for label, value in lines:
        style = colours.get(label, "") if value != "0" else ""
        # Text, since rich takes brackets in a str, such as a path, for markup.
        table.add_row(label, Text(visible_lines(value)), style=style or None)
    return table


def table_text(table: Table) -> str:
    """The table as plain text, without colours."""
    out = Console(file=StringIO(), width=LOG_WIDTH, force_terminal=False, no_color=True)
    out.print(table)
    assert isinstance(out.file, StringIO)
    return "\n".join(line.rstrip() for line in out.file.getvalue().splitlines())


def run_lines(store_root: Path, labels: Sequence[str]) -> list[tuple[str, str]]:
    """Labels and values of a run's closing table; the report if it covers all of these shards."""
    counts, there = run_counts(store_root, labels)
    lines = [("shards", f"{there:,} of {len(labels):,}"), *counts.lines()]
    html = store_root / REPORT
    shards = [shard_summary(store_root, label).totals for label in labels]
    if there == len(labels) and html.is_file():
        made = html.stat().st_mtime_ns
        if all(path.stat().st_mtime_ns <= made for path in shards):
            lines.append(("report", str(html.absolute())))
    return lines


def run_counts(store_root: Path, labels: Sequence[str]) -> tuple[Counts, int]:
    """Counts of the volumes of a run, and how many shards have a summary.

    The joined summary includes decisions, so it is used if it is newer than that of every shard.
    """
    shards = [shard_summary(store_root, label).totals for label in labels]
    there = [path for path in shards if path.is_file()]
    joined = joined_summary(store_root).totals
    newest = max((path.stat().st_mtime_ns for path in there), default=0)
    whole = len(there) == len(shards) and joined.is_file()
    if whole and joined.stat().st_mtime_ns >= newest:
        return Counts.of_totals(_totals(joined)), len(there)
    return sum((Counts.of_totals(_totals(path)) for path in there), Counts()), len(there)


def _totals(path: Path) -> Mapping[str, Any]:
    """The totals of a summary; empty if it is damaged, which the next step reports."""
    try:
        totals = json.loads(path.read_text(encoding="utf-8"))["totals"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return totals if isinstance(totals, dict) else {}


def columns() -> tuple[Any, ...]:
    """Columns of a progress line: label, bar, count, times."""
    return (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TimeElapsedColumn(), TextColumn("[dim]left"), TimeRemainingColumn(),
    )  # fmt: skip


@contextmanager
def drawn_bar(
    label: str, total: int, handlers: Sequence[logging.Handler]
) -> Iterator[tuple[Progress, TaskID]]:
    """A bar on stderr; meanwhile the handlers print only warnings, above it."""
    console = terminal_console()
    before = []
    with Progress(*columns(), console=console, transient=True, redirect_stdout=False) as bar:
        for one in handlers:
            if isinstance(one, logging.StreamHandler):
                before.append((one, one.level, one.stream))
                one.setStream(sys.stderr)  # which writes above the bar now
                one.setLevel(logging.WARNING)
        try:
            yield bar, bar.add_task(label, total=total)
        finally:
            for one, level, stream in before:
                one.setStream(stream)  # flushes what is above the bar
                one.setLevel(level)
