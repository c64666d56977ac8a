"""The SQLite store: zarr's own conformance suites, and what they do not ask for."""

import asyncio
import gc
import multiprocessing
import os
import pickle
import sqlite3
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from zarr.abc.buffer import Buffer
from zarr.buffer import cpu, default_buffer_prototype
from zarr.testing.stateful import ZarrHierarchyStateMachine, ZarrStoreStateMachine
from zarr.testing.store import StoreTests

from ct2zarr.errors import FileError, MachineError
from ct2zarr.store.handles import POOL
from ct2zarr.store.sqlite import SqliteContainer, WritableSqlite
from ct2zarr.store.sqlite_file import ZARR_SQLITE_APPLICATION_ID
from ct2zarr.store.zarr_stores import SQLiteStore


class TestZarrConformance(StoreTests[SQLiteStore, cpu.Buffer]):
    store_cls = SQLiteStore
    buffer_cls = cpu.Buffer

    @pytest.fixture
    def store_kwargs(self, tmp_path: Path) -> dict[str, Any]:
        path = tmp_path / "conformance.zarr.sqlite"
        # A read-only store of a missing file is an error, so the file is made first.
        asyncio.run(SQLiteStore.open(path)).close()
        return {"path": path}

    async def get(self, store: SQLiteStore, key: str) -> Buffer:
        connection = sqlite3.connect(store.path)
        (blob,) = connection.execute("SELECT v FROM zarr WHERE k = ?", (key,)).fetchone()
        connection.close()
        return self.buffer_cls.from_bytes(blob)

    async def set(self, store: SQLiteStore, key: str, value: Buffer) -> None:
        connection = sqlite3.connect(store.path)
        with connection:
            connection.execute("REPLACE INTO zarr VALUES (?, ?)", (key, value.to_bytes()))
        connection.close()

    def test_store_repr(self, store: SQLiteStore) -> None:
        assert repr(store) == f"SQLiteStore('sqlite://{store.path}')"

    def test_store_supports_writes(self, store: SQLiteStore) -> None:
        assert store.supports_writes

    def test_store_supports_listing(self, store: SQLiteStore) -> None:
        assert store.supports_listing


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::zarr.errors.UnstableSpecificationWarning")
@pytest.mark.parametrize("machine", [ZarrStoreStateMachine, ZarrHierarchyStateMachine])
def test_store_behaves_as_zarrs_model_under_random_operations(
    machine: type[Any], tmp_path: Path
) -> None:
    counter = iter(range(1_000_000))

    def make() -> Any:
        return machine(asyncio.run(SQLiteStore.open(tmp_path / f"{next(counter)}.zarr.sqlite")))

    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        make, settings=settings(max_examples=40, stateful_step_count=40, deadline=None)
    )


def write(path: Path, data: np.ndarray, zarr_format: int = 2) -> None:
    store = SQLiteStore(path)
    group = zarr.open_group(store, mode="w", zarr_format=zarr_format, attributes={"a": 1})
    array = group.create_array("volume", shape=data.shape, dtype=data.dtype, chunks=(4, 8, 8))
    array[:] = data
    store.close()


def read(store: SQLiteStore) -> np.ndarray:
    return np.asarray(zarr.open_group(store, mode="r")["volume"][:])


@pytest.fixture
def data() -> np.ndarray:
    return np.random.default_rng(0).integers(-1024, 3000, (10, 17, 19)).astype(np.int16)


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_arrays_of_both_formats_come_back_equal(
    tmp_path: Path, data: np.ndarray, zarr_format: int
) -> None:
    path = tmp_path / "a.sqlite"
    write(path, data, zarr_format)
    np.testing.assert_array_equal(read(SQLiteStore(path, read_only=True)), data)


