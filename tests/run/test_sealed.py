"""A table and the JSON beside it are as they were written, or reading them is an error."""

import random
import subprocess
from pathlib import Path

import pytest

from ct2zarr.codes import Code
from ct2zarr.errors import MachineError, SettingsError
from ct2zarr.run.paths import TablePaths
from ct2zarr.run.sealed import (
    SEAL,
    TABLE_MD5,
    check_file,
    check_table,
    read_sealed,
    sealed_json,
    write_table,
)

CONTENT = {"totals": {"volumes": 2}, "text": 'ä "quoted", \\ and \ud7ff', "none": None, "list": []}
TABLE = "series_hash,status\n0,ok\n1,failed\n"
ADVICE = "write it again"
FLIPS = 300


@pytest.fixture
def files(tmp_path) -> TablePaths:
    return TablePaths(tmp_path / "a.csv", tmp_path / "a.json")


def error_of(path: Path) -> SettingsError:
    with pytest.raises(SettingsError) as raised:
        read_sealed(path, ADVICE)
    return raised.value


@pytest.mark.parametrize("content", [CONTENT, {"a": 1}])
def test_content_comes_back_with_its_seal_at_the_end(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_text(sealed_json(content))
    found = read_sealed(path, ADVICE)
    assert list(found) == [*content, SEAL]
    assert {name: found[name] for name in content} == content


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "1", "{}", '{"a": 1}', "[" * 100_000, '{"a": 1}\n', "\x00"]
)
def test_what_has_no_seal_is_an_error_that_names_the_file(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_text(text)
    error = error_of(path)
    assert (error.code, error.path) == (Code.INPUT_DAMAGED, str(path))
    assert ADVICE in str(error)


def test_a_file_that_is_not_there_or_cannot_be_read_has_its_own_code(tmp_path):
    assert error_of(tmp_path / "a.json").code is Code.INPUT_MISSING
    assert error_of(tmp_path).code is Code.INPUT_DAMAGED  # a folder
    with pytest.raises(SettingsError) as raised:
        check_file(tmp_path / "a.csv", "0", ADVICE)
    assert raised.value.code is Code.INPUT_MISSING
    with pytest.raises(SettingsError) as raised:
        check_file(tmp_path, "0", ADVICE)
    assert raised.value.code is Code.INPUT_DAMAGED


def test_what_stands_behind_the_seal_or_before_it_is_noticed(tmp_path):
    path = tmp_path / "a.json"
    text = sealed_json(CONTENT)
    changed = (text + " ", " " + text, text.replace("\n", "\r\n"), text[:-1], text.upper())
    for other in changed:
        path.write_bytes(other.encode())
        assert error_of(path).code is Code.INPUT_DAMAGED


def test_a_table_has_the_md5_that_its_json_states(files):
    write_table(files, TABLE, CONTENT)
    content = check_table(files, ADVICE)
    assert content["totals"] == CONTENT["totals"]
    told = subprocess.run(
        ["md5sum", "--check", "-"],
        input=f"{content[TABLE_MD5]}  {files.table}\n",
        text=True,
        capture_output=True,
    )
    assert told.returncode == 0, told.stderr
    check_file(files.table, content[TABLE_MD5], ADVICE)


def test_text_that_is_no_utf_8_has_the_md5_of_its_bytes(files):
    write_table(files, "a\n\udcff\n", {})
    check_table(files, ADVICE)
    assert files.table.read_bytes() == b"a\n\\udcff\n"


@pytest.mark.parametrize("name", ["table", "totals"])
def test_any_flipped_bit_is_an_error(files, name):
    write_table(files, TABLE, CONTENT)
    path = getattr(files, name)
    whole = path.read_bytes()
    choose = random.Random(name)
    for _ in range(FLIPS):
        place, bit = choose.randrange(len(whole)), choose.randrange(8)
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << bit]) + whole[place + 1 :])
        with pytest.raises(SettingsError) as raised:
            check_table(files, ADVICE)
        assert (raised.value.code, raised.value.path) == (Code.INPUT_DAMAGED, str(path))
    path.write_bytes(whole)
    check_table(files, ADVICE)


def test_the_json_of_another_table_does_not_fit(files, tmp_path):
    other = TablePaths(tmp_path / "b.csv", tmp_path / "b.json")
    write_table(files, TABLE, CONTENT)
    write_table(other, TABLE + "2,ok\n", CONTENT)
    check_table(other, ADVICE)
    with pytest.raises(SettingsError):
        check_table(TablePaths(files.table, other.totals), ADVICE)
    files.totals.write_text(sealed_json(CONTENT))  # sealed, and of no table
    with pytest.raises(SettingsError):
        check_table(files, ADVICE)


def test_a_table_is_never_beside_the_json_of_another(files):
    """Whatever stops the writing, what is left is a whole pair or no table."""
    write_table(files, TABLE, CONTENT)
    files.totals.unlink()
    files.totals.mkdir()
    with pytest.raises(MachineError):
        write_table(files, TABLE + "2,ok\n", CONTENT)
    assert not files.table.exists()


def test_a_folder_that_refuses_writing_is_a_fault_of_the_machine(tmp_path):
    files = TablePaths(tmp_path / "gone" / "a.csv", tmp_path / "gone" / "a.json")
    with pytest.raises(MachineError):
        write_table(files, TABLE, {})


def test_a_number_that_is_not_json_is_not_written(files):
    with pytest.raises(ValueError, match="JSON"):
        write_table(files, TABLE, {"a": float("nan")})
    assert not files.totals.exists()
