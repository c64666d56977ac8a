"""Neuroglancer in a browser draws a volume that a plain HTTP file server serves."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reader_table import SPACING, Volumes

import ct2zarr
from ct2zarr.vocabulary import StoreType
from reader_environment import environment_python, requirement_lines

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent
FLAGS = ["--headless", "--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
RANGE = (-512, 512)
GREYS_PER_HU = 255 / (RANGE[1] - RANGE[0])
PIXELS_PER_VOXEL = 8
SIZE = (440, 420)
"""Pixels: 48 columns of 8 and 40 rows of 8 * 0.8 / 0.7, and a margin in which nothing is."""


def show(python: Path, folder: Path, source: str, **options: Any) -> dict[str, Any]:
    """What the browser fetched and drew."""
    playwright = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium")
    if chromium is None:
        if os.environ.get("CT2ZARR_REQUIRE_BROWSER") == "1":
            pytest.fail("chromium is not installed")
        pytest.skip("chromium is not installed")
    command = [python, "-I", HERE / "show_in_neuroglancer.py", folder, source, json.dumps(options)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server,
        playwright.sync_playwright() as started,
    ):
        assert server.stdout is not None
        try:
            browser = started.chromium.launch(executable_path=chromium, args=FLAGS)
            errors: list[str] = []
            page = browser.new_page()
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.goto(server.stdout.readline().strip())
            found: dict[str, Any] = json.loads(server.communicate(timeout=120)[0])
            assert errors == []
            return found
        finally:
            server.kill()


@pytest.mark.parametrize("zarr_format", [2, 3])
@pytest.mark.parametrize("store_type", [StoreType.DIR, StoreType.ZIP])
def test_neuroglancer_draws_the_hounsfield_units_where_they_are(
    volumes: Volumes, store_type: StoreType, zarr_format: int
) -> None:
    python = environment_python(*requirement_lines(HERE / "requirements.txt"))
    path = volumes.paths[store_type, zarr_format]
    opener = "|zip:" if store_type is StoreType.ZIP else "/"
    # Coordinates are those of the OME-Zarr metadata: the phantom's own, mm, here in voxels.
    plane, rows, columns = 6, *volumes.voxels.shape[1:]
    spacing = np.array(SPACING)
    origin = ct2zarr.open_volume(path).to_lps([0, 0, 0])[::-1] / spacing
    center = origin + np.array([plane, (rows - 1) / 2, (columns - 1) / 2])
    shown = show(
        python,
        path.parent,
        f"BASE/{path.name}{opener}|zarr{zarr_format}:",
        scales_mm=spacing[::-1].tolist(),
        position=center[::-1].tolist(),
        size=SIZE,
        pixels_per_voxel=PIXELS_PER_VOXEL,
        range=RANGE,
    )
    grey, red = np.array(shown["grey"], float), np.array(shown["red"])
    assert grey.shape == SIZE[::-1]
    step = np.array([PIXELS_PER_VOXEL * SPACING[1] / SPACING[2], PIXELS_PER_VOXEL])
    middle = np.array(SIZE[::-1]) / 2
    y = (middle[0] + (np.arange(rows) - (rows - 1) / 2) * step[0]).astype(int)
    x = (middle[1] + (np.arange(columns) - (columns - 1) / 2) * step[1]).astype(int)
    expected = (volumes.voxels[plane] - RANGE[0]) * GREYS_PER_HU
    assert np.abs(grey[np.ix_(y, x)] - expected).max() <= 1
    outside = (red == 255) & (grey == 0)
    assert outside[:5].all(), "beyond the volume there is only the background"
    assert outside[:, :5].all()
    assert not outside[np.ix_(y, x)].any()
    files = set(shown["fetched"])
    if store_type is StoreType.DIR:
        stem = "volume/" if zarr_format == 2 else "volume/c/"
        needed = {f"/{path.name}/{stem}{plane // 5}/{j}/{i}" for j in range(3) for i in range(3)}
        assert needed <= files
