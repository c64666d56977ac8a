"""Bars of a run follow Snakemake's log, and nothing is drawn where nobody looks on."""

import atexit
import json
import logging
import sys
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from snakemake.logging import DefaultFilter
from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.common import LogEvent

from ct2zarr.run.job_log import State, read_state, state_file
from ct2zarr.workflow.bars import MOST_BARS, WorkflowBars
from ct2zarr.workflow.command_line import CommandLine
from ct2zarr.workflow.display import RunDisplay, terminal_handler
from ct2zarr.workflow.run_files import RunFiles

COMMAND = CommandLine(("snakemake", "--cores", "2"))


class Terminal(StringIO):
    """Text that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal():
    """A terminal; ``watched`` puts it in the place of stderr."""
    return Terminal()


@pytest.fixture
def logger():
    """The logger of a workflow."""
    made = logging.getLogger("a workflow")
    made.propagate = False
    made.setLevel(logging.INFO)
    yield made
    made.handlers.clear()


def watched(monkeypatch, logger: logging.Logger, stderr: StringIO) -> logging.StreamHandler:
    """Let the logger print on ``stderr``. A fixture cannot do it: pytest sets stderr after them."""
    monkeypatch.setattr(sys, "stderr", stderr)
    printing = logging.StreamHandler(stderr)
    logger.handlers[:] = [printing]
    return printing


@pytest.fixture
def bars(terminal):
    """Bars on that terminal."""
    return WorkflowBars(Console(file=terminal, force_terminal=True, width=100, height=40))


def log(logger: logging.Logger, event: LogEvent, text: str = "", **values: object) -> None:
    logger.info(text, extra={"event": event, **values})


def start_job(logger: logging.Logger, number: int, path: Path) -> None:
    wildcards = {"shard": f"{number:02}"}
    log(
        logger, LogEvent.JOB_INFO, "a job", jobid=number, rule_name="convert_shard",
        wildcards=wildcards, log=[str(path)],
    )  # fmt: skip


def write_state(path: Path, number: int, done: int, total: int) -> None:
    state = {"label": f"shard {number:02}", "done": done, "total": total, "bytes": 0}
    state_file(path).write_text(json.dumps(state))


def drawn(bars: WorkflowBars) -> dict[str, tuple[float, float | None]]:
    return {str(one.description): (one.completed, one.total) for one in bars._progress.tasks}


def test_run_has_a_bar_and_each_running_job_has_one(bars, logger, terminal, monkeypatch, tmp_path):
    bars.start(logger, watched(monkeypatch, logger, terminal))
    logs = {number: tmp_path / f"convert_shard_{number:02}.log" for number in (1, 2)}
    for number, path in logs.items():
        start_job(logger, number, path)
        write_state(path, number, 3 * number, 10)
    log(logger, LogEvent.PROGRESS, done=1, total=4)
    bars.refresh()
    assert drawn(bars) == {"workflow": (1, 4), "shard 01": (3, 10), "shard 02": (6, 10)}
    log(logger, LogEvent.JOB_FINISHED, "Finished", job_id=1)
    bars.refresh()
    assert set(drawn(bars)) == {"workflow", "shard 02"}
    log(logger, LogEvent.JOB_ERROR, "Error", jobid=2)
    bars.refresh()
    assert set(drawn(bars)) == {"workflow"}
    bars.stop(logger)


def test_a_job_that_ends_while_its_file_is_read_gets_no_bar(bars, logger, monkeypatch, tmp_path):
    logger.addHandler(bars)
    path = tmp_path / "1.log"
    write_state(path, 1, 1, 2)
    start_job(logger, 1, path)

    def read_and_end(file: Path) -> State | None:
        log(logger, LogEvent.JOB_FINISHED, job_id=1)
        return read_state(file)

    monkeypatch.setattr("ct2zarr.workflow.bars.read_state", read_and_end)
    bars.refresh()
    assert set(drawn(bars)) == {"workflow"}


def test_a_job_without_a_log_or_before_its_first_state_has_no_bar(bars, logger, tmp_path):
    logger.addHandler(bars)
    start_job(logger, 1, tmp_path / "1.log")
    log(logger, LogEvent.JOB_INFO, jobid=2, rule_name="aggregate", wildcards=None, log=[])
    bars.refresh()
    assert set(drawn(bars)) == {"workflow"}


def test_what_is_logged_appears_above_the_bars_and_everything_is_put_back(
    bars, logger, terminal, monkeypatch
):
    printing = watched(monkeypatch, logger, terminal)
    bars.start(logger, printing)
    assert printing.stream is sys.stderr is not terminal
    logger.info("Execute 1 jobs...")
    assert "Execute 1 jobs...\n" in terminal.getvalue()
    bars.stop(logger)
    assert terminal.getvalue().endswith("\x1b[2K"), "the bars are gone"
    assert logger.handlers == [printing]
    assert printing.stream is sys.stderr is terminal
    assert "\x1b[?25h" in terminal.getvalue(), "the cursor is back"
    written = terminal.getvalue()
    bars.stop(logger)
    assert terminal.getvalue() == written, "a second time does nothing"


def test_hundreds_of_jobs_leave_room_on_the_terminal(bars, logger, tmp_path):
    logger.addHandler(bars)
    for number in range(300):
        path = tmp_path / f"{number}.log"
        write_state(path, number, 1, 2)
        start_job(logger, number, path)
    bars.refresh()
    assert len(drawn(bars)) == 1 + MOST_BARS
    for number in range(MOST_BARS):
        log(logger, LogEvent.JOB_FINISHED, job_id=number)
    assert len(drawn(bars)) == 1
    bars.refresh()
    assert len(drawn(bars)) == 1 + MOST_BARS


def test_records_without_the_published_fields_do_no_harm(bars, logger):
    logger.addHandler(bars)
    for event in LogEvent:
        log(logger, event)
    log(logger, LogEvent.JOB_FINISHED, job_id=7)
    logger.info("no event")
    bars.refresh()
    assert drawn(bars) == {"workflow": (0, None)}


def quiet(*about: Quietness, dryrun: bool = False) -> DefaultFilter:
    return DefaultFilter(set(about), False, False, dryrun, False)


def test_terminal_is_found_unless_snakemake_is_quiet_about_jobs_or_progress(
    logger, terminal, monkeypatch
):
    printing = watched(monkeypatch, logger, terminal)
    assert terminal_handler(logger) is printing
    printing.addFilter(quiet())
    assert terminal_handler(logger) is printing
    for about in (Quietness.ALL, Quietness.RULES, Quietness.PROGRESS):
        printing.filters[:] = [quiet(about)]
        assert terminal_handler(logger) is None, about


def test_log_file_or_a_plugin_is_no_terminal(logger, terminal, tmp_path, monkeypatch):
    watched(monkeypatch, logger, terminal)
    logger.handlers[:] = [logging.FileHandler(tmp_path / "log"), logging.NullHandler()]
    assert terminal_handler(logger) is None
    logger.handlers[0].close()
    watched(monkeypatch, logger, StringIO())
    assert terminal_handler(logger) is None


@pytest.fixture
def files(tmp_path):
    """A run of one shard that has ended."""
    config = {
        "manifest_dir": str(tmp_path / "manifests"), "out_root": str(tmp_path),
        "store_type": "zip", "num_shards": 1, "scan_jobs": 1, "chunks": [8, 8, 8],
        "verify_slices": 3,
    }  # fmt: skip
    files = RunFiles.of_config(config)
    files.store_root.mkdir()
    files.summary("00").totals.write_text(json.dumps({"totals": {"volumes": 3, "ok": 3}}))
    return files


def test_closing_table_is_on_the_terminal_or_in_the_log(files, logger, terminal, monkeypatch):
    watched(monkeypatch, logger, terminal)
    display = RunDisplay(logger, files, COMMAND)
    display.start()
    assert len(logger.handlers) == 2
    display.finish(succeeded=True)
    assert len(logger.handlers) == 1
    assert "The run is complete" in terminal.getvalue()
    assert "3 volumes: 3 converted; shards: 1 of 1" in terminal.getvalue()

    plain = StringIO()
    watched(monkeypatch, logger, plain)
    display = RunDisplay(logger, files, COMMAND)
    display.start()
    assert len(logger.handlers) == 1
    display.finish(succeeded=False)
    assert plain.getvalue().startswith("The run has not finished\n")
    assert "\x1b" not in plain.getvalue()


def test_bars_are_taken_away_at_the_end_of_the_process_at_the_latest(
    files, logger, terminal, monkeypatch
):
    at_end = []
    monkeypatch.setattr(atexit, "register", lambda *call: at_end.append(call))
    printing = watched(monkeypatch, logger, terminal)
    RunDisplay(logger, files, COMMAND).start()
    assert len(logger.handlers) == 2
    for function, *arguments in at_end:
        function(*arguments)
    assert logger.handlers == [printing]


def test_time_of_the_manifest_is_mentioned_if_there_is_one(files, logger, terminal, monkeypatch):
    watched(monkeypatch, logger, terminal)
    display = RunDisplay(logger, files, COMMAND)
    display.mention_manifest()
    assert terminal.getvalue() == ""
    files.manifest_dir.mkdir()
    files.index.touch()
    display.mention_manifest()
    assert f"was made on {files.manifest_time():%Y-%m-%d at %H:%M}" in terminal.getvalue()
    assert "add `-R manifest`" in terminal.getvalue()
