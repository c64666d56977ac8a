"""Flags carry the counts and measures that led to them."""

from dataclasses import replace

import numpy as np
import pytest

from ct2zarr.dicom.sop_classes import ENHANCED_CT, SECONDARY_CLASSES
from ct2zarr.geometry.stacks import NOMINAL_STEP_MM
from ct2zarr.model import RaisedFlag, UnusedFrame
from ct2zarr.plan.flags import (
    LISTED_VALUES,
    MAP_CONTRASTS,
    in_order,
    pixel_flags,
    unused_frame_flags,
)
from ct2zarr.plan.grouping import plan_geometry, plan_series
from ct2zarr.vocabulary import Flag, Role
from series_of import at, evidence, flags, frame, stack, unread


def grid(n, step=2.0):
    return [step * i for i in range(n)]


def found(frames):
    """Flag → evidence of the values and encoding of some planes."""
    return {raised.flag: dict(raised.evidence) for raised in pixel_flags(frames)}


def mixed(*changes, planes=6):
    """A plain stack of which the first planes have other fields."""
    frames = stack(grid(planes))
    return [replace(one, **fields) for one, fields in zip(frames, changes, strict=False)] + frames[
        len(changes) :
    ]


def test_a_plain_stack_has_no_flag():
    assert found(stack(grid(6))) == {}


def acquired(**fields):
    """Evidence of ``varying_acquisition`` for planes with these values."""
    count = len(next(iter(fields.values())))
    changes = [{name: values[i] for name, values in fields.items()} for i in range(count)]
    return found(mixed(*changes, planes=count)).get(Flag.VARYING_ACQUISITION)


def test_a_voltage_or_thickness_that_varies_is_flagged_with_the_planes_per_value():
    assert acquired(kvp=[120.0, 80.0, 80.0]) == {"KVP": {"80": 2, "120": 1}}
    both = acquired(kvp=[120.0, 80.0], slice_thickness=[2.5, 5.0])
    assert both == {"KVP": {"80": 1, "120": 1}, "SliceThickness": {"2.5": 1, "5": 1}}


@pytest.mark.parametrize(
    "values", [[None, 80.0, 80.0], [0.0, 80.0, 80.0], [100.0, 99.0, 99.5], [None, None, None]]
)
def test_absent_zero_and_rounded_values_do_not_vary(values):
    assert acquired(kvp=values) is None


def test_more_than_one_percent_varies():
    assert acquired(kvp=[100.0, 98.9]) == {"KVP": {"98.9": 1, "100": 1}}


def test_evidence_lists_the_commonest_values_only():
    values = [float(value) for value in range(1, 40)] + [39.0]
    evidence = acquired(slice_thickness=values)["SliceThickness"]
    assert len(evidence) == LISTED_VALUES
    assert evidence["39"] == 2


@pytest.mark.parametrize(
    ("changes", "flag", "expected"),
    [
        (
            [{"rescale_slope": 2.0}],
            Flag.MIXED_RESCALE,
            {"values": [[1.0, -1024.0], [2.0, -1024.0]]},
        ),
        (
            [{"rescale_slope": 2.0}, {"rescale_intercept": 0.0}],
            Flag.MIXED_RESCALE,
            {"values": [[1.0, -1024.0], [1.0, 0.0], [2.0, -1024.0]]},
        ),
        (
            [{"pixel_representation": 1}, {"bits_stored": 16, "high_bit": 15}],
            Flag.MIXED_PIXEL_FORMAT,
            {
                "formats": [
                    {
                        "bits_allocated": 16,
                        "bits_stored": s,
                        "high_bit": h,
                        "pixel_representation": p,
                    }
                    for s, h, p in ((12, 11, 0), (12, 11, 1), (16, 15, 0))
                ]
            },
        ),
        (
            [{"bits_allocated": 32}],
            Flag.MIXED_PIXEL_FORMAT,
            {
                "formats": [
                    {
                        "bits_allocated": a,
                        "bits_stored": 12,
                        "high_bit": 11,
                        "pixel_representation": 0,
                    }
                    for a in (16, 32)
                ]
            },
        ),
        ([{"padding_value": -2000}], Flag.PADDING, {"value": -2000, "planes": 1}),
        ([{"padding_value": 0}] * 2, Flag.PADDING, {"value": 0, "planes": 2}),
        (
            [{"padding_value": 63536}, {"padding_value": -2000}, {"padding_value": -2000}],
            Flag.PADDING,
            {"value": -2000, "planes": 3, "values": [-2000, 63536]},
        ),
        ([{"lossy": True}] * 2, Flag.LOSSY_COMPRESSION, {"planes": 2}),
        ([{"burned_in": True}] * 3, Flag.BURNED_IN_ANNOTATION, {"planes": 3}),
        (
            [{"rescale_type": "mgml"}, {"rescale_type": "Z"}, {"rescale_type": "hounsfield"}],
            Flag.NOT_HU,
            {"rescale_type": ["MGML", "Z"], "image_type": []},
        ),
        (
            [{"rescale_slope": None, "rescale_intercept": None}] * 2,
            Flag.NO_RESCALE,
            {"planes": 2},
        ),
        (
            [{"bad_elements": 3}, {"bad_elements": 2}],
            Flag.UNPARSED_ELEMENTS,
            {"count": 5, "files": 2},
        ),
    ],
)
def test_evidence_counts_the_planes_and_lists_the_values(changes, flag, expected):
    assert found(mixed(*changes))[flag] == expected


