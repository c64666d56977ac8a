"""The names of series and volumes, and orders of frames that do not depend on how they are read."""

import hashlib
import os.path
import re
from collections.abc import Iterable
from pathlib import Path

from ..codes import Code
from ..errors import Ct2zarrError
from ..model import Frame, VolumePlan

HASH_BYTES = 16
"""128 bits: among 10 million volumes the chance of any collision is below 1e-24."""


def series_key(frame: Frame) -> str:
    """SeriesInstanceUID; where it is empty ``folder:`` and the folder relative to its root."""
    if frame.series_uid:
        return frame.series_uid
    return "folder:" + relative_path(frame).rpartition("/")[0]


def series_hash(dataset: str, key: str, part: int) -> str:
    """32 hexadecimal digits that name a volume: BLAKE2b over dataset, series key and part."""
    text = "\0".join((dataset, key, str(part)))
    return hashlib.blake2b(
        text.encode("utf-8", "surrogateescape"), digest_size=HASH_BYTES
    ).hexdigest()


def check_hashes(plans: Iterable[VolumePlan], folders: dict[str, str]) -> None:
    """Check that no volume has the hash of another one, and remember the hashes.

    Parameters
    ----------
    folders
        Hash to folder of the volumes so far; those of ``plans`` are added.

    Raises
    ------
    Ct2zarrError
        Two volumes have one hash.
    """
    for plan in plans:
        if plan.series_hash in folders:
            raise Ct2zarrError(
                Code.HASH_COLLISION,
                "two volumes have the hash {series_hash}: {first} and {second}; put one of them "
                "under another dataset name",
                series_hash=plan.series_hash,
                first=Path(folders[plan.series_hash]),
                second=Path(plan.series_dir),
            )
        folders[plan.series_hash] = plan.series_dir


def relative_path(frame: Frame) -> str:
    """Path of the file below its dataset root, with the frame's file name last."""
    root = frame.root.rstrip("/") + "/"
    if frame.path.startswith(root):
        return frame.path[len(root) :]
    return os.path.relpath(frame.path, frame.root)


def natural_order(path: str) -> tuple[list[tuple[int, str]], str]:
    """Order of names in which the numbers count as numbers; names with equal numbers as text."""
    parts = re.split(r"(\d+)", path)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts], path


def is_hidden(frame: Frame) -> bool:
    """Whether the name of the file, or of a folder between its root and it, begins with a dot."""
    return "/." in frame.path[len(frame.root.rstrip("/")) :]


def frame_order(frame: Frame) -> tuple[str, int, int, bool, str]:
    """Total order of frames: by identity first, by path only between copies of one frame.

    Of two copies the one whose path is not hidden comes first.
    """
    return (
        frame.sop_instance_uid,
        frame.frame_number,
        -1 if frame.instance_number is None else frame.instance_number,
        is_hidden(frame),
        frame.path,
    )


def acquisition_order(frame: Frame) -> tuple[bool, int, str, bool, str, int]:
    """InstanceNumber (absent ones last), then SOPInstanceUID, path and frame.

    It decides which of equal frames is kept, and orders frames without geometry.
    """
    number = frame.instance_number
    return (
        number is None,
        0 if number is None else number,
        frame.sop_instance_uid,
        is_hidden(frame),
        frame.path,
        frame.frame_number,
    )


def common_folder(frames: Iterable[Frame]) -> str:
    """Absolute path of the deepest folder that holds all files."""
    folders = {frame.path.rpartition("/")[0] for frame in frames}
    if len(folders) == 1:
        return folders.pop() or "/"
    return os.path.commonpath(folders)
