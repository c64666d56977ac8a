"""The package is laid out as docs/design.md says: short functions, and a test for each module."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import ct2zarr

ROOT = Path(__file__).parents[2]
PACKAGE = Path(ct2zarr.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
MOST_LINES = 45
"""Of a function, from ``def`` to its last line."""
LONGER: dict[str, str] = {
    "dicom/header/walk.py:_walk_to_pixels": "the one loop over all elements, where calls cost most",
    "geometry/stacks.py:stack_geometry": "to be divided",
    "plan/manifest.py:_summary": "to be divided",
    "plan/manifest_reading.py:plans_of_folder_rows": "to be divided",
    "plan/manifest_rows.py:plan_of_row": "to be divided",
    "plan/manifest_rows.py:series_row": "to be divided",
    "report/page.py:make_report": "to be divided",
    "run/workers.py:run": "to be divided",
    "scan/scanning.py:scan_walked": "to be divided",
    "scan/shares.py:merge_parts": "to be divided",
    "scan/walking.py:_walk": "to be divided",
    "store/containers.py:open_container": "to be divided",
    "store/sqlite_file.py:check_header": "to be divided",
    "volume/patches.py:read_patch_mm": "to be divided",
}
"""Functions that are longer, each with its reason."""


BRANCHES = (
    *(ast.If, ast.IfExp, ast.For, ast.AsyncFor, ast.While, ast.Try, ast.TryStar, ast.Match),
    *(ast.With, ast.BoolOp, ast.comprehension),
)
"""What makes a function more than a declaration."""


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def long_functions(source: str) -> Iterator[tuple[str, int]]:
    """Name and number of lines of each function of a module that is too long."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            lines = node.end_lineno - node.lineno + 1
            if lines > MOST_LINES:
                yield node.name, lines


def test_a_long_function_is_found():
    statement = "    x = 1\n"
    fits = "def fits():\n" + statement * (MOST_LINES - 1)
    long = "def long():\n" + statement * MOST_LINES
    assert list(long_functions(fits + long)) == [("long", MOST_LINES + 1)]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_functions_are_short_or_give_a_reason(path):
    found = {f"{name_of(path)}:{name}" for name, _ in long_functions(path.read_text("utf-8"))}
    assert found <= set(LONGER)
