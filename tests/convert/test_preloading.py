"""Workers find loaded what each of them needs, and everything else where it was."""

import os
import subprocess
import sys

import pytest

from ct2zarr.convert.preloading import HIDDEN, hidden

NEVER_LOADED = "wave"
"""A module that nothing here imports."""


def printed_by(script: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


def test_what_pydicom_would_import_besides_is_not_loaded():
    loaded = printed_by("import sys, ct2zarr.convert.preloading; print(*sys.modules)")
    assert {"ct2zarr.convert.conversion", "pydicom", "numcodecs"} <= set(loaded)
    assert not set(HIDDEN) & set(loaded)


def test_what_was_hidden_can_be_imported_afterwards():
    script = f"""
import ct2zarr.convert.preloading
import importlib
for name in {HIDDEN!r}:
    if importlib.util.find_spec(name):
        print(importlib.import_module(name).__name__)
"""
    assert "gdcm" in printed_by(script)


def test_what_is_loaded_already_is_not_hidden():
    with hidden(["json", NEVER_LOADED]):
        import json

        assert json.loads("1") == 1
        with pytest.raises(ImportError):
            __import__(NEVER_LOADED)
    assert "json" in sys.modules
    assert NEVER_LOADED not in sys.modules


def test_packages_are_found_again_after_an_error():
    with pytest.raises(ZeroDivisionError), hidden([NEVER_LOADED]):
        _ = 1 / 0
    assert __import__(NEVER_LOADED).__name__ == NEVER_LOADED
    del sys.modules[NEVER_LOADED]
