"""The pages agree with the code: tables, codes, modules and links."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

import ct2zarr
from cases import CASES
from converted import plans_in
from ct2zarr.codes import Code
from ct2zarr.run.options import OPTIONS
from ct2zarr.vocabulary import (
    AuditStatus,
    Belonging,
    Decision,
    Flag,
    FlagLevel,
    Role,
    Status,
    StoreType,
)

ROOT = Path(__file__).parents[2]
MAKE_TABLES = ROOT / "docs" / "make_tables.py"
PACKAGE = Path(ct2zarr.__file__).parent
PAGES = sorted(
    page for folder in (".", "config", "docs", "examples") for page in (ROOT / folder).glob("*.md")
)


def test_tables_of_the_pages_are_those_of_the_code():
    done = subprocess.run(
        [sys.executable, MAKE_TABLES, "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_an_old_table_is_found(tmp_path):
    for folder in ("docs", "config", "scripts"):
        (tmp_path / folder).mkdir()
    script = tmp_path / "docs" / MAKE_TABLES.name
    script.write_text(MAKE_TABLES.read_text("utf-8"), "utf-8")
    (tmp_path / "scripts" / "ct2zarr").symlink_to(PACKAGE)
    page = tmp_path / "docs" / "page.md"
    page.write_text("<!-- table: statuses -->\n| `ok` | old |\n<!-- end of table -->\n", "utf-8")
    command = [sys.executable, str(script)]
    assert subprocess.run([*command, "--check"], stderr=subprocess.DEVNULL).returncode == 1
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    assert f"| `failed` | {Status.FAILED.sentence} |" in page.read_text("utf-8")
    assert subprocess.run([*command, "--check"]).returncode == 0


@pytest.mark.parametrize("option", OPTIONS.values(), ids=OPTIONS)
def test_every_option_has_a_row(option):
    page = (ROOT / "config" / "README.md").read_text("utf-8")
    name = option.name if option.in_config else option.variable
    assert len(re.findall(rf"^\| `{name}` \|", page, flags=re.MULTILINE)) == 1


@pytest.mark.parametrize("kind", [Role, Status, Code, AuditStatus, Belonging, Decision, StoreType])
def test_codes_page_has_a_row_for_each_member_and_no_other(kind):
    page = (ROOT / "docs" / "codes.md").read_text("utf-8")
    rows = [f"| `{code}` | {code.sentence} |" for code in kind]
    tables = re.findall(r"^\|---\|---\|\n((?:\|.*\n)+)", page, flags=re.MULTILINE)
    assert rows in [table.splitlines() for table in tables]


def test_every_flag_has_a_row_among_the_options():
    page = (ROOT / "config" / "README.md").read_text("utf-8")
    for flag in Flag:
        assert f"| `{flag}` | `{flag.level}` | {flag.sentence} |" in page


def sections(page: Path) -> dict[str, str]:
    """Heading of the second level → the text below it."""
    _, *parts = re.split(r"^## (.+)$", page.read_text("utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_every_flag_has_the_level_of_what_it_means_for_training():
    unseen = "conflicting_slices ambiguous_layers interleaved_stacks no_geometry doubtful_pixels "
    unseen += "suspicious_hu not_hu no_rescale secondary_capture"
    assert {flag for flag in Flag if flag.level is FlagLevel.SEVERE} == set(unseen.split())
    handled = "split_series duplicate_slices inexact_orientation mixed_rescale mixed_pixel_format "
    handled += "localizers_removed padding"
    assert {flag for flag in Flag if flag.level is FlagLevel.NOTE} == set(handled.split())


def test_every_flag_is_explained_with_a_picture_a_measure_and_advice():
    explained = sections(ROOT / "docs" / "flags.md")
    assert list(explained) == list(Flag)
    for flag, text in explained.items():
        assert f"](pictures/{flag}.png)" in text
        assert "**Measured:**" in text
        assert "**What to do:**" in text


@pytest.mark.slow
def test_page_of_flags_names_everything_that_is_measured(tmp_path):
    explained = sections(ROOT / "docs" / "flags.md")
    seen = set()
    for number, case in enumerate(CASES):
        folder = tmp_path / f"{number:03d}"
        folder.mkdir()
        case.build(folder, case.name)
        for plan in plans_in(folder):
            for finding in plan.flags:
                seen.add(finding.flag)
                for measure in finding.evidence:
                    assert f"`{measure}`" in explained[finding.flag], (finding.flag, measure)
    # Only pixels show the first three; the other needs an option that takes it in.
    only_pixels = {Flag.SUSPICIOUS_HU, Flag.CONTRADICTED_HEADER, Flag.DOUBTFUL_PIXELS}
    assert set(Flag) - seen <= only_pixels | {Flag.SECONDARY_CAPTURE}
    faults = {volume.fault for case in CASES for volume in case.volumes} - {""}
    assert all(f"`{fault}`" in explained[Flag.SUSPICIOUS_HU] for fault in faults)


@pytest.mark.slow
def test_pictures_are_those_that_the_script_draws(tmp_path):
    subprocess.run([sys.executable, ROOT / "docs" / "make_pictures.py", tmp_path], check=True)
    stored = ROOT / "docs" / "pictures"
    for flag in Flag:
        drawn, kept = (
            np.asarray(Image.open(folder / f"{flag}.png").convert("L"), dtype=float)
            for folder in (tmp_path, stored)
        )
        assert drawn.shape == kept.shape
        # Another version of a library may smooth a line otherwise; another picture it is not.
        assert np.abs(drawn - kept).mean() < 3, flag
        assert (stored / f"{flag}.png").stat().st_size < 100_000


def test_pictures_of_the_readme_are_small():
    for picture in (ROOT / "docs" / "pictures").glob("report-*.png"):
        assert picture.stat().st_size < 300_000


def test_citation_names_this_version_and_licence():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert citation["version"] == ct2zarr.__version__
    assert citation["license"] == project["license"]
    assert {"cff-version", "message", "title", "authors"} <= set(citation)


def anchors(page: Path) -> set[str]:
    """What a link to a heading of the page may say."""
    headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), flags=re.MULTILINE)
    kept = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in kept}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        path, _, heading = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        if heading:
            assert heading in anchors(linked), target


def modules_named_in(text: str) -> set[str]:
    """Modules of the package that a page names, such as ``run/paths.py``."""
    return set(re.findall(r"`((?:[a-z_0-9]+/)*[a-z_0-9]+\.py)`", text))


def test_modules_that_the_design_names_exist():
    text = (ROOT / "docs" / "design.md").read_text("utf-8")
    named = modules_named_in(text)
    assert len(named) > 20
    places = (PACKAGE, ROOT, ROOT / "docs")
    assert [name for name in named if not any((place / name).is_file() for place in places)] == []


def test_the_design_lists_the_rooms_in_the_order_that_the_linter_enforces():
    text = (ROOT / "docs" / "design.md").read_text("utf-8")
    (section,) = re.findall(r"^### Rooms of the package\n(.*?)^###", text, flags=re.M | re.S)
    listed = re.findall(r"^\| `(\w+)/` \|", section, flags=re.MULTILINE)
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    (layers,) = (
        contract["layers"]
        for contract in project["tool"]["importlinter"]["contracts"]
        if contract["type"] == "layers"
    )
    enforced = [layer for layer in reversed(layers) if layer in rooms]
    assert listed == enforced
    assert set(enforced) == rooms
