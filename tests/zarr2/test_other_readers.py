"""tensorstore, xarray and stock zarr open the stores that they know, with none of our code."""

import hashlib
import json
from pathlib import Path

import pytest

from ct2zarr.vocabulary import StoreType
from handmade_volume import voxels, write_volume
from reader_environment import environment_python, run_reader

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def others() -> Path:
    return environment_python("tensorstore>=0.1.72", "xarray>=2025.1", "zarr>=3.1,<4")


def read(python: Path, reader: str, path: Path, zarr_format: int) -> dict[str, object]:
    found: dict[str, object] = json.loads(
        run_reader(python, HERE / "read_with_others.py", reader, path, zarr_format)
    )
    return found


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("store_type", [StoreType.DIR, StoreType.ZIP])
def test_tensorstore_reads_directories_and_zip_files(
    others: Path, tmp_path: Path, store_type: StoreType, zarr_format: int
) -> None:
    data = voxels()
    path = tmp_path / f"v{store_type.suffix}"
    write_volume(path, data, store_type=store_type, zarr_format=zarr_format)
    found = read(others, "tensorstore", path, zarr_format)
    assert found["md5"] == hashlib.md5(data.tobytes()).hexdigest()
    if zarr_format == 3:
        assert found["dimensions"] == ["z", "y", "x"]


@pytest.mark.parametrize("zarr_format", [2, 3])
def test_xarray_reads_directories_with_named_dimensions(
    others: Path, tmp_path: Path, zarr_format: int
) -> None:
    data = voxels()
    path = tmp_path / "v.zarr"
    write_volume(path, data, store_type=StoreType.DIR, zarr_format=zarr_format)
    found = read(others, "xarray", path, zarr_format)
    assert found["dimensions"] == ["z", "y", "x"]
    assert found["spacing"] == [2.5, 0.8, 0.7]
    assert found["md5"] == hashlib.md5(data.tobytes()).hexdigest()


def test_stock_zarr_opens_a_directory_by_its_path(others: Path, tmp_path: Path) -> None:
    data = voxels()
    path = write_volume(tmp_path / "v.zarr", data, store_type=StoreType.DIR)
    found = read(others, "zarr", path, 3)
    assert found["md5"] == hashlib.md5(data.tobytes()).hexdigest()
    assert found["spacing"] == [2.5, 0.8, 0.7]
