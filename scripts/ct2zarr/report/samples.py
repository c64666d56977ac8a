"""Everything the report shows of one sampled volume: pictures, drawings, flags, metadata."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from markupsafe import Markup

from ..errors import Ct2zarrError
from ..model import Json, SliceTable, VolumeRecord
from ..run.redaction import scrub_text
from ..store.records import read_record, read_slices
from ..volume.volume import Volume, open_volume
from .packing import (
    LEVELS,
    Scale,
    choose_scale,
    grey_picture,
    pack_levels,
    to_base64,
    to_script_json,
)
from .plots import Plot, plot_placement, plot_values
from .sampling import Sample
from .sentences import describe_evidence, describe_volume, secrets_of, thickness_of
from .sources import Comparison, compare_planes
from .summary_table import flag_sentence
from .views import (
    Array,
    Limits,
    Pixels,
    Placement,
    PlaneSource,
    Stack,
    make_stacks,
    place_planes,
)

PAGE_BYTES = 24_000_000
"""Room for all samples together; with the rest the page stays below 30 MB."""
MOST_BYTES = 2_400_000
"""Of one sample, as Base64."""
COMPARED_PLANES = 3
COMPARED_SIDE = 192
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


@dataclass(frozen=True, slots=True)
class FlagLine:
    """A flag as it is shown; ``evidence`` is the count or measure in words."""

    code: str
    sentence: str
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence and how good its news is: ``good``, ``look`` or ``bad``."""

    level: str
    sentence: str


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


@dataclass(frozen=True, slots=True)
class SampleView:
    """All that the template needs of one volume. ``problem`` says why there are no pictures."""

    series_hash: str
    short: str
    dataset: str
    stratum: str
    verification: Line
    flags: tuple[FlagLine, ...]
    metadata: tuple[tuple[str, str], ...]
    plots: tuple[Plot, ...]
    presets: tuple[Preset, ...]
    views: tuple[View, ...]
    comparison: tuple[View, ...]
    compared: Line
    pack: Markup
    problem: str


@dataclass(frozen=True, slots=True)
class Histogram:
    """Voxels of one volume: counts between edges, extremes, and the share in the range of lung."""

    counts: Array
    edges: Array
    low: float
    high: float
    aerated: float


class _Planes:
    """A ``PlaneSource`` over an open volume."""

    def __init__(self, volume: Volume) -> None:
        self._volume = volume

    @property
    def shape(self) -> tuple[int, int, int]:
        planes, rows, columns = self._volume.shape
        return planes, rows, columns

    def read_planes(self, start: int, stop: int) -> np.ndarray:
        return np.asarray(self._volume[start:stop])


