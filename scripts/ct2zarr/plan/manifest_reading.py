"""A CSV of series to the plans of its volumes: the manifest's own, or one written by hand.

The CSVs of the manifest name volumes whose files are listed in the parquet files beside them;
nothing is scanned again. A CSV written by hand names folders, which are scanned now.
"""

import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..codes import Code
from ..errors import Private, SettingsError
from ..model import Frame, UnusedFrame, VolumePlan
from ..run import paths
from ..run.csv_tables import Column, CsvTable, Schema, read_header, read_table
from ..run.settings import ConvertSettings, SelectionSettings
from ..scan.frame_tables import FILES_SCHEMA, table_to_frames, text_to_path
from .identity import series_hash
from .manifest_checks import check_files
from .manifest_rows import ADVICE, plan_of_row

logger = logging.getLogger(__name__)

DEFAULT_DATASET = "default"
"""Dataset of a row written by hand that names none."""

_HASH = re.compile(r"[0-9a-f]{32}")
_ONLY_OF_MANIFEST = ("part", "parts", "slice_count", "findings")
"""Columns that only the manifest has; a CSV without any of them was written by hand"""

FOLDERS_SCHEMA = Schema(
    (
        Column("series_dir"),
        *(Column(name, required=False) for name in ("dataset", "series_hash", "series_uid")),
    ),
    "its first line must name the columns; series_dir alone is enough for a list written by hand",
    by_hand=True,
)
"""A list of folders that a person wrote."""

_TEXTS = ("series_hash", "dataset", "series_dir", "series_uid", "study_uid", "split_by", "findings")
_COUNTS = ("part", "parts", "slice_count")
VOLUMES_SCHEMA = Schema(
    (*(Column(name) for name in _TEXTS), *(Column(name, int) for name in _COUNTS)),
    ADVICE,
    by_hand=True,
)
"""The columns of the manifest's CSV that make a plan. People filter them, in a spreadsheet too."""


def read_plans(settings: ConvertSettings) -> list[VolumePlan]:
    """The volumes of ``settings.input_csv``, those of one shard where SHARD_ID says so.

    Raises
    ------
    SettingsError
        The CSV or the parquet files beside it are missing, damaged, changed since the manifest was
        made, or do not belong together; a
        row written by hand names no folder.
    """
    path = settings.input_csv
    of_manifest = _is_of_manifest(path)
    check_files([path])
    if not of_manifest:
        table = read_table(path, FOLDERS_SCHEMA)
        plans = plans_of_folder_rows(table, settings.selection, settings.max_depth)
        return [plan for plan in plans if _in_shard(plan.series_hash, settings)]
    table = read_table(path, VOLUMES_SCHEMA)
    for line, name in zip(table.lines, table.columns["series_hash"], strict=True):
        if not _HASH.fullmatch(name):
            raise _no_hash(path, name, line, ADVICE)
    rows = [row for row in table.rows() if _in_shard(row["series_hash"], settings)]
    return _plans_of_manifest(rows, path)


def _is_of_manifest(path: Path) -> bool:
    """Whether the manifest wrote the CSV, or a person did."""
    try:
        header = read_header(path, FOLDERS_SCHEMA)
    except SettingsError as error:
        if error.code is Code.INPUT_MISSING:
            raise SettingsError(
                Code.INPUT_MISSING,
                "INPUT_CSV {path} does not exist; make the manifest first, or name another file",
                path=path,
            ) from None
        raise
    return any(column in header for column in _ONLY_OF_MANIFEST)


def _no_hash(path: Path, found: str, line: int, advice: str) -> SettingsError:
    return SettingsError(
        Code.INPUT_DAMAGED,
        "{path} has {found} as series_hash on line {line}, which is not 32 hexadecimal digits; "
        "{advice}",
        path=path,
        found=Private(repr(found)),
        line=line,
        advice=advice,
    )


def _in_shard(series: str, settings: ConvertSettings) -> bool:
    if settings.shard_id is None or settings.num_shards is None:
        return True
    return paths.shard_of(series, settings.num_shards) == settings.shard_id


# The manifest's own --------------------------------------------------------------------------


