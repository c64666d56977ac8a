"""Open a converted volume: voxels, geometry, slices and metadata in one object.

    volume = ct2zarr.open_volume("zarr_sqlite/data/0a1b....zarr.sqlite")
    volume[40:60, 100:200, 100:200]        # a numpy array; only the chunks needed are read
    volume.affine_ras_xyz                  # what nibabel expects

Only numpy and numcodecs are imported until ``volume.array`` or ``slice_table`` is used.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from ..codes import Code
from ..errors import FileError, Private
from ..geometry.placement import FloatArray, Placement, attributes_at
from ..run.paths import ARRAY_NAME
from ..store.array_reading import ReadableArray, read_region, readable_array
from ..store.base import Container
from ..store.bounds import check_grid
from ..store.containers import open_container
from ..store.json_documents import read_document
from ..store.zarr_documents import GROUP_ATTRIBUTE
from ..vocabulary import Flag
from .attribute_check import check_attributes, check_name, check_planes
from .hounsfield import HuRescale, hu_rescale, rescale_of_planes
from .indexing import basic_index
from .patches import read_patch, read_patch_mm
from .sidecars import Sidecars

if TYPE_CHECKING:
    import nibabel
    import pandas as pd
    import SimpleITK
    import zarr


def open_volume(path: Path | str, *, threads: int | None = None, level: int = 0) -> "Volume":
    """Open a volume in a SQLite file, a zip file or a folder, recognised by its content.

    Parameters
    ----------
    path
        The store, or a link to it. Its sidecars are looked for when needed, in ``../meta`` and
        beside it, then at the place that the link leads to.
    threads
        How many threads decompress at once; ``None``: one per processor, up to 8. Use 1 in the
        worker processes of a data loader.
    level
        Of a pyramid (option ``pyramid_levels``): 0 is the volume itself, 1 the first reduced copy.

    Raises
    ------
    FileError
        There is nothing at ``path``, or no volume of ct2zarr, or one that is damaged or was not
        written to its end, or the volume has no such level.
    MachineError
        The process may not open another file; says how to raise the limit.
    """
    return Volume(Path(path), threads, level)


class Volume(Placement):
    """A converted volume, read only. Axes are z, y, x: planes, rows, columns.

    A pickle holds the path only. Forked processes and threads may share the object. Thousands may
    be open: their files are closed and opened again as needed. If the store is replaced meanwhile,
    what is read is of the version that was opened, or a ``FileError``.

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
        attrs = self._root_attribute()
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
        self._array_name = str(levels[level]["path"])
        document = self._documents(self._array_name, "array")
        self._direct: ReadableArray | None = readable_array(self._array_name, document)
        array = self.array if self._direct is None else self._direct
        self.shape: tuple[int, ...] = array.shape
        self.chunks: tuple[int, ...] = array.chunks
        check_grid(self.path, self.shape, self.chunks, array.dtype.itemsize, self._array_name)
        if not level:
            check_planes(self.path, attrs, self.shape[0])
        self.dtype: np.dtype[Any] = array.dtype if rescale is None else rescale.dtype
        self.attrs = attributes_at(attrs, levels, level) if level else attrs
        self._container.check_unchanged()

    def _root_attribute(self) -> dict[str, Any]:
        attrs = self._documents("", "attributes").get(GROUP_ATTRIBUTE)
        if not isinstance(attrs, dict):
            raise FileError(
                Code.NOT_A_VOLUME,
                "{path} is a Zarr store, but no volume written by ct2zarr (its root group has no"
                " attribute {attribute})",
                path=self.path,
                attribute=GROUP_ATTRIBUTE,
            )
        check_attributes(self.path, attrs)
        return attrs

    def _documents(self, folder: str, what: str) -> dict[str, Any]:
        """Metadata of a node, of format 3 or else 2: its array document, or its attributes."""
        prefix = f"{folder}/" if folder else ""
        document = read_document(self._container, f"{prefix}zarr.json")
        if document is not None:
            attributes = document.get("attributes", {}) if what == "attributes" else document
            return attributes if isinstance(attributes, dict) else {}
        name = ".zattrs" if what == "attributes" else ".zarray"
        document = read_document(self._container, f"{prefix}{name}")
        if document is None:
            raise FileError(
                Code.NOT_A_VOLUME,
                "{path} has no metadata of {node}: it is no volume of ct2zarr, or was not written"
                " to its end",
                path=self.path,
                node=folder or "the root group",
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
        from ..store.zarr_reading import open_array

        return open_array(self._container, self._array_name, self._direct)

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
            from ..store.zarr_reading import read_with_zarr

            return read_with_zarr(self._container, self.array, key)
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
            slopes, intercepts = self._rescale_of_planes()
        lowest, highest = values.get("minimum"), values.get("maximum")
        if lowest is None or highest is None:
            raise FileError(
                Code.NO_HU,
                "{path}: the smallest and the largest value are not known, so the values cannot"
                " become Hounsfield units",
                path=self.path,
            )
        ends = (lowest, highest)
        return hu_rescale(slopes, intercepts, self.shape, self.dtype, ends)

    def _rescale_of_planes(self) -> tuple[list[float], list[float]]:
        tags = self.series.get("tags")
        try:
            if not isinstance(tags, dict):
                raise ValueError("series.json has no tags")
            shared = {name: str(tag) for name, tag in tags.items() if tag is not None}
            return rescale_of_planes([shared | row for row in self.slices])
        except ValueError as error:
            raise FileError(
                Code.NO_HU,
                "{path}: the rescale of its planes cannot be read from series.json and slices.csv:"
                " {cause}",
                path=self.path,
                cause=Private(error),
            ) from error

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
    def _sidecars(self) -> Sidecars:
        check_name(self.path, self.attrs)
        planes = None if self.level else self.shape[0]
        return Sidecars(self.path, self.series_hash, self.attrs.get("source_fingerprint"), planes)

    @property
    def series(self) -> dict[str, Any]:
        """Content of ``series.json``: tags of the series, findings, counts, timings, versions.

        Raises ``FileError`` if it is missing, damaged, or belongs to another volume.
        """
        return self._sidecars.series

    @cached_property
    def slices(self) -> list[dict[str, str]]:
        """Rows of ``slices.csv``, one per plane, all values as text. Raises as ``series``."""
        table = self._sidecars.slices
        return [dict(zip(table.columns, row, strict=True)) for row in table.rows]

    def slice_table(self) -> "pd.DataFrame":
        """``slices.csv`` as a DataFrame, one row per plane. Raises as ``series``."""
        return self._sidecars.slice_table()


def _reopen(path: Path, threads: int | None, level: int, in_hu: bool) -> Volume:
    volume = Volume(path, threads, level)
    return volume.hu if in_hu else volume
