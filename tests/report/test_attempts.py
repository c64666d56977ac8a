"""A part that fails is left out with a code; a fault of the machine ends the job."""

import errno
from collections.abc import Callable

import pytest

from ct2zarr.codes import Code
from ct2zarr.errors import MachineError, Private, SeriesError
from ct2zarr.report.attempts import Problem, attempt


def test_what_the_machine_lacks_is_no_problem_of_a_volume() -> None:
    def fails(error: Exception) -> Callable[[], None]:
        def make() -> None:
            raise error

        return make

    for error in (OSError(errno.EMFILE, "Too many open files"), MemoryError()):
        problems: list[Problem] = []
        with pytest.raises(MachineError):
            attempt("It", fails(error), None, problems)
        assert not problems
    found: list[Problem] = []
    assert attempt("It", fails(PermissionError(errno.EACCES, "x")), "other", found) == "other"
    assert found == [Problem("bad", "unreadable", f"It: {Code.UNREADABLE.sentence}.")]


def test_a_part_that_fails_is_named_with_its_code_and_without_private_facts() -> None:
    def fails(error: Exception) -> Callable[[], None]:
        def make() -> None:
            raise error

        return make

    problems: list[Problem] = []
    known = SeriesError(Code.NO_GEOMETRY, "{name} lies nowhere", name=Private("DOE^JANE"))
    for error in (
        known,
        FileNotFoundError("/data/DOE"),
        ZeroDivisionError("DOE"),
        RecursionError(),
    ):
        assert attempt("It cannot be shown", fails(error), 7, problems) == 7
    assert [one.code for one in problems] == [
        "no_geometry", "file_missing", "unexpected_error", "unexpected_error",
    ]  # fmt: skip
    assert problems[0].sentence == "It cannot be shown: [removed] lies nowhere."
    assert not [one for one in problems if "DOE" in one.sentence or one.level != "bad"]
    with pytest.raises(MachineError):
        attempt("It", fails(MachineError(Code.MACHINE, "full")), 7, problems)
    assert len(problems) == 4
    assert attempt("It", lambda: 3, None, problems) == 3
