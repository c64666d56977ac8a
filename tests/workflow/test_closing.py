"""The closing table is about this run: what it did, what stopped it, and what to do next."""

from pathlib import Path

import pytest
from snakemake_interface_logger_plugins.common import LogEvent
from test_run_events import record, started

from ct2zarr.run.options import config_defaults
from ct2zarr.run.paths import TablePaths
from ct2zarr.run.sealed import sealed_json, write_table
from ct2zarr.workflow.closing import closing_lines, job_sentence, step_of, title
from ct2zarr.workflow.command_line import CommandLine
from ct2zarr.workflow.run_events import Job, RunEvents
from ct2zarr.workflow.run_files import RunFiles

COMMAND = CommandLine(["snakemake", "--cores", "2"])


@pytest.fixture
def files(tmp_path: Path) -> RunFiles:
    """Two shards; the manifest is made."""
    outputs = {"manifest_dir": str(tmp_path / "m"), "out_root": str(tmp_path)}
    files = RunFiles.of_config(config_defaults() | outputs | {"num_shards": 2})
    files.store_root.mkdir()
    files.manifest_dir.mkdir()
    write_manifest(files)
    return files


def write_manifest(files: RunFiles, **more: object) -> None:
    numbers = {"files_found": 7490, "series": 1, "volumes": 22, "unread": []}
    path = files.manifest_dir / "manifest_summary.json"
    path.write_text(sealed_json(numbers | more))
    files.index.touch()


def write_shard(files: RunFiles, label: str, reasons: dict[str, int], **totals: float) -> None:
    content = {"totals": {"failed": 0} | totals, "reasons": reasons}
    write_table(files.summary(label), "", content)


def write_audit(table: TablePaths, **totals: int) -> None:
    write_table(table, "", {"totals": {"intact": 0, "damaged": 0, "missing": 0} | totals})


def run(*jobs: tuple[str, str], stopped: tuple[tuple[str, str, Path], ...] = ()) -> RunEvents:
    events = RunEvents()
    for number, (rule, label) in enumerate(jobs):
        events.take(started(number, rule, label))
        events.take(record(LogEvent.JOB_FINISHED, job_id=number))
    for number, (rule, label, log) in enumerate(stopped, len(jobs)):
        events.take(started(number, rule, label, str(log)))
        events.take(record(LogEvent.JOB_ERROR, jobid=number))
    return events


def test_scan_alone_says_what_it_found_and_what_comes_next(files):
    events = run(("manifest", ""))
    assert title(files, events, succeeded=True) == "The scan is complete"
    assert closing_lines(files, events, COMMAND) == [
        ("scan", "7,490 files, 1 series, 22 volumes"),
        ("next", "snakemake --cores 2"),
    ]


def test_this_run_is_told_apart_from_all_that_there_is(files):
    write_shard(files, "00", {}, volumes=16, ok=16, input_bytes=800, output_bytes=400, seconds=2)
    write_shard(
        files, "01", {"timeout": 1}, volumes=4, ok=3, failed=1, flagged=2,
        input_bytes=300, output_bytes=100, seconds=3,
    )  # fmt: skip
    events = run(("convert_shard", "01"), ("report", ""))
    assert title(files, events, succeeded=True) == "The run is complete"
    assert closing_lines(files, events, COMMAND) == [
        ("this run", "3 converted, 1 failed; shards: 1"),
        ("size", "300 B of source, 100 B of stores (3.00 : 1)"),
        ("rate", "100 B/s of source per worker"),
        ("in all", "20 volumes: 19 converted, 1 failed; 2 flagged; shards: 2 of 2"),
        ("reasons", "1 timeout"),
        ("retry", "snakemake --cores 2 --config retry_failed=true"),
    ]


def test_audit_shows_the_audit(files):
    write_shard(files, "00", {}, volumes=1, ok=1)
    write_shard(files, "01", {}, volumes=2, ok=2)
    write_audit(files.joined_audit, intact=3)
    events = run(("audit_shard", "00"), ("gather_audits", ""), ("audit", ""))
    assert title(files, events, succeeded=True) == "The audit is complete"
    assert closing_lines(files, events, COMMAND) == [
        ("audit", "3 intact, 0 damaged, 0 missing"),
        ("in all", "3 volumes: 3 converted; shards: 2 of 2"),
    ]
    assert "audit" not in dict(closing_lines(files, run(), COMMAND))


