"""Frames of one orientation with their places along the normal: what grouping reasons about."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeGuard

import numpy as np

from ..geometry.spacing import Floats, Integers, Spacing, spacing_of, written_unit
from ..geometry.stacks import NOMINAL_STEP_MM, project, slice_normal
from ..geometry.tolerances import (
    IN_PLANE_TOLERANCE_MM,
    LARGEST_REPEAT_MM,
    NORMAL_TOLERANCE,
    SMALLEST_STEP_MM,
    in_plane_tolerance,
    smallest_step,
)
from ..model import Frame
from .ordering import OrderedBy, order_of
from .orientation import common_orientation, spans_a_plane

SHIFT_OF_PASSES = 0.05
"""Gaps of at most this share of the usual one are no spacing but the shift between passes."""

SMALLEST_PASS = 3
"""Planes that a second pass of the scanner over a region has at least."""


def has_geometry(frame: Frame) -> bool:
    """Whether position, orientation and pixel spacing are there and make sense."""
    return not missing_geometry(frame)


def missing_geometry(frame: Frame) -> list[str]:
    """Keywords of the geometry's elements that are absent or make no sense."""
    missing = []
    if frame.position is None or not math.isfinite(sum(frame.position)):
        missing.append("ImagePositionPatient")
    if not spans_a_plane(frame.orientation):
        missing.append("ImageOrientationPatient")
    if not is_spacing(frame.pixel_spacing):
        missing.append("PixelSpacing")
    return missing


def is_spacing(
    pixel_spacing: tuple[float, float] | None,
) -> TypeGuard[tuple[float, float]]:
    """Whether both distances between pixels are positive numbers."""
    return pixel_spacing is not None and min(pixel_spacing) > 0 and sum(pixel_spacing) < math.inf


def spacing_hints(frames: Sequence[Frame]) -> tuple[float, ...]:
    """|SpacingBetweenSlices|, then SliceThickness, where all frames agree on a positive value.

    The sign of SpacingBetweenSlices is dropped: some vendors write the direction of the table. A
    single plane has no distance to another, so its thickness comes first.
    """
    hints = []
    between = {frame.spacing_between_slices for frame in frames}
    if len(between) == 1 and (value := between.pop()):
        hints.append(abs(value))
    thickness = {frame.slice_thickness for frame in frames}
    if len(thickness) == 1 and (value := thickness.pop()) and value > 0:
        hints.append(value)
    if len(frames) == 1:
        hints.reverse()
    return tuple(hint for hint in hints if math.isfinite(hint))


def nominal_step(planes: Sequence[Frame]) -> float:
    """Spacing along z, mm, where positions give none: what the first header declares, else 1.0."""
    hints = spacing_hints(planes[:1])
    first = 0 if len(planes) == 1 else -1
    return hints[first] if hints else NOMINAL_STEP_MM


def instance_numbers(frames: Sequence[Frame]) -> Integers | None:
    """(N,) InstanceNumber, or None if a frame has none or they come from multi-frame files."""
    numbers = [frame.instance_number for frame in frames if frame.frames == 1]
    if len(numbers) < len(frames) or None in numbers:
        return None
    return np.array(numbers, dtype=np.int64)


