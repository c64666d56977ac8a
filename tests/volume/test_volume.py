"""open_volume: the voxels, geometry and sidecars of a volume in any store."""

import gc
import hashlib
import json
import multiprocessing
import pickle
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

import ct2zarr
from converted import convert, plans_in, settings_for
from ct2zarr.codes import Code
from ct2zarr.errors import FileError
from ct2zarr.model import SliceTable
from ct2zarr.store.containers import open_writer
from ct2zarr.store.records import slices_to_csv
from ct2zarr.vocabulary import StoreType
from ct2zarr.volume.volume import Volume, open_volume
from handmade_volume import (
    INDEX_TO_LPS,
    SERIES_HASH,
    ct2zarr_attribute,
    voxels,
    write_sidecars,
    write_volume,
)
from phantom import hu_at, make_series

ALL_STORES = pytest.mark.parametrize("store_type", list(StoreType))


@pytest.fixture(params=list(StoreType))
def volume(request: pytest.FixtureRequest, tmp_path: Path) -> Volume:
    return open_volume(write_volume(tmp_path / "v", voxels(), store_type=request.param))


def test_the_name_ct2zarr_open_volume_is_the_function() -> None:
    assert ct2zarr.open_volume is open_volume
    assert ct2zarr.Volume is Volume
    assert "open_volume" in dir(ct2zarr)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = ct2zarr.nonsense  # type: ignore[attr-defined]


def test_importing_and_opening_need_neither_zarr_nor_pandas(tmp_path: Path) -> None:
    path = write_volume(tmp_path / "v", voxels())
    code = (
        "import sys, ct2zarr; assert 'numpy' not in sys.modules;"
        f"ct2zarr.open_volume({str(path)!r})[1:3].sum();"
        "print([m for m in ('zarr', 'pandas', 'pydicom') if m in sys.modules])"
    )
    scripts = Path(ct2zarr.__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=scripts, check=True
    )
    assert done.stdout.strip() == "[]"


@ALL_STORES
@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("dtype", ["int16", "int32", "float32"])
@pytest.mark.parametrize("threads", [1, 3])
def test_all_voxels_come_back_equal(
    tmp_path: Path, store_type: StoreType, zarr_format: int, dtype: str, threads: int
) -> None:
    data = voxels(dtype=dtype)
    path = write_volume(tmp_path / "v", data, store_type=store_type, zarr_format=zarr_format)
    volume = open_volume(path, threads=threads)
    assert (volume.shape, volume.dtype, volume.chunks) == (data.shape, data.dtype, (4, 8, 8))
    for found in (volume.numpy(), volume.read(), np.asarray(volume), volume[...]):
        assert found.dtype == data.dtype
        np.testing.assert_array_equal(found, data)
    np.testing.assert_array_equal(np.asarray(volume.array[:]), data)
    assert isinstance(volume.array, zarr.Array)


INDICES = st.one_of(
    st.integers(-9, 8), st.slices(9), st.builds(slice, st.none(), st.none(), st.just(-1))
)


@settings(max_examples=300, deadline=None)
@given(
    index=st.lists(INDICES, max_size=3),
    ellipsis=st.one_of(st.none(), st.integers(0, 3)),
)
def test_indexing_is_that_of_numpy(
    shared_volume: tuple[Volume, np.ndarray], index: list[Any], ellipsis: int | None
) -> None:
    volume, data = shared_volume
    if ellipsis is not None:
        index = [*index[:ellipsis], ..., *index[ellipsis:]]
    key = index[0] if len(index) == 1 else tuple(index)
    expected = data[key]
    found = volume[key]
    assert type(found) is type(expected)
    np.testing.assert_array_equal(found, expected)


@pytest.fixture(scope="module")
def shared_volume(tmp_path_factory: pytest.TempPathFactory) -> tuple[Volume, np.ndarray]:
    data = voxels((9, 10, 11))
    path = write_volume(tmp_path_factory.mktemp("shared") / "v", data)
    return open_volume(path), data


def test_indices_out_of_bounds_are_errors(volume: Volume) -> None:
    for key in (10, -11, (0, 17), (0, 0, 0, 0)):
        with pytest.raises(IndexError):
            volume[key]
    with pytest.raises(IndexError, match="single ellipsis"):
        volume[..., ...]


def test_fancy_indices_are_left_to_zarr(volume: Volume) -> None:
    mask = np.zeros(volume.shape, bool)
    mask[3, 4, 5] = mask[9, 16, 18] = True
    np.testing.assert_array_equal(volume[mask], voxels()[mask])


