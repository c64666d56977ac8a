"""The builder itself: its files are valid, and their HU are right through an independent read."""

import numpy as np
import pydicom
import pytest

import phantom
from phantom import (
    LOSSY_ERROR,
    SYNTAXES,
    hu_at,
    hu_error,
    localizer,
    make_multiframe,
    make_series,
    truncate,
)


def read_hu(path, frame=0):
    """HU and the position, cosines and spacing of one frame, by the letter of the standard."""
    dataset = pydicom.dcmread(path)
    pixels = dataset.pixel_array.astype(np.float64)
    groups = [dataset]
    if "PerFrameFunctionalGroupsSequence" in dataset:
        groups = [
            dataset.SharedFunctionalGroupsSequence[0],
            dataset.PerFrameFunctionalGroupsSequence[frame],
        ]
        groups = [item for group in groups for element in group for item in element.value]
        pixels = pixels[frame] if pixels.ndim == 3 else pixels

    def value(keyword):
        return next(group[keyword].value for group in groups if keyword in group)

    hu = pixels * float(value("RescaleSlope")) + float(value("RescaleIntercept"))
    geometry = [
        np.array(value(keyword), dtype=float)
        for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing")
    ]
    return hu, *geometry


def worst_error(series, offset=0.0):
    """Largest HU error of the files on disk through their own headers, pixel by pixel."""
    worst = 0.0
    for path, frame in zip(series.paths, series.frames, strict=True):
        hu, position, cosines, (between_rows, between_columns) = read_hu(path, frame - 1)
        for r in range(0, hu.shape[0], 5):
            for c in range(0, hu.shape[1], 5):
                x, y, z = (
                    position + c * between_columns * cosines[:3] + r * between_rows * cosines[3:]
                )
                truth = 40.003 + 3.1 * x + 4.7 * y + 7.9 * z + offset
                worst = max(worst, abs(hu[r, c] - truth))
    return worst


def test_hu_follow_the_position_in_patient_mm(tmp_path):
    assert 0.3 < worst_error(make_series(tmp_path, n=4)) <= 0.5


def test_neighbours_differ_so_that_a_shift_by_one_shows(tmp_path):
    series = make_series(tmp_path)
    for axis in range(3):
        assert np.abs(np.diff(series.hu, axis=axis)).min() > 1


@pytest.mark.parametrize("tilt", [-20.0, 18.5])
def test_tilted_planes_are_sheared_and_evenly_spaced_along_the_normal(tmp_path, tilt):
    series = make_series(tmp_path, n=4, tilt_degrees=tilt)
    normal = np.cross(series.orientation[:3], series.orientation[3:])
    step = series.positions[1] - series.positions[0]
    assert step @ normal == pytest.approx(2.5, abs=1e-6)
    assert np.degrees(np.arccos(step @ normal / np.linalg.norm(step))) == pytest.approx(abs(tilt))
    assert step[:2] == pytest.approx([0, 0])
    assert worst_error(series) <= 0.5
    assert series.headers[0].GantryDetectorTilt == tilt


@pytest.mark.parametrize(
    "orientation",
    [(0, 1, 0, 0, 0, -1), (-1, 0, 0, 0, 1, 0), (0.8, 0.6, 0, -0.48, 0.64, 0.6)],
    ids=["sagittal", "feet_first", "oblique"],
)
def test_any_orientation_ascends_along_its_normal(tmp_path, orientation):
    series = make_series(tmp_path, n=3, orientation=orientation)
    normal = np.cross(orientation[:3], orientation[3:])
    assert np.diff(series.positions @ normal) == pytest.approx([2.5, 2.5])
    assert worst_error(series) <= 0.5


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("bits", [8, 12, 13, 14, 16])
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_every_encoding_decodes_to_the_stored_values(tmp_path, syntax, bits, signed):
    limits = {"jpeg_baseline": 8, "jpeg_extended": 12}
    if bits > limits.get(syntax, 16) or (signed and syntax in limits):
        with pytest.raises(ValueError, match="JPEG"):
            make_series(tmp_path, n=1, bits_stored=bits, signed=signed, transfer_syntax=syntax)
        return
    series = make_series(tmp_path, n=2, bits_stored=bits, signed=signed, transfer_syntax=syntax)
    for path, stored in zip(series.paths, series.stored, strict=True):
        dataset = pydicom.dcmread(path)
        assert dataset.file_meta.TransferSyntaxUID == SYNTAXES[syntax]
        error = np.abs(dataset.pixel_array.astype(int) - stored).max()
        assert error <= LOSSY_ERROR.get(SYNTAXES[syntax], 0) * max(1, 2 ** (bits - 14))
    if signed:
        assert min(stored.min() for stored in series.stored) < 0


