"""Headers: every fact that grouping needs, whatever the file does wrong."""

import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag
from pydicom.uid import (
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

import phantom
from ct2zarr.dicom.frames import WANTED, read_frames
from ct2zarr.dicom.header import OpenFile, read_header
from ct2zarr.model import Frame
from ct2zarr.vocabulary import Role


def read(path: Path) -> Frame:
    (frame,) = read_frames("d", str(path.parent), str(path))
    return frame


def one_file(folder: Path, **options: object) -> Path:
    (path,) = phantom.make_series(folder, n=1, **options).paths  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize(
    "syntax",
    [
        ImplicitVRLittleEndian,
        ExplicitVRLittleEndian,
        ExplicitVRBigEndian,
        DeflatedExplicitVRLittleEndian,
        RLELossless,
        JPEGLSLossless,
        JPEG2000Lossless,
    ],
)
def test_facts_are_the_same_in_every_encoding(tmp_path: Path, syntax: str) -> None:
    path = one_file(tmp_path, transfer_syntax=syntax, padding=5)
    header = dcmread(path, stop_before_pixels=True)
    frame = read(path)
    assert frame.role is Role.SLICE
    assert frame.reason == ""
    assert frame.sop_instance_uid == header.SOPInstanceUID
    assert frame.series_uid == header.SeriesInstanceUID
    assert frame.position == tuple(map(float, header.ImagePositionPatient))
    assert frame.orientation == tuple(map(float, header.ImageOrientationPatient))
    assert frame.pixel_spacing == tuple(map(float, header.PixelSpacing))
    assert (frame.rows, frame.columns) == (header.Rows, header.Columns)
    assert frame.rescale_intercept == float(header.RescaleIntercept)
    assert frame.padding_value == 5
    assert frame.transfer_syntax_uid == syntax
    assert frame.bytes == path.stat().st_size
    assert (frame.bad_elements, frame.pixels_missing, frame.lossy) == (0, 0, False)


def test_the_direct_walk_reads_what_pydicom_reads_on_all_real_files() -> None:
    compared = 0
    for path in sorted(p for p in phantom.real_data().rglob("*") if p.is_file()):
        (frame, *_) = read_frames("d", "/", str(path))
        if frame.role in (Role.NOT_DICOM, Role.UNREADABLE):
            continue
        descriptor = os.open(path, os.O_RDONLY)
        header, _ = read_header(OpenFile(descriptor, path.stat().st_size), WANTED)
        os.close(descriptor)
        theirs = dcmread(path, stop_before_pixels=True, force=True, specific_tags=list(WANTED))
        own = {tag: value for tag, (vr, value) in header.values.items() if value and vr != "SQ"}
        for tag, value in own.items():
            element = theirs.get_item(tag)
            if isinstance(element, RawDataElement):
                assert element.value == value, path
        present = {e.tag for e in theirs.elements() if e.VR != "SQ" and e.value}
        assert present - set(header.groups) == set(own), path
        compared += 1
    assert compared > 900


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "zero bytes"),
        (b"not a scan\n", "does not begin like a DICOM file"),
        (b"\0" * 4096, "begins with nothing but zeros"),
    ],
)
def test_what_is_not_dicom_says_so(tmp_path: Path, content: bytes, reason: str) -> None:
    frame = read(phantom.not_dicom(tmp_path, content=content))
    assert frame.role is Role.NOT_DICOM
    assert reason in frame.reason


