"""What people decided on volumes: read what the report exports, and apply it to the summary.

A rejected volume gets the status ``rejected``; nothing of it is deleted, and a decision that is
taken out of the file counts no longer. The file is CSV or JSON, as the report's page saves it, or
written by hand with the columns ``series_hash`` and ``decision``.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ..codes import Code
from ..errors import SettingsError
from ..run.csv_tables import Column, Schema, parse_table
from ..run.summary_columns import COMMENT_COLUMN, DECISION_COLUMN
from ..vocabulary import Decision, Status

_HASH = re.compile(r"[0-9a-f]{32}")
_GUARDED = re.compile(r"'[=+\-@\t\r]")
"""A comment that the report's page guards with an apostrophe, so that no spreadsheet runs it."""
DECISIONS_SCHEMA = Schema(
    (
        Column("series_hash"),
        Column(DECISION_COLUMN),
        Column(COMMENT_COLUMN, required=False),
    ),
    "it must be a file that the report exported, or a CSV with the columns series_hash and "
    "decision.",
    by_hand=True,
    delimiters=",;\t",  # what spreadsheets put between cells, by their language
)
"""What the report exports, or what people write."""
_DECISIONS = {str(decision): decision for decision in Decision}
_NAMED_MOST = 3


@dataclass(frozen=True, slots=True)
class Review:
    """What a person decided on one volume, and why."""

    series_hash: str
    decision: Decision
    comment: str = ""


def read_decisions(path: Path) -> dict[str, Review]:
    """The decisions of a file by series_hash; lines without a decision are left out.

    Raises:
        SettingsError: the file is missing or is neither form, or a line in it makes no sense.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")  # spreadsheets put a mark at the start
    except FileNotFoundError:
        raise SettingsError(
            f"the decisions file {path} does not exist; export it from the report, or leave "
            "decisions out."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"the decisions file {path} cannot be read ({error}).") from error
    is_json = text.lstrip()[:1] in ("{", "[")
    reviews: dict[str, Review] = {}
    for place, row in _json_rows(text, path) if is_json else _csv_rows(text, path):
        review = _review(row, f"{place} of {path}")
        if review is None:
            continue
        before = reviews.setdefault(review.series_hash, review)
        if before.decision != review.decision:
            raise SettingsError(
                f"{path} says both {before.decision} and {review.decision} for series_hash "
                f"{review.series_hash}; keep one of the lines."
            )
    return reviews


def apply_decisions(
    table: pd.DataFrame, reviews: Mapping[str, Review], path: Path | None
) -> pd.DataFrame:
    """The summary with the columns ``decision`` and ``comment``; rejected volumes lose their ok.

    A volume that failed stays ``failed``: there is nothing in it to reject.

    Args:
        table: rows of ``summary_columns.SummaryRow``.
        reviews: from ``read_decisions``; empty when there is no such file.
        path: of that file, for the error.

    Raises:
        SettingsError: a decision is about a volume that the table does not have.
    """
    unknown = sorted(set(reviews) - set(table["series_hash"]))
    if unknown:
        more = " and others" if len(unknown) > _NAMED_MOST else ""
        raise SettingsError(
            f"{path} decides on what is no volume of this run: series_hash "
            f"{', '.join(unknown[:_NAMED_MOST])}{more}; take those lines out, or name the file of "
            "these volumes as decisions."
        )
    out = table.copy()
    found = [reviews.get(series_hash) for series_hash in out["series_hash"]]
    out[DECISION_COLUMN] = [str(review.decision) if review else "" for review in found]
    out[COMMENT_COLUMN] = [review.comment if review else "" for review in found]
    rejected = (out[DECISION_COLUMN] == Decision.REJECT) & (out["status"] == Status.OK)
    out.loc[rejected, "status"] = str(Status.REJECTED)
    out.loc[rejected, "reason"] = str(Code.REJECTED_IN_REVIEW)
    out.loc[rejected, "error"] = [
        "the volume was rejected in review" + (f": {comment}" if comment else ".")
        for comment in out.loc[rejected, COMMENT_COLUMN]
    ]
    return out


def _json_rows(text: str, path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        content = json.loads(text)
    except ValueError as error:
        raise SettingsError(f"{path} is not valid JSON ({error}); export it again.") from error
    rows = content.get("decisions") if isinstance(content, dict) else content
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise SettingsError(f"{path} has no list of decisions; export it again from the report.")
    for number, row in enumerate(rows, 1):
        yield f"decision {number}", row


def _csv_rows(text: str, path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    table = parse_table(text, path, DECISIONS_SCHEMA)
    for line, row in zip(table.lines, table.rows(), strict=True):
        if _GUARDED.match(row[COMMENT_COLUMN]):
            row[COMMENT_COLUMN] = row[COMMENT_COLUMN][1:]
        yield f"line {line}", row


def _review(row: Mapping[str, Any], place: str) -> Review | None:
    """The decision of a line, None where it has none yet."""
    word = _text(row.get("decision")).lower()
    if not word:
        return None
    series_hash = _text(row.get("series_hash")).lower()
    if not _HASH.fullmatch(series_hash):
        raise SettingsError(
            f"{place} has '{series_hash}' as series_hash; it must be 32 hexadecimal digits."
        )
    decision = _DECISIONS.get(word)
    if decision is None:
        raise SettingsError(
            f"{place} has the decision '{word}'; it must be one of {', '.join(Decision)}, or empty."
        )
    return Review(series_hash, decision, _text(row.get("comment")))


def _text(value: Any) -> str:
    return " ".join(str(value).split()) if isinstance(value, str | int | float) else ""
