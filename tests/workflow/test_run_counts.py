"""The numbers of a run: in all from the newest summaries, of this run without what it reused."""

import os
from pathlib import Path

import pytest

from ct2zarr.run.counts import Counts, totals_of
from ct2zarr.run.options import config_defaults
from ct2zarr.run.paths import TablePaths
from ct2zarr.run.sealed import sealed_json, write_table
from ct2zarr.run.summary_columns import SummaryRow, rows_to_csv
from ct2zarr.workflow.run_counts import (
    audit_totals,
    counts_in_all,
    counts_of_this_run,
    current_report,
    manifest_summary,
    reasons_in_all,
    to_retry,
)
from ct2zarr.workflow.run_files import RunFiles


def run_of(folder: Path, shards: int) -> RunFiles:
    outputs = {"manifest_dir": str(folder / "m"), "out_root": str(folder)}
    files = RunFiles.of_config(config_defaults() | outputs | {"num_shards": shards})
    files.store_root.mkdir()
    return files


def write(path: Path, reasons: dict[str, int] | None = None, **totals: int) -> None:
    name = "reason" if path.name == "summary_all.json" else "reasons"
    content = {"totals": {"failed": 0} | totals, name: reasons or {}}
    write_table(TablePaths(path.with_suffix(".csv"), path), "", content)


def test_run_is_counted_from_the_joined_summary_unless_a_shard_is_newer(tmp_path):
    files = run_of(tmp_path, 3)
    for label in files.labels[:2]:
        write(files.summary(label).totals, volumes=3, ok=3, flagged=1)
    assert counts_in_all(files) == (Counts(volumes=6, ok=6, flagged=2), 2)
    write(files.summary("02").totals, {"truncated": 1}, volumes=1, failed=1)
    joined = files.joined_summary.totals
    write(joined, {"truncated": 1, "rejected_in_review": 1}, volumes=7, ok=5, rejected=1, failed=1)
    assert counts_in_all(files) == (Counts(volumes=7, ok=5, rejected=1, failed=1), 3)
    assert reasons_in_all(files) == {"truncated": 1, "rejected_in_review": 1}
    os.utime(joined, (1, 1))
    assert counts_in_all(files) == (Counts(volumes=7, ok=6, failed=1, flagged=2), 3)
    assert reasons_in_all(files) == {"truncated": 1}
    files.summary("02").totals.write_text("{")
    assert counts_in_all(files)[0].volumes == 6


def test_reasons_of_shards_add_up(tmp_path):
    files = run_of(tmp_path, 2)
    write(files.summary("00").totals, {"timeout": 2, "truncated": 1}, volumes=3, failed=3)
    write(files.summary("01").totals, {"timeout": 1}, volumes=1, failed=1)
    assert reasons_in_all(files) == {"timeout": 3, "truncated": 1}


def test_what_was_there_before_is_not_of_this_run(tmp_path):
    files = run_of(tmp_path, 3)
    rows = [
        SummaryRow("1" * 32, "v1", "a", "ok", input_bytes=10, output_bytes=5, reused=True),
        SummaryRow("2" * 32, "v1", "b", "ok", input_bytes=20, output_bytes=8),
        SummaryRow("3" * 32, "v1", "c", "failed", "timeout"),
    ]
    paths = files.summary("00")
    write_table(paths, rows_to_csv(rows), {"totals": totals_of(rows)})
    write(files.summary("01").totals, volumes=1, ok=1, input_bytes=4, output_bytes=2)
    write(files.summary("02").totals, volumes=9, ok=9)
    whole, new = counts_of_this_run(files, ["00", "01"])
    assert (whole.volumes, whole.ok, whole.reused, whole.failed) == (4, 3, 1, 1)
    assert (new.volumes, new.ok, new.reused, new.failed) == (3, 2, 0, 1)
    assert (new.input_bytes, new.output_bytes) == (24, 10)


def test_report_is_named_only_if_it_is_of_the_volumes_that_are_counted(tmp_path):
    files = run_of(tmp_path, 2)
    for label in files.labels:
        write(files.summary(label).totals, volumes=3, ok=3)
    assert current_report(files) is None
    files.report.touch()
    assert current_report(files) == files.report
    os.utime(files.report, (1, 1))
    assert current_report(files) is None
    files.summary("01").totals.unlink()
    files.report.touch()
    assert current_report(files) is None


def test_summaries_written_at_the_same_moment_belong_together(tmp_path):
    files = run_of(tmp_path, 1)
    write(files.summary("00").totals, volumes=1)
    write(files.joined_summary.totals, volumes=2)
    files.report.touch()
    for path in files.store_root.iterdir():
        os.utime(path, ns=(5, 5))
    assert counts_in_all(files)[0].volumes == 2
    assert current_report(files) == files.report


@pytest.mark.parametrize("content", ["[]", '{"totals": [1]}', '{"totals": null}', "{}"])
def test_a_damaged_summary_counts_nothing(tmp_path, content):
    files = run_of(tmp_path, 1)
    files.summary("00").totals.write_text(content)
    assert counts_in_all(files) == (Counts(), 1)
    assert reasons_in_all(files) == {}


def test_a_retry_is_of_use_after_a_failure_only(tmp_path):
    files = run_of(tmp_path, 2)
    for number, label in enumerate(files.labels):
        write(files.summary(label).totals, volumes=3, ok=3)
        assert not to_retry(files), number
    write(files.summary("01").totals, volumes=3, ok=2, failed=1)
    assert to_retry(files)


def test_manifest_and_audit_say_nothing_before_they_are_made(tmp_path):
    files = run_of(tmp_path, 1)
    assert manifest_summary(files) == audit_totals(files) == {}
    files.manifest_dir.mkdir()
    (files.manifest_dir / "manifest_summary.json").write_text(sealed_json({"files_found": 3}))
    files.joined_audit.totals.write_text(sealed_json({"totals": {"intact": 2}}))
    assert manifest_summary(files)["files_found"] == 3
    assert audit_totals(files) == {"intact": 2}
