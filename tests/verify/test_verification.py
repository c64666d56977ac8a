"""The verifier finds whatever is broken, in the store, in the sidecar or in the source."""

import os
import shutil
import sqlite3
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zarr
from pydicom import dcmread
from pydicom.uid import JPEGLosslessSV1, RLELossless

from converted import Converted, convert, plans_in, settings_for
from ct2zarr.dicom.deidentification import KEY_VARIABLE
from ct2zarr.errors import VerificationError
from ct2zarr.model import SliceTable
from ct2zarr.run.paths import volume_paths
from ct2zarr.run.settings import MetadataSettings
from ct2zarr.store.records import read_slices, slices_to_csv
from ct2zarr.store.zarr_stores import SQLiteStore
from ct2zarr.verify.verification import choose_planes, verify_volume
from ct2zarr.vocabulary import StoreType
from phantom import make_multiframe, make_series


@pytest.fixture(scope="module", params=list(StoreType))
def sound(tmp_path_factory, request) -> Converted:
    """A sound volume in each of the stores; rows and columns differ in number and spacing."""
    root = tmp_path_factory.mktemp("sound")
    make_series(root / "in", slope=2.0)
    (plan,) = plans_in(root / "in")
    return convert(plan, settings_for(root, request.param))


@pytest.fixture
def done(sound, tmp_path) -> Converted:
    """A copy of the volume for one test to break, in the store or in its sidecar."""
    settings = replace(sound.settings, out_root=tmp_path / "out")
    shutil.copytree(sound.settings.store_root, settings.store_root)
    store_type = settings.encoding.store_type
    paths = volume_paths(settings.store_root, sound.plan.series_hash, store_type)
    return replace(sound, settings=settings, paths=paths)


@pytest.fixture(params=list(StoreType))
def with_source(tmp_path, request) -> Converted:
    """The same with source files that one test may change."""
    make_series(tmp_path / "in", slope=2.0)
    (plan,) = plans_in(tmp_path / "in")
    return convert(plan, settings_for(tmp_path, request.param))


def verify(done: Converted, **changes: object):
    settings = replace(done.settings, **changes)  # type: ignore[arg-type]
    paths = done.paths
    return verify_volume(
        paths.store, paths.slices, done.plan, settings, tuple(done.record.decoders)
    )


@contextmanager
def open_to_break(done: Converted) -> Iterator[zarr.Group]:
    """The finished store, writable; a zip is unpacked for that and packed again."""
    path = done.paths.store
    if done.settings.encoding.store_type is StoreType.SQLITE:
        store = SQLiteStore(path)
        yield zarr.open_group(store, mode="r+")
        store.close()
        return
    if done.settings.encoding.store_type is StoreType.DIR:
        yield zarr.open_group(path, mode="r+")
        return
    folder = path.with_suffix(".unpacked")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    yield zarr.open_group(folder, mode="r+")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(folder).as_posix())
    shutil.rmtree(folder)


def test_opening_a_store_to_break_it_does_not_break_it(done):
    with open_to_break(done) as group:
        group["volume"][7, 3, 5] += 0
        group.attrs["ct2zarr"] = dict(group.attrs["ct2zarr"])
    assert verify(done).slices == tuple(range(12))


@pytest.mark.parametrize("store_type", list(StoreType))
def test_a_sound_volume_passes_with_every_plane_compared(tmp_path, store_type):
    make_series(tmp_path / "in", tilt_degrees=15.0, slope=[1 + i % 2 for i in range(12)])
    (plan,) = plans_in(tmp_path / "in")
    done = convert(plan, settings_for(tmp_path, store_type))
    assert verify(done).slices == tuple(range(12))


@pytest.mark.parametrize("syntax", [JPEGLosslessSV1, RLELossless])
def test_the_source_is_read_by_another_decoder_than_the_conversion_used(tmp_path, syntax):
    make_series(tmp_path / "in", transfer_syntax=syntax)
    (plan,) = plans_in(tmp_path / "in")
    done = convert(plan, settings_for(tmp_path))
    assert set(verify(done).decoders).isdisjoint(done.record.decoders)


def test_frames_of_a_multiframe_file_are_compared_with_their_own_header(tmp_path):
    make_multiframe(tmp_path / "in", slope=[1 + i % 2 for i in range(12)])
    (plan,) = plans_in(tmp_path / "in")
    done = convert(plan, settings_for(tmp_path))
    assert verify(done).slices == tuple(range(12))


def test_fractional_slopes_and_stored_values_pass_too(tmp_path):
    make_series(tmp_path / "in", slope=0.5)
    (plan,) = plans_in(tmp_path / "in")
    settings = settings_for(tmp_path / "hu")
    done = convert(plan, settings)
    assert done.record.dtype == "float32"
    assert verify(done).slices
    encoding = replace(settings.encoding, values="stored")
    stored = convert(plan, replace(settings, out_root=tmp_path / "stored", encoding=encoding))
    assert stored.record.values["kind"] == "stored"
    assert verify(stored).slices


