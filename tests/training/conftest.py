"""Converted volumes for the tests that run inside the environment."""

from pathlib import Path

import pytest
from dataset import Dataset

from ct2zarr.vocabulary import StoreType


@pytest.fixture(scope="session", params=list(StoreType))
def dataset(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The dataset in each store."""
    return Dataset(tmp_path_factory.mktemp("dataset"), request.param)


@pytest.fixture(scope="session")
def zipped(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The dataset in one store, where the store makes no difference."""
    return Dataset(tmp_path_factory.mktemp("zipped"), StoreType.ZIP)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for what the tests of this session share."""
    return tmp_path_factory.mktemp("shared")
