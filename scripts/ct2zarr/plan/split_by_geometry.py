"""Split a series by what can never share a volume: matrix, orientation, pixel spacing, reference.

Whatever keeps planes off a common grid divides them here. Tags, which may or may not mean
something, divide further in ``split_by_tags``.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..geometry.stacks import unit_orientation
from ..geometry.tolerances import (
    COSINE_JITTER,
    COSINE_ROUNDING,
    COSINE_SPREAD,
    NORMAL_TOLERANCE,
    in_plane_tolerance,
)
from ..model import Frame
from .identity import frame_order
from .ordering import is_constant, position_does_not_vary
from .orientation import spans_a_plane
from .split_by_tags import SPLIT_TAGS
from .stack import Stack, is_spacing, make_stack

PER_SLICE_FRAMES_OF_REFERENCE = 2
"""With fewer planes than this per frame of reference on average, the UID names single planes."""

SMALLEST_SERIES_AT_ONE_POSITION = 3
"""Two frames at one position are a conflict; from three on the writer gave all the first one's."""

SMALLEST_GRID = 3
"""Two positions are always evenly spaced; only three or more show a grid."""


@dataclass(frozen=True, slots=True)
class GridGroup:
    """Frames of a series that could share one array.

    Attributes
    ----------
    frames
        In the order of ``identity.frame_order``.
    located
        They have position, orientation and pixel spacing.
    keywords
        The elements in which the groups of the series differ.
    """

    frames: tuple[Frame, ...]
    located: bool
    keywords: tuple[str, ...]


def split_by_geometry(frames: Sequence[Frame]) -> list[GridGroup]:
    """Split the slices of one series by what keeps them off a common grid.

    The largest group comes first (ties: by its values), so that a frame added later, such as one
    of another matrix, does not renumber the volumes that were there.

    Parameters
    ----------
    frames
        In the order of ``identity.frame_order``.
    """
    groups = _join_jittering(_group_by_layout(frames))
    divided = []
    for layout, members in groups:
        references = {frame.frame_of_reference_uid for frame in members}
        if layout.located and _position_means_nothing(members):
            layout = replace(layout, located=False)
        if len(references) == 1 or not layout.located:
            divided.append((layout, "", members))
            continue
        for reference, own in _split_by_reference(members):
            divided.append((layout, reference, own))
    keywords = _varying([(*layout.values(), reference) for layout, reference, _ in divided])
    divided.sort(key=lambda entry: (-len(entry[2]), entry[0].values(), entry[1]))
    return [
        GridGroup(frames=members, located=layout.located, keywords=keywords)
        for layout, _, members in divided
    ]


def _position_means_nothing(frames: Sequence[Frame]) -> bool:
    """Whether all frames have one position although they are not images of one place.

    They are of one place where tags tell each from the others, as in the monitoring of a bolus, or
    where they have one SliceLocation as well and are of several kinds, such as lossy copies.
    Otherwise the writer repeated the position of the first frame.
    """
    if not position_does_not_vary(frames):
        return False
    locations = [frame.slice_location for frame in frames if frame.slice_location is not None]
    located = len(locations) == len(frames)
    if located and not is_constant(np.array(locations)):
        return True
    if len(frames) < SMALLEST_SERIES_AT_ONE_POSITION:
        return False
    kinds = {
        (frame.lossy, frame.transfer_syntax_uid, *(read(frame) for read in SPLIT_TAGS.values()))
        for frame in frames
    }
    return len(kinds) == 1 if located else len(kinds) < len(frames)


_KEYWORDS = (
    "ImagePositionPatient",
    "Rows",
    "Columns",
    "PhotometricInterpretation",
    "ImageOrientationPatient",
    "PixelSpacing",
    "FrameOfReferenceUID",
)


@dataclass(frozen=True, slots=True)
class _Layout:
    """What the frames of one array share; orientation and spacing stand for their cluster."""

    located: bool
    rows: int
    columns: int
    palette: bool
    orientation: tuple[float, ...]
    pixel_spacing: tuple[float, ...]

    def values(self) -> tuple[object, ...]:
        """Values in the order of the keywords, comparable between layouts."""
        return (
            not self.located,
            self.rows,
            self.columns,
            self.palette,
            self.orientation,
            self.pixel_spacing,
        )


def _group_by_layout(frames: Sequence[Frame]) -> list[tuple[_Layout, tuple[Frame, ...]]]:
    """Group by layout; orientations and spacings that differ by rounding count as one."""
    edge = max(max(frame.rows, frame.columns) for frame in frames)
    cosines = {frame.orientation for frame in frames if frame.orientation}
    units = {one: unit_orientation(one) for one in cosines if spans_a_plane(one)}
    clusters = _clusters(set(units.values()), COSINE_ROUNDING)
    orientations: _Clusters = {one: clusters[unit] for one, unit in units.items()}
    pixels = {one for one in {frame.pixel_spacing for frame in frames} if is_spacing(one)}
    finest = min(map(min, pixels), default=1.0)
    spacings = _clusters(pixels, in_plane_tolerance((finest,)) / max(edge, 1))
    raws = [_raw(frame) for frame in frames]
    layouts = {raw: _layout(raw, orientations, spacings) for raw in set(raws)}
    placeless = {layout for layout in layouts.values() if not layout.located}
    one_orientation = len({layout.orientation for layout in placeless} - {()}) < 2
    one_spacing = len({layout.pixel_spacing for layout in placeless} - {()}) < 2
    groups: dict[_Layout, list[Frame]] = {}
    for frame, raw in zip(frames, raws, strict=True):
        layout = layouts[raw]
        if not layout.located:  # an absent value goes with the one that is present
            layout = replace(
                layout,
                orientation=() if one_orientation else layout.orientation,
                pixel_spacing=() if one_spacing else layout.pixel_spacing,
            )
        groups.setdefault(layout, []).append(frame)
    return [(layout, tuple(members)) for layout, members in groups.items()]