@pytest.mark.parametrize(
    ("absent", "named"),
    [("rescale_slope", "without_slope"), ("rescale_intercept", "without_intercept")],
)
def test_half_a_rescale_is_none_and_the_missing_half_is_named(absent, named):
    for planes in (1, 3):
        frames = mixed(*[{absent: None}] * planes)
        assert found(frames)[Flag.NO_RESCALE] == {"planes": planes, named: planes}


def test_a_table_instead_of_a_rescale_is_named():
    bare = {"rescale_slope": None, "rescale_intercept": None}
    frames = mixed(bare | {"modality_lut": True}, bare)
    assert found(frames)[Flag.NO_RESCALE] == {"planes": 2, "modality_lut": 1}
    assert Flag.NO_RESCALE not in found(mixed({"modality_lut": True}))


@pytest.mark.parametrize("unspecified", ["US", "us"])
def test_an_unspecified_rescale_type_says_no_more_than_its_absence(unspecified):
    assert found(mixed({"rescale_type": unspecified})) == found(mixed({}))


def test_bad_elements_of_a_multi_frame_file_are_those_of_the_file():
    frames = [
        frame(1, 2.0 * i, path="/data/one", frames=3, frame_number=i + 1, bad_elements=2)
        for i in range(3)
    ]
    assert found(frames)[Flag.UNPARSED_ELEMENTS] == {"count": 2, "files": 1}


@pytest.mark.parametrize("sop_class", sorted(SECONDARY_CLASSES))
def test_secondary_captures_are_counted(sop_class):
    assert found(mixed({"sop_class_uid": sop_class}, {"sop_class_uid": sop_class})) == {
        Flag.SECONDARY_CAPTURE: {"planes": 2}
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"image_type": "DERIVED\\PRIMARY\\PERFUSION\\RCBF"}, Flag.NOT_HU),
        ({"image_type": "DERIVED\\PRIMARY\\PERFUSION\\NONE"}, Flag.NO_RESCALE),
        ({"image_type": "DERIVED\\PRIMARY\\PERFUSION\\ MEAN "}, Flag.NO_RESCALE),
        ({"image_type": "DERIVED\\PRIMARY\\PERFUSION"}, Flag.NO_RESCALE),
        (
            {"image_type": "DERIVED\\PRIMARY\\PERFUSION\\RCBF", "rescale_slope": 1.0},
            Flag.NO_RESCALE,
        ),
        (
            {"image_type": "DERIVED\\PRIMARY\\PERFUSION\\RCBF", "rescale_intercept": 0.0},
            Flag.NO_RESCALE,
        ),
    ],
)
def test_maps_of_enhanced_ct_without_rescale_are_not_hu(changes, expected):
    bare = {"rescale_slope": None, "rescale_intercept": None, "sop_class_uid": ENHANCED_CT}
    flags_found = found(at(stack(grid(3)), **{**bare, **changes}))
    assert set(flags_found) == ({expected} if expected else set())
    if expected is Flag.NOT_HU:
        assert flags_found[Flag.NOT_HU] == {
            "rescale_type": [],
            "image_type": ["DERIVED\\PRIMARY\\PERFUSION\\RCBF"],
        }


