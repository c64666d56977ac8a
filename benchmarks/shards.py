"""Measure the start-up of a shard job, and the gain from a second worker.

Jobs are started as a user starts them, with environment variables. The shard has 40 series of
very different lengths; the start-up is the cost of a job with one tiny series.
"""

import csv
import os
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import measure

SERIES = 40
PLANES = range(20, 100, 2)  # of each series
LONG = 300
"""Planes of one more series, which would end last if the longest series did not go first."""
TINY, TINY_MATRIX = 12, 64
SCRIPTS = measure.ROOT / "scripts"


def manifest(folder: Path, out: Path, shards: int = 1) -> Path:
    """Make the manifest of a dataset folder, and return its folder."""
    settings = {
        "DATASET_V1_ROOT": str(folder), "DATASET_VERSION": "v1", "OUT_DIR": str(out),
        "NUM_SHARDS": str(shards),
    }  # fmt: skip
    measure.run_job([sys.executable, SCRIPTS / "generate_manifest.py"], settings)
    return out


def shard_job(manifest_dir: Path, cache: Path, workers: int, shard: str = "00") -> Any:
    """Measure one shard job that writes to a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="out_", dir=cache) as out:
        settings = {
            "INPUT_CSV": str(manifest_dir / "shards" / f"series_shard_{shard}.csv"),
            "OUT_ROOT": out, "NUM_WORKERS": str(workers),
        }  # fmt: skip
        script = SCRIPTS / "convert_dicom_to_volume.py"
        done = measure.run_job([sys.executable, script], settings)
        rows = [row for path in Path(out).rglob("summary_shard_*.csv") for row in _rows(path)]
    if not rows or any(row["status"] != "ok" for row in rows):
        raise RuntimeError(f"{len(rows)} rows, not all of them ok")
    return done


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def datasets(cache: Path, planes: int) -> tuple[Path, Path]:
    """Folders of the 40 series and of the tiny one; written if absent."""
    from series import clones, scan_files, shrunken

    many, tiny = cache / "shard_series", cache / "tiny_series"
    if not many.is_dir():
        files = scan_files(cache, planes, "jpeg_lossless")
        names = [(f"series_{n:02d}", size) for n, size in enumerate(PLANES[: SERIES - 1])]
        clones(files, many, [*names, ("long", LONG)])
    if not tiny.is_dir():
        files = scan_files(cache, planes, "uncompressed")[:TINY]
        clones(shrunken(files, cache / "tiny_files", TINY_MATRIX), tiny, [("series", TINY)])
    return many, tiny


def main() -> None:
    arguments = measure.arguments_of(__doc__).parse_args()
    many, tiny = datasets(arguments.cache, arguments.planes)
    with tempfile.TemporaryDirectory(dir=arguments.cache) as folder:
        of_many = manifest(many, Path(folder, "many"))
        of_tiny = manifest(tiny, Path(folder, "tiny"))
        job = partial(shard_job, cache=arguments.cache)
        tasks = {
            "one_worker": partial(job, of_many, workers=1),
            "two_workers": partial(job, of_many, workers=2),
            "startup": partial(job, of_tiny, workers=1),
        }
        print("shards")
        runs = measure.in_turn(tasks, arguments.rounds)
    found = {name: measure.summary(of_name) for name, of_name in runs.items()}
    gain = measure.ratio(runs["one_worker"], runs["two_workers"], "wall")
    print(f"  two workers are {gain:.2f} times as fast as one on {os.cpu_count()} cores")
    measure.save(arguments.results, "shards", {"series": SERIES, "gain": gain, "jobs": found})


if __name__ == "__main__":
    main()
