"""Volumes in MONAI's LoadImage, with the affine that its transforms go by."""

from pathlib import Path

import numpy as np
import pytest
import torch
from dataset import Dataset
from monai.data import DataLoader
from monai.data import Dataset as MonaiDataset
from monai.transforms import Compose, EnsureChannelFirst, LoadImage, LoadImaged, Spacing

from ct2zarr import MonaiReader
from ct2zarr.errors import FileError
from phantom import hu_at


def hu_error(image: torch.Tensor) -> float:
    """Of a MetaTensor (x, y, z) of the phantom through its own affine (RAS)."""
    values, affine = image.numpy(), image.affine.numpy()  # type: ignore[attr-defined]
    points = np.stack(np.indices(values.shape), axis=-1) @ affine[:3, :3].T + affine[:3, 3]
    return float(np.abs(values - hu_at(points * [-1, -1, 1])).max())


@pytest.mark.parametrize("name", ["even", "oblique", "tilted"])
def test_load_image_takes_a_volume_of_each_store(dataset: Dataset, name: str) -> None:
    image = LoadImage(reader=MonaiReader())(dataset.path(name))
    assert tuple(image.shape) == dataset.made[name].hu.shape[::-1]
    assert hu_error(image) <= 0.5001
    assert image.meta["ct2zarr_series_hash"] == dataset.hashes[name]


def test_the_reader_is_found_by_suffix_once_it_is_registered(dataset: Dataset) -> None:
    load = LoadImage()
    load.register(MonaiReader())
    assert hu_error(load(str(dataset.path("even")))) <= 0.5001
    assert not MonaiReader().verify_suffix("scan.nii.gz")


def test_load_image_takes_the_reader_by_its_class(zipped: Dataset) -> None:
    assert hu_error(LoadImage(reader=MonaiReader)(zipped.path("even"))) <= 0.5001


def test_uneven_volumes_are_refused_or_interpolated(zipped: Dataset) -> None:
    with pytest.raises((FileError, RuntimeError), match="ask for resampling"):
        LoadImage(reader=MonaiReader())(zipped.path("uneven"))
    image = LoadImage(reader=MonaiReader(resample=True, spacing=(1, 0.8, 0.7)))(
        zipped.path("uneven")
    )
    assert hu_error(image) <= 1.0
    assert "unevenly spaced (1 to 4 mm)" in image.meta["ct2zarr_resampled"]


def test_the_transforms_of_monai_go_by_the_affine(zipped: Dataset) -> None:
    transforms = Compose(
        [LoadImage(reader=MonaiReader()), EnsureChannelFirst(), Spacing((1.5, 1.5, 1.5))]
    )
    image = transforms(zipped.path("oblique"))
    assert image.shape[0] == 1
    np.testing.assert_allclose(image.pixdim, [1.5, 1.5, 1.5], atol=1e-5)
    inner = image[0][3:-3, 3:-3, 3:-3]
    points = np.stack(np.indices(image.shape[1:]), axis=-1) @ image.affine[:3, :3].numpy().T
    expected = hu_at((points + image.affine[:3, 3].numpy()) * [-1, -1, 1])[3:-3, 3:-3, 3:-3]
    assert np.abs(inner.numpy() - expected).max() <= 1.0


def test_volumes_of_one_geometry_are_stacked_as_channels(zipped: Dataset) -> None:
    same = zipped.path("even")
    image = LoadImage(reader=MonaiReader(), ensure_channel_first=True)([same, same])
    assert image.shape[0] == 2
    np.testing.assert_array_equal(image[0].numpy(), image[1].numpy())
    with pytest.raises((ValueError, RuntimeError), match="same shape and affine"):
        LoadImage(reader=MonaiReader())([same, zipped.path("oblique")])


def load_in_workers(dataset: Dataset, method: str) -> None:
    load = LoadImaged("image", reader=MonaiReader(), ensure_channel_first=True)
    data = MonaiDataset([{"image": str(dataset.path("even"))}] * 4, load)
    loader = DataLoader(data, batch_size=2, num_workers=2, multiprocessing_context=method)
    for batch in loader:
        assert tuple(batch["image"].shape) == (2, 1, 32, 24, 14)
        assert hu_error(batch["image"][0, 0]) <= 0.5001


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_forked_workers_of_a_data_loader_load_volumes_of_each_store(dataset: Dataset) -> None:
    load_in_workers(dataset, "fork")


def test_spawned_workers_of_a_data_loader_load_volumes(zipped: Dataset) -> None:
    load_in_workers(zipped, "spawn")


def test_a_missing_volume_says_so(tmp_path: Path) -> None:
    with pytest.raises((FileError, RuntimeError, FileNotFoundError), match="no such file"):
        LoadImage(reader=MonaiReader())(tmp_path / "none.zarr")
