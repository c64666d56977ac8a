"""open_volume on stores that are damaged or made to harm: a FileError at once, in little memory.

Each store is a real file. Each is opened and read by a process of its own that may have as much
address space as an interpreter needs, and some hundred megabytes.
"""

import json
import os
import select
import socket
import sqlite3
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numcodecs import Blosc

import ct2zarr
from ct2zarr.errors import FileError
from ct2zarr.vocabulary import StoreType
from handmade_volume import (
    SERIES_HASH,
    attribute,
    edited,
    rewritten,
    voxels,
    write_sidecars,
    write_volume,
)

GIGABYTE = 1 << 30
INFLATED = GIGABYTE
ROOM = 700 << 20  # bytes beyond those of an interpreter that has read a sound volume

READER = """
import json, os, resource, sys
from pathlib import Path
import ct2zarr
from ct2zarr.errors import FileError

def read(path, uses):
    volume = ct2zarr.open_volume(path, threads=1)
    for use in uses or ["volume[...]"]:
        eval(use, {"volume": volume})

read(sys.argv[1], ["volume[[0]]", "volume.slices"])  # loads all modules before the limit is set
for line in sys.stdin:
    path, room, uses = json.loads(line)
    child = os.fork()
    if child == 0:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + room
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        try:
            read(path, uses)
            answer = ["nothing", ""]
        except FileError as error:
            answer = [error.code, str(error)]
        except BaseException as error:
            answer = ["another error", repr(error)]
        print(json.dumps(answer), flush=True)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        print(json.dumps(["died", ""]), flush=True)
"""


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[subprocess.Popen[str]]:
    """A process that reads stores in children of its own, each with little address space."""
    folder = tmp_path_factory.mktemp("sound")
    write_sidecars(folder)
    sound = write_volume(folder / "v", voxels())
    with subprocess.Popen(
        [sys.executable, "-c", READER, str(sound)],
        cwd=Path(ct2zarr.__file__).parent.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process
        process.kill()


@pytest.fixture
def refused(reader: subprocess.Popen[str]) -> Callable[..., str]:
    """Reads a store in little memory; returns the sentence of its FileError."""

    def read(path: Path, code: str, *uses: str) -> str:
        assert reader.stdin is not None
        assert reader.stdout is not None
        print(json.dumps([str(path), ROOM, uses]), file=reader.stdin, flush=True)
        # A pipe would never be read to its end; the machine may be busy.
        assert select.select([reader.stdout], [], [], 100)[0], "no answer"
        found, sentence = json.loads(reader.stdout.readline())
        assert found == code, sentence
        assert str(path.parent) in sentence
        return str(sentence)

    return read


# What is no file.


@pytest.mark.parametrize("kind", ["pipe", "socket", "device", "pipe behind a link"])
def test_what_is_neither_file_nor_folder_is_not_waited_for(
    tmp_path: Path, refused: Callable[..., str], kind: str
) -> None:
    path = tmp_path / "v"
    if kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(path))
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        os.mkfifo(tmp_path / "pipe" if "link" in kind else path)
        if "link" in kind:
            path.symlink_to("pipe")
    assert "neither a file nor a folder" in refused(path, "not_a_store")


@pytest.mark.parametrize("key", ["zarr.json", "volume/zarr.json", "volume/c/1/1/1"])
@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_pipe_or_a_device_in_a_folder_store_is_not_waited_for(
    tmp_path: Path, refused: Callable[..., str], key: str, kind: str
) -> None:
    path = write_volume(tmp_path / "v", voxels(), store_type=StoreType.DIR)
    (path / key).unlink()
    if kind == "pipe":
        os.mkfifo(path / key)
    else:
        (path / key).symlink_to("/dev/zero")
    root = key == "zarr.json"
    refused(path, "not_a_store" if root else "store_unreadable")


def test_a_chunk_that_is_a_folder_is_missing(tmp_path: Path, refused: Callable[..., str]) -> None:
    path = write_volume(tmp_path / "v", voxels(), store_type=StoreType.DIR)
    (path / "volume/c/1/1/1").unlink()
    (path / "volume/c/1/1/1").mkdir()
    assert "volume/c/1/1/1 is missing" in refused(path, "store_damaged")


def test_a_pipe_as_the_journal_of_a_sqlite_store_is_not_waited_for(tmp_path: Path) -> None:
    path = write_volume(tmp_path / "v", voxels())
    os.mkfifo(f"{path}-journal")
    np.testing.assert_array_equal(ct2zarr.open_volume(path)[...], voxels())


