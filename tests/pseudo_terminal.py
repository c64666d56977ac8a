"""Run a command under a pseudo terminal, as a person would see it."""

import fcntl
import os
import pty
import re
import struct
import termios
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROWS, COLUMNS = 40, 120
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(frozen=True, slots=True)
class Shown:
    """What a command wrote: ``raw`` with all control sequences, ``text`` without them."""

    code: int
    raw: str

    @property
    def text(self) -> str:
        return _ESCAPE.sub("", self.raw).replace("\r\n", "\n").replace("\r", "\n")


def run_in_terminal(command: Sequence[str], folder: Path, environ: Mapping[str, str]) -> Shown:
    """Run to the end in a terminal of 120 columns; stdin, stdout and stderr are the terminal."""
    process, terminal = pty.fork()
    if process == 0:  # the child
        try:
            os.chdir(folder)
            os.execvpe(command[0], list(command), {**environ, "TERM": "xterm-256color"})
        finally:
            os._exit(127)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    parts = []
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # what Linux says when the last writer has gone
            break
        if not part:
            break
        parts.append(part)
    os.close(terminal)
    _, status = os.waitpid(process, 0)
    return Shown(os.waitstatus_to_exitcode(status), b"".join(parts).decode("utf-8", "replace"))