# The store -----------------------------------------------------------------------------------


def test_one_voxel_changed_in_the_store_is_found(done):
    with open_to_break(done) as group:
        group["volume"][7, 3, 5] += 1
    with pytest.raises(VerificationError, match="plane 7"):
        verify(done)


def swap_planes(done: Converted) -> None:
    with open_to_break(done) as group:
        data = group["volume"][...]
        data[[3, 8]] = data[[8, 3]]
        group["volume"][...] = data


def test_two_planes_swapped_in_the_store_are_found(done):
    swap_planes(done)
    with pytest.raises(VerificationError, match="plane 3"):
        verify(done)


def test_two_planes_swapped_with_their_md5_are_found_in_the_source(done):
    swap_planes(done)
    edit_slices(done, swap_column("md5", 3, 8))
    with pytest.raises(VerificationError, match="plane 3 differs from its source"):
        verify(done)


def edit_attributes(done: Converted, edit: Callable[[dict], None]) -> None:
    with open_to_break(done) as group:
        attributes = dict(group.attrs["ct2zarr"])
        edit(attributes)
        group.attrs["ct2zarr"] = attributes


def negate_z(attributes: dict) -> None:
    for row in attributes["index_to_lps"]:
        row[0] = -row[0]


def reverse_origins(attributes: dict) -> None:
    attributes["slice_origins_lps"].reverse()


def reverse_all(attributes: dict) -> None:
    matrix = np.array(attributes["index_to_lps"])
    matrix[:3, 3] = attributes["slice_origins_lps"][-1]
    matrix[:, 0] *= -1
    attributes["index_to_lps"] = matrix.tolist()
    reverse_origins(attributes)


def shift_one(attributes: dict) -> None:
    attributes["slice_origins_lps"][4][0] += 0.5
    attributes["max_position_error_mm"] = 1.0


def shift_all(attributes: dict) -> None:
    for origin in attributes["slice_origins_lps"]:
        origin[1] += 0.5
    attributes["index_to_lps"][1][3] += 0.5


def stretch_rows(attributes: dict) -> None:
    for row in attributes["index_to_lps"]:
        row[2] *= 1.001


def swap_rows_and_columns(attributes: dict) -> None:
    for row in attributes["index_to_lps"]:
        row[1], row[2] = row[2], row[1]


def turn_orientation(attributes: dict) -> None:
    attributes["orientation"].reverse()


def lose_matrix(attributes: dict) -> None:
    del attributes["index_to_lps"]


def rename(attributes: dict) -> None:
    attributes["series_hash"] = "0" * 32


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (negate_z, "index_to_lps puts"),
        (reverse_origins, "index_to_lps puts"),
        (reverse_all, "does not lie above"),
        (shift_one, "slices.csv puts plane 4"),
        (shift_all, "slices.csv puts"),
        (stretch_rows, "spacing along the rows"),
        (swap_rows_and_columns, "spacing along the columns"),
        (turn_orientation, r"orientation|ascend|above"),
        (lose_matrix, "index_to_lps"),
        (rename, "has the series_hash 0000"),
    ],
)
def test_wrong_geometry_in_the_store_is_found_even_without_reading_a_plane(done, edit, said):
    edit_attributes(done, edit)
    with pytest.raises(VerificationError, match=said):
        verify(done, verify_slices=0)


@pytest.mark.parametrize(("name", "value"), [("slope", 1), ("intercept", 0)])
def test_a_rescale_changed_in_the_store_is_found(done, name, value):
    edit_attributes(done, lambda attributes: attributes["values"].update({name: value}))
    with pytest.raises(VerificationError, match=f"the {name} of plane 0"):
        verify(done)


def cut_dir(path: Path) -> None:
    chunk = max(
        (p for p in (path / "volume" / "c").rglob("*") if p.is_file()), key=lambda p: p.name
    )
    chunk.write_bytes(chunk.read_bytes()[:-9])


