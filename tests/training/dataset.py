"""A small converted dataset with its summary, made by the steps of the workflow in this process."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ct2zarr.convert.shard import run_shard
from ct2zarr.report.summaries import aggregate
from ct2zarr.run.settings import AggregateSettings, ConvertSettings, EncodingSettings
from ct2zarr.vocabulary import StoreType
from phantom import Series, make_series

UNEVEN = [(-11.0, -9.5, z) for z in (-14.0, -13, -12, -8, -4, 0, 1, 2, 3)]
SERIES: Mapping[str, Mapping[str, Any]] = {
    "even": {"n": 14},
    "oblique": {"n": 12, "orientation": (0.96, 0, 0.28, 0, 1, 0)},
    "tilted": {"n": 10, "tilt_degrees": 15.0},
    "uneven": {"n": 9, "positions": UNEVEN},
}


class Dataset:
    """Volumes of ``SERIES``; ``summary`` is their summary_all.csv."""

    def __init__(self, folder: Path, store_type: StoreType, **encoding: Any) -> None:
        self.made: dict[str, Series] = {}
        rows = ["series_dir,series_hash"]
        self.hashes = {name: f"{number:032x}" for number, name in enumerate(SERIES, start=1)}
        for name, series in SERIES.items():
            self.made[name] = make_series(folder / "dicom" / name, name=name, **series)
            rows.append(f"{folder / 'dicom' / name},{self.hashes[name]}")
        (folder / "series.csv").write_text("\n".join(rows) + "\n")
        settings = ConvertSettings(
            input_csv=folder / "series.csv",
            out_root=folder / "out",
            encoding=EncodingSettings(store_type=store_type, chunks=(5, 16, 16), **encoding),
        )
        run_shard(settings)
        aggregate(AggregateSettings(folder / "out", store_type))
        self.summary = settings.store_root / "summary_all.csv"
        self._suffix = store_type.suffix

    def path(self, name: str) -> Path:
        """The store of one of ``SERIES``."""
        return self.summary.parent / "data" / f"{self.hashes[name]}{self._suffix}"
