"""Scanning: every file once, each header read once, whatever the tree and the files do."""

import os
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

import phantom
from ct2zarr.codes import Code
from ct2zarr.errors import MachineError, SettingsError
from ct2zarr.scan import readers, scanning
from ct2zarr.scan.cache import ScanCache
from ct2zarr.scan.frame_tables import frames_to_table, path_to_text, text_to_path
from ct2zarr.scan.readers import read_packed
from ct2zarr.scan.scanning import Scan, scan, table_to_frames
from ct2zarr.vocabulary import Role


def look(root: Path, *, max_depth: int = 3, workers: int = 1, cache: Path | None = None) -> Scan:
    return scan({"d": root}, max_depth=max_depth, workers=workers, cache=cache)


def paths(found: Scan) -> list[str]:
    return [text_to_path(text) for text in found.table["path"].to_pylist()]


def names(found: Scan) -> list[str]:
    return [Path(path).name for path in paths(found)]


def touch(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_each_file_has_a_row_in_an_order_that_the_disk_does_not_decide(tmp_path: Path) -> None:
    files = ["a/1", "a/b/2", "a/c/0", "b/3", "z"]
    orders = []
    for root, made in ((tmp_path / "0", files), (tmp_path / "1", files[::-1])):
        for name in made:
            touch(root / name)
        orders.append([os.path.relpath(path, root) for path in paths(look(root))])
    assert sorted(orders[0]) == files
    assert orders[0] == orders[1]


@pytest.mark.parametrize(("max_depth", "reached"), [(0, 2), (1, 3), (3, 5), (9, 6)])
def test_max_depth_counts_the_folders_between(tmp_path: Path, max_depth: int, reached: int) -> None:
    # Six files: in the root, in its folder, and one more folder between each time.
    for depth in range(6):
        touch(tmp_path / "/".join(f"f{i}" for i in range(depth)) / "file.txt")
    found = look(tmp_path, max_depth=max_depth)
    roles = Counter(found.table["role"].to_pylist())
    assert found.files_found == 6
    assert (roles["not_dicom"], roles["excluded"]) == (reached, 6 - reached)
    assert found.deeper == 6 - reached
    if found.deeper:
        assert found.deepest == 4
        reasons = [r for r in found.table["reason"].to_pylist() if "max_depth" in r]
        assert (
            f"the file lies deeper than max_depth {max_depth}; max_depth 4 would reach it"
            in reasons
        )
        assert set(found.table["code"].to_pylist()) == {"not_dicom", "too_deep"}
        assert look(tmp_path, max_depth=found.deepest).deeper == 0


def test_links_are_followed_once_and_loops_end(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    real = touch(root / "m" / "real.txt")
    touch(outside / "far.txt")
    (root / "a_link").symlink_to(root / "m")  # before the real folder in every order of names
    (root / "m" / "loop").symlink_to(root)
    (root / "once").symlink_to(outside)
    (root / "twice").symlink_to(outside)
    (root / "link.txt").symlink_to(real)
    (root / "broken").symlink_to(root / "nothing")
    found = look(root)
    assert sorted(os.path.relpath(path, root) for path in paths(found)) == [
        "broken",
        "link.txt",
        "m/real.txt",
        "once/far.txt",
    ]
    rows = {Path(one.path).name: one for one in table_to_frames(found.table)}
    assert rows["broken"].role is Role.UNREADABLE
    assert rows["broken"].code is Code.BROKEN_LINK
    assert rows["broken"].reason == "the file is a link to a file that is not there"
    assert found.files_found == 4


def test_pipes_are_counted_and_not_opened(tmp_path: Path) -> None:
    touch(tmp_path / "file")
    os.mkfifo(tmp_path / "pipe")
    found = look(tmp_path)
    assert (found.files_found, found.others) == (1, 1)


def test_a_folder_that_cannot_be_listed_is_reported(tmp_path: Path) -> None:
    touch(tmp_path / "shut" / "file")
    touch(tmp_path / "open")
    with phantom.forbidden(tmp_path / "shut"):
        found = look(tmp_path)
    assert found.unreadable_folders == ((str(tmp_path / "shut"), "Permission denied"),)
    assert found.files_found == 1


def test_names_of_any_bytes_are_kept(tmp_path: Path) -> None:
    odd = [b"caf\xe9", "日本".encode(), b"two\nlines", b"quote\"'", b" space "]
    for name in odd:
        touch(Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)))
    found = look(tmp_path)
    assert sorted(os.fsencode(Path(path).name) for path in paths(found)) == sorted(odd)
    assert all(Path(path).exists() for path in paths(found))
    for path in paths(found):
        assert path_to_text(path).encode("utf-8")
        assert text_to_path(path_to_text(path)) == path


