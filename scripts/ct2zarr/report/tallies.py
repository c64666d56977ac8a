"""How often values occur in a summary, and how its numbers are distributed."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..run.cells import SEPARATOR
from ..run.summary_columns import SummaryRow
from ..vocabulary import Flag

HISTOGRAM_BINS = 20
PERCENTILES = {"p5": 5, "p25": 25, "median": 50, "p75": 75, "p95": 95}
ABSURD = 1e15
"""Values from here on (a petabyte; a billion kilometres in mm) come from damaged headers, and would
make every other value look like 0."""
DECIMALS = 6
"""Digits after the point in the distributions: a nanometre, a microsecond."""

MEASURED = (
    "slice_count", "rows", "columns", "spacing_z", "spacing_y", "spacing_x", "slice_thickness",
    "tilt_degrees", "input_bytes", "output_bytes", "read_seconds", "write_seconds",
    "total_seconds",
)  # fmt: skip
"""Columns of the summary that have a distribution; mm, degrees, bytes and seconds."""


def count_values(values: Iterable[str], order: Sequence[str] = ()) -> dict[str, int]:
    """How often each value occurs: those of ``order`` first, even if 0 times, then by name."""
    found = Counter(values)
    names = [*map(str, order), *sorted(set(found) - set(map(str, order)))]
    return {name: found[name] for name in names}


def count_flags(rows: Iterable[SummaryRow]) -> dict[str, int]:
    """Number of volumes per flag, in the order of ``Flag``; flags of other versions come last."""
    found: Counter[str] = Counter()
    for flags, number in Counter(row.flags for row in rows).items():
        found.update(dict.fromkeys((code for code in flags.split(SEPARATOR) if code), number))
    known = [str(flag) for flag in Flag if flag in found]
    return {code: found[code] for code in (*known, *sorted(set(found) - set(known)))}


def commonest(values: Iterable[str], limit: int) -> list[tuple[str, int]]:
    """The commonest values with their counts; from ``limit`` on the rest is joined in one line.

    Values that occur equally often are in the order in which they come first.
    """
    named = [(name or "not stated", number) for name, number in Counter(values).most_common()]
    if len(named) <= limit:
        return named
    rest = named[limit - 1 :]
    return [*named[: limit - 1], (f"{len(rest)} others", sum(number for _, number in rest))]


def numbers_of(rows: Sequence[SummaryRow], column: str) -> NDArray[np.float64]:
    """A column as numbers, NaN where a cell is empty."""
    return np.array([getattr(row, column) for row in rows], dtype=np.float64)


def compression_ratios(done: Sequence[SummaryRow]) -> NDArray[np.float64]:
    """Bytes of the array over bytes of its store; NaN where the size of either is not known."""
    sizes = {name: _itemsize(name) for name in {row.dtype for row in done}}
    return np.array(
        [
            row.slice_count * row.rows * row.columns * sizes[row.dtype] / row.output_bytes
            if row.output_bytes > 0
            else np.nan
            for row in done
        ],
        dtype=np.float64,
    )


def _itemsize(name: str) -> float:
    try:
        return np.dtype(name).itemsize if name else np.nan
    except TypeError:
        return np.nan


def plausible(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The values that something was measured with: absent and absurd ones are left out."""
    with np.errstate(invalid="ignore"):
        return values[np.abs(values) < ABSURD]


def distributions(done: Sequence[SummaryRow]) -> dict[str, Any]:
    """Statistics of the converted volumes, one per column of ``MEASURED`` and compression."""
    measured = {name: numbers_of(done, name) for name in MEASURED}
    measured["compression_ratio"] = compression_ratios(done)
    return {name: distribution(values) for name, values in measured.items()}


def distribution(values: Iterable[float]) -> dict[str, Any]:
    """Count, extremes, percentiles, mean and a histogram of all plausible values."""
    numbers = plausible(np.asarray(list(values), dtype=np.float64))
    if not len(numbers):
        return {"count": 0}
    counts, edges = np.histogram(numbers, bins=HISTOGRAM_BINS)
    percentiles = np.percentile(numbers, list(PERCENTILES.values()))
    return {
        "count": len(numbers),
        "min": round(float(numbers.min()), DECIMALS),
        **{
            name: round(float(value), DECIMALS)
            for name, value in zip(PERCENTILES, percentiles, strict=True)
        },
        "max": round(float(numbers.max()), DECIMALS),
        "mean": round(float(numbers.mean()), DECIMALS),
        "histogram": {
            "edges": [round(float(edge), DECIMALS) for edge in edges],
            "counts": [int(count) for count in counts],
        },
    }
