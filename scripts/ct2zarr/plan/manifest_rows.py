"""One volume to its row in the manifest, and back: the pair that must agree."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..codes import Code
from ..errors import SettingsError
from ..model import SHORTENED, Frame, Json, RaisedFlag, UnusedFrame, VolumePlan
from ..run.cells import SEPARATOR
from ..run.csv_tables import Cell, Column, Schema
from ..scan.frame_tables import path_to_text
from ..vocabulary import Flag, Role
from .identity import frame_order

if TYPE_CHECKING:
    from ..geometry.stacks import StackGeometry

ADVICE = "make the manifest again"

SERIES_SCHEMA = Schema(
    (
        Column("series_hash"),
        Column("dataset"),
        Column("series_dir"),
        Column("file_count", int),
        Column("series_uid"),
        Column("study_uid"),
        Column("part", int),
        Column("parts", int),
        Column("slice_count", int),
        Column("localizers_skipped", int),
        Column("bytes", int),
        Column("flags"),
        Column("split_by"),
        Column("single_orientation", bool, empty=True),
        Column("orthogonal_orientation", bool, empty=True),
        Column("unique_slice_positions", bool, empty=True),
        Column("consistent_in_plane_row", bool, empty=True),
        Column("consistent_in_plane_col", bool, empty=True),
        Column("consistent_pixel_spacing", bool, empty=True),
        Column("consistent_image_dimensions", bool, empty=True),
        Column("uniform_slice_spacing", bool, empty=True),
        Column("regularly_spaced_3d_volume", bool),
        Column("obliquity_degrees", float, empty=True),
        Column("spacing_z", float, empty=True),
        Column("spacing_y", float, empty=True),
        Column("spacing_x", float, empty=True),
        Column("slice_thickness", float, empty=True),
        Column("tilt_degrees", float, empty=True),
        Column("rows", int),
        Column("columns", int),
        Column("kernel"),
        Column("kvp", float, empty=True),
        Column("manufacturer"),
        Column("manufacturer_model"),
        Column("transfer_syntax"),
        Column("findings"),
    ),
    ADVICE,
)
"""series_all.csv and series_shard_XX.csv: a row per volume. Several values of one volume are joined
by ``;``; ``findings`` is JSON, flag to evidence."""

LISTED_IN_TABLE = 20
"""Values of a list in the evidence of a flag that a row of the table holds at most."""

_FLAGS = {str(flag): flag for flag in Flag}


def series_row(plan: VolumePlan) -> dict[str, Cell]:
    """The row of one volume: values by column of ``SERIES_SCHEMA``.

    A number that differs between planes (thickness, KVP) is absent, and so are all of a series of
    which no file can be read.
    """
    # The conversion reads rows and writes none; it does not load what grouping needs.
    from .geometry_columns import geometry_columns
    from .grouping import plan_geometry

    planes = plan.planes
    geometry = plan_geometry(plan) if planes else None
    files = {plane.path: plane.bytes for plane in planes}
    localizers = {unused.frame.path for unused in plan.unused if unused.role is Role.LOCALIZER}
    return {
        "series_hash": plan.series_hash,
        "dataset": plan.dataset,
        "series_dir": path_to_text(plan.series_dir),
        "file_count": len(files),
        "series_uid": plan.series_uid,
        "study_uid": plan.study_uid,
        "part": plan.part,
        "parts": plan.parts,
        "slice_count": len(planes),
        "localizers_skipped": len(localizers),
        "bytes": sum(files.values()),
        "flags": SEPARATOR.join(raised.flag for raised in plan.flags),
        "split_by": plan.split_by,
        **asdict(geometry_columns(plan)),
        **_spacing(planes, geometry),
        "slice_thickness": _one(plane.slice_thickness for plane in planes),
        "tilt_degrees": geometry.tilt_degrees if geometry and len(planes) > 1 else None,
        "rows": planes[0].rows if planes else 0,
        "columns": planes[0].columns if planes else 0,
        "kernel": _joined(plane.kernel for plane in planes),
        "kvp": _one(plane.kvp for plane in planes),
        "manufacturer": _joined(plane.manufacturer for plane in planes),
        "manufacturer_model": _joined(plane.manufacturer_model for plane in planes),
        "transfer_syntax": _joined(plane.transfer_syntax_uid for plane in planes),
        "findings": flags_to_text(plan.flags),
    }


def _spacing(planes: Sequence[Frame], geometry: "StackGeometry | None") -> dict[str, Cell]:
    """Spacing, mm, along z, y and x; what is known of it where there is no geometry.

    Along z this is the nominal spacing of the store then.
    """
    from .stack import nominal_step

    if not planes:
        return dict.fromkeys(("spacing_z", "spacing_y", "spacing_x"))
    mm: tuple[float | None, ...] = (
        nominal_step(planes), *(planes[0].pixel_spacing or (None, None)),
    )  # fmt: skip
    if geometry is not None:
        mm = geometry.spacing
    return dict(zip(("spacing_z", "spacing_y", "spacing_x"), mm, strict=True))


def row_order(row: Mapping[str, Any]) -> tuple[str, str, str, int, str]:
    """Rows are sorted by dataset, folder, series and part."""
    return (
        row["dataset"],
        row["series_dir"],
        row["series_uid"],
        row["part"],
        row["series_hash"],
    )


def plan_of_row(
    row: Mapping[str, Any],
    series_dir: str,
    frames: Iterable[tuple[Frame, int | None]],
    path: Path,
) -> VolumePlan:
    """The plan that a row of ``series_row`` and the account of files describe.

    Parameters
    ----------
    frames
        Frames of the volume, each with its slice index; None for an unused frame.
    path
        The CSV, for errors.

    Raises
    ------
    SettingsError
        The row and the frames do not make a whole volume.
    """
    planes, others = _planes_and_others(row, frames, path)
    return VolumePlan(
        series_hash=row["series_hash"],
        dataset=row["dataset"],
        series_dir=series_dir,
        series_uid=row["series_uid"],
        study_uid=row["study_uid"],
        part=row["part"],
        parts=row["parts"],
        split_by=row["split_by"],
        planes=planes,
        unused=tuple(UnusedFrame.of(other) for other in others),
        flags=_flags_of_row(row, path),
    )


def _planes_and_others(
    row: Mapping[str, Any], frames: Iterable[tuple[Frame, int | None]], path: Path
) -> tuple[tuple[Frame, ...], list[Frame]]:
    """The planes of a volume in their order, and its unused frames in the order of all frames."""
    planes: dict[int, Frame] = {}
    others: list[Frame] = []
    for frame, index in frames:
        if index is None:
            others.append(frame)
        else:
            planes[index] = frame
    count = row["slice_count"]
    if sorted(planes) != list(range(count)):
        raise SettingsError(
            Code.INPUT_MIXED,
            "{path} says that volume {series_hash} has {due} slices, and the list of files beside "
            "it names {found}; the two belong to different runs: {advice}",
            path=path,
            series_hash=row["series_hash"],
            due=count,
            found=len(planes),
            advice=ADVICE,
        )
    return tuple(planes[index] for index in range(count)), sorted(others, key=frame_order)


def _flags_of_row(row: Mapping[str, Any], path: Path) -> tuple[RaisedFlag, ...]:
    try:
        return flags_from_text(row["findings"])
    except (ValueError, KeyError, TypeError) as error:
        raise SettingsError(
            Code.INPUT_DAMAGED,
            "{path} has findings of volume {series_hash} that cannot be read; {advice}",
            path=path,
            series_hash=row["series_hash"],
            advice=ADVICE,
        ) from error


def flags_to_text(flags: Iterable[RaisedFlag]) -> str:
    """JSON: pairs of flag and evidence, in order; long lists are cut, and named under shortened.

    The conversion measures what was cut again (``grouping.whole_flags``).
    """
    pairs = [[str(raised.flag), _shortened(raised.evidence)] for raised in flags]
    return json.dumps(pairs, separators=(",", ":"), ensure_ascii=True)


def _shortened(evidence: Mapping[str, Json]) -> dict[str, Json]:
    long = {
        name: value
        for name, value in evidence.items()
        if isinstance(value, list) and len(value) > LISTED_IN_TABLE
    }
    if not long:
        return dict(evidence)
    cut: dict[str, Json] = {name: value[:LISTED_IN_TABLE] for name, value in long.items()}
    names: list[Json] = []
    names.extend(sorted(long))
    return {**evidence, **cut, SHORTENED: names}


def flags_from_text(text: str) -> tuple[RaisedFlag, ...]:
    """Parse what ``flags_to_text`` wrote.

    Raises
    ------
    ValueError, TypeError, KeyError
        The text is something else.
    """
    return tuple(RaisedFlag(_FLAGS[flag], dict(evidence)) for flag, evidence in json.loads(text))


def _joined(values: Iterable[str]) -> str:
    return SEPARATOR.join(sorted({value for value in values if value}))


def _one(values: Iterable[float | None]) -> float | None:
    """The value that all planes share; none where they differ."""
    distinct = set(values) - {None}
    return distinct.pop() if len(distinct) == 1 else None