def test_one_shard_of_several_is_no_complete_run(files):
    write_shard(files, "01", {}, volumes=1, ok=1, reused=0)
    events = run(("convert_shard", "01"))
    assert title(files, events, succeeded=True) == "Done; 1 of 2 shards are pending"
    assert ("next", "snakemake --cores 2") in closing_lines(files, events, COMMAND)


def test_jobs_that_stopped_for_one_reason_are_named_together(files, tmp_path):
    logs = [tmp_path / f"{number}.log" for number in range(8)]
    for log in logs[:7]:
        log.write_text("12:00 INFO begun\n12:01 ERROR the disk is full\n12:01 INFO ended\n")
    logs[7].write_text("12:00 ERROR first\n12:01 ERROR unexpected error\nTraceback: ...\n")
    stopped = tuple(("convert_shard", f"{number:02}", log) for number, log in enumerate(logs))
    events = run(stopped=(*stopped, ("report", "", tmp_path / "gone.log")))
    assert title(files, events, succeeded=False) == "The run has not finished"
    assert closing_lines(files, events, COMMAND) == [
        ("stopped", "shard 00, shard 01, shard 02, shard 03, shard 04 and 2 more: "
                    "the disk is full"),
        ("stopped", f"shard 07: unexpected error; see {logs[7]}"),
        ("stopped", f"report: ended without a message, as if killed; its log is "
                    f"{tmp_path / 'gone.log'}"),
        ("next", "remove the cause, then: snakemake --cores 2"),
    ]  # fmt: skip


def test_a_stopped_job_without_a_log_is_explained_above(files):
    events = RunEvents()
    events.take(started(1, "report"))
    events.take(record(LogEvent.JOB_ERROR, jobid=1))
    assert ("stopped", "report: see above") in closing_lines(files, events, COMMAND)


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (1, "shard 0"),
        (5, "shard 0, shard 1, shard 2, shard 3, shard 4"),
        (6, "shard 0, shard 1, shard 2, shard 3, shard 4 and 1 more"),
    ],
)
def test_at_most_five_stopped_jobs_are_named(files, tmp_path, number, shown):
    log = tmp_path / "shard.log"
    log.write_text("12:01 ERROR the disk is full\n")
    events = run(stopped=tuple(("convert_shard", str(shard), log) for shard in range(number)))
    assert ("stopped", f"{shown}: the disk is full") in closing_lines(files, events, COMMAND)


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (["manifest"], "The scan is complete"),
        (["manifest", "convert_shard"], "The run is complete"),
        (["manifest", "aggregate"], "The run is complete"),
        (["manifest", "report"], "The run is complete"),
        (["manifest", "convert_shard", "audit"], "The audit is complete"),
        ([], "The run is complete"),
    ],
)
def test_the_title_names_the_furthest_that_a_command_came(files, rules, said):
    for label in ("00", "01"):
        write_shard(files, label, {}, volumes=1, ok=1)
    events = run(*((rule, "") for rule in rules))
    assert title(files, events, succeeded=True) == said
    assert title(files, events, succeeded=False) == "The run has not finished"


@pytest.mark.parametrize(
    ("totals", "labels"),
    [
        ({"ok": 0, "failed": 2}, ["this run", "in all"]),
        ({"ok": 1, "seconds": 0, "output_bytes": 0}, ["this run", "size", "in all"]),
        ({"ok": 1, "seconds": 1, "input_bytes": 5}, ["this run", "size", "rate", "in all"]),
    ],
)
def test_sizes_and_rates_are_shown_where_something_was_converted_and_timed(files, totals, labels):
    for label in ("00", "01"):
        write_shard(files, label, {}, volumes=2, **totals)
    lines = dict(closing_lines(files, run(("convert_shard", "00")), COMMAND))
    assert [label for label in lines if label not in ("next", "retry")] == labels
    assert all("(0.00 : 1)" in value for label, value in lines.items() if label == "size")


def test_what_people_rejected_is_counted_apart(files):
    write_shard(files, "00", {}, volumes=4, ok=1, failed=1, rejected=2)
    write_shard(files, "01", {}, volumes=0)
    lines = dict(closing_lines(files, run(("convert_shard", "00")), COMMAND))
    assert lines["this run"] == "1 converted, 1 failed, 2 rejected; shards: 1"
    assert lines["in all"] == "4 volumes: 1 converted, 1 failed, 2 rejected; shards: 2 of 2"


