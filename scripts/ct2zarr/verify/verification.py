"""Check a finished store against its source, by another way than the one that made it.

The store is opened as a user would open it, by ``open_volume``, which shares no code with the
writing of stores (that zarr and others read the same from them is tested). The source files are
read again, by another decoder than the conversion used where there is one, and their values
are computed here, in float64. What is compared: the bytes of each chosen plane with the source and
with the MD5 in slices.csv; its SOPInstanceUID, position and rescale in the file with slices.csv and
the attributes; and for all planes, chosen or not, that positions, index_to_lps, slices.csv and the
directions and distances of the header agree and that planes ascend along the normal. A comparison
of memory with the store could not find a wrong order; this does.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..dicom.decoding import SourceReader, StoredFrame
from ..dicom.deidentification import Pseudonyms, key_from_environment
from ..dicom.source_headers import WANTED, FrameHeader, FrameHeaders
from ..errors import FileError, SeriesError, VerificationError
from ..geometry.pyramid import LEVEL_0, Level
from ..model import Frame, Json, SliceTable, VolumePlan
from ..run.settings import ConvertSettings
from ..store.records import read_slices
from ..volume.volume import Volume, open_volume
from .pyramid_check import verify_pyramid

REASON = "verification_failed"

POSITION_TOLERANCE_MM = 1e-3
"""How far a position may differ between header, slices.csv and attributes, mm. They are the same
numbers: DS has at most 16 characters (PS3.5 6.2), so a micrometre is far above any rounding, and
far below what matters."""

COSINE_TOLERANCE = 1e-6
"""How far direction cosines may differ between header and attributes: they are copied."""

DCT_SYNTAXES = frozenset({"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"})
"""JPEG baseline and extended: their inverse cosine transform is not defined to the last bit."""

DCT_ROUNDING = 1.001
"""Stored units by which two right decoders of these may differ: one (measured between libjpeg-turbo
and libjpeg, on real CT of both syntaxes), and a margin for float32."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What was compared. ``decoders``: name → number of source planes read by it."""

    slices: tuple[int, ...]
    decoders: Mapping[str, int]

    def as_json(self) -> dict[str, Json]:
        """As it stands in series.json. A verification that finds a difference raises instead."""
        ok = True if self.slices else None
        return {"ok": ok, "slices": list(self.slices), "decoders": dict(self.decoders)}


def verify_volume(
    store_path: Path,
    slices_path: Path,
    plan: VolumePlan,
    settings: ConvertSettings,
    decoders_used: Collection[str],
    levels: Sequence[Level] = (LEVEL_0,),
) -> Verification:
    """Compare a finished store and its slices.csv with the source.

    Args:
        store_path, slices_path: the finished, closed files, under whatever name.
        plan: the planes as they were converted (without those left out).
        decoders_used: names of the decoders of the conversion; others are used where there are.
        levels: of the pyramid that is due.

    Raises:
        VerificationError: a difference; the sentence says in which plane and what.
    """
    try:
        table = read_slices(slices_path)
        chosen = choose_planes(len(plan.planes), settings.verify_slices)
        with _open(store_path) as volume:
            _check_shape(volume, plan, table)
            _check_identity(plan, table, volume.attrs, settings)
            _check_geometry(plan, table, volume.attrs)
            decoders = _check_planes(volume, plan, table, settings, chosen, decoders_used)
            found = volume.attrs.get("levels")
        verify_pyramid(
            store_path,
            found,
            levels,
            lambda count: choose_planes(count, settings.verify_slices),
            REASON,
        )
    except VerificationError:
        raise
    except (FileError, SeriesError) as error:
        raise VerificationError(f"verification failed: {error}", REASON) from error
    return Verification(chosen, decoders)


