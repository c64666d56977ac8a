"""Elements to the values of series.json and the cells of slices.csv."""

import struct

import pytest

from ct2zarr.dicom.tag_values import NOT_PARSED, ParsingContext, as_text, parse_value

KVP, ROWS, PADDING, NAME, COMMENTS, UID, CODE = (
    0x00180060, 0x00280010, 0x00280120, 0x00100010, 0x00104000, 0x0020000D, 0x00080008,
)  # fmt: skip
PLAIN = ParsingContext(b"", little_endian=True, signed=False)
UTF_8 = ParsingContext(b"ISO_IR 192", little_endian=True, signed=False)


def parse(tag: int, vr: str, raw: bytes, context: ParsingContext = PLAIN):
    return parse_value(tag, (vr, raw), context)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"120", 120), (b"5.0 ", 5), (b"5.5", 5.5),
        (b"1\\2.5", [1, 2.5]), (b"1\\\\3", [1, None, 3]),
        (b"", None), (b" \0", None), (b"\\", None), (b"1\0", 1), (b"\n2\r", 2),
    ],
)  # fmt: skip
def test_a_decimal_string_is_a_number_and_whole_where_it_can_be(raw, value):
    found = parse(KVP, "DS", raw)
    assert found == value
    assert isinstance(found, type(value))


@pytest.mark.parametrize("raw", [b"1_5", b"nan", b"1,5", b"x", b"\xff"])
def test_a_decimal_string_that_is_none_is_not_parsed(raw):
    with pytest.raises(NOT_PARSED):
        parse(KVP, "DS", raw)


def test_the_dictionary_gives_the_vr_that_the_file_does_not_state():
    for vr in ("", "UN"):
        assert parse(ROWS, vr, b"\x02\x01") == 0x0102
        assert parse(KVP, vr, b"120 ") == 120


@pytest.mark.parametrize(("signed", "value"), [(True, -2000), (False, 63536)])
def test_an_ambiguous_vr_follows_the_sign_of_the_pixels(signed, value):
    context = ParsingContext(b"", little_endian=True, signed=signed)
    assert parse(PADDING, "", struct.pack("<H", 63536), context) == value


def test_binary_numbers_follow_the_byte_order():
    context = ParsingContext(b"", little_endian=False, signed=False)
    assert parse(ROWS, "US", b"\x02\x01", context) == 0x0201
    assert parse(ROWS, "US", b"\x02\x01\x03\x01") == [0x0102, 0x0103]
    with pytest.raises(NOT_PARSED):
        parse(ROWS, "US", b"\x02\x01\x03")
    with pytest.raises(NOT_PARSED):
        parse(KVP, "FD", struct.pack("<d", float("nan")))


def test_a_backslash_divides_codes_and_is_text_in_comments():
    assert parse(CODE, "CS", b"ORIGINAL\\PRIMARY ") == ["ORIGINAL", "PRIMARY"]
    assert parse(CODE, "CS", b"AXIAL\\") == ["AXIAL", None]
    assert parse(COMMENTS, "LT", b" a\\b \0") == "a\\b"
    assert parse(COMMENTS, "LT", b" \0") is None


def test_text_outside_its_character_set_is_not_parsed():
    assert parse(NAME, "PN", "Müller".encode(), UTF_8) == "Müller"
    with pytest.raises(ValueError, match="character set") as caught:
        parse(NAME, "PN", "Müller".encode("latin-1"), UTF_8)
    assert "ller" not in str(caught.value)


def test_codes_are_ascii():
    with pytest.raises(NOT_PARSED):
        parse(CODE, "CS", "Ä".encode(), UTF_8)


def test_a_uid_is_read_as_by_the_scan():
    assert parse(UID, "UI", b" 1.2.3\t\0") == "1.2.3"
    assert parse(UID, "UI", b"1\0.2") == "1.2"
    assert parse(UID, "UI", b"1.2\\3.4") == ["1.2", "3.4"]
    assert parse(UID, "UI", b"\0") is None


@pytest.mark.parametrize("vr", ["OB", "SQ", "AT"])
def test_what_is_neither_text_nor_number_is_not_parsed(vr):
    with pytest.raises(ValueError, match=vr):
        parse(UID, vr, b"ab")


def test_a_private_element_of_unknown_vr_is_not_parsed():
    with pytest.raises(NOT_PARSED):
        parse(0x00091001, "", b"ab")


@pytest.mark.parametrize(
    ("value", "cell"),
    [(None, ""), (5, "5"), (2.5, "2.5"), ("a", "a"), ([1, None, "b"], "1\\\\b"), ([], "")],
)
def test_a_cell_joins_values_by_a_backslash(value, cell):
    assert as_text(value) == cell
