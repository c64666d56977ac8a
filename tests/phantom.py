"""The one builder of DICOM files for the tests: CT series whose HU is linear in patient mm.

Because ``hu_at`` differs from plane to plane, row to row and column to column by more than 1 HU,
every fault of order, geometry or rescale shows as an HU error; whole numbers leave 0.5 at most.

Everything is a function of the arguments: the same call writes the same bytes.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray
from pydicom import Dataset, FileDataset, dcmread
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.encoders import RLELosslessEncoder
from pydicom.uid import (
    JPEG2000,
    UID,
    ComprehensiveSRStorage,
    CTImageStorage,
    DeflatedExplicitVRLittleEndian,
    EnhancedCTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    LegacyConvertedEnhancedCTImageStorage,
    MediaStorageDirectoryStorage,
    RLELossless,
    SecondaryCaptureImageStorage,
)
from pydicom.valuerep import format_number_as_ds

HU_AT_ORIGIN = 40.003
"""The odd thousandths keep the values of the default grid off the halves, so that rounding them
leaves less than 0.5."""
HU_PER_MM = np.array([3.1, 4.7, 7.9])
"""HU a mm along patient x, y and z: three numbers, so that swapped axes show."""
EXACT = 0.5001
"""HU error of a volume with slope 1 that is right: rounding, and 0.0001 for the arithmetic."""

IMPLEMENTATION_UID = UID("2.25.290313418201203021102019")
MAKER = "ct2zarr phantom"

SYNTAXES: dict[str, UID] = {
    "implicit": ImplicitVRLittleEndian,
    "explicit": ExplicitVRLittleEndian,
    "big_endian": ExplicitVRBigEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
    "rle": RLELossless,
    "jpeg_baseline": JPEGBaseline8Bit,
    "jpeg_extended": JPEGExtended12Bit,
    "jpeg_lossless": JPEGLossless,
    "jpeg_lossless_sv1": JPEGLosslessSV1,
    "jpeg_ls": JPEGLSLossless,
    "jpeg_ls_near": JPEGLSNearLossless,
    "jpeg2000_lossless": JPEG2000Lossless,
    "jpeg2000": JPEG2000,
    "htj2k": HTJ2KLossless,
}
LOSSY_ERROR: dict[UID, int] = {
    JPEGBaseline8Bit: 8,
    JPEGExtended12Bit: 8,
    JPEGLSNearLossless: 2,
    JPEG2000: 8,
}
"""Largest error in stored units that the lossy syntaxes leave on this phantom."""

NOBODY = 65534
"""User number that owns nothing."""

Edit = Callable[[int, Dataset], None]


def hu_at(points_lps: ArrayLike) -> NDArray[np.float64]:
    """HU of the phantom at points (..., 3) in patient mm (LPS)."""
    return HU_AT_ORIGIN + np.asarray(points_lps, dtype=np.float64) @ HU_PER_MM


def plane_points(
    position: ArrayLike, orientation: ArrayLike, pixel_spacing: ArrayLike, rows: int, columns: int
) -> NDArray[np.float64]:
    """Centres of the pixels of a plane in patient mm, (rows, columns, 3) (PS3.3 C.7.6.2.1.1)."""
    cosines = np.asarray(orientation, dtype=np.float64)
    between_rows, between_columns = np.asarray(pixel_spacing, dtype=np.float64)
    along_row = np.arange(columns)[None, :, None] * between_columns * cosines[:3]
    along_column = np.arange(rows)[:, None, None] * between_rows * cosines[3:]
    return np.asarray(position, dtype=np.float64) + along_row + along_column


def hu_error(
    volume: ArrayLike,
    geometry: ArrayLike,
    orientation: ArrayLike | None = None,
    pixel_spacing: ArrayLike | None = None,
    *,
    offset: float = 0.0,
    ignore: NDArray[np.bool_] | None = None,
) -> float:
    """Largest |HU - hu_at| of a volume (N, R, C) through the geometry that was stored with it.

    ``geometry`` is index_to_lps (4, 4), which maps (z, y, x, 1) to LPS mm, or slice_origins_lps
    (N, 3) with ``orientation`` and ``pixel_spacing``. ``offset`` is the ``hu_offset`` of the
    series. ``ignore`` marks pixels that are not counted, as ``Series.padded`` does.
    """
    values = np.asarray(volume, dtype=np.float64)
    count, rows, columns = values.shape
    geometry = np.asarray(geometry, dtype=np.float64)
    if geometry.shape == (4, 4):
        index = np.stack(np.indices(values.shape), axis=-1)
        points = index @ geometry[:3, :3].T + geometry[:3, 3]
    else:
        if geometry.shape != (count, 3) or orientation is None or pixel_spacing is None:
            raise ValueError("give index_to_lps (4, 4), or origins (N, 3) with both others")
        points = np.stack(
            [plane_points(p, orientation, pixel_spacing, rows, columns) for p in geometry]
        )
    error = np.abs(values - hu_at(points) - offset)
    if ignore is not None:
        error = np.where(ignore, 0.0, error)
    return float(error.max())


def make_uid(*parts: object) -> UID:
    """A UID that is a function of its parts (the 2.25 form of PS3.5 B.2)."""
    text = "\0".join(str(part) for part in parts).encode()
    return UID(f"2.25.{int.from_bytes(hashlib.blake2b(text, digest_size=15).digest())}")


def body(size: int = 128) -> NDArray[np.int64]:
    """A plane of HU: air, a body of soft tissue with lungs and bone, and a table, with noise."""
    y, x = np.mgrid[:size, :size] / size - 0.5
    hu = np.full((size, size), -1000)
    hu[(y / 0.35) ** 2 + (x / 0.42) ** 2 < 1] = 40
    hu[(y / 0.2) ** 2 + ((np.abs(x) - 0.2) / 0.1) ** 2 < 1] = -850
    hu[((y - 0.22) / 0.06) ** 2 + (x / 0.06) ** 2 < 1] = 700
    hu[int(0.9 * size) : int(0.93 * size)] = -300
    noise = np.random.default_rng(1).normal(0, 15, hu.shape)
    return np.rint(hu + noise).astype(np.int64)


@dataclass
class Series:
    """What was written. All sequences run along the planes as given (ascending by default).

    Attributes:
        paths: file of each plane (the same file for all frames of a multi-frame object).
        frames: frame number of each plane, from 1.
        extra_paths: files beside the planes: those made by ``duplicates``.
        positions: ImagePositionPatient of each plane, mm. pixel_spacing: of the first plane.
        stored: stored integers of each plane before any lossy encoding, as the values they mean.
        hu: the same, rescaled. padded: True where the plane has the padding value.
    """

    folder: Path
    series_uid: str
    study_uid: str
    paths: list[Path] = field(default_factory=list)
    frames: list[int] = field(default_factory=list)
    extra_paths: list[Path] = field(default_factory=list)
    positions: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 3)))
    orientation: NDArray[np.float64] = field(default_factory=lambda: np.empty(6))
    pixel_spacing: tuple[float, float] = (1.0, 1.0)
    stored: list[NDArray[np.int64]] = field(default_factory=list)
    hu: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0, 0)))
    padded: NDArray[np.bool_] = field(default_factory=lambda: np.empty((0, 0, 0), dtype=bool))

    @property
    def all_paths(self) -> list[Path]:
        """Every file of the series, each once."""
        return list(dict.fromkeys([*self.paths, *self.extra_paths]))

    @property
    def headers(self) -> list[FileDataset]:
        """The headers as they stand on disk now, one a plane."""
        return [dcmread(path, stop_before_pixels=True, force=True) for path in self.paths]


@dataclass(frozen=True)
class PixelFormat:
    """How stored values lie in the file (PS3.5 section 8.1.1).

    ``stray``: bits that are put above BitsStored; ``None`` extends the sign as most files do.
    """

    bits_allocated: int
    bits_stored: int
    signed: bool
    stray: int | None = None

    @property
    def limits(self) -> tuple[int, int]:
        """Smallest and largest stored value."""
        if self.signed:
            return -(1 << self.bits_stored - 1), (1 << self.bits_stored - 1) - 1
        return 0, (1 << self.bits_stored) - 1

    def contain(self, stored: NDArray[np.int64]) -> NDArray[Any]:
        """The containers of ``stored`` as uint8 or uint16, stray bits and all."""
        container = stored & ((1 << self.bits_allocated) - 1)
        if self.stray is not None:
            mask = (1 << self.bits_stored) - 1
            container = container & mask | self.stray & ~mask
        return container.astype("u1" if self.bits_allocated == 8 else "<u2")


def quantise(
    hu: NDArray[np.float64], slope: float, intercept: float, pixels: PixelFormat
) -> NDArray[np.int64]:
    """Stored values for HU; raises where they do not fit, since clipping would hide faults."""
    stored = np.rint((hu - intercept) / slope).astype(np.int64)
    low, high = pixels.limits
    if stored.min() < low or stored.max() > high:
        raise ValueError(
            f"stored values {stored.min()}..{stored.max()} do not fit {pixels.bits_stored} bits"
            f" ({low}..{high}): choose another slope, intercept or a smaller phantom"
        )
    return stored


def encode_pixels(dataset: Dataset, containers: list[NDArray[Any]], syntax: UID) -> None:
    """Put the frames (uint8 or uint16 containers) into the dataset as the transfer syntax wants."""
    dataset.file_meta.TransferSyntaxUID = syntax
    wide = dataset.BitsAllocated > 8
    if not syntax.is_encapsulated:
        order = ">" if syntax == ExplicitVRBigEndian else "<"
        raw = b"".join(
            frame.astype(frame.dtype.newbyteorder(order)).tobytes() for frame in containers
        )
        dataset.PixelData = raw + b"\0" * (len(raw) % 2)
    else:
        dataset.PixelData = encapsulate([_encode(dataset, c, syntax) for c in containers])
    dataset["PixelData"].VR = "OW" if wide and not syntax.is_encapsulated else "OB"
    if syntax == ImplicitVRLittleEndian:
        dataset["PixelData"].VR = "OW"
    if syntax in LOSSY_ERROR:
        dataset.LossyImageCompression = "01"
        dataset.LossyImageCompressionRatio = "4.0"


def _encode(dataset: Dataset, container: NDArray[Any], syntax: UID) -> bytes:
    """One compressed frame."""
    bits = dataset.BitsStored
    mask = (1 << bits) - 1
    whole = container.dtype.itemsize * 8
    reduced = container & mask
    meant = reduced.astype(np.int64)
    if dataset.PixelRepresentation:
        meant = meant - ((meant >> bits - 1) << bits)
    if not np.array_equal(meant & ((1 << whole) - 1), container):
        bits, reduced = whole, container  # stray bits or wide padding: code the whole container
    if syntax == RLELossless:
        return bytes(
            RLELosslessEncoder.encode(
                container.tobytes(),
                encoding_plugin="pydicom",
                rows=container.shape[0],
                columns=container.shape[1],
                samples_per_pixel=1,
                number_of_frames=1,
                bits_allocated=whole,
                bits_stored=whole,
                pixel_representation=0,
                photometric_interpretation="MONOCHROME2",
            )
        )
    if syntax == JPEGBaseline8Bit:
        if whole != 8 or dataset.PixelRepresentation:
            raise ValueError("JPEG baseline needs bits_stored=8, unsigned")
        return bytes(imagecodecs.jpeg8_encode(container, level=98))
    if syntax == JPEGExtended12Bit:
        if bits > 12 or dataset.PixelRepresentation:
            raise ValueError("JPEG extended needs at most 12 bits, unsigned")
        return bytes(imagecodecs.jpeg8_encode(reduced, level=99, bitspersample=bits))
    if syntax in (JPEGLossless, JPEGLosslessSV1):
        predictor = 1 if syntax == JPEGLosslessSV1 else 4
        return bytes(
            imagecodecs.jpeg8_encode(
                reduced, lossless=True, predictor=predictor, bitspersample=bits
            )
        )
    if dataset.PixelRepresentation and syntax in (JPEGLSLossless, JPEGLSNearLossless):
        reduced = container  # imagecodecs always writes 16 bits of precision
    if syntax == JPEGLSLossless:
        return bytes(imagecodecs.jpegls_encode(reduced))
    if syntax == JPEGLSNearLossless:
        return bytes(imagecodecs.jpegls_encode(reduced, level=2))
    if dataset.PixelRepresentation:
        container = container.view(container.dtype.str.replace("u", "i"))
    elif bits != whole:
        container = reduced
    if syntax == JPEG2000Lossless:
        return bytes(
            imagecodecs.jpeg2k_encode(
                container, codecformat="j2k", reversible=True, level=0, bitspersample=bits
            )
        )
    if syntax == JPEG2000:
        return bytes(
            imagecodecs.jpeg2k_encode(
                container, codecformat="j2k", reversible=False, level=6 * bits, bitspersample=bits
            )
        )
    if syntax == HTJ2KLossless:
        return bytes(imagecodecs.htj2k_encode(container, reversible=True))
    raise ValueError(f"no encoder for {syntax.name}")


def make_series(
    folder: Path,
    *,
    n: int = 12,
    rows: int = 24,
    columns: int = 32,
    spacing: tuple[float, float, float] = (2.5, 0.8, 0.7),
    origin: Sequence[float] = (-11.0, -9.5, -14.0),
    orientation: ArrayLike = (1, 0, 0, 0, 1, 0),
    positions: ArrayLike | None = None,
    tilt_degrees: float = 0.0,
    drop: Sequence[int] = (),
    start: int = 0,
    duplicates: dict[int, str] | None = None,
    name: str = "ct",
    series_uid: str | None = None,
    study_uid: str | None = None,
    slope: float | Sequence[float] | None = None,
    intercept: float | Sequence[float] | None = None,
    hu_offset: float | Sequence[float] = 0.0,
    bits_stored: int | Sequence[int] = 12,
    signed: bool | Sequence[bool] = False,
    stray_bits: int | None = None,
    padding: int | None = None,
    transfer_syntax: str | Sequence[str] = ExplicitVRLittleEndian,
    shuffle_seed: int | None = 0,
    without: Sequence[str] = (),
    edit: Edit | None = None,
    **tags: Any,
) -> Series:
    """Write a series of single-frame CT images, one file a plane, and say what is in it.

    A value for slope, intercept, hu_offset, bits_stored, signed, transfer_syntax and each of
    ``tags`` may be a list or tuple with one entry a plane (tags: also a function of the index;
    a list of one value too many is taken for the value itself).

    Args:
        spacing: mm between planes (along the normal), rows, columns.
        origin: position of plane 0 of the grid.
        orientation: row and column cosines, (6,) or (n, 6) for one a plane. With ``tilt_degrees``
            that of the untilted scanner.
        positions: (N, 3), in place of the grid; then ``n``, ``start`` and ``drop`` count in it.
        tilt_degrees: gantry tilt; planes turn about the row axis with the sign that
            GantryDetectorTilt has in files of GE scanners (positive: column direction goes to
            the feet), and their positions keep to the untilted axis.
        drop: indices of planes that are not written. start: grid index of plane 0, so that a
            further call adds planes to a series; InstanceNumber is grid index + 1.
        duplicates: plane index → "same" (the same pixels) or "other" (300 HU more).
        name: begins the file names and seeds the UIDs; give each call on a series its own.
        slope, intercept: 1 and -1024 (signed: 0); 2 and -160 (signed: 100) at 8 bits.
        padding: this container value is put in the corners and in PixelPaddingValue.
        stray_bits: container bits that are set above BitsStored.
        transfer_syntax: UID, or a key of ``SYNTAXES``.
        shuffle_seed: the order of file names is shuffled by this seed; None keeps plane order.
        without: keywords of elements that are left out.
        edit: called with (plane index, dataset) just before writing, PixelData included; for
            duplicates with index N, N+1, ...
        tags: element values by keyword; they replace what the builder sets.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for keyword in (*tags, *without):
        if tag_for_keyword(keyword) is None:
            raise TypeError(f"{keyword} is neither an argument of make_series nor a DICOM keyword")
    cosines, origins = _stack(n, spacing, origin, orientation, positions, tilt_degrees, start)
    kept = [i for i in range(len(origins)) if i not in set(drop)]
    series_uid = make_uid("series", name) if series_uid is None else series_uid
    study_uid = make_uid("study", name) if study_uid is None else study_uid
    series = Series(folder, series_uid, study_uid, pixel_spacing=(spacing[1], spacing[2]))
    series.positions = origins[kept]
    series.orientation = cosines[0]
    count = len(origins)

    files: list[tuple[int, int, float]] = [(i, i, 0.0) for i in kept]
    for extra, (i, kind) in enumerate((duplicates or {}).items()):
        files.append((count + extra, i, {"same": 0.0, "other": 300.0}[kind]))
    numbers = np.arange(len(files))
    if shuffle_seed is not None:
        numbers = np.random.default_rng(shuffle_seed).permutation(numbers)

    padded = _corners(rows, columns) if padding is not None else np.zeros((rows, columns), bool)
    hu = []
    for number, (index, plane, more) in zip(numbers, files, strict=True):
        pick = _Picker(plane, count)
        bits = pick(bits_stored)
        pixels = PixelFormat(8 if bits <= 8 else 16, bits, bool(pick(signed)), stray_bits)
        scale = _decimal(pick(slope), 2.0 if bits <= 8 else 1.0)
        shift = _decimal(pick(intercept), _usual_intercept(pixels))
        points = plane_points(origins[plane], cosines[plane], spacing[1:], rows, columns)
        truth = hu_at(points) + pick(hu_offset) + more
        stored = quantise(truth, scale, shift, pixels)
        containers = pixels.contain(stored)
        if padding is not None:
            stored[padded] = padding
            containers[padded] = padding & ((1 << pixels.bits_allocated) - 1)
        dataset = _image_header(
            CTImageStorage, make_uid(series_uid, name, index), series_uid, study_uid, pixels
        )
        dataset.Rows, dataset.Columns = rows, columns
        dataset.InstanceNumber = start + plane + 1
        dataset.AcquisitionNumber = 1
        dataset.ImagePositionPatient = [_text(v) for v in origins[plane]]
        dataset.ImageOrientationPatient = [_text(v) for v in cosines[plane]]
        dataset.PixelSpacing = [_text(v) for v in spacing[1:]]
        dataset.SliceThickness = _text(spacing[0])
        dataset.SliceLocation = _text(float(origins[plane] @ _normal(cosines[plane])))
        dataset.GantryDetectorTilt = _text(tilt_degrees)
        dataset.RescaleSlope, dataset.RescaleIntercept = _text(scale), _text(shift)
        dataset.RescaleType = "HU"
        if padding is not None:
            dataset.add_new("PixelPaddingValue", "SS" if pixels.signed else "US", padding)
        for keyword, value in tags.items():
            chosen = pick(value(plane) if callable(value) else value)
            setattr(dataset, keyword, chosen)
        syntax = pick(transfer_syntax)
        encode_pixels(dataset, [containers], UID(SYNTAXES.get(syntax, syntax)))
        for keyword in without:
            if keyword in dataset:
                del dataset[keyword]
        if edit is not None:
            edit(index, dataset)
        path = folder / f"{name}_{number:04d}.dcm"
        write(dataset, path)
        if index >= count:
            series.extra_paths.append(path)
            continue
        series.paths.append(path)
        series.frames.append(1)
        series.stored.append(stored)
        hu.append(stored * scale + shift)
    series.hu = np.stack(hu) if hu else np.empty((0, rows, columns))
    series.padded = np.broadcast_to(padded, series.hu.shape)
    return series


