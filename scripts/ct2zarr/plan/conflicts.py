"""Frames that share a position and differ in their pixels, and that nothing tells apart."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..codes import Code
from ..errors import FileError
from ..model import Frame, UnusedFrame
from ..vocabulary import Role
from .duplicates import Digests, Preview, RemovedFrame, name_of
from .identity import acquisition_order
from .passes import LAYER_SHARE
from .stack import Stack


@dataclass(frozen=True, slots=True)
class ResolvedConflict:
    """Stacks without repeated positions, and the frames that were left out of them.

    Attributes
    ----------
    layers
        The stacks, at least one.
    removed
        Frames that are in none of them.
    repeated
        Number of frames that shared a position.
    positions
        Number of positions that they shared.
    ambiguous
        Nothing but a meaningless order decided where some frame belongs.
    """

    layers: tuple[Stack, ...]
    removed: tuple[RemovedFrame, ...]
    repeated: int
    positions: int
    ambiguous: bool


def resolve_conflicts(stack: Stack, digests: Digests) -> ResolvedConflict:
    """Make stacks without repeats from one whose layers nothing explains.

    Where the extra frames cover at least half of the positions they are layers, and ambiguous: the
    frames at each position go to one layer each, in an order that means nothing. Otherwise it is
    one stack, in which each position keeps the frame that fits its neighbours, by InstanceNumber
    and then by its pixels, and the other frames are excluded.
    """
    offsets = stack.frames_by_offset()
    shared = [indices for indices in offsets if len(indices) > 1]
    repeated = sum(len(indices) for indices in shared)
    extra = len(stack.frames) - len(offsets)
    if extra >= LAYER_SHARE * len(offsets):
        layers = tuple(_layers_by_rank(stack, offsets))
        # Volumes of one plane mix nothing, whichever comes first.
        mixed = len(offsets) > 1
        return ResolvedConflict(layers, (), repeated, len(shared), ambiguous=mixed)
    kept, removed, decided = _best_at_each_offset(stack, offsets, digests)
    return ResolvedConflict(
        (stack.take(kept),), tuple(removed), repeated, len(shared), ambiguous=not decided
    )


def _layers_by_rank(stack: Stack, offsets: list[list[int]]) -> list[Stack]:
    """The first frame at each offset, then the second at each, and so on: always the same ones."""
    layers: list[list[int]] = [[] for _ in range(max(len(indices) for indices in offsets))]
    for indices in offsets:
        ordered = sorted(indices, key=lambda i: acquisition_order(stack.frames[i]))
        for layer, index in zip(layers, ordered, strict=False):
            layer.append(index)
    return [stack.take(layer) for layer in layers]


def _best_at_each_offset(
    stack: Stack, offsets: list[list[int]], digests: Digests
) -> tuple[list[int], list[RemovedFrame], bool]:
    """The index kept at each offset, the frames not kept, and whether all had a reason."""
    kept: list[int] = []
    removed: list[RemovedFrame] = []
    decided = True
    for number, indices in enumerate(offsets):
        best = indices[0]
        if len(indices) > 1:
            best, sure = _best_of(stack, offsets, number, digests.preview)
            decided = decided and sure
        kept.append(best)
        removed.extend(
            _conflicting(stack.frames[index], stack.frames[best])
            for index in indices
            if index != best
        )
    return kept, removed, decided


def _best_of(
    stack: Stack, offsets: list[list[int]], number: int, preview: Preview | None
) -> tuple[int, bool]:
    """The frame at an offset whose InstanceNumber, then pixels fit best, and whether one does."""
    expected = _expected_number(stack, offsets, number)

    def distance(index: int) -> float:
        actual = stack.frames[index].instance_number
        return 0.0 if expected is None or actual is None else abs(actual - expected)

    least = min(distance(index) for index in offsets[number])
    candidates = sorted(
        (index for index in offsets[number] if distance(index) == least),
        key=lambda index: acquisition_order(stack.frames[index]),
    )
    if len(candidates) < 2:
        return candidates[0], True
    if preview is not None:
        similar = _most_similar(stack, offsets, number, candidates, preview)
        if similar is not None:
            return similar, True
    first, second = (stack.frames[index].instance_number for index in candidates[:2])
    return candidates[0], first != second


def _expected_number(stack: Stack, offsets: list[list[int]], number: int) -> float | None:
    """InstanceNumber due at an offset, from the nearest offsets with one numbered frame."""

    def nearest(candidates: Iterable[int]) -> tuple[int, int] | None:
        for candidate in candidates:
            if len(offsets[candidate]) == 1:
                found = stack.frames[offsets[candidate][0]].instance_number
                if found is not None:
                    return candidate, found
        return None

    below = nearest(range(number - 1, -1, -1))
    above = nearest(range(number + 1, len(offsets)))
    if below and above:
        share = (number - below[0]) / (above[0] - below[0])
        return below[1] + share * (above[1] - below[1])
    one_side = below or above
    if one_side is None:
        return None
    if below:
        further = nearest(range(below[0] - 1, -1, -1))
    else:
        further = nearest(range(one_side[0] + 1, len(offsets)))
    slope = 1.0  # numbers that grow along the normal, where one neighbour is all there is
    if further is not None:
        slope = (one_side[1] - further[1]) / (one_side[0] - further[0])
    return one_side[1] + slope * (number - one_side[0])


def _most_similar(
    stack: Stack, offsets: list[list[int]], number: int, candidates: list[int], preview: Preview
) -> int | None:
    """The candidate for one offset that is most like the single planes below and above it.

    Anatomy changes little from plane to plane, so a frame from elsewhere differs. Frames that
    cannot be read come last; without a readable neighbour no candidate is better than another.
    """

    def preview_of(index: int) -> NDArray[np.float64] | None:
        try:
            return preview(stack.frames[index])
        except FileError:
            return None

    single = [indices[0] for indices in offsets[:number] if len(indices) == 1][-1:]
    single += [indices[0] for indices in offsets[number + 1 :] if len(indices) == 1][:1]
    neighbours = [values for index in single if (values := preview_of(index)) is not None]
    if not neighbours:
        return None
    expected = np.mean(neighbours, axis=0)

    def difference(index: int) -> float:
        values = preview_of(index)
        return float("inf") if values is None else float(np.abs(values - expected).mean())

    return min(candidates, key=difference)


def _conflicting(frame: Frame, kept: Frame) -> RemovedFrame:
    error = FileError(
        Code.CONFLICTING_SLICES,
        "the frame has the position of {kept} but other pixels; {kept} was kept",
        kept=name_of(kept),
    )
    return RemovedFrame(UnusedFrame.because(frame, Role.EXCLUDED, error), kept)
