"""Join the summaries of all shards into one table and its totals.

A summary that is missing, cut short, or not of the same run as the others is an error that names
it: a total over a part of the shards would look like a total over all.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..codes import Code
from ..convert.superseded import remove_all_but
from ..convert.unplanned import unplanned_volumes
from ..errors import SettingsError
from ..plan.manifest_checks import JOINED_FILES, check_files, read_manifest_summary
from ..run.checksums import INDEX_MD5, bytes_md5
from ..run.counts import Counts, totals_of
from ..run.csv_tables import parse_table
from ..run.job_log import log_outcome
from ..run.paths import (
    MANIFEST_SUMMARY,
    SERIES_ALL,
    SHARD_SUMMARY,
    joined_summary,
    shard_label,
    shard_summary,
    store_root,
    totals_beside,
)
from ..run.sealed import TABLE_MD5, read_sealed, write_table
from ..run.settings import AggregateSettings
from ..run.summary_columns import SUMMARY_SCHEMA
from ..version import __version__
from ..vocabulary import Role, Status
from .decisions import apply_decisions, read_decisions
from .summary_table import JoinedRow, joined_to_csv
from .tallies import count_flags, count_values, distributions

logger = logging.getLogger(__name__)

ADVICE = SUMMARY_SCHEMA.advice
"""What to do about a damaged summary."""

ACCOUNT = ("files_found", "roles", "series", "unreadable_series", "volumes", "unread")
"""What summary_all.json repeats of the manifest's summary for the report; no name of a folder."""

UNPLANNED_MOST = 1000
"""Volumes that are no longer planned and that the JSON names; it counts all."""

NAMED_MOST = 10
"""Missing summaries that an error names; more are only counted."""


@dataclass(frozen=True, slots=True)
class ShardTable:
    """The summary of one shard: the rows of its CSV, and its JSON."""

    path: Path
    label: str
    rows: tuple[JoinedRow, ...]
    content: dict[str, Any]

    @property
    def num_shards(self) -> int | None:
        """Number of shards of its run; None if the shard had none."""
        number = self.content.get("num_shards")
        return None if number is None else int(number)


@dataclass(frozen=True, slots=True)
class AggregatedSummary:
    """What ``aggregate`` wrote."""

    volumes: int
    csv_path: Path
    json_path: Path


def aggregate(settings: AggregateSettings) -> AggregatedSummary:
    """Write summary_all.csv and summary_all.json from the summaries of all shards.

    Raises
    ------
    SettingsError
        A summary is missing, damaged, of another run, or names a volume again; or the decisions
        cannot be read or are about other volumes.
    MachineError
        The folder cannot be written.
    """
    root = store_root(settings.out_root, settings.store_type)
    reviews = read_decisions(settings.decisions) if settings.decisions else {}
    shards = [read_shard(path) for path in settings.summaries or find_summaries(root)]
    check_shards(shards, root)
    if settings.summaries:
        remove_all_but(root, settings.summaries)
    rows = apply_decisions(join(shards), reviews, settings.decisions)
    paths = joined_summary(root)
    manifest = whole_manifest(settings.manifest_dir)
    content = {**summary_content(rows, shards), "manifest": manifest_content(manifest, shards)}
    content["localizers_counted_in"] = paths.table.name if manifest is None else MANIFEST_SUMMARY
    if manifest is not None:
        # Rows count only the localizers that belong to a volume; a series may hold nothing else.
        content["totals"]["localizers_skipped"] = manifest["roles"][Role.LOCALIZER]
    content["no_longer_planned"] = unplanned_content(root, rows)
    write_table(paths, joined_to_csv(rows), content)
    logger.info("joined %d shards, applied %d decisions", len(shards), len(reviews))
    log_outcome("all shards", Counts.of_totals(content["totals"]))
    return AggregatedSummary(len(rows), paths.table, paths.totals)


def unplanned_content(root: Path, rows: Sequence[JoinedRow]) -> dict[str, Any]:
    """The volumes among the results that no row names, as their series is gone; the first by name.

    They are a warning in the log too.
    """
    names = list(unplanned_volumes(root, {row.series_hash for row in rows}))
    if names:
        logger.warning(
            "%d volumes are no longer planned: their series are gone from the datasets or are "
            "divided otherwise; `snakemake -n tidy` lists their files, `snakemake --cores 1 tidy` "
            "removes them", len(names),
        )  # fmt: skip
    return {"volumes": len(names), "series_hash": names[:UNPLANNED_MOST]}


