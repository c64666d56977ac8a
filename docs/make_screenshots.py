"""Take the pictures of the report in the docs; needs Playwright and Chromium.

python docs/make_screenshots.py demo/converted/zarr_sqlite/verify_report.html
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

FOLDER = Path(__file__).resolve().parent / "pictures"
WIDTH, HEIGHT = 1280, 860
SHOWN = {
    "report-overview": ".overview",
    "report-review": "#review",
    "report-sample": ".sample:nth-of-type(2)",
}
"""The name of each picture, and the element at its top."""


def take(page: Page, selector: str, path: Path) -> None:
    """Save a PNG of the window with an element at its top."""
    # Below the bar that stays at the top.
    top = (
        "s => scrollTo({ behavior: 'instant',"
        " top: document.querySelector(s).getBoundingClientRect().top + scrollY - 64 })"
    )
    page.evaluate(top, selector)
    page.wait_for_timeout(500)  # pictures are drawn when they come into view
    page.screenshot(path=path)


def main(report: Path) -> None:
    """Open the report and take every picture."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--headless", "--no-sandbox", "--disable-gpu"],
        )
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.goto(report.resolve().as_uri())
        page.wait_for_load_state("load")
        for name, selector in SHOWN.items():
            take(page, selector, FOLDER / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
