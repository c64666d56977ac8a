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
    "dicom/header/walk.py:_walk_to_pixels": "the one loop over all elements, where calls cost most",
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


OPTIONAL = ("torch", "monai", "torchio")
"""Packages that the environment of the tests lacks; tests/training has one with them."""


def test_each_function_with_a_reason_is_still_long():
    found = {
        f"{name_of(path)}:{name}"
        for path in MODULES
        for name, _ in long_functions(path.read_text("utf-8"))
    }
    assert set(LONGER) <= found


def has_logic(source: str) -> bool:
    """Whether a function of a module branches or loops; otherwise the module only declares."""
    functions = [
        node
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return any(isinstance(node, BRANCHES) for one in functions for node in ast.walk(one))


def needs_optional_package(source: str) -> bool:
    """Whether a module cannot be imported without a package that is optional."""
    imported = [node for node in ast.parse(source).body if isinstance(node, ast.Import)]
    names = {alias.name.partition(".")[0] for node in imported for alias in node.names}
    return bool(names & set(OPTIONAL)) or any(
        isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in OPTIONAL
        for node in ast.parse(source).body
    )


def test_a_module_that_only_declares_needs_no_test_of_its_own():
    assert not has_logic('X = 1\n\nclass A:\n    """A."""\n\n    def f(self):\n        return X')
    assert has_logic("def f(x):\n    return 1 if x else 2")
    assert has_logic("class A:\n    async def f(self):\n        for x in self.y:\n            x()")


def test_a_package_that_is_optional_is_found():
    assert needs_optional_package("import torch.utils.data")
    assert needs_optional_package("from monai.data import ImageReader")
    assert not needs_optional_package("import numpy\n\ndef f():\n    import torch")


def places_of_tests(path: Path) -> list[Path]:
    """Where the tests of a module may be.

    An inner room such as ``dicom/header`` whose ``__init__`` is its one way in is tested as a
    whole; a module that needs an optional package is tested where that is installed.
    """
    room = path.relative_to(PACKAGE).parent
    if needs_optional_package(path.read_text("utf-8")):
        return [ROOT / "tests" / "training" / f"inside_{path.name}"]
    places = [ROOT / "tests" / room / f"test_{path.name}"]
    if len(room.parts) > 1 and "__all__" in (path.parent / "__init__.py").read_text("utf-8"):
        places.append(ROOT / "tests" / room.parent / f"test_{room.name}.py")
    return places


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_each_module_with_logic_has_a_test_of_its_name_in_its_room(path):
    if path.name != "__init__.py" and has_logic(path.read_text("utf-8")):
        assert any(place.is_file() for place in places_of_tests(path)), places_of_tests(path)
