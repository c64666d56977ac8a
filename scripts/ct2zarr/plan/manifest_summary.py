"""manifest_summary.json: counts of files, volumes and flags that add up, and the settings."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict

import numpy as np
import pyarrow as pa

from ..codes import Code
from ..errors import Ct2zarrError
from ..model import Json
from ..run.cells import SEPARATOR
from ..run.csv_tables import Cell
from ..run.paths import FILES_EXCLUDED, MANIFEST_SUMMARY
from ..run.settings import ManifestSettings
from ..scan.scanning import Scan
from ..version import __version__
from ..vocabulary import Flag, Role
from .account import Account
from .unread import unread_as_json, unread_of

logger = logging.getLogger(__name__)


def summarize(found: Scan, account: Account, settings: ManifestSettings) -> dict[str, Json]:
    """Counts that add up, and the settings that led to them; no times, so that it is stable.

    Raises
    ------
    Ct2zarrError
        The roles do not add up to the files that were found.
    """
    files = Counter(_files_by_role(found.table, account))
    roles: Counter[str] = Counter()
    codes: Counter[str] = Counter()
    for (_, role, code), count in files.items():
        roles[role] += count
        codes[code] += count
    _check_sum(found.files_found, roles)
    flags = Counter(flag for row in account.series for flag in str(row["flags"]).split(SEPARATOR))
    folders: list[Json] = [
        {"folder": readable(path), "reason": reason} for path, reason in found.unreadable_folders
    ]
    return {
        "version": __version__,
        "files_found": found.files_found,
        "roles": _in_order(roles),
        "codes": {str(code): codes[code] for code in Code if codes[code]},
        "series": account.series_count,
        "unreadable_series": account.unreadable_count,
        "volumes": len(account.series),
        "slices": _total(account, "slice_count"),
        "bytes": _total(account, "bytes"),
        "flags": {str(flag): flags[flag] for flag in Flag if flags[flag]},
        "datasets": _by_dataset(files, account, settings),
        "deeper_than_max_depth": {
            "files": found.deeper,
            "max_depth": settings.max_depth,
            "max_depth_needed": found.deepest if found.deeper else settings.max_depth,
        },
        "unread": unread_as_json(unread_of(found, files, settings.max_depth)),
        "unreadable_folders": folders,
        "not_regular_files": found.others,
        "left_out_folders": {readable(name): count for name, count in found.left_out},
        "links_out_of_datasets": found.leaving,
        "num_shards": settings.num_shards,
        "settings": settings_for_summary(settings),
    }


def log_summary(summary: Mapping[str, Json]) -> None:
    """The account in a few lines of the log."""
    roles = summary["roles"]
    assert isinstance(roles, dict)
    counts = ", ".join(f"{count} {role}" for role, count in roles.items() if count)
    logger.info("%s files found: %s", summary["files_found"], counts)
    logger.info("%s series with CT images, %s volumes", summary["series"], summary["volumes"])
    if summary["unreadable_series"]:
        logger.warning(
            "NO FILE CAN BE READ of %s series, whose rows fail", summary["unreadable_series"]
        )
    if summary["links_out_of_datasets"]:
        logger.info(
            "%s links lead out of the folders of the datasets; they are followed",
            summary["links_out_of_datasets"],
        )
    unread = summary["unread"]
    assert isinstance(unread, list)
    for cause in unread:
        assert isinstance(cause, dict)
        logger.warning("NOT READ: %s; %s", cause["sentence"], cause["remedy"])
    if not summary["volumes"]:
        logger.warning(
            "NO CT VOLUME WAS FOUND below the roots; %s and %s say what the files are",
            MANIFEST_SUMMARY, FILES_EXCLUDED,
        )  # fmt: skip


def settings_for_summary(settings: ManifestSettings) -> dict[str, Json]:
    """The settings on which the manifest depends, but for the roots."""
    selection = asdict(settings.selection)
    selection["exclude_image_types"] = list(settings.selection.exclude_image_types)
    return {"max_depth": settings.max_depth, "num_shards": settings.num_shards, **selection}


def readable(path: str) -> str:
    """A path as text that JSON can hold; stray bytes are escaped."""
    return path.encode("utf-8", "backslashreplace").decode()


def _files_by_role(table: pa.Table, account: Account) -> Iterator[tuple[str, str, str]]:
    """Dataset, role and code of each file; a file with any frame that is a slice is one."""
    starts = np.flatnonzero(table["frame"].to_numpy() == 1)
    stops = np.append(starts[1:], table.num_rows)
    datasets = table["dataset"].take(pa.array(starts)).to_pylist()
    for dataset, start, stop in zip(datasets, starts.tolist(), stops.tolist(), strict=True):
        if Role.SLICE in account.roles[start:stop]:
            yield dataset, Role.SLICE, ""
        else:
            yield dataset, account.roles[start], account.codes[start]


def _check_sum(files_found: int, roles: Mapping[str, int]) -> None:
    if sum(roles.values()) != files_found or "" in roles:
        raise Ct2zarrError(
            Code.UNEXPECTED_ERROR,
            "the account does not add up: {found} files were found, and {accounted} have a role; "
            "this is a fault of ct2zarr, please report it",
            found=files_found,
            accounted=sum(count for role, count in roles.items() if role),
        )


def _by_dataset(
    files: Mapping[tuple[str, str, str], int], account: Account, settings: ManifestSettings
) -> dict[str, Json]:
    counts: dict[str, Json] = {}
    for dataset, root in sorted(settings.datasets.items()):
        roles: Counter[str] = Counter()
        for (name, role, _), count in files.items():
            if name == dataset:
                roles[role] += count
        series = [row for row in account.series if row["dataset"] == dataset]
        counts[dataset] = {
            "root": readable(str(root.absolute())),
            "files_found": sum(roles.values()),
            "roles": _in_order(roles),
            "series": sum(row["part"] == 1 for row in series),
            "volumes": len(series),
        }
    return counts


def _in_order(roles: Mapping[str, int]) -> dict[str, Json]:
    return {str(role): roles.get(role, 0) for role in Role}


def _total(account: Account, column: str) -> int:
    def number(cell: Cell) -> int:
        assert isinstance(cell, int)
        return cell

    return sum(number(row[column]) for row in account.series)
