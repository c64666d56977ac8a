"""The pixels that a manifest compares, read in a process of their own.

Only files at one position that no tag tells apart are read. One of them may crash or hang a
decoder; that must cost this file alone, not a manifest of a million files.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .errors import FileError, SeriesError
from .model import Instance
from .workers import Worker, fork_server

DIGEST_SECONDS = 120.0
"""Limit for one file; decoding one takes some milliseconds."""


@contextmanager
def isolated_digests() -> Iterator[Callable[[Instance], str]]:
    """``decoding.pixel_digest`` in a worker process, which starts when first needed.

    The function raises FileError for a file that cannot be decoded or ends its process.
    """
    worker = Worker()

    def pixel_digest(instance: Instance) -> str:
        try:
            return worker.run(_digest, instance, timeout=DIGEST_SECONDS)
        except SeriesError as error:
            raise FileError(
                f"{instance.path} cannot be compared with the other files at its position: {error}",
                "cannot_decode",
            ) from error

    try:
        with fork_server(("ct2zarr.scanning", "pebble")):
            yield pixel_digest
    finally:
        worker.stop()


def _digest(instance: Instance) -> str:
    from .decoding import pixel_digest

    return pixel_digest(instance)
