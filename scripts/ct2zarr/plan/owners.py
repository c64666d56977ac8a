"""Whose frames they are: a SeriesInstanceUID of several studies or patients.

Anonymisers and research exports give series of two patients one UID, or empty the UIDs. Whatever
the geometry of such frames, they never share a volume.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..model import Frame, Json, RaisedFlag
from ..vocabulary import Flag
from .identity import series_key


@dataclass(frozen=True, slots=True)
class Owned:
    """Frames of one series that belong to one study and one patient.

    Attributes
    ----------
    frames
        In the order given.
    key
        What names the series, to be hashed.
    flags
        ``reused_series_uid`` where the frames of others have the same SeriesInstanceUID.
    """

    frames: tuple[Frame, ...]
    key: str
    flags: tuple[RaisedFlag, ...] = ()


_Owner = tuple[str, str, str]
"""StudyInstanceUID, digest of PatientID, and SeriesNumber where the series has no UID."""


def divide_by_owner(frames: Sequence[Frame]) -> list[Owned]:
    """Divide the frames of one ``series_key`` by study and patient, the largest share first.

    An absent value goes with the one value that is present. With several present values the frames
    that have none are a share of their own. Without a SeriesInstanceUID the SeriesNumber divides as
    well.
    """
    owners = owners_of(frames)
    shares: dict[_Owner, list[Frame]] = {}
    for frame, owner in zip(frames, owners, strict=True):
        shares.setdefault(owner, []).append(frame)
    key = series_key(frames[0])
    if len(shares) == 1:
        return [Owned(tuple(frames), key)]
    studies = len({study for study, _, _ in shares})
    patients = len({patient for _, patient, _ in shares})
    flags: tuple[RaisedFlag, ...] = ()
    if len({(study, patient) for study, patient, _ in shares}) > 1:
        evidence: dict[str, Json] = {"studies": studies, "patients": patients}
        flags = (RaisedFlag(Flag.REUSED_SERIES_UID, evidence),)
    named = len({number for _, _, number in shares}) > 1
    return [
        Owned(tuple(shares[owner]), "\0".join((key, *(owner if named else owner[:2]))), flags)
        for owner in sorted(shares, key=lambda owner: (-len(shares[owner]), owner))
    ]


def owners_of(frames: Sequence[Frame]) -> list[_Owner]:
    """The owner of each frame; absent values are filled in where they can only be one."""
    studies = _filled([()] * len(frames), [frame.study_uid for frame in frames])
    patients = _filled([(study,) for study in studies], [frame.patient for frame in frames])
    numbers = [""] * len(frames)
    if not frames[0].series_uid:
        owners = list(zip(studies, patients, strict=True))
        numbers = _filled(owners, [_number(frame) for frame in frames])
    return list(zip(studies, patients, numbers, strict=True))


def _filled(groups: Sequence[tuple[str, ...]], values: Sequence[str]) -> list[str]:
    """The values, an absent one replaced by the one value present in its group."""
    present: dict[tuple[str, ...], set[str]] = {}
    for group, value in zip(groups, values, strict=True):
        if value:
            present.setdefault(group, set()).add(value)
    only = {group: next(iter(found)) for group, found in present.items() if len(found) == 1}
    return [value or only.get(group, "") for group, value in zip(groups, values, strict=True)]


def _number(frame: Frame) -> str:
    return "" if frame.series_number is None else str(frame.series_number)


def owner_order(frames: Sequence[Frame]) -> Callable[[Frame], tuple[int, _Owner]]:
    """An order of frames by owner, the one with most frames first.

    Of exact copies that two studies hold, the copy of the larger study is kept, whatever the names
    of the files: otherwise both studies would lose planes to each other.
    """
    owners = dict(zip(frames, owners_of(frames), strict=True))
    counts = Counter(owners.values())
    return lambda frame: (-counts[owners[frame]], owners[frame])
