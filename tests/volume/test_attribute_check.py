"""A group attribute that no conversion writes is refused when a volume is opened."""

from pathlib import Path
from typing import Any

import pytest

import ct2zarr
from ct2zarr.errors import FileError
from handmade_volume import SERIES_HASH, attribute, rewritten

LONG = [[0.0, 0.0, 0.0]] * 11
MEMBERS: list[tuple[str, Any]] = [
    ("series_hash", "../../../etc/passwd"), ("series_hash", "0123456789ABCDEF" * 2),
    ("series_hash", SERIES_HASH + "\n"), ("series_hash", 7), ("source_fingerprint", ["f"]),
    ("flags", "gantry_tilt"), ("flags", [1]), ("flags", None),
    ("values", []), ("values", {"kind": 1}), ("values", {"kind": "stored", "slope": "1"}),
    ("values", {"minimum": True}), ("values", {"units": ["HU"]}),
    ("spacing", [1, 1]), ("spacing", None), ("spacing", [1, 1, "1"]), ("spacing", [1, 1, 1e16]),
    ("spacing", [1, 1, 10**400]), ("spacing", [[1, 1, 1]]), ("spacing", [True, 1, 1]),
    ("orientation", [[1, 0], [0, 1]]), ("orientation", [1, 0, 0]), ("orientation", "axial"),
    ("index_to_lps", [[1, 0, 0, 0]] * 3), ("index_to_lps", [1] * 16), ("index_to_lps", {}),
    ("slice_origins_lps", [[0, 0]] * 10), ("slice_origins_lps", []), ("slice_origins_lps", 10),
    ("slice_origins_lps", LONG), ("max_position_error_mm", "0"),
    ("frame_of_reference_uid", 1),
    ("levels", {}), ("levels", [[]]), ("levels", [{"path": "volume"}]),
    ("levels", [{"path": "../v/volume", "factors": [1, 1, 1]}]),
    ("levels", [{"path": "..", "factors": [1, 1, 1]}]),
    ("levels", [{"path": "/etc", "factors": [1, 1, 1]}]),
    ("levels", [{"path": "volume", "factors": [1, 1]}]),
    ("levels", [{"path": "volume", "factors": [0, 1, 1]}]),
    ("levels", [{"path": "volume", "factors": [1, 1, 1.5]}]),
    ("levels", [{"path": "volume", "factors": [1, 1, 1]}] * 65),
    ("format_version", "1"), ("format_version", 0), ("format_version", True),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), MEMBERS)
def test_a_member_that_no_conversion_writes_is_damage(
    tmp_path: Path, name: str, value: Any
) -> None:
    path = rewritten(tmp_path / "v", **{"zarr.json": attribute(**{name: value})})
    with pytest.raises(FileError, match="convert this volume again") as raised:
        ct2zarr.open_volume(path)
    assert raised.value.code == "store_damaged"


def test_a_number_beyond_all_floats_is_damage(tmp_path: Path) -> None:
    text = b'"spacing": [1e999, 1, 1]'
    path = rewritten(
        tmp_path / "v",
        **{"zarr.json": lambda old: old.replace(b'"spacing": [2.5, 0.8, 0.7]', text)},
    )
    with pytest.raises(FileError, match="member spacing"):
        ct2zarr.open_volume(path)


@pytest.mark.parametrize("version", [2, 99, 10**30])
def test_a_store_of_a_later_version_is_refused_with_the_way_out(
    tmp_path: Path, version: int
) -> None:
    path = rewritten(tmp_path / "v", **{"zarr.json": attribute(format_version=version)})
    with pytest.raises(FileError, match="install the version of ct2zarr") as raised:
        ct2zarr.open_volume(path)
    assert raised.value.code == "newer_format"


FITTING: list[tuple[str, Any]] = [
    ("spacing", [1e15, 0, -1e15]), ("orientation", [[1, 0, 0], [0, 1, 0]]), ("orientation", None),
    ("index_to_lps", None), ("slice_origins_lps", None), ("max_position_error_mm", None),
    ("levels", None), ("levels", []), ("frame_of_reference_uid", None),
    ("levels", [{"path": "volume", "factors": [1, 1, 1 << 22]}] * 64),
    ("values", {"kind": "stored", "slope": None, "minimum": -1e300, "maximum": 7}),
    ("flags", []), ("format_version", 1),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), FITTING)
def test_what_a_conversion_may_write_is_taken(tmp_path: Path, name: str, value: Any) -> None:
    path = rewritten(tmp_path / "v", **{"zarr.json": attribute(**{name: value})})
    assert ct2zarr.open_volume(path).attrs[name] == value
