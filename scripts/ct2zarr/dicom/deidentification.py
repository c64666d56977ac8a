"""Which tags may be written under ``deidentify: true``, and in which form.

The Basic Application Level Confidentiality Profile of DICOM PS3.15 (Annex E, table E.1-1) for the
tags that ct2zarr keeps, with the option Retain Longitudinal Temporal Information with Modified
Dates: the dates of a patient move by one offset, so that intervals stay. Pseudonyms are keyed
hashes: the same under the same key, and nobody without the key can compute them.
"""

import hashlib
import os
from collections.abc import Mapping
from datetime import datetime, timedelta

from pydicom.datadict import dictionary_VR, tag_for_keyword

from ..codes import Code
from ..errors import SettingsError
from ..model import Json

KEY_VARIABLE = "CT2ZARR_DEIDENTIFY_KEY"
"""Environment variable with the secret key; it is never written anywhere."""

SHORTEST_KEY = 16
"""Characters; with fewer, identifiers could be found by trying keys."""

LONGEST_SHIFT_DAYS = 3650
"""Dates move back by 1 day to this many: ten years hide the year as well."""

PATIENT_GROUP = 0x0010
"""No element on the patient is written but PatientID, not even numbers such as weight."""

REMOVED = frozenset(
    {
        "StudyDescription",
        "SeriesDescription",
        "ProtocolName",
        "AcquisitionTime",
        "ContentTime",
    }
)
"""Actions X and Z of table E.1-1: not written."""

KEPT = frozenset(
    {
        "Modality",
        "Manufacturer",
        "ManufacturerModelName",
        "BodyPartExamined",
        "ConvolutionKernel",
        "PatientPosition",
        "PhotometricInterpretation",
        "RescaleType",
        "ImageType",
        "LossyImageCompression",
    }
)
"""Text that table E.1-1 does not name."""

_NUMBERS = frozenset({"DS", "IS", "US", "SS", "UL", "SL", "UV", "SV", "FL", "FD"})
_UID_BYTES = 15
"""2.25 and a number of 120 bits has at most 42 of the 64 characters of a UID (PS3.5 B.2)."""
_NAME_BYTES = 8


class Pseudonyms:
    """Replaces the values of one patient."""

    def __init__(self, key: bytes, patient_id: str) -> None:
        self._key = key
        number = int.from_bytes(self._hash("date", patient_id, 8))
        self._shift = timedelta(days=1 + number % LONGEST_SHIFT_DAYS)

    def protect(self, keyword: str, value: Json) -> Json:
        """What may be written for an element, ``None`` for nothing.

        A name that is no DICOM keyword is that of a private or unknown element: not written.
        """
        if value is None or keyword in REMOVED:
            return None
        if isinstance(value, list):
            return [self.protect(keyword, part) for part in value]
        if keyword == "PatientID":
            return self._hash("patient", str(value), _NAME_BYTES).hex()
        if keyword == "file_name":
            return self._hash("file", str(value), _NAME_BYTES).hex()
        tag = tag_for_keyword(keyword)
        if tag is None:
            return None
        if tag >> 16 == PATIENT_GROUP:
            return None
        vr = dictionary_VR(tag)
        if vr == "UI":
            return self.uid(str(value))
        if vr == "DA":
            return self._moved(str(value))
        if keyword in KEPT or vr.split(" ")[0] in _NUMBERS:
            return value
        return None

    def uid(self, uid: str) -> str:
        """The UID that stands for ``uid``; the same wherever it is referred to."""
        return f"2.25.{int.from_bytes(self._hash('uid', uid, _UID_BYTES))}" if uid else ""

    def _moved(self, date: str) -> Json:
        try:
            moved = datetime.strptime(date.replace(".", ""), "%Y%m%d") - self._shift
        except (ValueError, OverflowError):
            return None
        return moved.strftime("%Y%m%d")

    def _hash(self, kind: str, text: str, size: int) -> bytes:
        key = hashlib.blake2b(self._key, digest_size=32).digest()
        return hashlib.blake2b(
            text.encode(), key=key, person=kind.encode(), digest_size=size
        ).digest()


def key_from_environment(environment: Mapping[str, str] = os.environ) -> bytes:
    """The secret key.

    Raises
    ------
    SettingsError
        It is missing or too short.
    """
    key = environment.get(KEY_VARIABLE, "")
    if len(key) < SHORTEST_KEY:
        raise SettingsError(
            Code.SETTING_WRONG if key else Code.SETTING_MISSING,
            "deidentify needs a secret key of at least {characters} characters in the"
            " environment variable {variable}",
            characters=SHORTEST_KEY,
            variable=KEY_VARIABLE,
        )
    return key.encode()