def test_a_result_is_writable_memory_of_its_own(volume: Volume) -> None:
    part = volume[0]
    part[...] = 7
    np.testing.assert_array_equal(volume[0], voxels()[0])
    with pytest.raises(ValueError, match="without a copy"):
        volume.__array__(copy=False)
    assert np.asarray(volume, dtype=np.float64).dtype == np.float64
    assert len(volume) == 10
    assert volume.ndim == 3


@ALL_STORES
def test_what_the_direct_path_does_not_know_is_read_through_zarr(
    tmp_path: Path, store_type: StoreType
) -> None:
    """Sharded, gzip: not written by ct2zarr today, and still right."""
    data = voxels()
    source = tmp_path / "source"
    group = zarr.open_group(source, mode="w", attributes={"ct2zarr": ct2zarr_attribute(10)})
    array = group.create_array(
        "volume", shape=data.shape, dtype="int16", chunks=(2, 4, 4), shards=(4, 8, 8),
        compressors=zarr.codecs.GzipCodec(),
    )  # fmt: skip
    array[:] = data
    writer = open_writer(store_type, tmp_path / "v")
    for file in sorted(source.rglob("*")):
        if file.is_file():
            writer.put(file.relative_to(source).as_posix(), file.read_bytes())
    writer.finish()
    volume = open_volume(tmp_path / "v")
    assert volume._direct is None
    assert (volume.shape, volume.dtype) == (data.shape, np.dtype("int16"))
    np.testing.assert_array_equal(volume[2:9, ::2, -3], data[2:9, ::2, -3])


# Geometry.


def test_spacing_orientation_and_matrices_are_as_written(volume: Volume) -> None:
    assert volume.spacing == (2.5, 0.8, 0.7)
    np.testing.assert_array_equal(volume.orientation, [[1, 0, 0], [0, 1, 0]])
    np.testing.assert_array_equal(volume.index_to_lps, INDEX_TO_LPS)
    assert volume.flags == ("gantry_tilt",)
    assert volume.units == "HU"
    assert volume.values["kind"] == "hu"
    assert volume.series_hash == "0123456789abcdef" * 2


def test_the_four_matrices_name_the_same_point(volume: Volume) -> None:
    z, y, x = 3, 5, 7
    lps = np.array(INDEX_TO_LPS) @ [z, y, x, 1]
    ras = [-lps[0], -lps[1], lps[2], 1]
    for matrix, index, expected in [
        (volume.index_to_lps, [z, y, x, 1], lps),
        (volume.index_to_ras, [z, y, x, 1], ras),
        (volume.affine_lps_xyz, [x, y, z, 1], lps),
        (volume.affine_ras_xyz, [x, y, z, 1], ras),
    ]:
        assert matrix is not None
        np.testing.assert_allclose(matrix @ index, expected)
    np.testing.assert_allclose(volume.to_lps([z, y, x]), lps[:3])


def test_planes_are_found_where_their_headers_put_them(tmp_path: Path) -> None:
    """Uneven spacing: index_to_lps alone would be wrong by millimetres."""
    data = voxels()
    depths = np.array([0, 1, 2, 3, 8, 13, 18, 19, 20, 21], float)
    normal = np.cross([0.96, 0, 0.28], [0, 1, 0])
    origins = np.array([-100.0, -50, 30]) + depths[:, None] * normal + [0, 0.1, 0]
    matrix = np.eye(4)
    matrix[:3, 0] = (origins[-1] - origins[0]) / 9
    matrix[:3, 1] = [0, 0.8, 0]
    matrix[:3, 2] = np.array([0.96, 0, 0.28]) * 0.7
    matrix[:3, 3] = origins[0]
    attribute = ct2zarr_attribute(
        10,
        flags=["uneven_spacing"],
        index_to_lps=matrix.tolist(),
        slice_origins_lps=origins.tolist(),
    )
    volume = open_volume(write_volume(tmp_path / "v", data, attribute=attribute))
    planes = np.arange(10)
    index = np.stack([planes, np.full(10, 3), np.full(10, 4)], axis=-1)
    expected = origins + 3 * matrix[:3, 1] + 4 * matrix[:3, 2]
    np.testing.assert_allclose(volume.to_lps(index), expected)
    np.testing.assert_allclose(volume.to_lps([3.5, 0, 0]), (origins[3] + origins[4]) / 2)


