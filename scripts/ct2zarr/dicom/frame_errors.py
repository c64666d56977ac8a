"""Errors of one frame, and messages of other packages in them."""

from ..codes import Code
from ..errors import Fact, FileError
from ..model import Frame


def frame_error(frame: Frame, code: Code, template: str, **facts: Fact) -> FileError:
    """An error of one frame, whose ``{file}`` names the frame where the file has several."""
    number = frame.frame_number if frame.frames > 1 else None
    return FileError(code, template, path=frame.path, frame=number, **facts)


def one_line(error: Exception) -> str:
    """The message of another package's error, shortened to one line."""
    return " ".join(str(error).split())[:120] or type(error).__name__