@pytest.mark.parametrize(
    "name", ["with space", "ques?tion", "ha#sh", "per%41cent", "ünï-腹部", "a&b=c;d", "'q\"uote"]
)
def test_odd_characters_in_the_path_name_the_very_file(
    tmp_path: Path, data: np.ndarray, name: str
) -> None:
    path = tmp_path / name / f"{name}.sqlite"
    path.parent.mkdir()
    write(path, data)
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    np.testing.assert_array_equal(read(SQLiteStore(path, read_only=True)), data)


def test_the_schema_is_the_one_of_zarr_2_and_of_zarr_sqlite(
    tmp_path: Path, data: np.ndarray
) -> None:
    path = tmp_path / "a.sqlite"
    write(path, data)
    connection = sqlite3.connect(path)
    columns = [row[1:4] for row in connection.execute("PRAGMA table_info(zarr)")]
    assert columns == [("k", "TEXT", 1), ("v", "BLOB", 1)]
    (sql,) = connection.execute("SELECT sql FROM sqlite_master WHERE name='zarr'").fetchone()
    assert "WITHOUT ROWID" not in sql
    metadata = dict(connection.execute("SELECT k, v FROM zarr_sqlitestore_metadata"))
    assert metadata == {
        "sqlitestore_version": "1.0",
        "compatible_flags": "",
        "incompatible_flags": "",
    }
    (application_id,) = connection.execute("PRAGMA application_id").fetchone()
    assert application_id == ZARR_SQLITE_APPLICATION_ID == 0x10B50760
    assert connection.execute("PRAGMA page_size").fetchone() == (16384,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    connection.close()


def test_a_file_with_the_plain_schema_of_zarr_2_is_read_and_extended(tmp_path: Path) -> None:
    path = tmp_path / "old.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE zarr(k TEXT PRIMARY KEY, v BLOB)")
    connection.execute("INSERT INTO zarr VALUES ('.zgroup', ?)", (b'{"zarr_format": 2}',))
    connection.commit()
    connection.close()
    zarr.open_group(SQLiteStore(path), mode="a").create_group("more")
    group = zarr.open_group(SQLiteStore(path, read_only=True), mode="r")
    assert list(group.group_keys()) == ["more"]


def test_a_read_only_store_in_a_read_only_folder_leaves_nothing_behind(
    tmp_path: Path, data: np.ndarray
) -> None:
    path = tmp_path / "a.sqlite"
    write(path, data)
    path.chmod(0o444)
    tmp_path.chmod(0o555)
    try:
        np.testing.assert_array_equal(read(SQLiteStore(path, read_only=True)), data)
        assert [p.name for p in tmp_path.iterdir()] == ["a.sqlite"]
    finally:
        tmp_path.chmod(0o755)


def test_pickle_carries_the_path_and_not_the_connection(tmp_path: Path, data: np.ndarray) -> None:
    path = tmp_path / "a.sqlite"
    write(path, data)
    store = SQLiteStore(path, read_only=True)
    read(store)
    dumped = pickle.dumps(store)
    assert len(dumped) < 500
    np.testing.assert_array_equal(read(pickle.loads(dumped)), data)


