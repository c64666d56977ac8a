"""The viewers of a sample: windows, and pictures that are reduced until they fit in the page."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from ..model import Json
from .packing import (
    LEVELS,
    Scale,
    choose_scale,
    grey_picture,
    pack_levels,
    to_base64,
    to_script_json,
)
from .sources import Comparison
from .views import Array, Limits, Pixels, Placement, PlaneSource, Stack, make_stacks

_LADDER = (
    (Limits(256, 32, 24), 1.0),
    (Limits(256, 24, 16), 2.0),
    (Limits(224, 20, 12), 4.0),
    (Limits(192, 16, 10), 4.0),
    (Limits(160, 12, 8), 6.0),
    (Limits(128, 8, 6), 8.0),
    (Limits(96, 6, 4), 8.0),
)
"""Size of the pictures and width of a level in HU, the best first; the first that fits is used."""
_HU_PRESETS = (
    ("Lung", -600.0, 1500.0),
    ("Soft tissue", 40.0, 400.0),
    ("Bone", 400.0, 1800.0),
    ("Brain", 40.0, 80.0),
)
"""Name, centre and width in HU of the windows in common use."""

_COUNTED_OF_PLANE = 1 << 20
"""Pixels of a plane that are counted at most."""
_FLATTEST = 100.0
"""Width of a picture over its height, or the inverse, at most: no page could show more."""
_AERATED = 0.12
"""Share of voxels in the range of lung above which a volume is taken for a chest."""
_MIDDLE_LEVEL = (LEVELS + 1) // 2
"""Level of a difference of zero; pictures.js colours the levels on both sides of it."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """Voxels of one volume: counts between edges, extremes, and the share in the range of lung."""

    counts: Array
    edges: Array
    low: float
    high: float
    aerated: float


@dataclass(frozen=True, slots=True)
class Preset:
    """A window; ``chosen`` is the one shown first."""

    name: str
    center: float
    width: float
    chosen: bool


@dataclass(frozen=True, slots=True)
class View:
    """One viewer of the page. ``poster`` is a data URI, ``ratio`` width over height in mm."""

    title: str
    ratio: float
    letters: tuple[str, str, str, str]
    captions: tuple[str, ...]
    middle: int
    poster: str


# Values and windows ---------------------------------------------------------------------------


def count_values(planes: PlaneSource, padding: Json) -> Histogram:
    """Histogram of a part of the pixels of up to 64 planes over the volume; no padding."""
    count = planes.shape[0]
    blocks = np.unique(np.linspace(0, count - 1, min(count, 16)).astype(int))
    # Every second pixel, or fewer of planes with more than 2,048 rows and columns.
    step = max(2, math.isqrt(planes.shape[1] * planes.shape[2] // _COUNTED_OF_PLANE))
    read = (planes.read_planes(i, min(i + 4, count))[:, ::step, ::step] for i in blocks)
    values = np.concatenate([block.ravel() for block in read]).astype(np.float32)
    values = values[np.isfinite(values)]
    if isinstance(padding, int | float) and np.any(values != padding):
        values = values[values != padding]
    if not len(values):
        values = np.zeros(1, dtype=np.float32)
    low, high = float(values.min()), float(values.max())
    margin = max((high - low) * 1e-3, 0.5)
    counts, edges = np.histogram(values, np.linspace(low - margin, high + margin, 161))
    aerated = float(np.mean((values > -950) & (values < -600)))
    return Histogram(counts.astype(np.float64), edges.astype(np.float64), low, high, aerated)


def choose_presets(histogram: Histogram, hounsfield: bool) -> tuple[Preset, ...]:
    """The windows that the page offers: those in common use for Hounsfield units, and all values.

    A volume with much aerated lung is shown in the window for lung first.
    """
    full = Preset(
        "Full range",
        (histogram.low + histogram.high) / 2,
        max(histogram.high - histogram.low, 1e-6),
        not hounsfield,
    )
    if not hounsfield:
        return (full,)
    first = "Lung" if histogram.aerated > _AERATED else "Soft tissue"
    named = tuple(Preset(name, c, w, name == first) for name, c, w in _HU_PRESETS)
    return (*named, full)


# Pictures -------------------------------------------------------------------------------------


def pack_pictures(
    planes: PlaneSource,
    placement: Placement,
    comparison: Comparison | None,
    histogram: Histogram,
    hounsfield: bool,
    room: int,
) -> tuple[list[Stack], list[Stack], Scale, bytes]:
    """The stacks, reduced until they fit in ``room`` bytes of Base64."""
    stacks: list[Stack] = []
    limits = None
    compared = _comparison_stacks(comparison, placement, planes.shape)
    for wanted, coarseness in _LADDER:
        if wanted != limits:
            stacks, limits = make_stacks(planes, placement, wanted), wanted
        scale = choose_scale(histogram.low, histogram.high, hounsfield, coarseness)
        data = pack_levels([_levels(stack, scale) for stack in (*stacks, *compared)])
        if len(data) * 4 / 3 <= room:
            break
    return stacks, compared, scale, data


def _levels(stack: Stack, scale: Scale) -> npt.NDArray[np.uint16]:
    if stack.name != "difference":
        return scale.levels(stack.pixels)
    largest = float(np.abs(np.nan_to_num(stack.pixels)).max()) or 1.0
    levels: npt.NDArray[np.uint16] = np.rint(
        _MIDDLE_LEVEL + np.nan_to_num(stack.pixels) / largest * (LEVELS - _MIDDLE_LEVEL)
    ).astype(np.uint16)
    return levels


def _comparison_stacks(
    comparison: Comparison | None, placement: Placement, shape: tuple[int, int, int]
) -> list[Stack]:
    if comparison is None or not comparison.planes:
        return []
    size = (shape[2] * placement.pixel[1], shape[1] * placement.pixel[0])
    captions = tuple(f"plane {index + 1}" for index in comparison.planes)
    differences = tuple(f"largest {value:g}" for value in comparison.largest)
    letters = ("", "", "", "")
    return [
        Stack("source", "Source", comparison.source, *size, letters, captions),
        Stack("store", "Store", comparison.store, *size, letters, captions),
        Stack("difference", "Difference", comparison.difference, *size, letters, differences),
    ]


def make_view(stack: Stack, window: Preset) -> View:
    """A viewer that shows the picture in the middle until scripts run."""
    middle = len(stack.captions) // 2
    picture: Pixels = stack.pixels[middle]
    if stack.name == "difference":
        largest = float(np.abs(np.nan_to_num(stack.pixels)).max()) or 1.0
        poster = grey_picture(np.abs(picture), 0.4 * largest, largest)
    else:
        poster = grey_picture(picture, window.center, window.width)
    ratio = min(max(stack.width_mm / stack.height_mm, 1 / _FLATTEST), _FLATTEST)
    return View(stack.title, ratio, stack.letters, stack.captions, middle, poster)


def pack_json(data: bytes, scale: Scale, stacks: Sequence[Stack]) -> Markup:
    """What the script needs to draw the pictures."""
    content = {
        "scale": {**asdict(scale), "levels": LEVELS},
        "stacks": [
            {
                "difference": stack.name == "difference",
                "height": stack.pixels.shape[1],
                "width": stack.pixels.shape[2],
                "captions": stack.captions,
            }
            for stack in stacks
        ],
        "data": to_base64(data),
    }
    return to_script_json(content)
