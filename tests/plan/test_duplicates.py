"""Copies and conflicts: what is kept, by which tie-break, and why the others are not."""

from dataclasses import replace

import pytest

from ct2zarr.codes import Code
from ct2zarr.dicom.sop_classes import ENHANCED_CT
from ct2zarr.errors import FileError
from ct2zarr.plan.duplicates import (
    Digests,
    find_same_pixels,
    remove_copied_layers,
    remove_copies,
    remove_repeated_objects,
)
from ct2zarr.plan.identity import frame_order
from ct2zarr.plan.stack import make_stack
from ct2zarr.vocabulary import Role
from series_of import broken, by_uid, different, frame, same, stack, unread


def grid(n, step=2.0, start=0.0):
    return [start + step * i for i in range(n)]


def ordered(frames):
    return tuple(sorted(frames, key=frame_order))


def copy_of(one, name="copy", **fields):
    return replace(one, path=f"/data/{name}/{one.instance_number}.dcm", **fields)


# Copies


def test_each_digest_is_computed_once_and_a_failure_is_remembered():
    read = []

    def digest(one):
        read.append(one)
        raise FileError(Code.TRUNCATED, "{file} is cut short.", path=one.path)

    digests = Digests(digest)
    one, other = stack([0.0, 0.0])
    assert digests.of(one) is digests.of(one)
    assert read == [one]
    assert not digests.are_equal(one, other)
    assert not digests.are_equal(one, one)


@pytest.mark.parametrize(
    "fields",
    [
        {"position": (-20.0, -30.0, 9.0)},
        {"rows": 32},
        {"columns": 32},
        {"frame_number": 2},
        {"sop_instance_uid": "1.3"},
        {"sop_instance_uid": ""},
    ],
)
def test_frames_that_differ_in_uid_number_or_place_are_never_compared(fields):
    one = frame(1, 0)
    frames = [one, copy_of(one, **fields)]
    assert remove_copies(frames, Digests(unread)) == (frames, [])


def test_frames_without_a_uid_are_no_copies_beside_frames_with_copies():
    one = frame(1, 0)
    bare = [frame(2, 2, sop_instance_uid=""), copy_of(frame(2, 2, sop_instance_uid=""))]
    kept, removed = remove_copies([one, copy_of(one), *bare], Digests(same))
    assert kept == [copy_of(one), *bare]  # "/data/copy" is before "/data/series"
    assert [(entry.unused.frame, entry.kept) for entry in removed] == [(one, copy_of(one))]


def test_copies_with_other_pixels_are_both_kept():
    one = frame(1, 0)
    frames = [one, copy_of(one)]
    assert remove_copies(frames, Digests(different)) == (frames, [])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"number": 9}, {"number": 10}),
        ({"number": 10}, {"number": 7, "instance_number": None}),
        ({"number": 5, "sop_instance_uid": "1.2.1"}, {"number": 5, "sop_instance_uid": "1.2.2"}),
        ({"number": 5, "path": "/data/a"}, {"number": 5, "path": "/data/b"}),
        ({"number": 5, "frame_number": 1}, {"number": 5, "frame_number": 2}),
    ],
    ids=["lower number", "number or none", "uid", "path", "frame"],
)
def test_of_equal_frames_the_first_acquired_is_kept(first, second):
    first, second = frame(z=0, **first), frame(z=0, **second)
    for frames in ((first, second), (second, first)):
        (removed,) = find_same_pixels(make_stack(frames), Digests(same))
        assert (removed.unused.frame, removed.kept) == (second, first)
        assert (removed.unused.role, removed.unused.code) == (Role.DUPLICATE, Code.DUPLICATE)


def test_single_frames_at_a_position_are_not_read():
    assert find_same_pixels(make_stack(stack(grid(5))), Digests(unread)) == []


def test_frames_that_cannot_be_read_are_unreadable_and_the_third_is_kept():
    def digest(one):
        return broken(one) if one.instance_number < 3 else "fine"

    frames = [frame(i, 0.0) for i in (1, 2, 3)]
    removed = find_same_pixels(make_stack(frames), Digests(digest))
    assert [entry.unused.frame for entry in removed] == frames[:2]
    assert {entry.unused.role for entry in removed} == {Role.UNREADABLE}
    assert {entry.unused.code for entry in removed} == {Code.CANNOT_DECODE}
    assert [entry.kept for entry in removed] == frames[:2]


