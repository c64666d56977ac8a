"""Open a converted volume: voxels, geometry, slices and metadata in one object.

    volume = ct2zarr.open_volume("zarr_sqlite/data/0a1b....zarr.sqlite")
    volume[40:60, 100:200, 100:200]        # a numpy array, lazily read
    volume.affine_ras_xyz                  # what nibabel wants

Nothing but numpy and numcodecs is imported until ``volume.array`` or ``slice_table`` is asked for.
"""

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from ..errors import FileError
from ..geometry.placement import FloatArray, Placement, attributes_at
from ..run.paths import ARRAY_NAME, META_FOLDER, RECORD_ENDING, SLICES_ENDING
from ..store.array_reading import ReadableArray, read_region, readable_array
from ..store.base import Container
from ..store.containers import open_container
from ..store.records import read_slices

if TYPE_CHECKING:
    import nibabel
    import pandas as pd
    import SimpleITK
    import zarr

"""Name of the array in the group at the root of a store."""

ATTRIBUTE = "ct2zarr"
"""Name of the group attribute that describes the volume."""

_TEXT_COLUMNS = ("file_name", "SOPInstanceUID", "md5")


def open_volume(path: Path | str, *, threads: int | None = None, level: int = 0) -> "Volume":
    """Open a volume kept in a SQLite file, a zip file or a directory; told apart by content.

    Args:
        path: the store; its sidecars are looked for in ``../meta`` and beside it when needed.
        threads: how many threads decompress at once. ``None``: one a processor, up to 8. Give 1
            in the worker processes of a data loader.
        level: of a pyramid (option ``pyramid_levels``): 0 is the volume itself, 1 the first reduced
            copy.

    Raises:
        FileError: there is nothing, or no volume of ct2zarr, or it was not written to its end, or
            it has no such level.
    """
    return Volume(Path(path), threads, level)


