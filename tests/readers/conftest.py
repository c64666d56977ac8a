"""Converted volumes in every store and format, for the readers of other projects."""

import shutil

import numpy as np
import pytest
from reader_table import SPACING, Volumes

from converted import convert, plans_in, settings_for
from ct2zarr.run.settings import EncodingSettings
from ct2zarr.vocabulary import StoreType
from phantom import make_series


@pytest.fixture(scope="session")
def volumes(tmp_path_factory: pytest.TempPathFactory) -> Volumes:
    root = tmp_path_factory.mktemp("volumes")
    made = make_series(root / "in", n=14, rows=40, columns=48, spacing=SPACING)
    (plan,) = plans_in(root / "in")
    paths = {}
    for store_type in StoreType:
        for zarr_format in (2, 3):
            encoding = EncodingSettings(store_type, zarr_format=zarr_format, chunks=(5, 16, 16))
            settings = settings_for(root / f"{store_type}{zarr_format}", encoding=encoding)
            paths[store_type, zarr_format] = convert(plan, settings).paths.store
    return Volumes(np.rint(made.hu).astype(np.int16), paths)


@pytest.fixture(scope="session")
def ozx(volumes: Volumes, tmp_path_factory: pytest.TempPathFactory) -> Volumes:
    """The same, with the suffix that OME-Zarr uses for zip files."""
    folder = tmp_path_factory.mktemp("ozx")
    paths = dict(volumes.paths)
    for (store_type, zarr_format), path in volumes.paths.items():
        if store_type is StoreType.ZIP:
            paths[store_type, zarr_format] = folder / f"format{zarr_format}.ozx"
            shutil.copy(path, paths[store_type, zarr_format])
    return Volumes(volumes.voxels, paths)
