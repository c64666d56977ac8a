"""Text of headers, file names and people, as it may stand in a table, a page, a log or a terminal.

Such text may hold an escape sequence that rewrites a terminal, a mark that turns the direction of
writing, or a line break that makes one line two. All of these are written as Python writes them in
a string: ``\\x1b``, ``\\u202e``. This is the only place that knows which characters they are.
"""

import re

HIDDEN = (
    "\x00-\x1f\x7f-\x9f"  # control characters: line breaks, tabs, the start of ANSI sequences
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # turn the direction of writing
    "\u180e\u200b\u2028\u2029\u2060-\u2064\u206a-\u206f\ufeff\ufff9-\ufffb"  # breaks, invisible
    "\U000e0000-\U000e007f"  # invisible copies of the ASCII characters
    "\ud800-\udfff\ufffe\uffff"  # no characters at all: no UTF-8 and no XML can hold them
)
"""The characters that never leave ct2zarr as they are, for a class of a regular expression. Those
that join letters in some scripts (U+200C, U+200D) are none of them."""

_HIDDEN = re.compile(f"[{HIDDEN}]")
_HIDDEN_BUT_BREAKS = re.compile(f"(?!\n)[{HIDDEN}]")


def visible(text: str) -> str:
    """The text with escapes in place of hidden characters; doing it again changes nothing."""
    return text if text.isprintable() else _HIDDEN.sub(_escape, text)


def visible_lines(text: str) -> str:
    """Likewise, for a text of several lines: its line breaks stay."""
    return text if text.isprintable() else _HIDDEN_BUT_BREAKS.sub(_escape, text)


def is_hidden(character: str) -> bool:
    """Whether a character is written as an escape."""
    return _HIDDEN.fullmatch(character) is not None


def _escape(found: re.Match[str]) -> str:
    number = ord(found[0])
    if number < 0x100:
        return f"\\x{number:02x}"
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
