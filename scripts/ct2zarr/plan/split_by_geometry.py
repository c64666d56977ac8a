"""Split a series by what can never share a volume: matrix, orientation, pixel spacing, reference.

Whatever keeps planes off a common grid divides them here. Tags, which may or may not mean
something, divide further in ``split_by_tags``.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ..geometry.tolerances import COSINE_ROUNDING, IN_PLANE_TOLERANCE_MM, NORMAL_TOLERANCE
from ..model import Frame
from .stack import Stack, is_spacing, make_stack, spans_a_plane

PER_SLICE_FRAMES_OF_REFERENCE = 2
"""With fewer planes than this per frame of reference on average, the UID names single planes."""

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
    groups = _group_by_layout(frames)
    divided = []
    for layout, members in groups:
        references = {frame.frame_of_reference_uid for frame in members}
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
    orientations = _clusters(
        {frame.orientation for frame in frames if frame.orientation}, COSINE_ROUNDING
    )
    spacings = _clusters(
        {frame.pixel_spacing for frame in frames if frame.pixel_spacing},
        IN_PLANE_TOLERANCE_MM / max(edge, 1),
    )
    layouts: dict[_Raw, _Layout] = {}
    groups: dict[_Layout, list[Frame]] = {}
    for frame in frames:
        position = frame.position
        raw = (
            position is not None and math.isfinite(sum(position)),
            frame.rows,
            frame.columns,
            frame.photometric,
            frame.orientation,
            frame.pixel_spacing,
        )
        layout = layouts.get(raw)
        if layout is None:
            layout = layouts[raw] = _layout(raw, orientations, spacings)
        groups.setdefault(layout, []).append(frame)
    return [(layout, tuple(members)) for layout, members in groups.items()]


_Raw = tuple[bool, int, int, str, tuple[float, ...] | None, tuple[float, float] | None]
_Clusters = dict[tuple[float, ...], tuple[float, ...]]


def _layout(raw: _Raw, orientations: _Clusters, spacings: _Clusters) -> _Layout:
    positioned, rows, columns, photometric, orientation, spacing = raw
    located = positioned and spans_a_plane(orientation) and is_spacing(spacing)
    return _Layout(
        located=located,
        rows=rows,
        columns=columns,
        palette=photometric.startswith("PALETTE"),
        orientation=orientations[orientation] if located and orientation else (),
        pixel_spacing=spacings[spacing] if located and spacing else (),
    )


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
    groups: dict[str, list[Frame]] = {reference: [] for reference in sorted(references)}
    for frame in frames:
        groups[frame.frame_of_reference_uid].append(frame)
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