@pytest.mark.parametrize("ending", ["series.json", "slices.csv"])
def test_a_pipe_as_a_sidecar_is_not_waited_for(
    tmp_path: Path, refused: Callable[..., str], ending: str
) -> None:
    write_sidecars(tmp_path)
    (tmp_path / f"{SERIES_HASH}.{ending}").unlink()
    os.mkfifo(tmp_path / f"{SERIES_HASH}.{ending}")
    path = write_volume(tmp_path / "v", voxels())
    assert "it is a pipe" in refused(path, "damaged_record", "volume.slices")


@pytest.mark.parametrize("link", ["volume/c/1/1/1", "volume/c/1/1", "volume/c", "volume"])
def test_links_lead_nowhere_outside_a_folder_store(
    tmp_path: Path, refused: Callable[..., str], link: str
) -> None:
    path = write_volume(tmp_path / "v", voxels(), store_type=StoreType.DIR)
    (path / link).rename(tmp_path / "outside")
    (path / link).symlink_to(tmp_path / "outside")
    assert "a link that leaves the store" in refused(path, "store_unreadable")


def test_links_within_a_folder_store_are_followed(tmp_path: Path) -> None:
    path = write_volume(tmp_path / "v", voxels(), store_type=StoreType.DIR)
    (path / "volume/c/1/1/1").rename(path / "chunk")
    (path / "volume/c/1/1/1").symlink_to("../../../../chunk")
    np.testing.assert_array_equal(ct2zarr.open_volume(path)[...], voxels())


# What is too large.


def sparse(path: Path, size: int = GIGABYTE) -> None:
    path.unlink(missing_ok=True)
    with path.open("wb") as file:
        file.truncate(size)


@pytest.mark.parametrize("key", ["zarr.json", "volume/zarr.json", "volume/c/1/1/1"])
def test_a_file_of_a_gigabyte_in_a_folder_store_is_not_read(
    tmp_path: Path, refused: Callable[..., str], key: str
) -> None:
    path = write_volume(tmp_path / "v", voxels(), store_type=StoreType.DIR)
    sparse(path / key)
    assert "bytes, more than the" in refused(path, "store_damaged")


@pytest.mark.parametrize("key", ["zarr.json", "volume/zarr.json", "volume/c/1/1/1"])
def test_an_entry_that_inflates_to_a_gigabyte_is_not_inflated(
    tmp_path: Path, refused: Callable[..., str], key: str
) -> None:
    path = zipped(tmp_path, key)
    assert "bytes, more than the" in refused(path, "store_damaged")


@pytest.mark.parametrize("key", ["zarr.json", "volume/c/1/1/1"])
def test_an_entry_that_inflates_to_more_than_its_directory_says_is_damage(
    tmp_path: Path, refused: Callable[..., str], key: str
) -> None:
    path = zipped(tmp_path, key)
    content = path.read_bytes()
    size = struct.pack("<L", INFLATED)
    start = content.index(b"PK\x01\x02")
    place = content.index(size, start)
    path.write_bytes(content[:place] + struct.pack("<L", 1000) + content[place + 4 :])
    sentence = refused(path, "store_damaged")
    assert ("does not match its CRC-32" if "json" in key else "more than the") in sentence


def zipped(folder: Path, bomb: str) -> Path:
    """A zip store with one entry of a megabyte that inflates to a gigabyte."""
    source = write_volume(folder / "source", voxels(), store_type=StoreType.DIR)
    path = folder / "v"
    packed, crc = deflated_zeros()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(bomb, packed)  # as it is; the directory then says that it is deflated
        for file in source.rglob("*"):
            key = file.relative_to(source).as_posix()
            if file.is_file() and key != bomb:
                archive.write(file, key)
        info = archive.filelist[0]
        info.compress_type, info.CRC, info.file_size = zipfile.ZIP_DEFLATED, crc, INFLATED
    return path


@cache
def deflated_zeros() -> tuple[bytes, int]:
    """A gigabyte of zeros, deflated, and its CRC-32."""
    packer = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    block, crc, parts = bytes(1 << 20), 0, []
    for _ in range(INFLATED >> 20):
        parts.append(packer.compress(block))
        crc = zlib.crc32(block, crc)
    return b"".join([*parts, packer.flush()]), crc


