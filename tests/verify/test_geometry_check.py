"""The declared geometry agrees with slices.csv and the headers, to the tolerances and no more."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ct2zarr.codes import Code
from ct2zarr.errors import VerificationError, sentence
from ct2zarr.model import SliceTable, VolumePlan
from ct2zarr.verify.geometry_check import check_geometry, triple
from record_samples import sample_plan

ROWS, COLUMNS = 20, 50
SPACING = (0.8, 0.7)
STEP = 2.0
ORIENTATION = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def plan_of(count: int) -> VolumePlan:
    plan = sample_plan(count=count)
    planes = tuple(
        replace(plane, rows=ROWS, columns=COLUMNS, pixel_spacing=SPACING) for plane in plan.planes
    )
    return replace(plan, planes=planes)


def attributes_of(count: int) -> dict[str, Any]:
    """What a store declares of axial planes from (0, 0, 0) up."""
    return {
        "slice_origins_lps": [[0.0, 0.0, STEP * index] for index in range(count)],
        "index_to_lps": [
            [0.0, 0.0, SPACING[1], 0.0],
            [0.0, SPACING[0], 0.0, 0.0],
            [STEP, 0.0, 0.0, 0.0],
            [0.0, 0.0, 0.0, 1.0],
        ],
        "orientation": [list(ORIENTATION[:3]), list(ORIENTATION[3:])],
        "max_position_error_mm": 0.0,
    }


def table_of(positions: list[str]) -> SliceTable:
    columns = ("slice_index", "ImagePositionPatient")
    return SliceTable(columns, tuple((str(i), text) for i, text in enumerate(positions)))


def texts(count: int) -> list[str]:
    return [f"0\\0\\{STEP * index:g}" for index in range(count)]


def check(
    count: int = 4,
    plan: VolumePlan | None = None,
    positions: list[str] | None = None,
    **changes: Any,
) -> None:
    attributes = {**attributes_of(count), **changes}
    attributes = {name: value for name, value in attributes.items() if value != "absent"}
    check_geometry(
        plan_of(count) if plan is None else plan,
        table_of(texts(count) if positions is None else positions),
        attributes,
    )


def fails(said: str, **arguments: Any) -> VerificationError:
    with pytest.raises(VerificationError, match=said) as raised:
        check(**arguments)
    assert raised.value.code is Code.VERIFICATION_FAILED
    return raised.value


@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_sound_geometry_passes(count):
    check(count)


def shifted(index: int, *shift: float, count: int = 4) -> list[list[float]]:
    origins = attributes_of(count)["slice_origins_lps"]
    origins[index] = [a + b for a, b in zip(origins[index], shift, strict=True)]
    return origins


def test_a_volume_without_geometry_has_neither_matrix_nor_origins():
    check(slice_origins_lps=None, index_to_lps=None)
    check(slice_origins_lps="absent", index_to_lps="absent")
    fails("index_to_lps without slice_origins_lps", slice_origins_lps=None)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"index_to_lps": None}, "index_to_lps of the store does not have the shape"),
        ({"index_to_lps": "absent"}, "no index_to_lps that is made of numbers"),
        ({"orientation": "absent"}, "no orientation that is made of numbers"),
        ({"slice_origins_lps": "words"}, "no slice_origins_lps that is made of numbers"),
        ({"index_to_lps": [[1.0]]}, r"index_to_lps of the store .* shape \(4, 4\)"),
        ({"slice_origins_lps": [[0.0, 0.0, 0.0]]}, r"slice_origins_lps of the .* \(4, 3\)"),
        ({"slice_origins_lps": shifted(1, float("nan"), 0, 0)}, "slice_origins_lps of the store"),
        ({"slice_origins_lps": shifted(1, float("inf"), 0, 0)}, "slice_origins_lps of the store"),
    ],
)
def test_what_is_no_geometry_is_found(changes, said):
    fails(said, **changes)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_index_to_lps_and_origins_agree_within_a_micrometre(axis):
    for shift, passes in ((0.9e-3, True), (1.1e-3, False)):
        move = [0.0, 0.0, 0.0]
        move[axis] = shift
        origins = shifted(2, *move)
        positions = texts(4)
        positions[2] = "\\".join(repr(number) for number in origins[2])
        if passes:
            check(slice_origins_lps=origins, positions=positions)
        else:
            error = fails("index_to_lps puts", slice_origins_lps=origins, positions=positions)
            assert (error.facts["plane"], error.facts["distance"]) == (2, pytest.approx(shift))
            assert "index_to_lps puts plane 2 0.001 mm away from where slice_origins_lps" in str(
                error
            )


def test_a_declared_position_error_is_allowed_and_no_more():
    for declared, passes in ((0.5, True), (0.49, False), (None, False)):
        arguments: dict[str, Any] = {
            "slice_origins_lps": shifted(2, 0.5, 0, 0),
            "positions": [*texts(2), "0.5\\0\\4", "0\\0\\6"],
            "max_position_error_mm": declared,
        }
        check(**arguments) if passes else fails("index_to_lps puts plane 2", **arguments)


def test_slices_csv_and_origins_agree_within_a_micrometre():
    near, far = texts(4), texts(4)
    near[3], far[3] = "0\\0.0009\\6", "0\\0.0011\\6"
    check(positions=near)
    assert fails("slices.csv puts", positions=far).facts["plane"] == 3


def test_planes_without_position_in_slices_csv_are_passed_over():
    check(positions=["", "0\\0\\2", "", "0\\0\\6"])
    check(positions=["", "", "", ""])
    fails("slices.csv puts", positions=["", "0\\0\\2", "", "0\\0\\7"])


@pytest.mark.parametrize(("along", "extent"), [("columns", ROWS), ("rows", COLUMNS)])
def test_the_far_corner_of_a_plane_lies_within_a_micrometre(along, extent):
    axis, place = {"columns": (1, 1), "rows": (0, 2)}[along]
    for off, passes in ((0.9e-3, True), (1.1e-3, False)):
        matrix = attributes_of(4)["index_to_lps"]
        matrix[axis][place] += off / extent
        if passes:
            check(index_to_lps=matrix)
        else:
            assert fails("spacing along", index_to_lps=matrix).facts["along"] == along


def test_direction_cosines_are_those_of_the_header():
    for off, passes in ((0.9e-6, True), (1.1e-6, False)):
        orientation = [[1.0, off, 0.0], [0.0, 1.0, 0.0]]
        if passes:
            check(orientation=orientation)
        else:
            fails("orientation of the store", orientation=orientation)


@pytest.mark.parametrize("name", ["orientation", "pixel_spacing"])
def test_a_header_without_geometry_gives_the_store_none(name):
    plan = plan_of(4)
    first = replace(plan.planes[0], **{name: None})
    fails(
        "header of its first plane has none", plan=replace(plan, planes=(first, *plan.planes[1:]))
    )


def test_planes_that_do_not_ascend_are_found():
    flat = [[0.0, 0.0, 0.0]] * 3
    matrix = attributes_of(3)["index_to_lps"]
    matrix[2][0] = 0.0
    error = fails(
        "does not lie above",
        count=3,
        slice_origins_lps=flat,
        index_to_lps=matrix,
        positions=["0\\0\\0"] * 3,
    )
    assert error.facts["plane"] == 1
    assert "[" not in sentence(error, private=False)


def test_the_plane_that_descends_is_named():
    origins = [[0.0, 0.0, z] for z in (0.0, 2.0, 6.0, 5.0)]
    error = fails(
        "does not lie above",
        slice_origins_lps=origins,
        max_position_error_mm=9.0,
        positions=[f"0\\0\\{z}" for *_, z in origins],
    )
    assert error.facts["plane"] == 3


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("1\\-2.5\\3e1", (1.0, -2.5, 30.0)),
        ("[1, 2, 3]", (1.0, 2.0, 3.0)),
        ("", None),
        ("1\\2", None),
        ("1\\2\\3\\4", None),
        ("1\\2\\x", None),
    ],
)
def test_positions_are_read_as_slices_csv_has_them(text, numbers):
    assert triple(text) == numbers


def test_the_normal_is_rows_times_columns():
    """The same planes, numbered along the other direction of a mirrored pair of axes."""
    turned = (0.0, 1.0, 0.0, 1.0, 0.0, 0.0)
    plan = plan_of(3)
    plan = replace(plan, planes=tuple(replace(p, orientation=turned) for p in plan.planes))
    matrix = np.array(attributes_of(3)["index_to_lps"])
    matrix[:3, 1:3] = [[SPACING[0], 0.0], [0.0, SPACING[1]], [0.0, 0.0]]
    arguments: dict[str, Any] = {
        "count": 3,
        "plan": plan,
        "index_to_lps": matrix.tolist(),
        "orientation": [list(turned[:3]), list(turned[3:])],
    }
    fails("plane 1 does not lie above", **arguments)
    matrix[2, 0] = -STEP
    descending = [[0.0, 0.0, -STEP * index] for index in range(3)]
    check(
        **{
            **arguments,
            "index_to_lps": matrix.tolist(),
            "slice_origins_lps": descending,
            "positions": [f"0\\0\\{z}" for *_, z in descending],
        }
    )


def with_cosines(*orientations: tuple[float, ...]) -> VolumePlan:
    plan = plan_of(len(orientations))
    planes = tuple(
        replace(plane, orientation=one)  # type: ignore[arg-type]
        for plane, one in zip(plan.planes, orientations, strict=True)
    )
    return replace(plan, planes=planes)


def test_vectors_of_another_length_are_compared_by_their_direction() -> None:
    scaled = with_cosines(*[(1.04, 0.0, 0.0, 0.0, 0.7, 0.0)] * 4)
    check(plan=scaled)
    stretched = np.array(attributes_of(4)["index_to_lps"])
    stretched[:3, 2] *= 1.04
    fails("direction or spacing", plan=scaled, index_to_lps=stretched.tolist())


def test_cosines_that_jitter_allow_what_lies_among_them_and_no_more() -> None:
    turned = (1.0, 6e-4, 0.0, -6e-4, 1.0, 0.0)
    check(plan=with_cosines(turned, ORIENTATION, ORIENTATION, ORIENTATION))
    fails("direction|orientation", plan=with_cosines(*[turned] * 4))
    far = (1.0, 3e-3, 0.0, -3e-3, 1.0, 0.0)
    fails("orientation", plan=with_cosines(ORIENTATION, far, ORIENTATION, ORIENTATION))


def test_nominal_positions_are_counted_from_the_one_that_the_file_states() -> None:
    plan = plan_of(4)
    planes = tuple(
        replace(
            plane,
            frames=4,
            frame_number=index + 1,
            nominal_position=True,
            spacing_between_slices=STEP,
        )
        for index, plane in enumerate(plan.planes)
    )
    nominal = replace(plan, planes=planes)
    check(plan=nominal, positions=["0\\0\\0"] * 4)
    fails("mm away", plan=nominal, positions=texts(4))
    fails("mm away", plan=plan, positions=["0\\0\\0"] * 4)
