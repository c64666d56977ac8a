from dataclasses import replace

import pytest

from ct2zarr.codes import Code
from ct2zarr.model import UnusedFrame
from ct2zarr.plan.geometry_columns import geometry_columns
from ct2zarr.plan.grouping import plan_series
from ct2zarr.vocabulary import Role
from series_of import at, by_uid, different, frame, same, stack, unread


def columns_of(frames, digest=unread):
    return geometry_columns(plan_series(frames, digest)[0])


def regular(n=6):
    return stack([2.0 * i for i in range(n)])


def test_regular_axial_stack_passes_every_question_of_the_idc_index():
    columns = columns_of(regular())
    assert columns.regularly_spaced_3d_volume
    assert columns.uniform_slice_spacing is True
    assert columns.obliquity_degrees == 0.0


def test_tilted_gantry_is_no_rectilinear_volume_and_its_obliquity_is_of_the_normal():
    frames = [
        frame(i, 0, position=(0.0, 0.0, 3.0 * i), orientation=(1, 0, 0, 0, 0.9397, -0.342))
        for i in range(8)
    ]
    columns = columns_of(frames)
    assert not columns.consistent_in_plane_col
    assert columns.consistent_in_plane_row
    assert columns.uniform_slice_spacing
    assert not columns.regularly_spaced_3d_volume
    assert columns.obliquity_degrees == pytest.approx(20.0, abs=0.01)


def test_missing_slice_is_not_uniform():
    columns = columns_of(regular()[:3] + regular()[4:])
    assert columns.uniform_slice_spacing is False
    assert columns.unique_slice_positions


def test_gap_tolerance_is_one_percent_of_the_mean_gap():
    frames = stack([0.0, 2.0, 4.01, 6.0, 8.0])
    assert columns_of(frames).uniform_slice_spacing
    frames = stack([0.0, 2.0, 4.03, 6.0, 8.0])
    assert not columns_of(frames).uniform_slice_spacing


def test_slice_left_out_for_its_position_still_counts():
    frames = [*regular(), frame(50, 4.0)]
    assert not columns_of(frames, different).unique_slice_positions
    assert not columns_of(frames, same).regularly_spaced_3d_volume


def test_copies_of_one_sop_instance_count_once():
    copies = [replace(each, path=each.path + ".copy") for each in regular()]
    assert columns_of(regular() + copies, by_uid).regularly_spaced_3d_volume


def test_copies_that_lie_beside_the_planes_count_once():
    (plan,) = plan_series(regular(4), unread)
    left_out = [
        UnusedFrame(frame(9, 8.0, path=f"/data/{name}"), Role.DUPLICATE, "", Code.DUPLICATE)
        for name in "ab"
    ]
    for unused in (left_out[:1], left_out):
        columns = geometry_columns(replace(plan, unused=tuple(unused)))
        assert (columns.unique_slice_positions, columns.uniform_slice_spacing) == (True, True)


def test_cosines_that_differ_in_the_last_digit_are_two_orientations():
    frames = regular()
    frames[2] = replace(frames[2], orientation=(1.0, 0.00001, 0.0, 0.0, 1.0, 0.0))
    assert not columns_of(frames).single_orientation


def test_cosines_that_are_no_unit_vectors_are_not_orthogonal():
    assert not columns_of(at(regular(), orientation=(1.05, 0, 0, 0, 1, 0))).orthogonal_orientation


def test_volume_without_geometry_has_no_answers_but_is_not_regular():
    columns = columns_of(at(regular(), position=None))
    assert columns.single_orientation is None
    assert columns.regularly_spaced_3d_volume is False
    assert columns.consistent_image_dimensions


def test_one_slice_has_no_spacing_and_is_no_volume():
    columns = columns_of(regular(1))
    assert columns.uniform_slice_spacing is None
    assert not columns.regularly_spaced_3d_volume


@pytest.mark.parametrize(
    ("cosines", "degrees"),
    [
        ((1, 0, 0, 0, 0.99, 0.1410674), 8.11),  # two decimals
        ((1.02, 0, 0, 0, 0.99, 0.1410674), 8.11),  # the length of the normal does not count
        ((0, 1, 0, 0, 0, -1), 0.0),
        ((0.7071068, 0.7071068, 0, 0, 0, -1), 45.0),
    ],
)
def test_obliquity_is_the_angle_to_the_nearest_axis_in_hundredths_of_a_degree(cosines, degrees):
    columns = columns_of([frame(1, 0, orientation=tuple(map(float, cosines)))])
    assert columns.obliquity_degrees == degrees


@pytest.mark.parametrize(
    ("length", "orthogonal"), [(1.0099, True), (1.0101, False), (0.9899, False)]
)
def test_row_and_column_are_orthogonal_unit_vectors_within_one_percent(length, orthogonal):
    columns = columns_of(at(regular(), orientation=(length, 0.0, 0.0, 0.0, 1.0, 0.0)))
    assert columns.orthogonal_orientation is orthogonal


@pytest.mark.parametrize(("shift", "consistent"), [(0.099, True), (0.101, False)])
def test_origins_are_consistent_within_a_tenth_of_a_millimetre_along_each_axis(shift, consistent):
    frames = regular()
    frames[2] = replace(frames[2], position=(-20.0 + shift, -30.0, 4.0))
    columns = columns_of(frames)
    assert columns.consistent_in_plane_row is consistent
    assert columns.consistent_in_plane_col is True
    frames[2] = replace(frames[2], position=(-20.0, -30.0 + shift, 4.0))
    columns = columns_of(frames)
    assert columns.consistent_in_plane_row is True
    assert columns.consistent_in_plane_col is consistent
    assert columns.regularly_spaced_3d_volume is consistent


def test_absent_pixel_spacing_leaves_the_answers_of_positions():
    columns = columns_of(at(regular(), pixel_spacing=None))
    assert columns.consistent_pixel_spacing is False
    assert columns.single_orientation is True
    assert columns.uniform_slice_spacing is True
    assert columns.regularly_spaced_3d_volume is False


def test_a_single_plane_is_no_regular_volume_though_all_else_holds():
    columns = columns_of(regular(1))
    assert columns.unique_slice_positions is True
    assert columns.regularly_spaced_3d_volume is False
