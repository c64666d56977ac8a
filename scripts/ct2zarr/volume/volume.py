"""Open a converted volume: voxels, geometry, slices and metadata in one object.

    volume = ct2zarr.open_volume("zarr_sqlite/data/0a1b....zarr.sqlite")
    volume[40:60, 100:200, 100:200]        # a numpy array; only the chunks needed are read
    volume.affine_ras_xyz                  # what nibabel expects

Only numpy and numcodecs are imported until ``volume.array`` or ``slice_table`` is used.
"""

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from ..codes import Code
from ..errors import FileError, Private
from ..geometry.placement import FloatArray, Placement, attributes_at
from ..run.cells import from_cell
from ..run.checksums import PLANE_MD5
from ..run.paths import ARRAY_NAME, META_FOLDER, RECORD_ENDING, SLICES_ENDING
from ..store.array_reading import ReadableArray, read_region, readable_array
from ..store.base import Container
from ..store.containers import open_container
from ..store.records import read_slices
from ..store.zarr_documents import GROUP_ATTRIBUTE
from ..vocabulary import Flag
from .hounsfield import HuRescale, hu_rescale, rescale_of_planes
from .indexing import basic_index
from .patches import read_patch, read_patch_mm

if TYPE_CHECKING:
    import nibabel
    import pandas as pd
    import SimpleITK
    import zarr

_TEXT_COLUMNS = ("file_name", "SOPInstanceUID", PLANE_MD5)
"""Columns of slices.csv whose values may look like numbers."""


def open_volume(path: Path | str, *, threads: int | None = None, level: int = 0) -> "Volume":
    """Open a volume in a SQLite file, a zip file or a folder, recognised by its content.

    Parameters
    ----------
    path
        The store. Its sidecars are looked for in ``../meta`` and beside it when needed.
    threads
        How many threads decompress at once; ``None``: one per processor, up to 8. Use 1 in the
        worker processes of a data loader.
    level
        Of a pyramid (option ``pyramid_levels``): 0 is the volume itself, 1 the first reduced copy.

    Raises
    ------
    FileError
        There is nothing at ``path``, or no volume of ct2zarr, or one that was not written to its
        end, or the volume has no such level.
    """
    return Volume(Path(path), threads, level)


