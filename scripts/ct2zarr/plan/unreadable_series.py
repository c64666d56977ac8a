"""Series of which no file can be read: plans without planes, so that no series is lost unseen.

What can still be told of such files says which series they are: the SeriesInstanceUID where the
header holds it, else the folder. Damaged files without a UID are a series only where no image of
their folder can be read (otherwise they may be planes of a series that has a volume), and only
where the files themselves, their names or their neighbours say that they are DICOM.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..codes import Code
from ..dicom.sop_classes import CT_CLASSES
from ..model import Frame, UnusedFrame, VolumePlan
from ..run.settings import SelectionSettings
from ..scan.frame_tables import path_to_text, table_to_frames
from ..vocabulary import Role
from .flags import unused_frame_flags
from .identity import common_folder, frame_order, series_hash, series_key
from .roles import MODALITY, assign_role

_READ_AS_DICOM = frozenset(
    {Code.DAMAGED, Code.TRUNCATED, Code.NO_MATRIX, Code.CANNOT_DECODE, Code.TOO_LARGE}
)
"""Codes of unreadable files that begin like DICOM."""

_JUDGED = frozenset({Code.TRUNCATED, Code.NO_MATRIX})
"""Codes of files that would be CT slices but for this, whatever their class."""

_SUFFIX = re.compile(r".*\.(dcm|dicom|dic|ima|acr)", re.IGNORECASE)
_NUMBERED = re.compile(r"([A-Z]{1,5}[-_.]?)?\d[\d._-]*", re.IGNORECASE)
"""Names that scanners and archives give: IM0001, I10, 1-001, CT.1.2.840.113619."""

_IMAGE_ROLES = frozenset({Role.SLICE, Role.DUPLICATE, Role.NOT_CT, Role.EXCLUDED})
_UNOPENED = frozenset({Code.TOO_DEEP, Code.SYSTEM_FOLDER})
"""Codes of excluded files that nobody has opened."""


@dataclass(frozen=True, slots=True)
class Found:
    """A scan and what became of its frames so far: role, code and volume, by row."""

    table: pa.Table
    roles: Sequence[str]
    codes: Sequence[str]
    hashes: Sequence[str]


def unreadable_series(
    found: Found, selection: SelectionSettings
) -> list[tuple[VolumePlan, list[int]]]:
    """A plan without planes for each such series, with the rows of its unused frames in order."""
    rows = [
        row
        for row, (role, code) in enumerate(zip(found.roles, found.codes, strict=True))
        if (role == Role.UNREADABLE or code == Code.EMPTY_FILE) and not found.hashes[row]
    ]
    if not rows:
        return []
    named: dict[tuple[str, str], list[tuple[Frame, int]]] = defaultdict(list)
    nameless: dict[tuple[str, str], list[tuple[Frame, int]]] = defaultdict(list)
    for frame, row in _frames(found.table, rows, selection):
        if _may_be_ct(frame):
            of = named if frame.series_uid else nameless
            of[frame.dataset, series_key(frame)].append((frame, row))
    _add_others(named, found, selection)
    _add_nameless(named, nameless, found)
    return [_plan(key, files) for (_, key), files in sorted(named.items())]


def _frames(
    table: pa.Table, rows: Sequence[int], selection: SelectionSettings
) -> list[tuple[Frame, int]]:
    frames = table_to_frames(table.take(pa.array(rows, pa.int64())))
    return [(assign_role(frame, selection), row) for frame, row in zip(frames, rows, strict=True)]


def _may_be_ct(frame: Frame) -> bool:
    """Whether nothing that could be read says that an unreadable file is something else."""
    if frame.code in _JUDGED or frame.sop_class_uid in CT_CLASSES:
        return frame.modality in ("", MODALITY)
    if frame.sop_class_uid or frame.modality not in ("", MODALITY):
        return False
    name = _name(frame)
    if name.upper() == "DICOMDIR":
        return False
    return frame.code is not Code.EMPTY_FILE or bool(_SUFFIX.fullmatch(name))


def _add_others(
    named: dict[tuple[str, str], list[tuple[Frame, int]]],
    found: Found,
    selection: SelectionSettings,
) -> None:
    """Add the localizers and excluded frames of the series, which have no volume either."""
    if not named:
        return
    uids = pa.array(sorted({uid for _, uid in named}), pa.string())
    rows = [
        row
        for row in np.flatnonzero(pc.is_in(found.table["series_uid"], uids).to_numpy()).tolist()
        if not found.hashes[row] and found.roles[row] in (Role.LOCALIZER, Role.EXCLUDED)
    ]
    for frame, row in _frames(found.table, rows, selection):
        if (frame.dataset, frame.series_uid) in named:
            named[frame.dataset, frame.series_uid].append((frame, row))


def _add_nameless(
    named: dict[tuple[str, str], list[tuple[Frame, int]]],
    nameless: dict[tuple[str, str], list[tuple[Frame, int]]],
    found: Found,
) -> None:
    """Add the files without a UID: to the one series of their folder, or as series of their own."""
    uids_of: dict[tuple[str, str], set[str]] = defaultdict(set)
    for (dataset, uid), files in named.items():
        for frame, _ in files:
            uids_of[dataset, _folder(frame)].add(uid)
    folders = {_folder(files[0][0]) for files in nameless.values()}
    with_images = _folders_with_images(found, folders)
    for (dataset, key), files in sorted(nameless.items()):
        folder = _folder(files[0][0])
        chosen = _dicom_by_themselves_or_neighbours(files)
        uids = uids_of[dataset, folder]
        if not chosen or folder in with_images or len(uids) > 1:
            continue
        named[dataset, next(iter(uids), key)].extend(chosen)


def _folders_with_images(found: Found, folders: set[str]) -> set[str]:
    """Those of some folders in which an image can be read."""
    wanted = pa.array(sorted(map(path_to_text, folders)), pa.string())
    stored = {path_to_text(folder): folder for folder in folders}
    with_images: set[str] = set()
    start = 0
    for batch in found.table.select(["path"]).to_batches() if folders else ():
        names = pc.replace_substring_regex(batch["path"], r"/[^/]*$", "")
        for place in np.flatnonzero(pc.is_in(names, wanted).to_numpy(zero_copy_only=False)):
            row = start + int(place)
            if found.roles[row] in _IMAGE_ROLES and found.codes[row] not in _UNOPENED:
                with_images.add(stored[names[int(place)].as_py()])
        start += batch.num_rows
    return with_images


def _dicom_by_themselves_or_neighbours(
    files: Sequence[tuple[Frame, int]],
) -> list[tuple[Frame, int]]:
    """The files of one folder that are DICOM by content or name, and those named like these."""
    suffixes = {_suffix(frame) for frame, _ in files if _says_dicom(frame)}
    return [(frame, row) for frame, row in files if _suffix(frame) in suffixes]


def _says_dicom(frame: Frame) -> bool:
    name = _name(frame)
    by_name = _SUFFIX.fullmatch(name) or _NUMBERED.fullmatch(name)
    return frame.code in _READ_AS_DICOM or bool(by_name)


def _folder(frame: Frame) -> str:
    return frame.path.rpartition("/")[0]


def _name(frame: Frame) -> str:
    return frame.path.rpartition("/")[2]


def _suffix(frame: Frame) -> str:
    """What follows the last dot of a file name, unless it is a number (as in a UID)."""
    suffix = _name(frame).rpartition(".")[2].lower() if "." in _name(frame) else ""
    return "" if suffix.isdigit() else suffix


def _plan(key: str, files: Sequence[tuple[Frame, int]]) -> tuple[VolumePlan, list[int]]:
    files = sorted(files, key=lambda one: frame_order(one[0]))
    unused = tuple(UnusedFrame.of(_unreadable(frame)) for frame, _ in files)
    frames = [entry.frame for entry in unused]
    uids = {frame.series_uid for frame in frames} - {""}
    plan = VolumePlan(
        series_hash=series_hash(frames[0].dataset, key, 1),
        dataset=frames[0].dataset,
        series_dir=common_folder(frames),
        series_uid=next(iter(uids), ""),
        study_uid=max(frame.study_uid for frame in frames),
        part=1,
        parts=1,
        split_by="",
        planes=(),
        unused=unused,
        flags=tuple(unused_frame_flags(unused)),
    )
    return plan, [row for _, row in files]


def _unreadable(frame: Frame) -> Frame:
    """An empty file of such a series is a file that was cut short."""
    return replace(frame, role=Role.UNREADABLE) if frame.role is Role.NOT_DICOM else frame
