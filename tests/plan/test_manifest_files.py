"""Files of the manifest: rows in their order, in the shard of their volume, and none too many."""

import csv
import logging
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ct2zarr.codes import Code
from ct2zarr.plan import manifest_files
from ct2zarr.plan.account import Account, make_account
from ct2zarr.plan.identity import series_hash
from ct2zarr.plan.manifest_files import restore_index, write_index, write_shards
from ct2zarr.run.paths import SHARDS_FOLDER, shard_of
from ct2zarr.run.settings import SelectionSettings
from ct2zarr.scan.frame_tables import frames_to_table
from ct2zarr.vocabulary import Role
from series_of import frame


def frames_of_many(count: int) -> list:
    """Series of three planes with a localizer whose path comes first, and files of no series."""
    frames = []
    for number in range(count):
        uid = f"1.9.{number}"
        folder = f"/data/s{number:02d}"
        frames += [
            frame(i, -2.0 * i, series_uid=uid, path=f"{folder}/{i}", sop_instance_uid=f"{uid}.{i}")
            for i in range(3)
        ]
        frames.append(
            frame(
                9, 0, series_uid=uid, path=f"{folder}/-scout",
                role=Role.LOCALIZER, reason="scout", code=Code.LOCALIZER,
            )
        )  # fmt: skip
    frames += [
        frame(9, 0, path=f"/data/{name}", role=Role.NOT_DICOM, reason="no", code=Code.NOT_DICOM)
        for name in "zab"
    ]
    return frames


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / SHARDS_FOLDER).mkdir()
    return tmp_path


def made(count: int = 12) -> tuple[list, Account]:
    frames = frames_of_many(count)
    return frames, make_account(frames_to_table(frames), SelectionSettings())


def rows_in(path: Path, columns: Sequence[str]) -> list[tuple]:
    return [tuple(row[c] for c in columns) for row in pq.read_table(path).to_pylist()]


@pytest.mark.parametrize("rows_in_memory", [1, 9, 1 << 19])
def test_shards_hold_volumes_in_order_with_slices_first(folder, monkeypatch, rows_in_memory):
    monkeypatch.setattr(manifest_files, "ROWS_IN_MEMORY", rows_in_memory)
    frames, account = made()
    write_shards(folder, frames_to_table(frames), account, 3)
    seen = []
    for number in range(3):
        rows = rows_in(
            folder / f"shards/files_shard_0{number}.parquet",
            ("series_hash", "slice_index", "role", "code", "path", "series_uid"),
        )
        hashes = [row[0] for row in rows]
        assert hashes == sorted(hashes)
        assert hashes == [series_hash("v1", row[5], 1) for row in rows]
        assert {shard_of(name, 3) for name in hashes} <= {number}
        assert [row[1:4] for row in rows] == [
            (0, "slice", ""), (1, "slice", ""), (2, "slice", ""), (None, "localizer", "localizer")
        ] * (len(rows) // 4)  # fmt: skip
        # The last file lies lowest, since z falls with the number.
        assert [row[4].rpartition("/")[2] for row in rows] == ["2", "1", "0", "-scout"] * (
            len(rows) // 4
        )
        seen += hashes
    assert len(set(seen)) == 12
    excluded = rows_in(folder / "files_excluded.parquet", ("path", "series_hash", "slice_index"))
    assert excluded == [(f"/data/{name}", "", None) for name in "abz"]


def test_only_shards_of_earlier_runs_are_removed(folder):
    frames, account = made(2)
    kept = [folder / SHARDS_FOLDER / name for name in ("notes.txt", "series_shard_00.csv.bak")]
    stale = [
        folder / SHARDS_FOLDER / name for name in ("series_shard_07.csv", "files_shard_07.parquet")
    ]
    for path in kept + stale:
        path.write_text("x")
    written = write_shards(folder, frames_to_table(frames), account, 2)
    assert sorted(path.name for path in (folder / SHARDS_FOLDER).iterdir()) == [
        "files_shard_00.parquet", "files_shard_01.parquet", "notes.txt", "series_shard_00.csv",
        "series_shard_00.csv.bak", "series_shard_01.csv",
    ]  # fmt: skip
    assert len(written) == 5


def test_the_index_is_restored_from_the_shards_byte_for_byte(folder):
    frames, account = made()
    files = write_shards(folder, frames_to_table(frames), account, 3)
    write_index(folder, account, {}, files)
    whole = (folder / "series_all.csv").read_bytes()
    folders = [row["series_dir"] for row in csv.DictReader(whole.decode().splitlines())]
    assert folders == [f"/data/s{number:02d}" for number in range(12)]
    (folder / "series_all.csv").unlink()
    restore_index(folder, 3)
    assert (folder / "series_all.csv").read_bytes() == whole


def test_the_log_counts_the_shards_of_which_any_file_has_changed(folder, caplog):
    frames, account = made()
    table = frames_to_table(frames)
    with caplog.at_level(logging.INFO, logger="ct2zarr"):
        write_shards(folder, table, account, 3)
        write_shards(folder, table, account, 3)
        (folder / SHARDS_FOLDER / "series_shard_01.csv").unlink()
        write_shards(folder, table, account, 3)
        (folder / SHARDS_FOLDER / "files_shard_02.parquet").unlink()
        write_shards(folder, table, account, 3)
    assert [record.getMessage() for record in caplog.records] == [
        f"{count} of 3 shards have changed" for count in (3, 0, 1, 1)
    ]
