"""The report: one file, everything escaped, nobody named, the same sample each time."""

import base64
import csv
import json
import re
import shutil
import zlib
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import report_dataset
from ct2zarr.errors import SettingsError
from ct2zarr.plan.identity import series_hash as hash_of
from ct2zarr.report import page as report
from ct2zarr.report import review_list as report_attention
from ct2zarr.report import samples as report_samples
from ct2zarr.report import summary_table as report_summary
from ct2zarr.report.decisions import Review, apply_decisions
from ct2zarr.report.packing import choose_scale, pack_levels
from ct2zarr.report.page import make_report
from ct2zarr.report.plots import plot_histogram, plot_placement
from ct2zarr.report.sampling import find_listed, sample_volumes
from ct2zarr.report.views import Limits, axis_letters, make_stacks, match_axes, place_planes
from ct2zarr.run.redaction import scrub_error, scrub_text
from ct2zarr.run.settings import ReportSettings
from ct2zarr.store.records import read_record, record_to_json
from ct2zarr.vocabulary import Decision
from report_dataset import Dataset


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return report_dataset.make_dataset(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def page(dataset: Dataset) -> str:
    return make_report(ReportSettings(dataset.root)).read_text(encoding="utf-8")


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


# The page -------------------------------------------------------------------------------------


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
    assert "planes are missing on the grid that the others make" in body


def test_table_is_capped_and_says_so(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "TABLE_ROWS", 2)
    path = make_report(
        ReportSettings(dataset.root, output_html=tmp_path / "a" / "r.html", num_samples=1)
    )
    page = path.read_text(encoding="utf-8")
    assert len(packed(page)["hashes"]) == 2
    assert "The table shows 2 of 5 volumes" in page
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
    assert body.count("<tr ") == report_attention.PLAIN_ROWS
    rows = packed(page)
    assert len(rows["hashes"]) == 3000 + 5
    assert {f"{number:032x}" for number in range(3000)} < set(rows["hashes"])


def test_table_keeps_to_its_room_and_the_gravest_rows() -> None:
    frame = report_summary.pd.DataFrame(
        {
            "series_hash": [f"{number * 7919:032x}" for number in range(400)],
            "dataset": "v1", "series_dir": "/x", "status": "failed", "reason": "timeout",
            "error": "", "flags": "", "slice_count": 3.0, "shard": "00",
        }
    )  # fmt: skip
    table = report_summary.AttentionTable(frame, 400)
    made = report_attention.make_attention(table, set(), Path("/gone"), 2000, linked=True)
    assert len(made.pack) <= 2000
    assert 10 < made.count < 400
    assert made.total == 400
    assert [row.series_hash for row in made.rows] == list(frame["series_hash"][: len(made.rows)])


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
        "Kernel", "Transfer syntax", "Slices a volume", "Spacing of planes", "Slice thickness",
        "Compression", "Speed",
    } <= set(titles)  # fmt: skip


# Decisions ------------------------------------------------------------------------------------


def decided(dataset: Dataset, root: Path, **decisions: tuple[str, str]) -> str:
    """The report over a copy of the dataset whose summary has these (decision, comment)."""
    shutil.copytree(dataset.root, root)
    hashes = {dataset.hashes[name]: value for name, value in decisions.items()}
    summary = root / "zarr_sqlite" / "summary_all.csv"
    table = report_summary.pd.read_csv(summary, dtype=str, keep_default_na=False)
    reviews = {
        key: Review(key, Decision(decision), comment)  # type: ignore[call-arg]
        for key, (decision, comment) in hashes.items()
    }
    apply_decisions(table, reviews, None).to_csv(summary, index=False)
    return make_report(ReportSettings(root)).read_text(encoding="utf-8")


