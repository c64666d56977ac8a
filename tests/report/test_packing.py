"""Pictures are packed without loss of levels, and unpack as the page's script does it."""

import json
import zlib

import numpy as np
import pytest

from ct2zarr.report.packing import LEVELS, Scale, choose_scale, pack_levels, to_script_json


def unpack(data, shapes):
    """The inverse of ``pack_levels``, written from its description."""
    raw = np.frombuffer(zlib.decompress(data), np.uint8)
    stacks, start = [], 0
    for shape in shapes:
        count = int(np.prod(shape))
        high, low = raw[start : start + count], raw[start + count : start + 2 * count]
        start += 2 * count
        folded = (high.astype(int) << 8 | low).reshape(shape)
        out = np.zeros((shape[0], shape[1] + 1, shape[2] + 1), int)
        for z, y, x in np.ndindex(*shape):
            left, above, corner = out[z, y + 1, x], out[z, y, x + 1], out[z, y, x]
            predicted = int(np.clip(left + above - corner, min(left, above), max(left, above)))
            code = int(folded[z, y, x])
            out[z, y + 1, x + 1] = predicted + (-(code + 1) // 2 if code % 2 else code // 2)
        stacks.append(out[:, 1:, 1:])
    assert start == len(raw)
    return stacks


def test_levels_are_packed_without_loss():
    rng = np.random.default_rng(3)
    stacks = [rng.integers(0, LEVELS + 1, (2, 5, 7)).astype(np.uint16),
              np.full((1, 3, 4), LEVELS, np.uint16)]  # fmt: skip
    found = unpack(pack_levels(stacks), [stack.shape for stack in stacks])
    assert all(np.array_equal(a, b) for a, b in zip(found, stacks, strict=True))


@pytest.mark.parametrize(
    ("low", "high", "hounsfield", "scale"),
    [
        (-1000, 1000, True, Scale(-1000, 1.0, clipped=False)),
        (-1024, 3070, True, Scale(-1024, 1.0, clipped=False)),
        (-2000, 3070, True, Scale(-1024, 1.0, clipped=True)),
        (-1000, 9000, True, Scale(-1000, 1.0, clipped=True)),
        (4000, 8094, True, Scale(4000, 1.0, clipped=False)),
        (0, 0.5, False, Scale(0, 0.5 / (LEVELS - 1), clipped=False)),
        (7, 7, False, Scale(7, 1.0, clipped=False)),
    ],
)
def test_a_scale_keeps_one_hu_per_level_where_it_can(low, high, hounsfield, scale):
    found = choose_scale(low, high, hounsfield)
    assert (found.offset, found.clipped) == (scale.offset, scale.clipped)
    assert found.step == pytest.approx(scale.step)


def test_a_coarser_scale_has_a_wider_step():
    assert choose_scale(-1000, 1000, True, coarseness=2.0).step == 2.0


def test_levels_leave_0_to_absent_values_and_stay_in_their_range():
    values = np.array([[np.nan, -1024.0, -1023.6, 3070.0, 9000.0, -9000.0]], np.float32)
    levels = Scale(-1024, 1.0, clipped=True).levels(values)
    assert levels.tolist() == [[0, 1, 1, LEVELS, LEVELS, 1]]


def test_json_in_a_script_cannot_end_the_script():
    content = {"a": "</script><!-- &amp;"}
    text = str(to_script_json(content))
    assert not {"<", ">", "&"} & set(text)
    assert json.loads(text) == content
