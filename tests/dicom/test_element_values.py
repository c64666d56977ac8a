"""Bytes of header elements to values, whatever VR the file states."""

import struct

import pytest

from ct2zarr.dicom import element_values as values
from ct2zarr.dicom.header import RawHeader
from ct2zarr.dicom.tags import CHARACTER_SET, SOP_INSTANCE_UID

LATIN_1 = {CHARACTER_SET: ("CS", b"ISO_IR 100")}


def header(found=None, little_endian=True, media="") -> RawHeader:
    return RawHeader(0, found or {}, {}, little_endian, "1.2", "", media, None)


@pytest.mark.parametrize(
    ("raw", "text"),
    [(b"B30f ", "B30f"), (b"a\\ b \\c\0", "a\\b\\c"), (b"", ""), (b" \0", ""), (b"a\0b", "ab")],
)
def test_text_is_stripped_value_by_value(raw, text):
    assert values.read_text("LO", raw, header()) == text


def test_text_is_in_the_character_set_of_the_file():
    assert values.read_text("LO", b"M\xfcller", header(LATIN_1)) == "Müller"
    utf_8 = {CHARACTER_SET: ("CS", b"ISO_IR 192")}
    assert values.read_text("LO", "Müller".encode(), header(utf_8)) == "Müller"


def test_a_code_is_in_upper_case():
    assert values.read_code("CS", b"Axial\\mpr ", header()) == "AXIAL\\MPR"


@pytest.mark.parametrize("vr", ["US", "FD", "SQ"])
@pytest.mark.parametrize("read", [values.read_text, values.read_uid])
def test_numbers_and_sequences_are_no_text(read, vr):
    with pytest.raises(ValueError, match=vr):
        read(vr, b"12", header())


def test_a_uid_does_not_depend_on_the_character_set():
    assert values.read_uid("UI", b"1.2.\xfc\0", header()) == "1.2.ü"
    assert values.read_uid("UI", b"1.2.\xfc\0", header(LATIN_1)) == "1.2.ü"


def test_the_meta_information_gives_a_uid_that_the_data_set_lacks():
    assert values.sop_instance_uid(header(media="1.9")) == "1.9"
    found = {SOP_INSTANCE_UID: ("UI", b"1.2\0")}
    assert values.sop_instance_uid(header(found, media="1.9")) == "1.2"


@pytest.mark.parametrize(
    ("text", "number"), [("1.5", 1.5), (" -2 ", -2.0), ("1e3", 1000.0), ("", None), (" \0", None)]
)
def test_a_decimal_is_a_number_or_empty(text, number):
    assert values.decimal(text) == number


@pytest.mark.parametrize("text", ["1_5", "nan", "inf", "-inf", "1,5", "1.5mm", "0x10"])
def test_a_text_that_is_no_decimal_is_refused(text):
    with pytest.raises(ValueError, match=r".+"):
        values.decimal(text)


def test_decimals_are_none_at_all_where_the_element_is_empty():
    assert values.decimals(b"") == ()
    assert values.decimals(b"1\\\\3") == (1.0, None, 3.0)
    assert values.decimals(b"\\") == (None, None)


@pytest.mark.parametrize(("little_endian", "order"), [(True, "<"), (False, ">")])
@pytest.mark.parametrize(("vr", "letter"), values.BINARY_FORMATS.items())
def test_binary_numbers_are_in_the_byte_order_of_the_file(vr, letter, little_endian, order):
    raw = struct.pack(f"{order}2{letter}", 1, 7)
    assert values.read_floats(vr, raw, header(little_endian=little_endian)) == (1, 7)


def test_bytes_that_are_no_whole_numbers_are_refused():
    with pytest.raises(ValueError, match="3 bytes"):
        values.read_floats("US", b"\1\0\1", header())
    with pytest.raises(ValueError, match="not finite"):
        values.read_floats("FD", struct.pack("<d", float("nan")), header())


def test_one_number_is_one_number():
    assert values.read_float("DS", b"2.5", header()) == 2.5
    assert values.read_float("DS", b"", header()) is None
    with pytest.raises(ValueError, match="more than one"):
        values.read_float("DS", b"1\\2", header())


@pytest.mark.parametrize("raw", [b"1\\2", b"1\\2\\3\\4", b"1\\\\3"])
def test_a_vector_has_exactly_its_number_of_values(raw):
    read = values.vector_reader(3)
    assert read("DS", b"1\\2\\3", header()) == (1.0, 2.0, 3.0)
    assert read("DS", b"\\\\", header()) is None
    assert read("DS", b"", header()) is None
    with pytest.raises(ValueError, match="not 3 values"):
        read("DS", raw, header())


@pytest.mark.parametrize(
    ("raw", "number"), [(b"12", 12), (b"12.0", 12), (b"12\\13", 12), (b"", None), (b"\\13", None)]
)
def test_an_integer_is_the_first_value(raw, number):
    assert values.read_integer("IS", raw, header()) == number


@pytest.mark.parametrize("raw", [b"1.5", b"1e19"])
def test_what_is_no_integer_of_a_header_is_refused(raw):
    with pytest.raises(ValueError, match="not a whole number"):
        values.read_integer("IS", raw, header())
    largest = values.read_integer("IS", b"4611686018427387904", header())
    assert largest == 1 << 62


@pytest.mark.parametrize("vr", ["US", "", "UN"])
def test_a_short_of_the_pixels_is_binary_also_without_its_vr(vr):
    assert values.read_short(vr, b"\x10\0", header()) == 16
    assert values.read_short(vr, b"", header()) == 0


def test_a_negative_short_is_refused():
    with pytest.raises(ValueError, match="negative"):
        values.read_short("SS", b"\xff\xff", header())


def test_an_index_has_the_type_that_its_length_shows():
    assert values.read_index("UN", b"\1\0", header()) == 1
    assert values.read_index("", b"\1\0\1\0", header()) == 65537


def test_yes_is_yes_in_any_case():
    assert values.read_yes("CS", b"Yes ", header())
    assert not values.read_yes("CS", b"NO", header())


def test_a_double_is_binary_also_without_its_vr():
    assert values.read_double("UN", struct.pack("<d", 2.5), header()) == 2.5
    assert values.read_double("DS", b"2.5", header()) == 2.5