def test_page_starts_from_the_decisions_of_the_summary(dataset: Dataset, tmp_path: Path) -> None:
    comment = f"moved </script>, see {dataset.source}/plain/3.dcm"
    page = decided(dataset, tmp_path / "o", plain=("reject", comment), tilt=("accept", ""))
    found = re.search(r'id="decided-before">(.*?)</script>', page)
    assert found
    rows = {row["series_hash"]: row for row in json.loads(found[1])}
    assert rows[dataset.hashes["plain"]]["decision"] == "reject"
    assert rows[dataset.hashes["plain"]]["comment"] == "moved </script>, see [file]"
    assert rows[dataset.hashes["tilt"]]["decision"] == "accept"


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


# A sampled volume -----------------------------------------------------------------------------


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
    assert f"differs from its source now: {plain[:12]}." in verdict[:300]


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


def test_source_that_is_gone_is_said_and_the_rest_is_shown(
    dataset: Dataset, tmp_path: Path
) -> None:
    root = tmp_path / "out"
    shutil.copytree(dataset.root, root)
    for meta in (root / "zarr_sqlite" / "meta").glob("*.series.json"):
        _move_source(meta, str(dataset.source), "/gone")
    page = make_report(ReportSettings(root)).read_text(encoding="utf-8")
    part = article(page, dataset.hashes["plain"])
    assert "The source is no longer there" in part
    assert part.count('<figure class="viewer"') == 3


def test_store_that_is_gone_is_said(dataset: Dataset, tmp_path: Path) -> None:
    root = tmp_path / "out"
    shutil.copytree(dataset.root, root)
    (root / "zarr_sqlite" / "data" / f"{dataset.hashes['plain']}.zarr.sqlite").unlink()
    page = make_report(ReportSettings(root)).read_text(encoding="utf-8")
    assert "cannot be read any more" in article(page, dataset.hashes["plain"])
    assert "no pixel differs" in article(page, dataset.hashes["hole"])
    assert str(tmp_path) not in page


def test_single_plane_has_one_view(page: str, dataset: Dataset) -> None:
    part = article(page, dataset.hashes["flat"])
    assert 'alt="Axial view' in part
    assert "Coronal" not in part


# Sampling -------------------------------------------------------------------------------------


def volumes(**counts: int) -> dict[str, tuple[str, list[str]]]:
    made = {}
    for kind, count in counts.items():
        for i in range(count):
            flags = [] if kind.startswith("plain") else [kind]
            made[f"{kind}{i:04d}"] = (kind if not flags else "v1", flags)
    return made


def test_rare_flag_is_sampled_among_thousands() -> None:
    chosen = sample_volumes(volumes(plain=5000, padding=3000, suspicious_hu=1), 4, seed=0)
    assert "suspicious_hu0000" in [sample.series_hash for sample in chosen]


def test_each_dataset_is_sampled() -> None:
    chosen = sample_volumes(volumes(plain_a=900, plain_b=2, plain_c=90), 3, seed=0)
    assert {sample.series_hash[:7] for sample in chosen} == {"plain_a", "plain_b", "plain_c"}


def test_sample_depends_on_the_seed_and_not_on_the_order() -> None:
    some = volumes(plain=300, padding=40)
    turned = dict(reversed(some.items()))
    assert sample_volumes(some, 10, 0) == sample_volumes(turned, 10, 0)
    assert sample_volumes(some, 10, 0) != sample_volumes(some, 10, 1)


def test_listed_volumes_come_first_and_besides() -> None:
    some = volumes(plain=300, padding=40)
    chosen = sample_volumes(some, 3, 0, ["plain0007", "padding0001"])
    assert [sample.series_hash for sample in chosen[:2]] == ["plain0007", "padding0001"]
    assert chosen[0].stratum == "listed by hand"
    assert len(chosen) == 5


def test_series_are_listed_by_hash_its_start_or_their_uid() -> None:
    uid = "1.2.826.0.1.3680043.8.498.1"
    parts = [hash_of("v2", uid, part) for part in (1, 2)]
    hashes = [*parts, "0123456789abcdef" * 2, "01234567ffffffff" * 2]
    wanted = ["0123456789ab", uid, parts[0]]
    assert find_listed(wanted, hashes, ["v1", "v2"], 2) == [hashes[2], *parts]
    with pytest.raises(SettingsError, match="sample_series: 01234567 is the start of 2"):
        find_listed(["01234567"], hashes, ["v1"], 1)
    for unknown in ("fedcba9876543210", "1.2.3", "0123"):
        with pytest.raises(SettingsError, match=f"sample_series: {unknown} is no series_hash"):
            find_listed([unknown], hashes, ["v1", "v2"], 2)


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
    assert "1 of 4, 1 of them listed by hand" in page
    assert "1 listed by hand have no store" in page  # the one that failed


