"""Parts of the page that one odd volume may spoil: the part is left out, and the page says why.

A fault of the machine is none of the volume's: it ends the job, as everywhere.
"""

import errno
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from ..codes import Code
from ..errors import Ct2zarrError, MachineError, sentence

logger = logging.getLogger(__name__)

Part = TypeVar("Part")
Substitute = TypeVar("Substitute")

_OF_THE_MACHINE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC, errno.EDQUOT})
"""Errors that say nothing about the file that was read."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a part is not shown; ``bad`` where the volume may be damaged, ``look`` otherwise."""

    level: str
    code: str
    sentence: str


def attempt(
    what: str, make: Callable[[], Part], otherwise: Substitute, problems: list[Problem]
) -> Part | Substitute:
    """What ``make`` returns; ``otherwise``, and a problem more, where it fails.

    Parameters
    ----------
    what
        The start of the sentence, such as ``The pictures cannot be shown``.

    Raises
    ------
    MachineError
        The machine is at fault.
    """
    try:
        return make()
    except MachineError:
        raise
    except MemoryError as error:
        raise MachineError(
            Code.MACHINE, "there is not enough memory to make the report; give the job more"
        ) from error
    except Ct2zarrError as error:
        problem = Problem("bad", str(error.code), sentence(error, private=False))
    except OSError as error:
        if error.errno in _OF_THE_MACHINE:
            raise MachineError(
                Code.MACHINE,
                "the report cannot be made: {cause}; make sure that the job may open enough files "
                "and has enough memory, then start it again",
                cause=error.strerror or type(error).__name__,
            ) from error
        code = Code.FILE_MISSING if isinstance(error, FileNotFoundError) else Code.UNREADABLE
        problem = Problem("bad", str(code), code.sentence)
    except Exception:
        # The one place for what nobody foresaw: a page without one picture is better than none.
        logger.exception("%s", what)
        code = Code.UNEXPECTED_ERROR
        problem = Problem("bad", str(code), code.sentence)
    problems.append(Problem(problem.level, problem.code, f"{what}: {problem.sentence}."))
    return otherwise
