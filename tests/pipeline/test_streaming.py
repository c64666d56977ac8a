"""A conversion reads files as a stream: few opens, and memory that does not grow with planes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydicom.uid import JPEGLSLossless, RLELossless

import ct2zarr
from phantom import make_multiframe, make_series

OPENS_OF_CONVERSION = """
import json, os, sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from converted import convert, plans_in, settings_for
folder, verify, out = sys.argv[1:]
(plan,) = plans_in(Path(folder))
opened = Counter()

def count_open(event, arguments):
    if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
        path = os.fsdecode(arguments[0])
        if path.startswith(folder):
            opened[path] += 1

sys.addaudithook(count_open)  # os.open and open alike
convert(plan, replace(settings_for(Path(out)), verify_slices=json.loads(verify)))
print(json.dumps(opened))
"""


def output_of(code: str, *arguments: object) -> str:
    """What a program prints that runs in a process of its own."""
    roots = [str(Path(ct2zarr.__file__).parents[1]), str(Path(__file__).parents[1])]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(roots)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def opens_during_conversion(folder: Path, verify: int | str, out: Path) -> dict[str, int]:
    """How often a conversion with its verification opens each source file."""
    opened = output_of(OPENS_OF_CONVERSION, folder, json.dumps(verify), out)
    return dict(json.loads(opened.splitlines()[-1]))


@pytest.mark.parametrize(
    "syntax",
    [None, *(pytest.param(one, marks=pytest.mark.slow) for one in (JPEGLSLossless, RLELossless))],
)
def test_a_file_is_opened_to_convert_it_to_verify_its_values_and_to_check_its_header(
    tmp_path, syntax
):
    options = {} if syntax is None else {"transfer_syntax": syntax}
    made = make_series(tmp_path / "in", **options)
    paths = [str(path) for path in made.paths]
    unverified = opens_during_conversion(tmp_path / "in", 0, tmp_path / "a")
    assert unverified == dict.fromkeys(paths, 1)
    three = opens_during_conversion(tmp_path / "in", 3, tmp_path / "b")
    assert sorted(three.values()) == [2] * (len(paths) - 3) + [3] * 3
    everything = opens_during_conversion(tmp_path / "in", "all", tmp_path / "c")
    assert everything == dict.fromkeys(paths, 3)


def test_a_multi_frame_file_is_opened_once_for_all_its_frames(tmp_path):
    make_multiframe(tmp_path / "in")
    found = opens_during_conversion(tmp_path / "in", 0, tmp_path / "out")
    assert list(found.values()) == [1]


PEAK_OF_CONVERSION = """
import sys
from pathlib import Path
from converted import convert, plans_in, settings_for
(plan,) = plans_in(Path(sys.argv[1]))
status = Path("/proc/self/status")
Path("/proc/self/clear_refs").write_text("5")
before = int(status.read_text().split("VmRSS:")[1].split()[0])
convert(plan, settings_for(Path(sys.argv[2])))
print(int(status.read_text().split("VmHWM:")[1].split()[0]) - before)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_planes(tmp_path):
    grown = []
    for planes in (130, 390):
        folder = tmp_path / f"in_{planes}"
        make_series(folder, n=planes, rows=128, columns=128, spacing=(0.1, 0.1, 0.1))
        grown.append(int(output_of(PEAK_OF_CONVERSION, folder, tmp_path / f"out_{planes}")) / 1024)
    volume_mib = 260 * 128 * 128 * 2 / 2**20  # by which the second volume is larger
    assert grown[1] - grown[0] < volume_mib / 2, grown
