"""Why frames share positions: the element, the folder or the order that tells their layers apart.

Where the usual tags leave repeated positions, the whole headers are read, and this module looks for
what puts one frame at each position. In order of preference: an element with few values, the
folder, two elements together, and last a series of numbers or times, which counts only if the
layers that it makes run along the stack. A UID is never a reason, and a value that each file has
for itself says nothing unless it is such a series. What is found must leave stacks as regular as
the positions together are; that is what chance does not do.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from ..dicom.whole_headers import Elements, is_temporal
from ..geometry.spacing import Integers
from ..model import Frame
from .identity import acquisition_order, natural_order, relative_path
from .passes import find_passes
from .split_by_tags import Label, split_by
from .stack import Stack

WholeHeaders = Callable[[Sequence[Frame]], Sequence[Elements]]

FOLDER = "folder"
FILE_NAME = "file_name"
"""What ``split_by`` says where no element but the place of the files tells layers apart."""

INSTANCE_NUMBER = "InstanceNumber"

FRAMES_PER_VALUE = 3
"""An element with fewer frames per value than this counts files; it names no kind of image."""

FRAMES_PER_HOLE = 8
"""Layers may have an irregular gap for so many frames; those that chance makes have far more."""

PAIRED = 40
"""Elements that are tried in pairs; equal divisions count once."""

CLUSTER_GAP = 2.0
"""Values of a number form clusters where the gaps between are so many times the widest within."""

_TIMES = ("AcquisitionDateTime", "AcquisitionTime", "ContentTime")
"""Series of times in order of preference, before any other one."""

_ENCODING = frozenset(
    {"BitsStored", "HighBit", "PixelRepresentation", "RescaleIntercept", "RescaleSlope"}
)
"""How values are written says little of what they show; these come after the other elements."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What tells the layers of a stack apart.

    Attributes
    ----------
    keywords
        Names for ``split_by``.
    layers
        Indices of the frames of each, ascending along the normal; in the order of values.
    copies
        Index of a frame to that of the frame of its layer whose copy it is.
    by_order
        Only the order of acquisition or of files distinguishes the layers.
    """

    keywords: tuple[str, ...]
    layers: tuple[Integers, ...]
    copies: Mapping[int, int] = field(default_factory=dict)
    by_order: bool = False


class HeaderReader:
    """Whole headers of frames, each read at most once; none where there is no way to read them."""

    def __init__(self, read: WholeHeaders | None) -> None:
        self._read = read
        self._known: dict[tuple[str, int], Elements] = {}

    def of(self, frames: Sequence[Frame]) -> list[Elements]:
        """The elements of each frame."""
        keys = [(frame.path, frame.frame_number) for frame in frames]
        if self._read is not None:
            new = [f for f, key in zip(frames, keys, strict=True) if key not in self._known]
            for frame, elements in zip(new, self._read(new) if new else (), strict=True):
                self._known[frame.path, frame.frame_number] = elements
        return [self._known.get(key, {}) for key in keys]


def explain(
    stack: Stack, headers: HeaderReader, images: Sequence[str] | None = None
) -> Explanation | None:
    """Find what puts one image at each position of a stack, or ``None``.

    Parameters
    ----------
    headers
        Asked for frames that share a position first, and for the others only if those differ in
        something.
    images
        Equal for frames with equal images, which may then share a position; without it all images
        count as different.
    """
    names = [str(number) for number in range(len(stack.frames))] if images is None else images
    elements = _elements(stack, headers)
    few = _dividing_labels(stack, elements)
    for name, labels in few.items():
        if (found := _accepted(stack, (name,), [labels], names)) is not None:
            return found
    for labels in folders(stack.frames):
        if (found := _accepted(stack, (FOLDER,), [labels], names)) is not None:
            return found
    for pair in _promising_pairs(stack, few, names):
        if (found := _accepted(stack, pair, [few[name] for name in pair], names)) is not None:
            return found
    for name, values in series_of_numbers(stack.frames, elements):
        passes = find_passes(stack, values)
        if passes:
            return Explanation((name,), tuple(passes), by_order=True)
    return None


def _promising_pairs(
    stack: Stack, few: Mapping[str, list[Label]], images: Sequence[str]
) -> Iterator[tuple[str, str]]:
    """Pairs of elements that leave no more repeats than there are equal images: a quick look."""
    place = np.zeros(len(stack.frames), np.int64)
    for number, indices in enumerate(stack.frames_by_offset()):
        place[indices] = number
    codes = {name: _numbered(few[name]) for name in list(few)[:PAIRED]}
    equal = len(images) - len(set(zip(images, place.tolist(), strict=True)))
    for one, other in combinations(codes, 2):
        both = codes[one] * (int(codes[other].max()) + 1) + codes[other]
        distinct = len(np.unique(both * (int(place.max()) + 1) + place))
        if len(both) - distinct <= equal:
            yield one, other


def _elements(stack: Stack, headers: HeaderReader) -> list[Elements]:
    """The whole headers of the frames; empty ones where they cannot explain anything."""
    count = len(stack.frames)
    shared = [i for position in stack.frames_by_offset() if len(position) > 1 for i in position]
    found = dict(zip(shared, headers.of([stack.frames[i] for i in shared]), strict=True))
    if all(elements == found[shared[0]] for elements in found.values()):
        return [{}] * count
    rest = [i for i in range(count) if i not in found]
    found.update(zip(rest, headers.of([stack.frames[i] for i in rest]), strict=True))
    return [found[i] for i in range(count)]


def _dividing_labels(stack: Stack, elements: Sequence[Elements]) -> dict[str, list[Label]]:
    """Elements with several values, but few; of those that divide alike the preferred one."""
    divisions: set[bytes] = set()
    chosen: dict[str, list[Label]] = {}
    names = {name for each in elements for name in each}
    for name in sorted(names, key=preference):
        labels = [label_of(each.get(name)) for each in elements]
        if len(set(labels)) * FRAMES_PER_VALUE > len(labels):
            ordered = name == INSTANCE_NUMBER or is_temporal(name)
            clustered = None if ordered else _clustered(labels, stack.most_at_one_offset)
            if clustered is None:
                if len(set(labels)) > stack.most_at_one_offset or len(set(labels)) == len(labels):
                    continue
            else:
                labels = clustered
        division = _division(labels)
        if len(set(labels)) > 1 and division not in divisions:
            divisions.add(division)
            chosen[name] = labels
    return chosen


def preference(name: str) -> tuple[bool, bool, bool, str]:
    """Public elements before private ones, meaning before encoding, text before times."""
    return name.startswith("("), name in _ENCODING, is_temporal(name), name


def label_of(text: str | None) -> Label:
    """A value that compares with the others of its element: absent ones last."""
    return text is None, "" if text is None else text


def _division(labels: Sequence[Label]) -> bytes:
    """Equal for labels that divide the frames alike."""
    return _numbered(labels).tobytes()


def _numbered(labels: Sequence[Label]) -> Integers:
    """A number per label, in the order in which labels first come."""
    numbers: dict[Label, int] = {}
    return np.array([numbers.setdefault(label, len(numbers)) for label in labels], np.int64)


def _clustered(labels: Sequence[Label], count: int) -> list[Label] | None:
    """The labels as ``count`` clusters of numbers, where wide gaps separate them."""
    numbers = [_as_number(str(text)) for _, text in labels]
    if None in numbers:
        return None
    values = np.array(numbers, dtype=np.float64)
    ordered = np.unique(values)
    gaps = np.diff(ordered)
    widest = np.sort(gaps)
    if len(gaps) < count or widest[1 - count] <= CLUSTER_GAP * widest[-count]:
        return None
    limits = ordered[1:][gaps >= widest[1 - count]]
    return [(False, int(cluster)) for cluster in np.searchsorted(limits, values, side="right")]


def _accepted(
    stack: Stack,
    names: tuple[str, ...],
    columns: Sequence[Sequence[Label]],
    images: Sequence[str],
) -> Explanation | None:
    """The layers by some labels, if each has one image at a position and is regular."""
    labels = list(zip(*columns, strict=True))
    groups = len(set(labels))
    most = max(stack.most_at_one_offset, len(labels) // FRAMES_PER_VALUE)
    if groups < 2 or groups > most:
        return None
    copies = _copies(stack, labels, images)
    if copies is None:
        return None
    left = np.array([i for i in range(len(labels)) if i not in copies])
    some = stack.take(left)
    keywords = tuple(dict.fromkeys(name.partition("[")[0] for name in names))
    split = split_by(some, keywords, [labels[i] for i in left])
    first = np.array([indices[0] for indices in some.frames_by_offset()])
    allowed = some.spacing(first).irregular_gaps * len(split.parts) + len(left) // FRAMES_PER_HOLE
    if split.repeats or split.irregular > allowed or len(split.parts) < 2:
        return None
    return Explanation(keywords, tuple(left[part] for part in split.parts), copies)


def _copies(
    stack: Stack, labels: Sequence[tuple[Label, ...]], images: Sequence[str]
) -> dict[int, int] | None:
    """Frames that repeat image and label of another one at their position: index to its index.

    ``None`` where frames of one label at one position have different images.
    """
    copies: dict[int, int] = {}
    for indices in stack.frames_by_offset():
        kept: dict[tuple[Label, ...], int] = {}
        for i in sorted(indices, key=lambda i: acquisition_order(stack.frames[i])):
            first = kept.setdefault(labels[i], i)
            if first != i:
                if images[first] != images[i]:
                    return None
                copies[i] = first
    return copies


def folders(frames: Sequence[Frame]) -> Iterator[list[Label]]:
    """The folder of each frame: the deepest one, then those above it."""
    folders = [relative_path(frame).split("/")[:-1] for frame in frames]
    for depth in range(max(map(len, folders)), 0, -1):
        yield [(False, "/".join(folder[:depth])) for folder in folders]


def series_of_numbers(
    frames: Sequence[Frame], elements: Sequence[Elements]
) -> Iterator[tuple[str, list[float]]]:
    """Series of numbers that may show the order of acquisition, the preferred ones first."""
    numbers = [frame.instance_number for frame in frames]
    numbered = None not in numbers and len(set(numbers)) == len(numbers)
    if numbered and all(frame.frames == 1 for frame in frames):
        yield INSTANCE_NUMBER, [float(number or 0) for number in numbers]
    names = set.intersection(*(set(each) for each in elements)) if elements else set()
    rest = sorted(names - {*_TIMES, INSTANCE_NUMBER}, key=preference)
    for name in [*(name for name in _TIMES if name in names), *rest]:
        values = [_as_number(each[name]) for each in elements]
        found = [value for value in values if value is not None]
        if len(found) == len(frames) and len(set(found)) * FRAMES_PER_VALUE > len(found):
            yield name, found
    names_of_files = _places_in_folder(frames)
    if names_of_files is not None:
        yield FILE_NAME, names_of_files


def _as_number(text: str) -> float | None:
    """A decimal number or a time as a number that grows with it."""
    try:
        number = float(text) if "_" not in text else None
    except ValueError:
        return None
    return number if number is not None and np.isfinite(number) else None


def _places_in_folder(frames: Sequence[Frame]) -> list[float] | None:
    """The place of each file among the others by name; nothing if they are in several folders."""
    if len({frame.path.rpartition("/")[0] for frame in frames}) > 1:
        return None
    ranks = ranks_of_names(frames)
    return None if ranks is None else [float(rank) for rank in ranks]


def ranks_of_names(frames: Sequence[Frame]) -> Integers | None:
    """(N,) place of the name of each file among all names, numbers in them taken as numbers.

    Nothing where names are UIDs, or where a file has frames.
    """
    if any(frame.frames > 1 or _named_by_uid(frame) for frame in frames):
        return None
    names = [frame.path.rpartition("/")[2] for frame in frames]
    ranks = {name: rank for rank, name in enumerate(sorted(set(names), key=natural_order))}
    return np.array([ranks[name] for name in names], dtype=np.int64)


def _named_by_uid(frame: Frame) -> bool:
    uid = frame.sop_instance_uid
    return bool(re.search(r"\d(\.\d+){3}", frame.path.rpartition("/")[2])) or (
        bool(uid) and uid in frame.path
    )
