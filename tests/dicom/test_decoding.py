"""Every encoding to the exact stored integers, every damage to one clear sentence."""

import os
import struct
from dataclasses import replace
from itertools import groupby, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset, dcmread
from pydicom.encaps import encapsulate, encapsulate_extended, generate_frames

from ct2zarr.codes import Code
from ct2zarr.dicom import decoders
from ct2zarr.dicom.decoders.layout import FrameLayout, read_codestream
from ct2zarr.dicom.decoding import SourceReader
from ct2zarr.dicom.frame_comparison import pixel_digest
from ct2zarr.dicom.frames import read_frames
from ct2zarr.dicom.native_frames import NATIVE, PYDICOM
from ct2zarr.dicom.transfer_syntaxes import COSINE_TRANSFORMED, JPEG_LOSSLESS_SV1, RLE
from ct2zarr.errors import FileError
from ct2zarr.model import Frame
from phantom import LOSSY_ERROR, SYNTAXES, make_multiframe, make_series, real_data, real_set

DCT_DIFFERENCE = 1
"""Units by which decoders of lossy JPEG may differ: rounding of the inverse DCT (ITU-T T.83)."""


def frames_of(path: Path) -> list[Frame]:
    return read_frames("v1", str(path.parent), str(path))


def frame_of(path: Path) -> Frame:
    return frames_of(path)[0]


def read(frame: Frame) -> np.ndarray:
    with SourceReader() as reader:
        return reader.read(frame).stored


@pytest.mark.parametrize("name", SYNTAXES)
@pytest.mark.parametrize("signed", [False, True])
def test_every_transfer_syntax_gives_the_stored_values(tmp_path, name, signed):
    if SYNTAXES[name] in LOSSY_ERROR and signed:
        pytest.skip("the lossy encoders of the phantom are unsigned")
    bits = 8 if name == "jpeg_baseline" else 12
    series = make_series(
        tmp_path, n=2, bits_stored=bits, signed=signed and bits > 8, transfer_syntax=name
    )
    allowed = LOSSY_ERROR.get(SYNTAXES[name], 0)
    for path, stored in zip(series.paths, series.stored, strict=True):
        difference = np.abs(read(frame_of(path)).astype(np.int64) - stored)
        assert difference.max() <= allowed


@pytest.mark.parametrize("name", [name for name in SYNTAXES if SYNTAXES[name] not in LOSSY_ERROR])
def test_the_verifier_gets_another_decoder_and_the_same_values(tmp_path, name):
    path = make_series(tmp_path, n=1, transfer_syntax=name).paths[0]
    with SourceReader() as reader:
        first = reader.read(frame_of(path))
    with SourceReader(avoid={first.decoder}) as reader:
        second = reader.read(frame_of(path))
    assert second.decoder != first.decoder
    np.testing.assert_array_equal(first.stored, second.stored)


@pytest.mark.parametrize(
    ("bits", "signed", "stray"),
    list(product([8, 12, 13, 14, 16], [False, True], [None, 0x0000, 0xFFFF])),
)
def test_bits_above_bits_stored_never_reach_the_values(tmp_path, bits, signed, stray):
    series = make_series(
        tmp_path, n=1, rows=6, columns=6, bits_stored=bits, signed=signed, stray_bits=stray
    )
    np.testing.assert_array_equal(read(frame_of(series.paths[0])), series.stored[0])


@pytest.mark.parametrize("name", ["explicit", "rle", "jpeg_lossless_sv1", "jpeg_ls"])
def test_frames_of_a_multi_frame_file_are_read_in_any_order(tmp_path, name):
    series = make_multiframe(tmp_path, n=5, transfer_syntax=name)
    by_frame = {one.frame_number: one for one in frames_of(series.paths[0])}
    with SourceReader() as reader:
        for place in (3, 0, 4, 1, 2):
            stored = reader.read(by_frame[series.frames[place]]).stored
            np.testing.assert_array_equal(stored, series.stored[place])


def fragmented(path: Path, *, table: bool, extended: bool = False) -> None:
    """Encapsulate the frames of a file again, each in four fragments (or with another table)."""
    dataset = dcmread(path)
    frames = list(generate_frames(dataset.PixelData, number_of_frames=dataset.NumberOfFrames))
    if extended:
        dataset.PixelData, offsets, lengths = encapsulate_extended(frames)
        dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths = offsets, lengths
    else:
        dataset.PixelData = encapsulate(frames, fragments_per_frame=4, has_bot=table)
    dataset.save_as(path)


