"""The benchmarks run, and a conversion is not much slower than the floor of the same run.

The benchmarks limit ct2zarr to 1.3 times the cheapest code for the unavoidable steps; the test here
fails at twice that. Both are measured now, on this machine, each in its least disturbed round.
"""

import ast
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.append(str(BENCHMARKS))

import compression  # noqa: E402
import conversion  # noqa: E402
import measure  # noqa: E402
import reading  # noqa: E402
import series  # noqa: E402
from series import scan_folder  # noqa: E402

TARGET = 1.3
PLANES = 64
ROUNDS = 2
TRIES = 3
"""A ratio above the limit is measured again before it counts."""


def test_benchmarks_import_what_the_package_has():
    """Most imports are in functions, so that start-up can be measured: nothing else checks them."""
    checked = 0
    for path in sorted(BENCHMARKS.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith(
                "ct2zarr"
            ):
                continue
            module = importlib.import_module(node.module)
            for alias in node.names:
                assert hasattr(module, alias.name), (path.name, node.module, alias.name)
                checked += 1
    assert checked > 40


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("series")


@pytest.mark.slow
@pytest.mark.parametrize("encoding", conversion.ENCODINGS)
def test_a_conversion_costs_less_than_twice_what_the_benchmark_allows(cache, encoding):
    folder = str(scan_folder(cache, PLANES, encoding))
    tasks = conversion.tasks_for(cache, folder, encoding, peers_python=None)
    both = {name: tasks[name] for name in (conversion.FLOOR, "ct2zarr")}
    ratios = []
    for _ in range(TRIES):
        runs = measure.in_turn(both, ROUNDS, show=False)
        ratios.append(measure.ratio(runs["ct2zarr"], runs[conversion.FLOOR]))
        if ratios[-1] < 2 * TARGET:
            return
    pytest.fail(f"{encoding}: {ratios} times the CPU of the floor where {TARGET} is the target")


@pytest.mark.slow
def test_the_tasks_that_are_measured_run(cache, tmp_path):
    """Small series in place of large ones; the other converters are not needed."""
    folder = scan_folder(cache, PLANES, "uncompressed")
    steps = measure.run("steps.steps", folder=str(folder)).result
    assert set(steps) >= {"header and decoder", "Blosc", "store and sync"}
    assert measure.run("scanning.ct2zarr_in_process", folder=str(folder)).result > 100 * PLANES
    files = sorted(folder.iterdir())[:4]
    series.clones(files, tmp_path / "tree", [("one", 4), ("two", 3)])
    scan = measure.run("scanning.ct2zarr", folder=str(tmp_path / "tree"), workers=1).result
    assert scan == {"files": 7, "read": 7}
    stores, raw, shape = reading.converted(tmp_path / "cache", PLANES, source=folder)
    assert set(stores) == {"sqlite", "dir", "zip"}
    assert raw.stat().st_size == 2 * int(np.prod(shape))
    for store in stores.values():
        first, second = (
            measure.run(f"reading.{reader}", path=str(store), what="whole").result
            for reader in ("ct2zarr", "zarr")
        )
        assert first == second
    values = compression.values_of(conversion.plan_of(folder))[:8, :128, :128]
    setting = compression.Setting("bit", 1, compression.WHOLE, (64, 64, 64))
    assert compression.study(values, setting)["ratio"] > 1


@pytest.mark.slow
def test_the_benchmark_of_scale_generates_what_the_steps_read(tmp_path):
    """A dozen series in place of 100,000: every step ends, and no volume is lost."""
    command = [sys.executable, BENCHMARKS / "scale.py", "--series", "12", "--slices", "3"]
    paths = {"PYTHONPATH": os.pathsep.join(measure.PATHS)}
    done = subprocess.run(
        [*command, "--shards", "2", "--skip-dry-run", tmp_path],
        env=os.environ | paths, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "scale.json").read_text())
    assert set(found["jobs"]) == {"manifest", "aggregate", "report"}
    totals = json.loads((tmp_path / "converted/zarr_sqlite/summary_all.json").read_text())
    assert totals["totals"]["volumes"] == 12
