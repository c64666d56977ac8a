"""The family of errors: what is wrong with a file, a series, the settings or the machine.

An error carries data: a code, the file and frame that it concerns, and facts as fields. Its
sentence for users is rendered from them by ``sentence``, with or without what may identify a
patient, so no caller takes a sentence apart or completes it. Only ``SettingsError`` and
``MachineError`` stop a job; the others become rows in the account.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias, Union

from .codes import Code
from .visible_text import visible


class Private(str):
    """Text of a header, a file name or another program, which may identify a patient."""

    __slots__ = ()


Fact: TypeAlias = Union[
    bool, int, float, str, Path, Private, "Ct2zarrError", tuple["Fact", ...], None
]
"""What an error may state. A ``Path`` and ``Private`` text are left out of what is passed on;
any other text has to be a word of ct2zarr, of DICOM or of the settings."""


class Ct2zarrError(Exception):
    """Base of all errors that ct2zarr raises on purpose.

    Parameters
    ----------
    code
        What is wrong, for tables and decisions.
    template
        The whole sentence, with a field in braces for each fact. ``{path}`` is the file that the
        error concerns, ``{file}`` its name with the frame of a multi-frame file.
    path
        File or folder that the error concerns.
    frame
        Number of the frame, from 1, where the file has several.
    facts
        What the sentence states, by the names of its fields.
    """

    exit_code = 1

    def __init__(
        self,
        code: Code,
        template: str,
        /,
        *,
        path: str | Path | None = None,
        frame: int | None = None,
        **facts: Fact,
    ) -> None:
        super().__init__(code, template)
        self.code = code
        self.template = template
        self.path = None if path is None else str(path)
        self.frame = frame
        self.facts: Mapping[str, Fact] = facts

    def __str__(self) -> str:
        return sentence(self)

    def __reduce__(self) -> tuple[Any, ...]:
        # Everything is in __dict__; the two positional arguments are all that __init__ demands.
        return _rebuild, (type(self), self.code, self.template), self.__dict__


def _rebuild(kind: type[Ct2zarrError], code: Code, template: str) -> Ct2zarrError:
    error = kind.__new__(kind, code, template)
    Exception.__init__(error, code, template)
    return error


class FileError(Ct2zarrError):
    """One file cannot be read or decoded."""


class SeriesError(Ct2zarrError):
    """One volume cannot be converted."""


class VerificationError(SeriesError):
    """A finished store does not agree with its source."""


class SettingsError(Ct2zarrError):
    """A setting is missing or wrong; nothing can start."""

    exit_code = 2


class DamageError(Ct2zarrError):
    """An audit found volumes that are not as they were written."""

    exit_code = 4


class MachineError(Ct2zarrError):
    """The disk is full, a folder is not writable, a service is away: the job cannot go on."""

    exit_code = 3


def sentence(error: Ct2zarrError, *, private: bool = True) -> str:
    """The sentence of an error for users, without hidden characters of what it names.

    Parameters
    ----------
    private
        Whether names of files and text from headers may be in it. Without them the sentence may be
        passed on: files are ``[file]``, other paths ``[path]``, texts ``[removed]``.
    """
    fields = {name: _shown(fact, private) for name, fact in error.facts.items()}
    if error.path is not None:
        path = visible(error.path) if private else "[file]"
        name = path.rpartition("/")[2]
        fields["path"] = path
        fields["file"] = name if error.frame is None else f"{name} (frame {error.frame})"
    return error.template.format_map(fields)


def _shown(fact: Fact, private: bool) -> bool | int | float | str:
    if isinstance(fact, Ct2zarrError):
        return sentence(fact, private=private)
    if isinstance(fact, tuple):  # errors are whole sentences: a line each
        separator = "\n" if any(isinstance(one, Ct2zarrError) for one in fact) else ", "
        return separator.join(str(_shown(one, private)) for one in fact)
    if isinstance(fact, int | float):
        return fact  # a template may say how many digits
    if not private and isinstance(fact, Path):
        return "[path]"
    if not private and isinstance(fact, Private):
        return "[removed]"
    return visible(str(fact))
