"""Metadata documents are those that zarr writes, and chunk keys those that it reads."""

import json

import numpy as np
import pytest
import zarr
from numcodecs import Blosc

from ct2zarr.store.zarr_documents import AXES, ArrayLayout, Scale, documents, multiscales

SHAPE, CHUNKS = (5, 6, 7), (2, 3, 4)


def layout(zarr_format, dtype="int16", path="volume"):
    return ArrayLayout(zarr_format, SHAPE, CHUNKS, dtype, 1, path)


def write(folder, found):
    for key, content in found.items():
        path = folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("dtype", ["int16", "int32", "float32"])
def test_zarr_opens_what_the_documents_describe(tmp_path, zarr_format, dtype):
    made = layout(zarr_format, dtype)
    write(tmp_path, documents([made], {"ct2zarr": {"a": 1}}, {"units": "HU"}))
    chunk = np.arange(24, dtype=dtype).reshape(CHUNKS)
    codec = Blosc("zstd", 1, Blosc.BITSHUFFLE, made.chunk_bytes)
    path = tmp_path / made.chunk_key()(1, 0, 1)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(codec.encode(chunk))
    group = zarr.open_group(tmp_path, mode="r")
    array = group["volume"]
    assert (array.shape, array.chunks, str(array.dtype)) == (SHAPE, CHUNKS, dtype)
    assert array.metadata.zarr_format == zarr_format
    assert dict(group.attrs) == {"ct2zarr": {"a": 1}}
    assert array.attrs["units"] == "HU"
    assert np.array_equal(array[2:4, :3, 4:], chunk[:, :, :3])


def test_format_3_is_the_document_that_zarr_itself_writes(tmp_path):
    made = layout(3)
    codec = zarr.codecs.BloscCodec(
        typesize=2, cname="zstd", clevel=1, shuffle="bitshuffle", blocksize=made.chunk_bytes
    )
    group = zarr.create_group(tmp_path, zarr_format=3)
    group.create_array(
        "volume", shape=SHAPE, chunks=CHUNKS, dtype="int16", fill_value=0, compressors=[codec],
        dimension_names=AXES,
    )  # fmt: skip
    due = json.loads((tmp_path / "volume" / "zarr.json").read_text())
    assert json.loads(documents([made], {})["volume/zarr.json"]) == due


def test_format_2_has_no_fill_value_since_0_hu_is_water():
    found = documents([layout(2)], {})
    assert json.loads(found["volume/.zarray"])["fill_value"] is None
    assert json.loads(found["volume/.zattrs"]) == {"_ARRAY_DIMENSIONS": ["z", "y", "x"]}


@pytest.mark.parametrize(
    ("zarr_format", "key"), [(2, "volume/1/2/3"), (3, "volume/c/1/2/3")]
)  # fmt: skip
def test_chunks_have_the_keys_of_their_format(zarr_format, key):
    assert layout(zarr_format).chunk_key()(1, 2, 3) == key


def test_each_level_has_its_document():
    levels = [layout(3), layout(3, path="level_1")]
    assert set(documents(levels, {})) == {"zarr.json", "volume/zarr.json", "level_1/zarr.json"}


def test_a_number_that_is_none_of_json_is_refused():
    with pytest.raises(ValueError, match="JSON"):
        documents([layout(3)], {"a": float("nan")})


SCALES = [
    Scale("volume", (2.0, 0.8, 0.7), (1.0, 2.0, 3.0)),
    Scale("level_1", (4.0, 1.6, 1.4), (2.0, 2.4, 3.35)),
]


@pytest.mark.parametrize(("zarr_format", "version"), [(2, "0.4"), (3, "0.5")])
def test_multiscales_have_scale_then_translation_of_each_array(zarr_format, version):
    found = multiscales(zarr_format, SCALES, "mean")
    image = found["multiscales"][0] if zarr_format == 2 else found["ome"]["multiscales"][0]
    versioned = image if zarr_format == 2 else found["ome"]
    assert versioned["version"] == version
    assert image["type"] == "mean"
    assert [axis["unit"] for axis in image["axes"]] == ["millimeter"] * 3
    assert image["datasets"] == [
        {
            "path": one.path,
            "coordinateTransformations": [
                {"type": "scale", "scale": list(one.spacing)},
                {"type": "translation", "translation": list(one.translation)},
            ],
        }
        for one in SCALES
    ]


def test_one_array_alone_names_no_method():
    assert "type" not in multiscales(2, SCALES[:1])["multiscales"][0]
