"""What a person sees of a run: bars while it goes on, and how it ended."""

import atexit
import logging
import sys
import time
from typing import TYPE_CHECKING

from snakemake_interface_logger_plugins.common import LogEvent

from .closing import closing_lines, job_sentence, step_of, title
from .command_line import CommandLine
from .interruption import catch_interrupts, stop_before_start
from .printed_log import OURS, PrintedLog
from .run_events import Job, RunEvents
from .run_files import RunFiles

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from ..convert.unplanned import Unplanned
    from .bars import WorkflowBars

NOTHING_TO_DO = "Nothing to be done"
"""Start of what Snakemake says instead of starting a run."""

LONG_RULES = {
    "manifest": "Reading headers",
    "convert_shard": "Converting",
    "audit_shard": "Reading volumes back",
}
"""Rule → what its jobs do, for those that may take hours."""


class RunDisplay:
    """Shows a run on a terminal, or in the log where there is none.

    Parameters
    ----------
    logger
        The logger of Snakemake.
    files
        The files of the run.
    command
        What the person typed.
    """

    def __init__(self, logger: logging.Logger, files: RunFiles, command: CommandLine) -> None:
        self._logger = logger
        self._files = files
        self._command = command
        self._bars: WorkflowBars | None = None
        self._events = RunEvents()
        self._brief: PrintedLog | None = None
        self._terminal = terminal_handler(logger)
        self._sentence: str | None = None
        self._begun: set[str] = set()
        self._begin: Callable[[], None] = lambda: None

    def mention_manifest(self) -> None:
        """Log when the manifest was made: only a scan shows whether the folders have grown."""
        made = self._files.manifest_time()
        if made is not None:
            self._say(
                f"The manifest was made on {made:%Y-%m-%d at %H:%M}. To find files that were added "
                "to the datasets since then, add `-R manifest` to the command."
            )

    def list_unplanned(self, found: "Unplanned") -> None:
        """Say what ``tidy`` would remove."""
        for path in found.foreign:
            self._say(f"would keep {path}: it holds something that is not part of a store")
        for path in found.paths:
            self._say(f"would remove {path}")
        self._say(f"tidy would remove {found}; without -n it removes them")

    def watch(self) -> None:
        """Follow the jobs from here on, and print what a person needs.

        With ``--verbose`` or ``--printshellcmds``, whose output is for the search for errors,
        Snakemake prints everything.
        """
        printing = printing_handler(self._logger)
        if printing is not None and not self._prints_everything(printing):
            self._brief = PrintedLog()
            printing.addFilter(self._brief)
        self._logger.addHandler(_Follower(self))
        self._begin = stop_before_start()

    def _prints_everything(self, printing: logging.Handler) -> bool:
        verbose = self._logger.isEnabledFor(logging.DEBUG)
        return verbose or bool(printing.filter(_record(LogEvent.SHELLCMD)))

    def follow(self, record: logging.LogRecord) -> None:
        """Take a record of the workflow; say in a line what a job did that has ended."""
        job = self._events.take(record)
        event = getattr(record, "event", None)
        if str(record.msg).startswith(NOTHING_TO_DO):
            self.finish(succeeded=True)
        elif self._brief is None or not self._brief.running or self._brief.interrupted:
            return
        elif event == LogEvent.JOB_FINISHED and job is not None:
            self._sentence = job_sentence(job, self._files)
        elif event == LogEvent.JOB_ERROR and job is not None:
            log = f"; its log: {job.log}" if job.log else ""
            # Executors say here how a job ended, such as a cluster's TIMEOUT.
            why = f"; {said}" if (said := getattr(record, "rule_msg", None)) else ""
            self._say(f"{step_of(job)}: stopped{why}{log}", logging.ERROR)
        elif event == LogEvent.PROGRESS and self._sentence:
            done, total = getattr(record, "done", 0), getattr(record, "total", 0)
            self._say(f"[{time.strftime('%H:%M:%S')}] {self._sentence} ({done} of {total} steps)")
            self._sentence = None
        elif event == LogEvent.JOB_INFO and job is not None and (line := self._start_of(job)):
            self._say(line)

    def _start_of(self, job: Job) -> str | None:
        """What is said of the first job of a rule that works for long: where its progress is."""
        if job.rule not in LONG_RULES or job.rule in self._begun or job.log is None:
            return None
        self._begun.add(job.rule)
        log = job.log.with_name(job.log.name.replace(job.label, "XX")) if job.label else job.log
        return f"{LONG_RULES[job.rule]}; progress: {log}"

    def start(self) -> None:
        """Draw bars if Snakemake itself shows jobs and progress on a terminal."""
        self._begin()
        if self._brief is not None:
            self._brief.running = True
            catch_interrupts(self._interrupt, self._is_ending)
        if self._terminal is None:
            return
        from .bars import WorkflowBars  # only a terminal pays for rich

        self._bars = WorkflowBars()
        self._bars.start(self._logger, self._terminal)
        atexit.register(self._bars.stop, self._logger)

    def _interrupt(self) -> None:
        if self._brief is not None:
            self._brief.interrupted = True

    def _is_ending(self) -> bool:
        return self._brief is None or self._brief.ending

    def finish(self, succeeded: bool) -> None:
        """Take the bars away and say what this command did, in the log without a terminal."""
        if self._bars is not None:
            self._bars.stop(self._logger)
        if self._brief is not None:
            self._brief.closed = True
            if self._brief.interrupted:
                self._say(
                    "Stopped by Ctrl-C: finished volumes are kept, and the same command continues "
                    "the run."
                )
                return
        from ..run.terminal import closing_table, table_text, terminal_console

        table = closing_table(
            title(self._files, self._events, succeeded),
            closing_lines(self._files, self._events, self._command),
        )
        if self._terminal is not None:
            terminal_console().print(table)
        else:
            self._say(table_text(table))

    def _say(self, text: str, level: int = logging.INFO) -> None:
        self._logger.log(level, text, extra={OURS: True})


class _Follower(logging.Handler):
    """Passes the records of the workflow to its display, but for those that the display logs."""

    def __init__(self, display: RunDisplay) -> None:
        super().__init__()
        self._display = display

    def emit(self, record: logging.LogRecord) -> None:
        """Pass a record."""
        if not getattr(record, OURS, False):
            self._display.follow(record)


def printing_handler(logger: logging.Logger) -> "logging.StreamHandler[TextIO] | None":
    """The handler of Snakemake that prints, to a terminal or anything else; None without one."""
    for handler in logger.handlers:
        if isinstance(handler, logging.StreamHandler) and handler.stream in (
            sys.stderr,
            sys.stdout,
        ):
            return handler
    return None


def terminal_handler(logger: logging.Logger) -> "logging.StreamHandler[TextIO] | None":
    """The handler that prints jobs and progress on a terminal; None where nothing does.

    With ``--quiet`` the handler's filter drops them. With a logger plugin that writes to the
    terminal, Snakemake has no handler of its own for it.
    """
    if not sys.stderr.isatty():
        return None
    for handler in logger.handlers:
        if (
            isinstance(handler, logging.StreamHandler)
            and handler.stream is sys.stderr
            and all(
                handler.filter(_record(event)) for event in (LogEvent.JOB_INFO, LogEvent.PROGRESS)
            )
        ):
            return handler
    return None


def _record(event: LogEvent) -> logging.LogRecord:
    record = logging.LogRecord("snakemake", logging.INFO, "", 0, "", (), None)
    record.event = event
    return record
