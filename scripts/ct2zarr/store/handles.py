"""The open files of this process's stores: as few as it may have, reopened where they are needed.

Thousands of volumes may be held open while a process may have 1,000 descriptors. A container lends
a handle for each read. When all handles together are a quarter of what the process may have open,
the one that was idle longest is closed for the next.

Handles belong to their containers and are closed with them. Threads share the pool. A forked child
goes on with the handles that it inherits, unless these must not cross a fork.
"""

import os
import resource
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from ..errors import MachineError

T = TypeVar("T")
Made = TypeVar("Made")

MOST_HANDLES = 256
"""Handles that stay open at most, however many the process may have."""

_SHARE = 4  # a quarter of the descriptors: the others are for the caller's own files and sockets
_FEWEST = 4


def most_handles() -> int:
    """How many handles may stay open, by the limit of this process (``ulimit -n``)."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return MOST_HANDLES
    return max(_FEWEST, min(MOST_HANDLES, limit // _SHARE))


class Handle(Generic[T]):
    """Something open, with the function that closes it.

    Attributes
    ----------
    shared
        Several threads may use it at once.
    crosses_forks
        A forked child may use and close it. What must not cross a fork is kept there, neither used
        nor closed, for closing it could touch what the parent still uses
        (https://www.sqlite.org/howtocorrupt.html, 2.6).
    users
        Reads that use it now.
    last_use
        Grows from use to use of any handle.
    """

    _kept: list[Any] = []  # noqa: RUF012 - shared on purpose

    def __init__(
        self, value: T, close: Callable[[T], None], *, shared: bool, crosses_forks: bool
    ) -> None:
        self.value = value
        self.shared = shared
        self.crosses_forks = crosses_forks
        self.users = 0
        self.last_use = 0
        self.closed = False
        self.unwanted = False
        self._close = close
        self._pid = os.getpid()

    @property
    def foreign(self) -> bool:
        """Whether another process opened it, so that this one must leave it alone."""
        return not self.crosses_forks and self._pid != os.getpid()

    def close(self) -> None:
        """Close it, once."""
        if self.closed:
            return
        self.closed = True
        if self.foreign:
            self._kept.append(self.value)
        else:
            self._close(self.value)

    def __del__(self) -> None:
        if not getattr(self, "closed", True):
            self.close()


class HandlePool:
    """All handles of a process."""

    def __init__(self) -> None:
        self._handles: weakref.WeakSet[Handle[Any]] = weakref.WeakSet()
        self._uses = 0
        self._lock = threading.Lock()
        os.register_at_fork(after_in_child=self._begin_child)

    def _begin_child(self) -> None:
        # Another thread of the parent may have held the lock, and none of them lives on.
        self._lock = threading.Lock()
        for handle in self._handles:
            handle.users = 0

    @contextmanager
    def lend(
        self, handles: list[Handle[T]], open_handle: Callable[[], Handle[T]]
    ) -> Iterator[Handle[T]]:
        """A handle of a container for one read: one of ``handles``, or a new one, added to them."""
        handle = self._idle(handles)
        if handle is None:
            handle = self.with_room(open_handle)
            self._add(handles, handle)
        try:
            yield handle
        finally:
            with self._lock:
                handle.users -= 1
                if handle.unwanted and not handle.users:
                    handle.close()

    def with_room(self, open_something: Callable[[], Made]) -> Made:
        """What ``open_something`` opens; where the process may open no more, after closing all."""
        try:
            return open_something()
        except MachineError:
            with self._lock:
                closed = self._close_idle(len(self._handles))
            if not closed:
                raise
        return open_something()

    def close(self, handles: list[Handle[T]]) -> None:
        """Close the handles of a container: now, or after the reads that use them."""
        with self._lock:
            taken = handles[:]
            handles.clear()
            for handle in taken:
                handle.unwanted = True
                if not handle.users:
                    handle.close()

    def _idle(self, handles: list[Handle[T]]) -> Handle[T] | None:
        with self._lock:
            for handle in handles:
                if handle.shared or not handle.users:
                    if handle.closed or handle.foreign:
                        continue
                    self._use(handle)
                    return handle
        return None

    def _add(self, handles: list[Handle[T]], handle: Handle[T]) -> None:
        with self._lock:
            self._use(handle)
            for old in [old for old in handles if old.closed or old.foreign]:
                handles.remove(old)  # a foreign one is kept open by its __del__
            handles.append(handle)
            self._handles.add(handle)
            self._close_idle(self._count() - most_handles())

    def _use(self, handle: Handle[Any]) -> None:
        self._uses += 1
        handle.users += 1
        handle.last_use = self._uses

    def _count(self) -> int:
        return sum(not (handle.closed or handle.foreign) for handle in self._handles)

    def _close_idle(self, count: int) -> int:
        """Close up to ``count`` idle handles, first those idle longest; returns how many."""
        if count <= 0:
            return 0
        idle = [
            handle
            for handle in self._handles
            if not (handle.users or handle.closed or handle.foreign)
        ]
        idle.sort(key=lambda handle: handle.last_use)
        for handle in idle[:count]:
            handle.close()
        return len(idle[:count])


POOL = HandlePool()
"""The handles of all stores of this process."""
