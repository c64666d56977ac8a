"""Measure each step of a conversion by itself, in milliseconds per slice.

The functions of the conversion run on all planes of the series, one step after the other in one
process; "the rest" is the difference between the whole conversion and their sum.
"""

import hashlib
import tempfile
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import measure
import numpy as np
from conversion import ENCODINGS, INTERCEPT, in_scratch, plan_of, settings_for
from numcodecs import Blosc, blosc

CHUNK = 64


def milliseconds(work: Callable[[Any], Any], items: Iterable[Any]) -> tuple[float, list[Any]]:
    """CPU ms of ``work`` for all items, in the faster of two runs, and the results."""
    items, best, results = list(items), float("inf"), []
    for _ in range(2):
        before = time.process_time()
        results = [work(item) for item in items]
        best = min(best, time.process_time() - before)
    return 1e3 * best, results


def steps(folder: str) -> Callable[[], dict[str, float]]:
    """CPU ms per plane for each step."""
    from ct2zarr.convert.hu_check import HuCheck
    from ct2zarr.dicom.decoding import SourceReader
    from ct2zarr.dicom.metadata import TagCollector
    from ct2zarr.dicom.planes import write_values
    from ct2zarr.dicom.rescale import Rescale
    from ct2zarr.store.containers import open_writer
    from ct2zarr.store.digest import StoreDigest
    from ct2zarr.vocabulary import StoreType

    plan = plan_of(Path(folder))
    blosc.use_threads = False

    def work() -> dict[str, float]:
        planes = plan.planes[: len(plan.planes) // CHUNK * CHUNK]
        found: dict[str, float] = {}
        settings = settings_for(Path(tempfile.gettempdir()), 0, "sqlite")
        collector, check = TagCollector(settings.metadata), HuCheck()
        reader = SourceReader(collector.wanted)

        def step(name: str, work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
            found[name], results = milliseconds(work, items)
            return results

        step("open and read the file", lambda plane: Path(plane.path).read_bytes(), planes)
        frames = step("decoded", reader.read, planes)
        found["header and decoder"] = found.pop("decoded") - found["open and read the file"]
        slab = np.empty((len(planes), *frames[0].stored.shape), np.int16)
        step(
            "range, rescale, padding",
            lambda n: write_values(frames[n].stored, Rescale(1.0, float(INTERCEPT)), None, slab[n]),
            range(len(planes)),
        )
        step("MD5 of the plane", lambda plane: hashlib.md5(plane).hexdigest(), slab)
        step("check of the HU", lambda plane: check.add(plane, None), slab)
        step("tags", lambda n: collector.add(planes[n], frames[n].header), range(len(planes)))
        corners = [
            (z, y, x) for z in range(0, len(planes), CHUNK)
            for y in range(0, slab.shape[1], CHUNK) for x in range(0, slab.shape[2], CHUNK)
        ]  # fmt: skip
        chunks = step(
            "cut into chunks",
            lambda c: np.ascontiguousarray(
                slab[c[0] : c[0] + CHUNK, c[1] : c[1] + CHUNK, c[2] : c[2] + CHUNK]
            ),
            corners,
        )
        codec = Blosc("zstd", 1, Blosc.BITSHUFFLE, blocksize=chunks[0].nbytes)
        encoded = step("Blosc", codec.encode, chunks)
        step("digest of the store", lambda value: StoreDigest().add("", value), encoded)

        def store(values: list[bytes]) -> None:
            with tempfile.TemporaryDirectory(dir=Path(folder).parent) as out:
                writer = open_writer(StoreType.SQLITE, Path(out, "store"))
                for number, value in enumerate(values):
                    writer.put(f"volume/{number}", value)
                writer.finish()

        step("store and sync", store, [encoded])
        found["store and sync"] -= found["digest of the store"]
        return {name: total / len(planes) for name, total in found.items()}

    return work


def main() -> None:
    arguments = measure.arguments_of(__doc__).parse_args()

    from series import scan_folder

    found: dict[str, dict[str, float]] = {}
    for encoding in ENCODINGS:
        folder = str(scan_folder(arguments.cache, arguments.planes, encoding))
        of_steps = measure.run("steps.steps", folder=folder).result
        whole = partial(in_scratch, arguments.cache, "ct2zarr", folder=folder, verify=0)
        runs = measure.in_turn({"whole": whole}, arguments.rounds, show=False)["whole"]
        total = 1e3 * measure.best(runs) / arguments.planes
        rest = total - sum(of_steps.values())
        found[encoding] = {**of_steps, "the rest": rest, "whole": total}
        print(f"  {encoding:14s} " + "  ".join(f"{k} {v:.2f}" for k, v in found[encoding].items()))
    measure.save(arguments.results, "steps", {"encodings": found})


if __name__ == "__main__":
    main()
