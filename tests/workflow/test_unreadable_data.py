"""A whole run by real Snakemake over data that cannot be read."""

import json

import pytest

from phantom import make_series, truncate
from project import Project

pytestmark = pytest.mark.slow


def test_series_of_which_no_file_can_be_read_fails_once_and_the_next_run_is_quiet(tmp_path):
    make_series(tmp_path / "ct" / "whole", n=3)
    for path in make_series(tmp_path / "ct" / "lost", n=3, name="lost").paths:
        truncate(path, size=400)
    config = {"datasets": {"v1": str(tmp_path / "ct")}, "num_shards": 1, "num_samples": 1}
    project = Project(tmp_path / "run", config)
    project.snakemake()
    rows = {row["series_dir"].rpartition("/")[2]: row for row in project.rows()}
    assert {name: row["status"] for name, row in rows.items()} == {"whole": "ok", "lost": "failed"}
    assert rows["lost"]["code"] == rows["lost"]["reason"] == "series_unreadable"
    assert "series_unreadable" in (project.store_root / "verify_report.html").read_text()
    summary = json.loads((project.manifest / "manifest_summary.json").read_text())
    assert (summary["series"], summary["unreadable_series"]) == (2, 1)
    before = project.times()
    assert project.pending() == {}
    project.snakemake()
    assert project.times() == before
