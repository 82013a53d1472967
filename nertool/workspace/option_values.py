"""Values of options: what no stage could use is refused before anything is done, for Python users too."""

from __future__ import annotations

import math
import types
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from nertool.errors import InvalidOption

LARGEST_COUNT = 2**31 - 1
"""Largest whole number of an option without a limit of its own: libraries take no larger sizes."""
LARGEST_NUMBER = 1e38
"""Largest other number of such an option: FP32 holds it."""


class Declared(NamedTuple):
    """What an option takes.

    Attributes:
        flag: as it is on the command line.
        kinds: of its values, such as `int` and `NoneType`.
        choices: its only values, if there are any.
        least, most: of its numbers; None without a limit of its own.
        default: value of an option that nobody sets.
    """

    flag: str
    kinds: frozenset[Any]
    choices: tuple[Any, ...]
    least: float | None
    most: float | None
    default: Any


@cache
def declared(options: type) -> Mapping[str, Declared]:
    """What each field of a dataclass of options takes, by name."""
    hints = get_type_hints(options, include_extras=True)
    return {field.name: _declaration(field.name, hints[field.name], field.default) for field in fields(options)}


def _declaration(name: str, hint: Any, default: Any) -> Declared:
    info: Any = None
    if get_origin(hint) is Annotated:
        hint, info = get_args(hint)
    kinds: set[Any] = set()
    choices: list[Any] = []
    for part in get_args(hint) if get_origin(hint) in (Union, types.UnionType) else [hint]:
        kinds.add(get_origin(part) or part)
        choices += get_args(part) if get_origin(part) is Literal else []
    limits = getattr(info, "min", None), getattr(info, "max", None)
    return Declared(_flag(name, info), frozenset(kinds), tuple(choices), *limits, default)


def _flag(name: str, info: Any) -> str:
    """An option as it is on the command line: its first long spelling, or the name of an argument."""
    if info is None:
        return f"--{name.replace('_', '-')}"
    for text in (info.default, *(info.param_decls or ())):  # Typer takes the first one for a default
        if isinstance(text, str) and text.startswith("--"):
            return text.partition("/")[0]
    return name.upper()


def check_values(options: Any) -> None:
    """Check the values of a dataclass of options.

    Raises:
        InvalidOption: a number is none or out of range, a text is empty where it cannot be, a choice is none.
    """
    kind: Any = type(options)
    for name, option in declared(kind).items():
        for value in _values(getattr(options, name)):
            _check_value(option, value)


def _values(value: Any) -> Iterator[Any]:
    yield from value if isinstance(value, list | tuple) else [value]


def _check_value(option: Declared, value: Any) -> None:
    if option.kinds & {int, float} and value is not None:
        _check_number(option, value)
    elif isinstance(value, str):
        _check_text(option, value)
    if option.choices and value not in option.choices and value is not None:
        known = ", ".join(filter(None, map(str, option.choices)))
        raise InvalidOption(f"{option.flag} {value}: no such choice", f"Take one of: {known}.")


def _check_number(option: Declared, value: Any) -> None:
    whole = float not in option.kinds
    kinds = int if whole else int | float
    if (
        not isinstance(value, kinds)
        or isinstance(value, bool)
        or (isinstance(value, float) and not math.isfinite(value))
    ):
        raise InvalidOption(
            f"{option.flag} {value}: this is no number", f"Write a {'whole number' if whole else 'number'}."
        )
    most = option.most or (LARGEST_COUNT if whole else LARGEST_NUMBER)
    if value > most or (option.least is not None and value < option.least):
        least = "" if option.least is None else f"from {option.least:.10g} "
        raise InvalidOption(f"{option.flag} {value}: out of range", f"Write a number {least}to {most:.10g}.")


def _check_text(option: Declared, value: str) -> None:
    if "\0" in value:
        raise InvalidOption(f"{option.flag} {value!r}: it holds the character NUL", "Leave that character out.")
    if not value and option.default != "" and not option.choices:
        raise InvalidOption(f"{option.flag}: empty", "Write a value, or leave the option out.")


def refuse_unused(options: Any, names: tuple[str, ...], why: str, hint: str = "Leave it out.") -> None:
    """Refuse options that nothing would use.

    Args:
        options: an object of a dataclass of options.
        names: fields that have to have their defaults.
        why: nothing would use another value; follows the option's name.

    Raises:
        InvalidOption: one has another value.
    """
    kind: Any = type(options)
    for name in names:
        option = declared(kind)[name]
        if getattr(options, name) != option.default and option.default is not MISSING:
            raise InvalidOption(f"{option.flag} {why}", hint)
