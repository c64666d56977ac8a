"""Frames at one position that no tag tells apart: copies, conflicts, or whole layers.

Here, and only here, grouping looks at pixels: through a function that gives equal digests for
equal images.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import FileError
from ..model import Frame, UnusedFrame
from ..vocabulary import Flag, Role
from .identity import acquisition_order, relative_path
from .stack import Stack, instance_numbers, make_stack

PixelDigest = Callable[[Frame], str]
Preview = Callable[[Frame], NDArray[np.float64]]

LAYER_SHARE = 0.5
"""Extra frames at this share of the positions or more are further volumes, not stray frames."""

SMALLEST_PASS = 3
"""Planes that a second pass over a region has at least."""

INSTANCE_NUMBER_KEY = "InstanceNumber"
"""Names a division into layers, which only the order of the frames tells apart."""


@dataclass(frozen=True, slots=True)
class Removed:
    """A frame that is no plane, and the frame at whose position it lies."""

    unused_frame: UnusedFrame
    beside: Frame


@dataclass(frozen=True, slots=True)
class Resolved:
    """Stacks without repeated positions, and what had to be kept out for that.

    ``repeated``: number of frames that shared a position. ``positions``: at how many.
    """

    layers: tuple[Stack, ...]
    removed: tuple[Removed, ...]
    repeated: int
    positions: int


class Digests:
    """Digests of frames, each computed at most once; remembers which frames cannot be read.

    ``preview``: coarse values of a frame; ``None`` where the tags alone are to decide.
    """

    def __init__(self, pixel_digest: PixelDigest, preview: Preview | None = None) -> None:
        self._compute = pixel_digest
        self.preview = preview
        self._known: dict[Frame, str | FileError] = {}

    def of(self, frame: Frame) -> str | FileError:
        """Digest of the frame's pixels, or why they cannot be read."""
        if frame not in self._known:
            try:
                self._known[frame] = self._compute(frame)
            except FileError as error:
                self._known[frame] = error
        return self._known[frame]


def remove_copies(frames: Sequence[Frame], digests: Digests) -> tuple[list[Frame], list[Removed]]:
    """Take out copies of a frame: the same SOPInstanceUID, frame and place, the same pixels.

    It comes before any look at tags, so that a copied folder is never taken for a second phase.
    """
    seen = {(frame.sop_instance_uid, frame.frame_number) for frame in frames}
    if len(seen) == len(frames):
        return list(frames), []
    groups: dict[object, list[Frame]] = {}
    for frame in frames:
        same = (
            frame.sop_instance_uid,
            frame.frame_number,
            frame.position,
            frame.rows,
            frame.columns,
        )
        groups.setdefault(same if frame.sop_instance_uid else frame, []).append(frame)
    return _compare(frames, groups.values(), digests)


def remove_twins(
    frames: tuple[Frame, ...], digests: Digests
) -> tuple[tuple[Frame, ...], list[Removed]]:
    """Take out images that a series holds twice: as single files and as a multi-frame object.

    A multi-frame object, or all single files of one SOP class, goes if each of its frames has the
    position and the pixels of a frame of another one. The larger stays, of equal ones the files
    of classic CT, which a conversion to multi-frame was made from. It comes before any look at
    tags, since the two forms name their phases and stacks by other elements.

    Args:
        frames: of one layout with geometry, in the order of ``identity.frame_order``.
    """
    objects: dict[tuple[str, str], list[Frame]] = {}
    for frame in frames:
        uid = frame.sop_instance_uid if frame.frames > 1 else ""
        objects.setdefault((frame.sop_class_uid, uid), []).append(frame)
    if len(objects) < 2:
        return frames, []
    stack = make_stack(frames)
    together = {
        stack.frames[i]: [stack.frames[k] for k in place]
        for place in stack.positions_of_frames()
        for i in place
    }
    kept: set[Frame] = set()
    removed: dict[Frame, Removed] = {}
    for key in sorted(objects, key=lambda key: (-len(objects[key]), key)):
        twins: list[Removed] = []
        for frame in objects[key]:
            others = (other for other in together[frame] if other in kept)
            twin = next((other for other in others if _alike(other, frame, digests)), None)
            if twin is None:
                break
            reason = f"same position and same pixels as {_name(twin)}"
            twins.append(Removed(UnusedFrame(frame, Role.DUPLICATE, reason), twin))
        if len(twins) == len(objects[key]):
            removed.update((twin.unused_frame.frame, twin) for twin in twins)
        else:
            kept.update(objects[key])
    return tuple(frame for frame in frames if frame not in removed), list(removed.values())