def test_rows_survive_the_table(tmp_path: Path) -> None:
    phantom.make_series(tmp_path / "ct", n=3, padding=-7, signed=True, Manufacturer="Müller")
    phantom.make_multiframe(tmp_path / "multi", n=3)
    phantom.not_dicom(tmp_path)
    found = look(tmp_path)
    frames = list(table_to_frames(found.table))
    assert len(frames) == 7
    assert frames_to_table(frames).equals(found.table)
    assert {frame.padding_value for frame in frames} == {None, -7}


def test_a_second_scan_reads_no_header_and_a_changed_file_is_read_again(tmp_path: Path) -> None:
    root, cache = tmp_path / "root", tmp_path / "cache"
    series = phantom.make_series(root / "one", n=5)
    phantom.make_multiframe(root / "multi", n=3)
    first = look(root, cache=cache)
    assert first.headers_read == 6
    stamp = (cache / "instances.parquet").stat().st_mtime_ns
    again = look(root, cache=cache)
    assert again.headers_read == 0
    assert again.table.equals(first.table)
    assert (cache / "instances.parquet").stat().st_mtime_ns == stamp

    phantom.truncate(series.paths[2], keep=0.9)
    touch(root / "multi" / "a.txt")
    series.paths[0].unlink()
    third = look(root, cache=cache)
    assert third.headers_read == 2
    assert third.table.equals(look(root).table)
    assert look(root, cache=cache).headers_read == 0


def test_a_file_of_the_same_size_and_another_time_is_read_again(tmp_path: Path) -> None:
    root, cache = tmp_path / "root", tmp_path / "cache"
    (path,) = phantom.make_series(root, n=1, KVP=12345).paths
    look(root, cache=cache)
    stamp = path.stat().st_mtime_ns
    phantom.patch_bytes(path, b"12345", b"54321")
    os.utime(path, ns=(stamp + 1, stamp + 1))
    found = look(root, cache=cache)
    assert found.headers_read == 1
    assert found.table["kvp"].to_pylist() == [54321.0]


def test_a_forbidden_file_is_read_once_it_is_allowed(tmp_path: Path) -> None:
    root, cache = tmp_path / "root", tmp_path / "cache"
    (path,) = phantom.make_series(root, n=1).paths
    cache.mkdir()
    cache.chmod(0o777)
    with phantom.forbidden(path):
        assert look(root, cache=cache).table["role"].to_pylist() == ["unreadable"]
    assert look(root, cache=cache).table["role"].to_pylist() == ["slice"]


def test_the_cache_serves_other_roots_and_settings(tmp_path: Path) -> None:
    root, cache = tmp_path / "root", tmp_path / "cache"
    phantom.make_series(root / "a" / "b", n=2)
    look(root, cache=cache)
    found = scan({"other": root / "a"}, max_depth=0, workers=1, cache=cache)
    assert found.headers_read == 0
    assert {(one.dataset, one.root) for one in table_to_frames(found.table)} == {
        ("other", str(root / "a"))
    }


def test_a_file_that_could_not_be_opened_is_tried_again(tmp_path: Path) -> None:
    # The target appears without a change of the link's own time.
    root, cache = tmp_path / "root", tmp_path / "cache"
    touch(root / "file")
    (root / "link").symlink_to(tmp_path / "target")
    assert look(root, cache=cache).headers_read == 1
    phantom.make_series(tmp_path / "else", n=1).paths[0].rename(tmp_path / "target")
    found = look(root, cache=cache)
    assert Counter(found.table["role"].to_pylist())["slice"] == 1


@pytest.mark.parametrize("content", [b"", b"junk", b"PAR1 junk PAR1"])
def test_a_damaged_cache_is_made_again(tmp_path: Path, content: bytes) -> None:
    root, cache = tmp_path / "root", tmp_path / "cache"
    phantom.make_series(root, n=2)
    first = look(root, cache=cache)
    (cache / "instances.parquet").write_bytes(content)
    second = look(root, cache=cache)
    assert second.headers_read == 2
    assert second.table.equals(first.table)


def test_a_killed_scan_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, cache = tmp_path / "root", tmp_path / "cache"
    for number in range(130):
        touch(root / f"{number:03d}.txt")
    monkeypatch.setattr(scanning, "KEEP_SECONDS", 0.0)
    monkeypatch.setattr(scanning.ScanCache, "replace", _killed)
    with pytest.raises(KeyboardInterrupt):
        look(root, cache=cache)
    monkeypatch.undo()
    assert look(root, cache=cache).headers_read == 0


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def poisoned_read(files: list[str], root: str) -> bytes:
    """Reads as usual, but some names crash or hang the process."""
    if any("crash" in Path(file).name for file in files):
        os.abort()
    if any("hang" in Path(file).name for file in files):
        time.sleep(1000)
    return read_packed(files, root)


