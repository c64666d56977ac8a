"""Measure the dry run, the aggregate and the report with 4,096 shards and 100,000 series.

The tables consist of rows of a small real run, repeated under other names.
"""

import csv
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import measure

from workflow import SHARDS, config, dataset, snakemake, summaries

MANY_SERIES, MANY_SHARDS = 100_000, 4096


def large_manifest(folder: Path, small: Path) -> None:
    """Write the parts of a manifest that a dry run reads: 4,096 shards, 100,000 series."""
    from ct2zarr.run.paths import shard_labels

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
    """Write the summaries of all shards, 100,000 rows in total."""
    from ct2zarr.convert.shard_summary import ShardSummary, write_summary
    from ct2zarr.run.paths import shard_labels
    from ct2zarr.run.settings import ConvertSettings

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
    """The summary rows of a real run."""
    from typing import get_type_hints

    from ct2zarr.run.summary_columns import SummaryRow

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
    source = dataset(arguments.cache, arguments.planes)
    with tempfile.TemporaryDirectory(dir=arguments.cache) as name:
        folder = Path(name)
        one = folder / "one"
        one.mkdir()
        config(one, source, SHARDS)
        snakemake(one, "--until", "manifest")
        snakemake(one, summaries(one)[0])
        large_manifest(folder, one / "manifests")
        config(folder, source, MANY_SHARDS)
        print("a large collection")
        runs = measure.in_turn({"dry_run": partial(dry_run, folder)}, 1)
        large_summaries(folder, one / "converted" / "zarr_sqlite")
        steps = {"aggregate": "aggregate_summaries.py", "report": "generate_verify_report.py"}
        tasks = {step: partial(script, file, folder) for step, file in steps.items()}
        runs |= measure.in_turn(tasks, 1)
    found = {name: measure.summary(of_name) for name, of_name in runs.items()}
    content = {"series": MANY_SERIES, "shards": MANY_SHARDS, "runs": found}
    measure.save(arguments.results, "collection", content)


if __name__ == "__main__":
    main()
