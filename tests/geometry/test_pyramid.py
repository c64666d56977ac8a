"""Reduced levels: which there are, their voxels and places, and that both are checked."""

import json
import pickle
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from converted import Converted, convert, plans_in, settings_for
from ct2zarr.errors import FileError, VerificationError
from ct2zarr.geometry.pyramid import Halving, plan_levels
from ct2zarr.run.settings import ConvertSettings, EncodingSettings
from ct2zarr.store.array_writing import PyramidWriter
from ct2zarr.store.containers import open_container, open_writer
from ct2zarr.store.zarr_documents import ArrayLayout
from ct2zarr.store.zarr_stores import open_store
from ct2zarr.verify.verification import verify_volume
from ct2zarr.vocabulary import StoreType
from ct2zarr.volume.volume import open_volume
from phantom import hu_at, make_series

ALL_STORES = pytest.mark.parametrize("store_type", list(StoreType))
UNEVEN = [(-11.0, -9.5, z) for z in (-14.0, -13, -12, -8, -4, 0, 1, 2, 3)]


def with_levels(
    out: Path,
    levels: int = 3,
    store_type: StoreType = StoreType.SQLITE,
    zarr_format: Any = "auto",
    values: Any = "hu",
) -> ConvertSettings:
    encoding = EncodingSettings(
        store_type, values, zarr_format, chunks=(5, 16, 16), pyramid_levels=levels
    )
    return settings_for(out, encoding=encoding)


def converted(folder: Path, settings_of: dict[str, Any] | None = None, **series: Any) -> Converted:
    make_series(folder / "in", **series)
    (plan,) = plans_in(folder / "in")
    return convert(plan, with_levels(folder / "out", **(settings_of or {})))


def means(values: np.ndarray, steps: tuple[int, int, int]) -> np.ndarray:
    """Means of blocks, those at the far edge of what there is."""
    total, count = values.astype(np.float64), np.ones(values.shape)
    for axis, step in enumerate(steps):
        starts = np.arange(0, values.shape[axis], step)
        total = np.add.reduceat(total, starts, axis)
        count = np.add.reduceat(count, starts, axis)
    return total / count


@pytest.mark.parametrize(
    ("shape", "spacing", "count", "factors"),
    [
        ((64, 512, 512), (1.0, 1.0, 1.0), 1, [(1, 1, 1)]),
        ((64, 512, 512), (1.0, 1.0, 1.0), 3, [(1, 1, 1), (2, 2, 2), (4, 4, 4)]),
        # Planes far apart: rows and columns are halved until voxels are nearly cubes.
        ((40, 512, 512), (5.0, 0.7, 0.7), 5,
         [(1, 1, 1), (1, 2, 2), (1, 4, 4), (2, 8, 8), (4, 16, 16)]),
        ((800, 512, 512), (0.3, 0.8, 0.8), 3, [(1, 1, 1), (2, 1, 1), (4, 2, 2)]),
        # Nothing is left to halve.
        ((3, 4, 4), (1.0, 1.0, 1.0), 9, [(1, 1, 1), (2, 2, 2), (4, 4, 4)]),
        ((1, 4, 4), (0.1, 1.0, 1.0), 9, [(1, 1, 1), (1, 2, 2), (1, 4, 4)]),
        ((1, 1, 1), (1.0, 1.0, 1.0), 4, [(1, 1, 1)]),
    ],
)  # fmt: skip
def test_levels_halve_the_short_axes_first(
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    count: int,
    factors: list[tuple[int, int, int]],
) -> None:
    levels = plan_levels(shape, spacing, count)
    assert [level.factors for level in levels] == factors
    assert [level.path for level in levels][:2] == ["volume", "level_1"][: len(levels)]


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9)),
    steps=st.tuples(*[st.integers(1, 2)] * 3),
    dtype=st.sampled_from(["int16", "int32", "float32"]),
    seed=st.integers(0, 99),
)
def test_a_voxel_is_the_mean_of_its_block(
    shape: tuple[int, int, int], steps: tuple[int, int, int], dtype: str, seed: int
) -> None:
    limit = 32767 if dtype == "int16" else 2**31 - 1
    values = np.random.default_rng(seed).integers(-limit, limit, shape).astype(dtype)
    found: list[np.ndarray] = []
    halving = Halving(steps, found.append)
    buffer = np.empty(shape[1:], dtype)
    for plane in values:
        buffer[...] = plane
        halving.add(buffer)
        buffer.fill(0)  # the caller uses its memory again
    halving.finish()
    expected = means(values, steps)
    if dtype != "float32":
        expected = np.rint(expected)
    assert found[0].dtype == dtype
    np.testing.assert_array_equal(np.stack(found), expected.astype(dtype))


