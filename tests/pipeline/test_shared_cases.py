"""Series that converters are known to get wrong, written by scripts that are not the project's.

The folder ``cases`` beside the shared real data has a script per series. HU is linear in patient
mm there, and each further patient, phase or energy adds 100 or 300 HU, so a plane in the wrong
volume shows as a number. The table says what each series must become.
"""

import contextlib
import os
import runpy
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

import ct2zarr
from converted import settings_for
from ct2zarr.convert.shard import run_shard
from ct2zarr.plan.manifest import make_manifest
from ct2zarr.run.settings import ManifestSettings
from ct2zarr.run.summary_columns import SummaryRow
from ct2zarr.vocabulary import Role, StoreType
from phantom import real_data

pytestmark = pytest.mark.slow

HU_PER_MM = np.array([3.0, 5.0, 2.0])
"""Along patient x, y and z, as the scripts have it."""
ROUNDED = 0.501
"""Largest HU error of whole numbers that are right."""

Truth = Callable[[int], NDArray[np.float64]]
"""Number of planes → the HU that are due, in the order of the planes."""


def plane_at(z: float, offset: float = 0.0) -> NDArray[np.float64]:
    """HU of the usual plane of the scripts: 24 x 32 pixels of 0.8 x 0.7 mm."""
    y, x = np.mgrid[0:24, 0:32]
    return np.asarray(3.0 * (0.7 * x - 12) + 5.0 * (0.8 * y - 10) + 2.0 * z + offset)


def usual(offset: float = 0.0) -> Truth:
    """The usual stack, where the store cannot say where planes lie."""
    return lambda planes: np.array([plane_at(2.5 * i, offset) for i in range(planes)])


def steps_from(first: float) -> Truth:
    """Each plane has one value, 10 HU more than the one below it."""
    return lambda planes: first + 10.0 * np.arange(planes)[:, None, None]


def with_air(offset: float) -> Truth:
    """The usual stack whose two lowest and two highest planes are empty."""

    def truth(planes: int) -> NDArray[np.float64]:
        values = usual(offset)(planes)
        values[[0, 1, -2, -1]] = -1000
        return values

    return truth


def with_metal(planes: int) -> NDArray[np.float64]:
    """The usual stack with a block of 3000 HU."""
    values = usual()(planes)
    values[:, 8:12, 8:12] = 3000
    return values


@dataclass(frozen=True)
class Due:
    """A volume that is due.

    Attributes:
        offset: HU above the phantom, through the geometry of the store.
        truth: the HU where the phantom cannot be asked through the geometry.
        error: largest HU error. kind: of the values; values that are no HU are not compared.
        flags: one of each group (``a|b``) must be there. never: none of these may be.
        split_by: what must be in it.
        said: a failed volume is as good, if its error says this.
        excused: with this flag, values need not be right.
    """

    planes: int
    offset: float = 0.0
    truth: Truth | None = None
    error: float = ROUNDED
    kind: str = "hu"
    flags: str = ""
    never: str = "conflicting_slices ambiguous_layers varying_acquisition duplicate_slices"
    split_by: str = ""
    said: str = ""
    excused: str = ""


@dataclass(frozen=True)
class Expected:
    """The volumes of a series in the order of their values, and the roles of files."""

    volumes: Sequence[Due] = ()
    roles: Mapping[str, int] = field(default_factory=dict)
    reason: str = ""
    """What the reason of each file that is no slice must say."""


ONE = Due(12, never=f"{Due.never} split_series missing_slices no_geometry")


def phases(*offsets: float, **same: Any) -> Expected:
    """A volume of 12 planes per offset."""
    return Expected([Due(12, offset=offset, **same) for offset in offsets])