# Reading --------------------------------------------------------------------------------------


def find_summaries(root: Path) -> list[Path]:
    """The summaries of shards that lie in ``zarr_{store}``, by name."""
    paths = [path for path in root.glob("*.csv") if SHARD_SUMMARY.fullmatch(path.name)]
    if not paths:
        raise SettingsError(
            Code.INPUT_MISSING,
            "there is no summary_shard_XX.csv in {path}; convert the shards first, or check "
            "OUT_ROOT and STORE_TYPE",
            path=root,
        )
    return sorted(paths)


def read_shard(path: Path) -> ShardTable:
    """Read the CSV of one shard and the JSON beside it.

    Raises
    ------
    SettingsError
        One of them is missing or damaged, or they do not belong together.
    """
    named = SHARD_SUMMARY.fullmatch(path.name)
    if named is None:
        raise SettingsError(
            Code.SETTING_WRONG,
            "{path} is not called summary_shard_XX.csv; check the list of inputs",
            path=path,
        )
    content = _read_content(totals_beside(path))
    rows = _read_rows(path, named[1], content[TABLE_MD5], content["totals"]["volumes"])
    return ShardTable(path, named[1], rows, content)


def _read_rows(path: Path, label: str, md5: str, volumes: int) -> tuple[JoinedRow, ...]:
    """The rows of the CSV of a shard, which has to have this MD5 and as many rows as volumes."""
    try:
        data = path.read_bytes()
        text = data.decode("utf-8")
    except FileNotFoundError:
        raise SettingsError(
            Code.INPUT_MISSING, "{path} does not exist; {advice}", path=path, advice=ADVICE
        ) from None
    except UnicodeDecodeError as error:
        raise SettingsError(
            Code.INPUT_DAMAGED, "{path} is not text in UTF-8; {advice}", path=path, advice=ADVICE
        ) from error
    table = parse_table(text, path, SUMMARY_SCHEMA)
    if len(table) != volumes:
        raise SettingsError(
            Code.INPUT_DAMAGED,
            "{path} has {found} rows, but its JSON file counts {due}; {advice}",
            path=path,
            found=len(table),
            due=volumes,
            advice=ADVICE,
        )
    if bytes_md5(data) != md5:
        raise SettingsError(
            Code.INPUT_DAMAGED,
            "{path} was changed after it was written: its MD5 is not the one in its JSON file; "
            "{advice}",
            path=path,
            advice=ADVICE,
        )
    return tuple(JoinedRow(**row, shard=label) for row in table.rows())


def _read_content(path: Path) -> dict[str, Any]:
    """The JSON of a shard; its number of volumes and its MD5 are sure to be there."""
    content = read_sealed(path, ADVICE)
    totals = content.get("totals")
    volumes = totals.get("volumes") if isinstance(totals, dict) else None
    if not isinstance(volumes, int) or not isinstance(content.get(TABLE_MD5), str):
        raise SettingsError(
            Code.INPUT_DAMAGED,
            "{path} lacks its totals or the MD5 of its CSV file; {advice}",
            path=path,
            advice=ADVICE,
        )
    return content


# Checking -------------------------------------------------------------------------------------


def check_shards(shards: Sequence[ShardTable], root: Path) -> None:
    """Check that the summaries are of one run and of every shard, and name no volume twice.

    Raises
    ------
    SettingsError
        They are not, or do.
    """
    by_number = {one.num_shards: one.path for one in shards if one.num_shards is not None}
    if len(by_number) > 1:
        (one, first), (other, second), *_ = by_number.items()
        raise SettingsError(
            Code.INPUT_MIXED,
            "the summaries are of runs with different numbers of shards: {first} is one of {one}, "
            "{second} is one of {other}; delete those of the older run",
            first=first,
            one=one,
            second=second,
            other=other,
        )
    present = {int(shard.label) for shard in shards}
    num_shards = next(iter(by_number), None) or max(present) + 1
    if max(present) >= num_shards:
        raise SettingsError(
            Code.INPUT_MIXED,
            "there is a summary of shard {shard} in {path}, but there are {count} shards; delete "
            "the summaries of older runs",
            path=root,
            shard=max(present),
            count=num_shards,
        )
    _check_complete(present, num_shards, root)
    _check_unique(shards)


