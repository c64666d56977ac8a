"""Pictures keep their values and the room that they have in the page."""

import base64
import json
import zlib

import imagecodecs
import numpy as np
import pytest
from test_views import Array

from ct2zarr.report import page, samples, viewers
from ct2zarr.report.packing import choose_scale, pack_levels, to_script_json
from ct2zarr.report.sources import Comparison
from ct2zarr.report.views import Stack, place_planes


def test_one_level_is_one_hounsfield_unit() -> None:
    scale = choose_scale(-1024.0, 3000.0, hounsfield=True)
    values = np.array([[-1024.0, -1000.0, 40.0, 3000.0, np.nan]], dtype=np.float32)
    assert scale.levels(values).tolist() == [[1, 25, 1065, 4025, 0]]
    assert not scale.clipped
    assert choose_scale(-3024.0, 20000.0, hounsfield=True).clipped


def test_pictures_of_the_worst_volume_keep_to_their_room() -> None:
    noise = np.random.default_rng(0).integers(-1000, 3000, (60, 512, 512)).astype(np.int16)
    placement = place_planes(60, (1, 1, 1), None, None)
    room = samples.MOST_BYTES
    *_, data = viewers.pack_pictures(
        Array(noise), placement, None, histogram(-1000, 3000, 0), True, room
    )
    assert len(data) * 4 / 3 <= room
    assert room * 10 + page.TABLE_BYTES < 28_000_000  # which leaves 2 MB for all the rest


def test_smooth_pictures_pack_small() -> None:
    y, x = np.indices((256, 256))
    smooth = (1000 + y + 2 * x).astype(np.uint16)[None]
    assert len(pack_levels([smooth])) < smooth.nbytes / 50


def values_of(voxels: np.ndarray, padding: object = None) -> viewers.Histogram:
    return viewers.count_values(Array(voxels), padding)  # type: ignore[arg-type]


def test_histogram_counts_every_second_pixel_of_sixteen_blocks_of_planes() -> None:
    voxels = np.repeat(np.arange(200, dtype=np.int16), 16).reshape(200, 4, 4)
    found = values_of(voxels)
    assert found.counts.sum() == 61 * 4  # the last block ends with the volume
    assert (found.low, found.high) == (0, 199)
    assert len(found.counts) == 160
    assert found.edges[0] < 0 < 199 < found.edges[-1]


def test_histogram_leaves_padding_out_unless_there_is_nothing_else() -> None:
    voxels = np.array([[[-2000, -2000], [-2000, -2000]], [[5, 5], [5, 5]]], dtype=np.int16)
    assert values_of(voxels, -2000).low == 5
    assert values_of(voxels, None).low == -2000
    assert values_of(voxels[:1], -2000).low == -2000


def test_histogram_leaves_out_what_is_not_finite() -> None:
    voxels = np.full((1, 2, 2), np.nan, dtype=np.float32)
    assert (values_of(voxels).low, values_of(voxels).high) == (0, 0)
    voxels[0, 0, 0] = 7
    assert (values_of(voxels).low, values_of(voxels).counts.sum()) == (7, 1)


@pytest.mark.parametrize(
    ("value", "aerated"), [(-951, 0), (-950, 0), (-949, 1), (-601, 1), (-600, 0), (-599, 0)]
)
def test_lung_is_between_minus_950_and_minus_600(value: int, aerated: int) -> None:
    assert values_of(np.full((1, 2, 2), value, dtype=np.int16)).aerated == aerated


def histogram(low: float, high: float, aerated: float) -> viewers.Histogram:
    return viewers.Histogram(np.ones(1), np.array([low, high]), low, high, aerated)


@pytest.mark.parametrize(("aerated", "first"), [(0.12, "Soft tissue"), (0.121, "Lung")])
def test_chest_is_shown_in_the_window_for_lung(aerated: float, first: str) -> None:
    presets = viewers.choose_presets(histogram(-1000, 500, aerated), True)
    assert [one.name for one in presets if one.chosen] == [first]
    named = {one.name: (one.center, one.width) for one in presets}
    assert named == {
        "Lung": (-600, 1500), "Soft tissue": (40, 400), "Bone": (400, 1800), "Brain": (40, 80),
        "Full range": (-250, 1500),
    }  # fmt: skip


def test_values_that_are_not_hounsfield_units_are_shown_in_full() -> None:
    (only,) = viewers.choose_presets(histogram(7, 7, 0.5), False)
    assert (only.name, only.center, only.width, only.chosen) == ("Full range", 7, 1e-6, True)