def show_sample(root: Path, sample: Sample, dataset: str, samples: int) -> SampleView:
    """Read one converted volume below ``root`` (``zarr_{store}``) and prepare what is shown.

    A volume that cannot be read any more is shown with the reason and without pictures.
    """
    try:
        record = read_record(root / "meta" / f"{sample.series_hash}.series.json")
        slices = read_slices(root / "meta" / f"{sample.series_hash}.slices.csv")
        with open_volume(root / "data" / record.store) as volume:
            return _show(volume, record, slices, sample, min(MOST_BYTES, PAGE_BYTES // samples))
    except (Ct2zarrError, OSError, ValueError, KeyError) as error:
        problem = scrub_text(
            f"The volume or its records cannot be read any more: {error}", [str(root)]
        )
        return SampleView(
            sample.series_hash, sample.series_hash[:12], dataset, sample.stratum,
            Line("bad", "cannot be shown"), (), (), (), (), (), (), Line("bad", ""),
            Markup(""), problem,
        )  # fmt: skip


def _show(
    volume: Volume, record: VolumeRecord, slices: SliceTable, sample: Sample, room: int
) -> SampleView:
    planes = _Planes(volume)
    placement = place_planes(
        planes.shape[0], volume.spacing, volume.orientation, volume.slice_origins_lps
    )
    histogram = _count_values(planes, record.values.get("padding_value"))
    hounsfield = volume.units == "HU"
    presets = _presets(histogram, hounsfield)
    window = next(preset for preset in presets if preset.chosen)
    wanted = _planes_to_compare(record)
    comparison = compare_planes(planes, record, slices, wanted, COMPARED_SIDE)
    stacks, compared, scale, data = pack_pictures(
        planes, placement, comparison, histogram, hounsfield, room
    )
    shown = [_view(stack, window) for stack in (*stacks, *compared)]
    secrets = secrets_of(record)
    return SampleView(
        series_hash=record.series_hash,
        short=record.series_hash[:12],
        dataset=record.dataset,
        stratum=sample.stratum,
        verification=_verification(record),
        flags=tuple(
            FlagLine(
                code,
                flag_sentence(code),
                describe_evidence(record.findings.get(code), record, secrets),
            )
            for code in record.flags
        ),
        metadata=describe_volume(record, secrets),
        plots=(
            plot_placement(placement, planes.shape[1], thickness_of(record)),
            plot_values(histogram.counts, histogram.edges, volume.units),
        ),
        presets=presets,
        views=tuple(shown[: len(stacks)]),
        comparison=tuple(shown[len(stacks) :]),
        compared=_compared(comparison, volume.units),
        pack=_pack_json(data, scale, [*stacks, *compared]),
        problem="",
    )


def _flag_lines(record: VolumeRecord, secrets: Sequence[str]) -> tuple[FlagLine, ...]:
    return tuple(
        FlagLine(
            code,
            flag_sentence(code),
            describe_evidence(record.findings.get(code), record, secrets),
        )
        for code in record.flags
    )


# Values and windows ---------------------------------------------------------------------------


def _count_values(planes: _Planes, padding: Json) -> Histogram:
    """Histogram of up to 64 planes spread over the volume, every second pixel; no padding."""
    count = planes.shape[0]
    blocks = np.unique(np.linspace(0, count - 1, min(count, 16)).astype(int))
    read = (planes.read_planes(i, min(i + 4, count))[:, ::2, ::2] for i in blocks)
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


def _presets(histogram: Histogram, hounsfield: bool) -> tuple[Preset, ...]:
    full = Preset(
        "Full range",
        (histogram.low + histogram.high) / 2,
        max(histogram.high - histogram.low, 1e-6),
        not hounsfield,
    )
    if not hounsfield:
        return (full,)
    first = "Lung" if histogram.aerated > 0.12 else "Soft tissue"
    named = tuple(Preset(name, c, w, name == first) for name, c, w in _HU_PRESETS)
    return (*named, full)


# Pictures -------------------------------------------------------------------------------------


def _planes_to_compare(record: VolumeRecord) -> list[int]:
    count = record.shape[0]
    return sorted({0, count // 2, count - 1})[:COMPARED_PLANES]


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
    largest = float(np.abs(stack.pixels).max()) or 1.0
    levels: npt.NDArray[np.uint16] = np.rint(2048 + stack.pixels / largest * 2047).astype(np.uint16)
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


def _view(stack: Stack, window: Preset) -> View:
    middle = len(stack.captions) // 2
    picture: Pixels = stack.pixels[middle]
    if stack.name == "difference":
        largest = float(np.abs(stack.pixels).max()) or 1.0
        poster = grey_picture(np.abs(picture), 0.4 * largest, largest)
    else:
        poster = grey_picture(picture, window.center, window.width)
    ratio = stack.width_mm / stack.height_mm
    return View(stack.title, ratio, stack.letters, stack.captions, middle, poster)


def _pack_json(data: bytes, scale: Scale, stacks: Sequence[Stack]) -> Markup:
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


# Words ----------------------------------------------------------------------------------------


def _compared(comparison: Comparison | None, units: str) -> Line:
    if comparison is None:
        return Line("look", "The source is no longer there, so nothing was decoded again.")
    if not comparison.planes:
        return Line("bad", comparison.problem or "No plane could be compared.")
    count = len(comparison.planes)
    largest = max(comparison.largest)
    planes = "plane" if count == 1 else "planes"
    if largest == 0 and not comparison.problem:
        return Line("good", f"{count} {planes} decoded again from the source: no pixel differs.")
    text = f"{count} {planes} decoded again: the largest difference is {largest:g} {units}".strip()
    return Line("bad" if largest else "look", f"{text}. {comparison.problem}".strip())


def _verification(record: VolumeRecord) -> Line:
    result = record.verification
    checked = result.get("slices")
    count = len(checked) if isinstance(checked, list | tuple) else 0
    if not count:
        return Line("look", "not verified at conversion")
    if result.get("ok") is not True:
        return Line("bad", "verification failed at conversion")
    every = "all" if count == record.shape[0] else f"{count} of {record.shape[0]}"
    return Line("good", f"verified at conversion: {every} planes equal their source")
