"""Measure the overhead of Snakemake.

Two hundred small series in 16 shards run through the workflow with ``--cores 2``; then the jobs of
the same shards run one after the other without it.
"""

import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import measure
from shards import manifest, shard_job

SERIES, PLANES, SHARDS = 200, 40, 16
SNAKEMAKE = (sys.executable, "-m", "snakemake", "--snakefile", measure.ROOT / "Snakefile")


def dataset(cache: Path, planes: int) -> Path:
    """Folder of the small series; written if absent."""
    from series import clones, scan_files

    folder = cache / "workflow_series"
    if not folder.is_dir():
        files = scan_files(cache, planes, "jpeg_lossless")
        clones(files, folder, [(f"series_{number:03d}", PLANES) for number in range(SERIES)])
    return folder


def config(folder: Path, source: Path, shards: int) -> Path:
    """Write the config file of a run in ``folder``."""
    path = folder / "config.json"
    options = {
        "datasets": {"v1": str(source)}, "manifest_dir": str(folder / "manifests"),
        "out_root": str(folder / "converted"), "num_shards": shards, "num_workers": 1,
    }  # fmt: skip
    path.write_text(json.dumps(options), encoding="utf-8")
    return path


def snakemake(folder: Path, *arguments: str | Path) -> measure.Measurement:
    """Measure a run of the workflow with two cores."""
    command = [*SNAKEMAKE, "--directory", folder, "--configfile", folder / "config.json"]
    return measure.run_job([*command, "--cores", "2", *arguments], {})


def summaries(folder: Path) -> list[Path]:
    """The target files of the shards' jobs."""
    from ct2zarr.run.paths import shard_labels

    root = folder / "converted" / "zarr_sqlite"
    return [root / f"summary_shard_{label}.csv" for label in shard_labels(SHARDS)]


def workflow(cache: Path, source: Path) -> measure.Measurement:
    """Measure the shards through Snakemake, up to their summaries, without the manifest."""
    with tempfile.TemporaryDirectory(dir=cache, prefix="out_") as name:
        folder = Path(name)
        config(folder, source, SHARDS)
        snakemake(folder, "--until", "manifest")
        return snakemake(folder, *summaries(folder))


def jobs(cache: Path, manifest_dir: Path) -> measure.Measurement:
    """Measure the jobs of the same shards, one after the other."""
    runs = [
        shard_job(manifest_dir, cache, 1, path.stem.rpartition("_")[2])
        for path in sorted((manifest_dir / "shards").glob("series_shard_*.csv"))
    ]
    return replace(runs[0], cpu=sum(run.cpu for run in runs), wall=sum(run.wall for run in runs))


def main() -> None:
    arguments = measure.arguments_of(__doc__).parse_args()
    cache = arguments.cache
    source = dataset(cache, arguments.planes)
    with tempfile.TemporaryDirectory(dir=cache) as name:
        small = manifest(source, Path(name, "small"), SHARDS)
        tasks: dict[str, Callable[[], measure.Measurement]] = {
            "workflow": partial(workflow, cache, source),
            "jobs": partial(jobs, cache, small),
        }
        print("workflow")
        runs = measure.in_turn(tasks, max(1, arguments.rounds // 2))
    overhead = measure.ratio(runs["workflow"], runs["jobs"])
    print(f"  through Snakemake: {overhead:.2f} times the CPU of the jobs alone")
    found = {name: measure.summary(of_name) for name, of_name in runs.items()}
    content = {"series": SERIES, "shards": SHARDS, "overhead": overhead, "runs": found}
    measure.save(arguments.results, "workflow", content)


if __name__ == "__main__":
    main()
