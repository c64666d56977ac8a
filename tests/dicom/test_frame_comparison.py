"""A digest is equal for equal images, and a preview is close for similar ones."""

from dataclasses import replace

import numpy as np
import pytest

from ct2zarr.dicom.frame_comparison import pixel_digest, preview
from ct2zarr.dicom.frames import read_frames
from phantom import make_series


def frames_of(series):
    return [read_frames("v1", "/", str(path))[0] for path in series.paths]


def test_one_image_has_one_digest_in_any_encoding(tmp_path):
    plain = frames_of(make_series(tmp_path / "a", n=2))
    packed = frames_of(make_series(tmp_path / "b", n=2, transfer_syntax="jpeg_lossless_sv1"))
    assert [pixel_digest(one) for one in plain] == [pixel_digest(one) for one in packed]
    assert pixel_digest(plain[0]) != pixel_digest(plain[1])


@pytest.mark.parametrize(
    "change", [{"rescale_slope": 2.0}, {"rescale_intercept": 0.0}, {"rescale_slope": 0.0}]
)
def test_another_rescale_is_another_image(tmp_path, change):
    (one,) = frames_of(make_series(tmp_path, n=1))
    assert pixel_digest(replace(one, **change)) != pixel_digest(one)


def test_slopes_of_zero_and_one_are_different_images(tmp_path):
    (one,) = frames_of(make_series(tmp_path, n=1))
    flat, default = replace(one, rescale_slope=0.0), replace(one, rescale_slope=None)
    assert pixel_digest(flat) != pixel_digest(default)
    assert pixel_digest(default) == pixel_digest(replace(one, rescale_slope=1.0))


def test_a_preview_has_the_means_of_blocks_in_hu(tmp_path):
    series = make_series(tmp_path, n=1, rows=70, columns=40)
    (one,) = frames_of(series)
    found = preview(one)
    assert found.shape == (35, 40)
    order = int(np.argmin([abs(hu.mean() - found.mean()) for hu in series.hu]))
    assert found == pytest.approx(series.hu[order].reshape(35, 2, 40).mean(axis=1), abs=0.51)
