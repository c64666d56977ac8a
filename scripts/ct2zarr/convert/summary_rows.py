"""The row of a volume in the summary: from its record, or from the error that prevented it."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ..errors import Ct2zarrError, sentence
from ..model import VolumePlan, VolumeRecord
from ..run.cells import SEPARATOR
from ..run.summary_columns import SummaryRow
from ..version import __version__
from ..vocabulary import Belonging, Flag, Role, Status
from .rejection import RejectedError


def row_of_record(plan: VolumePlan, record: VolumeRecord, *, reused: bool) -> SummaryRow:
    """The row of a finished volume, from its record on the disk."""
    spacing = record.geometry.get("spacing") or (None, None, None)
    checked = record.verification.get("slices")
    belonging = record.verification.get("belonging")
    belonging = belonging if isinstance(belonging, Mapping) else {}
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
        same_decoder_slices=int(record.verification.get("same_decoder") or 0),  # type: ignore[arg-type]
        belonging=str(belonging.get("result", Belonging.UNCHECKED)),
        belonging_planes=int(belonging.get("planes", 0)),  # type: ignore[arg-type]
    )


def row_of_failure(plan: VolumePlan, error: Ct2zarrError) -> SummaryRow:
    """The row of a volume that could not be converted."""
    flags = [raised.flag for raised in plan.flags]
    return _row_of_error(plan, error, Status.FAILED, str(error.code), flags)


def row_of_rejection(plan: VolumePlan, error: RejectedError) -> SummaryRow:
    """The row of a volume with flags that the user rejects."""
    reason = SEPARATOR.join(error.rejected)
    return _row_of_error(plan, error, Status.REJECTED, reason, error.flags)


def _row_of_error(
    plan: VolumePlan, error: Ct2zarrError, status: Status, reason: str, flags: Iterable[Flag]
) -> SummaryRow:
    first = plan.planes[0] if plan.planes else None
    files = {plane.path: plane.bytes for plane in plan.planes}
    return SummaryRow(
        **_identity(plan),
        status=status,
        code=str(error.code),
        reason=reason,
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
    """The row for a run with ``deidentify``: no name of a folder or file and no header text.

    The manifest, which stays behind, tells which series a ``series_hash`` is.
    """
    return replace(row, series_dir="", error=row.error_public)


def count_role(plan: VolumePlan, role: Role) -> int:
    """Number of files of the series that have ``role`` and are counted with this volume."""
    return len({one.frame.path for one in plan.unused if one.role == role})


def _identity(plan: VolumePlan) -> dict[str, Any]:
    """The columns that the plan alone determines, whether the conversion succeeds or not."""
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