def _alike(one: Frame, other: Frame, digests: Digests) -> bool:
    digest = digests.of(one)
    return not isinstance(digest, FileError) and digest == digests.of(other)


def remove_same_pixels(stack: Stack, digests: Digests) -> list[Removed]:
    """Frames that repeat the position and the pixels of another one, and unreadable ones."""
    places = [[stack.frames[i] for i in place] for place in stack.positions_of_frames()]
    return _compare(stack.frames, places, digests)[1]


def _compare(
    frames: Sequence[Frame], groups: Iterable[list[Frame]], digests: Digests
) -> tuple[list[Frame], list[Removed]]:
    """Compare the pixels within each group; of equal frames the first acquired is kept."""
    removed: dict[Frame, Removed] = {}
    for group in groups:
        if len(group) < 2:
            continue
        kept: dict[str, Frame] = {}
        for frame in sorted(group, key=acquisition_order):
            digest = digests.of(frame)
            if isinstance(digest, FileError):
                left = UnusedFrame(frame, Role.UNREADABLE, str(digest))
                removed[frame] = Removed(left, frame)
            elif digest in kept:
                reason = f"same position and same pixels as {_name(kept[digest])}"
                removed[frame] = Removed(UnusedFrame(frame, Role.DUPLICATE, reason), kept[digest])
            else:
                kept[digest] = frame
    return [frame for frame in frames if frame not in removed], list(removed.values())


def resolve_conflicts(stack: Stack, digests: Digests) -> Resolved:
    """Make stacks without repeats from one whose repeated frames differ in their pixels.

    In order: passes that InstanceNumber shows (each runs along the stack once), layers if the
    extra frames cover at least half of the positions, and otherwise one stack: at each position
    the frame that fits its neighbours stays, by InstanceNumber and then by its pixels, and the
    others are excluded.
    """
    places = _places(stack)
    shared = [place for place in places if len(place) > 1]
    repeated = sum(len(place) for place in shared)
    extra = len(stack.frames) - len(places)
    layers = _passes(stack, places)
    if not layers and extra >= LAYER_SHARE * len(places):
        layers = _layers(stack, places)
    if layers:
        return Resolved(tuple(layers), (), repeated, len(shared))
    kept, removed = _without_strays(stack, places, digests)
    return Resolved((stack.take(kept),), tuple(removed), repeated, len(shared))


def _places(stack: Stack) -> list[list[int]]:
    """Indices of frames at each offset, whatever their place within the plane."""
    starts = np.flatnonzero(np.diff(stack.offsets) > stack.tolerance) + 1
    return [part.tolist() for part in np.split(np.arange(len(stack.frames)), starts)]


def _passes(stack: Stack, places: list[list[int]]) -> list[Stack]:
    """Cut the order of InstanceNumber wherever it comes back to a position it has been at.

    The cuts are passes of the scanner only if each runs one way, is no stray piece, and the
    passes cover the region twice or each reach where no other does.
    """
    if instance_numbers(stack.frames) is None:
        return []
    place_of = {index: number for number, place in enumerate(places) for index in place}
    blocks: list[list[int]] = [[]]
    visited: set[int] = set()
    for index in sorted(place_of, key=lambda i: acquisition_order(stack.frames[i])):
        if place_of[index] in visited:
            blocks.append([])
            visited = set()
        blocks[-1].append(index)
        visited.add(place_of[index])
    extra = len(stack.frames) - len(places)
    if len(blocks) < 2 or extra < SMALLEST_PASS:
        return []
    for block in blocks:
        steps = np.diff([place_of[index] for index in block])
        if len(block) < SMALLEST_PASS or not ((steps > 0).all() or (steps < 0).all()):
            return []
        alone = sum(len(places[place_of[index]]) == 1 for index in block)
        if extra < LAYER_SHARE * len(places) and alone < SMALLEST_PASS:
            return []
    return [stack.take(sorted(block)) for block in blocks]


