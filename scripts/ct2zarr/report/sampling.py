"""Choose the volumes that the report shows, so that rare problems are seen."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ..codes import Code
from ..errors import Private, SettingsError
from ..plan.identity import series_hash as hash_of

LISTED = "listed in sample_series"
_START_OF_HASH = re.compile(r"[0-9a-f]{8,32}")
"""A series_hash or its start; the report shows the first 12 digits."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A chosen volume and why: ``missing_slices``, say, or ``no flag, dataset v1``."""

    series_hash: str
    stratum: str


def sample_volumes(
    volumes: Mapping[str, tuple[str, Sequence[str]]],
    number: int,
    seed: int,
    listed: Sequence[str] = (),
) -> list[Sample]:
    """Choose ``number`` volumes, stratified by flag and dataset.

    A stratum is a flag, or the volumes of one dataset without a flag. Strata take turns, the
    rarest flag first and then a dataset, and each turn gives the volume of that stratum with the
    lowest keyed hash that is not yet chosen. The choice depends on ``seed`` and on the set of
    volumes, not on their order.

    Parameters
    ----------
    volumes
        series_hash to (dataset, flag codes), converted volumes only.
    number
        How many to choose; all of them when there are fewer.
    seed
        Another seed gives another choice.
    listed
        Volumes that come first and do not count towards ``number``.
    """
    flags: dict[str, list[str]] = {}
    plain: dict[str, list[str]] = {}
    for series_hash, (dataset, codes) in volumes.items():
        for code in codes:
            flags.setdefault(code, []).append(series_hash)
        if not codes:
            plain.setdefault(dataset, []).append(series_hash)
    queues = _alternate(_rarest_first(flags, ""), _rarest_first(plain, "no flag, dataset "))
    for _, members in queues:
        members.sort(key=lambda series_hash: _rank(series_hash, seed), reverse=True)
    chosen = dict.fromkeys(listed, LISTED)
    wanted = min(number + len(chosen), len(volumes))
    while len(chosen) < wanted:
        for stratum, members in queues:
            while members and members[-1] in chosen:
                members.pop()
            if members and len(chosen) < wanted:
                chosen[members.pop()] = stratum
    return [Sample(series_hash, stratum) for series_hash, stratum in chosen.items()]


def find_listed(
    wanted: Iterable[str], hashes: Sequence[str], datasets: Sequence[str], parts: int
) -> list[str]:
    """series_hash of the volumes that a list names, in its order.

    Parameters
    ----------
    wanted
        A series_hash, at least its first 8 digits, or a SeriesInstanceUID each. UIDs are in no
        summary, but they determine the hash.
    hashes, datasets
        All that the summary has.
    parts
        The largest number of volumes that a series was divided into.

    Raises
    ------
    SettingsError
        A series is not there, or a start fits several.
    """
    known = set(hashes)
    found: dict[str, None] = {}
    for name in wanted:
        if name in known:
            matching = [name]
        elif _START_OF_HASH.fullmatch(name.lower()):
            matching = [one for one in hashes if one.startswith(name.lower())]
            if len(matching) > 1:
                raise SettingsError(
                    Code.SETTING_WRONG,
                    "sample_series: {found} is the start of {count} series_hash; give more digits",
                    found=Private(name),
                    count=len(matching),
                )
        else:
            numbers = range(1, parts + 1)
            made = (hash_of(dataset, name, part) for dataset in datasets for part in numbers)
            matching = [one for one in made if one in known]
        if not matching:
            raise SettingsError(
                Code.SETTING_WRONG,
                "sample_series: {found} is neither a series_hash in summary_all.csv nor the "
                "SeriesInstanceUID of a series in it; remove it from the list",
                found=Private(name),
            )
        found.update(dict.fromkeys(matching))
    return list(found)


def _rarest_first(strata: Mapping[str, list[str]], prefix: str) -> list[tuple[str, list[str]]]:
    ordered = sorted(strata.items(), key=lambda item: (len(item[1]), item[0]))
    return [(prefix + name, list(members)) for name, members in ordered]


def _alternate(
    first: list[tuple[str, list[str]]], second: list[tuple[str, list[str]]]
) -> list[tuple[str, list[str]]]:
    shared = min(len(first), len(second))
    pairs = [item for pair in zip(first, second, strict=False) for item in pair]
    return [*pairs, *first[shared:], *second[shared:]]


def _rank(series_hash: str, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed}\0{series_hash}".encode(), digest_size=8).digest()