def _read_in_child(store: SQLiteStore, expected: np.ndarray, repeats: int) -> None:
    for _ in range(repeats):
        np.testing.assert_array_equal(read(store), expected)


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_an_open_store_works_in_child_processes_and_after(
    tmp_path: Path, data: np.ndarray, method: str
) -> None:
    path = tmp_path / "a.sqlite"
    write(path, data)
    store = SQLiteStore(path, read_only=True)
    read(store)
    context = multiprocessing.get_context(method)
    count = 3 if method == "fork" else 1
    children = [
        context.Process(target=_read_in_child, args=(store, data, 10)) for _ in range(count)
    ]
    for child in children:
        child.start()
    _read_in_child(store, data, 10)
    for child in children:
        child.join(60)
        assert child.exitcode == 0
    np.testing.assert_array_equal(read(store), data)


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_writable_store_is_opened_anew_in_a_forked_child(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "a.sqlite")
    store.set_sync("parent", cpu.Buffer.from_bytes(b"1"))
    pid = os.fork()
    if pid == 0:
        store.set_sync("child", cpu.Buffer.from_bytes(b"2"))
        store.close()
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    store.set_sync("parent again", cpu.Buffer.from_bytes(b"3"))
    for key, value in [("parent", b"1"), ("child", b"2"), ("parent again", b"3")]:
        found = store.get_sync(key)
        assert found is not None
        assert found.to_bytes() == value
    connection = sqlite3.connect(store.path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


@pytest.mark.parametrize("read_only", [True, False])
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_child_opens_the_file_for_itself_and_leaves_the_parents_handle_open(
    tmp_path: Path, read_only: bool
) -> None:
    path = tmp_path / "a.sqlite"
    SQLiteStore(path).set_sync("a", cpu.Buffer.from_bytes(b"1"))
    container = SqliteContainer(path) if read_only else WritableSqlite(path)

    def handles() -> int:
        return sum(entry.resolve() == path for entry in Path("/proc/self/fd").iterdir())

    before = handles()
    assert container.get("a") == b"1"
    assert handles() == before + 1
    pid = os.fork()
    if pid == 0:
        inherited = handles()
        opened = container.get("a") == b"1" and handles() == inherited + 1
        container.close()
        gc.collect()
        os._exit(0 if opened and handles() == inherited else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert container.get("a") == b"1"
    container.close()
    assert handles() == before


def test_closing_closes_the_connections_of_all_threads(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    SQLiteStore(path).set_sync("a", cpu.Buffer.from_bytes(b"1"))
    gc.collect()
    container = SqliteContainer(path)
    barrier = threading.Barrier(2)

    def work() -> None:
        with POOL.lend(container._handles, container._open):
            barrier.wait(60)  # both threads have a connection now
            barrier.wait(60)

    thread = threading.Thread(target=work)
    thread.start()
    barrier.wait(60)
    container.get("a")

    def handles() -> int:
        return sum(entry.resolve() == path for entry in Path("/proc/self/fd").iterdir())

    assert handles() == 2
    container.close()
    assert handles() == 1  # that of the thread that still reads
    barrier.wait(60)
    thread.join()
    assert handles() == 0


@pytest.mark.parametrize("read_only", [True, False])
def test_threads_read_the_same_bytes(tmp_path: Path, read_only: bool) -> None:
    path = tmp_path / "a.sqlite"
    store = SQLiteStore(path)
    values = {str(i): os.urandom(50_000) for i in range(20)}
    for key, value in values.items():
        store.set_sync(key, cpu.Buffer.from_bytes(value))
    store = store.with_read_only(read_only)
    wrong: list[str] = []

    def work() -> None:
        for key in list(values) * 5:
            found = store.get_sync(key)
            if found is None or found.to_bytes() != values[key]:
                wrong.append(key)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_names_with_wildcards_are_taken_literally(tmp_path: Path) -> None:
    store = SQLiteStore(tmp_path / "a.sqlite")
    keys = ["a_c/x", "abc/x", "a%/x", "a*/x", "a[b]/x", "a/x", "a-b/x", "a\U0010ffff/x", "\ud7ff/x"]
    for key in keys:
        store.set_sync(key, cpu.Buffer.from_bytes(b"1"))

    async def below(prefix: str) -> list[str]:
        return [key async for key in store.list_prefix(prefix)]

    for key in keys:
        folder = key.partition("/")[0]
        assert asyncio.run(below(folder + "/")) == [key]
        asyncio.run(store.delete_dir(folder))
        assert not asyncio.run(store.exists(key))
    assert asyncio.run(store.is_empty(""))


@pytest.mark.parametrize(
    "prefix", ["\ud7ff", "a\U0010ffff", "\U0010ffff", "\U0010ffff\U0010ffff", "a"]
)
def test_keys_with_a_prefix_at_the_ends_of_unicode_are_found(tmp_path: Path, prefix: str) -> None:
    container = WritableSqlite(tmp_path / "a.sqlite")
    keys = ["", "b", "\ud7fe", "\ue000", *(f"{prefix}{end}" for end in ("", "/x", "\U0010ffff"))]
    for key in keys:
        container.set(key, memoryview(b"1"))
    assert container.keys(prefix) == sorted(key for key in set(keys) if key.startswith(prefix))
    container.delete_all(prefix)
    assert container.keys() == sorted({key for key in keys if not key.startswith(prefix)})
    container.close()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "empty"),
        (b"PK\x03\x04 not sqlite", "not a SQLite file"),
        (b"SQLite format 3\x00" + bytes(20), "cut short"),
    ],
)
def test_what_is_no_sqlite_file_is_refused_with_a_sentence(
    tmp_path: Path, content: bytes, sentence: str
) -> None:
    path = tmp_path / "a.sqlite"
    path.write_bytes(content)
    with pytest.raises(FileError, match=sentence) as caught:
        SQLiteStore(path, read_only=True).get_sync("zarr.json")
    assert str(path) in str(caught.value)


