"""A slip in speed is seen: the CPU of a conversion is compared with the floor of the same run.

The benchmarks hold ct2zarr to 1.3 times the cheapest code for each unavoidable step; this fails at
twice that. Both are measured on this machine at this moment, each in its least disturbed round.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.append(str(BENCHMARKS))

import conversion  # noqa: E402
import measure  # noqa: E402
from series import scan_folder  # noqa: E402

TARGET = 1.3
PLANES = 64
ROUNDS = 2
TRIES = 3
"""A ratio above the limit is measured again before it counts."""


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
def test_the_benchmark_of_scale_makes_up_what_the_steps_take_for_real(tmp_path):
    """A dozen series in place of 100,000: every step ends, and no volume is lost on the way."""
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
