"""Numbers with their sources: value, unit, band, source, grade. A chip file without them is refused."""

from __future__ import annotations

import enum
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from spikewright.errors import ConstantError, Problems, UnitError, explain
from spikewright.units import quantity, show


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


_UNITS_SI = {"J": "J", "s": "s", "W": "W", "1": "1"}


def read_constant(name: str, entry: Any, where: str) -> Constant:
    """Return a constant of a chip file.

    Raises
    ------
    ConstantError : value, source or grade is missing or wrong
    """
    problems = Problems()
    place = f"{where}.{name}"
    if not isinstance(entry, dict):
        raise ConstantError(
            explain(
                place,
                "a number without a source",
                found=repr(entry),
                expected='{ value = "23.6 pJ", source = "paper, place", grade = "measured" }',
            )
        )
    unknown = set(entry) - {"value", "band", "source", "grade", "note"}
    if unknown:
        problems.add(place, "unknown keys", found=", ".join(sorted(unknown)))
    value = low = high = 0.0
    unit = "1"
    try:
        value, unit = _read(entry.get("value", ""))
        low = high = value
        if "band" in entry:
            low, high = (_read(v, unit)[0] for v in entry["band"])
            if not low <= value <= high:
                problems.add(place, "the value lies outside its band", found=(low, value, high))
    except (UnitError, TypeError, ValueError) as error:
        problems.add(place, f"bad value: {error}")
    source = entry.get("source", "")
    if not isinstance(source, str) or not source.strip():
        problems.add(place, "has no source", cure="name the paper and the place in it")
    grades = [g.value for g in Grade]
    if entry.get("grade") not in grades:
        problems.add(
            place, "has no valid grade", found=entry.get("grade"), expected=", ".join(grades)
        )
    problems.raise_as(ConstantError)
    return Constant(
        name, value, unit, low, high, source.strip(), Grade(entry["grade"]), entry.get("note", "")
    )


def _read(text: Any, unit: str | None = None) -> tuple[float, str]:
    if isinstance(text, int | float) and not isinstance(text, bool):
        return float(text), "1"
    value = quantity(str(text), unit=unit)
    symbol = str(text).split(None, 1)[1].strip() if len(str(text).split(None, 1)) > 1 else "1"
    return value, _base_unit(symbol)


def _base_unit(symbol: str) -> str:
    """Return the unit without its prefix: 'pJ' -> 'J', 'mW' -> 'W', 'mm^2' -> 'm^2'."""
    from spikewright.units import parse_unit, pretty

    _, dimension = parse_unit(symbol)
    return pretty(dimension)


def load_chip(path: str | os.PathLike[str]) -> Chip:
    """Read a chip file (TOML).

    Tables: `[limits]`, any number of other tables of constants (nested tables are joined by dots), `[capabilities]` (plain
    facts), `[[passes]]` (for substrates said as data), and the keys `name`, `title`, `description`, `unpublished`.

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
            place = f"{prefix}.{key}" if prefix else key
            if isinstance(entry, dict) and "value" not in entry and entry and all(
                isinstance(v, dict) for v in entry.values()
            ):
                walk(place, entry)
            elif prefix:
                try:
                    tables.setdefault(prefix, {})[key] = read_constant(
                        key, entry, f"{file.name}: {prefix}"
                    )
                except ConstantError as error:
                    problems.lines.append(str(error))
            else:
                problems.add(f"{file.name}: {key}", "not a table of constants")

    plain = ("name", "title", "description", "capabilities", "unpublished", "passes")
    for key in ("name", "title"):
        if not isinstance(data.get(key), str) or not data.get(key):
            problems.add(file.name, f"needs {key!r}, a text")
    walk("", {k: v for k, v in data.items() if k not in plain})
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
