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


@pytest.mark.parametrize(
    ("identifiers", "text", "shown"),
    [
        (["Wu^Li"], "Wu saw Li", "Wu saw Li"),  # as short as ordinary words
        (["Wu^Li"], "by Wu^Li", "by [removed]"),
        (["Lee^Kim"], "Lee or kim", "[removed] or [removed]"),
        (["12"], "12 of 12", "12 of 12"),
        ([" 123 "], "number 123, not 1234", "number [removed], not 1234"),
        (["Yamada^Tarou=山田^太郎太=やまだ"], "やまだ Yamada", "[removed] [removed]"),
        (["Ann^Anna Annabel"], "Annabel, Anna, Ann", "[removed], [removed], [removed]"),
        (["Ann", "Ann Doe"], "Ann Doe", "[removed] [removed]"),
        (["A+B(C"], "A+B(C and AAB", "[removed] and AAB"),
        ([""], "nothing to take out", "nothing to take out"),
    ],
)
def test_identifiers_of_three_characters_and_more_are_taken_out_with_their_parts(
    identifiers: list[str], text: str, shown: str
) -> None:
    assert redact(text, "", identifiers) == shown


@pytest.mark.parametrize(
    ("sizes", "shown"),
    [([10_000], "a text"), ([10_001], "[removed]"), ([5_000, 5_001], "[removed]")],
)
def test_nothing_is_shown_where_identifiers_are_too_long_to_look_for(
    sizes: list[int], shown: str
) -> None:
    assert redact("a text", "", ["x" * size for size in sizes]) == shown


@pytest.mark.parametrize(
    ("folder", "text", "shown"),
    [
        ("/data/a b", "in /data/a b/1.dcm: bad", "in [path]: bad"),
        ("/data/a b", "in /data/a b2, too", "in [path], too"),
        ("/data/(a)", "/data/(a)", "[path]"),
        ("", "a/b is no path, ../b and C:\\x\\y are", "a/b is no path, [path] and [path] are"),
        ("", "a.IMA, b.img and c.image", "[file], [file] and c.image"),
        ("", "versions 1.2.3.4 and 1.2.3.4.5", "versions 1.2.3.4 and [UID]"),
    ],
)
def test_paths_and_what_looks_like_one(folder: str, text: str, shown: str) -> None:
    assert redact(text, folder) == shown