@pytest.mark.parametrize("key", [".zattrs", "volume/.zarray", "volume/1/1/1"])
@pytest.mark.parametrize("kind", ["blob", "text", "text that starts with a NUL", "integer", "null"])
def test_a_value_of_sqlite_that_is_large_or_no_blob_is_refused(
    tmp_path: Path, refused: Callable[..., str], key: str, kind: str
) -> None:
    path = write_volume(tmp_path / "v", voxels())
    connection = sqlite3.connect(path)
    if kind == "null":
        connection.execute("ALTER TABLE zarr RENAME TO old")
        connection.execute("CREATE TABLE zarr(k TEXT PRIMARY KEY, v BLOB)")
        connection.execute("INSERT INTO zarr SELECT * FROM old")
    values = {
        "blob": "zeroblob(400000000)",
        "text": "CAST(zeroblob(20000000) AS TEXT)",
        "text that starts with a NUL": "CAST(x'00' || zeroblob(1000000) AS TEXT)",
        "integer": "7",
        "null": "NULL",
    }
    connection.execute(f"UPDATE zarr SET v = {values[kind]} WHERE k = ?", (key,))
    connection.commit()
    connection.close()
    sentence = refused(path, "store_damaged")
    assert key in sentence
    assert ("more than the" if kind == "blob" else "where a blob is expected") in sentence


@pytest.mark.parametrize("ending", ["series.json", "slices.csv"])
def test_sidecars_of_a_gigabyte_are_not_read(
    tmp_path: Path, refused: Callable[..., str], ending: str
) -> None:
    write_sidecars(tmp_path)
    sparse(tmp_path / f"{SERIES_HASH}.{ending}")
    path = write_volume(tmp_path / "v", voxels())
    assert "more than the" in refused(path, "damaged_record", "volume.slices")


# SQLite files that run.

ENDLESS = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)"
    " SELECT '.zattrs' AS k, zeroblob(1000000000) AS v FROM n"
)
SCHEMAS = {
    "view": [f"CREATE VIEW zarr AS {ENDLESS}"],
    "view of the table": ["CREATE VIEW zarr AS SELECT k, v FROM old"],
    "no key": ["CREATE TABLE zarr(k TEXT, v BLOB)", "INSERT INTO zarr SELECT * FROM old"],
    "generated value": [
        "CREATE TABLE zarr(k TEXT PRIMARY KEY, v BLOB AS (zeroblob(1000000000)) VIRTUAL)",
        "INSERT INTO zarr(k) SELECT k FROM old",
    ],
    "generated and stored": [
        "CREATE TABLE zarr(k TEXT PRIMARY KEY, w BLOB, v BLOB AS (w) STORED)",
        "INSERT INTO zarr(k, w) SELECT * FROM old",
    ],
    "virtual": ["CREATE VIRTUAL TABLE zarr USING fts5(k, v)"],
    "other columns": ["CREATE TABLE zarr(key TEXT PRIMARY KEY, v BLOB)"],
}


@pytest.mark.parametrize("kind", SCHEMAS)
def test_only_a_plain_table_is_read(tmp_path: Path, refused: Callable[..., str], kind: str) -> None:
    path = write_volume(tmp_path / "v", voxels())
    connection = sqlite3.connect(path)
    connection.execute("ALTER TABLE zarr RENAME TO old")
    for statement in SCHEMAS[kind]:
        connection.execute(statement)
    connection.commit()
    connection.close()
    assert "no table zarr with columns k and v" in refused(path, "not_a_store")


def test_a_schema_without_end_is_not_read_to_its_end(
    tmp_path: Path, refused: Callable[..., str]
) -> None:
    path = write_volume(tmp_path / "v", voxels())
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("BEGIN")
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute(
        "INSERT INTO sqlite_master(type, name, tbl_name, rootpage, sql)"
        " WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)"
        " SELECT 'view', 'v' || i, 'v' || i, 0, 'CREATE VIEW v' || i || ' AS SELECT 1' FROM n"
    )
    connection.commit()
    connection.close()
    refused(path, "store_unreadable")


@pytest.mark.slow
def test_a_statement_of_a_schema_of_megabytes_is_not_read(
    tmp_path: Path, refused: Callable[..., str]
) -> None:
    path = write_volume(tmp_path / "v", voxels())
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute("CREATE VIEW other AS SELECT 1")
    connection.execute(
        "UPDATE sqlite_master SET sql = sql || ' --' || replace(hex(zeroblob(100000000)), '0', 'x')"
        " WHERE name = 'other'"
    )
    connection.commit()
    connection.close()
    refused(path, "store_unreadable")


