"""What the page says of files beyond volumes: those not read, their roles, stores of no plan."""

from collections.abc import Mapping
from dataclasses import dataclass

from ..model import Json
from ..vocabulary import Role
from .overview import Bar, BarGroup
from .sentences import MOST_OF_TEXT, shorten


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


def unplanned_notices(unplanned: object) -> tuple[Notice, ...]:
    """Volumes among the results that the manifest does not name.

    Parameters
    ----------
    unplanned
        ``no_longer_planned`` of ``summary_all.json``; None where there is no such file.
    """
    count = unplanned.get("volumes") if isinstance(unplanned, Mapping) else None
    if not isinstance(unplanned, Mapping) or not isinstance(count, int) or not count:
        return ()
    names = unplanned.get("series_hash")
    hashes = tuple(str(one) for one in names) if isinstance(names, list) else ()
    what = "1 volume is" if count == 1 else f"{count:,} volumes are"
    return (
        Notice(
            "look",
            f"{what} no longer planned: the series has gone from the source, or is divided or "
            "identified otherwise now",
            "The stores are kept. `snakemake tidy` lists and removes what no manifest names.",
            hashes,
        ),
    )


def _level(role: Role) -> str:
    return "bad" if role is Role.UNREADABLE else ""


def _as_sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
