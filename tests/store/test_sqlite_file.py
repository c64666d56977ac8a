"""A SQLite file is looked at before it is opened: whole, in no journal mode that hides data."""

import sqlite3
from pathlib import Path

import pytest

from ct2zarr.codes import Code
from ct2zarr.errors import FileError, MachineError, Private, sentence
from ct2zarr.store.sqlite_file import (
    check_header,
    connect_new,
    connect_read_only,
    explain,
    file_uri,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    connection = connect_new(tmp_path / "a.sqlite")
    connection.execute("INSERT INTO zarr VALUES ('zarr.json', '{}')")
    connection.execute("COMMIT")
    connection.close()
    return tmp_path / "a.sqlite"


def changed(path: Path, changes: dict[int, bytes]) -> None:
    content = bytearray(path.read_bytes())
    for place, value in changes.items():
        content[place : place + len(value)] = value
    path.write_bytes(content)


def test_a_whole_file_is_taken_and_one_that_is_longer_too(path: Path) -> None:
    check_header(path)
    with path.open("ab") as file:
        file.write(bytes(10))
    check_header(path)


def test_a_file_one_byte_shorter_than_its_header_says_is_refused(path: Path) -> None:
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FileError, match="cut short") as raised:
        check_header(path)
    assert raised.value.code is Code.STORE_INCOMPLETE
    assert raised.value.facts["found"] == size - 1


def test_a_page_size_of_1_means_65536(path: Path) -> None:
    changed(path, {16: b"\x00\x01", 28: b"\x00\x00\x00\x02"})
    with pytest.raises(FileError, match="cut short"):
        check_header(path)
    with path.open("ab") as file:
        file.write(bytes(2 * 65536 - path.stat().st_size))
    check_header(path)


def test_a_page_count_of_an_old_writer_is_not_trusted(path: Path) -> None:
    """The count holds only where the change counter is that of the last writer (1.3.7)."""
    changed(path, {28: b"\x00\xff\xff\xff"})
    with pytest.raises(FileError, match="cut short"):
        check_header(path)
    changed(path, {24: b"\xff\xff\xff\x00"})
    check_header(path)


@pytest.mark.parametrize("place", [18, 19])
def test_wal_mode_is_refused_wherever_the_header_says_so(path: Path, place: int) -> None:
    changed(path, {place: b"\x02"})
    with pytest.raises(FileError, match="WAL mode") as raised:
        check_header(path)
    assert raised.value.code is Code.STORE_IN_WAL_MODE


def test_only_a_journal_that_may_be_hot_is_refused(path: Path) -> None:
    journal = Path(f"{path}-journal")
    journal.write_bytes(bytes(512))
    check_header(path)
    journal.write_bytes(bytes.fromhex("d9d505f920a163d7"))
    with pytest.raises(FileError, match="rollback journal") as raised:
        check_header(path)
    assert raised.value.code is Code.STORE_INCOMPLETE


def test_a_reader_cannot_write_and_leaves_no_lock(path: Path) -> None:
    connection = connect_read_only(path)[0]
    connection.execute("BEGIN")
    connection.execute("SELECT * FROM zarr").fetchall()
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        connection.execute("DELETE FROM zarr")
    other = sqlite3.connect(path, timeout=0)
    other.execute("DELETE FROM zarr")  # no lock of the reader stands in the way
    other.commit()
    other.close()
    connection.close()


def test_a_file_that_may_change_is_opened_with_locks(path: Path) -> None:
    connection = connect_read_only(path, immutable=False)[0]
    connection.execute("BEGIN")
    connection.execute("SELECT * FROM zarr").fetchall()
    other = sqlite3.connect(path, timeout=0)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("DELETE FROM zarr").connection.commit()
    other.close()
    connection.close()


def test_what_the_machine_refuses_is_no_fault_of_the_file() -> None:
    path = Path("/data/a.sqlite")
    for code, expected in [
        (sqlite3.SQLITE_FULL, MachineError),
        (sqlite3.SQLITE_IOERR_READ, MachineError),
        (sqlite3.SQLITE_BUSY, MachineError),
        (sqlite3.SQLITE_CANTOPEN, MachineError),
        (sqlite3.SQLITE_CORRUPT, FileError),
        (sqlite3.SQLITE_NOTADB, FileError),
        (None, FileError),
    ]:
        error = sqlite3.OperationalError("text of SQLite")
        if code is not None:
            error.sqlite_errorcode = code
        found = explain(path, error)
        assert type(found) is expected
        assert isinstance(found.facts["cause"], Private)
        assert "text of SQLite" in sentence(found)
        assert "text of SQLite" not in sentence(found, private=False)


def test_the_uri_quotes_what_sqlite_would_read_as_its_own(tmp_path: Path) -> None:
    uri = file_uri(tmp_path / "a?b#c%41.sqlite", mode="ro", immutable=1)
    assert uri.endswith("/a%3Fb%23c%2541.sqlite?mode=ro&immutable=1")
