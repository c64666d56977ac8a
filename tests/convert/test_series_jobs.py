"""However a conversion ends, its volume has one row, and the files on the disk agree with it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from converted import plans_in, settings_for
from ct2zarr.codes import Code
from ct2zarr.convert import conversion
from ct2zarr.convert.rejection import RejectedError
from ct2zarr.convert.series_jobs import (
    JobResult,
    SeriesJob,
    check_roots,
    convert_to_row,
    converted_rows,
    run_in_worker,
)
from ct2zarr.convert.summary_rows import row_of_failure, row_of_rejection
from ct2zarr.errors import MachineError, SeriesError, SettingsError
from ct2zarr.model import RaisedFlag, VolumePlan
from ct2zarr.run.atomic_files import prepare_store_root
from ct2zarr.run.paths import volume_paths
from ct2zarr.run.settings import ConvertSettings
from ct2zarr.store.records import read_record
from ct2zarr.vocabulary import Flag
from phantom import make_series
from shard_runs import temporary_files


@pytest.fixture
def plan(tmp_path) -> VolumePlan:
    make_series(tmp_path / "in", n=4)
    (plan,) = plans_in(tmp_path / "in")
    return plan


@pytest.fixture
def settings(tmp_path) -> ConvertSettings:
    settings = settings_for(tmp_path / "out")
    prepare_store_root(settings.store_root)
    return settings


class EndsWith:
    """A worker whose process returns a result, or raises an error, without doing anything."""

    def __init__(self, end: JobResult | Exception) -> None:
        self.end = end

    def run(self, *_: Any, **__: Any) -> Any:
        if isinstance(self.end, Exception):
            raise self.end
        return self.end


def on_disk(settings: ConvertSettings, plan: VolumePlan) -> tuple[bool, bool, bool]:
    """Whether store, slices.csv and series.json are there."""
    paths = volume_paths(settings.store_root, plan.series_hash, settings.encoding.store_type)
    return paths.store.exists(), paths.slices.exists(), paths.record.exists()


def leave(settings: ConvertSettings, plan: VolumePlan, *, record: bool) -> None:
    paths = volume_paths(settings.store_root, plan.series_hash, settings.encoding.store_type)
    for path in (paths.store, paths.slices, *([paths.record] if record else [])):
        path.write_text("x")


FAILURE = SeriesError(Code.WORKER_DIED, "The worker process crashed.")


@pytest.mark.parametrize("record", [True, False])
def test_a_failure_keeps_an_older_volume_only_where_it_is_complete(plan, settings, record):
    leave(settings, plan, record=record)
    row = run_in_worker(EndsWith(FAILURE), SeriesJob(plan, settings))
    assert (row.status, row.code, row.error) == ("failed", "worker_died", str(FAILURE))
    assert on_disk(settings, plan) == (record, record, record)


def test_a_failure_that_became_a_row_in_the_worker_keeps_an_older_volume_too(plan, settings):
    leave(settings, plan, record=True)
    result = JobResult(row_of_failure(plan, FAILURE))
    assert run_in_worker(EndsWith(result), SeriesJob(plan, settings)) == result.row
    assert on_disk(settings, plan) == (True, True, True)


def test_a_rejected_volume_is_removed_though_it_was_complete(plan, settings):
    leave(settings, plan, record=True)
    error = RejectedError((Flag.PADDING,), (Flag.PADDING,), frozenset({Flag.PADDING}))
    result = JobResult(row_of_rejection(plan, error))
    assert run_in_worker(EndsWith(result), SeriesJob(plan, settings)).status == "rejected"
    assert on_disk(settings, plan) == (False, False, False)


@pytest.mark.parametrize("kind", [MachineError, SettingsError])
def test_a_fault_of_the_machine_or_the_settings_is_nobodys_row(plan, settings, kind):
    leave(settings, plan, record=False)
    with pytest.raises(kind):
        run_in_worker(EndsWith(kind(Code.MACHINE, "The disk is full.")), SeriesJob(plan, settings))
    assert on_disk(settings, plan) == (True, True, False)


def test_the_log_has_the_place_of_an_unexpected_error_and_no_word_of_its_text(
    plan, settings, caplog
):
    result = JobResult(row_of_failure(plan, FAILURE), "File x, line 3\nKeyError")
    run_in_worker(EndsWith(result), SeriesJob(plan, settings))
    (record,) = caplog.records
    assert record.getMessage() == f"{plan.series_hash}: unexpected error in\n{result.trace}"


def test_a_gone_source_is_a_row_while_its_dataset_is_there(plan, settings):
    gone = SeriesError(Code.SOURCE_GONE, "{path} is gone", path=plan.planes[0].path)
    assert run_in_worker(EndsWith(gone), SeriesJob(plan, settings)).code == "source_gone"
    for path in Path(plan.planes[0].root).iterdir():
        path.unlink()
    with pytest.raises(MachineError):
        run_in_worker(EndsWith(gone), SeriesJob(plan, settings))
    # Any other failure says nothing about the dataset.
    assert run_in_worker(EndsWith(FAILURE), SeriesJob(plan, settings)).code == "worker_died"


def test_a_dataset_is_gone_where_one_of_its_roots_is_gone_or_empty(plan, tmp_path):
    check_roots(plan)
    empty, missing = tmp_path / "empty", tmp_path / "missing"
    empty.mkdir()
    for root in (empty, missing):
        moved = (*plan.planes[:-1], replace(plan.planes[-1], root=str(root)))
        with pytest.raises(MachineError) as raised:
            check_roots(replace(plan, planes=moved))
        assert (raised.value.code, raised.value.path) == (Code.MACHINE, str(root))
        assert raised.value.facts["dataset"] == "v1"


# In the worker --------------------------------------------------------------------------------


def test_a_converted_volume_is_a_row_and_its_record_names_the_manifest(plan, settings):
    result = convert_to_row(SeriesJob(plan, settings, manifest_md5="abc"))
    assert (result.row.status, result.row.reused, result.trace) == ("ok", False, "")
    paths = volume_paths(settings.store_root, plan.series_hash, settings.encoding.store_type)
    assert read_record(paths.record).manifest_md5 == "abc"


def test_an_error_of_a_file_is_a_row_with_its_code(plan, settings):
    Path(plan.planes[1].path).unlink()
    result = convert_to_row(SeriesJob(plan, settings))
    assert (result.row.code, result.trace) == ("source_gone", "")
    assert Path(plan.planes[1].path).name in result.row.error
    assert Path(plan.planes[1].path).name not in result.row.error_public


def test_a_rejected_flag_is_a_row_with_the_flags(plan, settings):
    flagged = replace(settings, reject_flags=frozenset({Flag.SINGLE_SLICE}))
    single = replace(plan, planes=plan.planes[:1])
    single = replace(single, flags=(RaisedFlag(Flag.SINGLE_SLICE, {}),))
    row = convert_to_row(SeriesJob(single, flagged)).row
    assert (row.status, row.code, row.reason) == ("rejected", "rejected_flag", "single_slice")


def test_an_unexpected_error_is_a_row_that_quotes_nothing(plan, settings):
    broken = replace(plan, planes=(replace(plan.planes[0], path=7),))  # type: ignore[arg-type]
    result = convert_to_row(SeriesJob(broken, settings))
    assert result.row.code == "unexpected_error"
    assert result.row.error == result.row.error_public
    assert result.row.error.startswith("unexpected ")
    assert " line " in result.row.error
    assert result.trace.rstrip().endswith("Error")


def test_a_folder_that_is_gone_ends_the_job(plan, tmp_path):
    with pytest.raises(MachineError):
        convert_to_row(SeriesJob(plan, settings_for(tmp_path / "nowhere")))


def test_a_lack_of_memory_is_left_to_the_worker_process(plan, settings, monkeypatch):
    """The process is not worth keeping after that; ``Worker.run`` makes the failure of it."""

    def take_all(*_: Any, **__: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(conversion, "convert_volume", take_all)
    with pytest.raises(MemoryError):
        convert_to_row(SeriesJob(plan, settings))


# Several volumes ------------------------------------------------------------------------------


def test_nothing_to_convert_starts_no_worker(settings):
    assert list(converted_rows([], settings)) == []


def test_a_damaged_volume_is_replaced_and_no_temporary_file_is_left(plan, settings):
    convert_to_row(SeriesJob(plan, settings))
    paths = volume_paths(settings.store_root, plan.series_hash, settings.encoding.store_type)
    whole = paths.store.read_bytes()
    paths.store.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))  # of the same size
    (row,) = converted_rows([plan], settings, damaged={plan.series_hash}, manifest_md5="abc")
    assert (row.status, row.reused) == ("ok", False)
    assert paths.store.read_bytes() != whole  # the record of the manifest is another one
    assert read_record(paths.record).manifest_md5 == "abc"
    assert temporary_files(settings.store_root) == []
