"""The commands of a documentation page: its fenced blocks, and the comments that mark them.

A comment on the line before a block marks it:

``<!-- not run: REASON -->``      it cannot run in a test
``<!-- in: FILE -->``             its lines are put into that YAML file
``<!-- fails -->``                it ends with an exit code other than 0, as the page explains
"""

import re
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(
    r"(?:^[ ]*<!-- (?P<mark>not run: [^\n]+|in: [^\n]+|fails) -->\n(?:[ ]*\n)*)?"
    r"^(?P<indent>[ ]*)```(?P<language>[\w-]*)\n(?P<text>.*?)^(?P=indent)```$",
    flags=re.MULTILINE | re.DOTALL,
)
COMMANDS = frozenset({"sh", "bash", "shell", "console", "python"})


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: file. line: number of its first line of text. language: the word after the fence.
        text: without indentation. mark: its comment, empty without one.
    """

    page: Path
    line: int
    language: str
    text: str
    mark: str

    @property
    def place(self) -> str:
        """Page and line number, for messages."""
        return f"{self.page.name}:{self.line}"

    @property
    def runs(self) -> bool:
        """Whether a test must run it."""
        return self.language in COMMANDS and not self.mark.startswith("not run: ")

    @property
    def target(self) -> str:
        """The file into which its lines are put; empty for none."""
        return self.mark.removeprefix("in: ") if self.mark.startswith("in: ") else ""


def blocks_of(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text("utf-8")
    found = []
    for match in FENCE.finditer(text):
        indent = len(match["indent"])
        lines = [line[indent:] for line in match["text"].splitlines(keepends=True)]
        body = "".join(line or "\n" for line in lines)
        number = text.count("\n", 0, match.start("text")) + 1
        found.append(Block(page, number, match["language"], body, match["mark"] or ""))
    return found
