"""What names a series and a volume, and the order of frames that no reader's order changes."""

import hashlib
import os.path
from collections.abc import Iterable

from ..model import Instance

HASH_BYTES = 16
"""128 bits: among 10 million volumes the chance of any collision is below 1e-24."""


def series_key(instance: Instance) -> str:
    """SeriesInstanceUID; where it is empty ``folder:`` and the folder relative to its root."""
    if instance.series_uid:
        return instance.series_uid
    return "folder:" + relative_path(instance).rpartition("/")[0]


def series_hash(dataset: str, key: str, part: int) -> str:
    """32 hexadecimal digits that name a volume: BLAKE2b over dataset, series key and part."""
    text = "\0".join((dataset, key, str(part)))
    return hashlib.blake2b(
        text.encode("utf-8", "surrogateescape"), digest_size=HASH_BYTES
    ).hexdigest()


def relative_path(instance: Instance) -> str:
    """Path of the file below its dataset root, with the frame's file name last."""
    root = instance.root.rstrip("/") + "/"
    if instance.path.startswith(root):
        return instance.path[len(root) :]
    return os.path.relpath(instance.path, instance.root)


def frame_order(instance: Instance) -> tuple[str, int, int, str]:
    """Total order of frames: by identity first, by path only between copies of one frame."""
    return (
        instance.sop_instance_uid,
        instance.frame,
        -1 if instance.instance_number is None else instance.instance_number,
        instance.path,
    )


def acquisition_order(instance: Instance) -> tuple[bool, int, str, str, int]:
    """InstanceNumber (absent ones last), then SOPInstanceUID, path and frame.

    It says which of equal frames is kept, and orders frames without geometry.
    """
    number = instance.instance_number
    return (
        number is None,
        0 if number is None else number,
        instance.sop_instance_uid,
        instance.path,
        instance.frame,
    )


def common_folder(instances: Iterable[Instance]) -> str:
    """Absolute path of the deepest folder that holds all files."""
    folders = {instance.path.rpartition("/")[0] for instance in instances}
    if len(folders) == 1:
        return folders.pop() or "/"
    return os.path.commonpath(folders)
