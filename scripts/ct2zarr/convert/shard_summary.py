"""Write the summary of a shard: the JSON first, then the CSV, for which a workflow waits."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from ..model import Json
from ..run.cells import SEPARATOR
from ..run.checksums import file_md5
from ..run.counts import totals_of
from ..run.paths import SERIES_ALL, SHARD_CSV, TablePaths
from ..run.sealed import write_table
from ..run.settings import ConvertSettings
from ..run.summary_columns import SummaryRow, rows_to_csv
from ..version import FORMAT_VERSION, __version__
from ..vocabulary import Flag
from .provenance import library_versions


@dataclass(frozen=True, slots=True)
class ShardSummary:
    """The summary of a shard: its rows, sorted by series_hash, and its two files."""

    shard: str
    rows: tuple[SummaryRow, ...]
    csv_path: Path
    json_path: Path


def write_summary(summary: ShardSummary, settings: ConvertSettings, manifest_md5: str = "") -> None:
    """Write both files, each whole or not at all.

    Parameters
    ----------
    manifest_md5
        Identifies the manifest that names the volumes; see ``run.checksums``.

    Raises
    ------
    MachineError
        The folder cannot be written.
    """
    files = TablePaths(summary.csv_path, summary.json_path)
    write_table(files, rows_to_csv(summary.rows), _content(summary, settings, manifest_md5))


def _content(
    summary: ShardSummary, settings: ConvertSettings, manifest_md5: str
) -> dict[str, Json]:
    """Content of the JSON: totals, counts, settings and versions."""
    return {
        "shard": summary.shard,
        "num_shards": settings.num_shards,
        "totals": {**totals_of(summary.rows)},
        "flags": _counts_of_flags(summary.rows),
        "reasons": _counts_of_reasons(summary.rows),
        "settings": _settings_content(settings),
        "input": {"name": _input_name(settings), "md5": file_md5(settings.input_csv)},
        "manifest_md5": manifest_md5,
        "versions": {"ct2zarr": __version__, "format": FORMAT_VERSION},
        "libraries": {**library_versions()},
    }


def _input_name(settings: ConvertSettings) -> str:
    """Name of the CSV; with ``deidentify`` only one that ct2zarr gives."""
    name = settings.input_csv.name
    of_manifest = name == SERIES_ALL or SHARD_CSV.fullmatch(name)
    return "" if settings.metadata.deidentify and not of_manifest else name


def _counts_of_flags(rows: Sequence[SummaryRow]) -> dict[str, Json]:
    found = Counter(flag for row in rows for flag in row.flags.split(SEPARATOR) if flag)
    return {flag: found[flag] for flag in Flag if found[flag]}


def _counts_of_reasons(rows: Sequence[SummaryRow]) -> dict[str, Json]:
    return dict(sorted(Counter(row.reason for row in rows if row.reason).items()))


def _settings_content(settings: ConvertSettings) -> dict[str, Json]:
    """The settings as JSON, without the folders."""
    content: dict[str, Json] = {}
    for name, value in asdict(settings).items():
        if not isinstance(value, Path):
            content[name] = sorted(value) if isinstance(value, frozenset) else value
    return content
