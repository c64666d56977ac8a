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
"""Of a function, from ``def`` to its last line, without its docstring."""
LONGER: dict[str, str] = {
    "cli/command.py:_parser": "a list of arguments, without a branch",
    "dicom/header/walk.py:_walk_to_pixels": "the one loop over all elements, where calls cost most",
}
"""Functions that are longer, each with its reason."""


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def long_functions(source: str) -> Iterator[tuple[str, int]]:
    """Name and number of lines of each function of a module that is too long."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            documented = ast.get_docstring(node) is not None
            lines = lines_of(node) - (lines_of(node.body[0]) if documented else 0)
            if lines > MOST_LINES:
                yield node.name, lines


def lines_of(node: ast.stmt) -> int:
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


def test_a_long_function_is_found():
    statement = "    x = 1\n"
    fits = 'def fits():\n    """Do.\n\n    Well.\n    """\n' + statement * (MOST_LINES - 1)
    long = "def long():\n" + statement * MOST_LINES
    assert list(long_functions(fits + long)) == [("long", MOST_LINES + 1)]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_functions_are_short_or_give_a_reason(path):
    found = {f"{name_of(path)}:{name}" for name, _ in long_functions(path.read_text("utf-8"))}
    assert found <= set(LONGER)