def _plans_of_manifest(rows: Sequence[Mapping[str, Any]], path: Path) -> list[VolumePlan]:
    wanted: dict[Path, list[Mapping[str, Any]]] = {}
    for row in rows:
        wanted.setdefault(_files_of(row["series_hash"], path), []).append(row)
    plans = {}
    check_files(wanted)
    for files, shard_rows in sorted(wanted.items()):
        frames = _frames(files, {row["series_hash"] for row in shard_rows})
        for row in shard_rows:
            name = row["series_hash"]
            if name not in frames:
                raise SettingsError(
                    Code.INPUT_MIXED,
                    "{path} names volume {series_hash}, for which {files} has no file; the two "
                    "belong to different runs: {advice}",
                    path=path,
                    series_hash=name,
                    files=files,
                    advice=ADVICE,
                )
            folder = text_to_path(row["series_dir"])
            plans[name] = plan_of_row(row, folder, frames[name], path)
    return [plans[row["series_hash"]] for row in rows]


def _files_of(series: str, path: Path) -> Path:
    """The parquet file that lists the files of a volume."""
    if shard := paths.SHARD_CSV.fullmatch(path.name):
        return path.with_name(paths.files_shard(path.parent, shard[1]).name)
    folder = path.parent / paths.SHARDS_FOLDER
    shards = sum(1 for file in folder.glob("*.parquet") if paths.SHARD_FILES.fullmatch(file.name))
    if not shards:
        raise SettingsError(
            Code.INPUT_MISSING,
            "{folder} has no files_shard_XX.parquet, which list the files of {path}; keep the CSV "
            "in the folder of its manifest, or {advice}",
            folder=folder,
            path=path,
            advice=ADVICE,
        )
    label = paths.shard_label(paths.shard_of(series, shards), shards)
    return paths.files_shard(path.parent, label)


def _frames(path: Path, wanted: set[str]) -> dict[str, list[tuple[Frame, int | None]]]:
    """The frames of some volumes, each with its slice index."""
    try:
        with pq.ParquetFile(path) as file:  # read_table would load pandas and more
            table = file.read()
    except FileNotFoundError:
        raise SettingsError(
            Code.INPUT_MISSING,
            "{path} is missing, which lists the files of the volumes; {advice}",
            path=path,
            advice=ADVICE,
        ) from None
    except (OSError, pa.ArrowInvalid) as error:
        raise SettingsError(
            Code.INPUT_DAMAGED,
            "{path} cannot be read ({kind}); {advice}",
            path=path,
            kind=type(error).__name__,
            advice=ADVICE,
        ) from error
    missing = tuple(name for name in FILES_SCHEMA.names if name not in table.schema.names)
    if missing:
        raise SettingsError(
            Code.INPUT_DAMAGED,
            "{path} lacks the column {column}; {advice}",
            path=path,
            column=missing,
            advice=ADVICE,
        )
    frames: dict[str, list[tuple[Frame, int | None]]] = {}
    for part in _rows_of(table, wanted):
        places = zip(part["series_hash"].to_pylist(), part["slice_index"].to_pylist(), strict=True)
        for (name, index), frame in zip(places, table_to_frames(part), strict=True):
            frames.setdefault(name, []).append((frame, index))
    return frames


def _rows_of(table: pa.Table, wanted: set[str]) -> Iterator[pa.Table]:
    """The rows of some volumes, as slices of a table in which volumes follow each other.

    To give pyarrow a list of their names, or a mask, would make it import pandas: half of the CPU
    time that a job may take to start.
    """
    start = 0
    for is_wanted, names in groupby(table["series_hash"].to_pylist(), wanted.__contains__):
        count = sum(1 for _ in names)
        if is_wanted:
            yield table.slice(start, count)
        start += count


# Written by hand -----------------------------------------------------------------------------


