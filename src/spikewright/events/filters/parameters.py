"""Filters made of tables of plain values, as edit files and command lines give them, and back.

A time or frequency may be a number in SI units or text with a unit (`"25 ms"`); an option is its name (`"on"`).
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, fields
from enum import Enum
from typing import Any, get_args, get_origin, get_type_hints

from spikewright.errors import EventError, Problems, UnitError, explain
from spikewright.events.filters import FILTERS
from spikewright.events.filters.base import Filter
from spikewright.units import quantity, show


def filter_of(name: str, values: Mapping[str, Any], *, where: str = "filter") -> Filter:
    """Return the filter of a name and its parameters.

    Parameters
    ----------
    name : in `FILTERS`
    values : parameter -> plain value
    where : what messages begin with

    Raises
    ------
    EventError : no such filter or parameter, a value that does not fit, or a parameter that is missing

    Examples
    --------
    >>> filter_of("refractory", {"period": "500 us"})
    Refractory(period=0.0005, of_kept=True)
    """
    if name not in FILTERS:
        raise EventError(
            explain(where, f"no filter is called {name!r}", cure=nearest(name, FILTERS))
        )
    cls = FILTERS[name]
    known = {f.name: f for f in fields(cls)}
    types = get_type_hints(cls)
    problems = Problems()
    chosen: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            problems.add(
                where, f"filter {name!r} has no parameter {key!r}", cure=nearest(key, known)
            )
            continue
        try:
            chosen[key] = _typed(types[key], value, known[key].metadata.get("unit"))
        except _Unfit as unfit:
            problems.add(
                f"{where}: {name}.{key}", "does not fit", found=repr(value), expected=str(unfit)
            )
    for key, each in known.items():
        if key not in values and _is_required(each):
            problems.add(where, f"filter {name!r} needs {key!r}")
    problems.raise_as(EventError)
    try:
        return cls(**chosen)
    except EventError as error:
        raise EventError(f"{where}: {error}") from error


def table_of(made: Filter) -> dict[str, Any]:
    """Return the parameters of a filter that differ from the defaults, as plain values.

    Examples
    --------
    >>> from spikewright.events.filters import Refractory
    >>> table_of(Refractory(period=0.5e-3)), table_of(Refractory())
    ({'period': '500 us'}, {})
    """
    table: dict[str, Any] = {}
    for each in fields(made):
        value = getattr(made, each.name)
        if _is_required(each) or value != each.default:
            table[each.name] = _plain(value, each.metadata.get("unit"))
    return table


def nearest(name: str, known: Iterable[str]) -> str:
    """Return what to do about an unknown name: the one that was probably meant, or all there are."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {close[0]!r}?" if close else f"there are {', '.join(names)}"


class _Unfit(Exception):
    """A value is not what a parameter takes; the text says what is."""


def _is_required(each: Field[Any]) -> bool:
    return each.default is MISSING and each.default_factory is MISSING


def _typed(kind: Any, value: Any, unit: str | None) -> Any:
    if kind is float:
        return _number(value, unit)
    if kind is bool or kind is int or kind is str:
        if type(value) is not kind:
            raise _Unfit({bool: "true or false", int: "a whole number", str: "text"}[kind])
        return value
    if isinstance(kind, type) and issubclass(kind, Enum):
        if isinstance(value, kind):
            return value
        try:
            return kind(value)
        except ValueError:
            raise _Unfit(", ".join(repr(option.value) for option in kind)) from None
    if get_origin(kind) is tuple:
        return _items(get_args(kind), value, unit)
    raise TypeError(f"parameters of type {kind} cannot be given as plain values")


def _number(value: Any, unit: str | None) -> float:
    expected = f"a number of {unit}, or text such as '5 m{unit}'" if unit else "a number"
    if isinstance(value, str):
        if unit is None:
            raise _Unfit(expected)
        if value.strip() in ("inf", "-inf"):
            return float(value)
        try:
            return quantity(value, unit=unit)
        except UnitError:
            raise _Unfit(expected) from None
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        raise _Unfit(expected)
    return float(value)


def _items(kinds: tuple[Any, ...], value: Any, unit: str | None) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise _Unfit("a list")
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(_typed(kinds[0], each, unit) for each in value)
    if len(value) != len(kinds):
        raise _Unfit(f"a list of {len(kinds)}")
    return tuple(_typed(kind, each, unit) for kind, each in zip(kinds, value, strict=True))


def _plain(value: Any, unit: str | None) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [_plain(each, unit) for each in value]
    if unit and isinstance(value, float) and math.isfinite(value):
        text = show(value, unit)
        # with a unit only where that says the very number
        return text if quantity(text, unit=unit) == value else value
    return value