def without_meta(path: Path) -> bytes:
    """The data set of a file, without preamble and file meta information."""
    data = path.read_bytes()
    (length,) = struct.unpack_from("<I", data, 140)
    return data[144 + length :]


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
def test_a_file_without_meta_information_is_read(tmp_path: Path, syntax: str) -> None:
    path = one_file(tmp_path, transfer_syntax=syntax)
    expected = read(path)
    path.write_bytes(without_meta(path))
    frame = read(path)
    assert frame.role is Role.SLICE
    assert frame.position == expected.position
    assert frame.transfer_syntax_uid == syntax


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
def test_a_file_cut_in_its_header_is_unreadable_and_keeps_its_series(
    tmp_path: Path, syntax: str
) -> None:
    path = one_file(tmp_path, transfer_syntax=syntax)
    series = read(path).series_uid
    phantom.truncate(path, size=path.read_bytes().index(b"MONOCHROME2") + 20)
    frame = read(path)
    assert frame.role is Role.UNREADABLE
    assert "ends inside its header" in frame.reason
    assert frame.series_uid == series


def test_every_cut_of_a_file_is_noticed(tmp_path: Path) -> None:
    whole = one_file(tmp_path).read_bytes()
    path = tmp_path / "cut.dcm"
    for size in range(1, len(whole), 7):
        path.write_bytes(whole[:size])
        frame = read(path)
        ends_between_elements = frame.role is Role.NOT_IMAGE
        assert (
            frame.role in (Role.NOT_DICOM, Role.UNREADABLE)
            or frame.pixels_missing > 0
            or ends_between_elements
        ), size


@pytest.mark.parametrize(
    "syntax", [ExplicitVRLittleEndian, ExplicitVRBigEndian, JPEGLSLossless, RLELossless]
)
def test_pixel_data_cut_short_are_measured(tmp_path: Path, syntax: str) -> None:
    path = one_file(tmp_path, transfer_syntax=syntax)
    phantom.truncate(path, size=path.stat().st_size - 100)
    missing = read(path).pixels_missing
    # Encapsulated pixels have a delimiter of 8 bytes behind them, and may be padded by one.
    expected = 100 if syntax in (ExplicitVRLittleEndian, ExplicitVRBigEndian) else 92
    assert missing == expected


def test_a_missing_delimiter_behind_whole_pixels_costs_nothing(tmp_path: Path) -> None:
    path = one_file(tmp_path, transfer_syntax=JPEGLSLossless)
    phantom.truncate(path, size=path.stat().st_size - 8)
    assert read(path).pixels_missing == 0


def test_pixel_data_shorter_than_the_matrix_are_measured(tmp_path: Path) -> None:
    def shorten(_: int, dataset: Dataset) -> None:
        dataset.PixelData = dataset.PixelData[:-10]

    assert read(one_file(tmp_path, edit=shorten)).pixels_missing == 10


def test_fewer_fragments_than_frames_are_noticed(tmp_path: Path) -> None:
    def lie(dataset: Dataset) -> None:
        dataset.NumberOfFrames = 4

    series = phantom.make_multiframe(tmp_path, n=3, transfer_syntax=JPEGLSLossless, edit=lie)
    (frame,) = read_frames("d", str(tmp_path), str(series.paths[0]))
    assert frame.pixels_missing > 0


def raw(keyword: str, vr: str, value: bytes) -> Callable[[int, Dataset], None]:
    """An edit that puts bytes into an element, of whatever sense."""

    def edit(_: int, dataset: Dataset) -> None:
        tag = Tag(tag_for_keyword(keyword) or 0)
        padded = value + b" " * (len(value) % 2)
        element = RawDataElement(tag, vr, len(padded), padded, 0, False, True)
        dataset[tag] = element

    return edit


