"""Positions of voxels: matrices in LPS and RAS, and points between planes that are uneven."""

from pathlib import Path

import numpy as np
import pytest

from ct2zarr.codes import Code
from ct2zarr.errors import FileError
from ct2zarr.geometry.placement import Placement, attributes_at

UNEVEN_Z = (0.0, 2.0, 5.0, 6.0)


def placement(**changes):
    """Uneven axial planes, 0.8 mm between rows and 0.7 mm between columns, spacing 2 mm."""
    matrix = np.eye(4)
    matrix[:3, 0], matrix[:3, 1], matrix[:3, 2] = (0, 0, 2), (0, 0.8, 0), (0.7, 0, 0)
    matrix[:3, 3] = (-10, -20, 0)
    found = Placement()
    found.path = Path("/out/volume.zarr")
    found.attrs = {
        "spacing": [2.0, 0.8, 0.7],
        "orientation": [[1, 0, 0], [0, 1, 0]],
        "index_to_lps": matrix.tolist(),
        "slice_origins_lps": [[-10, -20, z] for z in UNEVEN_Z],
        **changes,
    }
    return found


@pytest.mark.parametrize(
    ("index", "point"),
    [
        ((0, 0, 0), (-10, -20, 0)),
        ((2, 0, 0), (-10, -20, 5)),
        ((1.5, 0, 0), (-10, -20, 3.5)),
        ((1, 10, 0), (-10, -12, 2)),
        ((1, 0, 10), (-3, -20, 2)),
        ((-1, 0, 0), (-10, -20, -2)),
        ((-1.5, 0, 0), (-10, -20, -3)),
        ((4.5, 0, 0), (-10, -20, 9)),
    ],
)
def test_a_point_is_at_the_position_of_its_plane_and_back(index, point):
    volume = placement()
    assert volume.to_lps(index) == pytest.approx(point)
    assert volume.to_index(point) == pytest.approx(index)


def test_many_points_are_placed_at_once():
    indices = np.random.default_rng(1).uniform(-2, 6, (5, 4, 3))
    volume = placement()
    assert volume.to_index(volume.to_lps(indices)) == pytest.approx(indices)


def test_affines_differ_in_axis_order_and_in_the_directions_of_the_patient():
    volume = placement()
    assert volume.index_to_lps @ [1, 2, 3, 1] == pytest.approx([-7.9, -18.4, 2, 1])
    assert volume.index_to_ras @ [1, 2, 3, 1] == pytest.approx([7.9, 18.4, 2, 1])
    assert volume.affine_lps_xyz @ [3, 2, 1, 1] == pytest.approx([-7.9, -18.4, 2, 1])
    assert volume.affine_ras_xyz @ [3, 2, 1, 1] == pytest.approx([7.9, 18.4, 2, 1])


@pytest.mark.parametrize("missing", ["index_to_lps", "slice_origins_lps"])
def test_a_volume_without_positions_has_no_points(missing):
    volume = placement(**{missing: None})
    for call in (volume.to_lps, volume.to_index):
        with pytest.raises(FileError, match="no_geometry"):
            call((0, 0, 0))


def test_a_volume_without_geometry_has_no_matrices():
    volume = placement(index_to_lps=None, slice_origins_lps=None, orientation=None)
    assert volume.index_to_ras is volume.affine_lps_xyz is volume.affine_ras_xyz is None
    assert volume.orientation is volume.slice_origins_lps is None
    assert volume.spacing == (2.0, 0.8, 0.7)


def test_the_stack_has_the_positions_of_the_planes():
    stack = placement().stack_geometry()
    assert stack.offsets_mm == pytest.approx(UNEVEN_Z)


def test_a_stack_without_orientation_is_refused():
    with pytest.raises(FileError, match="orientation of this volume is not known"):
        placement(orientation=None).stack_geometry()


def test_a_reduced_level_is_placed_at_the_centres_of_the_voxels_it_is_made_from():
    attrs = placement().attrs
    levels = [{"factors": [1, 1, 1]}, {"factors": [2, 2, 2]}]
    level = attributes_at(attrs, levels, 1)
    assert level["spacing"] == [4.0, 1.6, 1.4]
    # Planes 0 and 1, 2 and 3; half a row and half a column further in.
    assert level["slice_origins_lps"] == [
        pytest.approx([-9.65, -19.6, 1.0]),
        pytest.approx([-9.65, -19.6, 5.5]),
    ]
    assert level["max_position_error_mm"] == pytest.approx(0.5)
    assert attrs == placement().attrs


def test_a_plane_left_over_at_the_end_of_a_level_keeps_its_position():
    attrs = placement(slice_origins_lps=[[-10, -20, z] for z in UNEVEN_Z[:3]]).attrs
    level = attributes_at(attrs, [{"factors": [1, 1, 1]}, {"factors": [2, 1, 1]}], 1)
    assert [z for _, _, z in level["slice_origins_lps"]] == [1.0, 5.0]


def test_a_level_halved_in_the_plane_alone_keeps_its_planes():
    levels = [{"factors": [1, 1, 1]}, {"factors": [1, 2, 2]}]
    level = attributes_at(placement().attrs, levels, 1)
    assert [z for _, _, z in level["slice_origins_lps"]] == list(UNEVEN_Z)


def test_a_level_without_geometry_has_only_its_spacing():
    levels = [{"factors": [1, 1, 1]}, {"factors": [2, 2, 2]}]
    level = attributes_at(placement(index_to_lps=None).attrs, levels, 1)
    assert level["spacing"] == [4.0, 1.6, 1.4]
    assert level["index_to_lps"] is None
    assert "max_position_error_mm" not in level


def test_codes_of_geometry_errors_are_those_of_the_vocabulary():
    with pytest.raises(FileError) as raised:
        placement(index_to_lps=None).to_lps((0, 0, 0))
    assert isinstance(raised.value.code, Code)
