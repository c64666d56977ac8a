"""A scan divided among jobs gives the manifest of one job, byte for byte."""

import json
import os
import random
import re
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ct2zarr.codes import Code
from ct2zarr.errors import MachineError, SettingsError
from ct2zarr.plan.manifest import make_manifest
from ct2zarr.run.settings import ManifestSettings
from ct2zarr.run.settings_reading import manifest_from_environ
from ct2zarr.scan.scanning import scan
from ct2zarr.scan.shares import merge_shares, scan_share, write_arrow
from ct2zarr.scan.walking import share_of, walk_root
from phantom import localizer, make_series, not_dicom

SHARES = [2, 3, 16]


@pytest.fixture(scope="module")
def datasets(tmp_path_factory) -> dict[str, Path]:
    """Two datasets: a wide one with awkward names, and one whose folders lie deep."""
    root = tmp_path_factory.mktemp("shares")
    wide = root / "wide"
    for number in range(20):
        name = f"s {number}" if number % 3 else f"s-{number}"
        make_series(wide / "Images" / name / "scan", name=f"w{number}", n=2)
    make_series(wide / "Images" / "s", name="short", n=2)
    make_series(wide / "Images" / "s-3" / "scan" / "below", name="below", n=2)
    not_dicom(wide)
    not_dicom(wide / "Images", name="zz.txt")
    (wide / os.fsdecode(b"stray\xff")).mkdir()
    not_dicom(wide / os.fsdecode(b"stray\xff"))
    not_dicom(wide / "Ä")
    not_dicom(wide / "a" / "b" / "c" / "d" / "e" / "f")  # deeper than max_depth
    (wide / "Images" / "broken").symlink_to("nowhere")
    # Links: to a folder of the tree, and to one beside it, with a link in it.
    (wide / "Images" / "again").symlink_to(wide / "Images" / "s 1")
    make_series(root / "beside" / "x", name="beside", n=2)
    (root / "beside" / "back").symlink_to(wide / "Images" / "s 2")
    (wide / "a link").symlink_to(root / "beside")
    os.mkfifo(wide / "Images" / "pipe")
    # Hidden and system folders at every level, links to them and out of the dataset.
    make_series(wide / ".hidden" / "in", name="hidden", n=2)
    make_series(wide / "Images" / "s 4" / ".cache", name="cache", n=2)
    make_series(wide / "Images" / "s 5" / ".store" / "seen", name="seen", n=2)
    (wide / "Images" / "seen").symlink_to(wide / "Images" / "s 5" / ".store" / "seen")
    not_dicom(wide / ".git" / "objects")
    not_dicom(wide / "Images" / "s 7" / "@eaDir")
    not_dicom(wide / "Images" / "s 8" / "@eaDir" / "x")
    (wide / "Images" / "s 8" / "out.dcm").symlink_to(root / "beside" / "x")
    # One series in folders that belong to several shares, and a localizer in another.
    split = make_series(root / "deep" / "p" / "q" / "r0", name="split", n=4)
    for number, path in enumerate(split.paths):
        folder = root / "deep" / "p" / "q" / f"r{number}"
        folder.mkdir(exist_ok=True)
        if number:
            path.rename(folder / path.name)
    localizer(root / "deep" / "p" / "q" / "r3", series_uid=split.series_uid)
    return {"wide": wide, "deep": root / "deep"}


def settings_for(datasets: dict[str, Path], folder: Path, **changes: Any) -> ManifestSettings:
    return ManifestSettings(
        **{"datasets": datasets, "manifest_dir": folder, "num_shards": 3, **changes}
    )


def made_of_shares(datasets: dict[str, Path], folder: Path, shares: int, **changes: Any) -> None:
    order = list(range(shares))
    random.Random(shares).shuffle(order)
    for share in order:
        scan_share(settings_for(datasets, folder, scan_jobs=shares, scan_part=share, **changes))
    make_manifest(settings_for(datasets, folder, scan_jobs=shares, **changes))


