"""A volume appears whole or not at all, and only dead jobs are cleaned up after."""

import errno
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ct2zarr.convert.fingerprint import fingerprint
from ct2zarr.convert.finished import finished_record
from ct2zarr.convert.staging import remove_volume, staged_volume
from ct2zarr.errors import MachineError
from ct2zarr.model import RaisedFlag
from ct2zarr.run.atomic_files import (
    prepare_store_root,
    remove_abandoned,
    temporary_path,
    write_atomically,
)
from ct2zarr.run.paths import volume_paths
from ct2zarr.run.settings import ConvertSettings, EncodingSettings, MetadataSettings
from ct2zarr.store.records import record_to_json
from ct2zarr.vocabulary import Flag, StoreType
from record_samples import leave_file, sample_plan, sample_record

PLAN = sample_plan("ab" * 16)
HOUR = 3600


@pytest.fixture
def root(tmp_path):
    prepare_store_root(tmp_path)
    return tmp_path


def names_below(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def put(path: Path, content: str, as_folder: bool) -> None:
    if as_folder:
        leave_file(path / "volume" / "0.0.0", content)
        leave_file(path / "zarr.json", content)
    else:
        leave_file(path, content)


def publish(root: Path, store_type: StoreType, content: str) -> None:
    paths = volume_paths(root, PLAN.series_hash, store_type)
    with staged_volume(paths) as staged:
        put(staged.store, content, store_type is StoreType.DIR)
        leave_file(staged.slices, content)
        staged.publish(content)


@pytest.mark.parametrize("store_type", list(StoreType))
def test_publishing_again_replaces_all_three_parts_and_leaves_nothing_else(root, store_type):
    publish(root, store_type, "old")
    before = names_below(root)
    publish(root, store_type, "new")
    assert names_below(root) == before
    assert {path.read_text() for path in root.rglob("*") if path.is_file()} == {"new"}


@pytest.mark.parametrize("store_type", list(StoreType))
def test_an_error_while_building_leaves_the_old_volume_as_it_was(root, store_type):
    publish(root, store_type, "old")
    before = names_below(root)
    paths = volume_paths(root, PLAN.series_hash, store_type)
    with pytest.raises(RuntimeError), staged_volume(paths) as staged:  # noqa: PT012
        put(staged.store, "half", store_type is StoreType.DIR)
        leave_file(staged.store.with_name(staged.store.name + "-journal"))
        raise RuntimeError
    assert names_below(root) == before
    assert paths.record.read_text() == "old"


def test_the_record_is_gone_before_the_store_is_replaced(root, monkeypatch):
    publish(root, StoreType.SQLITE, "old")
    paths = volume_paths(root, PLAN.series_hash, StoreType.SQLITE)
    seen = []
    rename = Path.replace

    def watch(self, target):
        seen.append((Path(target).name, paths.record.exists()))
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", watch)
    publish(root, StoreType.SQLITE, "new")
    assert seen == [
        (paths.store.name, False),
        (paths.slices.name, False),
        (paths.record.name, False),
    ]


@pytest.mark.parametrize("pattern", ["*.zarr*", "*.sqlite", "*.zip", "*.series.json", "*.csv"])
def test_no_pattern_for_finished_things_matches_a_temporary_name(tmp_path, pattern):
    temporary_path(tmp_path, PLAN.series_hash).touch()
    assert list(tmp_path.iterdir())
    assert list(tmp_path.glob(pattern)) == []


def test_a_full_disk_names_the_folder_and_leaves_no_part(tmp_path):
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    target = tmp_path / "summary.csv"
    with pytest.raises(MachineError, match="free some space"):
        with_full_disk(target)
    assert names_below(tmp_path) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_part_that_cannot_be_removed_does_not_hide_why_it_is_one(tmp_path, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(MachineError) as raised:
        with_full_disk(tmp_path / "summary.csv")
    assert raised.value.facts["cause"] == os.strerror(errno.ENOSPC)


def with_full_disk(target: Path) -> None:
    real_open = Path.open

    def open_full(self, *args, **kwargs):
        self.symlink_to("/dev/full")  # a real device that answers ENOSPC
        return real_open(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "open", open_full)
        write_atomically(target, "text")


def test_an_output_folder_that_is_a_file_is_an_error_that_names_it(tmp_path):
    leave_file(tmp_path / "zarr_sqlite")
    with pytest.raises(MachineError, match="zarr_sqlite"):
        prepare_store_root(tmp_path / "zarr_sqlite")


def test_what_a_killed_process_left_goes_and_what_a_living_one_writes_stays(tmp_path):
    script = (
        "import sys; from pathlib import Path\n"
        "from ct2zarr.run.atomic_files import temporary_path\n"
        "p = temporary_path(Path(sys.argv[1]), 'x'); p.mkdir(); (p / 'chunk').touch()\n"
        "print(p, flush=True); sys.stdin.read()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert child.stdout is not None
    theirs = Path(child.stdout.readline().strip())
    mine = temporary_path(tmp_path, "y")
    mine.touch()
    assert remove_abandoned([tmp_path]) == 0
    child.kill()
    child.communicate()
    assert remove_abandoned([tmp_path]) == 1
    assert not theirs.exists()
    assert mine.exists()


def test_what_another_machine_left_goes_by_age_alone(tmp_path):
    ours = temporary_path(tmp_path, "x").name.split("-")
    foreign = leave_file(tmp_path / "-".join(["", "0" * 12, "1", "1", "0", "x"]))
    foreign = foreign.rename(tmp_path / f".building{foreign.name}")
    assert ours[0] == foreign.name.split("-")[0]
    assert remove_abandoned([tmp_path], older_than=HOUR) == 0
    old = foreign.stat().st_mtime - 2 * HOUR
    os.utime(foreign, (old, old))
    assert remove_abandoned([tmp_path], older_than=HOUR) == 1


def test_withdrawing_takes_all_parts_and_may_be_repeated(root):
    publish(root, StoreType.DIR, "old")
    paths = volume_paths(root, PLAN.series_hash, StoreType.DIR)
    remove_volume(paths)
    remove_volume(paths)
    assert names_below(root) == []
    assert not paths.store.exists()


def test_text_with_broken_file_names_is_still_utf8(tmp_path):
    write_atomically(tmp_path / "a.csv", "x\udcff")
    assert (tmp_path / "a.csv").read_text(encoding="utf-8") == "x\\udcff"


# Resuming ------------------------------------------------------------------------------------

SETTINGS = ConvertSettings(input_csv=Path("in.csv"), out_root=Path("out"))


def finish(root: Path, **changes: object):
    paths = volume_paths(root, PLAN.series_hash, StoreType.SQLITE)
    leave_file(paths.store, "12345")
    leave_file(paths.slices)
    record = sample_record(PLAN, fingerprint=fingerprint(PLAN, SETTINGS), **changes)
    leave_file(paths.record, record_to_json(record))
    return paths, record


def look(paths, wanted=None, drop=False):
    wanted = wanted or fingerprint(PLAN, SETTINGS)
    settings = replace(SETTINGS, on_bad_slice="drop" if drop else "fail")
    return finished_record(paths, wanted, PLAN, settings)


def test_a_complete_volume_is_reused(root):
    paths, record = finish(root)
    assert look(paths) == record


@pytest.mark.parametrize("part", ["store", "slices", "record"])
def test_a_volume_that_lacks_a_part_is_not_reused(root, part):
    paths, _ = finish(root)
    getattr(paths, part).unlink()
    assert look(paths) is None


def test_a_store_cut_short_or_a_damaged_record_is_not_reused(root):
    paths, _ = finish(root)
    paths.store.write_text("1234")
    assert look(paths) is None
    paths, _ = finish(root)
    paths.record.write_text(paths.record.read_text()[:100])
    assert look(paths) is None


def test_a_volume_with_dropped_slices_is_reused_only_where_dropping_is_allowed(root):
    paths, _ = finish(root, files_unreadable=1)
    assert look(paths) is None
    assert look(paths, drop=True) is not None


def changed_plane(**changes: object):
    return replace(PLAN, planes=(*PLAN.planes[:2], replace(PLAN.planes[2], **changes)))


@pytest.mark.parametrize(
    ("plan", "settings"),
    [
        (changed_plane(mtime_ns=5), SETTINGS),
        (changed_plane(bytes=5), SETTINGS),
        (changed_plane(sop_instance_uid="9"), SETTINGS),
        (changed_plane(path="/data/s/other.dcm"), SETTINGS),
        (replace(PLAN, planes=PLAN.planes[:2]), SETTINGS),
        (replace(PLAN, planes=PLAN.planes[::-1]), SETTINGS),
        (replace(PLAN, flags=(RaisedFlag(Flag.GANTRY_TILT, {"degrees": 3.0}),)), SETTINGS),
        (PLAN, replace(SETTINGS, encoding=EncodingSettings(compression_level=3))),
        (PLAN, replace(SETTINGS, encoding=EncodingSettings(values="stored"))),
        (PLAN, replace(SETTINGS, encoding=EncodingSettings(chunks=(1, 64, 64)))),
        (PLAN, replace(SETTINGS, metadata=MetadataSettings(extra_slice_tags=("XRayTubeCurrent",)))),
    ],
)
def test_what_changes_the_output_changes_the_fingerprint(plan, settings):
    assert fingerprint(plan, settings) != fingerprint(PLAN, SETTINGS)


@pytest.mark.parametrize(
    "settings",
    [
        replace(SETTINGS, num_workers=8),
        replace(SETTINGS, verify_slices="all"),
        replace(SETTINGS, out_root=Path("elsewhere")),
        replace(SETTINGS, reject_flags=frozenset({Flag.GANTRY_TILT})),
        replace(SETTINGS, encoding=EncodingSettings(zarr_format=2)),
    ],
)
def test_what_does_not_change_the_output_keeps_the_fingerprint(settings):
    assert fingerprint(PLAN, settings) == fingerprint(PLAN, SETTINGS)


def test_a_dataset_that_was_moved_as_a_whole_keeps_its_fingerprint():
    moved = sample_plan(PLAN.series_hash, folder="/elsewhere/s")
    assert fingerprint(moved, SETTINGS) == fingerprint(PLAN, SETTINGS)


def test_another_key_changes_the_fingerprint_of_deidentified_volumes_only():
    hidden = replace(SETTINGS, metadata=MetadataSettings(deidentify=True))
    keys = [{"CT2ZARR_DEIDENTIFY_KEY": key} for key in ("a", "b")]
    assert fingerprint(PLAN, hidden, keys[0]) != fingerprint(PLAN, hidden, keys[1])
    assert fingerprint(PLAN, SETTINGS, keys[0]) == fingerprint(PLAN, SETTINGS, keys[1])
