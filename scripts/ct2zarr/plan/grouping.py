"""Frames of a series to plans of volumes: the heart of the manifest.

The way of a series: copies out (``repeats``), apart what can share no grid (``partition``), apart
what tags explain (``hypotheses``), then frames that still share a position (``repeats``), and for
each volume its order and its flags (``geometry``, ``flags``). The result depends on headers
alone, and on pixels only where positions repeat; never on the order of the input.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from ..errors import Ct2zarrError, SeriesError
from ..geometry.stacks import StackGeometry, stack_geometry
from ..model import Frame, RaisedFlag, UnusedFrame, VolumePlan
from ..vocabulary import Flag, Role
from .duplicates import (
    INSTANCE_NUMBER_KEY,
    Digests,
    PixelDigest,
    Preview,
    Removed,
    remove_copies,
    remove_same_pixels,
    remove_twins,
    resolve_conflicts,
)
from .flags import geometry_flags, in_order, pixel_flags, unused_frame_flags
from .identity import (
    acquisition_order,
    common_folder,
    frame_order,
    series_hash,
    series_key,
)
from .split_by_geometry import Partition, partition
from .split_by_tags import KEYS, Label, divide
from .stack import Stack, has_geometry, instance_numbers, make_stack, spacing_hints

__all__ = [
    "plan_geometry",
    "plan_series",
    "plan_volumes",
    "plan_without",
    "series_hash",
    "series_key",
]

_SERIES_ROLES = frozenset({Role.SLICE, Role.LOCALIZER, Role.UNREADABLE, Role.EXCLUDED})
"""Roles that are accounted with the volumes of their series, where it has any."""


@dataclass(frozen=True, slots=True)
class _Part:
    """The planes of one volume, in order, and what sets it apart within its partition.

    ``conflict``: frames that shared a position with other pixels, where no tag tells them apart.
    """

    frames: tuple[Frame, ...]
    keywords: tuple[str, ...]
    conflict: RaisedFlag | None = None


def plan_volumes(
    frames: Iterable[Frame], pixel_digest: PixelDigest, preview: Preview | None = None
) -> tuple[list[VolumePlan], list[UnusedFrame]]:
    """Plan the volumes of many series.

    Args:
        frames: frames of any number of series, in any order; every role is welcome.
        pixel_digest: equal digests for equal images; raises ``FileError`` for an unreadable one.
        preview: coarse values of a frame, to choose between frames in conflict by their
            neighbours; raises ``FileError`` likewise. Without it the tags alone decide.

    Returns:
        Plans, by dataset and series; and the frames that belong to no volume, by path.

    Raises:
        Ct2zarrError: two volumes have the same hash.
    """
    series: dict[tuple[str, str], list[Frame]] = defaultdict(list)
    unused: list[UnusedFrame] = []
    for frame in frames:
        if frame.role in _SERIES_ROLES:
            series[frame.dataset, series_key(frame)].append(frame)
        else:
            unused.append(UnusedFrame(frame, frame.role, frame.reason, frame.code))
    plans: list[VolumePlan] = []
    for key in sorted(series):
        planned, left = plan_one_series(series[key], pixel_digest, preview)
        plans.extend(planned)
        unused.extend(left)
    _refuse_collisions(plans)
    unused.sort(key=lambda unused_frame: (unused_frame.frame.path, unused_frame.frame.frame_number))
    return plans, unused


def plan_series(
    frames: Sequence[Frame], pixel_digest: PixelDigest, preview: Preview | None = None
) -> list[VolumePlan]:
    """Plan the volumes of one series from all its frames, in any order.

    Frames whose role is not ``slice`` become unused of the first volume, unreadable ones of
    the volume that they fit best.

    Parts are numbered so that frames added later rarely renumber the others: groups that can
    share no grid by their number of frames, the largest first; within a group by the values of
    the keywords that tell its parts apart, then from the lowest position up.
    """
    return plan_one_series(frames, pixel_digest, preview)[0]


def plan_one_series(
    frames: Sequence[Frame], pixel_digest: PixelDigest, preview: Preview | None = None
) -> tuple[list[VolumePlan], list[UnusedFrame]]:
    """As ``plan_series``, with the unused of a series from which no volume can be made."""
    slices, others = _slices_and_others(frames)
    digests = Digests(pixel_digest, preview)
    distinct, removed = remove_copies(slices, digests)
    numbered: list[tuple[Partition, tuple[str, ...], _Part]] = []
    if distinct:
        for group in partition(distinct):
            parts, taken = _parts_of(group, digests)
            removed.extend(taken)
            used = tuple(dict.fromkeys(keyword for part in parts for keyword in part.keywords))
            numbered.extend((group, used, part) for part in parts)
    if not numbered:
        return [], others + [gone.unused_frame for gone in removed]
    unused = _unused_by_part([part for _, _, part in numbered], removed, others)
    plans = [
        _plan(part, number, len(numbered), "+".join(group.keywords + used), left)
        for number, ((group, used, part), left) in enumerate(
            zip(numbered, unused, strict=True), start=1
        )
    ]
    return plans, []


def plan_geometry(plan: VolumePlan) -> StackGeometry | None:
    """Geometry of a plan's planes; None where position or orientation is missing."""
    return _geometry(plan.planes, _numbers_count_planes(plan.parts, plan.unused))


