"""What a terminal shows: a bar while a job works, and a table when all is done.

Without a terminal the table is plain text, readable in a log file. Bars are drawn on stderr, and
log lines appear above them.
"""

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
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

COLOURS = {
    "failed": "bold red",
    "rejected": "bold yellow",
    "stopped": "bold red",
    "unread": "bold red",
    "damaged": "bold red",
}
"""Label of a line in a closing table → its colour where the value is not 0."""

LOG_WIDTH = 1000
"""Maximum width of a table in a log file, in columns: wide enough that no path is broken."""


def terminal_console() -> Console:
    """The console of stderr."""
    return Console(stderr=True)


def closing_table(title: str, lines: Sequence[tuple[str, str]]) -> Table:
    """The table at the end of a job or a run; what a person has to act on stands out."""
    table = Table(title=title, title_justify="left", show_header=False, box=None, padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(overflow="fold")  # a path stays whole
    for label, value in lines:
        style = COLOURS.get(label, "") if value != "0" else ""
        # Text, since rich takes brackets in a str, such as a path, for markup.
        table.add_row(label, Text(visible_lines(value)), style=style or None)
    return table


def table_text(table: Table) -> str:
    """The table as plain text, without colours."""
    out = Console(file=StringIO(), width=LOG_WIDTH, force_terminal=False, no_color=True)
    out.print(table)
    assert isinstance(out.file, StringIO)
    return "\n".join(line.rstrip() for line in out.file.getvalue().splitlines())


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
