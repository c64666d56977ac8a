"""The small dataset that the tests of the report share, and its page."""

from pathlib import Path

import pytest

import report_dataset
from ct2zarr.report.page import make_report
from ct2zarr.run.settings import ReportSettings
from report_dataset import Dataset


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Never changed; tests that change something work on a copy."""
    return report_dataset.make_dataset(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="session")
def report_path(dataset: Dataset) -> Path:
    return make_report(ReportSettings(dataset.root))
