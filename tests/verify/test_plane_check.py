"""Planes are compared with files that are read another way, to the last unit."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from pydicom import Dataset, config, dcmread
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, JPEGLosslessSV1

from converted import Converted, convert, plans_in, settings_for
from ct2zarr.codes import Code
from ct2zarr.dicom.decoding import SourceReader
from ct2zarr.errors import VerificationError
from ct2zarr.model import Frame, SliceTable
from ct2zarr.run.checksums import plane_md5
from ct2zarr.store.records import read_slices, slices_to_csv
from ct2zarr.verify.plane_check import DCT_ROUNDING
from ct2zarr.verify.verification import Verification, verify_volume
from ct2zarr.vocabulary import StoreType
from phantom import make_series, patch_bytes, write


def done_in(tmp_path: Path, values: str = "hu", **series: Any) -> Converted:
    make_series(tmp_path / "in", n=4, **series)
    (plan,) = plans_in(tmp_path / "in")
    settings = settings_for(tmp_path, StoreType.DIR)
    return convert(plan, replace(settings, encoding=replace(settings.encoding, values=values)))


def verify(done: Converted) -> Verification:
    paths = done.paths
    decoders = tuple(done.record.decoders)
    return verify_volume(paths.store, paths.slices, done.plan, done.settings, decoders)


def change_voxel(done: Converted, index: tuple[int, int, int], by: float) -> None:
    """Change a voxel of the store, and the MD5 of its plane with it."""
    array = zarr.open_group(done.paths.store, mode="r+")["volume"]
    plane = np.asarray(array[index[0]])
    plane[index[1:]] += by
    array[index[0]] = plane
    edit_slices(done, index[0], "md5", lambda _: plane_md5(plane))


def edit_slices(done: Converted, row: int, column: str, edit: Callable[[str], str]) -> None:
    table = read_slices(done.paths.slices)
    rows = [list(cells) for cells in table.rows]
    place = table.columns.index(column)
    rows[row][place] = edit(rows[row][place])
    changed = SliceTable(table.columns, tuple(tuple(cells) for cells in rows))
    done.paths.slices.write_text(slices_to_csv(changed))


@pytest.mark.parametrize(
    ("syntax", "converts", "verifies"),
    [
        ("implicit", "native", "pydicom"),
        ("explicit", "native", "pydicom"),
        ("big_endian", "native", "pydicom"),
        ("deflated", "native", "pydicom"),
        ("rle", "imagecodecs", "pylibjpeg"),
        ("jpeg_lossless", "imagecodecs", "gdcm"),
        ("jpeg_lossless_sv1", "imagecodecs", "gdcm"),
        ("jpeg_ls", "imagecodecs", "gdcm"),
        ("jpeg2000_lossless", "imagecodecs", "pylibjpeg"),
        ("jpeg_extended", "imagecodecs", "pylibjpeg"),
    ],
)
def test_every_encoding_is_verified_by_a_decoder_that_did_not_convert_it(
    tmp_path, syntax, converts, verifies
):
    done = done_in(tmp_path, transfer_syntax=syntax)
    assert done.record.decoders == {converts: 4}
    verification = dict(done.record.verification)
    belonging = verification.pop("belonging")
    assert verification == {
        "ok": True, "slices": [0, 1, 2, 3], "decoders": {verifies: 4}, "same_decoder": 0,
    }  # fmt: skip
    assert (belonging["result"], belonging["planes"]) == ("constant", 4)


def test_planes_that_only_one_decoder_can_read_are_counted_apart(tmp_path):
    def encapsulated(_: int, dataset: Dataset) -> None:
        dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.50"
        dataset.PixelData = encapsulate([dataset.PixelData])
        dataset["PixelData"].VR = "OB"

    series = make_series(tmp_path / "in", n=4, edit=encapsulated)
    for path in series.paths:
        patch_bytes(path, b"1.2.840.10008.1.2.4.50", b"1.2.840.10008.1.2.1.98")
    (plan,) = plans_in(tmp_path / "in")
    record = convert(plan, settings_for(tmp_path, StoreType.DIR)).record
    assert record.verification["decoders"] == {"python": 4}
    assert record.verification["same_decoder"] == 4


def test_each_plane_counts_for_the_decoder_that_read_it(tmp_path):
    done = done_in(tmp_path, transfer_syntax=["rle", "explicit", "jpeg_ls", "rle"])
    assert done.record.verification["decoders"] == {"gdcm": 1, "pydicom": 1, "pylibjpeg": 2}


@pytest.mark.parametrize("syntax", ["explicit", "jpeg_ls"])
def test_one_unit_is_a_difference_where_decoders_are_exact(tmp_path, syntax):
    done = done_in(tmp_path, transfer_syntax=syntax)
    change_voxel(done, (2, 3, 5), 1)
    with pytest.raises(VerificationError) as raised:
        verify(done)
    facts = dict(raised.value.facts)
    found, due = facts.pop("found"), facts.pop("due")
    assert found == due + 1
    assert facts == {"plane": 2, "row": 3, "column": 5, "different": 1, "voxels": 24 * 32}


@pytest.mark.parametrize(("slope", "unit"), [(1, 1), (2, 2)])
def test_decoders_of_a_cosine_transform_may_differ_by_one_stored_unit(tmp_path, slope, unit):
    done = done_in(tmp_path, transfer_syntax="jpeg_extended", slope=slope)
    verify(done)
    due = np.asarray(zarr.open_group(done.paths.store, mode="r")["volume"])
    with SourceReader(avoid=done.record.decoders) as reader:
        theirs = reader.read(done.plan.planes[2]).stored * float(slope) - 1024
    same = np.argwhere(due[2] == theirs)[0]
    place = (2, int(same[0]), int(same[1]))
    change_voxel(done, place, unit)
    verify(done)
    change_voxel(done, place, unit)
    with pytest.raises(VerificationError, match="plane 2 differs from its source in 1 of 768"):
        verify(done)
    assert 1 < DCT_ROUNDING < 1.01


def test_the_unit_of_stored_values_is_one_whatever_the_slope(tmp_path):
    done = done_in(tmp_path, values="stored", transfer_syntax="jpeg_extended", slope=4)
    change_voxel(done, (1, 0, 0), 3)
    with pytest.raises(VerificationError, match="plane 1 differs"):
        verify(done)


def test_values_are_compared_in_the_type_of_the_array(tmp_path):
    """0.7 is no binary fraction: in float64 no voxel would be equal."""
    done = done_in(tmp_path, slope=0.7)
    assert done.record.dtype == "float32"
    assert verify(done).slices == (0, 1, 2, 3)


@pytest.mark.parametrize(("name", "value"), [("slope", 3.0), ("intercept", -1000.0)])
def test_a_declared_rescale_that_no_plane_has_is_found(tmp_path, name, value):
    done = done_in(tmp_path, slope=2)
    group = zarr.open_group(done.paths.store, mode="r+")
    attributes = dict(group.attrs["ct2zarr"])
    attributes["values"][name] = value
    group.attrs["ct2zarr"] = attributes
    with pytest.raises(VerificationError, match=f"the {name} of plane 0 is ") as raised:
        verify(done)
    assert (raised.value.facts["due"], raised.value.facts["found"]) == (
        {"slope": 2.0, "intercept": -1024.0}[name],
        str(value),
    )


def rename_units(done: Converted, kind: str) -> None:
    group = zarr.open_group(done.paths.store, mode="r+")
    attributes = dict(group.attrs["ct2zarr"])
    attributes["values"]["kind"] = kind
    group.attrs["ct2zarr"] = attributes


BOTH = ("RescaleSlope", "RescaleIntercept")


@pytest.mark.parametrize("values", ["hu", "stored"])
@pytest.mark.parametrize("without", [BOTH[:1], BOTH[1:], BOTH], ids=str)
def test_values_are_hounsfield_units_only_with_a_whole_rescale_in_each_header(
    tmp_path, without, values
):
    done = done_in(tmp_path, values, slope=2, without=without)
    assert done.record.values["kind"] == "stored"
    assert verify(done).slices == (0, 1, 2, 3)
    rename_units(done, "hu")
    with pytest.raises(VerificationError, match="calls its values Hounsfield units") as raised:
        verify(done)
    assert raised.value.code is Code.HEADERS_DISAGREE


def test_a_store_of_stored_values_that_is_called_one_of_hounsfield_units_is_found(tmp_path):
    for name, values, kind in (("a", "stored", "hu"), ("b", "hu", "stored")):
        done = done_in(tmp_path / name, values)
        assert verify(done).slices == (0, 1, 2, 3)
        rename_units(done, kind)
        with pytest.raises(VerificationError):
            verify(done)


def test_a_rescale_that_differs_between_planes_is_not_declared(tmp_path):
    done = done_in(tmp_path, slope=[1, 2, 1, 2])
    assert done.record.values["slope"] is None
    assert verify(done).slices == (0, 1, 2, 3)


def test_an_md5_that_is_not_that_of_the_plane_is_found(tmp_path):
    done = done_in(tmp_path)
    edit_slices(done, 3, "md5", lambda _: "0" * 32)
    with pytest.raises(VerificationError, match="another MD5") as raised:
        verify(done)
    assert raised.value.facts["plane"] == 3


def test_a_missing_chunk_is_named_by_its_planes(tmp_path):
    make_series(tmp_path / "in", n=12)
    (plan,) = plans_in(tmp_path / "in")
    done = convert(plan, settings_for(tmp_path, StoreType.DIR))
    (done.paths.store / "volume/c/1/0/0").unlink()
    with pytest.raises(VerificationError, match="cannot be read") as raised:
        verify(done)
    assert (raised.value.facts["first"], raised.value.facts["last"]) == (5, 9)


def test_the_unit_has_no_sign_where_values_fall_as_stored_ones_rise(tmp_path):
    done = done_in(tmp_path, transfer_syntax="jpeg_extended", slope=-2, intercept=3000)
    assert done.record.values["slope"] == -2
    assert verify(done).slices == (0, 1, 2, 3)


def test_a_file_without_a_uid_of_its_own_is_not_taken_for_another(tmp_path):
    def edit(_: int, dataset: Dataset) -> None:
        del dataset.SOPInstanceUID

    done = done_in(tmp_path, edit=edit)
    assert all(plane.sop_instance_uid for plane in done.plan.planes), "the meta group names it"
    assert verify(done).slices == (0, 1, 2, 3)


def reason_of(done: Converted) -> Code:
    with pytest.raises(VerificationError) as caught:
        verify(done)
    return caught.value.code


def test_decoders_that_read_a_file_differently_are_no_fault_of_the_machine(tmp_path):
    """A file may have one of these elements (PS3.3 C.7.6.24); ours takes the first, pydicom
    the other."""
    series = make_series(tmp_path / "in", n=4)
    for path in series.paths:
        dataset = dcmread(path)
        values = np.frombuffer(dataset.PixelData, "<u2").astype("<f4")
        dataset.FloatPixelData = (values + 1).tobytes()
        del dataset.BitsStored  # which pydicom asks for where it is not told
        write(dataset, path)
    (plan,) = plans_in(tmp_path / "in")
    with pytest.raises(
        VerificationError, match=r"pydicom reads .* otherwise than native"
    ) as caught:
        convert(plan, settings_for(tmp_path))
    assert caught.value.code is Code.DECODERS_DISAGREE
    assert caught.value.path == plan.planes[0].path
    assert caught.value.facts["due"] + 1 == caught.value.facts["found"]


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, JPEGLosslessSV1])
def test_a_store_that_no_decoder_confirms_is_a_fault_of_the_machine(tmp_path, syntax):
    done = done_in(tmp_path, transfer_syntax=syntax)
    change_voxel(done, (1, 2, 3), 1)
    assert reason_of(done) is Code.VERIFICATION_FAILED


def behind(frame: Frame, edit: Callable[[Dataset], None]) -> None:
    """Change a header so that neither size nor time of the file tells."""
    path = Path(frame.path)
    before = path.stat()
    dataset = dcmread(path)
    edit(dataset)
    write(dataset, path)
    assert path.stat().st_size == before.st_size
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize(
    ("keyword", "value"),
    [("RescaleSlope", "2"), ("RescaleIntercept", "-1023"), ("RescaleIntercept", "    -")],
)
@pytest.mark.parametrize("varying", [False, True])
def test_a_rescale_that_is_read_otherwise_than_in_the_scan_is_a_matter_of_headers(
    tmp_path, keyword, value, varying
):
    make_series(tmp_path / "in", n=4)
    if varying:
        edited = dcmread(min((tmp_path / "in").iterdir()))
        edited.RescaleIntercept = "-1000"
        write(edited, Path(edited.filename))
    (plan,) = plans_in(tmp_path / "in")
    done = convert(plan, settings_for(tmp_path))
    first = next(plane for plane in plan.planes if plane.rescale_intercept == -1024)
    length = len(str(dcmread(first.path)[keyword].value))

    def edit(dataset: Dataset) -> None:
        with config.disable_value_validation():
            dataset[keyword]._value = value.rjust(length)

    behind(first, edit)
    assert reason_of(done) is Code.HEADERS_DISAGREE


def test_a_source_that_is_gone_or_cannot_be_decoded_has_the_reason_of_the_file(tmp_path):
    done = done_in(tmp_path)
    path = Path(done.plan.planes[2].path)
    content, times = path.read_bytes(), path.stat()
    path.unlink()
    assert reason_of(done) is Code.SOURCE_GONE
    path.write_bytes(content[:-1])
    assert reason_of(done) is Code.SOURCE_CHANGED
    path.write_bytes(content)
    patch_bytes(path, b"\xe0\x7f\x10\0", b"\xe1\x7f\x10\0")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert reason_of(done) is Code.NO_PIXELS


def test_a_store_that_cannot_be_read_is_a_fault_of_the_machine(tmp_path):
    done = done_in(tmp_path)
    shutil.rmtree(done.paths.store)
    assert reason_of(done) is Code.VERIFICATION_FAILED
