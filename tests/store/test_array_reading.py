"""Regions are read from chunks exactly, by any number of threads, and damage names its chunk."""

import subprocess
import sys
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numcodecs import Blosc

import ct2zarr
from ct2zarr.codes import Code
from ct2zarr.errors import FileError
from ct2zarr.store import array_reading
from ct2zarr.store.array_reading import available_threads, read_region, readable_array
from ct2zarr.store.containers import open_container, open_writer
from ct2zarr.vocabulary import StoreType
from handmade_volume import voxels, write_volume

ALL_STORES = pytest.mark.parametrize("store_type", list(StoreType))

FORMAT_2: dict[str, Any] = {
    "zarr_format": 2,
    "shape": [5, 4, 4],
    "chunks": [2, 3, 4],
    "dtype": "<i2",
    "fill_value": 0,
    "order": "C",
    "filters": None,
    "compressor": {"id": "blosc"},
}
FORMAT_3: dict[str, Any] = {
    "zarr_format": 3,
    "shape": [5, 4, 4],
    "data_type": "float32",
    "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2, 3, 4]}},
    "chunk_key_encoding": {"name": "default"},
    "codecs": [{"name": "bytes"}, {"name": "blosc", "configuration": {}}],
}


def test_keys_shape_and_type_are_those_of_the_document() -> None:
    for document, dtype, key in [
        (FORMAT_2, "<i2", "level_1/1.0.2"),
        (FORMAT_2 | {"dimension_separator": "/"}, "<i2", "level_1/1/0/2"),
        (FORMAT_3, "<f4", "level_1/c/1/0/2"),
        (with_separator("."), "<f4", "level_1/c.1.0.2"),
    ]:
        array = readable_array("level_1", document)
        assert array is not None
        assert (array.shape, array.chunks, array.dtype) == ((5, 4, 4), (2, 3, 4), np.dtype(dtype))
        assert array.key((1, 0, 2)) == key


def with_separator(separator: str) -> dict[str, Any]:
    encoding = {"name": "default", "configuration": {"separator": separator}}
    return FORMAT_3 | {"chunk_key_encoding": encoding}


@pytest.mark.parametrize(
    "change",
    [
        {"order": "F"},
        {"dtype": ">i2"},
        {"dtype": "|S2"},
        {"dtype": "|b1"},
        {"filters": [{"id": "delta"}]},
        {"compressor": None},
        {"compressor": {"id": "zlib"}},
        {"zarr_format": 3},
        {"shape": None},
    ],
)
def test_an_array_of_format_2_in_another_encoding_is_left_to_zarr(change: dict[str, Any]) -> None:
    assert readable_array("volume", FORMAT_2 | change) is None


@pytest.mark.parametrize(
    "change",
    [
        {"codecs": [{"name": "bytes"}, {"name": "gzip"}]},
        {"codecs": [{"name": "transpose"}, {"name": "bytes"}, {"name": "blosc"}]},
        {"codecs": [{"name": "bytes", "configuration": {"endian": "big"}}, {"name": "blosc"}]},
        {"chunk_grid": FORMAT_3["chunk_grid"] | {"name": "rectilinear"}},
        {"chunk_key_encoding": {"name": "v2"}},
        {"storage_transformers": [{"name": "other"}]},
        {"data_type": "bool"},
        {"data_type": "complex64"},
    ],
)
def test_an_array_of_format_3_in_another_encoding_is_left_to_zarr(change: dict[str, Any]) -> None:
    document = deepcopy(FORMAT_3)
    assert readable_array("volume", document) is not None
    assert readable_array("volume", document | change) is None


@ALL_STORES
@pytest.mark.parametrize("threads", [1, 2, 7, None])
def test_any_number_of_threads_reads_the_same_region(
    tmp_path: Path, store_type: StoreType, threads: int | None
) -> None:
    data = voxels((10, 17, 19))
    container = open_container(write_volume(tmp_path / "v", data, store_type=store_type))
    array = array_at(container)
    for region in (
        [(0, 10), (0, 17), (0, 19)],
        [(3, 9), (8, 16), (0, 8)],
        [(9, 10), (1, 2), (18, 19)],
    ):
        expected = data[tuple(slice(*limits) for limits in region)]
        np.testing.assert_array_equal(read_region(container, array, region, threads), expected)
    assert read_region(container, array, [(2, 2), (0, 5), (0, 5)], threads).shape == (0, 5, 5)


def array_at(container: Any) -> array_reading.ReadableArray:
    import json

    name = "volume/.zarray" if container.size("volume/.zarray") else "volume/zarr.json"
    array = readable_array("volume", json.loads(bytes(container.get(name))))
    assert array is not None
    return array


def test_threads_are_as_many_as_processors_up_to_eight(monkeypatch: pytest.MonkeyPatch) -> None:
    for processors, expected in [(1, 1), (8, 8), (9, 8), (64, 8)]:
        monkeypatch.setattr("os.sched_getaffinity", lambda _, n=processors: set(range(n)))
        assert available_threads() == expected


