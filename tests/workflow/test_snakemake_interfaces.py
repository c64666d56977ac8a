"""What the rules use of Snakemake without a public interface still does what they need.

docs/design.md lists each, with the reason. A small workflow shows what Snakemake makes of it.
"""

import re
from pathlib import Path

import pytest

from project import REPOSITORY, snakemake_in

SNAKEFILE = """
include: "rules/parts.smk"

rule all:
    input: forced
"""
PARTS = """
import inspect

PROCESS = "main" if workflow.is_main_process else "job"
print(PROCESS, "was given", [str(path) for path in workflow.overwrite_configfiles])
print(PROCESS, "stores by", workflow.storage_settings.default_storage_provider)
print(PROCESS, "parses", inspect.currentframe().f_code.co_filename)

def forced(wildcards):
    if config.get("again"):
        workflow.dag.forcefiles.update(["made/a.txt"])
    return ["made/a.txt", "made/b.txt"]

rule make:
    output: "made/{name}.txt"
    run:
        with open(output[0], "w") as file:
            file.write(PROCESS)
"""


@pytest.fixture
def workflow(tmp_path: Path) -> Path:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "parts.smk").write_text(PARTS)
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "own.yaml").write_text("own: 1\n")
    return tmp_path


@pytest.mark.slow
def test_rules_see_the_config_file_of_the_user_the_process_and_the_storage(workflow):
    said = snakemake_in(workflow, "--configfile", "own.yaml").splitlines()
    (given,) = (line for line in said if line.startswith("main was given"))
    assert "own.yaml" in given
    assert "main stores by None" in said
    assert (workflow / "made" / "a.txt").read_text() == "job"
    assert "main was given []" in snakemake_in(workflow, "-n", "--config", "own=1").splitlines()


@pytest.mark.slow
def test_an_included_file_is_compiled_under_its_own_path(workflow, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    said = snakemake_in(elsewhere, "--snakefile", f"{workflow}/Snakefile", "-n")
    assert f"main parses {workflow}/rules/parts.smk" in said.splitlines()


@pytest.mark.slow
def test_a_forced_file_is_made_again_once_and_leaves_no_trace(workflow):
    snakemake_in(workflow)
    before = {path.name: path.stat().st_mtime_ns for path in (workflow / "made").iterdir()}
    assert "Nothing to be done" in snakemake_in(workflow)
    snakemake_in(workflow, "-n", "--config", "again=true")
    snakemake_in(workflow, "--config", "again=true", "--rerun-triggers", "mtime", "input", "params")
    after = {path.name: path.stat().st_mtime_ns for path in (workflow / "made").iterdir()}
    assert {name for name in after if after[name] != before[name]} == {"a.txt"}
    triggers = ("--rerun-triggers", "mtime", "input", "params")
    assert "Nothing to be done" in snakemake_in(workflow, *triggers)


def test_each_use_of_the_workflow_object_is_on_the_design_page():
    files = [REPOSITORY / "Snakefile", *REPOSITORY.glob("rules/*.smk")]
    used = {
        name
        for file in files
        for name in re.findall(r"(?<![\w./])workflow\.[a-z_]+", file.read_text())
    }
    page = (REPOSITORY / "docs" / "design.md").read_text("utf-8")
    listed = set(re.findall(r"^\| snakemake \| `(workflow\.[a-z_]+)", page, flags=re.MULTILINE))
    assert used == listed
