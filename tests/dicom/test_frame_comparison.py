"""Digests and previews of frames: equal for equal images, and only for them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ct2zarr.dicom.frame_comparison import pixel_digest, preview
from ct2zarr.dicom.frames import read_frames
from ct2zarr.model import Frame
from phantom import make_series, real_set


def frame_of(path: Path) -> Frame:
    return read_frames("d", str(path.parent), str(path))[0]


def test_the_digest_of_a_real_file_stays_what_it_was():
    frame = frame_of(real_set("pydicom_ct") / "CT_small.dcm")
    assert pixel_digest(frame) == "6a17d8a0c27c9ed11d4c33024080d899"


def test_the_digest_tells_images_and_rescales_apart(tmp_path):
    one, other = (frame_of(path) for path in make_series(tmp_path, n=2).paths)
    assert pixel_digest(one) == pixel_digest(one)
    assert pixel_digest(one) != pixel_digest(other)
    assert pixel_digest(one) != pixel_digest(replace(one, rescale_intercept=0.0))


def test_equal_hu_are_equal_however_they_are_stored(tmp_path):
    unsigned = frame_of(make_series(tmp_path / "a", n=1).paths[0])
    other = frame_of(make_series(tmp_path / "b", n=1, signed=True, bits_stored=16).paths[0])
    assert unsigned.pixel_representation != other.pixel_representation
    assert pixel_digest(unsigned) == pixel_digest(other)


def test_a_slope_of_zero_is_not_taken_for_one(tmp_path):
    frame = frame_of(make_series(tmp_path, n=1).paths[0])
    one = pixel_digest(replace(frame, rescale_slope=1.0))
    assert pixel_digest(replace(frame, rescale_slope=0.0)) != one


@pytest.mark.parametrize("absent", ["rescale_slope", "rescale_intercept"])
def test_half_a_rescale_is_none(tmp_path, absent):
    frame = frame_of(make_series(tmp_path, n=1).paths[0])
    half = replace(frame, **{absent: None})
    none = replace(frame, rescale_slope=1.0, rescale_intercept=0.0)
    assert pixel_digest(half) == pixel_digest(none)
    np.testing.assert_array_equal(preview(half), preview(none))


@pytest.mark.parametrize(
    ("rows", "columns", "shape"), [(24, 32, (24, 32)), (64, 63, (32, 63)), (100, 64, (33, 32))]
)
def test_a_preview_is_the_mean_of_whole_blocks_in_rescaled_values(tmp_path, rows, columns, shape):
    series = make_series(tmp_path, n=1, rows=rows, columns=columns, slope=0.5, intercept=-1024.0)
    found = preview(frame_of(series.paths[0]))
    height, width = max(rows // 32, 1), max(columns // 32, 1)
    assert found.shape == shape
    block = series.stored[0][:height, :width]
    assert found[0, 0] == pytest.approx(0.5 * block.mean() - 1024.0)
