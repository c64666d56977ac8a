"""Links that lead out of a root."""

import pytest

from ct2zarr.scan.leaving_links import LeavingLinks


@pytest.fixture
def root(tmp_path):
    for name in ("data/a/b", "data/.git/annex", "data2", "other/deep"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("data/a/file", "data/.git/annex/key", "data2/file", "other/file"):
        (tmp_path / name).touch()
    (tmp_path / "alias").symlink_to("data")
    return tmp_path / "data"


@pytest.mark.parametrize(
    ("target", "leaves"),
    [
        ("file", False),
        ("../.git/annex/key", False),
        ("..", False),
        ("../", False),
        ("../../data/a/file", False),
        ("../../alias/a/file", False),
        ("gone", False),
        ("../../data2/file", True),
        ("../../other", True),
        ("../../other/", True),
        ("../..", True),
        ("../../gone", True),
        ("/", True),
        ("/proc", True),
    ],
)
def test_a_link_leaves_where_its_target_is_not_below_the_root(root, target, leaves):
    link = root / "a" / "link"
    link.symlink_to(target)
    assert LeavingLinks(str(root)).has(str(link)) is leaves


def test_absolute_targets_and_roots_under_other_names_are_compared_by_real_path(root):
    link = root / "a" / "link"
    link.symlink_to(root / "a" / "file")
    alias = root.parent / "alias"
    assert not LeavingLinks(str(alias)).has(str(alias / "a" / "link"))
    assert not LeavingLinks(str(root)).has(str(link))
    above = root / "a" / "above"
    above.symlink_to(alias / "a" / "file")
    assert not LeavingLinks(str(root)).has(str(above))


def test_everything_is_below_the_root_of_the_disk(root):
    link = root / "a" / "link"
    link.symlink_to("../../other")
    assert not LeavingLinks("/").has(str(link))
