"""Geometry, OME-Zarr and CF attributes of a store, from its plan."""

from dataclasses import replace

import pytest

from ct2zarr.geometry.pyramid import plan_levels
from ct2zarr.model import RaisedFlag
from ct2zarr.plan.grouping import plan_series
from ct2zarr.store.attributes import (
    convention_attributes,
    geometry_attributes,
    ome_attributes,
    spacing_of_plan,
)
from ct2zarr.store.zarr_documents import ArrayLayout
from ct2zarr.vocabulary import Flag
from series_of import at, different, stack

LAYOUT = ArrayLayout(3, (4, 64, 64), (4, 64, 64), "int16", 1)


def plan_of(frames):
    (plan,) = plan_series(frames, different)
    return plan


def test_geometry_is_that_of_the_planes():
    found = geometry_attributes(plan_of(stack([0, 2, 4, 6])), None)
    assert found["spacing"] == [2.0, 0.8, 0.7]
    assert found["orientation"] == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    assert found["slice_origins_lps"] == [[-20.0, -30.0, z] for z in (0.0, 2.0, 4.0, 6.0)]
    assert found["index_to_lps"][2] == pytest.approx([2.0, 0.0, 0.0, 0.0])
    assert (found["tilt_degrees"], found["max_position_error_mm"]) == pytest.approx((0.0, 0.0))
    assert found["frame_of_reference_uid"] == "1.7"


@pytest.mark.parametrize("protect", [None, lambda _, value: f"protected {value}"])
def test_planes_of_several_frames_of_reference_have_none_in_common(protect):
    frames = [
        replace(one, frame_of_reference_uid=f"1.7.{i}") for i, one in enumerate(stack([0, 2, 4]))
    ]
    assert geometry_attributes(plan_of(frames), protect)["frame_of_reference_uid"] is None


def test_a_uid_goes_through_the_protection():
    plan = plan_of(stack([0, 2, 4]))
    protected = geometry_attributes(plan, lambda keyword, value: f"{keyword} of {value}")
    assert protected["frame_of_reference_uid"] == "FrameOfReferenceUID of 1.7"


@pytest.mark.parametrize(
    ("fields", "spacing"),
    [
        ({"spacing_between_slices": -2.5, "slice_thickness": 5.0}, (2.5, 0.8, 0.7)),
        ({"slice_thickness": 5.0}, (5.0, 0.8, 0.7)),
        ({"pixel_spacing": None}, (1.0, 1.0, 1.0)),
    ],
)
def test_without_positions_the_spacing_is_what_headers_declare(fields, spacing):
    plan = plan_of(at(stack([0, 2, 4], **fields), position=None))
    found = geometry_attributes(plan, None)
    assert found["index_to_lps"] is found["slice_origins_lps"] is found["tilt_degrees"] is None
    assert tuple(found["spacing"]) == spacing_of_plan(plan) == spacing
    assert found["orientation"] == [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]


def test_ome_names_each_level_with_its_place():
    plan = plan_of(stack([10, 12, 14, 16]))
    levels = plan_levels(LAYOUT.shape, spacing_of_plan(plan), 2)
    (image,) = ome_attributes(plan, LAYOUT, levels)["ome"]["multiscales"]
    scale, translation = image["datasets"][0]["coordinateTransformations"]
    assert scale["scale"] == [2.0, 0.8, 0.7]
    assert translation["translation"] == [10.0, -30.0, -20.0]
    assert [one["path"] for one in image["datasets"]] == ["volume", "level_1"]
    assert image["type"]
    (alone,) = ome_attributes(plan, LAYOUT, levels[:1])["ome"]["multiscales"]
    assert "type" not in alone


VALUES = {"units": "", "slope": 2.0, "intercept": -5.0}


@pytest.mark.parametrize(
    ("values", "flags", "found"),
    [
        ({"units": "HU"}, [], {"units": "HU"}),
        ({"units": "MGML"}, [Flag.NOT_HU], {"units": "MGML"}),
        (VALUES, [], {"units": "HU", "scale_factor": 2.0, "add_offset": -5.0}),
        (VALUES, [Flag.PADDING], {"units": "HU", "scale_factor": 2.0, "add_offset": -5.0}),
        (VALUES, [Flag.NOT_HU], {}),
        (VALUES, [Flag.NO_RESCALE], {}),
        (VALUES | {"slope": None}, [], {}),
        (VALUES | {"intercept": None}, [], {}),
        (VALUES | {"slope": 0.0, "intercept": 0.0}, [],
         {"units": "HU", "scale_factor": 0.0, "add_offset": 0.0}),
    ],
)  # fmt: skip
def test_hu_follow_from_stored_values_only_where_one_rescale_leads_to_them(values, flags, found):
    assert convention_attributes(values, tuple(RaisedFlag(flag) for flag in flags)) == found
