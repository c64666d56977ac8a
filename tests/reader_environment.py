"""Virtual environments of their own for other people's readers, made once and kept in a cache.

The cache is $CT2ZARR_TEST_CACHE, else ``~/.cache/ct2zarr-tests``. Where the packages cannot be
installed (no network) the test is skipped with that reason, or fails if
$CT2ZARR_REQUIRE_ENVIRONMENTS is 1, as in CI.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

INSTALL_SECONDS = 600


def environment_python(*requirements: str) -> Path:
    """The interpreter of an environment with ``requirements``; made on the first call."""
    root = Path(os.environ.get("CT2ZARR_TEST_CACHE") or Path.home() / ".cache" / "ct2zarr-tests")
    named = "\n".join([sys.version, *sorted(requirements)])
    folder = root / f"env-{hashlib.sha256(named.encode()).hexdigest()[:16]}"
    python = folder / "bin" / "python"
    if (folder / "complete").exists():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run(
        [*pip, *requirements], capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
    )
    if done.returncode != 0:
        message = f"cannot install {' '.join(requirements)}: {done.stderr[-500:]}"
        if os.environ.get("CT2ZARR_REQUIRE_ENVIRONMENTS") == "1":
            pytest.fail(message)
        pytest.skip(message)
    (folder / "complete").touch()
    return python


def run_reader(python: Path, script: str, *arguments: object) -> str:
    """Run a script of this folder in an environment and give what it prints."""
    done = subprocess.run(
        [python, "-I", Path(__file__).with_name(script), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
