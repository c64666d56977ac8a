"""Lines on stdout, which may be a pipe whose reader has left, as ``head`` does after its lines."""

import os
import sys


def print_line(text: str) -> None:
    """Print to stdout at once; where its reader has left, nothing more is printed, nor raised."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        _drop_output()


def flush_lines() -> None:
    """Write what was printed to stdout otherwise; see ``print_line``."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        _drop_output()


def _drop_output() -> None:
    """Lead stdout to nowhere: Python flushes it once more when it ends, and would complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
