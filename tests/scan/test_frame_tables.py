"""Frames survive their table, whatever their paths and texts hold."""

from dataclasses import fields, replace

import pyarrow as pa
import pytest

from ct2zarr.codes import Code
from ct2zarr.model import Frame
from ct2zarr.scan.frame_tables import (
    FILES_SCHEMA,
    FRAME_SCHEMA,
    empty_frame_table,
    frames_to_table,
    path_to_text,
    table_to_frames,
    text_to_path,
)
from ct2zarr.vocabulary import Role
from series_of import frame


@pytest.mark.parametrize("path", ["/a/b.dcm", "/ä/山", "/a/\udcff\udc80.dcm", "/\U0001f600"])
def test_any_path_survives_as_text_that_can_be_encoded(path):
    text = path_to_text(path)
    text.encode()
    assert text_to_path(text) == path


def test_frames_survive_the_table_in_their_order():
    frames = [
        frame(2, 1.5, path="/data/\udcff.dcm", kernel="Ü"),
        frame(1, 0.0, position=None, orientation=None, pixel_spacing=None),
        replace(frame(3, 0.0), role=Role.NOT_CT, reason="No CT.", code=Code.NOT_CT),
        frame(4, 0.0, instance_number=None, rescale_slope=None, padding_value=-2000, lossy=True),
    ]
    table = frames_to_table(frames)
    assert table.schema == FRAME_SCHEMA
    found = list(table_to_frames(table))
    assert found == frames
    assert found[2].code is Code.NOT_CT
    assert found[2].role is Role.NOT_CT


def test_text_of_a_header_that_is_no_text_loses_only_those_characters():
    (found,) = table_to_frames(frames_to_table([frame(1, 0.0, kernel="B\udcff30")]))
    assert found.kernel == "B?30"


def test_each_field_of_a_frame_has_a_column():
    assert len(FRAME_SCHEMA) == len(fields(Frame))
    assert set(FRAME_SCHEMA.names) <= set(FILES_SCHEMA.names)
    assert "frame" in FRAME_SCHEMA.names
    assert len(set(FILES_SCHEMA.names)) == len(FILES_SCHEMA.names)


def test_the_account_begins_with_the_columns_of_the_contract():
    assert FILES_SCHEMA.names[:10] == [
        "path", "bytes", "mtime_ns", "role", "reason", "code", "series_hash", "slice_index",
        "frame", "sop_instance_uid",
    ]  # fmt: skip


def test_an_empty_table_has_the_columns():
    assert empty_frame_table().schema == FRAME_SCHEMA
    assert list(table_to_frames(pa.concat_tables([empty_frame_table()]))) == []
