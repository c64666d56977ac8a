"""Split a stack that cannot be one volume by the tags that explain why.

A tag is a reason to split a stack only if that removes a violation of its geometry: repeated
positions, or groups of planes that overlap and so break each other's grid. Every combination of up
to three tags is tried, and scored by the violations that it leaves.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np

from ..geometry.spacing import CHANGE_OF_SPACING_RUN, Integers, is_uniform, spacing_of
from ..geometry.tolerances import NORMAL_TOLERANCE
from ..model import Frame
from .stack import Stack

Label = tuple[bool, int | float | str]
"""A value of a tag, comparable with the other values of that tag; absent values come last."""

LARGEST_COMBINATION = 3
"""No stack is split by more tags at once than this."""

HOLE_AT_JOINT = 3
"""Where one acquisition continues another, up to two planes may be missing between them."""

FRAMES_PER_GROUP = 2
"""With fewer frames per value a tag counts frames; parts are then ranges of its values."""

_PARTS_TRIED = 64
"""A group is joined to one of the first 64 parts only; this bounds the work for unique values."""


def _number(value: float | None) -> Label:
    return value is None, 0 if value is None else value


def _text(value: str) -> Label:
    return value == "", value


SPLIT_TAGS: dict[str, Callable[[Frame], Label]] = {
    "AcquisitionNumber": lambda frame: _number(frame.acquisition_number),
    "TemporalPositionIdentifier": lambda frame: _number(frame.temporal_position),
    "TemporalPositionIndex": lambda frame: _number(frame.temporal_index),
    "TriggerTime": lambda frame: _number(frame.trigger_time),
    "NominalPercentageOfCardiacPhase": lambda frame: _number(frame.cardiac_phase),
    "NominalCardiacTriggerDelayTime": lambda frame: _number(frame.cardiac_delay),
    "ConvolutionKernel": lambda frame: _text(frame.kernel),
    "KVP": lambda frame: _number(frame.kvp),
    "SliceThickness": lambda frame: _number(frame.slice_thickness),
    "ImageType": lambda frame: _text(frame.image_type),
    "StackID": lambda frame: _text(frame.stack_id),
    "EchoNumbers": lambda frame: _number(frame.echo_number),
    "ScanOptions": lambda frame: _text(frame.scan_options),
    "SOPClassUID": lambda frame: _text(frame.sop_class_uid),
    "LossyImageCompression": lambda frame: _text("01" if frame.lossy else "00"),
    "file": lambda frame: _text(frame.sop_instance_uid if frame.frames > 1 else ""),
}
"""The usual tags in order of preference; ``file`` is the multi-frame file of a frame."""

IN_PLANE_KEY = "ImagePositionPatient"
"""The keyword of a split by origins that differ within the plane; tried last."""


@dataclass(frozen=True, slots=True)
class Split:
    """A way to split a stack, and the violations that it leaves.

    Attributes
    ----------
    keywords
        The tags that are used.
    parts
        Indices of the frames of each part, ascending along the normal.
    repeats
        Number of frames at a position that another frame of their part has.
    irregular
        Number of gaps that are not the usual one of their part.
    """

    keywords: tuple[str, ...]
    parts: tuple[Integers, ...]
    repeats: int
    irregular: int


def split_by_tags(stack: Stack) -> list[tuple[tuple[str, ...], Stack]]:
    """Split a stack by tags as far as that removes violations, and no further.

    Returns
    -------
    list[tuple[tuple[str, ...], Stack]]
        The parts, each with the keywords that set it apart. A part may still have repeated
        positions, where no tag distinguishes its frames.
    """
    split = best_split(stack)
    if len(split.parts) < 2:
        return [((), stack)]
    divided = []
    for part in split.parts:
        for keywords, inner in split_by_tags(stack.take(part)):
            divided.append((split.keywords + keywords, inner))
    return divided


def best_split(stack: Stack) -> Split:
    """The simplest split that leaves the fewest violations; one part if none helps."""
    whole = Split((), (np.arange(len(stack.frames)),), stack.repeats, 0)
    if stack.repeats:
        return _split_of_repeats(stack, whole)
    if stack.measured and stack.spacing().irregular_gaps > 1:
        return _split_of_overlap(stack, whole)
    return whole


def _split_of_repeats(stack: Stack, whole: Split) -> Split:
    """The split with the fewest repeats, then tags, then parts and irregular gaps together.

    A part and an irregular gap weigh the same, so that a hole is no reason to cut a stack there.
    """
    best = whole
    fewest_parts = stack.most_at_one_offset
    for splits in _splits_by_size(stack):
        candidate = None
        for split in splits:
            if candidate is None or _rank(split) < _rank(candidate):
                candidate = split
            if _rank(candidate) == (0, fewest_parts, fewest_parts):
                break
        if candidate is not None and candidate.repeats < best.repeats:
            best = candidate
        if best.repeats == 0:
            break
    return best


def _rank(split: Split) -> tuple[int, int, int]:
    return split.repeats, len(split.parts) + split.irregular, len(split.parts)


def _split_of_overlap(stack: Stack, whole: Split) -> Split:
    """The split into parts that overlap, if these are far more regular apart than together.

    Parts that continue each other stay together even if their spacing differs.
    """
    before = stack.spacing().irregular_gaps
    for splits in _splits_by_size(stack):
        helpful = [split for split in splits if is_worth(split, before)]
        if helpful:
            return min(helpful, key=lambda split: split.irregular + len(split.parts))
    return whole


def is_worth(split: Split, irregular_gaps: int) -> bool:
    """Whether parts overlap, and irregular gaps and additional parts together halve by it."""
    left = split.irregular + len(split.parts) - 1
    return 2 * left <= irregular_gaps and _any_overlap(split.parts)


def _any_overlap(parts: Sequence[Integers]) -> bool:
    """Whether the extents of any two parts overlap along the normal."""
    reached = -1
    for part in sorted(parts, key=lambda part: int(part[0])):
        if part[0] < reached:
            return True
        reached = max(reached, int(part[-1]))
    return False


def _splits_by_size(stack: Stack) -> Iterator[Iterator[Split]]:
    """The splits by one tag, then those by two, then by three; preferred tags first in each."""
    labels = varying_labels(stack)
    for size in range(1, min(LARGEST_COMBINATION, len(labels)) + 1):
        yield _splits_by(stack, labels, size)


def _splits_by(stack: Stack, labels: dict[str, list[Label]], size: int) -> Iterator[Split]:
    """The splits by ``size`` tags, without those in which a tag adds nothing to the others."""
    for names in combinations(labels, size):
        combined = _combined(labels, names)
        groups = len(set(combined))
        fewer = combinations(names, size - 1) if size > 1 else ()
        if all(len(set(_combined(labels, some))) < groups for some in fewer):
            yield split_by(stack, names, combined)


def _combined(labels: dict[str, list[Label]], names: tuple[str, ...]) -> list[tuple[Label, ...]]:
    return list(zip(*(labels[name] for name in names), strict=True))


def varying_labels(stack: Stack) -> dict[str, list[Label]]:
    """The labels of the frames by each usual tag that is not the same in all, preferred first."""
    varying = {}
    for keyword, read in SPLIT_TAGS.items():
        labels = [read(frame) for frame in stack.frames]
        if len(set(labels)) > 1:
            varying[keyword] = labels
    in_plane = _in_plane_labels(stack)
    if in_plane:
        varying[IN_PLANE_KEY] = in_plane
    return varying


def _in_plane_labels(stack: Stack) -> list[Label]:
    """A number for each distinct origin within the plane, if there are few; else nothing.

    In a tilted stack each plane has an origin of its own, which means nothing.
    """
    origins: list[tuple[float, float]] = []
    labels: list[Label] = []
    for u, v in stack.in_plane:
        for number, (a, b) in enumerate(origins):
            if abs(a - u) <= stack.same_origin_mm and abs(b - v) <= stack.same_origin_mm:
                labels.append((False, number))
                break
        else:
            if 2 * (len(origins) + 1) > len(stack.frames):
                return []
            labels.append((False, len(origins)))
            origins.append((u, v))
    return labels if len(origins) > 1 else []


def split_by(stack: Stack, names: tuple[str, ...], labels: Sequence[tuple[Label, ...]]) -> Split:
    """Split a stack by a label of each frame; groups that continue each other are one part."""
    groups: dict[tuple[Label, ...], list[int]] = {}
    for index, label in enumerate(labels):
        groups.setdefault(label, []).append(index)
    parts = _join_continuing(stack, [np.array(groups[label]) for label in sorted(groups)])
    repeats = sum(int((np.diff(stack.offsets[part]) <= stack.tolerance).sum()) for part in parts)
    counted = names != ("AcquisitionNumber",) and FRAMES_PER_GROUP * len(groups) > len(labels)
    if counted and _any_between(parts, labels):  # an AcquisitionNumber may count planes
        repeats = stack.repeats
    irregular = 0
    if not repeats:
        irregular = sum(stack.spacing(part).irregular_gaps for part in parts)
    return Split(names, tuple(parts), repeats, irregular)


def _any_between(parts: Sequence[Integers], labels: Sequence[tuple[Label, ...]]) -> bool:
    """Whether values of one part lie between those of another: chance has joined single frames."""
    ranges = sorted((min(labels[i] for i in part), max(labels[i] for i in part)) for part in parts)
    return any(low <= high for (_, high), (low, _) in pairwise(ranges))


def _join_continuing(stack: Stack, groups: list[Integers]) -> list[Integers]:
    """Join groups that continue each other, in the order of their labels, until none does.

    A time point may consist of several acquisitions, and an acquisition number may count single
    planes: a part is then several groups.
    """
    while True:
        parts: list[Integers] = []
        for group in groups:
            for number, part in enumerate(parts[:_PARTS_TRIED]):
                if _continue_each_other(stack, part, group):
                    parts[number] = np.sort(np.concatenate((part, group)))
                    break
            else:
                parts.append(group)
        if len(parts) == len(groups):
            return parts
        groups = parts


def _continue_each_other(stack: Stack, one: Integers, other: Integers) -> bool:
    """Whether two groups are one stack: one grid together, or one begins where the other ends."""
    if stack.offsets[one[0]] > stack.offsets[other[0]]:
        one, other = other, one
    if abs(stack.offsets[other[0]] - stack.offsets[one[0]]) <= stack.tolerance:
        return False
    offsets = stack.offsets[np.sort(np.concatenate((one, other)))]
    gaps = np.diff(offsets)
    if gaps.min() <= stack.tolerance:
        return False
    few = min(len(one), len(other)) < CHANGE_OF_SPACING_RUN
    if is_uniform(offsets):
        return not few or float(gaps.max()) <= 1.5 * stack.step
    joint = float(stack.offsets[other[0]] - stack.offsets[one[-1]])
    if joint <= 0:
        return False
    usual = [_usual_gap(stack, group) for group in (one, other)]
    if joint <= (1 + NORMAL_TOLERANCE) * max(usual):
        return True
    close = joint <= (HOLE_AT_JOINT + NORMAL_TOLERANCE) * max(usual)
    return close and not few and spacing_of(offsets, stack.hints, stack.unit).kind == "missing"


def _usual_gap(stack: Stack, group: Integers) -> float:
    if len(group) < 2:
        return stack.step
    return float(np.median(np.diff(stack.offsets[group])))
