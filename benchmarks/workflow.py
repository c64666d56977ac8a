"""What Snakemake adds to the conversions, and how the first and the last steps bear 100,000 series.

Two hundred small series in 16 shards run through the workflow with ``--cores 2``, and the same
shards' jobs run one after the other without it. The large tables are rows of that run, repeated
under other names: a dry run, the aggregate and the report see as many as of a large collection.
"""

import csv
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import measure
from shards import manifest, shard_job

SERIES, PLANES, SHARDS = 200, 40, 16
MANY_SERIES, MANY_SHARDS = 100_000, 4096
SNAKEMAKE = (sys.executable, "-m", "snakemake", "--snakefile", measure.ROOT / "Snakefile")


def dataset(cache: Path, planes: int) -> Path:
    """The folder of the small series; made when it is not there."""
    from series import clones, scan_files

    folder = cache / "workflow_series"
    if not folder.is_dir():
        files = scan_files(cache, planes, "jpeg_lossless")
        clones(files, folder, [(f"series_{number:03d}", PLANES) for number in range(SERIES)])
    return folder


def config(folder: Path, source: Path, shards: int) -> Path:
    """A config file of a run in ``folder``."""
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
    """The files that the shards' jobs make, as targets."""
    from ct2zarr.shard_names import shard_labels

    root = folder / "converted" / "zarr_sqlite"
    return [root / f"summary_shard_{label}.csv" for label in shard_labels(SHARDS)]


def workflow(cache: Path, source: Path) -> measure.Measurement:
    """The shards through Snakemake, up to their summaries; the manifest is made before."""
    with tempfile.TemporaryDirectory(dir=cache, prefix="out_") as name:
        folder = Path(name)
        config(folder, source, SHARDS)
        snakemake(folder, "--until", "manifest")
        return snakemake(folder, *summaries(folder))


def jobs(cache: Path, manifest_dir: Path) -> measure.Measurement:
    """The same shards, one job after the other."""
    runs = [
        shard_job(manifest_dir, cache, 1, path.stem.rpartition("_")[2])
        for path in sorted((manifest_dir / "shards").glob("series_shard_*.csv"))
    ]
    return replace(runs[0], cpu=sum(run.cpu for run in runs), wall=sum(run.wall for run in runs))


# Large tables ---------------------------------------------------------------------------------


def large_manifest(folder: Path, small: Path) -> None:
    """A manifest of 4096 shards with 100,000 series, as far as a dry run looks at it."""
    from ct2zarr.shard_names import shard_labels

    with (small / "series_all.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    shards = folder / "manifests" / "shards"
    shards.mkdir(parents=True)
    for label in shard_labels(MANY_SHARDS):
        (shards / f"files_shard_{label}.parquet").touch()
        (shards / f"series_shard_{label}.csv").touch()
    with (folder / "manifests" / "series_all.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        for number in range(MANY_SERIES):
            writer.writerow(rows[number % len(rows)] | {"series_hash": f"{number:032x}"})
    shutil.copy(small / "manifest_summary.json", folder / "manifests")


def dry_run(folder: Path) -> measure.Measurement:
    return snakemake(folder, "--dry-run", "--quiet", "rules", "host")


def large_summaries(folder: Path, done: Path) -> None:
    """Shard summaries with 100,000 rows, as shards would have written them."""
    from ct2zarr.settings import ConvertSettings
    from ct2zarr.shard import ShardSummary, write_summary
    from ct2zarr.shard_names import shard_labels

    rows = list(_rows(done))
    root = folder / "converted" / "zarr_sqlite"
    root.mkdir(parents=True)
    settings = ConvertSettings(
        input_csv=folder / "input.csv", out_root=folder / "converted", num_shards=MANY_SHARDS
    )
    settings.input_csv.touch()
    for shard, label in enumerate(shard_labels(MANY_SHARDS)):
        mine = tuple(
            replace(rows[number % len(rows)], series_hash=f"{number:032x}")
            for number in range(shard, MANY_SERIES, MANY_SHARDS)
        )
        csv_path = root / f"summary_shard_{label}.csv"
        summary = ShardSummary(label, mine, csv_path, csv_path.with_suffix(".json"))
        write_summary(summary, replace(settings, shard_id=shard))


def _rows(folder: Path) -> Iterator[Any]:
    """Rows of a real run as records."""
    from typing import get_type_hints

    from ct2zarr.summary_columns import SummaryRow

    kinds = get_type_hints(SummaryRow)
    for path in sorted(folder.glob("summary_shard_*.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                yield SummaryRow(**{k: _typed(v, kinds[k]) for k, v in row.items()})


def _typed(text: str, kind: Any) -> Any:
    if kind is str:
        return text
    if not text:
        return None
    if bool in getattr(kind, "__args__", (kind,)):
        return text.lower() == "true"
    return int(text) if kind is int else float(text)


def script(name: str, folder: Path) -> measure.Measurement:
    """Measure the aggregate or the report as a command."""
    converted = str(folder / "converted")
    settings = {"OUT_ROOT": converted, "CONVERTED_ROOT": converted}
    return measure.run_job([sys.executable, measure.ROOT / "scripts" / name], settings)


def main() -> None:
    arguments = measure.arguments_of(__doc__).parse_args()
    cache = arguments.cache
    source = dataset(cache, arguments.planes)
    found: dict[str, dict[str, Any]] = {}

    def take(runs: dict[str, list[measure.Measurement]]) -> None:
        found.update({name: measure.summary(of_name) for name, of_name in runs.items()})

    with tempfile.TemporaryDirectory(dir=cache) as name:
        folder = Path(name)
        small = manifest(source, folder / "small", SHARDS)
        tasks: dict[str, Callable[[], measure.Measurement]] = {
            "workflow": partial(workflow, cache, source), "jobs": partial(jobs, cache, small),
        }  # fmt: skip
        print("workflow")
        runs = measure.in_turn(tasks, max(1, arguments.rounds - 1))
        take(runs)
        overhead = measure.ratio(runs["workflow"], runs["jobs"])
        print(f"  through Snakemake: {overhead:.2f} times the CPU of the jobs alone")

        large_manifest(folder, small)
        config(folder, source, MANY_SHARDS)
        take(measure.in_turn({"dry_run": partial(dry_run, folder)}, 1))

        one = folder / "one"
        one.mkdir()
        config(one, source, SHARDS)
        snakemake(one, "--until", "manifest")
        snakemake(one, *summaries(one))
        large_summaries(folder, one / "converted" / "zarr_sqlite")
        steps = {"aggregate": "aggregate_summaries.py", "report": "generate_verify_report.py"}
        for step, file in steps.items():
            take(measure.in_turn({step: partial(script, file, folder)}, 1))
    content = {
        "series": SERIES, "shards": SHARDS, "many_series": MANY_SERIES, "many_shards": MANY_SHARDS,
        "overhead": overhead, "runs": found,
    }  # fmt: skip
    measure.save(arguments.results, "workflow", content)


if __name__ == "__main__":
    main()
