"""Tasks for worker processes, in a module that takes a worker no time to load."""

import os
import signal
import threading
import time
from multiprocessing import get_start_method
from pathlib import Path

from ct2zarr.codes import Code
from ct2zarr.errors import MachineError

LONG = 60.0


def answer(value: int) -> tuple[int, int]:
    return value, os.getpid()


def segfault() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def sleep_long(mark: str = "") -> None:
    if mark:
        Path(mark).write_text(str(os.getpid()))
    time.sleep(LONG)


def be_killed_once(mark: str) -> str:
    if not Path(mark).exists():
        Path(mark).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


def be_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fill_memory() -> None:
    raise MemoryError


def read_variable(name: str) -> str | None:
    return os.environ.get(name)


def take_memory(megabytes: int) -> int:
    return len(bytearray(megabytes * 1_000_000))


def fill_disk() -> None:
    raise MachineError(Code.MACHINE, "the disk is full")


def raise_os_error() -> None:
    raise OSError("of the task")


class StubbornError(Exception):
    """An error that cannot be sent to another process."""

    def __init__(self) -> None:
        super().__init__(threading.Lock())


def raise_stubborn_error() -> None:
    raise StubbornError


def exit_with(code: int) -> None:
    os._exit(code)


def parent() -> int:
    return os.getppid()


def start_method() -> str | None:
    return get_start_method(allow_none=True)


def sleep_and_answer(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def raise_time_out() -> None:
    raise TimeoutError("of the task")


def sleep_once(mark: str) -> str:
    if not Path(mark).exists():
        sleep_long(mark)
    return "done"


def die(number: int) -> None:
    os.kill(os.getpid(), number)


def die_or_answer(item: int) -> int:
    if item < 0:
        die(-item)
    return item


def answer_one() -> int:
    return 1


def crash_by_name(files: list[str], root: str) -> bytes:
    """Reads as usual, but some names crash the process."""
    from ct2zarr.scan.readers import read_packed

    if any("crash" in Path(file).name for file in files):
        os.abort()
    return read_packed(files, root)
