import random
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ct2zarr.codes import Code
from ct2zarr.dicom.sop_classes import ENHANCED_CT
from ct2zarr.errors import Ct2zarrError, FileError, SeriesError, sentence
from ct2zarr.model import Frame
from ct2zarr.plan.grouping import (
    plan_geometry,
    plan_series,
    plan_volumes,
    plan_without,
    series_hash,
    series_key,
)
from ct2zarr.vocabulary import Flag, Role
from series_of import (
    accounted,
    at,
    broken,
    by_uid,
    different,
    evidence,
    flags,
    frame,
    same,
    stack,
    unread,
    z_of,
)

BROKEN = FileError(Code.CANNOT_DECODE, "{file} cannot be decoded.", path="/data/series/0005.dcm")
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)


def grid(n, step=2.0, start=0.0):
    return [start + step * i for i in range(n)]


def only(plans):
    assert len(plans) == 1
    return plans[0]


# one volume


def test_plain_series_is_one_volume_in_ascending_order_without_a_flag():
    plan = only(plan_series(stack(reversed(grid(10))), unread))
    assert z_of(plan) == grid(10)
    assert plan.flags == ()
    assert plan.unused == ()
    assert (plan.part, plan.parts, plan.split_by) == (1, 1, "")
    assert plan.series_hash == series_hash("v1", "1.9", 1)


def test_order_follows_the_normal_in_sagittal_feet_first_and_oblique_stacks():
    sagittal = [
        frame(i, 0, position=(float(x), 0.0, 0.0), orientation=SAGITTAL)
        for i, x in enumerate(grid(5), 1)
    ]
    plan = only(plan_series(sagittal, unread))
    assert [p.position[0] for p in plan.planes] == grid(5)[::-1]
    prone = stack(grid(5), orientation=(-1.0, 0.0, 0.0, 0.0, 1.0, 0.0))
    assert z_of(only(plan_series(prone, unread))) == grid(5)[::-1]
    oblique = [
        frame(i, 0, position=(0.0, -0.6 * d, 0.8 * d), orientation=(1, 0, 0, 0, 0.8, 0.6))
        for i, d in enumerate(grid(5), 1)
    ]
    plan = only(plan_series(oblique, unread))
    assert plan.flags == ()
    assert [p.instance_number for p in plan.planes] == [1, 2, 3, 4, 5]


def test_acquisitions_that_continue_each_other_stay_one_volume():
    frames = stack(grid(10)) + stack(grid(10, start=20), first=11, acquisition_number=2)
    assert only(plan_series(frames, unread)).flags == ()


def test_acquisitions_that_continue_with_another_spacing_stay_one_uneven_volume():
    frames = stack(grid(8)) + stack(grid(8, 5.0, 19), first=9, acquisition_number=2)
    plan = only(plan_series(frames, unread))
    assert flags(plan) == {Flag.UNEVEN_SPACING}
    assert evidence(plan, Flag.UNEVEN_SPACING) == {"min_mm": 2.0, "max_mm": 5.0, "median_mm": 5.0}


def test_acquisitions_far_from_each_other_stay_one_uneven_volume():
    frames = stack(grid(8)) + stack(grid(8, 5.0, 61), first=9, acquisition_number=2)
    assert flags(only(plan_series(frames, unread))) == {Flag.UNEVEN_SPACING}


@pytest.mark.parametrize("lost", [None, 0, 1, 7, 12])
def test_interleaved_acquisitions_that_make_one_grid_stay_one_volume(lost):
    frames = [frame(i + 1, 2.0 * i, acquisition_number=1 + i % 2) for i in range(20) if i != lost]
    plan = only(plan_series(frames, unread))
    assert flags(plan) == (set() if lost in (None, 0) else {Flag.MISSING_SLICES})


def test_localizers_and_unreadable_files_go_to_the_volume_of_their_study():
    frames = stack(grid(9)) + stack(grid(6), first=10, study_uid="1.8.1")
    extra = [
        frame(30 + i, 0.0, role=role, study_uid=study)
        for i, (role, study) in enumerate(
            [(Role.LOCALIZER, "1.8.1"), (Role.LOCALIZER, "1.8"), (Role.UNREADABLE, "1.8.1")]
        )
    ]
    first, second = plan_series(frames + extra, unread)
    assert [one.frame.instance_number for one in first.unused] == [31]
    assert [one.frame.instance_number for one in second.unused] == [30, 32]


def test_series_over_two_folders_is_one_volume_with_their_common_folder():
    frames = [frame(i + 1, 2.0 * i, path=f"/data/p/{'ab'[i % 2]}/{i}.dcm") for i in range(8)]
    assert only(plan_series(frames, unread)).series_dir == "/data/p"


def test_frame_of_reference_that_differs_by_slice_with_fitting_positions_is_one_volume():
    frames = [frame(i + 1, 2.0 * i, frame_of_reference_uid=f"1.7.{i}") for i in range(12)]
    assert only(plan_series(frames, unread)).flags == ()
    assert flags(only(plan_series(frames[:5] + frames[6:], unread))) == {Flag.MISSING_SLICES}


