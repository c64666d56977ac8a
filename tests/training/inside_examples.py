"""The examples run as they stand."""

import subprocess
import sys
from pathlib import Path

import nibabel
import pytest
from dataset import SERIES, Dataset

EXAMPLES = Path(__file__).parents[2] / "examples"
EXPECTED = {
    "read_patches.py": r"HU (9, 16, 16) (12, 12, 12)",
    "train_torch.py": "epoch 1 loss",
    "train_monai.py": "(2, 1, 16, 16, 16)",
    "train_torchio.py": "(4, 1, 12, 12, 12)",
    "export.py": "(32, 24, 14) (0.7, 0.8, 2.5)",
}


@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.py")))
def test_an_example_runs(zipped: Dataset, tmp_path: Path, name: str) -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLES / name, zipped.summary, "nifti"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert EXPECTED[name] in done.stdout
    if name == "export.py":
        files = list((tmp_path / "nifti").glob("*.nii.gz"))
        assert len(files) == len(SERIES)
        assert all(nibabel.load(path).ndim == 3 for path in files)


def test_the_list_of_examples_names_each(zipped: Dataset) -> None:  # noqa: ARG001
    text = (EXAMPLES / "README.md").read_text("utf-8")
    assert all(f"`{path.name}`" in text for path in EXAMPLES.glob("*.py"))