def test_points_and_indices_are_inverse_inside_and_outside(volume: Volume) -> None:
    index = np.random.default_rng(3).uniform(-30, 40, (50, 3))
    np.testing.assert_allclose(volume.to_index(volume.to_lps(index)), index, atol=1e-9)
    np.testing.assert_allclose(
        volume.to_lps([-7.5, 2, 3]), (np.array(INDEX_TO_LPS) @ [-7.5, 2, 3, 1])[:3]
    )


def test_a_volume_without_geometry_says_so(tmp_path: Path) -> None:
    attribute = ct2zarr_attribute(
        10, flags=["no_geometry"], index_to_lps=None, slice_origins_lps=None, orientation=None
    )
    volume = open_volume(write_volume(tmp_path / "v", voxels(), attribute=attribute))
    assert volume.index_to_lps is None
    assert volume.affine_ras_xyz is None
    assert volume.index_to_ras is None
    assert volume.orientation is None
    with pytest.raises(FileError, match="no_geometry"):
        volume.to_lps([0, 0, 0])
    np.testing.assert_array_equal(volume.numpy(), voxels())


# Processes.


@ALL_STORES
def test_a_volume_pickles_as_its_path(tmp_path: Path, store_type: StoreType) -> None:
    volume = open_volume(write_volume(tmp_path / "v", voxels(), store_type=store_type), threads=2)
    volume.numpy()
    dumped = pickle.dumps(volume)
    assert len(dumped) < 500
    copy = pickle.loads(dumped)
    assert copy.threads == 2
    np.testing.assert_array_equal(copy.numpy(), voxels())


