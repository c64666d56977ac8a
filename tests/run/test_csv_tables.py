"""The one reader and writer of CSV tables: types, errors with their place, and round trips."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from ct2zarr.codes import Code
from ct2zarr.errors import SettingsError, sentence
from ct2zarr.run.csv_tables import (
    BLOCK_ROWS,
    Column,
    CsvTable,
    Schema,
    columns_of,
    parse_table,
    read_records,
    read_table,
    records_to_csv,
    rows_to_csv,
)

ADVICE = "make it again."


@dataclass(frozen=True)
class Measured:
    name: str
    count: int
    mass: float | None
    whole: bool
    checked: bool | None = None


SCHEMA = Schema(columns_of(Measured, allowed={"name": ("a", "b")}), ADVICE)
TEXT = "name,count,mass,whole,checked\na,1,0.5,true,\nb,-2,,false,true\n"


def parse(text: str, schema: Schema = SCHEMA) -> CsvTable:
    return parse_table(text, Path("folder/table.csv"), schema)


def error_of(text: str, schema: Schema = SCHEMA) -> SettingsError:
    with pytest.raises(SettingsError) as raised:
        parse(text, schema)
    return raised.value


def facts_of(error: SettingsError) -> Mapping[str, object]:
    return {name: fact for name, fact in error.facts.items() if name != "advice"}


def test_cells_have_the_type_of_their_field() -> None:
    table = parse(TEXT)

    assert list(table.rows()) == [
        {"name": "a", "count": 1, "mass": 0.5, "whole": True, "checked": None},
        {"name": "b", "count": -2, "mass": None, "whole": False, "checked": True},
    ]
    assert [type(value) for value in table.columns["count"]] == [int, int]
    assert table.header == ("name", "count", "mass", "whole", "checked")
    assert list(table.lines) == [2, 3]
    assert len(table) == 2


def test_records_are_written_and_read_back(tmp_path: Path) -> None:
    records = [Measured("a", 3, 0.1, True), Measured("b", 0, 1e-7, False, True)]
    path = tmp_path / "table.csv"
    path.write_text(records_to_csv(SCHEMA, records), encoding="utf-8")

    assert path.read_text() == (
        "name,count,mass,whole,checked\na,3,0.1,true,\nb,0,1e-07,false,true\n"
    )
    assert read_records(path, SCHEMA, Measured) == records


def test_texts_keep_quotes_line_breaks_and_spaces() -> None:
    schema = Schema((Column("text"), Column("other")), ADVICE)
    rows = [{"text": ' a "b",\r\nc  d ', "other": "é;"}]

    assert list(parse(rows_to_csv(schema, rows), schema).rows()) == rows


def test_a_schema_of_one_line_texts_joins_lines_and_escapes_stray_bytes() -> None:
    schema = Schema((Column("text"),), ADVICE, one_line=True)

    assert rows_to_csv(schema, [{"text": "a\n b\udce4"}]) == "text\na b\\udce4\n"


@pytest.mark.parametrize(
    ("line", "column", "kind"),
    [
        ("a,1.5,,true,", "count", "a whole number"),
        ("a,,,true,", "count", "a whole number"),
        (f"a,1{0:0400},,true,", "count", "a whole number"),
        ("a,1,heavy,true,", "mass", "a number"),
        ("a,1,1e400,true,", "mass", "a number"),
        ("a,1,nan,true,", "mass", "a number"),
        ("a,1,inf,true,", "mass", "a number"),
        ("a,1,,yes,", "whole", "true or false"),
        ("a,1,,,", "whole", "true or false"),
        ("a,1,,true,True", "checked", "true or false"),
        ("c,1,,true,", "name", "a, b"),
        (",1,,true,", "name", "a, b"),
    ],
)
def test_a_wrong_cell_is_an_error_with_its_line_and_column(
    line: str, column: str, kind: str
) -> None:
    error = error_of(TEXT + line + "\n" + TEXT.splitlines()[1] + "\n")

    assert error.code is Code.INPUT_DAMAGED
    assert error.path == "folder/table.csv"
    assert (error.facts["line"], error.facts["column"], error.facts["kind"]) == (4, column, kind)


def test_the_content_of_a_wrong_cell_is_private() -> None:
    error = error_of("name,count,mass,whole,checked\na,DOE^JANE,,true,\n")

    assert str(error) == (
        "folder/table.csv has 'DOE^JANE' as count on line 2, which is not a whole number; "
        "make it again."
    )
    assert sentence(error, private=False) == (
        "[file] has [removed] as count on line 2, which is not a whole number; make it again."
    )


def test_lines_count_those_within_quotes_and_blank_ones() -> None:
    schema = Schema((Column("text"), Column("count", int)), ADVICE)

    assert list(parse('text,count\n"a\nb",1\n\nc,2\n', schema).lines) == [3, 5]
    assert error_of('text,count\n"a\nb",1\n\nc,x\n', schema).facts["line"] == 5


@pytest.mark.parametrize(("line", "found"), [("a,1,,true", 4), ("a,1,,true,,", 6)])
def test_a_line_of_another_length_is_an_error(line: str, found: int) -> None:
    assert facts_of(error_of(TEXT + line)) == {"line": 4, "found": found, "due": 5}


def test_a_missing_column_is_named() -> None:
    error = error_of("name,mass,checked\n")

    assert error.facts["column"] == ("count", "whole")
    assert str(error) == "folder/table.csv lacks the column count, whole; make it again."


def test_a_column_that_stands_twice_is_an_error_where_it_is_read() -> None:
    schema = Schema((Column("a"),), ADVICE)

    assert error_of("a,b,a\n", schema).facts["column"] == ("a",)
    assert parse("a,b,b\n1,2,3\n", schema).columns == {"a": ["1"]}


def test_an_absent_optional_column_is_empty() -> None:
    columns = (Column("a"), Column("b", required=False), Column("c", int, required=False))
    table = parse("a\n1\n2\n", Schema(columns, ADVICE))

    assert table.columns == {"a": ["1", "2"], "b": ["", ""], "c": [None, None]}
    assert table.header == ("a",)


def test_columns_that_are_not_declared_are_read_only_where_the_schema_says_so() -> None:
    columns = (Column("b", int),)

    assert parse("a,b,c\n1,2,3\n", Schema(columns, ADVICE)).columns == {"b": [2]}
    assert parse("a,b,c\n1,2,3\n", Schema(columns, ADVICE, others=True)).columns == {
        "b": [2],
        "a": ["1"],
        "c": ["3"],
    }


def test_a_table_by_hand_may_have_spaces_and_stray_quotes_and_semicolons() -> None:
    columns = (Column("a"), Column("b"))
    text = ' a ; b\n x ; "y"z \n'

    by_hand = Schema(columns, ADVICE, by_hand=True, delimiters=",;\t")
    assert list(parse(text, by_hand).rows()) == [{"a": "x", "b": '"y"z'}]
    assert list(parse('a;b\nx;"y"z\n', by_hand).rows()) == [{"a": "x", "b": "yz"}]
    assert error_of('a,b\nx,"y"z\n', Schema(columns, ADVICE)).facts["line"] == 2


def test_the_mark_of_spreadsheets_is_ignored_in_tables_by_hand_alone(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(b"\xef\xbb\xbfa\n1\n")

    assert read_table(path, Schema((Column("a"),), ADVICE, by_hand=True)).columns == {"a": ["1"]}
    with pytest.raises(SettingsError, match="lacks the column a"):
        read_table(path, Schema((Column("a"),), ADVICE))


def test_an_empty_file_a_missing_one_and_other_bytes_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    with pytest.raises(SettingsError, match="does not exist") as raised:
        read_table(path, SCHEMA)
    assert raised.value.code is Code.INPUT_MISSING

    path.touch()
    with pytest.raises(SettingsError, match="is empty") as raised:
        read_table(path, SCHEMA)
    assert raised.value.code is Code.INPUT_DAMAGED

    path.write_bytes(TEXT.encode() + b"\xff")
    with pytest.raises(SettingsError, match="is not text in UTF-8") as raised:
        read_table(path, SCHEMA)
    assert raised.value.code is Code.INPUT_DAMAGED

    with pytest.raises(SettingsError, match="cannot be read: Is a directory") as raised:
        read_table(tmp_path, SCHEMA)
    assert raised.value.code is Code.INPUT_DAMAGED


def test_a_quote_that_is_never_closed_is_an_error() -> None:
    assert error_of(TEXT + 'a,1,,true,"').facts["line"] == 4


def test_rows_of_several_blocks_stay_in_order_and_keep_their_lines() -> None:
    schema = Schema((Column("n", int), Column("even", bool)), ADVICE)
    count = 2 * BLOCK_ROWS + 1
    rows = [{"n": n, "even": n % 2 == 0} for n in range(count)]
    text = rows_to_csv(schema, rows)

    table = parse(text, schema)
    assert list(table.rows()) == rows
    assert list(table.lines) == list(range(2, count + 2))
    assert error_of(text + "x,true\n", schema).facts["line"] == count + 2


def test_long_cells_are_read_and_the_limit_of_the_process_stays() -> None:
    schema = Schema((Column("a"),), ADVICE)
    limit = csv.field_size_limit()
    long = "x" * (limit + 1)

    assert parse(f"a\n{long}\n", schema).columns == {"a": [long]}
    error_of("b\n", schema)
    assert csv.field_size_limit() == limit


def test_cells_are_separated_by_what_the_first_line_has_most_of() -> None:
    columns = (Column("a,b"), Column("c"))
    by_hand = Schema(columns, ADVICE, by_hand=True, delimiters=",;\t")
    assert list(parse("a,b;c;d\n1,2;3;4\n", by_hand).rows()) == [{"a,b": "1,2", "c": "3"}]


HOSTILE = ["=cmd|'/c calc'!A0", "@x", "-2+3", "\x1b[2Jx", "a\u202eb", "'=x", r"\x1b", "x;=y"]


@pytest.mark.parametrize("by_hand", [False, True])
def test_hostile_texts_are_written_guarded_and_read_back(by_hand: bool) -> None:
    schema = Schema((Column("text"),), ADVICE, by_hand=by_hand)
    rows = [{"text": text} for text in HOSTILE]
    text = rows_to_csv(schema, rows)

    assert list(parse(text, schema).rows()) == rows
    assert not {"\x1b", "\u202e"} & set(text)
    assert not [line for line in text.splitlines() if line.lstrip('"').startswith(("=", "@", "-"))]


def test_texts_for_people_are_guarded_too_and_their_escapes_stay() -> None:
    schema = Schema((Column("text"),), ADVICE, one_line=True)
    text = rows_to_csv(schema, [{"text": one} for one in HOSTILE])

    assert text.splitlines()[1:] == [
        "'=cmd|'/c calc'!A0", "'@x", "'-2+3", r"\x1b[2Jx", r"a\u202eb", "''=x", r"\x1b", "x;'=y",
    ]  # fmt: skip
    assert parse(text, schema).columns["text"] == [
        "=cmd|'/c calc'!A0", "@x", "-2+3", r"\x1b[2Jx", r"a\u202eb", "'=x", r"\x1b", "x;=y",
    ]  # fmt: skip
