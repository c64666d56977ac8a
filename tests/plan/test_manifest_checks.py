"""A manifest that was changed after it was written is refused before anything is converted."""

import os
import random
import shutil
from pathlib import Path

import pytest

from ct2zarr.codes import Code
from ct2zarr.errors import SettingsError
from ct2zarr.plan.manifest import make_manifest
from ct2zarr.plan.manifest_checks import (
    FILES_MD5,
    JOINED_FILES,
    check_files,
    damaged_files,
    manifest_of,
    read_manifest_summary,
)
from ct2zarr.plan.manifest_reading import read_plans
from ct2zarr.run.checksums import file_md5
from manifests import input_of, many, settings

FLIPS = 200
SHARDS = 2


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("made")
    many(root, 4)
    (root / "root" / "notes.txt").write_text("no DICOM")
    make_manifest(settings(root, num_shards=SHARDS))
    return root


@pytest.fixture
def root(made, tmp_path) -> Path:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path


def files_of(folder: Path) -> list[Path]:
    """Every file of the manifest, but for what the scanner keeps for itself."""
    return [*sorted(folder.glob("*.*")), *sorted((folder / "shards").iterdir())]


def flip(path: Path, choose: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[choose.randrange(len(content))] ^= 1 << choose.randrange(8)
    path.write_bytes(content)


def test_every_file_of_a_manifest_has_its_md5_in_the_summary(made):
    folder = made / "manifest"
    summary = read_manifest_summary(folder)
    others = {
        path.relative_to(folder).as_posix(): file_md5(path)
        for path in files_of(folder)
        if path.name != "manifest_summary.json"
    }
    assert summary is not None
    assert len(others) == 2 * SHARDS + len(JOINED_FILES)
    assert summary[FILES_MD5] == others
    assert not list(damaged_files(folder))


def test_any_flipped_bit_in_any_file_is_found(root):
    folder, choose = root / "manifest", random.Random(1)
    for path in files_of(folder):
        whole = path.read_bytes()
        for _ in range(FLIPS // len(files_of(folder)) + 1):
            flip(path, choose)
            (error,) = damaged_files(folder)
            assert (error.code, error.path) == (Code.INPUT_DAMAGED, str(path))
            path.write_bytes(whole)
    assert not list(damaged_files(folder))


@pytest.mark.parametrize("name", ["shards/series_shard_00.csv", "series_all.csv"])
def test_a_flipped_bit_is_refused_before_it_is_converted(root, name):
    """Whatever of the manifest a shard is read from."""
    folder, choose = root / "manifest", random.Random(name)
    conversion = input_of(folder / name)
    due = read_plans(conversion)
    used = [folder / name, folder / "shards" / "files_shard_00.parquet"]
    for path in (*used, folder / "manifest_summary.json"):
        whole = path.read_bytes()
        for _ in range(40):
            flip(path, choose)
            with pytest.raises(SettingsError) as raised:
                read_plans(conversion)
            assert raised.value.code is Code.INPUT_DAMAGED
            assert raised.value.path == str(path)
            path.write_bytes(whole)
    assert read_plans(conversion) == due


def test_a_missing_file_is_named_and_does_not_hide_a_damaged_one(root):
    folder = root / "manifest"
    (folder / "files_excluded.parquet").unlink()
    (folder / "shards" / "series_shard_01.csv").write_text("series_hash\n")
    found = {Path(error.path or "").name: error.code for error in damaged_files(folder)}
    assert found == {
        "files_excluded.parquet": Code.INPUT_MISSING,
        "series_shard_01.csv": Code.INPUT_DAMAGED,
    }


def test_a_list_with_a_name_of_its_own_has_no_checksum(root):
    folder = root / "manifest"
    index = folder / "series_all.csv"
    header, *lines = index.read_text().splitlines(keepends=True)
    mine = folder / "mine.csv"
    mine.write_text("".join([header, lines[2]]))
    (plan,) = read_plans(input_of(mine))
    assert plan.series_hash == lines[2].split(",")[0]
    shutil.copy(mine, index)
    with pytest.raises(SettingsError, match=r"a name of your own beside series_all\.csv"):
        read_plans(input_of(index))


def test_without_the_summary_nothing_is_checked(root):
    """Shards that were copied to another machine alone."""
    folder = root / "manifest"
    (folder / "manifest_summary.json").unlink()
    assert read_manifest_summary(folder) is None
    assert not list(damaged_files(folder))
    check_files([folder / "series_all.csv", folder / "files_excluded.parquet"])
    assert read_plans(input_of(folder / "shards" / "series_shard_00.csv"))


def test_the_folder_of_a_manifest_is_that_above_its_shards():
    assert manifest_of(Path("a/shards/series_shard_00.csv")) == Path("a")
    assert manifest_of(Path("a/series_all.csv")) == Path("a")


@pytest.mark.parametrize(
    "name", ["files_excluded.parquet", "manifest_summary.json", "shards/files_shard_01.parquet"]
)
def test_making_the_manifest_again_repairs_it_even_if_times_and_sizes_are_as_before(tmp_path, name):
    """A disk that loses a bit changes no time of a file."""
    many(tmp_path, 4)
    make_manifest(settings(tmp_path, num_shards=SHARDS))
    path = tmp_path / "manifest" / name
    before, status = path.read_bytes(), path.stat()
    flip(path, random.Random(3))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    make_manifest(settings(tmp_path, num_shards=SHARDS))
    assert path.read_bytes() == before
