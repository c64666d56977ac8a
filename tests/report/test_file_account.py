"""Whatever was not read is the first line of the page, and the roles of all files add up on it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from test_page import report_of

import phantom
from ct2zarr.convert.shard import run_shard
from ct2zarr.plan.manifest import make_manifest
from ct2zarr.report.file_account import file_bars, unplanned_notices, unread_notices
from ct2zarr.report.summaries import aggregate
from ct2zarr.run.paths import series_shard
from ct2zarr.run.settings import AggregateSettings, ConvertSettings, ManifestSettings


def convert(folder: Path, source: Path, **options: Any) -> Path:
    """Scan, convert and join a dataset of one shard; return CONVERTED_ROOT."""
    make_manifest(ManifestSettings({"v1": source}, folder / "manifest", num_shards=1, **options))
    table = series_shard(folder / "manifest", "00")
    run_shard(ConvertSettings(table, folder / "out"))
    aggregate(AggregateSettings(folder / "out", manifest_dir=folder / "manifest"))
    return folder / "out"


def make_source(root: Path) -> Path:
    """A series, one that lies deeper, one of which no file can be read, and a text."""
    phantom.make_series(root / "fine", name="fine", n=4)
    phantom.make_series(root / "a" / "b" / "c" / "d" / "deep", name="deep", n=3)
    cut = phantom.make_series(root / "cut", name="cut", n=3)
    for path in cut.paths:
        phantom.truncate(path, keep=0.5)
    (root / "notes.txt").write_text("no DICOM")
    return root


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_source(tmp_path / "ct")


@pytest.fixture(scope="module")
def converted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CONVERTED_ROOT of that source, which no test may change."""
    folder = tmp_path_factory.mktemp("account")
    return convert(folder, make_source(folder / "ct"))


@pytest.fixture(scope="module")
def page(converted: Path) -> str:
    return report_of(converted)


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", html).split())


def test_what_was_not_read_stands_first_with_its_remedy(source: Path, tmp_path: Path) -> None:
    page = report_of(convert(tmp_path, source, max_depth=2))
    main = page[page.index("<main") :]
    assert main.index('<div class="notice bad"') < main.index("<h1")
    notices = [text_of(one) for one in re.findall(r'<div class="notice bad".*?</div>', main, re.S)]
    deep = next(one for one in notices if "deeper than max_depth 2: 3" in one)
    assert "Set max_depth to" in deep
    assert any("No file of 1 series can be read" in one for one in notices)
    assert any("Copy them from their source again" in one for one in notices)
    assert str(tmp_path) not in page


def test_a_series_of_which_no_file_can_be_read_is_a_row_that_failed(page: str) -> None:
    assert page.count('<tr data-status="failed"') == 1
    assert "1 of 3 volumes failed" in page
    assert "can be used" not in page


def test_the_roles_of_all_files_add_up(converted: Path, page: str) -> None:
    summary = json.loads((converted / "zarr_sqlite/summary_all.json").read_text())
    account = summary["manifest"]["account"]
    bars = file_bars(account)
    assert bars
    assert bars.title == "Files found: 11 = the sum of all roles"
    assert {bar.label: bar.count for bar in bars.rows} == {
        "slice": 7, "not_dicom": 1, "unreadable": 3,
    }  # fmt: skip
    assert [bar.level for bar in bars.rows if bar.label == "unreadable"] == ["bad"]
    assert bars.title in page


def test_roles_that_do_not_add_up_are_said() -> None:
    bars = file_bars({"files_found": 5, "roles": {"slice": 3, "not_ct": 1}})
    assert bars
    assert bars.title == "Files found: 5 is not the sum of all roles"


@pytest.mark.slow
def test_a_series_that_is_gone_is_said_and_its_store_is_named(source: Path, tmp_path: Path) -> None:
    import shutil

    root = convert(tmp_path, source)
    before = {p.name.split(".")[0] for p in (root / "zarr_sqlite" / "meta").glob("*.series.json")}
    assert "no longer planned" not in report_of(root)
    shutil.rmtree(source / "fine")
    convert(tmp_path, source)
    page = report_of(root)
    notice = re.search(r'<div class="notice look".*?</div>', page, re.S)
    assert notice
    assert "1 volume is no longer planned" in notice[0]
    assert "snakemake tidy" in notice[0]
    assert len([one for one in before if one in notice[0]]) == 1
    assert page.index(notice[0]) < page.index("<h1")


def test_without_a_manifest_nothing_is_claimed() -> None:
    assert unread_notices({}) == ()
    assert file_bars({}) is None
    assert unplanned_notices(None) == ()
    for odd in (5, "x", [5], [{}], None):
        assert len(unread_notices({"unread": odd, "unreadable_series": "x"})) <= 1
        assert file_bars({"files_found": odd, "roles": odd}) is None
        assert unplanned_notices(odd) == unplanned_notices({"volumes": odd and "x"}) == ()


def test_the_page_counts_the_volumes_that_the_summary_counts_and_names_those_it_names() -> None:
    (notice,) = unplanned_notices({"volumes": 1200, "series_hash": ["ab", "cd"]})
    assert notice.sentence.startswith("1,200 volumes are no longer planned")
    assert notice.hashes == ("ab", "cd")
