"""What was not read is counted by cause, with a remedy."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

import phantom
from ct2zarr.codes import Code
from ct2zarr.plan.manifest import make_manifest
from ct2zarr.plan.unread import Unread, unread_as_json, unread_of
from ct2zarr.scan.frame_tables import empty_frame_table
from ct2zarr.scan.scanning import Scan
from ct2zarr.vocabulary import Role
from manifests import settings


def scan_with(**found: Any) -> Scan:
    usual: dict[str, Any] = {
        "table": empty_frame_table(), "files_found": 0, "headers_read": 0, "deeper": 0,
        "deepest": 0, "unreadable_folders": (), "others": 0,
    }  # fmt: skip
    return Scan(**(usual | found))


def test_nothing_is_listed_where_everything_was_read() -> None:
    files = {
        ("d", "slice", ""): 3,
        ("d", "excluded", "colour"): 2,
        ("d", "not_dicom", "not_dicom"): 1,
    }
    assert unread_of(scan_with(), files, 3) == []


def test_each_cause_has_its_count_and_a_remedy() -> None:
    found = scan_with(deeper=5, deepest=7, unreadable_folders=(("/a", "no"), ("/b", "no")))
    files = {
        ("d", "excluded", "too_deep"): 5,
        ("d", "unreadable", "broken_link"): 2,
        ("e", "unreadable", "broken_link"): 1,
        ("e", "unreadable", "header_timeout"): 4,
    }
    unread = unread_of(found, files, 3)
    assert [(one.code, one.files, one.folders) for one in unread] == [
        (Code.TOO_DEEP, 5, 0),
        (Code.UNLISTED_FOLDER, 0, 2),
        (Code.BROKEN_LINK, 3, 0),
        (Code.HEADER_TIMEOUT, 4, 0),
    ]
    assert "max_depth 3: 5" in unread[0].sentence
    assert "max_depth to 7" in unread[0].remedy


@pytest.mark.parametrize("code", list(Code))
def test_no_code_of_an_unreadable_file_is_left_without_a_sentence(code: Code) -> None:
    (one,) = unread_of(scan_with(), {("d", str(Role.UNREADABLE), str(code)): 2}, None)
    assert (one.code, one.files, one.folders) == (code, 2, 0)
    assert one.sentence.endswith(": 2")
    assert one.remedy


def test_json_has_the_members_of_the_documentation() -> None:
    page = (Path(__file__).parents[2] / "docs" / "output-format.md").read_text()
    (member,) = unread_as_json([Unread(Code.TOO_DEEP, 1, 0, "a", "b")])
    assert json.loads(json.dumps(member)) == {
        "code": "too_deep", "files": 1, "folders": 0, "sentence": "a", "remedy": "b",
    }  # fmt: skip
    table = page.partition("A member of `unread`:")[2].partition("## ")[0]
    assert [line.split("`")[1] for line in table.splitlines() if line.startswith("| `")] == [
        *member
    ]


def test_archives_are_not_read_though_they_are_not_dicom() -> None:
    files = {("d", str(Role.NOT_DICOM), "compressed_file"): 3, ("d", str(Role.NOT_DICOM), "x"): 1}
    (one,) = unread_of(scan_with(), files, None)
    assert (one.code, one.files) == (Code.COMPRESSED_FILE, 3)
    assert "unpack" in one.remedy


def test_account_of_a_scan_names_what_was_not_read_and_adds_up(tmp_path: Path) -> None:
    root = tmp_path / "root"
    phantom.make_series(root / "ct", n=3)
    phantom.make_series(root / "p" / "study" / "a" / "b" / "deep", n=2)
    (root / "gone.dcm").symlink_to("nowhere")
    cut = phantom.make_series(root / "cut", n=3).paths
    phantom.truncate(cut[0], keep=0.8)
    (root / "shut").mkdir(mode=0)
    try:
        make_manifest(settings(tmp_path, max_depth=3))
    finally:
        (root / "shut").chmod(0o755)
    summary = json.loads((tmp_path / "manifest" / "manifest_summary.json").read_text())
    assert sum(summary["roles"].values()) == summary["files_found"] == 9
    counts = {one["code"]: (one["files"], one["folders"]) for one in summary["unread"]}
    due = {"too_deep": (2, 0), "broken_link": (1, 0), "truncated": (1, 0)}
    if os.geteuid():  # root may list any folder
        due["unlisted_folder"] = (0, 1)
    assert counts == due
