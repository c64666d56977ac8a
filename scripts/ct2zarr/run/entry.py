"""Start one step, and say what a user sees when it goes wrong.

A user's mistake or a full disk is one line on stderr and the exit code of its error; an error that
nobody foresaw keeps its traceback. Both are in the log file too, where there is one.
"""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path

from ..errors import Ct2zarrError
from .atomic_files import machine_errors
from .job_log import LOGGER, job_log
from .machine import lack, out_of_memory, raise_lack, require_memory

UNEXPECTED = 1
INTERRUPTED = 130
"""What a shell gives for a command that ended by Ctrl-C."""


def run_step(step: Callable[[], object], log: str | None = None) -> None:
    """Run ``step``, and leave the process with an exit code where it fails.

    Parameters
    ----------
    step
        Reads its settings and does the work.
    log
        File for the log; without it the log goes to stderr.
    """
    with ExitStack() as stack:
        with stop_with_sentence(), machine_errors(Path(log).parent) if log else nullcontext():
            stack.enter_context(job_log(Path(log) if log else None))
        try:
            # The workflow starts its jobs with SIGINT blocked (``workflow.interruption``).
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
            with stop_with_sentence(log):
                require_memory()
                _run(step)
        except KeyboardInterrupt:
            if log:
                LOGGER.error("interrupted")
            else:
                print("error: interrupted", file=sys.stderr)
            sys.exit(INTERRUPTED)
        except Exception as error:  # noqa: BLE001  the last place that can log a traceback
            LOGGER.exception("unexpected error")
            if log:
                print(f"error: unexpected {type(error).__name__}, see {log}", file=sys.stderr)
            sys.exit(UNEXPECTED)


def _run(step: Callable[[], object]) -> None:
    """Run ``step``; raises MachineError where what it raises comes from a lack of the machine."""
    try:
        step()
    except Ct2zarrError:
        raise
    except Exception as error:
        # Looked at now, as the error still holds what it could not have more of.
        lacking = lack()
        if lacking is None and isinstance(error, MemoryError):
            lacking = out_of_memory()
        if lacking is None and isinstance(error, OSError):
            raise_lack(error)
        if lacking is None:
            raise
        raise lacking from error


@contextmanager
def stop_with_sentence(log: str | None = None) -> Iterator[None]:
    """Turn an error that is meant for the user into its sentence on stderr and its exit code."""
    try:
        yield
    except Ct2zarrError as error:
        if log:
            LOGGER.error("%s", error)
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
