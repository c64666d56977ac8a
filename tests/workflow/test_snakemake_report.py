"""`snakemake --report` carries the summary, the plots and the verification report."""

import csv
import io
import json
import re
import zipfile

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def parts(finished, tmp_path_factory):
    """Content of report.zip, by path below its folder."""
    path = tmp_path_factory.mktemp("zip") / "report.zip"
    finished.snakemake("--report", str(path))
    with zipfile.ZipFile(path) as archive:
        return {name.partition("/")[2]: archive.read(name).decode() for name in archive.namelist()}


def results(page: str) -> dict[str, dict[str, object]]:
    """What Snakemake lists: path → name, labels, caption."""
    found = re.search(r"var results = (\{.*?\});?\n", page)
    assert found
    return json.loads(found[1])


def test_summary_has_one_line_per_volume_and_no_folder(parts, finished):
    (text,) = (content for name, content in parts.items() if name.endswith("/summary.csv"))
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["series_hash"] for row in rows] == [r["series_hash"] for r in finished.rows()]
    assert [row["status"] for row in rows] == [r["status"] for r in finished.rows()]
    assert "series_dir" not in rows[0]


def test_verification_report_is_the_file_of_the_run(parts, finished):
    (page,) = (content for name, content in parts.items() if name.endswith("/verify_report.html"))
    assert page == (finished.store_root / "verify_report.html").read_text()


def test_every_plot_stands_alone(parts):
    plots = {name.rpartition("/")[2]: text for name, text in parts.items() if ".svg" in name}
    assert {
        "slices_per_volume.svg", "slice_spacing.svg", "slice_thickness.svg", "kernel.svg",
        "manufacturer.svg", "transfer_syntax.svg", "compression.svg", "speed.svg", "flags.svg",
        "failed_and_rejected_by_reason.svg",
    } <= set(plots)  # fmt: skip
    for name, text in plots.items():
        assert text.startswith('<svg xmlns="http://www.w3.org/2000/svg"'), name
        assert "var(" not in text


def test_each_result_has_a_caption_and_the_page_says_what_was_done(parts):
    listed = results(parts["report.html"])
    assert len(listed) == len(parts) - 1
    for path, result in listed.items():
        assert "<p>" in result["caption"], path
        assert result["labels"], path
    assert "Slices per volume, over all volumes of the run." in str(listed)
    assert "accounted for every file" in parts["report.html"]


def test_no_source_folder_and_no_file_name_is_in_it(parts, dataset):
    for name, text in parts.items():
        assert str(dataset) not in text, name
        assert not re.search(r"[\w-]+\.dcm\b", text), name


def test_report_of_one_file_is_made_too(finished, tmp_path):
    finished.snakemake("--report", str(tmp_path / "report.html"))
    page = (tmp_path / "report.html").read_text()
    assert len(results(page)) > 10