def test_a_trigger_and_a_view_beside_the_table_change_nothing(tmp_path: Path) -> None:
    path = write_volume(tmp_path / "v", voxels())
    connection = sqlite3.connect(path)
    connection.execute("CREATE VIEW other AS SELECT load_extension(k) FROM zarr")
    connection.execute("CREATE TRIGGER t AFTER UPDATE ON zarr BEGIN DELETE FROM zarr; END")
    connection.commit()
    connection.close()
    np.testing.assert_array_equal(ct2zarr.open_volume(path)[...], voxels())


# Documents.

DEEP = b"[" * 100_000 + b"]" * 100_000
DOCUMENTS = {
    "deep": b'{"attributes": ' + DEEP + b"}",
    "NaN": b'{"attributes": {"ct2zarr": {"spacing": [NaN, 1, 1]}}}',
    "no object": b"[1]",
    "many digits": b'{"attributes": ' + b"9" * 100_000 + b"}",
    "millions of lists": b"[" + b"[]," * 5_000_000 + b"[]]",
}


@pytest.mark.parametrize("kind", DOCUMENTS)
@pytest.mark.parametrize("key", ["zarr__json", "volume__zarr__json"])
def test_documents_that_are_no_documents_are_damage(
    tmp_path: Path, refused: Callable[..., str], kind: str, key: str
) -> None:
    name = {"zarr__json": "zarr.json", "volume__zarr__json": "volume__zarr.json"}[key]
    path = rewritten(tmp_path / "v", **{name: DOCUMENTS[kind]})
    assert "zarr.json is" in refused(path, "store_damaged")


# Arrays.

GRID = {"name": "regular", "configuration": {"chunk_shape": [4, 8, 8]}}
ABSURD: dict[str, dict[str, Any]] = {
    "far too long": {"shape": [2**40, 17, 19]},
    "far too wide": {"shape": [10, 17, 2**31]},
    "a terabyte and more": {"shape": [2**20, 60_000, 60_000]},
    "a hundred gigabytes": {"shape": [100_000, 1000, 1000]},
    "negative": {"shape": [-1, 17, 19]},
    "nothing": {"shape": [0, 17, 19]},
    "two axes": {"shape": [17, 19]},
    "a million axes": {"shape": [1] * 1_000_000},
    "text": {"shape": ["10", "17", "19"]},
    "fractions": {"shape": [10.5, 17, 19]},
    "absent": {"shape": None},
    "chunks of nothing": {"chunk_grid": {**GRID, "configuration": {"chunk_shape": [0, 8, 8]}}},
    "chunks of terabytes": {
        "chunk_grid": {**GRID, "configuration": {"chunk_shape": [65_536, 65_536, 512]}}
    },
    "chunks of a gigabyte": {
        "chunk_grid": {**GRID, "configuration": {"chunk_shape": [512, 1024, 1024]}}
    },
    "too many chunks": {
        "shape": [500, 1000, 1000],
        "chunk_grid": {**GRID, "configuration": {"chunk_shape": [1, 1, 1]}},
    },
    "another type": {"data_type": "float64"},
    "no such type": {"data_type": "int" + "9" * 1000},
    "objects": {"data_type": "object"},
    "no such codec": {"codecs": [{"name": "bytes"}, {"name": "made.up"}]},
    "no codecs": {"codecs": None},
    "codecs of pickle": {"codecs": [{"name": "numcodecs.pickle"}]},
    "no such format": {"zarr_format": 99},
    "a group": {"node_type": "group"},
}


@pytest.mark.parametrize("kind", ABSURD)
def test_an_array_that_no_volume_has_is_refused(
    tmp_path: Path, refused: Callable[..., str], kind: str
) -> None:
    members = ABSURD[kind]
    changes: dict[str, Any] = {"volume__zarr.json": edited(**members)}
    changes["zarr.json"] = attribute(slice_origins_lps=None)
    path = rewritten(tmp_path / "v", **changes)
    code = "not_a_volume" if UNKNOWN_TO_ZARR(members) else "store_damaged"
    refused(path, code)


