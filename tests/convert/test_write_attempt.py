"""An attempt writes every plane that can be read, and notes what the pixels show."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numcodecs import Blosc

from converted import plans_in, settings_for
from ct2zarr.codes import Code
from ct2zarr.convert.write_attempt import Seconds, WriteAttempt, rescaled_padding
from ct2zarr.dicom.planes import DoesNotFitError, ValueType
from ct2zarr.dicom.rescale import Rescale, rescale_of
from ct2zarr.errors import SeriesError, sentence
from ct2zarr.model import VolumePlan
from ct2zarr.run.checksums import plane_md5
from ct2zarr.run.settings import ConvertSettings
from ct2zarr.store.zarr_documents import FILL_VALUE
from phantom import make_series


class Keys(dict):
    """A StoreWriter in memory."""

    def put(self, key: str, value: bytes) -> None:
        assert key not in self
        self[key] = bytes(value)


def attempt(
    plan: VolumePlan, settings: ConvertSettings, value_type: ValueType = "int16"
) -> WriteAttempt:
    rescales = [rescale_of(plane, settings.encoding.values) for plane in plan.planes]
    return WriteAttempt(plan, rescales, value_type, settings, Keys(), Seconds())


def plan_in(folder: Path, **series: object) -> VolumePlan:
    make_series(folder, **series)
    (plan,) = plans_in(folder)
    return plan


def test_the_results_are_those_of_the_planes(tmp_path):
    done = attempt(plan_in(tmp_path / "in", n=7), settings_for(tmp_path))
    done.run()
    assert done.layout().shape == (7, 24, 32)
    assert done.chunks == (5, 16, 16)
    assert done.decoders == {"native": 7}
    assert len(set(done.digests)) == 7
    assert (done.unreadable, done.padding_pixels, done.reduced_layouts) == ({}, 0, ())
    # Two layers of 2 x 2 chunks; the documents come from whoever has all facts.
    assert len(done.writer) == 2 * 2 * 2  # type: ignore[arg-type]
    assert done.seconds.read > 0
    assert done.seconds.write > 0


def test_extremes_and_padding_are_those_of_all_pixels(tmp_path):
    series = make_series(
        tmp_path / "in", n=3, signed=True, bits_stored=16, padding=-2000, intercept=-1000
    )
    (plan,) = plans_in(tmp_path / "in")
    done = attempt(plan, settings_for(tmp_path))
    done.run()
    stored = np.stack(series.stored)
    assert (done.minimum, done.maximum) == (stored.min() - 1000, stored.max() - 1000)
    assert done.padding_pixels == (stored == -2000).sum() > 0


def test_a_value_that_does_not_fit_ends_the_attempt(tmp_path):
    plan = plan_in(tmp_path / "in", n=2, intercept=40000, hu_offset=41024)
    with pytest.raises(DoesNotFitError):
        attempt(plan, settings_for(tmp_path)).run()
    attempt(plan, settings_for(tmp_path), "int32").run()


def with_other_matrix(plan: VolumePlan, index: int, **matrix: int) -> VolumePlan:
    """The plan with a file whose matrix is another one than that of its volume."""
    planes = list(plan.planes)
    planes[index] = replace(planes[index], **matrix)
    return replace(plan, planes=tuple(planes))


@pytest.mark.parametrize("matrix", [{"rows": 12}, {"columns": 16}])
def test_a_file_with_another_matrix_than_its_volume_is_unreadable(tmp_path, matrix):
    plan = with_other_matrix(plan_in(tmp_path / "in", n=4), 2, **matrix)
    with pytest.raises(SeriesError) as raised:
        attempt(plan, settings_for(tmp_path)).run()
    assert raised.value.code is Code.OTHER_MATRIX
    assert raised.value.path == plan.planes[2].path
    rows, columns = matrix.get("rows", 24), matrix.get("columns", 32)
    assert f"has {rows} rows and {columns} columns where its volume has 24 and 32" in sentence(
        raised.value
    )
    assert Path(plan.planes[2].path).name not in sentence(raised.value, private=False)
    dropped = attempt(plan, settings_for(tmp_path, on_bad_slice="drop"))
    dropped.run()
    assert list(dropped.unreadable) == [2]
    assert dropped.unreadable[2].code is Code.OTHER_MATRIX
    assert dropped.layout().shape[0] == 3


@pytest.mark.parametrize("code", ["source_gone", "source_changed"])
def test_another_file_than_the_manifest_saw_is_never_dropped(tmp_path, code):
    plan = plan_in(tmp_path / "in", n=3)
    if code == "source_gone":
        Path(plan.planes[1].path).unlink()
    else:
        Path(plan.planes[1].path).touch()
    with pytest.raises(SeriesError) as raised:
        attempt(plan, settings_for(tmp_path, on_bad_slice="drop")).run()
    assert raised.value.code == code
    assert raised.value.path == plan.planes[1].path


def test_no_readable_plane_is_an_error_with_the_first_cause(tmp_path):
    plan = plan_in(tmp_path / "in", n=2)
    plan = with_other_matrix(with_other_matrix(plan, 0, bits_stored=17), 1, bits_stored=17)
    with pytest.raises(SeriesError) as raised:
        attempt(plan, settings_for(tmp_path, on_bad_slice="drop")).run()
    assert raised.value.code is Code.NO_PLANES
    assert raised.value.facts["count"] == 2
    assert raised.value.facts["cause"].path == plan.planes[0].path  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("padding", "rescale", "expected"),
    [
        (None, Rescale(1.0, -1024.0), None),
        (-2000, Rescale(1.0, -1024.0), -3024),
        (0, Rescale(2.0, 5.0), 5),
        (1, Rescale(0.1, 0.0), float(np.float32(0.1))),
    ],
)
def test_padding_is_rescaled_as_the_pixels_are(padding, rescale, expected):
    found = rescaled_padding(padding, rescale)
    assert found == expected
    assert type(found) is type(expected)


def test_the_md5_of_a_plane_is_that_of_its_little_endian_bytes_in_rows():
    plane = np.arange(6, dtype=">i2").reshape(2, 3)
    assert plane_md5(plane) == "d27120eb84d46982330982ca8533e4ac"
    assert plane_md5(np.asfortranarray(plane)) == plane_md5(plane)


def test_chunks_hold_the_fill_value_beyond_the_last_plane_and_row(tmp_path):
    done = attempt(plan_in(tmp_path / "in", n=7), settings_for(tmp_path))
    done.run()
    codec = Blosc()
    blocks = list(done.writer.values())  # type: ignore[attr-defined]
    chunks = [np.frombuffer(codec.decode(b), np.int16).reshape(5, 16, 16) for b in blocks]
    for number, chunk in enumerate(chunks):
        assert (chunk[2:] == FILL_VALUE).all() == (number >= 4), number  # the second layer
        assert (chunk[:, 8:] == FILL_VALUE).all() == (number % 4 >= 2), number  # 24 rows