@pytest.mark.slow
def test_a_file_that_crashes_or_hangs_the_reader_costs_itself_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(80):
        touch(tmp_path / f"{number:03d}.txt")
    touch(tmp_path / "010_crash.txt")
    touch(tmp_path / "070_hang.txt")
    monkeypatch.setattr(readers, "read_packed", poisoned_read)
    monkeypatch.setattr(readers, "CHUNK_SECONDS", 5.0)
    monkeypatch.setattr(readers, "FILE_SECONDS", 4.0)
    found = look(tmp_path, workers=2)
    odd = {
        Path(one.path).name: (one.code, one.reason)
        for one in table_to_frames(found.table)
        if one.role is Role.UNREADABLE
    }
    assert odd == {
        "010_crash.txt": (
            Code.HEADER_CRASH,
            "reading the header ended the process that read it",
        ),
        "070_hang.txt": (Code.HEADER_TIMEOUT, "reading the header took longer than 4 s"),
    }
    assert names(found) == sorted(names(found))
    assert found.files_found == 82


def test_the_number_of_processes_changes_nothing(tmp_path: Path) -> None:
    for number in range(8):
        phantom.make_series(tmp_path / str(number), n=12)
    tables = [look(tmp_path, workers=workers).table for workers in (1, 3)]
    assert tables[0].num_rows == 96
    assert tables[0].equals(tables[1])


def roots_refused(tmp_path: Path) -> list[tuple[Mapping[str, Path], str]]:
    inner = tmp_path / "root" / "inner"
    inner.mkdir(parents=True)
    file = touch(tmp_path / "file")
    (tmp_path / "link").symlink_to(inner)
    return [
        ({}, "no dataset"),
        ({"a": tmp_path / "gone"}, "does not exist"),
        ({"a": file}, "is a file; name the folder"),
        ({"a": tmp_path / "root", "b": inner}, "one root lies in the other"),
        ({"a": tmp_path / "root", "b": tmp_path / "root"}, "one root lies in the other"),
        ({"a": tmp_path / "root", "b": tmp_path / "link"}, "one root lies in the other"),
    ]


def test_unusable_roots_are_named(tmp_path: Path) -> None:
    for datasets, sentence in roots_refused(tmp_path):
        with pytest.raises(SettingsError, match=sentence):
            scan(datasets, max_depth=3, workers=1)


def test_a_cache_that_cannot_be_written_stops_the_scan(tmp_path: Path) -> None:
    touch(tmp_path / "root" / "file")
    blocked = touch(tmp_path / "cache")
    with pytest.raises(MachineError):
        look(tmp_path / "root", cache=blocked / "below")


def test_a_file_of_another_size_and_the_same_time_is_read_again(tmp_path: Path) -> None:
    root, cache = tmp_path / "root", tmp_path / "cache"
    path = touch(root / "file", b"short")
    look(root, cache=cache)
    stamp = path.stat().st_mtime_ns
    path.write_bytes(b"longer than before")
    os.utime(path, ns=(stamp, stamp))
    found = look(root, cache=cache)
    assert found.headers_read == 1
    assert found.table["bytes"].to_pylist() == [18]


def test_rows_that_the_cache_has_in_another_order_come_in_that_of_the_walk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, cache = tmp_path / "root", tmp_path / "cache"
    touch(root / "z.txt")
    look(root, cache=cache)
    for number in range(70):
        touch(root / f"{number:03d}.txt")
    monkeypatch.setattr(scanning, "KEEP_SECONDS", 0.0)
    monkeypatch.setattr(scanning.ScanCache, "replace", _killed)
    with pytest.raises(KeyboardInterrupt):
        look(root, cache=cache)
    monkeypatch.undo()
    found = look(root, cache=cache)
    assert found.headers_read == 0
    assert names(found) == sorted(names(found))


def test_a_broken_link_is_too_deep_where_it_lies_too_deep_and_only_there(tmp_path: Path) -> None:
    (tmp_path / "near").symlink_to("nowhere")
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "far").symlink_to("nowhere")
    found = look(tmp_path, max_depth=0)
    assert (found.deeper, found.deepest) == (1, 1)
    codes = dict(zip(names(found), found.table["code"].to_pylist(), strict=True))
    assert codes == {"near": "broken_link", "far": "too_deep"}


def test_a_file_that_is_gone_leaves_the_cache_with_the_next_scan(tmp_path: Path) -> None:
    root, cache = tmp_path / "root", tmp_path / "cache"
    gone = touch(root / "gone")
    touch(root / "kept")
    look(root, cache=cache)
    gone.unlink()
    assert look(root, cache=cache).headers_read == 0
    assert [Path(path).name for path in ScanCache(cache).rows["path"].to_pylist()] == ["kept"]
