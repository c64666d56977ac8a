"""Real damaged and fuzzed files: no crash, no hang, a role for each and a reason for people."""

import json
import warnings
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest

from converted import settings_for
from ct2zarr.codes import Code
from ct2zarr.convert.shard import run_shard
from ct2zarr.dicom.decoding import SourceReader
from ct2zarr.dicom.frames import read_frames
from ct2zarr.errors import FileError
from ct2zarr.plan.manifest import make_manifest
from ct2zarr.plan.roles import assign_role
from ct2zarr.run.settings import ManifestSettings, SelectionSettings
from ct2zarr.run.workers import Worker, WorkerServer
from ct2zarr.vocabulary import Role, Status
from phantom import real_data

SECONDS_A_FILE = 10.0
"""Far above what any file needs, also on a busy machine: the largest has 3 MB."""

NAMED = {
    "fo-dicom/GH1146.dcm": Role.NOT_IMAGE,
    "fo-dicom/GH1261.dcm": Role.NOT_CT,
    "fo-dicom/GH133.dcm": Role.NOT_CT,
    "fo-dicom/GH1376.dcm": Role.UNREADABLE,
    "fo-dicom/GH177_D_CLUNIE_CT1_IVRLE_BigEndian_ELE_undefinded_length.dcm": Role.SLICE,
    "fo-dicom/GH177_D_CLUNIE_CT1_IVRLE_BigEndian_undefined_length.dcm": Role.UNREADABLE,
    "fo-dicom/GH178.dcm": Role.NOT_IMAGE,
    "nibabel/decimal_rescale.dcm": Role.NOT_CT,
    "nibabel/slicethickness_empty_string.dcm": Role.NOT_CT,
    "pwnlabmx_fuzz/baseline/BASELINE_valid_ct.dcm": Role.SLICE,
    "pydicom/MR_truncated.dcm": Role.NOT_CT,
    "pydicom/UN_sequence.dcm": Role.NOT_IMAGE,
    "pydicom/badVR.dcm": Role.NOT_CT,
    "pydicom/no_meta.dcm": Role.NOT_DICOM,
    "pydicom/rtplan_truncated.dcm": Role.UNREADABLE,
    "pynetdicom/CTImageStorage_bad_meta.dcm": Role.SLICE,
    "NOTES.md": Role.NOT_DICOM,
}
"""Roles of single files, as their sources describe them. no_meta.dcm lacks its first byte."""

CODES = {
    "fo-dicom/GH1376.dcm": Code.TRUNCATED,
    "pydicom/rtplan_truncated.dcm": Code.DAMAGED,
    "fo-dicom/GH178.dcm": Code.NO_PIXELS,
    "fo-dicom/GH133.dcm": Code.NOT_CT,
}
"""Why single files are not slices."""

HARMLESS = ("cat01_tag_overflow", "cat06_private_tags", "cat08_string_encoding")
"""Categories of the fuzz corpus that do not change geometry or pixels: these remain slices."""


def examine(path: str) -> list[tuple[Role, str, str, Code | None]]:
    """Role, reason, result of decoding and code for each frame of a file."""
    selection = SelectionSettings()
    results = []
    for frame in read_frames("malformed", str(Path(path).parent), path):
        frame = assign_role(frame, selection)
        decoded = ""
        if frame.role is Role.SLICE:
            try:
                decoded = str(SourceReader().read(frame).stored.shape)
            except FileError as error:
                decoded = f"FileError: {error}"
        results.append((frame.role, frame.reason, decoded, frame.code))
    return results


@pytest.fixture(scope="module")
def examined() -> dict[str, list[tuple[Role, str, str, Code | None]] | str]:
    """File below the folder of malformed data → its frames, or the failure as text.

    The files are read in a process of their own, so that a crash or a hang is one failure.
    """
    root = real_data() / "malformed"
    paths = sorted(path for path in root.rglob("*") if path.is_file())
    results: dict[str, list[tuple[Role, str, str, Code | None]] | str] = {}
    with WorkerServer(("pydicom",)) as server:
        worker = Worker(server)
        for path in paths:
            name = path.relative_to(root).as_posix()
            try:
                results[name] = worker.run(examine, str(path), timeout=SECONDS_A_FILE)
            except Exception as error:  # noqa: BLE001  none is expected
                results[name] = repr(error)
        worker.stop()
    return results


