"""Whatever goes wrong in a shard, its next run ends like one in which nothing went wrong."""

import ctypes
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from pyarrow.parquet import read_table
from pydicom import dcmread
from pydicom.dataelem import RawDataElement
from pydicom.encaps import encapsulate
from pydicom.tag import Tag

from ct2zarr import open_volume
from ct2zarr.convert.shard import run_shard
from ct2zarr.errors import MachineError
from ct2zarr.run.settings import ConvertSettings
from jumping_clock import sitecustomize as jumping_clock
from phantom import hu_error, make_series
from poison import sitecustomize as poison
from shard_runs import (
    in_a_process,
    manifest,
    rows_of,
    settings_for,
    stores_below,
    temporary_files,
    wait_until,
    without_times,
)

pytestmark = pytest.mark.slow

SEED = 505
SERIES = 10
LIMIT_SECONDS = 120
LONG_UID = 65536

MACHINE_ERROR = 3
"""Exit code of a job that the machine ended."""


@dataclass(frozen=True)
class Dataset:
    """A manifest with one shard, and what an undisturbed conversion of it gives."""

    settings: ConvertSettings
    rows: list[dict[str, str]]
    stores: dict[str, str]
    names: list[str]

    def at(self, out_root: Path, **changes: Any) -> ConvertSettings:
        """The same conversion elsewhere."""
        return replace(self.settings, out_root=out_root, **changes)

    def is_the_result_of(self, settings: ConvertSettings) -> None:
        """Same rows, same MD5s of the stores, same names: no temporary files, none too few."""
        root = settings.store_root
        assert without_times(rows_of(root / "summary_shard_00.csv")) == self.rows
        assert stores_below(root) == self.stores
        assert names_below(root) == self.names
        assert temporary_files(root) == []


def names_below(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def dataset_in(root: Path, **changes: Any) -> Dataset:
    folder = manifest(root / "in", num_shards=1)
    settings = settings_for(
        folder / "shards" / "series_shard_00.csv", out_root=root / "undisturbed", **changes
    )
    summary = run_shard(settings)
    assert {row.status for row in summary.rows} == {"ok"}
    return Dataset(
        settings,
        without_times(rows_of(summary.csv_path)),
        stores_below(settings.store_root),
        names_below(settings.store_root),
    )


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> Dataset:
    """Ten series, enough for a kill to find some done, some begun and some not."""
    root = tmp_path_factory.mktemp("many")
    for number in range(SERIES):
        make_series(
            root / "in" / f"s{number}", name=f"s{number}", n=20, rows=96, columns=96,
            spacing=(0.5, 0.2, 0.2), transfer_syntax="jpeg_lossless_sv1" if number % 2 else "rle",
        )  # fmt: skip
    return dataset_in(root, num_workers=2)


@pytest.fixture(scope="module")
def one(tmp_path_factory) -> Dataset:
    """A single small series."""
    root = tmp_path_factory.mktemp("one")
    make_series(root / "in" / "a", name="a", n=9)
    return dataset_in(root)


# Killed at random moments ---------------------------------------------------------------------


def workers_of(job: subprocess.Popen) -> list[psutil.Process]:
    """The processes that convert: children of the fork server, which is a child of the job."""
    found = []
    with suppress(psutil.NoSuchProcess):
        for server in psutil.Process(job.pid).children():
            found += server.children()
    return found


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGTERM], ids=lambda kill: kill.name)
def test_workers_killed_at_random_moments(many, tmp_path, kill):
    """Twelve kills each. A volume whose worker is killed twice is a failed row, for the next run
    to convert: killing is most often the kernel's answer to a lack of memory."""
    settings = many.at(tmp_path / "out")
    choose = random.Random(f"{SEED} {kill.name}")
    kills = 0
    while kills < 12:
        job = in_a_process(replace(settings, overwrite=True))
        while job.poll() is None and kills < 12:
            time.sleep(choose.uniform(0, 0.25))
            crew = workers_of(job)
            if crew:
                with suppress(psutil.NoSuchProcess):
                    choose.choice(crew).send_signal(kill)
                    kills += 1
        _, said = job.communicate(timeout=LIMIT_SECONDS)
        assert job.returncode == 0, said
        rows = rows_of(settings.store_root / "summary_shard_00.csv")
        assert {row["reason"] for row in rows if row["status"] != "ok"} <= {"worker_died"}
        assert len(rows) == SERIES
    run_shard(settings)
    many.is_the_result_of(settings)