def test_stray_bits_lie_above_the_stored_ones(tmp_path):
    series = make_series(tmp_path, n=1, stray_bits=0xA000)
    raw = np.frombuffer(pydicom.dcmread(series.paths[0]).PixelData, "<u2").reshape(24, 32)
    assert (raw & 0xF000 == 0xA000).all()
    assert np.array_equal(raw & 0x0FFF, series.stored[0])


def test_padding_is_in_the_corners_alone(tmp_path):
    series = make_series(tmp_path, n=2, bits_stored=16, signed=True, padding=-2000)
    pixels = pydicom.dcmread(series.paths[0]).pixel_array
    assert np.array_equal(pixels == -2000, series.padded[0])
    assert 0.05 < series.padded.mean() < 0.4
    error = hu_error(series.hu, series.positions, series.orientation, series.pixel_spacing)
    assert error > 1000
    assert (
        hu_error(
            series.hu,
            series.positions,
            series.orientation,
            series.pixel_spacing,
            ignore=series.padded,
        )
        <= 0.5
    )


def test_rescale_and_format_may_differ_by_plane(tmp_path):
    series = make_series(
        tmp_path,
        n=3,
        slope=[1, 0.5, 0.25],
        intercept=[-1024, -500, -300],
        bits_stored=[12, 12, 16],
        signed=[False, False, True],
    )
    assert [float(h.RescaleSlope) for h in series.headers] == [1, 0.5, 0.25]
    assert [h.PixelRepresentation for h in series.headers] == [0, 0, 1]
    assert worst_error(series) <= 0.5


def test_values_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(ValueError, match="do not fit 12 bits"):
        make_series(tmp_path, n=1, hu_offset=5000)


def test_dropped_planes_leave_a_gap_and_start_continues_the_grid(tmp_path):
    series = make_series(tmp_path, n=6, drop=[2])
    assert np.diff(series.positions[:, 2]) == pytest.approx([2.5, 5.0, 2.5, 2.5])
    more = make_series(tmp_path, n=2, start=6, name="more", series_uid=series.series_uid)
    assert more.positions[0, 2] - series.positions[-1, 2] == pytest.approx(2.5)
    assert [int(h.InstanceNumber) for h in more.headers] == [7, 8]


def test_duplicates_repeat_a_position(tmp_path):
    series = make_series(tmp_path, n=3, duplicates={0: "same", 2: "other"})
    same, other = (pydicom.dcmread(path) for path in series.extra_paths)
    assert np.array_equal(same.pixel_array, series.stored[0])
    assert np.array_equal(other.pixel_array, series.stored[2] + 300)
    assert list(other.ImagePositionPatient) == list(series.positions[2])
    uids = {pydicom.dcmread(path).SOPInstanceUID for path in series.all_paths}
    assert len(uids) == 5


def test_tags_edits_and_missing_elements_reach_the_files(tmp_path):
    def number(index, dataset):
        dataset.AcquisitionNumber = index + 5

    series = make_series(
        tmp_path,
        n=2,
        ConvolutionKernel=["SOFT", "LUNG"],
        TemporalPositionIdentifier=lambda i: i + 1,
        PhotometricInterpretation="MONOCHROME1",
        SeriesInstanceUID="",
        without=("ImagePositionPatient",),
        edit=number,
    )
    first, second = series.headers
    assert (first.ConvolutionKernel, second.ConvolutionKernel) == ("SOFT", "LUNG")
    assert (first.TemporalPositionIdentifier, second.TemporalPositionIdentifier) == (1, 2)
    assert (first.AcquisitionNumber, second.AcquisitionNumber) == (5, 6)
    assert first.PhotometricInterpretation == "MONOCHROME1"
    assert first.SeriesInstanceUID == ""
    assert "ImagePositionPatient" not in first
    with pytest.raises(TypeError, match="Colour"):
        make_series(tmp_path, n=1, Colour="red")


def test_the_same_call_writes_the_same_bytes(tmp_path):
    one = make_series(tmp_path / "one", n=3, transfer_syntax="jpeg_ls")
    two = make_series(tmp_path / "two", n=3, transfer_syntax="jpeg_ls")
    assert [p.name for p in one.paths] == [p.name for p in two.paths]
    assert [p.read_bytes() for p in one.paths] == [p.read_bytes() for p in two.paths]


def test_file_names_do_not_give_the_order_away(tmp_path):
    series = make_series(tmp_path)
    assert series.paths != sorted(series.paths)
    plain = make_series(tmp_path, name="plain", shuffle_seed=None)
    assert plain.paths == sorted(plain.paths)


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("syntax", ["explicit", "jpeg_lossless_sv1", "jpeg2000_lossless"])
@pytest.mark.parametrize("shared", [("measures", "orientation", "rescale", "type"), ()])
def test_multiframe_object_holds_the_same_phantom(tmp_path, legacy, syntax, shared):
    series = make_multiframe(tmp_path, n=4, legacy=legacy, transfer_syntax=syntax, shared=shared)
    assert worst_error(series) <= 0.5
    assert sorted(series.frames) == [1, 2, 3, 4]
    assert series.frames != [1, 2, 3, 4]
    name = series.headers[0].SOPClassUID.name
    assert name.startswith("Legacy Converted Enhanced CT" if legacy else "Enhanced CT")