def test_a_missing_file_is_named_and_not_made(tmp_path: Path) -> None:
    path = tmp_path / "missing.sqlite"
    with pytest.raises(FileError, match=r"missing\.sqlite: there is no such file"):
        SQLiteStore(path, read_only=True).get_sync("zarr.json")
    assert not path.exists()


def test_a_truncated_file_is_refused_when_it_is_opened(tmp_path: Path, data: np.ndarray) -> None:
    path = tmp_path / "a.sqlite"
    write(path, data)
    os.truncate(path, path.stat().st_size - 100)
    with pytest.raises(FileError, match="cut short"):
        SQLiteStore(path, read_only=True).get_sync(".zgroup")


def test_another_sqlite_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE other(x)")
    connection.close()
    for read_only in (True, False):
        with pytest.raises(FileError, match="no table zarr"):
            SQLiteStore(path, read_only=read_only).get_sync("zarr.json")


def test_wal_mode_is_refused_with_the_way_out(tmp_path: Path, data: np.ndarray) -> None:
    path = tmp_path / "a.sqlite"
    write(path, data)
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA journal_mode=WAL").fetchone() == ("wal",)
    connection.close()
    with pytest.raises(FileError, match="PRAGMA journal_mode=DELETE"):
        SQLiteStore(path, read_only=True).get_sync(".zgroup")
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=DELETE")
    connection.close()
    np.testing.assert_array_equal(read(SQLiteStore(path, read_only=True)), data)


def test_a_file_whose_writer_was_killed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    store = SQLiteStore(path)
    store.set_sync("a", cpu.Buffer.from_bytes(bytes(100)))
    store.close()
    pid = os.fork()
    if pid == 0:
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("BEGIN")
        for i in range(50):
            connection.execute("INSERT INTO zarr VALUES (?, ?)", (f"k{i}", os.urandom(100_000)))
        os.kill(os.getpid(), 9)
    os.waitpid(pid, 0)
    assert Path(f"{path}-journal").exists()
    with pytest.raises(FileError, match="rollback journal"):
        SQLiteStore(path, read_only=True).get_sync("a")


def test_a_damaged_page_is_an_error_and_not_other_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    store = SQLiteStore(path)
    for i in range(40):
        store.set_sync(f"k{i}", cpu.Buffer.from_bytes(bytes(20_000)))
    store.close()
    content = bytearray(path.read_bytes())
    for page in range(1, len(content) // 16384):
        content[page * 16384 : page * 16384 + 64] = b"\xff" * 64
    path.write_bytes(content)
    with pytest.raises(FileError, match="damaged"):
        SQLiteStore(path, read_only=True).get_sync("k7")


def test_a_folder_that_cannot_be_written_is_a_machine_error(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="unable to open database file"):
        SQLiteStore(tmp_path / "absent" / "a.sqlite").set_sync(
            "a", default_buffer_prototype().buffer.from_bytes(b"")
        )