def test_a_shard_job_killed_at_random_moments_goes_on_each_time(many, tmp_path):
    """Sixteen kills of the job alone, by SIGKILL and SIGTERM in turn; its workers end by
    themselves, while the next job runs already."""
    settings = many.at(tmp_path / "out")
    choose = random.Random(f"{SEED} job")
    for number in range(16):
        job = in_a_process(replace(settings, overwrite=number % 4 == 0))
        time.sleep(choose.uniform(0.2, 2.0))
        job.send_signal(signal.SIGTERM if number % 2 else signal.SIGKILL)
        job.communicate(timeout=LIMIT_SECONDS)
    run_shard(settings)
    many.is_the_result_of(settings)


# A decoder that crashes, hangs, or takes all memory -------------------------------------------


def test_poisoned_series_among_good_ones_are_one_failed_row_each(tmp_path):
    ends = {
        "crash": (poison.ROWS_CRASH, "worker_died", "Segmentation fault"),
        "hang": (poison.ROWS_HANG, "timeout", "longer than 6 s"),
        "eat": (poison.ROWS_EAT, "out_of_memory", "series_memory"),
        "eat_in_c": (poison.ROWS_EAT_IN_C, "worker_died", "Segmentation fault"),
    }
    for name, (rows, _, _) in ends.items():
        make_series(tmp_path / "in" / name, name=name, rows=rows, n=5, transfer_syntax="rle")
    for number in range(4):
        make_series(tmp_path / "in" / f"good{number}", name=f"g{number}", transfer_syntax="rle")
    folder = manifest(tmp_path / "in", num_shards=1)
    settings = settings_for(
        folder / "shards" / "series_shard_00.csv",
        num_workers=2,
        series_timeout_seconds=6.0,
        series_memory_mb=500,
    )
    job = in_a_process(settings, path=[str(Path(poison.__file__).parent)])
    peak = 0
    while job.poll() is None:
        peak = max(peak, *[memory_of(worker) for worker in workers_of(job)], 0)
        time.sleep(0.05)
    _, said = job.communicate(timeout=LIMIT_SECONDS)
    assert job.returncode == 0, said
    # The limit is beyond what the idle process has: packages, some 150 MB.
    assert 300e6 < peak < 900e6
    found = {
        Path(row["series_dir"]).name: row
        for row in rows_of(settings.store_root / "summary_shard_00.csv")
    }
    assert len(found) == len(ends) + 4
    for name, row in found.items():
        if name.startswith("good"):
            assert row["status"] == "ok"
        else:
            _, reason, sentence = ends[name]
            assert (row["status"], row["reason"]) == ("failed", reason), row["error"]
            assert sentence in row["error"]
    assert temporary_files(settings.store_root) == []
    # With sound decoders the same series are fine: nothing of the failures is left.
    assert {row.status for row in run_shard(settings).rows} == {"ok"}


@pytest.mark.parametrize("sign", ["1", "\\", "1.2\\"])
def test_one_endless_uid_among_sound_files_does_not_fail_their_series(tmp_path, sign):
    series = make_series(tmp_path / "in" / "s", n=6, transfer_syntax="implicit")
    odd = dcmread(series.paths[2])
    text = (sign * LONG_UID)[:LONG_UID].encode()
    tag = Tag("SOPInstanceUID")
    odd[tag] = RawDataElement(tag, "UI", LONG_UID, text, 0, True, True)
    odd.save_as(series.paths[2])
    assert text in series.paths[2].read_bytes()

    folder = manifest(tmp_path / "in", num_shards=1)
    files = read_table(folder / "shards" / "files_shard_00.parquet").to_pylist()
    assert [file["role"] for file in files] == ["slice"] * 6
    settings = settings_for(folder / "shards" / "series_shard_00.csv")
    (row,) = run_shard(settings).rows
    assert (row.status, row.slice_count, row.flags, row.verify_ok) == ("ok", 6, "", True), row.error
    (store,) = settings.store_root.rglob("*.zarr.sqlite")
    volume = open_volume(store)
    assert len(volume.slice_table()) == 6
    # Values are rounded to integers.
    assert hu_error(volume.numpy(), volume.index_to_lps) <= 0.5 + 1e-6