def _read_patches(volume: Volume, data: np.ndarray, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(60):
        start = rng.integers(0, np.array(data.shape) - 8)
        patch = tuple(slice(low, low + 8) for low in start)
        np.testing.assert_array_equal(volume[patch], data[patch])


@ALL_STORES
@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_loader_processes_read_an_opened_volume_without_an_error(
    tmp_path: Path, store_type: StoreType, method: str
) -> None:
    data = voxels((24, 40, 40))
    volume = open_volume(write_volume(tmp_path / "v", data, store_type=store_type))
    volume.numpy()
    context = multiprocessing.get_context(method)
    count = 4 if method == "fork" else 1
    children = [
        context.Process(target=_read_patches, args=(volume, data, seed)) for seed in range(count)
    ]
    for child in children:
        child.start()
    _read_patches(volume, data, 99)
    for child in children:
        child.join(60)
        assert child.exitcode == 0


@ALL_STORES
def test_closing_leaves_no_open_handle(tmp_path: Path, store_type: StoreType) -> None:
    path = write_volume(tmp_path / "v", voxels(), store_type=store_type)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        with open_volume(path, threads=1) as volume:
            volume.numpy()
        open_files = [entry.resolve() for entry in Path("/proc/self/fd").iterdir()]
        assert path not in open_files
        np.testing.assert_array_equal(volume[1], voxels()[1])
        del volume
        gc.collect()


# Sidecars.


def test_series_and_slices_are_found_in_meta_and_beside(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    path = write_volume(tmp_path / "data" / f"{SERIES_HASH}.zarr.sqlite", voxels())
    volume = open_volume(path)
    with pytest.raises(FileError, match=rf"{SERIES_HASH}\.series\.json is neither in"):
        _ = volume.series
    write_sidecars(tmp_path / "meta", tags={"KVP": 120})
    assert volume.series["tags"]["KVP"] == 120
    assert [row["file_name"] for row in volume.slices[:2]] == ["a/0.dcm", "a/1.dcm"]
    table = volume.slice_table()
    assert table["slice_index"].tolist() == list(range(10))
    assert table["SOPInstanceUID"].tolist()[:2] == ["1.20", "1.21"]
    assert table["md5"].tolist()[:2] == ["0e1", "1e1"]
    for file in (tmp_path / "meta").iterdir():
        file.rename(tmp_path / "data" / file.name)
    assert open_volume(path).slices == volume.slices


def test_the_slice_table_has_the_texts_that_the_csv_guards(tmp_path: Path) -> None:
    names = ("=cmd()", "a\nb", "-5", r"\x1b", *"abcdef")
    rows = tuple((str(i), name, "-1024") for i, name in enumerate(names))
    path = write_volume(tmp_path / f"{SERIES_HASH}.zarr.sqlite", voxels())
    columns = ("slice_index", "file_name", "RescaleIntercept")
    write_sidecars(tmp_path, slices_to_csv(SliceTable(columns, rows)))
    table = open_volume(path).slice_table()
    assert tuple(table["file_name"]) == names
    assert table["RescaleIntercept"].tolist() == [-1024] * 10


@ALL_STORES
def test_a_link_to_a_store_finds_the_sidecars_of_the_store(
    tmp_path: Path, store_type: StoreType
) -> None:
    (tmp_path / "data").mkdir()
    name = f"{SERIES_HASH}{store_type.suffix}"
    path = write_volume(tmp_path / "data" / name, voxels(), store_type=store_type)
    write_sidecars(tmp_path / "meta", tags={"KVP": 120})
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "link").symlink_to(path)
    (tmp_path / "elsewhere" / "second").symlink_to("link")
    for link in ("link", "second"):
        volume = open_volume(tmp_path / "elsewhere" / link)
        assert volume.series["tags"] == {"KVP": 120}
        assert len(volume.slices) == 10


# Volumes as the conversion writes them.


@ALL_STORES
def test_a_converted_volume_has_the_phantoms_hu_where_to_lps_says(
    tmp_path: Path, store_type: StoreType
) -> None:
    make_series(tmp_path / "in", n=9, tilt_degrees=12.0, orientation=(0.96, 0, 0.28, 0, 1, 0))
    (plan,) = plans_in(tmp_path / "in")
    done = convert(plan, settings_for(tmp_path / "out", store_type))
    volume = open_volume(done.paths.store)
    assert volume._direct is not None, "the direct path does not know what the conversion writes"
    points = volume.to_lps(np.stack(np.indices(volume.shape), axis=-1))
    assert np.abs(volume.numpy() - hu_at(points)).max() <= 0.5
    np.testing.assert_array_equal(volume.numpy(), np.asarray(volume.array[:]))
    assert volume.units == "HU"
    assert "gantry_tilt" in volume.flags
    assert volume.series["series_hash"] == volume.series_hash == plan.series_hash
    assert [row["SOPInstanceUID"] for row in volume.slices] == [
        plane.sop_instance_uid for plane in plan.planes
    ]
    planes = volume.numpy().astype("<i2")
    assert volume.slice_table()["md5"].tolist() == [
        hashlib.md5(plane.tobytes()).hexdigest() for plane in planes
    ]


# What is no volume.


@ALL_STORES
def test_a_zarr_store_of_somebody_else_is_refused(tmp_path: Path, store_type: StoreType) -> None:
    writer = open_writer(store_type, tmp_path / "v")
    writer.put("zarr.json", b'{"zarr_format": 3, "node_type": "group", "attributes": {}}')
    writer.finish()
    with pytest.raises(FileError, match="no volume written by ct2zarr") as caught:
        open_volume(tmp_path / "v")
    assert str(tmp_path / "v") in str(caught.value)


def test_a_store_without_its_array_is_refused(tmp_path: Path) -> None:
    writer = open_writer(StoreType.SQLITE, tmp_path / "v")
    attributes = {"ct2zarr": ct2zarr_attribute(3)}
    document = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
    writer.put("zarr.json", json.dumps(document).encode())
    writer.finish()
    with pytest.raises(FileError, match="no metadata of volume"):
        open_volume(tmp_path / "v")


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff\xfe"])
def test_damaged_metadata_is_named(tmp_path: Path, content: bytes) -> None:
    writer = open_writer(StoreType.DIR, tmp_path / "v")
    writer.put("zarr.json", content)
    writer.finish()
    with pytest.raises(FileError, match=r"zarr\.json is"):
        open_volume(tmp_path / "v")


def test_the_record_in_meta_comes_before_one_beside_the_store(tmp_path: Path) -> None:
    for folder in ("meta", "data"):
        write_sidecars(tmp_path / folder, comes_from=folder)
    path = write_volume(tmp_path / "data" / f"{SERIES_HASH}.zarr.sqlite", voxels())
    assert open_volume(path).series["comes_from"] == "meta"


@pytest.mark.parametrize("level", [-1, 1])
def test_a_level_that_a_volume_does_not_have_is_an_error(tmp_path: Path, level: int) -> None:
    path = write_volume(tmp_path / "v", voxels())
    with pytest.raises(FileError) as raised:
        open_volume(path, level=level)
    assert raised.value.code is Code.NO_LEVEL