@pytest.mark.parametrize("sop_class", ["1.2.840.10008.5.1.4.1.1.2", ENHANCED_CT])
@pytest.mark.parametrize("name", sorted(MAP_CONTRASTS))
def test_spectral_maps_are_not_hu_whatever_their_class_and_rescale(sop_class, name):
    image_type = f"DERIVED\\PRIMARY\\AXIAL\\{name}"
    raised = found(at(stack(grid(3)), sop_class_uid=sop_class, image_type=image_type))
    assert raised == {Flag.NOT_HU: {"rescale_type": [], "image_type": [image_type]}}


@pytest.mark.parametrize("name", ["VMI", "MAT_REMOVED", "MAT_MODIFIED", "CT_SOM5 SPI", "HELIX"])
def test_other_names_in_the_image_type_of_classic_ct_are_hu(name):
    assert found(at(stack(grid(3)), image_type=f"DERIVED\\PRIMARY\\AXIAL\\{name}")) == {}


def test_maps_of_classic_ct_have_no_rescale():
    bare = {"rescale_slope": None, "rescale_intercept": None}
    image_type = "DERIVED\\PRIMARY\\PERFUSION\\RCBF"
    assert set(found(at(stack(grid(3)), image_type=image_type, **bare))) == {Flag.NO_RESCALE}


def test_unused_frames_are_counted_by_role():
    roles = [Role.DUPLICATE] * 3 + [Role.UNREADABLE] * 2 + [Role.LOCALIZER] + [Role.EXCLUDED] * 4
    unused = [UnusedFrame(frame(i, 0), role, "why") for i, role in enumerate(roles)]
    assert {raised.flag: raised.evidence for raised in unused_frame_flags(unused)} == {
        Flag.DUPLICATE_SLICES: {"count": 3},
        Flag.UNREADABLE_FILES: {"count": 2},
        Flag.LOCALIZERS_REMOVED: {"count": 1},
    }


def test_a_single_plane_has_the_nominal_spacing_of_its_header():
    (plan,) = plan_series([frame(1, 0.0, spacing_between_slices=-3.0, slice_thickness=5.0)], unread)
    assert evidence(plan, Flag.SINGLE_SLICE) == {"nominal_spacing_mm": 5.0}
    (plan,) = plan_series(
        [frame(1, 0.0, spacing_between_slices=-3.0, slice_thickness=None)], unread
    )
    assert evidence(plan, Flag.SINGLE_SLICE) == {"nominal_spacing_mm": 3.0}
    (plan,) = plan_series([frame(1, 0.0, position=None)], unread)
    assert evidence(plan, Flag.SINGLE_SLICE) == {"nominal_spacing_mm": NOMINAL_STEP_MM}
    assert evidence(plan, Flag.NO_GEOMETRY) == {
        "planes": 1,
        "missing": ["ImagePositionPatient"],
        "order_by": "InstanceNumber",
    }


def test_missing_elements_of_the_geometry_are_named_once_each():
    frames = [
        frame(1, 0, position=None),
        frame(2, 2, position=None, pixel_spacing=None),
        frame(3, 4, position=None, pixel_spacing=(0.8, 0.0), orientation=None),
    ]
    (plan,) = plan_series(frames, unread)
    assert evidence(plan, Flag.NO_GEOMETRY) == {
        "planes": 3,
        "missing": ["ImageOrientationPatient", "ImagePositionPatient", "PixelSpacing"],
        "order_by": "InstanceNumber",
    }
    assert Flag.SINGLE_SLICE not in flags(plan)


def test_a_position_that_does_not_vary_is_named():
    (plan,) = plan_series([frame(i + 1, 0.0, slice_location=2.0 * i) for i in range(5)], unread)
    assert flags(plan) == {Flag.NO_GEOMETRY}
    assert evidence(plan, Flag.NO_GEOMETRY) == {
        "planes": 5,
        "missing": [],
        "unusable": "the position does not vary",
        "order_by": "SliceLocation",
    }


