"""Decide whether a volume on the disk is what a conversion would make now.

The fingerprint is a hash of everything that changes what is written: the frames with their names,
sizes and times, what the manifest found out about them, the encoding and metadata settings, and
the version of the format. It leaves out what does not: workers, verification, time-outs, which
flags are rejected, and the folder that the series lies in (files are named relative to it, so a
dataset that was moved as a whole keeps its volumes).
"""

import hashlib
import json
import os
from collections.abc import Mapping

from ..errors import SeriesError
from ..model import Frame, VolumePlan, VolumeRecord
from ..run.paths import VolumePaths
from ..run.settings import ConvertSettings
from ..store.containers import store_size
from ..store.records import read_record
from ..version import FORMAT_VERSION
from ..vocabulary import Role
from .provenance import output_settings
from .summary_rows import count_role, lost_frames

DIGEST_BYTES = 16
"""128 bits: as wide as series_hash, no collision to be expected among 10^9 volumes."""


def fingerprint(
    plan: VolumePlan, settings: ConvertSettings, environment: Mapping[str, str] = os.environ
) -> str:
    """Hash of all that determines the output of a conversion: 32 hexadecimal digits."""
    content = {
        "format_version": FORMAT_VERSION,
        "series_hash": plan.series_hash,
        "part": [plan.part, plan.parts, plan.split_by],
        "planes": [_frame(plane, plan.series_dir) for plane in plan.planes],
        "unused": sorted([*_frame(left.frame, plan.series_dir), left.role] for left in plan.unused),
        "findings": [[raised.flag, dict(raised.evidence)] for raised in plan.flags],
        "settings": output_settings(settings),
    }
    if settings.metadata.deidentify:  # another key writes other pseudonyms
        from ..dicom.deidentification import (
            KEY_VARIABLE,  # with pydicom, which a finished shard saves
        )

        key = environment.get(KEY_VARIABLE, "").encode()
        content["key"] = hashlib.blake2b(key, digest_size=DIGEST_BYTES).hexdigest()
    text = json.dumps(content, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=DIGEST_BYTES).hexdigest()


def _frame(frame: Frame, series_dir: str) -> list[str | int]:
    return [
        frame.sop_instance_uid,
        os.path.relpath(frame.path, series_dir),
        frame.frame_number,
        frame.bytes,
        frame.mtime_ns,
    ]


def finished_record(
    paths: VolumePaths, wanted_fingerprint: str, plan: VolumePlan, settings: ConvertSettings
) -> VolumeRecord | None:
    """The record of a volume that is complete and needs no conversion, or None.

    Complete: the record is readable, has the wanted fingerprint, and the store and slices.csv are
    there, the store with the recorded size. Where planes were left out because they could not be
    read, that is so only under ``on_bad_slice: drop``.
    """
    store_type = settings.encoding.store_type
    try:
        record = read_record(paths.record)
    except (FileNotFoundError, SeriesError):
        return None  # absent or damaged: the volume is converted again
    if record.fingerprint != wanted_fingerprint or record.store_type != store_type:
        return None
    if settings.on_bad_slice != "drop":
        dropped = record.files_unreadable > count_role(plan, Role.UNREADABLE)
        if dropped or lost_frames(plan):
            return None
    try:
        complete = paths.slices.exists() and store_size(paths.store) == record.output_bytes
    except FileNotFoundError:
        return None
    return record if complete else None
