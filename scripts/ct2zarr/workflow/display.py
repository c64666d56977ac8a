"""Bars of a whole run on a terminal: one for all jobs, one for each job that is running.

The display is a handler of the workflow's log: its records say which jobs start and end, and the
files that jobs keep beside their logs say how far each is. What the workflow prints goes above the
bars. Without a terminal there is no display, and the log is as it was.
"""

import logging
import threading
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.file_proxy import FileProxy
from rich.progress import Progress, TaskID

from ..run.job_log import State, read_state, state_file
from ..run.terminal import columns, terminal_console

REFRESH_SECONDS = 0.25
MOST_BARS = 12
"""Jobs with a bar of their own; a cluster runs hundreds, and a terminal has some 40 lines."""


@dataclass(slots=True)
class _Job:
    label: str
    file: Path | None
    bar: TaskID | None = None


class WorkflowDisplay(logging.Handler):
    """Draws from ``start`` to ``stop``; takes the log records of the workflow in between."""

    def __init__(self, console: Console | None = None) -> None:
        super().__init__()
        self._console = console or terminal_console()
        self._progress = Progress(*columns(), console=self._console, transient=True)
        self._whole = self._progress.add_task("workflow", total=None)
        self._running: dict[int, _Job] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._redirected: list[tuple[logging.StreamHandler, object]] = []  # type: ignore[type-arg]

    def start(self, logger: logging.Logger) -> None:
        """Draw, and let what the logger prints on the terminal go above the bars."""
        for one in logger.handlers:
            if type(one) is not logging.FileHandler and isinstance(one, logging.StreamHandler):
                self._redirected.append((one, one.stream))
                one.setStream(FileProxy(self._console, one.stream))
        logger.addHandler(self)
        self._progress.start()
        self._thread.start()

    def stop(self, logger: logging.Logger) -> None:
        """Take the bars away; may be called twice."""
        if self._ended.is_set():
            return
        self._ended.set()
        self._thread.join()
        logger.removeHandler(self)
        for handler, stream in self._redirected:
            handler.flush()
            handler.setStream(stream)
        self._progress.stop()

    def emit(self, record: logging.LogRecord) -> None:
        """Follow the events of jobs; any other record is of no interest here."""
        event = str(getattr(record, "event", ""))
        if event == "job_info":  # comes after job_started, and before the job does anything
            self._running[record.jobid] = _describe(record)  # type: ignore[attr-defined]
        elif event in ("job_finished", "job_error"):
            name = "job_id" if event == "job_finished" else "jobid"
            job = self._running.pop(getattr(record, name), None)
            if job is not None and job.bar is not None:
                self._progress.remove_task(job.bar)
        elif event == "progress":
            done, total = record.done, record.total  # type: ignore[attr-defined]
            self._progress.update(self._whole, completed=done, total=total)

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
    values = ", ".join(map(str, getattr(record, "wildcards", {}).values()))
    logs = list(getattr(record, "log", []) or [])
    label = f"{getattr(record, 'rule_name', 'job')} {values}".strip()
    return _Job(label, state_file(Path(logs[0])) if logs else None)
