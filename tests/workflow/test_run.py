"""A whole run by real Snakemake: what comes out, and what a second run does."""

import json
import subprocess

import pytest

from ct2zarr.vocabulary import Role, StoreType
from phantom import hu_error, make_series
from project import SNAKEMAKE, Project, account, clean_environment, copy_checkout, read_csv

pytestmark = pytest.mark.slow

ROUNDING_HU = 0.5 + 1e-6
"""The phantom's Hounsfield units are rounded to whole numbers."""

CONVERSION = {"convert_shard": 3, "aggregate": 1, "report": 1, "all": 1}
"""The jobs of a dry run that converts every shard of the phantom dataset."""


def by_folder(project):
    return {row["series_dir"].rpartition("/")[2]: row for row in project.rows()}


# What comes out --------------------------------------------------------------------------------


@pytest.mark.parametrize("store_type", list(StoreType))
def test_whole_run_gives_right_volumes_summary_and_report(store_type, request, fresh):
    if store_type is StoreType.SQLITE:
        project = request.getfixturevalue("finished")
    else:
        project = Project(fresh.folder, {**fresh.config, "store_type": str(store_type)})
        project.snakemake()
    rows = by_folder(project)
    assert {name: row["status"] for name, row in rows.items()} == {
        "plain": "ok",
        "scouted": "ok",
        "gap": "ok",
        "tilted": "ok",
        "packed": "ok",
        "cut": "failed",
    }
    for name, row in rows.items():
        if row["status"] == "ok":
            volume = project.volume(row["series_hash"])
            assert volume.path.name == row["series_hash"] + store_type.suffix
            by_plane = hu_error(
                volume.numpy(),
                volume.slice_origins_lps,
                volume.orientation.ravel(),
                volume.spacing[1:],
            )
            assert by_plane <= ROUNDING_HU, name
            if name != "gap":  # no linear map can hold a missing slice: that is what the flag says
                assert hu_error(volume.numpy(), volume.index_to_lps) <= ROUNDING_HU, name
            assert row["verify_ok"] == "true"
    assert rows["scouted"]["localizers_skipped"] == "1"
    assert rows["gap"]["flags"] == "missing_slices"
    assert rows["tilted"]["flags"] == "gantry_tilt"
    assert "cut" in rows["cut"]["error"]
    totals = json.loads((project.store_root / "summary_all.json").read_text())
    assert totals["totals"]["volumes"] == 6
    assert "<html" in (project.store_root / "verify_report.html").read_text()


def test_every_file_has_one_line_in_the_account(finished, dataset):
    files = account(finished.manifest)
    on_disk = sorted(str(path) for path in dataset.rglob("*") if path.is_file())
    assert sorted(files["path"]) == on_disk
    summary = json.loads((finished.manifest / "manifest_summary.json").read_text())
    assert summary["files_found"] == len(on_disk)
    counts = files["role"].value_counts().to_dict()
    assert counts == {
        Role.SLICE: 12 + 12 + 11 + 12 + 12 + 11,
        Role.LOCALIZER: 1,
        Role.UNREADABLE: 1,
        Role.NOT_DICOM: 1,
    }


def test_each_job_leaves_a_log_without_folder_names(finished):
    logs = [finished.manifest / "logs" / "manifest.log", *finished.store_root.glob("logs/*.log")]
    assert len(logs) == 1 + 3 + 2
    for log in logs:
        assert log.is_file()
        assert "tilted" not in log.read_text()


def test_run_from_another_folder_finds_package_profile_and_paths(fresh, tmp_path):
    fresh.command()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = subprocess.run(
        [
            *SNAKEMAKE,
            "-c2",
            "--directory",
            str(fresh.folder),
            "--configfile",
            str(fresh.folder / "run.yaml"),
        ],
        cwd=elsewhere,
        env=clean_environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "profiles/default" in done.stderr
    assert len(fresh.rows()) == 6
    assert not any(elsewhere.iterdir())


# What runs again -------------------------------------------------------------------------------


def test_second_run_has_nothing_to_do(project):
    assert "Nothing to be done" in project.snakemake()


def test_touched_script_or_module_converts_nothing_again(project, tmp_path):
    project.checkout = copy_checkout(tmp_path / "checkout")
    assert project.pending() == {}, "another checkout alone must not convert anything"
    for name in ("convert_dicom_to_volume.py", "ct2zarr/convert/conversion.py"):
        (project.checkout / "scripts" / name).touch()
    assert project.pending() == {}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"num_workers": 2}, {}),
        ({"series_timeout": 100}, {}),
        ({"num_samples": 2}, {"report": 1, "all": 1}),
        ({"sample_series": ["0123456789ab"]}, {"report": 1, "all": 1}),
        ({"chunks": [8, 16, 16]}, CONVERSION),
        ({"reject_flags": ["gantry_tilt"]}, CONVERSION),
        ({"store_type": "zip"}, CONVERSION),
        ({"max_depth": 5}, {"manifest": 1, **CONVERSION}),
    ],
    ids=lambda value: next(iter(value), "nothing"),
)
def test_changed_option_runs_again_what_it_changes_and_nothing_else(project, change, expected):
    project.config |= change
    assert project.pending() == expected


