"""One scan by several jobs: each walks a share of the folders, and the manifest merges the shares.

A share holds what its job found and read. Merged, the shares give the table of a scan by one job,
row by row. Links to folders are followed only then, since they may lead to the folders of another
share, and hidden folders are entered after them; a tree of either kind gains nothing from shares.
"""

import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..codes import Code
from ..errors import SettingsError
from ..run import paths
from ..run.atomic_files import machine_errors, remove_abandoned, temporary_path, write_atomically
from ..run.settings import ManifestSettings
from ..version import __version__
from .cache import FACTS_VERSION
from .frame_tables import FRAME_SCHEMA, text_to_path
from .scanning import Scan, scan_walked, summed, take_ranges, walking_log
from .walking import WalkedRoot, check_roots, share_of, walk_links, walk_root

logger = logging.getLogger(__name__)

BATCH_ROWS = 1 << 17
"""Rows that are in memory at a time while shares are merged: some 100 MB."""

ADVICE = "scan again: `-R manifest`, or each share by itself"

COUNTS = ("files_found", "headers_read", "deeper", "others", "leaving")
"""Counts of a scan that add up over its shares."""


# Scanning a share -----------------------------------------------------------------------------


def scan_share(settings: ManifestSettings) -> None:
    """Scan the share ``settings.scan_part`` of ``settings.scan_jobs``, and write it.

    Raises
    ------
    SettingsError
        A root is missing or lies in another one.
    MachineError
        Nothing can be written.
    """
    number, count = settings.scan_part, settings.scan_jobs
    assert number is not None
    roots = check_roots(settings.datasets)
    share = paths.scan_share_paths(settings.manifest_dir, number, count)
    with machine_errors(settings.manifest_dir):
        for folder in (share.facts.parent, share.cache):
            folder.mkdir(parents=True, exist_ok=True)
        remove_abandoned((share.facts.parent, share.cache))
        share.facts.unlink(missing_ok=True)
    datasets: dict[str, dict[str, Any]] = {}

    def walks() -> Iterator[WalkedRoot]:
        for dataset, root in roots.items():
            own = share_of(root, number, count)
            walked = walk_root(dataset, root, walking_log(logger.info), own)
            datasets[dataset] = {
                "unreadable_folders": walked.unreadable_folders,
                "links": walked.links,
                "seen": sorted(walked.seen),
                "level": own.level,
            }
            yield walked

    found = scan_walked(
        walks(), max_depth=settings.max_depth, workers=settings.workers, cache=share.cache
    )
    with machine_errors(share.rows.parent):
        write_arrow(share.rows, found.table.to_batches(max_chunksize=BATCH_ROWS))
    facts = {
        **share_key(settings, roots),
        **{name: getattr(found, name) for name in COUNTS},
        "deepest": found.deepest,
        "rows": found.table.num_rows,
        "datasets": datasets,
    }
    write_atomically(share.facts, json.dumps(facts) + "\n")
    logger.info("share %d of %d: %d files", number, count, found.files_found)


def share_key(settings: ManifestSettings, roots: Mapping[str, str]) -> dict[str, Any]:
    """The version and the settings in which all shares of a scan have to agree."""
    return {
        "version": __version__,
        "facts": FACTS_VERSION.decode(),
        "max_depth": settings.max_depth,
        "shares": settings.scan_jobs,
        "roots": dict(roots),
    }


def write_arrow(path: Path, batches: Iterable[pa.RecordBatch]) -> None:
    """Write rows as an Arrow file that can be mapped into memory, and flush it.

    Rows are mapped, not loaded: those of tens of millions of files take 750 bytes each, which the
    system may drop from memory and read again as it needs.
    """
    with path.open("wb") as file:
        with pa.ipc.new_file(file, FRAME_SCHEMA) as writer:
            for batch in batches:
                writer.write_batch(batch)
        file.flush()
        os.fsync(file.fileno())


# Merging the shares ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Share:
    """A share as it was written: ``facts`` of its JSON, and its rows."""

    facts: dict[str, Any]
    table: pa.Table


def merge_shares(settings: ManifestSettings) -> Scan:
    """The scan that all shares make together.

    Raises
    ------
    SettingsError
        A share is missing, damaged, or of other settings.
    """
    roots = check_roots(settings.datasets)
    shares = _read_shares(settings, roots)
    rows: list[Iterable[pa.RecordBatch]] = []
    unreadable: list[tuple[str, str]] = []
    linked: list[Scan] = []
    for dataset, root in roots.items():
        own = [share.facts["datasets"][dataset] for share in shares]
        _check_levels(dataset, own)
        rows.append(_in_walking_order([_of_dataset(share.table, dataset) for share in shares]))
        folders = [(path, reason) for one in own for path, reason in one["unreadable_folders"]]
        unreadable += sorted(folders, key=lambda folder: folder[0].split("/"))
        found = _scan_links(settings, dataset, root, own)
        if found is not None:
            rows.append(found.table.to_batches(max_chunksize=BATCH_ROWS))
            unreadable += found.unreadable_folders
            linked.append(found)
    totals = {
        name: sum(share.facts[name] for share in shares)
        + sum(getattr(found, name) for found in linked)
        for name in COUNTS
    }
    return Scan(
        table=_mapped_together(settings.manifest_dir / paths.SCAN_CACHE_FOLDER, rows),
        deepest=max(
            *(share.facts["deepest"] for share in shares), *(found.deepest for found in linked)
        ),
        unreadable_folders=tuple(unreadable),
        left_out=summed(dict(found.left_out) for found in linked),
        **totals,
    )