@pytest.mark.parametrize("name", ["jpeg_lossless_sv1", "jpeg_ls", "jpeg2000_lossless"])
@pytest.mark.parametrize("table", [True, False])
def test_fragments_are_joined_with_and_without_an_offset_table(tmp_path, name, table):
    series = make_multiframe(tmp_path, n=3, transfer_syntax=name)
    fragmented(series.paths[0], table=table)
    by_frame = {one.frame_number: one for one in frames_of(series.paths[0])}
    with SourceReader() as reader:
        for frame, stored in zip(series.frames, series.stored, strict=True):
            np.testing.assert_array_equal(reader.read(by_frame[frame]).stored, stored)


def test_an_extended_offset_table_changes_nothing(tmp_path):
    series = make_multiframe(tmp_path, n=3, transfer_syntax="rle")
    fragmented(series.paths[0], table=False, extended=True)
    by_frame = {one.frame_number: one for one in frames_of(series.paths[0])}
    for frame, stored in zip(series.frames, series.stored, strict=True):
        np.testing.assert_array_equal(read(by_frame[frame]), stored)


# What is wrong with a file -----------------------------------------------------------------------


def refusal(frame: Frame) -> FileError:
    with pytest.raises(FileError) as caught:
        read(frame)
    assert Path(frame.path).name in str(caught.value)
    assert str(Path(frame.path).parent) not in str(caught.value)
    return caught.value


def current(frame: Frame) -> Frame:
    """The frame as if the file had been scanned as it is now."""
    status = Path(frame.path).stat()
    return replace(frame, bytes=status.st_size, mtime_ns=status.st_mtime_ns)


@pytest.mark.parametrize("name", ["explicit", "rle", "jpeg_lossless_sv1", "jpeg_ls", "jpeg2000"])
@pytest.mark.parametrize("lost", [10, 200])
def test_a_file_that_was_cut_short_is_refused(tmp_path, name, lost):
    path = make_series(tmp_path, n=1, transfer_syntax=name).paths[0]
    frame = frame_of(path)
    os.truncate(path, path.stat().st_size - lost)
    assert refusal(current(frame)).code is Code.TRUNCATED


