"""CSV tables with declared columns: the one reader and the one writer.

A table is declared once, as a ``Schema``: the names of its columns, the type of each, and whether a
cell may be empty. Columns are read one by one into lists of typed values, which suits both many
small files and one of a hundred thousand rows; neither pandas nor pyarrow is imported.

Texts are written as ``cells`` says, so that no spreadsheet runs them, floats as the shortest text
that gives the same float, truth values as ``true`` or ``false``; absent values, NaN and infinity
are empty cells.
"""

import csv
import io
import math
import types
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TextIO, TypeAlias, TypeVar, Union, get_args, get_origin, get_type_hints

from ..codes import Code
from ..errors import Private, SettingsError
from ..visible_text import visible
from .cells import from_cell, guard, remove_guard, to_cell

Cell: TypeAlias = str | int | float | bool | None
Row = TypeVar("Row")

LONGEST_CELL = 1 << 28
"""Characters. The evidence of a volume with many holes is longer than the 131,072 that the csv
module allows by default."""

BLOCK_ROWS = 4096
"""Rows that are held as text at once: a large table never lies in memory twice."""

TRUTHS = {"true": True, "false": False}
KINDS = {int: "a whole number", float: "a number", bool: "true or false"}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    The values of an absent column are empty. An empty cell reads as ``None``, a text as ``""``.
    """

    name: str
    kind: type = str  # or int, float, bool
    required: bool = True  # the header must name it
    empty: bool = False  # a cell may be empty; a text may always be
    allowed: Collection[str] = ()  # the texts of a cell; none here: any text


@dataclass(frozen=True, slots=True)
class Schema:
    """The columns of a table, and how it is written.

    Attributes
    ----------
    advice
        Ends the sentence of each error: what to do about a damaged table.
    others
        Columns that are not declared are read too, as text.
    by_hand
        People write or edit the table. White space around cells does not count, nor does the mark
        that spreadsheets put at the start, and quotes are read leniently.
    delimiters
        What may separate cells; the one that the first line has most of does.
    one_line
        Texts are for people: they are written as one line, and escapes in them stay when read.
    """

    columns: tuple[Column, ...]
    advice: str
    others: bool = False
    by_hand: bool = False
    delimiters: str = ","
    one_line: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the declared columns, in the order in which they are written."""
        return tuple(column.name for column in self.columns)


@dataclass(frozen=True, slots=True)
class CsvTable:
    """The content of a CSV file."""

    path: Path
    header: tuple[str, ...]  # as in the file
    columns: Mapping[str, list[Any]]  # those of the schema, then the others if it reads them
    lines: Sequence[int]  # of the file, from 1, on which each row ends

    def __len__(self) -> int:
        return len(self.lines)

    def rows(self) -> Iterator[dict[str, Any]]:
        """The values row by row."""
        names = tuple(self.columns)
        for values in zip(*self.columns.values(), strict=True):
            yield dict(zip(names, values, strict=True))


# Declaring ------------------------------------------------------------------------------------


def columns_of(
    record: type, *, optional: Collection[str] = (), allowed: Mapping[str, Collection[str]] = {}
) -> tuple[Column, ...]:
    """A column per field of a dataclass, of the type of the field; ``X | None`` may be empty.

    Parameters
    ----------
    optional
        Fields whose column may be absent.
    allowed
        The texts that a field may have.
    """
    hints = get_type_hints(record)
    columns = []
    for field in fields(record):
        hint = hints[field.name]
        kinds = [hint]
        if get_origin(hint) in (Union, types.UnionType):
            kinds = [kind for kind in get_args(hint) if kind is not type(None)]
        columns.append(
            Column(
                field.name,
                kinds[0],
                required=field.name not in optional,
                empty=kinds != [hint],
                allowed=allowed.get(field.name, ()),
            )
        )
    return tuple(columns)


# Writing --------------------------------------------------------------------------------------


def rows_to_csv(schema: Schema, rows: Iterable[Mapping[str, Cell]]) -> str:
    """The text of a table: a header line, then a line per row, each ended by ``\\n``."""
    names = schema.names
    return cells_to_csv(schema, names, ([row[name] for name in names] for row in rows))


