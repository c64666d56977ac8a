"""Names of series and volumes, and orders of frames, do not depend on how frames are read."""

from dataclasses import replace
from itertools import permutations

import pytest

from ct2zarr.codes import Code
from ct2zarr.errors import Ct2zarrError, sentence
from ct2zarr.plan.grouping import plan_series
from ct2zarr.plan.identity import (
    acquisition_order,
    check_hashes,
    common_folder,
    frame_order,
    natural_order,
    relative_path,
    series_hash,
    series_key,
)
from series_of import frame, stack, unread


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


def test_numbers_in_names_count_as_numbers_and_names_with_equal_ones_go_by_text():
    expected = ["2/1", "10/x", "a", "a1b2", "a1b10", "a01b11", "a2", "a010", "a10", "a10-", "b"]
    for mixed in (expected[::-1], expected[5:] + expected[:5]):
        assert sorted(mixed, key=natural_order) == expected


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


@pytest.mark.parametrize(
    ("dataset", "key", "part", "digits"),
    [
        ("v1", "1.2.840.1", 1, "89b3052836b8e5776955d5a898252cb5"),
        ("v1", "1.9", 1, "ca0395e97ba4ca39dd2b9453593c799d"),
        ("d\xe9", "folder:a/b", 12, "c631c9be2db45d8408da82a5c0964f60"),
    ],
)
def test_the_hash_of_a_volume_is_the_same_in_every_version(dataset, key, part, digits):
    assert series_hash(dataset, key, part) == digits


def test_a_collision_within_or_between_calls_is_an_error_that_names_both_folders():
    (plan,) = plan_series(stack([0.0, 2.0]), unread)
    (other,) = plan_series(stack([0.0, 2.0], path="/data/other/file"), unread)
    folders: dict[str, str] = {}
    check_hashes([plan], folders)
    assert folders == {plan.series_hash: "/data/series"}
    with pytest.raises(Ct2zarrError) as caught:
        check_hashes([other], folders)
    with pytest.raises(Ct2zarrError):
        check_hashes([plan, other], {})
    assert caught.value.code is Code.HASH_COLLISION
    assert str(caught.value) == (
        f"two volumes have the hash {plan.series_hash}: /data/series and /data/other; put one of "
        "them under another dataset name"
    )
    assert "/data" not in sentence(caught.value, private=False)
