"""A person sees bars and a table; a log file gets lines, without a control character."""

import logging
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest

from ct2zarr.run import job_log as joblog
from ct2zarr.run.counts import Counts
from ct2zarr.run.job_log import Progress, State, progress, read_state, state_file
from ct2zarr.run.settings import ManifestSettings
from ct2zarr.run.terminal import closing_table, drawn_bar, table_text
from phantom import make_series, truncate
from pseudo_terminal import run_in_terminal

SCRIPTS = Path(__file__).parents[2] / "scripts"
COUNTS = Counts(volumes=12, ok=9, reused=4, failed=2, rejected=1, flagged=3,
                input_bytes=6_000_000_000, output_bytes=2_000_000_000, seconds=60.0)  # fmt: skip


@pytest.fixture(scope="module")
def shard(tmp_path_factory) -> Path:
    """INPUT_CSV of three series, one with a file cut short."""
    from ct2zarr.plan.manifest import make_manifest

    root = tmp_path_factory.mktemp("terminal")
    for name in ("one", "two"):
        make_series(root / "ct" / name, name=name, n=6)
    cut = make_series(root / "ct" / "cut", name="cut", n=6)
    make_manifest(ManifestSettings({"v1": root / "ct"}, root / "manifest", num_shards=1))
    truncate(cut.paths[3], keep=0.9)
    return root / "manifest" / "shards" / "series_shard_00.csv"


def environ(shard: Path, out: Path) -> dict[str, str]:
    keep = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    return {**keep, "INPUT_CSV": str(shard), "OUT_ROOT": str(out), "CONVERTED_ROOT": str(out)}


# Counts ---------------------------------------------------------------------------------------


def test_closing_says_what_became_of_all_volumes():
    lines = dict(COUNTS.lines())
    assert (lines["converted"], lines["reused"], lines["failed"]) == ("5", "4", "2")
    assert (lines["rejected"], lines["flagged"]) == ("1", "3")
    assert lines["source"] == "6 GB in"
    assert lines["stores"] == "2 GB out (3.00 : 1)"
    assert lines["rate"] == "100 MB/s of source per worker"


def test_a_path_in_the_table_is_shown_as_it_is_and_cannot_rewrite_the_terminal():
    path = "/data/[bold red]x[/]/\x1b[2J\u202e.html"
    text = table_text(closing_table("t", [("report", path)]))
    assert r"/data/[bold red]x[/]/\x1b[2J\u202e.html" in text
    assert not {"\x1b", "\u202e"} & set(text)


def test_nothing_at_all_closes_too():
    assert dict(Counts().lines())["rate"] == "not measured"


def test_table_for_a_log_is_plain_and_keeps_a_path_whole():
    path = "/results/" + "a_long_folder/" * 20 + "verify_report.html"
    text = table_text(closing_table("Done", [*COUNTS.lines(), ("report", path)]))
    assert "\x1b" not in text
    assert path in text
    assert text.splitlines()[0] == "Done"


def test_only_volumes_that_failed_or_were_rejected_stand_out():
    def styles(counts: Counts) -> list[object]:
        lines = counts.lines()
        rows = closing_table("Done", lines).rows
        return [row.style for row, line in zip(rows, lines, strict=True) if row.style]

    assert styles(COUNTS) == ["bold red", "bold yellow"]
    assert styles(Counts(volumes=3, ok=3)) == []


def test_what_is_logged_below_a_warning_is_back_after_the_bar():
    stream = StringIO()
    handler = logging.StreamHandler(stream)
    handler.setLevel(logging.INFO)
    with drawn_bar("scan", 2, [handler, logging.NullHandler()]):
        assert handler.level == logging.WARNING
        assert handler.stream is sys.stderr
    assert handler.level == logging.INFO
    assert handler.stream is stream


# One job --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_script_alone_shows_a_bar_and_a_table_and_only_what_went_wrong(shard, tmp_path):
    script = str(SCRIPTS / "convert_dicom_to_volume.py")
    shown = run_in_terminal([sys.executable, script], tmp_path, environ(shard, tmp_path / "out"))
    assert shown.code == 0
    assert "━" in shown.text
    assert "0/3" in shown.text
    (warning,) = (line for line in shown.text.splitlines() if " failed: " in line)
    assert "WARNING" in warning
    assert " ok: " not in shown.text
    lines = [line.strip() for line in shown.text.splitlines()[-9:]]
    table = dict(line.split(maxsplit=1) for line in lines)
    assert (table["volumes"], table["converted"], table["failed"]) == ("3", "2", "1")
    assert "\x1b[?25h" in shown.raw  # the cursor is back


@pytest.mark.slow
def test_script_alone_in_a_log_file_writes_lines_without_control_characters(shard, tmp_path):
    done = subprocess.run(
        [sys.executable, str(SCRIPTS / "convert_dicom_to_volume.py")],
        env=environ(shard, tmp_path / "out"), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == ""
    assert "\x1b" not in done.stderr
    assert "━" not in done.stderr
    assert "volumes 3, converted 2, reused 0, failed 1" in done.stderr.splitlines()[-1]


@pytest.mark.slow
def test_report_alone_says_where_it_is(shard, tmp_path):
    out = environ(shard, tmp_path / "out")
    for name in ("convert_dicom_to_volume.py", "aggregate_summaries.py"):
        subprocess.run([sys.executable, str(SCRIPTS / name)], env=out, check=True)
    script = str(SCRIPTS / "generate_verify_report.py")
    shown = run_in_terminal([sys.executable, script], tmp_path, out)
    assert str(tmp_path / "out" / "zarr_sqlite" / "verify_report.html") in shown.text


@pytest.fixture
def log_file(tmp_path):
    """The log of a job of a workflow."""
    path = tmp_path / "logs" / "convert_shard_03.log"
    with joblog.job_log(path):
        yield path


def test_job_with_a_log_says_beside_it_how_far_it_is(log_file, monkeypatch):
    monkeypatch.setattr(joblog, "FILE_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(joblog, "LINE_EVERY_SECONDS", 0.0)
    with progress("shard 03", 5) as bar:
        assert read_state(state_file(log_file)) == State("shard 03", 0, 5, 0)
        bar.advance(1000)
        bar.advance(1000)
        assert read_state(state_file(log_file)) == State("shard 03", 2, 5, 2000)
    assert not state_file(log_file).exists()
    assert "shard 03: 2 of 5 in" in log_file.read_text()


def test_disk_that_takes_no_state_stops_nothing(log_file):
    bar = Progress("shard 03", 5, None, log_file / "no folder" / "x.progress")
    bar.advance()
    assert "1 of 5" in bar.summary()


def test_state_that_is_half_written_counts_as_none(tmp_path):
    path = tmp_path / "a.progress"
    for text in ("", "{", "[]", '{"label": "x"}'):
        path.write_text(text)
        assert read_state(path) is None
