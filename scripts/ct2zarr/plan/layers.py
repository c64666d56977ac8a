"""Frames on one grid to volumes without repeated positions.

The usual tags divide first (``split_by_tags``), and stacks whose planes lie between each other are
set apart (``overlapping``, ``interleaving``). Where positions still repeat, the whole headers,
the folders and the order of acquisition are asked (``explanations``). Only then pixels are
compared: a layer that repeats another one in all its planes is a copy, and so are equal frames of
one layer. What is left is a conflict (``conflicts``).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..model import Frame, Json, RaisedFlag
from ..vocabulary import Flag
from .conflicts import resolve_conflicts
from .duplicates import (
    Digests,
    RemovedFrame,
    duplicate,
    find_same_pixels,
    remove_copied_layers,
    remove_repeated_objects,
)
from .explanations import Explanation, HeaderReader, explain
from .identity import frame_order
from .interleaving import divide_interleaved
from .ordering import order_of
from .overlapping import divide_overlapping
from .split_by_geometry import GridGroup
from .split_by_tags import SPLIT_TAGS, Label, split_by_tags
from .stack import Stack, make_stack, make_stack_without_geometry


@dataclass(frozen=True, slots=True)
class Part:
    """The planes of one volume, in order, and what sets it apart within its grid group.

    Attributes
    ----------
    keywords
        The tags that are used, for ``split_by``.
    flags
        ``conflicting_slices``, ``ambiguous_layers`` and ``interleaved_stacks``.
    layer
        Number of the layer among those that repeat the same positions.
    """

    frames: tuple[Frame, ...]
    keywords: tuple[str, ...]
    flags: tuple[RaisedFlag, ...] = ()
    layer: int = 0


@dataclass(frozen=True, slots=True)
class Sources:
    """What can be asked about frames beyond what the scan has read."""

    digests: Digests
    headers: HeaderReader


def parts_of(group: GridGroup, sources: Sources) -> tuple[list[Part], list[RemovedFrame]]:
    """Split a grid group into parts without repeated positions, in the order of their numbers."""
    ordered = make_stack if group.located else make_stack_without_geometry
    frames: tuple[Frame, ...] = group.frames
    removed: list[RemovedFrame] = []
    if group.located:
        frames, removed = remove_repeated_objects(frames, sources.digests)
    while True:
        parts: list[Part] = []
        left_out: list[RemovedFrame] = []
        copies: list[RemovedFrame] = []
        for keywords, stack in split_by_tags(ordered(frames)):
            if not stack.repeats:
                parts.extend(_parts_between(stack, keywords, sources.headers))
                continue
            own, more = _layers_of(stack, keywords, sources)
            parts.extend(own)
            (left_out if own else copies).extend(more)
        if not copies:
            if not group.located:  # a part may have a more credible order than the whole
                parts = [replace(part, frames=ordered(part.frames).frames) for part in parts]
            return _in_order_of_values(parts), removed + left_out
        removed.extend(copies)
        copied = {copy.unused.frame for copy in copies}
        frames = tuple(frame for frame in frames if frame not in copied)
        if not frames:
            return [], removed


def _layers_of(
    stack: Stack, keywords: tuple[str, ...], sources: Sources
) -> tuple[list[Part], list[RemovedFrame]]:
    """The layers of a stack with repeated positions, and frames that are in none of them.

    No layer at all: the frames are copies, and what is left is to be divided again without them.
    """
    if len(stack.frames_by_offset()) == 1:
        # Volumes of one plane lose nothing by it, and frames that cannot be read are found.
        copies = find_same_pixels(stack, sources.digests)
        if copies:
            return [], copies
    found = explain(stack, sources.headers)
    if found is None:
        images = sources.digests.images_of(stack)
        if len(set(images)) < len(images):
            found = explain(stack, sources.headers, images)
    if found is not None:
        return _explained(stack, keywords, found, sources)
    copies = find_same_pixels(stack, sources.digests)
    if copies:
        return [], copies
    return _in_conflict(stack, keywords, sources.digests)


def _explained(
    stack: Stack, keywords: tuple[str, ...], found: Explanation, sources: Sources
) -> tuple[list[Part], list[RemovedFrame]]:
    layers = [stack.take(indices) for indices in found.layers]
    removed = [
        duplicate(stack.frames[index], stack.frames[kept]) for index, kept in found.copies.items()
    ]
    kept, copies = remove_copied_layers(layers, sources.digests)
    removed.extend(copies)
    several = len(kept) > 1
    flags = (_conflict(stack, 0),) if several and found.by_order else ()
    used = keywords + found.keywords if several else keywords
    parts = [
        part
        for layer, i in enumerate(kept)
        for part in _parts_between(layers[i], used, sources.headers, flags, layer)
    ]
    return parts, removed


def _parts_between(
    stack: Stack,
    keywords: tuple[str, ...],
    headers: HeaderReader,
    flags: tuple[RaisedFlag, ...] = (),
    layer: int = 0,
) -> list[Part]:
    """A stack without repeated positions as one part, or as those that lie between each other."""
    return [
        Part(one.stack.frames, keywords + names + one.keywords, flags + one.flags, layer)
        for names, part in divide_overlapping(stack, headers)
        for one in divide_interleaved(part, headers)
    ]


def _in_conflict(
    stack: Stack, keywords: tuple[str, ...], digests: Digests
) -> tuple[list[Part], list[RemovedFrame]]:
    resolved = resolve_conflicts(stack, digests)
    flags = [_conflict(stack, len(resolved.removed))]
    if resolved.ambiguous:
        evidence: dict[str, Json] = {
            "frames": resolved.repeated,
            "positions": resolved.positions,
            "layers": stack.most_at_one_offset,
        }
        flags.append(RaisedFlag(Flag.AMBIGUOUS_LAYERS, evidence))
    parts = [
        Part(layer.frames, keywords, tuple(flags), number)
        for number, layer in enumerate(resolved.layers)
    ]
    return parts, list(resolved.removed)


def _conflict(stack: Stack, excluded: int) -> RaisedFlag:
    """The flag of frames that share a position and that no tag distinguishes."""
    shared = [indices for indices in stack.frames_by_offset() if len(indices) > 1]
    evidence: dict[str, Json] = {
        "frames": sum(map(len, shared)), "positions": len(shared), "excluded": excluded,
    }  # fmt: skip
    return RaisedFlag(Flag.CONFLICTING_SLICES, evidence)


def _in_order_of_values(parts: list[Part]) -> list[Part]:
    """By the values of the usual tags in use, then by layer, then by position."""
    if len(parts) < 2:
        return parts
    keywords = {keyword for part in parts for keyword in part.keywords}
    used = [keyword for keyword in SPLIT_TAGS if keyword in keywords]

    def order(entry: tuple[int, Part]) -> tuple[object, ...]:
        number, part = entry
        values: Sequence[Label] = [min(map(SPLIT_TAGS[name], part.frames)) for name in used]
        return *values, part.layer, number

    numbered = list(enumerate(sorted(parts, key=_lowest_position)))
    return [part for _, part in sorted(numbered, key=order)]


def _lowest_position(part: Part) -> tuple[float, tuple[str, int, int, bool, str]]:
    first = part.frames[0]
    _, coordinates = order_of([first])
    return float(coordinates[0]), frame_order(first)
