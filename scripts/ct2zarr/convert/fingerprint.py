"""A hash of everything that determines what is written for a volume.

It covers the frames with their names, sizes and times, what the manifest found out about them, the
encoding and metadata settings, and the version of the format. It leaves out whatever changes no
byte: workers, verification, time-outs, which flags are rejected, and the folder of the series
(files are named relative to it, so a dataset that was moved as a whole keeps its volumes).

A volume on the disk whose record has the same fingerprint is what a conversion would make now.
"""

import hashlib
import json
import os
from collections.abc import Mapping

from ..model import Frame, VolumePlan
from ..run.paths import path_below
from ..run.settings import ConvertSettings
from ..version import FORMAT_VERSION
from .provenance import output_settings

DIGEST_BYTES = 16
"""128 bits, the width of series_hash: no collision is to be expected among 10^9 volumes."""


def fingerprint(
    plan: VolumePlan, settings: ConvertSettings, environment: Mapping[str, str] = os.environ
) -> str:
    """The fingerprint of a volume: 32 hexadecimal digits.

    Parameters
    ----------
    environment
        Holds the key of the pseudonyms, which matters with ``deidentify``.
    """
    # The names of the members are hashed too: another name would convert every volume again.
    content = {
        "format_version": FORMAT_VERSION,
        "series_hash": plan.series_hash,
        "part": [plan.part, plan.parts, plan.split_by],
        "planes": [_frame(plane, plan.series_dir) for plane in plan.planes],
        "leftovers": sorted([*_frame(one.frame, plan.series_dir), one.role] for one in plan.unused),
        "findings": [[raised.flag, dict(raised.evidence)] for raised in plan.flags],
        "settings": output_settings(settings),
    }
    if settings.metadata.deidentify:  # another key writes other pseudonyms
        # Imported here: it loads pydicom, which a finished shard does not need otherwise.
        from ..dicom.deidentification import KEY_VARIABLE

        key = environment.get(KEY_VARIABLE, "").encode()
        content["key"] = hashlib.blake2b(key, digest_size=DIGEST_BYTES).hexdigest()
    text = json.dumps(content, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=DIGEST_BYTES).hexdigest()


def _frame(frame: Frame, series_dir: str) -> list[str | int]:
    return [
        frame.sop_instance_uid,
        path_below(frame.path, series_dir),
        frame.frame_number,
        frame.bytes,
        frame.mtime_ns,
    ]
