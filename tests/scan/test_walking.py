"""The walk over a tree: order, links, shares, and roots that are refused."""

import os

import pytest

from ct2zarr.codes import Code
from ct2zarr.errors import SettingsError
from ct2zarr.scan.walking import (
    FOLDERS_PER_SHARE,
    Share,
    check_roots,
    share_of,
    walk,
    walk_links,
    walk_root,
)
from phantom import forbidden


def write(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def names(walked, root):
    return [os.path.relpath(one.path, root) for one in walked.files]


def test_files_come_folder_by_folder_in_the_order_of_names(tmp_path):
    write(tmp_path, "b", "a", "d/1", "c/2", "c/x/3")
    assert names(walk_root("v1", str(tmp_path)), tmp_path) == ["a", "b", "c/2", "c/x/3", "d/1"]


def test_folders_between_root_and_file_are_counted(tmp_path):
    write(tmp_path, "a", "x/a", "x/y/a", "x/y/z/a")
    walked = walk_root("v1", str(tmp_path))
    assert [one.between for one in walked.files] == [0, 0, 1, 2]
    assert [one.bytes for one in walked.files] == [1, 3, 5, 7]


def test_a_broken_link_is_a_file_and_a_pipe_is_none(tmp_path):
    (tmp_path / "broken").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    walked = walk_root("v1", str(tmp_path))
    assert [(one.broken, one.bytes) for one in walked.files] == [(True, 0)]
    assert walked.others == 1


def test_a_linked_folder_is_entered_once_and_under_its_real_path(tmp_path):
    write(tmp_path, "z/1")
    (tmp_path / "a").symlink_to("z")
    (tmp_path / "z" / "loop").symlink_to("..")
    assert names(walk_root("v1", str(tmp_path)), tmp_path) == ["z/1"]


def test_a_folder_outside_is_entered_once_by_the_first_of_its_links(tmp_path):
    write(tmp_path, "outside/1", "root/b")
    for link in ("link2", "link1"):
        (tmp_path / "root" / link).symlink_to(tmp_path / "outside")
    walked = walk_root("v1", str(tmp_path / "root"))
    assert names(walked, tmp_path / "root") == ["b", "link1/1"]


def test_progress_is_the_number_of_files_after_each_folder(tmp_path):
    write(tmp_path, "a", "x/b", "x/c")
    seen = []
    walk_root("v1", str(tmp_path), seen.append)
    assert seen == [1, 3]


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_shares_with_the_links_they_leave_have_every_file_once(tmp_path, count):
    folders = [f"p{number:02d}" for number in range(FOLDERS_PER_SHARE * count)]
    write(tmp_path, "root/top", *(f"root/{name}/s/{n}" for name in folders for n in "ab"))
    write(tmp_path, "outside/1")
    (tmp_path / "root" / "p00" / "link").symlink_to(tmp_path / "outside")
    root = str(tmp_path / "root")
    shares = [walk_root("v1", root, share=share_of(root, number, count)) for number in range(count)]
    links = [link for one in shares for link in one.links]
    seen = set().union(*(one.seen for one in shares))
    followed = walk_links("v1", root, links, seen)
    found = [one.path for walked in (*shares, followed) for one in walked.files]
    assert sorted(found) == sorted(one.path for one in walk_root("v1", root).files)
    assert len(found) == len(set(found))


def test_a_folder_stays_in_its_share_when_others_are_added():
    first = [Share(number, 3, 1).has("/root", "/root/p1") for number in range(3)]
    assert sum(first) == 1
    moved = [Share(number, 3, 1).has("/elsewhere", "/elsewhere/p1") for number in range(3)]
    assert moved == first


def test_a_share_is_cut_at_the_first_level_with_enough_folders(tmp_path):
    write(tmp_path, *(f"a/p{n}/x/y" for n in range(FOLDERS_PER_SHARE * 2)))
    assert share_of(str(tmp_path), 0, 2).level == 2
    assert share_of(str(tmp_path), 0, 3).level == 3  # the widest, and the last of those


def test_roots_are_sorted_by_name_and_absolute(tmp_path, monkeypatch):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    roots = check_roots({"v2": tmp_path / "one", "v1": tmp_path / "two" / ".." / "two"})
    assert list(roots.items()) == [("v1", f"{tmp_path}/two"), ("v2", f"{tmp_path}/one")]
    assert [one.dataset for one in walk({"v2": tmp_path / "one", "v1": tmp_path / "two"})] == [
        "v1", "v2",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("datasets", "code"),
    [
        ({}, Code.SETTING_MISSING),
        ({"v1": "gone"}, Code.SETTING_WRONG),
        ({"v1": "file"}, Code.SETTING_WRONG),
        ({"v1": "folder", "v2": "folder/inner"}, Code.SETTING_WRONG),
        ({"v1": "folder", "v2": "link"}, Code.SETTING_WRONG),
    ],
)
def test_roots_that_cannot_be_walked_are_refused(tmp_path, datasets, code):
    write(tmp_path, "file", "folder/inner/1")
    (tmp_path / "link").symlink_to("folder")
    with pytest.raises(SettingsError) as raised:
        check_roots({name: tmp_path / place for name, place in datasets.items()})
    assert raised.value.code is code


def test_roots_with_a_common_beginning_are_apart(tmp_path):
    for name in ("data", "data2"):
        (tmp_path / name).mkdir()
    assert len(check_roots({"v1": tmp_path / "data", "v2": tmp_path / "data2"})) == 2


def test_a_broken_link_has_its_own_time_and_no_size(tmp_path):
    link = tmp_path / "link"
    link.symlink_to("nowhere")
    (found,) = walk_root("d", str(tmp_path)).files
    assert (found.broken, found.bytes) == (True, 0)
    assert found.mtime_ns == link.lstat().st_mtime_ns


def test_a_linked_folder_counts_from_its_link_and_the_first_of_two_links_wins(tmp_path):
    outside = tmp_path / "outside"
    write(outside, "deep/file")
    root = tmp_path / "root"
    (root / "x" / "y").mkdir(parents=True)
    (root / "x" / "y" / "link").symlink_to(outside)
    (root / "x" / "again").symlink_to(outside)
    walked = walk_root("d", str(root))
    assert [
        (name, found.between) for name, found in zip(names(walked, root), walked.files, strict=True)
    ] == [("x/again/deep/file", 2)]
    assert walked.links == []


def test_a_tree_with_few_folders_is_cut_at_its_widest_level_the_deepest_of_equals(tmp_path):
    for name in ("a/b/c", "a/d/e", "a/d/e/f"):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
    assert share_of(str(tmp_path), 1, 4).level == 3
    assert share_of(str(tmp_path / "a" / "b" / "c"), 1, 4).level == 0


@pytest.mark.parametrize("count", [2, 5])
def test_shares_hold_every_file_once_and_leave_links_to_the_end(tmp_path, count):
    for number in range(40):
        write(tmp_path, f"in/s{number}/below/file")
    write(tmp_path, "in/beside")
    write(tmp_path, "top")
    (tmp_path / "in" / "s1" / "link").symlink_to(tmp_path / "in" / "s2")
    root = str(tmp_path)
    shares = [walk_root("d", root, None, share_of(root, n, count)) for n in range(count)]
    assert sorted(name for share in shares for name in names(share, root)) == sorted(
        names(walk_root("d", root), root)
    )
    assert {"top", "in/beside"} <= set(names(shares[0], root))
    links = [link for share in shares for link in share.links]
    assert links == [(f"{root}/in/s1/link", 3)]
    seen = [identity for share in shares for identity in share.seen]
    assert len(seen) == len(set(seen)) == 82
    assert walk_links("d", root, links, seen).files == []
    status = (tmp_path / "in" / "s2").stat()
    others = [one for one in seen if one != (status.st_dev, status.st_ino)]
    below = walk_links("d", root, links, others)
    assert names(below, root) == []  # s2/below was seen; only s2 itself is entered again


def test_a_tree_without_folders_is_in_one_share(tmp_path):
    write(tmp_path, "file")
    root = str(tmp_path)
    shares = [walk_root("d", root, None, share_of(root, number, 3)) for number in range(3)]
    assert [names(share, root) for share in shares] == [["file"], [], []]


def test_a_folder_above_the_cut_that_cannot_be_listed_is_reported_by_one_share(tmp_path):
    write(tmp_path, "shut/below/file")
    root = str(tmp_path)
    with forbidden(tmp_path / "shut"):
        shares = [walk_root("d", root, None, Share(number, 3, 2)) for number in range(3)]
    folders = [folder for share in shares for folder, _ in share.unreadable_folders]
    assert folders == [f"{root}/shut"]


# Hidden folders, system folders, links ----------------------------------------------------------


def test_files_of_system_folders_are_counted_and_not_opened(tmp_path):
    write(tmp_path, "a/1", "a/@eaDir/1", ".git/annex/objects/2", ".git/x/.git/3", "$RECYCLE.BIN/4")
    walked = walk_root("d", str(tmp_path))
    found = dict(zip(names(walked, tmp_path), (one.system for one in walked.files), strict=True))
    assert found == {
        "a/1": False,
        "a/@eaDir/1": True,
        ".git/annex/objects/2": True,
        ".git/x/.git/3": True,
        "$RECYCLE.BIN/4": True,
    }
    assert walked.left_out == {".git": 1, "@eaDir": 1, "$RECYCLE.BIN": 1}


def test_a_link_into_a_system_folder_is_followed(tmp_path):
    write(tmp_path, ".git/annex/objects/k/key", ".snapshot/daily/a/1")
    (tmp_path / "scan.dcm").symlink_to(".git/annex/objects/k/key")
    (tmp_path / "old").symlink_to(".snapshot/daily")
    walked = walk_root("d", str(tmp_path))
    found = dict(zip(names(walked, tmp_path), (one.system for one in walked.files), strict=True))
    assert found == {
        "scan.dcm": False,
        "old/a/1": False,
        ".git/annex/objects/k/key": True,
    }
    assert walked.leaving == 0


def test_links_in_a_system_folder_are_not_followed(tmp_path):
    write(tmp_path, "outside/1", "root/.git/2")
    (tmp_path / "root" / ".git" / "link").symlink_to(tmp_path / "outside")
    (tmp_path / "root" / ".git" / "file").symlink_to(tmp_path / "outside" / "1")
    walked = walk_root("d", str(tmp_path / "root"))
    assert names(walked, tmp_path / "root") == [".git/2", ".git/file"]
    assert (walked.leaving, walked.others) == (0, 0)


def test_a_system_folder_that_cannot_be_listed_is_nobodys_loss(tmp_path):
    write(tmp_path, "a", "lost+found/1", "shut/2", ".shut/3")
    with forbidden(tmp_path / "lost+found"):
        assert walk_root("d", str(tmp_path)).unreadable_folders == []
    for name in ("shut", ".shut"):
        with forbidden(tmp_path / name):
            ((folder, _),) = walk_root("d", str(tmp_path)).unreadable_folders
        assert folder == str(tmp_path / name)


@pytest.mark.parametrize("hidden", [".store", "a/.store"])
def test_a_visible_link_comes_before_the_hidden_folder_it_leads_to(tmp_path, hidden):
    write(tmp_path, f"{hidden}/x/1", f"{hidden}/y/2")
    (tmp_path / "z").symlink_to(tmp_path / hidden / "x")
    assert names(walk_root("d", str(tmp_path)), tmp_path) == ["z/1", f"{hidden}/y/2"]


def test_hidden_folders_without_links_are_read_after_all_others(tmp_path):
    write(tmp_path, ".a/.b/1", "c/2", ".a/d/3")
    assert names(walk_root("d", str(tmp_path)), tmp_path) == ["c/2", ".a/d/3", ".a/.b/1"]


def test_links_that_leave_are_counted_and_followed(tmp_path):
    write(tmp_path, "outside/1", "outside/2", "root/a/3")
    (tmp_path / "root" / "folder").symlink_to("../outside")
    (tmp_path / "root" / "a" / "file").symlink_to(tmp_path / "outside" / "2")
    (tmp_path / "root" / "a" / "inner").symlink_to("3")
    walked = walk_root("d", str(tmp_path / "root"))
    assert names(walked, tmp_path / "root") == ["a/3", "a/file", "a/inner", "folder/1", "folder/2"]
    assert walked.leaving == 2


def test_loops_of_links_end(tmp_path):
    write(tmp_path, "root/a/1")
    root = tmp_path / "root"
    (root / "self").symlink_to("self")
    (root / "one").symlink_to("two")
    (root / "two").symlink_to("one")
    (root / "a" / "up").symlink_to("..")
    (root / "out").symlink_to("../beside")
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "back").symlink_to("../root")
    (tmp_path / "beside" / "here").symlink_to(".")
    (root / ".h").mkdir()
    (root / ".h" / "again").symlink_to("../.h")
    walked = walk_root("d", str(root))
    broken = [
        name for name, one in zip(names(walked, root), walked.files, strict=True) if one.broken
    ]
    assert sorted(names(walked, root)) == ["a/1", "one", "self", "two"]
    assert sorted(broken) == ["one", "self", "two"]
