"""Files to a finished store: values, documents, chunks, memory, and slices that cannot be read."""

import hashlib
import importlib
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
import zarr.buffer
from pydicom import Dataset
from zarr.codecs import BloscCodec
from zarr.storage import MemoryStore

from converted import plans_in, settings_for
from ct2zarr.codes import Code
from ct2zarr.convert.writing import Source, WrittenVolume, write_volume
from ct2zarr.errors import SeriesError
from ct2zarr.model import VolumePlan
from ct2zarr.run.settings import ConvertSettings, EncodingSettings
from ct2zarr.store.zarr_documents import ArrayLayout, Scale, documents, multiscales
from ct2zarr.vocabulary import Flag
from phantom import EXACT, hu_error, make_multiframe, make_series


class Keys(dict):
    """A StoreWriter in memory; a key that is put twice is an error."""

    restarts = 0

    def put(self, key: str, value: bytes) -> None:
        assert key not in self
        self[key] = bytes(value)

    def restart(self) -> None:
        self.restarts += 1
        self.clear()

    def finish(self) -> None: ...

    def abort(self) -> None: ...

    def group(self) -> zarr.Group:
        """The store as zarr itself reads it."""
        buffer = zarr.buffer.default_buffer_prototype().buffer
        content = {key: buffer.from_bytes(value) for key, value in self.items()}
        return zarr.open_group(MemoryStore(content), mode="r")


def settings_of(tmp_path: Path, **encoding: Any) -> ConvertSettings:
    settings = settings_for(tmp_path)
    return replace(settings, encoding=replace(settings.encoding, **encoding))


def convert(
    folder: Path, tmp_path: Path, **encoding: Any
) -> tuple[WrittenVolume, np.ndarray, zarr.Group, Keys]:
    (plan,) = plans_in(folder)
    keys = Keys()
    written = write_volume(plan, settings_of(tmp_path, **encoding), keys, Source("f1"))
    group = keys.group()
    return written, np.asarray(group["volume"][:]), group, keys


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_values_and_geometry_are_exact_as_zarr_reads_them(tmp_path, zarr_format):
    make_series(tmp_path / "in", n=12)
    written, values, group, _ = convert(tmp_path / "in", tmp_path, zarr_format=zarr_format)
    attributes = group.attrs["ct2zarr"]
    assert values.dtype == np.int16
    assert values.shape == written.shape == (12, 24, 32)
    assert hu_error(values, attributes["index_to_lps"]) <= EXACT
    assert attributes["values"]["kind"] == "hu"
    assert attributes["values"]["units"] == "HU"
    assert (attributes["values"]["minimum"], attributes["values"]["maximum"]) == (
        values.min(),
        values.max(),
    )
    assert attributes["source_fingerprint"] == "f1"
    assert attributes["spacing"] == [2.5, 0.8, 0.7]
    assert written.decoders == {"native": 12}


def test_the_md5_of_each_plane_is_that_of_its_bytes_in_the_array(tmp_path):
    make_series(tmp_path / "in", n=7)
    written, values, _, _ = convert(tmp_path / "in", tmp_path)
    expected = [hashlib.md5(plane.astype("<i2").tobytes()).hexdigest() for plane in values]
    assert list(written.slices.column("md5")) == expected


