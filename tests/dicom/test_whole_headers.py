"""Whole headers are texts by keyword: private and nested elements too, never UIDs or pixels."""

from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian

from ct2zarr.dicom.frames import read_frames
from ct2zarr.dicom.whole_headers import is_temporal, is_text, read_whole_headers
from phantom import make_multiframe, make_series


def headers_of(path: Path):
    return read_whole_headers(read_frames("d", str(path.parent), str(path)))


def add_elements(_: int, dataset: Dataset) -> None:
    dataset.ImageComments = "80 kV "
    dataset.ImagePositionPatient = dataset.ImagePositionPatient
    dataset.add_new(0x00190010, "LO", "MAKER")
    dataset.add_new(0x00191023, "DS", "1.5")
    dataset.add_new(0x00191024, "FD", 2.5)
    dataset.add_new(0x00191025, "UN", b"1.2.840.113619.2.1")
    dataset.add_new(0x00191026, "OB", b"x" * 5000)
    item = Dataset()
    item.CodeMeaning = "Iodine"
    item.ImageComments = "inner"
    dataset.ContrastBolusAgentSequence = Sequence([item])


def test_elements_are_texts_by_keyword_or_tag(tmp_path):
    (path,) = make_series(tmp_path, n=1, edit=add_elements).paths
    (elements,) = headers_of(path)
    assert elements["ImageComments"] == "80 kV"
    assert (elements["(0019,1023)"], elements["(0019,1024)"]) == ("1.5", "2.5")
    assert elements["CodeMeaning"] == "Iodine"
    assert elements["Rows"] == "24"
    assert len(elements["(0019,1026)"]) == 16
    left_out = ("SOPInstanceUID", "SeriesInstanceUID", "(0019,1025)", "PixelData")
    assert not {*left_out, "ImagePositionPatient"} & set(elements)


def test_frames_of_one_file_have_their_own_groups(tmp_path):
    path = make_multiframe(tmp_path, n=3).paths[0]
    read = headers_of(path)
    assert len(read) == 3
    assert sorted(each["DimensionIndexValues[2]"] for each in read) == ["1", "2", "3"]
    assert len({each["PixelRepresentation"] for each in read}) == 1


def test_a_file_that_is_gone_has_no_elements(tmp_path):
    (path,) = make_series(tmp_path, n=1).paths
    frames = read_frames("d", str(tmp_path), str(path))
    path.unlink()
    assert read_whole_headers(frames) == [{}]


def test_dates_and_times_are_temporal():
    assert is_temporal("AcquisitionTime")
    assert is_temporal("StudyDate")
    assert not is_temporal("KVP")
    assert not is_temporal("(0019,1023)")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ImageComments", True),
        ("ImageType", True),
        ("KVP", False),
        ("StudyDate", False),
        ("(0019,1023)", False),
    ],
)
def test_texts_are_known_by_the_dictionary(name, text):
    assert is_text(name) is text


def nested(levels: int) -> Dataset:
    """A data set with as many sequences within each other, each item with a number of its own."""
    dataset = Dataset()
    dataset.add_new(0x00191000 + levels, "LO", f"level {levels}")
    if levels:
        dataset.ContrastBolusAgentSequence = Sequence([nested(levels - 1)])
    return dataset


def test_four_sequences_within_each_other_are_followed(tmp_path):
    def edit(_: int, dataset: Dataset) -> None:
        dataset.ContrastBolusAgentSequence = Sequence([nested(5)])

    (elements,) = headers_of(make_series(tmp_path, n=1, edit=edit).paths[0])
    found = {text for text in elements.values() if text.startswith("level")}
    assert found == {"level 5", "level 4", "level 3", "level 2"}


def test_values_of_several_items_are_one_text_and_outer_elements_count(tmp_path):
    def edit(_: int, dataset: Dataset) -> None:
        items = []
        for meaning in ("one", "two"):
            item = Dataset()
            item.CodeMeaning, item.ImageComments = meaning, meaning
            items.append(item)
        dataset.ContrastBolusAgentSequence = Sequence(items)
        dataset.ImageComments = "outer"

    (elements,) = headers_of(make_series(tmp_path, n=1, edit=edit).paths[0])
    assert (elements["CodeMeaning"], elements["ImageComments"]) == ("one\\two", "outer")


@pytest.mark.parametrize(("size", "whole"), [(1024, True), (1026, False)])
def test_a_long_text_becomes_a_digest(tmp_path, size, whole):
    def edit(_: int, dataset: Dataset) -> None:
        dataset.add_new(0x00191000, "UT", "x" * size)

    (elements,) = headers_of(make_series(tmp_path, n=1, edit=edit).paths[0])
    text = elements["(0019,1000)"]
    assert (text == "x" * size) is whole
    assert whole or len(text) == 16


def test_numbers_are_read_in_their_byte_order_and_64_of_them_kept(tmp_path):
    def edit(_: int, dataset: Dataset) -> None:
        dataset.add_new(0x00191000, "US", list(range(1, 67)))

    for syntax in (ExplicitVRLittleEndian, ExplicitVRBigEndian):
        folder = tmp_path / syntax.name
        (path,) = make_series(folder, n=1, edit=edit, transfer_syntax=syntax).paths
        (elements,) = headers_of(path)
        assert elements["(0019,1000)"].split("\\") == [str(number) for number in range(1, 65)]
        assert elements["Columns"] == "32"


def test_empty_elements_and_group_lengths_are_left_out(tmp_path):
    def edit(_: int, dataset: Dataset) -> None:
        dataset.add_new(0x00190000, "UL", 12)
        dataset.add_new(0x00191000, "LO", "")
        dataset.add_new(0x00191001, "LO", "  ")
        dataset.add_new(0x00191002, "LO", "0")

    (elements,) = headers_of(make_series(tmp_path, n=1, edit=edit).paths[0])
    assert {name for name in elements if name.startswith("(0019")} == {"(0019,1002)"}


def test_a_header_is_read_although_the_pixels_behind_it_are_cut_short(tmp_path):
    (path,) = make_series(tmp_path, n=1).paths
    frames = read_frames("d", str(tmp_path), str(path))
    path.write_bytes(path.read_bytes()[:-100])
    (cut,) = read_whole_headers(frames)
    assert cut["Modality"] == "CT"
    path.write_bytes(path.read_bytes()[132:])
    (bare,) = read_whole_headers(frames)
    assert bare["Modality"] == "CT"


def test_a_frame_without_an_item_of_its_own_has_what_all_share(tmp_path):
    path = make_multiframe(tmp_path, n=3).paths[0]
    frames = read_frames("d", str(tmp_path), str(path))
    dataset = dcmread(path)
    dataset.PerFrameFunctionalGroupsSequence = dataset.PerFrameFunctionalGroupsSequence[:2]
    dataset.save_as(path)
    read = read_whole_headers(frames)
    assert ["DimensionIndexValues[2]" in each for each in read] == [True, True, False]
    assert read[2]["Modality"] == "CT"


def test_sequences_in_the_item_of_a_frame_are_followed_as_deep(tmp_path):
    path = make_multiframe(tmp_path, n=2).paths[0]
    frames = read_frames("d", str(tmp_path), str(path))
    dataset = dcmread(path)
    item = dataset.PerFrameFunctionalGroupsSequence[0]
    item.ContrastBolusAgentSequence = Sequence([nested(5)])
    dataset.save_as(path)
    elements, _ = read_whole_headers(frames)
    found = {text for text in elements.values() if text.startswith("level")}
    assert found == {"level 5", "level 4", "level 3"}
