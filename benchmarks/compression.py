"""Compare compression settings by size and speed, on real and synthetic CT.

The real sets are beside the repository (``../shared/data/ct``, or CT2ZARR_TEST_DATA); without them
only the synthetic chest is measured. Blosc alone is measured, without a store, in one thread.
"""

import itertools
import os
import resource
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import measure
import numpy as np
from numcodecs import Blosc, blosc

PLANES = 128
"""The most planes used of a volume: two layers of the deepest chunks."""
SMALLEST = 12, 256
"""Planes and matrix size of the smallest real volume that is used."""
PATCH = 96
PATCHES = 12
REPEATS = 3
KIB = 1024
WHOLE, AUTOMATIC = -1, 0
"""Block sizes: one block per chunk, and the one that Blosc chooses for the level."""
SHUFFLES = {"bit": Blosc.BITSHUFFLE, "byte": Blosc.SHUFFLE}


@dataclass(frozen=True)
class Setting:
    """Blosc with zstd; ``block`` in KiB, ``WHOLE`` or ``AUTOMATIC``."""

    shuffle: str
    level: int
    block: int
    chunks: tuple[int, int, int]

    @property
    def name(self) -> str:
        """The name of the setting in the table."""
        names = {WHOLE: "chunk", AUTOMATIC: "automatic"}
        block = names.get(self.block, f"{self.block} KiB")
        return f"{self.shuffle}, level {self.level}, block {block}, chunk {self.chunks}"


SETTINGS = (
    *(Setting(s, 1, b, (64, 64, 64))
      for s, b in itertools.product(SHUFFLES, (64, 128, WHOLE))),
    *(Setting(s, level, b, (64, 64, 64))
      for s, level, b in itertools.product(SHUFFLES, (3, 5, 7), (WHOLE,))),
    Setting("bit", 5, AUTOMATIC, (64, 64, 64)),
    *(Setting("bit", 1, WHOLE, c)
      for c in ((1, 512, 512), (16, 256, 256), (32, 64, 64), (32, 128, 128), (96, 96, 96))),
)  # fmt: skip


