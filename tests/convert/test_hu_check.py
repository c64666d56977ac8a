"""Each fault of the HU scale is named, and sound volumes are left alone."""

import numpy as np
import pytest

from converted import plans_in
from ct2zarr.convert.hu_check import TOGETHER, HuCheck
from ct2zarr.dicom.decoding import SourceReader
from ct2zarr.dicom.planes import first_type, write_values
from ct2zarr.dicom.rescale import rescale_of
from ct2zarr.errors import FileError
from ct2zarr.vocabulary import Flag
from phantom import body, real_data

SIZE = len(body())


def fault_of(values: np.ndarray, padding: float | None = None) -> object:
    check = HuCheck()
    for _ in range(20):
        check.add(values, padding)
    evidence = check.evidence()
    return None if evidence is None else evidence["fault"]


def test_a_body_in_hu_is_not_suspicious():
    assert fault_of(body()) is None


def test_a_body_with_padding_outside_the_field_is_not_suspicious():
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE - 0.5
    values = np.where(y**2 + x**2 > 0.25, -3024, body())
    assert fault_of(values, -3024) is None
    assert fault_of(values) is None


@pytest.mark.parametrize(
    ("broken", "fault"),
    [
        (lambda hu: hu % 65536, "unsigned_wrap"),
        (lambda hu: hu % 4096, "unsigned_wrap"),
        (lambda hu: hu + 1024, "not_rescaled"),
        (lambda hu: hu - 1024, "rescaled_twice"),
        (lambda hu: -hu, "inverted"),
        (lambda hu: 1000 - (hu + 1000), "inverted"),
    ],
)
def test_each_fault_is_named(broken, fault):
    assert fault_of(broken(body())) == fault


def test_values_that_nothing_can_have_are_out_of_range():
    values = body().astype(np.int32)
    random = np.random.default_rng(5)
    values[:40] = random.integers(-30000, -5000, values[:40].shape)
    assert fault_of(values) == "out_of_range"


@pytest.mark.parametrize("padding", [-4097, -8192, -32768])
def test_a_single_impossible_value_may_be_padding(padding):
    values = body().astype(np.int32)
    values[:40] = padding
    assert fault_of(values) is None


def test_numbers_that_are_none_are_not_counted():
    values = body().astype(np.float32)
    values[:40], values[40] = np.nan, np.inf
    assert fault_of(values) is None


@pytest.mark.parametrize("value", [-1000, 0, 40, 1000, -1024])
def test_one_material_alone_tells_nothing(value):
    assert fault_of(np.full((SIZE, SIZE), value, dtype=np.int16)) is None


# Exact boundaries -----------------------------------------------------------------------------

SAMPLES = 50 * 50
"""Sampled pixels of a plane of 400 x 400."""

BORDER = 4 * 50
NEUTRAL = 1300
"""A value outside of all ranges that are looked at."""


def plane_of(
    samples: dict[int, int], border: dict[int, int], shape: tuple[int, int] = (400, 400)
) -> np.ndarray:
    """A plane whose sampled pixels have each value so many times, and its border too."""
    values = np.full(shape, NEUTRAL, dtype=np.int32)
    inner = np.full(values[4::8, 4::8].shape, NEUTRAL, dtype=np.int32)
    fill = np.repeat(list(samples), list(samples.values()))
    inner.ravel()[: len(fill)] = fill
    values[4::8, 4::8] = inner
    # The first pixel, a 0, belongs to a row and to a column, and is counted twice.
    edge = np.repeat([0, *border], [BORDER - 1 - sum(border.values()), *border.values()])
    values[0, ::8], values[-1, ::8] = edge[:50], edge[50:100]
    values[1:, 0][7::8], values[::8, -1] = edge[100:149], edge[149:199]
    return values


def judged(samples: dict[int, int], border: dict[int, int] | None = None) -> object:
    check = HuCheck()
    check.add(plane_of(samples, border or {}), None)
    evidence = check.evidence()
    return None if evidence is None else evidence["fault"]


@pytest.mark.parametrize(
    ("samples", "fault"),
    [
        ({20000: 13}, "unsigned_wrap"),
        ({20000: 12}, None),
        ({3100: 126}, "unsigned_wrap"),
        ({3100: 125}, None),
        ({3100: 200, 2000: 19}, "unsigned_wrap"),
        ({3100: 200, 2000: 20}, None),
        ({3100: 200, -1000: 12}, "unsigned_wrap"),
        ({3100: 200, -1000: 13}, None),
        ({-2000: 126, -1000: 126}, "rescaled_twice"),
        ({-2000: 125, -1000: 126}, None),
        ({-2000: 126, -1000: 125}, None),
        ({-2000: 126, -1000: 126, 0: 12}, "rescaled_twice"),
        ({-2000: 126, -1000: 126, 0: 13}, None),
        ({0: 126, 1000: 376}, "not_rescaled"),
        ({0: 125, 1000: 376}, None),
        ({0: 126, 1000: 375}, None),
        ({0: 126, 1000: 376, 500: 375}, "not_rescaled"),
        ({0: 126, 1000: 376, 500: 376}, None),
        ({0: 126, 1000: 376, -500: 2}, "not_rescaled"),
        ({0: 126, 1000: 376, -500: 3}, None),
    ],
)
def test_a_fault_is_named_from_its_shares_on(samples, fault):
    assert judged(samples) == fault


@pytest.mark.parametrize(
    ("samples", "bright", "fault"),
    [
        ({0: 126, 1000: 126}, 161, "inverted"),
        ({0: 126, 1000: 126}, 160, None),
        ({0: 125, 1000: 126}, 161, None),
        ({0: 126, 1000: 125}, 161, None),
        ({0: 126, 1000: 376}, 39, "not_rescaled"),
        ({0: 126, 1000: 376}, 40, None),
    ],
)
def test_a_bright_border_makes_the_difference(samples, bright, fault):
    assert judged(samples, {1000: bright}) == fault


