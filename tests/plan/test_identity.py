"""Names of series and volumes, and orders of frames, do not depend on how frames are read."""

from dataclasses import replace
from itertools import permutations

import pytest

from ct2zarr.codes import Code
from ct2zarr.errors import Ct2zarrError
from ct2zarr.plan.identity import (
    acquisition_order,
    check_hashes,
    common_folder,
    frame_order,
    relative_path,
    series_hash,
    series_key,
)
from series_of import frame


def test_a_hash_is_pinned_since_volumes_are_named_by_it():
    assert series_hash("v1", "1.2.840.1", 1) == "89b3052836b8e5776955d5a898252cb5"


@pytest.mark.parametrize(
    "other", [("v2", "1.2.840.1", 1), ("v1", "1.2.840.2", 1), ("v1", "1.2.840.1", 2)]
)
def test_dataset_series_and_part_each_change_the_hash(other):
    assert series_hash(*other) != series_hash("v1", "1.2.840.1", 1)


def test_texts_are_not_hashed_as_one():
    assert series_hash("v1", "12", 1) != series_hash("v11", "2", 1)


def test_a_name_on_disk_that_is_no_text_has_a_hash():
    assert len(series_hash("v1", "folder:\udcff", 1)) == 32


def test_a_series_is_its_uid_and_without_one_its_folder():
    one = frame(1, 0.0)
    assert series_key(one) == "1.9"
    assert series_key(replace(one, series_uid="")) == "folder:series"
    assert series_key(replace(one, series_uid="", path="/data/a.dcm")) == "folder:"


def test_a_path_is_relative_to_its_root_even_behind_a_link():
    one = frame(1, 0.0)
    assert relative_path(one) == "series/0001.dcm"
    assert relative_path(replace(one, root="/data/")) == "series/0001.dcm"
    assert relative_path(replace(one, root="/database")) == "../data/series/0001.dcm"


def test_frames_are_ordered_by_identity_before_path():
    expected = [
        frame(1, 0.0, sop_instance_uid="1.1", frame_number=1, path="/z"),
        frame(1, 0.0, sop_instance_uid="1.1", frame_number=2, path="/a"),
        frame(1, 0.0, sop_instance_uid="1.2", instance_number=None, path="/z"),
        frame(1, 0.0, sop_instance_uid="1.2", instance_number=0, path="/b"),
        frame(1, 0.0, sop_instance_uid="1.2", instance_number=1, path="/a"),
        frame(1, 0.0, sop_instance_uid="1.2", instance_number=1, path="/b"),
    ]
    for mixed in list(permutations(expected))[::97]:
        assert sorted(mixed, key=frame_order) == expected


def test_acquisition_goes_by_number_and_frames_without_one_come_last():
    expected = [
        frame(0, 0.0, instance_number=-1, sop_instance_uid="9"),
        frame(0, 0.0, instance_number=2, sop_instance_uid="8"),
        frame(0, 0.0, instance_number=10, sop_instance_uid="1", path="/b"),
        frame(0, 0.0, instance_number=10, sop_instance_uid="2", path="/a"),
        frame(0, 0.0, instance_number=10, sop_instance_uid="2", path="/a", frame_number=2),
        frame(0, 0.0, instance_number=10, sop_instance_uid="2", path="/b", frame_number=1),
        frame(0, 0.0, instance_number=None, sop_instance_uid="0"),
    ]
    assert sorted(expected[3:] + expected[:3], key=acquisition_order) == expected


@pytest.mark.parametrize(
    ("paths", "folder"),
    [
        (["/data/a/1", "/data/a/2"], "/data/a"),
        (["/data/a/1", "/data/a/b/2"], "/data/a"),
        (["/data/ab/1", "/data/ac/2"], "/data"),
        (["/1"], "/"),
    ],
)
def test_the_folder_of_a_volume_holds_all_its_files(paths, folder):
    assert common_folder(frame(1, 0.0, path=path) for path in paths) == folder


def plan(name, folder):
    from ct2zarr.model import VolumePlan

    return VolumePlan(name, "v1", folder, "1.9", "1.8", 1, 1, "", (), (), ())


def test_two_volumes_with_one_hash_are_an_error_that_names_both():
    known = {}
    check_hashes([plan("0" * 32, "/a"), plan("1" * 32, "/b")], known)
    assert known == {"0" * 32: "/a", "1" * 32: "/b"}
    with pytest.raises(Ct2zarrError) as raised:
        check_hashes([plan("1" * 32, "/c")], known)
    assert raised.value.code is Code.HASH_COLLISION
    assert "/b and /c" in str(raised.value)
