"""Frames that share a position although no tag sets them apart: copies, conflicts, whole layers.

Here, and only here, grouping looks at pixels: through a function that gives equal digests for
equal images.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..codes import Code
from ..errors import FileError, Private
from ..model import Frame, UnusedFrame
from ..vocabulary import Role
from .identity import acquisition_order, relative_path
from .owners import owner_order
from .stack import Stack, instance_numbers, make_stack

PixelDigest = Callable[[Frame], str]
Preview = Callable[[Frame], NDArray[np.float64]]

LAYER_SHARE = 0.5
"""Where extra frames lie at this share of the positions or more, they are volumes of their own."""

SMALLEST_PASS = 3
"""Planes that a second pass of the scanner over a region has at least."""

INSTANCE_NUMBER_KEY = "InstanceNumber"
"""The keyword in ``split_by`` where only the order of acquisition distinguishes layers."""


@dataclass(frozen=True, slots=True)
class RemovedFrame:
    """A frame that is left out, and the frame at the same position that is kept.

    An unreadable frame is compared with nothing: ``kept`` is then the frame itself.
    """

    unused: UnusedFrame
    kept: Frame


@dataclass(frozen=True, slots=True)
class ResolvedConflict:
    """Stacks without repeated positions, and the frames that were left out of them.

    Attributes:
        layers: the stacks, at least one.
        removed: frames that are in none of them.
        repeated: number of frames that shared a position.
        positions: number of positions that they shared.
    """

    layers: tuple[Stack, ...]
    removed: tuple[RemovedFrame, ...]
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

    def are_equal(self, one: Frame, other: Frame) -> bool:
        """Whether both frames can be read and have the same pixels."""
        digest = self.of(one)
        return not isinstance(digest, FileError) and digest == self.of(other)


def remove_copies(
    frames: Sequence[Frame], digests: Digests
) -> tuple[list[Frame], list[RemovedFrame]]:
    """Remove copies of a frame: the same SOPInstanceUID, frame number and place, the same pixels.

    This comes before anything divides the series, so that a copied folder is never taken for a
    phase, nor a copy that was sent with another study for a series of its own.
    """
    seen = {(frame.sop_instance_uid, frame.frame_number) for frame in frames}
    if len(seen) == len(frames):
        return list(frames), []
    groups: dict[object, list[Frame]] = {}
    for frame in frames:
        identity = (
            frame.sop_instance_uid,
            frame.frame_number,
            frame.position,
            frame.rows,
            frame.columns,
        )
        groups.setdefault(identity if frame.sop_instance_uid else frame, []).append(frame)
    by_owner = owner_order(frames)
    return _keep_first_of_equals(
        frames,
        groups.values(),
        digests,
        lambda frame: (by_owner(frame), acquisition_order(frame)),
    )


def remove_repeated_objects(
    frames: tuple[Frame, ...], digests: Digests
) -> tuple[tuple[Frame, ...], list[RemovedFrame]]:
    """Remove images that a series holds twice: as single files and as a multi-frame object.

    A multi-frame object, or all single files of one SOP class, is removed if each of its frames
    has the position and the pixels of a frame of another one. The larger one is kept; of equal
    ones the files of classic CT, from which multi-frame objects are converted. This comes before
    tags are looked at, since the two forms name their phases and stacks by other elements.

    Args:
        frames: frames with geometry and one layout, in the order of ``identity.frame_order``.
    """
    objects: dict[tuple[str, str], list[Frame]] = {}
    for frame in frames:
        uid = frame.sop_instance_uid if frame.frames > 1 else ""
        objects.setdefault((frame.sop_class_uid, uid), []).append(frame)
    if len(objects) < 2:
        return frames, []
    stack = make_stack(frames)
    at_position_of = {
        stack.frames[i]: [stack.frames[k] for k in position]
        for position in stack.positions_of_frames()
        for i in position
    }
    kept: set[Frame] = set()
    removed: dict[Frame, RemovedFrame] = {}
    for key in sorted(objects, key=lambda key: (-len(objects[key]), key)):
        copies: list[RemovedFrame] = []
        for frame in objects[key]:
            others = (other for other in at_position_of[frame] if other in kept)
            equal = next((other for other in others if digests.are_equal(other, frame)), None)
            if equal is None:
                break
            copies.append(_duplicate(frame, equal))
        if len(copies) == len(objects[key]):
            removed.update((copy.unused.frame, copy) for copy in copies)
        else:
            kept.update(objects[key])
    return tuple(frame for frame in frames if frame not in removed), list(removed.values())


def find_same_pixels(stack: Stack, digests: Digests) -> list[RemovedFrame]:
    """Frames that repeat the position and the pixels of another one, and unreadable ones."""
    positions = [[stack.frames[i] for i in indices] for indices in stack.positions_of_frames()]
    return _keep_first_of_equals(stack.frames, positions, digests)[1]


def _keep_first_of_equals(
    frames: Sequence[Frame],
    groups: Iterable[list[Frame]],
    digests: Digests,
    order: Callable[[Frame], Any] = acquisition_order,
) -> tuple[list[Frame], list[RemovedFrame]]:
    """Compare the pixels within each group; of equal frames the first one in order is kept.

    Returns:
        The frames that are kept, in their order, and those that are not.
    """
    removed: dict[Frame, RemovedFrame] = {}
    for group in groups:
        if len(group) < 2:
            continue
        kept: dict[str, Frame] = {}
        for frame in sorted(group, key=order):
            digest = digests.of(frame)
            if isinstance(digest, FileError):
                unused = UnusedFrame.because(frame, Role.UNREADABLE, digest)
                removed[frame] = RemovedFrame(unused, frame)
            elif digest in kept:
                removed[frame] = _duplicate(frame, kept[digest])
            else:
                kept[digest] = frame
    return [frame for frame in frames if frame not in removed], list(removed.values())


def resolve_conflicts(stack: Stack, digests: Digests) -> ResolvedConflict:
    """Make stacks without repeats from one whose repeated frames differ in their pixels.

    In order: passes of the scanner that InstanceNumber shows, each running along the stack once;
    layers, if the extra frames cover at least half of the positions; otherwise one stack, in which
    each position keeps the frame that fits its neighbours, by InstanceNumber and then by its
    pixels, and the other frames are excluded.
    """
    offsets = _frames_by_offset(stack)
    shared = [indices for indices in offsets if len(indices) > 1]
    repeated = sum(len(indices) for indices in shared)
    extra = len(stack.frames) - len(offsets)
    layers = _passes_of_scanner(stack, offsets)
    if not layers and extra >= LAYER_SHARE * len(offsets):
        layers = _layers_by_rank(stack, offsets)
    if layers:
        return ResolvedConflict(tuple(layers), (), repeated, len(shared))
    kept, removed = _best_at_each_offset(stack, offsets, digests)
    return ResolvedConflict((stack.take(kept),), tuple(removed), repeated, len(shared))


def _frames_by_offset(stack: Stack) -> list[list[int]]:
    """Indices of the frames at each offset, wherever they lie within the plane."""
    starts = np.flatnonzero(np.diff(stack.offsets) > stack.tolerance) + 1
    return [indices.tolist() for indices in np.split(np.arange(len(stack.frames)), starts)]


def _passes_of_scanner(stack: Stack, offsets: list[list[int]]) -> list[Stack]:
    """Cut the order of InstanceNumber wherever it returns to an offset; nothing if that fails.

    The pieces are passes of the scanner only if each runs one way and has enough planes, and if
    they cover the region twice or each reaches where no other does.
    """
    if instance_numbers(stack.frames) is None:
        return []
    offset_of = {index: number for number, indices in enumerate(offsets) for index in indices}
    pieces: list[list[int]] = [[]]
    visited: set[int] = set()
    for index in sorted(offset_of, key=lambda i: acquisition_order(stack.frames[i])):
        if offset_of[index] in visited:
            pieces.append([])
            visited = set()
        pieces[-1].append(index)
        visited.add(offset_of[index])
    extra = len(stack.frames) - len(offsets)
    if len(pieces) < 2 or extra < SMALLEST_PASS:
        return []
    for piece in pieces:
        steps = np.diff([offset_of[index] for index in piece])
        if len(piece) < SMALLEST_PASS or not ((steps > 0).all() or (steps < 0).all()):
            return []
        alone = sum(len(offsets[offset_of[index]]) == 1 for index in piece)
        if extra < LAYER_SHARE * len(offsets) and alone < SMALLEST_PASS:
            return []
    return [stack.take(sorted(piece)) for piece in pieces]


def _layers_by_rank(stack: Stack, offsets: list[list[int]]) -> list[Stack]:
    """The frame acquired first at each offset, then the second at each, and so on."""
    layers: list[list[int]] = [[] for _ in range(max(len(indices) for indices in offsets))]
    for indices in offsets:
        ordered = sorted(indices, key=lambda i: acquisition_order(stack.frames[i]))
        for layer, index in zip(layers, ordered, strict=False):
            layer.append(index)
    return [stack.take(layer) for layer in layers]


def _best_at_each_offset(
    stack: Stack, offsets: list[list[int]], digests: Digests
) -> tuple[list[int], list[RemovedFrame]]:
    """The index that is kept at each offset, and the frames that are not kept."""
    kept: list[int] = []
    removed: list[RemovedFrame] = []
    for number, indices in enumerate(offsets):
        best = indices[0]
        if len(indices) > 1:
            best = _best_of(stack, offsets, number, digests.preview)
        kept.append(best)
        removed.extend(
            _conflicting(stack.frames[index], stack.frames[best])
            for index in indices
            if index != best
        )
    return kept, removed


def _best_of(stack: Stack, offsets: list[list[int]], number: int, preview: Preview | None) -> int:
    """The frame at an offset whose InstanceNumber, then pixels, then order fit best."""
    expected = _expected_number(stack, offsets, number)

    def distance(index: int) -> float:
        actual = stack.frames[index].instance_number
        return 0.0 if expected is None or actual is None else abs(actual - expected)

    least = min(distance(index) for index in offsets[number])
    candidates = sorted(
        (index for index in offsets[number] if distance(index) == least),
        key=lambda index: acquisition_order(stack.frames[index]),
    )
    if len(candidates) > 1 and preview is not None:
        candidates = _by_similarity(stack, offsets, number, candidates, preview)
    return candidates[0]


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


def _by_similarity(
    stack: Stack, offsets: list[list[int]], number: int, candidates: list[int], preview: Preview
) -> list[int]:
    """Candidates for one offset, first the one most like the single planes below and above it.

    Anatomy changes little from plane to plane, so a frame from elsewhere differs. Frames that
    cannot be read come last; without a readable neighbour the order stays.
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
        return candidates
    expected = np.mean(neighbours, axis=0)

    def difference(index: int) -> float:
        values = preview_of(index)
        return float("inf") if values is None else float(np.abs(values - expected).mean())

    return sorted(candidates, key=difference)


def _duplicate(frame: Frame, kept: Frame) -> RemovedFrame:
    error = FileError(
        Code.DUPLICATE,
        "The frame has the position and the pixels of {kept}.",
        kept=_name(kept),
    )
    return RemovedFrame(UnusedFrame.because(frame, Role.DUPLICATE, error), kept)


def _conflicting(frame: Frame, kept: Frame) -> RemovedFrame:
    error = FileError(
        Code.CONFLICTING_SLICES,
        "The frame has the position of {kept} but other pixels; {kept} was kept.",
        kept=_name(kept),
    )
    return RemovedFrame(UnusedFrame.because(frame, Role.EXCLUDED, error), kept)


def _name(frame: Frame) -> Private:
    """The file below its root, with the frame where a file has several."""
    suffix = f" (frame {frame.frame_number})" if frame.frames > 1 else ""
    return Private(relative_path(frame) + suffix)