def zarr_writes(
    layout: ArrayLayout, attributes: dict, of_array: dict, values: np.ndarray
) -> dict[str, bytes]:
    """What zarr-python makes of the same settings."""
    store = MemoryStore()
    group = zarr.create_group(store, zarr_format=layout.zarr_format, attributes=attributes)
    options = {
        "cname": "zstd",
        "clevel": layout.compression_level,
        "blocksize": layout.chunk_bytes,
    }
    if layout.zarr_format == 2:
        from numcodecs import Blosc

        compressor: Any = Blosc(shuffle=Blosc.BITSHUFFLE, **options)
        extra: dict[str, Any] = {"attributes": {"_ARRAY_DIMENSIONS": ["z", "y", "x"], **of_array}}
        encoding = {"name": "v2", "separator": "/"}
    else:
        compressor = BloscCodec(shuffle="bitshuffle", typesize=layout.item_bytes, **options)
        extra = {"dimension_names": ["z", "y", "x"], "attributes": of_array}
        encoding = {"name": "default", "separator": "/"}
    array = group.create_array(
        "volume",
        shape=layout.shape,
        chunks=layout.chunks,
        dtype=layout.dtype,
        fill_value=None if layout.zarr_format == 2 else 0,
        compressors=compressor,
        chunk_key_encoding=encoding,
        config={"write_empty_chunks": True},
        **extra,
    )
    array[:] = values
    return {key: value.to_bytes() for key, value in store._store_dict.items()}


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("dtype", ["int16", "int32", "float32"])
def test_store_is_what_zarr_itself_writes(tmp_path, zarr_format, dtype):
    slope = {"int16": 1, "int32": 1, "float32": 0.5}[dtype]
    intercept = {"int16": -1024, "int32": 40000, "float32": -1024}[dtype]
    offset = intercept + 1024 if dtype == "int32" else 0
    make_series(tmp_path / "in", n=7, slope=slope, intercept=intercept, hu_offset=offset)
    written, values, group, keys = convert(tmp_path / "in", tmp_path, zarr_format=zarr_format)
    assert written.dtype == dtype
    theirs = zarr_writes(written.layout, dict(group.attrs), {"units": "HU"}, values)
    assert sorted(theirs) == sorted(keys)
    for key, value in theirs.items():
        if key.rpartition("/")[2].startswith((".z", "zarr")):
            assert json.loads(keys[key]) == json.loads(value), key
        else:
            assert keys[key] == value, key


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_ome_metadata_is_valid_and_in_millimeter(tmp_path, zarr_format):
    version = {2: "0.4", 3: "0.5"}[zarr_format]
    make_series(tmp_path / "in", n=6)
    _, _, group, _ = convert(tmp_path / "in", tmp_path, zarr_format=zarr_format)
    attributes = group.attrs.asdict()
    found = attributes if zarr_format == 2 else attributes["ome"]
    # The attributes alone: with pydantic 2.13 the models cannot be made from a group of format 2
    # (issue 417 of ome-zarr-models).
    models = importlib.import_module(f"ome_zarr_models.v{version.replace('.', '')}.image")
    models.ImageAttrs.model_validate(found)
    (scales,) = found["multiscales"]
    assert (scales if zarr_format == 2 else found)["version"] == version
    assert [axis["unit"] for axis in scales["axes"]] == ["millimeter"] * 3
    scale, translation = scales["datasets"][0]["coordinateTransformations"]
    assert scale["scale"] == [2.5, 0.8, 0.7]
    x, y, z = group.attrs["ct2zarr"]["slice_origins_lps"][0]
    assert translation["translation"] == pytest.approx([z, y, x])


def test_documents_are_json_without_nan():
    layout = ArrayLayout(3, (1, 2, 3), (1, 64, 64), "int16", 1)
    with pytest.raises(ValueError, match=r"nan|Out of range"):
        documents([layout], {"ct2zarr": float("nan")})
    scale = Scale("volume", (1.0, 1.0, 1.0), (0.0, 0.0, 0.0))
    assert multiscales(3, [scale])["ome"]["version"] == "0.5"


def test_chunks_are_capped_at_the_number_of_planes(tmp_path):
    make_series(tmp_path / "in", n=3)
    written, _, group, _ = convert(tmp_path / "in", tmp_path, chunks=(64, 64, 64))
    assert group["volume"].chunks == written.layout.chunks == (3, 64, 64)


def test_a_value_beyond_int16_starts_the_volume_again_as_int32(tmp_path):
    intercepts = [-1024] * 6 + [40000]
    make_series(
        tmp_path / "in", n=7, intercept=intercepts, hu_offset=[i + 1024 for i in intercepts]
    )
    written, values, _, keys = convert(tmp_path / "in", tmp_path)
    assert keys.restarts == 1
    assert written.dtype == "int32"
    assert values.max() > 32767
    assert written.decoders == {"native": 7}
    assert len(written.slices.rows) == 7


def test_a_slope_per_plane_is_applied_per_plane(tmp_path):
    make_series(tmp_path / "in", n=6, slope=[1, 2, 1, 2, 1, 2])
    written, values, group, _ = convert(tmp_path / "in", tmp_path)
    assert hu_error(values, group.attrs["ct2zarr"]["index_to_lps"]) <= 1.001
    assert written.values["slope"] is None
    assert written.slices.column("RescaleSlope") == ("1", "2", "1", "2", "1", "2")


def test_values_stored_leaves_the_stored_integers(tmp_path):
    series = make_series(tmp_path / "in", n=4)
    written, values, group, _ = convert(tmp_path / "in", tmp_path, values="stored")
    np.testing.assert_array_equal(values, np.stack(series.stored))
    assert group.attrs["ct2zarr"]["values"]["kind"] == "stored"
    assert written.values["intercept"] == -1024