def plan_without(plan: VolumePlan, bad: Mapping[int, str]) -> VolumePlan:
    """The plan without planes that could not be decoded; its flags are found again.

    Args:
        bad: index of the plane -> why it could not be decoded.

    Raises:
        SeriesError: no plane is left.
    """
    planes = tuple(plane for index, plane in enumerate(plan.planes) if index not in bad)
    if not planes:
        raise SeriesError(
            f"No plane of the volume {plan.series_hash} in {plan.series_dir} could be decoded; "
            f"the first reason is: {bad[min(bad)]}",
            reason="no_planes",
        )
    left = [
        UnusedFrame(plan.planes[index], Role.UNREADABLE, reason)
        for index, reason in sorted(bad.items())
    ]
    unused = plan.unused + tuple(left)
    lasting = [
        finding
        for finding in plan.flags
        if finding.flag in (Flag.SPLIT_SERIES, Flag.CONFLICTING_SLICES)
    ]
    found = _flags_of(planes, unused, lasting, plan.parts)
    return replace(plan, planes=planes, unused=unused, flags=found)


def _slices_and_others(frames: Sequence[Frame]) -> tuple[list[Frame], list[UnusedFrame]]:
    """Frames that may become planes, in their total order, and the unused by role."""
    slices: list[Frame] = []
    others: list[UnusedFrame] = []
    for frame in sorted(frames, key=frame_order):
        if frame.role is not Role.SLICE:
            others.append(UnusedFrame(frame, frame.role, frame.reason, frame.code))
        elif frame.samples_per_pixel != 1:
            reason = (
                f"colour: {frame.samples_per_pixel} samples a pixel cannot be a plane of numbers"
            )
            others.append(UnusedFrame(frame, Role.EXCLUDED, reason))
        else:
            slices.append(frame)
    return slices, others


def _parts_of(group: Partition, digests: Digests) -> tuple[list[_Part], list[Removed]]:
    """Divide a partition into parts without repeated positions, in the order of their numbers."""
    if not group.located:
        return [_Part(tuple(sorted(group.frames, key=acquisition_order)), ())], []
    frames, removed = remove_twins(group.frames, digests)
    while True:
        divided = divide(make_stack(frames))
        crowded = [stack for _, stack in divided if stack.repeats]
        taken = [gone for stack in crowded for gone in remove_same_pixels(stack, digests)]
        if not taken:
            break
        removed.extend(taken)
        gone_frames = {gone.unused_frame.frame for gone in taken}
        frames = tuple(frame for frame in frames if frame not in gone_frames)
        if not frames:
            return [], removed
    parts: list[_Part] = []
    for keywords, stack in divided:
        if not stack.repeats:
            parts.append(_Part(stack.frames, keywords))
            continue
        found, strays = _parts_in_conflict(stack, keywords, digests)
        parts.extend(found)
        removed.extend(strays)
    return _in_order_of_values(parts), removed


def _parts_in_conflict(
    stack: Stack, keywords: tuple[str, ...], digests: Digests
) -> tuple[list[_Part], tuple[Removed, ...]]:
    resolved = resolve_conflicts(stack, digests)
    evidence = {"frames": resolved.repeated, "positions": resolved.positions}
    conflict = RaisedFlag(Flag.CONFLICTING_SLICES, {**evidence, "excluded": len(resolved.removed)})
    if len(resolved.layers) > 1:
        keywords = (*keywords, INSTANCE_NUMBER_KEY)
    return [_Part(layer.frames, keywords, conflict) for layer in resolved.layers], resolved.removed


def _in_order_of_values(parts: list[_Part]) -> list[_Part]:
    """By the values of the keywords in use, then by InstanceNumber for layers, then by position."""
    if len(parts) < 2:
        return parts
    used = sorted({k for part in parts for k in part.keywords if k in KEYS}, key=list(KEYS).index)
    layered = any(INSTANCE_NUMBER_KEY in part.keywords for part in parts)

    def order(entry: tuple[int, _Part]) -> tuple[object, ...]:
        number, part = entry
        values: list[Label] = [min(KEYS[name](frame) for frame in part.frames) for name in used]
        first = min(acquisition_order(frame) for frame in part.frames) if layered else ()
        return *values, first, number

    numbered = list(enumerate(sorted(parts, key=_lowest_position)))
    return [part for _, part in sorted(numbered, key=order)]


