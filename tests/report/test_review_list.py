"""The list of volumes to review: the most serious first, and within its room."""

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from ct2zarr.report.review_list import (
    ReviewList,
    make_review_list,
    needs_review,
    record_name,
    select_rows,
)
from ct2zarr.report.summary_table import JoinedRow


def row(series_hash: str, status: str = "ok", flags: str = "", **values: Any) -> JoinedRow:
    return JoinedRow(series_hash, "v1", "/data/DOE", status, flags=flags, **values)


def unpacked(made: ReviewList) -> dict[str, Any]:
    return dict(json.loads(zlib.decompress(base64.b64decode(made.pack))))


def make(rows: list[JoinedRow], root: Path = Path("/gone"), **values: Any) -> ReviewList:
    given: dict[str, Any] = {"most_rows": 100, "most_bytes": 10**6, "linked": True, **values}
    return make_review_list(rows, given.pop("sampled", set()), root, **given)


def test_failed_come_first_then_rejected_then_different_then_the_rarest_flag() -> None:
    rows = [
        row("a", flags="padding"),
        row("b", flags="padding"),
        row("c", flags="padding;suspicious_hu"),
        row("d"),
        row("e", "rejected", flags="padding"),
        row("f", flags="padding", verify_ok=False),
        row("g", "failed"),
        row("h", verify_ok=True),
    ]
    chosen = select_rows(rows[::-1])
    assert [one.series_hash for one in chosen] == ["g", "e", "f", "c", "a", "b"]


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (row("a"), False),
        (row("a", verify_ok=True), False),
        (row("a", verify_ok=False), True),
        (row("a", flags="padding"), True),
        (row("a", "rejected"), True),
        (row("a", "failed"), True),
    ],
)
def test_only_what_is_odd_needs_a_review(one: JoinedRow, expected: bool) -> None:
    assert needs_review(one) is expected


def test_list_keeps_to_its_bytes_and_the_most_serious_rows() -> None:
    rows = [row(f"{number * 7919:032x}", "failed", reason="timeout") for number in range(400)]
    made = make(rows, most_bytes=2000, most_rows=1000)
    assert len(made.pack) <= 2000
    assert 10 < made.count < 400
    assert made.total == 400
    assert unpacked(made)["hashes"] == [one.series_hash for one in rows[: made.count]]
    assert [one.series_hash for one in made.rows] == [one.series_hash for one in rows][
        : len(made.rows)
    ]


def test_list_keeps_to_its_rows_and_counts_the_others() -> None:
    made = make([row(str(number), "failed") for number in range(5)], most_rows=2)
    assert (made.count, made.total, len(unpacked(made)["hashes"])) == (2, 5, 2)


def test_pack_has_everything_that_a_row_shows() -> None:
    rows = [
        row("a", "failed", "padding", reason="timeout", error_public="took too long",
            slice_count=7, shard="03"),
        row("b", flags="padding;gantry_tilt", slice_count=9),
        row("c", flags="padding;gantry_tilt", slice_count=0),
    ]  # fmt: skip
    found = unpacked(make(rows))
    words = {
        name: [found["words"][name][number] for number in found["columns"][name]]
        for name in found["columns"]
    }
    assert words["status"] == ["failed", "ok", "ok"]
    assert words["reason"] == ["timeout", "", ""]
    assert words["error"] == ["took too long", "", ""]
    assert words["dataset"] == ["v1"] * 3
    codes = [flag["code"] for flag in found["flags"]]
    flags = [[codes[number] for number in found["sets"][i]] for i in found["flag"]]
    assert flags == [["padding"], ["padding", "gantry_tilt"], ["padding", "gantry_tilt"]]
    assert found["flags"][codes.index("padding")]["sentence"].startswith("the series declares")
    assert found["slices"] == [7, 9, 0]
    assert found["recorded"] == [0, 1, 1]


def test_rows_link_to_logs_of_volumes_without_a_store_and_to_records_of_those_with_one(
    tmp_path: Path,
) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/convert_shard_03.log").touch()
    rows = [
        row("a", "failed", shard="03"),
        row("b", "failed", shard="04"),
        row("c", flags="padding", shard="03"),
        row("d", "rejected", reason="rejected_in_review", shard="03"),
        row("e", "rejected", reason="padding", shard="03"),
    ]
    made = make(rows, tmp_path, sampled={"c"})
    log, none = "logs/convert_shard_03.log", ""
    assert [one.log for one in made.rows] == [log, none, none, none, log]
    assert [one.record for one in made.rows] == ["", "", record_name("c"), record_name("d"), ""]
    assert record_name("c") == "meta/c.series.json"
    assert [one.sampled for one in made.rows] == [False, False, True, False, False]
    away = make(rows, tmp_path, linked=False)
    assert {one.log for one in away.rows} | {one.record for one in away.rows} == {""}


def test_filters_offer_what_the_rows_have() -> None:
    made = make([row("a", "failed", "padding"), row("b", flags="gantry_tilt;padding")])
    assert made.statuses == ("failed", "ok")
    assert made.flags == ("gantry_tilt", "padding")
