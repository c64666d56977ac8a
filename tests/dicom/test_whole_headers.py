"""Whole headers are texts by keyword: private and nested elements too, never UIDs or pixels."""

from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

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
