"""Frames to plans of volumes: the heart of the manifest.

Each series goes through the same steps: copies are removed (``duplicates``), studies and patients
are separated (``owners``), then frames that cannot share a grid (``split_by_geometry``), then
layers that share positions (``layers``); each volume gets its order and its flags (``stack``,
``flags``). The result depends on headers alone, and on pixels only where positions repeat; never on
the order of the input.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..codes import Code
from ..errors import FileError, SeriesError
from ..geometry.stacks import StackGeometry, stack_geometry
from ..model import SHORTENED, Frame, RaisedFlag, UnusedFrame, VolumePlan
from ..vocabulary import Flag, Role
from .duplicates import Digests, PixelDigest, Preview, RemovedFrame, remove_copies
from .explanations import HeaderReader, WholeHeaders
from .flags import geometry_flags, in_order, pixel_flags, unused_frame_flags
from .identity import (
    check_hashes,
    common_folder,
    frame_order,
    series_hash,
    series_key,
)
from .layers import Part, Sources, parts_of
from .ordering import position_does_not_vary
from .orientation import common_orientation
from .owners import divide_by_owner
from .split_by_geometry import split_by_geometry
from .split_by_tags import SPLIT_TAGS
from .stack import has_geometry, instance_numbers, spacing_hints

__all__ = [
    "plan_geometry",
    "plan_series",
    "plan_volumes",
    "plan_without",
    "series_hash",
    "series_key",
]

_SERIES_ROLES = frozenset({Role.SLICE, Role.LOCALIZER, Role.UNREADABLE, Role.EXCLUDED})
"""Roles of files that are accounted with a volume of their series, where it has one."""


_LASTING = frozenset(
    {
        Flag.SPLIT_SERIES,
        Flag.REUSED_SERIES_UID,
        Flag.CONFLICTING_SLICES,
        Flag.AMBIGUOUS_LAYERS,
        Flag.INTERLEAVED_STACKS,
    }
)
"""Flags of how a series was divided; they stay when planes are left out later."""


def plan_volumes(
    frames: Iterable[Frame],
    pixel_digest: PixelDigest,
    preview: Preview | None = None,
    hashes: dict[str, str] | None = None,
    headers: WholeHeaders | None = None,
) -> tuple[list[VolumePlan], list[UnusedFrame]]:
    """Plan the volumes of many series.

    Parameters
    ----------
    frames
        Frames of any number of series, of every role, in any order.
    pixel_digest
        Equal digests for equal images; raises ``FileError`` for an unreadable one.
    preview
        Coarse values of a frame, to compare frames in conflict with their neighbours; raises
        ``FileError`` likewise. Without it the tags alone decide.
    hashes
        Hash to folder of volumes that were planned before; the new ones are added.
    headers
        Whole headers of frames, to find what tells frames in conflict apart. Without it only what
        the scan has read may explain.

    Returns
    -------
    tuple[list[VolumePlan], list[UnusedFrame]]
        Plans, by dataset and series; and the frames that belong to no volume, by path.

    Raises
    ------
    Ct2zarrError
        Two volumes have the same hash.
    """
    series: dict[tuple[str, str], list[Frame]] = defaultdict(list)
    unused: list[UnusedFrame] = []
    for frame in frames:
        if frame.role in _SERIES_ROLES:
            series[frame.dataset, series_key(frame)].append(frame)
        else:
            unused.append(UnusedFrame.of(frame))
    plans: list[VolumePlan] = []
    for key in sorted(series):
        planned, unplanned = plan_one_series(series[key], pixel_digest, preview, headers)
        plans.extend(planned)
        unused.extend(unplanned)
    check_hashes(plans, {} if hashes is None else hashes)
    unused.sort(key=lambda entry: (entry.frame.path, entry.frame.frame_number))
    return plans, unused


def plan_series(
    frames: Sequence[Frame],
    pixel_digest: PixelDigest,
    preview: Preview | None = None,
    headers: WholeHeaders | None = None,
) -> list[VolumePlan]:
    """Plan the volumes of one series from all its frames, in any order.

    Frames whose role is not ``slice`` become unused frames of the first volume, unreadable ones of
    the volume that they fit best.

    Parts are numbered so that frames added later rarely renumber the others: groups that cannot
    share a grid by their number of frames, the largest first; within a group by the values of the
    tags that split it, then from the lowest position up.
    """
    return plan_one_series(frames, pixel_digest, preview, headers)[0]


def plan_one_series(
    frames: Sequence[Frame],
    pixel_digest: PixelDigest,
    preview: Preview | None = None,
    headers: WholeHeaders | None = None,
) -> tuple[list[VolumePlan], list[UnusedFrame]]:
    """As ``plan_series``, with the unused frames of a series that has no volume."""
    slices, others = _slices_and_others(frames)
    sources = Sources(Digests(pixel_digest, preview), HeaderReader(headers))
    distinct, removed = remove_copies(slices, sources.digests)
    owned = divide_by_owner(distinct) if distinct else []
    shares = [_Share(one.key, one.flags, *_numbered_parts(one.frames, sources)) for one in owned]
    for share in shares:
        removed.extend(share.removed)
    numbered = [(share, part) for share in shares for part in share.parts]
    if not numbered:
        return [], others + [one.unused for one in removed]
    unused = iter(_unused_by_part([part for _, (_, part) in numbered], removed, others))
    plans = [
        _plan(share, number, split_by, part, next(unused))
        for share in shares
        for number, (split_by, part) in enumerate(share.parts, start=1)
    ]
    return plans, []


@dataclass(frozen=True, slots=True)
class _Share:
    """The volumes of one study and patient under a series, each with its ``split_by``."""

    key: str
    flags: tuple[RaisedFlag, ...]
    parts: list[tuple[str, Part]]
    removed: list[RemovedFrame]


def _numbered_parts(
    frames: Sequence[Frame], sources: Sources
) -> tuple[list[tuple[str, Part]], list[RemovedFrame]]:
    """The parts of frames that belong together, in the order of their numbers."""
    parts: list[tuple[str, Part]] = []
    removed: list[RemovedFrame] = []
    for group in split_by_geometry(frames):
        own, more = parts_of(group, sources)
        removed.extend(more)
        used = tuple(dict.fromkeys(keyword for part in own for keyword in part.keywords))
        parts.extend(("+".join(group.keywords + used), part) for part in own)
    return parts, removed


def plan_geometry(plan: VolumePlan) -> StackGeometry | None:
    """Geometry of a plan's planes; None where position or orientation is missing."""
    return _geometry(plan.planes, _numbers_count_planes(plan.parts, plan.unused))


