"""Random patches in PyTorch's DataLoader, with forked and spawned workers."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from dataset import Dataset
from torch.utils.data import DataLoader

import ct2zarr
from ct2zarr.errors import FileError
from ct2zarr.vocabulary import StoreType
from phantom import hu_at


def test_a_patch_is_the_voxels_at_its_start(dataset: Dataset) -> None:
    patches = ct2zarr.PatchDataset(
        ct2zarr.volumes_in(dataset.summary), (4, 10, 12), patches_per_volume=5
    )
    assert len(patches) == 20
    seen = set()
    for item in (patches[n] for n in range(20)):
        (name,) = [name for name, found in dataset.hashes.items() if found == item["series_hash"]]
        z, y, x = item["start"].tolist()
        expected = dataset.made[name].hu[z : z + 4, y : y + 10, x : x + 12]
        assert item["image"].shape == (1, 4, 10, 12)
        np.testing.assert_array_equal(item["image"][0].numpy(), np.rint(expected))
        seen.add((name, z, y, x))
    assert {name for name, *_ in seen} == set(dataset.hashes)
    assert len(seen) > 10, "patches are at random places"


def test_a_volume_smaller_than_a_patch_lies_within_it(zipped: Dataset) -> None:
    patches = ct2zarr.PatchDataset([zipped.path("even")], (20, 30, 40), fill=-2000)
    for _ in range(5):
        item = patches[0]
        z, y, x = (-item["start"]).tolist()
        image = item["image"][0].numpy()
        inside = image[z : z + 14, y : y + 24, x : x + 32]
        np.testing.assert_array_equal(inside, np.rint(zipped.made["even"].hu))
        assert (image == -2000).sum() == image.size - inside.size


def test_patches_with_a_spacing_have_it_in_every_volume(zipped: Dataset) -> None:
    volumes = ct2zarr.volumes_in(zipped.summary)
    patches = ct2zarr.PatchDataset(
        volumes, (3, 5, 5), spacing=(2.0, 1.0, 1.0), patches_per_volume=4
    )
    for item in (patches[n] for n in range(len(patches))):
        name = next(n for n, found in zipped.hashes.items() if found == item["series_hash"])
        volume = ct2zarr.open_volume(zipped.path(name))
        stack = volume.stack_geometry()
        axes = np.stack([stack.normal, stack.orientation[3:], stack.orientation[:3]])
        steps = np.stack(np.indices((3, 5, 5)), axis=-1) - [1, 2, 2]
        points = item["center_lps"].numpy() + (steps * (2.0, 1.0, 1.0)) @ axes
        known = item["image"][0].numpy() != -1024
        error = np.abs(item["image"][0].numpy() - hu_at(points))
        assert known.mean() > 0.5
        assert error[known].max() <= 1.0 + 0.5 * (0.8 * 4.7 + 0.7 * 3.1 + 2.5 * 7.9)
        assert np.median(error[known]) <= 1.0


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("persistent", [False, True])
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_workers_read_right_patches_and_draw_other_places_each(
    dataset: Dataset, method: str, persistent: bool
) -> None:
    if persistent and dataset.path("even").suffix != ".sqlite":
        pytest.skip("that workers live on has nothing to do with the store; sqlite is tested")
    patches = ct2zarr.PatchDataset(
        ct2zarr.volumes_in(dataset.summary), (4, 8, 8), patches_per_volume=8
    )
    _ = patches[0]  # an open volume must not be carried over into a worker
    loader = DataLoader(
        patches,
        batch_size=4,
        num_workers=2,
        multiprocessing_context=method,
        persistent_workers=persistent,
        generator=torch.Generator().manual_seed(3),
    )
    epochs = []
    for _ in range(2 if method == "fork" else 1):
        places = []
        for batch in loader:
            for n, series_hash in enumerate(batch["series_hash"]):
                name = next(k for k, found in dataset.hashes.items() if found == series_hash)
                z, y, x = batch["start"][n].tolist()
                expected = dataset.made[name].hu[z : z + 4, y : y + 8, x : x + 8]
                np.testing.assert_array_equal(batch["image"][n, 0].numpy(), np.rint(expected))
                places.append((name, z, y, x))
        assert len(places) == 32
        assert len(set(places)) > 24
        epochs.append(places)
    if len(epochs) == 2:
        assert epochs[0] != epochs[1], "each epoch draws anew"


def test_a_run_is_repeated_by_its_seed(zipped: Dataset) -> None:
    patches = ct2zarr.PatchDataset([zipped.path("even")], (4, 8, 8), patches_per_volume=10)
    runs = []
    for _ in range(2):
        torch.manual_seed(11)
        runs.append([item["start"].tolist() for item in DataLoader(patches)])
    assert runs[0] == runs[1]


def test_a_dataset_pickles_without_its_open_volumes(zipped: Dataset) -> None:
    patches = ct2zarr.PatchDataset([zipped.path("even")], (4, 8, 8))
    empty = len(pickle.dumps(patches))
    _ = patches[0]
    assert len(pickle.dumps(patches)) == empty
    assert pickle.loads(pickle.dumps(patches))[-1]["image"].shape == (1, 4, 8, 8)
    with pytest.raises(IndexError):
        _ = patches[1]


def test_only_finished_volumes_without_the_excluded_flags_are_taken(zipped: Dataset) -> None:
    assert ct2zarr.volumes_in(zipped.summary) == [zipped.path(n) for n in zipped.hashes]
    flat = ct2zarr.volumes_in(zipped.summary, exclude_flags=["gantry_tilt", "uneven_spacing"])
    assert flat == [zipped.path("even"), zipped.path("oblique")]
    assert ct2zarr.volumes_in(zipped.summary, dataset="other") == []
    with pytest.raises(FileError, match="no flag tilted"):
        ct2zarr.volumes_in(zipped.summary, exclude_flags=["tilted"])
    with pytest.raises(FileError, match="at least one volume"):
        ct2zarr.PatchDataset([])


def test_a_summary_without_its_volumes_says_so(zipped: Dataset, tmp_path: Path) -> None:
    (tmp_path / "summary_all.csv").write_bytes(zipped.summary.read_bytes())
    with pytest.raises(FileError, match="keep the table beside the volumes"):
        ct2zarr.volumes_in(tmp_path / "summary_all.csv")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(FileError, match="lacks the column series_hash"):
        ct2zarr.volumes_in(tmp_path / "other.csv")


def test_stored_values_give_hounsfield_units_unless_told_otherwise(tmp_path: Path) -> None:
    stored = Dataset(tmp_path, StoreType.SQLITE, values="stored")
    path, made = stored.path("even"), stored.made["even"]
    whole = made.hu.shape
    hu = ct2zarr.PatchDataset([path], whole)[0]["image"][0].numpy()
    np.testing.assert_array_equal(hu, np.rint(made.hu))
    as_is = ct2zarr.PatchDataset([path], whole, hu=False, transform=lambda item: item["image"])[0]
    np.testing.assert_array_equal(as_is[0].numpy(), np.stack(made.stored))
