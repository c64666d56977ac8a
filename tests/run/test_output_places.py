"""Results are never written into a dataset."""

from pathlib import Path

import pytest

from ct2zarr.codes import Code
from ct2zarr.errors import SettingsError
from ct2zarr.run.output_places import check_no_braces, check_outside


@pytest.mark.parametrize("place", ["ct", "ct/new/deeper", "alias/new", "ct/../ct/a"])
def test_output_in_a_dataset_is_refused_under_any_of_its_names(tmp_path: Path, place: str) -> None:
    (tmp_path / "ct").mkdir()
    (tmp_path / "alias").symlink_to("ct")
    for root in ("ct", "alias"):
        with pytest.raises(SettingsError) as caught:
            check_outside(
                "out_root", tmp_path / place, {"a": "/", "v1": tmp_path / root} | {"a": "/x"}
            )
        assert caught.value.code is Code.SETTING_WRONG
        assert "lies in the folder of dataset v1" in str(caught.value)


@pytest.mark.parametrize("place", ["ct2", "c", "", "new/ct", "ct/../out"])
def test_output_beside_or_above_a_dataset_is_taken(tmp_path: Path, place: str) -> None:
    (tmp_path / "ct").mkdir()
    check_outside("out_root", tmp_path / place, {"v1": str(tmp_path / "ct")})


def test_relative_paths_and_home_are_resolved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "ct"))
    for folder in ("~/out", "ct/out"):
        with pytest.raises(SettingsError):
            check_outside("out_root", Path(folder), {"v1": "ct"})


@pytest.mark.parametrize("name", ["a{b}", "a{", "}"])
def test_braces_are_refused_in_outputs(name: str) -> None:
    check_no_braces("out_root", Path("/data/out"))
    with pytest.raises(SettingsError, match="braces for wildcards"):
        check_no_braces("out_root", Path("/data") / name)