def make_multiframe(
    folder: Path,
    *,
    legacy: bool = False,
    n: int = 12,
    rows: int = 24,
    columns: int = 32,
    spacing: tuple[float, float, float] = (2.5, 0.8, 0.7),
    origin: Sequence[float] = (-11.0, -9.5, -14.0),
    orientation: ArrayLike = (1, 0, 0, 0, 1, 0),
    positions: ArrayLike | None = None,
    tilt_degrees: float = 0.0,
    start: int = 0,
    stacks: int = 1,
    stack_tag: str = "StackID",
    shared: Sequence[str] = ("measures", "orientation"),
    name: str = "enhanced",
    series_uid: str | None = None,
    study_uid: str | None = None,
    slope: float | Sequence[float] | None = None,
    intercept: float | Sequence[float] | None = None,
    bits_stored: int = 12,
    signed: bool = False,
    padding: int | None = None,
    transfer_syntax: str = ExplicitVRLittleEndian,
    shuffle_seed: int | None = 0,
    edit_frame: Edit | None = None,
    edit: Callable[[Dataset], None] | None = None,
    **tags: Any,
) -> Series:
    """Write one Enhanced or Legacy Converted Enhanced CT file with all planes as frames.

    Arguments are those of ``make_series``, except:
        legacy: the SOP class is Legacy Converted Enhanced CT.
        stacks: the planes are repeated so many times, each time with 300 HU more and another
            value of ``stack_tag`` (StackID or TemporalPositionIndex).
        shared: which of "measures", "orientation", "rescale" and "type" are shared functional
            groups; the others are given for each frame (PS3.3 C.7.6.16).
        shuffle_seed: shuffles the order of frames in the file.
        edit_frame: called with (plane index, its item of PerFrameFunctionalGroupsSequence).
        edit: called with the dataset just before writing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    cosines, origins = _stack(n, spacing, origin, orientation, positions, tilt_degrees, start)
    planes = len(origins)
    count = planes * stacks
    series_uid = make_uid("series", name) if series_uid is None else series_uid
    study_uid = make_uid("study", name) if study_uid is None else study_uid
    pixels = PixelFormat(8 if bits_stored <= 8 else 16, bits_stored, signed)
    sop_class = LegacyConvertedEnhancedCTImageStorage if legacy else EnhancedCTImageStorage
    dataset = _image_header(sop_class, make_uid(series_uid, name), series_uid, study_uid, pixels)
    dataset.Rows, dataset.Columns, dataset.NumberOfFrames = rows, columns, count
    dataset.InstanceNumber = 1
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    del dataset.ConvolutionKernel
    del dataset.KVP

    order = np.arange(count)
    if shuffle_seed is not None:
        order = np.random.default_rng(shuffle_seed).permutation(order)
    padded = _corners(rows, columns) if padding is not None else np.zeros((rows, columns), bool)
    series = Series(folder, series_uid, study_uid, pixel_spacing=(spacing[1], spacing[2]))
    series.positions = np.tile(origins, (stacks, 1))
    series.orientation = cosines[0]
    items: list[Dataset] = []
    containers: list[NDArray[Any]] = []
    hu = []
    for index in range(count):
        plane, stack = index % planes, index // planes
        pick = _Picker(index, count)
        scale = _decimal(pick(slope), 2.0 if bits_stored <= 8 else 1.0)
        shift = _decimal(pick(intercept), _usual_intercept(pixels))
        points = plane_points(origins[plane], cosines[plane], spacing[1:], rows, columns)
        stored = quantise(hu_at(points) + 300.0 * stack, scale, shift, pixels)
        contained = pixels.contain(stored)
        if padding is not None:
            stored[padded] = padding
            contained[padded] = padding & ((1 << pixels.bits_allocated) - 1)
        groups = {
            "measures": ("PixelMeasuresSequence", _measures(spacing)),
            "orientation": (
                "PlaneOrientationSequence",
                _item(ImageOrientationPatient=[_text(v) for v in cosines[plane]]),
            ),
            "rescale": (
                "PixelValueTransformationSequence",
                _item(RescaleIntercept=_text(shift), RescaleSlope=_text(scale), RescaleType="HU"),
            ),
            "type": (
                "CTImageFrameTypeSequence",
                _item(FrameType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]),
            ),
        }
        unknown = set(shared) - set(groups)
        if unknown:
            raise ValueError(f"shared has {unknown}; it may have {sorted(groups)}")
        item = Dataset()
        item.PlanePositionSequence = [
            _item(ImagePositionPatient=[_text(v) for v in origins[plane]])
        ]
        content = _item(
            FrameAcquisitionNumber=1,
            InStackPositionNumber=plane + 1,
            DimensionIndexValues=[stack + 1, plane + 1],
        )
        content.StackID = "1"
        setattr(content, stack_tag, str(stack + 1) if stack_tag == "StackID" else stack + 1)
        item.FrameContentSequence = [content]
        for group, (keyword, group_item) in groups.items():
            if group not in shared:
                setattr(item, keyword, [group_item])
        if edit_frame is not None:
            edit_frame(index, item)
        items.append(item)
        containers.append(contained)
        series.stored.append(stored)
        hu.append(stored * scale + shift)
    shared_item = Dataset()
    for group, (keyword, group_item) in groups.items():
        if group in shared:
            setattr(shared_item, keyword, [group_item])
    shared_item.CTReconstructionSequence = [_item(ConvolutionKernel="STANDARD")]
    shared_item.CTXRayDetailsSequence = [_item(KVP="120")]
    dataset.SharedFunctionalGroupsSequence = [shared_item]
    dataset.PerFrameFunctionalGroupsSequence = [items[i] for i in order]
    organisation = make_uid(series_uid, name, "dimensions")
    dataset.DimensionOrganizationSequence = [_item(DimensionOrganizationUID=organisation)]
    dataset.DimensionIndexSequence = [
        _item(
            DimensionOrganizationUID=organisation,
            DimensionIndexPointer=tag_for_keyword(keyword),
            FunctionalGroupPointer=tag_for_keyword("FrameContentSequence"),
        )
        for keyword in (stack_tag, "InStackPositionNumber")
    ]
    if padding is not None:
        dataset.add_new("PixelPaddingValue", "SS" if signed else "US", padding)
    for keyword, value in tags.items():
        if tag_for_keyword(keyword) is None:
            raise TypeError(f"{keyword} is neither an argument nor a DICOM keyword")
        setattr(dataset, keyword, value)
    syntax = UID(SYNTAXES.get(transfer_syntax, transfer_syntax))
    encode_pixels(dataset, [containers[i] for i in order], syntax)
    if edit is not None:
        edit(dataset)
    path = folder / f"{name}.dcm"
    write(dataset, path)
    frame_of_plane = np.argsort(order) + 1
    series.paths = [path] * count
    series.frames = [int(frame) for frame in frame_of_plane]
    series.hu = np.stack(hu)
    series.padded = np.broadcast_to(padded, series.hu.shape)
    return series


def localizer(
    folder: Path,
    *,
    series_uid: str | None = None,
    study_uid: str | None = None,
    name: str = "localizer",
    rows: int = 40,
    columns: int = 48,
    image_type: Sequence[str] = ("ORIGINAL", "PRIMARY", "LOCALIZER"),
    **options: Any,
) -> Series:
    """Write a scout view: one coronal image; other arguments as for ``make_series``."""
    options = {"orientation": (1, 0, 0, 0, 0, -1), "origin": (-16.0, 0.0, 16.0)} | options
    return make_series(
        folder,
        n=1,
        rows=rows,
        columns=columns,
        name=name,
        series_uid=series_uid,
        study_uid=study_uid,
        ImageType=lambda _: list(image_type),
        **options,
    )


def secondary_capture(
    folder: Path,
    *,
    series_uid: str | None = None,
    study_uid: str | None = None,
    name: str = "capture",
    modality: str = "CT",
    rgb: bool = True,
) -> Path:
    """Write a Secondary Capture (a report page or a picture of a scan), RGB or grey, 8 bit."""
    folder.mkdir(parents=True, exist_ok=True)
    series_uid = make_uid("series", name) if series_uid is None else series_uid
    study_uid = make_uid("study", name) if study_uid is None else study_uid
    pixels = PixelFormat(8, 8, False)
    dataset = _image_header(
        SecondaryCaptureImageStorage, make_uid(series_uid, name), series_uid, study_uid, pixels
    )
    dataset.Modality = modality
    dataset.ConversionType = "WSD"
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.Rows, dataset.Columns = 24, 32
    frame = np.add.outer(np.arange(24) * 5, np.arange(32) * 3).astype("u1")
    if rgb:
        dataset.SamplesPerPixel = 3
        dataset.PhotometricInterpretation = "RGB"
        dataset.PlanarConfiguration = 0
        frame = np.repeat(frame[..., None], 3, axis=2)
    encode_pixels(dataset, [frame], ExplicitVRLittleEndian)
    path = folder / f"{name}.dcm"
    write(dataset, path)
    return path


def structured_report(folder: Path, *, study_uid: str | None = None, name: str = "report") -> Path:
    """Write a Comprehensive SR with one line of text: a DICOM object without pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    study_uid = make_uid("study", name) if study_uid is None else study_uid
    dataset = _header(
        ComprehensiveSRStorage, make_uid("sr", name), make_uid("series", name), study_uid
    )
    dataset.Modality = "SR"
    dataset.ValueType = "CONTAINER"
    dataset.ContinuityOfContent = "SEPARATE"
    dataset.ConceptNameCodeSequence = [_code("113701", "DCM", "X-Ray Radiation Dose Report")]
    text = _item(RelationshipType="CONTAINS", ValueType="TEXT", TextValue="Phantom, no dose")
    text.ConceptNameCodeSequence = [_code("121106", "DCM", "Comment")]
    dataset.ContentSequence = [text]
    path = folder / f"{name}.dcm"
    write(dataset, path)
    return path


