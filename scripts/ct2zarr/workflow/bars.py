"""Bars of a whole run on a terminal: one for all jobs, and one for each job that is running.

The bars are drawn by a handler of Snakemake's log. Its records say which jobs start and end, in the
fields that ``snakemake-interface-logger-plugins`` publishes; the files that jobs keep beside their
logs say how far each job is. What Snakemake prints meanwhile appears above the bars.
"""

import logging
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress, TaskID
from snakemake_interface_logger_plugins.common import LogEvent

from ..run.job_log import State, read_state, state_file
from ..run.terminal import columns, terminal_console
from .run_events import job_of

if TYPE_CHECKING:
    from typing import TextIO

REFRESH_SECONDS = 0.25
MOST_BARS = 12
"""Jobs with a bar of their own; a cluster runs hundreds, and a terminal has some 40 lines."""


@dataclass(slots=True)
class _Job:
    label: str
    file: Path | None
    bar: TaskID | None = None


class WorkflowBars(logging.Handler):
    """Draws from ``start`` to ``stop``, and takes the log records of the workflow in between."""

    def __init__(self, console: Console | None = None) -> None:
        super().__init__()
        self._progress = Progress(
            *columns(),
            console=console or terminal_console(),
            transient=True,
            redirect_stdout=False,
        )
        self._whole = self._progress.add_task("workflow", total=None)
        self._running: dict[int, _Job] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._moved: list[tuple[logging.StreamHandler[TextIO], TextIO]] = []

    def start(self, logger: logging.Logger, printing: "logging.StreamHandler[TextIO]") -> None:
        """Draw, and let what ``printing`` writes to stderr appear above the bars."""
        self._progress.start()  # from here on, sys.stderr writes above the bars
        before = printing.setStream(sys.stderr)
        if before is not None:
            self._moved.append((printing, before))
        logger.addHandler(self)
        self._thread.start()

    def stop(self, logger: logging.Logger) -> None:
        """Take the bars away; may be called twice."""
        if self._ended.is_set():
            return
        self._ended.set()
        self._thread.join()
        logger.removeHandler(self)
        for handler, stream in self._moved:
            handler.flush()
            handler.setStream(stream)
        self._progress.stop()

    def emit(self, record: logging.LogRecord) -> None:
        """Follow the events of jobs, and ignore any other record."""
        event = getattr(record, "event", None)
        if event == LogEvent.JOB_INFO:  # comes before the job does anything
            self._running[getattr(record, "jobid", -1)] = _describe(record)
        elif event == LogEvent.JOB_FINISHED:
            self._end(getattr(record, "job_id", -1))
        elif event == LogEvent.JOB_ERROR:
            self._end(getattr(record, "jobid", -1))
        elif event == LogEvent.PROGRESS:
            done, total = getattr(record, "done", 0), getattr(record, "total", None)
            self._progress.update(self._whole, completed=done, total=total)

    def _end(self, number: int) -> None:
        job = self._running.pop(number, None)
        if job is not None and job.bar is not None:
            self._progress.remove_task(job.bar)

    def _follow(self) -> None:
        while not self._ended.wait(REFRESH_SECONDS):
            self.refresh()

    def refresh(self) -> None:
        """Bring the bars of the running jobs to what their files say now."""
        for job in list(self._running.values()):
            state = read_state(job.file) if job.file else None
            if state is None:
                continue
            self.acquire()  # emit, which ends jobs, is called under the same lock
            try:
                self._draw(job, state)
            finally:
                self.release()

    def _draw(self, job: _Job, state: State) -> None:
        if not any(job is one for one in self._running.values()):
            return
        if job.bar is None and len(self._progress.tasks) <= MOST_BARS:
            job.bar = self._progress.add_task(job.label)
        if job.bar is not None:
            self._progress.update(
                job.bar, description=state.label, completed=state.done, total=state.total
            )


def _describe(record: logging.LogRecord) -> _Job:
    job = job_of(record)
    return _Job(f"{job.rule} {job.label}".strip(), state_file(job.log) if job.log else None)
