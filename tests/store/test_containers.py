"""The three writers: equal content, equal bytes, nothing half-written, plain errors."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import zarr

from ct2zarr.errors import MachineError
from ct2zarr.store.containers import open_writer, store_crc32, store_digest, store_size
from ct2zarr.vocabulary import StoreType
from handmade_volume import voxels, write_volume

ALL_STORES = pytest.mark.parametrize("store_type", list(StoreType))
CONTENT = {
    "volume/c/0/0/0": b"chunk" * 1000,
    "volume/c/0/0/1": b"",
    "volume/c/0/1/0": os.urandom(70_000),
    "volume/zarr.json": b'{"zarr_format": 3, "node_type": "array"}',
    "zarr.json": b'{"zarr_format": 3, "node_type": "group",'
    b' "attributes": {"ome": {"version": "0.5"}}}',
}


def write(path: Path, store_type: StoreType, content: dict[str, bytes]) -> Path:
    writer = open_writer(store_type, path)
    for key, value in content.items():
        writer.put(key, value)
    writer.finish()
    return path


@ALL_STORES
def test_what_is_put_is_there_and_nothing_else_is_left(
    tmp_path: Path, store_type: StoreType
) -> None:
    path = write(tmp_path / "a", store_type, CONTENT)
    assert list(tmp_path.iterdir()) == [path]
    if store_type is StoreType.SQLITE:
        connection = sqlite3.connect(path)
        assert dict(connection.execute("SELECT k, v FROM zarr")) == CONTENT
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        connection.close()
    elif store_type is StoreType.ZIP:
        with zipfile.ZipFile(path) as archive:
            assert {name: archive.read(name) for name in archive.namelist()} == CONTENT
    else:
        files = [file for file in path.rglob("*") if file.is_file()]
        assert {file.relative_to(path).as_posix(): file.read_bytes() for file in files} == CONTENT


@pytest.mark.parametrize("store_type", [StoreType.SQLITE, StoreType.ZIP])
def test_equal_content_gives_equal_bytes_at_any_time(tmp_path: Path, store_type: StoreType) -> None:
    first = write(tmp_path / "a", store_type, CONTENT).read_bytes()
    time.sleep(2.1)  # zip times count in steps of two seconds
    assert write(tmp_path / "b", store_type, CONTENT).read_bytes() == first


def test_the_digest_is_the_same_in_every_store_and_sees_each_change(tmp_path: Path) -> None:
    digests = {store_digest(write(tmp_path / kind, kind, CONTENT)) for kind in StoreType}
    other_order = dict(reversed(CONTENT.items()))
    digests.add(store_digest(write(tmp_path / "order", StoreType.SQLITE, other_order)))
    assert len(digests) == 1
    changed = {
        "value": CONTENT | {"volume/c/0/0/1": b"x"},
        "key": CONTENT | {"volume/c/9/0/0": b""},
        "moved bytes": CONTENT | {"volume/c/0/0/0": b"chunk" * 999, "volume/c/0/0/1": b"chunk"},
    }
    for name, content in changed.items():
        digests.add(store_digest(write(tmp_path / name, StoreType.SQLITE, content)))
    assert len(digests) == 1 + len(changed)


@ALL_STORES
def test_the_digest_taken_while_writing_is_that_of_the_finished_store(
    tmp_path: Path, store_type: StoreType
) -> None:
    writer = open_writer(store_type, tmp_path / "a")
    writer.put("volume/c/7/7/7", b"of an attempt that was given up")
    writer.restart()
    for key, value in CONTENT.items():
        writer.put(key, value)
    writer.finish()
    assert writer.digest() == store_digest(tmp_path / "a")


@ALL_STORES
def test_a_finished_store_has_reached_the_disk(
    tmp_path: Path, store_type: StoreType, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: set[Path] = set()
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        synced.add(Path(f"/proc/self/fd/{descriptor}").resolve())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    path = write(tmp_path / "a", store_type, CONTENT)
    assert {path, *path.rglob("*")} <= synced


@ALL_STORES
def test_size_counts_all_bytes_of_the_store(tmp_path: Path, store_type: StoreType) -> None:
    path = write(tmp_path / "a", store_type, CONTENT)
    values = sum(map(len, CONTENT.values()))
    if store_type is StoreType.DIR:
        assert store_size(path) == values
    else:
        assert store_size(path) == path.stat().st_size > values


@ALL_STORES
def test_a_key_is_put_once(tmp_path: Path, store_type: StoreType) -> None:
    writer = open_writer(store_type, tmp_path / "a")
    for key in ("volume/c/0", "zarr.json"):
        writer.put(key, b"1")
        with pytest.raises(ValueError, match="put twice"):
            writer.put(key, b"2")
    writer.abort()


@ALL_STORES
@pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", "../a", "a/../../b", "."])
def test_a_key_that_leaves_the_store_is_refused(
    tmp_path: Path, store_type: StoreType, key: str
) -> None:
    writer = open_writer(store_type, tmp_path / "a")
    with pytest.raises(ValueError, match="no key"):
        writer.put(key, b"1")
    writer.abort()


@ALL_STORES
def test_abort_takes_everything_away_and_may_be_repeated(
    tmp_path: Path, store_type: StoreType
) -> None:
    writer = open_writer(store_type, tmp_path / "a")
    for key, value in CONTENT.items():
        writer.put(key, value)
    writer.abort()
    writer.abort()
    assert list(tmp_path.iterdir()) == []
    writer = open_writer(store_type, tmp_path / "b")
    writer.put("a", b"1")
    writer.finish()
    writer.abort()
    assert list(tmp_path.iterdir()) == []


@ALL_STORES
def test_leftovers_of_an_interrupted_run_are_replaced(
    tmp_path: Path, store_type: StoreType
) -> None:
    path = tmp_path / "a"
    abandoned = open_writer(store_type, path)
    abandoned.put("volume/c/8/8/8", b"old" * 100_000)
    del abandoned
    write(path, store_type, CONTENT)
    assert store_digest(path) == store_digest(write(tmp_path / "b", StoreType.DIR, CONTENT))


@pytest.mark.parametrize("store_type", [StoreType.DIR, StoreType.ZIP])
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_stock_zarr_reads_what_was_written(
    tmp_path: Path, store_type: StoreType, zarr_format: int
) -> None:
    data = voxels()
    path = write_volume(tmp_path / "a", data, store_type=store_type, zarr_format=zarr_format)
    store = zarr.storage.ZipStore(path) if store_type is StoreType.ZIP else path
    group = zarr.open_group(store, mode="r")
    np.testing.assert_array_equal(np.asarray(group["volume"][:]), data)
    assert group.attrs["ct2zarr"]["spacing"] == [2.5, 0.8, 0.7]


def test_a_sqlite_store_is_finished_without_wal_and_with_large_pages(tmp_path: Path) -> None:
    header = write(tmp_path / "a", StoreType.SQLITE, CONTENT).read_bytes()[:100]
    assert header[18:20] == b"\x01\x01"
    assert int.from_bytes(header[16:18], "big") == 16384


def test_a_zip_store_follows_the_rules_for_ozx(tmp_path: Path) -> None:
    path = write(tmp_path / "a", StoreType.ZIP, CONTENT)
    with zipfile.ZipFile(path) as archive:
        infos = archive.infolist()
        assert [info.filename for info in infos[:2]] == ["zarr.json", "volume/zarr.json"]
        assert all(info.compress_type == zipfile.ZIP_STORED for info in infos)
        offsets = [info.header_offset for info in infos]
        assert offsets == sorted(offsets)
        assert all(info.extract_version == 45 for info in infos)  # 4.5 is ZIP64
        assert json.loads(archive.comment) == {
            "ome": {"version": "0.5", "zipFile": {"centralDirectory": {"jsonFirst": True}}}
        }


def test_a_zip_store_without_ome_zarr_0_5_claims_nothing(tmp_path: Path) -> None:
    path = write_volume(tmp_path / "a", voxels(), store_type=StoreType.ZIP, zarr_format=2)
    with zipfile.ZipFile(path) as archive:
        assert archive.comment == b""
        assert archive.namelist()[:2] == [".zattrs", ".zgroup"]


@ALL_STORES
def test_a_folder_that_is_absent_is_a_machine_error_with_its_path(
    tmp_path: Path, store_type: StoreType
) -> None:
    path = tmp_path / "absent" / "a"
    with pytest.raises(MachineError, match="cannot be written") as caught:
        open_writer(store_type, path)
    assert str(path) in str(caught.value)


FILL_THE_DISK = """
import os, sys
from pathlib import Path
from ct2zarr.errors import MachineError
from ct2zarr.vocabulary import StoreType
from ct2zarr.store.containers import open_writer
folder = Path(sys.argv[1])
for store_type in StoreType:
    writer = open_writer(store_type, folder / "a")
    try:
        for i in range(100):
            writer.put(f"volume/c/{i}", os.urandom(100_000))
        writer.finish()
    except MachineError as error:
        print(store_type, error)
    writer.abort()
    assert not any(folder.iterdir()), list(folder.iterdir())
