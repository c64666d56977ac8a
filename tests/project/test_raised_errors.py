"""Every error of the package has a code, a literal template, and a fact for each of its fields.

All templates are written alike, as they follow ``error:`` or stand in a cell: in lower case, unless
they begin with a name, and without a period at the end.
"""

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest

import ct2zarr
from ct2zarr.codes import Code

PACKAGE = Path(ct2zarr.__file__).parent
MODULES = sorted(
    path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE) != Path("errors.py")
)


def names_of_family() -> set[str]:
    """The classes of errors, wherever they are defined."""
    family = {"Ct2zarrError"}
    classes = [
        (node.name, [ast.unparse(base).rpartition(".")[2] for base in node.bases])
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    ]
    for _ in classes:  # a class may be defined before its base is found
        family |= {name for name, bases in classes if family.intersection(bases)}
    return family


FAMILY = names_of_family()
OWN_ARGUMENTS = {"RejectedError"}
"""Classes that make code and template themselves, in a call of ``super().__init__``."""

HELPERS = {"frame_error": "dicom/frame_errors.py"}
"""Functions that take a frame, whose path and number they add, then what ``FileError`` takes; and
the module of each, in which its own construction is not checked."""


def constructions(tree: ast.AST) -> Iterator[ast.Call]:
    """The calls that make an error of the family."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name in FAMILY:
            for call in ast.walk(node):
                if isinstance(call, ast.Call) and ast.unparse(call.func) == "super().__init__":
                    yield call
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func).rpartition(".")[2]
            if name in FAMILY - OWN_ARGUMENTS or name in HELPERS:
                yield node


def fault_of_code(code: ast.expr, call: ast.Call) -> str:
    """What is wrong with the code: it is a member, one of two, or that of the cause."""
    if isinstance(code, ast.IfExp):
        return fault_of_code(code.body, call) or fault_of_code(code.orelse, call)
    causes = {ast.unparse(keyword.value) for keyword in call.keywords if keyword.arg == "cause"}
    if ast.unparse(code) in {f"{cause}.code" for cause in causes}:
        return ""
    if not (isinstance(code, ast.Attribute) and ast.unparse(code.value) == "Code"):
        return "its code is no member of Code"
    return "" if code.attr in Code.__members__ else f"there is no code {code.attr}"


def fault_of(call: ast.Call) -> str:
    """What is wrong with one construction; empty where nothing is."""
    with_frame = ast.unparse(call.func) in HELPERS
    arguments = call.args[1:] if with_frame else call.args
    if len(arguments) != 2:
        return "needs a code and a template"
    code, template = arguments
    if fault := fault_of_code(code, call):
        return fault
    if not (isinstance(template, ast.Constant) and isinstance(template.value, str)):
        return "its template is no literal"
    fields = {field for _, field, _, _ in string.Formatter().parse(template.value) if field}
    given = {keyword.arg for keyword in call.keywords}
    if None in given:
        return "its facts are not written out"
    if with_frame or "path" in given:
        fields -= {"path", "file"}
        given -= {"path", "frame"}
    if fields != given:
        return f"its fields are {sorted(fields)}, its facts {sorted(map(str, given))}"
    return ""


NAMES = re.compile(r"[A-Z0-9_]{2,}\b|(ImageType|BitsAllocated|Rows)\b")
"""What a template may begin with although it is in upper case: settings, programs, keywords."""


def fault_of_style(template: str) -> str:
    """What is wrong with the wording of a template; empty where nothing is."""
    if template[:1].isupper() and not NAMES.match(template):
        return "begins in upper case"
    return "ends with a period" if template.endswith(".") else ""


def is_helper(path: Path, call: ast.Call) -> bool:
    """Whether this is the construction of a helper itself."""
    own = [name for name, module in HELPERS.items() if path == PACKAGE / module]
    return bool(own) and ast.unparse(call).startswith("FileError(code, template, path=")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_error_has_a_code_a_literal_template_and_its_facts(path: Path) -> None:
    faults = [
        f"line {call.lineno}: {fault}"
        for call in constructions(ast.parse(path.read_text()))
        if (fault := fault_of(call)) and not is_helper(path, call)
    ]
    assert faults == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_template_is_written_like_the_others(path: Path) -> None:
    faults = [
        f"line {argument.lineno}: {fault}"
        for call in constructions(ast.parse(path.read_text()))
        for argument in call.args
        if isinstance(argument, ast.Constant) and (fault := fault_of_style(str(argument.value)))
    ]
    assert faults == []


def test_every_code_is_used() -> None:
    used = {
        node.attr
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "Code"
    }
    assert used == set(Code.__members__)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ('FileError("gone", "source_gone")', "its code is no member"),
        ('FileError(code, "gone")', "its code is no member"),
        ('FileError(Code.SOURCE_GONE_AWAY, "gone")', "there is no code"),
        ('FileError(Code.SOURCE_GONE, f"{name} is gone")', "its template is no literal"),
        ('FileError(Code.SOURCE_GONE, "{file} is gone")', "its fields are"),
        ('FileError(Code.SOURCE_GONE, "it is gone", name=name)', "its fields are"),
        ('FileError(Code.SOURCE_GONE, "{file} is gone", **facts)', "its facts are not"),
        ('FileError(error.code, "{cause}", cause=other)', "its code is no member"),
        ('FileError(error.code, "{cause}", cause=error)', ""),
        ('FileError(Code.NO_PIXELS if n else Code.GONE, "it is gone")', "there is no code"),
        ('frame_error(frame, Code.SOURCE_GONE, "{file} is gone")', ""),
        ('frame_error(frame, Code.SOURCE_GONE, "{file} is gone", name=name)', "its fields are"),
        ("FileError(Code.SOURCE_GONE)", "needs a code and a template"),
        ('FileError(Code.SOURCE_GONE, "{file} lacks {n:d}", path=path, frame=1, n=2)', ""),
    ],
)
def test_a_wrong_construction_is_found(text: str, fault: str) -> None:
    (call,) = constructions(ast.parse(text))
    assert fault_of(call).startswith(fault)
    assert bool(fault_of(call)) == bool(fault)


@pytest.mark.parametrize(
    ("template", "fault"),
    [
        ("The file is gone", "begins in upper case"),
        ("the file is gone.", "ends with a period"),
        ("{file} is gone", ""),
        ("INPUT_CSV {path} does not exist; name another file", ""),
        ("ImageType is {found}", ""),
    ],
)
def test_a_template_that_is_written_otherwise_is_found(template: str, fault: str) -> None:
    assert fault_of_style(template) == fault
