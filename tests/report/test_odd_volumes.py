"""One odd volume never ends the report: its card says what is missing, and the others are shown."""

import copy
import csv
import hashlib
import json
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from test_page import article

from ct2zarr.codes import Code
from ct2zarr.report.attempts import Problem
from ct2zarr.report.page import make_report, render
from ct2zarr.report.samples import SampleView, show_sample
from ct2zarr.report.sampling import Sample
from ct2zarr.run.settings import ReportSettings
from report_dataset import Dataset

SCRIPTS = Path(__file__).parents[2] / "scripts"
ODD_NUMBERS = [float("nan"), float("inf"), float("-inf"), 0, -1, 1e308, -1e308, 1e-320, 10**30]
ODD = [
    *ODD_NUMBERS, None, True, "", "x", "\x1b[2J\u202e\0", "=cmd()", "y" * 1_000_000, [], {}, [[]],
    [None], [float("nan")] * 3, [0, 0, 0], ["a"] * 1000, {"": None}, {"a": {"b": [{}]}},
]  # fmt: skip

SLOW = pytest.mark.slow
SEEDS = pytest.mark.parametrize("seed", [0, pytest.param(1, marks=SLOW)])
NO_RECORDS = ["", "[]", "null", "{", "[" * 100_000, '{"a": ' * 50_000, "\x00", "\ud800", "9" * 5000]
FAST = ("[]", "\ud800")


@pytest.fixture
def root(dataset: Dataset, tmp_path: Path) -> Path:
    """A copy of the dataset that a test may damage."""
    shutil.copytree(dataset.root, tmp_path / "out")
    return tmp_path / "out"


def report_of(root: Path) -> str:
    return make_report(ReportSettings(root)).read_text(encoding="utf-8")


def sealed(content: dict[str, Any]) -> str:
    """A record with its seal, as the conversion writes it, whatever it holds."""
    content = {name: value for name, value in content.items() if name != "record_md5"}
    body = json.dumps(content, indent=1).removesuffix("\n}")
    digest = hashlib.md5(body.encode()).hexdigest()
    return f'{body},\n "record_md5": "{digest}"\n}}\n'


def record_of(root: Path, series_hash: str) -> Path:
    return root / "zarr_sqlite" / "meta" / f"{series_hash}.series.json"


def change_document(root: Path, series_hash: str, key: str, change: Callable[[Any], Any]) -> None:
    """Change a metadata document of a store."""
    with sqlite3.connect(
        root / "zarr_sqlite" / "data" / f"{series_hash}.zarr.sqlite"
    ) as connection:
        (text,) = connection.execute("SELECT v FROM zarr WHERE k = ?", (key,)).fetchone()
        content = change(json.loads(bytes(text)))
        value = json.dumps(content).encode()
        connection.execute("UPDATE zarr SET v = ? WHERE k = ?", (value, key))
    connection.close()