"""


def test_a_full_disk_is_a_machine_error_and_is_cleaned_up(tmp_path: Path) -> None:
    if shutil.which("unshare") is None:
        pytest.skip("needs unshare to mount a small file system")
    mount = f"mount -t tmpfs -o size=2m none {tmp_path} && exec "
    namespace = ["unshare", "--mount", "--user", "--map-root-user", "sh", "-c"]
    if subprocess.run([*namespace, mount + "true"], capture_output=True).returncode != 0:
        pytest.skip("may not mount a small file system here")
    script = tmp_path.parent / "fill_the_disk.py"
    script.write_text(FILL_THE_DISK)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [*namespace, mount + f"{sys.executable} {script} {tmp_path}"],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["sqlite", "dir", "zip"]
    assert "full" in lines[0]
    assert "No space left on device" in lines[1]
    assert "No space left on device" in lines[2]
    assert all(str(tmp_path / "a") in line for line in lines)


def test_abort_while_the_disk_refuses_still_says_the_first_error(tmp_path: Path) -> None:
    """A file size limit stands for a quota: every write above it fails."""
    limit = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000));"
    )
    folder = tmp_path / "out"
    folder.mkdir()
    script = limit + FILL_THE_DISK.replace("os.urandom(100_000)", "bytes(2**21)")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", script, folder],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 3


@pytest.mark.parametrize(
    ("content", "digits"),
    [(b"123456789", "cbf43926"), (b"62", "0012d20a"), (b"", "00000000")],
)
def test_the_crc32_of_a_file_has_eight_digits(tmp_path: Path, content: bytes, digits: str) -> None:
    path = tmp_path / "store"
    path.write_bytes(content)
    assert store_crc32(path) == digits
    assert store_crc32(tmp_path) == ""
