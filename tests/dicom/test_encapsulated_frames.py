"""Fragments to frames, and the one sentence of each fault on the way."""

from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.encaps import encapsulate, generate_frames

from byte_source import END, item
from ct2zarr.codes import Code
from ct2zarr.dicom.decoding import SourceReader
from ct2zarr.dicom.frames import read_frames
from ct2zarr.errors import FileError, sentence
from ct2zarr.model import Frame
from phantom import make_multiframe, make_series, patch_bytes


def frames_of(path: Path) -> list[Frame]:
    """Frames in order, as the headers say them, whatever the pixels lack."""
    return read_frames("d", str(path.parent), str(path))


def read(frame: Frame) -> np.ndarray:
    with SourceReader() as reader:
        return reader.read(frame).stored


def refusal(frame: Frame) -> FileError:
    with pytest.raises(FileError) as caught:
        read(frame)
    assert caught.value.path == frame.path
    return caught.value


def encoded(path: Path) -> list[bytes]:
    dataset = dcmread(path)
    count = int(dataset.get("NumberOfFrames", 1))
    return list(generate_frames(dataset.PixelData, number_of_frames=count))


def with_pixels(path: Path, content: bytes) -> None:
    dataset = dcmread(path)
    dataset.PixelData = content
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(path)


def table(*offsets: int) -> bytes:
    return item(np.array(offsets, dtype="<u4").tobytes())


def test_the_offset_table_divides_fragments_that_no_marker_divides(tmp_path):
    series = make_multiframe(tmp_path, n=2, transfer_syntax="rle")
    one, two = encoded(series.paths[0])
    fragments = [one[:100], one[100:], two[:60], two[60:]]
    second = 8 + len(one[:100]) + 8 + len(one[100:])
    content = table(0, second) + b"".join(map(item, fragments)) + END
    with_pixels(series.paths[0], content)
    for frame in frames_of(series.paths[0]):
        place = series.frames.index(frame.frame_number)
        np.testing.assert_array_equal(read(frame), series.stored[place])


@pytest.mark.parametrize("offsets", [(0,), (0, 7), (0, 12, 24)])
def test_a_table_that_does_not_fit_divides_nothing(tmp_path, offsets):
    series = make_multiframe(tmp_path, n=2, transfer_syntax="rle")
    one, two = encoded(series.paths[0])
    fragments = [one[:100], one[100:], two[:60], two[60:]]
    with_pixels(series.paths[0], table(*offsets) + b"".join(map(item, fragments)) + END)
    frame = frames_of(series.paths[0])[0]
    error = refusal(frame)
    assert error.code is Code.CANNOT_DECODE
    assert dict(error.facts) == {"fragments": 4, "frames": 2}
    assert "(frame 1) cannot be found" in str(error)


def test_a_table_of_broken_length_is_read_as_far_as_it_is_whole(tmp_path):
    series = make_multiframe(tmp_path, n=2, transfer_syntax="rle")
    one, two = encoded(series.paths[0])
    fragments = [one[:100], one[100:], two]
    offsets = np.array((0, 16 + len(one)), dtype="<u4").tobytes() + b"\1\2"
    with_pixels(series.paths[0], item(offsets) + b"".join(map(item, fragments)) + END)
    for frame in frames_of(series.paths[0]):
        place = series.frames.index(frame.frame_number)
        np.testing.assert_array_equal(read(frame), series.stored[place])


@pytest.mark.parametrize("padding", [b"", b"\0", b"\0\0"])
def test_end_markers_divide_fragments_even_before_padding(tmp_path, padding):
    series = make_multiframe(tmp_path, n=2, transfer_syntax="jpeg_ls")
    frames = [frame.rstrip(b"\0") + padding for frame in encoded(series.paths[0])]
    fragments = [part for frame in frames for part in (frame[:50], frame[50:])]
    with_pixels(series.paths[0], item(b"") + b"".join(map(item, fragments)) + END)
    for frame in frames_of(series.paths[0]):
        place = series.frames.index(frame.frame_number)
        np.testing.assert_array_equal(read(frame), series.stored[place])


