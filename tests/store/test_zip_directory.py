"""The directory of a zip file is read as zipfile reads it, and lies in it are found."""

import io
import struct
import zipfile

import pytest

from ct2zarr.store.zip_directory import (
    BadDirectoryError,
    Directory,
    NoDirectoryError,
    read_directory,
)


def directory_of(content: bytes, most: int = 1 << 20) -> Directory:
    return read_directory(lambda count, at: content[at : at + count], len(content), most)


def zip_of(comment: bytes = b"", count: int = 3, **options: bool) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for number in range(count):
            info = zipfile.ZipInfo(f"ä/{number}" if number % 2 else f"volume/{number}")
            info.compress_type = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)[number % 2]
            with archive.open(info, "w", **options) as entry:
                entry.write(bytes(range(number % 200)) * 3)
        archive.mkdir("folder")
        archive.comment = comment
    return file.getvalue()


@pytest.mark.parametrize(
    ("count", "comment"),
    [
        *((count, comment) for count in (0, 3) for comment in (b"", b"x", b"c" * 65_535)),
        (66_000, b"x"),
        pytest.param(66_000, b"", marks=pytest.mark.slow),
        pytest.param(66_000, b"c" * 65_535, marks=pytest.mark.slow),
    ],
)
def test_entries_are_those_that_zipfile_finds(comment: bytes, count: int) -> None:
    content = zip_of(comment, count, force_zip64=True)
    found = directory_of(content, 1 << 23)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        due = {info.filename: info for info in archive.infolist() if not info.is_dir()}
    assert list(found) == list(due)
    for name, info in due.items():
        entry = found.entry(name)
        assert entry is not None
        assert not entry.encrypted
        assert (entry.method, entry.crc, entry.packed, entry.size, entry.offset) == (
            info.compress_type, info.CRC, info.compress_size, info.file_size, info.header_offset,
        )  # fmt: skip
    assert found.entry("folder/") is None


@pytest.mark.parametrize("comment", [b"PK\x05\x06", b"PK\x05\x06" + bytes(30)])
def test_a_comment_like_the_end_of_a_zip_file_is_a_comment(comment: bytes) -> None:
    """zipfile takes it for the end, and finds no entries."""
    assert list(directory_of(zip_of(comment))) == list(directory_of(zip_of()))


@pytest.mark.parametrize("lost", [1, 10, 22, 23])
def test_a_file_that_was_cut_short_has_no_directory(lost: int) -> None:
    with pytest.raises(NoDirectoryError):
        directory_of(zip_of()[:-lost])


def test_the_bound_of_a_directory_is_exact() -> None:
    content = zip_of()
    (length,) = struct.unpack_from("<L", content, len(content) - 10)
    directory_of(content, length)
    with pytest.raises(BadDirectoryError, match=f"it has {length} bytes"):
        directory_of(content, length - 1)


@pytest.mark.parametrize(
    ("place", "change", "said"),
    [
        (-12, 1, "too short"),  # number of entries
        (-12, -1, "not as long"),
        (-10, 1, "not where"),  # bytes of the directory
        (-6, 1, "not where"),  # its offset
    ],
)
def test_an_end_that_contradicts_the_directory_is_damage(
    place: int, change: int, said: str
) -> None:
    content = bytearray(zip_of())
    content[place] += change
    with pytest.raises(BadDirectoryError, match=said):
        directory_of(bytes(content))


@pytest.mark.parametrize("place", [0, 28, 30, 32])
def test_an_entry_that_is_none_or_of_another_length_is_damage(place: int) -> None:
    content = bytearray(zip_of())
    content[content.index(b"PK\x01\x02") + place] += 1
    with pytest.raises(BadDirectoryError, match=r"before its last|not as long"):
        directory_of(bytes(content))


@pytest.mark.parametrize(
    ("flags", "encrypted"), [(0, False), (1, True), (0x40, True), (0x800, False)]
)
def test_any_kind_of_encryption_is_seen(flags: int, encrypted: bool) -> None:
    content = bytearray(zip_of())
    place = content.index(b"PK\x01\x02") + 8
    content[place : place + 2] = struct.pack("<H", flags)
    entry = directory_of(bytes(content)).entry("volume/0")
    assert entry is not None
    assert entry.encrypted is encrypted


def with_extra(extra: bytes, size: int, packed: int, offset: int) -> Directory:
    entry = struct.pack(
        "<4s4B4H3L5H2L", b"PK\x01\x02", 45, 3, 45, 0, 0, 0, 0, 0, 7, packed, size, 1, len(extra),
        0, 0, 0, 0, offset,
    )  # fmt: skip
    content = entry + b"a" + extra
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(content), 0, 0)
    return directory_of(content + end)


MOST = 0xFFFFFFFF


def test_numbers_beyond_32_bits_are_in_the_zip64_field_in_their_order() -> None:
    other = struct.pack("<2H4s", 0x9999, 4, b"abcd")
    for size, packed, offset in [(MOST, MOST, MOST), (5, MOST, MOST), (5, 6, MOST), (MOST, 6, 7)]:
        numbers = [
            value << 33
            for value, given in zip((1, 2, 3), (size, packed, offset), strict=True)
            if given == MOST
        ]
        field = struct.pack(f"<2H{len(numbers)}Q", 1, 8 * len(numbers), *numbers)
        entry = with_extra(other + field, size, packed, offset).entry("a")
        assert entry is not None
        assert [entry.size, entry.packed, entry.offset] == [
            value << 33 if given == MOST else given
            for value, given in zip((1, 2, 3), (size, packed, offset), strict=True)
        ]


@pytest.mark.parametrize("extra", [b"", struct.pack("<2HQ", 1, 8, 1), struct.pack("<2HQ", 2, 8, 1)])
def test_a_zip64_field_that_lacks_numbers_is_damage(extra: bytes) -> None:
    with pytest.raises(BadDirectoryError, match="lacks its sizes"):
        with_extra(extra, MOST, MOST, 0).entry("a")