@pytest.mark.parametrize("name", [n for n in SYNTAXES if n.startswith(("jpeg", "rle", "htj2k"))])
def test_no_decoder_makes_up_the_end_of_a_stream(tmp_path, name):
    bits = 8 if name == "jpeg_baseline" else 12
    path = make_series(tmp_path, n=1, bits_stored=bits, transfer_syntax=name).paths[0]
    dataset = dcmread(path)
    (frame,) = generate_frames(dataset.PixelData, number_of_frames=1)
    dataset.PixelData = encapsulate([frame[: len(frame) // 2]])
    dataset.save_as(path)
    assert refusal(frame_of(path)).code in (Code.TRUNCATED, Code.CANNOT_DECODE)


def test_a_file_that_is_gone_is_named(tmp_path):
    path = make_series(tmp_path, n=1).paths[0]
    frame = frame_of(path)
    path.unlink()
    assert refusal(frame).code is Code.SOURCE_GONE


def test_a_file_that_was_touched_or_replaced_is_refused(tmp_path):
    series = make_series(tmp_path, n=2)
    frame = frame_of(series.paths[0])
    os.utime(series.paths[0], ns=(1, 1))
    assert refusal(frame).code is Code.SOURCE_CHANGED
    series.paths[0].write_bytes(series.paths[1].read_bytes())
    assert refusal(current(frame)).code is Code.SOURCE_CHANGED


def test_pixel_data_that_was_removed_is_named(tmp_path):
    path = make_series(tmp_path, n=1).paths[0]
    frame = frame_of(path)
    dataset = dcmread(path)
    del dataset.PixelData
    dataset.save_as(path)
    assert refusal(current(frame)).code is Code.NO_PIXELS


def test_too_few_bytes_for_the_matrix_are_refused(tmp_path):
    path = make_series(tmp_path, n=1).paths[0]
    frame = frame_of(path)
    assert refusal(replace(frame, rows=frame.rows + 1)).code is Code.TRUNCATED


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [
        ("rows", 0, Code.NO_PIXELS),
        ("bits_stored", 17, Code.CANNOT_DECODE),
        ("bits_allocated", 64, Code.CANNOT_DECODE),
        ("samples_per_pixel", 3, Code.CANNOT_DECODE),
    ],
)
def test_a_header_that_means_nothing_is_refused(tmp_path, field, value, code):
    frame = frame_of(make_series(tmp_path, n=1).paths[0])
    assert refusal(replace(frame, **{field: value})).code is code


def test_no_malformed_file_raises_anything_but_a_file_error():
    planes, codes = 0, []
    for path in sorted((real_data() / "malformed").rglob("*")):
        if not path.is_file() or path.name == "NOTES.md":
            continue
        for frame in frames_of(path):
            with SourceReader() as reader:
                try:
                    stored = reader.read(frame).stored
                except FileError as error:
                    codes.append(error.code)
                    continue
            planes += 1
            assert stored.shape == (frame.rows, frame.columns), path.name
    assert planes > 50
    assert len(codes) > 20
    assert set(codes) <= {Code.CANNOT_DECODE, Code.TRUNCATED, Code.NO_PIXELS}


def test_an_unknown_compression_is_refused_by_name(tmp_path):
    path = make_series(tmp_path, n=1, transfer_syntax="jpeg_lossless_sv1").paths[0]
    dataset = dcmread(path)
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.92"
    dataset.save_as(path)
    error = refusal(frame_of(path))
    assert error.code is Code.CANNOT_DECODE
    assert "JPEG 2000 Part 2" in str(error)
    assert "1.2.840.10008.1.2.4.92" in str(error)


def test_a_damaged_jpeg_ls_stream_never_reaches_a_decoder_that_forgives(tmp_path):
    path = make_series(tmp_path, n=1, transfer_syntax="jpeg_ls").paths[0]
    frame = frame_of(path)
    content = bytearray(path.read_bytes())
    scan = content.rfind(b"\xff\xda")
    content[scan + 12 : scan + 60] = bytes(48)
    path.write_bytes(content)
    assert refusal(current(frame)).code is Code.CANNOT_DECODE


def test_retired_jpeg_processes_are_refused_by_name():
    folder = real_set("ts_ctimage_cornerstone")
    for uid, name in (("4.53", "Spectral Selection"), ("4.55", "Full Progression")):
        (path,) = folder.glob(f"*{uid}.dcm")
        error = refusal(frame_of(path))
        assert error.code is Code.CANNOT_DECODE
        assert name in str(error)
        assert uid in str(error)


# Decoders against each other ---------------------------------------------------------------------


def encoded_frames() -> list[tuple[str, FrameLayout, bytes]]:
    found = []
    for path in sorted((real_data() / "ct").glob("*/dicom/**/*")):
        if not path.is_file() or "crlm1004" in str(path):
            continue
        frames = [one for one in frames_of(path) if decoders.is_known(one.transfer_syntax_uid)]
        if not frames or frames[0].samples_per_pixel != 1:
            continue
        first = frames[0]
        pixels = dcmread(path).PixelData
        layout = FrameLayout(
            syntax=first.transfer_syntax_uid,
            rows=first.rows,
            columns=first.columns,
            bits_allocated=first.bits_allocated,
            bits_stored=first.bits_stored,
            pixel_representation=first.pixel_representation,
        )
        frame = next(generate_frames(pixels, number_of_frames=first.frames))
        found.append((path.name, layout, frame))
    return found


def test_all_decoders_agree_on_every_real_file():
    compared = 0
    for name, layout, frame in encoded_frames():
        precision = read_codestream(frame, layout.syntax).precision or layout.bits_allocated
        planes = {}
        for decoder in decoders.decoders_for(layout.syntax):
            plane = decoder.decode(frame, layout)
            planes[decoder.NAME] = plane.astype(np.int64) & ((1 << precision) - 1)
        assert len(planes) > 1, f"only one decoder for {name}"
        allowed = DCT_DIFFERENCE if layout.syntax in COSINE_TRANSFORMED else 0
        first = next(iter(planes.values()))
        for decoder_name, plane in planes.items():
            assert np.abs(plane - first).max() <= allowed, f"{decoder_name} on {name}"
            compared += 1
    assert compared > 60


def test_one_image_in_many_encodings_has_one_set_of_values_and_one_digest():
    folder = real_set("ts_ctimage_cornerstone")
    lossless = ("1.2", "1.2.1", "1.2.1.99", "1.2.2", "1.2.5")
    lossless += tuple(f"1.2.4.{n}" for n in (57, 70, 80, 90))
    digests = {}
    for path in sorted(folder.iterdir()):
        frame = frame_of(path)
        if frame.transfer_syntax_uid.removeprefix("1.2.840.10008.") in lossless:
            digests[path.name] = pixel_digest(frame)
    assert len(digests) >= 9
    assert len(set(digests.values())) == 1


def test_codestreams_that_disagree_with_the_header_give_the_values_of_the_header():
    folder = real_set("pydicom_data_ct")
    truth = read(frame_of(folder / "693_UNCR.dcm"))
    np.testing.assert_array_equal(read(frame_of(folder / "693_J2KR.dcm")), truth)
    lossy = read(frame_of(folder / "693_UNCI.dcm"))
    again = read(frame_of(real_set("pydicom_ct") / "693_J2KI.dcm"))
    np.testing.assert_array_equal(again, lossy)
    mismatch = read(frame_of(real_set("pydicom_ct") / "J2K_pixelrep_mismatch.dcm"))
    assert (mismatch.min(), mismatch.max()) == (-2000, 1896)


def test_the_data_set_of_a_frame_has_the_wanted_elements_only(tmp_path):
    path = make_series(tmp_path, n=1, PatientName="A^B").paths[0]
    with SourceReader(wanted=(0x00200032,)) as reader:
        dataset = reader.read(frame_of(path)).dataset
    assert isinstance(dataset, Dataset)
    assert dataset.ImagePositionPatient == dcmread(path).ImagePositionPatient
    assert "PatientName" not in dataset


def test_uncompressed_files_are_read_once_and_verified_through_pydicom(tmp_path):
    frame = frame_of(make_series(tmp_path, n=1, transfer_syntax="big_endian").paths[0])
    with SourceReader() as reader, SourceReader(avoid={NATIVE}) as verifier:
        assert reader.read(frame).decoder == NATIVE
        assert verifier.read(frame).decoder == PYDICOM


@given(
    size=st.sampled_from([8, 16, 32]),
    rows=st.integers(1, 9),
    columns=st.integers(1, 300),
    noise=st.floats(0, 1),
    seed=st.integers(0, 2**32 - 1),
)
def test_all_decoders_of_rle_agree_with_padded_segments_and_without(
    size, rows, columns, noise, seed
):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 1 << size, (rows, columns), dtype=f"u{size // 8}")
    values[rng.random(values.shape) > noise] = 0
    encoded = b"".join(encode_rle(values))
    layout = FrameLayout(RLE, rows, columns, size, size, 0)
    for decoder in decoders.decoders_for(RLE):
        np.testing.assert_array_equal(decoder.decode(encoded, layout), values, decoder.NAME)


def encode_rle(values: np.ndarray) -> list[bytes]:
    """Header and segments, each row packed by itself as PS3.5 G.3.1 wants it."""
    segments = []
    for byte in reversed(range(values.itemsize)):
        rows = values.view(np.uint8).reshape(*values.shape, -1)[..., byte]
        segment = b"".join(pack_bits(row.tobytes()) for row in rows)
        segments.append(segment + b"\0" * (len(segment) % 2))
    starts = np.cumsum([64, *map(len, segments)])[:-1]
    return [
        struct.pack(f"<{len(segments) + 1}L", len(segments), *starts).ljust(64, b"\0"),
        *segments,
    ]


def pack_bits(row: bytes) -> bytes:
    """Runs of equal bytes, at most 128 long; a single byte is a literal of its own."""
    packed = bytearray()
    for value, run in groupby(row):
        left = len(list(run))
        while left:
            count = min(left, 128)
            packed += bytes([257 - count if count > 1 else 0, value])
            left -= count
    return bytes(packed)


def test_rle_with_a_wrong_number_of_segments_is_refused():
    layout = FrameLayout(RLE, 2, 2, 16, 16, 0)
    encoded = struct.pack("<16L", 1, 64, *[0] * 14) + b"\x03\x00\x01\x02\x03"
    for decoder in decoders.decoders_for(RLE):
        with pytest.raises((FileError, ValueError)):
            decoder.decode(encoded, layout)


def test_avoided_decoders_come_last_rather_than_never():
    names = [decoder.NAME for decoder in decoders.decoders_for(JPEG_LOSSLESS_SV1)]
    turned = decoders.decoders_for(JPEG_LOSSLESS_SV1, {names[0]})
    assert [decoder.NAME for decoder in turned] == [*names[1:], names[0]]
