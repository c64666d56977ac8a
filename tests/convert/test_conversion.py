"""One volume: written, verified, published and recorded, or nothing of it."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import zarr
from pydicom import Dataset

from converted import convert, plans_in, settings_for
from ct2zarr.codes import Code
from ct2zarr.convert import conversion
from ct2zarr.convert.conversion import convert_volume
from ct2zarr.convert.rejection import RejectedError
from ct2zarr.errors import MachineError, SeriesError
from ct2zarr.model import VolumePlan
from ct2zarr.run.atomic_files import prepare_store_root
from ct2zarr.run.settings import ConvertSettings
from ct2zarr.store.containers import store_digest
from ct2zarr.store.records import read_record, read_slices
from ct2zarr.store.zarr_stores import open_store
from ct2zarr.verify.verification import Verification, verify_volume
from ct2zarr.vocabulary import Flag, StoreType
from phantom import EXACT, hu_error, localizer, make_multiframe, make_series, truncate


@pytest.fixture
def plan(tmp_path) -> VolumePlan:
    make_series(tmp_path / "in")
    (plan,) = plans_in(tmp_path / "in")
    return plan


def files_below(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def attempt(plan: VolumePlan, settings: ConvertSettings, error: type[Exception], said: str):
    """The error of a conversion that fails and leaves nothing behind."""
    prepare_store_root(settings.store_root)
    before = files_below(settings.store_root)
    with pytest.raises(error, match=said) as raised:
        convert_volume(plan, settings)
    assert files_below(settings.store_root) == before
    return raised.value


@pytest.mark.parametrize("store_type", list(StoreType))
def test_a_volume_has_exact_hu_in_its_own_geometry_in_every_store(tmp_path, plan, store_type):
    done = convert(plan, settings_for(tmp_path, store_type))
    group = zarr.open_group(open_store(done.paths.store), mode="r")
    attributes = group.attrs["ct2zarr"]
    assert isinstance(attributes, dict)
    volume = np.asarray(group["volume"])
    error = hu_error(volume, np.array(attributes["index_to_lps"]))
    assert error <= EXACT


def test_the_record_on_the_disk_is_the_one_returned_and_fits_the_files(tmp_path, plan):
    done = convert(plan, settings_for(tmp_path))
    record = read_record(done.paths.record)
    assert record == done.record
    assert record.output_bytes == done.paths.store.stat().st_size
    assert record.store_digest == store_digest(done.paths.store)
    assert record.input_bytes == sum(Path(plane.path).stat().st_size for plane in plan.planes)
    assert record.verification["ok"] is True
    assert record.verification["slices"] == list(range(12))
    assert record.shape == (12, 24, 32)
    seconds = record.seconds
    assert float(seconds["total"]) >= float(seconds["read"]) + float(seconds["write"])  # type: ignore[arg-type]
    assert len(read_slices(done.paths.slices).rows) == 12


def test_converting_again_gives_the_same_bytes(tmp_path, plan):
    settings = settings_for(tmp_path)
    first = convert(plan, settings)
    bytes_before = first.paths.store.read_bytes()
    second = convert(plan, replace(settings, overwrite=True))
    assert second.paths.store.read_bytes() == bytes_before
    assert second.record.store_digest == first.record.store_digest
    assert len(files_below(settings.store_root)) == 3


def test_overwriting_publishes_although_a_finished_volume_is_there(tmp_path, plan):
    settings = settings_for(tmp_path)
    first = convert(plan, settings)
    written = first.paths.record.stat().st_ino
    convert(plan, replace(settings, overwrite=True))
    assert first.paths.record.stat().st_ino != written


@pytest.mark.parametrize("store_type", list(StoreType))
def test_a_conversion_that_fails_leaves_no_file_open(tmp_path, plan, store_type):
    Path(plan.planes[-1].path).unlink()
    attempt(plan, settings_for(tmp_path / "out", store_type), SeriesError, "gone")
    opened = {Path(one.path) for one in psutil.Process().open_files()}
    assert not [path for path in opened if path.is_relative_to(tmp_path)]


def test_a_second_job_that_was_slower_takes_what_the_first_has_published(tmp_path, plan):
    settings = settings_for(tmp_path)
    first = convert(plan, settings)
    written = first.paths.record.stat().st_mtime_ns
    assert convert(plan, settings).record == first.record
    assert first.paths.record.stat().st_mtime_ns == written


def test_a_rejected_flag_of_the_headers_stops_before_any_pixel_is_read(tmp_path):
    make_series(tmp_path / "in", tilt_degrees=20)
    (plan,) = plans_in(tmp_path / "in")
    for plane in plan.planes:
        Path(plane.path).unlink()
    settings = settings_for(tmp_path, reject_flags=frozenset({Flag.GANTRY_TILT}))
    error = attempt(plan, settings, RejectedError, "gantry_tilt")
    assert error.rejected == ("gantry_tilt",)
    assert error.flags == ("gantry_tilt",)


def rescale_twice(_: int, dataset: Dataset) -> None:
    """Air at -2000 HU on the left, tissue at -1000 HU on the right."""
    stored = np.zeros((dataset.Rows, dataset.Columns), dtype="<u2")
    stored[:, dataset.Columns // 2 :] = 1000
    dataset.PixelData = stored.tobytes()
    dataset.RescaleIntercept = -2000


def test_a_rejected_flag_of_the_pixels_stops_before_publishing(tmp_path):
    make_series(tmp_path / "in", rows=128, columns=128, spacing=(1, 0.1, 0.1), edit=rescale_twice)
    (plan,) = plans_in(tmp_path / "in")
    assert Flag.SUSPICIOUS_HU not in {finding.flag for finding in plan.flags}
    settings = settings_for(tmp_path, reject_flags=frozenset({Flag.SUSPICIOUS_HU}))
    assert attempt(plan, settings, RejectedError, "suspicious_hu").rejected == ("suspicious_hu",)
    accepted = convert(plan, replace(settings, reject_flags=frozenset()))
    assert accepted.record.flags == ("suspicious_hu",)


def test_a_file_that_is_gone_fails_the_volume_even_where_slices_may_be_dropped(tmp_path, plan):
    Path(plan.planes[4].path).unlink()
    settings = settings_for(tmp_path, on_bad_slice="drop")
    assert attempt(plan, settings, SeriesError, "gone").code is Code.SOURCE_GONE


def test_a_file_that_changed_since_the_manifest_fails_the_volume(tmp_path, plan):
    os.utime(plan.planes[4].path, ns=(0, 0))
    error = attempt(plan, settings_for(tmp_path), SeriesError, "changed")
    assert error.code is Code.SOURCE_CHANGED


def test_a_truncated_file_fails_its_volume_or_is_dropped_and_flagged(tmp_path):
    series = make_series(tmp_path / "in")
    truncate(series.paths[5], keep=0.9)
    (plan,) = plans_in(tmp_path / "in")
    settings = settings_for(tmp_path)
    error = attempt(plan, settings, SeriesError, series.paths[5].name)
    assert error.code is Code.UNREADABLE_FILES
    done = convert(plan, replace(settings, on_bad_slice="drop"))
    assert done.record.shape[0] == 11
    assert done.record.files_unreadable == 1
    assert "unreadable_files" in done.record.flags
    assert "missing_slices" in done.record.flags


def test_localizers_and_duplicates_are_counted_in_the_record(tmp_path):
    series = make_series(tmp_path / "in", duplicates={3: "same"})
    localizer(tmp_path / "in", series_uid=series.series_uid)
    (plan,) = plans_in(tmp_path / "in")
    record = convert(plan, settings_for(tmp_path)).record
    assert (record.localizers_skipped, record.duplicates, record.input_files) == (1, 1, 12)


def test_a_source_that_changes_before_the_verification_publishes_nothing(
    tmp_path, plan, monkeypatch
):
    changed = Path(plan.planes[6].path)
    data = bytearray(changed.read_bytes())
    before = changed.stat()

    def verify_a_changed_source(*args: Any) -> Verification:
        data[-50] ^= 1
        changed.write_bytes(data)
        os.utime(changed, ns=(before.st_atime_ns, before.st_mtime_ns))
        return verify_volume(*args)

    monkeypatch.setattr(conversion, "verify_volume", verify_a_changed_source)
    error = attempt(plan, settings_for(tmp_path), SeriesError, "plane 6 differs from its source")
    assert error.code is Code.VERIFICATION_FAILED
    assert error.facts["plane"] == 6


def test_no_plane_needs_to_be_compared(tmp_path, plan):
    record = convert(plan, settings_for(tmp_path, verify_slices=0)).record
    assert record.verification["ok"] is None


def test_an_output_folder_that_is_gone_is_a_fault_of_the_machine(tmp_path, plan):
    with pytest.raises(MachineError, match="zarr_sqlite"):
        convert_volume(plan, settings_for(tmp_path / "nowhere"))


def test_a_multi_frame_file_is_one_file_of_its_bytes_in_the_record(tmp_path):
    series = make_multiframe(tmp_path / "in", n=4)
    (plan,) = plans_in(tmp_path / "in")
    record = convert(plan, settings_for(tmp_path)).record
    assert record.shape[0] == 4
    assert (record.input_files, record.input_bytes) == (1, series.paths[0].stat().st_size)
