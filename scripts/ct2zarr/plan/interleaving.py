"""Planes of one stack between those of another, on a grid that they make together.

Two spectra or phases half a plane apart make an even grid of twice the planes. Interleaved
acquisitions of one stack do so as well, and tube current or detector rows alternate in ordinary
series. Two things are weighed: what shows that there are stacks (the declared spacing, numbers that
run along each of them only), and what tells them apart. Together they divide, or raise a flag.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..dicom.whole_headers import Elements
from ..geometry.spacing import Integers
from ..geometry.tolerances import NORMAL_TOLERANCE
from ..model import Json, RaisedFlag
from ..vocabulary import Flag
from .element_meaning import Weight, weight_of
from .explanations import (
    FILE_NAME,
    FOLDER,
    INSTANCE_NUMBER,
    HeaderReader,
    folders,
    label_of,
    ranks_of_names,
)
from .split_by_tags import IN_PLANE_KEY, SPLIT_TAGS, Label, varying_labels
from .stack import Stack, instance_numbers, spacing_hints

SMALLEST_INTERLEAVED = 3
"""Planes of a stack that lies between those of another one; fewer show no spacing."""

SMALLEST_ORDER = 5
"""Numbers that run along so many planes of each stack do not run so by chance."""

MOST_STACKS = 10
"""More stacks than this between each other are not looked for."""

MOST_OVERLAPPING = 4
"""Planes overlap so often at most by thickness alone; thicker ones are slabs, not stacks."""

OTHER_THICKNESS = 1.2
"""Slices so many times as thick are of another reconstruction; less is how a writer rounds."""

CERTAIN = 3
"""Weight of the signs and of what tells the stacks apart, together, that divides."""

LIKELY = 2
"""The same that raises the flag."""

LISTED_ELEMENTS = 10
"""Elements that the evidence lists at most."""

_COUNTING_TAGS = frozenset(
    {"AcquisitionNumber", "LossyImageCompression", "SOPClassUID", "file", IN_PLANE_KEY}
)
"""Usual tags that alternate where one stack is acquired in two runs, or kept in two ways."""


@dataclass(frozen=True, slots=True)
class StackOfPart:
    """A stack, the keywords that set it apart, and the flag where it may be several."""

    keywords: tuple[str, ...]
    stack: Stack
    flags: tuple[RaisedFlag, ...] = ()


@dataclass(frozen=True, slots=True)
class _Signs:
    """What shows, apart from their headers, that every ``count``-th plane is of one stack.

    Attributes
    ----------
    step
        Distance of neighbouring planes, mm.
    declared
        SpacingBetweenSlices is that of the planes of one stack.
    thick
        Without it, slices are so thick that the planes of one stack leave no gap.
    contiguous
        The declared spacing or the thickness is the distance of neighbouring planes.
    ordered_by
        What runs along each stack but not along all of them together; empty for nothing.
    restarts
        It has the same values in several of them.
    """

    count: int
    step: float
    declared: bool
    thick: bool
    contiguous: bool
    ordered_by: str
    restarts: bool

    @property
    def weight(self) -> Weight:
        """How much the signs mean together."""
        if self.declared or (self.ordered_by and self.thick):
            return Weight.MUCH
        if self.ordered_by and self.restarts:
            return Weight.SOME if self.contiguous else Weight.MUCH
        if self.thick or (self.ordered_by and not self.contiguous):
            return Weight.SOME
        return Weight.NONE


def divide_interleaved(stack: Stack, headers: HeaderReader) -> list[StackOfPart]:
    """Divide an even stack into those whose planes lie between each other, where that is certain.

    Whole headers are read only where there is a sign of several stacks, and first those of a few
    neighbouring planes.
    """
    places = _places(stack)
    if places is None:
        return [StackOfPart((), stack)]
    flags: list[RaisedFlag] = []
    usual = _usual_tags(stack, places)
    suspected = _suspected(stack, places)
    every = [_signs(stack, places, count) for count in sorted(usual.keys() | suspected)]
    for signs in sorted(every, key=lambda signs: -signs.weight):
        found = usual.get(signs.count, {})
        name = _certain(signs, found)
        if name is None and signs.count in suspected:
            found = found | _any_element(stack, places, signs.count, headers)
            name = _certain(signs, found)
        if name is not None:
            return [
                StackOfPart((name, *inner.keywords), inner.stack, inner.flags)
                for part in _parts(places, signs.count)
                for inner in divide_interleaved(stack.take(part), headers)
            ]
        likely = [name for name, weight in found.items() if signs.weight + weight >= LIKELY]
        long = len(places) >= signs.count * SMALLEST_ORDER
        if likely or (signs.ordered_by and signs.weight and long):
            flags.append(_flag(signs, likely))
    return [StackOfPart((), stack, tuple(flags[:1]))]


def _certain(signs: _Signs, found: Mapping[str, int]) -> str | None:
    """The first of the weightiest elements, if it is certain with the signs."""
    best = max(found, key=lambda name: found[name], default=None)
    return best if best is not None and signs.weight + found[best] >= CERTAIN else None


def _flag(signs: _Signs, names: Sequence[str]) -> RaisedFlag:
    listed: list[Json] = []
    listed.extend(names[:LISTED_ELEMENTS])
    evidence: dict[str, Json] = {
        "stacks": signs.count, "spacing_mm": signs.step, "alternating": listed,
        "ordered_by": signs.ordered_by,
    }  # fmt: skip
    return RaisedFlag(Flag.INTERLEAVED_STACKS, evidence)


def _places(stack: Stack) -> Integers | None:
    """The place of each plane on the grid of all, or ``None`` where they make none."""
    if stack.repeats or not stack.measured or len(stack.frames) < 2 * SMALLEST_INTERLEAVED:
        return None
    spacing = stack.spacing()
    if spacing.kind == "uneven":
        return None
    if spacing.missing is None:
        return np.arange(len(stack.frames))
    steps = (stack.offsets - stack.offsets[0]) / spacing.missing.spacing_mm
    places: Integers = np.rint(steps).astype(np.int64)
    return places


def _parts(places: Integers, count: int) -> list[Integers]:
    """Indices of every ``count``-th plane, from the lowest, then from the next, and so on."""
    return [np.flatnonzero(places % count == first) for first in range(count)]


def _stacks_by(labels: Sequence[Label], places: Integers) -> int:
    """How many stacks some labels make, one of each in turn from plane to plane; 0 for none."""
    count = len(set(labels))
    if not 2 <= count <= min(MOST_STACKS, len(labels) // SMALLEST_INTERLEAVED):
        return 0
    turns = set(zip((places % count).tolist(), labels, strict=True))
    parts = _parts(places, count)
    regular = len(turns) == count and min(map(len, parts)) >= SMALLEST_INTERLEAVED
    return count if regular else 0


def _usual_tags(stack: Stack, places: Integers) -> dict[int, dict[str, int]]:
    """The usual tags that alternate, with their weight, by the number of stacks that they make."""
    found: dict[int, dict[str, int]] = {}
    for name, labels in varying_labels(stack).items():
        count = _stacks_by(labels, places)
        if count:
            found.setdefault(count, {})[name] = _weight_of_usual(stack, name)
    return found


def _weight_of_usual(stack: Stack, name: str) -> int:
    """KVP and thickness say that values or planes are of another kind, which needs no sign."""
    if name == "SliceThickness":
        thicknesses = [frame.slice_thickness or 0.0 for frame in stack.frames]
        other = min(thicknesses) * OTHER_THICKNESS <= max(thicknesses)
        return CERTAIN if other else Weight.NONE
    if name == "KVP":
        return CERTAIN
    return Weight.SOME if name in _COUNTING_TAGS else Weight.MUCH


def _suspected(stack: Stack, places: Integers) -> set[int]:
    """Numbers of stacks for which there is a sign; those that nothing declared can deny, too."""
    most = min(MOST_STACKS, len(places) // SMALLEST_INTERLEAVED)
    counts: set[int] = set()
    step = _step(stack, places)
    hints = spacing_hints(stack.frames)
    if not hints:
        counts.update((2, 3))
    elif _is_between(stack, hints):
        counts.update({_multiple(hints[0], step)} - {0, 1})
    else:
        thick = int(hints[0] * (1 + NORMAL_TOLERANCE) / step)
        counts.update(range(2, min(thick, MOST_OVERLAPPING) + 1))
    sizes = np.array([frame.bytes for frame in stack.frames])
    counts.update(count for count in (2, 3) if _differ_in_turn(sizes, places, count))
    numbers = instance_numbers(stack.frames)
    if numbers is not None and not _runs(numbers):
        by_number = (n for n in range(2, most + 1) if _runs_in_each(numbers, places, n))
        counts.update([*by_number][:1])
    return {count for count in counts if count <= most}


def _differ_in_turn(sizes: Integers, places: Integers, count: int) -> bool:
    """Whether the sizes of files have a range of their own in each stack."""
    parts = [sizes[part] for part in _parts(places, count)]
    if (sizes == sizes[0]).all() or not all(map(len, parts)):
        return False
    ranges = sorted((int(part.min()), int(part.max())) for part in parts)
    return all(high < low for (_, high), (low, _) in pairwise(ranges))


def _step(stack: Stack, places: Integers) -> float:
    return float(stack.offsets[-1] - stack.offsets[0]) / int(places[-1])


def _is_between(stack: Stack, hints: Sequence[float]) -> bool:
    """Whether the most credible declared spacing is SpacingBetweenSlices, not the thickness."""
    between = stack.frames[0].spacing_between_slices
    return bool(hints and between) and hints[0] == abs(between or 0.0)


def _multiple(length: float, step: float) -> int:
    """How many steps a length is, within the tolerance; 0 for no whole number of them."""
    steps = round(length / step)
    return steps if abs(length - steps * step) <= NORMAL_TOLERANCE * length else 0


def _signs(stack: Stack, places: Integers, count: int) -> _Signs:
    step = _step(stack, places)
    hints = spacing_hints(stack.frames)
    between = _is_between(stack, hints)
    hint = hints[0] if hints else 0.0
    ordered_by, restarts = "", False
    for name, values in _orders(stack):
        if not _runs(values) and _runs_in_each(values, places, count):
            ordered_by, restarts = name, len(np.unique(values)) < len(values)
            break
    return _Signs(
        count,
        step,
        declared=between and _multiple(hint, step) == count,
        thick=not between and hint * (1 + NORMAL_TOLERANCE) >= count * step,
        contiguous=any(_multiple(one, step) == 1 for one in hints),
        ordered_by=ordered_by,
        restarts=restarts,
    )


def _orders(stack: Stack) -> Iterator[tuple[str, Integers]]:
    """Series of numbers that may show in which order the planes of each stack were made."""
    numbers = instance_numbers(stack.frames)
    if numbers is not None:
        yield INSTANCE_NUMBER, numbers
    names = ranks_of_names(stack.frames)
    if names is not None:
        yield FILE_NAME, names


def _runs(values: Integers) -> bool:
    steps = np.diff(values)
    return bool((steps > 0).all() or (steps < 0).all())


def _runs_in_each(values: Integers, places: Integers, count: int) -> bool:
    """Whether values rise or fall along each of ``count`` stacks."""
    parts = _parts(places, count)
    return all(len(part) >= SMALLEST_INTERLEAVED and _runs(values[part]) for part in parts)


def _any_element(
    stack: Stack, places: Integers, count: int, headers: HeaderReader
) -> dict[str, int]:
    """Elements of the whole headers, and the folder, that alternate; the weightiest first."""
    found: dict[str, int] = {}
    for labels in folders(stack.frames):
        if _stacks_by(labels, places) == count:
            found[FOLDER] = Weight.SOME
    first = len(places) // 2 - count
    near = headers.of(stack.frames[first : first + 2 * count])
    names = _names_of_turns(near, count)
    if names:
        every = headers.of(stack.frames)
        for name in names:
            labels = [label_of(each.get(name)) for each in every]
            if _stacks_by(labels, places) == count:
                found[name.partition("[")[0]] = weight_of(name)
    return dict(sorted(found.items(), key=lambda entry: -entry[1]))


def _names_of_turns(near: Sequence[Elements], count: int) -> list[str]:
    """Elements that may have ``count`` values in turn, by some neighbouring planes."""
    names = sorted({name for each in near for name in each if name not in SPLIT_TAGS})
    return [name for name in names if len({each.get(name) for each in near}) == count]