def test_vectors_of_another_length_are_named_and_do_not_stretch_voxels():
    (plan,) = plan_series(stack(grid(4), orientation=(1.04, 0, 0, 0, 1, 0)), unread)
    assert flags(plan) == {Flag.INEXACT_ORIENTATION}
    assert evidence(plan, Flag.INEXACT_ORIENTATION) == {
        "shortest_vector": 1.0,
        "longest_vector": 1.04,
        "largest_difference_of_cosines": 0.0,
    }
    geometry = plan_geometry(plan)
    assert geometry.orientation == (1, 0, 0, 0, 1, 0)
    assert np.allclose(geometry.index_to_lps[:3, 2], [0.7, 0, 0], atol=1e-12)


def test_nominal_positions_are_counted_with_their_spacing():
    frames = [
        frame(1, 0.4 * i, frames=4, frame_number=i + 1, nominal_position=True,
              spacing_between_slices=0.4)
        for i in range(4)
    ]  # fmt: skip
    (plan,) = plan_series(frames, unread)
    assert evidence(plan, Flag.NOMINAL_POSITIONS) == {"planes": 4, "spacing_between_slices": [0.4]}


def test_uneven_gaps_are_given_by_their_smallest_largest_and_median():
    (plan,) = plan_series(stack([0.0, 1.1, 3.0, 4.2, 7.0]), unread)
    assert evidence(plan, Flag.UNEVEN_SPACING) == pytest.approx(
        {"min_mm": 1.1, "max_mm": 2.8, "median_mm": 1.55}
    )


@pytest.mark.parametrize(
    ("declared", "header"), [([-15.0] * 8, -15.0), ([-15.0] * 7 + [0.0], None), ([None] * 8, None)]
)
def test_the_tilt_of_the_header_stands_beside_the_measured_one(declared, header):
    frames = [
        frame(i + 1, 0, position=(0.0, 0.3 * z, z), gantry_tilt=declared[i])
        for i, z in enumerate(grid(8))
    ]
    (plan,) = plan_series(frames, unread)
    found = evidence(plan, Flag.GANTRY_TILT)
    assert found["header_degrees"] == header
    assert found["degrees"] == pytest.approx(16.699, abs=0.001)


@pytest.mark.parametrize(("drift", "tilted"), [(0.1, False), (0.1001, True)])
def test_a_tilt_is_a_drift_of_more_than_a_tenth_of_a_millimetre(drift, tilted):
    frames = [frame(i + 1, 0, position=(0.0, drift * i / 4, 2.0 * i)) for i in range(5)]
    (plan,) = plan_series(frames, unread)
    assert (Flag.GANTRY_TILT in flags(plan)) is tilted


@pytest.mark.parametrize(("shift", "flagged"), [(0.099, False), (0.101, True)])
def test_a_shift_is_an_origin_more_than_a_tenth_of_a_millimetre_off_the_line(shift, flagged):
    frames = stack(grid(5))
    frames[2] = replace(frames[2], position=(-20.0 + shift, -30.0, 4.0))
    (plan,) = plan_series(frames, unread)
    assert (Flag.IN_PLANE_SHIFT in flags(plan)) is flagged
    assert plan_geometry(plan).in_plane_shift_mm == pytest.approx(shift)


def test_flags_are_put_in_the_order_of_the_vocabulary():
    raised = [RaisedFlag(flag) for flag in reversed(Flag)]
    assert [one.flag for one in in_order(raised)] == list(Flag)


@pytest.mark.parametrize(
    ("contrast", "unit", "raised"),
    [("RCBF", "US", True), ("RCBF", "us", True), ("RCBF", "HU", False), ("NONE", "US", False)],
)
def test_a_map_of_enhanced_ct_with_an_unspecified_unit_is_not_hu(contrast, unit, raised):
    image_type = f"DERIVED\\PRIMARY\\PERFUSION\\{contrast}"
    fields = {"sop_class_uid": ENHANCED_CT, "image_type": image_type, "rescale_type": unit}
    assert (Flag.NOT_HU in found(at(stack(grid(3)), **fields))) is raised
