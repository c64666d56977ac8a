"""Any number of stores is open in few descriptors, in threads, after forks and in pickles."""

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import ct2zarr
from ct2zarr.codes import Code
from ct2zarr.errors import MachineError
from ct2zarr.store import handles
from ct2zarr.store.handles import Handle, HandlePool, most_handles
from ct2zarr.vocabulary import StoreType
from handmade_volume import voxels, write_volume

ALL_STORES = pytest.mark.parametrize("store_type", list(StoreType))

HOLD_MANY = """
import os, pickle, resource, sys
import numpy as np
import ct2zarr
paths, limit = sys.argv[3:], int(sys.argv[2])
expected = np.load(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
volumes = [ct2zarr.open_volume(path) for path in paths for _ in range(300)]
for volume in volumes:
    assert (volume[::3] == expected[::3]).all()
child = os.fork()
wrong = [v for v in (volumes if child else volumes[::7]) if (v[2] != expected[2]).any()]
assert not wrong
if child == 0:
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert (pickle.loads(pickle.dumps(volumes))[-1][...] == expected).all()
print(len(volumes), len(os.listdir("/proc/self/fd")))
"""


def hold_many(folder: Path, limit: int, *paths: Path) -> subprocess.CompletedProcess[str]:
    np.save(folder / "expected.npy", voxels((6, 9, 9)))
    return subprocess.run(
        [
            sys.executable,
            "-c",
            HOLD_MANY,
            str(folder / "expected.npy"),
            str(limit),
            *map(str, paths),
        ],
        cwd=Path(ct2zarr.__file__).parent.parent,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("limit", [100, pytest.param(400, marks=pytest.mark.slow)])
def test_many_volumes_are_held_in_few_descriptors(tmp_path: Path, limit: int) -> None:
    paths = [
        write_volume(tmp_path / kind, voxels((6, 9, 9)), store_type=kind, chunks=(6, 9, 9))
        for kind in StoreType
    ]
    done = hold_many(tmp_path, limit, *paths)
    assert done.returncode == 0, done.stderr
    count, descriptors = map(int, done.stdout.split())
    assert count == 900
    assert descriptors <= limit // 4 + 10


NO_MORE = """
import os, resource, sys
import ct2zarr
from ct2zarr.errors import MachineError
ct2zarr.open_volume(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (50, 50))
taken = []
try:
    while True:
        taken.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    pass
try:
    ct2zarr.open_volume(sys.argv[1])
except MachineError as error:
    print(error)
"""


@ALL_STORES
def test_a_process_without_descriptors_is_told_what_to_raise(
    tmp_path: Path, store_type: StoreType
) -> None:
    path = write_volume(tmp_path / "v", voxels(), store_type=store_type)
    done = subprocess.run(
        [sys.executable, "-c", NO_MORE, str(path)],
        cwd=Path(ct2zarr.__file__).parent.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert f"{path} cannot be opened" in done.stdout, done.stderr
    assert "no more than 50 files open; raise the limit with: ulimit -n 4096" in done.stdout


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(8, 4), (16, 4), (20, 5), (1000, 250), (1024, 256), (5000, 256), (-1, 256)],
)
def test_a_quarter_of_the_limit_stays_open(
    monkeypatch: pytest.MonkeyPatch, limit: int, expected: int
) -> None:
    monkeypatch.setattr(handles.resource, "getrlimit", lambda _: (limit, limit))
    assert most_handles() == expected


def opened(closed: list[int], number: int, *, shared: bool = True) -> Handle[int]:
    return Handle(number, closed.append, shared=shared, crosses_forks=True)


def test_the_handle_that_was_idle_longest_is_closed_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handles, "most_handles", lambda: 2)
    pool, closed = HandlePool(), []
    containers: list[list[Handle[int]]] = [[] for _ in range(3)]

    def use(number: int) -> None:
        with pool.lend(containers[number], lambda: opened(closed, number)) as handle:
            assert handle.value == number

    for number in (0, 1, 0, 2):
        use(number)
    assert closed == [1]
    use(0)
    use(1)
    assert closed == [1, 2]


def test_a_handle_in_use_is_closed_after_its_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handles, "most_handles", lambda: 1)
    pool, closed = HandlePool(), []
    first: list[Handle[int]] = []
    second: list[Handle[int]] = []
    with pool.lend(first, lambda: opened(closed, 1)):
        with pool.lend(second, lambda: opened(closed, 2)):
            assert closed == []
            pool.close(first)
            assert closed == []
        assert closed == []
    assert closed == [1]
    pool.close(second)
    assert closed == [1, 2]


def test_what_is_not_shared_has_one_user_at_a_time() -> None:
    pool, closed = HandlePool(), []
    mine: list[Handle[int]] = []
    users: list[Handle[int]] = []
    barrier = threading.Barrier(3)

    def work() -> None:
        with pool.lend(mine, lambda: opened(closed, 0, shared=False)) as handle:
            users.append(handle)
            barrier.wait(60)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, users))) == 3
    with pool.lend(mine, lambda: opened(closed, 1, shared=False)) as handle:
        assert handle in users


def refused() -> MachineError:
    return MachineError(Code.MACHINE, "no more files may be open")


def test_where_no_more_may_be_opened_every_idle_handle_makes_room() -> None:
    pool, closed = HandlePool(), []
    containers: list[list[Handle[int]]] = [[] for _ in range(3)]
    for number, container in enumerate(containers):
        with pool.lend(container, lambda number=number: opened(closed, number)):
            pass

    def open_if_there_is_room() -> str:
        if len(closed) < 2:
            raise refused()
        return "open"

    with pool.lend(containers[1], lambda: opened(closed, 9)):
        assert pool.with_room(open_if_there_is_room) == "open"
        assert closed == [0, 2], "the one in use stays open"


def test_a_second_refusal_or_one_without_anything_to_close_is_an_error() -> None:
    pool, closed, tries = HandlePool(), [], []
    mine: list[Handle[int]] = []

    def refuse() -> str:
        tries.append(len(closed))
        raise refused()

    with pool.lend(mine, lambda: opened(closed, 0)):
        with pytest.raises(MachineError):
            pool.with_room(refuse)
        assert tries == [0], "there is nothing to close, so a second try is of no use"
    for expected in ([0, 0, 1], [0, 0, 1, 1]):
        with pytest.raises(MachineError):
            pool.with_room(refuse)
        assert tries == expected


def test_a_handle_of_another_container_or_of_a_closed_one_is_never_lent() -> None:
    pool, closed = HandlePool(), []
    one: list[Handle[int]] = []
    other: list[Handle[int]] = []
    for _ in range(2):
        with pool.lend(one, lambda: opened(closed, 1)) as handle:
            assert handle.value == 1
        with pool.lend(other, lambda: opened(closed, 2)) as handle:
            assert handle.value == 2
    assert (len(one), len(other)) == (1, 1), "the second read takes the handle of the first"
    pool.close(one)
    assert (one, closed) == ([], [1])
    with pool.lend(one, lambda: opened(closed, 3)) as handle:
        assert handle.value == 3
    one[0].close()
    with pool.lend(one, lambda: opened(closed, 4)) as handle:
        assert handle.value == 4
    assert [handle.value for handle in one] == [4]
    assert closed == [1, 3]