def test_frame_of_reference_by_slice_does_not_hide_two_phases():
    frames = [
        frame(i + 1, 2.0 * (i % 10), frame_of_reference_uid=f"1.7.{i}", temporal_position=i // 10)
        for i in range(20)
    ]
    plans = plan_series(frames, unread)
    assert [len(plan.planes) for plan in plans] == [10, 10]
    assert plans[0].split_by == "TemporalPositionIdentifier"


def test_rounding_of_cosines_and_pixel_spacing_does_not_divide():
    frames = stack(grid(10))
    frames[3] = replace(frames[3], orientation=(0.99999, 0.00004, 0.0, 0.0, 1.0, 0.0))
    frames[5] = replace(frames[5], pixel_spacing=(0.8001, 0.7))
    assert only(plan_series(frames, unread)).flags == ()


# always apart


@pytest.mark.parametrize(
    ("keyword", "fields"),
    [
        ("Rows", {"rows": 32}),
        ("Columns", {"columns": 32}),
        ("PixelSpacing", {"pixel_spacing": (0.81, 0.7)}),
        ("ImageOrientationPatient", {"orientation": (1.0, 0.0, 0.0, 0.0, 0.999, 0.0447)}),
        ("PhotometricInterpretation", {"photometric": "PALETTE COLOR"}),
    ],
)
def test_planes_that_cannot_share_a_grid_are_apart(keyword, fields):
    frames = stack(grid(10))
    frames[4] = replace(frames[4], **fields)
    first, second = plan_series(frames, unread)
    assert (len(first.planes), len(second.planes)) == (9, 1)
    assert first.split_by == second.split_by == keyword
    assert flags(first) == {Flag.SPLIT_SERIES, Flag.MISSING_SLICES}
    assert flags(second) == {Flag.SPLIT_SERIES, Flag.SINGLE_SLICE}
    assert evidence(second, Flag.SPLIT_SERIES) == {"by": keyword, "part": 2, "parts": 2}


def test_frames_of_reference_with_a_gap_between_them_are_apart():
    frames = stack(grid(8)) + stack(grid(8, start=40), first=9, frame_of_reference_uid="1.7.2")
    plans = plan_series(frames, unread)
    assert [plan.split_by for plan in plans] == ["FrameOfReferenceUID"] * 2
    assert [z_of(plan) for plan in plans] == [grid(8), grid(8, start=40)]


@pytest.mark.parametrize(("gap", "volumes"), [(2.0, 1), (70.0, 2)])
def test_two_slices_of_two_frames_of_reference_belong_together_only_as_neighbours(gap, volumes):
    frames = [
        frame(1, 0.0, slice_thickness=2.0),
        frame(2, gap, slice_thickness=2.0, frame_of_reference_uid="1.7.2"),
    ]
    assert len(plan_series(frames, unread)) == volumes


def test_frames_of_reference_with_the_same_positions_are_apart():
    frames = stack(grid(8)) + stack(grid(8), first=9, frame_of_reference_uid="1.7.2")
    assert [len(plan.planes) for plan in plan_series(frames, unread)] == [8, 8]


# apart by tags


@pytest.mark.parametrize(
    ("keyword", "one", "other"),
    [
        ("AcquisitionNumber", {"acquisition_number": 1}, {"acquisition_number": 2}),
        ("TemporalPositionIdentifier", {"temporal_position": 1}, {"temporal_position": 2}),
        ("TriggerTime", {"trigger_time": 0.0}, {"trigger_time": 350.0}),
        ("ConvolutionKernel", {"kernel": "B30f"}, {"kernel": "B70f"}),
        ("ImageType", {"image_type": "ORIGINAL\\PRIMARY"}, {"image_type": "ORIGINAL\\PRIMARY\\X"}),
        ("StackID", {"stack_id": "1"}, {"stack_id": "2"}),
        ("EchoNumbers", {"echo_number": 1}, {"echo_number": None}),
    ],
)
def test_tag_that_explains_repeated_positions_divides(keyword, one, other):
    frames = stack(grid(6), **one) + stack(grid(6), first=7, **other)
    random.Random(1).shuffle(frames)
    plans = plan_series(frames, unread)
    assert [plan.split_by for plan in plans] == [keyword] * 2
    assert [plan.planes[0].instance_number for plan in plans] == [1, 7]
    assert [flags(plan) for plan in plans] == [{Flag.SPLIT_SERIES}] * 2


def multiframe(number: int, count: int, **fields: Any) -> list[Frame]:
    fields = {"path": f"/data/{number}", "sop_instance_uid": f"1.2.{number}", **fields}
    fields = {"sop_class_uid": ENHANCED_CT, "stack_id": "1", **fields}
    return [
        frame(number, 2.0 * i, frame_number=i + 1, frames=count, **fields) for i in range(count)
    ]


def by_place(frame: Frame) -> str:
    """A pixel digest for series in which images of one position are equal."""
    return str(frame.position)


def test_two_multiframe_files_of_one_place_are_apart_by_file():
    plans = plan_series(multiframe(1, 5) + multiframe(2, 5), different)
    assert [plan.split_by for plan in plans] == ["file"] * 2


def test_single_files_and_a_multiframe_file_of_other_pixels_are_apart_by_sop_class():
    plans = plan_series(stack(grid(6)) + multiframe(9, 6, stack_id=""), different)
    assert [plan.split_by for plan in plans] == ["SOPClassUID"] * 2


@pytest.mark.parametrize("planes", [4, 6])
def test_a_series_held_twice_as_single_files_and_as_multiframe_is_one_volume(planes):
    singles = stack([2.0 * i for i in range(planes)])
    frames = singles + multiframe(9, 6, image_type="ORIGINAL\\PRIMARY\\AXIAL\\NONE")
    random.Random(1).shuffle(frames)
    (plan,) = plan_series(frames, by_place)
    assert flags(plan) == {Flag.DUPLICATE_SLICES}
    # The larger of the two stays; of equal ones the classic files.
    assert len(plan.planes) == 6
    assert {plane.frames for plane in plan.planes} == ({1} if planes == 6 else {6})
    assert {left.role for left in plan.unused} == {Role.DUPLICATE}
    assert len(plan.unused) == planes


def test_a_multiframe_file_with_one_other_image_is_no_copy():
    def one_differs(frame: Frame) -> str:
        odd = frame.frames > 1 and frame.frame_number == 4
        return "odd" if odd else by_place(frame)

    plans = plan_series(stack(grid(6)) + multiframe(9, 6), one_differs)
    assert [len(plan.planes) for plan in plans] == [6, 6]
    assert all(plan.unused == () for plan in plans)


def test_simplest_tag_wins_over_two_and_over_one_with_more_parts():
    frames = [
        frame(
            20 * phase + i,
            2.0 * i,
            temporal_position=phase,
            trigger_time=float(20 * phase + i),
            kernel="AB"[i % 2],
        )
        for phase in (1, 2)
        for i in range(10)
    ]
    assert plan_series(frames, unread)[0].split_by == "TemporalPositionIdentifier"


def test_two_tags_together_where_one_is_not_enough():
    frames = []
    for phase in (1, 2):
        for kernel in ("B30f", "B70f"):
            frames += stack(grid(5), len(frames) + 1, temporal_position=phase, kernel=kernel)
    plans = plan_series(frames, unread)
    assert len(plans) == 4
    assert plans[0].split_by == "TemporalPositionIdentifier+ConvolutionKernel"


def test_tag_that_differs_without_a_violation_does_not_divide():
    frames = [frame(i + 1, 2.0 * i, kernel="AABA"[i % 4], image_type=str(i)) for i in range(10)]
    assert only(plan_series(frames, unread)).flags == ()


def test_overlapping_second_pass_on_the_same_positions_is_apart_and_complete():
    frames = stack(grid(40)) + stack(grid(20, start=60), first=41, acquisition_number=2)
    plans = plan_series(frames, unread)
    assert [z_of(plan) for plan in plans] == [grid(40), grid(20, start=60)]
    assert plans[0].split_by == "AcquisitionNumber"


@pytest.mark.parametrize("n", [6, 30])
def test_overlapping_second_pass_between_the_positions_is_apart(n):
    half = 2 * (n // 2) + 1.0
    frames = stack(grid(n)) + stack(grid(n, start=half), first=n + 1, acquisition_number=2)
    plans = plan_series(frames, unread)
    assert [z_of(plan) for plan in plans] == [grid(n), grid(n, start=half)]


def test_phases_of_several_acquisitions_each_are_put_together_again():
    frames = []
    for number, start in enumerate([0, 20, 0, 20], 1):
        frames += stack(grid(10, start=start), 10 * number, acquisition_number=number)
    assert [z_of(plan) for plan in plan_series(frames, unread)] == [grid(20), grid(20)]


def test_acquisition_number_that_counts_slices_gives_passes_not_single_slices():
    frames = [frame(i + 1, 2.0 * (i % 15), acquisition_number=i + 1) for i in range(30)]
    assert [z_of(plan) for plan in plan_series(frames, unread)] == [grid(15), grid(15)]


def test_two_phases_with_missing_slices_are_two_volumes_flagged():
    frames = [
        frame(20 * phase + i, 2.0 * i, temporal_position=phase, acquisition_number=20 * phase + i)
        for phase in (1, 2)
        for i in range(20)
        if (phase, i) not in {(1, 4), (1, 11), (2, 9)}
    ]
    plans = plan_series(frames, unread)
    assert [evidence(plan, Flag.MISSING_SLICES)["count"] for plan in plans] == [2, 1]


def test_passes_acquired_turn_about_are_put_together_again():
    turn_about = [0, 2, 4, 6, 1, 3, 5, 7]
    frames = [
        frame(i + 1, 2.0 * position, acquisition_number=i + 1)
        for i, position in enumerate(turn_about + turn_about)
    ]
    assert [z_of(plan) for plan in plan_series(frames, unread)] == [grid(8), grid(8)]


def test_monitoring_slices_far_from_the_scan_are_not_joined_to_it():
    frames = [frame(i, 50.0, acquisition_number=i) for i in (1, 2, 3)]
    frames += stack(grid(20, start=60), first=4, acquisition_number=4)
    plans = plan_series(frames, unread)
    assert [len(plan.planes) for plan in plans] == [1, 1, 1, 20]


def test_acquisitions_of_two_phases_that_lack_a_slice_where_they_meet_are_joined():
    frames = []
    for number, start in enumerate([0, 22, 0, 22], 1):
        frames += stack(grid(10, start=start), 10 * number, acquisition_number=number)
    plans = plan_series(frames, unread)
    assert [evidence(plan, Flag.MISSING_SLICES)["offsets_mm"] for plan in plans] == [[20.0]] * 2


def test_uneven_planes_are_not_cut_into_groups_that_are_uneven_too():
    offsets = [0.0, 1.1, 3.0, 4.2, 5.0, 7.3, 8.1, 9.9, 11.0, 13.5]
    frames = [frame(i + 1, z, image_type="AB"[i % 2]) for i, z in enumerate(offsets)]
    assert flags(only(plan_series(frames, unread))) == {Flag.UNEVEN_SPACING}


def test_perfusion_of_many_time_points_is_a_volume_each():
    frames = [frame(100 * t + i, 5.0 * i, temporal_position=t) for t in range(20) for i in range(8)]
    plans = plan_series(frames, unread)
    assert [plan.planes[0].temporal_position for plan in plans] == list(range(20))


def test_bolus_monitoring_at_one_position_is_a_volume_a_slice():
    frames = [frame(i, 50.0, acquisition_number=i) for i in range(1, 6)]
    plans = plan_series(frames, unread)
    assert [plan.planes[0].instance_number for plan in plans] == [1, 2, 3, 4, 5]
    assert flags(plans[0]) == {Flag.SPLIT_SERIES, Flag.SINGLE_SLICE}


def test_bolus_monitoring_with_a_jitter_of_the_table_is_no_stack():
    frames = [
        frame(i, 50.0 + 0.01 * (i % 3), acquisition_number=i, slice_thickness=10.0)
        for i in range(1, 8)
    ]
    assert len(plan_series(frames, unread)) == 7


def test_two_fields_of_view_at_the_same_offsets_are_apart():
    frames = stack(grid(6)) + [
        frame(7 + i, z, position=(40.0, 0.0, z)) for i, z in enumerate(grid(6))
    ]
    plans = plan_series(frames, unread)
    assert [plan.split_by for plan in plans] == ["ImagePositionPatient"] * 2
    assert Flag.CONFLICTING_SLICES not in flags(plans[0])


# repeated positions that no tag explains


def test_same_pixels_at_one_position_are_a_duplicate_that_names_the_kept_file():
    frames = [*stack(grid(6)), frame(20, 4.0)]
    digest = lambda f: str(f.position)  # noqa: E731
    plan = only(plan_series(frames, digest))
    assert z_of(plan) == grid(6)
    assert flags(plan) == {Flag.DUPLICATE_SLICES}
    (left,) = plan.unused
    assert (left.role, left.frame.instance_number) == (Role.DUPLICATE, 20)
    assert left.code is Code.DUPLICATE
    assert left.reason == "the frame has the position and the pixels of series/0003.dcm"


def test_copied_folder_is_all_duplicates_even_where_a_tag_was_changed():
    frames = stack(grid(6))
    copies = [
        replace(f, path=f.path.replace("series", "zcopy"), acquisition_number=7) for f in frames
    ]
    plan = only(plan_series(copies + frames, by_uid))
    assert [p.path for p in plan.planes] == [f.path for f in frames]
    assert flags(plan) == {Flag.DUPLICATE_SLICES}
    assert evidence(plan, Flag.DUPLICATE_SLICES) == {"count": 6}


def test_only_the_pixels_of_repeated_frames_are_read():
    read = []

    def digest(frame):
        read.append(frame.instance_number)
        return "same"

    plan_series([*stack(grid(6)), frame(20, 4.0)], digest)
    assert sorted(read) == [3, 20]


def test_stray_conflicting_slice_is_excluded_and_the_one_that_fits_stays():
    frames = [*stack(grid(6)), frame(90, 4.0)]
    plan = only(plan_series(frames, different))
    assert [p.instance_number for p in plan.planes] == [1, 2, 3, 4, 5, 6]
    assert flags(plan) == {Flag.CONFLICTING_SLICES}
    assert plan.unused[0].role is Role.EXCLUDED
    assert plan.unused[0].code is Code.CONFLICTING_SLICES
    assert plan.unused[0].reason == (
        "the frame has the position of series/0003.dcm but other pixels; series/0003.dcm was kept"
    )
    first = only(plan_series([frame(90, 0.0), *stack(grid(6), 10)], different))
    assert first.planes[0].instance_number == 10
    inner = only(plan_series([frame(0, 4.0), *stack(grid(6), 10)], different))
    assert inner.planes[2].instance_number == 12


def test_of_two_conflicting_slices_with_one_number_the_one_like_its_neighbours_stays():
    looks = {f.path: np.full((2, 2), 10.0 * f.instance_number) for f in stack(grid(6))}
    stray = replace(frame(3, 4.0), path="/data/series/a.dcm", sop_instance_uid="1.0")
    looks[stray.path] = np.full((2, 2), 330.0)
    plan = only(plan_series([*stack(grid(6)), stray], different, lambda f: looks[f.path]))
    assert stray not in plan.planes
    assert [left.frame for left in plan.unused] == [stray]

    looks[stray.path], looks["/data/series/0003.dcm"] = (
        looks["/data/series/0003.dcm"],
        looks[stray.path],
    )
    plan = only(plan_series([*stack(grid(6)), stray], different, lambda f: looks[f.path]))
    assert stray in plan.planes


def test_few_repeated_slices_at_the_end_are_strays_not_a_second_pass():
    frames = stack(grid(20)) + stack(grid(3, start=10), first=21)
    plan = only(plan_series(frames, different))
    assert [p.instance_number for p in plan.planes] == list(range(1, 21))
    assert evidence(plan, Flag.CONFLICTING_SLICES) == {"frames": 6, "positions": 3, "excluded": 3}


def test_duplicates_numbered_turn_about_do_not_look_like_missing_slices():
    frames = [frame(2 * i + k, 2.0 * i) for i in range(6) for k in (1, 2)]
    plan = only(plan_series(frames, same))
    assert flags(plan) == {Flag.DUPLICATE_SLICES}


def test_layers_without_a_tag_become_volumes_flagged_as_conflicting():
    frames = stack(grid(6)) + stack(grid(6), first=7)
    plans = plan_series(frames, different)
    assert [[p.instance_number for p in plan.planes] for plan in plans] == [
        [1, 2, 3, 4, 5, 6],
        [7, 8, 9, 10, 11, 12],
    ]
    assert flags(plans[1]) == {Flag.SPLIT_SERIES, Flag.CONFLICTING_SLICES}
    assert plans[0].split_by == "InstanceNumber"


def test_layers_numbered_turn_about_are_told_by_rank_at_each_position():
    frames = [frame(2 * i + k, 2.0 * i) for i in range(6) for k in (1, 2)]
    plans = plan_series(frames, different)
    assert [p.instance_number for p in plans[0].planes] == [1, 3, 5, 7, 9, 11]
    assert Flag.MISSING_SLICES not in flags(plans[0])


def test_overlapping_second_pass_without_a_tag_loses_no_slice():
    frames = stack(grid(40)) + stack(grid(20, start=60), first=41)
    plans = plan_series(frames, different)
    assert [len(plan.planes) for plan in plans] == [40, 20]
    assert Flag.CONFLICTING_SLICES in flags(plans[0])


def test_one_duplicate_in_a_dynamic_series_does_not_spoil_its_division():
    frames = [frame(100 * t + i, 5.0 * i, temporal_position=t) for t in range(4) for i in range(8)]
    frames.append(frame(999, 10.0, temporal_position=2))
    plans = plan_series(frames, lambda f: f"{f.temporal_position}{f.position}")
    assert [len(plan.planes) for plan in plans] == [8] * 4
    assert [left.frame.instance_number for left in plans[2].unused] == [999]


def test_repeated_frame_that_cannot_be_decoded_is_unreadable_and_counted():
    plan = only(plan_series([*stack(grid(6)), frame(20, 4.0)], broken))
    assert z_of(plan) == [0.0, 2.0, 6.0, 8.0, 10.0]
    assert flags(plan) == {Flag.MISSING_SLICES, Flag.UNREADABLE_FILES}
    assert plan.unused[0].code is Code.CANNOT_DECODE
    assert {entry.reason for entry in plan.unused} == {
        "0003.dcm cannot be decoded.",
        "0020.dcm cannot be decoded.",
    }


# no geometry


def test_frames_without_position_are_in_the_order_of_instance_number():
    frames = at(stack(grid(5)), position=None)
    plan = only(plan_series(frames[::-1], unread))
    assert [p.instance_number for p in plan.planes] == [1, 2, 3, 4, 5]
    assert flags(plan) == {Flag.NO_GEOMETRY}
    assert evidence(plan, Flag.NO_GEOMETRY)["missing"] == ["ImagePositionPatient"]
    assert plan_geometry(plan) is None


def test_frames_without_position_are_apart_from_those_with_one():
    frames = [*stack(grid(5)), frame(9, 0, position=None)]
    plans = plan_series(frames, unread)
    assert [len(plan.planes) for plan in plans] == [5, 1]
    assert Flag.NO_GEOMETRY in flags(plans[1])


def test_copies_without_geometry_are_duplicates():
    frames = at(stack(grid(4)), orientation=None)
    copies = [replace(f, path=f.path.replace("series", "zcopy")) for f in frames]
    plan = only(plan_series(frames + copies, by_uid))
    assert len(plan.planes) == 4
    assert flags(plan) == {Flag.NO_GEOMETRY, Flag.DUPLICATE_SLICES}


def test_orientation_of_zeros_counts_as_none():
    plan = only(plan_series(stack(grid(4), orientation=(0.0,) * 6), unread))
    assert evidence(plan, Flag.NO_GEOMETRY)["missing"] == ["ImageOrientationPatient"]


# geometry flags through plans


def test_missing_slice_is_flagged_with_count_and_place():
    frames = stack(grid(10))
    plan = only(plan_series(frames[:4] + frames[5:], unread))
    assert flags(plan) == {Flag.MISSING_SLICES}
    assert evidence(plan, Flag.MISSING_SLICES) == {
        "count": 1,
        "after": [3],
        "offsets_mm": [8.0],
        "spacing_mm": 2.0,
    }


@pytest.mark.parametrize("lean", [0.3, -0.3])
def test_gantry_tilt_is_flagged_with_its_sign(lean):
    frames = [frame(i + 1, 0, position=(0.0, lean * z, z)) for i, z in enumerate(grid(8))]
    plan = only(plan_series(frames, unread))
    assert flags(plan) == {Flag.GANTRY_TILT}
    assert evidence(plan, Flag.GANTRY_TILT)["degrees"] * lean > 0


def test_origin_off_the_line_is_flagged_as_shift():
    frames = stack(grid(8))
    frames[3] = replace(frames[3], position=(-19.5, -30.0, 6.0))
    assert flags(only(plan_series(frames, unread))) == {Flag.IN_PLANE_SHIFT}


def test_negative_spacing_between_slices_is_no_contradiction():
    frames = stack(grid(8), spacing_between_slices=-2.0)
    assert only(plan_series(frames, unread)).flags == ()
    single = only(plan_series(frames[:1], unread))
    assert plan_geometry(single).spacing[0] == 2.0


def test_every_second_slice_missing_is_seen_by_the_numbers_that_are_left():
    frames = stack(grid(12))[::2]
    assert flags(only(plan_series(frames, unread))) == {Flag.MISSING_SLICES}


# values and encoding


@pytest.mark.parametrize(
    ("flag", "fields"),
    [
        (Flag.MIXED_RESCALE, {"rescale_slope": 1.5}),
        (Flag.MIXED_PIXEL_FORMAT, {"pixel_representation": 1}),
        (Flag.MIXED_PIXEL_FORMAT, {"bits_stored": 16, "high_bit": 15}),
        (Flag.LOSSY_COMPRESSION, {"lossy": True}),
        (Flag.PADDING, {"padding_value": -2000}),
        (Flag.NOT_HU, {"rescale_type": "MGML"}),
        (Flag.SECONDARY_CAPTURE, {"sop_class_uid": "1.2.840.10008.5.1.4.1.1.7"}),
        (Flag.BURNED_IN_ANNOTATION, {"burned_in": True}),
        (Flag.UNPARSED_ELEMENTS, {"bad_elements": 3}),
    ],
)
def test_one_plane_with_another_value_sets_its_flag_and_no_other(flag, fields):
    frames = stack(grid(6))
    frames[2] = replace(frames[2], **fields)
    plan = only(plan_series(frames, unread))
    assert flags(plan) == {flag}
    assert evidence(plan, flag)


def test_absent_rescale_is_flagged_but_not_as_mixed_with_one_and_zero():
    frames = stack(grid(6), rescale_intercept=0.0)
    frames[2] = replace(frames[2], rescale_slope=None, rescale_intercept=None)
    plan = only(plan_series(frames, unread))
    assert flags(plan) == {Flag.NO_RESCALE}
    assert evidence(plan, Flag.NO_RESCALE) == {"planes": 1}


def test_perfusion_map_of_enhanced_ct_is_not_hu():
    fields = {
        "sop_class_uid": "1.2.840.10008.5.1.4.1.1.2.1",
        "image_type": "DERIVED\\PRIMARY\\PERFUSION\\RCBF",
        "rescale_slope": None,
        "rescale_intercept": None,
        "rescale_type": "",
    }
    assert flags(only(plan_series(stack(grid(4), **fields), unread))) == {Flag.NOT_HU}


def test_flags_are_in_the_order_of_the_vocabulary():
    frames = stack([0, 2, 4, 8], padding_value=-2000, lossy=True)
    codes = [raised.flag for raised in only(plan_series(frames, unread)).flags]
    assert codes == [Flag.MISSING_SLICES, Flag.LOSSY_COMPRESSION, Flag.PADDING]


# the account


def test_localizers_and_unreadable_files_are_accounted_with_the_series():
    frames = [
        *stack(grid(5)),
        frame(50, 0, role=Role.LOCALIZER, reason="LOCALIZER in ImageType"),
        frame(51, 0, role=Role.UNREADABLE, reason="ends early"),
    ]
    plan = only(plan_series(frames, unread))
    assert flags(plan) == {Flag.LOCALIZERS_REMOVED, Flag.UNREADABLE_FILES}
    assert {left.reason for left in plan.unused} == {"LOCALIZER in ImageType", "ends early"}


def test_unreadable_slice_goes_to_the_part_that_it_fits():
    frames = stack(grid(5), temporal_position=1) + stack(grid(5), 6, temporal_position=2)
    bad = frame(50, 20.0, temporal_position=2, role=Role.UNREADABLE, reason="ends early")
    first, second = plan_series([*frames, bad], unread)
    assert (len(first.unused), len(second.unused)) == (0, 1)


def test_colour_images_are_excluded_with_a_reason():
    frames = [*stack(grid(5)), frame(9, 0, samples_per_pixel=3, photometric="RGB")]
    plan = only(plan_series(frames, unread))
    assert plan.flags == ()
    assert plan.unused[0].role is Role.EXCLUDED
    assert plan.unused[0].code is Code.COLOUR
    assert plan.unused[0].reason == "the image has 3 samples per pixel; a plane has one"


def test_series_without_a_slice_gives_unused_frames_only():
    plans, left = plan_volumes([frame(1, 0, role=Role.LOCALIZER, reason="scout")], unread)
    assert plans == []
    assert [(each.role, each.reason) for each in left] == [(Role.LOCALIZER, "scout")]


def test_frames_of_no_volume_are_in_order_of_path_and_frame():
    of_no_volume = [
        frame(n, 0, path=f"/data/{name}", frame_number=n, role=Role.NOT_CT, reason="MR")
        for n, name in ((2, "a"), (10, "a"), (1, "b"), (3, "b"))
    ]
    for frames in (of_no_volume, of_no_volume[::-1], of_no_volume[2:] + of_no_volume[:2]):
        _, left = plan_volumes(frames, unread)
        assert [each.frame for each in left] == of_no_volume


def test_many_series_are_planned_apart_and_every_file_is_accounted_once():
    frames = (
        stack(grid(5))
        + stack(grid(5), first=10, series_uid="1.10")
        + stack(grid(5), first=20, dataset="v2")
        + [frame(40, 0, role=Role.NOT_CT, reason="MR"), frame(41, 0, role=Role.NOT_DICOM)]
    )
    plans, left = plan_volumes(frames, unread)
    assert [(plan.dataset, plan.series_uid) for plan in plans] == [
        ("v1", "1.10"),
        ("v1", "1.9"),
        ("v2", "1.9"),
    ]
    unused = [(each.frame.path, each.frame.frame_number) for each in left]
    assert sorted(accounted(plans) + unused) == sorted((f.path, f.frame_number) for f in frames)


def test_series_without_uid_is_its_folder():
    frames = [
        frame(i, 2.0 * i, series_uid="", sop_instance_uid="", path=f"/data/{folder}/{i}")
        for folder in ("a/b", "a/c")
        for i in range(4)
    ]
    assert series_key(frames[0]) == "folder:a/b"
    plans, _ = plan_volumes(frames, unread)
    assert [plan.series_dir for plan in plans] == ["/data/a/b", "/data/a/c"]
    moved = [replace(f, root="/mnt", path=f.path.replace("/data", "/mnt")) for f in frames]
    assert {p.series_hash for p in plan_volumes(moved, unread)[0]} == {p.series_hash for p in plans}


def test_hash_has_128_bits_and_depends_on_dataset_series_and_part():
    hashes = {series_hash(d, s, p) for d in ("a", "b") for s in ("1", "11") for p in (1, 11)}
    assert len(hashes) == 8
    assert all(len(h) == 32 and int(h, 16) >= 0 for h in hashes)


def test_collision_of_hashes_is_an_error(monkeypatch):
    monkeypatch.setattr("ct2zarr.plan.grouping.series_hash", lambda *_: "0" * 32)
    with pytest.raises(Ct2zarrError, match="two volumes have the hash"):
        plan_volumes(stack(grid(3)) + stack(grid(3), series_uid="1.10"), unread)


# planes that fail later


def test_plane_that_could_not_be_decoded_is_left_out_and_leaves_a_hole():
    plan = only(plan_series(stack(grid(10), padding_value=-2000), unread))
    less = plan_without(plan, {4: BROKEN})
    assert z_of(less) == [z for z in grid(10) if z != 8.0]
    assert flags(less) == {Flag.MISSING_SLICES, Flag.UNREADABLE_FILES, Flag.PADDING}
    assert [(u.role, u.code, u.reason) for u in less.unused] == [
        (Role.UNREADABLE, Code.CANNOT_DECODE, "0005.dcm cannot be decoded.")
    ]
    assert less.series_hash == plan.series_hash


def test_plan_without_keeps_what_is_known_of_the_series():
    plans = plan_series(stack(grid(6)) + stack(grid(6), first=7), different)
    less = plan_without(plans[1], {0: BROKEN})
    assert flags(less) == {Flag.SPLIT_SERIES, Flag.CONFLICTING_SLICES, Flag.UNREADABLE_FILES}


def test_plan_without_any_plane_is_an_error_of_the_series():
    plan = only(plan_series(stack(grid(2)), unread))
    with pytest.raises(SeriesError) as caught:
        plan_without(plan, {0: BROKEN, 1: BROKEN})
    assert caught.value.code is Code.NO_PLANES
    assert str(caught.value) == (
        f"no plane of the volume {plan.series_hash} in /data/series could be decoded; the first "
        "error: 0005.dcm cannot be decoded."
    )
    assert "0005" not in sentence(caught.value, private=False)
    assert "/data" not in sentence(caught.value, private=False)


# laws


def test_names_of_folders_and_files_change_no_hash_and_no_order():
    frames = stack(grid(6)) + stack(grid(6), first=7, temporal_position=2)
    moved = [replace(f, path=f"/data/z{99 - f.instance_number}/x") for f in frames]
    for before, after in zip(plan_series(frames, unread), plan_series(moved, unread), strict=True):
        assert before.series_hash == after.series_hash
        assert z_of(before) == z_of(after)
        assert [p.sop_instance_uid for p in before.planes] == [
            p.sop_instance_uid for p in after.planes
        ]


@st.composite
def odd_series(draw):
    """A series of any kind of trouble: phases, holes, copies, strays, other matrices."""
    frames = []
    for phase in range(draw(st.integers(1, 3))):
        frames += stack(
            grid(draw(st.integers(1, 9)), draw(st.sampled_from([1.0, 2.0, 2.5])), phase),
            first=len(frames) + 1,
            temporal_position=phase if draw(st.booleans()) else None,
            acquisition_number=draw(st.integers(1, 2)),
            rows=draw(st.sampled_from([64, 64, 64, 32])),
        )
    kept = [f for f in frames if draw(st.integers(0, 9))]
    for each in kept[: draw(st.integers(0, 3))]:
        kept.append(replace(each, path=each.path.replace("series", "zcopy")))
    return kept or frames


@settings(max_examples=100, deadline=None)
@given(frames=odd_series(), seed=st.integers(0, 10**6))
def test_order_of_files_changes_nothing_and_every_frame_is_accounted_once(frames, seed):
    plans = plan_series(frames, by_uid)
    mixed = frames[:]
    random.Random(seed).shuffle(mixed)
    assert plan_series(mixed, by_uid) == plans
    assert accounted(plans) == sorted((f.path, f.frame_number) for f in frames)
    assert len({plan.series_hash for plan in plans}) == len(plans)
    for plan in plans:
        offsets = z_of(plan)
        assert all(a < b for a, b in pairwise(offsets))


@settings(max_examples=100, deadline=None)
@given(
    n=st.integers(3, 30),
    data=st.data(),
    step=st.sampled_from([0.625, 1.0, 2.5, 5.0]),
    descending=st.booleans(),
)
def test_interior_slices_are_never_dropped_without_a_flag(n, data, step, descending):
    frames = stack(grid(n, -step if descending else step), slice_thickness=step)
    lost = data.draw(st.sets(st.integers(1, n - 2), min_size=1, max_size=n - 2))
    left = [f for i, f in enumerate(frames) if i not in lost]
    plans = plan_series(left, unread)
    assert all(plan.flags for plan in plans)


@settings(max_examples=60, deadline=None)
@given(frames=odd_series(), role=st.sampled_from([r for r in Role if r is not Role.SLICE]))
def test_one_foreign_file_changes_no_volume(frames, role):
    plans, _ = plan_volumes(frames, by_uid)
    foreign = frame(999, 3.3, role=role, reason="foreign", series_uid="1.99")
    more, left = plan_volumes([*frames, foreign], by_uid)
    assert more == plans
    assert [each.frame for each in left] == [foreign]


def test_one_slice_of_another_matrix_does_not_rename_the_volume():
    frames = stack(grid(10))
    before = only(plan_series(frames, unread))
    after = plan_series([*frames, frame(50, 3.0, rows=8)], unread)
    assert after[0].series_hash == before.series_hash
    assert after[0].planes == before.planes
