"""Hostile names and headers from the scan to the report: no table, page, log or terminal obeys."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import phantom
from ct2zarr.report.summary_table import read_joined
from ct2zarr.run.cells import from_cell
from ct2zarr.visible_text import is_hidden
from ct2zarr.volume.volume import open_volume
from pseudo_terminal import run_in_terminal

pytestmark = pytest.mark.slow

SCRIPTS = Path(__file__).parents[2] / "scripts"
EVIL = "=cmd|'/c calc'!A0\x1b[31m\x07\u202e"
NUMBER = re.compile(r"[+-]?[\d.]+(e[+-]?\d+)?(\\[+-]?[\d.]+(e[+-]?\d+)?)*", re.IGNORECASE)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A good series and one that cannot be read, in folders and files with hostile names."""
    root = tmp_path_factory.mktemp("hostile") / "ct"
    series = phantom.make_series(
        root / "=cmd()" / "a\nb\x1b[2J", name="one", n=4, SeriesDescription=EVIL,
        ProtocolName="@SUM(A1)", ConvolutionKernel="+1+1\x1b[2J", Manufacturer="-2+3\u202e",
        PatientName="=DOE^X",
    )  # fmt: skip
    for path in series.paths:
        path.rename(path.with_name(f"=x\n\x1b]0;t\x07{path.name}"))
    cut = phantom.make_series(root / "-cut\x1b[2J", name="cut", n=3)
    for path in cut.paths:
        phantom.truncate(path, keep=0.5)
        path.rename(path.with_name(f"@\x1b[2J\n{path.name}"))
    return root


def environment(source: Path, out: Path) -> dict[str, str]:
    keep = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    return {
        **keep, "DATASET_V1_ROOT": str(source), "OUT_DIR": str(out / "manifest"), "NUM_SHARDS": "1",
        "INPUT_CSV": str(out / "manifest/shards/series_shard_00.csv"), "OUT_ROOT": str(out / "out"),
        "CONVERTED_ROOT": str(out / "out"),
    }  # fmt: skip


STEPS = (
    ("generate_manifest.py", ("DATASET_V1_ROOT", "OUT_DIR", "NUM_SHARDS")),
    ("convert_dicom_to_volume.py", ("INPUT_CSV", "OUT_ROOT")),
    ("aggregate_summaries.py", ("OUT_ROOT",)),
    ("generate_verify_report.py", ("CONVERTED_ROOT",)),
    ("audit_volumes.py", ("OUT_ROOT",)),
)


@pytest.fixture(scope="module")
def run(source: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder of the results of all scripts, and all that they printed."""
    out = tmp_path_factory.mktemp("results")
    all_of_it = environment(source, out)
    printed = ""
    for script, names in STEPS:
        done = subprocess.run(
            [sys.executable, SCRIPTS / script],
            env={k: v for k, v in all_of_it.items() if k in (*names, "PATH", "HOME")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        printed += done.stdout + done.stderr
    return out, printed


def test_no_file_for_people_holds_a_hidden_character(run: tuple[Path, str]) -> None:
    out, _ = run
    texts = [path for path in out.rglob("*") if path.suffix in (".csv", ".html", ".json", ".svg")]
    names = {path.name.partition(".")[2] for path in texts}
    assert {"csv", "json", "html", "slices.csv", "series.json"} <= names
    for path in texts:
        hidden = set(filter(is_hidden, path.read_text(encoding="utf-8"))) - {"\n"}
        assert not hidden, path


def test_no_cell_of_any_table_is_a_formula(run: tuple[Path, str]) -> None:
    out, _ = run
    tables = list(out.rglob("*.csv"))
    assert {"series_all.csv", "series_shard_00.csv", "summary_shard_00.csv", "summary_all.csv"} <= {
        path.name for path in tables
    }
    assert any(path.name.startswith("audit") for path in tables)
    guarded = 0
    for path in tables:
        with path.open(newline="", encoding="utf-8") as file:
            for cell in (cell for row in csv.reader(file) for cell in row):
                guarded += cell.startswith(("'=", "'+", "'-", "'@"))
                for piece in cell.split(";"):
                    start = piece.strip()
                    assert start[:1] not in ("=", "+", "-", "@") or NUMBER.fullmatch(start), path
    assert guarded


def test_the_names_are_read_back_as_they_are(source: Path, run: tuple[Path, str]) -> None:
    out, _ = run
    (done,) = [row for row in read_joined(out / "out/zarr_sqlite/summary_all.csv") if row.has_store]
    volume = open_volume(out / f"out/zarr_sqlite/data/{done.series_hash}.zarr.sqlite")
    with (out / "manifest/series_all.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["series_hash"]: row for row in csv.DictReader(file)}
    folder = Path(from_cell(rows[done.series_hash]["series_dir"]))
    assert folder == source / "=cmd()" / "a\nb\x1b[2J"
    assert {folder / row["file_name"] for row in volume.slices} == set(folder.iterdir())
    assert set(volume.slice_table()["file_name"]) == {path.name for path in folder.iterdir()}


def test_what_is_printed_is_visible_and_names_no_line_of_its_own(run: tuple[Path, str]) -> None:
    _, printed = run
    assert not set(filter(is_hidden, printed)) - {"\n"}


def test_a_terminal_sees_escapes_of_ct2zarr_alone(source: Path, tmp_path: Path) -> None:
    """Colours and bars are its own; what the names and headers ask for is written out."""
    all_of_it = environment(source, tmp_path)
    for script, names in STEPS[:2]:
        env = {k: v for k, v in all_of_it.items() if k in (*names, "PATH", "HOME")}
        shown = run_in_terminal([sys.executable, str(SCRIPTS / script)], tmp_path, env)
        assert shown.code == 0
        text = shown.raw
        assert "\x1b[2J" not in text
        assert "\x1b]0;" not in text
        assert "\x07" not in text
        assert "\u202e" not in text