EXPECTED: dict[str, Expected] = {
    "all_numbers_one": Expected([Due(12, truth=usual(), flags="no_geometry")]),
    "beyond_bits_stored": Expected(
        [replace(ONE, truth=with_metal, excused="beyond_bits_stored|out_of_range")]
    ),
    "bits_stored_missing": Expected([ONE]),
    "body_intercept_missing": Expected(
        [Due(12, kind="stored", flags="no_rescale|suspicious_hu")]
    ),
    "constant_position": Expected([Due(20, truth=usual(), flags="no_geometry")]),
    "cosines_jitter": Expected([replace(ONE, planes=40, error=0.51)]),
    "cosines_not_unit": Expected([ONE]),
    "decimal_comma": Expected([ONE]),
    "decimal_comma_intercept": Expected([ONE]),
    "decimal_comma_positions": Expected([ONE]),
    "dual_kvp_sequential_uids": phases(0, 300, split_by="KVP"),
    "elscint_private_rle": Expected(reason="PMSCT_RLE1"),
    "empty_uids_two_patients": phases(0, 300, flags="reused_series_uid"),
    "enhanced_two_kvp_snake": phases(0, 300, split_by="KVP"),
    "float_pixels": Expected([replace(ONE, error=0.001)]),
    "gzipped_files": Expected(reason="gzip"),
    "high_bit_wrong": Expected([ONE]),
    "identical_air_planes": Expected(
        # Only the order of InstanceNumber tells the phases apart, which is a conflict still.
        [
            Due(12, truth=with_air(0), never="ambiguous_layers duplicate_slices"),
            Due(12, truth=with_air(300), never="ambiguous_layers duplicate_slices"),
        ]
    ),
    "imager_spacing_only": Expected([Due(12, truth=usual(), flags="no_geometry")]),
    "intercept_missing": Expected([Due(12, kind="stored", flags="no_rescale")]),
    "micro_ct_second_stack": Expected(
        [Due(20, truth=steps_from(100)), Due(20, truth=steps_from(600))]
    ),
    "micro_ct_submicron": Expected([replace(ONE, planes=20, truth=steps_from(100))]),
    "micro_ct_ten_micron": Expected([replace(ONE, planes=30, truth=steps_from(100))]),
    "modality_lut": Expected([Due(12, kind="stored", flags="no_rescale")]),
    "modality_mr_ct_class": Expected(roles={"not_ct": 12}),
    "multiframe_classic": Expected([ONE]),
    "no_geometry_two_acquisitions": Expected(
        [
            Due(12, truth=usual(0), flags="no_geometry", split_by="AcquisitionNumber"),
            Due(12, truth=usual(300), flags="no_geometry", split_by="AcquisitionNumber"),
        ]
    ),
    "number_missing_two_phases": phases(0, 300, split_by="Time"),
    "numbers_step_two": Expected([ONE]),
    "phases_jitter_continues": phases(0, 300, split_by="KVP"),
    "phases_restart_folders": phases(0, 100, 200, 300, 400, flags="split_series"),
    "phases_table_jitter_tagged": phases(0, 300, split_by="AcquisitionNumber", error=0.61),
    "photometric_monochrome": Expected([ONE]),
    "pixel_spacing_one_value": Expected([ONE]),
    "private_big_endian_pixels": Expected([replace(ONE, said="1.2.840.113619.5.2")]),
    "private_compressed_short": Expected(reason="1.3.46.670589.33.1.4.1"),
    "reused_series_uid_abutting": phases(0, 300, flags="reused_series_uid"),
    "same_hu_other_encoding": Expected(
        [replace(ONE, flags="duplicate_slices", never="split_series conflicting_slices")],
        roles={"duplicate": 12},
    ),
    "second_pass_restarts_numbers": Expected([Due(12), Due(6, offset=300)]),
    "spectral_map_classic": Expected([Due(12, kind="rescaled", flags="not_hu")]),
    "study_uid_only_differs_gap": phases(0, 300, flags="reused_series_uid"),
    "temporal_position_index_classic": phases(0, 100, 200, split_by="TemporalPosition"),
    "thick_and_thin": Expected(
        [
            Due(60, split_by="SliceThickness"),
            Due(12, offset=300, split_by="SliceThickness"),
        ]
    ),
}  # fmt: skip


def cases_folder() -> Path:
    """The folder ``cases`` beside the real data; skips without it, fails where CI demands it."""
    default = real_data().parent / "cases"
    folder = Path(os.environ.get("CT2ZARR_TEST_CASES", default))
    if not folder.is_dir():
        message = f"no shared cases at {folder}: set CT2ZARR_TEST_CASES"
        if os.environ.get("CT2ZARR_REQUIRE_DATA") == "1":
            pytest.fail(message)
        pytest.skip(message)
    return folder


@contextlib.contextmanager
def as_script(folder: Path, argument: str) -> Iterator[None]:
    """The path and the arguments that a script would find; the modules it imports go again."""
    path, arguments, modules = list(sys.path), list(sys.argv), set(sys.modules)
    sys.path.insert(0, str(folder))
    sys.argv[1:] = [argument]
    try:
        yield
    finally:
        sys.path[:], sys.argv[:] = path, arguments
        for name in set(sys.modules) - modules:
            if name.startswith("_"):
                del sys.modules[name]