@pytest.mark.parametrize(
    ("keyword", "vr", "value", "field", "expected", "bad"),
    [
        ("SliceThickness", "DS", b"", "slice_thickness", None, 0),
        ("SliceThickness", "DS", b" 1.2500000000000000000001 ", "slice_thickness", 1.25, 0),
        ("SliceThickness", "DS", b"+2.5E0", "slice_thickness", 2.5, 0),
        ("SliceThickness", "DS", b"thick", "slice_thickness", None, 1),
        ("SliceThickness", "DS", b"nan", "slice_thickness", None, 1),
        ("SliceThickness", "DS", b"1_5", "slice_thickness", None, 1),
        ("SliceThickness", "FD", struct.pack("<d", 1.5), "slice_thickness", 1.5, 0),
        ("InstanceNumber", "IS", b"12.0", "instance_number", 12, 0),
        ("InstanceNumber", "IS", b"12.5", "instance_number", None, 1),
        ("InstanceNumber", "IS", b"1A", "instance_number", None, 1),
        ("InstanceNumber", "IS", b"9" * 30, "instance_number", None, 1),
        ("ImagePositionPatient", "DS", b"1\\2", "position", None, 1),
        ("ImagePositionPatient", "DS", b"", "position", None, 0),
        ("Manufacturer", "LO", b"ACME\0\0", "manufacturer", "ACME", 0),
        (
            "ImageType",
            "CS",
            b"derived \\primary\\axial",
            "image_type",
            "DERIVED\\PRIMARY\\AXIAL",
            0,
        ),
    ],
)
def test_a_bad_element_costs_itself_alone(
    tmp_path: Path, keyword: str, vr: str, value: bytes, field: str, expected: object, bad: int
) -> None:
    frame = read(one_file(tmp_path, edit=raw(keyword, vr, value)))
    assert getattr(frame, field) == expected
    assert frame.bad_elements == bad
    assert frame.role is Role.SLICE
    assert frame.rows == 24


def test_bytes_that_are_no_text_cost_their_element_alone(tmp_path: Path) -> None:
    path = one_file(tmp_path, KVP=77777)
    phantom.patch_bytes(path, b"77777", b"\xff\xfe777")
    frame = read(path)
    assert (frame.kvp, frame.bad_elements, frame.role) == (None, 1, Role.SLICE)


@pytest.mark.parametrize(
    ("charset", "value"),
    [
        ("ISO_IR 192", "日本"),
        ("ISO_IR 100", "Müller"),
        ("GB18030", "中国"),
        ("\\ISO 2022 IR 87", "山田"),
    ],
)
def test_text_is_read_in_its_character_set(tmp_path: Path, charset: str, value: str) -> None:
    path = one_file(tmp_path, SpecificCharacterSet=charset.split("\\"), Manufacturer=value)
    assert read(path).manufacturer == value


def test_the_same_bytes_in_another_character_set_are_another_text(tmp_path: Path) -> None:
    latin = one_file(tmp_path / "1", SpecificCharacterSet="ISO_IR 100", Manufacturer="MÃ¼ller")
    utf_8 = one_file(tmp_path / "2", SpecificCharacterSet="ISO_IR 192", Manufacturer="Müller")
    read_in_turn = [read(path).manufacturer for path in (latin, utf_8, latin)]
    assert read_in_turn == ["MÃ¼ller", "Müller", "MÃ¼ller"]


def test_the_same_bytes_in_another_byte_order_are_another_number(tmp_path: Path) -> None:
    little = one_file(tmp_path / "1", rows=0x0102, transfer_syntax=ExplicitVRLittleEndian)
    big = one_file(tmp_path / "2", rows=0x0201, transfer_syntax=ExplicitVRBigEndian)
    assert [read(path).rows for path in (little, big, little)] == [0x0102, 0x0201, 0x0102]


def test_an_element_that_repeats_is_read_and_counted_in_each_file(tmp_path: Path) -> None:
    comma = one_file(tmp_path / "1", edit=raw("SliceThickness", "DS", b"1,25"))
    tilted = one_file(tmp_path / "2", GantryDetectorTilt="1.25", SliceThickness="2.5")
    for _ in range(2):
        frame = read(comma)
        assert (frame.slice_thickness, frame.bad_elements) == (1.25, 1)
        frame = read(tilted)
        assert (frame.gantry_tilt, frame.slice_thickness, frame.bad_elements) == (1.25, 2.5, 0)


