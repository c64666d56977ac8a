"""Whole headers, folders and orders explain repeated positions; UIDs and chance never do."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ct2zarr.plan.explanations import HeaderReader, explain
from ct2zarr.plan.stack import make_stack
from series_of import frame


def grid(n, step=2.0, start=0.0):
    return [start + step * i for i in range(n)]


def shuffled(layers=2, planes=8, folder="series", **fields):
    """Layers whose numbers restart and whose names mean nothing, and the true layer by path."""
    rng = random.Random(5)
    names = rng.sample(range(1000, 9999), layers * planes)
    layer_of, frames = {}, []
    for layer in range(layers):
        for i in range(planes):
            path = f"/data/{folder.format(layer)}/{names.pop()}"
            layer_of[path] = layer
            frames.append(
                frame(i + 1, 2.0 * i, path=path, sop_instance_uid=f"2.{rng.random()}", **fields)
            )
    return frames, layer_of


def found_in(frames, elements=None, images=None):
    stack = make_stack(sorted(frames, key=lambda f: f.sop_instance_uid))
    read = None if elements is None else lambda some: [elements(f) for f in some]
    found = explain(stack, HeaderReader(read), images)
    return found and (found, [[stack.frames[i] for i in layer] for layer in found.layers])


def assert_layers(found, layer_of):
    for layer in found[1]:
        assert len({layer_of[f.path] for f in layer}) == 1


@pytest.mark.parametrize("name", ["ImageComments", "KVP", "(0019,1023)", "AcquisitionTime"])
@pytest.mark.parametrize("layers", [2, 5])
def test_any_element_with_a_value_per_layer_explains(name, layers):
    frames, layer_of = shuffled(layers)
    found = found_in(frames, lambda f: {name: f"v{layer_of[f.path]}", "XRayTubeCurrent": f.path})
    assert found[0].keywords == (name,)
    assert len(found[1]) == layers
    assert_layers(found, layer_of)
    assert not found[0].by_order


def test_frames_alone_at_their_position_belong_to_the_layer_of_their_header():
    long, layer_of = shuffled(2, planes=12)
    frames = [f for f in long if layer_of[f.path] == 0 or f.position[2] < 10]
    found = found_in(frames, lambda f: {"ImageComments": str(layer_of[f.path])})
    assert sorted(map(len, found[1])) == [5, 12]
    assert_layers(found, layer_of)


def test_an_element_that_only_one_layer_has_explains():
    frames, layer_of = shuffled()
    found = found_in(frames, lambda f: {"ContrastBolusAgent": "X"} if layer_of[f.path] else {})
    assert found[0].keywords == ("ContrastBolusAgent",)


def test_two_elements_together_where_one_is_not_enough():
    frames, layer_of = shuffled(4)
    found = found_in(
        frames,
        lambda f: {"A": str(layer_of[f.path] // 2), "B": str(layer_of[f.path] % 2), "C": "1"},
    )
    assert found[0].keywords == ("A", "B")
    assert_layers(found, layer_of)


def test_public_elements_come_before_times_encodings_and_private_ones():
    frames, layer_of = shuffled()
    names = ["(0019,1023)", "RescaleSlope", "AcquisitionTime", "SeriesDescription"]
    for left in range(4):
        found = found_in(frames, lambda f: dict.fromkeys(names, str(layer_of[f.path])))
        assert found[0].keywords == (names[-1],), left
        names.pop()


def test_numbers_that_jitter_around_a_value_per_layer_are_clusters():
    frames, layer_of = shuffled(3)
    rng = random.Random(2)
    found = found_in(
        frames, lambda f: {"TriggerTime": f"{300 * layer_of[f.path] + rng.uniform(0, 20):.3f}"}
    )
    assert found[0].keywords == ("TriggerTime",)
    assert_layers(found, layer_of)


@pytest.mark.parametrize(
    ("values", "layers"),
    [
        ([[0, 1], [3, 4]], None),  # twice the gap within is no gap between
        ([[0, 1], [3.1, 4.1]], [0, 1]),
        ([[0, 0], [9, 10]], [0, 1]),  # three values are two clusters, too
        ([[0, 1], [9, 10], [18, 19]], [0, 1, 2]),  # gaps between may be equal
        ([[0, 1], [4, 5], [20, 21]], [0, 1, 2]),
        ([[0, 1], [3, 4], [20, 21]], None),  # all gaps between are wide, or none counts
        ([[0, 1], [9, None]], None),
        ([[0, 1], [9, "x"]], None),
    ],
)
def test_numbers_are_clusters_where_each_gap_between_is_more_than_twice_those_within(
    values, layers
):
    frames, layer_of = shuffled(len(values), planes=4)
    number = {f.path: values[layer_of[f.path]][i % 2] for i, f in enumerate(frames)}
    found = found_in(frames, lambda f: {} if number[f.path] is None else {"A": str(number[f.path])})
    if layers is None:
        assert found is None
    else:
        assert [{layer_of[f.path] for f in layer} for layer in found[1]] == [{n} for n in layers]


def with_holes(planes, *missing):
    """A layer per set of missing planes, and the true layer by path."""
    frames, layer_of = shuffled(len(missing), planes)
    kept = [f for f in frames if f.instance_number - 1 not in missing[layer_of[f.path]]]
    return kept, layer_of


@pytest.mark.parametrize(
    ("planes", "missing", "explained"),
    [
        (9, [{3}, {5}], True),  # 16 frames, 2 holes
        (9, [{3}, {5, 8}], False),  # 15 frames, 2 holes
        (6, [{2}, {2}], True),  # the hole of both is none of theirs
        (6, [{1, 4}, {1, 4}], True),
        (9, [{3}, {3, 6}], True),  # 15 frames, 3 holes, 2 of which both have
        (7, [{2, 4}, set()], False),
    ],
)
def test_layers_may_have_a_hole_for_eight_frames_beside_those_of_the_stack(
    planes, missing, explained
):
    frames, layer_of = with_holes(planes, *missing)
    found = found_in(frames, lambda f: {"ImageComments": str(layer_of[f.path])})
    if explained:
        assert_layers(found, layer_of)
    else:
        assert found is None


@pytest.mark.parametrize(("labels", "explained"), [("acbd", True), ("abcd", False)])
def test_values_of_single_frames_are_layers_only_if_they_do_not_take_turns(labels, explained):
    value = dict(enumerate([*labels, labels[0], labels[0]]))
    places = [0.0, 0.0, 2.0, 2.0, 0.0, 0.0]
    frames = [
        frame(1, z, path=f"2.3.4.{i}", sop_instance_uid=f"2.3.4.{i}") for i, z in enumerate(places)
    ]
    images = ["same", "1", "same", "same", "2", "3"]  # along the normal: 0, 1, 4, 5, then 2, 3
    found = found_in(frames, lambda f: {"ImageComments": value[int(f.path[-1])]}, images)
    assert (found is not None) is explained


def test_a_value_that_cuts_a_stack_in_two_does_not_explain_its_copies():
    numbers = [0, 1, 2, 3, 4, 4, 5, 6, 7, 7, 8, 9]
    frames = [
        frame(number, 2.0 * number, path=f"2.3.4.{i}", sop_instance_uid=f"2.3.4.{i:02d}")
        for i, number in enumerate(numbers)
    ]
    images = [str(number) for number in numbers]
    cut = found_in(frames, lambda f: {"A": "upper" if f.instance_number > 5 else "lower"}, images)
    assert cut is None


@pytest.mark.parametrize("count", [2, 3, 6])
def test_a_value_of_each_file_does_not_divide_frames_at_one_position(count):
    frames = [frame(1, 5.0, path=f"2.3.4.{i}", sop_instance_uid=f"2.3.4.{i}") for i in range(count)]
    assert found_in(frames, lambda f: {"ImageComments": f"of {f.path}"}) is None


@pytest.mark.parametrize(("before", "explained"), [(38, True), (39, False)])
def test_pairs_are_looked_for_among_the_first_forty_elements(before, explained):
    rng = random.Random(7)
    frames, layer_of = shuffled(4)
    chance = {f.path: [str(rng.randrange(2)) for _ in range(before)] for f in frames}

    def elements(f):
        values = {f"A{n:02d}": value for n, value in enumerate(chance[f.path])}
        return values | {"B": str(layer_of[f.path] // 2), "C": str(layer_of[f.path] % 2)}

    found = found_in(frames, elements)
    assert (found and found[0].keywords) == (("B", "C") if explained else None)


@pytest.mark.parametrize(("planes", "explained"), [((5, 2, 2), True), ((4, 2, 2), False)])
def test_there_may_be_a_value_for_three_frames_even_if_fewer_share_a_position(planes, explained):
    long, low, high = planes
    offsets = [*range(long)], [*range(low)], [*range(long - high, long)]
    layer_of, frames = {}, []
    for layer, places in enumerate(offsets):
        for z in places:
            uid = f"2.3.{layer}.{z}"
            layer_of[uid] = layer
            frames.append(frame(z, 2.0 * z, path=uid, sop_instance_uid=uid))
    found = found_in(frames, lambda f: {"ImageComments": str(layer_of[f.path])})
    if explained:
        assert_layers(found, layer_of)
    else:
        assert found is None


def test_a_component_of_the_dimension_index_explains_under_its_keyword():
    frames, layer_of = shuffled()
    found = found_in(
        frames, lambda f: {"DimensionIndexValues[2]": str(layer_of[f.path]), "A": f.path}
    )
    assert found[0].keywords == ("DimensionIndexValues",)


def test_the_folder_explains_where_no_element_does():
    frames, layer_of = shuffled(folder="phase{}")
    found = found_in(frames, lambda _: {"Rows": "5"})
    assert found[0].keywords == ("folder",)
    assert_layers(found, layer_of)
    # Also a folder further up: both have a folder of the same name.
    frames, layer_of = shuffled(folder="p{}/images")
    assert_layers(found_in(frames), layer_of)


def test_a_folder_of_its_own_for_each_file_does_not_hide_the_one_above():
    frames, layer_of = shuffled(folder="phase{}")
    own = {f.path: f"{f.path}/image" for f in frames}
    frames = [replace(f, path=own[f.path]) for f in frames]
    found = found_in(frames)
    assert found[0].keywords == ("folder",)
    assert_layers(found, {own[path]: layer for path, layer in layer_of.items()})
    # Nor does a folder that all share.
    frames = [replace(f, path=f.path.replace("/data", "/data/export/ct")) for f in frames]
    assert found_in(frames)[0].keywords == ("folder",)


def test_times_explain_where_each_layer_runs_along_the_stack():
    frames, layer_of = shuffled()
    found = found_in(
        frames, lambda f: {"ContentTime": f"1{layer_of[f.path]}0{f.instance_number:02d}0.5"}
    )
    assert found[0].keywords == ("ContentTime",)
    assert found[0].by_order
    assert_layers(found, layer_of)


@pytest.mark.parametrize("absent", [0, 7, 15])
def test_numbers_explain_nothing_where_one_is_absent(absent):
    frames, _ = shuffled()
    numbered = [replace(f, instance_number=n) for n, f in enumerate(frames, start=1)]
    assert found_in(numbered)[0].keywords == ("InstanceNumber",)
    numbered[absent] = replace(numbered[absent], instance_number=None)
    assert found_in(numbered) is None


@pytest.mark.parametrize("odd", ["nan", "inf", "1_0", "soon"])
def test_values_explain_as_an_order_only_if_all_are_finite_numbers(odd):
    frames, _ = shuffled(planes=10)
    value = {f.path: str(100 + n) for n, f in enumerate(frames)}
    assert found_in(frames, lambda f: {"A": value[f.path]})[0].keywords == ("A",)
    value[frames[-1].path] = odd
    assert found_in(frames, lambda f: {"A": value[f.path]}) is None


def test_names_of_files_explain_where_each_layer_runs_along_the_stack():
    frames = [
        frame(
            i + 1, 2.0 * i, path=f"/data/series/im{12 * k + i}", sop_instance_uid=f"2.{k}.{9 - i}"
        )
        for k in range(2)
        for i in range(12)
    ]
    found = found_in(frames)
    assert found[0].keywords == ("file_name",)
    assert {f.path for f in found[1][0]} == {f"/data/series/im{i}" for i in range(12)}


def test_names_that_are_uids_never_explain():
    frames = [
        frame(
            i + 1, 2.0 * i, path=f"/data/series/1.2.3.4.{12 * k + i}", sop_instance_uid=f"{k}.{i}"
        )
        for k in range(2)
        for i in range(12)
    ]
    assert found_in(frames) is None


def test_a_name_that_holds_the_uid_of_its_file_is_no_order():
    frames = [
        frame(i + 1, 2.0 * i, path=f"/data/series/im{12 * k + i}", sop_instance_uid=f"{12 * k + i}")
        for k in range(2)
        for i in range(12)
    ]
    assert found_in(frames) is None
    assert found_in([replace(f, sop_instance_uid="") for f in frames])[0].keywords == ("file_name",)


@pytest.mark.parametrize(
    "value",
    [
        lambda rng: str(rng.random()),  # its own for each file
        lambda rng: str(rng.randrange(2)),  # chance
        lambda rng: str(rng.randrange(6)),
        lambda _: "same",
    ],
)
def test_chance_and_values_of_each_file_never_explain(value):
    rng = random.Random(3)
    values = {}
    frames, _ = shuffled()
    assert found_in(frames, lambda f: {"A": values.setdefault(f.path, value(rng))}) is None


def test_equal_images_of_one_layer_do_not_spoil_its_explanation():
    frames, layer_of = shuffled()
    copy = frame(3, 4.0, path="/data/series/copy", sop_instance_uid="9.9")
    layer_of[copy.path] = 0
    kept = frames[2]
    stack = make_stack([*frames, copy])
    images = ["same" if f in (kept, copy) else f.path for f in stack.frames]
    headers = HeaderReader(lambda some: [{"ImageComments": str(layer_of[f.path])} for f in some])
    assert explain(stack, headers) is None
    found = explain(stack, headers, images)
    assert [len(layer) for layer in found.layers] == [8, 8]
    ((index, original),) = found.copies.items()
    assert {stack.frames[index], stack.frames[original]} == {kept, copy}


def test_headers_are_read_once_and_those_of_frames_in_conflict_first():
    asked = []
    frames = [frame(i, 2.0 * i) for i in range(8)] + [frame(90, 4.0)]

    def read(some):
        asked.append(sorted(f.instance_number for f in some))
        return [{"Rows": "5"} for _ in some]

    headers = HeaderReader(read)
    assert explain(make_stack(frames), headers) is None
    assert explain(make_stack(frames), headers) is None
    assert [one for one in asked if one] == [[2, 90]]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 4), st.integers(4, 12))
def test_sop_instance_uids_never_change_which_frames_belong_together(seed, layers, planes):
    rng = random.Random(seed)

    def layers_with(uids):
        names = iter(uids)
        frames = [
            frame(i + 1, 2.0 * i, path=f"/data/{k}-{i}", sop_instance_uid=str(next(names)))
            for k in range(layers)
            for i in range(planes)
        ]
        found = found_in(frames, lambda f: {"ImageComments": f.path.split("-")[0]})
        return {frozenset(f.path for f in layer) for layer in found[1]}

    numbers = list(range(layers * planes))
    assert layers_with(numbers) == layers_with(rng.sample(numbers, len(numbers)))
