"""Ctrl-C on a terminal: the whole run ends, and one sentence is all that is said.

A terminal sends SIGINT to Snakemake and to all its jobs. A job that is just starting, before any of
its own code runs, would print a traceback. So the processes that Snakemake starts find SIGINT
blocked, as they inherit it from the threads that start them, and ``run.entry`` lets it in when the
job can end in order. Any other thread of this process receives the signal, and one wakes the main
thread by another signal, which the main thread has not blocked.
"""

import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType

from ..run.entry import INTERRUPTED

WAKE = signal.SIGUSR2
"""The signal that wakes the main thread."""


AGAIN_SECONDS = 0.3
"""Time after which Snakemake is woken again, until it ends the run. It is interrupted only where it
waits for jobs: it drops an interruption that arrives while it prints, and ends with a traceback
where one arrives while it schedules. A job that it starts just then receives the signal again."""

PATIENCE_SECONDS = 60.0
"""Time after which Snakemake is interrupted whatever it does."""


def stop_before_start() -> Callable[[], None]:
    """End at Ctrl-C in one sentence while no job has started: without a traceback of Snakemake.

    Returns
    -------
    Callable[[], None]
        Puts things back as they were; called before the first job starts.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        return lambda: None

    def stop(*_: object) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        # Half-made objects of Snakemake complain when they are thrown away.
        warnings.simplefilter("ignore", RuntimeWarning)
        sys.unraisablehook = _nothing
        print("Stopped by Ctrl-C before any job had started.", file=sys.stderr)
        sys.exit(INTERRUPTED)

    def put_back() -> None:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, before)

    signal.signal(signal.SIGINT, stop)
    return put_back


def catch_interrupts(noticed: Callable[[], None], ending: Callable[[], bool]) -> None:
    """From here on, call ``noticed`` at Ctrl-C, then do what was done before.

    Nothing changes where this is not the main thread, which alone may handle signals.

    Parameters
    ----------
    ending
        Whether Snakemake has begun to end the run.
    """
    main = threading.main_thread()
    if threading.current_thread() is not main:
        return
    before = signal.getsignal(signal.SIGINT)

    begun = 0.0

    def interrupt(_: int, frame: FrameType | None) -> None:
        nonlocal begun
        noticed()
        begun = begun or time.monotonic()
        now = ending() or _is_waiting(frame) or time.monotonic() - begun > PATIENCE_SECONDS
        if now and callable(before):
            before(signal.SIGINT, frame)

    def wait() -> None:
        while received := os.read(told, 1):
            if received[0] != signal.SIGINT:
                continue
            signal.pthread_kill(main.ident or 0, WAKE)
            time.sleep(AGAIN_SECONDS)
            if not ending():
                _interrupt_children(os.getpid())
            while not ending():
                signal.pthread_kill(main.ident or 0, WAKE)
                time.sleep(AGAIN_SECONDS)

    told, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
    signal.signal(signal.SIGINT, _nothing)
    signal.signal(WAKE, interrupt)
    threading.Thread(target=wait, daemon=True, name="interrupts").start()
    # After the thread has started, which receives the signal.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def _is_waiting(frame: FrameType | None) -> bool:
    """Whether the main thread waits for a job to end."""
    while frame is not None and frame.f_globals.get("__name__") == threading.__name__:
        frame = frame.f_back
    return frame is not None and frame.f_code.co_name == "schedule"


def _interrupt_children(process: int) -> None:
    """Send SIGINT to all processes below this one, where Linux lists them."""
    for listed in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):  # the process or one of its threads has ended
            for child in map(int, listed.read_text().split()):
                _interrupt_children(child)
                os.kill(child, signal.SIGINT)


def _nothing(*_: object) -> None:
    """What the signal itself does; its number on the wake-up descriptor is enough."""
