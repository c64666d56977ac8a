"""Stacks that break each other's grid: what tells them apart where no usual tag does.

Planes of one stack between those of another make distances that vary. Any element of the whole
headers may say why, or the folder, or numbers and times that run along each stack in turn. Chance
leaves parts as uneven as the whole.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from ..geometry.spacing import Integers
from ..geometry.tolerances import NORMAL_TOLERANCE
from .element_meaning import Weight, weight_of
from .explanations import (
    FOLDER,
    FRAMES_PER_VALUE,
    HeaderReader,
    folders,
    label_of,
    preference,
    series_of_numbers,
)
from .interleaving import SMALLEST_INTERLEAVED, SMALLEST_ORDER
from .split_by_tags import Label, Split, is_worth, split_by
from .stack import Stack

FRAMES_PER_HOLE = 4
"""Planes per hole of a grid that lost some; with fewer the grid may be one of several stacks."""


def divide_overlapping(stack: Stack, headers: HeaderReader) -> list[tuple[tuple[str, ...], Stack]]:
    """Divide an uneven stack into parts that overlap and are far more regular apart.

    The usual tags have been tried. Whole headers of all frames are read, since such a stack is
    rare: one that is uneven, or a grid of which every few planes are missing.
    """
    whole: list[tuple[tuple[str, ...], Stack]] = [((), stack)]
    if stack.repeats or not stack.measured or len(stack.frames) < 2 * SMALLEST_INTERLEAVED:
        return whole
    spacing = stack.spacing()
    few = 2 if spacing.kind == "uneven" else max(2, len(stack.frames) // FRAMES_PER_HOLE)
    if spacing.irregular_gaps < few:
        return whole
    for split in _splits(stack, headers):
        long = min(map(len, split.parts)) >= SMALLEST_INTERLEAVED
        fits = is_worth(split, spacing.irregular_gaps) or _repeat_each_other(stack, split)
        if long and not split.repeats and fits:
            return [
                (split.keywords + keywords, inner)
                for part in split.parts
                for keywords, inner in divide_overlapping(stack.take(part), headers)
            ]
    return whole


def _repeat_each_other(stack: Stack, split: Split) -> bool:
    """Whether text tells parts apart that are one uneven stack and its shifted likenesses.

    Rows of the detector give pairs of planes as well, so that a number is not enough.
    """
    (name, *_), first = split.keywords, split.parts[0]
    sizes = {len(part) for part in split.parts}
    if weight_of(name) < Weight.MUCH or len(split.parts) < 2 or len(sizes) > 1:
        return False
    shifts = (stack.offsets[part] - stack.offsets[first] for part in split.parts)
    alike = all(np.ptp(shift) <= NORMAL_TOLERANCE * stack.step for shift in shifts)
    return alike and _is_ordered_in_turn(split.parts)


def _is_ordered_in_turn(parts: Sequence[Integers]) -> bool:
    """Whether planes of all parts follow each other in turn."""
    return bool((np.diff(np.sort(parts, axis=0), axis=0) == 1).all())


def _splits(stack: Stack, headers: HeaderReader) -> Iterator[Split]:
    """By an element, those that mean most first, by the folder, then by an order."""
    elements = headers.of(stack.frames)
    names = sorted({name for each in elements for name in each}, key=preference)
    for name in sorted(names, key=weight_of, reverse=True):
        labels = [label_of(each.get(name)) for each in elements]
        if _are_few(labels):
            yield split_by(stack, (name.partition("[")[0],), [(label,) for label in labels])
    for folder in folders(stack.frames):
        if _are_few(folder):
            yield split_by(stack, (FOLDER,), [(label,) for label in folder])
    for name, values in series_of_numbers(stack.frames, elements):
        parts = _runs(stack, values)
        # Six planes that lost their neighbours make two even runs of three by chance.
        if min(map(len, parts)) >= SMALLEST_ORDER:
            irregular = sum(stack.spacing(part).irregular_gaps for part in parts)
            yield Split((name,), tuple(parts), 0, irregular)


def _are_few(labels: Sequence[Label]) -> bool:
    return 1 < len(set(labels)) <= len(labels) // FRAMES_PER_VALUE


def _runs(stack: Stack, values: Sequence[float]) -> list[Integers]:
    """Indices of the frames of each run of values along the stack, ascending.

    A frame to which the run has another distance than between its other frames begins the next.
    """
    runs: list[list[int]] = [[]]
    order = np.argsort(np.array(values), kind="stable").tolist()
    for index in order:
        run = runs[-1]
        if len(run) > 1 and (index > run[-1]) != (run[-1] > run[-2]):
            runs.append([run.pop()] if _jumps(stack, run) else [])
        runs[-1].append(index)
    return [np.array(sorted(run), dtype=np.int64) for run in runs]


def _jumps(stack: Stack, run: Sequence[int]) -> bool:
    if len(run) < SMALLEST_INTERLEAVED:
        return False
    before, last = np.abs(np.diff(stack.offsets[list(run[-3:])]))
    return bool(abs(last - before) > 2 * NORMAL_TOLERANCE * before)
