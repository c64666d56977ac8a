"""Bytes of an element to a value: what each reader takes, and what it refuses."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ct2zarr.dicom.element_values import (
    BINARY_FORMATS,
    Remembered,
    decimal,
    decimals,
    read_as_meant,
    read_code,
    read_double,
    read_float,
    read_floats,
    read_index,
    read_integer,
    read_pixel_spacing,
    read_short,
    read_text,
    read_uid,
    read_yes,
    remember,
    remembered_values,
    sop_instance_uid,
    unpack_binary,
    vector_reader,
)
from ct2zarr.dicom.header import RawHeader
from ct2zarr.dicom.tags import CHARACTER_SET, SOP_INSTANCE_UID


def header(little_endian: bool = True, media: str = "", **values: tuple[str, bytes]) -> RawHeader:
    tags = {"charset": CHARACTER_SET, "sop": SOP_INSTANCE_UID}
    return RawHeader(
        size=0,
        values={tags[name]: raw for name, raw in values.items()},
        groups={},
        little_endian=little_endian,
        transfer_syntax="",
        media_sop_class="",
        media_sop_instance=media,
        pixels=None,
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1.0),
        (" -2.5 ", -2.5),
        ("\0 3\0", 3.0),
        ("\t1e2\r\n", 100.0),
        ("", None),
        ("\0 ", None),
    ],
)
def test_a_decimal_is_read_without_its_padding(text, value):
    assert decimal(text) == value


@pytest.mark.parametrize("text", ["1_5", "nan", "inf", "-inf", "1e400", "1,5", "x", "1 2", "0x1"])
def test_what_is_no_decimal_of_dicom_is_refused(text):
    with pytest.raises(ValueError, match=r"number|finite|float"):
        decimal(text)


def test_an_empty_element_has_no_numbers_and_an_empty_value_is_none():
    assert decimals(b"") == decimals(b" \0") == ()
    assert decimals(b"1\\\\3") == (1.0, None, 3.0)
    assert decimals(b"\\") == (None, None)


@pytest.mark.parametrize(("little", "value"), [(True, 0x0201), (False, 0x0102)])
def test_binary_numbers_follow_the_byte_order_of_the_file(little, value):
    assert unpack_binary("H", b"\x01\x02", little_endian=little) == (value,)


def test_bytes_that_are_no_whole_number_of_values_are_refused():
    with pytest.raises(ValueError, match="3 bytes"):
        unpack_binary("H", b"\x01\x02\x03", little_endian=True)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_binary_numbers_are_finite(number):
    with pytest.raises(ValueError, match="not finite"):
        unpack_binary("d", struct.pack("<d", number), little_endian=True)


def test_the_one_number_of_an_element_is_one():
    assert read_float("DS", b"", header()) is None
    assert read_float("DS", b"2.5 ", header()) == 2.5
    with pytest.raises(ValueError, match="more than one"):
        read_float("DS", b"2.5\\2.5", header())


def test_a_vector_has_exactly_its_numbers_or_none_at_all():
    parse = vector_reader(3)
    assert parse("DS", b"1\\2\\3", header()) == (1.0, 2.0, 3.0)
    assert parse("DS", b"\\\\", header()) is None
    for wrong in (b"1\\2", b"1\\2\\3\\4", b"1\\\\3"):
        with pytest.raises(ValueError, match="not 3 values"):
            parse("DS", wrong, header())


@pytest.mark.parametrize(
    ("raw", "value"), [(b"12", 12), (b"12.0", 12), (b"7\\8", 7), (b"-3", -3), (b"", None)]
)
def test_an_integer_is_the_first_whole_number(raw, value):
    assert read_integer("IS", raw, header()) == value


def test_integers_have_a_bound_that_itself_is_taken():
    assert read_integer("UV", struct.pack("<Q", 1 << 62), header()) == 1 << 62
    with pytest.raises(ValueError, match="whole"):
        read_integer("UV", struct.pack("<Q", (1 << 62) + 1), header())
    with pytest.raises(ValueError, match="whole"):
        read_integer("IS", b"12.5", header())


@pytest.mark.parametrize("vr", ["US", "UN", ""])
def test_a_short_is_read_where_the_vr_is_not_stated(vr):
    assert read_short(vr, b"\x02\x00", header()) == 2
    assert read_short(vr, b"", header()) == 0


def test_a_negative_short_is_refused():
    assert read_short("SS", b"\x00\x00", header()) == 0
    with pytest.raises(ValueError, match="negative"):
        read_short("SS", b"\xff\xff", header())


def test_a_double_and_an_index_are_read_where_the_vr_is_not_stated():
    for vr in ("FD", "UN", ""):
        assert read_double(vr, struct.pack("<d", 1.5), header()) == 1.5
    for vr, raw in (("", b"\x05\x00"), ("UN", b"\x05\x00\x00\x00"), ("UL", b"\x05\x00\x00\x00")):
        assert read_index(vr, raw, header()) == 5


def test_text_is_split_stripped_and_read_in_its_character_set():
    assert read_text("LO", b" a \\\tb\0\r\n", header()) == "a\\b"
    assert read_text("LO", b"a\0b ", header()) == "ab"
    latin = header(charset=("CS", b"ISO_IR 100"))
    assert read_text("LO", "Zürich".encode("latin-1"), latin) == "Zürich"
    with pytest.raises(ValueError, match="US"):
        read_text("US", b"\x01\x00", header())


def test_yes_is_yes_in_any_case_and_nothing_else_is():
    assert read_yes("CS", b"yes ", header())
    assert not read_yes("CS", b"NO", header())


def test_a_uid_does_not_depend_on_the_character_set():
    greek = header(charset=("CS", b"ISO_IR 126"))
    assert read_uid("UI", b"1.2.\xe93\0", greek) == read_uid("UI", b"1.2.\xe93", header())


def test_the_uid_of_the_file_meta_group_stands_in_for_an_absent_one():
    assert sop_instance_uid(header(media="1.2")) == "1.2"
    assert sop_instance_uid(header(media="1.2", sop=("UI", b"\0"))) == "1.2"
    assert sop_instance_uid(header(media="1.2", sop=("UI", b"3.4\0"))) == "3.4"


def test_a_code_is_in_upper_case():
    assert read_code("CS", b"Axial\\mpr ", header()) == "AXIAL\\MPR"


@pytest.mark.parametrize("vr", ["US", "FD", "SQ"])
@pytest.mark.parametrize("read", [read_text, read_uid])
def test_numbers_and_sequences_are_no_text(read, vr):
    with pytest.raises(ValueError, match=vr):
        read(vr, b"12", header())


@pytest.mark.parametrize(("little_endian", "order"), [(True, "<"), (False, ">")])
@pytest.mark.parametrize(("vr", "letter"), BINARY_FORMATS.items())
def test_binary_numbers_are_in_the_byte_order_of_the_file(vr, letter, little_endian, order):
    raw = struct.pack(f"{order}2{letter}", 1, 7)
    assert read_floats(vr, raw, header(little_endian=little_endian)) == (1, 7)


# Elements that do not follow the standard -----------------------------------------------------

SLOPE, INTERCEPT, POSITION, SPACING, NUMBER = (
    0x00281053, 0x00281052, 0x00200032, 0x00280030, 0x00200013,
)  # fmt: skip


@pytest.mark.parametrize(
    ("tag", "reader", "raw", "value"),
    [
        (SLOPE, read_float, b"1,0 ", 1.0),
        (SLOPE, read_float, b"1,000", 1.0),
        (INTERCEPT, read_float, b"-1024,0", -1024.0),
        (INTERCEPT, read_float, b"-1024,", -1024.0),
        (INTERCEPT, read_float, b"-1024\\-1024", -1024.0),
        (INTERCEPT, read_float, b"-1024\\-1024.0", -1024.0),
        (INTERCEPT, read_float, b"-1024,0\\-1024,0", -1024.0),
        (INTERCEPT, read_float, b"-1024\\", -1024.0),
        (INTERCEPT, read_float, b"-1,024E3", -1024.0),
        (POSITION, vector_reader(3), b"-12,0\\-10\\2.5", (-12.0, -10.0, 2.5)),
        (POSITION, vector_reader(3), b"-12,125\\-10,250\\2,500", (-12.125, -10.25, 2.5)),
        (SPACING, read_pixel_spacing, b"0.7", (0.7, 0.7)),
        (SPACING, read_pixel_spacing, b"0,7", (0.7, 0.7)),
        (SPACING, read_pixel_spacing, b"0,8\\0,7", (0.8, 0.7)),
        (NUMBER, read_integer, b"12,0", 12),
    ],
)
def test_what_breaks_the_rules_and_is_plain_is_read_and_reported(tag, reader, raw, value):
    assert read_as_meant(tag, reader, "DS", raw, header()) == (value, False)


@pytest.mark.parametrize(
    ("tag", "reader", "raw"),
    [
        (INTERCEPT, read_float, b"-1,024"),
        (INTERCEPT, read_float, b"-1024\\-1000"),
        (INTERCEPT, read_float, b"1,2,3"),
        (INTERCEPT, read_float, b"1.024,0"),
        (INTERCEPT, read_float, b"nan"),
        (INTERCEPT, read_float, b"x\\x"),
        (SLOPE, read_float, b"inf\\inf"),
        (POSITION, vector_reader(3), b"1\\2"),
        (POSITION, vector_reader(3), b"1"),
        (POSITION, vector_reader(3), b"1\\1"),
        (SPACING, read_pixel_spacing, b"0\\0"),
        (SPACING, read_pixel_spacing, b"0"),
        (SPACING, read_pixel_spacing, b"-0.7\\0.7"),
        (SPACING, read_pixel_spacing, b"0.7\\1e6"),
        (SPACING, read_pixel_spacing, b"1e-9\\1e-9"),
        (NUMBER, read_integer, b"1,5"),
    ],
)
def test_what_is_not_plain_is_no_value(tag, reader, raw):
    assert read_as_meant(tag, reader, "DS", raw, header()) == (None, False)


def test_what_follows_the_rules_is_not_reported():
    assert read_as_meant(INTERCEPT, read_float, "DS", b"-1024", header()) == (-1024.0, True)
    assert read_as_meant(SPACING, read_pixel_spacing, "DS", b"1e-6\\100", header()) == (
        (1e-6, 100.0), True,
    )  # fmt: skip


def test_repeated_binary_numbers_are_one_number():
    raw = struct.pack("<2d", 2.5, 2.5)
    assert read_as_meant(SLOPE, read_float, "FD", raw, header()) == (2.5, False)
    one = struct.pack("<d", 2.5)
    assert read_as_meant(SPACING, read_pixel_spacing, "FD", one, header()) == ((2.5, 2.5), False)
    assert read_as_meant(SLOPE, read_float, "FD", raw[:-1], header()) == (None, False)


@given(
    number=st.decimals(-30000, 30000, places=2),
    count=st.integers(1, 3),
    comma=st.booleans(),
)
def test_a_number_is_the_same_with_a_comma_and_repeated(number, count, comma):
    text = str(number).replace(".", "," if comma else ".")
    raw = "\\".join([text] * count).encode()
    value, regular = read_as_meant(INTERCEPT, read_float, "DS", raw, header())
    assert value == float(number)
    assert regular is (count == 1 and not comma)


def test_each_encoding_remembers_its_own_values() -> None:
    latin, utf_8 = ("CS", b"ISO_IR 100"), ("CS", b"ISO_IR 192")
    own = remembered_values(True, latin)
    assert remembered_values(True, latin) is own
    assert remembered_values(False, latin) is not own
    assert remembered_values(True, utf_8) is not own
    assert remembered_values(True, None) is not own


def test_few_and_short_values_are_remembered() -> None:
    remembered: Remembered = {}
    remember(remembered, (1, ("LO", bytes(257))), ("kernel", "long"))
    assert remembered == {}
    remember(remembered, (1, ("LO", bytes(256))), ("kernel", "short"))
    assert remembered == {(1, ("LO", bytes(256))): ("kernel", "short")}
    for number in range(4095):
        remember(remembered, (number, ("IS", b"1")), ("rows", number))
    assert len(remembered) == 4096
    remember(remembered, (1, ("IS", b"2")), ("rows", 2))
    assert remembered == {(1, ("IS", b"2")): ("rows", 2)}
