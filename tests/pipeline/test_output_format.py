"""docs/output-format.md names what a conversion writes, no more and no less."""

import re
from pathlib import Path

import pytest

from converted import Converted, convert, plans_in, settings_for
from ct2zarr.volume.volume import Volume, open_volume
from phantom import make_series

TEXT = (Path(__file__).parents[2] / "docs" / "output-format.md").read_text("utf-8")


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Converted:
    root = tmp_path_factory.mktemp("format")
    make_series(root / "in", n=4)
    (plan,) = plans_in(root / "in")
    return convert(plan, settings_for(root / "out"))


def section(title: str) -> str:
    return re.split(r"^#+ ", TEXT.partition(f"# {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def test_the_table_of_the_attribute_names_each_member(done: Converted) -> None:
    table = section("The group attribute `ct2zarr`")
    cells = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    named = [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]
    assert sorted(named) == sorted(open_volume(done.paths.store).attrs)


def test_the_columns_of_slices_csv_are_named(done: Converted) -> None:
    named = re.findall(r"\w+", section("slices.csv"))
    for column in open_volume(done.paths.store).slices[0]:
        assert column in named


def test_the_fields_of_series_json_are_named(done: Converted) -> None:
    text = section("series.json")
    for field in open_volume(done.paths.store).series:
        assert re.search(rf"\b{field}\b", text), field


def test_the_members_of_a_volume_in_the_example_exist(done: Converted) -> None:
    used = set(re.findall(r"volume\.(\w+)", section("In Python")))
    assert len(used) > 10
    volume = open_volume(done.paths.store)
    for name in used:
        assert hasattr(volume, name), f"{Volume.__name__}.{name}"