def real_volumes(data: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Read those volumes of the real sets that are large enough, in HU."""
    from ct2zarr.dicom.frame_comparison import pixel_digest
    from ct2zarr.dicom.frames import read_frames
    from ct2zarr.errors import FileError
    from ct2zarr.model import VolumePlan
    from ct2zarr.plan.grouping import plan_volumes
    from ct2zarr.plan.roles import assign_role
    from ct2zarr.run.settings import SelectionSettings

    def size(plan: VolumePlan) -> tuple[int, int]:
        return len(plan.planes), min(plan.planes[0].rows, plan.planes[0].columns)

    for folder in sorted(path for path in data.iterdir() if path.is_dir()):
        files = sorted(path for path in (folder / "dicom").rglob("*") if path.is_file())
        frames = [
            assign_role(i, SelectionSettings())
            for path in files for i in read_frames("real", str(folder), str(path))
        ]  # fmt: skip
        plans, _ = plan_volumes(frames, pixel_digest)
        for number, plan in enumerate(p for p in plans if min(map(int.__ge__, size(p), SMALLEST))):
            try:
                yield f"{folder.name} {number}" if number else folder.name, values_of(plan)
            except FileError as error:
                print(f"  {folder.name}: {error}")


def values_of(plan: Any) -> np.ndarray:
    from ct2zarr.dicom.decoding import SourceReader
    from ct2zarr.dicom.planes import first_type, write_values
    from ct2zarr.dicom.rescale import rescale_of

    planes = plan.planes[:PLANES]
    rescales = [rescale_of(plane, "hu") for plane in planes]
    shape = (len(planes), planes[0].rows, planes[0].columns)
    values = np.empty(shape, first_type(rescales))
    with SourceReader() as reader:
        for plane, rescale, out in zip(planes, rescales, values, strict=True):
            write_values(reader.read(plane).stored, rescale, plane.padding_value, out)
    return values


def cpu_seconds(work: Callable[[], Any]) -> float:
    """CPU seconds of the fastest of ``REPEATS`` runs."""
    times = []
    for _ in range(REPEATS):
        before = resource.getrusage(resource.RUSAGE_SELF)
        work()
        after = resource.getrusage(resource.RUSAGE_SELF)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(times)


def study(volume: np.ndarray, setting: Setting) -> dict[str, float]:
    """Measure ratio, MB/s of encoding and decoding, CPU ms per random patch and per plane."""
    from ct2zarr.store.blosc_frames import frame_of_items

    depth, height, width = setting.chunks
    depth = min(depth, len(volume))
    size = (depth, height, width)
    chunk_bytes = depth * height * width * volume.itemsize
    codec = Blosc(
        "zstd", clevel=setting.level, shuffle=SHUFFLES[setting.shuffle],
        blocksize=chunk_bytes if setting.block == WHOLE else min(setting.block * KIB, chunk_bytes),
    )  # fmt: skip
    grid = [range(0, n, step) for n, step in zip(volume.shape, size, strict=True)]
    raw = {start: _chunk(volume, start, size) for start in itertools.product(*grid)}
    encoded = {start: codec.encode(chunk) for start, chunk in raw.items()}
    scratch = np.empty(size, volume.dtype)
    flat = scratch.reshape(-1).view(np.uint8)
    plane_items = height * width * volume.itemsize

    def read(low: tuple[int, ...], high: tuple[int, ...]) -> None:
        """Decode the planes of a region, in all rows and columns of their chunks."""
        touched = [
            [s for s in starts if s < stop and s + step > start]
            for starts, step, start, stop in zip(grid, size, low, high, strict=True)
        ]
        for start in itertools.product(*touched):
            first = max(low[0] - start[0], 0) * plane_items
            last = min(high[0] - start[0], depth) * plane_items
            frame = encoded[start]
            if 2 * (last - first) <= chunk_bytes:
                frame = frame_of_items(frame, first, last, flat)
            blosc.decompress(frame, flat)

    rng = np.random.default_rng(0)
    patch = tuple(min(PATCH, n) for n in volume.shape)
    lows = [tuple(int(rng.integers(0, n - p + 1)) for n, p in zip(volume.shape, patch, strict=True))
            for _ in range(PATCHES)]  # fmt: skip

    def patches() -> None:
        for low in lows:
            read(low, tuple(a + b for a, b in zip(low, patch, strict=True)))

    def plane() -> None:
        read((len(volume) // 2, 0, 0), (len(volume) // 2 + 1, *volume.shape[1:]))

    stored = sum(map(len, encoded.values()))
    padded = sum(chunk.nbytes for chunk in raw.values())
    return {
        "ratio": volume.nbytes / stored,
        "encode": padded / 1e6 / cpu_seconds(lambda: [codec.encode(c) for c in raw.values()]),
        "decode": padded / 1e6
        / cpu_seconds(lambda: [codec.decode(c, scratch) for c in encoded.values()]),
        "patch_ms": 1e3 / PATCHES * cpu_seconds(patches),
        "plane_ms": 1e3 * cpu_seconds(plane),
    }  # fmt: skip


def _chunk(volume: np.ndarray, start: tuple[int, ...], size: tuple[int, int, int]) -> np.ndarray:
    """A chunk as it is stored: padded with -1024 at the far edges."""
    part = volume[tuple(slice(a, a + n) for a, n in zip(start, size, strict=True))]
    if part.shape == size:
        return np.ascontiguousarray(part)
    chunk = np.full(size, -1024, volume.dtype)
    chunk[tuple(slice(0, n) for n in part.shape)] = part
    return chunk


def main() -> None:
    arguments = measure.arguments_of(__doc__).parse_args()
    blosc.use_threads = False

    from conversion import plan_of
    from series import scan_folder

    data = Path(os.environ.get("CT2ZARR_TEST_DATA", measure.ROOT.parent / "shared" / "data")) / "ct"
    volumes: dict[str, np.ndarray] = {
        "synthetic chest": values_of(plan_of(scan_folder(arguments.cache, arguments.planes,
                                                       "uncompressed")))
    }  # fmt: skip
    if data.is_dir():
        volumes |= dict(real_volumes(data))
    else:
        print("the real sets are absent: only the synthetic one is measured")
    found: dict[str, dict[str, dict[str, float]]] = {}
    for setting in SETTINGS:
        of_setting = {name: study(volume, setting) for name, volume in volumes.items()}
        found[setting.name] = of_setting
        middle = {k: statistics.geometric_mean(r[k] for r in of_setting.values())
                  for k in next(iter(of_setting.values()))}  # fmt: skip
        found[setting.name]["all"] = middle
        print(f"  {setting.name:52s} " + "  ".join(f"{k} {v:.2f}" for k, v in middle.items()),
              flush=True)  # fmt: skip
    sizes = {name: [list(v.shape), str(v.dtype)] for name, v in volumes.items()}
    content = {"volumes": sizes, "settings": found}
    measure.save(arguments.results, "compression", content)


if __name__ == "__main__":
    main()
