"""Volumes as TorchIO's images."""

import numpy as np
import pytest
import torchio
from dataset import Dataset

from ct2zarr import torchio_reader, torchio_resampling_reader
from ct2zarr.errors import FileError
from phantom import hu_at


def hu_error(image: torchio.Image, ignore: float | None = None) -> float:
    values = image.data[0].numpy()
    points = np.stack(np.indices(values.shape), axis=-1) @ image.affine[:3, :3].T
    error = np.abs(values - hu_at((points + image.affine[:3, 3]) * [-1, -1, 1]))
    return float(error[values != ignore].max())


@pytest.mark.parametrize("name", ["even", "oblique"])
def test_a_scalar_image_has_the_phantoms_hu(dataset: Dataset, name: str) -> None:
    image = torchio.ScalarImage(dataset.path(name), reader=torchio_reader)
    assert image.shape == (1, *dataset.made[name].hu.shape[::-1])
    assert hu_error(image) <= 0.5001
    np.testing.assert_allclose(image.spacing, (0.7, 0.8, 2.5))


@pytest.mark.parametrize("name", ["tilted", "uneven"])
def test_what_torchio_cannot_hold_is_refused_or_interpolated(zipped: Dataset, name: str) -> None:
    with pytest.raises(FileError, match="ask for resampling"):
        torchio.ScalarImage(zipped.path(name), reader=torchio_reader).load()
    image = torchio.ScalarImage(zipped.path(name), reader=torchio_resampling_reader)
    lowest = float(image.data.min())
    assert hu_error(image, ignore=lowest) <= 1.0 + 0.5 * 0.8 * 4.7


def test_transforms_and_subjects_take_it(zipped: Dataset) -> None:
    image = torchio.ScalarImage(zipped.path("oblique"), reader=torchio_reader)
    subject = torchio.Subject(ct=image)
    made = torchio.Compose([torchio.Resample(1.5), torchio.Clamp(-1000, 1000)])(subject)
    np.testing.assert_allclose(made["ct"].spacing, (1.5, 1.5, 1.5))