@pytest.mark.parametrize(("depth", "planes"), [(4, 1), (4, 2), (4, 3), (4, 4), (5, 2), (5, 3)])
def test_only_the_wanted_planes_of_a_chunk_are_put_in_order_up_to_half_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, depth: int, planes: int
) -> None:
    data = voxels((depth, 8, 8))
    container = open_container(written_in_one_block(tmp_path / "v", data))
    thin = []
    original = array_reading.frame_of_items

    def watched(frame: Any, *arguments: Any) -> Any:
        found = original(frame, *arguments)
        thin.append(found is not frame)
        return found

    monkeypatch.setattr(array_reading, "frame_of_items", watched)
    region = [(0, planes), (0, 8), (0, 7)]
    found = read_region(container, array_at(container), region)
    np.testing.assert_array_equal(found, data[:planes, :, :7])
    assert thin == ([True] if planes <= 2 else [])


def written_in_one_block(path: Path, data: np.ndarray) -> Path:
    """A volume of one chunk, packed as a conversion packs it."""
    import json

    from ct2zarr.store.array_writing import ChunkWriter
    from ct2zarr.store.zarr_documents import ArrayLayout, documents

    data[...] = np.sort(data, axis=None).reshape(data.shape)  # so that it packs
    layout = ArrayLayout(3, data.shape, data.shape, data.dtype.name, 1)
    writer = open_writer(StoreType.ZIP, path)
    ChunkWriter(layout, writer).write(data)
    for key, document in documents([layout], {"ct2zarr": json.loads("{}")}).items():
        writer.put(key, document)
    writer.finish()
    return path


@ALL_STORES
@pytest.mark.parametrize("keep", [None, 0, 10, 40, -1])
@pytest.mark.parametrize("threads", [1, 4])
def test_a_chunk_cut_short_or_lost_is_an_error_that_names_it(
    tmp_path: Path, store_type: StoreType, keep: int | None, threads: int
) -> None:
    whole = open_container(write_volume(tmp_path / "v", voxels(), store_type=StoreType.ZIP))
    writer = open_writer(store_type, tmp_path / "cut")
    for key in whole.keys():  # noqa: SIM118
        value = bytes(whole.get(key) or b"")
        if key != "volume/c/1/1/1":
            writer.put(key, value)
        elif keep is not None:
            writer.put(key, value[:keep])
    writer.finish()
    container = open_container(tmp_path / "cut")
    array = array_at(container)
    read_region(container, array, [(0, 4), (0, 17), (0, 19)], threads)
    with pytest.raises(FileError, match="copy or convert this volume again") as caught:
        read_region(container, array, [(0, 10), (0, 17), (0, 19)], threads)
    assert caught.value.code is Code.STORE_DAMAGED
    assert caught.value.facts["key"] == "volume/c/1/1/1"
    what = "missing" if keep is None else "damaged"
    assert f"chunk volume/c/1/1/1 is {what}" in str(caught.value)


@pytest.mark.parametrize("items", [0, 255, 257])
def test_a_whole_frame_of_another_size_is_damage(tmp_path: Path, items: int) -> None:
    """Blosc would unpack the smaller ones, and leave the rest of the chunk as it was before."""
    whole = open_container(write_volume(tmp_path / "v", voxels()))
    writer = open_writer(StoreType.SQLITE, tmp_path / "other")
    for key in whole.keys():  # noqa: SIM118
        value = bytes(whole.get(key) or b"")
        if key == "volume/1/1/1":
            value = Blosc("zstd").encode(np.zeros(items, np.int16))
        writer.put(key, value)
    writer.finish()
    container = open_container(tmp_path / "other")
    for region in ([(0, 10), (0, 17), (0, 19)], [(5, 6), (8, 16), (8, 16)]):
        with pytest.raises(FileError, match="chunk volume/1/1/1 is damaged"):
            read_region(container, array_at(container), region)


WATCH_THREADS = """
import os, sys
from pathlib import Path
import numpy as np
from numcodecs import blosc
from ct2zarr import open_volume
from ct2zarr.store.array_writing import ChunkWriter
from ct2zarr.store.containers import open_writer
from ct2zarr.store.zarr_documents import ArrayLayout, documents
from ct2zarr.vocabulary import StoreType

def state():
    return blosc.use_threads, blosc.get_nthreads(), len(os.listdir("/proc/self/task"))

before = state()
data = np.arange(64**3, dtype="int16").reshape(64, 64, 64)
layout = ArrayLayout(3, data.shape, data.shape, "int16", 1)
writer = open_writer(StoreType.ZIP, Path(sys.argv[1]))
ChunkWriter(layout, writer).write(data)
for key, document in documents([layout], {"ct2zarr": {"spacing": [1, 1, 1]}}).items():
    writer.put(key, document)
writer.finish()
volume = open_volume(sys.argv[1], threads=1)
assert (volume[...] == data).all() and (volume[3] == data[3]).all()
assert state() == before, (state(), before)
"""


def test_reading_and_writing_leave_the_threads_of_blosc_alone(tmp_path: Path) -> None:
    """They belong to the user's process, where other code may have set them."""
    scripts = Path(ct2zarr.__file__).parent.parent
    command = [sys.executable, "-c", WATCH_THREADS, str(tmp_path / "v")]
    done = subprocess.run(command, cwd=scripts, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