def plans_of_folder_rows(
    table: CsvTable, selection: SelectionSettings, max_depth: int | None
) -> list[VolumePlan]:
    """The volumes below the folders of a CSV written by hand.

    A row's ``series_dir`` is scanned with everything below it, ``max_depth`` deep; ``dataset`` is
    ``default`` where it is not given, and ``series_uid`` selects one series. Rows without
    ``series_hash`` are grouped together, so that a series may lie in several of them. A given
    ``series_hash`` names the volume of its row; where the row has several volumes, they are named
    by a hash of it and their part. A folder that does not exist or holds no CT image gives a plan
    without planes, which becomes a failed row.

    Raises
    ------
    SettingsError
        A folder is not given, or a ``series_hash`` is not 32 hexadecimal digits.
    """
    plans: list[VolumePlan] = []
    together: dict[str, dict[tuple[str, int], Frame]] = {}
    folders: list[tuple[str, str, list[Frame]]] = []
    for line, row in zip(table.lines, table.rows(), strict=True):
        folder, dataset, given = _listed_folder(row, line, table.path)
        frames = _frames_below(folder, dataset, row["series_uid"], selection, max_depth)
        if given:
            planned, unused = _plan(frames)
            named = _named(planned, dataset, given)
            plans.extend(named or [_without_planes(folder, dataset, given, unused)])
            continue
        for frame in frames:
            together.setdefault(dataset, {})[frame.path, frame.frame_number] = frame
        folders.append((folder, dataset, frames))
    unused = []
    for dataset in sorted(together):
        planned, others = _plan(list(together[dataset].values()))
        plans.extend(planned)
        unused.extend(others)
    return plans + _plans_of_empty_folders(folders, plans, unused)


def _listed_folder(row: Mapping[str, Any], line: int, path: Path) -> tuple[str, str, str]:
    """Absolute folder, dataset and given hash (or ``""``) of a row written by hand"""
    folder, given = row["series_dir"], row["series_hash"].lower()
    if not folder:
        raise SettingsError(
            Code.INPUT_DAMAGED,
            "{path} has no series_dir on line {line}; name a folder there",
            path=path,
            line=line,
        )
    if given and not _HASH.fullmatch(given):
        raise _no_hash(path, given, line, "leave the cell empty to have one made")
    absolute = os.path.abspath(folder)  # noqa: PTH100 - a name on disk, not resolved
    return absolute, row["dataset"] or DEFAULT_DATASET, given


def _plans_of_empty_folders(
    folders: Sequence[tuple[str, str, list[Frame]]],
    plans: Sequence[VolumePlan],
    unused: Sequence[UnusedFrame],
) -> list[VolumePlan]:
    """Plans without planes for the folders from which no file went into a volume."""
    used = {frame.path for plan in plans for frame in plan.planes}
    used |= {entry.frame.path for plan in plans for entry in plan.unused}
    empty = []
    for folder, dataset, frames in folders:
        if not any(frame.path in used for frame in frames):
            below = [entry for entry in unused if entry.frame.path.startswith(folder + "/")]
            digits = series_hash(dataset, f"folder:{folder}", 0)
            empty.append(_without_planes(folder, dataset, digits, below))
    return empty


def _frames_below(
    folder: str, dataset: str, series_uid: str, selection: SelectionSettings, max_depth: int | None
) -> list[Frame]:
    from ..scan.scanning import scan
    from .roles import assign_role

    if not os.path.isdir(folder):  # noqa: PTH112 - a name on disk may be no text
        logger.warning("a series_dir of the list does not exist")
        return []
    found = scan({dataset: Path(folder)}, max_depth=max_depth, workers=1)
    if found.deeper:
        logger.warning(
            "%d files lie deeper below a series_dir than max_depth %d; %d would reach them",
            found.deeper, max_depth, found.deepest,
        )  # fmt: skip
    # All have the root "/", so that series without a UID in different folders stay apart.
    frames = [
        replace(assign_role(frame, selection), root="/") for frame in table_to_frames(found.table)
    ]
    return [frame for frame in frames if not series_uid or frame.series_uid == series_uid]


def _plan(frames: Sequence[Frame]) -> tuple[list[VolumePlan], list[UnusedFrame]]:
    from ..dicom.frame_comparison import pixel_digest, preview
    from ..dicom.whole_headers import read_whole_headers
    from .grouping import plan_volumes

    return plan_volumes(frames, pixel_digest, preview, headers=read_whole_headers)


def _named(plans: Sequence[VolumePlan], dataset: str, given: str) -> list[VolumePlan]:
    if len(plans) == 1:
        return [replace(plans[0], series_hash=given)]
    return [
        replace(plan, series_hash=series_hash(dataset, given, number))
        for number, plan in enumerate(plans, start=1)
    ]


def _without_planes(
    folder: str, dataset: str, digits: str, unused: Sequence[UnusedFrame]
) -> VolumePlan:
    """The plan of a folder that holds no CT image."""
    return VolumePlan(
        series_hash=digits,
        dataset=dataset,
        series_dir=folder,
        series_uid="",
        study_uid="",
        part=1,
        parts=1,
        split_by="",
        planes=(),
        unused=tuple(unused),
        flags=(),
    )
