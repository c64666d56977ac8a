"""What a terminal shows: a bar while a job works, and a table when all is done.

Without a terminal the table is plain text, readable in a log file. Bars are drawn on stderr, and
what is logged meanwhile goes above them.
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
from rich.file_proxy import FileProxy
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

from .counts import Counts
from .paths import REPORT, joined_summary, shard_summary

LOG_WIDTH = 1000
"""Columns at most of a table in a log file: no path is broken."""


def terminal_console() -> Console:
    """The console of stderr."""
    return Console(stderr=True)


def closing_table(title: str, lines: Sequence[tuple[str, str]]) -> Table:
    """The table at the end of a job or a run; what failed or was rejected stands out."""
    table = Table(title=title, title_justify="left", show_header=False, box=None, padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(overflow="fold")  # a path stays whole
    colours = {"failed": "bold red", "rejected": "bold yellow"}
    for label, value in lines:
        style = colours.get(label, "") if value != "0" else ""
        table.add_row(label, value, style=style or None)
    return table


def table_text(table: Table) -> str:
    """The table as plain text, without colours."""
    out = Console(file=StringIO(), width=LOG_WIDTH, force_terminal=False, no_color=True)
    out.print(table)
    assert isinstance(out.file, StringIO)
    return "\n".join(line.rstrip() for line in out.file.getvalue().splitlines())


def run_lines(store_root: Path, labels: Sequence[str]) -> list[tuple[str, str]]:
    """What the closing table of a run says; the report only where it is of all these shards."""
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
    """What became of the volumes of a run, and how many shards have a summary.

    The joined summary knows of decisions too; it counts where it is newer than all shards.
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
    """The totals of a summary; empty where it is damaged, which the next step says better."""
    try:
        totals = json.loads(path.read_text(encoding="utf-8"))["totals"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return totals if isinstance(totals, dict) else {}


def columns() -> tuple[Any, ...]:
    """Columns of a line of progress: label, bar, count, time."""
    return (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
        TimeElapsedColumn(), TextColumn("[dim]left"), TimeRemainingColumn(),
    )  # fmt: skip


@contextmanager
def drawn_bar(
    label: str, total: int, handlers: Sequence[logging.Handler]
) -> Iterator[tuple[Progress, TaskID]]:
    """A bar on stderr; the handlers print only warnings meanwhile, above it."""
    console = terminal_console()
    streams = [one for one in handlers if isinstance(one, logging.StreamHandler)]
    before = [(one, one.stream, one.level) for one in streams]
    above = FileProxy(console, sys.stderr)
    with Progress(*columns(), console=console, transient=True) as bar:
        for one in streams:
            one.setStream(above)
            one.setLevel(logging.WARNING)
        try:
            yield bar, bar.add_task(label, total=total)
        finally:
            above.flush()
            for one, stream, level in before:
                one.setStream(stream)
                one.setLevel(level)