def records_to_csv(schema: Schema, records: Iterable[object]) -> str:
    """The text of a table whose columns are attributes of ``records``."""
    names = schema.names
    return cells_to_csv(schema, names, ([getattr(one, name) for name in names] for one in records))


def cells_to_csv(schema: Schema, header: Sequence[str], rows: Iterable[Iterable[Cell]]) -> str:
    """The text of a table with a header of its own, for columns that vary between files."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    as_text = one_line if schema.one_line else to_cell
    writer.writerows([cell_text(value, as_text) for value in row] for row in rows)
    return text.getvalue()


def cell_text(value: Cell, as_text: Callable[[str], str]) -> str:
    """A value as it stands in a cell; ``as_text`` is applied to texts."""
    if value is None:
        return ""
    if isinstance(value, str):
        return as_text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if isinstance(value, float) and not math.isfinite(value) else str(value)


def one_line(text: str) -> str:
    """A text as a cell of one line; a byte that is no UTF-8 is written as ``\\udcXX``."""
    return guard(visible(" ".join(text.split())))


# Reading --------------------------------------------------------------------------------------


def read_table(path: Path, schema: Schema) -> CsvTable:
    """Read a CSV file.

    Raises
    ------
    SettingsError
        The file does not exist (``input_missing``), or it is not a table of this schema
        (``input_damaged``).
    """
    with _file_errors(path, schema), _opened(path, schema) as lines:
        return _read(lines, path, schema)


def read_header(path: Path, schema: Schema) -> tuple[str, ...]:
    """The names of the columns that a CSV file has. Raises as ``read_table``."""
    with _file_errors(path, schema), _opened(path, schema) as lines:
        reader = csv.reader(lines, delimiter=_delimiter(lines, schema), strict=not schema.by_hand)
        with _csv_errors(path, schema, reader):
            return _header(next(reader, []), path, schema)


def read_records(path: Path, schema: Schema, record: Callable[..., Row]) -> list[Row]:
    """Read a CSV file whose columns are the fields of ``record``. Raises as ``read_table``."""
    return [record(**row) for row in read_table(path, schema).rows()]


def parse_table(text: str, path: Path, schema: Schema) -> CsvTable:
    """The table that a text holds; ``path`` is where it comes from, for errors."""
    return _read(io.StringIO(text, newline=""), path, schema)


def _read(lines: TextIO, path: Path, schema: Schema) -> CsvTable:
    reader = csv.reader(lines, delimiter=_delimiter(lines, schema), strict=not schema.by_hand)
    with _long_cells(), _csv_errors(path, schema, reader):
        header = _header(next(reader, []), path, schema)
        declared = {column.name: column for column in schema.columns}
        names = [name for name in header if name in declared or schema.others]
        places = {name: header.index(name) for name in names}
        values: dict[str, list[Any]] = {name: [] for name in names}
        numbers = array("L")
        for block, ends in _blocks(reader, len(header), path, schema):
            texts = list(zip(*block, strict=True))
            for name, place in places.items():
                column = declared.get(name) or Column(name)
                values[name] += _values(texts[place], ends, column, path, schema)
            numbers.extend(ends)
    for column in schema.columns:
        if column.name not in header:
            values[column.name] = ["" if column.kind is str else None] * len(numbers)
    order = [name for name in schema.names if name in values]
    order += [name for name in names if name not in declared]
    return CsvTable(path, header, {name: values[name] for name in order}, numbers)


def _delimiter(lines: TextIO, schema: Schema) -> str:
    if len(schema.delimiters) == 1:
        return schema.delimiters
    first = lines.readline()
    lines.seek(0)
    return max(schema.delimiters, key=first.count)


def _header(cells: Sequence[str], path: Path, schema: Schema) -> tuple[str, ...]:
    header = tuple(cell.strip() if schema.by_hand else cell for cell in cells)
    if not header:
        raise SettingsError(
            Code.INPUT_DAMAGED, "{path} is empty; {advice}", path=path, advice=schema.advice
        )
    if missing := tuple(c.name for c in schema.columns if c.required and c.name not in header):
        raise SettingsError(
            Code.INPUT_DAMAGED,
            "{path} lacks the column {column}; {advice}",
            path=path,
            column=missing,
            advice=schema.advice,
        )
    if twice := tuple(name for name in schema.names if header.count(name) > 1):
        raise SettingsError(
            Code.INPUT_DAMAGED,
            "{path} has the column {column} more than once; {advice}",
            path=path,
            column=twice,
            advice=schema.advice,
        )
    return header


def _blocks(
    reader: Any, cells: int, path: Path, schema: Schema
) -> Iterator[tuple[list[list[str]], list[int]]]:
    """Rows in blocks, with the line on which each ends. Blank lines are no rows."""
    block: list[list[str]] = []
    ends: list[int] = []
    for row in reader:
        if not row:
            continue
        if len(row) != cells:
            raise SettingsError(
                Code.INPUT_DAMAGED,
                "{path} has {found} cells on line {line}, where the header has {due}; {advice}",
                path=path,
                line=reader.line_num,
                found=len(row),
                due=cells,
                advice=schema.advice,
            )
        block.append(row)
        ends.append(reader.line_num)
        if len(block) == BLOCK_ROWS:
            yield block, ends
            block, ends = [], []
    if block:
        yield block, ends


def _values(
    texts: Sequence[str], ends: Sequence[int], column: Column, path: Path, schema: Schema
) -> list[Any]:
    """The typed values of one column of a block."""
    if schema.by_hand:
        texts = [text.strip() for text in texts]
    convert = converter(column, remove_guard if schema.one_line else from_cell)
    seen: dict[str, Any] = {}  # equal cells share one object: most columns have few values
    for text, line in zip(texts, ends, strict=True):
        if text in seen:
            continue
        try:
            seen[text] = convert(text)
        except (ValueError, OverflowError):  # the latter of a number with hundreds of digits
            raise SettingsError(
                Code.INPUT_DAMAGED,
                "{path} has {found} as {column} on line {line}, which is not {kind}; {advice}",
                path=path,
                line=line,
                column=column.name,
                found=Private(repr(text)),
                kind=", ".join(map(str, column.allowed)) or KINDS[column.kind],
                advice=schema.advice,
            ) from None
    return [seen[text] for text in texts]


def converter(column: Column, as_text: Callable[[str], str]) -> Callable[[str], Any]:
    """A function from the text of a cell to its value; it raises ValueError for any other text."""

    def convert(text: str) -> Any:
        if column.kind is str:
            if column.allowed and text not in column.allowed:
                raise ValueError(text)
            return as_text(text)
        if column.empty and not text:
            return None
        if column.kind is bool:
            if text not in TRUTHS:
                raise ValueError(text)
            return TRUTHS[text]
        value = column.kind(text)
        if not math.isfinite(value):
            raise ValueError(text)
        return value

    return convert


def _opened(path: Path, schema: Schema) -> TextIO:
    return path.open(encoding="utf-8-sig" if schema.by_hand else "utf-8", newline="")


@contextmanager
def _file_errors(path: Path, schema: Schema) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise SettingsError(
            Code.INPUT_MISSING, "{path} does not exist; {advice}", path=path, advice=schema.advice
        ) from None
    except UnicodeDecodeError as error:
        raise SettingsError(
            Code.INPUT_DAMAGED,
            "{path} is not text in UTF-8; {advice}",
            path=path,
            advice=schema.advice,
        ) from error
    except OSError as error:
        raise SettingsError(
            Code.INPUT_DAMAGED,
            "{path} cannot be read: {cause}; {advice}",
            path=path,
            cause=error.strerror,
            advice=schema.advice,
        ) from error


@contextmanager
def _long_cells() -> Iterator[None]:
    """Allow cells of any length that ct2zarr writes; the limit belongs to the whole process."""
    before = csv.field_size_limit(LONGEST_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(before)


@contextmanager
def _csv_errors(path: Path, schema: Schema, reader: Any) -> Iterator[None]:
    try:
        yield
    except csv.Error as error:
        raise SettingsError(
            Code.INPUT_DAMAGED,
            "{path} is not a CSV file from line {line} on ({cause}); {advice}",
            path=path,
            line=reader.line_num,
            cause=str(error),
            advice=schema.advice,
        ) from error