@dataclass(frozen=True)
class Stack:
    """Frames in ascending order along the normal; ties in the order of ``identity.frame_order``.

    Attributes
    ----------
    frames
        N frames with geometry and one orientation.
    positions
        (N, 3) mm, LPS.
    offsets
        (N,) mm along the normal, ascending.
    in_plane
        (N, 2) mm along the rows and the columns.
    normal
        Unit vector.
    hints
        Spacings that the headers declare.
    same_position_mm, same_origin_mm
        Frames so near along the normal, and within the plane, are at one position.
    ordered_by
        What the offsets are taken from; without geometry they may be no mm.
    """

    frames: tuple[Frame, ...]
    positions: Floats
    offsets: Floats
    in_plane: Floats
    normal: tuple[float, float, float]
    hints: tuple[float, ...]
    same_position_mm: float = SMALLEST_STEP_MM
    same_origin_mm: float = IN_PLANE_TOLERANCE_MM
    ordered_by: OrderedBy = OrderedBy.POSITION

    @property
    def measured(self) -> bool:
        """Whether offsets are distances, so that gaps between them mean something."""
        return self.ordered_by in (OrderedBy.POSITION, OrderedBy.LOCATION)

    @cached_property
    def unit(self) -> float:
        """Width, mm, that the decimals written leave open; see ``geometry.written_unit``."""
        return written_unit(self.positions, self.normal)

    @cached_property
    def step(self) -> float:
        """The usual distance between positions, mm; 0 if all frames are at one position."""
        gaps = np.diff(self.offsets)
        if not len(gaps) or gaps.max() <= self.same_position_mm:
            return 0.0
        falling = np.sort(gaps)[::-1]
        half = np.searchsorted(np.cumsum(falling), falling.sum() / 2)
        apart = gaps[gaps > min(NORMAL_TOLERANCE * falling[half], LARGEST_REPEAT_MM)]
        return float(np.median(apart))

    @cached_property
    def tolerance(self) -> float:
        """Frames at most so far apart along the normal, mm, are at one position.

        1 % of the usual step, or of the slice thickness where that is more: frames that repeat one
        position with a jitter of the table have no step of their own.
        """
        thickness = NORMAL_TOLERANCE * self.hints[-1] if self.hints else 0.0
        wanted = max(NORMAL_TOLERANCE * self.step, thickness, self.same_position_mm)
        return min(max(wanted, self._shift_of_passes), LARGEST_REPEAT_MM)

    @cached_property
    def _shift_of_passes(self) -> float:
        """How far passes over the same positions lie apart, mm; 0 where no gaps show any.

        A table does not return to the very place. Gaps that are a small share of the others, and
        as many as a pass has planes, are no spacing.
        """
        gaps = np.diff(self.offsets)
        if len(gaps) <= SMALLEST_PASS or not self.measured:
            return 0.0
        falling = np.sort(gaps)[::-1]
        usual = falling[np.searchsorted(np.cumsum(falling), falling.sum() / 2)]
        small = gaps[gaps <= SHIFT_OF_PASSES * usual]
        between = gaps[(gaps > SHIFT_OF_PASSES * usual) & (gaps < usual / 2)]
        if len(small) < SMALLEST_PASS or len(between) or float(small.max()) > LARGEST_REPEAT_MM:
            return 0.0
        return float(small.max()) * (1 + NORMAL_TOLERANCE)

    @cached_property
    def repeats(self) -> int:
        """Number of frames at a position that another one has already."""
        return int((np.diff(self.offsets) <= self.tolerance).sum())

    @cached_property
    def most_at_one_offset(self) -> int:
        """The largest number of frames at one offset: so many volumes they make at least."""
        ends = np.flatnonzero(np.diff(self.offsets, append=np.inf) > self.tolerance)
        return int(np.diff(ends, prepend=-1).max())

    def frames_by_offset(self) -> list[list[int]]:
        """Indices of the frames at each offset, wherever they lie within the plane."""
        starts = np.flatnonzero(np.diff(self.offsets) > self.tolerance) + 1
        return [indices.tolist() for indices in np.split(np.arange(len(self.frames)), starts)]

    def take(self, chosen: Sequence[int] | Integers) -> "Stack":
        """The frames with these indices, ascending."""
        index = np.asarray(chosen, dtype=np.int64)
        return replace(
            self,
            frames=tuple(self.frames[i] for i in index),
            positions=self.positions[index],
            offsets=self.offsets[index],
            in_plane=self.in_plane[index],
        )

    def spacing(self, chosen: Integers | None = None) -> Spacing:
        """How the frames, or some of them (ascending indices), follow each other."""
        offsets = self.offsets if chosen is None else self.offsets[chosen]
        return spacing_of(offsets, self.hints, self.unit)

    def positions_of_frames(self) -> list[list[int]]:
        """Indices of the frames at each position, ascending along the normal.

        Frames at one offset whose origins differ within the plane are at different positions.
        """
        clusters: list[list[int]] = []
        start = -math.inf
        at_offset: list[list[int]] = []
        for i, offset in enumerate(self.offsets):
            if offset - start > self.tolerance:
                clusters.extend(at_offset)
                start, at_offset = float(offset), []
            for members in at_offset:
                away = self.in_plane[members[0]] - self.in_plane[i]
                if np.hypot(away[0], away[1]) <= self.same_origin_mm:
                    members.append(i)
                    break
            else:
                at_offset.append([i])
        clusters.extend(at_offset)
        return clusters


def make_stack(frames: Sequence[Frame]) -> Stack:
    """Put frames of one orientation in order along their normal.

    Parameters
    ----------
    frames
        In the order of ``identity.frame_order``; all have geometry.
    """
    spacing = frames[0].pixel_spacing
    if frames[0].orientation is None or spacing is None:
        raise ValueError(f"{frames[0].path} has no orientation or no pixel spacing")
    orientation = common_orientation(frames)
    normal = slice_normal(orientation)
    positions = np.array([frame.position for frame in frames], dtype=np.float64)
    offsets = project(positions, normal)
    order = np.argsort(offsets, kind="stable")
    positions = positions[order]
    in_plane = np.stack(
        (project(positions, orientation[:3]), project(positions, orientation[3:])), axis=1
    )
    return Stack(
        frames=tuple(frames[i] for i in order),
        positions=positions,
        offsets=offsets[order],
        in_plane=in_plane,
        normal=normal,
        hints=spacing_hints(frames),
        same_position_mm=smallest_step(spacing),
        same_origin_mm=in_plane_tolerance(spacing),
    )


def make_stack_without_geometry(frames: Sequence[Frame]) -> Stack:
    """Put frames in the order of the most credible element that gives one.

    The offsets are what it counts; the frames lie along an axis of their own.

    Parameters
    ----------
    frames
        In the order of ``identity.frame_order``.
    """
    by, offsets = order_of(frames)
    order = np.argsort(offsets, kind="stable")
    offsets = offsets[order]
    positions = np.zeros((len(frames), 3))
    positions[:, 2] = offsets
    lengths = by in (OrderedBy.POSITION, OrderedBy.LOCATION)
    step = float(offsets[-1] - offsets[0]) / max(len(offsets) - 1, 1)
    return Stack(
        frames=tuple(frames[i] for i in order),
        positions=positions,
        offsets=offsets,
        in_plane=np.zeros((len(frames), 2)),
        normal=(0.0, 0.0, 1.0),
        hints=spacing_hints(frames) if lengths else (),
        same_position_mm=smallest_step((step,)),
        ordered_by=by,
    )
