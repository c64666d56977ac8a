"""An error renders its sentence from its facts, with or without what may identify a patient."""

import pickle
from pathlib import Path

import pytest

from ct2zarr.codes import Code
from ct2zarr.errors import (
    Ct2zarrError,
    DamageError,
    FileError,
    MachineError,
    Private,
    SeriesError,
    SettingsError,
    sentence,
)

DOE = "/data/DOE^JANE/IM 7.dcm"


def truncated(**others):
    return FileError(
        Code.TRUNCATED,
        "{file} in {folder} has {found:,} bytes; {due:,} were expected, says {reader}: {said}.",
        path=DOE,
        folder=Path("/data/DOE^JANE"),
        found=12_000,
        due=24_000,
        reader="gdcm",
        said=Private("cannot read DOE^JANE"),
        **others,
    )


def test_a_sentence_states_the_facts_in_the_form_that_its_template_asks_for():
    assert str(truncated()) == (
        "IM 7.dcm in /data/DOE^JANE has 12,000 bytes; 24,000 were expected, says gdcm: "
        "cannot read DOE^JANE."
    )


def test_the_frame_of_a_multi_frame_file_is_named_with_the_file():
    error = FileError(Code.TRUNCATED, "{file} or {path}.", path=DOE, frame=3)
    assert str(error) == f"IM 7.dcm (frame 3) or {DOE}."
    assert (error.path, error.frame) == (DOE, 3)


def test_a_sentence_without_private_facts_names_no_file_and_no_text_of_others():
    assert sentence(truncated(), private=False) == (
        "[file] in [path] has 12,000 bytes; 24,000 were expected, says gdcm: [removed]."
    )


def test_a_cause_is_rendered_as_the_sentence_around_it():
    outer = SeriesError(Code.CANNOT_DECODE, "It fails: {cause}", cause=truncated())
    assert "DOE^JANE" in str(outer)
    public = sentence(outer, private=False)
    assert "DOE" not in public
    assert public.startswith("It fails: [file] in [path] has 12,000")


def test_each_of_several_facts_is_removed_by_its_own_kind():
    error = SeriesError(
        Code.SOURCE_GONE, "{names}", names=(Path("/data/DOE"), Private("JANE"), "KVP", 3)
    )
    assert str(error) == "/data/DOE, JANE, KVP, 3"
    assert sentence(error, private=False) == "[path], [removed], KVP, 3"


def test_an_error_keeps_its_data_on_its_way_between_processes():
    error = pickle.loads(pickle.dumps(truncated(frame=2)))
    assert type(error) is FileError
    assert (error.code, error.path, error.frame) == (Code.TRUNCATED, DOE, 2)
    assert error.facts == truncated().facts
    assert isinstance(error.facts["said"], Private)
    assert sentence(error, private=False) == sentence(truncated(frame=2), private=False)


@pytest.mark.parametrize(
    ("kind", "exit_code"),
    [(Ct2zarrError, 1), (SettingsError, 2), (MachineError, 3), (DamageError, 4)],
)
def test_the_kind_of_an_error_determines_the_exit_code(kind, exit_code):
    assert kind(Code.MACHINE, "It fails.").exit_code == exit_code


def test_a_volume_and_a_file_do_not_stop_a_job_as_the_machine_does():
    for kind in (FileError, SeriesError):
        error = kind(Code.TRUNCATED, "It fails.")
        assert not isinstance(error, SettingsError | MachineError)


def test_the_frame_is_named_where_the_file_may_not_be():
    assert sentence(truncated(frame=2), private=False).startswith("[file] (frame 2) in [path] has")


def test_a_template_says_how_many_digits_a_number_has():
    error = SeriesError(Code.TIMEOUT, "It took longer than {limit:g} s.", limit=2.0)
    assert sentence(error, private=False) == str(error) == "It took longer than 2 s."


def test_what_a_sentence_names_can_neither_break_its_line_nor_rewrite_a_terminal():
    error = FileError(
        Code.TRUNCATED,
        "{path}: {file} says {said} of {many}\nand ends",
        path="/a\nb/\x1b[2J.dcm",
        said=Private("\u202eDOE"),
        many=("x\ty", "\x9b"),
    )
    assert str(error) == (
        r"/a\x0ab/\x1b[2J.dcm: \x1b[2J.dcm says \u202eDOE of x\x09y, \x9b" + "\nand ends"
    )
