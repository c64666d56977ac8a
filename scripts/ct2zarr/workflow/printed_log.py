"""Which records of Snakemake's log are printed, and what a person reads in place of the others.

Snakemake prints ten lines for each job. Here a job is one line, when it has ended. The log file
below ``.snakemake/log`` keeps everything; ``--verbose`` and ``--printshellcmds`` print everything.
"""

import logging

from snakemake_interface_logger_plugins.common import LogEvent

OURS = "ct2zarr"
"""Attribute of the records that ct2zarr logs itself."""

_OF_JOBS = frozenset(
    {
        LogEvent.JOB_INFO,
        LogEvent.JOB_STARTED,
        LogEvent.JOB_FINISHED,
        LogEvent.JOB_ERROR,
        LogEvent.PROGRESS,
        LogEvent.RESOURCES_INFO,
        LogEvent.WORKFLOW_STARTED,
    }
)
_BEFORE_A_RUN = frozenset({LogEvent.RESOURCES_INFO, LogEvent.WORKFLOW_STARTED})
"""A dry run, which never starts, is asked for its jobs unless it is ``--quiet``."""

_ENDING = "Terminating processes on user request"

_UNNEEDED = (
    "Assuming unrestricted shared filesystem usage.",
    "Conda environments: ignored",
    "DAG of jobs will be updated after completion.",
    "Exiting because a job execution failed.",
    "Select jobs to execute...",
    "Some jobs were triggered by provenance information",
    "Shutting down, this might take some time.",
    _ENDING,
    "The run involves checkpoint jobs",
    "Updating checkpoint dependencies.",
    "Using shell:",
)
"""Starts of messages that tell a person nothing to act on."""

_UNNEEDED_LINE = "    (check individual jobs above for details)\n"
_AT_THE_END = "At least one job did not complete successfully."


class PrintedLog(logging.Filter):
    """Passes what a person needs.

    Attributes
    ----------
    running
        Jobs are run: a line of ct2zarr stands for what Snakemake prints of each.
    interrupted
        The run was stopped by Ctrl-C: only what ct2zarr says itself is still printed.
    ending
        Snakemake has begun to end the run because of that.
    closed
        The closing table is printed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.running = False
        self.interrupted = False
        self.ending = False
        self.closed = False
        self._jobs_counted = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is printed."""
        if getattr(record, OURS, False):
            return True
        if str(record.msg).startswith(_ENDING):
            self.ending = True
        if self.interrupted:
            return False
        event = getattr(record, "event", None)
        if event in (_OF_JOBS if self.running else _BEFORE_A_RUN):
            return False
        if event == LogEvent.RUN_INFO:
            first = not self._jobs_counted
            self._jobs_counted = True
            return first
        message = str(record.msg)
        if event == LogEvent.ERROR:
            return not self._repeats(getattr(record, "exception", ""), message)
        if _UNNEEDED_LINE in message:
            record.msg = message.replace(_UNNEEDED_LINE, "")
        return not message.startswith(_UNNEEDED)

    def _repeats(self, exception: str, message: str) -> bool:
        """Whether an error says again what a line on a stopped job or the closing table says."""
        if exception == "RuleException":
            return "CalledProcessError" in message
        return self.closed and exception == "WorkflowError" and _AT_THE_END in message
