"""What a person sees of a run: bars while it goes on, and how it ended."""

import atexit
import logging
import sys
from typing import TYPE_CHECKING

from snakemake_interface_logger_plugins.common import LogEvent

from .run_files import RunFiles

if TYPE_CHECKING:
    from typing import TextIO

    from .bars import WorkflowBars


class RunDisplay:
    """Shows a run on a terminal, or in the log where there is none.

    Parameters
    ----------
    logger
        The logger of Snakemake.
    files
        The files of the run.
    """

    def __init__(self, logger: logging.Logger, files: RunFiles) -> None:
        self._logger = logger
        self._files = files
        self._bars: WorkflowBars | None = None

    def mention_manifest(self) -> None:
        """Log when the manifest was made: only a scan shows whether the folders have grown."""
        made = self._files.manifest_time()
        if made is not None:
            self._logger.info(
                f"The manifest was made on {made:%Y-%m-%d at %H:%M}. To find files that were added "
                "to the datasets since then, add `-R manifest` to the command."
            )

    def start(self) -> None:
        """Draw bars if Snakemake itself shows jobs and progress on a terminal."""
        printing = terminal_handler(self._logger)
        if printing is None:
            return
        from .bars import WorkflowBars  # only a terminal pays for rich

        self._bars = WorkflowBars()
        self._bars.start(self._logger, printing)
        atexit.register(self._bars.stop, self._logger)

    def finish(self, title: str) -> None:
        """Take the bars away and show the closing table, in the log where there is no terminal."""
        from ..run.terminal import closing_table, run_lines, table_text, terminal_console

        if self._bars is not None:
            self._bars.stop(self._logger)
        table = closing_table(title, run_lines(self._files.store_root, self._files.labels))
        if terminal_handler(self._logger) is not None:
            terminal_console().print(table)
        else:
            self._logger.info(table_text(table))


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
