"""The report: one file, everything escaped, nobody named, the same sample each time."""

import base64
import csv
import hashlib
import html
import json
import re
import shutil
import zlib
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import report_dataset
from ct2zarr.codes import Code
from ct2zarr.errors import SettingsError
from ct2zarr.report import page as page_module
from ct2zarr.report import review_list
from ct2zarr.report.decisions import Review, apply_decisions
from ct2zarr.report.page import make_report
from ct2zarr.report.summary_table import JoinedRow, joined_to_csv, read_joined
from ct2zarr.run.paths import joined_summary
from ct2zarr.run.sealed import write_table
from ct2zarr.run.settings import ReportSettings
from ct2zarr.store.records import read_record, record_to_json
from ct2zarr.vocabulary import Decision
from report_dataset import Dataset


@pytest.fixture(scope="module")
def page(report_path: Path) -> str:
    return report_path.read_text(encoding="utf-8")


class Reader(HTMLParser):
    """Collects the visible text, the addresses and the tags of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []
        self.addresses: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [v or "" for name, v in attrs if name in ("src", "href", "xlink:href")]

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    return reader


def packed(page: str) -> dict[str, Any]:
    """What the script of the table reads."""
    pack = re.search(r'id="rows">([A-Za-z0-9+/=]*)<', page)
    assert pack
    return json.loads(zlib.decompress(base64.b64decode(pack[1])))


def article(page: str, series_hash: str) -> str:
    start = page.index(f'id="v-{series_hash}"')
    return page[start : page.index("</article>", start)]


def test_page_refers_to_nothing_outside_itself(page: str) -> None:
    addresses = read(page).addresses
    assert any(address.startswith("data:image/webp;base64,") for address in addresses)
    beside = re.compile(r"meta/[0-9a-f]{32}\.series\.json|logs/convert_shard_\d+\.log|")
    assert all(a.startswith(("data:", "#")) or beside.fullmatch(a) for a in addresses)
    assert "http://" not in page
    assert "https://" not in page
    assert not re.search(r"@import|url\((?!#)", page)


def test_text_from_files_is_escaped(page: str) -> None:
    assert report_dataset.INJECTED not in page
    assert "&lt;script&gt;window.injected = true&lt;/script&gt;" in page
    assert "<b>B30f</b>" not in page
    assert "&lt;b&gt;B30f&lt;/b&gt; $x$" in page
    # ours, the rows, the decisions, and the pictures of four samples
    assert read(page).tags.count("script") == 2 + 1 + 1 + 4


def test_no_patient_identifier_no_path_and_no_uid_is_in_the_page(
    page: str, dataset: Dataset
) -> None:
    hidden = [
        "Quasimodo", "Sentinel", report_dataset.PATIENT_ID, report_dataset.BIRTH_DATE,
        report_dataset.STUDY_DATE, report_dataset.INSTITUTION, str(dataset.source),
        dataset.source.name, "broken one", "IM 7",
    ]  # fmt: skip
    for path in (dataset.root / "zarr_sqlite" / "meta").glob("*.slices.csv"):
        for row in csv.DictReader(path.open(newline="")):
            hidden += [row["SOPInstanceUID"], row["file_name"]]
    for path in (dataset.root / "zarr_sqlite" / "meta").glob("*.series.json"):
        tags = json.loads(path.read_text())["tags"]
        hidden += [tags["SeriesInstanceUID"], tags["StudyInstanceUID"]]
    # Base64 may hold any short word, so the pictures go, and the rows are unpacked.
    text = re.sub(r"[A-Za-z0-9+/=]{200,}", "", page).lower() + json.dumps(packed(page)).lower()
    assert [word for word in hidden if word.lower() in text] == []


def test_verdict_says_what_failed(page: str) -> None:
    assert "1 of 6 volumes failed." in page


def test_table_has_each_row_that_is_not_plainly_ok(page: str, dataset: Dataset) -> None:
    body = page[page.index("<tbody>", page.index('id="table"')) : page.index("<template")]
    rows = re.findall(r'<tr data-status="(\w+)" data-flags="([^"]*)"', body)
    odd = [row for row in dataset.rows() if row["status"] != "ok" or row["flags"]]
    assert sorted(rows) == sorted((r["status"], r["flags"].replace(";", " ")) for r in odd)
    assert rows[0][0] == "failed"
    assert rows[1][0] == "rejected"
    assert "cannot be decoded" in body
    assert "planes are missing from the grid that the others form" in body


def test_table_is_capped_and_says_so(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page_module, "TABLE_ROWS", 2)
    path = make_report(
        ReportSettings(dataset.root, output_html=tmp_path / "a" / "r.html", num_samples=1)
    )
    page = path.read_text(encoding="utf-8")
    assert len(packed(page)["hashes"]) == 2
    assert "The list shows 2 of 5 volumes" in page
    assert "summary_all.csv" in page


def test_rows_of_a_large_dataset_are_all_in_the_page_and_few_as_they_are(
    dataset: Dataset, tmp_path: Path
) -> None:
    root = tmp_path / "out"
    shutil.copytree(dataset.root, root)
    summary = root / "zarr_sqlite" / "summary_all.csv"
    failed = next(row for row in dataset.rows() if row["status"] == "failed")
    with summary.open("a", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(failed))
        for number in range(3000):
            writer.writerow({**failed, "series_hash": f"{number:032x}"})
    page = make_report(ReportSettings(root, num_samples=0)).read_text(encoding="utf-8")
    body = page[page.index("<tbody>", page.index('id="table"')) : page.index("<template")]
    assert body.count("<tr ") == review_list.PLAIN_ROWS
    rows = packed(page)
    assert len(rows["hashes"]) == 3000 + 5
    assert {f"{number:032x}" for number in range(3000)} < set(rows["hashes"])


def test_rows_link_to_what_lies_beside_the_report_and_to_nothing_elsewhere(
    dataset: Dataset, tmp_path: Path
) -> None:
    root = tmp_path / "out"
    shutil.copytree(dataset.root, root)
    (root / "zarr_sqlite" / "logs").mkdir()
    (root / "zarr_sqlite" / "logs" / "convert_shard_03.log").touch()
    rows = [{**row, "shard": "03"} for row in dataset.rows()]
    with (root / "zarr_sqlite" / "summary_all.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    beside = make_report(ReportSettings(root, num_samples=0))
    links = [a for a in read(beside.read_text()).addresses if a and not a.startswith(("#", "data"))]
    assert all((beside.parent / link).is_file() for link in links)
    assert {link.partition("/")[0] for link in links} == {"meta", "logs"}
    away = make_report(ReportSettings(root, output_html=tmp_path / "r.html", num_samples=0))
    links = [a for a in read(away.read_text()).addresses if a and not a.startswith(("#", "data"))]
    assert links == []


def test_every_distribution_is_drawn(page: str) -> None:
    titles = re.findall(r"<h3>([^<]+)</h3>", page[page.index('id="distributions"') :])
    assert {
        "Flags", "Failed and rejected, by reason", "Failed and rejected, by flag", "Manufacturer",
        "Kernel", "Transfer syntax", "Slices per volume", "Slice spacing", "Slice thickness",
        "Compression", "Speed",
    } <= set(titles)  # fmt: skip


def decided(dataset: Dataset, root: Path, **decisions: tuple[str, str]) -> str:
    """The report over a copy of the dataset whose summary has these (decision, comment)."""
    shutil.copytree(dataset.root, root)
    hashes = {dataset.hashes[name]: value for name, value in decisions.items()}
    summary = root / "zarr_sqlite" / "summary_all.csv"
    reviews = {
        key: Review(key, Decision(decision), comment)  # type: ignore[call-arg]
        for key, (decision, comment) in hashes.items()
    }
    summary.write_text(joined_to_csv(apply_decisions(read_joined(summary), reviews, None)))
    return make_report(ReportSettings(root)).read_text(encoding="utf-8")


def test_page_starts_from_the_decisions_of_the_summary(dataset: Dataset, tmp_path: Path) -> None:
    comment = f"moved </script>, see {dataset.source}/plain/3.dcm"
    page = decided(dataset, tmp_path / "o", plain=("reject", comment), tilt=("accept", ""))
    found = re.search(r'id="decided-before">(.*?)</script>', page)
    assert found
    rows = {row["series_hash"]: row for row in json.loads(found[1])}
    assert rows[dataset.hashes["plain"]]["decision"] == "reject"
    assert rows[dataset.hashes["plain"]]["comment"] == "moved </script>, see [path]"
    assert rows[dataset.hashes["tilt"]]["decision"] == "accept"


@pytest.mark.slow
def test_volume_rejected_in_review_is_in_the_table_and_keeps_its_pictures(
    dataset: Dataset, tmp_path: Path
) -> None:
    page = decided(dataset, tmp_path / "o", plain=("reject", "moved"))
    rows = packed(page)
    at = rows["hashes"].index(dataset.hashes["plain"])
    assert rows["words"]["reason"][rows["columns"]["reason"][at]] == "rejected_in_review"
    assert rows["words"]["error"][rows["columns"]["error"][at]].endswith("in review: moved")
    assert article(page, dataset.hashes["plain"]).count('<figure class="viewer"') == 6
    assert sorted(re.findall(r'id="v-(\w+)"', page)) == sorted(dataset.hashes.values())


def test_same_summary_gives_the_same_page_but_for_its_time(dataset: Dataset, page: str) -> None:
    again = make_report(ReportSettings(dataset.root)).read_text(encoding="utf-8")
    strip = re.compile(r"<time.*?</time>")
    assert strip.sub("", again) == strip.sub("", page)


def test_missing_summary_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"summary_all\.csv does not exist"):
        make_report(ReportSettings(tmp_path))


def test_summary_without_a_needed_column_is_an_error_that_names_it(tmp_path: Path) -> None:
    folder = tmp_path / "zarr_sqlite"
    folder.mkdir()
    (folder / "summary_all.csv").write_text("series_hash,dataset\n")
    with pytest.raises(SettingsError, match="lacks the column series_dir"):
        make_report(ReportSettings(tmp_path))


def test_source_and_store_agree_in_every_sample(page: str, dataset: Dataset) -> None:
    for series_hash in dataset.hashes.values():
        assert "decoded again from the source: no pixel differs" in article(page, series_hash)


def test_changed_voxel_in_the_store_shows_as_a_difference(dataset: Dataset, tmp_path: Path) -> None:
    root = tmp_path / "out"
    shutil.copytree(dataset.root, root)
    first = dataset.source / "plain"
    changed = tmp_path / "changed"
    shutil.copytree(first, changed)
    meta = root / "zarr_sqlite" / "meta" / f"{dataset.hashes['plain']}.series.json"
    _brighten_a_pixel(changed)
    _move_source(meta, str(first), str(changed))
    page = make_report(ReportSettings(root)).read_text(encoding="utf-8")
    plain = dataset.hashes["plain"]
    assert "the largest difference is 100 HU" in article(page, plain)
    verdict = page[page.index('<p class="verdict bad">') :]
    assert f"now differs from its source: {plain[:12]}." in verdict[:300]


def _move_source(meta: Path, old: str, new: str) -> None:
    """Let the record say that its source lies elsewhere."""
    record = read_record(meta)
    moved = replace(record, series_dir=record.series_dir.replace(old, new))
    meta.write_text(record_to_json(moved))


def _brighten_a_pixel(folder: Path) -> None:
    """Subtract 100 from one stored value of each file."""
    for path in sorted(folder.iterdir()):
        data = bytearray(path.read_bytes())
        pixel = int.from_bytes(data[-2:], "little") - 100
        data[-2:] = pixel.to_bytes(2, "little")
        path.write_bytes(bytes(data))


@pytest.mark.slow
def test_source_that_is_gone_is_said_and_the_rest_is_shown(
    dataset: Dataset, tmp_path: Path
) -> None:
    root = tmp_path / "out"
    shutil.copytree(dataset.root, root)
    for meta in (root / "zarr_sqlite" / "meta").glob("*.series.json"):
        _move_source(meta, str(dataset.source), "/gone")
    page = make_report(ReportSettings(root)).read_text(encoding="utf-8")
    part = article(page, dataset.hashes["plain"])
    assert "The source is no longer available" in part
    assert part.count('<figure class="viewer"') == 3


def test_store_that_is_gone_is_said(dataset: Dataset, tmp_path: Path) -> None:
    root = tmp_path / "out"
    shutil.copytree(dataset.root, root)
    (root / "zarr_sqlite" / "data" / f"{dataset.hashes['plain']}.zarr.sqlite").unlink()
    page = make_report(ReportSettings(root)).read_text(encoding="utf-8")
    assert "can no longer be read" in article(page, dataset.hashes["plain"])
    assert "no pixel differs" in article(page, dataset.hashes["hole"])
    assert str(tmp_path) not in page


def test_single_plane_has_one_view(page: str, dataset: Dataset) -> None:
    part = article(page, dataset.hashes["flat"])
    assert 'alt="Axial view' in part
    assert "Coronal" not in part


def test_listed_series_is_shown_whatever_the_number(dataset: Dataset, tmp_path: Path) -> None:
    flat = dataset.hashes["flat"]
    record = json.loads((dataset.root / f"zarr_sqlite/meta/{flat}.series.json").read_text())
    uid = record["tags"]["SeriesInstanceUID"]
    settings = ReportSettings(
        dataset.root, output_html=tmp_path / "r.html", num_samples=0, sample_series=(uid, "f" * 32)
    )
    page = make_report(settings).read_text(encoding="utf-8")
    assert re.findall(r'id="v-(\w+)"', page) == [flat]
    assert uid not in page
    assert "1 of 4, 1 of them listed in sample_series" in page
    assert "1 listed in sample_series has no store" in page  # the one that failed


# The head -------------------------------------------------------------------------------------


def joined(folder: Path, *rows: JoinedRow) -> Path:
    """A folder whose summary has these rows, and nothing else."""
    (folder / "zarr_sqlite").mkdir(parents=True)
    (folder / "zarr_sqlite" / "summary_all.csv").write_text(joined_to_csv(rows))
    return folder


def report_of(root: Path) -> str:
    return make_report(ReportSettings(root)).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("datasets", "heading"),
    [
        ([], "Converted volumes"),
        ([""], "Converted volumes"),
        (["b"], "Dataset b"),
        (["b", "a", "b"], "Datasets a, b"),
        (["c", "b", "a"], "Datasets a, b, c"),
        (["d", "c", "b", "a", "e"], "Datasets a, b, c and 2 more"),
    ],
)
def test_heading_names_three_datasets_at_most(
    tmp_path: Path, datasets: list[str], heading: str
) -> None:
    rows = [JoinedRow(f"{i:032x}", name, "/a", "failed") for i, name in enumerate(datasets)]
    page = report_of(joined(tmp_path / "o", *rows))
    assert f'<h1 id="overview-title">{heading}</h1>' in page
    assert f"<title>ct2zarr report: {heading}</title>" in page


def test_decisions_are_kept_under_the_set_of_volumes(tmp_path: Path) -> None:
    def name(folder: str, *hashes: str) -> str:
        rows = [JoinedRow(one * 32, "v1", "/a", "failed") for one in hashes]
        found = re.search(
            r'data-report="([0-9a-f]{16})"', report_of(joined(tmp_path / folder, *rows))
        )
        assert found
        return found[1]

    assert name("1", "a", "b") == name("2", "b", "a") != name("3", "a", "c")


def test_empty_summary_gives_a_page_that_says_so(tmp_path: Path) -> None:
    page = report_of(joined(tmp_path / "o"))
    assert "The summary has no volume: nothing was found to convert." in page
    assert "No volume failed, was rejected, has a flag or differs from its source." in page
    assert "There is no converted volume to show." in page


def test_page_allows_its_own_scripts_and_no_other(page: str) -> None:
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    own = re.findall(r"<script>(.*?)</script>", page, flags=re.S)
    hashes = [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in own]
    assert len(hashes) == 2
    assert f"script-src 'sha256-{hashes[0]}' 'sha256-{hashes[1]}';" in html.unescape(policy[1])
    assert "default-src 'none'" in html.unescape(policy[1])


def test_settings_of_the_run_are_shown_and_a_damaged_summary_of_them_is_named(
    tmp_path: Path,
) -> None:
    root = joined(tmp_path / "o", JoinedRow("a" * 32, "v1", "/a", "failed"))
    files = joined_summary(root / "zarr_sqlite")
    write_table(files, files.table.read_text(), {"settings": {"on_bad_slice": "drop"}})
    assert "<dt>on_bad_slice</dt><dd>drop</dd>" in report_of(root)
    for damaged in ("[]", "{", files.totals.read_text().replace("drop", "fail")):
        files.totals.write_text(damaged)
        with pytest.raises(SettingsError, match=r"summary_all\.json .*aggregate step") as caught:
            report_of(root)
        assert caught.value.code is Code.INPUT_DAMAGED


def test_note_says_which_volumes_are_shown(page: str, dataset: Dataset, tmp_path: Path) -> None:
    def page_of(**values: Any) -> str:
        settings = ReportSettings(dataset.root, output_html=tmp_path / "r.html", **values)
        return make_report(settings).read_text(encoding="utf-8")

    def note(page: str) -> str:
        found = re.search(r'<h2 id="samples-title">Samples <small>([^<]*)</small>', page)
        assert found
        return found[1]

    flat = dataset.hashes["flat"]
    assert note(page) == "all volumes that have a store"
    assert note(page_of(num_samples=1, seed=7)) == "1 of 4; the rarest flags first, seed 7"
    assert note(page_of(num_samples=0, sample_series=(flat[:12], "e" * 32, "f" * 32))) == (
        "1 of 4, 1 of them listed in sample_series; the rarest flags first, seed 0; 2 listed in"
        " sample_series have no store"
    )


def test_volumes_that_fail_to_open_are_shown_with_the_reason_and_without_a_path(
    dataset: Dataset, tmp_path: Path
) -> None:
    root = tmp_path / "out"
    shutil.copytree(dataset.root, root)
    meta = root / "zarr_sqlite" / "meta"
    (meta / f"{dataset.hashes['plain']}.series.json").write_text("{")
    (meta / f"{dataset.hashes['hole']}.slices.csv").unlink()
    page = report_of(root)
    for name in ("plain", "hole"):
        part = article(page, dataset.hashes[name])
        assert "The volume or its record can no longer be read: " in part
        assert "cannot be shown" in part
    wrong = page[page.index('<p class="verdict bad">') :][:400]
    assert dataset.hashes["plain"][:12] in wrong
    assert dataset.hashes["hole"][:12] in wrong
    assert str(tmp_path) not in page
