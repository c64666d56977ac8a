"""Even, with holes or uneven: what the gaps between planes mean."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ct2zarr.geometry.spacing import LISTED_MISSING, is_uniform, spacing_of, written_unit


def test_jitter_within_one_percent_of_the_grid_is_uniform_and_beyond_is_not():
    offsets = np.arange(10) * 5.0
    offsets[4] += 0.049
    assert is_uniform(offsets)
    offsets[4] += 0.02
    assert not is_uniform(offsets)
    assert spacing_of(offsets).kind == "uneven"


def test_missing_planes_are_counted_and_placed_on_the_grid():
    found = spacing_of(np.array([0, 2.5, 5, 12.5, 15, 20, 22.5]))
    assert found.kind == "missing"
    assert found.missing.count == 3
    assert found.missing.after == (2, 4)
    assert found.missing.offsets_mm == (7.5, 10.0, 17.5)
    assert found.missing.spacing_mm == pytest.approx(2.5)


def test_three_equal_wide_gaps_are_a_change_of_spacing_not_missing_planes():
    assert spacing_of(np.array([0, 2, 4, 6, 8, 12, 16, 20.0])).kind == "uneven"
    assert spacing_of(np.array([0, 2, 4, 6, 8, 12, 16.0])).kind == "missing"


@given(st.lists(st.sampled_from([1, 2, 3, 4]), min_size=1, max_size=12), st.booleans())
def test_a_stack_reads_alike_from_both_ends(gaps, declared):
    offsets = np.cumsum([0.0, *gaps])
    hints = (1.0,) if declared else ()
    there, back = (spacing_of(one, hints) for one in (offsets, offsets[-1] - offsets[::-1]))
    assert (there.kind, there.irregular_gaps) == (back.kind, back.irregular_gaps)
    assert (there.kind == "uniform") is (there.irregular_gaps == 0)
    if there.missing is None:
        assert back.missing is None
    else:
        planes = round(offsets[-1] / there.missing.spacing_mm) + 1
        assert there.missing.count == back.missing.count == planes - len(offsets)


@pytest.mark.parametrize("gaps", [[2, 2, 2, 1, 1, 1, 1], [1, 1, 1, 1, 2, 2, 2], [3, 3, 3, 1, 1, 1]])
def test_another_spacing_may_be_that_of_the_first_planes_or_of_the_last(gaps):
    assert spacing_of(np.cumsum([0.0, *gaps])).kind == "uneven"


def test_wide_gaps_that_outnumber_the_base_gaps_need_a_declared_spacing():
    offsets = np.array([0, 2, 4, 5, 6, 8, 10.0])
    assert spacing_of(offsets, hints=(2.0,)).kind == "uneven"
    assert spacing_of(offsets, hints=(1.0,)).kind == "missing"


def test_gaps_without_a_common_measure_are_uneven():
    assert spacing_of(np.array([0, 2, 4, 7, 9.0])).kind == "uneven"


def test_declared_spacing_finds_the_grid_where_no_neighbours_are_left():
    offsets = np.cumsum([0, 5.0, 7.5, 5.0])
    assert spacing_of(offsets).kind == "uneven"
    found = spacing_of(offsets, hints=(2.5,))
    assert found.kind == "missing"
    assert found.missing.count == 1 + 2 + 1


@pytest.mark.parametrize(("last", "kind"), [(9.0, "missing"), (10.0, "uneven"), (5e3, "uneven")])
def test_holes_never_outnumber_planes(last, kind):
    offsets = np.array([0, 1, 2, 3, last])
    for hints in ((), (1.0,)):
        found = spacing_of(offsets, hints)
        assert (found.kind, found.irregular_gaps) == (kind, 1)


@pytest.mark.parametrize(
    ("numbers", "kind"),
    [([1, 2, 3, 91], "missing"), ([91, 90, 89, 1], "missing"), ([1, 2, 3, 90], "uneven")],
)
def test_holes_outnumber_planes_where_instance_numbers_count_them(numbers, kind):
    offsets, numbers = np.array([0, 1, 2, 90.0]), np.array(numbers)
    found = spacing_of(offsets, (), 0.0, numbers, steps_count=False)
    assert found.kind == kind
    assert kind == "uneven" or found.missing.count == 87


@pytest.mark.parametrize("hints", [(), (2.5,), (2.5, 0.05)])
def test_two_passes_a_fiftieth_of_the_spacing_apart_are_no_grid_with_holes(hints):
    offsets = np.sort(np.concatenate([np.arange(12) * 2.5, np.arange(12) * 2.5 + 0.05]))
    found = spacing_of(offsets, hints)
    assert (found.kind, found.missing) == ("uneven", None)
    assert found.irregular_gaps > 10


def test_every_second_plane_gone_is_seen_by_instance_numbers_only():
    offsets = np.arange(8) * 5.0
    assert spacing_of(offsets).missing is None
    assert spacing_of(offsets, numbers=np.arange(1, 9)).missing is None
    found = spacing_of(offsets, numbers=np.arange(1, 17, 2))
    assert found.kind == "uniform"
    assert found.missing.count == 7


@pytest.mark.parametrize(("off", "uniform"), [(0.0999, True), (0.1001, False)])
def test_one_percent_of_the_mean_spacing_is_the_limit(off, uniform):
    offsets = np.arange(11) * 10.0
    offsets[3] += off
    assert is_uniform(offsets) is uniform
    offsets[3] -= 2 * off
    assert is_uniform(offsets) is uniform


def test_two_planes_are_always_uniform_and_three_need_not_be():
    assert is_uniform(np.array([0.0, 7.0]))
    assert not is_uniform(np.array([0.0, 1.0, 7.0]))


@pytest.mark.parametrize(("skip", "count"), [(2, 1), (3, 2)])
def test_a_single_gap_with_skipped_numbers_needs_a_declared_spacing(skip, count):
    offsets, numbers = np.array([0.0, 5.0 * skip]), np.array([1, 1 + skip])
    assert spacing_of(offsets, (), 0.0, numbers).missing is None
    found = spacing_of(offsets, (5.0,), 0.0, numbers)
    assert found.missing is not None
    assert found.missing.count == count
    assert spacing_of(offsets, (5.0 * 1.02,), 0.0, numbers).missing is None


@pytest.mark.parametrize("skip", [2, 10])
def test_numbers_may_run_in_steps_where_the_declared_spacing_is_the_measured_one(skip):
    offsets, numbers = np.arange(12) * 2.5, np.arange(12) * skip + 1
    assert spacing_of(offsets, (2.5,), 0.0, numbers).missing is None
    assert spacing_of(offsets, (2.5, 2.5 / skip), 0.0, numbers).missing is None
    assert spacing_of(offsets, (5.0, 2.5), 0.0, numbers).missing is None
    found = spacing_of(offsets, (2.5 / skip, 2.5), 0.0, numbers)
    assert found.missing.count == 11 * (skip - 1)


def test_numbers_alone_make_no_more_holes_than_there_are_planes():
    offsets = np.arange(12) * 2.5
    assert spacing_of(offsets, (), 0.0, np.arange(12) * 2).missing.count == 11
    assert spacing_of(offsets, (), 0.0, np.arange(12) * 3).missing is None


def test_two_gaps_with_skipped_numbers_count_by_the_declared_spacing():
    offsets, numbers = np.array([0.0, 10.0, 20.0]), np.array([1, 3, 5])
    found = spacing_of(offsets, (5.0,), 0.0, numbers)
    assert found.missing is not None
    assert found.missing.offsets_mm == (5.0, 15.0)
    assert spacing_of(offsets, (10.0,), 0.0, numbers).missing is None


@pytest.mark.parametrize(("planes", "seen"), [(3, False), (4, True)])
def test_three_equal_skips_are_evidence_enough_and_two_are_not(planes, seen):
    offsets, numbers = np.arange(planes) * 5.0, np.arange(planes) * 2 + 1
    assert (spacing_of(offsets, (), 0.0, numbers).missing is not None) is seen


def test_skips_that_differ_are_no_thinning():
    offsets = np.arange(6) * 5.0
    assert spacing_of(offsets, (), 0.0, np.array([1, 3, 5, 7, 9, 12])).missing is None
    assert spacing_of(offsets, (), 0.0, np.array([11, 9, 7, 5, 3, 1])).missing.count == 5


def test_two_wide_gaps_in_a_row_are_holes_and_three_are_another_spacing():
    two = spacing_of(np.array([0, 1, 2, 3, 4, 6, 8, 9, 10.0]))
    assert two.kind == "missing"
    assert two.irregular_gaps == 2
    three = spacing_of(np.array([0, 1, 2, 3, 4, 6, 8, 10, 11, 12.0]))
    assert three.kind == "uneven"
    assert three.irregular_gaps == 3


def test_a_gap_of_nearly_two_spacings_is_no_hole():
    assert spacing_of(np.array([0.0, 1, 2, 4.01, 5.01])).kind == "missing"
    assert spacing_of(np.array([0.0, 1, 2, 4.06, 5.06])).kind == "uneven"


def test_planes_far_nearer_than_the_declared_spacing_are_not_at_one_place_of_its_grid():
    assert spacing_of(np.array([0, 0.01, 5.01, 10.01, 20.01]), hints=(5.0,)).kind == "uneven"


def test_wide_gaps_of_different_width_are_no_run():
    found = spacing_of(np.array([0, 1, 2, 3, 4, 5, 7, 10, 12, 13.0]))
    assert found.kind == "missing"
    assert found.missing.count == 4


def test_as_many_narrow_gaps_as_wide_ones_need_no_declared_spacing():
    assert spacing_of(np.array([0, 1, 3, 4, 6.0])).kind == "missing"
    assert spacing_of(np.array([0, 2, 3, 5.0])).kind == "uneven"


@pytest.mark.parametrize("sign", [1, -1])
def test_an_uneven_stack_counts_one_irregular_gap_though_none_is_far_off_the_usual_one(sign):
    gaps = 1.01 + sign * np.linspace(-0.01, 0.01, 40)
    found = spacing_of(np.cumsum([0.0, *gaps]))
    assert (found.kind, found.irregular_gaps) == ("uneven", 1)


def test_a_gap_counts_as_irregular_from_two_percent_of_the_usual_one():
    def irregular(by: float) -> int:
        gaps = np.full(12, 1.0)
        gaps[[2, 9]] += by, 0.5
        return spacing_of(np.concatenate(([0.0], np.cumsum(gaps)))).irregular_gaps

    assert irregular(0.019) == 1
    assert irregular(0.021) == 2


@pytest.mark.parametrize(
    ("positions", "unit"),
    [
        ([1.0, 2.0], 0.1),
        ([1.1, 2.0], 0.1),
        ([1.25, 2.0], 0.01),
        ([1.125, 2.0], 0.001),
        ([1.2345, 2.0], 1e-4),
        ([1.23456, 2.0], 1e-5),
        ([1.234567, 2.0], 1e-6),
        ([0.1234567], 1e-7),
    ],
)
def test_the_unit_is_that_of_the_fewest_decimals_that_hold_all_positions(positions, unit):
    places = np.array([[0, 0, z] for z in positions])
    assert written_unit(places, (0, 0, 1)) == pytest.approx(unit)


def test_positions_of_many_decimals_have_no_unit_and_an_oblique_normal_a_wider_one():
    assert written_unit(np.array([[0, 0, 1.123456789]]), (0, 0, 1)) == 0.0
    assert written_unit(np.array([[0, 0, 0.0012]]), (0, 0, 1)) == pytest.approx(1e-4)
    assert written_unit(np.array([[0, 0, 1.1]]), (0.0, 0.6, -0.8)) == pytest.approx(0.14)


def test_listed_offsets_of_holes_stop_at_the_limit_across_holes():
    found = spacing_of(np.concatenate([np.arange(700), np.arange(1300, 1900), [2500.0]]))
    assert found.missing.count == 1200
    assert found.missing.after == (699, 1299)
    assert len(found.missing.offsets_mm) == LISTED_MISSING
    assert found.missing.offsets_mm[:2] == (700.0, 701.0)
    assert found.missing.offsets_mm[600] == 1900.0


def test_offsets_of_holes_keep_their_digits_at_any_scale():
    found = spacing_of(np.array([0, 1, 2, 3, 5.0]) * 7e-4)
    assert found.missing.offsets_mm == (0.0028,)
    found = spacing_of(np.array([0, 1, 2, 3, 5.0]) * 7.77e-5)
    assert found.missing.offsets_mm == (0.0003108,)
