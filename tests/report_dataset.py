"""A small converted dataset for the tests of the report, made by the pipeline from the phantom."""

import csv
from dataclasses import dataclass
from pathlib import Path

import phantom
from ct2zarr.codes import Code
from ct2zarr.convert.series_jobs import SeriesJob, convert_to_row
from ct2zarr.dicom.frame_comparison import pixel_digest
from ct2zarr.dicom.frames import read_frames
from ct2zarr.errors import FileError, Private, sentence
from ct2zarr.model import VolumePlan
from ct2zarr.plan.grouping import plan_volumes
from ct2zarr.plan.roles import assign_role
from ct2zarr.run.atomic_files import prepare_folder
from ct2zarr.run.settings import ConvertSettings, SelectionSettings
from ct2zarr.run.summary_columns import SummaryRow, rows_to_csv

PATIENT = "Quasimodo^Sentinel"
PATIENT_ID = "PIDSENTINEL77"
BIRTH_DATE = "19470113"
STUDY_DATE = "20110203"
INSTITUTION = "Hospital Sentinelle"
INJECTED = "<script>window.injected = true</script>"


@dataclass(frozen=True, slots=True)
class Dataset:
    """``root`` is CONVERTED_ROOT; ``hashes`` maps the name of a series to its series_hash."""

    root: Path
    source: Path
    hashes: dict[str, str]

    @property
    def summary(self) -> Path:
        return self.root / "zarr_sqlite" / "summary_all.csv"

    def rows(self) -> list[dict[str, str]]:
        with self.summary.open(newline="") as file:
            return list(csv.DictReader(file))


def make_dataset(folder: Path) -> Dataset:
    """Four series of one patient, each with another trouble, and two rows that failed."""
    source = folder / f"{PATIENT_ID}_Quasimodo"
    identity = {
        "PatientName": PATIENT,
        "PatientID": PATIENT_ID,
        "PatientBirthDate": BIRTH_DATE,
        "StudyDate": STUDY_DATE,
        "InstitutionName": INSTITUTION,
        "SeriesDescription": f"Chest of Quasimodo {INJECTED}",
        "ConvolutionKernel": "<b>B30f</b> $x$",
        "Manufacturer": "A & <i>B</i>",
    }
    phantom.make_series(source / "plain", name="plain", n=14, **identity)
    phantom.make_series(source / "hole", name="hole", n=14, drop=(5, 6), **identity)
    phantom.make_series(source / "tilt", name="tilt", n=12, tilt_degrees=15.0, **identity)
    phantom.make_series(source / "flat", name="flat", n=1, **identity)
    settings = ConvertSettings(input_csv=folder / "unused.csv", out_root=folder / "out")
    for name in ("data", "meta"):
        prepare_folder(settings.store_root / name)
    rows, hashes = [], {}
    for plan in plans_of(source):
        row = convert_to_row(SeriesJob(plan, settings)).row
        assert row.status == "ok", row.error
        rows.append(row)
        hashes[Path(plan.series_dir).name] = row.series_hash
    rows += _lost(source)
    summary = settings.store_root / "summary_all.csv"
    summary.write_text(rows_to_csv(rows), encoding="utf-8")
    return Dataset(folder / "out", source, hashes)


def plans_of(source: Path) -> list[VolumePlan]:
    """The volumes of all files below a folder."""
    selection = SelectionSettings()
    frames = [
        assign_role(frame, selection)
        for path in sorted(source.rglob("*"))
        if path.is_file()
        for frame in read_frames("v1", str(source), str(path))
    ]
    plans, _ = plan_volumes(frames, pixel_digest)
    return plans


def _lost(source: Path) -> list[SummaryRow]:
    broken = source / "broken one"
    error = FileError(
        Code.CANNOT_DECODE,
        "{path} cannot be decoded: {detail} ends early",
        path=broken / f"IM 7 {PATIENT_ID}.dcm",
        detail=Private(INJECTED),
    )
    return [
        SummaryRow(
            series_hash="f" * 32,
            dataset="v1",
            series_dir=str(broken),
            status="failed",
            reason="cannot_decode",
            code="cannot_decode",
            error=sentence(error),
            error_public=sentence(error, private=False),
            slice_count=9,
        ),
        SummaryRow(
            series_hash="e" * 32,
            dataset="v2",
            series_dir=str(source / "held"),
            status="rejected",
            reason="gantry_tilt",
            code="rejected_flag",
            error="the volume has the flag gantry_tilt, which is in reject_flags.",
            error_public="the volume has the flag gantry_tilt, which is in reject_flags.",
            flags="gantry_tilt",
            slice_count=120,
        ),
    ]
