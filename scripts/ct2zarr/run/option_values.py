"""Values of options as a user gave them, and how a settings record is filled with them.

A field of a settings record says which option it holds: ``option`` gives it the default of the
option, ``bound`` is the metadata of a field that has another default or none. ``fill`` makes the
record from a config or from the environment.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields, is_dataclass
from typing import Any, TypeVar

from ..codes import Code
from ..errors import Private, SettingsError
from .options import OPTIONS, Option

Record = TypeVar("Record")
_BOUND = "option"


@dataclass(frozen=True, slots=True)
class Values:
    """Raw values by option, from one source.

    Attributes
    ----------
    raw
        Option → value or text; an option that is not set is absent.
    named_as_variables
        Whether the source is the environment.
    show
        Option → its name where the user wrote it, for sentences.
    """

    raw: Mapping[str, Any]
    named_as_variables: bool
    show: Callable[[str], str]

    @classmethod
    def of_config(cls, config: Mapping[str, Any]) -> "Values":
        """Values from a flat config."""
        raw = {key: value for key, value in config.items() if value is not None}
        return cls(raw, named_as_variables=False, show=config_name)

    @classmethod
    def of_environ(cls, environ: Mapping[str, str]) -> "Values":
        """Values from environment variables; an empty variable counts as not set."""
        raw = {
            name: environ.get(option.variable) or option.variable_default
            for name, option in OPTIONS.items()
            if environ.get(option.variable) or option.variable_default is not None
        }
        return cls(raw, named_as_variables=True, show=str.upper)

    def get(self, name: str, default: Any = None) -> Any:
        """The typed value of an option, or ``default`` where it is not set.

        Raises
        ------
        SettingsError
            The value is wrong; the sentence says what it must be.
        """
        if name not in self.raw:
            return default
        option = OPTIONS[name]
        try:
            return option.kind.read(self.raw[name])
        except (TypeError, ValueError) as error:
            allowed = option.kind.allowed
            raise wrong_value(self.show(name), self.raw[name], allowed) from error

    def missing(self, name: str) -> SettingsError:
        """The error for an option that a step needs and that is not set."""
        return SettingsError(
            Code.SETTING_MISSING,
            "{setting} is missing: set it to {purpose}",
            setting=self.show(name),
            purpose=OPTIONS[name].purpose,
        )


def wrong_value(setting: str, value: Any, allowed: str) -> SettingsError:
    """The error for a wrong value of a setting; ``allowed`` follows the words "it must be"."""
    return SettingsError(
        Code.SETTING_WRONG,
        "{setting} is {value}; it must be {allowed}",
        setting=setting,
        value=Private(f"'{value}'" if isinstance(value, str) else value),
        allowed=allowed,
    )


def config_name(key: str) -> str:
    """How sentences name an option of a config."""
    return f"config: {key}"


# Fields of settings records ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Bound:
    """Which option a field holds, and the environment variables for it, the first one that is set.

    The variables are named by options too; nearly always there is one, that of the option itself.
    """

    option: str
    variables: tuple[str, ...]


def bound(name: str, *variables: str) -> dict[str, Bound]:
    """The metadata of a field that holds an option."""
    return {_BOUND: Bound(name, variables or (name,))}


def option(name: str) -> Any:
    """A field that holds an option and has its default."""
    return field(default=OPTIONS[name].typed_default(), metadata=bound(name))


def fill(record: type[Record], values: Values, **given: Any) -> Record:
    """A settings record with the values that a user gave.

    Parameters
    ----------
    given
        Values of fields that do not come from ``values``.

    Raises
    ------
    SettingsError
        A value is wrong, or one is missing that has no default.
    """
    found = dict(given)
    for one in fields(record):  # type: ignore[arg-type]
        if one.name in found:
            continue
        if nested := _nested(one):
            found[one.name] = fill(nested, values)
        elif held := one.metadata.get(_BOUND):
            names = held.variables if values.named_as_variables else (held.option,)
            name = next((name for name in names if name in values.raw), None)
            if name is not None:
                found[one.name] = values.get(name)
            elif one.default is MISSING:
                raise values.missing(names[0])
    return record(**found)


def variables_of(record: type) -> list[Option]:
    """The options that a script with these settings takes as variables, as ``OPTIONS`` has them."""
    taken = {name for held in _held(record) for name in held.variables}
    return [option for name, option in OPTIONS.items() if name in taken]


def values_of(record: Any) -> dict[str, Any]:
    """Option → typed value, of a settings record and the records in it."""
    values: dict[str, Any] = {}
    for one in fields(record):
        value = getattr(record, one.name)
        if is_dataclass(value):
            values |= values_of(value)
        elif held := one.metadata.get(_BOUND):
            values[held.option] = value
    return values


def _held(record: type) -> Iterator[Bound]:
    for one in fields(record):
        if nested := _nested(one):
            yield from _held(nested)
        elif held := one.metadata.get(_BOUND):
            yield held


def _nested(one: Field[Any]) -> type | None:
    """The record that a field holds, if it is one."""
    made_by = one.default_factory
    return made_by if isinstance(made_by, type) and is_dataclass(made_by) else None