def test_padding_is_kept_measured_and_named_in_units_of_the_array(tmp_path):
    series = make_series(tmp_path / "in", n=4, signed=True, bits_stored=16, padding=-2000)
    written, values, _, _ = convert(tmp_path / "in", tmp_path)
    evidence = next(f.evidence for f in written.flags if f.flag is Flag.PADDING)
    assert evidence["pixels"] == series.padded.sum() > 0
    assert written.values["padding_value"] == -2000
    assert (values[series.padded] == -2000).all()


def test_monochrome1_is_never_inverted(tmp_path):
    make_series(tmp_path / "in", n=4, PhotometricInterpretation="MONOCHROME1")
    _, values, group, _ = convert(tmp_path / "in", tmp_path)
    assert hu_error(values, group.attrs["ct2zarr"]["index_to_lps"]) <= EXACT


def test_a_multi_frame_file_gives_the_volume_of_its_classic_twin(tmp_path):
    make_multiframe(tmp_path / "one", n=8)
    make_series(tmp_path / "many", n=8)
    one, values, _, _ = convert(tmp_path / "one", tmp_path)
    many, others, _, _ = convert(tmp_path / "many", tmp_path)
    np.testing.assert_array_equal(values, others)
    assert one.geometry["index_to_lps"] == many.geometry["index_to_lps"]


def test_mixed_encodings_in_one_series_are_recorded(tmp_path):
    syntaxes = ["explicit", "rle", "jpeg_lossless_sv1", "jpeg_ls", "jpeg2000_lossless", "deflated"]
    make_series(tmp_path / "in", n=6, transfer_syntax=syntaxes)
    written, values, group, _ = convert(tmp_path / "in", tmp_path)
    assert hu_error(values, group.attrs["ct2zarr"]["index_to_lps"]) <= EXACT
    assert written.decoders == {"native": 2, "imagecodecs": 4}


def test_suspicious_values_are_flagged_with_evidence_in_the_store(tmp_path):
    def shifted(_: int, dataset: Dataset) -> None:
        y, x = np.mgrid[:64, :64] - 32
        pixels = np.where(y**2 + x**2 < 500, 1064, 0).astype("<u2")
        dataset.PixelData = pixels.tobytes()

    make_series(tmp_path / "in", n=40, rows=64, columns=64, intercept=0, edit=shifted,
                hu_offset=1024)  # fmt: skip
    written, _, group, _ = convert(tmp_path / "in", tmp_path)
    evidence = next(f.evidence for f in written.flags if f.flag is Flag.SUSPICIOUS_HU)
    assert evidence["fault"] == "not_rescaled"
    assert "suspicious_hu" in group.attrs["ct2zarr"]["flags"]


def test_no_identifier_of_the_patient_is_in_the_store(tmp_path):
    make_series(tmp_path / "in", n=3, PatientName="SECRET^Name", PatientID="SECRET-id")
    _, _, _, keys = convert(tmp_path / "in", tmp_path)
    assert not any(b"SECRET" in value for value in keys.values())


# Slices that cannot be read ----------------------------------------------------------------------


def damaged_plan(folder: Path, index: int, n: int = 12) -> VolumePlan:
    """A plan one file of which is damaged where only decoding finds it."""
    series = make_series(folder, n=n, transfer_syntax="jpeg_ls")
    path = series.paths[index]
    (plan,) = plans_in(folder)
    status = path.stat()
    content = bytearray(path.read_bytes())
    scan = content.rfind(b"\xff\xda")
    content[scan + 12 : scan + 60] = bytes(48)
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    return plan


def test_a_slice_that_cannot_be_decoded_fails_its_series_by_name(tmp_path):
    plan = damaged_plan(tmp_path / "in", 5)
    with pytest.raises(SeriesError, match=r"ct_.*\.dcm is in JPEG-LS") as caught:
        write_volume(plan, settings_for(tmp_path), Keys(), Source())
    assert caught.value.code is Code.CANNOT_DECODE


