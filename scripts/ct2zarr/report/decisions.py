"""What people decided on volumes: read the file that the report exports, apply it to the summary.

A rejected volume gets the status ``rejected``; nothing of it is deleted, and a decision that is
removed from the file no longer counts. The file is CSV or JSON, as the page of the report saves
it, or written by hand with the columns ``series_hash`` and ``decision``.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..codes import Code
from ..errors import Private, SeriesError, SettingsError, sentence
from ..run.csv_tables import Column, Schema, parse_table
from ..vocabulary import Decision, Status
from .summary_table import JoinedRow

SCHEMA = Schema(
    (Column("series_hash"), Column("decision"), Column("comment", required=False)),
    advice=(
        "it must be a file that the report exported, or a CSV with the columns series_hash and "
        "decision"
    ),
    by_hand=True,
    delimiters=",;\t",  # spreadsheets choose one by their language
)
_HASH = re.compile(r"[0-9a-f]{32}")
_DECISIONS = {str(decision): decision for decision in Decision}
_NAMED_MOST = 3


@dataclass(frozen=True, slots=True)
class Review:
    """What a person decided on one volume, and why."""

    series_hash: str
    decision: Decision
    comment: str = ""


@dataclass(frozen=True, slots=True)
class _Entry:
    """An entry of the file: ``line`` of a CSV, or ``decision`` of a JSON list, with its number."""

    kind: str
    number: int
    values: Mapping[str, Any]


def read_decisions(path: Path) -> dict[str, Review]:
    """The decisions of a file by series_hash; entries without a decision are left out.

    Raises
    ------
    SettingsError
        The file is missing or has neither form, or an entry makes no sense.
    """
    text = _read_text(path)
    is_json = text.lstrip()[:1] in ("{", "[")
    reviews: dict[str, Review] = {}
    for entry in _json_entries(text, path) if is_json else _csv_entries(text, path):
        review = _review(entry, path)
        if review is None:
            continue
        before = reviews.setdefault(review.series_hash, review)
        if before.decision != review.decision:
            raise SettingsError(
                Code.SETTING_WRONG,
                "{path} has both {first} and {second} for series_hash {series_hash}; keep one of "
                "the lines",
                path=path,
                first=str(before.decision),
                second=str(review.decision),
                series_hash=review.series_hash,
            )
    return reviews


def apply_decisions(
    rows: Sequence[JoinedRow], reviews: Mapping[str, Review], path: Path | None
) -> list[JoinedRow]:
    """The rows with their decisions and comments; a rejected volume is no longer ``ok``.

    A volume that failed stays ``failed``: there is nothing in it to reject.

    Parameters
    ----------
    reviews
        From ``read_decisions``; empty when there is no such file.
    path
        Of that file, for the error.

    Raises
    ------
    SettingsError
        A decision is about a volume that is not among the rows.
    """
    unknown = sorted(set(reviews) - {row.series_hash for row in rows})
    if unknown:
        raise SettingsError(
            Code.SETTING_WRONG,
            "{path} decides on volumes that this run does not have: series_hash {unknown}; remove "
            "those lines, or set decisions to the file that belongs to these volumes",
            path=path,
            unknown=(
                *unknown[:_NAMED_MOST],
                *(("and others",) if len(unknown) > _NAMED_MOST else ()),
            ),
        )
    return [
        _reviewed(row, reviews[row.series_hash]) if row.series_hash in reviews else row
        for row in rows
    ]


def _reviewed(row: JoinedRow, review: Review) -> JoinedRow:
    row = replace(row, decision=str(review.decision), comment=review.comment)
    if review.decision is not Decision.REJECT or row.status != Status.OK:
        return row
    error = SeriesError(Code.REJECTED_IN_REVIEW, "the volume was rejected in review")
    public = sentence(error)
    if review.comment:
        error = SeriesError(
            Code.REJECTED_IN_REVIEW,
            "the volume was rejected in review: {comment}",
            comment=Private(review.comment),
        )
    return replace(
        row,
        status=str(Status.REJECTED),
        reason=str(error.code),
        code=str(error.code),
        error=sentence(error),
        error_public=public,
    )


# Reading --------------------------------------------------------------------------------------


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")  # spreadsheets put a mark at the start
    except FileNotFoundError:
        raise SettingsError(
            Code.INPUT_MISSING,
            "the decisions file {path} does not exist; export it from the report, or leave "
            "decisions empty",
            path=path,
        ) from None
    except UnicodeDecodeError as error:
        raise SettingsError(
            Code.INPUT_DAMAGED,
            "the decisions file {path} cannot be read: it is not text in UTF-8",
            path=path,
        ) from error
    except OSError as error:
        raise SettingsError(
            Code.INPUT_DAMAGED,
            "the decisions file {path} cannot be read: {cause}",
            path=path,
            cause=error.strerror,
        ) from error


def _json_entries(text: str, path: Path) -> Iterator[_Entry]:
    try:
        content = json.loads(text)
    except ValueError as error:
        raise SettingsError(
            Code.INPUT_DAMAGED,
            "{path} is not valid JSON ({cause}); export it again",
            path=path,
            cause=str(error),
        ) from error
    values = content.get("decisions") if isinstance(content, dict) else content
    if not isinstance(values, list) or not all(isinstance(one, dict) for one in values):
        raise SettingsError(
            Code.INPUT_DAMAGED,
            "{path} has no list of decisions; export it again from the report",
            path=path,
        )
    return (_Entry("decision", number, one) for number, one in enumerate(values, 1))


def _csv_entries(text: str, path: Path) -> Iterator[_Entry]:
    table = parse_table(text, path, SCHEMA)
    return (_Entry("line", *one) for one in zip(table.lines, table.rows(), strict=True))


def _review(entry: _Entry, path: Path) -> Review | None:
    """The decision of an entry; None where it has none yet."""
    word = _text(entry.values.get("decision")).lower()
    if not word:
        return None
    series_hash = _text(entry.values.get("series_hash")).lower()
    if not _HASH.fullmatch(series_hash):
        raise SettingsError(
            Code.SETTING_WRONG,
            "{kind} {number} of {path} has '{found}' as series_hash; it must be 32 hexadecimal "
            "digits",
            path=path,
            kind=entry.kind,
            number=entry.number,
            found=Private(series_hash),
        )
    decision = _DECISIONS.get(word)
    if decision is None:
        raise SettingsError(
            Code.SETTING_WRONG,
            "{kind} {number} of {path} has the decision '{found}'; it must be one of {allowed}, or "
            "empty",
            path=path,
            kind=entry.kind,
            number=entry.number,
            found=Private(word),
            allowed=tuple(map(str, Decision)),
        )
    return Review(series_hash, decision, _text(entry.values.get("comment")))


def _text(value: object) -> str:
    return " ".join(str(value).split()) if isinstance(value, str | int | float) else ""
