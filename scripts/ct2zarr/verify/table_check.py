"""Whether the tables of a run are as they were written: summaries, audits and the manifest.

The JSON beside each table holds the MD5 of the table and ends with its own; manifest_summary.json
holds those of the manifest. No table is needed to read a volume, so a changed one is no row of the
audit: it is listed with the code and the sentence of the error that reading it would raise.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ..errors import SettingsError, sentence
from ..model import Json
from ..plan.manifest_checks import damaged_files
from ..run.paths import SHARD_SUMMARY, TablePaths, joined_summary, totals_beside
from ..run.sealed import check_table
from ..run.settings import AuditSettings
from ..run.summary_columns import SUMMARY_SCHEMA

JOINED_ADVICE = "write it again (snakemake -R aggregate)"
"""What to do about a damaged summary of all shards."""


@dataclass(frozen=True, slots=True)
class TableDamage:
    """A table, or its JSON, that is not as it was written.

    Attributes
    ----------
    file
        Its name, without the folder.
    code
        See ``codes.Code``.
    error
        The sentence, without the names of folders.
    """

    file: str
    code: str
    error: str

    @classmethod
    def of_error(cls, error: SettingsError) -> "TableDamage":
        """What a check raised."""
        return cls(Path(error.path or "").name, str(error.code), sentence(error, private=False))

    def as_json(self) -> dict[str, Json]:
        """As it stands in audit_all.json."""
        return {"file": self.file, "code": self.code, "error": self.error}

    def __str__(self) -> str:
        return self.error.replace("[file]", self.file)


def damaged_tables(settings: AuditSettings) -> list[TableDamage]:
    """The damaged tables: summaries of shards, the joined summary, the files of the manifest.

    A table that has not been written yet, or was removed to be written again, is not damaged.
    """
    return [TableDamage.of_error(error) for error in _errors(settings)]


def _errors(settings: AuditSettings) -> Iterator[SettingsError]:
    root = settings.store_root
    for path in sorted(root.glob("*.csv")):
        if SHARD_SUMMARY.fullmatch(path.name):
            yield from table_errors(
                TablePaths(path, totals_beside(path)), str(SUMMARY_SCHEMA.advice)
            )
    joined = joined_summary(root)
    if joined.table.exists():
        yield from table_errors(joined, JOINED_ADVICE)
    if settings.manifest_dir is not None:
        yield from damaged_files(settings.manifest_dir)


def table_errors(files: TablePaths, advice: str) -> Iterator[SettingsError]:
    """What is wrong with a table and the JSON beside it; both are looked at."""
    try:
        check_table(files, advice)
    except SettingsError as error:
        yield error
