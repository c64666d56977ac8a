"""The records between the rooms: frames that are left out, and columns of a slice table."""

from dataclasses import fields, replace

import pytest

from ct2zarr.codes import Code
from ct2zarr.errors import FileError, SeriesError
from ct2zarr.model import Frame, SliceTable, UnusedFrame
from ct2zarr.vocabulary import Role
from series_of import frame


def test_a_frame_that_is_no_slice_is_unused_for_its_own_reason():
    one = replace(frame(1, 0.0), role=Role.NOT_CT, reason="It is MR.", code=Code.NOT_CT)
    assert UnusedFrame.of(one) == UnusedFrame(one, Role.NOT_CT, "It is MR.", Code.NOT_CT)


def test_a_frame_that_is_left_out_has_the_sentence_and_the_code_of_its_error():
    one = frame(1, 0.0)
    error = FileError(Code.DUPLICATE, "{file} repeats {other}.", path=one.path, other="2.dcm")
    unused = UnusedFrame.because(one, Role.DUPLICATE, error)
    assert (unused.role, unused.code) == (Role.DUPLICATE, Code.DUPLICATE)
    assert unused.reason == "0001.dcm repeats 2.dcm."


def test_a_column_of_the_slice_table_is_found_by_its_name():
    table = SliceTable(("slice_index", "md5"), (("0", "a"), ("1", "b")))
    assert table.column("md5") == ("a", "b")
    with pytest.raises(SeriesError) as raised:
        table.column("KVP")
    assert raised.value.code is Code.DAMAGED_RECORD
    assert "KVP" in str(raised.value)


def test_a_frame_of_which_only_the_file_is_known_claims_nothing():
    bare = Frame("v1", "/data", "/data/a", 10, 1, Role.NOT_DICOM)
    known = {"dataset", "root", "path", "bytes", "mtime_ns", "role"}
    ones = {"frame_number", "frames", "samples_per_pixel"}
    values = {each.name: getattr(bare, each.name) for each in fields(Frame)}
    assert {name for name, value in values.items() if value == 1} - known == ones
    assert not any(value for name, value in values.items() if name not in known | ones)
