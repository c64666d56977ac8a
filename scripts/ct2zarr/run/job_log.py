"""The log of a job: a line per event for people, and how far the job is.

Lines carry hashes, counts and rates, never a value from a patient's header and never a path of a
source file, whose folders are often named after patients.

How far a job is shows in one of three ways. On a terminal it is a bar, above which only warnings
are printed. A job with a log file, as those of a workflow, keeps a small file beside the log, from
which the workflow draws a bar. And every log that is a file gets a line per minute.
"""

import json
import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from copy import copy
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..visible_text import visible, visible_lines
from .counts import Counts
from .paths import PROGRESS_SUFFIX, TEMPORARY_PREFIX
from .units import BYTES_PER_MB

if TYPE_CHECKING:
    from rich.progress import Progress as Bar
    from rich.progress import TaskID

LOGGER = logging.getLogger("ct2zarr")

LINE_EVERY_SECONDS = 60.0
"""A log file gets a line on the progress this often."""

FILE_EVERY_SECONDS = 1.0
"""The file from which a workflow draws a bar is written this often."""


@dataclass(frozen=True, slots=True)
class State:
    """How far a job is: ``done`` of ``total``, ``bytes`` of source so far."""

    label: str
    done: int
    total: int
    bytes: int


@dataclass(frozen=True, slots=True)
class JobLog:
    """Where a job reports.

    Attributes
    ----------
    file
        Its log; None where it has none.
    terminal
        A person is watching: there is no log file, and stderr is a terminal.
    """

    file: Path | None = None
    terminal: bool = False


_NONE = JobLog()
_CURRENT: ContextVar[JobLog] = ContextVar("job_log", default=_NONE)
"""The log of the job that runs in this context. Without one, as where a program uses the package,
nothing is drawn, and lines go where that program sends them."""


@contextmanager
def job_log(log_file: Path | None = None) -> Iterator[JobLog]:
    """Send the log of the package to a file, or to stderr, for the time of a job."""
    handler: logging.Handler
    if log_file is None:
        handler = logging.StreamHandler(sys.stderr)
    else:
        log_file.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(log_file, encoding="utf-8", errors="backslashreplace")
    handler.setFormatter(_VisibleLines("%(asctime)s %(levelname)s %(message)s"))
    before = LOGGER.handlers[:], LOGGER.level, LOGGER.propagate
    current = JobLog(log_file, terminal=log_file is None and sys.stderr.isatty())
    token = _CURRENT.set(current)
    LOGGER.handlers[:] = [handler]
    LOGGER.setLevel(logging.INFO)
    LOGGER.propagate = False
    try:
        yield current
    finally:
        _CURRENT.reset(token)
        LOGGER.handlers[:], level, LOGGER.propagate = before
        LOGGER.setLevel(level)
        handler.close()


class _VisibleLines(logging.Formatter):
    """Lines without hidden characters; only the line breaks of a message and a traceback stay."""

    def format(self, record: logging.LogRecord) -> str:
        """The text of a record; a path is one line, whatever its name."""
        args = record.args
        if isinstance(args, tuple):
            record = copy(record)
            record.args = tuple(visible(str(one)) if isinstance(one, Path) else one for one in args)
        return visible_lines(super().format(record))


def state_file(log_file: Path) -> Path:
    """Where a job with this log says how far it is."""
    return log_file.with_suffix(PROGRESS_SUFFIX)


def read_state(path: Path) -> State | None:
    """The state that a job wrote last; None if there is none or it cannot be parsed."""
    try:
        return State(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


class Progress:
    """Counts what is done out of ``total``, and says so in its bar, its file or its log."""

    def __init__(
        self, label: str, total: int, bar: "tuple[Bar, TaskID] | None", file: Path | None = None
    ) -> None:
        self._state = State(label, 0, total, 0)
        self._bar = bar
        self._file = file
        self._started = self._last_line = time.monotonic()
        self._last_file = -FILE_EVERY_SECONDS
        self._show()

    def advance(self, size: int = 0) -> None:
        """One more is done, of ``size`` bytes."""
        old = self._state
        self._state = State(old.label, old.done + 1, old.total, old.bytes + size)
        self._show()

    def summary(self) -> str:
        """Counts and rates so far, in one line."""
        now = self._state
        seconds = max(time.monotonic() - self._started, 1e-3)
        speed = now.bytes / BYTES_PER_MB / seconds
        rate = f", {speed:.1f} MB/s of source" if now.bytes else ""
        return (
            f"{now.label}: {now.done} of {now.total} in {seconds:.1f} s, "
            f"{now.done / seconds * 60:.1f} per minute{rate}"
        )

    def _show(self) -> None:
        now = time.monotonic()
        if self._bar is not None:
            bar, task = self._bar
            bar.update(task, completed=self._state.done)
            return
        if self._file is not None and now - self._last_file >= FILE_EVERY_SECONDS:
            self._last_file = now
            _write_state(self._file, self._state)
        if now - self._last_line >= LINE_EVERY_SECONDS:
            self._last_line = now
            LOGGER.info("%s", self.summary())


@contextmanager
def progress(label: str, total: int) -> Iterator[Progress]:
    """A Progress for this job: a bar where a person is watching, else a file and lines."""
    current = _CURRENT.get()
    if current.file is not None:
        file = state_file(current.file)
        try:
            yield Progress(label, total, None, file)
        finally:
            with suppress(OSError):
                file.unlink(missing_ok=True)
        return
    if total == 0 or not current.terminal:
        yield Progress(label, total, None)
        return
    from .terminal import drawn_bar  # only a terminal pays for it

    with drawn_bar(label, total, LOGGER.handlers) as bar:
        yield Progress(label, total, bar)


def log_outcome(title: str, counts: Counts) -> None:
    """How the job ended: a table if a person is watching, else a line in the log."""
    if not _CURRENT.get().terminal:
        LOGGER.info("%s: %s", title, counts.sentence())
        return
    from .terminal import closing_table, terminal_console

    terminal_console().print(closing_table(title, counts.lines()))


def _write_state(path: Path, state: State) -> None:
    """Replace the file at once. A bar that cannot be drawn is no reason to stop."""
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{path.name}-{os.getpid()}")
    with suppress(OSError):
        temporary.write_text(json.dumps(asdict(state)), encoding="utf-8")
        temporary.replace(path)
