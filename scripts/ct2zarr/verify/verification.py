"""Check a finished store against its source, by other means than those that made it.

The store is opened as a user would open it, by ``open_volume``, which shares no code with the
writing of stores (tests show that zarr and others read the same from them). The source files are
read again, by another decoder than the conversion used where there is one, and their values are
computed here, in float64. The checks are:

- of each chosen plane: its bytes against the source and the MD5 in slices.csv; the SOPInstanceUID,
  position and rescale in its file against slices.csv and the attributes;
- of all planes: positions, index_to_lps, slices.csv and the directions and distances of the header
  agree, and planes ascend along the normal;
- of all planes, unless no plane is chosen: the headers of their files are those of one volume.

A comparison of the store with what was in memory could not find planes in a wrong order.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..codes import Code
from ..dicom.deidentification import Pseudonyms, key_from_environment
from ..errors import FileError, Private, SeriesError, VerificationError
from ..geometry.pyramid import LEVEL_0, Level
from ..model import Json, SliceTable, VolumePlan
from ..run.settings import ConvertSettings
from ..store.records import read_slices
from ..volume.volume import Volume, open_volume
from .belonging_check import BelongingCheck, check_belonging
from .geometry_check import check_geometry
from .plane_check import check_planes
from .pyramid_check import check_pyramid


@dataclass(frozen=True, slots=True)
class Verification:
    """The planes that were compared with their source.

    Attributes
    ----------
    slices
        Their indices.
    decoders
        Decoder name → number of planes that it read.
    same_decoder
        Number of planes that only a decoder of the conversion could read, whose faults the
        comparison cannot find.
    belonging
        What the headers of the planes have in common.
    refused
        Index of a plane → decoders that could not read it, although others could.
    """

    slices: tuple[int, ...]
    decoders: Mapping[str, int]
    belonging: BelongingCheck
    same_decoder: int
    refused: Mapping[int, tuple[str, ...]]

    def as_json(self) -> dict[str, Json]:
        """The content of series.json. ``ok`` is never false, since a difference raises."""
        ok = True if self.slices else None
        return {
            "ok": ok,
            "slices": list(self.slices),
            "decoders": dict(self.decoders),
            "same_decoder": self.same_decoder,
            "belonging": self.belonging.as_json(),
        }


def verify_volume(
    store_path: Path,
    slices_path: Path,
    plan: VolumePlan,
    settings: ConvertSettings,
    decoders_used: Collection[str],
    levels: Sequence[Level] = (LEVEL_0,),
) -> Verification:
    """Compare a finished store and its slices.csv with the source.

    Parameters
    ----------
    store_path, slices_path
        The finished, closed files, under whatever name.
    plan
        The planes as they were converted (without those left out).
    decoders_used
        Names of the decoders of the conversion; others are preferred here.
    levels
        That the pyramid should have.

    Raises
    ------
    VerificationError
        A difference, or a store or source file that cannot be read.
    """
    try:
        table = read_slices(slices_path)
        chosen = choose_planes(len(plan.planes), settings.verify_slices)
        with _open(store_path) as volume:
            _check_shape(volume, plan, table)
            _check_identity(plan, table, volume.attrs, settings)
            check_geometry(plan, table, volume.attrs)
            belonging = check_belonging(plan, chosen)
            compared = check_planes(volume, plan, table, settings, chosen, decoders_used)
            found = volume.attrs.get("levels")
        check_pyramid(
            store_path,
            found,
            levels,
            lambda count: choose_planes(count, settings.verify_slices),
        )
    except VerificationError:
        raise
    except (FileError, SeriesError) as error:
        # A source that is gone, has changed or cannot be decoded says nothing of the store.
        of_source = error.path in {plane.path for plane in plan.planes}
        raise VerificationError(
            error.code if of_source else Code.VERIFICATION_FAILED,
            "verification failed: {cause}",
            path=error.path,
            frame=error.frame,
            cause=error,
        ) from error
    same = sum(planes for name, planes in compared.decoders.items() if name in decoders_used)
    return Verification(chosen, compared.decoders, belonging, same, compared.refused)


def choose_planes(count: int, wanted: int | Literal["all"]) -> tuple[int, ...]:
    """Indices of the planes to compare: the first, the last and evenly spread ones between.

    They are far apart on purpose: a fault that shifts, swaps or cuts planes affects one end, while
    neighbours in one chunk mostly fail together.
    """
    if wanted == "all" or wanted >= count:
        return tuple(range(count))
    if wanted <= 1:
        return tuple(range(wanted))
    return tuple((index * (count - 1)) // (wanted - 1) for index in range(wanted))


def _open(store_path: Path) -> Volume:
    try:
        return open_volume(store_path, threads=1)
    except FileError:
        raise
    except Exception as error:
        raise VerificationError(
            Code.VERIFICATION_FAILED,
            "verification failed: the store cannot be opened ({kind})",
            kind=type(error).__name__,
        ) from error


def _check_shape(volume: Volume, plan: VolumePlan, table: SliceTable) -> None:
    first = plan.planes[0]
    expected = (len(plan.planes), first.rows, first.columns)
    if tuple(volume.shape) != expected:
        raise VerificationError(
            Code.VERIFICATION_FAILED,
            "verification failed: the array has the shape ({found}); ({due}) was expected",
            found=tuple(volume.shape),
            due=expected,
        )
    if len(table.rows) != len(plan.planes):
        raise VerificationError(
            Code.VERIFICATION_FAILED,
            "verification failed: slices.csv has {rows} rows for {planes} planes",
            rows=len(table.rows),
            planes=len(plan.planes),
        )


def _check_identity(
    plan: VolumePlan, table: SliceTable, attributes: Mapping[str, Any], settings: ConvertSettings
) -> None:
    if attributes.get("series_hash") != plan.series_hash:
        raise VerificationError(
            Code.VERIFICATION_FAILED,
            "verification failed: the store has the series_hash {found}",
            found=Private(attributes.get("series_hash")),
        )
    uids = [plane.sop_instance_uid for plane in plan.planes]
    if settings.metadata.deidentify:
        pseudonyms = Pseudonyms(key_from_environment(), "")  # UIDs depend on the key alone
        uids = [pseudonyms.uid(uid) for uid in uids]
    for index, (found, due) in enumerate(zip(table.column("SOPInstanceUID"), uids, strict=True)):
        if found != due:
            raise VerificationError(
                Code.VERIFICATION_FAILED,
                "verification failed: plane {plane} has another SOPInstanceUID in slices.csv than "
                "in the manifest",
                plane=index,
            )
