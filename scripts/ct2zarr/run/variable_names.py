"""Environment variables that are misspelt: near misses of a setting that is not set.

A variable of another program must never stop a script, so a name counts as a misspelling only where
three things are true: it differs from a variable of the script in case or underscores, by one
letter, or, in a long name, by two letters that are left out or added; that variable is not set
itself; and no script of ct2zarr has a variable of the name.
"""

from collections.abc import Iterable, Mapping

from ..codes import Code
from ..errors import Private, SettingsError
from .dataset_roots import ROOT_VARIABLE
from .option_values import variables_of
from .options import OPTIONS

SHORTEST = 7
"""Shorter names, such as VALUES, are too common to be compared."""

TWO_LETTERS_FROM = 9
"""Number of letters of a name in which two may be left out."""

DATASET_NUMBERS = range(1, 10)


def check_variables(environ: Mapping[str, str], record: type) -> None:
    """Refuse variables that are misspelt names of settings.

    Parameters
    ----------
    record
        The settings of the script.

    Raises
    ------
    SettingsError
        A variable is nearly one of the script's, which is not set.
    """
    ours = {option.variable for option in variables_of(record)}
    if "DATASET_V1_ROOT" in ours:
        ours |= {f"DATASET_V{number}_ROOT" for number in DATASET_NUMBERS}
    unset = sorted(name for name in ours if not environ.get(name) and len(name) >= SHORTEST)
    known = {option.variable for option in OPTIONS.values()}
    for name in sorted(environ):
        if name in known or ROOT_VARIABLE.fullmatch(name):
            continue
        meant = _nearest(name, unset)
        if meant is not None:
            raise SettingsError(
                Code.SETTING_WRONG,
                "{name} is not a setting: did you mean {meant}?",
                name=Private(name),
                meant=meant,
            )


def _nearest(name: str, candidates: Iterable[str]) -> str | None:
    """The candidate that a name is a misspelling of."""
    close = [one for one in candidates if is_near(name, one)]
    return min(close, key=lambda one: abs(len(one) - len(name))) if close else None


def is_near(name: str, known: str) -> bool:
    """Whether ``name`` is a likely misspelling of ``known``."""
    given, meant = (one.upper().replace("_", "").replace("-", "") for one in (name, known))
    if given == meant or _one_letter_apart(given, meant):
        return True
    short, long = sorted((given, meant), key=len)
    few = 0 < len(long) - len(short) <= 2 and len(meant) >= TWO_LETTERS_FROM
    letters_only = not any(letter.isdigit() for letter in meant)  # DATASET_ROOT is a common name
    return few and letters_only and given[0] == meant[0] and _is_part_of(short, long)


def _one_letter_apart(one: str, other: str) -> bool:
    """Whether one letter is left out, added or replaced, or two neighbours change places."""
    short, long = sorted((one, other), key=len)
    start = next((i for i, pair in enumerate(zip(short, long, strict=False)) if pair[0] != pair[1]),
                 len(short))  # fmt: skip
    if len(long) - len(short) == 1:
        return short[start:] == long[start + 1 :]
    if len(long) != len(short):
        return False
    swapped = short[start : start + 2] == long[start : start + 2][::-1]
    return short[start + 1 :] == long[start + 1 :] or (
        swapped and short[start + 2 :] == long[start + 2 :]
    )


def _is_part_of(short: str, long: str) -> bool:
    """Whether the letters of ``short`` are in ``long`` in their order."""
    rest = iter(long)
    return all(letter in rest for letter in short)
