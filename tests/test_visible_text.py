"""No character that hides, breaks a line or rewrites a terminal leaves ct2zarr as it is."""

import sys
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from ct2zarr.visible_text import is_hidden, visible, visible_lines

ANY_TEXT = st.text(st.characters(codec=None), max_size=30)


def test_no_control_character_no_turn_of_direction_and_no_line_break_is_left():
    """By their Unicode properties, not by a list of ours."""
    every = "".join(map(chr, range(sys.maxunicode + 1)))
    left = set(visible(every))
    assert not {one for one in left if unicodedata.category(one) in ("Cc", "Cs", "Zl", "Zp")}
    turning = ("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI")
    assert not {one for one in left if unicodedata.bidirectional(one) in turning}
    assert len(visible("".join(left)).splitlines()) == 1


def test_letters_of_every_script_stay():
    persian = "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645"
    for text in ("Müller^Jörg", "山田^太郎", persian, "한글\u3000공백", "x\u00a0y", "🩻"):
        assert visible(text) == text


def test_escapes_are_those_of_python():
    assert visible("\x1b[31m\n\x85 \u202e \U000e0041 \udce4") == (
        r"\x1b[31m\x0a\x85 \u202e \U000e0041 \udce4"
    )


@given(ANY_TEXT)
def test_doing_it_again_changes_nothing(text):
    once = visible(text)
    assert visible(once) == once
    assert not any(map(is_hidden, once))
    once.encode("utf-8")


@given(ANY_TEXT)
def test_only_line_breaks_are_left_in_lines(text):
    assert visible_lines(text).split("\n") == [visible(line) for line in text.split("\n")]
