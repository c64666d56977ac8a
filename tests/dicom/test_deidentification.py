"""What of a patient may leave a conversion, value by value."""

from datetime import date, timedelta

import pytest
from pydicom.datadict import DicomDictionary, tag_for_keyword

from ct2zarr.codes import Code
from ct2zarr.dicom.deidentification import (
    KEPT,
    KEY_VARIABLE,
    LONGEST_SHIFT_DAYS,
    REMOVED,
    SHORTEST_KEY,
    Pseudonyms,
    key_from_environment,
)
from ct2zarr.errors import SettingsError

KEY = b"a key for tests only"


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PatientWeight", 71.9),
        ("PatientSize", 1.79),
        ("PatientBirthDate", "19500101"),
        ("PatientAge", "070Y"),
        ("PatientSex", "F"),
        ("PatientName", "DOE^JANE"),
        ("OtherPatientIDs", "123"),
        ("PregnancyStatus", 2),
        ("StudyTime", "101010"),
        ("AcquisitionDateTime", "20200101101010"),
        ("AccessionNumber", "A1"),
        ("InstitutionName", "Clinic"),
        ("00091001", "private"),
        ("00091001", 5),
        ("NoSuchKeyword", 5),
    ],
)
def test_what_identifies_a_patient_is_not_written(keyword, value):
    assert Pseudonyms(KEY, "p").protect(keyword, value) is None


def test_no_element_on_the_patient_is_written_but_a_pseudonym_of_the_number():
    pseudonyms = Pseudonyms(KEY, "p")
    for tag, (_, _, _, _, keyword) in DicomDictionary.items():
        if tag >> 16 == 0x0010 and keyword and keyword != "PatientID":
            assert pseudonyms.protect(keyword, 5) is None, keyword
    assert pseudonyms.protect("PatientID", "5") not in (None, "5")


@pytest.mark.parametrize("keyword", sorted(REMOVED))
def test_free_text_is_not_written_even_as_a_number(keyword):
    assert Pseudonyms(KEY, "p").protect(keyword, 5) is None


@pytest.mark.parametrize("keyword", sorted(KEPT))
def test_text_that_names_nobody_is_kept(keyword):
    assert Pseudonyms(KEY, "p").protect(keyword, "text") == "text"


def test_numbers_of_the_image_are_kept_and_so_are_lists_of_them():
    pseudonyms = Pseudonyms(KEY, "p")
    assert pseudonyms.protect("KVP", 120) == 120
    assert pseudonyms.protect("Rows", 512) == 512
    assert pseudonyms.protect("PixelPaddingValue", -2000) == -2000  # its VR is "US or SS"
    assert pseudonyms.protect("PixelSpacing", [0.5, 0.7]) == [0.5, 0.7]
    assert pseudonyms.protect("KVP", None) is None


def test_each_value_of_a_list_is_protected():
    pseudonyms = Pseudonyms(KEY, "p")
    assert pseudonyms.protect("InstitutionName", ["a", "b"]) == [None, None]
    first, second = pseudonyms.protect("SOPInstanceUID", ["1.2", "1.3"])
    assert first == pseudonyms.uid("1.2") != second


def test_pseudonyms_are_stable_under_one_key_and_others_under_another():
    one, again = Pseudonyms(KEY, "p"), Pseudonyms(KEY, "p")
    other = Pseudonyms(KEY + b"!", "p")
    for keyword, value in (("PatientID", "p"), ("StudyInstanceUID", "1.2.3"), ("file_name", "p")):
        assert one.protect(keyword, value) == again.protect(keyword, value)
        assert one.protect(keyword, value) != other.protect(keyword, value)
        assert one.protect(keyword, value) != value
    assert one.protect("PatientID", "p") != one.protect("file_name", "p")


def test_pseudonyms_stay_what_they_were():
    """Whoever joins an older conversion by them needs the same ones."""
    pseudonyms = Pseudonyms(KEY, "p")
    assert pseudonyms.protect("PatientID", "p") == "f3deb023ae1ba275"
    assert pseudonyms.uid("1.2.3") == "2.25.70128631431996375328654726096073195"
    assert pseudonyms.protect("StudyDate", "20200229") == "20101126"


def test_the_pseudonym_of_a_uid_is_a_uid_and_nothing_stays_nothing():
    uid = Pseudonyms(KEY, "p").uid("1.2.3")
    assert uid.startswith("2.25.")
    assert len(uid) <= 64
    assert Pseudonyms(KEY, "p").uid("") == ""


def shift_of(patient: str) -> int:
    moved = str(Pseudonyms(KEY, patient).protect("StudyDate", "20200229"))
    there = date(int(moved[:4]), int(moved[4:6]), int(moved[6:]))
    return (date(2020, 2, 29) - there).days


def test_dates_of_a_patient_keep_their_distance_and_those_of_others_move_otherwise():
    pseudonyms = Pseudonyms(KEY, "p")
    days = timedelta(days=shift_of("p"))
    moved = date(2021, 3, 1) - days
    assert pseudonyms.protect("SeriesDate", "20210301") == moved.strftime("%Y%m%d")
    shifts = {shift_of(f"patient {number}") for number in range(200)}
    assert len(shifts) > 150
    assert min(shifts) >= 1
    assert max(shifts) <= LONGEST_SHIFT_DAYS


def test_a_date_in_the_old_form_is_moved_and_one_that_is_none_is_not_written():
    pseudonyms = Pseudonyms(KEY, "p")
    assert pseudonyms.protect("StudyDate", "2020.02.29") == pseudonyms.protect(
        "StudyDate", "20200229"
    )
    for wrong in ("no date", "20200230", "00010101", ""):
        assert pseudonyms.protect("StudyDate", wrong) is None


@pytest.mark.parametrize(
    ("environment", "code"),
    [
        ({}, Code.SETTING_MISSING),
        ({KEY_VARIABLE: ""}, Code.SETTING_MISSING),
        ({KEY_VARIABLE: "k" * (SHORTEST_KEY - 1)}, Code.SETTING_WRONG),
    ],
)
def test_deidentify_without_a_key_does_not_start(environment, code):
    with pytest.raises(SettingsError, match=KEY_VARIABLE) as caught:
        key_from_environment(environment)
    assert caught.value.code is code


def test_a_key_of_just_enough_characters_is_taken():
    assert key_from_environment({KEY_VARIABLE: "k" * SHORTEST_KEY}) == b"k" * SHORTEST_KEY


def test_what_is_kept_or_removed_is_named_by_keywords():
    assert all(tag_for_keyword(keyword) for keyword in KEPT | REMOVED)
