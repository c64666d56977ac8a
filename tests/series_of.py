"""Frames as dataclasses, for tests of grouping: no files, pixels are a word in ``PIXELS``."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from ct2zarr.codes import Code
from ct2zarr.errors import FileError
from ct2zarr.model import Frame, VolumePlan
from ct2zarr.vocabulary import Flag, Role

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"


def frame(number: int, z: float, **fields: Any) -> Frame:
    """An axial slice at z mm with InstanceNumber ``number``; ``fields`` replace any other."""
    values: dict[str, Any] = {
        "dataset": "v1",
        "root": "/data",
        "path": f"/data/series/{number:04d}.dcm",
        "bytes": 1000,
        "mtime_ns": 1,
        "role": Role.SLICE,
        "sop_class_uid": CT_IMAGE,
        "sop_instance_uid": f"1.2.{number}",
        "series_uid": "1.9",
        "study_uid": "1.8",
        "frame_of_reference_uid": "1.7",
        "modality": "CT",
        "image_type": "ORIGINAL\\PRIMARY\\AXIAL",
        "instance_number": number,
        "acquisition_number": 1,
        "rows": 64,
        "columns": 64,
        "position": (-20.0, -30.0, float(z)),
        "orientation": AXIAL,
        "pixel_spacing": (0.8, 0.7),
        "photometric": "MONOCHROME2",
        "bits_allocated": 16,
        "bits_stored": 12,
        "high_bit": 11,
        "rescale_slope": 1.0,
        "rescale_intercept": -1024.0,
        "rescale_type": "HU",
    }
    return Frame(**{**values, **fields})


def stack(offsets: Iterable[float], first: int = 1, **fields: Any) -> list[Frame]:
    """Axial slices at these z, numbered from ``first``."""
    return [frame(first + i, z, **fields) for i, z in enumerate(offsets)]


def at(frames: Iterable[Frame], **fields: Any) -> list[Frame]:
    """The same frames with other fields."""
    return [replace(each, **fields) for each in frames]


def unread(frame: Frame) -> str:
    """A pixel digest for series whose pixels must not be looked at."""
    raise AssertionError(f"pixels of {frame.path} were read")


def different(frame: Frame) -> str:
    """A pixel digest for series in which every file has its own image."""
    return frame.path + str(frame.frame_number)


def by_uid(frame: Frame) -> str:
    """A pixel digest for series in which files with one SOPInstanceUID have one image."""
    return frame.sop_instance_uid + str(frame.frame_number)


def same(frame: Frame) -> str:  # noqa: ARG001
    """A pixel digest for series in which all images are equal."""
    return "same"


def broken(frame: Frame) -> str:
    """A pixel digest that cannot be had."""
    raise FileError(Code.CANNOT_DECODE, "{file} cannot be decoded.", path=frame.path)


def flags(plan: VolumePlan) -> set[Flag]:
    """Flags of a plan."""
    return {finding.flag for finding in plan.flags}


def evidence(plan: VolumePlan, flag: Flag) -> dict[str, Any]:
    """Evidence of one flag that the plan must have."""
    return dict(next(f.evidence for f in plan.flags if f.flag is flag))


def z_of(plan: VolumePlan) -> list[float]:
    """Where the planes of an axial plan lie, in their order."""
    return [plane.position[2] for plane in plan.planes if plane.position is not None]


def accounted(plans: Sequence[VolumePlan]) -> list[tuple[str, int]]:
    """Every frame that the plans account for, once for each time."""
    return sorted(
        [(p.path, p.frame_number) for plan in plans for p in plan.planes]
        + [(o.frame.path, o.frame.frame_number) for plan in plans for o in plan.unused]
    )
