"""Pixels that a manifest compares are read in a process of their own, whose end costs one file."""

import numpy as np
import pytest

import phantom
from ct2zarr.codes import Code
from ct2zarr.dicom.frames import read_frames
from ct2zarr.errors import FileError, SeriesError, sentence
from ct2zarr.model import Frame
from ct2zarr.plan.pixel_digests import HEADERS_AT_ONCE, IsolatedPixels, isolated_pixels
from series_of import frame, stack


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


class WorkerThatEndsOnce:
    """A worker whose process ends at the files with one number."""

    def __init__(self, number: int) -> None:
        self.number = number

    def run(self, _: object, frames: list[Frame], **__: object) -> list[dict[str, str]]:
        numbers = [frame.instance_number for frame in frames]
        if self.number in numbers:
            raise SeriesError(Code.WORKER_DIED, "The process ended.")
        return [{"A": str(number)} for number in numbers]


def test_headers_that_end_the_process_cost_those_that_are_read_with_them_alone():
    frames = stack(range(3 * HEADERS_AT_ONCE + 1), first=0)
    whole = [{"A": str(number)} for number in range(len(frames))]
    assert IsolatedPixels(WorkerThatEndsOnce(-1)).headers(frames) == whole
    for lost, at_once in ((HEADERS_AT_ONCE, range(1, 2)), (3 * HEADERS_AT_ONCE, range(3, 4))):
        found = IsolatedPixels(WorkerThatEndsOnce(lost)).headers(frames)
        assert len(found) == len(whole)
        due = [
            {} if number // HEADERS_AT_ONCE in at_once else elements
            for number, elements in enumerate(whole)
        ]
        assert found == due


def test_headers_are_all_elements_of_each_frame_and_none_of_a_file_that_is_gone(tmp_path):
    series = phantom.make_series(tmp_path, n=2, ImageComments="one")
    frames = [one for path in series.paths for one in read_frames("d", str(tmp_path), str(path))]
    series.paths[1].unlink()
    with isolated_pixels() as pixels:
        first, second = pixels.headers(frames)
    assert first["ImageComments"] == "one"
    assert second == {}
