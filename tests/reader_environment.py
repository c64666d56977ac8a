"""Separate virtual environments for other tools, created once and kept in a cache.

The cache is $CT2ZARR_TEST_CACHE, else ``~/.cache/ct2zarr-tests``. Where the packages cannot be
installed (no network) the test is skipped with that reason, or fails if
$CT2ZARR_REQUIRE_ENVIRONMENTS is 1, as in CI.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
INSTALL_SECONDS = 600
PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")


def environment_python(*requirements: str) -> Path:
    """The interpreter of an environment with ``requirements``; created on the first call."""
    root = Path(os.environ.get("CT2ZARR_TEST_CACHE") or Path.home() / ".cache" / "ct2zarr-tests")
    named = "\n".join([sys.version, *sorted(requirements)])
    folder = root / f"env-{hashlib.sha256(named.encode()).hexdigest()[:16]}"
    root.mkdir(parents=True, exist_ok=True)
    with Path(f"{folder}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests may run side by side
        _make(folder, requirements)
    return folder / "bin" / "python"


def _make(folder: Path, requirements: tuple[str, ...]) -> None:
    """Create the environment unless it exists."""
    if (folder / "complete").exists():
        return
    python = folder / "bin" / "python"
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    done = subprocess.run(
        [python, *PIP, *requirements],
        capture_output=True,
        text=True,
        timeout=INSTALL_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        message = f"cannot install {' '.join(requirements)}: {done.stderr[-500:]}"
        if os.environ.get("CT2ZARR_REQUIRE_ENVIRONMENTS") == "1":
            pytest.fail(message)
        pytest.skip(message)
    (folder / "complete").touch()


def run_reader(python: Path, script: Path, *arguments: object) -> str:
    """Run a script in an environment, without our code, and return what it prints."""
    done = subprocess.run(
        [python, "-I", script, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def requirement_lines(path: Path) -> list[str]:
    """The requirements in a file."""
    lines = [line.partition("#")[0].strip() for line in path.read_text("utf-8").splitlines()]
    return [line for line in lines if line]


def own_requirements() -> list[str]:
    """The dependencies of ct2zarr, each in the version that the project is tested with."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    named = {line.partition(">")[0] for line in project["dependencies"]}
    pinned = requirement_lines(REPOSITORY / "requirements.txt")
    return [line for line in pinned if line.partition("=")[0] in named]


def build_wheel(folder: Path, python: Path) -> Path:
    """The wheel of the package, built by ``python`` (which has setuptools) from a clean copy."""
    source = folder / "source"
    source.mkdir(parents=True)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, source)
    unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(REPOSITORY / "scripts", source / "scripts", ignore=unwanted)
    command = [python, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-deps"]
    options = ["--no-build-isolation", "--wheel-dir", str(folder), str(source)]
    subprocess.run([*command, *options], check=True, capture_output=True, timeout=INSTALL_SECONDS)
    (wheel,) = folder.glob("*.whl")
    return wheel


def environment_with_wheel(folder: Path, base: Path, extras: str) -> Path:
    """The interpreter of a new environment: what ``base`` has, and the wheel with ``extras``.

    pip finds every dependency in ``base`` or fails: it may not download anything.
    """
    wheel = build_wheel(folder / "wheel", base)
    venv.create(folder / "env", with_pip=False)
    python = folder / "env" / "bin" / "python"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site = folder / "env" / "lib" / version / "site-packages"
    (site / "base.pth").write_text(f"{base.parents[1] / 'lib' / version / 'site-packages'}\n")
    install = [python, *PIP, "--no-index", f"{wheel}[{extras}]" if extras else str(wheel)]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return python
