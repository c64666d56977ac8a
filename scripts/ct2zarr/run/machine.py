"""What the machine lacks: memory, processes or open files, found out by asking for some.

Packages report a lack in many ways, as errors of many kinds or as a crash. So where something fails
that should not, this module asks the system itself.
"""

import errno
import mmap
import os
import resource
import threading

from ..codes import Code
from ..errors import MachineError
from .units import BYTES_PER_MB

START_MB = 512
"""Address space that a step needs to load its packages (measured: 350 MB, and more with each core
for which a package reserves memory)."""

SPARE_MB = 64
"""A step that cannot have so much more has failed for want of memory."""

LACKS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN})
"""Errors of the system that say nothing of the file that was to be opened or read."""


def require_memory(megabytes: int = START_MB) -> None:
    """Raise MachineError unless this process may reserve so much address space.

    Packages end the process, without an error to catch, where they are loaded into too little.
    """
    if _has_memory(megabytes):
        return
    raise MachineError(
        Code.MACHINE,
        "{needed} MB of memory cannot be reserved{limit}; raise the limit, or free some memory, "
        "then start the job again",
        needed=megabytes,
        limit=_limit_of_memory(),
    )


def lack() -> MachineError | None:
    """The error for what the machine lacks at this moment; None where it has some of everything."""
    if not _has_memory(SPARE_MB):
        return out_of_memory()
    if not _has_threads():
        return MachineError(
            Code.MACHINE,
            "no more threads or processes can be started; raise the limit of processes "
            "(ulimit -u), or run with fewer workers, then start the job again: finished volumes "
            "are kept",
        )
    if not _has_descriptors():
        return error_of_lack(errno.EMFILE)
    return None


def out_of_memory() -> MachineError:
    """The error for a job whose own process has no memory left."""
    return MachineError(
        Code.MACHINE,
        "the job ran out of memory{limit}; raise the limit, run with fewer workers, or free "
        "some memory, then start the job again: finished volumes are kept",
        limit=_limit_of_memory(),
    )


def error_of_lack(number: int) -> MachineError:
    """The error for one of ``LACKS``."""
    return MachineError(
        Code.MACHINE,
        "the system refuses to open or read files: {cause}; raise the limit of open files "
        "(ulimit -n), free some memory, or run with fewer workers, then start the job again: "
        "finished volumes are kept",
        cause=os.strerror(number),
    )


def raise_lack(error: BaseException | None) -> None:
    """Raise MachineError where an error of the system says nothing of the file concerned."""
    if isinstance(error, OSError) and error.errno in LACKS:
        raise error_of_lack(error.errno) from error


def _limit_of_memory() -> str:
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft == resource.RLIM_INFINITY:
        return ""
    return f" within the limit of {soft // BYTES_PER_MB} MB (ulimit -v, h_vmem)"


def _has_memory(megabytes: int) -> bool:
    try:
        mmap.mmap(-1, megabytes * BYTES_PER_MB, flags=mmap.MAP_PRIVATE).close()  # never touched
    except (OSError, MemoryError):
        return False
    return True


def _has_threads() -> bool:
    thread = threading.Thread(target=int, daemon=True)
    try:
        thread.start()
    except RuntimeError:
        return False
    thread.join()
    return True


def _has_descriptors() -> bool:
    try:
        os.close(os.open("/", os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        return error.errno not in LACKS
    return True
