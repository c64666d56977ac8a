"""A folder in which real Snakemake runs, as a user would start it."""

import csv
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

import ct2zarr

REPOSITORY = Path(__file__).parents[2]
SNAKEMAKE = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile")]
PARTS_OF_THE_WORKFLOW = ("Snakefile", "rules", "scripts", "config", "profiles", "report", "envs")
LIMIT_SECONDS = 600


def heed_interruptions() -> None:
    """For ``preexec_fn``: a shell starts what runs in the background with SIGINT ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def clean_environment() -> dict[str, str]:
    """The environment without what would change the settings or find another package.

    What CI demands of these tests (``CT2ZARR_REQUIRE_...``) is not for tests that a command starts.
    """
    ours = {"PYTHONPATH", "COLUMNS", "SNAKEMAKE_PROFILE"}
    return {
        key: value
        for key, value in os.environ.items()
        if key not in ours and not key.startswith("CT2ZARR_REQUIRE_")
    }


@dataclass
class Project:
    """A working directory with its config; results lie in ``manifests`` and ``converted``."""

    folder: Path
    config: dict[str, Any]
    checkout: Path = REPOSITORY

    @property
    def store_root(self) -> Path:
        """Where the volumes and summaries of this config lie."""
        return self.folder / "converted" / f"zarr_{self.config.get('store_type', 'sqlite')}"

    @property
    def manifest(self) -> Path:
        """The manifest folder."""
        return self.folder / "manifests"

    def command(self, *arguments: str) -> list[str]:
        """The command line of a run; writes the config that it names."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "run.yaml").write_text(yaml.safe_dump(self.config))
        program = [*SNAKEMAKE[:-1], str(self.checkout / "Snakefile")]
        return [*program, "--configfile", "run.yaml", "--cores", "2", *arguments]

    def snakemake(self, *arguments: str, code: int | None = 0) -> str:
        """Run to the end and give all that was printed; ``code`` None: any code but 0."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=LIMIT_SECONDS,
        )
        as_expected = done.returncode != 0 if code is None else done.returncode == code
        assert as_expected, f"exit code {done.returncode}\n{done.stdout}"
        return done.stdout

    def pending(self, *arguments: str) -> dict[str, int]:
        """Rule → number of jobs that a dry run announces."""
        return job_counts(self.snakemake(*arguments, "-n", "-q", "rules", "host"))

    def rows(self) -> list[dict[str, str]]:
        """The lines of summary_all.csv."""
        return read_csv(self.store_root / "summary_all.csv")

    def volume(self, series_hash: str) -> ct2zarr.Volume:
        """One finished volume."""
        (path,) = (self.store_root / "data").glob(f"{series_hash}.zarr*")
        return ct2zarr.open_volume(path)

    def final_state(self) -> dict[str, Any]:
        """What must be the same however the run went: rows but for times, MD5s, file names."""
        varies = {"read_seconds", "write_seconds", "total_seconds", "reused"}
        rows = [{k: v for k, v in row.items() if k not in varies} for row in self.rows()]
        slices = {
            path.name: [row["md5"] for row in read_csv(path)]
            for path in sorted((self.store_root / "meta").glob("*.slices.csv"))
        }
        stores = {
            row["series_hash"]: self.volume(row["series_hash"]).series["store_digest"]
            for row in rows
            if row["status"] == "ok"
        }
        names = sorted(
            path.relative_to(self.store_root).as_posix()
            for folder in ("data", "meta", ".")
            for path in (self.store_root / folder).iterdir()
        )
        return {"rows": rows, "md5": slices, "stores": stores, "names": names}

    def times(self) -> dict[str, int]:
        """Modification time of each shard summary."""
        return {p.name: p.stat().st_mtime_ns for p in self.store_root.glob("summary_shard_*.csv")}


def copy_checkout(folder: Path) -> Path:
    """A copy of the workflow and its package, for tests that change their files."""
    for name in PARTS_OF_THE_WORKFLOW:
        source = REPOSITORY / name
        if source.is_dir():
            unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(source, folder / name, symlinks=True, ignore=unwanted)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, folder / name)
    return folder


def read_csv(path: Path) -> list[dict[str, str]]:
    """The lines of a CSV file, all values as text."""
    with path.open(newline="") as lines:
        return list(csv.DictReader(lines))


def job_counts(output: str) -> dict[str, int]:
    """Rule → jobs, from the first table of jobs that Snakemake prints; empty without one."""
    table = re.search(r"^Job stats:\n(.*?)^total\s", output, flags=re.MULTILINE | re.DOTALL)
    if table is None:
        assert "Nothing to be done" in output, output
        return {}
    return {
        words[0]: int(words[1])
        for words in map(str.split, table[1].splitlines())
        if len(words) == 2 and words[1].isdecimal()
    }


def account(manifest: Path) -> pd.DataFrame:
    """Every file of the manifest, from all its parquet files."""
    files = [manifest / "files_excluded.parquet", *manifest.glob("shards/files_shard_*.parquet")]
    return pd.concat([pd.read_parquet(path) for path in files], ignore_index=True)


def snakemake_in(folder: Path, *arguments: str) -> str:
    """Run in ``folder``, with the Snakefile and profile that Snakemake finds there by itself."""
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "2", *arguments],
        cwd=folder,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_SECONDS,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