def content(folder: Path) -> dict[str, bytes]:
    """Every file of the manifest that is not for the next scan."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] not in ("scan", "scan_cache")
    }


@pytest.fixture(scope="module")
def alone(datasets, tmp_path_factory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("alone")
    make_manifest(settings_for(datasets, folder))
    return content(folder)


@pytest.mark.parametrize("count", SHARES)
def test_the_manifest_does_not_depend_on_the_number_of_shares(datasets, alone, tmp_path, count):
    made_of_shares(datasets, tmp_path, count)
    found = content(tmp_path)
    assert found.keys() == alone.keys()
    for name, expected in alone.items():
        assert found[name] == expected, name


@pytest.mark.parametrize("count", SHARES)
def test_each_file_is_in_one_share_and_the_work_is_divided(datasets, count):
    root = str(datasets["wide"])
    shares = [walk_root("v1", root, None, share_of(root, n, count)) for n in range(count)]
    paths = [[file.path for file in share.files] for share in shares]
    together = sorted(path for some in paths for path in some)
    assert len(together) == len(set(together))
    later = re.compile(r"a link|Images/again|Images/seen|.*out\.dcm|.*@eaDir|(.*/)?\.")
    whole = sorted(
        file.path
        for file in walk_root("v1", root).files
        if not later.match(os.path.relpath(file.path, root))
    )
    assert together == whole
    # 22 folders are dealt out where all lie in one: no share has nearly all of them.
    assert max(map(len, paths)) < 0.8 * len(together)


def test_a_second_scan_in_shares_reads_only_what_is_new(datasets, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(datasets["deep"], root)
    folder = tmp_path / "manifest"
    made_of_shares({"v1": root}, folder, 3)
    before = {path: path.stat().st_mtime_ns for path in folder.glob("shards/*")}
    made_of_shares({"v1": root}, folder, 3)
    assert headers_read(folder) == 0
    assert {path: path.stat().st_mtime_ns for path in before} == before
    make_series(root / "new", name="new", n=3)
    made_of_shares({"v1": root}, folder, 3)
    assert headers_read(folder) == 3


def headers_read(folder: Path) -> int:
    return sum(
        json.loads(path.read_text())["headers_read"] for path in folder.glob("scan/share_*.json")
    )


def test_a_share_that_is_missing_damaged_or_of_other_settings_is_named(datasets, tmp_path):
    settings = settings_for(datasets, tmp_path, scan_jobs=2)
    made_of_shares(datasets, tmp_path, 2)
    with pytest.raises(SettingsError, match=r"share_00_of_2\.json was scanned with other settings"):
        make_manifest(settings_for(datasets, tmp_path, scan_jobs=2, max_depth=9))
    path = tmp_path / "scan" / "share_01_of_2.json"
    text = path.read_text()
    path.write_text(text[:50])
    with pytest.raises(SettingsError, match=r"share_01_of_2\.json is damaged"):
        make_manifest(settings)
    path.unlink()
    with pytest.raises(SettingsError, match=r"share_01_of_2\.json is missing; scan that share"):
        make_manifest(settings)
    path.write_text(text)
    path.with_suffix(".arrow").write_bytes(b"ARROW1")
    with pytest.raises(SettingsError, match=r"share_01_of_2\.arrow is damaged"):
        make_manifest(settings)


def test_the_environment_names_share_and_number_of_shares():
    environ = {"OUT_DIR": "m", "DATASET_V1_ROOT": "/one", "SCAN_JOBS": "4", "SCAN_PART": "3"}
    settings = manifest_from_environ(environ)
    assert (settings.scan_jobs, settings.scan_part) == (4, 3)
    with pytest.raises(SettingsError, match="SCAN_PART is 4; it must be below SCAN_JOBS"):
        manifest_from_environ({**environ, "SCAN_PART": "4"})


def test_rows_that_are_not_those_of_the_facts_are_refused(datasets, tmp_path):
    made_of_shares({"v1": datasets["deep"]}, tmp_path, 2)
    path = tmp_path / "scan" / "share_01_of_2.arrow"
    rows = pa.ipc.open_file(path.read_bytes()).read_all()
    assert rows.num_rows
    write_arrow(path, rows.slice(1).to_batches())
    with pytest.raises(SettingsError) as raised:
        make_manifest(settings_for({"v1": datasets["deep"]}, tmp_path, scan_jobs=2))
    assert raised.value.code is Code.INPUT_MIXED


def test_a_share_that_cannot_be_written_leaves_no_facts_of_the_scan_before(datasets, tmp_path):
    settings = settings_for({"v1": datasets["deep"]}, tmp_path, scan_jobs=2, scan_part=1)
    scan_share(settings)
    facts = tmp_path / "scan" / "share_01_of_2.json"
    assert facts.exists()
    facts.with_suffix(".arrow").unlink()
    facts.with_suffix(".arrow").mkdir()
    with pytest.raises(MachineError):
        scan_share(settings)
    assert not facts.exists()


def test_files_behind_a_link_count_for_the_depth_that_is_needed(tmp_path):
    root = tmp_path / "root"
    not_dicom(root / "a")
    not_dicom(tmp_path / "beside" / "x" / "y" / "z")
    (root / "link").symlink_to(tmp_path / "beside")
    datasets, folder = {"v1": root}, tmp_path / "manifest"
    made_of_shares(datasets, folder, 2, max_depth=1)
    found = merge_shares(settings_for(datasets, folder, scan_jobs=2, max_depth=1))
    assert (found.deeper, found.deepest) == (1, 3)


def test_folders_that_cannot_be_listed_come_in_the_order_of_one_walk(tmp_path):
    root, folder = tmp_path / "root", tmp_path / "manifest"
    not_dicom(root / "a")
    made_of_shares({"v1": root}, folder, 2)
    for part, names in enumerate((["a-b", "c"], ["a/b", "b"])):
        path = folder / "scan" / f"share_{part:02d}_of_2.json"
        facts = json.loads(path.read_text())
        facts["datasets"]["v1"]["unreadable_folders"] = [[f"{root}/{n}", "why"] for n in names]
        path.write_text(json.dumps(facts))
    found = merge_shares(settings_for({"v1": root}, folder, scan_jobs=2))
    due = tuple((f"{root}/{name}", "why") for name in ("a/b", "a-b", "b", "c"))
    assert found.unreadable_folders == due


def test_shares_that_were_cut_at_different_levels_are_refused(tmp_path):
    root, folder = tmp_path / "root", tmp_path / "manifest"
    not_dicom(root / "a")
    made_of_shares({"v1": root}, folder, 2)
    path = folder / "scan" / "share_01_of_2.json"
    facts = json.loads(path.read_text())
    facts["datasets"]["v1"]["level"] += 1
    path.write_text(json.dumps(facts))
    with pytest.raises(SettingsError, match="were added or removed") as raised:
        merge_shares(settings_for({"v1": root}, folder, scan_jobs=2))
    assert raised.value.code is Code.INPUT_MIXED


def test_rows_come_in_the_order_of_one_walk(tmp_path):
    root, folder = tmp_path / "root", tmp_path / "manifest"
    for number in range(20):
        not_dicom(root / f"s {number}")
        not_dicom(root / "s" / f"{number}")
    not_dicom(root / "s")
    made_of_shares({"v1": root}, folder, 2)
    found = merge_shares(settings_for({"v1": root}, folder, scan_jobs=2))
    alone = scan({"v1": root}, max_depth=3, workers=1)
    assert found.table["path"].to_pylist() == alone.table["path"].to_pylist()
