"""What the report shows of one volume, with the evidence of its flags."""

import shutil
from pathlib import Path

import pytest

from ct2zarr.codes import Code
from ct2zarr.report.samples import MOST_BYTES, SampleView, show_sample
from ct2zarr.report.sampling import Sample
from report_dataset import Dataset


def shown(dataset: Dataset, name: str, root: Path | None = None, samples: int = 1) -> SampleView:
    sample = Sample(dataset.hashes[name], "why")
    return show_sample(root or dataset.root / "zarr_sqlite", sample, "as in the summary", samples)


def test_flags_are_shown_with_their_evidence(dataset: Dataset) -> None:
    flags = {flag.code: flag for flag in shown(dataset, "hole").flags}
    assert set(flags) == {"missing_slices"}
    assert (
        flags["missing_slices"].sentence == "planes are missing from the grid that the others form"
    )
    assert "count: 2" in flags["missing_slices"].evidence
    assert "after: 4" in flags["missing_slices"].evidence
    (tilt,) = (flag for flag in shown(dataset, "tilt").flags if flag.code == "gantry_tilt")
    assert tilt.evidence.startswith(("degrees: 15", "degrees: -15"))
    assert [flag.code for flag in shown(dataset, "flat").flags] == ["single_slice"]


def test_volume_is_shown_with_its_checks_and_drawings(dataset: Dataset) -> None:
    view = shown(dataset, "plain")
    assert (view.series_hash, view.short) == (dataset.hashes["plain"], dataset.hashes["plain"][:12])
    assert (view.dataset, view.stratum, view.problems) == ("v1", "why", ())
    assert view.verification.sentence == (
        "verified during conversion: 3 of 14 planes compared, all equal"
    )
    assert view.pictures
    assert not view.is_bad
    assert (
        view.pictures.compared.sentence
        == "3 planes decoded again from the source: no pixel differs."
    )
    assert view.pictures.comparison[0].captions == ("plane 1", "plane 8", "plane 14")
    assert [one.title for one in view.pictures.views] == ["Axial", "Coronal", "Sagittal"]
    assert [one.title for one in view.pictures.comparison] == ["Source", "Store", "Difference"]
    assert [plot.title for plot in view.plots] == ["Positions of the planes", "Values"]
    assert view.plots[0].summary.startswith("14 planes over ")
    assert "HU" in view.plots[1].summary


def test_single_plane_is_compared_once(dataset: Dataset) -> None:
    view = shown(dataset, "flat")
    assert view.pictures
    assert view.pictures.compared.sentence == (
        "1 plane decoded again from the source: no pixel differs."
    )
    assert len(view.pictures.views) == 1


def test_samples_share_the_room_of_the_page(dataset: Dataset) -> None:
    def size(samples: int) -> int:
        pictures = shown(dataset, "plain", samples=samples).pictures
        assert pictures
        return len(pictures.pack)

    alone, crowded = size(1), size(24_000_000 // 500)
    assert alone <= MOST_BYTES
    assert crowded < alone


@pytest.mark.parametrize(
    ("missing", "code"),
    [
        ("meta/{}.series.json", Code.FILE_MISSING),
        ("meta/{}.slices.csv", Code.DAMAGED_RECORD),
        ("data/{}.zarr.sqlite", Code.STORE_MISSING),
    ],
)
def test_volume_that_lacks_a_part_is_shown_without_pictures(
    dataset: Dataset, tmp_path: Path, missing: str, code: Code
) -> None:
    root = tmp_path / "zarr_sqlite"
    shutil.copytree(dataset.root / "zarr_sqlite", root)
    (root / missing.format(dataset.hashes["plain"])).unlink()
    view = shown(dataset, "plain", root)
    (problem,) = view.problems
    assert (problem.level, problem.code) == ("bad", str(code))
    assert problem.sentence.startswith("The volume or its record can no longer be read: ")
    assert str(tmp_path) not in problem.sentence
    assert view.is_bad
    assert (view.pictures, view.plots) == (None, ())
    if "meta" in missing:
        assert view.dataset == "as in the summary"
        assert (view.flags, view.metadata, view.verification.level) == ((), (), "bad")
    else:  # what the record says is still known
        assert ("Modality", "CT") in view.metadata