def cut_sqlite(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        key = "volume/1/0/1"
        done = connection.execute(
            "UPDATE zarr SET v = substr(v, 1, length(v) - 9) WHERE k = ?", (key,)
        )
        assert done.rowcount == 1
    connection.close()


def cut_zip(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, value in entries.items():
            archive.writestr(name, value[:-9] if name == "volume/c/1/0/1" else value)
    assert "volume/c/1/0/1" in entries


@pytest.mark.parametrize(
    ("sound", "cut"),
    [(StoreType.DIR, cut_dir), (StoreType.SQLITE, cut_sqlite), (StoreType.ZIP, cut_zip)],
    indirect=["sound"],
)
def test_a_chunk_cut_short_is_found(done, cut):
    cut(done.paths.store)
    with pytest.raises(VerificationError, match=r"cannot be read|MD5"):
        verify(done)


@pytest.mark.parametrize("sound", [StoreType.DIR], indirect=True)
def test_a_missing_chunk_is_found(done):
    next(p for p in (done.paths.store / "volume" / "c").rglob("*") if p.is_file()).unlink()
    with pytest.raises(VerificationError, match="cannot be read from the store"):
        verify(done)


@pytest.mark.parametrize("sound", [StoreType.SQLITE, StoreType.ZIP], indirect=True)
def test_a_store_cut_in_half_is_found(done):
    path = done.paths.store
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(VerificationError):
        verify(done)


# slices.csv ----------------------------------------------------------------------------------

Edit = Callable[[list[list[str]], tuple[str, ...]], None]


def edit_slices(done: Converted, edit: Edit) -> None:
    table = read_slices(done.paths.slices)
    rows = [list(row) for row in table.rows]
    edit(rows, table.columns)
    changed = SliceTable(table.columns, tuple(tuple(row) for row in rows))
    done.paths.slices.write_text(slices_to_csv(changed))


def swap_column(name: str, first: int, second: int) -> Edit:
    def edit(rows: list[list[str]], columns: tuple[str, ...]) -> None:
        place = columns.index(name)
        rows[first][place], rows[second][place] = rows[second][place], rows[first][place]

    return edit


def set_cell(name: str, row: int, value: str) -> Edit:
    def edit(rows: list[list[str]], columns: tuple[str, ...]) -> None:
        rows[row][columns.index(name)] = value

    return edit


def drop_row(rows: list[list[str]], _: tuple[str, ...]) -> None:
    rows.pop()


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (set_cell("SOPInstanceUID", 5, "1.2.3"), "plane 5 has another SOPInstanceUID"),
        (swap_column("SOPInstanceUID", 2, 3), "plane 2 has another SOPInstanceUID"),
        (set_cell("md5", 6, "0" * 32), "plane 6 of the store has another MD5"),
        (swap_column("ImagePositionPatient", 2, 3), "slices.csv puts plane 2"),
        (drop_row, "11 rows for 12"),
    ],
)
def test_a_wrong_cell_of_slices_csv_is_found(done, edit, said):
    edit_slices(done, edit)
    with pytest.raises(VerificationError, match=said):
        verify(done)


def test_a_changed_uid_is_found_among_pseudonyms(tmp_path, monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, "a key of enough characters")
    make_series(tmp_path / "in")
    (plan,) = plans_in(tmp_path / "in")
    settings = settings_for(tmp_path, metadata=MetadataSettings(deidentify=True))
    done = convert(plan, settings)
    assert verify(done).slices == tuple(range(12))
    edit_slices(done, swap_column("SOPInstanceUID", 2, 3))
    with pytest.raises(VerificationError, match="plane 2 has another SOPInstanceUID"):
        verify(done)


# The source ----------------------------------------------------------------------------------


def edit_source(path: str, edit: Callable, *, keep_time: bool) -> None:
    """Change a source file, with its size and (``keep_time``) its time as they were."""
    before = Path(path).stat()
    dataset = dcmread(path)
    edit(dataset)
    dataset.save_as(path)
    assert Path(path).stat().st_size == before.st_size
    if keep_time:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    else:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 10**9))


def change_slope(dataset) -> None:
    dataset.RescaleSlope = 3


def change_pixel(dataset) -> None:
    data = bytearray(dataset.PixelData)
    data[100] ^= 1
    dataset.PixelData = bytes(data)


def move(dataset) -> None:
    x, y, z = dataset.ImagePositionPatient
    dataset.ImagePositionPatient = [x, y, z + 1 if len(str(z + 1)) == len(str(z)) else z - 1]


def rename_instance(dataset) -> None:
    uid = str(dataset.SOPInstanceUID)
    dataset.SOPInstanceUID = uid[:-1] + str((int(uid[-1]) + 1) % 10)


@pytest.mark.parametrize("change", [change_slope, change_pixel, move, rename_instance])
def test_a_source_that_changed_behind_the_same_size_and_time_is_found(with_source, change):
    edit_source(with_source.plan.planes[7].path, change, keep_time=True)
    with pytest.raises(VerificationError):
        verify(with_source)


def test_a_source_with_another_time_is_found(with_source):
    edit_source(with_source.plan.planes[7].path, lambda _: None, keep_time=False)
    with pytest.raises(VerificationError, match="has changed"):
        verify(with_source)


def test_a_source_that_is_gone_is_found(with_source):
    Path(with_source.plan.planes[7].path).unlink()
    with pytest.raises(VerificationError, match="gone"):
        verify(with_source)


# Which planes --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "wanted", "expected"),
    [
        (300, 3, (0, 149, 299)),
        (300, 2, (0, 299)),
        (300, 1, (0,)),
        (300, 0, ()),
        (5, 4, (0, 1, 2, 4)),
        (2, 3, (0, 1)),
        (1, 3, (0,)),
        (4, "all", (0, 1, 2, 3)),
    ],
)
def test_the_first_and_the_last_plane_are_always_among_the_compared(count, wanted, expected):
    assert choose_planes(count, wanted) == expected
