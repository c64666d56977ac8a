"""Start one step, and say what a user sees when it goes wrong.

A user's mistake or a full disk is one line on stderr and the exit code of its error; an error that
nobody foresaw keeps its traceback. Both are in the log file too, where there is one.
"""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import NoReturn

from ..errors import Ct2zarrError, SettingsError
from .atomic_files import machine_errors
from .job_log import LOGGER, job_log
from .machine import lack, out_of_memory, raise_lack, require_memory
from .option_values import variables_of
from .printed_lines import print_line

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


def run_alone(about: str, record: type, step: Callable[[], object]) -> None:
    """Run a step that a person started as a script, whose settings are environment variables.

    Parameters
    ----------
    about
        What the script does, for ``--help``.
    record
        Its settings.
    """
    arguments = sys.argv[1:]
    if {"-h", "--help"}.intersection(arguments):
        print_line(help_text(about, record))
        sys.exit(0)
    if arguments:
        print(
            f"error: {Path(sys.argv[0]).name} takes no arguments; its settings are environment "
            "variables, which --help lists",
            file=sys.stderr,
        )
        sys.exit(SettingsError.exit_code)
    run_step(step)


def explain_alone(about: str, instead: str) -> NoReturn:
    """End a script that only Snakemake runs, and say so; with ``--help`` say what it does.

    Parameters
    ----------
    instead
        What a person starts in its place.
    """
    if {"-h", "--help"}.intersection(sys.argv[1:]):
        print_line(about.strip())
        sys.exit(0)
    name = Path(sys.argv[0]).name
    print(f"error: only Snakemake runs {name}; {instead}", file=sys.stderr)
    sys.exit(SettingsError.exit_code)


def help_text(about: str, record: type) -> str:
    """What a script does, and its environment variables with their values and defaults."""
    lines = [about.strip(), "", "Environment variables:"]
    for option in variables_of(record):
        default = option.default if option.variable_default is None else option.variable_default
        shown = "" if default in (None, "", [], {}) else f" (default: {default})"
        lines.append(f"  {option.variable}: {option.kind.allowed}{shown}")
    lines += ["", "config/README.md says what each of them does."]
    return "\n".join(lines)


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
