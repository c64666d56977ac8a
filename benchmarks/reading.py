"""Measure how fast converted volumes are read: random patches, a whole volume, and opening.

CPU time of one process, with the files in the page cache. ct2zarr reads every store through
``open_volume``, zarr through the package's stores, tensorstore the directory store. A memory map of
a raw file is the lower limit, without decompression.
"""

import multiprocessing
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import measure

STORES = {"sqlite": ".zarr.sqlite", "dir": ".zarr", "zip": ".zarr.zip"}
PATCH = 96
PATCHES = 100
OPENINGS = 200
LOADERS, PATCHES_OF_LOADER = 4, 40
SEED = 0


def corners(shape: tuple[int, ...], count: int = PATCHES, seed: int = SEED) -> list[list[slice]]:
    """The same random patches for all readers, whatever version of numpy each has."""
    import random

    rng = random.Random(seed)
    lows = [[rng.randrange(max(n - PATCH, 0) + 1) for n in shape] for _ in range(count)]
    return [[slice(low, low + PATCH) for low in corner] for corner in lows]


def _work(read: Callable[[Any], Any], shape: tuple[int, ...], what: str) -> Callable[[], float]:
    keys = corners(shape) if what == "patches" else [[slice(None)] * 3]

    def work() -> float:
        total = 0.0
        for key in keys:
            total += float(read(tuple(key))[0, 0, 0])
        return total

    read((slice(0, 1),) * 3)
    return work


def ct2zarr(path: str, what: str) -> Callable[[], float]:
    """``open_volume``, decompressing in one thread as in the worker of a data loader."""
    from ct2zarr import open_volume

    volume = open_volume(path, threads=1)
    return _work(lambda key: volume[key], volume.shape, what)


def zarr(path: str, what: str) -> Callable[[], float]:
    """zarr-python alone, over the package's read-only stores."""
    import zarr as package
    from numcodecs import blosc

    from ct2zarr.store.zarr_stores import open_store

    blosc.use_threads = False
    array = package.open_group(open_store(path), mode="r")["volume"]
    return _work(lambda key: array[key], array.shape, what)


def tensorstore(path: str, what: str) -> Callable[[], float]:
    """tensorstore with one thread, on a directory in format 3."""
    import tensorstore as package

    context = {"data_copy_concurrency": {"limit": 1}, "file_io_concurrency": {"limit": 1}}
    store = {"driver": "file", "path": f"{path}/volume"}
    array = package.open({"driver": "zarr3", "kvstore": store, "context": context}).result()
    return _work(lambda key: array[key].read().result(), array.shape, what)


def raw(path: str, what: str, shape: list[int]) -> Callable[[], float]:
    """A copy from a memory map of int16."""
    import numpy as np

    array = np.memmap(path, np.int16, "r", shape=tuple(shape))
    return _work(lambda key: np.array(array[key]), tuple(shape), what)


def opening(path: str) -> Callable[[], dict[str, float]]:
    """The median of many calls of ``open_volume``, in milliseconds."""
    from ct2zarr import open_volume

    open_volume(path).close()

    def work() -> dict[str, float]:
        times = []
        for _ in range(OPENINGS):
            before = time.process_time()
            open_volume(path).close()
            times.append(time.process_time() - before)
        return {"ms": 1e3 * sorted(times)[OPENINGS // 2]}

    return work


def loaders(path: str) -> Callable[[], int]:
    """Read an inherited volume in forked processes at once, as PyTorch's loaders do."""
    from ct2zarr import open_volume

    volume = open_volume(path, threads=1)
    expected = [int(volume[tuple(key)].sum()) for key in corners(volume.shape, PATCHES_OF_LOADER)]

    def load(number: int) -> None:
        for _ in range(2):
            for key, due in zip(corners(volume.shape, PATCHES_OF_LOADER), expected, strict=True):
                assert int(volume[tuple(key)].sum()) == due, number

    def work() -> int:
        context = multiprocessing.get_context("fork")
        started = [context.Process(target=load, args=(number,)) for number in range(LOADERS)]
        for process in started:
            process.start()
        for process in started:
            process.join()
        errors = sum(process.exitcode != 0 for process in started)
        if errors:
            raise RuntimeError(f"{errors} of {LOADERS} loader processes failed")
        return errors

    return work


def converted(
    cache: Path, planes: int, source: Path | None = None
) -> tuple[dict[str, Path], Path, list[int]]:
    """The volume in each store, and as a raw file with its shape; written if absent.

    Args:
        source: folder of the series; by default the uncompressed scan of the cache.
    """
    from conversion import plan_of, settings_for
    from series import scan_folder

    from ct2zarr import open_volume
    from ct2zarr.convert.conversion import convert_volume

    found = {}
    for store, suffix in STORES.items():
        out = cache / "converted" / store
        if not list(out.glob(f"*/data/*{suffix}")):
            plan = plan_of(source or scan_folder(cache, planes, "uncompressed"))
            convert_volume(plan, settings_for(out, 0, store))
        (found[store],) = out.glob(f"*/data/*{suffix}")
    raw_path = cache / "converted" / "volume.raw"
    volume = open_volume(found["sqlite"])
    if not raw_path.is_file():
        volume.numpy().tofile(raw_path)
    return found, raw_path, list(volume.shape)


def main() -> None:
    arguments = measure.arguments_of(__doc__).parse_args()
    volumes, raw_path, shape = converted(arguments.cache, arguments.planes)
    found: dict[str, Any] = {}
    for what in ("patches", "whole"):
        tasks: dict[str, Callable[[], measure.Measurement]] = {}
        for store, path in volumes.items():
            for reader in ("ct2zarr", "zarr"):
                tasks[f"{reader}_{store}"] = partial(
                    measure.run, f"reading.{reader}", path=str(path), what=what
                )
        if arguments.peers:
            tasks["tensorstore_dir"] = partial(
                measure.run, "reading.tensorstore", arguments.peers,
                path=str(volumes["dir"]), what=what,
            )  # fmt: skip
        tasks["raw"] = partial(
            measure.run, "reading.raw", path=str(raw_path), what=what, shape=shape
        )
        print(f"reading, {what}")
        runs = measure.in_turn(tasks, arguments.rounds)
        found[what] = {name: measure.summary(of_name) for name, of_name in runs.items()}
    print("reading, opening and loaders")
    for store, path in volumes.items():
        once = measure.run("reading.opening", path=str(path))
        found.setdefault("opening_ms", {})[store] = once.result["ms"]
        print(f"  {store:6s} opens in {once.result['ms']:.2f} ms")
        measure.run("reading.loaders", path=str(path))
    content = {"shape": shape, "patch": PATCH, "patches": PATCHES, "ways": found}
    measure.save(arguments.results, "reading", content)


if __name__ == "__main__":
    main()
