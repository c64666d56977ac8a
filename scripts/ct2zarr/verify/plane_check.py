"""Check planes of a store against their source files, read again by other means."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..codes import Code
from ..dicom.decoding import SourceReader, StoredFrame
from ..dicom.rescale import Rescale
from ..dicom.source_headers import WANTED, FrameHeader, FrameHeaders
from ..dicom.transfer_syntaxes import COSINE_TRANSFORMED
from ..errors import Private, VerificationError
from ..geometry.tolerances import copied_position_tolerance
from ..model import Frame, SliceTable, VolumePlan
from ..run.checksums import PLANE_MD5, plane_md5
from ..run.settings import ConvertSettings
from ..volume.volume import Volume
from .geometry_check import triple
from .source_values import possible_values

DCT_ROUNDING = 1.001
"""Stored units by which two correct decoders of these syntaxes may differ: one (measured between
libjpeg-turbo and libjpeg, on real CT of both), and a margin for float32."""


@dataclass(frozen=True, slots=True)
class PlaneCheck:
    """How the planes were read that have the values of their source.

    Attributes
    ----------
    decoders
        Decoder → number of planes that it read.
    refused
        Index of a plane → decoders that could not read it, although others could.
    """

    decoders: Mapping[str, int]
    refused: Mapping[int, tuple[str, ...]]


def check_planes(
    volume: Volume,
    plan: VolumePlan,
    table: SliceTable,
    settings: ConvertSettings,
    chosen: Sequence[int],
    decoders_used: Collection[str],
) -> PlaneCheck:
    """Compare the chosen planes; each chunk is decoded once."""
    declared = volume.attrs.get("values") or {}
    md5s = table.column(PLANE_MD5)
    used: Counter[str] = Counter()
    refused: dict[int, tuple[str, ...]] = {}
    depth = volume.chunks[0]
    with SourceReader(wanted=WANTED, avoid=decoders_used) as reader:
        headers = FrameHeaders()
        for _, members in groupby(chosen, key=lambda index: index // depth):
            slab = list(members)
            planes = _read_planes(volume, slab[0], slab[-1] + 1)
            for index in slab:
                plane = np.ascontiguousarray(planes[index - slab[0]])
                if plane_md5(plane) != md5s[index]:
                    raise VerificationError(
                        Code.VERIFICATION_FAILED,
                        "verification failed: plane {plane} of the store has another MD5 than "
                        "slices.csv gives",
                        plane=index,
                    )
                frame = plan.planes[index]
                source = reader.read(frame)
                header = headers.of(source, frame)
                rescaled = _is_rescaled(header, index, declared)
                # First what the header says, since other values may only be its consequence.
                _check_source_header(header, index, frame, table, settings)
                _check_scale(header, index, declared)
                if rescaled:
                    _check_rescale(header, index, frame)
                _check_values(plane, source, header, index, frame, rescaled, decoders_used)
                used[source.decoder] += 1
                if source.refused_by:
                    refused[index] = source.refused_by
    return PlaneCheck(dict(sorted(used.items())), refused)


def _is_rescaled(header: FrameHeader, index: int, declared: Mapping[str, Any]) -> bool:
    """Whether the store declares rescaled values; they are HU only with a whole rescale."""
    kind = declared.get("kind")
    if kind == "hu" and not header.rescaled:
        raise VerificationError(
            Code.HEADERS_DISAGREE,
            "verification failed: the store calls its values Hounsfield units, and the header of "
            "plane {plane} lacks RescaleSlope or RescaleIntercept",
            plane=index,
        )
    return bool(kind != "stored")


def _check_values(
    plane: NDArray[Any],
    source: StoredFrame,
    header: FrameHeader,
    index: int,
    frame: Frame,
    rescaled: bool,
    decoders_used: Collection[str],
) -> None:
    """The plane has the values that its file gives."""
    difference = _difference(plane, source, header, rescaled, frame.transfer_syntax_uid)
    if difference is None:
        return
    confirming = ""
    if source.decoder not in decoders_used:
        confirming = _confirming_decoder(plane, frame, rescaled, decoders_used)
    raise _error_of(difference, plane, frame, index, source.decoder, confirming)


@dataclass(frozen=True, slots=True)
class _Difference:
    """Where a plane differs from the values that its file gives."""

    where: NDArray[np.bool_]
    due: NDArray[Any]


def _difference(
    plane: NDArray[Any], source: StoredFrame, header: FrameHeader, rescaled: bool, syntax: str
) -> _Difference | None:
    """How a plane differs from its source; ``None`` where it does not."""
    found = None
    for stored in possible_values(source, header):
        expected = stored
        if rescaled and (header.slope, header.intercept) != (1.0, 0.0):
            expected = stored.astype(np.float64) * header.slope + header.intercept
        if np.issubdtype(plane.dtype, np.floating):
            expected = expected.astype(plane.dtype)
        different = _differ(plane, expected)
        if different.any() and syntax in COSINE_TRANSFORMED:
            step = DCT_ROUNDING * (abs(header.slope) if rescaled else 1.0)
            distance = np.abs(plane.astype(np.float64) - expected)
            different = distance > step
        if not different.any():
            return None
        found = _Difference(different, expected)
    return found


def _error_of(
    difference: _Difference,
    plane: NDArray[Any],
    frame: Frame,
    index: int,
    decoder: str,
    confirming: str,
) -> VerificationError:
    """The error of a plane that differs from its source.

    Parameters
    ----------
    decoder
        Read the values that are due.
    confirming
        The decoder of the conversion, if it reads the values of the store again; else empty.
    """
    row, column = (int(place) for place in np.argwhere(difference.where)[0])
    different = int(difference.where.sum())
    found, due = plane[row, column].item(), difference.due[row, column].item()
    if confirming:
        return VerificationError(
            Code.DECODERS_DISAGREE,
            "verification failed: {decoder} reads {different} of {voxels} pixels of {file} "
            "otherwise than {confirming}, first in row {row}, column {column} of plane {plane}: "
            "{due} where {confirming} reads {found}",
            path=frame.path,
            frame=frame.frame_number if frame.frames > 1 else None,
            decoder=decoder,
            confirming=confirming,
            plane=index,
            different=different,
            voxels=plane.size,
            row=row,
            column=column,
            found=found,
            due=due,
        )
    return VerificationError(
        Code.VERIFICATION_FAILED,
        "verification failed: plane {plane} differs from its source in {different} of {voxels} "
        "voxels, first in row {row}, column {column}: {found} instead of {due}",
        plane=index,
        different=different,
        voxels=plane.size,
        row=row,
        column=column,
        found=found,
        due=due,
    )


def _confirming_decoder(
    plane: NDArray[Any], frame: Frame, rescaled: bool, decoders_used: Collection[str]
) -> str:
    """The decoder of the conversion, if it reads the values of the store again; else empty."""
    with SourceReader(wanted=WANTED) as reader:
        source = reader.read(frame)
        header = FrameHeaders().of(source, frame)
        differs = _difference(plane, source, header, rescaled, frame.transfer_syntax_uid)
    return source.decoder if source.decoder in decoders_used and differs is None else ""


def _differ(plane: NDArray[Any], expected: NDArray[Any]) -> NDArray[np.bool_]:
    """Where two planes differ; NaN equals NaN."""
    different: NDArray[np.bool_] = plane != expected
    if plane.dtype.kind == "f":
        different &= ~(np.isnan(plane) & np.isnan(expected))
    return different


def _check_rescale(header: FrameHeader, index: int, frame: Frame) -> None:
    """The rescale of the file, read again, is the one that the plane was converted with."""
    known = Rescale.of(frame)
    if (known.slope, known.intercept) != (header.slope, header.intercept):
        raise VerificationError(
            Code.HEADERS_DISAGREE,
            "verification failed: the rescale of plane {plane} is {slope:g} and {intercept:g} in "
            "its file, and {known_slope:g} and {known_intercept:g} in the manifest",
            path=frame.path,
            plane=index,
            slope=header.slope,
            intercept=header.intercept,
            known_slope=known.slope,
            known_intercept=known.intercept,
        )


def _check_scale(header: FrameHeader, index: int, values: Mapping[str, Any]) -> None:
    """The store declares the rescale of the file, or none where planes differ."""
    for name, own in (("slope", header.slope), ("intercept", header.intercept)):
        declared = values.get(name)
        if declared is not None and declared != own:
            raise VerificationError(
                Code.HEADERS_DISAGREE,
                "verification failed: the {name} of plane {plane} is {due} in its file and {found} "
                "in the store",
                name=name,
                plane=index,
                due=own,
                found=Private(declared),
            )


def _check_source_header(
    header: FrameHeader,
    index: int,
    frame: Frame,
    table: SliceTable,
    settings: ConvertSettings,
) -> None:
    """The header of the file agrees with slices.csv."""
    if not settings.metadata.deidentify:
        written = table.column("SOPInstanceUID")[index]
        if header.sop_instance_uid and header.sop_instance_uid != written:
            raise VerificationError(
                Code.HEADERS_DISAGREE,
                "verification failed: plane {plane} comes from a file with another SOPInstanceUID",
                plane=index,
            )
    position = triple(table.column("ImagePositionPatient")[index]) or frame.position
    if position is None or header.position is None or frame.position is None:
        return
    distance = float(np.linalg.norm(np.subtract(position, header.position)))
    if not distance <= copied_position_tolerance(frame.pixel_spacing or (1.0,)):
        raise VerificationError(
            Code.HEADERS_DISAGREE,
            "verification failed: plane {plane} is {distance:.3f} mm away from where its file "
            "has it",
            plane=index,
            distance=distance,
        )


def _read_planes(volume: Volume, start: int, stop: int) -> NDArray[Any]:
    try:
        return np.asarray(volume[start:stop])
    except MemoryError:
        raise
    except Exception as error:
        raise VerificationError(
            Code.VERIFICATION_FAILED,
            "verification failed: planes {first} to {last} cannot be read from the store ({kind})",
            first=start,
            last=stop - 1,
            kind=type(error).__name__,
        ) from error
