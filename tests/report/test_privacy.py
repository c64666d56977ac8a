"""However an error is worded, the name of a patient's file does not leave with it."""

import csv
import shutil
from pathlib import Path

import pytest
from test_page import packed

import phantom
import report_dataset
from ct2zarr.codes import Code
from ct2zarr.convert.series_jobs import SeriesJob, convert_to_row
from ct2zarr.errors import FileError, Private, sentence
from ct2zarr.report.page import make_report
from ct2zarr.report.summary_table import JoinedRow, joined_to_csv, read_joined
from ct2zarr.run.atomic_files import prepare_folder
from ct2zarr.run.settings import ConvertSettings, ReportSettings
from ct2zarr.run.summary_columns import COLUMNS
from report_dataset import Dataset

FILE = "/archive/ESMERALDA GITANE/Esmeralda 1465Z.dcm"
HIDDEN = ("esmeralda", "gitane", "1465z", "phoebus")
WORDINGS = [
    "{path} ends early",
    "alas, of {file} nothing but {header} remained",
    "bytes wanting: {file}",
    "{header}; {path}",
    "{file}",
]


def failed(template: str) -> JoinedRow:
    error = FileError(Code.TRUNCATED, template, path=FILE, header=Private("Phoebus"))
    return JoinedRow(
        "d" * 32, "v1", str(Path(FILE).parent), "failed",
        reason=str(error.code), code=str(error.code),
        error=sentence(error), error_public=sentence(error, private=False),
    )  # fmt: skip


def shown(dataset: Dataset, folder: Path, row: JoinedRow) -> tuple[str, str, dict[str, str]]:
    """The page with its packed rows, the text of summary.csv, and the row in it."""
    root = folder / "out"
    shutil.copytree(dataset.root, root, ignore=shutil.ignore_patterns("data"))
    summary = root / "zarr_sqlite" / "summary_all.csv"
    summary.write_text(joined_to_csv([*read_joined(summary), row]))
    made = make_report(ReportSettings(root, exports=folder / "exports", num_samples=0))
    page = made.read_text(encoding="utf-8")
    exported = (folder / "exports" / "summary.csv").read_text(encoding="utf-8")
    rows = {one["series_hash"]: one for one in csv.DictReader(exported.splitlines())}
    return page + str(packed(page)), exported, rows[row.series_hash]


@pytest.mark.parametrize(
    "template",
    [WORDINGS[0], *(pytest.param(wording, marks=pytest.mark.slow) for wording in WORDINGS[1:])],
)
def test_reworded_error_does_not_leak_the_name_of_a_file(
    dataset: Dataset, tmp_path: Path, template: str
) -> None:
    row = failed(template)
    assert any(word in row.error.lower() for word in HIDDEN)
    page, exported, line = shown(dataset, tmp_path, row)
    for word in HIDDEN:
        assert word not in page.lower()
        assert word not in exported.lower()
    assert line["error"] == row.error_public
    assert row.error_public in page


def test_summary_without_public_errors_shows_the_sentence_of_the_code(
    dataset: Dataset, tmp_path: Path
) -> None:
    row = JoinedRow(
        "d" * 32, "v1", "/archive", "failed", reason="truncated",
        error="nothing but Phoebus remained of Esmeralda 1465Z",
    )  # fmt: skip
    page, exported, line = shown(dataset, tmp_path, row)
    assert not any(word in (page + exported).lower() for word in HIDDEN)
    assert line["error"] == Code.TRUNCATED.sentence
    assert Code.TRUNCATED.sentence in page


def test_volume_that_fails_for_a_file_named_after_a_patient_is_shown_without_the_name(
    dataset: Dataset, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    phantom.make_series(source, name="gone", n=4)
    for number, path in enumerate(sorted(source.iterdir())):
        path.rename(source / f"Esmeralda 1465Z {number}")
    plan, *_ = report_dataset.plans_of(source)
    (source / "Esmeralda 1465Z 2").unlink()
    settings = ConvertSettings(
        input_csv=tmp_path / "unused.csv", out_root=tmp_path / "new", on_bad_slice="fail"
    )
    for name in ("data", "meta"):
        prepare_folder(settings.store_root / name)
    row = convert_to_row(SeriesJob(plan, settings)).row
    assert row.status == "failed"
    assert "Esmeralda 1465Z 2" in row.error
    page, exported, _ = shown(
        dataset, tmp_path, JoinedRow(**{name: getattr(row, name) for name in COLUMNS})
    )
    assert row.error_public
    assert row.error_public in page
    assert not any(word in (page + exported).lower() for word in HIDDEN)
