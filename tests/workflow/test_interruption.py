"""Ctrl-C ends a run in one sentence, whatever its jobs are doing, and leaves no process."""

import os
import pty
import signal
import subprocess
import sys
import time

import pytest

from project import clean_environment, heed_interruptions

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
        preexec_fn=heed_interruptions,
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_interruption_on_a_terminal_is_one_sentence(fresh):
    said = interrupted(fresh, "Converting", 0.3, terminal=True)
    assert SENTENCE in said
    assert "Error" not in said
    assert "stopped" not in said


# Without Snakemake ------------------------------------------------------------------------------

RUN = """
import os, signal, subprocess, sys, threading, time
from ct2zarr.workflow.interruption import catch_interrupts

begun = []  # Snakemake ends the run
said = []

def interrupt_soon():
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()

def schedule():
    threading.Event().wait(60)

def work():
    end = time.monotonic() + 1.2
    while time.monotonic() < end:
        pass
    print("worked to the end", flush=True)

def call(*functions):
    for function in functions:
        try:
            function()
        except KeyboardInterrupt:
            print("interrupted in", function.__name__, "after", len(set(said)), "word", flush=True)
            begun.append(True)

CHILD = "import signal, time; signal.pthread_sigmask(signal.SIG_UNBLOCK, [2]); time.sleep(60)"
PARENT = f"import subprocess as s, sys; sys.exit(s.call([sys.executable, '-c', {CHILD!r}]) != 0)"
watch = lambda: catch_interrupts(lambda: said.append("stopping"), lambda: bool(begun))
"""


def printed_by(script: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", RUN + script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True, text=True, check=False, timeout=100,
        preexec_fn=heed_interruptions,
    )  # fmt: skip
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_a_run_that_waits_for_jobs_is_interrupted() -> None:
    said = printed_by("watch(); interrupt_soon(); call(schedule)")
    assert said == ["interrupted in schedule after 1 word"]


def test_a_run_that_is_busy_is_interrupted_when_it_waits_next() -> None:
    said = printed_by("watch(); interrupt_soon(); call(work, schedule)")
    assert said == ["worked to the end", "interrupted in schedule after 1 word"]


def test_a_run_that_is_ending_is_interrupted_whatever_it_does() -> None:
    said = printed_by(
        "watch(); interrupt_soon(); call(schedule); interrupt_soon(); call(work, work)"
    )
    assert said == [
        "interrupted in schedule after 1 word",
        "interrupted in work after 1 word",
        "worked to the end",
    ]


def test_jobs_that_did_not_receive_the_signal_and_their_own_processes_receive_it_later() -> None:
    script = """
watch()
commands = [[sys.executable, "-c", code] for code in (CHILD, PARENT)]
jobs = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for command in commands]
threading.Timer(2, os.kill, (os.getpid(), signal.SIGINT)).start()
call(work, work, work)
threading.Timer(0, begun.append, (True,)).start()
print([job.wait(30) != 0 for job in jobs])
"""
    assert printed_by(script) == ["worked to the end"] * 3 + ["[True, True]"]


def test_only_the_main_thread_changes_what_an_interrupt_does() -> None:
    script = """
before = signal.getsignal(signal.SIGINT)
other = threading.Thread(target=watch)
other.start(); other.join()
print(signal.getsignal(signal.SIGINT) is before, signal.pthread_sigmask(signal.SIG_BLOCK, []))
interrupt_soon(); call(work)
"""
    assert printed_by(script) == ["True set()", "interrupted in work after 0 word"]


@pytest.mark.slow
def test_ctrl_c_while_snakemake_plans_its_jobs_is_one_sentence(fresh):
    running = subprocess.Popen(
        fresh.command(),
        cwd=fresh.folder,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=heed_interruptions,
    )
    for line in running.stdout:
        if line.startswith("Building DAG"):
            os.killpg(running.pid, signal.SIGINT)
            break
    printed = running.stdout.read()
    assert running.wait(timeout=120) == 130
    assert printed == "Stopped by Ctrl-C before any job had started.\n"
    assert not list((fresh.folder / ".snakemake" / "locks").glob("*"))