class Volume(Placement):
    """A converted volume, read only. Axes are z, y, x: planes, rows, columns.

    A pickle holds the path only. Forked processes and threads may share the object.

    Attributes
    ----------
    level
        Of the pyramid. The geometry is that of the level, the sidecars are those of level 0.
    rescale
        From stored values to Hounsfield units, applied when voxels are read; ``None``: voxels are
        returned as they are stored. See ``hu``.
    attrs
        The group attribute ``ct2zarr``, with the geometry of the level.
    dtype
        Of the voxels; with ``rescale`` that of the Hounsfield units.
    """

    path: Path
    attrs: dict[str, Any]

    def __init__(
        self,
        path: Path,
        threads: int | None = None,
        level: int = 0,
        rescale: HuRescale | None = None,
    ) -> None:
        self.path = path.absolute()
        self.threads = threads
        self.level = level
        self.rescale = rescale
        self._container: Container = open_container(self.path)
        attrs = self._documents("", "attributes").get(GROUP_ATTRIBUTE)
        if not isinstance(attrs, dict):
            raise FileError(
                Code.NOT_A_VOLUME,
                "{path} is a Zarr store, but no volume written by ct2zarr (its root group has no"
                " attribute {attribute})",
                path=path,
                attribute=GROUP_ATTRIBUTE,
            )
        levels = attrs.get("levels") or [{"path": ARRAY_NAME, "factors": [1, 1, 1]}]
        self.levels = len(levels)
        if not 0 <= level < self.levels:
            raise FileError(
                Code.NO_LEVEL,
                "{path} has no level {level}; the number of levels is {levels} (option"
                " pyramid_levels of the conversion)",
                path=path,
                level=level,
                levels=self.levels,
            )
        self.attrs = attributes_at(attrs, levels, level) if level else attrs
        self._array_name = str(levels[level]["path"])
        document = self._documents(self._array_name, "array")
        self.shape: tuple[int, ...] = tuple(document["shape"])
        self._direct: ReadableArray | None = readable_array(self._array_name, document)
        array = self.array if self._direct is None else self._direct
        self.dtype: np.dtype[Any] = array.dtype if rescale is None else rescale.dtype
        self.chunks: tuple[int, ...] = array.chunks

    def _documents(self, folder: str, what: str) -> dict[str, Any]:
        """Metadata of a node, of format 3 or else 2: its array document, or its attributes."""
        prefix = f"{folder}/" if folder else ""
        document = self._json(f"{prefix}zarr.json")
        if document is not None:
            return dict(document.get("attributes", {})) if what == "attributes" else document
        document = self._json(f"{prefix}.zattrs" if what == "attributes" else f"{prefix}.zarray")
        if document is None:
            raise FileError(
                Code.NOT_A_VOLUME,
                "{path} has no metadata of {node}: it is no volume of ct2zarr, or was not written"
                " to its end",
                path=self.path,
                node=folder or "the root group",
            )
        return document

    def _json(self, key: str) -> dict[str, Any] | None:
        value = self._container.get(key)
        if value is None:
            return None
        try:
            document = json.loads(bytes(value))
        except ValueError as error:
            raise FileError(
                Code.STORE_DAMAGED,
                "{path}: {key} is damaged: {cause}",
                path=self.path,
                key=key,
                cause=Private(error),
            ) from error
        if not isinstance(document, dict):
            raise FileError(
                Code.STORE_DAMAGED, "{path}: {key} is no JSON object", path=self.path, key=key
            )
        return document

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopen, (self.path, self.threads, self.level, self.rescale is not None)

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
        """The array of zarr-python, with everything that zarr can do; never rescaled."""
        import zarr

        from ..store.zarr_stores import open_store

        node = zarr.open_group(open_store(self.path), mode="r")[self._array_name]
        if not isinstance(node, zarr.Array):
            raise FileError(
                Code.NOT_A_VOLUME, "{path}: {node} is no array", path=self.path, node=node.name
            )
        return node

    def numpy(self) -> npt.NDArray[Any]:
        """All voxels, (planes, rows, columns), in memory of their own."""
        return np.asarray(self[...])

    read = numpy

    def __getitem__(self, key: Any) -> Any:
        """Voxels by integers, slices and ``...`` as in numpy; any other index as in zarr."""
        stored = self._read(key)
        return stored if self.rescale is None else self.rescale.apply(stored, key)

    def _read(self, key: Any) -> Any:
        basic = None if self._direct is None else basic_index(key, self.shape)
        if self._direct is None or basic is None:
            return self.array[key]
        region, within = basic
        return read_region(self._container, self._direct, region, self.threads)[within]

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

        ``fill`` is the value outside the volume; without it a patch that reaches outside is an
        ``IndexError``.
        """
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

        These are voxels of the array. With ``spacing`` (dz, dy, dx in mm) they are interpolated
        linearly on a regular grid, which works for uneven spacing and tilted gantries too.
        """
        return read_patch_mm(self, center_lps, size_mm, spacing, fill)

    @property
    def hu(self) -> "Volume":
        """The volume in Hounsfield units: itself, or its stored values rescaled as they are read.

        Raises ``FileError`` if it is not known how its values become Hounsfield units.
        """
        if self.units == "HU":
            return self
        unknown = next(
            (flag for flag in (Flag.NO_RESCALE, Flag.NOT_HU) if flag in self.flags), None
        )
        if unknown or self.values.get("kind") != "stored":
            raise FileError(
                Code.NO_HU,
                "{path}: the values cannot become Hounsfield units: {why}",
                path=self.path,
                why=unknown.sentence if unknown else "they have another unit",
            )
        return Volume(self.path, self.threads, self.level, self._hu_rescale())

    def _hu_rescale(self) -> HuRescale:
        values = self.values
        if values.get("slope") is not None and values.get("intercept") is not None:
            slopes, intercepts = [float(values["slope"])], [float(values["intercept"])]
        elif self.level:
            raise FileError(
                Code.NO_HU,
                "{path}: slope and intercept differ between planes, so a reduced level of stored"
                " values has no Hounsfield units; use level 0",
                path=self.path,
            )
        else:
            shared = {
                name: str(tag) for name, tag in self.series["tags"].items() if tag is not None
            }
            slopes, intercepts = rescale_of_planes([shared | row for row in self.slices])
        ends = (values["minimum"], values["maximum"])
        return hu_rescale(slopes, intercepts, self.shape, self.dtype, ends)

    def to_sitk(
        self,
        *,
        resample: bool = False,
        spacing: tuple[float, float, float] | None = None,
        fill: float | None = None,
    ) -> "SimpleITK.Image":
        """The whole volume as an image of SimpleITK; needs ``pip install 'ct2zarr[sitk]'``.

        Parameters
        ----------
        resample
            Interpolate linearly what SimpleITK cannot express: unevenly spaced planes and the shear
            of a tilted gantry. The metadata ``ct2zarr_resampled`` then says so.
        spacing
            (dz, dy, dx) to interpolate on, mm; that of the volume by default.
        fill
            Value outside all planes; the smallest of the volume by default.

        Raises ``FileError`` if the volume does not fit and ``resample`` is not set.
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

        Needs ``pip install 'ct2zarr[nifti]'``. Voxels and affine are those of dcm2niix. The affine
        includes the shear of a tilted gantry; unevenly spaced planes need ``resample``. Arguments
        and errors are those of ``to_sitk``.
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
        written = dict(self.attrs.get("values", {}))
        return written if self.rescale is None else self.rescale.values(written)

    @property
    def units(self) -> str:
        """Units of the voxels, ``HU`` for Hounsfield units; empty for stored values."""
        return str(self.values.get("units") or "")

    @property
    def series_hash(self) -> str:
        """32 hexadecimal digits that identify the volume."""
        return str(self.attrs.get("series_hash", ""))

    # Sidecars.

    @cached_property
    def series(self) -> dict[str, Any]:
        """Content of ``series.json``: tags of the series, findings, counts, timings, versions."""
        document: dict[str, Any] = json.loads(self._sidecar(RECORD_ENDING).read_text("utf-8"))
        return document

    @cached_property
    def slices(self) -> list[dict[str, str]]:
        """Rows of ``slices.csv``, one per plane, all values as text."""
        table = read_slices(self._sidecar(SLICES_ENDING))
        return [dict(zip(table.columns, row, strict=True)) for row in table.rows]

    def slice_table(self) -> "pd.DataFrame":
        """``slices.csv`` as a DataFrame, one row per plane."""
        import pandas as pd

        text = dict.fromkeys(_TEXT_COLUMNS, str)
        table = pd.read_csv(self._sidecar(SLICES_ENDING), dtype=text)
        for name in table.columns:
            if not pd.api.types.is_numeric_dtype(table[name]):
                table[name] = table[name].map(from_cell, na_action="ignore")
        return table

    def _sidecar(self, ending: str) -> Path:
        name = f"{self.series_hash}{ending}"
        meta = self.path.parent.parent / META_FOLDER
        for folder in (meta, self.path.parent):
            if (folder / name).is_file():
                return folder / name
        raise FileError(
            Code.FILE_MISSING,
            "{path}: {name} is neither in {folder} nor beside the store; copy it along with the"
            " store",
            path=self.path,
            name=name,
            folder=meta,
        )


def _reopen(path: Path, threads: int | None, level: int, in_hu: bool) -> Volume:
    volume = Volume(path, threads, level)
    return volume.hu if in_hu else volume
