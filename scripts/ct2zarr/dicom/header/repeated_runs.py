"""Runs of elements that are the same in one header after another.

Most elements of a series are the same in all its files. Where the bytes of a header repeat a run of
elements that was walked in an earlier one, the walk takes the run in one step: equal bytes mean
equal tags, lengths and values.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from types import MappingProxyType

from ..tags import FUNCTIONAL_GROUPS

Values = dict[int, tuple[str, bytes]]
"""Tag → (VR, value bytes), as in ``RawHeader.values``."""

HEAD = 8
"""Bytes of an element by which runs are looked up: tag, VR and a length of 16 bits, or the like."""

_MORE_THAN_BEFORE = 8
"""Elements outside of runs, beyond those in the header that runs were learned from, after which
they are learned again: the next series, or an element that has begun to vary."""


@dataclass(frozen=True, slots=True)
class Run:
    """Whole elements that follow each other.

    Attributes
    ----------
    content
        Their bytes.
    parts
        The bytes of each.
    values
        Those of the wanted ones.
    first, last
        Their lowest and highest tag.
    """

    content: bytes
    parts: tuple[bytes, ...]
    values: Values
    first: int
    last: int


@dataclass(slots=True)
class RepeatedRuns:
    """The runs that headers of one encoding repeat, learned while they are walked.

    Attributes
    ----------
    by_head
        First ``HEAD`` bytes of a run → the run.
    """

    by_head: Mapping[bytes, Run] = field(default_factory=dict)
    _before: tuple[bytes, Sequence[int], Mapping[bytes, Run]] = (b"", (), MappingProxyType({}))
    _expected: int = 0
    _learned: bool = False

    def note(self, data: bytes, places: Sequence[int], values: Values) -> None:
        """Note a header that was walked, and learn from it where runs have changed.

        The first header of a series repeats little of the one before. So the one after it is
        learned from too.

        Parameters
        ----------
        data
            First bytes of the file.
        places
            Where each element or run begins, in order, and where the last one ends.
        values
            Of the wanted elements.
        """
        known, before = self.by_head, self._before
        self._before = data, places, known
        changed = len(places) - 1 > self._expected + _MORE_THAN_BEFORE
        if not changed and not self._learned:
            return
        here = list(_parts(data, places, known))
        self.by_head = {
            run.content[:HEAD]: run for run in _runs(here, set(_parts(*before)), values)
        }
        repeated = sum(len(run.parts) - 1 for run in self.by_head.values())
        self._expected = len(here) - repeated
        self._learned = changed


@lru_cache(maxsize=8)
def repeated_runs(_explicit: bool, _wanted: frozenset[int]) -> RepeatedRuns:
    """The runs of an encoding, for a set of wanted tags; always the same object for the same."""
    return RepeatedRuns()


def _parts(data: bytes, places: Sequence[int], known: Mapping[bytes, Run]) -> Iterable[bytes]:
    """The elements between some places, one by one; those of a run too."""
    for begin, end in pairwise(places):
        content = data[begin:end]
        run = known.get(content[:HEAD])
        if run is not None and run.content == content:
            yield from run.parts
        else:
            yield content if len(content) == end - begin else b""


def _runs(here: Iterable[bytes], before: set[bytes], values: Values) -> Iterable[Run]:
    """The longest runs of elements that were in the header before."""
    parts: list[bytes] = []
    for part in (*here, b""):
        if part in before and len(part) >= HEAD and _tag(part) not in FUNCTIONAL_GROUPS:
            parts.append(part)
            continue
        if len(parts) > 1:
            tags = [_tag(one) for one in parts]
            found = {tag: values[tag] for tag in tags if tag in values}
            yield Run(b"".join(parts), tuple(parts), found, tags[0], tags[-1])
        parts = []


def _tag(element: bytes) -> int:
    group, number = struct.unpack_from("<HH", element)
    return int(group << 16 | number)
