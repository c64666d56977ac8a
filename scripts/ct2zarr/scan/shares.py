"""One scan by several jobs: each walks a share of the folders, the manifest puts them together.

A part holds what its job found and read. Put together, the parts give the table that a single job
gives, row by row. Links to folders are followed only then, since where they lead may be another
part's; a tree that consists of links gains nothing from parts.
"""

import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import SettingsError
from ..run.atomic_files import machine_errors, remove_abandoned, temporary_path, write_atomically
from ..run.paths import SCAN_CACHE_FOLDER, scan_part_paths
from ..run.settings import ManifestSettings
from ..version import __version__
from .cache import FACTS_VERSION
from .frame_tables import FRAME_SCHEMA, text_to_path
from .scanning import Scan, scan_walked, take_ranges, telling_of_files
from .walking import WalkedRoot, check_roots, share_of, walk_links, walk_root

logger = logging.getLogger(__name__)

BATCH_ROWS = 1 << 17
"""Rows that are in memory at a time while parts are put together: some 100 MB."""

AGAIN = "scan again: `-R manifest`, or the parts one by one"


def scan_part(settings: ManifestSettings) -> None:
    """Scan the share ``settings.scan_part`` of ``settings.scan_jobs``, and write it.

    Raises:
        SettingsError: a root is missing or lies in another one. MachineError: nothing can be
            written.
    """
    part, parts = settings.scan_part, settings.scan_jobs
    assert part is not None
    roots = check_roots(settings.datasets)
    # Each part has a cache of its own, so that a second scan reads only what is new.
    mine = scan_part_paths(settings.manifest_dir, part, parts)
    path, cache = mine.facts, mine.cache
    with machine_errors(settings.manifest_dir):
        for folder in (path.parent, cache):
            folder.mkdir(parents=True, exist_ok=True)
        remove_abandoned((path.parent, cache))
        path.unlink(missing_ok=True)
    about: dict[str, dict[str, Any]] = {}

    def walks() -> Iterator[WalkedRoot]:
        for dataset, root in roots.items():
            share = share_of(root, part, parts)
            walked = walk_root(dataset, root, telling_of_files(logger.info), share)
            about[dataset] = {**_facts_of(walked), "level": share.level}
            yield walked

    found = scan_walked(
        walks(), max_depth=settings.max_depth, workers=settings.workers, cache=cache
    )
    with machine_errors(path.parent):
        write_arrow(mine.rows, found.table.to_batches(max_chunksize=BATCH_ROWS))
    content = {
        **share_key(settings, roots),
        "files_found": found.files_found,
        "headers_read": found.headers_read,
        "deeper": found.deeper,
        "deepest": found.deepest,
        "others": found.others,
        "rows": found.table.num_rows,
        "datasets": about,
    }
    write_atomically(path, json.dumps(content) + "\n")
    logger.info("part %d of %d: %d files", part, parts, found.files_found)


def share_key(settings: ManifestSettings, roots: Mapping[str, str]) -> dict[str, Any]:
    """What a part must have in common with the manifest that is made of it."""
    return {
        "version": __version__,
        "facts": FACTS_VERSION.decode(),
        "max_depth": settings.max_depth,
        "parts": settings.scan_jobs,
        "roots": dict(roots),
    }


def _facts_of(walked: WalkedRoot) -> dict[str, Any]:
    return {
        "unreadable_folders": walked.unreadable_folders,
        "links": walked.links,
        "seen": sorted(walked.seen),
    }


