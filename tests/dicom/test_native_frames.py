"""Uncompressed frames: which reader was taken, and what a short file is told to lack."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread

from ct2zarr.codes import Code
from ct2zarr.dicom.decoding import SourceReader, StoredFrame
from ct2zarr.dicom.frames import read_frames
from ct2zarr.dicom.native_frames import NATIVE, PYDICOM
from ct2zarr.errors import FileError
from ct2zarr.model import Frame
from phantom import make_multiframe, make_series


def frames_of(path: Path) -> list[Frame]:
    return read_frames("d", str(path.parent), str(path))


def read(frame: Frame, avoid: tuple[str, ...] = ()) -> StoredFrame:
    with SourceReader(avoid=avoid) as reader:
        return reader.read(frame)


@pytest.mark.parametrize("syntax", ["implicit", "explicit", "big_endian", "deflated"])
def test_the_verifier_reads_through_pydicom(tmp_path, syntax):
    series = make_series(tmp_path, n=1, transfer_syntax=syntax)
    (frame,) = frames_of(series.paths[0])
    assert read(frame).decoder == NATIVE
    again = read(frame, (NATIVE,))
    assert again.decoder == PYDICOM
    np.testing.assert_array_equal(again.stored, series.stored[0])


def test_a_file_without_meta_group_is_read_through_pydicom_too(tmp_path):
    series = make_series(tmp_path, n=1, transfer_syntax="implicit")
    content = series.paths[0].read_bytes()
    series.paths[0].write_bytes(content[144 + int.from_bytes(content[140:144], "little") :])
    again = read(frames_of(series.paths[0])[0], (NATIVE,))
    assert again.decoder == PYDICOM
    np.testing.assert_array_equal(again.stored, series.stored[0])


def test_each_frame_is_read_through_pydicom_by_its_number(tmp_path):
    series = make_multiframe(tmp_path, n=3)
    for frame in frames_of(series.paths[0]):
        again = read(frame, (NATIVE,))
        assert again.decoder == PYDICOM
        place = series.frames.index(frame.frame_number)
        np.testing.assert_array_equal(again.stored, series.stored[place])


def test_where_pydicom_raises_the_file_is_read_natively_and_says_so(tmp_path):
    """Without PhotometricInterpretation pydicom has no frame to give; the bytes are all there."""

    def edit(_: int, dataset: Dataset) -> None:
        del dataset.PhotometricInterpretation

    series = make_series(tmp_path, n=1, edit=edit)
    (frame,) = frames_of(series.paths[0])
    with pytest.raises(AttributeError, match="Photometric"):
        _ = dcmread(series.paths[0]).pixel_array
    again = read(frame, (NATIVE,))
    assert again.decoder == NATIVE
    np.testing.assert_array_equal(again.stored, series.stored[0])


@pytest.mark.parametrize(("beyond", "decoder"), [(0, PYDICOM), (1, NATIVE)])
def test_a_file_beyond_the_limit_is_not_held_in_memory_twice(
    tmp_path, monkeypatch, beyond, decoder
):
    (frame,) = frames_of(make_series(tmp_path, n=1).paths[0])
    monkeypatch.setattr("ct2zarr.dicom.native_frames._PYDICOM_LIMIT", frame.bytes - beyond)
    assert read(frame, (NATIVE,)).decoder == decoder


def test_pixels_of_one_byte_in_big_endian_are_left_to_pydicom(tmp_path):
    series = make_series(tmp_path, n=1, bits_stored=8, slope=16.0, transfer_syntax="big_endian")
    (frame,) = frames_of(series.paths[0])
    assert frame.bits_allocated == 8
    found = read(frame)
    assert found.decoder == PYDICOM
    np.testing.assert_array_equal(found.stored, series.stored[0])


def test_bits_that_nobody_reads_are_refused(tmp_path):
    (frame,) = frames_of(make_series(tmp_path, n=1).paths[0])
    with pytest.raises(FileError) as caught:
        read(replace(frame, bits_allocated=64))
    assert caught.value.code is Code.CANNOT_DECODE
    assert caught.value.facts["bits"] == 64


@pytest.mark.parametrize("short", [1, 40])
def test_the_error_says_how_many_bytes_the_last_frame_has(tmp_path, short):
    series = make_multiframe(tmp_path, n=3)
    last = max(frames_of(series.paths[0]), key=lambda frame: frame.frame_number)
    due = last.rows * last.columns * 2
    content = series.paths[0].read_bytes()
    place = content.rindex(b"\xe0\x7f\x10\x00")
    length = int.from_bytes(content[place + 8 : place + 12], "little")
    assert length == 3 * due
    cut = content[: place + 8] + (length - short).to_bytes(4, "little") + content[place + 12 :]
    series.paths[0].write_bytes(cut)
    status = series.paths[0].stat()
    last = replace(last, bytes=status.st_size, mtime_ns=status.st_mtime_ns)
    with pytest.raises(FileError) as caught:
        read(last)
    assert (caught.value.code, caught.value.frame) == (Code.TRUNCATED, 3)
    assert dict(caught.value.facts) == {"found": due - short, "due": due}


def test_a_frame_behind_the_end_has_no_bytes(tmp_path):
    (frame,) = frames_of(make_series(tmp_path, n=1).paths[0])
    with pytest.raises(FileError) as caught:
        read(replace(frame, frame_number=3, frames=3))
    assert caught.value.facts["found"] == 0


def test_a_file_that_ends_before_its_pixels_do_was_cut_short(tmp_path):
    path = make_series(tmp_path, n=1).paths[0]
    (frame,) = frames_of(path)
    path.write_bytes(path.read_bytes()[:-5])
    status = path.stat()
    with pytest.raises(FileError) as caught:
        read(replace(frame, bytes=status.st_size, mtime_ns=status.st_mtime_ns))
    assert caught.value.code is Code.TRUNCATED
    due = frame.rows * frame.columns * 2
    assert dict(caught.value.facts) == {"found": due - 5, "due": due}


def test_pixels_that_pydicom_alone_can_order_are_never_read_without_it(tmp_path):
    def edit(_: int, dataset: Dataset) -> None:
        del dataset.PhotometricInterpretation

    series = make_series(
        tmp_path, n=1, bits_stored=8, slope=16.0, transfer_syntax="big_endian", edit=edit
    )
    (frame,) = frames_of(series.paths[0])
    with pytest.raises(FileError) as raised:
        read(frame)
    assert raised.value.code is Code.CANNOT_DECODE
