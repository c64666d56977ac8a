"""What the report says in words, and what it does not say."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ct2zarr.codes import Code
from ct2zarr.report.sentences import (
    comparison_line,
    describe_evidence,
    describe_volume,
    error_sentence,
    flag_sentence,
    identifiers_of,
    syntax_names,
    thickness_of,
    verdict,
    verification_line,
)
from ct2zarr.report.sources import Comparison
from ct2zarr.report.summary_table import JoinedRow
from ct2zarr.run.counts import Counts
from ct2zarr.store.records import read_record
from report_dataset import Dataset


@pytest.fixture
def record(dataset: Dataset) -> Any:
    meta = dataset.root / "zarr_sqlite" / "meta"
    return read_record(meta / f"{dataset.hashes['plain']}.series.json")


@pytest.mark.parametrize(
    ("counts", "level", "sentence"),
    [
        (Counts(), "bad", "The summary has no volume: nothing was found to convert."),
        (
            Counts(volumes=1200, ok=1198, failed=1, rejected=1),
            "bad",
            "1 of 1,200 volumes failed. The table below gives the reason for each; of the others,"
            " 1,198 were converted without a flag, 1 was rejected, 1,198 were not compared with the"
            " source.",
        ),
        (
            Counts(volumes=4, ok=3, failed=1, ok_flagged=2, flagged=3, verified=3),
            "bad",
            "1 of 4 volumes failed. The table below gives the reason for each; of the others, 1 was"
            " converted without a flag, 2 with flags that you should check.",
        ),
        (
            Counts(volumes=2, failed=2),
            "bad",
            "2 of 2 volumes failed. The table below gives the reason for each.",
        ),
        (
            Counts(volumes=3, ok=1, rejected=2),
            "look",
            "2 of 3 volumes were rejected, by reject_flags or in review; all others were"
            " converted.",
        ),
        (
            Counts(volumes=3, ok=3, verified=2, flagged=1),
            "look",
            "All 3 volumes were converted, but 1 was not compared with the source.",
        ),
        (
            Counts(volumes=3, ok=3, verified=1),
            "look",
            "All 3 volumes were converted, but 2 were not compared with the source.",
        ),
        (
            Counts(volumes=3, ok=3, verified=3, flagged=1),
            "good",
            "All 3 volumes were converted and agree with the source in every plane compared; 1 has"
            " a flag that you should check.",
        ),
        (
            Counts(volumes=3, ok=3, verified=3, flagged=2),
            "good",
            "All 3 volumes were converted and agree with the source in every plane compared; 2"
            " have flags that you should check.",
        ),
        (
            Counts(volumes=1, ok=1, verified=1),
            "good",
            "The one volume was converted and agrees with the source in every plane compared.",
        ),
        (
            Counts(volumes=1, ok=1),
            "look",
            "The one volume was converted, but it was not compared with the source.",
        ),
    ],
)
def test_verdict_names_the_worst(counts, level, sentence):
    line = verdict(counts)
    assert (line.level, line.sentence) == (level, sentence)


# Errors ---------------------------------------------------------------------------------------


def row(status: str, **values: Any) -> JoinedRow:
    return JoinedRow("0", "v1", "/data/DOE", status, **values)


@pytest.mark.parametrize(
    ("one", "sentence"),
    [
        (row("ok"), ""),
        (row("failed", reason="truncated", error="DOE", error_public="[file] ends"), "[file] ends"),
        (row("failed", reason="truncated", error="DOE"), Code.TRUNCATED.sentence),
        (row("failed", code="truncated", reason="other", error="DOE"), Code.TRUNCATED.sentence),
        (row("failed", reason="gone", error="DOE"), Code.UNEXPECTED_ERROR.sentence),
        (row("rejected", reason="padding", error="DOE"), Code.REJECTED_FLAG.sentence),
        (
            row("rejected", reason="rejected_in_review", error_public="rejected", decision="reject",
                comment="see /data/DOE/1.dcm"),
            "rejected: see [path]",
        ),
        (
            row("rejected", reason="rejected_in_review", error_public="rejected",
                decision="reject"),
            "rejected",
        ),
        (
            row("rejected", reason="padding", error_public="has padding", decision="reject",
                comment="twice"),
            "has padding",
        ),
    ],
)  # fmt: skip
def test_error_is_the_public_sentence_or_that_of_the_code(one, sentence):
    assert error_sentence(one) == sentence


def test_flag_of_another_version_is_said_to_be_unknown():
    assert flag_sentence("gantry_tilt").startswith("planes are sheared")
    assert flag_sentence("no_such") == "a flag that this version of ct2zarr does not know"


# One volume -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verification", "level", "sentence"),
    [
        ({}, "look", "not verified during conversion"),
        ({"ok": True, "slices": []}, "look", "not verified during conversion"),
        ({"ok": False, "slices": [0]}, "bad", "verification failed during conversion"),
        ({"slices": [0]}, "bad", "verification failed during conversion"),
        (
            {"ok": True, "slices": [0, 7]},
            "good",
            "verified during conversion: 2 of 14 planes compared, all equal",
        ),
        (
            {"ok": True, "slices": list(range(14))},
            "good",
            "verified during conversion: all planes equal their source",
        ),
    ],
)
def test_verification_says_how_many_planes_were_compared(record, verification, level, sentence):
    line = verification_line(replace(record, verification=verification))
    assert (line.level, line.sentence) == (level, sentence)


def compared(*largest: float, problem: str = "") -> Comparison:
    empty = np.zeros((len(largest), 1, 1), dtype=np.float32)
    return Comparison(tuple(range(len(largest))), empty, empty, empty, largest, problem)


@pytest.mark.parametrize(
    ("comparison", "level", "sentence"),
    [
        (None, "look", "The source is no longer available, so no plane was decoded again."),
        (compared(problem="Plane 1 is gone."), "bad", "Plane 1 is gone."),
        (compared(), "bad", "No plane could be compared."),
        (compared(0.0), "good", "1 plane decoded again from the source: no pixel differs."),
        (compared(0.0, 0.0), "good", "2 planes decoded again from the source: no pixel differs."),
        (compared(0.0, 2.5), "bad", "2 planes decoded again: the largest difference is 2.5 HU."),
        (
            compared(0.0, problem="Plane 2 is gone."),
            "look",
            "1 plane decoded again: the largest difference is 0 HU. Plane 2 is gone.",
        ),
    ],
)
def test_comparison_says_the_largest_difference(comparison, level, sentence):
    line = comparison_line(comparison, "HU")
    assert (line.level, line.sentence) == (level, sentence)


def test_volume_is_described_without_its_patient(record):
    tags = {**record.tags, "SeriesDescription": "Chest of QUASIMODO, PIDSENTINEL77", "KVP": 120.0}
    geometry = {**record.geometry, "tilt_degrees": 12.345678, "max_position_error_mm": 1e-9}
    described = replace(
        record, tags=tags, geometry=geometry, parts=2, part=1, split_by="EchoNumbers",
        input_bytes=1_500_000, output_bytes=750_000,
    )  # fmt: skip
    lines = dict(describe_volume(described, identifiers_of(described)))
    assert lines["Description"] == "Chest of [removed], [removed]"
    assert lines["Planes x rows x columns"] == "14 x {1} x {2}".format(*record.shape)
    assert lines["Gantry tilt, degrees"] == "12.346"
    assert lines["Largest position error, mm"] == "0"
    assert lines["Part of the series"] == "1 of 2, split by EchoNumbers"
    assert lines["kVp"] == "120"
    assert lines["Values"] == "int16, HU"
    assert lines["Size of source, of store"] == "1.5 MB, 0.8 MB"
    assert not {"PatientID", "PatientName", "StudyDate"} & set(lines)


def test_volume_without_tilt_and_parts_says_nothing_of_them(record):
    described = replace(record, parts=1, values={**record.values, "units": ""})
    lines = dict(describe_volume(described, ()))
    assert "Gantry tilt, degrees" not in lines
    assert "Part of the series" not in lines
    assert lines["Values"] == "int16, as stored"


@pytest.mark.parametrize(
    ("tags", "thickness"),
    [({"SliceThickness": "2.5"}, 2.5), ({"SliceThickness": 3}, 3.0), ({}, None),
     ({"SliceThickness": "thin"}, None), ({"SliceThickness": [1, 2]}, None)],
)  # fmt: skip
def test_thickness_is_a_number_or_unknown(record, tags, thickness):
    assert thickness_of(replace(record, tags=tags)) == thickness


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        ({"missing": 3, "span_mm": 12.5}, "missing: 3; span mm: 12.5"),
        ({"files": ["DOE.dcm", "ROE.dcm"]}, "files: 2"),
        ({"uids": ["1.2.3"], "sop_names": ["a", "b"]}, "uids: 1; sop names: 2"),
        ({"file_errors": {"DOE": "x", "ROE": "y", "POE": "z"}}, "file errors: 3"),
        ({"tags": ["Rows", "Columns"]}, "tags: Rows, Columns"),
        ({"planes": list(range(10))}, "planes: 0, 1, 2, 3, 4, 5, 6, 7 and 2 more"),
        ({"planes": list(range(8))}, "planes: 0, 1, 2, 3, 4, 5, 6, 7"),
        ({"per_kind": {str(i): i for i in range(8)}}, "per kind: 0 0, 1 1, 2 2, 3 3, 4 4, 5 5"),
        ({"declared": True, "range": None}, "declared: yes; range: none"),
        ({"gap": 1 / 3, "tiny": 4e-7, "small": 5e-7}, "gap: 0.33333; tiny: 0; small: 5e-07"),
        ({"text": "of Quasimodo, 1.2.840.1.2.3"}, "text: of [removed], [UID]"),
        (3, ""),
        (None, ""),
    ],
)
def test_evidence_counts_what_may_name_a_patient(record, evidence, words):
    assert describe_evidence(evidence, record, ["Quasimodo"]) == words


def test_identifiers_are_those_of_the_record(record):
    assert {"Quasimodo^Sentinel", "PIDSENTINEL77", "20110203"} <= set(identifiers_of(record))
    assert "" not in identifiers_of(replace(record, tags={"PatientID": "", "StudyID": None}))


def test_syntaxes_have_names():
    assert syntax_names("1.2.840.10008.1.2.1;1.2.840.10008.1.2.4.70").startswith(
        "Explicit VR Little Endian, JPEG Lossless"
    )
    assert syntax_names("") == ""