def merge_parts(settings: ManifestSettings) -> Scan:
    """The scan that all parts make together.

    Raises:
        SettingsError: a part is missing, damaged, or of other settings.
    """
    folder, parts = settings.manifest_dir, settings.scan_jobs
    roots = check_roots(settings.datasets)
    paths = [scan_part_paths(folder, part, parts) for part in range(parts)]
    contents = [_content(one.facts, settings, roots) for one in paths]
    tables = [
        _table(one.rows, content["rows"]) for one, content in zip(paths, contents, strict=True)
    ]
    rows: list[Iterable[pa.RecordBatch]] = []
    unreadable: list[tuple[str, str]] = []
    linked: list[Scan] = []
    for dataset, root in roots.items():
        mine = [content["datasets"][dataset] for content in contents]
        if len({one["level"] for one in mine}) > 1:
            raise SettingsError(
                f"dataset {dataset}: folders were added or removed while its parts were scanned; "
                + AGAIN
            )
        rows.append(_in_walking_order([_of_dataset(table, dataset) for table in tables]))
        folders = [(path, reason) for one in mine for path, reason in one["unreadable_folders"]]
        unreadable += sorted(folders, key=lambda one: one[0].split("/"))
        links = [(path, depth) for one in mine for path, depth in one["links"]]
        if links:
            seen = [(device, inode) for one in mine for device, inode in one["seen"]]
            found = scan_walked(
                [walk_links(dataset, root, links, seen)],
                max_depth=settings.max_depth,
                workers=settings.workers,
                cache=folder / SCAN_CACHE_FOLDER / f"links_of_{dataset}",
            )
            rows.append(found.table.to_batches(max_chunksize=BATCH_ROWS))
            unreadable += found.unreadable_folders
            linked.append(found)
    path = temporary_path(folder / SCAN_CACHE_FOLDER, "merged")
    with machine_errors(path.parent):
        try:
            write_arrow(path, chain.from_iterable(rows))
            table = _mapped(path)
        finally:
            path.unlink(missing_ok=True)  # what is mapped stays until nobody uses it
    return Scan(
        table=table,
        files_found=sum(c["files_found"] for c in contents) + sum(s.files_found for s in linked),
        headers_read=sum(c["headers_read"] for c in contents) + sum(s.headers_read for s in linked),
        deeper=sum(c["deeper"] for c in contents) + sum(s.deeper for s in linked),
        deepest=max([c["deepest"] for c in contents] + [s.deepest for s in linked]),
        unreadable_folders=tuple(unreadable),
        others=sum(c["others"] for c in contents) + sum(s.others for s in linked),
    )


def _content(path: Path, settings: ManifestSettings, roots: Mapping[str, str]) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        found = {name: content[name] for name in share_key(settings, roots)}
    except FileNotFoundError:
        raise SettingsError(
            f"{path} is missing; scan that part first (SCAN_PART), or set scan_jobs to 1"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(f"{path} is damaged ({type(error).__name__}); {AGAIN}") from error
    if found != share_key(settings, roots):
        raise SettingsError(f"{path} was scanned with other settings; {AGAIN}")
    return content


def _table(path: Path, rows: int) -> pa.Table:
    try:
        table = _mapped(path)
    except (pa.ArrowInvalid, OSError, ValueError) as error:
        raise SettingsError(f"{path} is damaged ({type(error).__name__}); {AGAIN}") from error
    if table.num_rows != rows or table.schema != FRAME_SCHEMA:
        raise SettingsError(f"{path} and the file beside it are of different scans; {AGAIN}")
    return table


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


def _mapped(path: Path) -> pa.Table:
    with pa.memory_map(str(path)) as source:
        return pa.ipc.open_file(source).read_all()


def _of_dataset(table: pa.Table, dataset: str) -> pa.Table:
    """The rows of one dataset, which lie together; nothing is copied."""
    mine = pc.equal(table["dataset"], dataset).to_numpy()
    return table.slice(int(mine.argmax()), int(mine.sum())) if mine.any() else table.slice(0, 0)


def _in_walking_order(tables: Iterable[pa.Table]) -> Iterator[pa.RecordBatch]:
    """The rows of all parts in the order of one walk: folder by folder, each before those in it.

    A part has the files of a folder in their order, one after the other, and no other part has
    any of them; so only folders need sorting.
    """
    together = pa.concat_tables(tables)
    keys: list[list[str]] = []
    starts: list[int] = []
    row, last = 0, ""
    for chunk in together["path"].chunks:
        folders = pc.replace_substring_regex(chunk, r"/[^/]*$", "")
        codes = folders.dictionary_encode().indices.to_numpy()
        for place in np.flatnonzero(np.diff(codes, prepend=-1)).tolist():
            name = folders[place].as_py()
            if name != last:
                keys.append(text_to_path(name).split("/"))
                starts.append(row + place)
                last = name
        row += len(chunk)
    begin, end = np.array(starts, np.int64), np.array([*starts[1:], row], np.int64)
    order = np.array(sorted(range(len(keys)), key=keys.__getitem__), np.int64)
    sizes = (end - begin)[order].cumsum()
    first = 0
    while first < len(order):  # whole folders, about BATCH_ROWS rows at a time
        done = sizes[first - 1] if first else 0
        stop = max(int(np.searchsorted(sizes, done + BATCH_ROWS, side="right")), first + 1)
        some = order[first:stop]
        yield from take_ranges(together, begin[some], end[some]).combine_chunks().to_batches()
        first = stop