@pytest.mark.parametrize("number", [0, 3, 7, 50])
def test_sample_has_the_wanted_number_and_no_volume_twice(number: int) -> None:
    some = volumes(plain=4, padding=3)
    chosen = [sample.series_hash for sample in sample_volumes(some, number, 0)]
    assert len(set(chosen)) == len(chosen) == min(number, 7)


# Pictures -------------------------------------------------------------------------------------


class Array:
    """A volume in memory."""

    def __init__(self, voxels: np.ndarray) -> None:
        self.voxels = voxels

    @property
    def shape(self) -> tuple[int, int, int]:
        planes, rows, columns = self.voxels.shape
        return planes, rows, columns

    def read_planes(self, start: int, stop: int) -> np.ndarray:
        return self.voxels[start:stop]


def scanned(
    orientation: list[float], step: float = 2.0, count: int = 12
) -> tuple[Array, np.ndarray, np.ndarray]:
    """Voxels that say where they lie: 100 to the patient's left, 10 behind, 1 up."""
    cosines = np.array(orientation, dtype=np.float64).reshape(2, 3)
    normal = np.cross(*cosines)
    origins = np.arange(count)[:, None] * step * normal
    z, y, x = np.indices((count, 10, 8))
    points = z[..., None] * step * normal + y[..., None] * cosines[1] + x[..., None] * cosines[0]
    return Array((points @ [100.0, 10.0, 1.0]).astype(np.float32)), cosines, origins


@pytest.mark.parametrize(
    "orientation",
    [
        [1, 0, 0, 0, 1, 0],
        [-1, 0, 0, 0, 1, 0],
        [1, 0, 0, 0, 0, -1],
        [0, 1, 0, 0, 0, -1],
        [0, -1, 0, 1, 0, 0],
    ],
    ids=["axial", "axial mirrored", "coronal", "sagittal", "axial turned"],
)
def test_views_hang_as_radiologists_expect_for_any_scan_direction(
    orientation: list[float],
) -> None:
    source, cosines, origins = scanned(orientation)
    placement = place_planes(12, (2.0, 1.0, 1.0), cosines, origins)
    stacks = {s.name: s for s in make_stacks(source, placement, Limits(256, 32, 32))}
    assert list(stacks) == ["axial", "coronal", "sagittal"]
    assert stacks["axial"].letters == ("R", "L", "A", "P")
    assert stacks["coronal"].letters == ("R", "L", "H", "F")
    assert stacks["sagittal"].letters == ("A", "P", "H", "F")
    steps = {"axial": (100, 10), "coronal": (100, -1), "sagittal": (10, -1)}
    for name, (right, down) in steps.items():
        pixels = stacks[name].pixels
        assert np.sign(np.diff(pixels, axis=2)).min() == np.sign(right), name
        assert np.sign(np.diff(pixels, axis=1)).max() == np.sign(down), name


def test_views_keep_the_aspect_of_the_patient() -> None:
    source, cosines, origins = scanned([1, 0, 0, 0, 1, 0], step=2.5, count=20)
    placement = place_planes(20, (2.5, 0.5, 0.8), cosines, origins)
    axial, coronal, sagittal = make_stacks(source, placement, Limits(256, 32, 32))
    assert (axial.width_mm, axial.height_mm) == pytest.approx((6.4, 5.0))
    assert (coronal.width_mm, coronal.height_mm) == pytest.approx((6.4, 50.0))
    assert (sagittal.width_mm, sagittal.height_mm) == pytest.approx((5.0, 50.0))


