"""A series in which all lengths are a thousandth gives the same volumes with the same flags.

A micro-CT is judged as the same object in millimetres would be. Every case of the table goes
through planning once as it is, and again with scaled lengths.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cases import GEOMETRY, GROUPING, MULTIFRAME, Case
from ct2zarr.dicom.frame_comparison import pixel_digest
from ct2zarr.dicom.frames import read_frames
from ct2zarr.model import Frame, VolumePlan
from ct2zarr.plan.grouping import plan_geometry, plan_volumes
from ct2zarr.plan.roles import assign_role
from ct2zarr.run.settings import SelectionSettings
from ct2zarr.vocabulary import Flag


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scaled")


def frames_of(case: Case, root: Path) -> list[Frame]:
    folder = root / case.name
    case.build(folder, case.name)
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    read = [frame for path in paths for frame in read_frames("v1", str(root), str(path))]
    return [assign_role(frame, SelectionSettings()) for frame in read]


def scaled(frames: Sequence[Frame], scale: float) -> list[Frame]:
    """The frames with all lengths multiplied, as decimal text would have them."""

    def length(value: float | None) -> float | None:
        return None if value is None else float(f"{value * scale:.11g}")

    def lengths(values: tuple[float, ...] | None) -> tuple[float, ...] | None:
        return None if values is None else tuple(length(value) or 0.0 for value in values)

    return [
        replace(
            frame,
            position=lengths(frame.position),
            pixel_spacing=lengths(frame.pixel_spacing),
            slice_thickness=length(frame.slice_thickness),
            spacing_between_slices=length(frame.spacing_between_slices),
            slice_location=length(frame.slice_location),
        )
        for frame in frames
    ]


def outcome(plans: Sequence[VolumePlan]) -> list[tuple[object, ...]]:
    """What planning made of frames, but for lengths."""
    return [
        (
            plan.series_hash,
            plan.split_by,
            [(plane.path, plane.frame_number) for plane in plan.planes],
            sorted((one.frame.path, one.role) for one in plan.unused),
            [raised.flag for raised in plan.flags],
            holes(plan),
        )
        for plan in plans
    ]


def holes(plan: VolumePlan) -> object:
    return [
        (raised.evidence["count"], raised.evidence["after"])
        for raised in plan.flags
        if raised.flag is Flag.MISSING_SLICES
    ]


@pytest.mark.parametrize("case", [*GROUPING, *GEOMETRY, *MULTIFRAME], ids=lambda case: case.name)
def test_scaled_series_have_the_same_volumes_and_flags(case: Case, root: Path) -> None:
    frames = frames_of(case, root)
    plans, _ = plan_volumes(frames, pixel_digest)

    @settings(max_examples=2, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(scale=st.floats(1e-4, 1.0))
    @example(scale=1e-3)
    @example(scale=1e-4)
    def check(scale: float) -> None:
        again, _ = plan_volumes(scaled(frames, scale), pixel_digest)
        assert outcome(again) == outcome(plans)
        for plan, other in zip(plans, again, strict=True):
            geometry, small = plan_geometry(plan), plan_geometry(other)
            assert (geometry is None) == (small is None)
            if geometry is not None and small is not None:
                assert small.spacing == pytest.approx([scale * mm for mm in geometry.spacing])
                assert small.tilt_degrees == pytest.approx(geometry.tilt_degrees, abs=1e-4)

    check()
