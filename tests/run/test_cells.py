"""What a spreadsheet would run as a formula is text in every cell, and reads back unchanged."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ct2zarr.run.cells import from_cell, guard, remove_guard, to_cell
from ct2zarr.visible_text import is_hidden

ODD = st.text(
    st.sampled_from(
        list("=+-@;' \\xu05c1b9ceE.\t\r\n\x1b\u202e\ud800\uff1d\uff20\u00a0a\U000e0041")
    )
)
ANY = st.one_of(ODD, st.text(st.characters(codec=None)))
STARTS = "=+-@\uff1d\uff0b\uff0d\uff20"
NUMBER = re.compile(r"[+-]?[0-9.]+(e[+-]?[0-9]+)?(\\[+-]?[0-9.]+(e[+-]?[0-9]+)?)*", re.IGNORECASE)


@given(ANY)
def test_a_text_reads_back_as_it_was(text):
    assert from_cell(to_cell(text)) == text
    assert remove_guard(guard(text)) == text


@given(ANY)
def test_no_cell_starts_a_formula_wherever_lines_are_divided(text):
    """At the start and, as in countries with a decimal comma, after a semicolon."""
    for piece in to_cell(text).split(";"):
        start = piece.strip()
        assert start == "" or start[0] not in STARTS or NUMBER.fullmatch(start)
    assert not any(map(is_hidden, to_cell(text)))


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=cmd|'/c calc'!A0", "'=cmd|'/c calc'!A0"),
        ("+1+1", "'+1+1"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        (" =1", "' =1"),
        ("a;=1;b", "a;'=1;b"),
        ("'=1", "''=1"),
        ("-", "'-"),
        ("-1.2.3", "'-1.2.3"),
        ("\t=1", r"\x09=1"),
        ("IM\n1.dcm", r"IM\x0a1.dcm"),
        (r"a\x0ab", r"a\x5cx0ab"),
    ],
)
def test_cells_are_written_as_documented(text, cell):
    assert to_cell(text) == cell


@pytest.mark.parametrize(
    "text",
    [
        "-1024", "+5", "-0.5", "-.5", "-5.", "-1e-07", "+1E5", r"-250.5\-250.5\+10", "-1;-2", "",
        "'tis", "O'Neil", "a=b", "1-2", r"ORIGINAL\PRIMARY\AXIAL", r"a\x41b", r"C:\new\up", "a;b",
    ],
)  # fmt: skip
def test_numbers_and_ordinary_texts_stay_as_they_are(text):
    assert to_cell(text) == text


def test_a_text_that_nobody_guarded_is_read_as_it_is():
    for cell in ("=1", "'tis", "it's =1", r"\x41", r"dev\x2ddisk", r"\u00e4", r"\U0001f600"):
        assert from_cell(cell) == cell