@dataclass(frozen=True)
class Found:
    """What all series became, each a dataset of its own since they share UIDs."""

    files: list[dict[str, Any]]
    rows: list[SummaryRow]
    store_root: Path

    def values(self, row: SummaryRow) -> NDArray[np.float64]:
        return np.asarray(self.volume(row)[:], dtype=np.float64)

    def volume(self, row: SummaryRow) -> ct2zarr.Volume:
        (path,) = (self.store_root / "data").glob(f"{row.series_hash}.*")
        return ct2zarr.open_volume(path)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One manifest of all series, written by their scripts."""
    folder = cases_folder()
    root = tmp_path_factory.mktemp("shared_cases")
    with contextlib.chdir(root), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pydicom, for values that are wrong on purpose
        for name in EXPECTED:  # the scripts seed their UIDs by the path that they are given
            with as_script(folder, name):
                runpy.run_path(str(folder / f"{name}.py"))
    datasets = {name: root / name for name in EXPECTED}
    make_manifest(ManifestSettings(datasets, root / "manifest", num_shards=1, workers=2))
    return root / "manifest"


@pytest.fixture(scope="module", params=[StoreType.SQLITE, StoreType.DIR])
def found(request: pytest.FixtureRequest, manifest: Path) -> Found:
    """All series, converted to one kind of store; every plane is verified."""
    settings = replace(
        settings_for(manifest.parent / "out", request.param, chunks=(16, 32, 32)),
        input_csv=manifest / "shards" / "series_shard_00.csv",
        num_workers=2,
    )
    files = [
        *pq.read_table(manifest / "files_excluded.parquet").to_pylist(),
        *pq.read_table(manifest / "shards" / "files_shard_00.parquet").to_pylist(),
    ]
    return Found(files, list(run_shard(settings).rows), settings.store_root)


def test_every_shared_case_has_a_row():
    scripts = {path.stem for path in cases_folder().glob("[a-z]*.py")}
    assert scripts == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_series_that_converters_get_wrong_becomes_what_it_is(found: Found, name: str):
    due = EXPECTED[name]
    rows = [row for row in found.rows if row.dataset == name]
    unused = [file for file in found.files if in_dataset(file, name) and file["role"] != Role.SLICE]
    if due.reason:
        said = [file["reason"] for file in unused] + [row.error for row in rows]
        assert said
        assert all(due.reason in sentence for sentence in said), said
        assert all(row.status != "ok" for row in rows)
        return
    for role, count in due.roles.items():
        assert sum(file["role"] == role for file in unused) == count
    assert len(unused) == sum(due.roles.values())
    ordered = sorted(rows, key=lambda row: row.status == "ok" and found.values(row).mean())
    assert [row.slice_count for row in ordered] == [volume.planes for volume in due.volumes], [
        (row.split_by, row.flags, row.error) for row in ordered
    ]
    for row, volume in zip(ordered, due.volumes, strict=True):
        check(found, row, volume)


def in_dataset(file: Mapping[str, Any], name: str) -> bool:
    return f"/{name}/" in file["path"]


def check(found: Found, row: SummaryRow, due: Due) -> None:
    """One volume against what is due."""
    if row.status != "ok":
        assert due.said, row.error
        assert due.said in row.error
        return
    flags = {flag for flag in row.flags.split(";") if flag}
    for group in due.flags.split():
        assert flags & set(group.split("|")), row.flags
    assert not flags & set(due.never.split()), row.flags
    assert due.split_by in row.split_by
    assert "UID" not in row.split_by
    assert row.verify_ok
    assert row.belonging == "constant"
    assert row.values_kind == due.kind
    if due.kind == "hu" and not flags & set(due.excused.split("|")):
        truth = due.truth(row.slice_count) if due.truth else phantom(found.volume(row), due.offset)
        assert np.abs(found.values(row) - truth).max() <= due.error


def phantom(volume: ct2zarr.Volume, offset: float) -> NDArray[np.float64]:
    """The HU of the phantom where the store says that its voxels lie."""
    attributes = volume.attrs
    row, column = np.array(attributes["orientation"])
    _, dy, dx = attributes["spacing"]
    y, x = np.mgrid[0 : volume.shape[1], 0 : volume.shape[2]]
    in_plane = y[..., None] * column * dy + x[..., None] * row * dx
    origins = np.array(attributes["slice_origins_lps"])[:, None, None]
    return np.asarray((origins + in_plane) @ HU_PER_MM + offset)
