"""The grid of an array is one that a volume can have."""

from pathlib import Path

import pytest

from ct2zarr.codes import Code
from ct2zarr.errors import FileError
from ct2zarr.store.bounds import (
    BLOSC_BYTES,
    DIRECTORY_BYTES,
    DOCUMENT_BYTES,
    SLICES_BYTES,
    check_grid,
)

PLAUSIBLE = [
    ((1, 1, 1), (64, 64, 64), 2),  # chunks may be larger than the volume
    ((300, 512, 512), (300, 512, 512), 4),
    ((1 << 22, 1, 1), (1, 1, 1), 2),
    ((1, 65_535, 65_535), (1, 64, 64), 2),
    ((1 << 18, 1024, 1024), (64, 64, 64), 4),  # a terabyte
    ((8, 8, 8), (1 << 10, 1 << 9, 1 << 8), 2),  # 256 MiB
    ((512, 512, 512), (1024, 1024, 512), 2),  # four times the volume
]
ABSURD = [
    ((17, 19), (8, 8), 2),
    ((1, 1, 1, 1), (1, 1, 1, 1), 2),
    ((4, 4, 4), (4, 4), 2),
    ((0, 4, 4), (4, 4, 4), 2),
    ((4, 0, 4), (4, 4, 4), 2),
    ((4, 4, -1), (4, 4, 4), 2),
    ((4, 4, 4), (4, 0, 4), 2),
    (((1 << 22) + 1, 1, 1), (64, 1, 1), 2),
    ((1, 65_536, 1), (1, 64, 64), 2),
    ((1, 1, 65_536), (1, 64, 64), 2),
    (((1 << 18) + 1, 1024, 1024), (64, 64, 64), 4),
    (((1 << 22) - 1, 2, 1), (1, 1, 1), 2),  # more chunks than there may be
    ((8, 8, 8), ((1 << 10) + 1, 1 << 9, 1 << 8), 2),
    ((512, 512, 512), (1025, 1024, 512), 2),
    ((5000, 1024, 1024), (1 << 10, 1 << 10, 1 << 10), 2),  # more than Blosc packs
]


@pytest.mark.parametrize(("shape", "chunks", "item"), PLAUSIBLE)
def test_a_grid_that_a_volume_can_have_is_taken(
    shape: tuple[int, ...], chunks: tuple[int, ...], item: int
) -> None:
    check_grid(Path("v"), shape, chunks, item, "volume")


@pytest.mark.parametrize(("shape", "chunks", "item"), ABSURD)
def test_a_grid_that_no_volume_has_is_damage(
    shape: tuple[int, ...], chunks: tuple[int, ...], item: int
) -> None:
    with pytest.raises(FileError, match="the metadata of volume give the shape") as raised:
        check_grid(Path("v"), shape, chunks, item, "volume")
    assert raised.value.code is Code.STORE_DAMAGED


def test_the_most_that_blosc_packs_is_that_of_the_codec() -> None:
    from numcodecs import blosc

    assert BLOSC_BYTES == blosc.MAX_BUFFERSIZE


def test_a_shape_of_a_million_axes_is_not_printed() -> None:
    with pytest.raises(FileError) as raised:
        check_grid(Path("v"), (1,) * 1_000_000, (1,) * 1_000_000, 2, "volume")
    assert len(str(raised.value)) < 1000


def test_the_bounds_are_those_that_the_page_on_the_format_states() -> None:
    page = (Path(__file__).parents[2] / "docs" / "output-format.md").read_text("utf-8")
    stated = " ".join(page.split())
    for what, bound in [
        ("a metadata document or `series.json` of", DOCUMENT_BYTES),
        ("`slices.csv` of", SLICES_BYTES),
        ("the directory of a zip file of", DIRECTORY_BYTES),
    ]:
        assert f"{what} {bound / 2**20:g} MiB" in stated
