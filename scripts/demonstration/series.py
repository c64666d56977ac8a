"""Write a small dataset of synthetic chest CT as DICOM files, to demonstrate the workflow.

Its five series have the irregularities of real archives: a localizer among the slices, a missing
slice, a tilted gantry, lossless compression, two phases in one series, and files that are not CT.
The same call writes the same files.
"""

import hashlib
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence as Items
from pydicom.uid import (
    UID,
    CTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLosslessSV1,
    XRayRadiationDoseSRStorage,
)
from pydicom.valuerep import format_number_as_ds

from ct2zarr.codes import Code
from ct2zarr.errors import SettingsError

from .chest_model import Chest, make_chest, paint_plane, paint_tubes

MANUFACTURER = "ct2zarr demonstration"
FIELD_OF_VIEW_MM = 360.0
STORED_BITS = 12
LUNG_TEXTURE_HU = 22.0
PADDING = -2000
"""Stored value outside the round field of view, as scanners of one manufacturer write it."""


@dataclass(frozen=True, slots=True)
class DemoSeries:
    """The parameters of one series.

    Attributes
    ----------
    folder
        Relative to the dataset.
    person
        Number of the person, from 1; seeds the anatomy.
    slices, matrix
        Size.
    spacing
        Mm between planes.
    first_z
        Mm, of the lowest plane.
    noise
        Sigma at the centre of the body, HU.
    blur
        1/e radius of the modulation transfer, cycles per mm; high is sharp.
    tilt
        Of the gantry, degrees.
    phases
        Enhanced or not, for each acquisition of the series.
    missing
        Planes that are not written, as shares of the stack.
    padded
        Signed pixels with padding outside the circle.
    localizer
        Starts with a scout view.
    """

    folder: str
    person: int
    description: str
    slices: int
    matrix: int
    spacing: float
    first_z: float
    kernel: str
    noise: float
    blur: float
    phases: tuple[bool, ...] = (False,)
    tilt: float = 0.0
    missing: tuple[float, ...] = ()
    padded: bool = False
    localizer: bool = False
    nodule: tuple[float, float, float] | None = None
    transfer_syntax: UID = ExplicitVRLittleEndian


SERIES = (
    DemoSeries(
        "DEMO-01/chest_soft", 1, "Chest 3.0 soft", 88, 256, 3.0, -140.0, "B30f", 13.0, 0.42,
        localizer=True,
    ),
    DemoSeries(
        "DEMO-01/chest_lung", 1, "Chest 2.5 lung", 100, 256, 2.5, -134.0, "B70f", 46.0, 0.75,
        missing=(0.38,), padded=True, nodule=(-72.0, 18.0, 22.0),
    ),
    DemoSeries(
        "DEMO-02/chest_contrast", 2, "Chest 4.5 with contrast", 54, 512, 4.5, -130.0, "I31f", 15.0,
        0.55, phases=(True,), transfer_syntax=JPEGLosslessSV1,
    ),
    DemoSeries(
        "DEMO-03/chest_tilted", 3, "Chest 5.0 tilted gantry", 46, 256, 5.0, -110.0, "B31s", 11.0,
        0.42, tilt=12.0, transfer_syntax=ImplicitVRLittleEndian,
    ),
    DemoSeries(
        "DEMO-04/chest_two_phases", 4, "Chest 5.0 native and contrast", 42, 256, 5.0, -105.0,
        "B30f", 12.0, 0.42, phases=(False, True),
    ),
)  # fmt: skip