@pytest.mark.parametrize(
    ("signed", "stored", "expected"), [(True, 63536, -2000), (True, 12, 12), (False, 63536, 63536)]
)
def test_padding_is_read_as_the_pixels_are(
    tmp_path: Path, signed: bool, stored: int, expected: int
) -> None:
    edit = raw("PixelPaddingValue", "US", struct.pack("<H", stored))
    path = one_file(tmp_path, signed=signed, bits_stored=16, edit=edit)
    assert read(path).padding_value == expected


@pytest.mark.parametrize(
    ("syntax", "tags", "lossy"),
    [
        (JPEGLSNearLossless, {}, True),
        (JPEGLSLossless, {}, False),
        (JPEG2000, {}, True),
        (JPEG2000Lossless, {}, False),
        (ExplicitVRLittleEndian, {"LossyImageCompression": "01"}, True),
        (ExplicitVRLittleEndian, {"LossyImageCompression": "00"}, False),
    ],
)
def test_lossy_compression_is_seen(
    tmp_path: Path, syntax: str, tags: dict[str, str], lossy: bool
) -> None:
    assert read(one_file(tmp_path, transfer_syntax=syntax, **tags)).lossy is lossy


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("undefined", [False, True])
def test_sequences_are_stepped_over_without_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, syntax: str, undefined: bool
) -> None:
    monkeypatch.delattr("ct2zarr.dicom.header.walk.read_with_pydicom")

    def nested(depth: int) -> Dataset:
        item = Dataset()
        item.is_undefined_length_sequence_item = undefined
        item.ImagePositionPatient = [9, 9, 9]
        item.SeriesInstanceUID = "9.9"
        if depth:
            item.ReferencedStudySequence = [nested(depth - 1), nested(depth - 1)]
            item["ReferencedStudySequence"].is_undefined_length = undefined
        return item

    def wrap(_: int, dataset: Dataset) -> None:
        dataset.ReferencedStudySequence = [nested(3), nested(0)]
        dataset["ReferencedStudySequence"].is_undefined_length = undefined

    plain = read(one_file(tmp_path / "plain", transfer_syntax=syntax))
    wrapped = read(one_file(tmp_path / "wrapped", transfer_syntax=syntax, edit=wrap))
    assert wrapped.bytes > plain.bytes + 500
    assert wrapped.position == plain.position
    assert wrapped.series_uid == plain.series_uid
    assert wrapped.bad_elements == 0


def test_a_file_that_cannot_be_opened_is_unreadable(tmp_path: Path) -> None:
    frame = read(tmp_path / "gone.dcm")
    assert frame.role is Role.UNREADABLE
    assert frame.reason == "cannot be opened: No such file or directory"


def test_a_file_without_permission_is_unreadable(tmp_path: Path) -> None:
    path = one_file(tmp_path)
    with phantom.forbidden(path):
        frame = read(path)
    assert frame.role is Role.UNREADABLE
    assert frame.reason == "cannot be opened: Permission denied"


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert read(tmp_path / "pipe").role is Role.UNREADABLE


def test_no_malformed_file_crashes_the_reader() -> None:
    folder = phantom.real_data() / "malformed"
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    assert len(paths) > 140
    for path in paths:
        frames = read_frames("d", str(folder), str(path))
        assert frames
        for frame in frames:
            if frame.role in (Role.NOT_DICOM, Role.UNREADABLE):
                assert len(frame.reason) > 15


def test_any_byte_of_a_header_may_be_wrong(tmp_path: Path) -> None:
    whole = one_file(tmp_path).read_bytes()
    generator = np.random.default_rng(0)
    path = tmp_path / "fuzzed.dcm"
    header = whole.index(b"\xe0\x7f\x10\x00")
    for _ in range(400):
        fuzzed = bytearray(whole)
        for place in generator.integers(132, header + 12, 3):
            fuzzed[place] = generator.integers(256)
        path.write_bytes(fuzzed)
        assert read_frames("d", str(tmp_path), str(path))