def test_what_was_not_read_stands_in_every_closing_table_with_its_remedy(files):
    cause = {"sentence": "files that lie deeper than max_depth 3: 250", "remedy": "set max_depth"}
    write_manifest(files, unread=[cause])
    for events in (run(("manifest", "")), run(("audit", "")), run()):
        lines = closing_lines(files, events, COMMAND)
        assert ("unread", "files that lie deeper than max_depth 3: 250; set max_depth") in lines


def test_a_job_says_what_it_did_when_it_ends(files):
    write_shard(files, "01", {}, volumes=6, ok=3, reused=1, failed=1, rejected=2)
    write_shard(files, "00", {}, volumes=0)
    assert job_sentence(Job("manifest"), files) == "scan: 7,490 files, 1 series, 22 volumes"
    assert job_sentence(Job("convert_shard", "00"), files) == "shard 00: no volumes"
    assert job_sentence(Job("report"), files) == "report: finished"
    assert job_sentence(Job("all"), files) is None
    assert job_sentence(Job("audit_shard", "01"), files) == "audit of shard 01: finished"
    assert step_of(Job("scan_part", "02, 8")) == "scan of part 02, 8"


EVERYTHING = (
    ("manifest", ""), ("convert_shard", "00"), ("convert_shard", "01"), ("aggregate", ""),
    ("audit_shard", "00"), ("gather_audits", ""), ("audit", ""), ("report", ""), ("tidy", ""),
)  # fmt: skip

DAMAGE = {
    "flipped": None,
    "empty": b"",
    "no UTF-8": b"\xff",
    "a list": b"[1]",
    "null": b'{"totals": {"failed": null}, "files_found": null, "unread": [1]}',
}


def flipped(content: bytes) -> bytes:
    """The same with a bit changed in the middle; an empty table gets a line."""
    half = len(content) // 2
    return content[:half] + bytes([content[half] ^ 2]) + content[half + 1 :] if content else b"?"


def write_all(files: RunFiles) -> list[Path]:
    """Every table that a closing table is made from, with what lies beside it."""
    for label in files.labels:
        write_shard(files, label, {"timeout": 1}, volumes=2, ok=1, failed=1, reused=1)
        write_audit(files.audit(label), intact=1)
    write_shard_like(files.joined_summary)
    write_audit(files.joined_audit, intact=2)
    return [*files.store_root.glob("*.csv"), *files.store_root.glob("*.json"),
            files.manifest_dir / "manifest_summary.json"]  # fmt: skip


def write_shard_like(table: TablePaths) -> None:
    write_table(table, "", {"totals": {"failed": 2, "ok": 2, "volumes": 4}, "reason": {}})


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_table_is_a_line_of_the_closing_table_and_never_ends_it(files, damage):
    paths = write_all(files)
    assert len(paths) == 13
    events = run(*EVERYTHING)
    assert "damaged" not in dict(closing_lines(files, events, COMMAND))
    for path in paths:
        whole = path.read_bytes()
        if whole == damage:
            continue
        path.write_bytes(flipped(whole) if damage is None else damage)
        for job in events.finished():
            job_sentence(job, files)
        assert title(files, events, succeeded=True)
        told = [text for label, text in closing_lines(files, events, COMMAND) if label == "damaged"]
        assert len(told) == 1, path
        assert path.name in told[0]
        path.write_bytes(whole)


def test_many_damaged_tables_are_counted(files):
    for path in write_all(files):
        path.write_bytes(b"?")
    told = [text for label, text in closing_lines(files, run(), COMMAND) if label == "damaged"]
    assert told[5:] == ["2 more tables; `snakemake audit` names them"]


def test_tidy_closes_with_what_it_removed(files, tmp_path):
    log = tmp_path / "tidy.log"
    log.write_text("12:00 INFO removed a\n12:00 INFO tidy: removed 1 volumes, 3 files\n")
    events = RunEvents()
    events.take(started(1, "tidy", "", str(log)))
    events.take(record(LogEvent.JOB_FINISHED, job_id=1))
    assert title(files, events, succeeded=True) == "The results are tidy"
    assert ("tidy", "removed 1 volumes, 3 files") in closing_lines(files, events, COMMAND)
    assert job_sentence(Job("tidy", "", log), files) == "tidy: removed 1 volumes, 3 files"
