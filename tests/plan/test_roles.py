"""Roles: what each kind of file becomes, with a reason that a person understands."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import phantom
from ct2zarr.codes import Code
from ct2zarr.dicom.frames import read_frames
from ct2zarr.dicom.sop_classes import CT_CLASSES
from ct2zarr.model import Frame
from ct2zarr.plan.roles import assign_role
from ct2zarr.run.settings import SelectionSettings
from ct2zarr.vocabulary import Role

CT = Frame(
    "d",
    "/root",
    "/root/file",
    1000,
    0,
    Role.SLICE,
    sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
    modality="CT",
    rows=4,
    columns=4,
    bits_allocated=16,
    photometric="MONOCHROME2",
    image_type="ORIGINAL\\PRIMARY\\AXIAL",
)
DEFAULT = SelectionSettings()
CAPTURES = SelectionSettings(include_secondary_capture=True)
STORAGE = "1.2.840.10008.5.1.4.1.1"


@pytest.mark.parametrize("sop_class", sorted(CT_CLASSES))
def test_ct_classes_may_become_slices(sop_class: str) -> None:
    assert assign_role(replace(CT, sop_class_uid=sop_class), DEFAULT).role is Role.SLICE


SLICES: list[dict[str, Any]] = [
    {},
    {"sop_class_uid": ""},
    {"image_type": ""},
    {"image_type": "DERIVED\\SECONDARY\\MPR"},
    {"photometric": "MONOCHROME1"},
    {"photometric": ""},
    {"bits_allocated": 8},
    {"bits_allocated": 32},
    {"modality": ""},
    {"image_type": "ORIGINAL\\PRIMARY\\SURVIEW"},
]
OTHERS: list[tuple[dict[str, Any], Role, Code, str]] = [
    (
        {"sop_class_uid": f"{STORAGE}.4", "modality": "MR"},
        Role.NOT_CT,
        Code.NOT_CT,
        "the SOP class is MR Image Storage, not CT",
    ),
    (
        {"modality": "MR"},
        Role.NOT_CT,
        Code.NOT_CT,
        "the SOP class is CT Image Storage, but Modality is MR, not CT",
    ),
    (
        {"sop_class_uid": f"{STORAGE}.2.1", "modality": "OT"},
        Role.NOT_CT,
        Code.NOT_CT,
        "the SOP class is Enhanced CT Image Storage, but Modality is OT, not CT",
    ),
    (
        {"sop_class_uid": f"{STORAGE}.128"},
        Role.NOT_CT,
        Code.NOT_CT,
        "the SOP class is Positron Emission Tomography Image Storage, not CT",
    ),
    (
        {"sop_class_uid": "1.2.3"},
        Role.NOT_CT,
        Code.NOT_CT,
        "the SOP class is unknown (1.2.3), not CT",
    ),
    (
        {"sop_class_uid": f"{STORAGE}.7"},
        Role.NOT_CT,
        Code.SECONDARY_CAPTURE,
        "the SOP class is Secondary Capture Image Storage; only include_secondary_capture takes it "
        "in",
    ),
    (
        {"sop_class_uid": f"{STORAGE}.7", "modality": "OT"},
        Role.NOT_CT,
        Code.NOT_CT,
        "the SOP class is Secondary Capture Image Storage, and Modality is OT, not CT",
    ),
    (
        {"sop_class_uid": "", "modality": "MR"},
        Role.NOT_CT,
        Code.NOT_CT,
        "there is no SOP class, and Modality is MR, not CT",
    ),
    (
        {"sop_class_uid": "", "modality": ""},
        Role.NOT_CT,
        Code.NOT_CT,
        "there is no SOP class, and Modality is absent, not CT",
    ),
    (
        {"sop_class_uid": f"{STORAGE}.481.3", "role": Role.NOT_IMAGE, "rows": 0},
        Role.NOT_IMAGE,
        Code.NO_PIXELS,
        "the SOP class is RT Structure Set Storage, which holds no image",
    ),
    (
        {"role": Role.NOT_IMAGE, "rows": 0},
        Role.NOT_IMAGE,
        Code.NO_PIXELS,
        "the SOP class is CT Image Storage, but there are no pixel data",
    ),
    (
        {"sop_class_uid": f"{STORAGE}.481.3", "role": Role.NOT_IMAGE},
        Role.NOT_IMAGE,
        Code.NO_PIXELS,
        "the SOP class is RT Structure Set Storage, but there are no pixel data",
    ),
    (
        {"sop_class_uid": "", "role": Role.NOT_IMAGE},
        Role.NOT_IMAGE,
        Code.NO_PIXELS,
        "the object has no SOP class and no pixel data",
    ),
    (
        {"sop_class_uid": "1.2.840.10008.1.3.10", "role": Role.NOT_IMAGE},
        Role.NOT_IMAGE,
        Code.NO_PIXELS,
        "the file is a DICOMDIR, an index of files, and holds no image",
    ),
    (
        {"samples_per_pixel": 3, "photometric": "RGB"},
        Role.EXCLUDED,
        Code.COLOUR,
        "the image is in colour: PhotometricInterpretation is RGB and SamplesPerPixel is 3",
    ),
    (
        {"samples_per_pixel": 2, "photometric": ""},
        Role.EXCLUDED,
        Code.COLOUR,
        "the image is in colour: PhotometricInterpretation is absent and SamplesPerPixel is 2",
    ),
    (
        {"photometric": "PALETTE COLOR"},
        Role.EXCLUDED,
        Code.COLOUR,
        "the image is in colour: PhotometricInterpretation is PALETTE COLOR and SamplesPerPixel "
        "is 1",
    ),
    (
        {"bits_allocated": 1},
        Role.EXCLUDED,
        Code.BITS_ALLOCATED,
        "BitsAllocated is 1; images of 8, 16 or 32 bits can be converted",
    ),
    (
        {"bits_allocated": 24},
        Role.EXCLUDED,
        Code.BITS_ALLOCATED,
        "BitsAllocated is 24; images of 8, 16 or 32 bits can be converted",
    ),
    *(
        (
            {field: 0},
            Role.UNREADABLE,
            Code.NO_MATRIX,
            "Rows, Columns or BitsAllocated is missing or zero",
        )
        for field in ("rows", "columns", "bits_allocated")
    ),
    (
        {"pixels_missing": 1},
        Role.UNREADABLE,
        Code.TRUNCATED,
        "the pixel data are cut short: 1 bytes are missing",
    ),
    *(
        (
            {"image_type": image_type},
            Role.LOCALIZER,
            Code.LOCALIZER,
            f"ImageType {image_type} is that of a localizer",
        )
        for image_type in (
            "ORIGINAL\\PRIMARY\\LOCALIZER",
            "SCOUT",
            "DERIVED\\SECONDARY\\X\\CT_TOPOGRAM",
        )
    ),
]
"""Fields that differ from a plain slice, and what becomes of the file."""


@pytest.mark.parametrize("changes", SLICES, ids=str)
def test_grey_ct_images_stay_slices_without_a_reason(changes: dict[str, Any]) -> None:
    frame = replace(CT, **changes)
    assert assign_role(frame, DEFAULT) is frame


@pytest.mark.parametrize(("changes", "role", "code", "reason"), OTHERS, ids=str)
def test_each_kind_of_file_has_its_role_code_and_reason(
    changes: dict[str, Any], role: Role, code: Code, reason: str
) -> None:
    decided = assign_role(replace(CT, **changes), DEFAULT)
    assert (decided.role, decided.code, decided.reason) == (role, code, reason)


def test_what_a_file_is_comes_before_what_is_wrong_with_it() -> None:
    """Of several reasons the first in this order is given: kind, damage, localizer, setting."""
    selection = SelectionSettings(exclude_image_types=("SCOUT",))
    faults = {"image_type": "SCOUT", "samples_per_pixel": 3, "pixels_missing": 5}
    other = replace(CT, sop_class_uid=f"{STORAGE}.4", **faults)
    assert assign_role(other, selection).code is Code.NOT_CT
    damaged = replace(CT, **faults)
    assert assign_role(damaged, selection).code is Code.TRUNCATED
    assert assign_role(replace(damaged, pixels_missing=0), selection).code is Code.LOCALIZER
    plain = replace(damaged, pixels_missing=0, image_type="AXIAL")
    assert assign_role(plain, selection).code is Code.COLOUR


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("SCOUT" + "X" * 75, "SCOUT" + "X" * 75),
        ("SCOUT" + "X" * 76, "SCOUT" + "X" * 72 + "..."),
        ("SCOUT\n\x07", "SCOUT??"),
    ],
)
def test_long_and_unprintable_texts_of_a_header_fit_into_a_sentence(text: str, shown: str) -> None:
    decided = assign_role(replace(CT, image_type=text), DEFAULT)
    assert decided.reason == f"ImageType {shown} is that of a localizer"


def test_secondary_captures_of_ct_are_taken_in_when_asked_for() -> None:
    grey = replace(CT, sop_class_uid=f"{STORAGE}.7")
    assert assign_role(grey, CAPTURES).role is Role.SLICE
    assert assign_role(replace(grey, modality="OT"), CAPTURES).role is Role.NOT_CT
    assert assign_role(replace(grey, samples_per_pixel=3), CAPTURES).role is Role.EXCLUDED


def test_a_surview_is_a_scout_among_secondary_captures() -> None:
    capture = replace(CT, sop_class_uid=f"{STORAGE}.7", image_type="DERIVED\\SECONDARY\\SURVIEW")
    assert assign_role(capture, CAPTURES).role is Role.LOCALIZER
    assert assign_role(capture, DEFAULT).role is Role.NOT_CT


@pytest.mark.parametrize(
    ("unwanted", "role"),
    [
        ("axial", Role.EXCLUDED),
        ("PRIMARY\\AXIAL", Role.EXCLUDED),
        ("AXI", Role.SLICE),
        ("ORIGINAL\\AXIAL", Role.SLICE),
    ],
)
def test_exclude_image_types_takes_whole_values(unwanted: str, role: Role) -> None:
    selection = SelectionSettings(exclude_image_types=(unwanted,))
    decided = assign_role(CT, selection)
    assert decided.role is role
    assert (decided.code is Code.EXCLUDED_IMAGE_TYPE) is (role is Role.EXCLUDED)


def test_final_roles_of_the_reader_stay() -> None:
    for role in (Role.NOT_DICOM, Role.UNREADABLE, Role.EXCLUDED):
        frame = replace(CT, role=role, reason="as read", code=Code.DAMAGED)
        assert assign_role(frame, DEFAULT) is frame


def test_files_beside_a_series_get_their_roles(tmp_path: Path) -> None:
    series = phantom.make_series(tmp_path, n=2)
    expected = {
        phantom.localizer(tmp_path).paths[0]: Role.LOCALIZER,
        phantom.secondary_capture(tmp_path): Role.NOT_CT,
        phantom.structured_report(tmp_path): Role.NOT_IMAGE,
        phantom.dicomdir(tmp_path, series): Role.NOT_IMAGE,
        phantom.not_dicom(tmp_path): Role.NOT_DICOM,
        series.paths[0]: Role.SLICE,
    }
    for path, role in expected.items():
        (read,) = read_frames("d", str(tmp_path), str(path))
        assert assign_role(read, DEFAULT).role is role, path.name


def test_no_reason_holds_what_names_a_patient(tmp_path: Path) -> None:
    tags = {"PatientName": "SENTINEL^NAME", "PatientID": "SENTINELID"}
    for number, options in enumerate(
        [{"Modality": "MR", "SOPClassUID": f"{STORAGE}.4"}, {"SamplesPerPixel": 3}]
    ):
        series = phantom.make_series(tmp_path / str(number), n=1, **tags, **options)  # type: ignore[arg-type]
        (read,) = read_frames("d", str(tmp_path), str(series.paths[0]))
        decided = assign_role(read, DEFAULT)
        assert decided.role is not Role.SLICE
        assert "SENTINEL" not in decided.reason