def plan_without(plan: VolumePlan, bad: Mapping[int, FileError]) -> VolumePlan:
    """The plan without planes that could not be decoded; its flags are determined again.

    Parameters
    ----------
    bad
        Index of the plane to the error that decoding it raised.

    Raises
    ------
    SeriesError
        No plane is left.
    """
    planes = tuple(plane for index, plane in enumerate(plan.planes) if index not in bad)
    if not planes:
        raise SeriesError(
            Code.NO_PLANES,
            "no plane of the volume {series_hash} in {folder} could be decoded; the first error: "
            "{cause}",
            series_hash=plan.series_hash,
            folder=Path(plan.series_dir),
            cause=bad[min(bad)],
        )
    undecoded = [
        UnusedFrame.because(plan.planes[index], Role.UNREADABLE, error)
        for index, error in sorted(bad.items())
    ]
    unused = plan.unused + tuple(undecoded)
    lasting = [raised for raised in plan.flags if raised.flag in _LASTING]
    found = _flags_of(planes, unused, lasting, plan.parts)
    return replace(plan, planes=planes, unused=unused, flags=found)


def _slices_and_others(frames: Sequence[Frame]) -> tuple[list[Frame], list[UnusedFrame]]:
    """Frames that may become planes, in their total order, and the other frames."""
    slices: list[Frame] = []
    others: list[UnusedFrame] = []
    for frame in sorted(frames, key=frame_order):
        if frame.role is not Role.SLICE:
            others.append(UnusedFrame.of(frame))
        elif frame.samples_per_pixel != 1:
            error = FileError(
                Code.COLOUR,
                "the image has {samples} samples per pixel; a plane has one",
                samples=frame.samples_per_pixel,
            )
            others.append(UnusedFrame.because(frame, Role.EXCLUDED, error))
        else:
            slices.append(frame)
    return slices, others


