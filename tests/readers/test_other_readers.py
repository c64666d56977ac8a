"""Each reader of the table in docs/output-format.md opens what the table says, and nothing else."""

import hashlib
import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from reader_table import READERS, SPACING, Reader, Volumes

import ct2zarr
from converted import convert, plans_in, settings_for
from ct2zarr.run.settings import EncodingSettings
from ct2zarr.vocabulary import StoreType
from phantom import make_series
from reader_environment import REPOSITORY, environment_python, requirement_lines

HERE = Path(__file__).parent
TABLE_HEAD = "| reader | dir | zip | sqlite |\n|---|---|---|---|\n"
SAID = {"axes": ["z", "y", "x"], "spacing": list(SPACING)}
UNITS = {"xarray": "HU"}
"""Units of the values; the readers of OME-Zarr report those of the axes."""


def run(reader: Reader, stores: list[tuple[StoreType, int, Path]]) -> list[dict[str, object]]:
    """What a tool reads from stores, in one process."""
    if reader.function == "zarr2":
        # zarr 2.18 imports names from numcodecs that version 0.16 took out.
        python = environment_python("zarr==2.18.*", "numcodecs<0.16")
    else:
        python = environment_python(*requirement_lines(HERE / "requirements.txt"))
    arguments = [f"{kind}:{number}:{path}" for kind, number, path in stores]
    done = subprocess.run(
        [python, HERE / "read_with_others.py", reader.function, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "scripts")},
    )
    assert done.returncode == 0, done.stderr
    found: list[dict[str, object]] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_the_table_in_the_docs_has_these_readers() -> None:
    text = (REPOSITORY / "docs" / "output-format.md").read_text("utf-8")
    table = TABLE_HEAD + "".join(f"{reader.row()}\n" for reader in READERS)
    assert table in text


def test_open_volume_reads_all(volumes: Volumes) -> None:
    for path in volumes.paths.values():
        np.testing.assert_array_equal(ct2zarr.open_volume(path).numpy(), volumes.voxels)


@pytest.mark.slow
@pytest.mark.parametrize(
    "reader", [each for each in READERS if each.function], ids=lambda each: each.function
)
def test_a_reader_opens_what_the_table_says(reader: Reader, volumes: Volumes, ozx: Volumes) -> None:
    paths = ozx.paths if reader.function == "ngff_zarr" else volumes.paths
    stores = [(kind, number, path) for (kind, number), path in paths.items()]
    md5 = hashlib.md5(volumes.voxels.tobytes()).hexdigest()
    for (kind, number, _), found in zip(stores, run(reader, stores), strict=True):
        if number not in reader.opens.get(kind, ("", ()))[1]:
            assert "error" in found, f"{reader.name} opens {kind} in format {number} by now"
            continue
        assert found.get("md5") == md5, (kind, number, found)
        assert found["dtype"] == "int16"
        for name in reader.tells.intersection(SAID):
            np.testing.assert_array_equal(found[name], SAID[name])
        if "units" in reader.tells:
            assert found["units"] == UNITS.get(reader.function, "millimeter")


@pytest.mark.slow
@pytest.mark.parametrize(
    "reader", [each for each in READERS if "levels" in each.tells], ids=lambda each: each.function
)
def test_a_reader_of_ome_zarr_finds_all_levels(reader: Reader, tmp_path: Path) -> None:
    made = make_series(tmp_path / "in", n=14, rows=40, columns=48, spacing=SPACING)
    (plan,) = plans_in(tmp_path / "in")
    stores = []
    for number in (2, 3):
        encoding = EncodingSettings(
            StoreType.DIR, zarr_format=number, chunks=(5, 16, 16), pyramid_levels=3
        )
        settings = settings_for(tmp_path / f"out{number}", encoding=encoding)
        stores.append((StoreType.DIR, number, convert(plan, settings).paths.store))
    for found in run(reader, stores):
        whole = np.rint(made.hu).astype("<i2")
        assert found.get("md5") == hashlib.md5(whole.tobytes()).hexdigest(), found
        assert found["levels"] == [[14, 40, 48], [14, 20, 24], [7, 10, 12]]


@pytest.mark.slow
@pytest.mark.parametrize("zarr_format", [2, 3])
def test_xarray_gives_stored_values_in_hounsfield_units(tmp_path: Path, zarr_format: int) -> None:
    """By the CF conventions, without knowing ct2zarr."""
    made = make_series(tmp_path / "in", n=5)
    (plan,) = plans_in(tmp_path / "in")
    encoding = EncodingSettings(StoreType.DIR, values="stored", zarr_format=zarr_format)
    store = convert(plan, settings_for(tmp_path / "out", encoding=encoding)).paths.store
    assert ct2zarr.open_volume(store).values["kind"] == "stored"
    (reader,) = [each for each in READERS if each.function == "xarray"]
    (found,) = run(reader, [(StoreType.DIR, zarr_format, store)])
    hu = np.rint(made.hu).astype("<i2")
    assert found["md5"] == hashlib.md5(hu.tobytes()).hexdigest()
    assert found["units"] == "HU"