def make_demonstration(folder: Path, shrink: int = 1) -> list[Path]:
    """Write the dataset below ``folder`` and return its files.

    Parameters
    ----------
    folder
        New or empty.
    shrink
        Divisor of matrix and number of slices; the anatomy stays the same.

    Raises
    ------
    SettingsError
        ``folder`` is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SettingsError(
            Code.SETTING_WRONG,
            "{path} is not an empty folder; name a new or empty one",
            path=folder,
        )
    folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(min(len(SERIES), os.cpu_count() or 1)) as pool:
        series_files = pool.map(write_series, repeat(folder), SERIES, repeat(shrink))
        files = [file for written in series_files for file in written]
    files.append(_write_dose_report(folder / "DEMO-02" / "dose_report.dcm", SERIES[2]))
    notes = folder / "README.txt"
    notes.write_text("Synthetic chest CT made by ct2zarr. No person was scanned.\n", "ascii")
    return [*files, notes]


def write_series(folder: Path, series: DemoSeries, shrink: int = 1) -> list[Path]:
    """Write one series below ``folder`` and return its files; the localizer, if any, first."""
    files: list[Path] = []
    target = folder / series.folder
    target.mkdir(parents=True, exist_ok=True)
    count, matrix = series.slices // shrink, series.matrix // shrink
    matrix_to_lps = _index_to_lps(series, count, matrix)
    number = 0
    missing = {round(share * count) for share in series.missing}
    for acquisition, enhanced in enumerate(series.phases, start=1):
        volume = _scan(series, enhanced, matrix_to_lps, count, matrix)
        if series.localizer:
            number += 1
            path = target / f"IM_{number:04d}.dcm"
            _write_localizer(path, series, volume, matrix_to_lps)
            files.append(path)
        for index in reversed(range(count)):  # scanned from the apex down
            number += 1
            if index in missing:
                continue
            path = target / f"IM_{number:04d}.dcm"
            dataset = _image_header(series, number, matrix_to_lps, index)
            dataset.AcquisitionNumber = acquisition
            if enhanced:
                dataset.ContrastBolusAgent = "none, simulated"
            _put_pixels(dataset, volume[index], series)
            _save(dataset, path, series.transfer_syntax)
            files.append(path)
    return files


def _index_to_lps(series: DemoSeries, count: int, matrix: int) -> NDArray[np.float64]:
    """(z, y, x, 1) to LPS mm; planes tilt about the row axis, their centres are along z."""
    pixel = FIELD_OF_VIEW_MM / matrix
    tilt = np.deg2rad(series.tilt)
    column = np.array([0.0, np.cos(tilt), -np.sin(tilt)])
    row = np.array([1.0, 0.0, 0.0])
    between = series.spacing * series.slices / count
    matrix_to_lps = np.eye(4)
    matrix_to_lps[:3, 0] = (0, 0, between / np.cos(tilt))
    matrix_to_lps[:3, 1] = column * pixel
    matrix_to_lps[:3, 2] = row * pixel
    centre = np.array([0.0, 12.0, series.first_z])  # the table is in the field of view
    matrix_to_lps[:3, 3] = centre - (row + column) * pixel * (matrix - 1) / 2
    return matrix_to_lps


def _scan(
    series: DemoSeries,
    enhanced: bool,
    index_to_lps: NDArray[np.float64],
    count: int,
    matrix: int,
) -> NDArray[np.float32]:
    """The volume in HU as a scanner would measure it: blurred, with texture and noise."""
    chest = _person(series, enhanced)
    pixel = FIELD_OF_VIEW_MM / matrix
    volume = np.empty((count, matrix, matrix), np.float32)
    lungs = np.empty((count, matrix, matrix), np.float16)
    steps = np.arange(matrix)
    for k in range(count):
        origin = index_to_lps[:3, 3] + k * index_to_lps[:3, 0]
        down = origin + steps[:, None] * index_to_lps[:3, 1]
        x = (origin[0] + steps * index_to_lps[0, 2])[None]
        volume[k], lungs[k] = paint_plane(chest, x, down[:, 1:2], down[:, 2:3], 1.2 * pixel)
    stretch = np.array([chest.width, chest.depth, 1.0])
    unstretched = np.diag([*(1 / stretch), 1]) @ index_to_lps
    paint_tubes(volume, unstretched, chest.tubes, 0.5 * (pixel + 0.6 * series.spacing))

    frequency = np.hypot(np.fft.fftfreq(matrix, pixel)[:, None], np.fft.rfftfreq(matrix, pixel))
    transfer = np.exp(-((frequency / series.blur) ** 2)).astype(np.float32)
    grain = _unit_noise_filter(frequency * np.exp(-((frequency / (0.9 * series.blur)) ** 2)))
    cloud = _unit_noise_filter(np.exp(-((frequency / 0.11) ** 2)))
    offset = (steps - matrix / 2) * pixel
    radius = np.hypot(offset[:, None], offset[None])
    sigma = series.noise * (0.45 + 0.55 * np.exp(-((radius / 130) ** 2)))
    rng = np.random.default_rng([series.person, len(series.kernel), int(enhanced), series.matrix])
    shape = (matrix, matrix)
    white = partial(rng.standard_normal, shape, np.float32)
    texture: NDArray[Any] = np.zeros(shape, np.float32)
    for k in range(count):
        # Lung texture is similar in neighbouring planes; noise is not.
        fresh = np.fft.irfft2(np.fft.rfft2(white()) * cloud, shape)
        texture = 0.6 * texture + 0.8 * fresh
        plane = volume[k] + lungs[k] * texture * LUNG_TEXTURE_HU
        noise = np.fft.irfft2(np.fft.rfft2(white()) * grain, shape)
        volume[k] = np.fft.irfft2(np.fft.rfft2(plane) * transfer, shape) + sigma * noise
    return volume


def _person(series: DemoSeries, enhanced: bool) -> Chest:
    """The chest of a person: sizes differ between persons, not between their series."""
    rng = np.random.default_rng(series.person)
    width, depth = rng.uniform(0.92, 1.0), rng.uniform(0.9, 1.06)
    return make_chest(
        series.person, width=width, depth=depth, enhanced=enhanced, nodule=series.nodule
    )


def _unit_noise_filter(shape: NDArray[np.float64]) -> NDArray[np.float32]:
    """Scale a filter (of rfft2) so that white noise of sigma 1 keeps sigma 1.

    CT noise has the ramp spectrum of filtered back projection (Riederer, Pelc and Chesler 1978).
    """
    columns = np.full(shape.shape[1], 2.0)
    columns[0] = columns[-1] = 1.0
    power = (shape**2 * columns).sum() / (shape.shape[0] ** 2)
    return np.asarray(shape / np.sqrt(power), np.float32)


def _put_pixels(dataset: Dataset, hu: NDArray[Any], series: DemoSeries) -> None:
    """Set the stored values of a plane, and the elements that describe them."""
    rows, columns = hu.shape
    stored = np.clip(np.rint(hu), -1024, 3071).astype(np.int16) + 1024
    dataset.PixelRepresentation = int(series.padded)
    dataset.BitsStored = 16 if series.padded else STORED_BITS
    dataset.HighBit = dataset.BitsStored - 1
    if series.padded:
        y, x = np.ogrid[:rows, :columns]
        outside = np.hypot(y - (rows - 1) / 2, x - (columns - 1) / 2) > columns / 2
        stored[outside] = PADDING
        dataset.add_new("PixelPaddingValue", "SS", PADDING)
    dataset.Rows, dataset.Columns = rows, columns
    if series.transfer_syntax == JPEGLosslessSV1:
        frame = imagecodecs.jpeg8_encode(
            stored.astype(np.uint16), lossless=True, predictor=1, bitspersample=STORED_BITS
        )
        dataset.PixelData = encapsulate([bytes(frame)])
        dataset["PixelData"].VR = "OB"
    else:
        dataset.PixelData = stored.astype("<i2").tobytes()
        dataset["PixelData"].VR = "OW"


def _write_localizer(
    path: Path, series: DemoSeries, volume: NDArray[np.float32], index_to_lps: NDArray[np.float64]
) -> None:
    """Write a scout view from the front: the mean density along y, from the apex down."""
    density = np.clip(volume + 1000, 0, None).mean(axis=1) * 2.2 - 1000
    row_mm = float(index_to_lps[2, 0])
    dataset = _image_header(series, 1, index_to_lps, 0)
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = _uid(path.name, series)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER", "CT_SOM5 TOP"]
    dataset.AcquisitionNumber = 0
    top = index_to_lps[:3, 3] + (len(volume) - 1) * index_to_lps[:3, 0]
    dataset.ImagePositionPatient = [_text(v) for v in (top[0], 0.0, top[2])]
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
    dataset.PixelSpacing = [_text(row_mm), _text(index_to_lps[0, 2])]
    _put_pixels(dataset, density[::-1], series)
    _save(dataset, path, series.transfer_syntax)


def _image_header(
    series: DemoSeries, number: int, index_to_lps: NDArray[np.float64], index: int
) -> Dataset:
    """The header of a CT image."""
    position = index_to_lps[:3, 3] + index * index_to_lps[:3, 0]
    pixel = np.linalg.norm(index_to_lps[:3, 2])
    dataset = _header(series, CTImageStorage, _uid("image", series.folder, number))
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.Modality = "CT"
    dataset.SeriesInstanceUID = _uid("series", series.folder)
    dataset.SeriesNumber = 2
    dataset.SeriesDescription = dataset.ProtocolName = series.description
    dataset.BodyPartExamined = "CHEST"
    dataset.PatientPosition = "HFS"
    dataset.ConvolutionKernel = series.kernel
    dataset.KVP = "100" if series.phases[-1] else "120"
    dataset.XRayTubeCurrent = 180 + 3 * (number % 40)
    dataset.ExposureTime = 500
    dataset.SliceThickness = _text(series.spacing)
    dataset.GantryDetectorTilt = _text(series.tilt)
    dataset.AcquisitionTime = dataset.ContentTime = f"1012{number % 60:02d}"
    dataset.InstanceNumber = number
    dataset.FrameOfReferenceUID = _uid("frame", series.folder)
    dataset.PositionReferenceIndicator = "SN"
    dataset.ImagePositionPatient = [_text(v) for v in position]
    dataset.ImageOrientationPatient = [
        *(_text(v) for v in index_to_lps[:3, 2] / pixel),
        *(_text(v) for v in index_to_lps[:3, 1] / pixel),
    ]
    dataset.SliceLocation = _text(position[2])
    dataset.PixelSpacing = [_text(float(pixel))] * 2
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.BitsAllocated = 16
    dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = "1", "-1024", "HU"
    dataset.WindowCenter, dataset.WindowWidth = ("-600", "1500") if series.padded else ("40", "400")
    dataset.BurnedInAnnotation = "NO"
    return dataset


def _header(series: DemoSeries, sop_class: UID, sop_instance: UID) -> Dataset:
    """The elements of patient, study and equipment."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = sop_class
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = sop_instance
    dataset.file_meta.ImplementationClassUID = _uid("implementation")
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.StudyDate = dataset.SeriesDate = f"202401{series.person:02d}"
    dataset.StudyTime = "101112"
    dataset.AccessionNumber = f"D{series.person:04d}"
    dataset.Manufacturer = MANUFACTURER
    dataset.ManufacturerModelName = "chest model"
    dataset.ReferringPhysicianName = ""
    dataset.StudyDescription = "CT chest, synthetic"
    dataset.PatientName = f"DEMO^{series.person:02d}"
    dataset.PatientID = f"DEMO-{series.person:02d}"
    dataset.PatientBirthDate = ""
    dataset.PatientSex = "FM"[series.person % 2]
    dataset.PatientAge = f"{50 + 3 * series.person:03d}Y"
    dataset.StudyInstanceUID = _uid("study", series.person)
    dataset.StudyID = str(series.person)
    return dataset