def _read_shares(settings: ManifestSettings, roots: Mapping[str, str]) -> list[_Share]:
    count = settings.scan_jobs
    files = [paths.scan_share_paths(settings.manifest_dir, n, count) for n in range(count)]
    facts = [_read_facts(one.facts, share_key(settings, roots)) for one in files]
    return [
        _Share(about, _read_rows(one.rows, about["rows"]))
        for one, about in zip(files, facts, strict=True)
    ]


def _read_facts(path: Path, key: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON of a share, which has to have the version and settings of ``key``."""
    try:
        facts: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        found = {name: facts[name] for name in key}
    except FileNotFoundError:
        raise SettingsError(
            Code.INPUT_MISSING,
            "{path} is missing; scan that share first (SCAN_PART), or set scan_jobs to 1",
            path=path,
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(path, error) from error
    if found != key:
        raise SettingsError(
            Code.INPUT_MIXED,
            "{path} was scanned with other settings; {advice}",
            path=path,
            advice=ADVICE,
        )
    return facts


def _read_rows(path: Path, rows: int) -> pa.Table:
    try:
        table = _mapped(path)
    except (pa.ArrowInvalid, OSError, ValueError) as error:
        raise _damaged(path, error) from error
    if table.num_rows != rows or table.schema != FRAME_SCHEMA:
        raise SettingsError(
            Code.INPUT_MIXED,
            "{path} and the JSON beside it are of different scans; {advice}",
            path=path,
            advice=ADVICE,
        )
    return table


def _damaged(path: Path, error: Exception) -> SettingsError:
    return SettingsError(
        Code.INPUT_DAMAGED,
        "{path} is damaged ({kind}); {advice}",
        path=path,
        kind=type(error).__name__,
        advice=ADVICE,
    )


def _check_levels(dataset: str, shares: Iterable[Mapping[str, Any]]) -> None:
    """Check that the shares of a dataset were cut at one level of its folders."""
    if len({share["level"] for share in shares}) > 1:
        raise SettingsError(
            Code.INPUT_MIXED,
            "dataset {dataset}: folders were added or removed while its shares were scanned; "
            "{advice}",
            dataset=dataset,
            advice=ADVICE,
        )


def _scan_links(
    settings: ManifestSettings, dataset: str, root: str, shares: Iterable[Mapping[str, Any]]
) -> Scan | None:
    """Scan the folders that the shares have left to the end; None where there are none."""
    shares = list(shares)
    links = [(path, depth) for one in shares for path, depth in one["links"]]
    if not links:
        return None
    seen = [(device, inode) for one in shares for device, inode in one["seen"]]
    return scan_walked(
        [walk_links(dataset, root, links, seen)],
        max_depth=settings.max_depth,
        workers=settings.workers,
        cache=settings.manifest_dir / paths.SCAN_CACHE_FOLDER / f"links_of_{dataset}",
    )


def _mapped_together(folder: Path, rows: Iterable[Iterable[pa.RecordBatch]]) -> pa.Table:
    """The rows of all shares as one table that is mapped into memory."""
    path = temporary_path(folder, "merged")
    with machine_errors(folder):
        try:
            write_arrow(path, chain.from_iterable(rows))
            return _mapped(path)
        finally:
            path.unlink(missing_ok=True)  # the system keeps mapped rows until nobody uses them


def _mapped(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()


def _of_dataset(table: pa.Table, dataset: str) -> pa.Table:
    """The rows of one dataset, which follow each other; nothing is copied."""
    own = pc.equal(table["dataset"], dataset).to_numpy()
    return table.slice(int(own.argmax()), int(own.sum())) if own.any() else table.slice(0, 0)


def _in_walking_order(tables: Iterable[pa.Table]) -> Iterator[pa.RecordBatch]:
    """The rows of all shares in the order of one walk: each folder before those in it.

    All files of a folder follow each other in one share; so only folders need sorting.
    """
    together = pa.concat_tables(tables)
    names, starts = _folders(together)
    begin = np.array(starts, np.int64)
    end = np.array([*starts[1:], together.num_rows], np.int64)
    order = np.array(sorted(range(len(names)), key=names.__getitem__), np.int64)
    sizes = (end - begin)[order].cumsum()
    first = 0
    while first < len(order):  # whole folders, about BATCH_ROWS rows at a time
        done = sizes[first - 1] if first else 0
        stop = max(int(np.searchsorted(sizes, done + BATCH_ROWS, side="right")), first + 1)
        some = order[first:stop]
        yield from take_ranges(together, begin[some], end[some]).combine_chunks().to_batches()
        first = stop


def _folders(table: pa.Table) -> tuple[list[list[str]], list[int]]:
    """The folders of a table, each as the names on its path, and the rows at which they start."""
    names: list[list[str]] = []
    starts: list[int] = []
    row, last = 0, ""
    for chunk in table["path"].chunks:
        folders = pc.replace_substring_regex(chunk, r"/[^/]*$", "")
        codes = folders.dictionary_encode().indices.to_numpy()
        for place in np.flatnonzero(np.diff(codes, prepend=-1)).tolist():
            name = folders[place].as_py()
            if name != last:
                names.append(text_to_path(name).split("/"))
                starts.append(row + place)
                last = name
        row += len(chunk)
    return names, starts
