"""Which volumes belong to a shard, and the number under which the shard is known."""

import re
from collections import Counter
from dataclasses import replace

from ..codes import Code
from ..errors import SettingsError
from ..model import VolumePlan
from ..run.paths import MINIMUM_DIGITS, SHARD_CSV, SHARD_SUFFIX, shard_label, shard_of
from ..run.settings import ConvertSettings


def plans_of_shard(settings: ConvertSettings) -> list[VolumePlan]:
    """The volumes to convert, the largest source first, so that no long one is left for the end.

    Raises
    ------
    SettingsError
        The CSV cannot be used, it is a shard of a manifest with another number of shards, or it
        names a volume twice.
    """
    from ..plan.manifest_reading import read_plans  # loads pyarrow, but nothing that a scan needs

    sharded = SHARD_CSV.fullmatch(settings.input_csv.name) is not None
    plans = read_plans(replace(settings, shard_id=None) if sharded else settings)
    if sharded and not all(_is_of_shard(plan.series_hash, settings) for plan in plans):
        raise SettingsError(
            Code.INPUT_MIXED,
            "{path} holds volumes that are not of shard {shard} out of {shards}: it was made with "
            "another number of shards; set NUM_SHARDS to that of the manifest, or leave it out",
            path=settings.input_csv,
            shard=settings.shard_id,
            shards=settings.num_shards,
        )
    _check_named_once(plans, settings)
    sizes = {plan.series_hash: sum(plane.bytes for plane in plan.planes) for plan in plans}
    return sorted(plans, key=lambda plan: (-sizes[plan.series_hash], plan.series_hash))


def _is_of_shard(series_hash: str, settings: ConvertSettings) -> bool:
    if settings.shard_id is None or settings.num_shards is None:
        return True
    return shard_of(series_hash, settings.num_shards) == settings.shard_id


def _check_named_once(plans: list[VolumePlan], settings: ConvertSettings) -> None:
    for series_hash, count in Counter(plan.series_hash for plan in plans).items():
        if count > 1:
            raise SettingsError(
                Code.INPUT_DAMAGED,
                "{path} names series_hash {series_hash} {count} times; remove all but one of the "
                "lines, or make the manifest again",
                path=settings.input_csv,
                series_hash=series_hash,
                count=count,
            )


def label_of(settings: ConvertSettings) -> str:
    """The number of the shard as in file names, in the digits of SUMMARY_SUFFIX if that is set.

    The number is SHARD_ID, else that of the CSV, else that of SUMMARY_SUFFIX, else 0.

    Raises
    ------
    SettingsError
        SUMMARY_SUFFIX names another shard.
    """
    label = _label_of_job(settings)
    suffix = SHARD_SUFFIX.fullmatch(settings.summary_suffix)
    if suffix is None:
        return label or "0" * MINIMUM_DIGITS
    if label is not None and int(label) != int(suffix[1]):
        raise SettingsError(
            Code.SETTING_WRONG,
            "SUMMARY_SUFFIX is {suffix}, but this is shard {label}; set it to shard_{label}, or "
            "leave it out",
            suffix=settings.summary_suffix,
            label=label,
        )
    return suffix[1]


def _label_of_job(settings: ConvertSettings) -> str | None:
    """The number that SHARD_ID or the name of the CSV gives; None where neither does."""
    named = re.search(r"_shard_(\d+)\.csv$", settings.input_csv.name)
    if settings.shard_id is None:
        return named[1] if named else None
    if settings.num_shards is not None:
        return shard_label(settings.shard_id, settings.num_shards)
    if named and int(named[1]) == settings.shard_id:
        return named[1]
    return str(settings.shard_id).zfill(MINIMUM_DIGITS)
