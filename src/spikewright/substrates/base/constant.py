"""Numbers with their sources: value, unit, band, source, grade. A chip file without them is refused."""

from __future__ import annotations

import enum
import math
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from spikewright.errors import ConstantError, Problems, UnitError, explain
from spikewright.units import dimension_of, pretty, quantity, show


class Grade(enum.Enum):
    """How a number came about, from the strongest to the weakest."""

    MEASURED = "measured"
    PUBLISHED_SIMULATION = "published_simulation"
    VENDOR = "vendor"
    FITTED = "fitted"
    DERIVED = "derived"
    RECALLED = "recalled"
    ASSUMED = "assumed"

    @property
    def rank(self) -> int:
        """0 for the strongest."""
        return list(Grade).index(self)

    @staticmethod
    def weakest(grades: Any) -> Grade | None:
        """Return the weakest of some grades, or None where there are none."""
        return max(grades, key=lambda g: g.rank, default=None)


@dataclass(frozen=True)
class Constant:
    """One number of a substrate.

    Parameters
    ----------
    name : its name in the chip file
    value : in SI units
    unit : SI unit of `value`, "1" where it has none
    low, high : the band in which the true value is believed to lie
    source : paper and place
    grade : how it came about
    note : operating point, or what to beware of
    """

    name: str
    value: float
    unit: str
    low: float
    high: float
    source: str
    grade: Grade
    note: str = ""

    def __str__(self) -> str:
        return f"{self.name} = {show(self.value, self.unit)} ({self.grade.value}: {self.source})"


@dataclass(frozen=True)
class Chip:
    """What a chip file says.

    Parameters
    ----------
    name, title : short name, and name for reports
    description : one sentence
    limits : name -> Constant
    tables : every other table with constants (for instance "costs.davies") -> name -> Constant
    capabilities : plain facts for the capability table, name -> text, number or truth
    unpublished : what has no published value, in words; models leave it out and say so
    path : the file
    passes : the `[[passes]]` of a substrate said as data, in order; see `Described`
    """

    name: str
    title: str
    description: str
    limits: Mapping[str, Constant]
    tables: Mapping[str, Mapping[str, Constant]]
    capabilities: Mapping[str, Any]
    unpublished: tuple[str, ...]
    path: Path
    passes: tuple[Mapping[str, Any], ...] = ()

    def limit(self, name: str) -> float:
        """Return the value of a limit."""
        return self.limits[name].value

    def constants(self) -> list[tuple[str, Constant]]:
        """Return every constant with its table, limits included."""
        found = [("limits", c) for c in self.limits.values()]
        return found + [(table, c) for table, cs in self.tables.items() for c in cs.values()]


KEYS = frozenset({"value", "band", "source", "grade", "note"})
_UNIT = re.compile(r"^\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\s*(.*?)\s*$")


def read_constant(name: str, entry: Any, where: str) -> Constant:
    """Return a constant of a chip file.

    Raises
    ------
    ConstantError : value, source or grade is missing or wrong
    """
    problems = Problems()
    found = _constant(name, entry, where, problems)
    problems.raise_as(ConstantError)
    return found


def _constant(name: str, entry: Any, where: str, problems: Problems) -> Constant:
    """Return a constant, and note everything that is wrong with it."""
    place = f"{where}.{name}"
    if not isinstance(entry, dict):
        problems.add(
            place,
            "a number without a source",
            found=repr(entry),
            expected='{ value = "23.6 pJ", source = "paper, place", grade = "measured" }',
        )
        return Constant(name, 0.0, "1", 0.0, 0.0, "", Grade.ASSUMED)
    unknown = set(entry) - KEYS
    if unknown:
        problems.add(
            place,
            "unknown keys",
            found=", ".join(sorted(unknown)),
            expected=", ".join(sorted(KEYS)),
        )
    value = low = high = 0.0
    unit = "1"
    try:
        value, unit = _read(entry.get("value", ""))
        low = high = value
        if "band" in entry:
            low, high = (_read(v, unit)[0] for v in entry["band"])
            if not low <= value <= high:
                problems.add(
                    place,
                    "the value lies outside its band",
                    found=value,
                    expected=f"{low:g} to {high:g}",
                )
    except (UnitError, TypeError, ValueError) as error:
        problems.add(place, f"bad value: {error}")
    source = entry.get("source", "")
    if not isinstance(source, str) or not source.strip():
        problems.add(place, "has no source", cure="name the paper and the place in it")
    grade = entry.get("grade")
    grades = [g.value for g in Grade]
    if grade not in grades:
        problems.add(place, "has no valid grade", found=grade, expected=", ".join(grades))
        grade = "assumed"
    note = str(entry.get("note", ""))
    return Constant(name, value, unit, low, high, str(source).strip(), Grade(grade), note)