class Volume(Placement):
    """A converted volume, read only. Axes are z, y, x: planes, rows, columns.

    Pickling carries the path alone; forked processes and threads may share the object.

    Attributes:
        path: of the store, absolute.
        threads: as given to ``open_volume``.
        level: of the pyramid; geometry is that of the level, sidecars are those of level 0.
        attrs: the group attribute ``ct2zarr`` as written, its geometry that of the level.
        levels: how many there are; 1 without a pyramid.
        shape: (planes, rows, columns). dtype: of the voxels. chunks: shape of a chunk.
    """

    path: Path
    threads: int | None
    attrs: dict[str, Any]

    def __init__(self, path: Path, threads: int | None = None, level: int = 0) -> None:
        self.path = path.absolute()
        self.threads = threads
        self.level = level
        self._container: Container = open_container(self.path)
        group = self._documents("", "attributes")
        attrs = group.get(ATTRIBUTE)
        if not isinstance(attrs, dict):
            raise FileError(
                f"{path}: a Zarr store, but no volume written by ct2zarr (its root group has no"
                f" attribute {ATTRIBUTE})",
                "not_a_volume",
            )
        self.attrs = attrs
        levels = attrs.get("levels") or [{"path": ARRAY_NAME, "factors": [1, 1, 1]}]
        self.levels = len(levels)
        if not 0 <= level < self.levels:
            raise FileError(
                f"{path}: there is no level {level}; the volume has {self.levels}"
                " (option pyramid_levels of its conversion)",
                "no_level",
            )
        if level:
            self.attrs = attributes_at(attrs, levels, level)
        self._array_name = str(levels[level]["path"])
        array = self._documents(self._array_name, "array")
        self._layout: ReadableArray | None = readable_array(self._array_name, array)
        self.shape: tuple[int, ...] = tuple(array["shape"])
        if self._layout is not None:
            self.dtype: np.dtype[Any] = self._layout.dtype
            self.chunks: tuple[int, ...] = self._layout.chunks
        else:
            self.dtype = self.array.dtype
            self.chunks = self.array.chunks

    def _documents(self, folder: str, what: str) -> dict[str, Any]:
        """Metadata of a node, of format 3 or else 2: its array document, or its attributes."""
        prefix = f"{folder}/" if folder else ""
        document = self._json(f"{prefix}zarr.json")
        if document is not None:
            return dict(document.get("attributes", {})) if what == "attributes" else document
        document = self._json(f"{prefix}.zattrs" if what == "attributes" else f"{prefix}.zarray")
        if document is None:
            raise FileError(
                f"{self.path}: no metadata of {folder or 'the root group'}; it is no volume of"
                " ct2zarr, or was not written to its end",
                "not_a_volume",
            )
        return document

    def _json(self, key: str) -> dict[str, Any] | None:
        value = self._container.get(key)
        if value is None:
            return None
        try:
            document = json.loads(bytes(value))
        except ValueError as error:
            raise FileError(f"{self.path}: {key} is damaged: {error}", "store_damaged") from error
        if not isinstance(document, dict):
            raise FileError(f"{self.path}: {key} is no JSON object", "store_damaged")
        return document

    def __reduce__(self) -> tuple[type[Self], tuple[Path, int | None, int]]:
        return type(self), (self.path, self.threads, self.level)

    def __repr__(self) -> str:
        size = "x".join(map(str, self.shape))
        return f"<ct2zarr.Volume {self.path.name} {size} {self.dtype} {self.units}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; it is opened again if the volume is used again."""
        self._container.close()

    # Voxels.

    @cached_property
    def array(self) -> "zarr.Array[Any]":
        """The array as zarr gives it, with all that zarr can do with it."""
        import zarr

        from ..store.zarr_stores import open_store

        node = zarr.open_group(open_store(self.path), mode="r")[self._array_name]
        if not isinstance(node, zarr.Array):
            raise FileError(f"{self.path}: {self._array_name} is no array", "not_a_volume")
        return node

    def numpy(self) -> npt.NDArray[Any]:
        """All voxels, (planes, rows, columns), in memory of their own."""
        return np.asarray(self[...])

    read = numpy

    def __getitem__(self, key: Any) -> Any:
        """Voxels by integers, slices and ``...`` as numpy has them; the rest as zarr has it."""
        if self._layout is None:
            return self.array[key]
        basic = _basic_index(key, self.shape)
        if basic is None:
            return self.array[key]
        region, within = basic
        return read_region(self._container, self._layout, region, self.threads)[within]

    def __array__(
        self, dtype: npt.DTypeLike | None = None, copy: bool | None = None
    ) -> npt.NDArray[Any]:
        if copy is False:
            raise ValueError("a volume lies on disk: it cannot become an array without a copy")
        return self.numpy().astype(self.dtype if dtype is None else dtype, copy=False)

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def ndim(self) -> int:
        """Number of axes: 3."""
        return len(self.shape)

    def patch(
        self, start: Sequence[int], size: Sequence[int], *, fill: float | None = None
    ) -> npt.NDArray[Any]:
        """The voxels from index ``start`` (z, y, x) on, exactly of shape ``size``.

        ``fill`` is the value outside of the volume; without it a patch that reaches outside is an
        ``IndexError``.
        """
        from .patches import read_patch

        return read_patch(self, start, size, fill)

    def patch_mm(
        self,
        center_lps: Sequence[float] | FloatArray,
        size_mm: Sequence[float],
        *,
        spacing: tuple[float, float, float] | None = None,
        fill: float | None = None,
    ) -> npt.NDArray[Any]:
        """The voxels of a box of ``size_mm`` (along z, y, x) around a point (x, y, z) in LPS mm.

        They are those of the array, or with ``spacing`` (dz, dy, dx in mm) interpolated linearly
        on a regular grid, which works for uneven spacing and tilted gantries too.
        """
        from .patches import read_patch_mm

        return read_patch_mm(self, center_lps, size_mm, spacing, fill)

    @property
    def hu(self) -> "Volume":
        """The volume in Hounsfield units: itself, or its stored values rescaled as they are read.

        Raises:
            FileError: it is not known how its values become Hounsfield units.
        """
        from .hounsfield import hu_of

        return hu_of(self)

    # For other tools.

    def to_sitk(
        self,
        *,
        resample: bool = False,
        spacing: tuple[float, float, float] | None = None,
        fill: float | None = None,
    ) -> "SimpleITK.Image":
        """The whole volume as an image of SimpleITK, which needs ``pip install 'ct2zarr[sitk]'``.

        Args:
            resample: interpolate linearly what SimpleITK cannot hold: unevenly spaced planes and
                the shear of a tilted gantry. Metadata ``ct2zarr_resampled`` then says so.
            spacing: (dz, dy, dx) to interpolate on, mm; that of the volume by default.
            fill: value outside of all planes; the smallest of the volume by default.

        Raises:
            FileError: the volume does not fit, and ``resample`` is not set.
        """
        from .exporting import to_sitk

        return to_sitk(self, resample_uneven=resample, spacing=spacing, fill=fill)

    def to_nifti(
        self,
        path: Path | str | None = None,
        *,
        resample: bool = False,
        spacing: tuple[float, float, float] | None = None,
        fill: float | None = None,
    ) -> "nibabel.Nifti1Image":
        """The whole volume as NIfTI, written to ``path`` if given.

        Needs ``pip install 'ct2zarr[nifti]'``.
        Voxels and affine are those of dcm2niix. The affine holds the shear of a tilted gantry;
        unevenly spaced planes need ``resample``. Arguments and errors are those of ``to_sitk``.
        """
        from .exporting import to_nifti

        return to_nifti(self, path, resample_uneven=resample, spacing=spacing, fill=fill)

    # What the voxels are.

    @property
    def flags(self) -> tuple[str, ...]:
        """Codes of what is unusual about the volume; see ``ct2zarr.vocabulary.Flag``."""
        return tuple(self.attrs.get("flags", ()))

    @property
    def values(self) -> dict[str, Any]:
        """What the voxels mean: kind (hu or stored), slope, intercept, units and more."""
        return dict(self.attrs.get("values", {}))

    @property
    def units(self) -> str:
        """Units of the voxels, ``HU`` for Hounsfield units; empty for stored values."""
        return str(self.values.get("units") or "")

    @property
    def series_hash(self) -> str:
        """32 hexadecimal digits that name the volume."""
        return str(self.attrs.get("series_hash", ""))

    # Sidecars.

    @cached_property
    def series(self) -> dict[str, Any]:
        """Content of ``series.json``: tags of the series, findings, counts, timings, versions."""
        document: dict[str, Any] = json.loads(self._sidecar(RECORD_ENDING).read_text("utf-8"))
        return document

    @cached_property
    def slices(self) -> list[dict[str, str]]:
        """Rows of ``slices.csv``, one a plane, all values as text."""
        table = read_slices(self._sidecar(SLICES_ENDING))
        return [dict(zip(table.columns, row, strict=True)) for row in table.rows]

    def slice_table(self) -> "pd.DataFrame":
        """``slices.csv`` as a DataFrame, one row a plane."""
        import pandas as pd

        text = dict.fromkeys(_TEXT_COLUMNS, str)
        return pd.read_csv(self._sidecar(SLICES_ENDING), dtype=text)

    def _sidecar(self, ending: str) -> Path:
        file_name = f"{self.series_hash}{ending}"
        meta = self.path.parent.parent / META_FOLDER
        for folder in (meta, self.path.parent):
            if (folder / file_name).is_file():
                return folder / file_name
        raise FileError(
            f"{self.path}: {file_name} is neither in {meta} nor beside the store;"
            " copy it along with the store",
            "sidecar_missing",
        )