def dicomdir(folder: Path, series: Series) -> Path:
    """Write a DICOMDIR that names the files of a series (PS3.10 section 8)."""
    records = [
        _item(
            OffsetOfTheNextDirectoryRecord=0,
            RecordInUseFlag=0xFFFF,
            OffsetOfReferencedLowerLevelDirectoryEntity=0,
            DirectoryRecordType="IMAGE",
            ReferencedFileID=path.name.upper().split(".")[0],
        )
        for path in series.all_paths
    ]
    dataset = Dataset()
    dataset.file_meta = _file_meta(MediaStorageDirectoryStorage, make_uid("dir", series.series_uid))
    dataset.FileSetID = "PHANTOM"
    dataset.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity = 0
    dataset.OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity = 0
    dataset.FileSetConsistencyFlag = 0
    dataset.DirectoryRecordSequence = records
    path = folder / "DICOMDIR"
    write(dataset, path)
    return path


def not_dicom(folder: Path, name: str = "notes.txt", content: bytes = b"not a scan\n") -> Path:
    """Write a file that is no DICOM file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_bytes(content)
    return path


def truncate(path: Path, *, keep: float | None = None, size: int | None = None) -> None:
    """Cut a file short, to a part of its size or to a number of bytes."""
    data = path.read_bytes()
    path.write_bytes(data[: size if size is not None else int(len(data) * (keep or 0.5))])


@contextmanager
def forbidden(path: Path) -> Iterator[None]:
    """Nobody may read the path; root, whom no permission stops, is another user meanwhile."""
    before = path.stat().st_mode
    path.chmod(0)
    root = os.geteuid() == 0
    if root:
        folders = [folder for folder in path.parents if folder.stat().st_uid == 0]
        for folder in folders[:-2]:
            folder.chmod(folder.stat().st_mode | 0o055)
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        path.chmod(before)


def patch_bytes(path: Path, old: bytes, new: bytes) -> None:
    """Replace the first ``old`` in a file by ``new`` of the same length, to damage an element."""
    data = path.read_bytes()
    if len(old) != len(new) or old not in data:
        raise ValueError(f"{old!r} is not in {path.name}, or the lengths differ")
    path.write_bytes(data.replace(old, new, 1))


def write(dataset: Dataset, path: Path) -> None:
    """Write a dataset as a DICOM file with preamble and file meta information."""
    # Elements of wrong length or value are wanted here; pydicom would refuse to write them.
    dataset.save_as(path, enforce_file_format=True)


def real_data() -> Path:
    """The folder with the shared real data (``ct/`` and ``malformed/``); skips without it."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data"
    root = Path(os.environ.get("CT2ZARR_TEST_DATA", default))
    if not (root / "ct").is_dir():
        message = f"no real test data at {root}: set CT2ZARR_TEST_DATA to the folder that has ct/"
        if os.environ.get("CT2ZARR_REQUIRE_DATA") == "1":
            pytest.fail(message)
        pytest.skip(message)
    return root


