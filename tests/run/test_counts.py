"""The totals of a summary count each row once, and sum what was converted."""

import pytest

from ct2zarr.run.counts import Counts, size_words, totals_of
from ct2zarr.run.summary_columns import SummaryRow

ROWS = [
    SummaryRow(
        "0", "v1", "/a", "ok", flags="padding;gantry_tilt", slice_count=10, localizers_skipped=1,
        files_unreadable=2, input_bytes=1000, output_bytes=400, verify_ok=True, total_seconds=1.25,
        same_decoder_slices=2,
    ),
    SummaryRow(
        "1", "v1", "/b", "ok", slice_count=20, input_bytes=3000, output_bytes=500, reused=True,
        verify_ok=False, total_seconds=2.5004,
    ),
    SummaryRow(
        "2", "v1", "/c", "failed", "truncated", flags="unreadable_files", slice_count=7,
        localizers_skipped=3, files_unreadable=4, input_bytes=700,
    ),
    SummaryRow("3", "v1", "/d", "rejected", "padding", flags="padding", input_bytes=80),
    SummaryRow("4", "v1", "/e", "ok", slice_count=1, reused=True, verify_ok=True),
    SummaryRow("5", "v1", "/f", "ok", slice_count=2, reused=True, same_decoder_slices=2),
]  # fmt: skip


def test_totals_sum_the_converted_volumes_and_count_all():
    assert totals_of(ROWS) == {
        "volumes": 6, "ok": 4, "failed": 1, "rejected": 1, "flagged": 3,
        "ok_flagged": 1, "reused": 3, "verified": 2, "same_decoder": 1, "slices": 33,
        "localizers_skipped": 4, "files_unreadable": 6, "input_bytes": 4000, "output_bytes": 900,
        "seconds": 3.75,
    }  # fmt: skip


def test_totals_of_nothing_are_zero():
    assert set(totals_of([]).values()) == {0}


def test_counts_are_read_from_totals():
    counts = Counts.of_totals(totals_of(ROWS))
    assert counts == Counts(6, 4, 3, 1, 1, 3, 4000, 900, 3.75, 1, 2, 33, 1)
    assert counts + counts == Counts(12, 8, 6, 2, 2, 6, 8000, 1800, 7.5, 2, 4, 66, 2)


def test_ratio_and_rate_are_unknown_where_nothing_was_written_or_timed():
    counts = Counts.of_totals(totals_of(ROWS))
    assert (counts.ratio, counts.rate) == (4000 / 900, 4000 / 3.75)
    assert (Counts(input_bytes=1).ratio, Counts(input_bytes=1).rate) == (None, None)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, ("0", "B")), (999, ("999", "B")), (999.6, ("1", "kB")), (1000, ("1", "kB")),
        (12_345, ("12.3", "kB")), (999_499, ("999", "kB")), (999_999, ("1", "MB")),
        (10**15, ("1000", "TB")), (5 * 10**15, ("5000", "TB")),
    ],
)  # fmt: skip
def test_sizes_have_three_digits_and_the_largest_unit_takes_all_above(number, words):
    assert size_words(number) == words
