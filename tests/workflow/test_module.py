"""The workflow as a part of somebody else's, and as tools that deploy workflows find it."""

import shutil
from pathlib import Path

import pytest
import yaml

import ct2zarr
from project import REPOSITORY, read_csv, snakemake_in

pytestmark = pytest.mark.slow

THEIRS = """
module ct2zarr:
    snakefile: "{repository}/Snakefile"
    config: config["volumes"]

use rule * from ct2zarr as ct2zarr_*

rule count:
    default_target: True
    input: rules.ct2zarr_aggregate.output.table
    output: "theirs/count.txt"
    shell: "tail -n +2 {{input}} | wc -l > {{output}}"
"""


def test_another_workflow_uses_the_rules_as_a_module(dataset: Path, tmp_path: Path) -> None:
    ours = {"datasets": {"v1": str(dataset)}, "num_shards": 2, "out_root": "volumes"}
    (tmp_path / "Snakefile").write_text(THEIRS.format(repository=REPOSITORY))
    (tmp_path / "their.yaml").write_text(yaml.safe_dump({"theirs": 1, "volumes": ours}))
    said = snakemake_in(tmp_path, "--configfile", "their.yaml")
    assert "ct2zarr_convert_shard" in said
    rows = read_csv(tmp_path / "volumes" / "zarr_sqlite" / "summary_all.csv")
    assert (tmp_path / "theirs" / "count.txt").read_text().strip() == str(len(rows)) == "6"
    done = [row["series_hash"] for row in rows if row["status"] == "ok"]
    assert len(done) == 5
    for series_hash in done:
        path = tmp_path / "volumes" / "zarr_sqlite" / "data" / f"{series_hash}.zarr.sqlite"
        assert ct2zarr.open_volume(path).series_hash == series_hash
    again = snakemake_in(tmp_path, "--configfile", "their.yaml", "--rerun-triggers", "mtime")
    assert "Nothing to be done" in again


def test_a_deployed_copy_runs_from_its_workflow_folder(dataset: Path, tmp_path: Path) -> None:
    """As snakedeploy and the catalog name it: workflow/Snakefile, started elsewhere."""
    copy = tmp_path / "copy"
    unwanted = shutil.ignore_patterns(".git", ".venv", "__pycache__", "tests", "demo", ".*_cache")
    shutil.copytree(REPOSITORY, copy, ignore=unwanted, symlinks=True)
    (tmp_path / "run").mkdir()
    config = {"datasets": {"v1": str(dataset)}, "num_shards": 2}
    (tmp_path / "run" / "config.yaml").write_text(yaml.safe_dump(config))
    snakefile = str(copy / "workflow" / "Snakefile")
    said = snakemake_in(
        tmp_path / "run", "--snakefile", snakefile, "--configfile", "config.yaml", "-n"
    )
    assert "profiles/default" in said, "the profile is found too"
    assert "convert_shard" in said
    assert "report" in said


def test_conda_makes_an_environment_for_every_rule_as_the_catalog_file_says() -> None:
    text = (REPOSITORY / ".snakemake-workflow-catalog.yml").read_text("utf-8")
    usage = yaml.safe_load(text)["usage"]
    assert usage["software-stack-deployment"]["conda"] is True
    for path in (REPOSITORY / "rules").glob("*.smk"):
        rules = path.read_text("utf-8")
        assert rules.count("    script:") == rules.count("    conda:"), path.name