def test_default_written_out_in_the_config_runs_nothing_again(project):
    project.config |= {"max_depth": "all", "chunks": [64, 64, 64], "num_samples": 10}
    assert project.pending() == {}


def test_deleted_summary_comes_back_with_the_same_rows_from_the_records(project):
    before = project.final_state()
    row = project.rows()[0]
    (summary,) = (
        path
        for path in project.store_root.glob("summary_shard_*.csv")
        if row["series_hash"] in path.read_text()
    )
    stores = {path: path.stat().st_mtime_ns for path in (project.store_root / "data").iterdir()}
    summary.unlink()
    assert project.pending()["convert_shard"] == 1
    project.snakemake()
    assert project.final_state() == before
    assert {path: path.stat().st_mtime_ns for path in stores} == stores
    again = [line for line in read_csv(summary) if line["status"] == "ok"]
    assert [line["reused"] for line in again] == ["true"] * len(again)
    assert "Nothing to be done" in project.snakemake()


def test_new_file_converts_only_its_own_shard(tmp_path):
    root = tmp_path / "ct"
    for number in range(6):
        make_series(root / f"s{number}", name=f"s{number}", n=4)
    project = Project(tmp_path / "project", {"datasets": {"v1": str(root)}, "num_shards": 4})
    project.snakemake()
    hashes = {row["series_dir"].rpartition("/")[2]: row["series_hash"] for row in project.rows()}
    times = project.times()
    assert "add `-R manifest`" in project.snakemake("-n", "-q", "rules", "host")

    same = make_series(tmp_path / "unused", name="s2", n=4)
    uids = {"series_uid": same.series_uid, "study_uid": same.study_uid}
    make_series(root / "s2", name="more", n=2, start=4, **uids)
    project.snakemake("-R", "manifest")

    shard = f"summary_shard_{int(hashes['s2'], 16) % 4:02}.csv"
    changed = {name for name, time in project.times().items() if time != times[name]}
    assert changed == {shard}
    rows = by_folder(project)
    assert rows["s2"]["slice_count"] == "6"
    assert rows["s2"]["series_hash"] == hashes["s2"]
    for folder, row in rows.items():
        if folder != "s2" and f"summary_shard_{row['shard']}.csv" == shard:
            assert row["reused"] == "true"


def test_second_scan_of_an_unchanged_tree_converts_nothing(project):
    times = project.times()
    project.snakemake("-R", "manifest")
    assert project.times() == times


def test_decisions_change_the_summary_and_the_report_and_nothing_else(project):
    row = next(row for row in project.rows() if row["status"] == "ok")
    stores = {path: path.stat().st_mtime_ns for path in (project.store_root / "data").iterdir()}
    decisions = project.folder / "decisions.csv"
    decisions.write_text(f"series_hash,decision,comment\n{row['series_hash']},reject,moved\n")
    project.config["decisions"] = "decisions.csv"
    assert project.pending() == {"aggregate": 1, "report": 1, "all": 1}
    project.snakemake()
    (now,) = (one for one in project.rows() if one["series_hash"] == row["series_hash"])
    assert (now["status"], now["reason"]) == ("rejected", "rejected_in_review")
    assert {path: path.stat().st_mtime_ns for path in stores} == stores
    assert "rejected in review: moved" in (project.store_root / "verify_report.html").read_text()
    assert "Nothing to be done" in project.snakemake()

    decisions.write_text("series_hash,decision,comment\n")
    project.snakemake()
    (again,) = (one for one in project.rows() if one["series_hash"] == row["series_hash"])
    assert again["status"] == "ok"


# Dry runs --------------------------------------------------------------------------------------


def test_dry_run_counts_the_pending_shards(fresh):
    assert fresh.pending() == {"manifest": 1, **CONVERSION}
    assert not fresh.manifest.exists()
    assert not (fresh.folder / "converted").exists()


def test_summary_lists_which_shards_are_pending(project):
    (project.store_root / "summary_shard_01.csv").unlink()
    lines = project.snakemake("--summary").splitlines()
    pending = {
        line.split("\t")[0].rpartition("/")[2]
        for line in lines
        if "\t" in line and not line.endswith("\tno update")
    }
    assert "summary_shard_01.csv" in pending
    assert "summary_shard_00.csv" not in pending


# A scan in several jobs ------------------------------------------------------------------------


def test_scan_in_several_jobs_gives_the_same_run_and_is_asked_for_again_as_one(project):
    before, times = project.final_state(), project.times()
    index = (project.manifest / "series_all.csv").read_bytes()
    project.config |= {"scan_jobs": 3}
    assert project.pending("--until", "manifest") == {"manifest": 1, "scan_part": 3}
    project.snakemake()
    assert (project.manifest / "series_all.csv").read_bytes() == index
    assert not list((project.manifest / "scan").glob("*")), "the shares are temporary"
    assert project.times() == times
    assert project.final_state() == before
    assert "Nothing to be done" in project.snakemake()
    assert project.pending("-R", "manifest")["scan_part"] == 3
