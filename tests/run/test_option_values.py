"""Values of options as a user gave them, and the settings that are filled with them."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ct2zarr.codes import Code
from ct2zarr.errors import SettingsError, sentence
from ct2zarr.run.option_values import Values, bound, fill, option, values_of, variables_of


@dataclass(frozen=True)
class Inner:
    """Settings within others."""

    compression_level: int = option("compression_level")


@dataclass(frozen=True)
class Outer:
    """Settings with an option that has no default here, one with two variables, and others."""

    out_root: Path = field(metadata=bound("out_root", "converted_root", "out_root"))
    shard: int = 0
    num_workers: int = option("num_workers")
    inner: Inner = field(default_factory=Inner)


def test_a_record_is_filled_from_a_config_with_nested_options_and_defaults():
    found = fill(Outer, Values.of_config({"out_root": "x", "compression_level": 5}))
    assert found == Outer(Path("x"), 0, 1, Inner(5))


def test_a_record_is_filled_from_the_environment_by_the_first_variable_that_is_set():
    assert fill(Outer, Values.of_environ({"OUT_ROOT": "x"})).out_root == Path("x")
    both = {"OUT_ROOT": "x", "CONVERTED_ROOT": "y", "NUM_WORKERS": "3"}
    found = fill(Outer, Values.of_environ(both))
    assert (found.out_root, found.num_workers) == (Path("y"), 3)


def test_values_that_are_given_come_before_those_of_the_user():
    config = Values.of_config({"out_root": "x", "num_workers": 9})
    assert fill(Outer, config, num_workers=2, shard=7) == Outer(Path("x"), 7, 2)


def test_none_in_a_config_and_an_empty_variable_are_not_set():
    assert fill(Outer, Values.of_config({"out_root": "x", "num_workers": None})).num_workers == 1
    assert fill(Outer, Values.of_environ({"OUT_ROOT": "x", "NUM_WORKERS": ""})).num_workers == 1


@pytest.mark.parametrize(
    ("values", "name"),
    [(Values.of_config({}), "config: out_root"), (Values.of_environ({}), "CONVERTED_ROOT")],
)
def test_an_option_without_a_default_is_missing_by_the_name_that_the_user_knows(values, name):
    with pytest.raises(SettingsError) as raised:
        fill(Outer, values)
    assert raised.value.code is Code.SETTING_MISSING
    assert str(raised.value).startswith(f"{name} is missing: set it to ")


def test_a_wrong_value_is_named_and_may_be_private():
    with pytest.raises(SettingsError) as raised:
        fill(Outer, Values.of_environ({"OUT_ROOT": "x", "NUM_WORKERS": "DOE"}))
    assert raised.value.code is Code.SETTING_WRONG
    assert str(raised.value) == "NUM_WORKERS is 'DOE'; it must be a whole number, at least 1"
    assert "DOE" not in sentence(raised.value, private=False)


def test_the_options_of_a_record_are_known_with_those_of_the_records_in_it():
    names = [one.name for one in variables_of(Outer)]
    assert sorted(names) == ["compression_level", "converted_root", "num_workers", "out_root"]
    assert values_of(Outer(Path("x"), inner=Inner(4))) == {
        "out_root": Path("x"), "num_workers": 1, "compression_level": 4
    }  # fmt: skip
