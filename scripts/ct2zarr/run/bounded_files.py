"""Open and read files that may be anything: only regular files, and only so many bytes.

A path that users give, or that a damaged file names, may be a pipe, at which a plain ``open`` waits
for ever, a device without an end, or a file of terabytes. Each is an ``OSError`` here, whose
``strerror`` completes a sentence as the words of the system do ("cannot be read: ...").
"""

import errno
import os
import stat
from pathlib import Path

OUT_OF_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE})
"""Errors of a process, or a machine, that has as many files open as it may."""

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class NotRegularError(OSError):
    """A pipe, socket, device or folder where a file is expected."""


class TooLargeError(OSError):
    """A file of more bytes than it may have."""


def open_regular(path: Path | str, *, folder: int | None = None) -> tuple[int, os.stat_result]:
    """Open a regular file for reading.

    Parameters
    ----------
    folder
        Descriptor of the folder that a relative ``path`` starts from; ``None``: the current one.

    Returns
    -------
    tuple[int, os.stat_result]
        The descriptor, which the caller closes, and what ``fstat`` says of it.

    Raises
    ------
    NotRegularError
        It is no regular file. Nothing waited for it.
    OSError
        The system refuses to open it.
    """
    # O_NONBLOCK: a pipe without a writer is opened at once; it means nothing to regular files.
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
    descriptor = os.open(path, flags, dir_fd=folder)
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            kind = _KINDS.get(stat.S_IFMT(found.st_mode), "no regular file")
            raise NotRegularError(errno.EINVAL, f"it is {kind}, not a file", os.fspath(path))
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, found


def read_bounded(path: Path | str, most: int) -> bytes:
    """All bytes of a regular file.

    Raises
    ------
    TooLargeError
        The file has more than ``most`` bytes.
    NotRegularError, OSError
        As for ``open_regular``.
    """
    descriptor, found = open_regular(path)
    try:
        return read_descriptor(descriptor, found.st_size, most)
    finally:
        os.close(descriptor)


def read_descriptor(descriptor: int, size: int, most: int) -> bytes:
    """All bytes of an open file of ``size`` bytes. Raises as ``read_bounded``."""
    if size > most:
        raise TooLargeError(errno.EFBIG, f"it has {size} bytes, more than the {most} it may have")
    parts = []
    while part := os.read(descriptor, size + 1):  # a file may be read in several parts
        parts.append(part)
        size -= len(part)
        if size < 0:
            raise TooLargeError(errno.EFBIG, "it grows while it is read")
    return parts[0] if len(parts) == 1 else b"".join(parts)
