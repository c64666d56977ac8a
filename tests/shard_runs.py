"""Shards that run in a process of their own, and what they leave behind."""

import csv
import hashlib
import os
import pickle
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ct2zarr.plan.manifest import make_manifest
from ct2zarr.run.settings import ConvertSettings, EncodingSettings, ManifestSettings
from ct2zarr.vocabulary import StoreType

SHARDS = 2


def manifest(root: Path, num_shards: int = SHARDS) -> Path:
    folder = root.parent / "manifests"
    make_manifest(
        ManifestSettings(datasets={"v1": root}, manifest_dir=folder, num_shards=num_shards)
    )
    return folder


def settings_for(csv_path: Path, store_type: StoreType = StoreType.SQLITE, **changes: Any):
    encoding = EncodingSettings(store_type=store_type, chunks=(5, 16, 16))
    manifests = csv_path.parent.parent if csv_path.parent.name == "shards" else csv_path.parent
    out_root = manifests.parent / "out"
    return replace(ConvertSettings(csv_path, out_root, encoding=encoding), **changes)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def without_times(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    timed = {"read_seconds", "write_seconds", "total_seconds", "reused"}
    return [{k: v for k, v in row.items() if k not in timed} for row in rows]


def stores_below(root: Path) -> dict[str, str]:
    """Path below ``data`` -> MD5, of all files of all stores."""
    return {
        str(path.relative_to(root)): hashlib.md5(path.read_bytes()).hexdigest()
        for path in sorted((root / "data").rglob("*"))
        if path.is_file()
    }


def temporary_files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.name.startswith(".")]


def in_a_process(
    settings: ConvertSettings,
    before: str = "",
    path: Sequence[str] = (),
    environment: dict[str, str] | None = None,
) -> subprocess.Popen:
    """Run a shard in a process of its own, as a workflow does."""
    script = (
        "import pickle, sys\nfrom ct2zarr.run.entry import run_step\n"
        "from ct2zarr.convert.shard import run_shard\n"
        f"{before}\n"
        "settings = pickle.loads(bytes.fromhex(sys.argv[1]))\n"
        "run_step(lambda: run_shard(settings))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", script, pickle.dumps(settings).hex()],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([*path, *sys.path]),
            **(environment or {}),
        },
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_until(condition, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
