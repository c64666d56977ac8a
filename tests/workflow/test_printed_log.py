"""Of Snakemake's log, a person gets what they need: nothing for each job, and every real error."""

import logging

import pytest
from snakemake_interface_logger_plugins.common import LogEvent

from ct2zarr.workflow.printed_log import OURS, PrintedLog


def record(message: str | None = "", event: LogEvent | None = None, **more: object):
    made = logging.LogRecord("snakemake", logging.INFO, "", 0, message, (), None)
    made.__dict__.update(event=event, **more)
    return made


@pytest.fixture
def running() -> PrintedLog:
    printed = PrintedLog()
    printed.running = True
    return printed


@pytest.mark.parametrize(
    "event",
    [
        LogEvent.JOB_INFO, LogEvent.JOB_STARTED, LogEvent.JOB_FINISHED, LogEvent.JOB_ERROR,
        LogEvent.PROGRESS,
    ],
)  # fmt: skip
def test_events_of_jobs_are_printed_in_a_dry_run_only(running, event):
    assert not running.filter(record(None, event))
    assert PrintedLog().filter(record("", event))


def test_jobs_are_counted_once(running):
    assert running.filter(record("Job stats:", LogEvent.RUN_INFO))
    assert not running.filter(record("Job stats:", LogEvent.RUN_INFO))


@pytest.mark.parametrize("message", ["Select jobs to execute...", "Using shell: /bin/bash"])
def test_messages_without_use_are_left_out(running, message):
    assert not running.filter(record(message))


@pytest.mark.parametrize("message", ["Nothing to be done", "a warning", "The code has changed"])
def test_any_other_message_is_printed(running, message):
    assert running.filter(record(message))


def test_reasons_do_not_point_to_what_is_not_shown(running):
    reasons = record("Reasons:\n    (check individual jobs above for details)\n    input: all")
    assert running.filter(reasons)
    assert reasons.msg == "Reasons:\n    input: all"


def test_an_error_that_no_line_of_ours_says_is_printed(running):
    def error(exception: str, message: str) -> bool:
        return running.filter(record(message, LogEvent.ERROR, exception=exception))

    assert not error("RuleException", "CalledProcessError in file x: exit status 3")
    assert error("RuleException", "output files are missing")
    assert error("LockException", "Directory cannot be locked")
    at_the_end = "WorkflowError:\nAt least one job did not complete successfully."
    assert error("WorkflowError", at_the_end), "without a closing table it is all that is said"
    running.closed = True
    assert not error("WorkflowError", at_the_end)
    assert error("WorkflowError", "Failed to load a profile")


def test_after_an_interruption_only_our_sentence_is_printed(running):
    running.interrupted = True
    assert not running.filter(record("Terminating processes"))
    assert not running.filter(record("no exit", LogEvent.ERROR, exception="LockException"))
    assert running.filter(record("Stopped", **{OURS: True}))
