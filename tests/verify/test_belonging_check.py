"""Planes that do not belong together are found from their source files, whatever the plan says."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom import DataElement, Dataset, dcmread
from pydicom.datadict import tag_for_keyword

from converted import convert, plans_in, settings_for
from ct2zarr.codes import Code
from ct2zarr.dicom.frames import read_frames
from ct2zarr.errors import VerificationError, sentence
from ct2zarr.model import Frame, RaisedFlag, VolumePlan
from ct2zarr.verify.belonging_check import check_belonging
from ct2zarr.verify.header_facts import COMPARED, READER, SAME_BYTES
from ct2zarr.verify.verification import verify_volume
from ct2zarr.vocabulary import Belonging, Flag
from phantom import make_multiframe, make_series, patch_bytes, write

ENDS = (0, 11)
"""Planes of twelve whose values are compared; the others are read for this check alone."""


def plan_of(folder: Path, **series: object) -> VolumePlan:
    make_series(folder, **series)  # type: ignore[arg-type]
    (plan,) = plans_in(folder)
    return plan


def rewrite(frame: Frame, edit: Callable[[Dataset], object]) -> None:
    """Change a header and keep the size and the time of its file."""
    path = Path(frame.path)
    before = path.stat()
    dataset = dcmread(path)
    edit(dataset)
    dataset.save_as(path)
    assert path.stat().st_size == before.st_size
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def swap(one: Frame, other: Frame) -> None:
    """Exchange two files of the same size, and keep both times."""
    paths = Path(one.path), Path(other.path)
    contents = [path.read_bytes() for path in paths]
    assert len(contents[0]) == len(contents[1])
    for path, content, frame in zip(paths, reversed(contents), (one, other), strict=True):
        path.write_bytes(content)
        os.utime(path, ns=(frame.mtime_ns, frame.mtime_ns))


def test_planes_of_one_volume_are_constant_and_most_are_compared_by_their_bytes(tmp_path):
    check = check_belonging(plan_of(tmp_path), ENDS)
    assert check.result is Belonging.CONSTANT
    assert (check.planes, check.unreadable) == (12, 0)
    assert check.readers == {READER: 2, SAME_BYTES: 10}
    assert check.constant == COMPARED
    assert (check.varying, check.absent) == ((), ())


def test_every_chosen_plane_is_read_by_pydicom(tmp_path):
    check = check_belonging(plan_of(tmp_path), range(12))
    assert check.readers == {READER: 12}


def test_without_a_chosen_plane_nothing_is_checked_and_the_record_says_so(tmp_path):
    check = check_belonging(plan_of(tmp_path), ())
    assert check.as_json() == {
        "result": "unchecked", "planes": 0, "readers": {}, "unreadable": 0,
        "constant": [], "varying": [], "absent": [],
    }  # fmt: skip


@pytest.mark.parametrize("syntax", ["implicit", "big_endian", "deflated", "rle", "jpeg_ls"])
def test_headers_of_every_encoding_are_read(tmp_path, syntax):
    check = check_belonging(plan_of(tmp_path, transfer_syntax=syntax), ENDS)
    assert (check.result, check.planes, check.constant) == (Belonging.CONSTANT, 12, COMPARED)


def test_frames_of_a_multi_frame_file_are_compared_by_their_functional_groups(tmp_path):
    make_multiframe(tmp_path, shared=())
    (plan,) = plans_in(tmp_path)
    check = check_belonging(plan, ENDS)
    assert (check.result, check.readers) == (Belonging.CONSTANT, {READER: 12})
    assert {"ImageOrientationPatient", "PixelSpacing", "SliceThickness"} <= set(check.constant)


# Broken on purpose ---------------------------------------------------------------------------


def test_files_swapped_between_two_volumes_after_planning_are_found(tmp_path):
    one = plan_of(tmp_path / "a", name="aaa")
    other = plan_of(tmp_path / "b", name="bbb", hu_offset=300)
    done = convert(one, settings_for(tmp_path / "out", verify_slices=2))
    swap(one.planes[4], other.planes[4])
    with pytest.raises(VerificationError, match=r"plane 4 .*another SOPInstanceUID") as caught:
        verify_volume(
            done.paths.store, done.paths.slices, one, done.settings, tuple(done.record.decoders)
        )
    assert caught.value.code is Code.HEADERS_DISAGREE
    assert caught.value.path == one.planes[4].path


def test_phases_of_one_series_that_are_swapped_after_planning_are_found(tmp_path):
    uids = {"series_uid": "1.2.3.4", "study_uid": "1.2.3"}
    make_series(tmp_path, name="p1", AcquisitionNumber=1, **uids)
    make_series(tmp_path, name="p2", AcquisitionNumber=2, hu_offset=300, **uids)
    first, second = plans_in(tmp_path)
    swap(first.planes[7], second.planes[7])
    for plan in (first, second):
        with pytest.raises(VerificationError, match=r"plane 7 .*another SOPInstanceUID"):
            check_belonging(plan, ENDS)


@pytest.mark.parametrize(
    ("keyword", "tags"),
    [
        ("PatientID", {"PatientID": "OTHER"}),
        ("StudyInstanceUID", {"study_uid": "1.2.9"}),
        ("SeriesInstanceUID", {"series_uid": "1.2.8"}),
        ("Modality", {"Modality": "MR"}),
        ("ImageOrientationPatient", {"orientation": (0, 1, 0, -1, 0, 0)}),
        ("PixelSpacing", {"spacing": (2.5, 0.8, 0.75)}),
    ],
)
@pytest.mark.parametrize("place", [0, 5, 11])
def test_a_plane_that_was_planned_into_a_volume_to_which_it_does_not_belong_is_found(
    tmp_path, keyword, tags, place
):
    usual = {"series_uid": "1.2.7", "study_uid": "1.2.6", "PatientID": "PHANTOM"}
    plan = plan_of(tmp_path / "a", name="a", **usual)
    make_series(tmp_path / "b", **{"name": "b", **usual, **tags})
    stranger = frames_in(tmp_path / "b")[place]
    planes = (*plan.planes[:place], stranger, *plan.planes[place + 1 :])
    mixed = replace(plan, planes=planes, series_uid="", study_uid="")
    with pytest.raises(VerificationError, match=f"differ in {keyword}") as caught:
        check_belonging(mixed, ENDS)
    assert {caught.value.facts["one"], caught.value.facts["other"]} & {place}
    assert "OTHER" not in str(caught.value)
    assert Path(caught.value.path or "").name not in sentence(caught.value, private=False)


def frames_in(folder: Path) -> list[Frame]:
    """Frames of a folder by their place along z, whatever role they have."""
    frames = [
        frame
        for path in sorted(folder.iterdir())
        for frame in read_frames("v1", str(folder), str(path))
    ]
    return sorted(frames, key=lambda frame: frame.position or (0, 0, 0))


@pytest.mark.parametrize(
    ("keyword", "edit"),
    [
        ("Modality", lambda dataset: setattr(dataset, "Modality", "MR")),
        ("Rows", lambda dataset: setattr(dataset, "Rows", 23)),
        ("Columns", lambda dataset: setattr(dataset, "Columns", 31)),
    ],
)
def test_a_header_that_was_changed_after_planning_is_found(tmp_path, keyword, edit):
    plan = plan_of(tmp_path)
    rewrite(plan.planes[6], edit)
    with pytest.raises(VerificationError, match=f"differ in {keyword}"):
        check_belonging(plan, ENDS)


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "SeriesInstanceUID"])
def test_files_that_all_bear_another_uid_than_the_plan_are_found(tmp_path, keyword):
    plan = plan_of(tmp_path)
    field = {"StudyInstanceUID": "study_uid", "SeriesInstanceUID": "series_uid"}[keyword]
    with pytest.raises(VerificationError, match=f"another {keyword}") as caught:
        check_belonging(replace(plan, **{field: "1.2.3"}), ENDS)
    public = sentence(caught.value, private=False)
    assert "1.2.3" not in public
    assert getattr(plan, field) not in public


def test_an_absent_value_belongs_to_any(tmp_path):
    plan = plan_of(tmp_path, PatientID=["", *["PHANTOM"] * 11], KVP=[None, *["120"] * 11])
    check = check_belonging(plan, ENDS)
    assert check.result is Belonging.CONSTANT
    assert "PatientID" in check.constant


def test_what_no_plane_has_is_recorded_as_absent(tmp_path):
    check = check_belonging(plan_of(tmp_path, without=("PatientID", "KVP")), ENDS)
    assert check.absent == ("PatientID", "KVP")
    assert check.result is Belonging.CONSTANT


# What may vary -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keyword", "values"),
    [("KVP", ["80"] * 4 + ["120"] * 8), ("SliceThickness", ["2.5"] * 4 + ["5.0"] * 8)],
)
def test_an_acquisition_that_varies_is_flagged_and_fails_without_the_flag(
    tmp_path, keyword, values
):
    plan = plan_of(tmp_path, **{keyword: values})
    flags = {raised.flag: raised.evidence for raised in plan.flags}
    counts = {f"{float(value):g}": values.count(value) for value in values}
    assert flags == {Flag.VARYING_ACQUISITION: {keyword: counts}}
    check = check_belonging(plan, ENDS)
    assert (check.result, check.varying) == (Belonging.FLAGGED, (keyword,))
    assert keyword not in check.constant
    with pytest.raises(VerificationError, match=f"{keyword} differs between the files"):
        check_belonging(replace(plan, flags=()), ENDS)
    other = RaisedFlag(Flag.VARYING_ACQUISITION, {"Exposure": {}})
    with pytest.raises(VerificationError, match=f"{keyword} differs"):
        check_belonging(replace(plan, flags=(other,)), ENDS)


def test_a_header_that_nobody_can_read_leaves_the_volume_unchecked(tmp_path):
    plan = plan_of(tmp_path)
    Path(plan.planes[3].path).unlink()
    check = check_belonging(plan, ENDS)
    assert (check.result, check.planes, check.unreadable) == (Belonging.UNCHECKED, 11, 1)


# The limits ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("jitter", "found"), [(3e-4, False), (0.05, True)])
def test_noise_of_cosines_is_no_other_orientation(tmp_path, jitter, found):
    plan = plan_of(tmp_path)
    make_series(tmp_path / "b", orientation=(1, jitter, 0, -jitter, 1, 0))
    turned = frames_in(tmp_path / "b")[5]
    planes = (*plan.planes[:5], turned, *plan.planes[6:])
    mixed = replace(plan, planes=planes, series_uid="", study_uid="")
    if found:
        with pytest.raises(VerificationError, match="ImageOrientationPatient"):
            check_belonging(mixed, ENDS)
    else:
        assert check_belonging(mixed, ENDS).result is Belonging.CONSTANT


@pytest.mark.parametrize("value", ["NaN", "inf", "1e400", "1_5", "abc", "120,0,0", "1 2"])
@pytest.mark.parametrize("keyword", ["KVP", "SliceThickness"])
@pytest.mark.parametrize("place", [0, 6])
def test_what_is_no_number_to_the_scan_is_none_to_the_check(tmp_path, keyword, value, place):
    series = make_series(tmp_path / "in")
    path = Path(series.paths[place])
    dataset = dcmread(path)
    dataset[keyword] = DataElement(keyword, "LO", value)
    write(dataset, path)
    tag = tag_for_keyword(keyword) or 0
    head = (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little")
    patch_bytes(path, head + b"LO", head + b"DS")
    (plan,) = plans_in(tmp_path / "in")
    done = convert(plan, settings_for(tmp_path))
    assert done.record.verification["ok"] is True
    assert Flag.VARYING_ACQUISITION not in done.record.flags


def test_of_several_patients_the_first_two_are_named(tmp_path):
    plan = plan_of(tmp_path, PatientID="PATIENT_1")
    for place, patient in ((3, "PATIENT_2"), (5, "PATIENT_3"), (7, "PATIENT_2")):
        rewrite(
            plan.planes[place], lambda dataset, name=patient: setattr(dataset, "PatientID", name)
        )
    with pytest.raises(VerificationError, match="differ in PatientID") as caught:
        check_belonging(plan, ENDS)
    assert (caught.value.facts["one"], caught.value.facts["other"]) == (0, 3)
    assert caught.value.path == plan.planes[3].path
