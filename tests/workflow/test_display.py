"""Bars of a run follow Snakemake's log, and nothing is drawn where nobody looks on."""

import atexit
import json
import logging
import signal
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from threading import Thread

import pytest
from rich.console import Console
from snakemake.logging import DefaultFilter
from snakemake.settings.enums import Quietness
from snakemake_interface_logger_plugins.common import LogEvent

from ct2zarr.run.job_log import State, read_state, state_file
from ct2zarr.run.sealed import write_table
from ct2zarr.workflow.bars import MOST_BARS, WorkflowBars
from ct2zarr.workflow.command_line import CommandLine
from ct2zarr.workflow.display import RunDisplay, printing_handler, terminal_handler
from ct2zarr.workflow.run_files import RunFiles

COMMAND = CommandLine(("snakemake", "--cores", "2"))


class Terminal(StringIO):
    """Text that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _interrupts_as_before():
    """A display that watches changes what Ctrl-C does."""
    before = signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGINT, before)


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
    printing, stdout = watched(monkeypatch, logger, terminal), sys.stdout
    bars.start(logger, printing)
    assert printing.stream is sys.stderr is not terminal
    assert sys.stdout is stdout, "what a run prints for a pipe stays there"
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
    write_table(files.summary("00"), "", {"totals": {"failed": 0, "volumes": 3, "ok": 3}})
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


# The log without bars ---------------------------------------------------------------------------


QUIET = quiet()
"""As Snakemake prints without any option."""


@pytest.fixture
def begun(files, logger, monkeypatch) -> Callable[..., tuple[RunDisplay, StringIO]]:
    """A display that watches a run, which has started, and what is printed.

    It does so in threads, where no signals are handled: they would be those of pytest.
    """

    def begin(start: bool = True, shown: DefaultFilter = QUIET) -> tuple[RunDisplay, StringIO]:
        printed = StringIO()
        watched(monkeypatch, logger, printed).addFilter(shown)
        display = RunDisplay(logger, files, COMMAND)
        for step in (display.watch, display.start)[: 1 + start]:
            thread = Thread(target=step)
            thread.start()
            thread.join()
        return display, printed

    return begin


def end_job(logger: logging.Logger, number: int, done: int) -> None:
    log(logger, LogEvent.JOB_FINISHED, "Finished jobid", job_id=number)
    log(logger, LogEvent.PROGRESS, "steps done", done=done, total=7)


def test_a_job_is_one_line_when_it_has_ended(begun, logger):
    _, printed = begun()
    log(logger, LogEvent.JOB_INFO, "rule report", jobid=1, rule_name="report", log=["r.log"])
    log(logger, LogEvent.JOB_INFO, "rule all", jobid=2, rule_name="all")
    assert printed.getvalue() == ""
    end_job(logger, 1, done=3)
    assert printed.getvalue().endswith("] report: finished (3 of 7 steps)\n")
    end_job(logger, 2, done=4)
    log(logger, LogEvent.PROGRESS, "steps done", done=5, total=7)
    end_job(logger, 77, done=6)
    assert printed.getvalue().count("\n") == 1, "a job is said once, and one without results never"


@pytest.mark.parametrize(
    ("logs", "said"),
    [(["logs/r.log"], "report: stopped; its log: logs/r.log\n"), ([], "report: stopped\n")],
)
def test_a_job_that_stops_is_one_line_with_its_log(begun, logger, logs, said):
    _, printed = begun()
    log(logger, LogEvent.JOB_INFO, "rule report", jobid=1, rule_name="report", log=logs)
    log(logger, LogEvent.JOB_ERROR, "Error in rule", jobid=1)
    log(logger, LogEvent.JOB_ERROR, "Error in rule", jobid=77)
    assert printed.getvalue() == said


def test_a_job_that_stops_says_what_the_executor_knows_of_its_end(begun, logger):
    _, printed = begun()
    log(logger, LogEvent.JOB_INFO, "rule report", jobid=1, rule_name="report", log=["r.log"])
    why = "SLURM-job '7' failed, SLURM status is: 'TIMEOUT'"
    log(logger, LogEvent.JOB_ERROR, "Error in rule", jobid=1, rule_msg=why)
    assert printed.getvalue() == f"report: stopped; {why}; its log: r.log\n"


def test_the_first_job_of_each_long_rule_says_where_its_progress_is(begun, logger):
    _, printed = begun()
    for number, (rule, shard) in enumerate(
        [("manifest", ""), ("convert_shard", "03"), ("convert_shard", "04"), ("report", "")]
    ):
        wildcards = {"shard": shard} if shard else None
        path = f"logs/03/{rule}_{shard}.log" if shard else f"logs/{rule}.log"
        values = {"jobid": number, "rule_name": rule, "wildcards": wildcards, "log": [path]}
        log(logger, LogEvent.JOB_INFO, f"rule {rule}", **values)
    log(logger, LogEvent.JOB_INFO, "rule audit", jobid=9, rule_name="audit_shard", log=[])
    assert printed.getvalue().splitlines() == [
        "Reading headers; progress: logs/manifest.log",
        "Converting; progress: logs/03/convert_shard_XX.log",
    ]


def test_a_dry_run_and_a_search_for_errors_are_left_to_snakemake(begun, logger):
    def messages(printed: StringIO) -> str:
        log(logger, LogEvent.JOB_INFO, "rule manifest", jobid=1, rule_name="manifest", log=["m"])
        end_job(logger, 1, done=1)
        return printed.getvalue()

    whole = "rule manifest\nFinished jobid\nsteps done\n"
    assert messages(begun(False)[1]) == whole
    assert messages(begun(True, DefaultFilter(set(), False, False, False, True))[1]) == whole
    logger.setLevel(logging.DEBUG)
    assert messages(begun()[1]) == whole


def test_the_closing_table_stands_where_nothing_is_to_be_done(begun, logger):
    _, printed = begun(False)
    logger.info("Nothing to be done (all requested files are present).")
    assert "The run is complete\n" in printed.getvalue()


def test_an_interrupted_run_ends_with_one_sentence(begun, logger):
    display, printed = begun()
    log(logger, LogEvent.JOB_INFO, "rule report", jobid=1, rule_name="report", log=[])
    assert not display._is_ending()
    display._interrupt()
    log(logger, LogEvent.JOB_ERROR, "Error in rule", jobid=1)
    logger.warning("Terminating processes on user request")
    assert display._is_ending()
    display.finish(succeeded=False)
    assert printed.getvalue() == (
        "Stopped by Ctrl-C: finished volumes are kept, and the same command continues the run.\n"
    )


def test_the_handler_that_prints_is_the_one_of_a_standard_stream(logger, tmp_path):
    assert printing_handler(logger) is None
    other = [logging.StreamHandler(StringIO()), logging.FileHandler(tmp_path / "log", delay=True)]
    for name in ("stderr", "stdout"):
        printing = logging.StreamHandler(getattr(sys, name))
        logger.handlers[:] = [*other, printing]
        assert printing_handler(logger) is printing
    logger.handlers[:] = other
    assert printing_handler(logger) is None
