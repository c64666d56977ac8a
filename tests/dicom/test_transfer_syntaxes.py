"""Which transfer syntaxes are compressed, which are lossy, and their names in sentences."""

import warnings

import pytest
from pydicom.uid import UID, AllTransferSyntaxes

from ct2zarr.dicom import transfer_syntaxes as syntaxes
from ct2zarr.errors import Private

STREAMED = "1.2.840.10008.1.2.7."
"""Syntaxes of live video and sound, which no file has."""


@pytest.mark.parametrize(
    "uid",
    [uid for uid in AllTransferSyntaxes if not uid.startswith(STREAMED)],
    ids=lambda uid: uid.name,
)
def test_encapsulated_syntaxes_are_those_of_the_standard(uid):
    assert syntaxes.is_encapsulated(uid) == uid.is_encapsulated


def test_no_lossless_syntax_counts_as_lossy():
    lossless = [uid for uid in syntaxes.ALWAYS_LOSSY if "Lossless" in UID(uid).name]
    assert [uid for uid in lossless if "Near" not in UID(uid).name] == []
    assert syntaxes.JPEG_LS_NEAR in syntaxes.ALWAYS_LOSSY
    assert syntaxes.COSINE_TRANSFORMED <= syntaxes.ALWAYS_LOSSY
    assert not syntaxes.LOSSY_OR_NOT & syntaxes.ALWAYS_LOSSY


@pytest.mark.parametrize(
    "uid",
    [
        *syntaxes.JPEG_FAMILY, *syntaxes.JPEG_LS_FAMILY, *syntaxes.JPEG_2000_FAMILY,
        *syntaxes.HTJ2K_FAMILY, syntaxes.RLE, syntaxes.JPEG_2000_MULTICOMPONENT,
        syntaxes.IMPLICIT_LITTLE, syntaxes.EXPLICIT_LITTLE, syntaxes.EXPLICIT_BIG,
        syntaxes.DEFLATED,
    ],
)  # fmt: skip
def test_a_known_syntax_is_named_with_its_uid(uid):
    name = syntaxes.syntax_name(uid)
    assert name == f"{UID(uid).name} ({uid})"
    assert not isinstance(name, Private)


def test_a_uid_that_dicom_does_not_know_may_be_anything_and_is_private():
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a warning would repeat the text
        name = syntaxes.syntax_name("DOE^JANE")
    assert name == "transfer syntax DOE^JANE"
    assert isinstance(name, Private)