def places(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where a JSON document has values, at every depth."""
    if path:
        yield path
    items = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in items:
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))
        else:
            yield (*path, key)


def put(content: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy of a document with another value in one place."""
    content = copy.deepcopy(content)
    inner = content
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return content


def is_whole(view: SampleView) -> None:
    """The card can be rendered, and says with a code in a sentence whatever is not shown."""
    page = render(
        heading="x", report_id="y", verdict=Problem("good", "", "z"), outcome=[], outcome_label="",
        tiles=[], facts=[], bar_groups=[], plots=[], blank_row=None, samples=[view],
        sampling_note="", decisions="[]", notices=(), files=None,
        review=type("Review", (), {"total": 0, "rows": []}),
    )  # fmt: skip
    assert len(page) < 4_000_000
    if view.pictures is None or len(view.plots) < 2 or not view.metadata:
        assert view.problems
    for problem in view.problems:
        assert problem.code in list(Code)
        assert problem.sentence in page
        assert problem.sentence.endswith(".")
        assert "Traceback" not in problem.sentence
    assert not {"\x1b", "\u202e", "\0"} & set(page)


# Records -------------------------------------------------------------------------------------


@SEEDS
def test_whatever_a_record_says_its_card_is_made(dataset: Dataset, root: Path, seed: int) -> None:
    """Every place of a record once, each with another odd value."""
    series_hash = dataset.hashes["tilt"]
    path = record_of(root, series_hash)
    content = json.loads(path.read_text())
    chooser = random.Random(seed)
    outer = {k: v for k, v in content.items() if k not in ("record_md5", "series_hash")}
    wanted = list(places(outer))
    for place in chooser.sample(wanted, 12):
        path.write_text(sealed(put(content, place, chooser.choice(ODD))))
        is_whole(show_sample(root / "zarr_sqlite", Sample(series_hash, "why"), "v1", 4))


@pytest.mark.parametrize(
    "text",
    [text if text in FAST else pytest.param(text, marks=SLOW) for text in NO_RECORDS],
    ids=range(len(NO_RECORDS)),
)
def test_a_record_that_is_none_is_said(dataset: Dataset, root: Path, text: str) -> None:
    record_of(root, dataset.hashes["plain"]).write_bytes(text.encode("utf-8", "surrogatepass"))
    page = report_of(root)
    assert "The volume or its record can no longer be read: " in article(
        page, dataset.hashes["plain"]
    )
    assert "no pixel differs" in article(page, dataset.hashes["hole"])


def test_a_record_of_another_volume_is_not_shown_as_this_one(dataset: Dataset, root: Path) -> None:
    shutil.copy(record_of(root, dataset.hashes["hole"]), record_of(root, dataset.hashes["plain"]))
    assert str(Code.OTHER_VOLUME) in article(report_of(root), dataset.hashes["plain"])


# Stores --------------------------------------------------------------------------------------


@SEEDS
def test_whatever_the_attributes_of_a_store_say_its_card_is_made(
    dataset: Dataset, root: Path, seed: int
) -> None:
    series_hash = dataset.hashes["tilt"]
    before: list[Any] = []
    change_document(root, series_hash, ".zattrs", lambda content: before.append(content) or content)
    chooser = random.Random(seed)
    wanted = list(places({"ct2zarr": before[0]["ct2zarr"]}))
    for place in chooser.sample(wanted, 8):
        odd = put(before[0], place, chooser.choice(ODD))
        change_document(root, series_hash, ".zattrs", lambda _, odd=odd: odd)
        is_whole(show_sample(root / "zarr_sqlite", Sample(series_hash, "why"), "v1", 4))


@pytest.mark.parametrize(
    "spacing",
    [*(pytest.param(x, marks=SLOW) for x in ([2.0, 0.0, 0.0], [0, 0, 0])), [1e14, 1e-14, 1]],
    ids=str,
)
def test_a_spacing_that_makes_no_sense_costs_the_scale_of_the_pictures_alone(
    dataset: Dataset, root: Path, spacing: Any
) -> None:
    for name in ("plain", "flat"):
        change_document(
            root, dataset.hashes[name], ".zattrs", lambda c: put(c, ("ct2zarr", "spacing"), spacing)
        )
    page = report_of(root)
    for name in ("plain", "flat"):
        card = article(page, dataset.hashes[name])
        assert "The pictures are not to scale: " in card
        assert 'class="viewer"' in card
    assert "The pictures are not to scale" not in article(page, dataset.hashes["hole"])
    assert "A sample cannot be read" not in page  # the voxels are what they were


@pytest.mark.parametrize(
    "spacing", [[float("nan")] * 3, [-2.0, -1.0, 1.0], [1], "x", None], ids=str
)
def test_a_spacing_that_no_store_can_have_costs_the_pictures_of_one_volume(
    dataset: Dataset, root: Path, spacing: Any
) -> None:
    series_hash = dataset.hashes["plain"]
    change_document(root, series_hash, ".zattrs", lambda c: put(c, ("ct2zarr", "spacing"), spacing))
    view = show_sample(root / "zarr_sqlite", Sample(series_hash, "why"), "v1", 4)
    is_whole(view)
    assert view.problems


@pytest.mark.parametrize("place", ["orientation", "slice_origins_lps"])
@pytest.mark.parametrize(
    "odd", [0.0, float("nan"), *(pytest.param(x, marks=SLOW) for x in (float("inf"), 1e300))]
)
def test_positions_that_make_no_sense_cost_no_picture(
    dataset: Dataset, root: Path, place: str, odd: float
) -> None:
    def change(content: Any) -> Any:
        value = content["ct2zarr"][place]
        return put(content, ("ct2zarr", place), [[odd] * len(one) for one in value])

    change_document(root, dataset.hashes["plain"], ".zattrs", change)
    view = show_sample(root / "zarr_sqlite", Sample(dataset.hashes["plain"], "why"), "v1", 4)
    is_whole(view)
    (problem,) = view.problems
    assert problem.code in (str(Code.NO_GEOMETRY), str(Code.STORE_DAMAGED))
    assert (view.pictures is not None) == (problem.code == str(Code.NO_GEOMETRY))


@pytest.mark.parametrize(
    "shape",
    [
        [0, 64, 64],
        [14, 0, 0],
        [10**12, 10**9, 10**9],
        [14, 1_000_000, 1_000_000],
        [-1, 5, 5],
        [3],
        [],
    ],
    ids=str,
)
def test_an_array_of_absurd_shape_is_said_at_once(
    dataset: Dataset, root: Path, shape: list[int]
) -> None:
    change_document(
        root, dataset.hashes["plain"], "volume/.zarray", lambda c: {**c, "shape": shape}
    )
    view = show_sample(root / "zarr_sqlite", Sample(dataset.hashes["plain"], "why"), "v1", 4)
    is_whole(view)
    assert "The volume or its record can no longer be read: " in view.problems[0].sentence


@pytest.mark.slow
def test_a_store_whose_chunks_are_damaged_still_shows_its_record(
    dataset: Dataset, root: Path
) -> None:
    store = root / "zarr_sqlite" / "data" / f"{dataset.hashes['plain']}.zarr.sqlite"
    with sqlite3.connect(store) as connection:
        connection.execute("UPDATE zarr SET v = x'00' WHERE k LIKE 'volume/0%'")
    connection.close()
    page = report_of(root)
    card = article(page, dataset.hashes["plain"])
    assert str(Code.STORE_DAMAGED) in card
    assert "Modality" in card
    assert "A sample cannot be read" in page


# Sources -------------------------------------------------------------------------------------


def test_names_in_slices_that_make_no_sense_cost_the_comparison_alone(
    dataset: Dataset, root: Path
) -> None:
    path = root / "zarr_sqlite" / "meta" / f"{dataset.hashes['plain']}.slices.csv"
    text = path.read_text()
    for name in ("\\x00", "../../../../etc/passwd", "x" * 5000, ""):
        first, *lines = text.splitlines()
        at = first.split(",").index("file_name")
        odd = []
        for line in csv.reader(lines):
            line[at] = name
            odd.append(",".join(f'"{cell}"' for cell in line))
        path.write_text("\n".join((first, *odd)) + "\n")
        view = show_sample(root / "zarr_sqlite", Sample(dataset.hashes["plain"], "why"), "v1", 4)
        is_whole(view)
        assert view.pictures
        assert (len(view.pictures.views), view.pictures.comparison) == (3, ())
        assert view.is_bad


# Rows ----------------------------------------------------------------------------------------


@SEEDS
def test_whatever_a_row_says_the_page_is_made(root: Path, seed: int) -> None:
    """All cells of one row that converted and one that failed, each with another odd value."""
    chooser = random.Random(seed)
    summary = root / "zarr_sqlite" / "summary_all.csv"
    with summary.open(newline="") as file:
        header, *rows = csv.reader(file)
    for row in (rows[0], rows[-1]):
        for place in range(len(row)):
            if chooser.random() < 0.4:
                row[place] = str(chooser.choice(ODD))
    with summary.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
    page = report_of(root)
    assert len(page) < 12_000_000
    assert "no pixel differs" in article(page, rows[1][0])
    assert not {"\x1b", "\u202e", "\0"} & set(page)


@SLOW
def test_a_text_of_a_megabyte_in_one_row_hides_no_other_row(root: Path) -> None:
    summary = root / "zarr_sqlite" / "summary_all.csv"
    chooser = random.Random(1)
    long = "".join(map(chr, (chooser.randrange(33, 126) for _ in range(6_000_000))))
    with summary.open(newline="") as file:
        header, *rows = csv.reader(file)
    rows[-2][header.index("error_public")] = long.replace('"', "")
    with summary.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])
    page = report_of(root)
    assert f'<span class="count">{len(rows) - 1}</span>' in page  # one converted without a flag
    assert page.count('<tr data-status="') == len(rows)  # with the blank one


# The machine ---------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("spare", [0, 1])
def test_a_report_without_descriptors_is_the_fault_of_the_machine(root: Path, spare: int) -> None:
    """Under a real limit, which a process of its own sets after it has read its modules."""
    code = (
        "import os, resource, sys; from pathlib import Path; from ct2zarr.report import page;"
        "from ct2zarr.run.entry import run_step; from ct2zarr.run.settings import ReportSettings;"
        f"limit = len(os.listdir('/proc/self/fd')) - 1 + {spare};"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit));"
        "run_step(lambda: page.make_report(ReportSettings(Path(sys.argv[1]))))"
    )
    page = root / "zarr_sqlite" / "verify_report.html"
    page.unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, "-c", code, root],
        env={"PYTHONPATH": str(SCRIPTS), "PATH": "/usr/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    print(done.stderr)
    assert done.returncode == 3
    assert not page.exists()
