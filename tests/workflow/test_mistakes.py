"""A user's mistake is one sentence before any job runs, and no traceback."""

import pytest

from phantom import make_series
from project import SNAKEMAKE, Project

pytestmark = pytest.mark.slow

CONFIG = ("--configfile", "run.yaml")


def sentence_of(project: Project, *arguments: str) -> str:
    """What a run that must fail at once says."""
    output = project.snakemake(*arguments, code=None)
    assert "Traceback" not in output, output
    assert "rule " not in output, "a job has run"
    (line,) = (line for line in output.splitlines() if line.startswith("error: "))
    return line


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"num_shard": 4}, "unknown key 'num_shard'; did you mean 'num_shards'?"),
        ({"num_shards": "four"}, "num_shards is 'four'; it must be a whole number, at least 1"),
        ({"store_type": "hdf5"}, "store_type is 'hdf5'; it must be one of sqlite, dir, zip"),
        ({"reject_flags": ["ugly"]}, "reject_flags is ['ugly']; it must be a list with any of"),
        ({"datasets": {}}, "datasets is empty; name at least one folder"),
        ({"datasets": {"v1": "gone"}}, "the folder of dataset 'v1' does not exist: gone"),
        ({"datasets": {"v1": "run.yaml"}}, "the folder of dataset 'v1' is a file: run.yaml"),
        ({"out_root": "a{b}"}, "out_root is 'a{b}'; it must be a path without { and }"),
        ({7: 4}, "unknown key '7'"),
    ],
)
def test_mistake_in_the_config_is_said_in_a_sentence(fresh, change, sentence):
    fresh.config |= change
    assert f"error: config: {sentence}" in sentence_of(fresh)


def test_config_is_read_as_it_was_written(fresh, monkeypatch):
    fresh.command()
    with (fresh.folder / "run.yaml").open("a") as file:
        file.write("num_shards: 4\n")
    monkeypatch.setattr(Project, "command", lambda *_: [*SNAKEMAKE, "-n", *CONFIG])
    assert "num_shards is given twice in" in sentence_of(fresh)
    monkeypatch.setattr(Project, "command", lambda *_: [*SNAKEMAKE, "-n"])
    assert f"there is no config/config.yaml in {fresh.folder}" in sentence_of(fresh)


def test_deidentify_without_a_key_is_said_before_any_job(fresh, monkeypatch):
    monkeypatch.delenv("CT2ZARR_DEIDENTIFY_KEY", raising=False)
    fresh.config["deidentify"] = True
    assert "environment variable CT2ZARR_DEIDENTIFY_KEY" in sentence_of(fresh)


def test_decisions_that_make_no_sense_are_said_before_any_job(fresh):
    fresh.config["decisions"] = "gone.csv"
    assert "the decisions file gone.csv does not exist" in sentence_of(fresh)
    (fresh.folder / "gone.csv").write_text("series_hash,decision\n12,reject\n")
    assert "line 2 of gone.csv has '12' as series_hash" in sentence_of(fresh)


def test_output_folder_that_cannot_be_written_is_named(fresh):
    fresh.folder.mkdir()
    (fresh.folder / "file").write_text("not a folder")
    fresh.config["out_root"] = "file/converted"
    assert "out_root cannot be file/converted" in sentence_of(fresh)


def test_output_folder_that_cannot_be_made_is_named_and_leaves_no_lock(fresh):
    fresh.config["out_root"] = "/proc/ct2zarr"  # root, too, may make no folder there
    assert "cannot write below /proc/ct2zarr" in sentence_of(fresh)
    fresh.config["out_root"] = "converted"
    fresh.snakemake("--until", "manifest")


def test_dataset_without_files_is_named_in_a_sentence(fresh, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    fresh.config["datasets"] = {"v1": str(empty)}
    output = fresh.snakemake(code=None)
    assert "Traceback" not in output, output
    assert str(empty) in output


def test_config_on_the_command_line_is_understood(fresh, dataset):
    fresh.config = {}
    words = [f"datasets={{v1:{dataset}}}", "num_shards=5", "chunks=[8,8,8]"]
    assert fresh.pending("--config", *words)["convert_shard"] == 5


def test_manifest_that_names_files_that_have_gone_gives_failed_rows(tmp_path):
    root = tmp_path / "ct"
    gone = make_series(root / "gone", name="gone", n=4)
    make_series(root / "kept", name="kept", n=4)
    project = Project(tmp_path / "project", {"datasets": {"v1": str(root)}, "num_shards": 1})
    project.snakemake("--until", "manifest")
    for path in gone.paths:
        path.unlink()
    project.snakemake()
    rows = {row["series_dir"].rpartition("/")[2]: row for row in project.rows()}
    assert rows["kept"]["status"] == "ok"
    assert rows["gone"]["status"] == "failed"
    assert rows["gone"]["reason"]
    assert rows["gone"]["error"]
