"""Everything that the report shows of one sampled volume: pictures, drawings, flags, metadata."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from markupsafe import Markup

from ..errors import Ct2zarrError, sentence
from ..model import SliceTable, VolumeRecord
from ..run.paths import DATA_FOLDER, volume_paths
from ..store.records import read_record, read_slices
from ..vocabulary import StoreType
from ..volume.volume import Volume, open_volume
from .plots import Plot, plot_placement, plot_values
from .review_list import FlagLine
from .sampling import Sample
from .sentences import (
    Line,
    comparison_line,
    describe_evidence,
    describe_volume,
    flag_sentence,
    identifiers_of,
    thickness_of,
    verification_line,
)
from .sources import compare_planes
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
_SHORT = 12
"""Digits of a series_hash that the page shows."""


@dataclass(frozen=True, slots=True)
class SampleView:
    """What the template needs of one volume. ``problem`` says why there are no pictures."""

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

    A volume that can no longer be read is shown with the reason and without pictures.

    Parameters
    ----------
    dataset
        Where the volume comes from, as the summary says; its record may be lost.
    samples
        How many volumes share the room of the page.
    """
    try:
        # The record names the store, whatever its type.
        paths = volume_paths(root, sample.series_hash, StoreType.SQLITE)
        record = read_record(paths.record)
        slices = read_slices(paths.slices)
        with open_volume(root / DATA_FOLDER / record.store) as volume:
            return _show(volume, record, slices, sample, min(MOST_BYTES, PAGE_BYTES // samples))
    except Ct2zarrError as error:
        return _without_pictures(sample, dataset, sentence(error, private=False))
    except (OSError, ValueError, KeyError) as error:
        # The text of the error may quote a path or a header.
        return _without_pictures(sample, dataset, type(error).__name__)


def _without_pictures(sample: Sample, dataset: str, reason: str) -> SampleView:
    return SampleView(
        series_hash=sample.series_hash,
        short=sample.series_hash[:_SHORT],
        dataset=dataset,
        stratum=sample.stratum,
        verification=Line("bad", "cannot be shown"),
        flags=(),
        metadata=(),
        plots=(),
        presets=(),
        views=(),
        comparison=(),
        compared=Line("bad", ""),
        pack=Markup(""),
        problem=f"The volume or its record can no longer be read: {reason}",
    )


def _show(
    volume: Volume, record: VolumeRecord, slices: SliceTable, sample: Sample, room: int
) -> SampleView:
    planes = VolumePlanes(volume)
    placement = place_planes(
        planes.shape[0], volume.spacing, volume.orientation, volume.slice_origins_lps
    )
    histogram = count_values(planes, record.values.get("padding_value"))
    hounsfield = volume.units == "HU"
    presets = choose_presets(histogram, hounsfield)
    comparison = compare_planes(
        planes, record, slices, _planes_to_compare(planes.shape[0]), COMPARED_SIDE
    )
    stacks, compared, scale, data = pack_pictures(
        planes, placement, comparison, histogram, hounsfield, room
    )
    window = next(preset for preset in presets if preset.chosen)
    return SampleView(
        series_hash=record.series_hash,
        short=record.series_hash[:_SHORT],
        dataset=record.dataset,
        stratum=sample.stratum,
        verification=verification_line(record),
        flags=_flag_lines(record),
        metadata=describe_volume(record, identifiers_of(record)),
        plots=_plots(record, placement, histogram, volume.units),
        presets=presets,
        views=tuple(make_view(stack, window) for stack in stacks),
        comparison=tuple(make_view(stack, window) for stack in compared),
        compared=comparison_line(comparison, volume.units),
        pack=pack_json(data, scale, [*stacks, *compared]),
        problem="",
    )


def _planes_to_compare(count: int) -> list[int]:
    """The first plane, the middle one and the last."""
    return sorted({0, count // 2, count - 1})


def _flag_lines(record: VolumeRecord) -> tuple[FlagLine, ...]:
    identifiers = identifiers_of(record)
    return tuple(
        FlagLine(
            code,
            flag_sentence(code),
            describe_evidence(record.findings.get(code), record, identifiers),
        )
        for code in record.flags
    )


def _plots(
    record: VolumeRecord, placement: Placement, histogram: Histogram, units: str
) -> tuple[Plot, ...]:
    return (
        plot_placement(placement, record.shape[1], thickness_of(record)),
        plot_values(histogram.counts, histogram.edges, units),
    )
