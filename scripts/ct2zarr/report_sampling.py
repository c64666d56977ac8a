"""Choose the volumes that the report shows, so that rare trouble is seen."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sample:
    """A chosen volume and why it was chosen, such as ``missing_slices`` or ``plain, v1``."""

    series_hash: str
    stratum: str


def sample_volumes(
    volumes: Mapping[str, tuple[str, Sequence[str]]], number: int, seed: int
) -> list[Sample]:
    """Choose ``number`` volumes, stratified by flag and dataset.

    A stratum is a flag, or the volumes of one dataset without a flag. Strata take turns, the
    rarest flag first and then a dataset, and each turn gives the volume of that stratum with the
    lowest keyed hash that is not yet chosen. The choice depends on ``seed`` and on the set of
    volumes, not on their order.

    Args:
        volumes: series_hash to (dataset, flag codes), converted volumes only.
        number: how many to choose; all of them when there are fewer.
        seed: another seed gives another choice.
    """
    flags: dict[str, list[str]] = {}
    plain: dict[str, list[str]] = {}
    for series_hash, (dataset, codes) in volumes.items():
        for code in codes:
            flags.setdefault(code, []).append(series_hash)
        if not codes:
            plain.setdefault(dataset, []).append(series_hash)
    queues = _alternate(_rarest_first(flags, ""), _rarest_first(plain, "plain, "))
    for _, members in queues:
        members.sort(key=lambda series_hash: _rank(series_hash, seed), reverse=True)
    chosen: dict[str, str] = {}
    while len(chosen) < min(number, len(volumes)):
        for stratum, members in queues:
            while members and members[-1] in chosen:
                members.pop()
            if members and len(chosen) < number:
                chosen[members.pop()] = stratum
    return [Sample(series_hash, stratum) for series_hash, stratum in chosen.items()]


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
