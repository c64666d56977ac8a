"""The family of errors: what is wrong with a file, a series, the settings or the machine.

The message of each is one sentence for users that names the file, series or setting and says
what to do. Only ``SettingsError`` and ``MachineError`` stop a job; the others become rows in the
account.
"""


class Ct2zarrError(Exception):
    """Base of all errors that ct2zarr raises on purpose.

    Attributes:
        reason: a short code for tables, such as ``cannot_decode``.
    """

    exit_code = 1

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (str(self), self.reason)


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
