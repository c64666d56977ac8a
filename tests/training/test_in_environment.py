"""Exports, MONAI, TorchIO, PyTorch and the examples, with ct2zarr installed from its wheel.

The claims are in the files ``inside_*.py``: pytest runs them in an environment that has those
tools, which are too heavy for the project's own.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from reader_environment import (
    REPOSITORY,
    environment_python,
    environment_with_wheel,
    own_requirements,
    requirement_lines,
)

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent
EXTRAS = "nifti,sitk,torch,monai,torchio"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if sys.version_info[:2] != (3, 11):
        pytest.skip("the pinned CPU build of torch is for Python 3.11")
    wanted = requirement_lines(HERE / "requirements.txt")
    base = environment_python(*own_requirements(), *wanted)
    return environment_with_wheel(tmp_path_factory.mktemp("package"), base, EXTRAS)


@pytest.mark.parametrize("name", sorted(path.name for path in HERE.glob("inside_*.py")))
def test_in_environment(python: Path, tmp_path: Path, name: str) -> None:
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--basetemp={tmp_path}/t"]
    # The wheel is tested, not the checkout: scripts/ is left out of the path. The plugin for
    # coroutines is not there, and nor are its options.
    options = ["-c", HERE / "inside.ini", "--rootdir", REPOSITORY, HERE / name]
    done = subprocess.run(
        [*map(str, command), *map(str, options)],
        cwd=tmp_path,
        env=os.environ | {"PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
