"""Settings and files for tests of the manifest."""

import csv
from pathlib import Path
from typing import Any

import phantom
from ct2zarr.run.settings import ConvertSettings, ManifestSettings


def settings(tmp_path: Path, **options: Any) -> ManifestSettings:
    """Of a manifest of the folder ``root`` in four shards; ``options`` replace any of them."""
    values: dict[str, Any] = {
        "datasets": {"d": tmp_path / "root"},
        "manifest_dir": tmp_path / "manifest",
        "num_shards": 4,
    }
    return ManifestSettings(**(values | options))


def input_of(path: Path, **options: Any) -> ConvertSettings:
    """Of a conversion of the volumes that a CSV names."""
    return ConvertSettings(input_csv=path, out_root=path.parent / "out", **options)


def rows_of(path: Path) -> list[dict[str, str]]:
    """The cells of a CSV."""
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def many(tmp_path: Path, count: int = 9) -> list[phantom.Series]:
    """Series of two planes below ``root``, each in a folder of its own."""
    root = tmp_path / "root"
    return [phantom.make_series(root / f"s{k}", n=2, name=f"s{k}") for k in range(count)]