def test_multiframe_rescale_may_differ_by_frame(tmp_path):
    series = make_multiframe(tmp_path, n=3, slope=[1, 0.5, 1], intercept=[-1024, -500, -900])
    assert worst_error(series) <= 0.5


@pytest.mark.parametrize("tag", ["StackID", "TemporalPositionIndex"])
def test_multiframe_stacks_repeat_the_positions(tmp_path, tag):
    series = make_multiframe(tmp_path, n=3, stacks=2, stack_tag=tag)
    dataset = series.headers[0]
    assert dataset.NumberOfFrames == 6
    contents = [item.FrameContentSequence[0] for item in dataset.PerFrameFunctionalGroupsSequence]
    assert sorted(str(content[tag].value) for content in contents) == list("111222")
    assert np.array_equal(series.positions[:3], series.positions[3:])
    assert np.array_equal(series.hu[3:], series.hu[:3] + 300)


def test_hu_error_agrees_for_both_forms_of_geometry_and_sees_faults(tmp_path):
    series = make_series(tmp_path, tilt_degrees=15)
    step = (series.positions[-1] - series.positions[0]) / 11
    matrix = np.eye(4)
    matrix[:3, 0] = step
    matrix[:3, 1] = series.orientation[3:] * 0.8
    matrix[:3, 2] = series.orientation[:3] * 0.7
    matrix[:3, 3] = series.positions[0]
    form = (series.positions, series.orientation, series.pixel_spacing)
    assert hu_error(series.hu, matrix) == pytest.approx(hu_error(series.hu, *form), abs=1e-5)
    assert hu_error(series.hu, matrix) <= 0.5 + 1e-6
    assert hu_error(series.hu[::-1], matrix) > 10
    assert hu_error(np.roll(series.hu, 1, axis=1), matrix) > 3
    assert hu_error(series.hu + 300, matrix, offset=300) <= 0.5 + 1e-6


def test_localizer_reports_and_other_files_are_what_they_say(tmp_path):
    series = make_series(tmp_path, n=2)
    scout = localizer(tmp_path, series_uid=series.series_uid, study_uid=series.study_uid)
    header = scout.headers[0]
    assert header.ImageType == ["ORIGINAL", "PRIMARY", "LOCALIZER"]
    assert header.SeriesInstanceUID == series.series_uid
    capture = pydicom.dcmread(phantom.secondary_capture(tmp_path))
    assert capture.SOPClassUID.name == "Secondary Capture Image Storage"
    assert capture.pixel_array.shape == (24, 32, 3)
    report = pydicom.dcmread(phantom.structured_report(tmp_path))
    assert report.Modality == "SR"
    assert "PixelData" not in report
    directory = pydicom.dcmread(phantom.dicomdir(tmp_path, series))
    assert directory.file_meta.MediaStorageSOPClassUID.name == "Media Storage Directory Storage"
    with pytest.raises(pydicom.errors.InvalidDicomError):
        pydicom.dcmread(phantom.not_dicom(tmp_path))


def test_truncated_and_patched_files_are_damaged(tmp_path):
    series = make_series(tmp_path, n=2, GantryDetectorTilt="12.25")
    truncate(series.paths[0], keep=0.8)
    with pytest.raises(ValueError, match="less than expected"):
        _ = pydicom.dcmread(series.paths[0]).pixel_array
    phantom.patch_bytes(series.paths[1], b"12.25", b"1a.25")
    with pytest.raises(ValueError, match="could not convert"):
        float(pydicom.dcmread(series.paths[1]).GantryDetectorTilt)


def test_real_data_is_skipped_or_demanded(monkeypatch):
    monkeypatch.setenv("CT2ZARR_TEST_DATA", "/nowhere")
    monkeypatch.delenv("CT2ZARR_REQUIRE_DATA", raising=False)
    with pytest.raises(pytest.skip.Exception, match="CT2ZARR_TEST_DATA"):
        phantom.real_data()
    monkeypatch.setenv("CT2ZARR_REQUIRE_DATA", "1")
    with pytest.raises(pytest.fail.Exception, match="CT2ZARR_TEST_DATA"):
        phantom.real_data()


def test_the_truth_is_the_documented_line():
    assert hu_at([0, 0, 0]) == 40.003
    assert hu_at([[1, 0, 0], [0, 1, 0], [0, 0, 1]]) == pytest.approx([43.103, 44.703, 47.903])
