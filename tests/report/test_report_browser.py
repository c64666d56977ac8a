"""The report in headless Chromium: quiet, offline, and every control does what it says."""

import csv
import io
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import report_dataset
from ct2zarr.report.decisions import apply_decisions, read_decisions
from ct2zarr.report.page import make_report
from ct2zarr.report.summary_table import joined_to_csv, read_joined
from ct2zarr.run.cells import from_cell
from ct2zarr.run.settings import ReportSettings
from report_dataset import Dataset

pytestmark = pytest.mark.slow

REQUIRED = os.environ.get("CT2ZARR_REQUIRE_BROWSER") == "1"
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


def _absent(what: str) -> None:
    message = f"{what} is not installed; set CT2ZARR_REQUIRE_BROWSER=1 to make this a failure"
    if REQUIRED:
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _absent("playwright")
    chromium = shutil.which("chromium")
    if chromium is None:
        _absent("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def address(report_path: Path) -> str:
    return report_path.as_uri()


@pytest.fixture
def page(browser: Any, address: str) -> Iterator[Any]:
    """The open report; after each test: no console message, no error, no request but the file."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    said: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    yield page
    assert said == []
    assert {url for url in asked if not url.startswith(("data:", "blob:"))} == {address}
    context.close()


CONTRAST = """() => {
  const parse = (text) => {
    const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number);
    return text.startsWith('color(') ? [r * 255, g * 255, b * 255, a] : [r, g, b, a];
  };
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => c / 255)
      .map((c) => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = parse(getComputedStyle(e).backgroundColor);
      if (colour[3] > 0.8) return colour;
    }
    return [255, 255, 255, 1];
  };
  const bad = [];
  for (const e of document.querySelectorAll('body *:not(svg *):not(script):not(template)')) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    if (!own || !e.checkVisibility() || e.closest('.frame, [disabled], .hidden-label')) continue;
    const a = light(parse(getComputedStyle(e).color)), b = light(ground(e));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) bad.push(`${e.tagName} ${e.className} ${e.textContent.trim().slice(0, 20)}: `
      + ratio.toFixed(2));
  }
  return [...new Set(bad)];
}"""


def ready(page: Any, series_hash: str) -> Any:
    """The article of a sample, its pictures drawn."""
    sample = page.locator(f"#v-{series_hash}")
    sample.scroll_into_view_if_needed()
    page.locator(f"#v-{series_hash}[data-ready=true]").wait_for()
    return sample


def grey(sample: Any, view: int) -> np.ndarray:
    """Red channel of a canvas."""
    canvas = sample.locator("canvas").nth(view)
    values = canvas.evaluate(
        "c => [c.height, c.width, ...c.getContext('2d')"
        ".getImageData(0, 0, c.width, c.height).data.filter((_, i) => i % 4 === 0)]"
    )
    return np.array(values[2:]).reshape(values[0], values[1])


def test_every_picture_is_there_and_none_is_blank(page: Any, dataset: Dataset) -> None:
    for name, series_hash in dataset.hashes.items():
        sample = ready(page, series_hash)
        views = 1 if name == "flat" else 3
        assert sample.locator("canvas:visible").count() == views + 3
        for view in range(views + 2):
            assert np.ptp(grey(sample, view)) > 20, (name, view)
        assert np.ptp(grey(sample, views + 2)) == 0  # source and store do not differ
    sizes = page.locator("article img").evaluate_all("all => all.map((i) => i.naturalWidth)")
    assert len(sizes) == 3 * 6 + 4
    assert min(sizes) > 0


def test_unpacked_picture_is_the_plane_of_the_store(page: Any, dataset: Dataset) -> None:
    from ct2zarr import open_volume

    series_hash = dataset.hashes["plain"]
    sample = ready(page, series_hash)
    sample.get_by_role("button", name="Soft tissue").click()
    path = dataset.root / "zarr_sqlite" / "data" / f"{series_hash}.zarr.sqlite"
    with open_volume(path) as volume:
        plane = np.asarray(volume[volume.shape[0] // 2], dtype=np.float64)
    expected = np.clip(((plane - 40) / 400 + 0.5) * 255, 0, 255)
    assert np.abs(grey(sample, 0) - expected).max() <= 1


def test_slider_and_keys_scroll_the_pictures(page: Any, dataset: Dataset) -> None:
    sample = ready(page, dataset.hashes["plain"])
    where = sample.locator(".where").first
    assert where.inner_text() == "plane 8 of 14"
    before = grey(sample, 0)
    sample.get_by_label("Axial: picture shown").fill("0")
    assert where.inner_text() == "plane 1 of 14"
    assert np.any(grey(sample, 0) != before)
    sample.locator("canvas").first.press("ArrowUp")
    assert where.inner_text() == "plane 2 of 14"


def test_wheel_scrolls_only_the_picture_in_focus(page: Any, dataset: Dataset) -> None:
    sample = ready(page, dataset.hashes["plain"])
    where, canvas = sample.locator(".where").first, sample.locator("canvas").first
    canvas.hover()
    page.mouse.wheel(0, 1)
    assert where.inner_text() == "plane 8 of 14"
    canvas.focus()
    canvas.hover()
    page.mouse.wheel(0, -1)
    page.get_by_text("plane 9 of 14").first.wait_for()


def test_source_store_and_difference_scroll_together(page: Any, dataset: Dataset) -> None:
    sample = ready(page, dataset.hashes["plain"])
    sample.get_by_label("Source: picture shown").fill("2")
    assert sample.locator(".linked .where").all_inner_texts() == [
        "plane 14", "plane 14", "largest 0",
    ]  # fmt: skip


def test_preset_keys_sliders_and_drag_set_the_window(page: Any, dataset: Dataset) -> None:
    sample = ready(page, dataset.hashes["plain"])
    sample.get_by_role("button", name="Brain").click()
    width, level = sample.locator(".windows output").all()
    assert (width.inner_text(), level.inner_text()) == ("80", "40")
    narrow = grey(sample, 0)
    sample.locator("canvas").first.press("3")
    assert (width.inner_text(), level.inner_text()) == ("1,800", "400")
    assert np.ptp(grey(sample, 0)) < np.ptp(narrow)
    assert sample.get_by_role("button", name="Bone").get_attribute("aria-pressed") == "true"
    box = sample.locator("canvas").first.bounding_box()
    page.mouse.move(box["x"] + 50, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + 90, box["y"] + 30)
    page.mouse.up()
    assert float(width.inner_text().replace(",", "")) > 1800
    assert float(level.inner_text().replace(",", "")) < 400
    assert sample.get_by_role("button", name="Bone").get_attribute("aria-pressed") == "false"
    sample.locator(".width").press("Home")
    assert float(width.inner_text().replace(",", "")) == pytest.approx(1.0)


def test_table_is_searched_filtered_and_sorted(page: Any) -> None:
    rows = page.locator("#table tbody tr:visible")
    assert rows.count() == 5
    page.locator("#search").fill("decode cannot")
    assert rows.count() == 1
    assert "1 of 5 volumes" in page.locator("#matches").inner_text()
    page.locator("#search").fill("nothing has this")
    assert page.locator("#empty").is_visible()
    page.locator("#search").fill("")
    page.locator("#flag").select_option("gantry_tilt")
    assert rows.count() == 2
    page.locator("#status").select_option("rejected")
    assert rows.count() == 1
    page.locator("#flag").select_option("")
    page.locator("#status").select_option("")
    button = page.get_by_role("button", name="Slices")
    for expected in (sorted, lambda numbers: sorted(numbers, reverse=True)):
        button.click()
        numbers = [int(text) for text in rows.locator("td:nth-child(4)").all_inner_texts()]
        assert numbers == expected(numbers)
        assert len(set(numbers)) > 2
    head = page.locator("th", has=button)
    assert head.get_attribute("aria-sort") == "descending"


def test_text_from_files_does_not_run(page: Any) -> None:
    assert page.evaluate("window.injected") is None
    assert page.get_by_text(report_dataset.INJECTED).count() > 0


def test_decisions_are_kept_and_exported(page: Any, dataset: Dataset) -> None:
    first, second = page.locator(".sample").all()[:2]
    first.focus()
    page.keyboard.press("a")
    page.keyboard.press("j")
    page.keyboard.press("r")
    page.keyboard.press("c")
    page.keyboard.type('=odd, "very"')
    third = page.locator(".sample").nth(2).get_by_label("Comment")
    third.fill("'@a;=b \\x41 \\x1b \u202e\x07\U000e0041")
    page.reload()
    assert page.locator("#decided").inner_text() == "2"
    assert first.get_by_role("button", name="Accept").get_attribute("aria-pressed") == "true"
    assert second.get_by_role("button", name="Reject").get_attribute("aria-pressed") == "true"
    assert second.get_by_label("Comment").input_value() == '=odd, "very"'
    with page.expect_download() as download:
        page.get_by_role("button", name="Export CSV").click()
    text = Path(download.value.path()).read_text(encoding="utf-8")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["decision"] for row in rows] == ["accept", "reject", "", ""]
    assert rows[1]["comment"] == '\'=odd, "very"'  # a spreadsheet does not run it
    assert rows[2]["comment"] == r"''@a;'=b \x5cx41 \x5cx1b \u202e\x07\U000e0041"
    assert from_cell(rows[2]["comment"]) == "'@a;=b \\x41 \\x1b \u202e\x07\U000e0041"
    assert {row["series_hash"] for row in rows} == set(dataset.hashes.values())
    with page.expect_download() as download:
        page.get_by_role("button", name="Export JSON").click()
    content = json.loads(Path(download.value.path()).read_text(encoding="utf-8"))
    assert content["decisions"][1]["comment"] == '=odd, "very"'


def test_exported_decisions_count_in_the_summary_and_come_back(
    browser: Any, dataset: Dataset, tmp_path: Path
) -> None:
    """The whole way round: decide, export, apply, report again, take back, export again."""
    root = tmp_path / "out"
    shutil.copytree(dataset.root, root)
    summary = root / "zarr_sqlite" / "summary_all.csv"
    plain, tilt = dataset.hashes["plain"], dataset.hashes["tilt"]
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(make_report(ReportSettings(root)).as_uri())
        page.locator(f"#v-{plain}").get_by_role("button", name="Reject").click()
        page.locator(f"#v-{plain}").get_by_label("Comment").fill("=moved; twice")
        page.locator(f"#v-{tilt}").get_by_role("button", name="Accept").click()
        for kind in ("CSV", "JSON"):
            with page.expect_download() as download:
                page.get_by_role("button", name=f"Export {kind}").click()
            download.value.save_as(tmp_path / f"decisions.{kind.lower()}")
    reviews = read_decisions(tmp_path / "decisions.csv")
    assert reviews == read_decisions(tmp_path / "decisions.json")
    assert reviews[plain].comment == "=moved; twice"
    summary.write_text(joined_to_csv(apply_decisions(read_joined(summary), reviews, None)))
    few = ReportSettings(root, num_samples=0, sample_series=(plain,))
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(make_report(few).as_uri())
        sample = page.locator(f"#v-{plain}")
        rejected = sample.get_by_role("button", name="Reject")
        assert rejected.get_attribute("aria-pressed") == "true"
        assert sample.get_by_label("Comment").input_value() == "=moved; twice"
        assert "1 accepted, 1 rejected, 1 of them not shown" in page.locator("#tally").inner_text()
        rejected.click()
        with page.expect_download() as download:
            page.get_by_role("button", name="Export JSON").click()
        assert set(read_decisions(Path(download.value.path()))) == {tilt}
        page.get_by_role("button", name="Discard changes").click()
        assert rejected.get_attribute("aria-pressed") == "true"


def test_table_of_a_large_dataset_is_drawn_as_far_as_it_is_asked_for(
    browser: Any, dataset: Dataset, tmp_path: Path
) -> None:
    root = tmp_path / "out"
    shutil.copytree(dataset.root, root)
    failed = next(row for row in dataset.rows() if row["status"] == "failed")
    with (root / "zarr_sqlite" / "summary_all.csv").open("a", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(failed))
        for number in range(20_000):
            writer.writerow({**failed, "series_hash": f"{number:032x}", "slice_count": number})
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(make_report(ReportSettings(root, num_samples=0)).as_uri())
        page.get_by_text("20,005 of 20,005 volumes").wait_for()
        rows = page.locator("#table tbody tr")
        assert rows.count() == 50
        page.get_by_role("button", name="Show more").click()
        assert rows.count() == 250
        page.get_by_role("button", name="Slices").click(click_count=2)
        assert rows.first.locator(".slices").inner_text() == "19,999"
        page.locator("#search").fill(f"{12_345:032x}")
        assert rows.count() == 1


def test_link_of_a_row_leads_to_its_pictures(page: Any, dataset: Dataset) -> None:
    row = page.locator("#table tbody tr", has_text=dataset.hashes["hole"][:12])
    row.get_by_role("link", name="pictures").click()
    page.locator(f"#v-{dataset.hashes['hole']}[data-ready=true]").wait_for()
    # The page scrolls smoothly, so it takes its time.
    page.wait_for_function(
        "id => Math.abs(document.getElementById(id).getBoundingClientRect().top) < 200",
        arg=f"v-{dataset.hashes['hole']}",
    )


def test_everything_is_reached_and_seen_with_the_keyboard(page: Any) -> None:
    """Tab goes through every control that is shown, and each shows that it has the focus."""
    page.locator(".sample").last.scroll_into_view_if_needed()
    page.locator(".sample[data-ready=true]").last.wait_for()
    page.evaluate("scrollTo(0, 0)")
    wanted = page.evaluate(
        """() => {
          window.reached = new Set();
          window.unseen = [];
          addEventListener('focusin', ({ target }) => {
            reached.add(target);
            if (getComputedStyle(target).outlineStyle === 'none') unseen.push(target.outerHTML);
          });
          return [...document.querySelectorAll('a[href], button:enabled, input:enabled, '
            + 'select:enabled, summary, canvas:not([hidden])')]
            .filter((e) => e.checkVisibility()).length;
        }"""
    )
    for _ in range(wanted):
        page.keyboard.press("Tab")
    assert page.evaluate("unseen.map((html) => html.slice(0, 90))") == []
    assert page.evaluate("reached.size") == wanted


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(browser: Any, address: str, scheme: str) -> None:
    """Contrast of at least 4.5 to 1 for all text (WCAG 2.2, success criterion 1.4.3)."""
    with browser.new_context(color_scheme=scheme) as context:
        page = context.new_page()
        page.goto(address)
        page.locator("#search:enabled").wait_for()
        assert page.evaluate(CONTRAST) == []


def test_print_has_the_pictures_and_none_of_the_controls(browser: Any, address: str) -> None:
    with browser.new_context(color_scheme="dark") as context:
        page = context.new_page()
        page.goto(address)
        page.emulate_media(media="print")
        assert not page.locator("#search").is_visible()
        assert not page.locator(".windows").first.is_visible()
        assert page.locator(".viewer img, .viewer canvas").first.is_visible()
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert paper == "rgb(255, 255, 255)"
        assert len(page.pdf()) > 50_000


def test_theme_follows_the_system_and_can_be_switched(browser: Any, address: str) -> None:
    colours = {}
    for scheme in ("light", "dark"):
        context = browser.new_context(color_scheme=scheme)
        page = context.new_page()
        page.goto(address)
        colour = "getComputedStyle(document.body).backgroundColor"
        colours[scheme] = page.evaluate(colour)
        page.get_by_role("button", name="Switch between light and dark").click()
        colours[f"{scheme} switched"] = page.evaluate(colour)
        context.close()
    assert colours["light"] == colours["dark switched"]
    assert colours["dark"] == colours["light switched"]
    assert colours["light"] != colours["dark"]


@pytest.mark.parametrize("width", [390, 1280])
def test_page_fits_the_window(browser: Any, address: str, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 800})
    page = context.new_page()
    page.goto(address)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    context.close()


def test_pictures_are_seen_without_scripts(browser: Any, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    assert page.locator(".viewer img").first.is_visible()
    assert page.locator("#table tbody tr").count() == 5
    context.close()


def test_controls_have_names_and_ids_are_unique(page: Any) -> None:
    nameless = page.evaluate(
        """() => [...document.querySelectorAll('button, input, select, canvas, img, svg[role]')]
            .filter((e) => !(e.textContent.trim() || e.getAttribute('aria-label') || e.alt
                || e.labels?.length))
            .map((e) => e.outerHTML.slice(0, 80))"""
    )
    assert nameless == []
    repeated = page.evaluate(
        """() => { const ids = [...document.querySelectorAll('main [id]:not(svg *)')]
            .map((e) => e.id); return ids.filter((id, i) => ids.indexOf(id) !== i); }"""
    )
    assert repeated == []