def real_set(name: str) -> Path:
    """The ``dicom`` folder of one set of the real data."""
    folder = real_data() / "ct" / name / "dicom"
    if not folder.is_dir():
        pytest.fail(f"the real test data has no set {name}")
    return folder


class _Picker:
    """Takes the value of one plane from what may be one value for all or one for each."""

    def __init__(self, index: int, count: int) -> None:
        self.index, self.count = index, count

    def __call__(self, value: Any) -> Any:
        if isinstance(value, list | tuple) and len(value) == self.count:
            return value[self.index]
        return value


def _stack(
    n: int,
    spacing: Sequence[float],
    origin: Sequence[float],
    orientation: ArrayLike,
    positions: ArrayLike | None,
    tilt_degrees: float,
    start: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cosines (N, 6) and origins (N, 3) of the planes."""
    cosines = np.atleast_2d(np.asarray(orientation, dtype=np.float64))
    straight = _normal(cosines[0])
    tilt = np.deg2rad(tilt_degrees)
    if tilt_degrees:
        column, normal = cosines[0, 3:], straight
        cosines = np.hstack([cosines[0, :3], np.cos(tilt) * column - np.sin(tilt) * normal])[None]
    if positions is None:
        steps = np.arange(start, start + n)[:, None] * straight * spacing[0] / np.cos(tilt)
        origins = np.asarray(origin, dtype=np.float64) + steps
    else:
        origins = np.asarray(positions, dtype=np.float64).reshape(-1, 3)
    cosines = np.array([[float(_text(v)) for v in row] for row in cosines])
    origins = np.array([[float(_text(v)) for v in row] for row in origins])
    return np.broadcast_to(cosines, (len(origins), 6)), origins


def _normal(orientation: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.cross(orientation[:3], orientation[3:])


def _corners(rows: int, columns: int) -> NDArray[np.bool_]:
    """True outside the ellipse that fills the image, where a scanner has no data."""
    y = (np.arange(rows)[:, None] + 0.5) / rows * 2 - 1
    x = (np.arange(columns)[None, :] + 0.5) / columns * 2 - 1
    return x**2 + y**2 > 1


def _usual_intercept(pixels: PixelFormat) -> float:
    if pixels.bits_stored <= 8:
        return 100.0 if pixels.signed else -160.0
    return 0.0 if pixels.signed else -1024.0


def _text(value: float) -> str:
    """A number as DICOM decimal string of at most 16 characters."""
    return format_number_as_ds(float(value))


def _decimal(value: float | None, usual: float) -> float:
    """The value as it reads back from a decimal string."""
    return float(_text(usual if value is None else value))


def _item(**elements: Any) -> Dataset:
    item = Dataset()
    for keyword, value in elements.items():
        setattr(item, keyword, value)
    return item


def _measures(spacing: Sequence[float]) -> Dataset:
    return _item(
        PixelSpacing=[_text(v) for v in spacing[1:]],
        SliceThickness=_text(spacing[0]),
        SpacingBetweenSlices=_text(spacing[0]),
    )


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    return _item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def _file_meta(sop_class: UID, sop_instance: UID) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = sop_class
    meta.MediaStorageSOPInstanceUID = sop_instance
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = IMPLEMENTATION_UID
    return meta


def _header(sop_class: UID, sop_instance: UID, series_uid: str, study_uid: str) -> Dataset:
    """Patient, study, series and SOP common modules."""
    dataset = Dataset()
    dataset.file_meta = _file_meta(sop_class, sop_instance)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = sop_instance
    dataset.StudyDate = dataset.SeriesDate = "20200102"
    dataset.StudyTime = dataset.AcquisitionTime = dataset.ContentTime = "101112"
    dataset.AccessionNumber = "A0001"
    dataset.Modality = "CT"
    dataset.Manufacturer = MAKER
    dataset.ManufacturerModelName = "linear"
    dataset.ReferringPhysicianName = ""
    dataset.StudyDescription = "Phantom study"
    dataset.SeriesDescription = "Phantom series"
    dataset.PatientName = "PHANTOM^PATIENT"
    dataset.PatientID = "PHANTOM-ID-77"
    dataset.PatientBirthDate = "19500607"
    dataset.PatientSex = "O"
    dataset.PatientAge = "069Y"
    dataset.StudyInstanceUID = study_uid
    dataset.SeriesInstanceUID = series_uid
    dataset.StudyID = "1"
    dataset.SeriesNumber = 1
    return dataset


def _image_header(
    sop_class: UID, sop_instance: UID, series_uid: str, study_uid: str, pixels: PixelFormat
) -> Dataset:
    """The above with the CT and image modules that do not vary between planes."""
    dataset = _header(sop_class, sop_instance, series_uid, study_uid)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.BodyPartExamined = "CHEST"
    dataset.ProtocolName = "phantom"
    dataset.PatientPosition = "HFS"
    dataset.KVP = "120"
    dataset.ConvolutionKernel = "STANDARD"
    dataset.FrameOfReferenceUID = make_uid("frame of reference", study_uid)
    dataset.PositionReferenceIndicator = ""
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = pixels.bits_allocated
    dataset.BitsStored = pixels.bits_stored
    dataset.HighBit = pixels.bits_stored - 1
    dataset.PixelRepresentation = int(pixels.signed)
    dataset.BurnedInAnnotation = "NO"
    return dataset
