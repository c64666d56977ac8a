"""The commands and the lines of Python in docs/training.md run as they stand."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from dataset import Dataset

import ct2zarr
from ct2zarr.vocabulary import StoreType
from handmade_volume import ct2zarr_attribute, write_volume

PAGE = (Path(__file__).parents[2] / "docs" / "training.md").read_text("utf-8")


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return Dataset(tmp_path_factory.mktemp("docs"), StoreType.SQLITE)


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


def test_the_commands_run(converted: Dataset) -> None:
    (block,) = blocks("sh")
    uneven = converted.hashes["uneven"]
    for line in block.splitlines():
        named = line.replace("0123…", converted.hashes["even"])
        command, *arguments = shlex.split(named, comments=True)
        done = subprocess.run(
            [Path(sys.executable).with_name(command), *arguments],
            cwd=converted.summary.parent.parent,
            capture_output=True,
            text=True,
            check=False,
        )
        # What is not resampled leaves out the one volume that is uneven, and says so.
        refused = "summary_all" in line and "--resample" not in line
        assert done.returncode == refused, done.stderr
        assert (uneven in done.stderr) == refused
    root = converted.summary.parent.parent
    assert (root / "scan.nii.gz").exists()
    assert [len(list((root / name).iterdir())) for name in ("nifti", "mha")] == [3, 4]


def test_the_lines_of_python_run(
    converted: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(converted.summary.parent.parent)
    matrix = np.diag([0.7, 0.8, 2.5, 1.0])[:, [2, 1, 0, 3]]
    matrix[:3, 3] = [-100, -50, 1000]
    origins = matrix[:3, 3] + np.arange(140)[:, None] * matrix[:3, 0]
    attribute = ct2zarr_attribute(
        140, flags=[], index_to_lps=matrix.tolist(), slice_origins_lps=origins.tolist()
    )
    data = np.zeros((140, 200, 200), np.int16)
    path = write_volume(tmp_path / "v", data, chunks=(64, 64, 64), attribute=attribute)
    names = {"ct2zarr": ct2zarr, "volume": ct2zarr.open_volume(path)}
    for block in blocks("python"):
        exec(block, names)
    assert len(names["paths"]) == 4
    batch = next(iter(names["loader"]))
    assert batch["image"].shape == (2, 1, 96, 96, 96)
