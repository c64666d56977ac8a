"""Refuse volumes: flags that the user rejects, and files that cannot be read."""

from collections.abc import Iterable

from ..codes import Code
from ..errors import Private, SeriesError
from ..model import Frame, RaisedFlag, UnusedFrame, VolumePlan
from ..run.settings import ConvertSettings
from ..vocabulary import Flag, Role


class RejectedError(SeriesError):
    """The volume has flags that are not accepted.

    Attributes
    ----------
    flags
        All flags that were found on the volume.
    rejected
        Those of them that are not accepted; ``named`` are those of ``reject_flags``.
    """

    def __init__(
        self, rejected: tuple[Flag, ...], flags: tuple[Flag, ...], named: frozenset[Flag]
    ) -> None:
        if named.isdisjoint(rejected):
            super().__init__(
                Code.AMBIGUOUS_LAYERS,
                "files share positions, and nothing tells which of them belong together; look at "
                "the files, and set accept_ambiguous_layers to true to convert the volume",
            )
        else:
            super().__init__(
                Code.REJECTED_FLAG,
                "the setting reject_flags names {rejected}: {meaning}",
                rejected=tuple(flag for flag in rejected if flag in named),
                meaning="; ".join(flag.sentence for flag in rejected if flag in named),
            )
        self.rejected = rejected
        self.flags = flags


def check_flags(flags: Iterable[RaisedFlag], settings: ConvertSettings) -> None:
    """Raise RejectedError where the volume has a flag of ``settings.rejected_flags``."""
    found = tuple(raised.flag for raised in flags)
    rejected = tuple(flag for flag in found if flag in settings.rejected_flags)
    if rejected:
        raise RejectedError(rejected, found, settings.reject_flags)


def check_planes(plan: VolumePlan) -> None:
    """Raise SeriesError where no file of the series could be read."""
    unreadable = [one for one in plan.unused if one.role is Role.UNREADABLE]
    if plan.planes or not unreadable:
        return
    first = unreadable[0]
    raise SeriesError(
        Code.SERIES_UNREADABLE,
        "none of the {count} files of the series can be read, first {path}: {cause}; copy the "
        "series from its source again, and make the manifest again",
        path=first.frame.path,
        count=len({one.frame.path for one in unreadable}),
        cause=Private(first.reason),
    )


def check_readable(plan: VolumePlan, settings: ConvertSettings) -> None:
    """Raise SeriesError where the scan could not read a file, unless planes may be dropped.

    An unreadable file costs no plane if the series has a readable copy of it: the file is flagged
    and counted, and the volume is converted.
    """
    if settings.on_bad_slice == "drop":
        return
    unreadable = unreadable_without_copy(plan)
    if not unreadable:
        return
    first, others = unreadable[0], len(unreadable) - 1
    if others:
        raise SeriesError(
            Code.UNREADABLE_FILES,
            "{path} cannot be read, nor can {others} other frames: {cause}; repair the files, or "
            "set on_bad_slice to drop to convert the other planes",
            path=first.frame.path,
            cause=Private(first.reason),
            others=others,
        )
    raise SeriesError(
        Code.UNREADABLE_FILES,
        "{path} cannot be read: {cause}; repair the file, or set on_bad_slice to drop to convert "
        "the other planes",
        path=first.frame.path,
        cause=Private(first.reason),
    )


def unreadable_without_copy(plan: VolumePlan) -> list[UnusedFrame]:
    """The unreadable frames without a readable copy in the series."""
    readable = {_image(plane) for plane in plan.planes}
    readable |= {_image(one.frame) for one in plan.unused if one.role is not Role.UNREADABLE}
    return [
        one
        for one in plan.unused
        if one.role is Role.UNREADABLE
        and not (one.frame.sop_instance_uid and _image(one.frame) in readable)
    ]


def _image(frame: Frame) -> tuple[object, ...]:
    """Equal for copies of a frame. It is more than the UID, which some files share by mistake.

    The frames of a truncated multi-frame file have no header of their own to compare.
    """
    uid = (frame.sop_instance_uid, frame.frame_number, frame.frames, frame.rows, frame.columns)
    if frame.frames > 1:
        return uid
    return (*uid, frame.position, frame.instance_number, frame.acquisition_number)