@pytest.mark.parametrize(("index", "n"), [(0, 12), (5, 12), (11, 12), (1, 4), (2, 5), (2, 6)])
def test_drop_leaves_the_slice_out_and_says_so(tmp_path, index, n):
    plan = damaged_plan(tmp_path / "in", index, n)
    keys = Keys()
    written = write_volume(plan, settings_for(tmp_path, on_bad_slice="drop"), keys, Source())
    values = np.asarray(keys.group()["volume"][:])
    assert values.shape[0] == n - 1 == len(written.plan.planes)
    assert written.layout.chunks[0] == min(5, n - 1)
    assert keys.restarts == (n <= 5)  # only where the chunks have to be flatter
    flags = {finding.flag for finding in written.flags}
    assert Flag.UNREADABLE_FILES in flags
    assert (Flag.MISSING_SLICES in flags) == (0 < index < n - 1)
    origins = written.geometry["slice_origins_lps"]
    assert hu_error(values, origins, (1, 0, 0, 0, 1, 0), (0.8, 0.7)) <= EXACT
    assert len(written.slices.rows) == n - 1


@pytest.mark.parametrize("n", [12, 5])
def test_levels_have_no_plane_that_was_dropped(tmp_path, n):
    """With 5 planes the chunks shrink and the volume begins again, its levels too."""
    plan = damaged_plan(tmp_path / "in", 1, n)
    encoding = EncodingSettings(chunks=(5, 16, 16), pyramid_levels=2)
    keys = Keys()
    write_volume(
        plan, settings_for(tmp_path, on_bad_slice="drop", encoding=encoding), keys, Source()
    )
    values, level = (np.asarray(keys.group()[name][:]) for name in ("volume", "level_1"))
    assert (len(values), level.shape) == (n - 1, (n - 1, 12, 16))
    means = values.astype(float).reshape(n - 1, 12, 2, 16, 2).mean(axis=(2, 4))
    np.testing.assert_array_equal(level, np.rint(means))


def test_a_source_that_changed_is_never_dropped(tmp_path):
    series = make_series(tmp_path / "in", n=4)
    (plan,) = plans_in(tmp_path / "in")
    os.utime(series.paths[2], ns=(1, 1))
    with pytest.raises(SeriesError) as caught:
        write_volume(plan, settings_for(tmp_path, on_bad_slice="drop"), Keys(), Source())
    assert caught.value.code is Code.SOURCE_CHANGED


def test_a_volume_without_one_readable_plane_fails(tmp_path):
    plan = damaged_plan(tmp_path / "in", 0, n=1)
    with pytest.raises(SeriesError, match="none of the 1 planes"):
        write_volume(plan, settings_for(tmp_path, on_bad_slice="drop"), Keys(), Source())


# Memory and start-up -----------------------------------------------------------------------------

MEASURE = """
import sys
from dataclasses import replace
from pathlib import Path
sys.path[:0] = sys.argv[3:]
from converted import plans_in, settings_for
from ct2zarr.run.settings import EncodingSettings
from ct2zarr.convert.writing import Source, write_volume
class Nothing:
    def put(self, key, value): pass
    def restart(self): pass
(plan,) = plans_in(Path(sys.argv[1]))
plan = replace(plan, planes=plan.planes * int(sys.argv[2]))
plan = replace(plan, planes=tuple(replace(p, position=None) for p in plan.planes))
settings = replace(settings_for(Path("x")), encoding=EncodingSettings())
written = write_volume(plan, settings, Nothing(), Source())
status = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
print(len(written.slices.rows), int(status["VmHWM"].split()[0]) // 1024)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_planes(tmp_path):
    make_series(tmp_path / "in", n=100, rows=512, columns=512, spacing=(1.0, 0.05, 0.05))
    folders = [str(Path(__file__).parents[2] / "scripts"), str(Path(__file__).parents[1])]

    def peak_mib(times: int) -> int:
        out = subprocess.run(
            [sys.executable, "-c", MEASURE, str(tmp_path / "in"), str(times), *folders],
            check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
        planes, peak = (int(word) for word in out.split())
        assert planes == 100 * times
        return peak

    few, many = peak_mib(2), peak_mib(10)
    assert many < 350
    assert many - few < 25


def test_converting_needs_no_zarr_and_no_pandas():
    code = (
        "import sys, ct2zarr.convert.writing; "
        "print([m for m in ('zarr', 'pandas') if m in sys.modules])"
    )
    scripts = Path(__file__).parents[2] / "scripts"
    out = subprocess.run(
        [sys.executable, "-c", code],
        check=True, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(scripts)},
    ).stdout  # fmt: skip
    assert out.strip() == "[]"


def test_the_default_settings_are_those_of_the_design():
    encoding = EncodingSettings()
    assert encoding.chunks == (64, 64, 64)
    assert encoding.compression_level == 1