def memory_of(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0


def test_a_small_file_that_grows_beyond_the_memory_limit_is_one_failed_row(tmp_path):
    """A sound RLE image of 16000 x 16000 zeros: 8 MB in the file, 512 MB a plane."""
    huge = make_series(tmp_path / "in" / "huge", name="huge", n=3, transfer_syntax="rle")
    side = 16_000
    segment = b"\x81\x00" * (side * side // 128)  # PackBits: 128 times zero
    header = b"".join(
        number.to_bytes(4, "little") for number in (2, 64, 64 + len(segment), *[0] * 13)
    )
    for path in huge.paths:
        dataset = dcmread(path)
        dataset.Rows = dataset.Columns = side
        dataset.PixelData = encapsulate([header + segment * 2])
        dataset.save_as(path)
    make_series(tmp_path / "in" / "good", name="good")
    folder = manifest(tmp_path / "in", num_shards=1)
    settings = settings_for(
        folder / "shards" / "series_shard_00.csv", series_memory_mb=300, verify_slices=1
    )
    rows = {Path(row.series_dir).name: row for row in run_shard(settings).rows}
    assert (rows["huge"].status, rows["huge"].reason) == ("failed", "out_of_memory")
    assert rows["good"].status == "ok"


# Disks ----------------------------------------------------------------------------------------


def run(*command: str) -> bool:
    return subprocess.run(command, capture_output=True).returncode == 0


@contextmanager
def small_disk(place: Path, kilobytes: int) -> Iterator[Path]:
    """A file system of its own at ``place``; the test is skipped where none may be mounted."""
    place.mkdir()
    if not run("mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "ct2zarr-test", str(place)):
        pytest.skip("needs the right to mount a tmpfs (root outside of a strict container)")
    try:
        yield place
    finally:
        run("umount", str(place))


def remount_read_only(place: Path) -> bool:
    """Whether the kernel did it (mount(2)); a command would take too long to hit the moment."""
    read_only, remount = 1, 32
    libc = ctypes.CDLL(None)
    return bool(libc.mount(None, str(place).encode(), None, read_only | remount, None) == 0)


def used_kilobytes(place: Path) -> int:
    status = os.statvfs(place)
    return (status.f_blocks - status.f_bfree) * status.f_frsize // 1024


STAGES = {"summary": (4, 8), "record": (12,), "slices": (16,), "volume": (24, 48, 72)}
"""What cannot be written, by the kilobytes that the disk has too few. Of all that a shard writes
the summary is the last two pages; before it come series.json, slices.csv, and the store."""

NAMED = {"summary": "zarr_sqlite:", "record": "/meta", "slices": "/meta", "volume": "/data"}
"""How the sentence names the folder of each."""


@pytest.mark.parametrize(
    ("stage", "missing"), [(stage, size) for stage, sizes in STAGES.items() for size in sizes]
)
def test_a_full_disk_at_any_moment_ends_the_job_and_the_next_run_goes_on(
    one, tmp_path, stage, missing
):
    with small_disk(tmp_path / "disk", 4096) as disk:
        run_shard(one.at(disk / "out"))
        needed = used_kilobytes(disk)
        shutil.rmtree(disk / "out")
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(1024 * (4096 - used_kilobytes(disk) - needed + missing)))
        settings = one.at(disk / "out")
        job = in_a_process(settings)
        _, said = job.communicate(timeout=LIMIT_SECONDS)
        assert job.returncode == MACHINE_ERROR, said
        assert "Traceback" not in said
        assert NAMED[stage] in said.splitlines()[-1], said
        assert not list(settings.store_root.glob("summary_shard_*.csv"))
        assert temporary_files(settings.store_root) == []
        ballast.unlink()
        run_shard(settings)
        one.is_the_result_of(settings)


def test_an_output_folder_that_turns_read_only_ends_the_job_and_the_next_run_goes_on(
    many, tmp_path
):
    with small_disk(tmp_path / "disk", 65536) as disk:
        settings = many.at(disk / "out", num_workers=1)
        job = in_a_process(settings)
        meta = settings.store_root / "meta"
        wait_until(lambda: meta.exists() and any(meta.glob("*.series.json")))
        # Refused while a file is open for writing, so it hits the moment between two volumes.
        while not remount_read_only(disk):
            assert job.poll() is None
        _, said = job.communicate(timeout=LIMIT_SECONDS)
        assert job.returncode == MACHINE_ERROR, said
        assert "Read-only file system" in said
        assert "Traceback" not in said
        kept = set(meta.glob("*.series.json"))
        assert 0 < len(kept) < SERIES
        assert run("mount", "-o", "remount,rw", str(disk))
        summary = run_shard(settings)
        assert sum(row.reused for row in summary.rows) == len(kept)
        many.is_the_result_of(settings)


# Sources --------------------------------------------------------------------------------------


@pytest.mark.parametrize("empty", [False, True], ids=["gone", "mount point left empty"])
def test_a_dataset_folder_that_vanishes_ends_the_job_and_no_volume_is_failed(many, tmp_path, empty):
    settings = many.at(tmp_path / "out")
    root, away = many.settings.input_csv.parents[2] / "in", tmp_path / "away"
    job = in_a_process(settings)
    meta = settings.store_root / "meta"
    wait_until(lambda: meta.exists() and any(meta.glob("*.series.json")))
    root.rename(away)
    try:
        if empty:
            root.mkdir()
        _, said = job.communicate(timeout=LIMIT_SECONDS)
    finally:
        if empty:
            root.rmdir()
        away.rename(root)
    assert job.returncode == MACHINE_ERROR, said
    assert "is gone or empty; make sure that it is mounted" in said
    assert not list(settings.store_root.glob("summary_shard_*"))
    assert any(row.reused for row in run_shard(settings).rows)
    many.is_the_result_of(settings)


# Clocks ---------------------------------------------------------------------------------------

DAY = 24 * 3600


@pytest.mark.parametrize("jumps", [[3 * DAY, -400 * DAY], [-2 * DAY, 7000 * DAY]], ids=str)
def test_a_clock_that_jumps_while_a_shard_runs_changes_nothing(many, tmp_path, jumps):
    settings = many.at(tmp_path / "out")
    clock = tmp_path / "clock"
    clock.write_text("0")
    job = in_a_process(
        settings,
        path=[str(Path(jumping_clock.__file__).parent)],
        environment={jumping_clock.CLOCK_FILE: str(clock)},
    )
    meta = settings.store_root / "meta"

    def done() -> int:
        return len(list(meta.glob("*.series.json"))) if meta.exists() else 0

    for count, jump in enumerate(jumps, start=1):
        wait_until(lambda: done() >= count or job.poll() is not None)  # noqa: B023
        assert done() < SERIES
        clock.write_text(f"{jump}")
    _, said = job.communicate(timeout=LIMIT_SECONDS)
    assert job.returncode == 0, said
    many.is_the_result_of(settings)
    assert all(row.reused for row in run_shard(settings).rows)


def test_sources_of_another_age_are_converted_once(tmp_path):
    """Files of the future, and of before 1970, as a wrong clock or a copy leaves them."""
    for number, year in enumerate((-20, 0, 80)):
        made = make_series(tmp_path / "in" / f"s{number}", name=f"s{number}", n=4)
        for path in made.paths:
            os.utime(path, (year * 365 * DAY, year * 365 * DAY))
    settings = settings_for(manifest(tmp_path / "in", 1) / "shards" / "series_shard_00.csv")
    assert [row.status for row in run_shard(settings).rows] == ["ok"] * 3
    assert all(row.reused for row in run_shard(settings).rows)


# What was there before -------------------------------------------------------------------------


def test_leftovers_of_every_kind_are_replaced(one, tmp_path):
    """Half a SQLite file, half a zip file and a directory, each under the final name of another
    store, and temporary files of a process that has died."""
    settings = one.at(tmp_path / "out")
    run_shard(settings)
    (store,) = (settings.store_root / "data").iterdir()
    whole = store.read_bytes()
    dead = subprocess.run([sys.executable, "-c", LEAVE, str(store.parent)], check=True)
    assert dead.returncode == 0
    assert temporary_files(settings.store_root)
    for leave in (
        lambda: store.write_bytes(whole[: len(whole) // 2]),
        lambda: store.write_bytes(b"PK\x03\x04" + bytes(100)),
        lambda: (store.unlink(), store.mkdir(), (store / "zarr.json").write_text("{")),
    ):
        next((settings.store_root / "meta").glob("*.json")).unlink()
        leave()
        run_shard(settings)
        one.is_the_result_of(settings)


LEAVE = f"""
import sys; from pathlib import Path
sys.path[:0] = {sys.path!r}
from ct2zarr.run.atomic_files import temporary_path
folder = temporary_path(Path(sys.argv[1]), "x"); folder.mkdir(); (folder / "chunk").touch()
temporary_path(Path(sys.argv[1]), "y").touch()
"""


def test_a_series_whose_root_is_there_is_a_failed_row_and_the_machine_is_well(one, tmp_path):
    """Only a dataset that is away as a whole is the machine's fault."""
    settings = one.at(tmp_path / "out")
    root = one.settings.input_csv.parents[2] / "in"
    (root / "a").rename(tmp_path / "a")
    (root / "other").mkdir()
    try:
        (row,) = run_shard(settings).rows
        assert (row.status, row.reason) == ("failed", "source_gone")
        (root / "other").rmdir()
        with pytest.raises(MachineError, match="gone or empty"):
            run_shard(settings)
    finally:
        (tmp_path / "a").rename(root / "a")
    run_shard(settings)
    one.is_the_result_of(settings)
