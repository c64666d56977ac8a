"""Refuse volumes: flags that the user rejects, and files that cannot be read."""

from collections.abc import Iterable

from ..codes import Code
from ..errors import Private, SeriesError
from ..model import Frame, RaisedFlag, UnusedFrame, VolumePlan
from ..run.settings import ConvertSettings
from ..vocabulary import Flag, Role


class RejectedError(SeriesError):
    """The volume has flags that the user rejects.

    Attributes
    ----------
    flags
        All flags that were found on the volume.
    rejected
        Those of them that the user rejects.
    """

    def __init__(self, rejected: tuple[Flag, ...], flags: tuple[Flag, ...]) -> None:
        super().__init__(
            Code.REJECTED_FLAG,
            "the setting reject_flags names {rejected}: {meaning}",
            rejected=rejected,
            meaning="; ".join(flag.sentence for flag in rejected),
        )
        self.rejected = rejected
        self.flags = flags


def check_flags(flags: Iterable[RaisedFlag], settings: ConvertSettings) -> None:
    """Raise RejectedError where the volume has a flag of ``settings.reject_flags``."""
    found = tuple(raised.flag for raised in flags)
    rejected = tuple(flag for flag in found if flag in settings.reject_flags)
    if rejected:
        raise RejectedError(rejected, found)


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
