"""The table of cases: what a scanner, an archive or a disk can do to a series, and the result.

One row per case. Each is written below a folder of its own, all folders make one dataset, and
``test_cases.py`` takes it through the whole pipeline once. What a row claims is reasoned from the
contract (flags, grouping, account), not taken from what the code gives.
"""

import gzip
import shutil
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset, dcmread
from pydicom.dataelem import RawDataElement
from pydicom.encaps import encapsulate
from pydicom.multival import MultiValue
from pydicom.tag import Tag

from phantom import (
    EXACT,
    Series,
    body,
    dicomdir,
    localizer,
    make_multiframe,
    make_series,
    make_uid,
    not_dicom,
    patch_bytes,
    secondary_capture,
    structured_report,
    truncate,
    write,
)

Build = Callable[[Path, str], Series]
"""Writes the files of a case below a folder; the name seeds UIDs and begins file names."""


@dataclass(frozen=True)
class Volume:
    """A volume that is expected.

    Attributes:
        flags: codes, all of them and no other.
        offset: HU above the phantom. error: largest HU error; more than 0.5 only where the files
            themselves are coarser.
        said: words of the error sentence.
        truth: values due where the phantom cannot be asked, because there is no geometry or the
            array does not hold HU.
        fault: of the scale, as the evidence of ``suspicious_hu`` names it.
    """

    planes: int
    flags: str = ""
    offset: float = 0.0
    error: float = EXACT
    status: str = "ok"
    reason: str = ""
    said: str = ""
    dtype: str = "int16"
    kind: str = "hu"
    truth: Callable[[Series], NDArray[Any]] | None = None
    fault: str = ""


@dataclass(frozen=True)
class Case:
    """A row of the table. ``roles``: of the files; all are slices unless it says otherwise."""

    name: str
    build: Build
    volumes: tuple[Volume, ...]
    roles: Mapping[str, int] = field(default_factory=dict)
    settings: str = "usual"


def series(**options: Any) -> Build:
    """One series in the folder of the case."""
    return lambda folder, name: make_series(folder, name=name, **options)


def frames(**options: Any) -> Build:
    """One multi-frame file."""
    return lambda folder, name: make_multiframe(folder, name=name, **options)


def together(*shares: Mapping[str, Any], **common: Any) -> Build:
    """One series from several calls of the builder, each with its own options.

    ``folder`` among the options is the name of a subfolder.
    """

    def build(folder: Path, name: str) -> Series:
        uids = {"series_uid": make_uid("series", name), "study_uid": make_uid("study", name)}
        made = []
        for number, share in enumerate(shares):
            options = {**uids, **common, **share}
            place = folder / options.pop("folder", "")
            made.append(make_series(place, name=f"{name}{number}", **options))
        return made[0]

    return build


def also(build: Build, *more: Callable[[Path, Series], Any]) -> Build:
    """What ``build`` writes, then changed or with files added."""

    def both(folder: Path, name: str) -> Series:
        made = build(folder, name)
        for do in more:
            do(folder, made)
        return made

    return both


def number_from(first: int, step: int = 1) -> Callable[[int, Dataset], None]:
    """InstanceNumber of plane 0, and the step to the next plane."""

    def edit(index: int, dataset: Dataset) -> None:
        dataset.InstanceNumber = first + step * index

    return edit


def private_phase(value: str) -> Callable[[int, Dataset], None]:
    """A private element with one value for all planes."""

    def edit(_: int, dataset: Dataset) -> None:
        block = dataset.private_block(0x0019, "PHANTOM 1", create=True)
        block.add_new(0x23, "LO", value)

    return edit


def z_positions(*offsets: float) -> list[tuple[float, float, float]]:
    """Origins of axial planes at these z."""
    return [(-11.0, -9.5, z) for z in offsets]


def of_the_file(made: Series) -> NDArray[Any]:
    """The rescaled values in plane order."""
    return made.hu


def as_stored(made: Series) -> NDArray[Any]:
    """The stored values in plane order."""
    return np.stack(made.stored)


def turned(degrees_x: float, degrees_z: float) -> tuple[float, ...]:
    """Direction cosines of axial planes turned about x, then about z."""
    a, b = np.deg2rad(degrees_x), np.deg2rad(degrees_z)
    about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    column = np.array([0, np.cos(a), np.sin(a)])
    return (*(about_z @ [1, 0, 0]), *(about_z @ column))


# Grouping and splitting ----------------------------------------------------------------------

SPLIT, CONFLICT, REUSED = "split_series", "conflicting_slices", "reused_series_uid"

MEANINGLESS_NAMES = {"shuffle_seed": 5}
"""For layers: the names of their files show no order."""

AMBIGUOUS = Volume(
    12,
    f"{SPLIT} {CONFLICT} ambiguous_layers",
    status="rejected",
    reason="ambiguous_layers",
    said="accept_ambiguous_layers",
)


def without_uids(_: int, dataset: Dataset) -> None:
    """Empty the UIDs that say which series and study an image belongs to."""
    dataset.SeriesInstanceUID = dataset.StudyInstanceUID = ""


def copy_with_another_study(folder: Path, made: Series) -> None:
    """Write all files again as a viewer does that sends them with a follow-up."""
    (folder / "follow-up").mkdir()
    for path in made.paths:
        dataset = dcmread(path)
        dataset.StudyInstanceUID = make_uid("follow-up")
        write(dataset, folder / "follow-up" / path.name)