def _check_complete(present: set[int], num_shards: int, root: Path) -> None:
    missing = sorted(set(range(num_shards)) - present)
    if not missing:
        return
    labels = (shard_label(number, num_shards) for number in missing[:NAMED_MOST])
    names = [shard_summary(root, label).table.name for label in labels]
    raise SettingsError(
        Code.INPUT_MISSING,
        "{found} of {due} shards have no summary in {path}: {names}; convert them first",
        path=root,
        found=len(missing),
        due=num_shards,
        names=(*names, *(("and others",) if len(missing) > NAMED_MOST else ())),
    )


def _check_unique(shards: Sequence[ShardTable]) -> None:
    seen: dict[str, Path] = {}
    for shard in shards:
        for row in shard.rows:
            before = seen.get(row.series_hash)
            if before is not None:
                raise SettingsError(
                    Code.INPUT_MIXED,
                    "series_hash {series_hash} is both in {first} and in {second}; delete the "
                    "summaries that are not of this run",
                    series_hash=row.series_hash,
                    first=before,
                    second=shard.path,
                )
            seen[row.series_hash] = shard.path


# Joining --------------------------------------------------------------------------------------


def join(shards: Sequence[ShardTable]) -> list[JoinedRow]:
    """All rows, sorted by series_hash."""
    rows = (row for shard in shards for row in shard.rows)
    return sorted(rows, key=lambda row: row.series_hash)


def summary_content(rows: Sequence[JoinedRow], shards: Sequence[ShardTable]) -> dict[str, Any]:
    """Content of summary_all.json: totals, counts, distributions, versions and shards."""
    done = [row for row in rows if row.status == Status.OK]
    return {
        "version": __version__,
        "totals": totals_of(rows),
        "status": count_values((row.status for row in rows), list(Status)),
        "reason": count_values(row.reason for row in rows if row.reason),
        "flag": count_flags(rows),
        "dataset": count_values(row.dataset for row in rows),
        "distributions": distributions(done),
        "versions": count_values(row.version for row in rows),
        "libraries": _agreed([shard.content.get("libraries") for shard in shards]),
        "settings": _agreed([shard.content.get("settings") for shard in shards]),
        "inputs": {shard.label: shard.content.get("input") for shard in shards},
        "shards": {
            shard.label: shard.content["totals"]
            for shard in sorted(shards, key=lambda shard: int(shard.label))
        },
    }


def whole_manifest(folder: Path | None) -> dict[str, Any] | None:
    """The content of manifest_summary.json; None where the results lie without their manifest.

    Raises
    ------
    SettingsError
        A file of the manifest that belongs to no single shard was changed after it was written.
    """
    if folder is None:
        return None
    check_files(folder / name for name in JOINED_FILES)
    return read_manifest_summary(folder)


def manifest_content(
    manifest: dict[str, Any] | None, shards: Sequence[ShardTable]
) -> dict[str, Any]:
    """Which manifest the summary is of, and how many shards were converted from which.

    A shard that gained nothing is not converted again after the datasets were scanned again, so it
    names the older manifest, in which the shard was the same.
    """
    named = Counter(str(shard.content.get("manifest_md5") or "") for shard in shards)
    md5 = next(iter(named)) if len(named) == 1 else ""
    if manifest is not None:
        md5 = str(manifest[INDEX_MD5])
    content = {"file": SERIES_ALL, "md5": md5, "shards_by_md5": dict(sorted(named.items()))}
    if manifest is not None:
        content["account"] = {name: manifest[name] for name in ACCOUNT if name in manifest}
    return content


def _agreed(settings: Sequence[dict[str, Any] | None]) -> dict[str, Any]:
    """The settings in which all shards agree; where they differ, the list of what was used."""
    names = sorted({name for one in settings if one for name in one} - {"shard_id"})
    agreed: dict[str, Any] = {}
    for name in names:
        seen: list[Any] = []
        for one in settings:
            value = (one or {}).get(name)
            if value not in seen:
                seen.append(value)
        agreed[name] = seen[0] if len(seen) == 1 else {"differs": seen}
    return agreed
