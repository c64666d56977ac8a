"""Passes of the scanner over a stack, as a series of numbers or times shows them."""

from collections.abc import Sequence

import numpy as np

from ..geometry.spacing import Integers
from .stack import SMALLEST_PASS, Stack

LAYER_SHARE = 0.5
"""Where extra frames lie at this share of the positions or more, they are volumes of their own."""


def find_passes(stack: Stack, values: Sequence[float]) -> list[Integers]:
    """Cut the order of values wherever it returns to a position or turns; nothing if that fails.

    The pieces are passes only if each runs along the stack and has enough planes, and if they cover
    the region twice or each reaches where no other does. Frames at one position are passes of one
    plane each.

    Parameters
    ----------
    values
        Numbers or times of the frames; frames of different positions may share one.

    Returns
    -------
    list[Integers]
        Indices of the frames of each pass, ascending along the normal, in the order of values.
    """
    offsets = stack.frames_by_offset()
    place = {index: number for number, indices in enumerate(offsets) for index in indices}
    if len(offsets) == 1:
        order = sorted(place, key=lambda index: values[index])
        distinct = len(set(values)) == len(order)
        return [np.array([index]) for index in order] if distinct else []
    steps = _steps(place, values)
    if steps is None:
        return []
    pieces = _pieces(steps, place)
    extra = len(stack.frames) - len(offsets)
    if len(pieces) < 2 or extra < SMALLEST_PASS:
        return []
    for piece in pieces:
        alone = sum(len(offsets[place[index]]) == 1 for index in piece)
        runs = _runs_one_way([place[index] for index in piece])
        if len(piece) < SMALLEST_PASS or not runs or len({values[i] for i in piece}) < 2:
            return []
        if extra < LAYER_SHARE * len(offsets) and alone < SMALLEST_PASS:
            return []
    if _any_turn_about([{place[index] for index in piece} for piece in pieces]):
        return []
    return [np.array(sorted(piece)) for piece in pieces]


def _steps(place: dict[int, int], values: Sequence[float]) -> list[list[int]] | None:
    """Indices by ascending value; those of one value together, unless they share a position."""
    steps: dict[float, list[int]] = {}
    for index in place:
        steps.setdefault(values[index], []).append(index)
    for together in steps.values():
        places = sorted(place[index] for index in together)
        if len(set(places)) < len(places) or places[-1] - places[0] >= 2 * len(places):
            return None
    return [steps[value] for value in sorted(steps)]


def _pieces(steps: list[list[int]], place: dict[int, int]) -> list[list[int]]:
    """Runs of steps in one direction; a step after a jump belongs to the run that follows it.

    The frames of the first step of a run lie in the direction of the second step.
    """
    pieces: list[list[int]] = [[]]
    joined = 0
    for step in steps:
        piece = pieces[-1]
        if joined == 1:
            down = max(place[i] for i in step) < min(place[i] for i in piece)
            piece.sort(key=lambda index: place[index], reverse=down)
        direction = _direction([place[index] for index in piece])
        up = sorted(step, key=lambda index: place[index])
        ordered = up[::-1] if _goes_down(piece, up, place, direction) else up
        if piece and not _continues(piece, ordered, place, direction):
            jumped = len(piece) > 2 and abs(place[piece[-1]] - place[piece[-2]]) > 1
            turned = not {place[index] for index in piece} & {place[index] for index in step}
            pieces.append([piece.pop()] if jumped and turned else [])
            joined = len(pieces[-1])
        pieces[-1].extend(ordered)
        joined += 1
    return pieces


def _direction(places: Sequence[int]) -> int:
    return 0 if len(places) < 2 else int(np.sign(places[-1] - places[0]))


def _goes_down(
    piece: Sequence[int], step: Sequence[int], place: dict[int, int], direction: int
) -> bool:
    if direction or not piece:
        return direction < 0
    return place[step[-1]] < place[piece[-1]]


def _continues(
    piece: Sequence[int], step: Sequence[int], place: dict[int, int], direction: int
) -> bool:
    """Whether a step goes on from a run in its direction, to positions that are new to it."""
    last, first = place[piece[-1]], place[step[0]]
    return first != last and direction in (0, int(np.sign(first - last)))


def _runs_one_way(places: Sequence[int]) -> bool:
    steps = np.diff(places)
    return bool((steps > 0).all() or (steps < 0).all())


def _any_turn_about(passes: Sequence[set[int]]) -> bool:
    """Whether two runs lie between each other without a common position: halves of one pass."""
    for number, one in enumerate(passes):
        for other in passes[:number]:
            apart = max(one) < min(other) or max(other) < min(one)
            if not apart and not one & other:
                return True
    return False
