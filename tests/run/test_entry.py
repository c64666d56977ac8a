"""How a step ends: a sentence and the exit code of its error, or a traceback in the log."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ct2zarr.codes import Code
from ct2zarr.errors import DamageError, MachineError, SettingsError
from ct2zarr.run.entry import run_step
from ct2zarr.run.option_values import variables_of
from ct2zarr.run.settings import SCRIPTS

SCRIPTS_FOLDER = Path(__file__).parents[2] / "scripts"


def raising(error):
    def step():
        raise error

    return step


@pytest.mark.parametrize(
    ("kind", "exit_code"), [(SettingsError, 2), (MachineError, 3), (DamageError, 4)]
)
def test_an_error_for_the_user_is_one_line_and_its_exit_code(kind, exit_code, capsys, tmp_path):
    log = tmp_path / "logs" / "step.log"
    with pytest.raises(SystemExit) as ended:
        run_step(raising(kind(Code.MACHINE, "The disk {disk} is full.", disk="sda")), str(log))
    assert ended.value.code == exit_code
    assert capsys.readouterr().err == "error: The disk sda is full.\n"
    (line,) = log.read_text().splitlines()
    assert line.endswith(" ERROR The disk sda is full.")


def test_an_error_that_nobody_foresaw_leaves_its_traceback_in_the_log(capsys, tmp_path):
    log = tmp_path / "step.log"
    with pytest.raises(SystemExit) as ended:
        run_step(raising(ZeroDivisionError("by zero")), str(log))
    assert ended.value.code == 1
    assert capsys.readouterr().err == f"error: unexpected ZeroDivisionError, see {log}\n"
    assert "Traceback" in log.read_text()
    assert "ZeroDivisionError: by zero" in log.read_text()


def test_without_a_log_the_traceback_is_on_stderr(capsys):
    with pytest.raises(SystemExit) as ended:
        run_step(raising(ZeroDivisionError("by zero")))
    assert ended.value.code == 1
    assert "ZeroDivisionError: by zero" in capsys.readouterr().err


def test_ctrl_c_is_one_word_and_the_exit_code_of_shells(capsys):
    with pytest.raises(SystemExit) as ended:
        run_step(raising(KeyboardInterrupt()))
    assert ended.value.code == 130
    assert capsys.readouterr().err == "error: interrupted\n"


def test_a_step_that_ends_well_does_not_end_the_process(capsys):
    done = []
    run_step(lambda: done.append(1))
    assert done == [1]
    assert capsys.readouterr().err == ""


def test_without_a_log_an_error_for_the_user_is_said_once(capsys):
    with pytest.raises(SystemExit):
        run_step(raising(SettingsError(Code.SETTING_WRONG, "No.")))
    assert capsys.readouterr().err == "error: No.\n"


# Scripts that a person starts -------------------------------------------------------------------


def script(name: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPTS_FOLDER / name), *arguments],
        env={"PATH": os.environ["PATH"], **environ},
        capture_output=True,
        text=True,
        timeout=120,
    )


SCRIPT_NAMES = sorted(path.name for path in SCRIPTS_FOLDER.glob("*.py"))


@pytest.mark.parametrize("name", SCRIPT_NAMES)
def test_every_script_explains_itself_and_refuses_arguments(name):
    shown = script(name, "--help")
    assert shown.returncode == 0, shown.stderr
    assert name in shown.stdout or "Only Snakemake" in shown.stdout
    for option in variables_of(SCRIPTS[name]) if name in SCRIPTS else []:
        assert f"\n  {option.variable}: " in shown.stdout
    refused = script(name, "--no-such-option")
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_a_misspelt_variable_is_one_line_and_exit_code_2(tmp_path):
    given = {"DATASET_V1_ROOT": str(tmp_path), "OUT_DIR": str(tmp_path / "m")}
    refused = script("generate_manifest.py", **given, NUM_WRKERS="4")
    assert refused.returncode == 2
    assert refused.stderr == "error: NUM_WRKERS is not a setting: did you mean NUM_WORKERS?\n"
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize("name", SCRIPT_NAMES)
def test_help_may_be_cut_off_as_head_does(name):
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, str(SCRIPTS_FOLDER / name), "--help"],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")