def UNKNOWN_TO_ZARR(members: dict[str, Any]) -> bool:  # noqa: N802
    grid_is_known = members.keys() <= {"shape", "chunk_grid"}
    shape = members.get("shape", [1])
    plain = shape is not None and all(isinstance(size, int) for size in shape)
    return not (grid_is_known and plain) and members != ABSURD["another type"]


@pytest.mark.parametrize("declared", [2**31 - 17, 2**20, 0])
def test_a_chunk_that_declares_another_size_is_damage(
    tmp_path: Path, refused: Callable[..., str], declared: int
) -> None:
    def change(frame: bytes) -> bytes:
        return frame[:4] + struct.pack("<I", declared) + frame[8:]

    path = rewritten(tmp_path / "v", **{"volume__c__1__1__1": change})
    assert "volume/c/1/1/1 is damaged" in refused(path, "store_damaged")


@pytest.mark.parametrize("use", ["volume[[0, 9]]", "volume.array[:]"])
@pytest.mark.parametrize("damage", ["bomb", "missing", "cut"])
def test_what_zarr_reads_is_within_the_same_bounds(
    tmp_path: Path, refused: Callable[..., str], damage: str, use: str
) -> None:
    whole = rewritten(tmp_path / "v")
    chunk = whole / "volume/c/2/2/2"
    if damage == "bomb":
        chunk.write_bytes(Blosc("zstd").encode(np.zeros(INFLATED // 8, np.int8)))
    elif damage == "cut":
        chunk.write_bytes(chunk.read_bytes()[:-1])
    else:
        chunk.unlink()
    assert "chunk volume/c/2/2/2" in refused(whole, "store_damaged", use)


# Zip files.


def test_an_encrypted_entry_is_refused(tmp_path: Path, refused: Callable[..., str]) -> None:
    path = write_volume(tmp_path / "v", voxels(), store_type=StoreType.ZIP)
    content = bytearray(path.read_bytes())
    place = content.index(b"PK\x01\x02")
    content[place + 8] |= 1
    path.write_bytes(content)
    assert "entry zarr.json is encrypted" in refused(path, "store_unreadable")


def zip64(entries: int, length: int, start: int, content: bytes = b"") -> bytes:
    """The end of a zip file whose ZIP64 record makes these claims."""
    record = struct.pack(
        "<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, entries, entries, length, start
    )
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, len(content), 1)
    most = (0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return content + record + locator + struct.pack("<4s2H2H2LH", b"PK\x05\x06", 0, 0, *most)


@pytest.mark.parametrize(
    ("entries", "length", "start"),
    [(2**63, 2**63, 0), (2**40, 4, 0), (1, 2**40, 0), (1, 4, 2**63), (5, 4, 0), (0, 5, 0)],
)
def test_a_zip64_record_that_lies_is_damage(
    tmp_path: Path, refused: Callable[..., str], entries: int, length: int, start: int
) -> None:
    (tmp_path / "v").write_bytes(zip64(entries, length, start, b"PK\x03\x04"))
    assert "directory of the zip file is damaged" in refused(tmp_path / "v", "store_damaged")


def test_a_directory_of_a_gigabyte_is_not_read(tmp_path: Path, refused: Callable[..., str]) -> None:
    with (tmp_path / "v").open("wb") as file:
        file.write(b"PK\x03\x04")
        file.truncate(GIGABYTE)
        file.seek(GIGABYTE)
        file.write(struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 9, 9, GIGABYTE - 4, 4, 0))
    assert "more than the" in refused(tmp_path / "v", "store_damaged")


@pytest.mark.parametrize("offset", [2**32 - 2, 2**63 - 1, 2**64 - 1])
def test_an_entry_beyond_the_end_of_the_file_is_damage(tmp_path: Path, offset: int) -> None:
    path = tmp_path / "v"
    value = b"{}"
    extra = struct.pack("<2HQ", 1, 8, offset)
    entry = struct.pack(
        "<4s4B4H3L5H2L", b"PK\x01\x02", 45, 3, 45, 0, 0, 0, 0, 0,
        zlib.crc32(value), len(value), len(value), 9, len(extra), 0, 0, 0, 0, 0xFFFFFFFF,
    )  # fmt: skip
    directory = entry + b"zarr.json" + extra
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(directory), 4, 0)
    path.write_bytes(b"PK\x03\x04" + directory + end)
    with pytest.raises(FileError, match=r"entry zarr\.json|key zarr\.json") as raised:
        ct2zarr.open_volume(path)
    assert raised.value.code in {"store_damaged", "store_unreadable"}
