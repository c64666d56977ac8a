"""A conversion reads files as a stream: few opens, and memory that does not grow with planes."""

import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom.uid import JPEGLSLossless, RLELossless

import ct2zarr
from converted import convert, plans_in, settings_for
from phantom import make_multiframe, make_series

_opened: Counter[str] = Counter()
_watching: list[str] = []


def _count_open(event: str, arguments: tuple[object, ...]) -> None:
    if _watching and event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
        path = os.fsdecode(arguments[0])
        if path.startswith(_watching[0]):
            _opened[path] += 1


sys.addaudithook(_count_open)  # os.open and open alike; a hook stays for the life of the process


def opens_during_conversion(folder: Path, verify: int | str, out: Path) -> Counter[str]:
    """How often each source file is opened by a conversion with its verification."""
    (plan,) = plans_in(folder)
    settings = replace(settings_for(out), verify_slices=verify)  # type: ignore[arg-type]
    _opened.clear()
    _watching[:] = [str(folder)]
    try:
        convert(plan, settings)
    finally:
        _watching.clear()
    return Counter(_opened)


@pytest.mark.parametrize("syntax", [None, JPEGLSLossless, RLELossless])
def test_a_file_is_opened_once_to_convert_it_and_once_to_verify_it(tmp_path, syntax):
    options = {} if syntax is None else {"transfer_syntax": syntax}
    made = make_series(tmp_path / "in", **options)
    paths = [str(path) for path in made.paths]
    unverified = opens_during_conversion(tmp_path / "in", 0, tmp_path / "a")
    assert unverified == dict.fromkeys(paths, 1)
    three = opens_during_conversion(tmp_path / "in", 3, tmp_path / "b")
    assert sorted(three.values()) == [1] * (len(paths) - 3) + [2] * 3
    everything = opens_during_conversion(tmp_path / "in", "all", tmp_path / "c")
    assert everything == dict.fromkeys(paths, 2)


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
        roots = [str(Path(ct2zarr.__file__).parents[1]), str(Path(__file__).parents[1])]
        done = subprocess.run(
            [sys.executable, "-c", PEAK_OF_CONVERSION, folder, tmp_path / f"out_{planes}"],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(roots)},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        grown.append(int(done.stdout) / 1024)
    volume_mib = 260 * 128 * 128 * 2 / 2**20  # what the second volume has more
    assert grown[1] - grown[0] < volume_mib / 2, grown
