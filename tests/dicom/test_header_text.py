"""Text of header elements in the character set of the file, without the padding of DICOM."""

import warnings

import pytest

from ct2zarr.dicom.header_text import decode_text, decode_uid, encodings_of, split_values


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a", ["a"]),
        (" a \\b\t\\\0", ["a", "b", ""]),
        ("a\0b\\c", ["ab", "c"]),
        ("", [""]),
    ],
)
def test_values_are_split_and_stripped(text, parts):
    assert split_values(text) == parts


def test_a_uid_is_read_whatever_its_bytes_are():
    assert decode_uid(b"1.2.3\0") == "1.2.3"
    assert decode_uid(b"1.2\\1.3 ") == "1.2\\1.3"
    assert decode_uid(b"1.\xff") == "1.ÿ"


@pytest.mark.parametrize(
    ("raw", "character_set", "text"),
    [
        (b"plain", b"", "plain"),
        (b"M\xfcller", b"ISO_IR 100", "Müller"),
        ("Müller".encode(), b"ISO_IR 192", "Müller"),
        (b"\x1b$B;3ED", b"\\ISO 2022 IR 87", "山田"),
        (b"M\xfcller", b"ISO_IR 192", "M\N{REPLACEMENT CHARACTER}ller"),
    ],
)
def test_text_is_decoded_by_the_character_set_that_the_file_declares(raw, character_set, text):
    assert decode_text(raw, character_set) == text


def test_a_name_falls_back_to_the_first_set_behind_its_delimiters():
    raw = b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B"
    assert decode_text(raw, b"\\ISO 2022 IR 87", person_name=True) == "Yamada^Tarou=山田^太郎"


def test_no_warning_repeats_a_value_of_the_header():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = warnings.filters[:]
        decode_text(b"DOE\xff^JANE", b"ISO_IR 192")
        assert warnings.filters == before


def test_encodings_have_their_names_in_python():
    assert encodings_of(b"ISO_IR 192") == ["UTF8"]
    assert encodings_of(b"") == ["iso8859"]


@pytest.mark.parametrize(
    ("delimiter", "in_names", "in_texts"),
    [
        (b"^", "é", "щ"), (b"=", "é", "é"), (b"\\", "é", "é"), (b"\r", "щ", "é"),
        (b"\n", "щ", "é"), (b"\t", "щ", "é"), (b"\f", "щ", "é"), (b" ", "щ", "щ"),
    ],
)  # fmt: skip
def test_each_delimiter_ends_another_character_set(delimiter, in_names, in_texts):
    raw = b"\x1b-L\xe9" + delimiter + b"\xe9"
    sets = b"ISO 2022 IR 100\\ISO 2022 IR 144"
    for person_name, due in ((True, in_names), (False, in_texts)):
        found = decode_text(raw, sets, person_name=person_name)
        assert found == "щ" + delimiter.decode() + due