@pytest.mark.parametrize(
    ("low", "high", "hounsfield", "offset", "step", "clipped"),
    [
        (-1024, 3070, True, -1024, 1.0, False),
        (-1025, 3070, True, -1024, 1.0, True),
        (-1024, 3071, True, -1024, 1.0, True),
        (-100, 100, True, -100, 1.0, False),
        (4000, 5000, True, 4000, 1.0, False),
        (-9000, -2000, True, -9000, 7000 / 4094, False),
        (0, 4094, False, 0, 1.0, False),
        (0, 1, False, 0, 1 / 4094, False),
        (5, 5, False, 5, 1.0, False),
    ],
)
def test_scale_covers_the_values_in_steps_of_at_least_one_hounsfield_unit(
    low: float, high: float, hounsfield: bool, offset: float, step: float, clipped: bool
) -> None:
    scale = choose_scale(low, high, hounsfield)
    assert (scale.offset, scale.clipped) == (offset, clipped)
    assert scale.step == pytest.approx(step)
    assert choose_scale(low, high, hounsfield, 4.0).step == pytest.approx(
        4 * step if high > low else 1
    )


def test_values_beyond_the_scale_are_its_ends() -> None:
    scale = choose_scale(-1024, 3070, True)
    values = np.array([[-5000.0, 5000.0, -1024.6, 3069.6]], dtype=np.float32)
    assert scale.levels(values).tolist() == [[1, 4095, 1, 4095]]


def unfolded(data: bytes, shape: tuple[int, int, int]) -> np.ndarray:
    """What pictures.js makes of packed levels, pixel by pixel."""
    parts = np.frombuffer(zlib.decompress(data), np.uint8).reshape(2, *shape).astype(np.int64)
    folded = parts[0] * 256 + parts[1]
    levels = np.zeros(shape, dtype=np.int64)
    for n, y, x in np.ndindex(*shape):
        left = levels[n, y, x - 1] if x else 0
        above = levels[n, y - 1, x] if y else 0
        corner = levels[n, y - 1, x - 1] if x and y else 0
        error = folded[n, y, x] >> 1 if folded[n, y, x] % 2 == 0 else -((folded[n, y, x] + 1) >> 1)
        predicted = np.clip(left + above - corner, min(left, above), max(left, above))
        levels[n, y, x] = error + predicted
    return levels


def test_levels_are_unpacked_as_they_were() -> None:
    levels = np.random.default_rng(3).integers(0, 4096, (2, 7, 5)).astype(np.uint16)
    assert np.array_equal(unfolded(pack_levels([levels]), (2, 7, 5)), levels)


def test_stacks_are_packed_one_after_the_other() -> None:
    one, two = np.full((1, 2, 2), 300, np.uint16), np.full((1, 2, 2), 7, np.uint16)
    raw = zlib.decompress(pack_levels([one, two]))
    assert raw == zlib.decompress(pack_levels([one])) + zlib.decompress(pack_levels([two]))


def test_json_in_a_script_cannot_end_it() -> None:
    text = to_script_json({"a": "</script><!-- & -->"})
    assert not set("<>&") & set(text)
    assert json.loads(text) == {"a": "</script><!-- & -->"}


def difference(*values: float) -> Stack:
    pixels = np.array(values, dtype=np.float32).reshape(1, 1, -1)
    return Stack("difference", "Difference", pixels, 1.0, 1.0, ("", "", "", ""), ("x",))


def test_pictures_of_a_comparison_say_planes_and_largest_differences() -> None:
    voxels = np.zeros((9, 4, 6), dtype=np.int16)
    placement = place_planes(9, (2, 0.5, 0.8), None, None)
    pixels = np.zeros((2, 4, 6), dtype=np.float32)
    comparison = Comparison((0, 8), pixels, pixels + 1, pixels + 1, (1.0, 2.5), "")
    stacks, compared, scale, data = viewers.pack_pictures(
        Array(voxels), placement, comparison, histogram(0, 100, 0), True, 10**6
    )
    assert [stack.name for stack in compared] == ["source", "store", "difference"]
    assert compared[0].captions == ("plane 1", "plane 9")
    assert compared[2].captions == ("largest 1", "largest 2.5")
    assert (compared[0].width_mm, compared[0].height_mm) == pytest.approx((4.8, 2.0))
    content = json.loads(viewers.pack_json(data, scale, [*stacks, *compared]))
    assert content["scale"] == {"offset": 0, "step": 1.0, "clipped": False, "levels": 4095}
    assert [one["difference"] for one in content["stacks"]] == [False] * 5 + [True]
    assert (content["stacks"][0]["height"], content["stacks"][0]["width"]) == (4, 6)


