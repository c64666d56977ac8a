"""Measure manifest, dry run, joined summary and report for very large collections.

    PYTHONPATH=scripts:tests python benchmarks/scale.py --series 100000 --slices 20 FOLDER

No DICOM files are written: the shares of a scan and the summaries of the shards are generated.
Everything else is real: `generate_manifest.py` joins the shares, Snakemake plans a run of all
shards, `aggregate_summaries.py` and `generate_verify_report.py` read the summaries. Time and memory
are printed and stored in FOLDER/scale.json; docs/scale.md shows them.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import measure
import numpy as np
import psutil
import pyarrow as pa
import yaml

from ct2zarr.convert.shard_summary import ShardSummary, write_summary
from ct2zarr.dicom.frames import read_frames
from ct2zarr.model import Frame
from ct2zarr.plan.manifest_rows import SERIES_SCHEMA
from ct2zarr.run.csv_tables import read_table
from ct2zarr.run.paths import scan_share_paths, shard_labels
from ct2zarr.run.settings import ConvertSettings, ManifestSettings
from ct2zarr.run.summary_columns import SummaryRow
from ct2zarr.scan.frame_tables import FRAME_SCHEMA, frames_to_table
from ct2zarr.scan.shares import BATCH_ROWS, COUNTS, share_key, write_arrow
from phantom import make_series

SHARES = 16
SPACING_MM = 1.25
ROWS = 512
SCRIPTS = measure.ROOT / "scripts"


def sample_header(folder: Path) -> Frame:
    """A frame read from a real header."""
    made = make_series(folder / "sample", n=1)
    (frame,) = read_frames("v1", str(folder / "data"), str(made.paths[0]))
    return frame


def uids(numbers: np.ndarray, kind: str) -> pa.Array:
    """UIDs as long as real ones, at most 64 characters."""
    return pa.array([f"1.2.840.113619.2.55.3.2831868886.{kind}.{n}" for n in numbers.tolist()])


def rows_of_share(sample: Frame, share: int, series: int, slices: int) -> pa.Table:
    """The frames of every ``SHARES``-th series."""
    mine = np.arange(share, series, SHARES)
    count = len(mine) * slices
    one = frames_to_table([sample])
    number = np.repeat(mine, slices)
    plane = np.tile(np.arange(slices), len(mine))
    folders = [hashlib.blake2b(str(n).encode(), digest_size=16).hexdigest() for n in mine.tolist()]
    paths = [
        f"{sample.root}/Images/{folder}/Images/series/IM-{index:05d}.dcm"
        for folder in folders
        for index in range(slices)
    ]
    positions = np.zeros((count, 3))
    positions[:, 2] = plane * SPACING_MM
    place = {
        "path": pa.array(paths),
        "bytes": pa.array(np.full(count, 2 * ROWS * ROWS + 3000)),
        "mtime_ns": pa.array(np.full(count, 1_700_000_000 * 10**9)),
        "sop_instance_uid": uids(number * slices + plane, "1"),
        "series_uid": uids(number, "2"),
        "study_uid": uids(number // 3, "3"),
        "frame_of_reference_uid": uids(number, "4"),
        "instance_number": pa.array(plane + 1),
        "rows": pa.array(np.full(count, ROWS)),
        "columns": pa.array(np.full(count, ROWS)),
        "position": pa.FixedSizeListArray.from_arrays(pa.array(positions.ravel()), 3),
    }
    same = pa.array(np.zeros(count, np.int64))
    return pa.Table.from_arrays(
        [place[name] if name in place else one[name].take(same) for name in FRAME_SCHEMA.names],
        schema=FRAME_SCHEMA,
    )


def write_shares(folder: Path, series: int, slices: int) -> ManifestSettings:
    """Write the shares of a scan of ``series`` series with ``slices`` frames each."""
    data = folder / "data"
    data.mkdir(parents=True, exist_ok=True)
    sample = sample_header(folder)
    settings = ManifestSettings({"v1": data}, folder / "manifests", scan_jobs=SHARES)
    for share in range(SHARES):
        path = scan_share_paths(settings.manifest_dir, share, SHARES)
        path.facts.parent.mkdir(parents=True, exist_ok=True)
        rows = rows_of_share(sample, share, series, slices)
        write_arrow(path.rows, rows.to_batches(max_chunksize=BATCH_ROWS))
        about = {"v1": {"unreadable_folders": [], "links": [], "seen": [], "level": 2}}
        counts = dict.fromkeys(COUNTS, 0)
        content = {
            **share_key(settings, {"v1": str(data)}),
            **counts,
            "files_found": rows.num_rows,
            "headers_read": rows.num_rows,
            "deepest": 3,
            "rows": rows.num_rows,
            "datasets": about,
        }
        path.facts.write_text(json.dumps(content))
    return settings


def write_summaries(folder: Path, shards: int) -> int:
    """Write a summary per shard, as if every volume of the manifest had been converted."""
    volumes = 0
    for shard, label in enumerate(shard_labels(shards)):
        input_csv = folder / "manifests" / "shards" / f"series_shard_{label}.csv"
        settings = ConvertSettings(
            input_csv, folder / "converted", shard_id=shard, num_shards=shards
        )
        settings.store_root.mkdir(parents=True, exist_ok=True)
        rows = [
            SummaryRow(
                series_hash=row["series_hash"], dataset=row["dataset"],
                series_dir=row["series_dir"], status="ok", slice_count=row["slice_count"],
                rows=ROWS, columns=ROWS, input_bytes=row["bytes"],
                output_bytes=row["bytes"] // 3, verify_ok=True, verified_slices=3,
                read_seconds=1.1, write_seconds=0.9, total_seconds=2.4, dtype="int16",
                spacing_z=SPACING_MM, spacing_y=0.8, spacing_x=0.7, slice_thickness=1.25,
                kernel="B30f", kvp=120.0, manufacturer="MAKER", files=row["file_count"],
                transfer_syntax="1.2.840.10008.1.2.1", decoder="native", version="0.1.0",
            )
            for row in read_table(input_csv, SERIES_SCHEMA).rows()
        ]  # fmt: skip
        volumes += len(rows)
        path = settings.store_root / f"summary_shard_{label}.csv"
        write_summary(ShardSummary(label, tuple(rows), path, path.with_suffix(".json")), settings)
    return volumes


def watched(command: list[str | Path], environment: dict[str, str]) -> dict[str, float]:
    """Run a command to its end, and return CPU seconds, wall clock seconds and peak memory in MB.

    The memory is the sum over the command and all processes that it started, without file-backed
    pages, which the system can drop at any time.
    """
    started = time.monotonic()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(measure.PATHS), **environment}
    before = os.times()
    running = psutil.Popen([*map(str, command)], env=environment, stdout=subprocess.DEVNULL,
                           stderr=subprocess.PIPE)  # fmt: skip
    peak = 0.0
    while running.poll() is None:
        peak = max(peak, anonymous_mb(running))
        time.sleep(0.1)
    if running.returncode:
        raise SystemExit(running.stderr.read().decode()[-3000:])
    after = os.times()
    cpu = after.children_user + after.children_system
    cpu -= before.children_user + before.children_system
    wall = time.monotonic() - started
    return {"cpu_seconds": round(cpu, 1), "wall_seconds": round(wall, 1), "memory_mb": round(peak)}


def anonymous_mb(process: psutil.Process) -> float:
    """RssAnon of a process and its descendants (proc(5)), in MB."""
    total = 0.0
    try:
        for one in (process, *process.children(recursive=True)):
            text = Path(f"/proc/{one.pid}/status").read_text()
            for line in text.splitlines():
                if line.startswith("RssAnon:"):
                    total += int(line.split()[1]) * 1024 / 1e6
    except (psutil.NoSuchProcess, OSError):
        pass
    return total


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--series", type=int, default=100_000)
    parser.add_argument("--slices", type=int, default=100)
    parser.add_argument("--shards", type=int, default=4096)
    parser.add_argument("--skip-dry-run", action="store_true")
    given = parser.parse_args()
    folder = given.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    write_shares(folder, given.series, given.slices)
    print(f"shares written in {time.monotonic() - started:.0f} s", flush=True)
    found: dict[str, dict[str, float]] = {}

    def job(name: str, command: list[str | Path], **environment: str) -> None:
        found[name] = watched(command, environment)
        print(name, found[name], flush=True)

    python = sys.executable
    job(
        "manifest", [python, SCRIPTS / "generate_manifest.py"],
        OUT_DIR=str(folder / "manifests"), DATASET_V1_ROOT=str(folder / "data"),
        NUM_SHARDS=str(given.shards), SCAN_JOBS=str(SHARES), NUM_WORKERS="2", MAX_DEPTH="all",
    )  # fmt: skip
    config = {
        "datasets": {"v1": str(folder / "data")},
        "num_shards": given.shards,
        "out_root": str(folder / "converted"),
        "manifest_dir": str(folder / "manifests"),
    }
    (folder / "run.yaml").write_text(yaml.safe_dump(config))
    snakemake = [python, "-m", "snakemake", "--snakefile", measure.ROOT / "Snakefile"]
    plan = [*snakemake, "--directory", folder, "--configfile", folder / "run.yaml", "-c2", "-n"]
    if not given.skip_dry_run:
        job("dry run, every shard pending", [*plan, "-q", "rules", "host"])
    volumes = write_summaries(folder, given.shards)
    assert volumes == given.series, volumes
    if not given.skip_dry_run:
        job("dry run, every shard done", [*plan, "-q", "rules", "host"])
    job(
        "aggregate", [python, SCRIPTS / "aggregate_summaries.py"],
        OUT_ROOT=str(folder / "converted"), MANIFEST_DIR=str(folder / "manifests"),
    )  # fmt: skip
    job(
        "report",
        [python, SCRIPTS / "generate_verify_report.py"],
        CONVERTED_ROOT=str(folder / "converted"),
    )
    sizes = {
        name: (folder / path).stat().st_size
        for name, path in {
            "series_all.csv": "manifests/series_all.csv",
            "summary_all.csv": "converted/zarr_sqlite/summary_all.csv",
            "verify_report.html": "converted/zarr_sqlite/verify_report.html",
        }.items()
    }
    sizes["files_shard parquet, all"] = sum(
        entry.stat().st_size
        for entry in os.scandir(folder / "manifests" / "shards")
        if entry.name.endswith(".parquet")
    )
    measure.save(
        folder,
        "scale",
        {
            "machine": measure.machine(),
            "series": given.series,
            "slices": given.slices,
            "shards": given.shards,
            "jobs": found,
            "bytes": sizes,
        },
    )
    for name, size in sizes.items():
        print(f"{name}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
