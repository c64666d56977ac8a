"""The column of ct2zarr in docs/correctness.md agrees with what ct2zarr does."""

import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SPEC = importlib.util.spec_from_file_location("correctness", ROOT / "benchmarks" / "correctness.py")
assert SPEC is not None
assert SPEC.loader is not None
correctness = importlib.util.module_from_spec(SPEC)
sys.modules["correctness"] = correctness  # its dataclass looks itself up there
SPEC.loader.exec_module(correctness)


def documented() -> dict[str, list[str]]:
    """Case → cells of its row, ct2zarr first."""
    text = (ROOT / "docs" / "correctness.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[1:]]
    return {name: cells for name, *cells in rows}


def test_the_table_has_a_row_for_each_case_and_a_cell_for_each_converter():
    rows = documented()
    assert list(rows) == [case.name for case in correctness.CASES]
    assert len(rows) == len({case.make for case in correctness.CASES}) == 11
    assert {len(cells) for cells in rows.values()} == {1 + len(correctness.PEERS)}


@pytest.mark.slow
@pytest.mark.parametrize("case", correctness.CASES, ids=lambda case: case.name)
def test_ct2zarr_is_exact_and_flags_what_the_table_says(tmp_path, case):
    case.make(tmp_path / "dicom")
    cell = correctness.run_ct2zarr(case, tmp_path / "dicom", tmp_path / "out")
    assert cell == documented()[case.name][0]
    errors = cell.split("**")[1].split(" and ")
    assert [float(error) for error in errors] == [0.5] * len(case.offsets)