def _layers(stack: Stack, places: list[list[int]]) -> list[Stack]:
    """The first acquired frame of each position, then the second of each, and so on."""
    layers: list[list[int]] = [[] for _ in range(max(len(place) for place in places))]
    for place in places:
        ordered = sorted(place, key=lambda i: acquisition_order(stack.frames[i]))
        for layer, index in zip(layers, ordered, strict=False):
            layer.append(index)
    return [stack.take(layer) for layer in layers]


def _without_strays(
    stack: Stack, places: list[list[int]], digests: Digests
) -> tuple[list[int], list[Removed]]:
    kept: list[int] = []
    removed: list[Removed] = []
    for number, place in enumerate(places):
        expected = _expected_number(stack, places, number) if len(place) > 1 else None

        def misfit(index: int, expected: float | None = expected) -> tuple[float, object]:
            actual = stack.frames[index].instance_number
            off = 0.0 if expected is None or actual is None else abs(actual - expected)
            return off, acquisition_order(stack.frames[index])

        ranked = sorted(place, key=misfit)
        rivals = [index for index in ranked if misfit(index)[0] == misfit(ranked[0])[0]]
        if len(rivals) > 1 and digests.preview is not None:
            rivals = _by_likeness(stack, places, number, rivals, digests.preview)
        best = rivals[0]
        kept.append(best)
        for index in place:
            if index != best:
                reason = (
                    f"{Flag.CONFLICTING_SLICES}: same position as "
                    f"{_name(stack.frames[best])}, other pixels"
                )
                left = UnusedFrame(stack.frames[index], Role.EXCLUDED, reason)
                removed.append(Removed(left, stack.frames[best]))
    return kept, removed


def _expected_number(stack: Stack, places: list[list[int]], number: int) -> float | None:
    """InstanceNumber due at a place, from the nearest places with one numbered frame."""

    def nearest(candidates: Iterable[int]) -> tuple[int, int] | None:
        for candidate in candidates:
            if len(places[candidate]) == 1:
                found = stack.frames[places[candidate][0]].instance_number
                if found is not None:
                    return candidate, found
        return None

    below = nearest(range(number - 1, -1, -1))
    above = nearest(range(number + 1, len(places)))
    if below and above:
        share = (number - below[0]) / (above[0] - below[0])
        return below[1] + share * (above[1] - below[1])
    one_side = below or above
    if one_side is None:
        return None
    step = -1 if above else 1
    if below:
        further = nearest(range(below[0] - 1, -1, -1))
    else:
        further = nearest(range(one_side[0] + 1, len(places)))
    if further is None:
        return one_side[1] + step * abs(number - one_side[0])
    slope = (one_side[1] - further[1]) / (one_side[0] - further[0])
    return one_side[1] + slope * (number - one_side[0])


def _by_likeness(
    stack: Stack, places: list[list[int]], number: int, rivals: list[int], preview: Preview
) -> list[int]:
    """Rivals for one place, the one most like the undisputed planes below and above it first.

    Anatomy changes little from plane to plane, so a frame from elsewhere stands out. Frames that
    cannot be read come last; without a readable neighbour the order stays.
    """

    def look(index: int) -> NDArray[np.float64] | None:
        try:
            return preview(stack.frames[index])
        except FileError:
            return None

    single = [place[0] for place in places[:number] if len(place) == 1][-1:]
    single += [place[0] for place in places[number + 1 :] if len(place) == 1][:1]
    around = [seen for index in single if (seen := look(index)) is not None]
    if not around:
        return rivals
    expected = np.mean(around, axis=0)

    def unlikeness(index: int) -> float:
        seen = look(index)
        return float("inf") if seen is None else float(np.abs(seen - expected).mean())

    return sorted(rivals, key=unlikeness)


def _name(frame: Frame) -> str:
    """The file below its root, with the frame where a file has several."""
    suffix = f" frame {frame.frame_number}" if frame.frames > 1 else ""
    return relative_path(frame) + suffix
