"""A source file is opened only if it is the one that was scanned, and left open by nobody."""

from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import Dataset

from ct2zarr.codes import Code
from ct2zarr.dicom.decoding import SourceReader
from ct2zarr.dicom.frames import read_frames
from ct2zarr.dicom.source_files import SourceFile
from ct2zarr.errors import FileError, sentence
from ct2zarr.model import Frame
from phantom import forbidden, make_multiframe, make_series, patch_bytes, truncate


def frame_of(path: Path) -> Frame:
    return read_frames("d", str(path.parent), str(path))[0]


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def current(frame: Frame) -> Frame:
    status = Path(frame.path).stat()
    return replace(frame, bytes=status.st_size, mtime_ns=status.st_mtime_ns)


def refusal(frame: Frame) -> FileError:
    open_before = open_files()
    with pytest.raises(FileError) as caught, SourceReader() as reader:
        reader.read(frame)
    assert open_files() == open_before
    assert caught.value.path == frame.path
    assert Path(frame.path).name not in sentence(caught.value, private=False)
    return caught.value


@pytest.mark.parametrize("field", ["bytes", "mtime_ns"])
def test_another_size_or_time_is_a_change(tmp_path, field):
    frame = frame_of(make_series(tmp_path, n=1).paths[0])
    changed = replace(frame, **{field: getattr(frame, field) + 1})
    assert refusal(changed).code is Code.SOURCE_CHANGED


def test_another_uid_under_the_same_name_is_a_change(tmp_path):
    series = make_series(tmp_path, n=2)
    one, other = map(frame_of, series.paths)
    assert refusal(replace(one, sop_instance_uid=other.sop_instance_uid)).code is (
        Code.SOURCE_CHANGED
    )


def test_a_uid_that_is_no_text_is_that_of_the_meta_group_for_scan_and_decoder(tmp_path):
    path = make_series(tmp_path, n=1).paths[0]
    uid = frame_of(path).sop_instance_uid.encode()
    padded = uid + b"\0" * (len(uid) % 2)
    head = b"\x08\0\x18\0"
    length = len(padded).to_bytes(2, "little")
    patch_bytes(path, head + b"UI" + length + padded, head + b"US" + length + padded)
    frame = frame_of(path)
    assert (frame.sop_instance_uid.encode(), frame.bad_elements) == (uid, 1)
    with SourceReader() as reader:
        assert reader.read(frame).stored.shape == (frame.rows, frame.columns)


def test_a_file_that_is_gone_or_forbidden_is_named_so(tmp_path):
    path = make_series(tmp_path, n=1).paths[0]
    frame = frame_of(path)
    with forbidden(path):
        error = refusal(frame)
    assert (error.code, error.facts["problem"]) == (Code.UNREADABLE, "Permission denied")
    path.unlink()
    assert refusal(frame).code is Code.SOURCE_GONE


def test_a_header_that_ends_too_early_is_the_cause(tmp_path):
    path = make_series(tmp_path, n=1).paths[0]
    frame = frame_of(path)
    truncate(path, size=50)
    error = refusal(current(frame))
    assert error.code is Code.TRUNCATED
    cause = error.facts["cause"]
    assert isinstance(cause, FileError)
    assert cause.code is Code.EMPTY_FILE
    assert str(error) == f"{path.name} cannot be decoded: {cause}"


@pytest.mark.parametrize("pixels", ["absent", "empty"])
def test_a_file_without_pixels_is_refused(tmp_path, pixels):
    def edit(_: int, dataset: Dataset) -> None:
        del dataset.PixelData
        if pixels == "empty":
            dataset.PixelData = b""
            dataset["PixelData"].VR = "OW"

    frame = frame_of(make_series(tmp_path, n=1, edit=edit).paths[0])
    assert refusal(frame).code is Code.NO_PIXELS


def test_a_multi_frame_file_is_opened_once_for_all_its_frames(tmp_path):
    series = make_multiframe(tmp_path, n=3)
    frames = read_frames("d", str(tmp_path), str(series.paths[0]))
    with SourceReader() as reader:
        first = reader.read(frames[0])
        Path(frames[0].path).unlink()
        assert reader.read(frames[1]).header is first.header


def test_a_single_frame_file_is_closed_after_its_frame(tmp_path):
    frame = frame_of(make_series(tmp_path, n=1).paths[0])
    open_before = open_files()
    reader = SourceReader()
    reader.read(frame)
    assert open_files() == open_before


def test_an_open_file_has_what_is_wanted_of_its_header(tmp_path):
    frame = frame_of(make_series(tmp_path, n=1).paths[0])
    opened = SourceFile.open(frame, frozenset({0x00080018, 0x00280010}))
    try:
        assert set(opened.header.values) == {0x00080018, 0x00280010}
        assert opened.pixels.length == frame.rows * frame.columns * 2
    finally:
        opened.close()
