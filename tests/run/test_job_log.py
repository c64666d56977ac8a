"""A job's log: lines for people, and a small file from which the workflow draws a bar."""

import json
import logging
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from ct2zarr.run import job_log
from ct2zarr.run.counts import Counts
from ct2zarr.run.job_log import (
    LOGGER,
    JobLog,
    State,
    log_outcome,
    progress,
    read_state,
    state_file,
)


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "logs" / "convert_shard_07.log"
    with job_log.job_log(path) as current:
        assert current == JobLog(path, terminal=False)
        yield path


def test_lines_have_a_time_and_a_level_and_go_to_the_file(log):
    LOGGER.info("volume %s ok", "07d1")
    LOGGER.debug("nobody reads this")
    (line,) = log.read_text().splitlines()
    assert line.split(",")[0].count(":") == 2
    assert line.endswith(" INFO volume 07d1 ok")


def test_a_name_that_is_no_text_can_be_logged(log):
    record = LOGGER.makeRecord("ct2zarr", logging.INFO, __file__, 1, "file \udcff", (), None)
    handler = LOGGER.handlers[0]  # directly: what pytest captures of a log has to be UTF-8
    handler.handle(record)
    assert r"file \udcff" in log.read_text()


def test_what_would_rewrite_a_terminal_is_written_as_its_escape(log):
    LOGGER.info("from %s", Path("/a\nb/\x1b[2J"))
    LOGGER.info("%s of %d", "\u202ename", 1)
    try:
        raise ValueError("\x1b]0;title\x07")
    except ValueError:
        LOGGER.exception("two\nlines")
    text = log.read_text()
    assert r"from /a\x0ab/\x1b[2J" in text
    assert r"\u202ename of 1" in text
    assert "two\nlines" in text
    assert r"ValueError: \x1b]0;title\x07" in text
    assert not {"\x1b", "\x07", "\u202e"} & set(text)


def test_a_second_log_replaces_the_first_while_it_lasts(log, tmp_path):
    handlers = LOGGER.handlers[:]
    with job_log.job_log(tmp_path / "other.log"):
        LOGGER.info("here")
        assert len(LOGGER.handlers) == 1
    assert log.read_text() == ""
    assert (tmp_path / "other.log").read_text().endswith(" INFO here\n")
    assert LOGGER.handlers == handlers


def test_a_job_with_a_log_says_how_far_it_is_in_a_file_beside_it(log, monkeypatch):
    monkeypatch.setattr(job_log, "FILE_EVERY_SECONDS", 0.0)
    file = state_file(log)
    assert file == log.with_suffix(".progress")
    with progress("shard 07", 3) as running:
        assert read_state(file) == State("shard 07", 0, 3, 0)
        running.advance(1000)
        running.advance(500)
        assert read_state(file) == State("shard 07", 2, 3, 1500)
        assert "shard 07: 2 of 3 in" in running.summary()
    assert not file.exists()


def test_the_file_is_not_written_for_each_of_many_quick_steps(log, monkeypatch):
    monkeypatch.setattr(job_log, "FILE_EVERY_SECONDS", 1000.0)
    with progress("shard 07", 3) as running:
        running.advance(1000)
        assert read_state(state_file(log)) == State("shard 07", 0, 3, 0)


def test_the_file_is_removed_where_the_job_fails(log):
    with pytest.raises(ZeroDivisionError), progress("shard 07", 3):
        raise ZeroDivisionError
    assert not state_file(log).exists()


@pytest.mark.parametrize("content", [None, "", "{}", '{"label": "a"}', "[1]", "no json"])
def test_a_state_that_cannot_be_understood_is_none(tmp_path, content):
    path = tmp_path / "a.progress"
    if content is not None:
        path.write_text(content)
    assert read_state(path) is None


@pytest.mark.usefixtures("log")
def test_a_rate_is_named_only_where_bytes_were_counted():
    with progress("scan", 2) as running:
        running.advance()
        assert "MB/s" not in running.summary()
        running.advance(5_000_000)
        assert "MB/s of source" in running.summary()
        assert "2 of 2" in running.summary()


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    """The time that jobs see, in seconds."""
    now = [1000.0]
    monkeypatch.setattr(job_log, "time", SimpleNamespace(monotonic=lambda: now[0]))
    return now


@pytest.mark.usefixtures("log")
def test_a_summary_states_counts_and_rates(clock):
    with progress("shard 07", 30) as running:
        clock[0] += 20.0
        for _ in range(10):
            running.advance(4_000_000)
        assert running.summary() == (
            "shard 07: 10 of 30 in 20.0 s, 30.0 per minute, 2.0 MB/s of source"
        )


def test_a_log_gets_one_line_per_minute_on_the_progress(log, clock):
    with progress("shard 07", 9) as running:
        for seconds, lines in ((59.0, 0), (1.0, 1), (0.0, 1), (59.0, 1), (1.0, 2)):
            clock[0] += seconds
            running.advance()
            assert len(log.read_text().splitlines()) == lines


def test_no_bar_is_drawn_for_nothing(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with job_log.job_log(), progress("scan", 0):
        pass
    assert capsys.readouterr().err == ""


def test_a_log_file_is_closed_with_its_job(tmp_path):
    with job_log.job_log(tmp_path / "a.log"):
        (handler,) = LOGGER.handlers
        LOGGER.info("here")
    assert handler.stream is None


def test_the_outcome_is_a_line_of_the_log(log):
    counts = Counts(volumes=3)
    log_outcome("shard 07", counts)
    assert log.read_text().endswith(f" INFO shard 07: {counts.sentence()}\n")


def test_only_a_job_without_a_log_file_on_a_terminal_draws(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with job_log.job_log(tmp_path / "a.log") as current:
        assert not current.terminal
    with job_log.job_log() as current:
        assert current.terminal
    monkeypatch.setattr(sys.stderr, "isatty", lambda: False, raising=False)
    with job_log.job_log() as current:
        assert not current.terminal


def test_a_program_that_uses_the_package_keeps_its_log_and_its_terminal(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(LOGGER, "level", logging.ERROR)
    before = LOGGER.handlers[:], LOGGER.level, LOGGER.propagate
    with job_log.job_log():
        pass
    with progress("scan", 2) as running:
        running.advance()
    log_outcome("scan", Counts(volumes=3))
    assert (LOGGER.handlers, LOGGER.level, LOGGER.propagate) == before
    assert capsys.readouterr() == ("", "")


def test_the_log_does_not_reach_the_log_of_the_program_around_it(log):
    seen = []
    handler = logging.Handler()
    handler.emit = seen.append
    logging.getLogger().addHandler(handler)
    try:
        LOGGER.warning("here")
    finally:
        logging.getLogger().removeHandler(handler)
    assert seen == []
    assert "here" in log.read_text()


def test_the_state_is_one_line_of_json(log):
    with progress("scan", 2):
        assert json.loads(state_file(log).read_text()) == {
            "label": "scan", "done": 0, "total": 2, "bytes": 0
        }  # fmt: skip