def _basic_index(
    key: Any, shape: tuple[int, ...]
) -> tuple[list[tuple[int, int]], tuple[Any, ...]] | None:
    """The region to read, as (start, stop) an axis, and the index to apply to it.

    ``None`` where ``key`` holds anything but integers, slices and one ``...``. Raises
    ``IndexError`` as numpy does.
    """
    parts = list(key) if isinstance(key, tuple) else [key]
    if sum(part is Ellipsis for part in parts) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    if any(isinstance(part, bool | np.bool_) for part in parts) or not all(
        part is Ellipsis or isinstance(part, slice | int | np.integer) for part in parts
    ):
        return None
    given = [part for part in parts if part is not Ellipsis]
    if len(given) > len(shape):
        raise IndexError(f"too many indices: the volume has {len(shape)} axes")
    place = next((i for i, part in enumerate(parts) if part is Ellipsis), len(parts))
    fill = [slice(None)] * (len(shape) - len(given))
    full = given[:place] + fill + given[place:]
    region: list[tuple[int, int]] = []
    within: list[int | slice] = []
    for axis, (part, size) in enumerate(zip(full, shape, strict=True)):
        if isinstance(part, slice):
            wanted = range(*part.indices(size))
            if not wanted:
                region.append((0, 0))
                within.append(slice(None))
                continue
            region.append((min(wanted[0], wanted[-1]), max(wanted[0], wanted[-1]) + 1))
            within.append(slice(None, None, part.step))
        else:
            number = int(part)
            if not -size <= number < size:
                raise IndexError(f"index {number} is out of bounds for axis {axis} of size {size}")
            region.append((number % size, number % size + 1))
            within.append(0)
    # With "..." numpy gives an array of no axes where it would give a scalar.
    return region, (*within, ...) if len(given) < len(parts) else tuple(within)
