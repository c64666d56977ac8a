"""The kinds of values that options have, typed or as text."""

from pathlib import Path

import pytest

from ct2zarr.run.option_kinds import (
    BOOLEAN,
    CHUNKS,
    DATASETS,
    FLAGS,
    IMAGE_TYPES,
    KEYWORDS,
    PATH,
    PATH_OR_NONE,
    SECONDS,
    SERIES,
    choice,
    whole,
)
from ct2zarr.run.options import OPTIONS
from ct2zarr.vocabulary import Flag


@pytest.mark.parametrize(
    ("kind", "good", "wrong"),
    [
        (whole(1), [1, "1", 10**6], [0, "0", True, 1.0, "1.5", None, "x"]),
        (whole(0, 9), [0, 9], [-1, 10]),
        (BOOLEAN, [True, "YES", " on ", 0, "no", "off", "false"], ["", "2", "y", None]),
        (SECONDS, [0.001, "3", 1e9], [0, -1, "inf", "nan", True, False, None]),
        (CHUNKS, ["1,1,1", [1, 2, 3], (1, 2, 3)], ["1,1", [1, 1, 1, 1], [0, 1, 1], 64]),
        (FLAGS, [[], "", "padding", ["padding"]], [["ugly"], 3]),
        (KEYWORDS, [[], "", "KVP"], [["NoSuchKeyword"], ["KVP", "nothing"]]),
        (PATH_OR_NONE, ["", "a"], [" ", 3]),
        (OPTIONS["verify_slices"].kind, [0, "all", "5"], [-1, "ALL", "some", True]),
        (OPTIONS["zarr_format"].kind, ["auto", 2, "3"], [1, 4, "x"]),
        (
            OPTIONS["summary_suffix"].kind,
            ["", "shard_0", "shard_123"],
            ["00", "shard_", "_shard_00", "shard_0a", "a/b"],
        ),
        (OPTIONS["store_type"].kind, ["dir"], ["DIR", "", ["dir"]]),
        (OPTIONS["datasets"].kind, [{"v1": "/a"}], [{}, "v1", {"v1": ""}, {"v1": 3}]),
    ],
)
def test_kind_takes_what_it_says_and_nothing_else(kind, good, wrong):
    for value in good:
        kind.read(value)
    for value in wrong:
        with pytest.raises((TypeError, ValueError)):
            kind.read(value)


def test_paths_are_expanded(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    assert OPTIONS["datasets"].kind.read({"v1": "~/ct"}) == {"v1": Path("/home/ada/ct")}
    assert OPTIONS["out_root"].kind.read("~/out") == Path("/home/ada/out")


@pytest.mark.parametrize(
    ("kind", "given", "value"),
    [
        (whole(0), "7", 7),
        (BOOLEAN, " Off ", False),
        (SECONDS, "2.5", 2.5),
        (CHUNKS, "[1, 2,3]", (1, 2, 3)),
        (CHUNKS, "(1, 2, 3)", (1, 2, 3)),
        (SERIES, [" 1.2", 3], ("1.2", "3")),
        (FLAGS, "padding, no_rescale", frozenset({Flag.PADDING, Flag.NO_RESCALE})),
        (IMAGE_TYPES, "mip,[Mpr]", ("MIP", "[MPR")),
        (PATH_OR_NONE, "", None),
        (OPTIONS["zarr_format"].kind, "3", 3),
        (OPTIONS["verify_slices"].kind, "all", "all"),
    ],
)
def test_text_is_read_as_the_typed_value(kind, given, value):
    found = kind.read(given)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("kind", "given", "value"),
    [
        (BOOLEAN, "True", True),
        (BOOLEAN, "0", False),
        (BOOLEAN, "maybe", "maybe"),
        (CHUNKS, ["8", " 16", "x"], [8, 16, "x"]),
        (CHUNKS, "8", "8"),
        (PATH, "", ""),
        (DATASETS, {"v1:/data": "", "v2": "/b"}, {"v1": "/data", "v2": "/b"}),
        (DATASETS, {"v1:/a:b": ""}, {"v1": "/a:b"}),
        (DATASETS, "v1", "v1"),
        (choice("a", "b"), "c", "c"),
    ],
)
def test_text_of_the_command_line_becomes_what_the_schema_expects_or_stays(kind, given, value):
    assert kind.from_text(given) == value


def test_the_bounds_of_a_whole_number_are_in_its_words_and_its_schema():
    assert whole(1).schema == {"type": "integer", "minimum": 1}
    assert whole(0, 9).schema == {"type": "integer", "minimum": 0, "maximum": 9}
    assert (whole(1).allowed, whole(0, 9).allowed) == (
        "a whole number, at least 1", "a whole number from 0 to 9",
    )  # fmt: skip
