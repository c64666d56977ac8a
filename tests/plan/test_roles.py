"""Roles: what each kind of file becomes, with a reason that a person understands."""

from dataclasses import replace
from pathlib import Path

import pytest

import phantom
from ct2zarr.dicom.frames import CT_CLASSES, read_frames
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


@pytest.mark.parametrize(
    ("changes", "role", "words"),
    [
        ({"sop_class_uid": f"{STORAGE}.4", "modality": "MR"}, Role.NOT_CT, "MR Image Storage is"),
        ({"sop_class_uid": f"{STORAGE}.128"}, Role.NOT_CT, "Positron Emission Tomography Image"),
        ({"sop_class_uid": f"{STORAGE}.66.4"}, Role.NOT_CT, "Segmentation Storage is not CT"),
        ({"sop_class_uid": "1.2.3"}, Role.NOT_CT, "unknown SOP class 1.2.3"),
        ({"sop_class_uid": f"{STORAGE}.7"}, Role.NOT_CT, "include_secondary_capture"),
        ({"sop_class_uid": "", "modality": "MR"}, Role.NOT_CT, "modality MR"),
        ({"sop_class_uid": ""}, Role.SLICE, ""),
        (
            {"sop_class_uid": f"{STORAGE}.481.3", "role": Role.NOT_IMAGE, "rows": 0},
            Role.NOT_IMAGE,
            "RT Structure Set Storage holds no image",
        ),
        ({"role": Role.NOT_IMAGE}, Role.NOT_IMAGE, "CT Image Storage without pixel data"),
        (
            {"sop_class_uid": "1.2.840.10008.1.3.10", "role": Role.NOT_IMAGE},
            Role.NOT_IMAGE,
            "DICOMDIR",
        ),
        ({"samples_per_pixel": 3, "photometric": "RGB"}, Role.EXCLUDED, "a colour image (RGB)"),
        ({"photometric": "PALETTE COLOR"}, Role.EXCLUDED, "a colour image"),
        ({"bits_allocated": 1}, Role.EXCLUDED, "1 bits a sample"),
        ({"rows": 0}, Role.UNREADABLE, "Rows, Columns or BitsAllocated"),
        ({"pixels_missing": 12}, Role.UNREADABLE, "12 bytes are missing"),
        ({"image_type": "ORIGINAL\\PRIMARY\\LOCALIZER"}, Role.LOCALIZER, "localizer"),
        ({"image_type": "SCOUT"}, Role.LOCALIZER, "localizer"),
        ({"image_type": "DERIVED\\SECONDARY\\X\\CT_TOPOGRAM"}, Role.LOCALIZER, "localizer"),
        ({"image_type": "DERIVED\\SECONDARY\\MPR"}, Role.SLICE, ""),
        ({"image_type": ""}, Role.SLICE, ""),
    ],
)
def test_each_kind_of_file_has_its_role_and_reason(
    changes: dict[str, object], role: Role, words: str
) -> None:
    decided = assign_role(replace(CT, **changes), DEFAULT)  # type: ignore[arg-type]
    assert decided.role is role
    assert words in decided.reason
    assert bool(decided.reason) is (role is not Role.SLICE)


def test_secondary_captures_of_ct_are_taken_in_when_asked_for() -> None:
    grey = replace(CT, sop_class_uid=f"{STORAGE}.7")
    assert assign_role(grey, CAPTURES).role is Role.SLICE
    assert assign_role(replace(grey, modality="OT"), CAPTURES).role is Role.NOT_CT
    assert assign_role(replace(grey, samples_per_pixel=3), CAPTURES).role is Role.EXCLUDED


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
    assert ("exclude_image_types" in decided.reason) is (role is Role.EXCLUDED)


def test_final_roles_of_the_reader_stay() -> None:
    for role in (Role.NOT_DICOM, Role.UNREADABLE):
        frame = replace(CT, role=role, reason="as read")
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
