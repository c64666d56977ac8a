"""Everything that the report shows of one sampled volume: pictures, drawings, flags, metadata."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from markupsafe import Markup

from ..codes import Code
from ..errors import SeriesError
from ..model import SliceTable, VolumeRecord
from ..run.paths import DATA_FOLDER, volume_paths
from ..store.records import read_record, read_slices
from ..vocabulary import StoreType
from ..volume.volume import Volume, open_volume
from .attempts import Problem, attempt
from .plots import Plot, plot_placement, plot_values
from .review_list import MOST_FLAGS, FlagLine
from .sampling import Sample
from .sentences import (
    MOST_OF_NAME,
    Line,
    comparison_line,
    describe_evidence,
    describe_volume,
    flag_sentence,
    identifiers_of,
    shorten,
    thickness_of,
    verification_line,
)
from .sources import Comparison, compare_planes
from .viewers import (
    Histogram,
    Preset,
    View,
    choose_presets,
    count_values,
    make_view,
    pack_json,
    pack_pictures,
)
from .views import Placement, place_planes

PAGE_BYTES = 24_000_000
"""Room for all samples together; with the rest the page stays below 30 MB."""
MOST_BYTES = 2_400_000
"""Room for one sample, as Base64."""
COMPARED_SIDE = 192
"""Longest side of the pictures of the comparison, in pixels."""
LARGEST_PLANE = 1 << 29
"""Bytes of a plane that the report reads at most; no detector makes such planes."""
SERIES_HASH = re.compile(r"[0-9a-f]{32}")
UNREADABLE = "The volume or its record can no longer be read"
_SHORT = 12
"""Digits of a series_hash that the page shows."""


@dataclass(frozen=True, slots=True)
class Pictures:
    """The viewers of one volume, and what the planes compared with their source say."""

    presets: tuple[Preset, ...]
    views: tuple[View, ...]
    comparison: tuple[View, ...]
    compared: Line
    pack: Markup


@dataclass(frozen=True, slots=True)
class SampleView:
    """What the template needs of one volume; ``problems`` say which parts are missing, and why."""

    series_hash: str
    short: str
    dataset: str
    stratum: str
    verification: Line
    problems: tuple[Problem, ...]
    flags: tuple[FlagLine, ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()
    plots: tuple[Plot, ...] = ()
    pictures: Pictures | None = None

    @property
    def is_bad(self) -> bool:
        """Whether the volume cannot be read or differs from its source."""
        compared = self.pictures is not None and self.pictures.compared.level == "bad"
        return compared or any(problem.level == "bad" for problem in self.problems)


class VolumePlanes:
    """A ``PlaneSource`` over an open volume."""

    def __init__(self, volume: Volume) -> None:
        self._volume = volume

    @property
    def shape(self) -> tuple[int, int, int]:
        """Planes, rows, columns."""
        planes, rows, columns = self._volume.shape
        return planes, rows, columns

    def read_planes(self, start: int, stop: int) -> np.ndarray:
        """The planes ``start`` to ``stop`` (exclusive)."""
        return np.asarray(self._volume[start:stop])


def show_sample(root: Path, sample: Sample, dataset: str, samples: int) -> SampleView:
    """Read one converted volume below ``root`` (``zarr_{store}``) and prepare what is shown.

    A part that cannot be shown is left out, and the card says why in a sentence.

    Parameters
    ----------
    dataset
        Where the volume comes from, as the summary says; its record may be lost.
    samples
        How many volumes share the room of the page.

    Raises
    ------
    MachineError
        The machine has no memory or no descriptors left.
    """
    problems: list[Problem] = []
    read = attempt(UNREADABLE, lambda: _read_sidecars(root, sample), None, problems)
    unknown = Line("bad", "cannot be shown")
    view = SampleView(
        series_hash=sample.series_hash,
        short=sample.series_hash[:_SHORT],
        dataset=shorten(dataset, MOST_OF_NAME),
        stratum=shorten(sample.stratum, MOST_OF_NAME),
        verification=unknown,
        problems=tuple(problems),
    )
    if read is None:
        return view
    record, slices = read
    room = min(MOST_BYTES, PAGE_BYTES // samples)
    what = "The result of the verification cannot be shown"
    verification = attempt(what, lambda: verification_line(record), unknown, problems)
    plots, pictures = attempt(
        UNREADABLE,
        lambda: _open_and_show(root, record, slices, room, problems),
        ((), None),
        problems,
    )
    flags, metadata = _flag_lines(record, problems), _metadata(record, problems)
    return replace(
        view,
        dataset=shorten(record.dataset, MOST_OF_NAME),
        verification=verification,
        flags=flags,
        metadata=metadata,
        plots=plots,
        pictures=pictures,
        problems=tuple(problems),
    )


def _metadata(record: VolumeRecord, problems: list[Problem]) -> tuple[tuple[str, str], ...]:
    what = "The values of the record cannot be shown"
    return attempt(what, lambda: describe_volume(record, identifiers_of(record)), (), problems)


def _read_sidecars(root: Path, sample: Sample) -> tuple[VolumeRecord, SliceTable]:
    if not SERIES_HASH.fullmatch(sample.series_hash):
        raise SeriesError(Code.INPUT_DAMAGED, "its series_hash is not 32 hexadecimal digits")
    # The record names the store, whatever its type.
    paths = volume_paths(root, sample.series_hash, StoreType.SQLITE)
    record = read_record(paths.record)
    if record.series_hash != sample.series_hash or "/" in record.store:
        raise SeriesError(Code.OTHER_VOLUME, "{file} belongs to another volume", path=paths.record)
    return record, read_slices(paths.slices)


def _open_and_show(
    root: Path, record: VolumeRecord, slices: SliceTable, room: int, problems: list[Problem]
) -> tuple[tuple[Plot, ...], Pictures | None]:
    """Plots and pictures from the voxels; each kind may fail by itself."""
    with open_volume(root / DATA_FOLDER / record.store) as volume:
        planes = VolumePlanes(volume)
        check_size(planes.shape, volume.dtype.itemsize)
        placement = _placement_of(volume, problems)
        plots = _drawn(
            "The positions of the planes cannot be drawn",
            lambda: plot_placement(placement, record.shape[1], thickness_of(record)),
            problems,
        )
        padding = record.values.get("padding_value")
        histogram = attempt(UNREADABLE, lambda: count_values(planes, padding), None, problems)
        if histogram is None:
            return plots, None
        units = volume.units
        plots += _drawn(
            "The values cannot be drawn",
            lambda: plot_values(histogram.counts, histogram.edges, units),
            problems,
        )
        comparison = _compared(planes, record, slices, problems)
        pictures = attempt(
            "The pictures cannot be shown",
            lambda: _pictures(planes, placement, histogram, comparison, units, room),
            None,
            problems,
        )
    return plots, pictures


def _drawn(what: str, draw: Callable[[], Plot], problems: list[Problem]) -> tuple[Plot, ...]:
    plot = attempt(what, draw, None, problems)
    return () if plot is None else (plot,)


def _compared(
    planes: VolumePlanes, record: VolumeRecord, slices: SliceTable, problems: list[Problem]
) -> Comparison | None:
    wanted = _planes_to_compare(planes.shape[0])
    return attempt(
        "The planes cannot be compared with their source",
        lambda: compare_planes(planes, record, slices, wanted, COMPARED_SIDE),
        Comparison.failed("No plane could be compared."),
        problems,
    )


def check_size(shape: tuple[int, int, int], itemsize: int) -> None:
    """Check that a volume has voxels, and that its planes are none that no memory could hold.

    Raises
    ------
    SeriesError
        It has none, or a plane is too large.
    """
    if min(shape) < 1:
        raise SeriesError(Code.STORE_DAMAGED, "the array of the store has no voxels")
    if shape[1] * shape[2] * itemsize > LARGEST_PLANE:
        raise SeriesError(
            Code.NOT_SHOWN,
            "a plane has {rows:,} x {columns:,} voxels, which is too large for pictures",
            rows=shape[1],
            columns=shape[2],
        )


def _placement_of(volume: Volume, problems: list[Problem]) -> Placement:
    """Where the planes lie; nominal positions, and a problem more, where the store's are absurd."""
    count = volume.shape[0]

    def stated() -> Placement:
        placement = place_planes(
            count, volume.spacing, volume.orientation, volume.slice_origins_lps
        )
        if not placement.is_plausible:
            raise SeriesError(
                Code.NO_GEOMETRY, "the spacing or the positions of the store make no sense"
            )
        return placement

    found: list[Problem] = []
    nominal = place_planes(count, (1.0, 1.0, 1.0), None, None)
    placement = attempt("The pictures are not to scale", stated, nominal, found)
    problems += [replace(one, level="look") for one in found]
    return placement