def test_without_planes_to_compare_there_is_no_picture_of_them() -> None:
    voxels = np.zeros((1, 4, 6), dtype=np.int16)
    placement = place_planes(1, (2, 1, 1), None, None)
    empty = np.zeros((0, 1, 1), dtype=np.float32)
    nothing = Comparison((), empty, empty, empty, (), "gone")
    for comparison in (None, nothing):
        _, compared, *_ = viewers.pack_pictures(
            Array(voxels), placement, comparison, histogram(0, 1, 0), True, 10**6
        )
        assert compared == []


def test_difference_of_nothing_is_the_middle_level_and_the_largest_are_the_ends() -> None:
    voxels = np.zeros((1, 1, 4), dtype=np.int16)
    placement = place_planes(1, (2, 1, 1), None, None)
    far = np.array([[[0.0, 4.0, -4.0, 1.0]]], dtype=np.float32)
    comparison = Comparison((0,), far, far, far, (4.0,), "")
    *_, data = viewers.pack_pictures(
        Array(voxels), placement, comparison, histogram(0, 1, 0), True, 10**6
    )
    last = zlib.decompress(data)[-8:]
    folded = [high * 256 + low for high, low in zip(last[:4], last[4:], strict=True)]
    packed = zlib.decompress(pack_levels([np.array([[[2048, 4095, 1, 2560]]], np.uint16)]))
    assert folded == [high * 256 + low for high, low in zip(packed[:4], packed[4:], strict=True)]


def test_viewer_shows_the_picture_in_the_middle_until_scripts_run() -> None:
    pixels = np.zeros((4, 2, 6), dtype=np.float32)
    pixels[2] = 100
    stack = Stack("axial", "Axial", pixels, 6.0, 4.0, ("R", "L", "A", "P"), ("1", "2", "3", "4"))
    view = viewers.make_view(stack, viewers.Preset("Bone", 50, 100, True))
    assert (view.middle, view.ratio, view.captions[view.middle]) == (2, 1.5, "3")
    assert grey_of(view.poster).min() > 250
    assert (
        grey_of(
            viewers.make_view(difference(0.0, 0.0), viewers.Preset("", 0, 1, True)).poster
        ).max()
        < 40
    )
    shown = grey_of(viewers.make_view(difference(0.0, -8.0), viewers.Preset("", 0, 1, True)).poster)
    assert shown[0, 0] < 60 < 200 < shown[0, 1]


def grey_of(poster: str) -> np.ndarray:
    data = base64.b64decode(poster.removeprefix("data:image/webp;base64,"))
    return np.asarray(imagecodecs.webp_decode(data))[..., 0]


def test_pictures_are_reduced_as_soon_as_their_base64_exceeds_the_room() -> None:
    noise = np.random.default_rng(1).integers(-1000, 3000, (4, 40, 40)).astype(np.int16)
    placement = place_planes(4, (1, 1, 1), None, None)

    def packed(room: float) -> int:
        *_, data = viewers.pack_pictures(
            Array(noise), placement, None, histogram(-1000, 3000, 0), True, int(room)
        )
        return len(data)

    finest = packed(10**7)
    assert packed(-(-finest * 4 // 3)) == finest
    assert packed(finest * 4 / 3 - 1) < finest


def test_with_less_room_pictures_become_fewer_smaller_and_coarser_but_never_finer_again() -> None:
    noise = np.random.default_rng(1).integers(-1000, 3000, (40, 300, 3)).astype(np.int16)
    placement = place_planes(40, (1, 1, 1), None, None)
    room, found = 1e9, []
    while True:
        stacks, _, scale, data = viewers.pack_pictures(
            Array(noise), placement, None, histogram(-1000, 3000, 0), True, room
        )
        size = sum(stack.pixels.size for stack in stacks)
        if found and (size, scale.step) == found[-1]:
            break
        assert len(data) * 4 / 3 <= room
        again = viewers.pack_pictures(
            Array(noise), placement, None, histogram(-1000, 3000, 0), True, len(data) * 4 / 3
        )
        assert again[3] == data, "what fits to the last byte fits"
        found.append((size, scale.step))
        room = len(data) * 4 / 3 - 1
    sizes, steps = zip(*found, strict=True)
    assert sizes == tuple(sorted(sizes, reverse=True))
    assert steps == tuple(sorted(steps))
    assert (steps[0], steps[-1]) == (1.0, 8.0)
    assert len(set(found)) == len(found) == 7
