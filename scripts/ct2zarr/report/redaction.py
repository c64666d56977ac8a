"""Remove identifiers, paths and UIDs from texts that people or headers wrote.

The report is passed on, and a series description may repeat the patient's name, a comment the name
of a file. Sentences of errors do not come here: they are rendered without such facts.
"""

import re
from collections.abc import Iterable

from pydicom.uid import UID

from ..dicom.transfer_syntaxes import GE_BIG_PIXELS

_UID = re.compile(r"(?<![\w.])\d+(?:\.\d+){4,}(?![\w])")
"""Five or more dotted numbers; a version has fewer (PS3.5, section 9)."""
_DICOM_NAME = re.compile(r"(?<![^\s'\"/\\])[^\s'\"/\\]+\.(?:dcm|dicom|ima|img)\b", re.IGNORECASE)
_QUOTED_PATH = re.compile(r"(['\"])[^'\"\n/\\]*+[/\\][^'\"\n]*+\1")
_PATH = re.compile(r"(?<![\w<])(?:[A-Za-z]:\\|/|\.{1,2}/)(?:[^\s'\",;:/\\]+[/\\])*[^\s'\",;:/\\]+")
_LONGEST_IDENTIFIER = 10_000
"""Characters. No name or number is as long, and none of its parts could be searched for in time."""
_SHORTEST_NAME = 3
"""Shorter parts of a name or number would blank out ordinary words."""


def redact(text: str, folder: str = "", identifiers: Iterable[str] = ()) -> str:
    """``text`` without paths, names of DICOM files, UIDs and the given identifiers.

    UIDs that DICOM defines stay, such as those of transfer syntaxes and SOP classes.

    Parameters
    ----------
    text
        Text from a header, or a comment.
    folder
        The folder of the series, which may have spaces in it.
    identifiers
        Values of PatientID, PatientName and the like.
    """
    identifiers = list(identifiers)
    if sum(map(len, identifiers)) > _LONGEST_IDENTIFIER:
        return "[removed]"
    if folder:
        text = re.sub(re.escape(folder) + r"[^\s'\",;:]*", "[path]", text)
    text = _QUOTED_PATH.sub("[path]", text)
    text = _PATH.sub("[path]", text)
    text = _DICOM_NAME.sub("[file]", text)
    text = _UID.sub(lambda uid: uid[0] if _is_well_known(uid[0]) else "[UID]", text)
    for identifier in identifiers:
        for part in _parts(identifier):
            text = re.sub(rf"(?<!\w){re.escape(part)}(?!\w)", "[removed]", text, flags=re.I)
    return text


def _is_well_known(uid: str) -> bool:
    """Whether DICOM itself gives the UID its meaning, or it names a private transfer syntax.

    Such a UID says how a file is encoded or what kind of object it is (PS3.6, annex A).
    """
    return uid == GE_BIG_PIXELS or UID(uid).name != uid


def _parts(identifier: str) -> list[str]:
    """An identifier and, of a person name (PS3.5, 6.2.1), its components, the longest first."""
    parts = {identifier.strip(), *re.split(r"[\^=\s,]+", identifier)}
    return sorted((p for p in parts if len(p) >= _SHORTEST_NAME), key=len, reverse=True)