def _pictures(
    planes: VolumePlanes,
    placement: Placement,
    histogram: Histogram,
    comparison: Comparison | None,
    units: str,
    room: int,
) -> Pictures:
    hounsfield = units == "HU"
    presets = choose_presets(histogram, hounsfield)
    stacks, compared, scale, data = pack_pictures(
        planes, placement, comparison, histogram, hounsfield, room
    )
    window = next(preset for preset in presets if preset.chosen)
    return Pictures(
        presets=presets,
        views=tuple(make_view(stack, window) for stack in stacks),
        comparison=tuple(make_view(stack, window) for stack in compared),
        compared=comparison_line(comparison, units),
        pack=pack_json(data, scale, [*stacks, *compared]),
    )


def _planes_to_compare(count: int) -> list[int]:
    """The first plane, the middle one and the last."""
    return sorted({0, count // 2, count - 1})


def _flag_lines(record: VolumeRecord, problems: list[Problem]) -> tuple[FlagLine, ...]:
    def evidence(code: str) -> str:
        return describe_evidence(record.findings.get(code), record, identifiers_of(record))

    return tuple(
        FlagLine(
            shorten(code, MOST_OF_NAME),
            flag_sentence(code),
            attempt("Evidence of a flag cannot be shown", partial(evidence, code), "", problems),
        )
        for code in record.flags[:MOST_FLAGS]
    )
