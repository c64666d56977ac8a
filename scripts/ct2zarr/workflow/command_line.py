"""The command that a person gave, changed into the one to give next."""

import shlex
import shutil
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

_ONE_STEP = {"--until", "-U", "--omit-from", "-O", "--forcerun", "-R", "--batch"}
"""Options that limit a run to some steps or repeat some; the words that follow belong to them."""

_FORCE = {"--force", "-f", "--forceall", "-F"}
_CONFIG = ("--config", "-C")


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A command line of Snakemake.

    Attributes
    ----------
    words
        Program and arguments, as in ``sys.argv``.
    targets
        Gives those of the words that are rules or files to make.
    """

    words: Sequence[str]
    targets: Callable[[], Collection[str]] = tuple

    def whole(self, *config: str) -> str:
        """The command that runs everything which is pending, with further values of the config."""
        words = self._without_steps()
        if new := [one for one in config if one not in words]:
            words = _with_config(words, new)
        return shlex.join([_program(self.words[0]), *words])

    def _without_steps(self) -> list[str]:
        kept: list[str] = []
        targets = self.targets()
        dropping = False
        for word in self.words[1:]:
            if word.startswith("-"):
                name = word.partition("=")[0]
                dropping = name in _ONE_STEP and "=" not in word
                if name in _ONE_STEP | _FORCE:
                    continue
            elif dropping or word in targets:
                continue
            kept.append(word)
        return kept


def _with_config(words: list[str], config: Sequence[str]) -> list[str]:
    """A second ``--config`` would replace the first, so its words are extended."""
    for place, word in enumerate(words):
        if word in _CONFIG:
            return [*words[: place + 1], *config, *words[place + 1 :]]
    return [*words, _CONFIG[0], *config]


def _program(started: str) -> str:
    """What a person types to start Snakemake."""
    name = Path(started).name
    if name != "snakemake":
        return "snakemake"  # as a module of Python
    found = shutil.which(name)
    is_found = found is not None and Path(started).exists() and Path(found).samefile(started)
    return name if is_found or started == name else started