def test_empty_fragments_are_stepped_over(tmp_path):
    series = make_series(tmp_path, n=1, transfer_syntax="rle")
    (frame,) = encoded(series.paths[0])
    with_pixels(series.paths[0], item(b"") + item(b"") + item(frame) + END)
    np.testing.assert_array_equal(read(frames_of(series.paths[0])[0]), series.stored[0])


def test_pixel_data_without_a_frame_are_named(tmp_path):
    path = make_series(tmp_path, n=1, transfer_syntax="rle").paths[0]
    with_pixels(path, item(b"") + item(b"") + END)
    assert refusal(frames_of(path)[0]).code is Code.NO_PIXELS


def test_damage_between_fragments_is_the_cause_of_the_error(tmp_path):
    path = make_series(tmp_path, n=1, transfer_syntax="rle").paths[0]
    (frame,) = encoded(path)
    with_pixels(path, item(b"") + item(frame) + END)
    path.write_bytes(path.read_bytes().replace(END, b"\x10\0\x20\0\0\0\0\0"))
    error = refusal(frames_of(path)[0])
    assert error.code is Code.CANNOT_DECODE
    assert isinstance(error.facts["cause"], FileError)
    assert str(error) == (
        f"{path.name} cannot be decoded: the fragments of the pixel data are damaged"
    )


def test_a_fragment_beyond_the_end_was_cut_short(tmp_path):
    path = make_series(tmp_path, n=1, transfer_syntax="rle").paths[0]
    content = path.read_bytes()
    path.write_bytes(content[: content.rindex(END) - 1])
    error = refusal(frames_of(path)[0])
    assert (error.code, error.frame) == (Code.TRUNCATED, None)


def say_rle(path: Path) -> None:
    patch_bytes(path, b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.5\0")


def test_pixels_of_stated_length_in_a_compressed_syntax_are_refused_by_its_name(tmp_path):
    def lengthen(_: int, dataset: Dataset) -> None:
        dataset.PixelData += b"\0\0"

    path = make_series(tmp_path, n=1, edit=lengthen).paths[0]
    say_rle(path)
    error = refusal(frames_of(path)[0])
    assert error.code is Code.CANNOT_DECODE
    assert "RLE Lossless" in str(error)
    assert "neither encapsulated" in str(error)


def test_uncompressed_pixels_in_a_compressed_syntax_are_read_where_their_length_fits(tmp_path):
    series = make_series(tmp_path, n=1)
    say_rle(series.paths[0])
    (frame,) = frames_of(series.paths[0])
    with SourceReader() as reader:
        read = reader.read(frame)
    np.testing.assert_array_equal(read.stored, series.stored[0])
    assert (read.decoder, read.raw_in_compressed) == ("native", True)
    with SourceReader(avoid={"native"}) as reader:
        again = reader.read(frame)
    np.testing.assert_array_equal(again.stored, series.stored[0])
    assert again.decoder == "pydicom"


def test_the_failures_of_all_decoders_are_facts_that_stay_private(tmp_path):
    path = make_series(tmp_path, n=1, transfer_syntax="jpeg2000_lossless").paths[0]
    (frame,) = encoded(path)
    dataset = dcmread(path)
    dataset.PixelData = encapsulate([frame[:60] + bytes(len(frame) - 60)])
    dataset.save_as(path)
    error = refusal(frames_of(path)[0])
    assert error.code is Code.CANNOT_DECODE
    failures = error.facts["failures"]
    assert isinstance(failures, tuple)
    assert [str(one).partition(":")[0] for one in failures] == ["imagecodecs", "pylibjpeg"]
    told = sentence(error, private=False)
    assert path.name not in told
    assert "imagecodecs: [removed]" in told
    assert "JPEG 2000 Image Compression (Lossless Only) (1.2.840.10008.1.2.4.90)" in told


def test_all_fragments_of_a_single_frame_are_joined(tmp_path):
    series = make_series(tmp_path, n=1, transfer_syntax="rle")
    (one,) = encoded(series.paths[0])
    with_pixels(series.paths[0], table() + item(one[:100]) + item(one[100:]) + END)
    (frame,) = frames_of(series.paths[0])
    np.testing.assert_array_equal(read(frame), series.stored[0])
