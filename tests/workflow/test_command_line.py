"""The command that a person is shown runs everything that is pending, with the same settings."""

import sys
from pathlib import Path

import pytest

from ct2zarr.workflow.command_line import CommandLine


def whole(typed: str, *config: str, targets: tuple[str, ...] = ()) -> str:
    return CommandLine(["snakemake", *typed.split()], lambda: targets).whole(*config)


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("--cores 16", "--cores 16"),
        ("--cores 16 --until manifest", "--cores 16"),
        ("--until manifest --cores 16", "--cores 16"),
        ("--until=manifest --cores 16", "--cores 16"),
        ("-R manifest audit_shard --cores 2", "--cores 2"),
        ("-F --configfile run.yaml --cores 2", "--configfile run.yaml --cores 2"),
        ("--cores 2 --forceall -k", "--cores 2 -k"),
    ],
)
def test_what_limits_a_run_to_steps_or_repeats_them_is_left_out(typed, shown):
    assert whole(typed) == f"snakemake {shown}"


def test_targets_are_left_out_wherever_they_stand():
    assert whole("audit --cores 2", targets=("audit",)) == "snakemake --cores 2"
    assert whole("--cores 2 a.csv audit", targets=("audit", "a.csv")) == "snakemake --cores 2"


def test_values_for_the_config_join_those_that_are_there():
    assert whole("--cores 2", "retry=1") == "snakemake --cores 2 --config retry=1"
    assert whole("--config a=1 --cores 2", "retry=1") == (
        "snakemake --config retry=1 a=1 --cores 2"
    )
    assert whole("-C a=1", "retry=1") == "snakemake -C retry=1 a=1"
    assert whole("--config retry=1", "retry=1") == "snakemake --config retry=1"


def test_words_are_quoted_for_a_shell():
    line = CommandLine(["snakemake", "--config", "chunks=[8,8,8]", "out_root=my results"])
    assert line.whole() == "snakemake --config 'chunks=[8,8,8]' 'out_root=my results'"


def test_the_program_is_named_so_that_a_shell_finds_it(tmp_path, monkeypatch):
    installed = Path(sys.executable).with_name("snakemake")
    monkeypatch.setenv("PATH", str(installed.parent))
    assert CommandLine([str(installed)]).whole() == "snakemake"
    assert CommandLine(["/lib/snakemake/__main__.py"]).whole() == "snakemake"
    other = tmp_path / "snakemake"
    other.touch()
    assert CommandLine([str(other)]).whole() == str(other)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert CommandLine([str(installed)]).whole() == str(installed)
