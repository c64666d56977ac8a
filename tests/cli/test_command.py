"""The command ``ct2zarr``: a mistake is one sentence and an exit code that says whose it is."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ct2zarr.cli.command import FORMATS, Resampling, export, main
from ct2zarr.codes import Code
from ct2zarr.errors import SettingsError
from ct2zarr.run.summary_columns import SummaryRow, rows_to_csv
from ct2zarr.version import __version__
from handmade_volume import voxels, write_volume

HASH = "0123456789abcdef" * 2


@pytest.fixture
def summary(tmp_path: Path) -> Path:
    """A summary of one volume, beside its store."""
    folder = tmp_path / "zarr_sqlite"
    (folder / "data").mkdir(parents=True)
    write_volume(folder / "data" / f"{HASH}.zarr.sqlite", voxels((3, 8, 8)))
    path = folder / "summary_all.csv"
    path.write_text(rows_to_csv([SummaryRow(HASH, "v1", "/a", "ok")]))
    return path


def exported(source: Path, target: Path, format_: str | None = None) -> int:
    return export(source, target, format_, Resampling(False, None, None))


def left_with(arguments: list[str]) -> int | str | None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    return left.value.code


def test_formats_are_offered_without_their_dot():
    assert FORMATS == ("nii", "nii.gz", "nrrd", "mha")


@pytest.mark.parametrize("name", ["v.tiff", "v", "nii", "v.nii.xz"])
def test_suffix_that_names_no_format_is_refused(tmp_path, name):
    with pytest.raises(SettingsError) as caught:
        exported(tmp_path / "gone.zarr", tmp_path / name)
    assert caught.value.code is Code.SETTING_WRONG
    assert str(caught.value) == (
        f"{name} must end in one of .nii, .nii.gz, .nrrd, .mha, which says the format"
    )


def test_suffix_and_format_have_to_agree(tmp_path):
    with pytest.raises(SettingsError, match=r"v\.nii must end in \.mha, the format that --format"):
        exported(tmp_path / "gone.zarr", tmp_path / "v.nii", format_="mha")


def test_volume_that_is_not_there_is_counted_and_named(tmp_path, capsys):
    assert exported(tmp_path / "gone.zarr", tmp_path / "new" / "v.nii", format_="nii") == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: ")
    assert "gone.zarr" in said.err
    assert left_with(["export", str(tmp_path / "gone.zarr"), str(tmp_path / "v.nii")]) == 1


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [
        ("v.nii", "nibabel", "nifti"),
        ("v.nii.gz", "nibabel", "nifti"),
        ("v.mha", "SimpleITK", "sitk"),
    ],
)
def test_missing_package_is_named_with_what_installs_it(
    summary, tmp_path, monkeypatch, capsys, name, package, extra
):
    monkeypatch.setitem(sys.modules, package, None)
    store = summary.parent / "data" / f"{HASH}.zarr.sqlite"
    target = tmp_path / "new" / name
    assert left_with(["export", str(store), str(target)]) == 2
    assert capsys.readouterr().err == (
        f"error: writing {name} needs {package}, which is not installed; run pip install "
        f"'ct2zarr[{extra}]'\n"
    )
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "suffix"),
    [((), "nii.gz"), (("--format", "nii"), "nii"), (("--format", "nrrd"), "nrrd")],
)
def test_files_of_a_summary_are_named_after_their_volumes(
    summary, tmp_path, monkeypatch, capsys, options, suffix
):
    monkeypatch.setitem(sys.modules, "nibabel", None)
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    assert left_with(["export", str(summary), str(tmp_path / "new"), *options]) == 2
    assert f"writing {HASH}.{suffix} needs" in capsys.readouterr().err
    assert (tmp_path / "new").is_dir()


@pytest.mark.parametrize("option", [("--spacing", "1", "1", "1"), ("--fill", "0")])
def test_options_of_resampling_need_it(tmp_path, capsys, option):
    assert left_with(["export", "a.zarr", str(tmp_path / "v.nii"), *option]) == 2
    assert "--spacing and --fill can only be used with --resample" in capsys.readouterr().err


def test_target_that_cannot_be_created_is_a_fault_of_the_machine(tmp_path, capsys):
    (tmp_path / "file").touch()
    assert left_with(["export", "a.zarr", str(tmp_path / "file" / "v.nii")]) == 3
    assert capsys.readouterr().err.startswith("error: ")


def test_interrupted_command_exits_as_a_shell_says(tmp_path, monkeypatch, capsys):
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ct2zarr.cli.command.export", interrupt)
    assert left_with(["export", "a.zarr", str(tmp_path / "v.nii")]) == 130
    assert capsys.readouterr().err == "error: interrupted\n"


def test_version_is_that_of_the_package(capsys):
    assert left_with(["--version"]) == 0
    assert capsys.readouterr().out == f"ct2zarr {__version__}\n"


def without_a_reader(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command with a stdout whose reader has left."""
    program = "from ct2zarr.cli.command import main; main()"
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return subprocess.run(
            [sys.executable, "-c", program, *arguments],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=writer,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
        )
    finally:
        os.close(writer)


def test_an_export_whose_output_nobody_reads_goes_on(summary, tmp_path):
    pytest.importorskip("nibabel")
    done = without_a_reader("export", str(summary), str(tmp_path / "out"), "--format", "nii")
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "out" / f"{HASH}.nii").stat().st_size


@pytest.mark.parametrize("arguments", [["--help"], ["export", "--help"], ["--version"]])
def test_help_that_nobody_reads_to_its_end_says_nothing_more(arguments):
    done = without_a_reader(*arguments)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(("failed", "code"), [(0, 0), (1, 1), (3, 1)])
def test_exit_code_says_whether_all_volumes_were_exported(monkeypatch, failed, code):
    monkeypatch.setattr("ct2zarr.cli.command.export", lambda *_: failed)
    assert left_with(["export", "a.csv", "out"]) == code


def test_file_that_cannot_be_written_is_a_fault_of_the_machine(
    summary, tmp_path, monkeypatch, capsys
):
    def refuse(*_: object) -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("ct2zarr.cli.command._write", refuse)
    store = summary.parent / "data" / f"{HASH}.zarr.sqlite"
    assert left_with(["export", str(store), str(tmp_path / "v.nii")]) == 3
    assert capsys.readouterr().err == (
        f"error: cannot write {tmp_path}/v.nii: No space left on device\n"
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["exprt", "a", "b"], "unknown command exprt: did you mean export?"),
        (["verify"], "unknown command verify: there is export"),
        (["export", "a", "b", "--resmaple"], "unknown option --resmaple: did you mean --resample?"),
        (
            ["export", "a", "b", "--formatt=nrrd"],
            "unknown option --formatt: did you mean --format?",
        ),
        (["export", "a", "b", "--xyz"], "unknown option --xyz"),
        (["export", "a", "b", "c"], "too many arguments: c"),
    ],
)
def test_wrong_words_are_named_with_the_nearest(words, sentence, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"ct2zarr: error: {sentence}"
