"""The log of a job: a line an event for people, and a bar on a terminal.

Lines carry hashes, counts and rates, never a value from a patient's header and never a path of a
source file, whose folders are often named after patients.
"""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

LOGGER = logging.getLogger("ct2zarr")

LINE_EVERY_SECONDS = 60.0
"""A log file gets a line on the progress this often."""

BYTES_PER_MB = 1_000_000


def set_up(log_file: Path | None = None) -> None:
    """Send the package's log to ``log_file``, or to stderr when there is none."""
    handler: logging.Handler
    if log_file is None:
        handler = logging.StreamHandler(sys.stderr)
    else:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(log_file, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    for old in LOGGER.handlers[:]:
        LOGGER.removeHandler(old)
        old.close()
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False


class Progress:
    """Counts what is done out of ``total``; says so in a bar, or in a line a minute."""

    def __init__(self, label: str, total: int, bar: "tuple[Bar, TaskID] | None") -> None:
        self._label = label
        self._total = total
        self._bar = bar
        self._done = 0
        self._bytes = 0
        self._started = self._last_line = time.monotonic()

    def advance(self, size: int = 0) -> None:
        """One more is done, of ``size`` bytes."""
        self._done += 1
        self._bytes += size
        if self._bar is not None:
            bar, task = self._bar
            bar.advance(task)
            return
        if time.monotonic() - self._last_line >= LINE_EVERY_SECONDS:
            self._last_line = time.monotonic()
            LOGGER.info("%s", self.summary())

    def summary(self) -> str:
        """Counts and rates so far, in one line."""
        seconds = max(time.monotonic() - self._started, 1e-3)
        rate = f", {self._bytes / BYTES_PER_MB / seconds:.1f} MB/s of source" if self._bytes else ""
        return (
            f"{self._label}: {self._done} of {self._total} in {seconds:.1f} s, "
            f"{self._done / seconds * 60:.1f} a minute{rate}"
        )


@contextmanager
def progress(label: str, total: int) -> Iterator[Progress]:
    """A Progress that draws a bar while stderr is a terminal, and writes lines otherwise."""
    if total == 0 or not sys.stderr.isatty():
        yield Progress(label, total, None)
        return
    from rich.console import Console  # only a terminal pays for it
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        yield Progress(label, total, (bar, bar.add_task(label, total=total)))