GROUPING = [
    Case("plain", series(), (Volume(12),)),
    Case(
        "two_phases",
        together({"AcquisitionNumber": 1}, {"AcquisitionNumber": 2, "hu_offset": 300.0}),
        (Volume(12, SPLIT), Volume(12, SPLIT, offset=300.0)),
    ),
    Case(
        "two_phases_without_a_tag",
        together({}, {"hu_offset": 300.0, "edit": number_from(13)}),
        (
            Volume(12, f"{SPLIT} conflicting_slices"),
            Volume(12, f"{SPLIT} conflicting_slices", offset=300.0),
        ),
    ),
    Case(
        "two_kernels",
        together({"ConvolutionKernel": "B30f"}, {"ConvolutionKernel": "B70f", "hu_offset": 9.0}),
        (Volume(12, SPLIT), Volume(12, SPLIT, offset=9.0)),
    ),
    Case(
        "two_patients_that_abut",
        together(
            {"PatientID": "one"}, {"PatientID": "two", "start": 12, "n": 11, "hu_offset": 300.0}
        ),
        (Volume(12, REUSED), Volume(11, REUSED, offset=300.0)),
    ),
    Case(
        "two_studies_between_each_other",
        together(
            {},
            {"study_uid": "2.25.7", "n": 11, "origin": (-11.0, -9.5, -12.75), "hu_offset": 300.0},
        ),
        (Volume(11, REUSED, offset=300.0), Volume(12, REUSED)),
    ),
    Case(
        "a_copy_sent_with_another_study",
        also(series(), copy_with_another_study),
        (Volume(12, "duplicate_slices"),),
        {"slice": 12, "duplicate": 12},
    ),
    Case(
        "two_patients_without_uids",
        together(
            {"PatientID": "one"},
            {"PatientID": "two", "n": 11, "hu_offset": 300.0},
            edit=without_uids,
        ),
        (Volume(11, REUSED, offset=300.0), Volume(12, REUSED)),
    ),
    Case(
        "two_series_numbers_without_uids",
        together(
            {"SeriesNumber": 2},
            {"SeriesNumber": 3, "n": 11, "hu_offset": 300.0},
            edit=without_uids,
        ),
        (Volume(11, offset=300.0), Volume(12)),
    ),
    *(
        Case(
            f"layers_by_{keyword}",
            together(
                {keyword: one, **MEANINGLESS_NAMES},
                {keyword: other, "hu_offset": 300.0, **MEANINGLESS_NAMES},
            ),
            (Volume(12, SPLIT), Volume(12, SPLIT, offset=300.0)),
        )
        for keyword, one, other in [
            ("KVP", 80, 140),
            ("ScanOptions", "CINE", "HELICAL"),
            ("TemporalPositionIndex", 1, 2),
            ("NominalPercentageOfCardiacPhase", 30.0, 70.0),
            ("ImageComments", "140 kV", "80 kV"),
            ("AcquisitionTime", "101500", "101700"),
            ("ContrastBolusAgent", "Iodine", ""),
        ]
    ),
    Case(
        "layers_by_folder",
        together(
            *(
                {"folder": f"phase{t}", "hu_offset": 100.0 * t, **MEANINGLESS_NAMES}
                for t in range(3)
            )
        ),
        tuple(Volume(12, SPLIT, offset=100.0 * t) for t in range(3)),
    ),
    Case(
        "layers_by_times_along_the_stack",
        together(
            {"ContentTime": lambda index: f"1015{index:02d}"},
            {"ContentTime": lambda index: f"1025{index:02d}", "hu_offset": 300.0},
            **MEANINGLESS_NAMES,
        ),
        (Volume(12, f"{SPLIT} {CONFLICT}"), Volume(12, f"{SPLIT} {CONFLICT}", offset=300.0)),
    ),
    Case(
        "layers_that_nothing_explains",
        together(
            MEANINGLESS_NAMES,
            {"hu_offset": 300.0, **MEANINGLESS_NAMES},
            ExposureTime=lambda index: 500 + 7 * index % 5,
        ),
        (AMBIGUOUS, AMBIGUOUS),
    ),
    Case(
        "thick_and_thin",
        together(
            {"n": 30, "spacing": (1.0, 0.8, 0.7)},
            {"n": 6, "spacing": (5.0, 0.8, 0.7), "hu_offset": 300.0},
        ),
        (Volume(30, SPLIT), Volume(6, SPLIT, offset=300.0)),
    ),
    Case(
        "two_spectra_half_a_plane_apart",
        together(
            {"KVP": 80},
            {"KVP": 140, "origin": (-11.0, -9.5, -12.75), "hu_offset": 300.0},
        ),
        (Volume(12, SPLIT), Volume(12, SPLIT, offset=300.0)),
    ),
    Case(
        "two_spectra_half_a_plane_apart_by_a_comment",
        together(
            {"ImageComments": "80 kV"},
            {"ImageComments": "140 kV", "origin": (-11.0, -9.5, -12.75), "hu_offset": 300.0},
        ),
        (Volume(12, SPLIT), Volume(12, SPLIT, offset=300.0)),
    ),
    Case(
        "two_phases_half_a_plane_apart_in_folders",
        together(
            {"folder": "a"},
            {"folder": "b", "origin": (-11.0, -9.5, -12.75), "hu_offset": 300.0},
        ),
        (Volume(12, SPLIT), Volume(12, SPLIT, offset=300.0)),
    ),
    Case(
        "two_phases_a_quarter_of_a_plane_apart_by_a_private_element",
        together(
            {"edit": private_phase("1")},
            {"edit": private_phase("2"), "origin": (-11.0, -9.5, -13.29), "hu_offset": 300.0},
        ),
        (Volume(12, SPLIT), Volume(12, SPLIT, offset=300.0)),
    ),
    Case(
        "overlapping_planes_of_one_stack_whose_tube_current_alternates",
        series(
            n=24,
            spacing=(1.25, 0.8, 0.7),
            SliceThickness="2.5",
            XRayTubeCurrent=lambda index: 100 + 50 * (index % 2),
            FocalSpots=lambda index: "0.6" if index % 2 else "1.2",
        ),
        (Volume(24),),
    ),
    Case(
        "overlapping_planes_with_a_private_element_that_alternates",
        series(
            n=24,
            spacing=(1.25, 0.8, 0.7),
            SliceThickness="2.5",
            edit=lambda index, dataset: private_phase(str(index % 2))(index, dataset),
        ),
        (Volume(24, "interleaved_stacks"),),
    ),
    Case(
        "thick_between_thin",
        together(
            {"n": 30, "spacing": (1.0, 0.8, 0.7)},
            {
                "n": 6,
                "spacing": (5.0, 0.8, 0.7),
                "origin": (-11.0, -9.5, -13.5),
                "hu_offset": 300.0,
            },
        ),
        (Volume(30, SPLIT), Volume(6, SPLIT, offset=300.0)),
    ),
    Case(
        "the_same_hu_stored_twice",
        together(MEANINGLESS_NAMES, {"signed": True, "bits_stored": 16, **MEANINGLESS_NAMES}),
        (Volume(12, "duplicate_slices"),),
        {"slice": 12, "duplicate": 12},
    ),
    Case(
        "second_pass_on_the_same_positions",
        together(
            {"AcquisitionNumber": 1}, {"AcquisitionNumber": 2, "start": 6, "hu_offset": 300.0}
        ),
        (Volume(12, SPLIT), Volume(12, SPLIT, offset=300.0)),
    ),
    Case(
        "second_pass_without_a_tag",
        together({}, {"start": 6, "hu_offset": 300.0, "edit": number_from(13)}),
        (
            Volume(12, f"{SPLIT} conflicting_slices"),
            Volume(12, f"{SPLIT} conflicting_slices", offset=300.0),
        ),
    ),
    Case(
        "second_pass_between_the_positions",
        together(
            {"AcquisitionNumber": 1, "n": 20},
            {"AcquisitionNumber": 2, "n": 20, "origin": (-11.0, -9.5, 12.25)},
        ),
        (Volume(20, SPLIT), Volume(20, SPLIT)),
    ),
    Case(
        "acquisitions_that_continue",
        series(AcquisitionNumber=lambda index: 1 + index // 6),
        (Volume(12),),
    ),
    Case(
        "exposure_time_and_description_differ",
        series(
            XRayTubeCurrent=lambda index: 100 + index,
            ExposureTime=lambda index: 500 + index,
            SeriesDescription=lambda index: f"part {index % 2}",
            StudyTime=lambda index: f"1011{index:02d}",
            ContentTime=lambda index: f"1012{index:02d}",
        ),
        (Volume(12),),
    ),
    Case(
        "one_slice_of_another_matrix",
        together({}, {"n": 1, "start": 12, "rows": 16}),
        (Volume(12, SPLIT), Volume(1, f"{SPLIT} single_slice")),
    ),
    Case(
        "two_pixel_spacings",
        together({}, {"start": 12, "n": 5, "spacing": (2.5, 0.5, 0.5)}),
        (Volume(12, SPLIT), Volume(5, SPLIT)),
    ),
    Case("sagittal", series(orientation=(0, 1, 0, 0, 0, -1)), (Volume(12),)),
    Case("coronal", series(orientation=(1, 0, 0, 0, 0, -1)), (Volume(12),)),
    Case("oblique", series(orientation=turned(25.0, 10.0)), (Volume(12),)),
    Case(
        "axial_and_coronal_in_one_series",
        together({}, {"n": 7, "orientation": (1, 0, 0, 0, 0, -1)}),
        (Volume(12, SPLIT), Volume(7, SPLIT)),
    ),
    Case(
        "bolus_monitoring",
        series(
            positions=z_positions(*[5.0] * 6),
            AcquisitionNumber=lambda index: index + 1,
            hu_offset=[20.0 * index for index in range(6)],
        ),
        tuple(Volume(1, f"{SPLIT} single_slice", offset=20.0 * index) for index in range(6)),
    ),
    Case(
        "time_points",
        together(
            *({"TemporalPositionIdentifier": t + 1, "hu_offset": 50.0 * t} for t in range(3)), n=8
        ),
        tuple(Volume(8, SPLIT, offset=50.0 * t) for t in range(3)),
    ),
    Case(
        "heart_phases",
        together(*({"TriggerTime": str(100 * t), "hu_offset": 50.0 * t} for t in range(3)), n=8),
        tuple(Volume(8, SPLIT, offset=50.0 * t) for t in range(3)),
    ),
    Case(
        "frame_of_reference_of_each_slice",
        series(FrameOfReferenceUID=lambda index: make_uid("own frame", index)),
        (Volume(12),),
    ),
    Case(
        "two_frames_of_reference",
        together(
            {"FrameOfReferenceUID": make_uid("one")},
            {"FrameOfReferenceUID": make_uid("two"), "n": 8, "origin": (-11.0, -9.5, 31.3)},
        ),
        (Volume(12, SPLIT), Volume(8, SPLIT)),
    ),
    Case(
        "empty_uids",
        series(
            SeriesInstanceUID="", StudyInstanceUID="", FrameOfReferenceUID="", SOPInstanceUID=""
        ),
        (Volume(12),),
    ),
    Case(
        "empty_uids_in_two_folders",
        together({"folder": "a"}, {"folder": "b", "hu_offset": 7.0}, SeriesInstanceUID=""),
        (Volume(12), Volume(12, offset=7.0)),
    ),
    Case(
        "no_uids_at_all",
        series(
            without=(
                "SeriesInstanceUID",
                "StudyInstanceUID",
                "FrameOfReferenceUID",
                "SOPClassUID",
                "SOPInstanceUID",
            )
        ),
        (Volume(12),),
    ),
    Case(
        "one_series_over_two_folders",
        together({"folder": "a", "n": 6}, {"folder": "b", "n": 6, "start": 6}),
        (Volume(12),),
    ),
    Case(
        "two_series_in_one_folder",
        also(series(), lambda folder, made: make_series(folder, name=made.series_uid)),
        (Volume(12), Volume(12)),
    ),
    Case(
        "copied_folder",
        also(series(), lambda folder, _: shutil.copytree(folder, folder / "copy")),
        (Volume(12, "duplicate_slices"),),
        {"slice": 12, "duplicate": 12},
    ),
    Case(
        "localizer_of_the_same_matrix",
        also(
            series(),
            lambda folder, made: localizer(
                folder,
                series_uid=made.series_uid,
                rows=24,
                columns=32,
                image_type=("ORIGINAL", "PRIMARY", "AXIAL", "Scout"),
                orientation=(1, 0, 0, 0, 1, 0),
            ),
        ),
        (Volume(12, "localizers_removed"),),
        {"slice": 12, "localizer": 1},
    ),
    Case(
        "derived_and_reformatted",
        series(ImageType=lambda _: ["DERIVED", "SECONDARY", "MPR"]),
        (Volume(12),),
    ),
]

# Geometry ------------------------------------------------------------------------------------

JITTER = (1, -1, 0, 1, 0, -1, -1, 1, 0, 1, -1, 1)
"""Directions in which each plane is off, as if the table did not stop exactly."""


def jittered(millimetres: float) -> Build:
    """Planes up to ``millimetres`` away from their place along z."""
    return series(positions=z_positions(*(2.5 * i + millimetres * s for i, s in enumerate(JITTER))))


def jitter_cosines(index: int, dataset: Dataset) -> None:
    """Noise of 3e-4 in the direction cosines of one plane."""
    a, b = np.random.default_rng(index).uniform(-3e-4, 3e-4, 2).round(6)
    dataset.ImageOrientationPatient = ["1", f"{a:.6f}", "0", f"{-a:.6f}", "1", f"{b:.6f}"]


def last_plane_has_no_place(index: int, dataset: Dataset) -> None:
    if index == 11:
        del dataset.ImagePositionPatient


GEOMETRY = [
    Case("tilt_positive", series(tilt_degrees=20.0), (Volume(12, "gantry_tilt"),)),
    Case("tilt_negative", series(tilt_degrees=-20.0), (Volume(12, "gantry_tilt"),)),
    Case(
        "tilt_without_its_tag",
        series(tilt_degrees=15.0, without=["GantryDetectorTilt"]),
        (Volume(12, "gantry_tilt"),),
    ),
    Case("tilt_tag_without_a_tilt", series(GantryDetectorTilt="15"), (Volume(12),)),
    Case(
        "spacing_changes_from_2_to_5_mm",
        series(positions=z_positions(*range(-10, 6, 2), *range(9, 39, 5))),
        (Volume(14, "uneven_spacing"),),
    ),
    Case("one_slice_missing", series(drop=[5]), (Volume(11, "missing_slices"),)),
    Case("slices_missing", series(n=20, drop=[3, 8, 9, 15]), (Volume(16, "missing_slices"),)),
    Case(
        "slices_missing_from_a_tilted_stack",
        series(n=20, drop=[3, 8, 9], tilt_degrees=12.0),
        (Volume(17, "gantry_tilt missing_slices"),),
    ),
    Case(
        "duplicate_of_the_same_pixels",
        series(duplicates={5: "same"}),
        (Volume(12, "duplicate_slices"),),
        {"slice": 12, "duplicate": 1},
    ),
    Case(
        "duplicate_of_other_pixels",
        series(duplicates={5: "other"}),
        (Volume(12, "conflicting_slices"),),
        {"slice": 12, "excluded": 1},
    ),
    Case("jitter_within_tolerance", jittered(0.008), (Volume(12),)),
    Case("jitter_beyond_tolerance", jittered(0.03), (Volume(12, "uneven_spacing"),)),
    Case(
        "one_plane_shifted_sideways",
        series(
            positions=[(-11.0 + 0.5 * (i == 4), -9.5, 2.5 * i) for i in range(12)],
        ),
        (Volume(12, "in_plane_shift"),),
    ),
    Case(
        "position_missing",
        series(without=["ImagePositionPatient"]),
        (Volume(12, "no_geometry", truth=of_the_file),),
    ),
    Case(
        "orientation_missing",
        series(without=["ImageOrientationPatient"]),
        (Volume(12, "no_geometry", truth=of_the_file),),
    ),
    Case(
        "position_of_the_last_slice_missing",
        series(edit=last_plane_has_no_place),
        (
            Volume(11, SPLIT),
            Volume(1, f"{SPLIT} no_geometry single_slice", truth=lambda made: made.hu[11:]),
        ),
    ),
    Case(
        "position_that_does_not_vary",
        series(ImagePositionPatient=["-11", "-9.5", "-14"], edit=number_from(40, -1)),
        (Volume(12, "no_geometry", truth=of_the_file),),
    ),
    Case(
        "no_position_in_two_acquisitions",
        together(
            {"AcquisitionNumber": 1},
            {"AcquisitionNumber": 2, "hu_offset": 300.0},
            without=["ImagePositionPatient", "SliceLocation"],
        ),
        (
            Volume(12, f"{SPLIT} no_geometry", truth=of_the_file),
            Volume(12, f"{SPLIT} no_geometry", truth=lambda made: made.hu + 300.0),
        ),
    ),
    Case(
        "no_position_and_one_number_for_all",
        series(without=["ImagePositionPatient"], edit=number_from(1, 0)),
        (Volume(12, "no_geometry", truth=of_the_file),),
    ),
    Case(
        "no_pixel_spacing_and_numbered_downwards",
        series(without=["PixelSpacing"], edit=number_from(40, -1)),
        (Volume(12, "no_geometry", truth=of_the_file),),
    ),
    Case(
        "cosines_of_another_length",
        series(ImageOrientationPatient=["1.04", "0", "0", "0", "0.98", "0"]),
        (Volume(12, "inexact_orientation"),),
    ),
    Case(
        "cosines_that_jitter",
        series(n=30, edit=jitter_cosines),
        (Volume(30, "inexact_orientation"),),
    ),
    Case(
        "cosines_that_jitter_in_two_phases",
        together(
            {"AcquisitionNumber": 1},
            {"AcquisitionNumber": 2, "hu_offset": 300.0},
            edit=jitter_cosines,
        ),
        (
            Volume(12, f"{SPLIT} inexact_orientation"),
            Volume(12, f"{SPLIT} inexact_orientation", offset=300.0),
        ),
    ),
    Case("numbers_in_steps_of_two", series(edit=number_from(1, 2)), (Volume(12),)),
    Case(
        "numbers_in_steps_of_ten",
        series(edit=number_from(1, 10), SpacingBetweenSlices="2.5", SliceThickness="5"),
        (Volume(12),),
    ),
    Case(
        "two_passes_a_fiftieth_of_the_spacing_apart",
        together(
            {"AcquisitionNumber": 1},
            {"AcquisitionNumber": 2, "origin": (-11.0, -9.5, -13.95), "hu_offset": 300.0},
        ),
        (Volume(12, SPLIT), Volume(12, SPLIT, offset=300.0)),
    ),
    Case(
        "two_passes_a_fiftieth_of_the_spacing_apart_without_a_tag",
        together(
            {},
            {"origin": (-11.0, -9.5, -13.95), "hu_offset": 300.0, "edit": number_from(13)},
        ),
        (
            Volume(12, f"{SPLIT} conflicting_slices"),
            Volume(12, f"{SPLIT} conflicting_slices", offset=300.0),
        ),
    ),
    Case(
        "voxels_below_a_micrometre",
        series(spacing=(0.0007, 0.0007, 0.0007), origin=(0.0, 0.0, 0.0)),
        (Volume(12),),
    ),
    Case(
        "voxels_of_ten_micrometres_with_a_hole",
        series(spacing=(0.01, 0.01, 0.01), origin=(0.0, 0.0, 0.0), drop=[5]),
        (Volume(11, "missing_slices"),),
    ),
    Case(
        "voxels_of_ten_micrometres_in_a_tilted_stack",
        series(spacing=(0.01, 0.01, 0.01), origin=(0.0, 0.0, 0.0), tilt_degrees=15.0),
        (Volume(12, "gantry_tilt"),),
    ),
    Case(
        "voxels_of_ten_micrometres_in_two_fields",
        together(
            {},
            {"origin": (0.08, 0.0, 0.0), "hu_offset": 300.0, "edit": number_from(13)},
            spacing=(0.01, 0.01, 0.01),
            origin=(0.0, 0.0, 0.0),
        ),
        (Volume(12, SPLIT), Volume(12, SPLIT, offset=300.0)),
    ),
    Case(
        "feet_first",
        series(orientation=(-1, 0, 0, 0, 1, 0), origin=(11.0, -9.5, 14.0), PatientPosition="FFS"),
        (Volume(12),),
    ),
    Case("prone", series(orientation=(-1, 0, 0, 0, -1, 0), PatientPosition="HFP"), (Volume(12),)),
    Case(
        "decubitus", series(orientation=(0, -1, 0, 1, 0, 0), PatientPosition="HFDR"), (Volume(12),)
    ),
    Case("negative_spacing_between_slices", series(SpacingBetweenSlices="-2.5"), (Volume(12),)),
    Case("wrong_spacing_between_slices", series(SpacingBetweenSlices="5.0"), (Volume(12),)),
    Case("numbered_downwards", series(edit=number_from(100, -1)), (Volume(12),)),
    Case("numbers_missing", series(without=["InstanceNumber"]), (Volume(12),)),
    Case("single_slice", series(n=1), (Volume(1, "single_slice"),)),
    Case(
        "voltage_changes_along_the_stack",
        series(KVP=["80"] * 5 + ["120"] * 7),
        (Volume(12, "varying_acquisition"),),
    ),
    Case(
        "thickness_changes_along_the_stack",
        series(SliceThickness=["2.5"] * 5 + ["5"] * 7),
        (Volume(12, "varying_acquisition"),),
    ),
]

# Multi-frame ---------------------------------------------------------------------------------

EVERYTHING = ("measures", "orientation", "rescale", "type")
ONE_FILE = {"slice": 1}


def make_a_map(dataset: Dataset) -> None:
    """A perfusion map: named in ImageType, without a rescale."""
    kind = ["DERIVED", "PRIMARY", "PERFUSION", "RCBF"]
    dataset.ImageType = kind
    for item in dataset.PerFrameFunctionalGroupsSequence:
        del item.PixelValueTransformationSequence
        item.CTImageFrameTypeSequence[0].FrameType = kind


def one_classic_file(**tags: Any) -> Build:
    """A classic CT image with all planes as frames, and the position of the first one only."""

    def build(folder: Path, name: str) -> Series:
        made = make_series(folder, name=name, shuffle_seed=None, **tags)
        dataset = dcmread(made.paths[0])
        dataset.NumberOfFrames = len(made.paths)
        dataset.PixelData = b"".join(dcmread(path).PixelData for path in made.paths)
        for path in made.paths:
            path.unlink()
        write(dataset, made.paths[0])
        return made

    return build


def classic_twin(folder: Path, made: Series) -> None:
    make_series(folder, name="twin", series_uid=made.series_uid, study_uid=made.study_uid)


MULTIFRAME = [
    Case("enhanced_shared_groups", frames(shared=EVERYTHING), (Volume(12),), ONE_FILE),
    Case("enhanced_groups_of_each_frame", frames(shared=()), (Volume(12),), ONE_FILE),
    Case(
        "legacy_converted_shared_groups",
        frames(legacy=True, shared=EVERYTHING),
        (Volume(12),),
        ONE_FILE,
    ),
    Case(
        "legacy_converted_groups_of_each_frame",
        frames(legacy=True, shared=()),
        (Volume(12),),
        ONE_FILE,
    ),
    Case(
        "enhanced_tilted",
        frames(tilt_degrees=-15.0),
        (Volume(12, "gantry_tilt"),),
        ONE_FILE,
    ),
    Case(
        "enhanced_two_stacks",
        frames(stacks=2),
        (Volume(12, SPLIT), Volume(12, SPLIT, offset=300.0)),
        ONE_FILE,
    ),
    Case(
        "enhanced_three_time_points",
        frames(stacks=3, n=6, stack_tag="TemporalPositionIndex"),
        tuple(Volume(6, SPLIT, offset=300.0 * t) for t in range(3)),
        ONE_FILE,
    ),
    Case(
        "enhanced_rescale_of_each_frame",
        frames(intercept=[-1000.0 - index for index in range(12)]),
        (Volume(12, "mixed_rescale"),),
        ONE_FILE,
    ),
    Case(
        "enhanced_compressed",
        frames(transfer_syntax="jpeg2000_lossless"),
        (Volume(12),),
        ONE_FILE,
    ),
    Case(
        "enhanced_map",
        frames(shared=("measures", "orientation"), signed=True, edit=make_a_map),
        (Volume(12, "not_hu", kind="rescaled"),),
        ONE_FILE,
    ),
    Case(
        "classic_with_one_position",
        one_classic_file(SpacingBetweenSlices="2.5"),
        (Volume(12, "nominal_positions"),),
        ONE_FILE,
    ),
    Case(
        "classic_with_one_position_against_the_normal",
        one_classic_file(SpacingBetweenSlices="-2.5"),
        (Volume(12, "nominal_positions", truth=lambda made: made.hu[::-1]),),
        ONE_FILE,
    ),
    Case(
        "classic_with_one_position_and_no_spacing",
        one_classic_file(),
        (Volume(12, "no_geometry", truth=of_the_file),),
        ONE_FILE,
    ),
    Case(
        "enhanced_with_its_classic_twin",
        also(frames(), classic_twin),
        (Volume(12, "duplicate_slices"),),
        {"slice": 12, "duplicate": 1},
    ),
    Case(
        "enhanced_in_two_files",
        also(
            frames(n=6),
            lambda folder, made: make_multiframe(
                folder,
                name="more",
                n=6,
                start=6,
                series_uid=made.series_uid,
                study_uid=made.study_uid,
            ),
        ),
        (Volume(12),),
        {"slice": 2},
    ),
]

# Pixels --------------------------------------------------------------------------------------

ALTERNATING = [index % 2 for index in range(12)]


def garbage(index: int, dataset: Dataset) -> None:
    """Pixel data of one plane that no decoder takes."""
    if index == 4:
        dataset.PixelData = encapsulate([b"\xff\x4f\xff\x51" + b"no image" * 20])


def say_video(_: int, dataset: Dataset) -> None:
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.100"


def bad_text(_: int, dataset: Dataset) -> None:
    """A KVP that is not a number."""
    tag = Tag("KVP")
    dataset[tag] = RawDataElement(tag, "DS", 4, b"1x0 ", 0, False, True)


def raw_text(**texts: str) -> Callable[[int, Dataset], None]:
    """Elements whose text no writer of pydicom would let pass, by keyword."""

    def edit(_: int, dataset: Dataset) -> None:
        for keyword, text in texts.items():
            tag, raw = Tag(keyword), text.encode() + b" " * (len(text) % 2)
            dataset[tag] = RawDataElement(tag, "DS", len(raw), raw, 0, False, True)

    return edit


def in_planes(*planes: int, edit: Callable[[int, Dataset], None]) -> Callable[[int, Dataset], None]:
    """The edit in some planes only."""
    return lambda index, dataset: edit(index, dataset) if index in planes else None


def without_intercept(_: int, dataset: Dataset) -> None:
    del dataset.RescaleIntercept


def decimal_commas(_: int, dataset: Dataset) -> None:
    """Numbers as an exporter writes them that minds the language of its user."""
    for keyword in ("ImagePositionPatient", "PixelSpacing", "RescaleIntercept", "RescaleSlope"):
        value = dataset[keyword].value
        parts = value if isinstance(value, MultiValue) else [value]
        text = "\\".join(f"{float(part):.4f}".rstrip("0").replace(".", ",") for part in parts)
        raw_text(**{keyword: text})(0, dataset)


def a_table(_: int, dataset: Dataset) -> None:
    """A modality LUT instead of slope and intercept."""
    del dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType
    table = Dataset()
    table.LUTDescriptor = [4096, 0, 16]
    table.ModalityLUTType = "HU"
    table.add_new(0x00283006, "OW", (np.arange(4096) * 2).astype("<u2").tobytes())
    dataset.ModalityLUTSequence = [table]


def of_acr_nema(_: int, dataset: Dataset) -> None:
    """Position and orientation where ACR-NEMA had them."""
    dataset.add_new(0x00200030, "DS", dataset.ImagePositionPatient)
    dataset.add_new(0x00200035, "DS", dataset.ImageOrientationPatient)
    del dataset.ImagePositionPatient, dataset.ImageOrientationPatient


def compress_files(_: Path, made: Series) -> None:
    """Some files of the series as an archive ships them."""
    for path in made.paths[:3]:
        path.with_suffix(".gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()


def pixels_of_elscint(index: int, dataset: Dataset) -> None:
    """Pixels in a private element, compressed by a method of their maker."""
    if index < 3:
        del dataset.PixelData
        dataset.add_new(0x07A10010, "LO", "ELSCINT1")
        dataset.add_new(0x07A1100A, "OB", bytes(200))


NO_HU = "no_rescale"


def half(name: str, edit: Callable[[int, Dataset], None], flags: str = NO_HU, **more: Any) -> Case:
    """A row for a rescale of which a half is missing: the values stay as stored."""
    volume = Volume(12, flags, kind="stored", truth=as_stored)
    return Case(name, series(edit=edit, **more), (volume,))


def refused(name: str, said: str, **options: Any) -> Case:
    """A row for a rescale that no CT can have."""
    volume = Volume(12, status="failed", reason="cannot_rescale", said=said)
    return Case(name, series(edit=raw_text(**options)), (volume,))


UNPARSED = "unparsed_elements"

RESCALES = [
    half("intercept_missing", without_intercept),
    half("slope_missing", lambda _, dataset: dataset.__delattr__("RescaleSlope")),
    half("intercept_empty", raw_text(RescaleIntercept="")),
    half("intercept_nan", raw_text(RescaleIntercept="NaN"), f"{NO_HU} {UNPARSED}"),
    half("slope_infinite", raw_text(RescaleSlope="inf"), f"{NO_HU} {UNPARSED}"),
    half("intercepts_differ", raw_text(RescaleIntercept="-1024\\0"), f"{NO_HU} {UNPARSED}"),
    half(
        "intercept_missing_in_some_planes",
        in_planes(2, 7, edit=without_intercept),
        f"mixed_rescale {NO_HU}",
    ),
    half(
        "thousands_or_decimals",
        raw_text(RescaleIntercept="-1,024"),
        f"{NO_HU} {UNPARSED}",
    ),
    half("modality_lut", a_table),
    Case(
        "intercept_repeated",
        series(edit=raw_text(RescaleIntercept="-1024\\-1024")),
        (Volume(12, UNPARSED),),
    ),
    Case("decimal_commas", series(edit=decimal_commas), (Volume(12, UNPARSED),)),
    Case(
        "decimal_comma_in_one_plane",
        series(edit=in_planes(5, edit=decimal_commas)),
        (Volume(12, UNPARSED),),
    ),
    refused("slope_absurd", "RescaleSlope 1e+300", RescaleSlope="1e300"),
    refused("intercept_absurd", "RescaleIntercept -1e+09", RescaleIntercept="-1e9"),
]

HEADERS = [
    Case(
        "pixel_spacing_of_one_value",
        series(spacing=(2.5, 0.7, 0.7), edit=raw_text(PixelSpacing="0.7")),
        (Volume(12, UNPARSED),),
    ),
    Case(
        "pixel_spacing_negative",
        series(edit=raw_text(PixelSpacing="-0.8\\0.7")),
        (Volume(12, f"no_geometry {UNPARSED}", truth=of_the_file),),
    ),
    Case("acr_nema_position", series(edit=of_acr_nema), (Volume(12),)),
    Case("photometric_of_acr_nema", series(PhotometricInterpretation="MONOCHROME"), (Volume(12),)),
    Case(
        "compressed_files",
        also(series(), compress_files),
        (Volume(9),),
        {"slice": 9, "not_dicom": 3},
    ),
    Case(
        "pixels_of_elscint",
        series(edit=pixels_of_elscint),
        (
            Volume(
                9,
                "unreadable_files",
                status="failed",
                reason="unreadable_files",
                said="PMSCT_RLE1",
            ),
        ),
        {"slice": 9, "unreadable": 3},
    ),
]


def bits(stored: int, *, signed: bool) -> Case:
    """A row for a pixel format."""
    name = f"{stored}_bits_{'signed' if signed else 'unsigned'}"
    error = 2 * EXACT if stored == 8 else EXACT  # slope 2
    return Case(name, series(bits_stored=stored, signed=signed), (Volume(12, error=error),))


def syntax(name: str, error: float = EXACT, **options: Any) -> Case:
    """A row for a transfer syntax; an error of more than 0.5 belongs to lossy ones."""
    flags = "lossy_compression" if error > EXACT else ""
    build = series(transfer_syntax=name, **options)
    return Case(f"syntax_{name}", build, (Volume(12, flags, error=error),))


def a_body(fault: str, stored: Callable[[NDArray[Any]], NDArray[Any]], **options: Any) -> Case:
    """A row for a body in view whose stored values do not fit their header."""
    seen = stored(body())
    shift = options.setdefault("intercept", 0.0)
    signed = options.setdefault("signed", False)
    due = np.broadcast_to(
        seen.astype("<i2" if signed else "<u2").astype(int) + int(shift), (12, 128, 128)
    )

    def show(_: int, dataset: Dataset) -> None:
        dataset.PixelData = seen.astype("<u2").tobytes()

    build = series(rows=128, columns=128, bits_stored=16, edit=show, hu_offset=1000.0, **options)
    dtype = "int32" if due.max() > 32767 else "int16"
    flags = "suspicious_hu" if fault else ""
    volume = Volume(12, flags, dtype=dtype, truth=lambda _: due, fault=fault)
    return Case(f"body_{fault or 'in_hu'}", build, (volume,))


def said_to_be(old: str, new: str) -> Callable[[Path, Series], None]:
    """The files under another transfer syntax, whose UID is as long."""
    return lambda _, made: (
        [patch_bytes(path, old.encode(), new.encode()) for path in made.paths] and None
    )


def in_fragments(encode: Callable[[bytes], bytes], syntax: str) -> Callable[[int, Dataset], None]:
    """Pixel data in fragments, each frame put through a function."""

    def edit(_: int, dataset: Dataset) -> None:
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.PixelData = encapsulate([encode(dataset.PixelData)])
        dataset["PixelData"].VR = "OB"

    return edit


def deflate(raw: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(raw) + packer.flush()


def jpeg_xl(raw: bytes) -> bytes:
    pixels = np.frombuffer(raw, "<u2").reshape(24, 32)
    return bytes(imagecodecs.jpegxl_encode(pixels, lossless=True))


def swap_pixels(_: int, dataset: Dataset) -> None:
    dataset.PixelData = np.frombuffer(dataset.PixelData, "<u2").astype(">u2").tobytes()


def metal(hu: int) -> Callable[[int, Dataset], None]:
    """A block of metal in signed containers."""

    def edit(_: int, dataset: Dataset) -> None:
        pixels = np.frombuffer(dataset.PixelData, "<i2").reshape(24, 32).copy()
        pixels[8:12, 8:12] = hu
        dataset.PixelData = pixels.tobytes()

    return edit


def with_metal(hu: int) -> Callable[[Series], NDArray[Any]]:
    def truth(made: Series) -> NDArray[Any]:
        values = made.hu.copy()
        values[:, 8:12, 8:12] = hu
        return values

    return truth


def as_floats(vr: str) -> Callable[[int, Dataset], None]:
    """HU as floating point numbers, a quarter above those of the phantom."""

    def edit(_: int, dataset: Dataset) -> None:
        values = np.frombuffer(dataset.PixelData, "<u2") - 1023.75
        del dataset.PixelData, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation
        dataset.RescaleIntercept = 0
        if vr == "OF":
            dataset.BitsAllocated, dataset.FloatPixelData = 32, values.astype("<f4").tobytes()
        else:
            dataset.BitsAllocated, dataset.DoubleFloatPixelData = 64, values.astype("<f8").tobytes()

    return edit


CONTRADICTED = "contradicted_header"
BASELINE_UID = "1.2.840.10008.1.2.4.50"

BITS_AND_SYNTAXES = [
    Case("high_bit_wrong", series(HighBit=15), (Volume(12, CONTRADICTED),)),
    Case("high_bit_wrong_signed", series(HighBit=15, signed=True), (Volume(12, CONTRADICTED),)),
    Case("high_bit_low", series(HighBit=10), (Volume(12, CONTRADICTED),)),
    Case(
        "bits_stored_missing",
        series(without=["BitsStored", "HighBit"]),
        (Volume(12, CONTRADICTED),),
    ),
    Case(
        "beyond_bits_stored",
        series(signed=True, edit=metal(3000)),
        (Volume(12, CONTRADICTED, truth=with_metal(3000)),),
    ),
    Case(
        "big_endian_pixels_of_ge",
        also(
            series(transfer_syntax="implicit", edit=swap_pixels),
            said_to_be("1.2.840.10008.1.2\0", "1.2.840.113619.5.2"),
        ),
        (Volume(12),),
    ),
    Case(
        "uncompressed_pixels_said_to_be_rle",
        also(series(), said_to_be("1.2.840.10008.1.2.1\0", "1.2.840.10008.1.2.5\0")),
        (Volume(12, CONTRADICTED),),
    ),
    Case(
        "syntax_of_nobody",
        also(series(), said_to_be("1.2.840.10008.1.2.1\0", "1.2.840.10008.9.9.9\0")),
        (Volume(12, status="failed", reason="cannot_decode", said="1.2.840.10008.9.9.9"),),
    ),
    Case(
        "syntax_deflated_frame",
        also(
            series(edit=in_fragments(deflate, BASELINE_UID)),
            said_to_be(BASELINE_UID, "1.2.840.10008.1.2.8.1\0"),
        ),
        (Volume(12),),
    ),
    Case(
        "syntax_encapsulated_uncompressed",
        also(
            series(edit=in_fragments(bytes, BASELINE_UID)),
            said_to_be(BASELINE_UID, "1.2.840.10008.1.2.1.98"),
        ),
        (Volume(12),),
    ),
    Case(
        "syntax_jpeg_xl",
        also(
            series(edit=in_fragments(jpeg_xl, "1.2.840.10008.1.2.4.100")),
            said_to_be("1.2.840.10008.1.2.4.100", "1.2.840.10008.1.2.4.110"),
        ),
        (Volume(12),),
    ),
    Case(
        "float_pixels",
        series(edit=as_floats("OF")),
        (Volume(12, offset=0.25, dtype="float32"),),
    ),
    Case(
        "double_float_pixels",
        series(edit=as_floats("OD")),
        (Volume(12, offset=0.25, dtype="float32"),),
    ),
]

LOSSLESS = (
    "implicit", "explicit", "big_endian", "deflated", "rle", "jpeg_lossless", "jpeg_lossless_sv1",
    "jpeg_ls", "jpeg2000_lossless", "htj2k",
)  # fmt: skip

PIXELS = [
    *(bits(stored, signed=signed) for stored in (8, 12, 13, 14, 16) for signed in (False, True)),
    Case("stray_bits", series(stray_bits=0xF000), (Volume(12, "contradicted_header"),)),
    Case(
        "stray_bits_signed",
        series(stray_bits=0xA000, signed=True),
        (Volume(12, "contradicted_header"),),
    ),
    Case("no_sign_extension", series(stray_bits=0, signed=True), (Volume(12),)),
    Case(
        "stray_bits_compressed",
        series(stray_bits=0xF000, transfer_syntax="jpeg_lossless_sv1"),
        (Volume(12, "contradicted_header"),),
    ),
    Case(
        "mixed_signedness",
        series(signed=[bool(one) for one in ALTERNATING], intercept=-1024.0),
        (Volume(12, "mixed_pixel_format"),),
    ),
    Case(
        "mixed_bits_stored",
        series(bits_stored=[12 + 4 * one for one in ALTERNATING]),
        (Volume(12, "mixed_pixel_format"),),
    ),
    Case(
        "mixed_bits_allocated",
        series(
            bits_stored=[8 + 8 * one for one in ALTERNATING],
            slope=[2.0 - one for one in ALTERNATING],
            intercept=[-160.0 - 864.0 * one for one in ALTERNATING],
        ),
        (Volume(12, "mixed_rescale mixed_pixel_format", error=2 * EXACT),),
    ),
    Case(
        "slope_of_each_slice",
        series(slope=[1.0 + one for one in ALTERNATING]),
        (Volume(12, "mixed_rescale", error=2 * EXACT),),
    ),
    Case(
        "intercept_of_each_slice",
        series(intercept=[-1024.0 + index for index in range(12)]),
        (Volume(12, "mixed_rescale"),),
    ),
    Case("slope_of_a_half", series(slope=0.5), (Volume(12, dtype="float32"),)),
    Case(
        "slopes_that_are_not_whole",
        series(slope=[0.25 + 0.01 * index for index in range(12)], bits_stored=16),
        (Volume(12, "mixed_rescale", dtype="float32"),),
    ),
    Case("intercept_of_a_half", series(intercept=-1000.5), (Volume(12, dtype="float32"),)),
    Case("monochrome1", series(PhotometricInterpretation="MONOCHROME1"), (Volume(12),)),
    Case(
        "padding",
        series(padding=-2000, signed=True, bits_stored=16),
        (Volume(12, "padding"),),
    ),
    Case(
        "padding_above_bits_stored",
        series(padding=63536, bits_stored=12),
        (Volume(12, "padding", dtype="int32"),),
    ),
    Case(
        "values_beyond_int16",
        series(hu_offset=40000.0, bits_stored=16),
        (Volume(12, offset=40000.0, dtype="int32"),),
    ),
    a_body("", lambda hu: np.maximum(hu + 1024, 0), intercept=-1024.0),
    a_body("unsigned_wrap", lambda hu: hu % 65536),
    a_body("rescaled_twice", lambda hu: hu, intercept=-1024.0, signed=True),
    a_body("not_rescaled", lambda hu: np.maximum(hu + 1024, 0)),
    a_body("inverted", lambda hu: -hu, signed=True),
    Case(
        "suspicious_values",
        series(n=24, rows=80, columns=80, hu_offset=20000.0, bits_stored=16),
        (Volume(24, "suspicious_hu", offset=20000.0, fault="unsigned_wrap"),),
    ),
    Case(
        "rescale_type_unspecified",
        series(RescaleType="US"),
        (Volume(12),),
    ),
    Case(
        "spectral_map",
        series(
            slope=0.01,
            intercept=0.0,
            signed=True,
            bits_stored=16,
            ImageType=lambda _: ["DERIVED", "PRIMARY", "AXIAL", "EFF_ATOMIC_NUM"],
            without=["RescaleType"],
        ),
        (Volume(12, "not_hu", kind="rescaled", dtype="float32"),),
    ),
    Case(
        "no_rescale",
        series(signed=True, without=["RescaleSlope", "RescaleIntercept", "RescaleType"]),
        (Volume(12, "no_rescale", kind="stored"),),
    ),
    *(syntax(name) for name in LOSSLESS),
    syntax("jpeg_baseline", bits_stored=8, error=17.0),
    syntax("jpeg_extended", error=8.5),
    syntax("jpeg_ls_near", error=2.5),
    syntax("jpeg2000", error=8.5),
    Case(
        "several_syntaxes_in_one_series",
        series(transfer_syntax=[LOSSLESS[index % len(LOSSLESS)] for index in range(12)]),
        (Volume(12),),
    ),
    Case(
        "syntax_that_nothing_decodes",
        series(transfer_syntax="rle", edit=say_video),
        (Volume(12, "lossy_compression", status="failed", reason="cannot_decode", said="MPEG2"),),
    ),
    Case(
        "damaged_pixels",
        series(transfer_syntax="jpeg2000_lossless", edit=garbage),
        (Volume(12, status="failed", reason="cannot_decode", said="JPEG 2000"),),
    ),
    Case(
        "damaged_pixels_dropped",
        series(transfer_syntax="jpeg2000_lossless", edit=garbage),
        (Volume(11, "missing_slices unreadable_files"),),
        settings="drop",
    ),
    Case(
        "values_stored",
        series(slope=2.0, intercept=-1000.0),
        (Volume(12, kind="stored", truth=as_stored),),
        settings="stored",
    ),
    Case(
        "burned_in_annotation",
        series(BurnedInAnnotation="YES"),
        (Volume(12, "burned_in_annotation"),),
    ),
    Case("element_that_is_no_number", series(edit=bad_text), (Volume(12, "unparsed_elements"),)),
    Case(
        "unknown_character_set",
        also(
            series(SpecificCharacterSet="ISO_IR 100", PatientName="Müller^Jürgen"),
            lambda _, made: [patch_bytes(p, b"ISO_IR 100", b"ISO_IR 999") for p in made.paths],
        ),
        (Volume(12),),
    ),
    Case(
        "value_longer_than_the_file",
        also(
            series(ProtocolName="Thorax"),
            lambda _, made: [
                patch_bytes(p, b"\x18\0\x30\x10LO\x06\0", b"\x18\0\x30\x10LO\xff\xff")
                for p in made.paths[5:6]
            ],
        ),
        (Volume(11, "missing_slices"),),
        {"slice": 11, "unreadable": 1},
    ),
    Case(
        "names_in_other_letters",
        series(SpecificCharacterSet="ISO_IR 192", PatientName="Yamada^Tarou=山田^太郎"),
        (Volume(12),),
    ),
]

# The account of every file -------------------------------------------------------------------


def cut(keep: float) -> Callable[[Path, Series], None]:
    """Cut one file of the series short."""
    return lambda _, made: truncate(made.paths[3], keep=keep)


def cut_a_copy(folder: Path, made: Series) -> None:
    """A copy of one file that is cut short, as an interrupted transfer leaves it."""
    copy = folder / "copy.dcm"
    shutil.copy(made.paths[3], copy)
    truncate(copy, keep=0.9)


def damage_a_copy(folder: Path, made: Series) -> None:
    """A copy of one compressed file with pixel data that no decoder takes."""
    dataset = dcmread(made.paths[3])
    garbage(4, dataset)
    write(dataset, folder / "copy.dcm")


def other_kinds(folder: Path, made: Series) -> None:
    """Seven DICOM objects that are not CT images, and five files that are not DICOM."""
    structured_report(folder)
    dicomdir(folder, made)
    secondary_capture(folder)
    secondary_capture(folder, name="page", series_uid=made.series_uid, rgb=False)
    kinds = {
        "MR": "1.2.840.10008.5.1.4.1.1.4",
        "PT": "1.2.840.10008.5.1.4.1.1.128",
        "SEG": "1.2.840.10008.5.1.4.1.1.66.4",
    }
    for modality, uid in kinds.items():
        make_series(folder, n=1, name=modality, SOPClassUID=uid, Modality=modality)
    make_series(
        folder, n=1, name="contours", SOPClassUID="1.2.840.10008.5.1.4.1.1.481.3",
        Modality="RTSTRUCT", without=["PixelData", "Rows", "Columns"],
    )  # fmt: skip
    make_series(
        folder, n=1, name="stub", series_uid=made.series_uid, start=5, without=["PixelData"]
    )
    localizer(folder, series_uid=made.series_uid)
    not_dicom(folder)
    not_dicom(folder, "empty.dcm", b"")
    not_dicom(folder, "short.dcm", b"\0" * 60)
    not_dicom(folder, "zeros.dcm", b"\0" * 4000)
    not_dicom(folder, "picture.png", b"\x89PNG\r\n\x1a\n" + b"\0" * 300)


def odd_names(folder: Path, made: Series) -> None:
    """File names of any bytes, below a folder with such a name."""
    names = [
        b"name with blanks", b"Bild_\xe4\xf6.dcm", "脳.dcm".encode(), b"new\nline.dcm", b"-dash",
        b"quote\"'.dcm", b"comma,semicolon;.dcm", b".hidden", b"IM000001", b"100%.DCM", b"#1.ima",
        b"back\\slash.dcm",
    ]  # fmt: skip
    below = Path(str(folder)) / b"ordner \xfc".decode("utf-8", "surrogateescape")
    below.mkdir()
    for path, name in zip(made.paths, names, strict=True):
        path.rename(below / name.decode("utf-8", "surrogateescape"))


def links(folder: Path, made: Series) -> None:
    """A link to a file of the series, a loop, and a link that leads nowhere."""
    (folder / "link.dcm").symlink_to(made.paths[3])
    (folder / "loop").symlink_to(folder, target_is_directory=True)
    (folder / "nowhere.dcm").symlink_to(folder / "gone.dcm")


LACKS_ONE = "missing_slices unreadable_files"

ACCOUNT = [
    Case(
        "other_kinds_of_files",
        also(series(), other_kinds),
        (Volume(12, "localizers_removed"),),
        {"slice": 12, "not_image": 4, "not_ct": 5, "localizer": 1, "not_dicom": 5},
    ),
    Case(
        "truncated_file",
        also(series(), cut(0.9)),
        (Volume(11, LACKS_ONE, status="failed", reason="unreadable_files", said="cut short"),),
        {"slice": 11, "unreadable": 1},
    ),
    Case(
        "truncated_file_dropped",
        also(series(), cut(0.9)),
        (Volume(11, LACKS_ONE),),
        {"slice": 11, "unreadable": 1},
        settings="drop",
    ),
    Case(
        "truncated_copy_of_a_file",
        also(series(), cut_a_copy),
        (Volume(12, "unreadable_files"),),
        {"slice": 12, "unreadable": 1},
    ),
    Case(
        "truncated_copy_of_an_enhanced_file",
        also(frames(), cut_a_copy),
        (Volume(12, "unreadable_files"),),
        {"slice": 1, "unreadable": 1},
    ),
    Case(
        "damaged_copy_of_a_file",
        also(series(transfer_syntax="jpeg2000_lossless"), damage_a_copy),
        (Volume(12, "unreadable_files"),),
        {"slice": 12, "unreadable": 1},
    ),
    Case(
        "truncated_file_of_a_series_with_one_instance_uid",
        also(series(SOPInstanceUID="1.2.3"), cut(0.9)),
        (Volume(11, LACKS_ONE, status="failed", reason="unreadable_files", said="cut short"),),
        {"slice": 11, "unreadable": 1},
    ),
    Case(
        "truncated_in_the_header",
        also(series(), lambda _, made: truncate(made.paths[3], size=500)),
        (Volume(11, "missing_slices"),),
        {"slice": 11, "unreadable": 1},
    ),
    Case("odd_names", also(series(), odd_names), (Volume(12),)),
    Case(
        "links",
        also(series(), links),
        (Volume(12, "duplicate_slices"),),
        {"slice": 12, "duplicate": 1, "unreadable": 1},
    ),
    Case(
        "mr_in_ct_objects",
        series(Modality="MR", without=["RescaleType"]),
        (),
        {"not_ct": 12},
    ),
    Case(
        "only_a_localizer",
        lambda folder, name: localizer(folder, name=name),
        (),
        {"localizer": 1},
    ),
]

# Policy --------------------------------------------------------------------------------------

POLICY = [
    Case(
        "rejected_by_headers",
        series(tilt_degrees=20.0),
        (Volume(12, "gantry_tilt", status="rejected", reason="gantry_tilt", said="gantry_tilt"),),
        settings="reject",
    ),
    Case(
        "rejected_by_pixels",
        series(n=24, rows=80, columns=80, hu_offset=20000.0, bits_stored=16),
        (Volume(24, "suspicious_hu", status="rejected", reason="suspicious_hu"),),
        settings="reject",
    ),
    Case(
        "rejected_before_a_pixel_is_read",
        series(tilt_degrees=20.0, transfer_syntax="jpeg2000_lossless", edit=garbage),
        (Volume(12, "gantry_tilt", status="rejected", reason="gantry_tilt"),),
        settings="reject",
    ),
    Case("nothing_to_reject", series(), (Volume(12),), settings="reject"),
]

CASES: Sequence[Case] = [
    *GROUPING, *GEOMETRY, *MULTIFRAME, *RESCALES, *HEADERS, *PIXELS, *BITS_AND_SYNTAXES,
    *ACCOUNT, *POLICY,
]  # fmt: skip
