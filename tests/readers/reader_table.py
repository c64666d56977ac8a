"""What opens what: the claims of docs/output-format.md, each checked by a test."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ct2zarr.vocabulary import StoreType

SPACING = (2.5, 0.8, 0.7)


@dataclass(frozen=True)
class Volumes:
    """One series in every store and format; ``voxels`` is what all of them hold, HU."""

    voxels: np.ndarray
    paths: dict[tuple[StoreType, int], Path]


BOTH = (2, 3)
OPENER = {
    StoreType.DIR: "its path",
    StoreType.ZIP: "`zarr.storage.ZipStore(path)`",
    StoreType.SQLITE: "`ct2zarr.SQLiteStore(path, read_only=True)`",
}


@dataclass(frozen=True, slots=True)
class Reader:
    """One row.

    Attributes:
        function: of ``read_with_others.py``, without ``with_``; empty for those with a test of
            their own.
        opens: store → (how it is opened, formats that it reads); a store that is not there is one
            that the tool cannot open.
        tells: which of axes, units, spacing and levels the tool tells.
    """

    name: str
    function: str
    opens: Mapping[StoreType, tuple[str, tuple[int, ...]]]
    tells: frozenset[str] = field(default_factory=frozenset)

    def row(self) -> str:
        """The line of the table."""
        return f"| {self.name} | {' | '.join(self._cell(kind) for kind in OPENER)} |"

    def _cell(self, store_type: StoreType) -> str:
        if store_type not in self.opens:
            return "-"
        how, formats = self.opens[store_type]
        which = "both formats" if formats == BOTH else f"format {formats[0]}"
        return f"{how}; {which}"


THROUGH_ZARR = {store_type: (how, BOTH) for store_type, how in OPENER.items()}
PATH_OF_FOLDER = {StoreType.DIR: ("its path", BOTH)}
OME = frozenset({"axes", "units", "spacing", "levels"})

READERS = (
    Reader("`ct2zarr.open_volume`", "", dict.fromkeys(StoreType, ("its path", BOTH))),
    Reader("zarr-python 3", "zarr", THROUGH_ZARR, frozenset({"spacing"})),
    Reader(
        "zarr-python 2.18",
        "zarr2",
        {
            StoreType.DIR: ("its path", (2,)),
            StoreType.ZIP: ("`zarr.ZipStore(path)`", (2,)),
            StoreType.SQLITE: ("`zarr.SQLiteStore(path)`", (2,)),
        },
        frozenset({"spacing", "axes"}),
    ),
    Reader(
        "tensorstore",
        "tensorstore",
        {
            StoreType.DIR: ("`file://…/volume/\\|zarr3:`", BOTH),
            StoreType.ZIP: ("`file://…\\|zip:volume/\\|zarr3:`", BOTH),
        },
    ),
    Reader("xarray", "xarray", THROUGH_ZARR, frozenset({"axes", "units", "spacing"})),
    Reader("ome-zarr-py", "ome_zarr_py", PATH_OF_FOLDER, OME),
    Reader("ome-zarr-models (validator)", "ome_zarr_models", THROUGH_ZARR, OME),
    Reader(
        "ngff-zarr",
        "ngff_zarr",
        {**PATH_OF_FOLDER, StoreType.ZIP: ("its path, renamed to `.ozx`", (3,))},
        OME,
    ),
    Reader("napari-ome-zarr", "napari", PATH_OF_FOLDER, OME),
    Reader(
        "Neuroglancer (HTTP)",
        "",
        {
            StoreType.DIR: ("`http://…/\\|zarr3:`", BOTH),
            StoreType.ZIP: ("`http://…\\|zip:\\|zarr3:`", BOTH),
        },
    ),
)