def frames_of(examined):
    return [(name, *frame) for name, frames in examined.items() for frame in frames]


def test_no_file_crashes_hangs_or_raises(examined):
    assert len(examined) > 100
    assert {name: text for name, text in examined.items() if isinstance(text, str)} == {}
    assert all(frames for frames in examined.values())


def test_what_is_no_slice_has_a_reason_for_people(examined):
    for name, role, reason, _, code in frames_of(examined):
        if role is Role.SLICE:
            assert (reason, code) == ("", None), name
        else:
            assert isinstance(code, Code), name
            assert len(reason.split()) >= 3, name
            assert "Traceback" not in reason
            assert len(reason) < 300


def test_named_files_get_the_role_that_is_known(examined):
    found = {name: examined[name][0][0] for name in NAMED}
    assert found == NAMED


def test_codes_distinguish_damage_from_other_kinds(examined):
    found = {name: examined[name][0][3] for name in CODES}
    assert found == CODES
    assert "7947192 bytes are missing" in examined["fo-dicom/GH1376.dcm"][0][1]


def test_long_texts_private_tags_and_odd_characters_do_not_cost_a_slice(examined):
    harmless = [
        (name, role, decoded)
        for name, role, _, decoded, _ in frames_of(examined)
        if any(category in name for category in HARMLESS)
    ]
    assert len(harmless) > 50
    for name, role, decoded in harmless:
        assert role is Role.SLICE, name
        assert decoded == "(64, 64)", name


def test_a_slice_decodes_or_fails_with_a_sentence_that_names_the_file(examined):
    outcomes = Counter()
    for name, role, _, decoded, _ in frames_of(examined):
        if role is not Role.SLICE:
            continue
        outcomes[decoded.startswith("FileError")] += 1
        if decoded.startswith("FileError"):
            assert Path(name).name in decoded
            assert len(decoded.split()) > 6
    assert outcomes[False] > 80
    assert outcomes[True] >= 1


def test_no_ct_image_that_pydicom_can_decode_is_lost(examined):
    """Whatever pydicom takes for a plain grey CT image and decodes is a slice here too."""
    root = real_data() / "malformed"
    checked = 0
    for name, frames in examined.items():
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                dataset = pydicom.dcmread(root / name)
                plain = dataset.Modality == "CT" and dataset.pixel_array.ndim == 2
        except Exception:  # noqa: BLE001, S112 - pydicom raises nearly anything on these files
            continue
        if plain and dataset.PhotometricInterpretation.startswith("MONOCHROME"):
            checked += 1
            assert frames[0][0] is Role.SLICE, name
    assert checked > 80


@pytest.mark.slow
def test_the_whole_folder_is_accounted_and_each_volume_is_ok_or_has_a_reason(tmp_path):
    root = real_data() / "malformed"
    manifest = tmp_path / "manifest"
    make_manifest(ManifestSettings({"odd": root}, manifest, num_shards=1, max_depth=12, workers=2))
    summary = json.loads((manifest / "manifest_summary.json").read_text())
    on_disk = sum(path.is_file() for path in root.rglob("*"))
    assert summary["files_found"] == sum(summary["roles"].values()) == on_disk
    settings = settings_for(tmp_path, num_workers=2, series_timeout_seconds=60.0)
    rows = run_shard(replace(settings, input_csv=manifest / "series_all.csv")).rows
    assert len(rows) > 3
    for row in rows:
        assert row.reason not in (Code.UNEXPECTED_ERROR, Code.TIMEOUT, Code.WORKER_DIED), row
        assert row.verify_ok if row.status == Status.OK else len(row.error.split()) > 6