def _write_dose_report(path: Path, series: DemoSeries) -> Path:
    """Write a structured report with one number, as scanners send beside the images."""
    dataset = _header(series, XRayRadiationDoseSRStorage, _uid("dose", series.folder))
    dataset.Modality = "SR"
    dataset.SeriesInstanceUID = _uid("dose series", series.folder)
    dataset.SeriesNumber, dataset.InstanceNumber = 501, 1
    dataset.CompletionFlag, dataset.VerificationFlag = "COMPLETE", "UNVERIFIED"
    dataset.ValueType, dataset.ContinuityOfContent = "CONTAINER", "SEPARATE"
    dataset.ConceptNameCodeSequence = _code("113701", "DCM", "X-Ray Radiation Dose Report")
    measured = Dataset()
    measured.NumericValue = "212.5"
    measured.MeasurementUnitsCodeSequence = _code("mGy.cm", "UCUM", "mGy.cm")
    content = Dataset()
    content.RelationshipType, content.ValueType = "CONTAINS", "NUM"
    content.ConceptNameCodeSequence = _code("113813", "DCM", "CT Dose Length Product Total")
    content.MeasuredValueSequence = Items([measured])
    dataset.ContentSequence = Items([content])
    _save(dataset, path, ExplicitVRLittleEndian)
    return path


def _code(value: str, scheme: str, meaning: str) -> Items:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return Items([code])


def _save(dataset: Dataset, path: Path, syntax: UID) -> None:
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.save_as(path, enforce_file_format=True)


def _uid(*parts: object) -> UID:
    """A UID computed from its parts (the 2.25 form of PS3.5 B.2)."""
    text = "\0".join(str(part) for part in parts).encode()
    return UID(f"2.25.{int.from_bytes(hashlib.blake2b(text, digest_size=15).digest())}")


def _text(value: float) -> str:
    """A number as a DICOM decimal string (at most 16 characters, PS3.5 6.2)."""
    return str(format_number_as_ds(float(value)))
