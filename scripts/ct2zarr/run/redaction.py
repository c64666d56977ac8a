"""Take identifiers, paths and UIDs out of the free text that the report shows.

Error sentences name files and folders, which are often patient numbers, and a series description
may repeat the patient's name. The summary keeps the full text; the report is what is passed on.
"""

import re
from collections.abc import Iterable

_UID = re.compile(r"(?<![\w.])\d+(?:\.\d+){4,}(?![\w])")
"""Five or more dotted numbers; a version has fewer (PS3.5, section 9)."""
_DICOM_NAME = re.compile(r"[^\s'\"/\\]+\.(?:dcm|dicom|ima|img)\b", re.IGNORECASE)
_QUOTED_PATH = re.compile(r"(['\"])[^'\"\n]*[/\\][^'\"\n]*\1")
_PATH = re.compile(r"(?<![\w<])(?:[A-Za-z]:\\|/|\.{1,2}/)(?:[^\s'\",;:/\\]+[/\\])*[^\s'\",;:/\\]+")
_VERBS = r"(?:can|cannot|could|does|ends|has|have|holds|in|is|lacks|was|were)"
_REST_OF_PATH = rf"/.*?(?=\s{_VERBS}\b|[:;,'\"\n]|\.?$|\.\s)"
"""What follows a folder, spaces too, up to the verb of the sentence or a mark."""
_SUBJECT = re.compile(
    rf"^(?!(?:the|a|an|no|plane|series|unexpected|volume)\b|\d+ [a-z]|\[)"
    rf"[^:;]*?(?=\s\(frame|\s{_VERBS}\b)"
)
"""The file that an error is about, named first; sentences about a volume start otherwise."""
_SHORTEST_NAME = 3
"""Shorter parts of a name or number would blank out ordinary words."""


def scrub_text(text: str, folders: Iterable[str] = (), identifiers: Iterable[str] = ()) -> str:
    """``text`` without known folders, paths, UIDs and the given identifiers.

    Args:
        text: free text from a header or an error.
        folders: absolute folders that are known, spaces in them and all.
        identifiers: values of PatientID, PatientName and the like.
    """
    for folder in sorted({f.rstrip("/") for f in folders if f.rstrip("/")}, key=len, reverse=True):
        text = re.sub(re.escape(folder) + _REST_OF_PATH, "[file]", text)
        text = text.replace(folder, "[folder]")
    text = _QUOTED_PATH.sub("[path]", text)
    text = _PATH.sub("[path]", text)
    text = _DICOM_NAME.sub("[file]", text)
    text = _UID.sub("[UID]", text)
    for identifier in identifiers:
        for part in _parts(identifier):
            text = re.sub(rf"(?<!\w){re.escape(part)}(?!\w)", "[removed]", text, flags=re.I)
    return text


def scrub_error(error: str, folder: str) -> str:
    """An error sentence of a summary row, whose subject may be the bare name of a file."""
    return _SUBJECT.sub("[file]", scrub_text(error, [folder]))


def _parts(identifier: str) -> list[str]:
    """An identifier and, of a person name (PS3.5, 6.2.1), its components, the longest first."""
    parts = {identifier.strip(), *re.split(r"[\^=\s,]+", identifier)}
    return sorted((p for p in parts if len(p) >= _SHORTEST_NAME), key=len, reverse=True)
