"""The wheel in a clean environment: its content, and that it does not need the checkout."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import ct2zarr
from handmade_volume import voxels, write_volume
from reader_environment import (
    REPOSITORY,
    build_wheel,
    environment_python,
    environment_with_wheel,
    own_requirements,
)

pytestmark = pytest.mark.slow
SETUPTOOLS = "setuptools>=77"


@pytest.fixture(scope="module")
def base() -> Path:
    """An environment with the dependencies in pyproject.toml, but without ct2zarr."""
    return environment_python(*own_requirements(), SETUPTOOLS)


@pytest.fixture(scope="module")
def python(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return environment_with_wheel(tmp_path_factory.mktemp("package"), base, "")


def run(python: Path, folder: Path, *arguments: str) -> str:
    command = [str(python), "-I", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_wheel_has_every_file_of_the_package_and_no_other(base: Path, tmp_path: Path) -> None:
    scripts = REPOSITORY / "scripts"
    ours = {
        path.relative_to(scripts).as_posix()
        for path in (scripts / "ct2zarr").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(build_wheel(tmp_path, base)) as wheel:
        theirs = {name for name in wheel.namelist() if ".dist-info/" not in name}
        licences = [name for name in wheel.namelist() if name.endswith("/LICENSE")]
        code = {name: wheel.read(name) for name in theirs if name.endswith(".py")}
    assert theirs == ours
    assert "ct2zarr/py.typed" in theirs
    assert licences
    # The demonstration and its synthetic chest are for the checkout alone.
    assert not any("demonstration" in name or "chest" in name for name in theirs)
    assert not [name for name, text in code.items() if b"import demonstration" in text]
    assert not [name for name, text in code.items() if b"from demonstration" in text]


def test_volumes_open_outside_of_the_checkout(python: Path, tmp_path: Path) -> None:
    path = write_volume(tmp_path / "v", voxels())
    code = f"import ct2zarr; v = ct2zarr.open_volume({str(path)!r}); print(v[1:3].sum(), v.array)"
    said = run(python, tmp_path, "-c", code)
    assert said.startswith(f"{voxels()[1:3].sum()} <Array")


def test_every_module_but_those_of_the_extras_imports(python: Path, tmp_path: Path) -> None:
    code = """
import importlib, pkgutil, ct2zarr
assert "site-packages" in ct2zarr.__file__, ct2zarr.__file__
for module in pkgutil.walk_packages(ct2zarr.__path__, "ct2zarr."):
    try:
        importlib.import_module(module.name)
    except ModuleNotFoundError as error:
        print(module.name, error.name)
"""
    missing = dict(line.split() for line in run(python, tmp_path, "-c", code).splitlines())
    assert missing == {
        "ct2zarr.workflow.bars": "snakemake_interface_logger_plugins",
        "ct2zarr.workflow.closing": "snakemake_interface_logger_plugins",
        "ct2zarr.workflow.config_check": "jsonschema",
        "ct2zarr.workflow.display": "snakemake_interface_logger_plugins",
        "ct2zarr.workflow.printed_log": "snakemake_interface_logger_plugins",
        "ct2zarr.workflow.run_events": "snakemake_interface_logger_plugins",
        "ct2zarr.volume.monai_reader": "monai",
        "ct2zarr.volume.patch_dataset": "torch",
        "ct2zarr.volume.torchio_reader": "torch",
    }


def test_the_command_is_installed(python: Path, tmp_path: Path) -> None:
    command = python.with_name("ct2zarr")
    done = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == f"ct2zarr {ct2zarr.__version__}"
    path = write_volume(tmp_path / "v", voxels())
    done = subprocess.run(
        [command, "export", path, tmp_path / "v.nii"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.strip().endswith("is not installed; run pip install 'ct2zarr[nifti]'")


def test_a_type_checker_sees_the_types(python: Path, tmp_path: Path) -> None:
    (tmp_path / "user.py").write_text(
        "import ct2zarr\n"
        "v = ct2zarr.open_volume('v')\n"
        "reveal_type(v.spacing)\n"
        "v.patch((1, 1, 1), (2, 2, 2), 3)\n"
    )
    command = [sys.executable, "-m", "mypy", "--python-executable", str(python), "user.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert 'Revealed type is "tuple[float, float, float]"' in done.stdout.replace(
        "builtins.", ""
    ), done.stdout
    assert 'Too many positional arguments for "patch"' in done.stdout, done.stdout