@ALL_STORES
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_levels_are_means_beside_an_unchanged_volume(
    tmp_path: Path, store_type: StoreType, zarr_format: int
) -> None:
    make_series(tmp_path / "in", n=13, rows=37, columns=43)
    (plan,) = plans_in(tmp_path / "in")
    plain = convert(plan, with_levels(tmp_path / "plain", 1, store_type, zarr_format))
    done = convert(plan, with_levels(tmp_path / "out", 4, store_type, zarr_format))
    group = zarr.open_group(open_store(done.paths.store), mode="r")
    assert sorted(group.array_keys()) == ["level_1", "level_2", "level_3", "volume"]
    for level, shape in enumerate([(13, 37, 43), (13, 19, 22), (7, 10, 11), (4, 5, 6)]):
        volume = open_volume(done.paths.store, level=level)
        assert (volume.shape, volume.levels, volume.level) == (shape, 4, level)
        array = group[f"level_{level}" if level else "volume"]
        assert isinstance(array, zarr.Array)
        np.testing.assert_array_equal(volume.numpy(), np.asarray(array[:]))
        assert volume.chunks == array.chunks == (min(5, shape[0]), 16, 16)
        if level:
            below = open_volume(done.paths.store, level=level - 1).numpy()
            steps = (1, 2, 2) if level == 1 else (2, 2, 2)
            np.testing.assert_array_equal(volume.numpy(), np.rint(means(below, steps)))
    before, after = open_container(plain.paths.store), open_container(done.paths.store)
    for key in before.keys():  # noqa: SIM118
        if key.startswith("volume/"):
            assert bytes(before.get(key) or b"") == bytes(after.get(key) or b""), key
    if store_type is StoreType.ZIP:
        keys = [key for key in after.keys() if key.endswith((".zarray", "/zarr.json"))]  # noqa: SIM118
        assert len(keys) == 4


@pytest.mark.parametrize(
    "series",
    [
        {"n": 12},
        {"n": 13, "tilt_degrees": 14.0, "orientation": (0.96, 0, 0.28, 0, 1, 0)},
        {"n": 9, "positions": UNEVEN},
        {"n": 13, "spacing": (0.4, 0.8, 0.7)},
    ],
    ids=["even", "tilted", "uneven", "thin"],
)
def test_a_level_lies_where_its_voxels_came_from(tmp_path: Path, series: dict[str, Any]) -> None:
    """HU are linear in mm, so the mean of a block is the HU at its middle."""
    done = converted(tmp_path, {"levels": 4}, rows=32, columns=32, **series)
    for level in range(open_volume(done.paths.store).levels):
        volume = open_volume(done.paths.store, level=level)
        points = volume.to_lps(np.stack(np.indices(volume.shape), axis=-1))
        assert np.abs(volume.numpy() - hu_at(points)).max() <= 0.5001 * (level + 1)
        assert volume.spacing == pytest.approx(
            np.array(done.record.geometry["spacing"]) * volume.attrs["levels"][level]["factors"]
        )
        placed = np.stack(np.indices(volume.shape), axis=-1) @ volume.index_to_lps[:3, :3].T
        shift = np.linalg.norm(placed + volume.index_to_lps[:3, 3] - points, axis=-1).max()
        assert shift == pytest.approx(volume.attrs["max_position_error_mm"], abs=1e-9)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_ome_zarr_is_told_of_each_level(tmp_path: Path, zarr_format: int) -> None:
    done = converted(tmp_path, {"zarr_format": zarr_format}, n=12, spacing=(1.0, 0.8, 0.7))
    attributes = zarr.open_group(open_store(done.paths.store), mode="r").attrs.asdict()
    (image,) = attributes["multiscales" if zarr_format == 2 else "ome"][
        slice(None) if zarr_format == 2 else "multiscales"
    ]
    assert image["type"] == "mean"
    assert [dataset["path"] for dataset in image["datasets"]] == ["volume", "level_1", "level_2"]
    for level, dataset in enumerate(image["datasets"]):
        scale, translation = dataset["coordinateTransformations"]
        volume = open_volume(done.paths.store, level=level)
        np.testing.assert_allclose(scale["scale"], volume.spacing)
        np.testing.assert_allclose(
            translation["translation"], volume.to_lps([0, 0, 0])[::-1], atol=1e-9
        )


