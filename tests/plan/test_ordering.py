"""Frames without geometry are ordered by the most credible element, and the flag names it."""

import math

import numpy as np
import pytest

from ct2zarr.plan.ordering import OrderedBy, is_constant, order_of, position_does_not_vary
from series_of import at, frame, stack


def by(frames):
    return order_of(frames)[0]


def z(offsets, **fields):
    return stack(offsets, pixel_spacing=None, **fields)


def test_known_positions_come_first_even_without_pixel_spacing():
    ordered, coordinates = order_of(z([0, 4, 2], slice_location=1.0))
    assert ordered is OrderedBy.POSITION
    assert coordinates.tolist() == [0, 4, 2]


def test_positions_run_along_the_normal_or_else_along_their_longest_axis():
    upside_down = (1.0, 0.0, 0.0, 0.0, -1.0, 0.0)
    assert order_of(z([0, 2, 4], orientation=upside_down))[1].tolist() == [0, -2, -4]
    assert order_of(z([0, 2, 4], orientation=None))[1].tolist() == [0, 2, 4]
    some = [*z([0, 2], orientation=upside_down), *z([4], orientation=None)]
    assert order_of(some)[1].tolist() == [0, 2, 4]
    along_y = [frame(i, 0, position=(0.0, 3.0 * i, 0.1), orientation=None) for i in range(3)]
    assert order_of(along_y)[1].tolist() == [0, 3, 6]


def test_one_frame_is_ordered_by_the_best_element_that_it_has():
    assert by(z([5])) is OrderedBy.POSITION
    assert by([frame(7, 0, position=None, slice_location=5.0)]) is OrderedBy.LOCATION
    assert by([frame(7, 0, position=None)]) is OrderedBy.NUMBER
    assert by([frame(7, 0, position=None, instance_number=None)]) is OrderedBy.UNKNOWN


@pytest.mark.parametrize("place", [None, (0.0, 0.0, math.nan), (0.0, 0.0, 5.0)])
def test_locations_come_before_numbers_where_positions_are_of_no_use(place):
    frames = [frame(9 - i, 0, position=place, slice_location=2.0 * i) for i in range(4)]
    ordered, coordinates = order_of(frames)
    assert (ordered, coordinates.tolist()) == (OrderedBy.LOCATION, [0, 2, 4, 6])


@pytest.mark.parametrize("locations", [[None] * 3, [5.0] * 3, [1.0, None, 3.0], [1, math.nan, 2]])
def test_numbers_come_next(locations):
    frames = [
        frame(9 - i, 0, position=None, slice_location=location)
        for i, location in enumerate(locations)
    ]
    ordered, coordinates = order_of(frames)
    assert (ordered, coordinates.tolist()) == (OrderedBy.NUMBER, [9, 8, 7])


def test_one_position_that_is_missing_makes_the_others_useless():
    frames = [*z([0, 2]), frame(3, 0, position=None)]
    assert by(frames) is OrderedBy.NUMBER


def test_frames_of_a_file_count_as_they_lie_in_it():
    frames = [frame(1, 0, position=None, frames=3, frame_number=n) for n in (3, 1, 2)]
    ordered, coordinates = order_of(frames)
    assert (ordered, coordinates.tolist()) == (OrderedBy.FRAME, [3, 1, 2])


@pytest.mark.parametrize("numbers", [[1, 1, 1], [None, None, None], [2, None, 1]])
def test_nothing_that_differs_leaves_the_order_of_the_files(numbers):
    frames = [
        frame(i, 0, position=None, instance_number=number, path=f"/data/a/IM{i}.dcm")
        for i, number in zip((10, 9, 2), numbers, strict=True)
    ]
    ordered, ranks = order_of(frames)
    assert ordered is OrderedBy.UNKNOWN
    due = [1, 2, 0] if numbers[0] == 2 else [2, 1, 0]
    assert ranks.tolist() == due


def test_two_frames_of_a_file_count_as_they_lie_in_it():
    frames = [frame(1, 0, position=None, frame_number=n, frames=2) for n in (1, 2)]
    assert by(frames) is OrderedBy.FRAME


def test_where_some_numbers_are_absent_files_go_by_those_that_are_there():
    frames = [
        frame(0, 0, position=None, instance_number=number, path=f"/data/a/IM{name}.dcm")
        for name, number in ((1, None), (2, 1), (3, 0), (4, -1), (10, None))
    ]
    ordered, ranks = order_of(frames)
    assert (ordered, ranks.tolist()) == (OrderedBy.UNKNOWN, [3, 2, 1, 0, 4])


def test_a_single_frame_is_ordered_by_what_it_has():
    assert by(z([4])) is OrderedBy.POSITION
    assert by(at(z([4]), position=None, instance_number=None)) is OrderedBy.UNKNOWN


def test_a_position_varies_unless_several_frames_have_the_same():
    assert position_does_not_vary(z([3, 3, 3]))
    assert position_does_not_vary(z([3, 3]))
    assert not position_does_not_vary(z([3, 4]))
    assert not position_does_not_vary(z([3, 4, 3]))
    assert not position_does_not_vary(z([3, 3, 3.001]))
    assert not position_does_not_vary(z([3]))
    assert not position_does_not_vary(at(z([3, 3]), position=None))


@pytest.mark.parametrize("scale", [1.0, 1e-4])
def test_numbers_are_constant_up_to_arithmetic(scale):
    assert is_constant(np.array([scale * 0.3, scale * (0.1 + 0.2)]))
    assert not is_constant(np.array([0.0, scale * 1e-3]))