def _raw(frame: Frame) -> "_Raw":
    """What the header says of the layout."""
    position = frame.position
    return (
        position is not None and math.isfinite(sum(position)),
        frame.rows,
        frame.columns,
        frame.photometric,
        frame.orientation,
        frame.pixel_spacing,
    )


_Raw = tuple[bool, int, int, str, tuple[float, ...] | None, tuple[float, float] | None]
_Clusters = dict[tuple[float, ...], tuple[float, ...]]


def _layout(raw: _Raw, orientations: _Clusters, spacings: _Clusters) -> _Layout:
    positioned, rows, columns, photometric, orientation, spacing = raw
    along = orientations.get(orientation, ()) if orientation else ()
    pixel = spacings.get(spacing, ()) if spacing else ()
    return _Layout(
        located=positioned and bool(along) and bool(pixel),
        rows=rows,
        columns=columns,
        palette=photometric.startswith("PALETTE"),
        orientation=along,
        pixel_spacing=pixel,
    )


def _join_jittering(
    groups: list[tuple[_Layout, tuple[Frame, ...]]],
) -> list[tuple[_Layout, tuple[Frame, ...]]]:
    """Join groups whose cosines differ by noise, and whose planes together make a stack.

    Noise scatters the planes of a stack over groups that are no stacks by themselves. Two stacks
    that are regular apart, and not together, were turned on purpose.
    """
    if len(groups) == 1:
        return groups
    alike: dict[_Layout, list[tuple[_Layout, tuple[Frame, ...]]]] = {}
    for layout, members in groups:
        alike.setdefault(replace(layout, orientation=()), []).append((layout, members))
    joined = [entry for some in alike.values() for entry in some if not entry[0].orientation]
    for every in alike.values():
        some = [entry for entry in every if entry[0].orientation]
        near = _clusters({layout.orientation for layout, _ in some}, COSINE_JITTER)
        for leader in sorted(set(near.values())):
            related = [entry for entry in some if near[entry[0].orientation] == leader]
            joined.extend(_joined(related) if len(related) > 1 else related)
    return joined


def _joined(
    groups: list[tuple[_Layout, tuple[Frame, ...]]],
) -> list[tuple[_Layout, tuple[Frame, ...]]]:
    """The groups as one, or as they are."""
    cosines = np.array([layout.orientation for layout, _ in groups])
    if float(np.ptp(cosines, axis=0).max()) > COSINE_SPREAD:
        return groups
    frames = tuple(sorted((f for _, members in groups for f in members), key=frame_order))
    if groups[0][0].located:
        apart = all(len(some) >= SMALLEST_GRID and _is_regular(some) for _, some in groups)
        if apart and not _is_regular(frames):
            return groups
    return [(groups[0][0], frames)]


def _is_regular(frames: Sequence[Frame]) -> bool:
    stack = make_stack(frames)
    return stack.repeats == 0 and stack.spacing().kind != "uneven"


def _clusters(values: Iterable[tuple[float, ...]], tolerance: float) -> _Clusters:
    """Map each value to the lowest of its cluster: values within the tolerance are linked."""
    ordered = sorted(values)
    leader = list(range(len(ordered)))

    def root(i: int) -> int:
        while leader[i] != i:
            leader[i] = leader[leader[i]]
            i = leader[i]
        return i

    for i, value in enumerate(ordered):
        for j in range(i - 1, -1, -1):
            if value[0] - ordered[j][0] > tolerance:
                break
            if all(abs(a - b) <= tolerance for a, b in zip(value, ordered[j], strict=True)):
                low, high = sorted((root(i), root(j)))
                leader[high] = low
    return {value: ordered[root(i)] for i, value in enumerate(ordered)}


def _split_by_reference(
    frames: tuple[Frame, ...],
) -> list[tuple[str, tuple[Frame, ...]]]:
    """Keep frames of reference apart unless their planes together make one grid."""
    references = {frame.frame_of_reference_uid for frame in frames}
    if _one_grid(make_stack(frames), len(references)):
        return [("", frames)]
    groups: dict[str, list[Frame]] = {}
    for frame in frames:
        groups.setdefault(frame.frame_of_reference_uid, []).append(frame)
    return [(reference, tuple(members)) for reference, members in groups.items()]


def _one_grid(stack: Stack, references: int) -> bool:
    """Whether planes of several frames of reference make one grid.

    Two planes make a grid only if they are as far apart as a header says. A UID that changes from
    plane to plane means nothing: holes are then allowed, and so are repeated positions, which tags
    may explain. Between two blocks of planes a hole means that one of them was moved.
    """
    n = len(stack.frames)
    if n == 2:
        gap = float(stack.offsets[1] - stack.offsets[0])
        return any(abs(gap - hint) <= NORMAL_TOLERANCE * hint for hint in stack.hints)
    if n < PER_SLICE_FRAMES_OF_REFERENCE * references:
        first = np.flatnonzero(np.diff(stack.offsets, prepend=-np.inf) > stack.tolerance)
        return len(first) >= SMALLEST_GRID and stack.spacing(first).kind != "uneven"
    return stack.repeats == 0 and stack.spacing().kind == "uniform"


def _varying(rows: Sequence[tuple[object, ...]]) -> tuple[str, ...]:
    """Keywords whose value is not the same in all rows of layout values and reference."""
    return tuple(
        keyword
        for keyword, values in zip(_KEYWORDS, zip(*rows, strict=True), strict=True)
        if len(set(values)) > 1
    )
