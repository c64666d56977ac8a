"""What the page says of files beyond volumes: those not read, their roles, stores of no plan."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..model import Json
from ..run.paths import META_FOLDER, RECORD_ENDING
from ..vocabulary import Role
from .overview import Bar, BarGroup
from .sentences import MOST_OF_TEXT, shorten
from .summary_table import JoinedRow

NAMED_MOST = 100
"""Volumes of no plan that the page names; more are only counted."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A line at the top of the page, before everything else.

    Attributes
    ----------
    level
        ``bad`` where planes may be missing, else ``look``.
    remedy
        What to do about it.
    hashes
        The volumes that it is about.
    """

    level: str
    sentence: str
    remedy: str
    hashes: tuple[str, ...] = ()


def unread_notices(account: Mapping[str, Json]) -> tuple[Notice, ...]:
    """What was not read, why, and what to do.

    Parameters
    ----------
    account
        Of the manifest, as ``summary_all.json`` has it; empty where the manifest is not known.
    """
    notices = []
    causes = account.get("unread")
    for cause in causes if isinstance(causes, list) else []:
        if isinstance(cause, Mapping):
            sentence = shorten(str(cause.get("sentence")), MOST_OF_TEXT)
            remedy = shorten(str(cause.get("remedy")), MOST_OF_TEXT)
            notices.append(Notice("bad", f"Not read: {sentence}", _as_sentence(remedy)))
    count = account.get("unreadable_series")
    if isinstance(count, int) and count:
        what = "1 series" if count == 1 else f"{count:,} series"
        rows = "It is a row" if count == 1 else "They are rows"
        notices.append(
            Notice(
                "bad",
                f"No file of {what} can be read",
                f"{rows} with status failed below. Copy the files from their source again.",
            )
        )
    return tuple(notices)


def file_bars(account: Mapping[str, Json]) -> BarGroup | None:
    """All files that were found, by role: the counts add up to their number."""
    roles, found = account.get("roles"), account.get("files_found")
    if not isinstance(roles, Mapping) or not isinstance(found, int):
        return None
    counts = {role: roles.get(role) for role in Role}
    known = {role: count for role, count in counts.items() if isinstance(count, int) and count}
    longest = max(known.values(), default=1)
    bars = [
        Bar(str(role), count, 100 * count / longest, _level(role), role.sentence)
        for role, count in known.items()
    ]
    total = sum(known.values())
    equal = "=" if total == found else "is not"
    return BarGroup(f"Files found: {found:,} {equal} the sum of all roles", tuple(bars))


def unplanned_notices(root: Path, rows: Sequence[JoinedRow]) -> tuple[Notice, ...]:
    """Volumes whose records lie below ``root`` (``zarr_{store}``), but that no row names."""
    planned = {row.series_hash for row in rows}
    names = (path.name for path in (root / META_FOLDER).glob(f"*{RECORD_ENDING}"))
    gone = sorted(
        {name.removesuffix(RECORD_ENDING) for name in names if not name.startswith(".")} - planned
    )
    if not gone:
        return ()
    what = "1 volume is" if len(gone) == 1 else f"{len(gone):,} volumes are"
    return (
        Notice(
            "look",
            f"{what} no longer planned: the series has gone from the source, or is divided or "
            "identified otherwise now",
            "The stores are kept. `snakemake tidy` lists and removes what no manifest names.",
            tuple(gone[:NAMED_MOST]),
        ),
    )


def _level(role: Role) -> str:
    return "bad" if role is Role.UNREADABLE else ""


def _as_sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