def _read(value: Any, unit: str | None = None) -> tuple[float, str]:
    """Return a value and its SI unit; a plain number has none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"{value!r} is not a quantity such as '23.6 pJ'")
    text = value if isinstance(value, str) else f"{value!r}"
    if not isinstance(value, str) and not math.isfinite(value):
        raise ValueError(f"{text} is not a number")
    number = quantity(text, unit=unit)
    if not math.isfinite(number):
        raise ValueError(f"{text!r} is beyond every number")
    match = _UNIT.match(text)
    return number, _base_unit(match.group(1) if match else "")


def _base_unit(symbol: str) -> str:
    """Return the unit without its prefix: 'pJ' -> 'J', 'mW' -> 'W', 'mm^2' -> 'm^2'."""
    return pretty(dimension_of(symbol))


_PLAIN: Mapping[str, tuple[type, str]] = {
    "description": (str, "a text"),
    "capabilities": (dict, "a table"),
    "unpublished": (list, "a list of texts"),
    "passes": (list, "a list of tables"),
}


def load_chip(path: str | os.PathLike[str]) -> Chip:
    """Read a chip file (TOML).

    Tables: `[limits]`, any number of other tables of constants (nested tables are joined by dots),
    `[capabilities]` (plain facts), `[[passes]]` (for substrates said as data), and the keys `name`, `title`,
    `description`, `unpublished`.

    Raises
    ------
    ConstantError : not a chip file, or a number in it lacks unit, source or grade; all of them are listed
    """
    file = Path(path)
    try:
        with open(file, "rb") as handle:
            data = tomllib.load(handle)
    except OSError as error:
        raise ConstantError(explain(str(file), f"cannot be read: {error.strerror}")) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConstantError(explain(str(file), f"not TOML: {error}")) from None
    problems = Problems()
    tables: dict[str, dict[str, Constant]] = {}

    def walk(prefix: str, table: Mapping[str, Any]) -> None:
        for key, entry in table.items():
            if isinstance(entry, dict) and not set(entry) & KEYS:
                walk(f"{prefix}.{key}" if prefix else key, entry)
            elif prefix:
                constant = _constant(key, entry, f"{file.name}: {prefix}", problems)
                tables.setdefault(prefix, {})[key] = constant
            else:
                problems.add(f"{file.name}: {key}", "not a table of constants")

    for key in ("name", "title"):
        if not isinstance(data.get(key), str) or not data.get(key):
            problems.add(file.name, f"needs {key!r}, a text")
    for key, (kind, words) in _PLAIN.items():
        if not isinstance(data.get(key, kind()), kind):
            problems.add(f"{file.name}: {key}", f"not {words}", found=repr(data[key]))
    walk("", {k: v for k, v in data.items() if k not in ("name", "title", *_PLAIN)})
    problems.raise_as(ConstantError)
    limits = tables.pop("limits", {})
    return Chip(
        data["name"],
        data["title"],
        str(data.get("description", "")),
        MappingProxyType(limits),
        MappingProxyType({k: MappingProxyType(v) for k, v in tables.items()}),
        MappingProxyType(dict(data.get("capabilities", {}))),
        tuple(str(u) for u in data.get("unpublished", ())),
        file,
        tuple(data.get("passes", ())),
    )
