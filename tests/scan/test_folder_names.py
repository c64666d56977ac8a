"""System folders, hidden folders, and all others."""

import pytest

from ct2zarr.scan.folder_names import Kind, kind_of, kind_of_path


@pytest.mark.parametrize(
    "name",
    [
        ".git", ".svn", ".hg", ".Trash-1000", ".Trash", "$RECYCLE.BIN", "$Recycle.Bin", "#recycle",
        "@eaDir", ".snapshot", ".snapshots", ".zfs", "lost+found", "__MACOSX", ".DVC",
        "System Volume Information", ".Spotlight-V100",
    ],
)  # fmt: skip
def test_folders_of_systems_are_known_by_name_in_any_case(name):
    assert kind_of(name) is Kind.SYSTEM


@pytest.mark.parametrize("name", [".cache", ".gitlab", ".trashcan", "._data", "..."])
def test_a_dot_alone_hides(name):
    assert kind_of(name) is Kind.HIDDEN


@pytest.mark.parametrize(
    "name", ["git", "snapshot", "recycle", "a.git", "1.2.840", "eaDir", "Trash-1"]
)
def test_other_names_are_usual(name):
    assert kind_of(name) is Kind.USUAL


@pytest.mark.parametrize(
    ("relative", "kind"),
    [
        ("", Kind.USUAL),
        ("/a/b", Kind.USUAL),
        ("/.a/b", Kind.HIDDEN),
        ("/a/.git/b", Kind.SYSTEM),
        ("/.git/.a", Kind.SYSTEM),
        ("/.a/.git", Kind.SYSTEM),
    ],
)
def test_a_path_is_as_far_from_usual_as_any_folder_on_it(relative, kind):
    assert kind_of_path(relative) is kind


def test_usual_comes_before_hidden_and_hidden_before_system():
    assert sorted(Kind) == [Kind.USUAL, Kind.HIDDEN, Kind.SYSTEM]