def test_missing_planes_leave_an_empty_band() -> None:
    source, cosines, origins = scanned([1, 0, 0, 0, 1, 0], count=12)
    kept = np.array([0, 1, 2, 3, 4, 7, 8, 9, 10, 11])
    placement = place_planes(10, (2.4, 1, 1), cosines, origins[kept])
    stacks = make_stacks(Array(source.voxels[kept]), placement, Limits(256, 32, 32))
    coronal = stacks[1].pixels
    empty = np.isnan(coronal).all(axis=(0, 2))
    assert coronal.shape[1] == 12
    assert np.flatnonzero(empty).tolist() == [5, 6]  # seen from the head, so 11 - 6 and 11 - 5


def test_tilt_is_undone_in_the_sagittal_view() -> None:
    source, cosines, origins = scanned([1, 0, 0, 0, 1, 0], count=8)
    tilted = origins + np.arange(8)[:, None] * [0.0, 1.0, 0.0]
    placement = place_planes(8, (2, 1, 1), cosines, tilted)
    sagittal = make_stacks(source, placement, Limits(256, 32, 32))[2].pixels[0]
    first = [int(np.flatnonzero(~np.isnan(row))[0]) for row in sagittal]
    assert first == list(range(7, -1, -1))


def test_large_planes_are_reduced_by_their_mean() -> None:
    voxels = np.random.default_rng(0).integers(-1000, 1000, (3, 600, 400)).astype(np.int16)
    placement = place_planes(3, (1, 1, 1), None, None)
    picture = make_stacks(Array(voxels), placement, Limits(200, 3, 3))[0].pixels
    expected = voxels.reshape(3, 200, 3, 400)[:, :, :, :399].reshape(3, 200, 3, 133, 3)
    assert picture.shape == (3, 200, 134)
    assert picture[:, :, :133] == pytest.approx(expected.mean(axis=(2, 4)), abs=1e-3)


def test_volume_without_geometry_has_views_without_letters() -> None:
    placement = place_planes(4, (1, 1, 1), None, None)
    stacks = make_stacks(Array(np.zeros((4, 5, 6))), placement, Limits(256, 32, 32))
    assert [stack.name for stack in stacks] == ["planes", "rows", "columns"]
    assert {stack.letters for stack in stacks} == {("", "", "", "")}


def test_oblique_axis_has_two_letters() -> None:
    assert axis_letters(np.array([0.0, 0.9, -0.436])) == ("AH", "PF")
    assert axis_letters(np.array([-1.0, 0.1, 0.0])) == ("L", "R")


def test_axes_are_matched_one_to_one() -> None:
    turned = np.array([[0.6, 0.6, 0.53], [0.1, 0.7, -0.7], [0.79, -0.4, -0.46]])
    assert sorted(match_axes(turned)) == [0, 1, 2]


def test_one_level_is_one_hounsfield_unit() -> None:
    scale = choose_scale(-1024.0, 3000.0, hounsfield=True)
    values = np.array([[-1024.0, -1000.0, 40.0, 3000.0, np.nan]], dtype=np.float32)
    assert scale.levels(values).tolist() == [[1, 25, 1065, 4025, 0]]
    assert not scale.clipped
    assert choose_scale(-3024.0, 20000.0, hounsfield=True).clipped


def test_pictures_of_the_worst_volume_keep_to_their_room() -> None:
    noise = np.random.default_rng(0).integers(-1000, 3000, (60, 512, 512)).astype(np.int16)
    placement = place_planes(60, (1, 1, 1), None, None)
    histogram = report_samples.Histogram(np.ones(1), np.array([-1000.0, 3000.0]), -1000, 3000, 0)
    room = report_samples.MOST_BYTES
    *_, data = report_samples.pack_pictures(Array(noise), placement, None, histogram, True, room)
    assert len(data) * 4 / 3 <= room
    assert room * 10 + report.TABLE_BYTES < 28_000_000  # which leaves 2 MB for all the rest


def test_smooth_pictures_pack_small() -> None:
    y, x = np.indices((256, 256))
    smooth = (1000 + y + 2 * x).astype(np.uint16)[None]
    assert len(pack_levels([smooth])) < smooth.nbytes / 50


