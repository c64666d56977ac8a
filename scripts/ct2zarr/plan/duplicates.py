"""Frames that are copies of others: exact ones, equal images at one position, whole layers.

Here and in ``conflicts``, and only there, grouping looks at pixels: through a function that gives
equal digests for images of equal rescaled values.
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
from .stack import Stack, make_stack

PixelDigest = Callable[[Frame], str]
Preview = Callable[[Frame], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class RemovedFrame:
    """A frame that is left out, and the frame at the same position that is kept.

    An unreadable frame is compared with nothing: ``kept`` is then the frame itself.
    """

    unused: UnusedFrame
    kept: Frame


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

    def images_of(self, stack: Stack) -> list[str]:
        """A name per frame, equal for frames with equal images; only repeated frames are read."""
        images = [str(number) for number in range(len(stack.frames))]
        for indices in stack.frames_by_offset():
            for index in indices if len(indices) > 1 else ():
                digest = self.of(stack.frames[index])
                if not isinstance(digest, FileError):
                    images[index] = digest
        return images


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

    Parameters
    ----------
    frames
        Frames with geometry and one layout, in the order of ``identity.frame_order``.
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
            copies.append(duplicate(frame, equal))
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

    Returns
    -------
    tuple[list[Frame], list[RemovedFrame]]
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
                removed[frame] = duplicate(frame, kept[digest])
            else:
                kept[digest] = frame
    return [frame for frame in frames if frame not in removed], list(removed.values())


def remove_copied_layers(
    layers: Sequence[Stack], digests: Digests
) -> tuple[list[int], list[RemovedFrame]]:
    """Find layers that only repeat another one: each frame has the place and values of one there.

    Layers that share some planes, such as empty ones, are no copies. The larger of two is kept; of
    equal ones the first.

    Returns
    -------
    tuple[list[int], list[RemovedFrame]]
        Indices of the layers that are kept, ascending, and the frames of the others.
    """
    kept: list[int] = []
    removed: list[RemovedFrame] = []
    for number in sorted(range(len(layers)), key=lambda i: (-len(layers[i].frames), i)):
        for other in kept:
            copies = _copies_in(layers[other], layers[number], digests)
            if copies:
                removed.extend(copies)
                break
        else:
            kept.append(number)
    return sorted(kept), removed


def _copies_in(original: Stack, layer: Stack, digests: Digests) -> list[RemovedFrame]:
    """The frames of a layer with their originals; none if one of them has no equal there.

    The middle of a layer is compared first: planes at its ends may be empty.
    """
    nearest = np.searchsorted(original.offsets, layer.offsets - layer.tolerance)
    pairs = []
    for index, place in enumerate(nearest):
        if place == len(original.offsets):
            return []
        if original.offsets[place] - layer.offsets[index] > layer.tolerance:
            return []
        pairs.append((layer.frames[index], original.frames[place]))
    middle = len(pairs) / 2
    for index in sorted(range(len(pairs)), key=lambda i: abs(i - middle)):
        if not digests.are_equal(*pairs[index]):
            return []
    return [duplicate(frame, kept) for frame, kept in pairs]


def duplicate(frame: Frame, kept: Frame) -> RemovedFrame:
    """A frame that is left out because it is a copy of one that is kept."""
    error = FileError(
        Code.DUPLICATE,
        "the frame has the position and the pixels of {kept}",
        kept=name_of(kept),
    )
    return RemovedFrame(UnusedFrame.because(frame, Role.DUPLICATE, error), kept)


def name_of(frame: Frame) -> Private:
    """The file below its root, with the frame where a file has several."""
    suffix = f" (frame {frame.frame_number})" if frame.frames > 1 else ""
    return Private(relative_path(frame) + suffix)
