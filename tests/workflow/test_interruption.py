"""Ctrl-C ends a run in one sentence, whatever its jobs are doing, and leaves no process."""

import os
import pty
import signal
import subprocess
import time

import pytest

from project import clean_environment

pytestmark = pytest.mark.slow

SENTENCE = "Stopped by Ctrl-C: finished volumes are kept, and the same command continues the run."


def interrupted(project, begun: str, seconds: float, terminal: bool) -> str:
    """What is printed after Ctrl-C, typed some time after ``begun`` was printed."""
    ours, theirs = pty.openpty() if terminal else os.pipe()
    process = subprocess.Popen(
        project.command(),
        cwd=project.folder,
        env=clean_environment() | {"TERM": "dumb"},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    said = b""
    while begun.encode() not in said:
        said += os.read(ours, 65536)
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: Snakemake and all its jobs
    before = len(said)
    try:
        while part := os.read(ours, 65536):
            said += part
    except OSError:  # what Linux says when the last writer to a terminal has gone
        pass
    os.close(ours)
    assert process.wait() == 1
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    return said[before:].decode().replace("\r\n", "\n")


@pytest.mark.parametrize("seconds", [0, 0.1, 0.4, 1.5])
def test_interruption_is_one_sentence(fresh, seconds):
    said = interrupted(fresh, "Reading headers", seconds, terminal=False)
    assert said.strip().splitlines()[-1] == SENTENCE
    fresh.snakemake("--until", "manifest")
    said = interrupted(fresh, "Converting", seconds, terminal=False)
    assert said.strip().splitlines()[-1] == SENTENCE
    assert "Traceback" not in said
    assert "Error" not in said
    assert "stopped" not in said
    fresh.snakemake()
    assert len(fresh.rows()) == 6


def test_interruption_on_a_terminal_is_one_sentence(fresh):
    said = interrupted(fresh, "Converting", 0.3, terminal=True)
    assert SENTENCE in said
    assert "Error" not in said
    assert "stopped" not in said
