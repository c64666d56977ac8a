"""From what became of a plan to its row in the summary."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from ..errors import Ct2zarrError, sentence
from ..model import Frame, UnusedFrame, VolumePlan, VolumeRecord
from ..run.cells import SEPARATOR
from ..run.summary_columns import SummaryRow
from ..version import __version__
from ..vocabulary import Role, Status


def row_of_record(plan: VolumePlan, record: VolumeRecord, *, reused: bool) -> SummaryRow:
    """The row of a finished volume, drawn from its record on the disk."""
    spacing = record.geometry.get("spacing") or (None, None, None)
    checked = record.verification.get("slices")
    return SummaryRow(
        **_identity(plan),
        status=Status.OK,
        flags=SEPARATOR.join(record.flags),
        slice_count=record.shape[0],
        rows=record.shape[1],
        columns=record.shape[2],
        localizers_skipped=record.localizers_skipped,
        files_unreadable=record.files_unreadable,
        duplicates=record.duplicates,
        input_bytes=record.input_bytes,
        output_bytes=record.output_bytes,
        verify_ok=_truth(record.verification.get("ok")),
        verified_slices=len(checked) if isinstance(checked, list | tuple) else 0,
        read_seconds=_number(record.seconds.get("read")),
        write_seconds=_number(record.seconds.get("write")),
        total_seconds=_number(record.seconds.get("total")),
        reused=reused,
        dtype=record.dtype,
        spacing_z=_number(spacing[0]),  # type: ignore[index]
        spacing_y=_number(spacing[1]),  # type: ignore[index]
        spacing_x=_number(spacing[2]),  # type: ignore[index]
        tilt_degrees=_number(record.geometry.get("tilt_degrees")),
        max_position_error_mm=_number(record.geometry.get("max_position_error_mm")),
        decoder=SEPARATOR.join(sorted(record.decoders)),
        files=record.input_files,
        values_kind=str(record.values.get("kind", "")),
        version=record.version,
    )


def row_of_failure(
    plan: VolumePlan,
    status: Status,
    error: Ct2zarrError,
    *,
    reason: str = "",
    flags: Iterable[str] | None = None,
) -> SummaryRow:
    """The row of a volume that was not converted.

    Args:
        reason: what the column of that name says; the code of the error where it is empty.
        flags: all flags of the volume; those of the plan unless given.
    """
    first = plan.planes[0] if plan.planes else None
    files = {plane.path: plane.bytes for plane in plan.planes}
    if flags is None:
        flags = [raised.flag for raised in plan.flags]
    return SummaryRow(
        **_identity(plan),
        status=status,
        reason=reason or error.code,
        code=error.code,
        error=sentence(error),
        error_public=sentence(error, private=False),
        flags=SEPARATOR.join(flags),
        slice_count=len(plan.planes),
        rows=first.rows if first else 0,
        columns=first.columns if first else 0,
        localizers_skipped=count_role(plan, Role.LOCALIZER),
        files_unreadable=count_role(plan, Role.UNREADABLE),
        duplicates=count_role(plan, Role.DUPLICATE),
        input_bytes=sum(files.values()),
        files=len(files),
        version=__version__,
    )


def without_names(row: SummaryRow) -> SummaryRow:
    """The row as it may leave under ``deidentify``: no name of a folder or a file, and no UID.

    The manifest, which stays behind, says which series a ``series_hash`` is.
    """
    return replace(row, series_dir="", error=row.error_public)


def count_role(plan: VolumePlan, role: Role) -> int:
    """Number of files of the series that have ``role`` and are accounted with this volume."""
    return len({left.frame.path for left in plan.unused if left.role == role})


def lost_frames(plan: VolumePlan) -> list[UnusedFrame]:
    """What could not be read and is not in the series another time, as a readable copy."""
    readable = {_image(plane) for plane in plan.planes}
    readable |= {_image(o.frame) for o in plan.unused if o.role is not Role.UNREADABLE}
    return [
        left
        for left in plan.unused
        if left.role is Role.UNREADABLE
        and not (left.frame.sop_instance_uid and _image(left.frame) in readable)
    ]


def _image(frame: Frame) -> tuple[object, ...]:
    """Equal for copies of a frame; more than its UID, since some files share one by mistake.

    The frames of a multi-frame file that is cut short are not looked at one by one.
    """
    uid = (frame.sop_instance_uid, frame.frame_number, frame.frames, frame.rows, frame.columns)
    if frame.frames > 1:
        return uid
    return (*uid, frame.position, frame.instance_number, frame.acquisition_number)


def _identity(plan: VolumePlan) -> dict[str, Any]:
    """The columns that the plan alone determines, whatever becomes of it."""
    thickness = {plane.slice_thickness for plane in plan.planes} - {None}
    kvp = {plane.kvp for plane in plan.planes} - {None}
    return {
        "series_hash": plan.series_hash,
        "dataset": plan.dataset,
        "series_dir": plan.series_dir,
        "part": plan.part,
        "parts": plan.parts,
        "split_by": plan.split_by,
        "slice_thickness": thickness.pop() if len(thickness) == 1 else None,
        "kvp": kvp.pop() if len(kvp) == 1 else None,
        "kernel": _joined(plane.kernel for plane in plan.planes),
        "manufacturer": _joined(plane.manufacturer for plane in plan.planes),
        "transfer_syntax": _joined(plane.transfer_syntax_uid for plane in plan.planes),
    }


def _joined(values: Iterable[str]) -> str:
    return SEPARATOR.join(sorted(set(values) - {""}))


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _truth(value: object) -> bool | None:
    return value if isinstance(value, bool) else None
