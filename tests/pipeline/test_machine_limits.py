"""Under real limits of the system a step works, or ends with exit code 3 and one sentence.

Never is a lack of the machine booked on a file, a series or a finished volume.
"""

import csv
import json
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from jumping_clock import sitecustomize as jumping_clock
from phantom import make_series

pytestmark = pytest.mark.slow

SCRIPTS = Path(__file__).parents[2] / "scripts"
LIMIT_SECONDS = 120
FILES = 80
"""More than are read without processes."""

MB = 1 << 20


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A folder with a dataset, its manifest and its volumes."""
    folder = tmp_path_factory.mktemp("limits")
    for number in range(2):
        name = f"s{number}"
        make_series(folder / "in" / name, name=name, n=FILES // 2, rows=16, columns=16)
    for step in ("scan", "convert"):
        done = start(step, folder)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def folder(finished, tmp_path) -> Path:
    """A copy to work in."""
    return Path(shutil.copytree(finished, tmp_path / "copy"))


COMMANDS = {
    "scan": ("generate_manifest.py", {"OUT_DIR": "again", "NUM_SHARDS": "1"}),
    "convert": (
        "convert_dicom_to_volume.py",
        {"INPUT_CSV": "m/shards/series_shard_00.csv", "OUT_ROOT": "out", "OVERWRITE": "1"},
    ),
    "audit": ("audit_volumes.py", {"OUT_ROOT": "out"}),
    "aggregate": ("aggregate_summaries.py", {"OUT_ROOT": "out"}),
}


def start(step: str, folder: Path, limits: dict[int, int] | None = None, **environment: str):
    """Run a step in a folder, under limits of the system."""
    script, variables = COMMANDS[step]
    variables = dict(variables, NUM_WORKERS="2") if step != "aggregate" else variables
    if step == "scan":
        variables = {**variables, "DATASET_V1_ROOT": str(folder / "in")}
        variables["OUT_DIR"] = "again" if (folder / "m").exists() else "m"

    summary = folder / "out" / "zarr_sqlite" / "summary_shard_00.csv"
    if step == "convert" and summary.is_file():
        summary.unlink()

    def limit() -> None:
        for kind, amount in (limits or {}).items():
            resource.setrlimit(kind, (amount, amount))

    return subprocess.run(
        [sys.executable, str(SCRIPTS / script)],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **variables, **environment},
        preexec_fn=limit,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
    )


def require_whole_or_sentence(step: str, folder: Path, done: subprocess.CompletedProcess) -> None:
    """The law of this module."""
    assert done.returncode in (0, 3), (done.returncode, done.stderr)
    root = folder / "out" / "zarr_sqlite"
    if done.returncode == 3:
        assert done.stderr.splitlines()[-1].startswith("error: ")
        assert "Traceback" not in done.stderr
        if step == "scan":
            assert not (folder / "again" / "series_all.csv").exists()
        if step == "convert":
            assert not (root / "summary_shard_00.csv").exists()
        assert not (root / "audit_all.csv").exists()
    elif step == "scan":
        roles = json.loads((folder / "again" / "manifest_summary.json").read_text())["roles"]
        assert roles["slice"] == FILES
    elif step == "convert":
        with (root / "summary_shard_00.csv").open(newline="") as lines:
            assert [row["status"] for row in csv.DictReader(lines)] == ["ok", "ok"]
    elif step == "audit":
        assert '"intact": 2' in (root / "audit_all.json").read_text()


LIMITS = {
    **{f"ulimit -v {mb} MB": {resource.RLIMIT_AS: mb * MB} for mb in (60, 200, 400, 540, 620)},
    **{f"ulimit -n {number}": {resource.RLIMIT_NOFILE: number} for number in (6, 9, 12, 16, 24)},
}


@pytest.mark.parametrize("step", COMMANDS)
@pytest.mark.parametrize("limits", LIMITS.values(), ids=LIMITS)
def test_a_step_under_a_limit_is_whole_or_one_sentence(step, limits, folder):
    require_whole_or_sentence(step, folder, start(step, folder, limits))


@pytest.mark.parametrize("step", ["scan", "convert", "audit"])
def test_a_step_that_has_too_little_of_everything_is_one_sentence(step, folder):
    for kind, amount in ((resource.RLIMIT_AS, 300 * MB), (resource.RLIMIT_NOFILE, 8)):
        done = start(step, folder, {kind: amount})
        assert done.returncode == 3, done.stderr
        require_whole_or_sentence(step, folder, done)


@pytest.mark.parametrize("step", ["scan", "convert", "audit"])
@pytest.mark.parametrize("name", ["long", "missing", "file"])
def test_the_folder_for_temporary_files_does_not_matter(step, name, folder, tmp_path):
    temporary = tmp_path / ("x" * 120)
    if name == "long":
        temporary.mkdir()
    elif name == "file":
        temporary.write_text("")
    done = start(step, folder, TMPDIR=str(temporary))
    assert done.returncode == 0, done.stderr
    require_whole_or_sentence(step, folder, done)
    assert name != "long" or list(temporary.iterdir()) == []


def test_a_job_that_is_killed_leaves_nothing_in_the_folder_for_temporary_files(folder, tmp_path):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    shared = Path("/dev/shm")
    before = set(shared.iterdir()) if shared.is_dir() else set()
    script, variables = COMMANDS["convert"]
    job = subprocess.Popen(
        [sys.executable, str(SCRIPTS / script)],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **variables, "NUM_WORKERS": "2", "TMPDIR": str(temporary)},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert job.stderr is not None
    for line in job.stderr:
        if " ok: " in line:  # a worker has compressed a volume
            break
    job.kill()
    job.communicate(timeout=LIMIT_SECONDS)
    assert list(temporary.iterdir()) == []
    left = (set(shared.iterdir()) if shared.is_dir() else set()) - before
    assert [path for path in left if path.name.startswith(("sem.mp-", "psm_"))] == []


def test_a_clock_that_jumps_all_the_time_times_nothing_out(folder, tmp_path):
    clock = tmp_path / "clock"
    clock.write_text("0")
    ended = threading.Event()

    def jump() -> None:
        for jumps in range(10**9):
            if ended.is_set():
                return
            clock.write_text(str((-1) ** jumps * jumps * 100_000))
            time.sleep(0.005)

    jumping = threading.Thread(target=jump)
    jumping.start()
    try:
        done = start(
            "convert", folder, SERIES_TIMEOUT="60",
            PYTHONPATH=str(Path(jumping_clock.__file__).parent),
            **{jumping_clock.CLOCK_FILE: str(clock)},
        )  # fmt: skip
    finally:
        ended.set()
        jumping.join()
    assert done.returncode == 0, done.stderr
    require_whole_or_sentence("convert", folder, done)


@pytest.mark.parametrize("step", ["convert", "audit"])
def test_an_output_folder_that_takes_nothing_is_one_sentence(step, folder):
    """A file in the place of the folder, which not even root can write below."""
    root = folder / "out" / "zarr_sqlite"
    if step == "convert":
        shutil.rmtree(root)
        root.write_text("")
    else:
        (root / "audit_shard_00.csv").mkdir()
    done = start(step, folder)
    assert done.returncode == 3, done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: cannot write below ")
    assert "Traceback" not in done.stderr


def test_a_log_that_cannot_be_written_is_one_sentence(tmp_path):
    blocked = tmp_path / "logs"
    blocked.write_text("")
    script = (
        "import sys\nfrom ct2zarr.run.entry import run_step\n"
        "run_step(lambda: print('started'), sys.argv[1])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(blocked / "job.log")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (3, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: cannot write below {blocked}: ")