RANGES = {
    "above_16000": (16000, 98304),
    "from_3000": (2992, 16000),
    "from_1500_to_2500": (1488, 2496),
    "at_1000": (848, 1248),
    "from_300_to_800": (304, 800),
    "at_0": (-208, 208),
    "near_0": (-64, 160),
    "at_minus_1000": (-1152, -848),
    "at_minus_2000": (-2256, -1856),
    "below_minus_200": (-32768, -208),
}
"""Share → from which value to below which one, in bins of 16 HU."""


@pytest.mark.parametrize("name", RANGES)
def test_the_shares_of_the_evidence_are_of_these_values(name):
    low, high = RANGES[name]
    start = 20 if name == "above_16000" else 0  # those that make the fault
    for value, counted in ((low, True), (high - 1, True), (low - 1, False), (high, False)):
        check = HuCheck()
        if low in (-32768, 16000) and value in (low - 1, high):
            continue  # beyond the ends of the histogram, or the next case
        check.add(plane_of({20000: 20, value: 100}, {}), None)
        evidence = check.evidence()
        assert evidence is not None
        assert evidence["sampled_pixels"] == SAMPLES
        share = (start + 100 * counted) / SAMPLES
        assert evidence["shares"][name] == pytest.approx(share, abs=5e-5), value


def test_the_evidence_has_the_share_of_the_bright_border():
    check = HuCheck()
    check.add(plane_of({20000: 20}, {500: 50, 400: 50}), None)
    evidence = check.evidence()
    assert evidence is not None
    assert evidence["border_share_above_500"] == pytest.approx(0.25, abs=5e-5)


def test_padding_counts_neither_within_nor_on_the_border():
    check = HuCheck()
    check.add(plane_of({20000: 400}, {20000: 199}), 20000)
    assert check.evidence() is None
    check.add(plane_of({20000: 40}, {}), None)
    evidence = check.evidence()
    assert evidence is not None
    assert evidence["sampled_pixels"] == 2 * SAMPLES - 400
    assert evidence["border_share_above_500"] == 0


@pytest.mark.parametrize(("padded", "judged"), [(0, True), (1, False)])
def test_two_thousand_pixels_are_enough(padded, judged):
    check = HuCheck()
    samples = {20000: 20, -3024: padded}
    check.add(plane_of(samples, {}, shape=(400, 400))[:, :320], -3024)
    assert (check.evidence() is not None) is judged


def test_a_border_of_padding_alone_tells_nothing():
    check = HuCheck()
    plane = plane_of({20000: 20}, {})
    plane[[0, -1]] = -3024
    plane[:, [0, -1]] = -3024
    check.add(plane, -3024)
    assert check.evidence() is None


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
@pytest.mark.parametrize("value", [98304, 1_000_000, -32769, -1_000_000])
def test_values_beyond_the_histogram_count_at_its_ends(dtype, value):
    check = HuCheck()
    check.add(plane_of({20000: 20, value: 100}, {}).astype(dtype), None)
    evidence = check.evidence()
    assert evidence is not None
    name = "above_16000" if value > 0 else "below_minus_200"
    assert evidence["shares"][name] == pytest.approx((100 + 20 * (value > 0)) / SAMPLES)


def test_planes_add_up():
    check = HuCheck()
    for samples in ({20000: 20}, {20000: 30}, {}):
        check.add(plane_of(samples, {}), None)
    evidence = check.evidence()
    assert evidence is not None
    assert evidence["sampled_pixels"] == 3 * SAMPLES
    assert evidence["shares"]["above_16000"] == pytest.approx(50 / (3 * SAMPLES), abs=5e-5)


FAULTS = {"slicer_cthead_64": "not_rescaled"}
"""Real sets that are no HU in truth: a head with air at 0, whose header says slope 1, intercept 0
and RescaleType US."""


def test_no_real_volume_in_hu_is_suspicious():
    judged = 0
    for folder in sorted((real_data() / "ct").iterdir()):
        if not folder.is_dir():
            continue
        for plan in plans_in(folder / "dicom"):
            if any(finding.flag is Flag.NOT_HU for finding in plan.flags):
                continue
            check = HuCheck()
            rescales = [rescale_of(plane, "hu") for plane in plan.planes]
            with SourceReader() as reader:
                for plane, rescale in zip(plan.planes, rescales, strict=True):
                    try:
                        stored = reader.read(plane).stored
                    except FileError:
                        continue
                    out = np.empty(stored.shape, dtype=first_type(rescales))
                    write_values(stored, rescale, plane.padding_value, out)
                    check.add(out, None)
            fault = (check.evidence() or {}).get("fault")
            assert fault == FAULTS.get(folder.name), f"{folder.name} {plan.split_by}"
            judged += 1
    assert judged > 25


@pytest.mark.parametrize("planes", [TOGETHER - 1, TOGETHER, TOGETHER + 1, 2 * TOGETHER + 1])
def test_every_plane_counts_wherever_a_batch_ends(planes):
    check = HuCheck()
    for _ in range(planes):
        check.add(np.full((128, 128), 20000, np.int16), None)
    evidence = check.evidence()
    assert evidence is not None
    assert evidence["sampled_pixels"] == 256 * planes
    check.add(np.full((128, 128), 20000, np.int16), None)
    again = check.evidence()
    assert again is not None
    assert again["sampled_pixels"] == 256 * (planes + 1)
