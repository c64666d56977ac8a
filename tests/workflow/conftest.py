"""A phantom dataset and a finished run on it, made once; each test gets a copy of the run."""

import shutil
from pathlib import Path

import pytest

from phantom import localizer, make_series, not_dicom, truncate
from project import Project

SHARDS = 3


def make_dataset(root: Path) -> None:
    """Six series: plain, with localizer, missing slice, tilted, compressed, one file cut short."""
    make_series(root / "a" / "plain", name="plain")
    scouted = make_series(root / "a" / "scouted", name="scouted")
    localizer(root / "a" / "scouted", series_uid=scouted.series_uid)
    make_series(root / "b" / "gap", name="gap", drop=[5])
    make_series(root / "b" / "tilted", name="tilted", tilt_degrees=15.0)
    make_series(root / "b" / "packed", name="packed", transfer_syntax="jpeg_lossless_sv1")
    cut = make_series(root / "c" / "cut", name="cut")
    truncate(cut.paths[3], keep=0.9)
    not_dicom(root / "c")


@pytest.fixture(scope="session")
def dataset(tmp_path_factory):
    """The dataset; no test may change it."""
    root = tmp_path_factory.mktemp("dataset") / "ct"
    make_dataset(root)
    return root


@pytest.fixture(scope="session")
def finished(tmp_path_factory, dataset):
    """A project whose run on ``dataset`` has ended; no test may change it."""
    project = Project(
        tmp_path_factory.mktemp("finished"),
        {"datasets": {"v1": str(dataset)}, "num_shards": SHARDS},
    )
    project.snakemake()
    return project


@pytest.fixture
def project(finished, tmp_path):
    """A copy of the finished run, with Snakemake's own records, for one test to change."""
    folder = tmp_path / "project"
    shutil.copytree(finished.folder, folder)
    return Project(folder, dict(finished.config))


@pytest.fixture
def fresh(dataset, tmp_path):
    """A project in which nothing has run yet."""
    return Project(tmp_path / "fresh", {"datasets": {"v1": str(dataset)}, "num_shards": SHARDS})
