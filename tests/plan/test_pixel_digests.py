"""Pixels that a manifest compares are read in a process of their own, whose end costs one file."""

import numpy as np
import pytest

import phantom
from ct2zarr.codes import Code
from ct2zarr.dicom.frames import read_frames
from ct2zarr.errors import FileError, SeriesError, sentence
from ct2zarr.plan.pixel_digests import IsolatedPixels, isolated_pixels
from series_of import frame


def test_equal_images_have_equal_digests_and_previews(tmp_path):
    series = phantom.make_series(tmp_path, n=3, duplicates={1: "same"})
    paths = sorted(tmp_path.glob("*.dcm"))
    frames = [one for path in paths for one in read_frames("d", str(tmp_path), str(path))]
    with isolated_pixels() as pixels:
        digests = [pixels.digest(one) for one in frames]
        previews = [pixels.preview(one) for one in frames]
    assert (len(frames), len(set(digests))) == (4, 3)
    first, second = (i for i, one in enumerate(digests) if digests.count(one) == 2)
    assert np.array_equal(previews[first], previews[second])
    assert len(series.paths) == 3


class FailingWorker:
    """A worker whose process ends at every file."""

    def run(self, *_: object, **__: object) -> None:
        raise SeriesError(Code.WORKER_DIED, "The process ended.")


@pytest.mark.parametrize(("frames", "named"), [(1, "0007.dcm"), (9, "0007.dcm (frame 3)")])
def test_a_file_that_ends_its_process_is_a_file_that_cannot_be_decoded(frames, named):
    pixels = IsolatedPixels(FailingWorker())
    with pytest.raises(FileError) as caught:
        pixels.digest(frame(7, 0.0, frames=frames, frame_number=3 if frames > 1 else 1))
    assert caught.value.code is Code.CANNOT_DECODE
    assert str(caught.value) == (
        f"{named} cannot be compared with the other files at its position: The process ended."
    )
    assert "0007" not in sentence(caught.value, private=False)
