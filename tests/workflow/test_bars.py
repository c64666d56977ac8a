"""A run on a terminal shows bars and closes with a table; in a file it is plain text."""

import re

import pytest

from phantom import make_series
from project import Project, clean_environment
from pseudo_terminal import run_in_terminal

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Nothing has run yet; enough series that a shard takes seconds."""
    root = tmp_path_factory.mktemp("bars")
    for number in range(16):
        make_series(root / "ct" / f"s{number:02}", name=f"s{number}", n=16, rows=96, columns=96)
    return Project(root / "project", {"datasets": {"v1": str(root / "ct")}, "num_shards": 2})


def run(project: Project, *arguments: str):
    command = project.command(*arguments)
    return run_in_terminal(command, project.folder, clean_environment())


def closing(text: str, title: str) -> dict[str, str]:
    """The lines of the closing table."""
    lines = text[text.rindex(title) :].splitlines()[1:]
    words = [re.split(r"\s{2,}", line.strip(), maxsplit=1) for line in lines]
    return dict(pair for pair in words if len(pair) == 2)


def test_run_on_a_terminal_shows_bars_and_closes_with_a_table(project):
    shown = run(project)
    assert shown.code == 0
    assert "workflow ━" in shown.text
    assert "shard 00 ━" in shown.text
    assert "shard 01 ━" in shown.text
    assert "report: finished (5 of 6 steps)\n" in shown.text  # above the bars, in a line of its own
    table = closing(shown.text, "The run is complete")
    assert table["this run"] == "16 converted; shards: 2"
    assert table["in all"].endswith("16 volumes: 16 converted; shards: 2 of 2")
    assert table["report"] == str(project.store_root / "verify_report.html")
    assert shown.raw.rindex("\x1b[?25h") > shown.raw.rindex("\x1b[?25l")  # the cursor is back
    assert not list(project.store_root.glob("logs/*.progress"))


def test_run_in_a_file_is_plain_text_with_the_same_table(project):
    text = project.snakemake("--forcerun", "aggregate")
    assert "\x1b" not in text
    assert "━" not in text
    table = closing(text, "The run is complete")
    assert "this run" not in table
    assert table["in all"] == "16 volumes: 16 converted; shards: 2 of 2"


def test_quiet_run_draws_nothing(project):
    shown = run(project, "--forcerun", "aggregate", "-q", "all")
    assert shown.code == 0
    assert "━" not in shown.text
    assert "The run is complete" not in shown.text


def test_run_that_fails_says_how_far_it_came_and_leaves_the_terminal_in_order(project):
    (project.store_root / "summary_shard_00.csv").unlink()
    (project.store_root / "summary_shard_00.json").unlink()
    shards = project.manifest / "shards" / "series_shard_00.csv"
    whole = shards.read_text()
    shards.write_text("no such column\n1\n")
    try:
        shown = run(project)
    finally:
        shards.write_text(whole)
    assert shown.code != 0
    table = closing(shown.text, "The run has not finished")
    assert table["in all"].endswith("shards: 1 of 2")
    assert table["stopped"].startswith("shard 00: ")
    assert shown.raw.rindex("\x1b[?25h") > shown.raw.rindex("\x1b[?25l")