def test_a_duplicate_of_a_frame_in_a_multi_frame_file_names_file_and_frame():
    multi = [frame(1, 0.0, frames=2, frame_number=n, path="/data/m.dcm") for n in (1, 2)]
    (removed,) = find_same_pixels(make_stack(multi), Digests(same))
    assert removed.unused.reason == "the frame has the position and the pixels of m.dcm (frame 1)"


# Objects that a series holds twice


def multi_frame(number, offsets, **fields):
    fields = {"path": f"/data/{number}", "sop_instance_uid": f"1.2.{number}", **fields}
    fields = {"sop_class_uid": ENHANCED_CT, **fields}
    count = len(offsets)
    return [
        frame(number, z, frame_number=i + 1, frames=count, **fields) for i, z in enumerate(offsets)
    ]


def by_place(one):
    return str(one.position)


def test_the_smaller_of_two_objects_is_removed_and_the_original_is_named():
    singles, multi = stack(grid(4)), multi_frame(9, grid(6))
    kept, removed = remove_repeated_objects(ordered(singles + multi), Digests(by_place))
    assert kept == ordered(multi)
    assert [(entry.unused.frame, entry.kept) for entry in removed] == list(
        zip(singles, multi, strict=False)
    )


def test_of_two_multi_frame_objects_the_larger_is_kept_and_of_equal_ones_the_first_by_uid():
    small, large = multi_frame(1, grid(3)), multi_frame(2, grid(5))
    kept, _ = remove_repeated_objects(ordered(small + large), Digests(by_place))
    assert kept == ordered(large)
    other = multi_frame(3, grid(5))
    kept, _ = remove_repeated_objects(ordered(large + other), Digests(by_place))
    assert kept == ordered(large)


def test_an_object_whose_last_frame_lies_elsewhere_is_kept_whole():
    singles, multi = stack(grid(6)), multi_frame(9, [*grid(4), 99.0])
    frames = ordered(singles + multi)
    assert remove_repeated_objects(frames, Digests(by_place)) == (frames, [])


def test_frames_of_one_object_are_never_copies_of_each_other():
    multi = multi_frame(9, [0.0, 0.0, 2.0])
    frames = ordered([*multi, *stack([50.0])])
    assert remove_repeated_objects(frames, Digests(same)) == (frames, [])


def test_single_files_of_one_class_are_not_compared():
    frames = ordered(stack(grid(4)) + stack(grid(4), 11))
    assert remove_repeated_objects(frames, Digests(unread)) == (frames, [])


def test_an_unreadable_object_is_no_copy():
    frames = ordered(stack(grid(3)) + multi_frame(9, grid(3)))
    assert remove_repeated_objects(frames, Digests(broken)) == (frames, [])


# Conflicts


def test_copies_by_uid_are_compared_within_their_frame_only():
    frames = multi_frame(9, grid(3))
    copies = [replace(one, path="/data/copy") for one in frames]
    kept, removed = remove_copies(frames + copies, Digests(by_uid))
    assert kept == frames  # "/data/9" is before "/data/copy"
    assert [entry.unused.frame for entry in removed] == copies


def test_layers_that_are_kept_stay_in_their_order_whatever_their_size():
    short, long = stack([0.0, 2.0, 4.0]), stack([2.0 * i for i in range(9)], first=11)
    copy = stack([0.0, 2.0, 4.0], first=31)
    layers = [make_stack(some) for some in (short, long, copy)]
    image = {f.path: f.path for f in short + long} | {
        f.path: original.path for f, original in zip(copy, long, strict=False)
    }
    kept, removed = remove_copied_layers(layers, Digests(lambda f: image[f.path]))
    assert kept == [0, 1]
    assert [one.kept for one in removed] == long[:3]


def test_the_middle_of_layers_is_compared_first_since_their_ends_may_be_empty():
    first, second = stack(grid(9)), stack(grid(9), first=11)
    read = []

    def digest(one):
        read.append(one.position[2])
        return "air" if one.position[2] in (0.0, 2.0, 14.0, 16.0) else one.path

    assert remove_copied_layers([make_stack(first), make_stack(second)], Digests(digest))[1] == []
    assert read == [8.0, 8.0]
