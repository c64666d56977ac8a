"""Volumes as images of SimpleITK and nibabel, with the geometry that these can express.

NIfTI has one affine: even spacing and the shear of a tilted gantry, but no unevenly spaced planes.
SimpleITK has no shear either. A volume that does not fit is refused. It is interpolated on a
regular grid only on request, and the image then says so.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..codes import Code
from ..errors import FileError
from ..geometry.resampling import grid_around, resample, stack_axes
from ..geometry.stacks import StackGeometry
from ..geometry.tolerances import in_plane_tolerance
from ..run.atomic_files import temporary_path
from .extras import named_extra
from .readable import Readable

if TYPE_CHECKING:
    import nibabel
    import SimpleITK

Triple = tuple[float, float, float]

NIFTI_SUFFIXES = (".nii", ".nii.gz")
ITK_SUFFIXES = (".nrrd", ".mha")
"""Formats with one file. The two files of ``.mhd`` name each other, so neither can be renamed."""

RESAMPLED = "ct2zarr_resampled"
"""Key of the metadata that says, in a sentence, how an image was interpolated."""

SERIES_HASH = "ct2zarr_series_hash"
"""Key of the metadata with the hash of the volume."""

_SCANNER = 1
"""The NIfTI code for coordinates of the scanner, which dcm2niix sets too."""


@dataclass(frozen=True, slots=True)
class EvenVolume:
    """Voxels on a grid that one affine describes.

    Attributes
    ----------
    voxels
        (z, y, x).
    index_to_lps
        (4, 4) for (z, y, x, 1) to LPS mm.
    sheared
        The columns of ``index_to_lps`` are not at right angles.
    resampled
        How the voxels were interpolated, as a sentence; empty if they were not.
    """

    voxels: npt.NDArray[Any]
    index_to_lps: npt.NDArray[np.float64]
    sheared: bool
    resampled: str


def even_volume(
    volume: Readable,
    *,
    resample_uneven: bool = False,
    spacing: Triple | None = None,
    allow_shear: bool = True,
    fill: float | None = None,
) -> EvenVolume:
    """Read all voxels of a volume on an even grid, in Hounsfield units if these are known.

    Parameters
    ----------
    resample_uneven
        Interpolate a volume linearly if it is uneven (or sheared, unless ``allow_shear``). An even
        volume keeps its voxels unless ``spacing`` is given.
    spacing
        (dz, dy, dx) of the grid to interpolate on, mm; ``None``: that of the volume.
    allow_shear
        The shear of a tilted gantry is no reason to interpolate.
    fill
        Value outside all planes; ``None``: the smallest value of the volume.

    Raises
    ------
    FileError
        Positions are not known, or the volume is uneven or sheared and resampling was not
        requested.
    """
    stack = volume.stack_geometry()
    why = _unevenness(stack, allow_shear)
    if not resample_uneven and (why or spacing):
        raise FileError(
            Code.NOT_REGULAR,
            "{path}: {why}; ask for resampling (resample=True, on the command line --resample) to"
            " have the volume interpolated on a regular grid",
            path=volume.path,
            why=why or "another spacing needs new voxels",
        )
    with suppress(FileError):  # values of another unit are exported unchanged
        volume = volume.hu
    if not why and spacing is None:
        sheared = stack.drift_mm > in_plane_tolerance(stack.spacing[1:])
        matrix = stack.index_to_lps.copy()
        if not sheared:  # the remaining drift is rounding, and SimpleITK expects right angles
            matrix[:3, :3] = stack_axes(stack).T * stack.spacing
        return EvenVolume(volume.numpy(), matrix, sheared, "")
    return _interpolated(volume, stack, why or "even planes", spacing, fill)


def _interpolated(
    volume: Readable,
    stack: StackGeometry,
    source: str,
    spacing: Triple | None,
    fill: float | None,
) -> EvenVolume:
    z, y, x = volume.shape
    grid = grid_around(stack, y, x, spacing)
    outside = _lowest(volume) if fill is None else fill
    voxels = resample(volume.__getitem__, volume.dtype, (z, y, x), stack, grid, outside)
    became = " x ".join(f"{step:.4g}" for step in grid.spacing)
    note = f"interpolated linearly to {became} mm (z y x) from {source}"
    return EvenVolume(voxels, grid.index_to_lps, False, note)


def to_sitk(volume: Readable, **options: Any) -> "SimpleITK.Image":
    """See ``Volume.to_sitk``."""
    with named_extra():
        import SimpleITK

    even = even_volume(volume, allow_shear=False, **options)
    image = SimpleITK.GetImageFromArray(even.voxels)
    matrix = even.index_to_lps[:3, [2, 1, 0]]
    spacing = np.linalg.norm(matrix, axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((matrix / spacing).ravel().tolist())
    image.SetOrigin(even.index_to_lps[:3, 3].tolist())
    for name, text in _notes(volume, even).items():
        image.SetMetaData(name, text)
    return image


def to_nifti(volume: Readable, path: Path | str | None, **options: Any) -> "nibabel.Nifti1Image":
    """See ``Volume.to_nifti``."""
    with named_extra():
        import nibabel

    even = even_volume(volume, **options)
    # In the order of dcm2niix: x as in DICOM, y reversed (in an axial slice rows go from the back
    # to the front), z along the slice normal.
    matrix = even.index_to_lps[:, [2, 1, 0, 3]].copy()
    matrix[:, 3] += matrix[:, 1] * (even.voxels.shape[1] - 1)
    matrix[:, 1] *= -1
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ matrix
    image = nibabel.Nifti1Image(even.voxels.transpose(2, 1, 0)[:, ::-1], affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, _SCANNER)
    if even.sheared:
        image.set_qform(None, 0)  # a quaternion cannot hold a shear
    else:
        image.set_qform(affine, _SCANNER)
    image.header["descrip"] = _description(volume, even)
    image.extra.update(_notes(volume, even))
    if path is not None:
        target = Path(path)
        if not target.name.endswith(NIFTI_SUFFIXES):
            raise FileError(
                Code.UNKNOWN_FORMAT,
                "{path}: the name of a NIfTI file ends in .nii or .nii.gz",
                path=target,
            )
        write_whole(target, lambda temporary: nibabel.save(image, temporary))
    return image


def save_with_sitk(image: "SimpleITK.Image", path: Path) -> None:
    """Write an image in a format of ``ITK_SUFFIXES``; the file appears when it is complete."""
    with named_extra():
        import SimpleITK

    write_whole(path, lambda temporary: SimpleITK.WriteImage(image, str(temporary), True))


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Call ``write`` with a temporary name beside ``path``, and rename the file when it is done."""
    temporary = temporary_path(path.parent, path.name)
    try:
        write(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _unevenness(stack: StackGeometry, allow_shear: bool) -> str:
    """Why no single affine describes the stack; empty if one does."""
    if not stack.uniform:
        gaps = stack.gaps_mm
        return f"planes unevenly spaced ({gaps.min():.4g} to {gaps.max():.4g} mm)"
    if stack.in_plane_shift_mm > in_plane_tolerance(stack.spacing[1:]):
        return f"planes up to {stack.in_plane_shift_mm:.3g} mm off the line of the stack"
    if stack.drift_mm > in_plane_tolerance(stack.spacing[1:]) and not allow_shear:
        return f"planes sheared by a gantry tilt of {abs(stack.tilt_degrees):.3g} degrees"
    return ""


def _lowest(volume: Readable) -> float:
    lowest = volume.values.get("minimum")
    return float(volume.numpy().min()) if lowest is None else float(lowest)


def _notes(volume: Readable, even: EvenVolume) -> dict[str, str]:
    notes = {SERIES_HASH: volume.series_hash}
    if even.resampled:
        notes[RESAMPLED] = even.resampled
    return notes


def _description(volume: Readable, even: EvenVolume) -> str:
    """At most 79 characters, the length of the header field ``descrip``."""
    return f"ct2zarr {volume.series_hash}{', interpolated' if even.resampled else ''}"