def _unused_by_part(
    parts: Sequence[Part], removed: Sequence[RemovedFrame], others: Sequence[UnusedFrame]
) -> list[tuple[UnusedFrame, ...]]:
    """The unused frames of each part: copies of its frames, and others that fit it best."""
    unused: list[list[UnusedFrame]] = [[] for _ in parts]
    if removed:
        part_of = {frame: number for number, part in enumerate(parts) for frame in part.frames}
        for one in removed:
            number = part_of.get(one.kept)
            if number is None:
                number = _best_fit(one.unused.frame, parts)
            unused[number].append(one.unused)
    for other in others:
        fits = _best_fit if other.role is Role.UNREADABLE else _first_of_owner
        unused[fits(other.frame, parts) if len(parts) > 1 else 0].append(other)
    return [tuple(sorted(some, key=lambda entry: frame_order(entry.frame))) for some in unused]


def _first_of_owner(frame: Frame, parts: Sequence[Part]) -> int:
    """The first part of the study and patient of a frame; the first of all where none is."""
    return max(range(len(parts)), key=lambda number: (_owner_fits(frame, parts[number]), -number))


def _owner_fits(frame: Frame, part: Part) -> int:
    plane = part.frames[0]
    return (frame.study_uid == plane.study_uid) + (frame.patient == plane.patient)


def _best_fit(frame: Frame, parts: Sequence[Part]) -> int:
    """The part with a copy of a frame, else that with which it shares most; the first of equals."""

    def shared(number: int) -> tuple[bool, int, int, int]:
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
            for name, read in SPLIT_TAGS.items()
            if name != "file"
        )
        return bool(uid) and copied, _owner_fits(frame, parts[number]), layout, tags

    return max(range(len(parts)), key=lambda number: (shared(number), -number))


def _plan(
    share: _Share, number: int, split_by: str, part: Part, unused: tuple[UnusedFrame, ...]
) -> VolumePlan:
    planes, parts = part.frames, len(share.parts)
    first = planes[0]
    lasting = list(share.flags)
    lasting.extend(part.flags)
    if parts > 1:
        lasting.append(
            RaisedFlag(Flag.SPLIT_SERIES, {"by": split_by, "part": number, "parts": parts})
        )
    return VolumePlan(
        series_hash=series_hash(first.dataset, share.key, number),
        dataset=first.dataset,
        series_dir=common_folder(planes),
        series_uid=first.series_uid,
        study_uid=max(plane.study_uid for plane in planes),
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


def whole_flags(plan: VolumePlan) -> tuple[RaisedFlag, ...]:
    """The flags of a plan; evidence that its manifest holds shortened is measured again."""
    if not any(SHORTENED in raised.evidence for raised in plan.flags):
        return plan.flags
    measured = [*geometry_flags(plan.planes, plan_geometry(plan)), *pixel_flags(plan.planes)]
    again = {raised.flag: raised for raised in measured}
    return tuple(
        again.get(raised.flag, raised) if SHORTENED in raised.evidence else raised
        for raised in plan.flags
    )


def _numbers_count_planes(parts: int, unused: Sequence[UnusedFrame]) -> bool:
    """Whether a skip in InstanceNumber may be a missing plane: no unused frame has the number."""
    taken = any(entry.role in (Role.DUPLICATE, Role.EXCLUDED) for entry in unused)
    return parts == 1 and not taken


def _geometry(planes: tuple[Frame, ...], numbers_count: bool) -> StackGeometry | None:
    first = planes[0]
    if first.pixel_spacing is None or not has_geometry(first) or position_does_not_vary(planes):
        return None
    positions = [plane.position for plane in planes if plane.position is not None]
    if len(positions) < len(planes):
        return None
    return stack_geometry(
        positions,
        common_orientation(planes),
        first.pixel_spacing,
        spacing_hints(planes),
        instance_numbers(planes),
        steps_count=numbers_count,
    )
