"""Header text and comments lose paths, names of files, UIDs and the identifiers of the patient."""

import pytest

from ct2zarr.report.redaction import redact


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("see /data/DOE JOHN/s 1/IM3.dcm, twice", "see [path], twice"),
        ("/data/DOE JOHN/s 1 has no files", "[path] has no files"),
        ("the file '/other/My Scans/3' is cut short", "the file [path] is cut short"),
        ("/other/x/3.dcm: no pixels", "[path]: no pixels"),
        ("file DOE.dcm ends early", "file [file] ends early"),
        ("study 1.2.840.113619.2.55.3 is odd", "study [UID] is odd"),
        ("1.2.840.10008.99 and 1.2.840.10008", "[UID] and 1.2.840.10008"),
        ("syntax 1.2.840.10008.1.2.4.90, class 1.2.840.10008.5.1.4.1.1.2",) * 2,
        ("private syntax 1.2.840.113619.5.2", "private syntax 1.2.840.113619.5.2"),
        ("1.2.840.10008.1.2.4.90.7", "[UID]"),
        ("1.2.840.10008.1.2.4.9", "[UID]"),
        ("1.2.840.113619.5.2.1", "[UID]"),
        ("patient DOE^JOHN", "patient [removed]"),
        ("Doe-like, xDOE, DOEx", "[removed]-like, xDOE, DOEx"),
        ("numpy 2.1.3, 1/2 of 3.5 mm", "numpy 2.1.3, 1/2 of 3.5 mm"),
        ("Thorax of john, doe", "Thorax of [removed], [removed]"),
    ],
)
def test_paths_uids_and_names_are_taken_out_of_text(text: str, shown: str) -> None:
    assert redact(text, "/data/DOE JOHN/s 1", ["DOE^JOHN"]) == shown
