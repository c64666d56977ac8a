"""Check that the planes of a volume belong together, from their source files alone.

The check of values shares with the conversion the plan: which frames make the volume. If frames
of two patients were planned as one volume, every plane would equal its source. So this check reads
the headers again (``header_facts``) and compares the planes with each other: one patient, one
study, one series, one modality, one matrix, one orientation, one pixel spacing. Tube voltage and
slice thickness may vary where the flag ``varying_acquisition`` says so. Each file must hold the
SOPInstanceUID that the plan names.
"""

import math
import warnings
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ..codes import Code
from ..errors import Private, VerificationError
from ..geometry.tolerances import varying_numbers
from ..model import Frame, Json, VolumePlan
from ..vocabulary import Belonging, Flag
from .header_facts import ACQUISITION, COMPARED, IDENTITY, HeaderFacts, HeaderReader

FAR_CORNER_PIXELS = 0.5
"""Pixels by which the far corner of a plane may lie elsewhere than with the orientation and pixel
spacing of the first plane: less is rounding, more would show in the image."""


@dataclass(frozen=True, slots=True)
class BelongingCheck:
    """What was compared between the headers of the planes.

    Attributes
    ----------
    result
        Constant, flagged, or unchecked where not every plane could be compared.
    planes
        Number of planes whose headers were compared.
    readers
        Name of the reader → number of planes.
    unreadable
        Planes whose header pydicom could not read.
    constant
        Keywords with one value.
    varying
        Keywords with several, as the flag says.
    absent
        Keywords that no plane has.
    """

    result: Belonging
    planes: int = 0
    readers: Mapping[str, int] | None = None
    unreadable: int = 0
    constant: tuple[str, ...] = ()
    varying: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Json]:
        """The member ``belonging`` of the verification in series.json."""
        return {
            "result": str(self.result),
            "planes": self.planes,
            "readers": dict(self.readers or {}),
            "unreadable": self.unreadable,
            "constant": list(self.constant),
            "varying": list(self.varying),
            "absent": list(self.absent),
        }


def check_belonging(plan: VolumePlan, chosen: Collection[int]) -> BelongingCheck:
    """Compare the headers of all planes of a volume.

    Parameters
    ----------
    plan
        The planes as they were converted.
    chosen
        Indices of the planes whose values are compared too; pydicom reads their headers in any
        case. Without any, nothing is compared.

    Raises
    ------
    VerificationError
        Planes do not belong together, or a file holds another object than the plan says.
    """
    if not chosen:
        return BelongingCheck(Belonging.UNCHECKED)
    reader = HeaderReader()
    wanted = set(chosen)
    known: dict[int, HeaderFacts] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a warning of pydicom may hold the value of an element
        for index, frame in enumerate(plan.planes):
            facts = reader.read(frame, by_pydicom=index in wanted)
            if facts is not None:
                _check_instance(facts, frame, index)
                known[index] = facts
    _check_texts(plan, known)
    _check_planes(plan, known)
    varying = _check_acquisition(plan, known)
    return BelongingCheck(
        result=_result(bool(varying), reader.unreadable),
        planes=len(known),
        readers=dict(sorted(reader.readers.items())),
        unreadable=reader.unreadable,
        constant=tuple(k for k in COMPARED if k not in varying and _is_present(k, known)),
        varying=varying,
        absent=tuple(k for k in COMPARED if not _is_present(k, known)),
    )


def _result(varying: bool, unreadable: int) -> Belonging:
    if unreadable:
        return Belonging.UNCHECKED
    return Belonging.FLAGGED if varying else Belonging.CONSTANT


def _is_present(keyword: str, known: Mapping[int, HeaderFacts]) -> bool:
    return any(facts.texts.get(keyword) or facts.numbers.get(keyword) for facts in known.values())


def _check_instance(facts: HeaderFacts, frame: Frame, index: int) -> None:
    """The file of a plane still holds the object that the plan names."""
    if facts.sop_instance_uid and facts.sop_instance_uid != frame.sop_instance_uid:
        raise VerificationError(
            Code.HEADERS_DISAGREE,
            "verification failed: plane {plane} comes from a file with another SOPInstanceUID than "
            "in the manifest",
            path=frame.path,
            plane=index,
        )


