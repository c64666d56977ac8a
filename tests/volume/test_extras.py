"""A missing optional package is named with the command that installs it."""

import subprocess
import sys
from pathlib import Path

import pytest

from ct2zarr.volume.extras import EXTRAS, named_extra

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.mark.parametrize(
    ("name", "missing", "extra"),
    [
        ("PatchDataset", "torch", "torch"),
        ("MonaiReader", "monai", "monai"),
        ("torchio_reader", "torch", "torchio"),
        ("torchio_resampling_reader", "torch", "torchio"),
    ],
)
def test_a_reader_without_its_package_names_the_extra(name, missing, extra):
    code = f"import sys; sys.modules[{missing!r}] = None; from ct2zarr import {name}"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(SCRIPTS)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    said = f"{missing} is not installed; run pip install 'ct2zarr[{extra}]'"
    assert done.stderr.splitlines()[-1] == f"ModuleNotFoundError: {said}"


@pytest.mark.parametrize("package", EXTRAS)
def test_every_optional_package_has_its_extra(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModuleNotFoundError) as raised, named_extra():
        __import__(package)
    assert raised.value.name == package
    assert f"pip install 'ct2zarr[{EXTRAS[package]}]'" in str(raised.value)


def test_another_missing_module_is_not_explained_away():
    with (
        pytest.raises(ModuleNotFoundError, match="No module named 'no_such_module'"),
        named_extra(),
    ):
        __import__("no_such_module")