def choose_planes(count: int, wanted: int | Literal["all"]) -> tuple[int, ...]:
    """Indices of the planes to compare: the first, the last and evenly spread ones between.

    They are far apart on purpose: a fault that shifts, swaps or cuts planes does not spare one end,
    while neighbours in one chunk mostly fail together.
    """
    if wanted == "all" or wanted >= count:
        return tuple(range(count))
    if wanted <= 1:
        return tuple(range(wanted))
    return tuple((index * (count - 1)) // (wanted - 1) for index in range(wanted))


def _fail(what: str) -> VerificationError:
    return VerificationError(f"verification failed: {what}", REASON)


# The store ------------------------------------------------------------------------------------


def _open(store_path: Path) -> Volume:
    try:
        return open_volume(store_path, threads=1)
    except FileError:
        raise
    except Exception as error:
        raise _fail(f"the store cannot be opened ({type(error).__name__})") from error


def _read_planes(volume: Volume, start: int, stop: int) -> NDArray[Any]:
    try:
        return np.asarray(volume[start:stop])
    except MemoryError:
        raise
    except Exception as error:
        raise _fail(
            f"planes {start} to {stop - 1} cannot be read from the store ({type(error).__name__})"
        ) from error


def _check_shape(volume: Volume, plan: VolumePlan, table: SliceTable) -> None:
    first = plan.planes[0]
    expected = (len(plan.planes), first.rows, first.columns)
    if tuple(volume.shape) != expected:
        raise _fail(f"the array has shape {tuple(volume.shape)} where {expected} is due")
    if len(table.rows) != len(plan.planes):
        raise _fail(f"slices.csv has {len(table.rows)} rows for {len(plan.planes)} planes")


def _check_identity(
    plan: VolumePlan, table: SliceTable, attributes: Mapping[str, Any], settings: ConvertSettings
) -> None:
    if attributes.get("series_hash") != plan.series_hash:
        raise _fail(f"the store says that it is volume {attributes.get('series_hash')}")
    uids = [plane.sop_instance_uid for plane in plan.planes]
    if settings.metadata.deidentify:
        pseudonyms = Pseudonyms(key_from_environment(), "")  # UIDs depend on the key alone
        uids = [pseudonyms.uid(uid) for uid in uids]
    for index, (found, due) in enumerate(zip(table.column("SOPInstanceUID"), uids, strict=True)):
        if found != due:
            raise _fail(f"plane {index} has another SOPInstanceUID in slices.csv than its file")


# Geometry -------------------------------------------------------------------------------------


def _check_geometry(plan: VolumePlan, table: SliceTable, attributes: Mapping[str, Any]) -> None:
    """Positions in slices.csv, slice_origins_lps and index_to_lps agree, and planes ascend."""
    if attributes.get("slice_origins_lps") is None:
        if attributes.get("index_to_lps") is not None:
            raise _fail("the store has index_to_lps without slice_origins_lps")
        return  # a volume without geometry
    origins = _numbers(attributes, "slice_origins_lps", (len(plan.planes), 3))
    index_to_lps = _numbers(attributes, "index_to_lps", (4, 4))
    allowed = float(attributes.get("max_position_error_mm") or 0.0) + POSITION_TOLERANCE_MM
    steps = np.arange(len(origins))[:, None]
    placed = steps * index_to_lps[:3, 0] + index_to_lps[:3, 3]
    _check_near(placed, origins, allowed, "index_to_lps puts", "slice_origins_lps")
    row, column = _numbers(attributes, "orientation", (2, 3))
    _check_in_plane(plan.planes[0], index_to_lps, np.concatenate((row, column)))
    ascending = np.diff(origins @ np.cross(row, column))
    if len(ascending) and ascending.min() <= 0:
        raise _fail(f"plane {int(ascending.argmin()) + 1} does not lie above the one before it")
    written = [_triple(text) for text in table.column("ImagePositionPatient")]
    known = [index for index, position in enumerate(written) if position is not None]
    positions = np.array([written[index] for index in known], dtype=np.float64).reshape(-1, 3)
    _check_near(positions, origins[known], POSITION_TOLERANCE_MM, "slices.csv puts", "the store")


def _check_in_plane(
    first: Frame, index_to_lps: NDArray[np.float64], orientation: NDArray[np.float64]
) -> None:
    """Rows and columns run as the header says, up to the far corner of the plane."""
    if first.orientation is None or first.pixel_spacing is None:
        raise _fail("the store has a geometry, and the header of its first plane has none")
    between_rows, between_columns = first.pixel_spacing
    cosines = np.array(first.orientation).reshape(2, 3)
    steps = np.stack((cosines[1] * between_rows, cosines[0] * between_columns))
    for along, extent, found, due in zip(
        ("columns", "rows"),
        (first.rows, first.columns),
        index_to_lps[:3, 1:3].T,
        steps,
        strict=True,
    ):
        if not float(np.linalg.norm(found - due)) * extent <= POSITION_TOLERANCE_MM:
            raise _fail(f"index_to_lps runs otherwise along the {along} than the header says")
    if not np.allclose(orientation.reshape(2, 3), cosines, rtol=0, atol=COSINE_TOLERANCE):
        raise _fail("the orientation of the store is not that of the header")


def _numbers(
    attributes: Mapping[str, Any], name: str, shape: tuple[int, ...]
) -> NDArray[np.float64]:
    try:
        values = np.asarray(attributes[name], dtype=np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise _fail(f"the store has no usable {name}") from error
    if values.size != np.prod(shape) or not np.isfinite(values).all():
        raise _fail(f"{name} of the store is not {' x '.join(map(str, shape))} numbers")
    return values.reshape(shape)


def _check_near(
    found: NDArray[np.float64],
    expected: NDArray[np.float64],
    tolerance_mm: float,
    what: str,
    where: str,
) -> None:
    if not len(found):
        return
    distance = np.linalg.norm(found - expected, axis=1)
    worst = int(distance.argmax())
    if not distance[worst] <= tolerance_mm:
        raise _fail(f"{what} plane {worst} {distance[worst]:.3f} mm away from where {where} has it")


def _triple(text: str) -> tuple[float, ...] | None:
    """The numbers of ``x\\y\\z`` as slices.csv writes them; None when the cell is empty."""
    parts = text.strip("[]() ").replace(",", "\\").split("\\")
    try:
        numbers = tuple(float(part) for part in parts)
    except ValueError:
        return None
    return numbers if len(numbers) == 3 else None


# Planes ---------------------------------------------------------------------------------------


def _check_planes(
    volume: Volume,
    plan: VolumePlan,
    table: SliceTable,
    settings: ConvertSettings,
    chosen: Sequence[int],
    decoders_used: Collection[str],
) -> dict[str, int]:
    """Compare the chosen planes; each chunk is decoded once. Returns decoder → planes."""
    declared = volume.attrs.get("values") or {}
    md5s = table.column("md5")
    used: Counter[str] = Counter()
    depth = volume.chunks[0]
    with SourceReader(wanted=WANTED, avoid=decoders_used) as reader:
        headers = FrameHeaders()
        for _, members in groupby(chosen, key=lambda index: index // depth):
            slab = list(members)
            planes = _read_planes(volume, slab[0], slab[-1] + 1)
            for index in slab:
                plane = np.ascontiguousarray(planes[index - slab[0]])
                if _md5(plane) != md5s[index]:
                    raise _fail(f"plane {index} of the store has another MD5 than slices.csv says")
                frame = plan.planes[index]
                source = reader.read(frame)
                header = headers.of(source, frame)
                _check_values(plane, source, header, index, settings, frame.transfer_syntax_uid)
                _check_source_header(header, index, frame, table, settings)
                _check_scale(header, index, declared)
                used[source.decoder] += 1
    return dict(sorted(used.items()))


def _md5(plane: NDArray[Any]) -> str:
    little = plane.astype(plane.dtype.newbyteorder("<"), copy=False)
    return hashlib.md5(little.data, usedforsecurity=False).hexdigest()


def _check_values(
    plane: NDArray[Any],
    frame: StoredFrame,
    header: FrameHeader,
    index: int,
    settings: ConvertSettings,
    syntax: str,
) -> None:
    expected: NDArray[Any] = frame.stored
    if settings.encoding.values == "hu" and (header.slope, header.intercept) != (1.0, 0.0):
        expected = frame.stored.astype(np.float64) * header.slope + header.intercept
        if np.issubdtype(plane.dtype, np.floating):
            expected = expected.astype(plane.dtype)
    different = plane != expected
    if different.any() and syntax in DCT_SYNTAXES:
        step = DCT_ROUNDING * (abs(header.slope) if settings.encoding.values == "hu" else 1.0)
        distance = np.abs(plane.astype(np.float64) - expected)
        different = distance > step
    if not different.any():
        return
    row, column = (int(place) for place in np.argwhere(different)[0])
    raise _fail(
        f"plane {index} differs from its source in {int(different.sum())} of {plane.size} voxels, "
        f"first in row {row}, column {column}: {plane[row, column]} where "
        f"{expected[row, column]} is due"
    )


def _check_scale(header: FrameHeader, index: int, values: Mapping[str, Any]) -> None:
    """The store declares the rescale of the file, or none where planes differ."""
    for name, own in (("slope", header.slope), ("intercept", header.intercept)):
        declared = values.get(name)
        if declared is not None and declared != own:
            raise _fail(
                f"the {name} of plane {index} is {own} in its file, {declared} in the store"
            )


def _check_source_header(
    header: FrameHeader,
    index: int,
    frame: Frame,
    table: SliceTable,
    settings: ConvertSettings,
) -> None:
    """The file says of itself what slices.csv says of the plane."""
    if not settings.metadata.deidentify:
        written = table.column("SOPInstanceUID")[index]
        if header.sop_instance_uid and header.sop_instance_uid != written:
            raise _fail(f"plane {index} comes from a file with another SOPInstanceUID")
    position = _triple(table.column("ImagePositionPatient")[index])
    if position is None or header.position is None or frame.position is None:
        return
    distance = float(np.linalg.norm(np.subtract(position, header.position)))
    if not distance <= POSITION_TOLERANCE_MM:
        raise _fail(f"plane {index} lies {distance:.3f} mm away from where its file has it")