def _lowest_position(part: _Part) -> tuple[float, tuple[str, int, int, str]]:
    stack = make_stack(part.frames[:1])
    return float(stack.offsets[0]), frame_order(part.frames[0])


def _unused_by_part(
    parts: Sequence[_Part], removed: Sequence[Removed], others: Sequence[UnusedFrame]
) -> list[tuple[UnusedFrame, ...]]:
    """Give each unused frame to a part: a copy to its original, others to the best fit."""
    lefts: list[list[UnusedFrame]] = [[] for _ in parts]
    if removed:
        part_of = {frame: number for number, part in enumerate(parts) for frame in part.frames}
        for gone in removed:
            home = part_of.get(gone.beside)
            if home is None:
                home = _best_fit(gone.unused_frame.frame, parts)
            lefts[home].append(gone.unused_frame)
    for other in others:
        unreadable = other.role is Role.UNREADABLE and len(parts) > 1
        lefts[_best_fit(other.frame, parts) if unreadable else 0].append(other)
    return [tuple(sorted(left, key=lambda entry: frame_order(entry.frame))) for left in lefts]


def _best_fit(frame: Frame, parts: Sequence[_Part]) -> int:
    """The part that has a copy of a frame, else shares most with it; the first of equals."""

    def shared(number: int) -> tuple[bool, int, int]:
        planes = parts[number].frames
        uid = frame.sop_instance_uid
        copied = any(
            (p.sop_instance_uid, p.frame_number) == (uid, frame.frame_number) for p in planes
        )
        layout = sum(
            (
                frame.rows == planes[0].rows and frame.columns == planes[0].columns,
                frame.orientation == planes[0].orientation,
                frame.pixel_spacing == planes[0].pixel_spacing,
            )
        )
        tags = sum(
            read(frame) in {read(plane) for plane in planes}
            for name, read in KEYS.items()
            if name != "SOPInstanceUID"
        )
        return bool(uid) and copied, layout, tags

    return max(range(len(parts)), key=lambda number: (shared(number), -number))


def _plan(
    part: _Part, number: int, parts: int, split_by: str, unused: tuple[UnusedFrame, ...]
) -> VolumePlan:
    planes = part.frames
    first = planes[0]
    lasting = [] if part.conflict is None else [part.conflict]
    if parts > 1:
        lasting.append(
            RaisedFlag(Flag.SPLIT_SERIES, {"by": split_by, "part": number, "parts": parts})
        )
    return VolumePlan(
        series_hash=series_hash(first.dataset, series_key(first), number),
        dataset=first.dataset,
        series_dir=common_folder(planes),
        series_uid=first.series_uid,
        study_uid=min(plane.study_uid for plane in planes),
        part=number,
        parts=parts,
        split_by=split_by if parts > 1 else "",
        planes=planes,
        unused=unused,
        flags=_flags_of(planes, unused, lasting, parts),
    )


def _flags_of(
    planes: tuple[Frame, ...],
    unused: tuple[UnusedFrame, ...],
    lasting: Sequence[RaisedFlag],
    parts: int,
) -> tuple[RaisedFlag, ...]:
    geometry = _geometry(planes, _numbers_count_planes(parts, unused))
    found = geometry_flags(planes, geometry) + pixel_flags(planes)
    if unused:
        found += unused_frame_flags(unused)
    return in_order([*lasting, *found])


def _numbers_count_planes(parts: int, unused: Sequence[UnusedFrame]) -> bool:
    """Whether a skip in InstanceNumber can mean a missing plane: nothing else took the number."""
    taken = any(left.role in (Role.DUPLICATE, Role.EXCLUDED) for left in unused)
    return parts == 1 and not taken


def _geometry(planes: tuple[Frame, ...], numbers_count: bool) -> StackGeometry | None:
    first = planes[0]
    if first.orientation is None or first.pixel_spacing is None or not has_geometry(first):
        return None
    positions = [plane.position for plane in planes if plane.position is not None]
    if len(positions) < len(planes):
        return None
    return stack_geometry(
        positions,
        first.orientation,
        first.pixel_spacing,
        spacing_hints(planes),
        instance_numbers(planes) if numbers_count else None,
    )


def _refuse_collisions(plans: Sequence[VolumePlan]) -> None:
    seen: dict[str, VolumePlan] = {}
    for plan in plans:
        other = seen.setdefault(plan.series_hash, plan)
        if other is not plan:
            raise Ct2zarrError(
                f"Two volumes have the hash {plan.series_hash}: {other.series_dir} and "
                f"{plan.series_dir}; put one of them under another dataset name",
                reason="hash_collision",
            )
