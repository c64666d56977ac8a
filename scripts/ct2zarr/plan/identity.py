"""What names a series and a volume, and the order of frames that no reader's order changes."""

import hashlib
import os.path
from collections.abc import Iterable

from ..model import Frame

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


def relative_path(frame: Frame) -> str:
    """Path of the file below its dataset root, with the frame's file name last."""
    root = frame.root.rstrip("/") + "/"
    if frame.path.startswith(root):
        return frame.path[len(root) :]
    return os.path.relpath(frame.path, frame.root)


def frame_order(frame: Frame) -> tuple[str, int, int, str]:
    """Total order of frames: by identity first, by path only between copies of one frame."""
    return (
        frame.sop_instance_uid,
        frame.frame_number,
        -1 if frame.instance_number is None else frame.instance_number,
        frame.path,
    )


def acquisition_order(frame: Frame) -> tuple[bool, int, str, str, int]:
    """InstanceNumber (absent ones last), then SOPInstanceUID, path and frame.

    It says which of equal frames is kept, and orders frames without geometry.
    """
    number = frame.instance_number
    return (
        number is None,
        0 if number is None else number,
        frame.sop_instance_uid,
        frame.path,
        frame.frame_number,
    )


def common_folder(frames: Iterable[Frame]) -> str:
    """Absolute path of the deepest folder that holds all files."""
    folders = {frame.path.rpartition("/")[0] for frame in frames}
    if len(folders) == 1:
        return folders.pop() or "/"
    return os.path.commonpath(folders)
