"""How values stand in the cells of the tables that ct2zarr writes.

A spreadsheet runs a cell that begins with ``=``, ``+``, ``-`` or ``@`` as a formula, and the text
of a header may begin so. An apostrophe before it makes it text for a spreadsheet, and it is taken
off when ct2zarr reads the table. Numbers stay as they are.
"""

import re

from ..visible_text import is_hidden, visible

SEPARATOR = ";"
"""Joins several values in one cell."""

_STARTS = "=+\\-@\uff1d\uff0b\uff0d\uff20"
"""What starts a formula, for a class; spreadsheets take the full-width forms for the others."""
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_NUMBERS = re.compile(rf"\s*{_NUMBER}(?:\\{_NUMBER})*\s*")
"""A number, or several as DICOM joins them."""
_PIECE = rf"(^|{SEPARATOR})"
"""Where a cell starts: in many countries spreadsheets divide lines at the semicolon too."""
_FORMULA = re.compile(rf"{_PIECE}('*\s*[{_STARTS}][^{SEPARATOR}]*)", re.DOTALL)
_GUARDED = re.compile(rf"{_PIECE}'('*\s*[{_STARTS}])")
_MAY_BE_FORMULA = re.compile(rf"['\s{_STARTS}]|[^{SEPARATOR}]*{SEPARATOR}")
_ESCAPE = re.compile(r"\\(?:x[0-9a-f]{2}|u[0-9a-f]{4}|U000[0-9a-f]{5})")


def guard(text: str) -> str:
    """The text with an apostrophe before whatever a spreadsheet would run as a formula."""
    return _FORMULA.sub(_with_apostrophe, text) if _MAY_BE_FORMULA.match(text) else text


def remove_guard(cell: str) -> str:
    """The text of a guarded cell."""
    return _GUARDED.sub(r"\1\2", cell) if "'" in cell else cell


def to_cell(text: str) -> str:
    """A text as a cell without hidden characters, from which ``from_cell`` makes the same text."""
    if "\\" in text:
        text = _ESCAPE.sub(_without_meaning, text)
    return guard(visible(text))


def from_cell(cell: str) -> str:
    """The text of a cell that ``to_cell`` wrote; what it never writes stays as it is."""
    text = remove_guard(cell)
    return _ESCAPE.sub(_meaning, text) if "\\" in text else text


def _with_apostrophe(found: re.Match[str]) -> str:
    start, piece = found.groups()
    return found[0] if _NUMBERS.fullmatch(piece) else f"{start}'{piece}"


def _meaning(escape: re.Match[str]) -> str:
    character = chr(int(escape[0][2:], 16))
    return character if character == "\\" or is_hidden(character) else escape[0]


def _without_meaning(escape: re.Match[str]) -> str:
    """The escape of the backslash, where the text holds what would be read as an escape."""
    return escape[0] if _meaning(escape) == escape[0] else r"\x5c" + escape[0][1:]