def _check_texts(plan: VolumePlan, known: Mapping[int, HeaderFacts]) -> None:
    """One patient, study, series and modality; an absent value may be any."""
    for keyword in IDENTITY:
        first: dict[str, int] = {}
        for index, facts in known.items():
            if facts.texts[keyword]:
                first.setdefault(facts.texts[keyword], index)
        if len(first) > 1:
            one, other = list(first.values())[:2]
            raise _different(plan, keyword, one, other)
    for keyword, due in (
        ("SeriesInstanceUID", plan.series_uid),
        ("StudyInstanceUID", plan.study_uid),
    ):
        for index, facts in known.items():
            found = facts.texts[keyword]
            if found and due and found != due:
                raise VerificationError(
                    Code.HEADERS_DISAGREE,
                    "verification failed: plane {plane} comes from a file with another {keyword} "
                    "than in the manifest: {found} where {due} is due",
                    path=plan.planes[index].path,
                    plane=index,
                    keyword=keyword,
                    found=Private(found),
                    due=Private(due),
                )


def _different(plan: VolumePlan, keyword: str, one: int, other: int) -> VerificationError:
    """The error of two planes with different values; it never holds what identifies a patient."""
    return VerificationError(
        Code.HEADERS_DISAGREE,
        "verification failed: planes {one} and {other} do not belong together; their files differ "
        "in {keyword}",
        path=plan.planes[other].path,
        one=one,
        other=other,
        keyword=keyword,
    )


def _check_planes(plan: VolumePlan, known: Mapping[int, HeaderFacts]) -> None:
    """One matrix, orientation and pixel spacing, where planes have any."""
    first: dict[str, tuple[int, tuple[float, ...]]] = {}
    for index, facts in known.items():
        extent = (plan.planes[index].rows, plan.planes[index].columns)
        for keyword, allowed in (
            ("Rows", 0.0),
            ("Columns", 0.0),
            ("PixelSpacing", _share(extent)),
            ("ImageOrientationPatient", _share(extent)),
        ):
            numbers = facts.numbers[keyword]
            if keyword == "ImageOrientationPatient":
                numbers = _unit_cosines(numbers)
            elif keyword == "PixelSpacing" and len(numbers) != 2:
                continue
            if not numbers:
                continue
            one, due = first.setdefault(keyword, (index, numbers))
            scale = abs(due[0]) if keyword == "PixelSpacing" else 1.0
            off = max(abs(a - b) for a, b in zip(numbers, due, strict=True))
            if not off <= allowed * scale:
                raise _different(plan, keyword, one, index)


def _share(extent: tuple[int, int]) -> float:
    """Relative difference that moves the far corner of a plane by ``FAR_CORNER_PIXELS``."""
    return FAR_CORNER_PIXELS / max(*extent, 1)


def _unit_cosines(numbers: Sequence[float]) -> tuple[float, ...]:
    """Direction cosines of length 1; empty where they are no directions."""
    if len(numbers) != 6:
        return ()
    lengths = math.hypot(*numbers[:3]), math.hypot(*numbers[3:])
    if not min(lengths) > 0:
        return ()
    return tuple(number / lengths[place // 3] for place, number in enumerate(numbers))


def _check_acquisition(plan: VolumePlan, known: Mapping[int, HeaderFacts]) -> tuple[str, ...]:
    """The keywords that vary; each must be in the evidence of the flag."""
    evidence = {
        keyword
        for raised in plan.flags
        if raised.flag is Flag.VARYING_ACQUISITION
        for keyword in raised.evidence
    }
    varying = []
    for keyword in ACQUISITION:
        values = [facts.numbers[keyword][0] for facts in known.values() if facts.numbers[keyword]]
        if not varying_numbers(values):
            continue
        if keyword not in evidence:
            raise VerificationError(
                Code.HEADERS_DISAGREE,
                "verification failed: {keyword} differs between the files of the planes ({values} "
                "values), and the manifest does not say so",
                keyword=keyword,
                values=len(set(values)),
            )
        varying.append(keyword)
    return tuple(varying)