def test_a_volume_of_stored_values_has_levels_of_them(tmp_path: Path) -> None:
    done = converted(tmp_path, {"values": "stored"}, n=6)
    level = open_volume(done.paths.store, level=1)
    hu = level.hu
    assert (hu.units, hu.level, hu.shape) == ("HU", 1, level.shape)
    np.testing.assert_array_equal(hu.numpy(), level.numpy() - 1024)
    mixed = converted(tmp_path / "m", {"values": "stored"}, n=6, slope=[1, 2, 1, 2, 1, 2])
    with pytest.raises(FileError, match=r"differ between planes.*use level 0"):
        open_volume(mixed.paths.store, level=1).hu.numpy()


def test_values_beyond_int16_begin_the_levels_again_too(tmp_path: Path) -> None:
    intercepts = [-1024] * 6 + [40000]
    offsets = [i + 1024.0 for i in intercepts]
    done = converted(tmp_path, n=7, intercept=intercepts, hu_offset=offsets)
    below, level = open_volume(done.paths.store), open_volume(done.paths.store, level=1)
    assert below.dtype == level.dtype == np.int32
    np.testing.assert_array_equal(level.numpy(), np.rint(means(below.numpy(), (1, 2, 2))))


def test_a_level_pickles_and_a_missing_one_says_so(tmp_path: Path) -> None:
    done = converted(tmp_path, {"levels": 2}, n=6)
    level = open_volume(done.paths.store, level=1)
    copy = pickle.loads(pickle.dumps(level))
    np.testing.assert_array_equal(copy.numpy(), level.numpy())
    assert copy.shape == level.shape
    assert open_volume(done.paths.store).levels == 2
    for number in (2, -1):
        with pytest.raises(FileError, match=rf"no level {number}; the number of levels is 2"):
            open_volume(done.paths.store, level=number)


def verify(done: Converted, store: Path, levels: int = 3) -> None:
    due = plan_levels(done.record.shape, tuple(done.record.geometry["spacing"]), levels)
    verify_volume(store, done.paths.slices, done.plan, done.settings, ["native"], due)


def changed(done: Converted, path: Path, key: str, value: bytes) -> Path:
    """A copy of a store in which one value is another."""
    source = open_container(done.paths.store)
    writer = open_writer(StoreType.DIR, path)
    for each in source.keys():  # noqa: SIM118
        writer.put(each, value if each == key else bytes(source.get(each) or b""))
    writer.finish()
    return path


def test_the_verification_finds_a_level_that_is_not_the_mean(tmp_path: Path) -> None:
    done = converted(tmp_path, n=12)
    verify(done, done.paths.store)
    container = open_container(done.paths.store)
    for key, other in [("level_1/0/0/0", "level_1/1/0/0"), ("level_2/0/0/0", "level_2/1/0/0")]:
        store = changed(done, tmp_path / key[:7], key, bytes(container.get(other) or b""))
        with pytest.raises(VerificationError, match=rf"of {key[:7]} is not the mean"):
            verify(done, store)


def test_the_verification_finds_levels_that_are_not_due(tmp_path: Path) -> None:
    done = converted(tmp_path, n=12)
    with pytest.raises(VerificationError, match="does not have the levels"):
        verify(done, done.paths.store, levels=2)
    document = json.loads(bytes(open_container(done.paths.store).get("level_1/.zarray") or b""))
    document["shape"][1] -= 1
    store = changed(done, tmp_path / "v", "level_1/.zarray", json.dumps(document).encode())
    with pytest.raises(VerificationError, match="level_1 has shape"):
        verify(done, store)


class Nowhere:
    """A writer that keeps nothing."""

    def put(self, key: str, value: bytes) -> None:
        pass

    def finish(self) -> None:
        pass

    abort = restart = finish


def test_the_memory_of_levels_does_not_grow_with_the_planes() -> None:
    peaks = []
    for planes in (128, 1024):
        layout = ArrayLayout(3, (planes, 128, 128), (16, 64, 64), "int16", 1)
        levels = plan_levels(layout.shape, (1.0, 1.0, 1.0), 4)
        slab = np.zeros((16, 128, 128), np.int16)
        tracemalloc.start()
        writer = PyramidWriter(levels, layout, Nowhere())
        for _ in range(planes // 16):
            writer.add(slab)
        writer.finish()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] <= peaks[0] * 1.05
