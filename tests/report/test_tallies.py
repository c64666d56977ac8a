"""Counts and distributions of a summary, every number of them."""

import math
from typing import Any

import numpy as np
import pytest

from ct2zarr.report import tallies
from ct2zarr.report.tallies import (
    commonest,
    compression_ratios,
    count_flags,
    count_values,
    distribution,
    distributions,
    numbers_of,
)
from ct2zarr.run.summary_columns import SummaryRow


def row(**values: Any) -> SummaryRow:
    return SummaryRow(**{"series_hash": "0", "dataset": "v1", "series_dir": "/a", "status": "ok",
                         **values})  # fmt: skip


def test_values_are_counted_in_the_order_asked_for_and_then_by_name():
    assert list(count_values("cabca", order=("z", "b")).items()) == [
        ("z", 0), ("b", 1), ("a", 2), ("c", 2),
    ]  # fmt: skip


def test_flags_are_counted_in_their_own_order_and_unknown_ones_come_last():
    rows = [
        row(flags="padding"), row(flags="zz;split_series;padding"), row(flags="aa"), row(),
        row(flags="split_series;padding"), row(flags="padding"),
    ]  # fmt: skip
    counted = list(count_flags(rows).items())
    assert counted == [("split_series", 2), ("padding", 4), ("aa", 1), ("zz", 1)]


def test_commonest_values_come_first_and_the_rest_is_joined():
    values = ["a", "b", "b", "c", "c", "c", "d", "e"] + [""] * 4
    assert commonest(values, 6) == [
        ("not stated", 4), ("c", 3), ("b", 2), ("a", 1), ("d", 1), ("e", 1),
    ]  # fmt: skip
    assert commonest(values, 5) == [
        ("not stated", 4), ("c", 3), ("b", 2), ("a", 1), ("2 others", 2),
    ]  # fmt: skip
    assert commonest([], 5) == []


def test_absent_numbers_are_nan():
    numbers = numbers_of([row(kvp=120.0), row(), row(kvp=80.0)], "kvp")
    assert numbers.dtype == np.float64
    assert np.array_equal(numbers, [120.0, np.nan, 80.0], equal_nan=True)


def test_every_number_of_a_distribution():
    found = distribution([*range(101), 200, math.nan, math.inf])
    assert {name: found[name] for name in ("count", "min", "max", "mean")} == {
        "count": 102, "min": 0.0, "max": 200.0, "mean": round(5250 / 102, 6),
    }  # fmt: skip
    assert {name: found[name] for name in tallies.PERCENTILES} == {
        "p5": 5.05, "p25": 25.25, "median": 50.5, "p75": 75.75, "p95": 95.95,
    }  # fmt: skip
    assert found["histogram"]["edges"] == [10.0 * i for i in range(21)]
    assert found["histogram"]["counts"] == [10] * 10 + [1] + [0] * 8 + [1]


def test_distribution_is_rounded_to_a_nanometre():
    assert distribution([1 / 3])["mean"] == 0.333333


def test_nothing_has_no_distribution():
    assert distribution([math.nan]) == {"count": 0}


def test_compression_is_of_the_array_and_known_only_with_both_sizes():
    size = {"slice_count": 10, "rows": 4, "columns": 5}
    ratios = compression_ratios([
        row(dtype="int16", output_bytes=100, **size),
        row(dtype="float32", output_bytes=100, **size),
        row(dtype="", output_bytes=100, **size),
        row(dtype="int16", output_bytes=0, **size),
        row(dtype="int16", output_bytes=1, **size),
    ])  # fmt: skip
    assert np.array_equal(ratios, [4.0, 8.0, np.nan, np.nan, 400.0], equal_nan=True)


@pytest.mark.parametrize("name", tallies.MEASURED)
def test_every_measured_column_has_its_distribution(name):
    found = distributions([row(**{name: 3}), row(**{name: 5})])
    assert (found[name]["min"], found[name]["max"]) == (3.0, 5.0)
    assert set(found) == {*tallies.MEASURED, "compression_ratio"}
