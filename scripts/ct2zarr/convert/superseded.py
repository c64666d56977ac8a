"""Remove the summaries that a run supersedes: of other numbers of shards, and of other names.

A volume that stood in two summaries would be counted twice, and the summary of a shard that the
run does not have would never be written again.
"""

import json
import logging
from collections.abc import Collection, Iterator
from pathlib import Path

from ..run.atomic_files import machine_errors
from ..run.paths import ANY_SHARD_SUMMARY, MANIFEST_SUMMARY, SHARD_CSV, shard_label
from ..run.settings import ConvertSettings

logger = logging.getLogger(__name__)


def remove_superseded(settings: ConvertSettings, label: str) -> None:
    """Remove what the summary of shard ``label`` supersedes.

    That is the same shard under another name, and every summary of a run with another number of
    shards whose name this run does not use. Names that it does use are replaced by its own jobs.

    Raises
    ------
    MachineError
        A file cannot be removed.
    """
    num_shards = _number_of_shards(settings)
    superseded = []
    for path, stem, shard in _summaries(settings.store_root):
        if shard == int(label):
            if stem != f"summary_shard_{label}":
                superseded.append(path)
        elif num_shards is not None and (
            shard >= num_shards or _is_other_name(path, stem, shard, num_shards)
        ):
            superseded.append(path)
    _remove(settings.store_root, superseded)


def remove_all_but(root: Path, kept: Collection[Path]) -> None:
    """Remove every summary of a shard in ``root`` that is not one of the CSVs to keep."""
    stems = {path.stem for path in kept}
    _remove(root, [path for path, stem, _ in _summaries(root) if stem not in stems])


def _summaries(root: Path) -> Iterator[tuple[Path, str, int]]:
    """The files of all summaries of shards: path, name without its ending, number of the shard."""
    for path in sorted(root.iterdir()):
        named = ANY_SHARD_SUMMARY.fullmatch(path.name)
        if named is not None:
            yield path, path.stem, int(named[1])


def _is_other_name(path: Path, stem: str, shard: int, num_shards: int) -> bool:
    """Whether a shard has another name here than in a run with ``num_shards``, which is not its."""
    if stem == f"summary_shard_{shard_label(shard, num_shards)}":
        return False
    try:
        content = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        return bool(content["num_shards"] not in (None, num_shards))
    except (OSError, ValueError, KeyError, TypeError):
        return True  # a summary without its other half is of no use to anybody


def _number_of_shards(settings: ConvertSettings) -> int | None:
    """The number of shards of the run; None where neither the settings nor a manifest tell."""
    if settings.num_shards is not None or not SHARD_CSV.fullmatch(settings.input_csv.name):
        return settings.num_shards
    summary = settings.input_csv.parent.parent / MANIFEST_SUMMARY
    try:
        return int(json.loads(summary.read_text(encoding="utf-8"))["num_shards"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # a shard that was copied without its manifest


def _remove(root: Path, paths: list[Path]) -> None:
    with machine_errors(root):
        for path in paths:
            path.unlink(missing_ok=True)
    if paths:
        logger.info("removed %d files of summaries that this run supersedes", len(paths))