# Plots and words ------------------------------------------------------------------------------


def test_plots_use_the_colours_of_the_page_and_say_what_they_show() -> None:
    plot = plot_histogram("Slices", np.array([10.0, 20.0, 20.0, 90.0]), "slices", whole=True)
    assert plot is not None
    assert not re.search(r"#[0-9a-f]{6}\b", plot.svg)
    assert 'role="img"' in plot.svg
    assert "Median 20, from 10 to 90 slices, 4 volumes." in plot.svg
    assert "<title>" in plot.svg


def test_plot_without_values_is_left_out() -> None:
    assert plot_histogram("Slices", np.array([np.nan]), "slices") is None


def test_drawing_of_the_planes_tells_gap_and_shear() -> None:
    heights = np.array([0, 2, 4, 6, 12, 14], dtype=np.float64)
    origins = np.stack([heights * 0, heights * 0.5, heights], axis=1)
    placement = place_planes(6, (2.8, 1, 1), np.eye(3)[:2], origins)
    summary = plot_placement(placement, rows=10).summary
    assert "usually 2 mm apart; 1 other distance, 6 mm" in summary
    assert "sheared by 26.6 degrees" in summary


@pytest.mark.parametrize(
    ("thickness", "said"),
    [(5.0, "so that they overlap by 3 mm"), (1.5, "so that they leave gaps of 0.5 mm"),
     (2.0, ""), (None, ""), (0.0, "")],
)  # fmt: skip
def test_drawing_of_the_planes_tells_whether_they_overlap(
    thickness: float | None, said: str
) -> None:
    origins = np.arange(6)[:, None] * np.array([0.0, 0.0, 2.0])
    placement = place_planes(6, (2, 1, 1), np.eye(3)[:2], origins)
    plot = plot_placement(placement, 10, thickness)
    assert said in plot.summary
    assert ("thick" in plot.summary) == bool(said)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/data/DOE JOHN/s 1/IM 3 cannot be decoded", "[file] cannot be decoded"),
        ("/data/DOE JOHN/s 1 has no files", "[folder] has no files"),
        ("the file '/other/My Scans/3' is cut short", "the file [path] is cut short"),
        ("/other/x/3.dcm: no pixels", "[path]: no pixels"),
        ("file DOE.dcm ends early", "file [file] ends early"),
        ("study 1.2.840.113619.2.55.3 is odd", "study [UID] is odd"),
        ("numpy 2.1.3, 1/2 of 3.5 mm", "numpy 2.1.3, 1/2 of 3.5 mm"),
        ("Thorax of john, doe", "Thorax of [removed], [removed]"),
    ],
)
def test_paths_uids_and_names_are_taken_out_of_text(text: str, shown: str) -> None:
    assert scrub_text(text, ["/data/DOE JOHN/s 1"], ["DOE^JOHN"]) == shown


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (
            "DOE 12 is in a syntax that cannot be decoded",
            "[file] is in a syntax that cannot be decoded",
        ),
        ("DOE12 (frame 3) ends early", "[file] (frame 3) ends early"),
        ("the series took longer than 60 s", "the series took longer than 60 s"),
        ("3 planes have no position", "3 planes have no position"),
    ],
)
def test_file_that_an_error_starts_with_is_not_named(error: str, shown: str) -> None:
    assert scrub_error(error, "/data/x") == shown


def test_attention_keeps_the_gravest_and_the_rarest() -> None:
    frame = report_summary.pd.DataFrame(
        {
            "series_hash": list("abcdef"),
            "status": ["ok", "ok", "failed", "ok", "rejected", "ok"],
            "flags": ["padding", "padding", "", "suspicious_hu", "", ""],
            "verify_ok": report_summary.pd.array([True] * 6, dtype="boolean"),
        }
    )
    table = report_summary.select_attention(frame, 3)
    assert table.rows["series_hash"].tolist() == ["c", "e", "d"]
    assert table.total == 5
