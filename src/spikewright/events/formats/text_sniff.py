"""What lines of text mean: which column is what, the unit of the times, where the data begin. Guesses are said."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from spikewright.errors import FormatError, explain
from spikewright.events.formats.text_codec import IGNORED, MAX_COLUMNS, P, T, X, Y

UNITS = {"s": 6, "ms": 3, "us": 0, "ns": -3}
"""Unit of times -> power of ten of microseconds."""
DELIMITERS = ",;\t "
OPTIONS = ("columns", "unit", "delimiter")
"""Options of these formats: `columns` as "txyp" ("_": ignored), `unit` of UNITS, `delimiter` one of DELIMITERS."""

_LETTERS = {"t": T, "x": X, "y": Y, "p": P, "_": IGNORED}
_NAMES = {
    T: re.compile(r"^(t|ts|time|times|timestamps?|time_?stamps?)([_ ]?[\[(]?(s|sec|ms|us|ns|usec|nsec|msec)[\])]?)?$"),
    X: re.compile(r"^(x|xs|x_?pos|pos_?x|x_?coord|col|column)$"),
    Y: re.compile(r"^(y|ys|y_?pos|pos_?y|y_?coord|row)$"),
    P: re.compile(r"^(p|ps|pol|polarity|polarities|is_?on|on|sign)$"),
}  # fmt: skip
_UNIT = re.compile(r"[_ \[(](s|sec|ms|msec|us|usec|ns|nsec)[\])]?$")
_SAMPLE = 200
"""Lines that are looked at."""
_SOUND = 0.9
"""So many of them must be events."""
_WORDS = {"true": 1.0, "false": 0.0}
_UNIX_NS = 1e17
"""Whole numbers of times beyond this are ns: us of the year 5138."""


@dataclass(frozen=True)
class Layout:
    """How lines are to be read.

    Parameters
    ----------
    roles : what each column holds
    delimiter : byte between columns
    power : times are in units of 10^power us
    first : byte of the first line of data
    size : of the sensor where a first line says it, else (0, 0)
    lines : those before the data
    named : whether a line of names was found
    notes : what was guessed
    """

    roles: tuple[int, ...]
    delimiter: int
    power: int
    first: int
    size: tuple[int, int]
    lines: tuple[str, ...]
    named: bool
    notes: tuple[str, ...]


def sniff(head: bytes, options: Mapping[str, Any]) -> Layout | None:
    """Return how the text that begins with `head` is to be read, or None where it is no text of events.

    Parameters
    ----------
    head : the first bytes, at best whole lines
    options : what the caller knows; see OPTIONS

    Raises
    ------
    FormatError : an option has no such value
    """
    wanted = _wanted(options)
    start = 3 if head.startswith(b"\xef\xbb\xbf") else 0
    if b"\n" in head:
        head = head[: head.rindex(b"\n") + 1]
    if head.startswith(b"#!AER-DAT"):
        return None
    lines = [
        (m.start(), m.group().decode("latin-1")) for m in re.finditer(rb"[^\n]+", head[start:])
    ]
    lines = [(at + start, line.strip()) for at, line in lines if line.strip()]
    before: list[str] = []
    while lines and lines[0][1][0] in "#%":
        before.append(lines.pop(0)[1])
    if not lines:
        return None
    size = (0, 0)
    if len(lines) > 1 and re.fullmatch(r"\d{1,5}[ ,;\t]+\d{1,5}", lines[0][1]):
        width, height = (int(n) for n in re.split(r"[ ,;\t]+", lines[0][1]))
        size = width, height
        before.append(lines.pop(0)[1])
    delimiter = str(
        options.get("delimiter") or _delimiter([line for _, line in lines[1:4] or lines])
    )
    first_fields = _fields(lines[0][1], delimiter)
    names: list[str] | None = None
    if all(_number(field) is None for field in first_fields) and len(first_fields) > 2:
        names = first_fields
        before.append(lines.pop(0)[1])
    elif before:
        commented = _fields(before[-1].lstrip("#% "), delimiter)
        names = commented if _by_name(commented) else None
    rows = [_fields(line, delimiter) for _, line in lines[:_SAMPLE] if line[0] not in "#%"]
    at = lines[0][0] if lines else len(head)
    notes: list[str] = []
    roles = wanted or (_by_name(names) if names else None)
    if roles is None:
        roles = _by_values(rows) if rows else None
        if roles is None:
            return None
        order = " ".join("_txyp"[role] for role in roles)
        notes.append(f"columns {order}, by their values; no line names them")
    roles = roles[: max(k for k, role in enumerate(roles) if role != IGNORED) + 1]
    fine = [row for row in rows if len(row) >= len(roles) and _is_event(row, roles)]
    if len(fine) < max(_SOUND * len(rows), 1) and not wanted and rows:
        return None
    if not rows and names is None:
        return None
    times = [row[roles.index(T)] for row in fine]
    power, why = _unit(times, names, roles, options.get("unit"))
    notes.append(why)
    signs = sorted({row[roles.index(P)].lower() for row in fine})
    if signs:
        notes.append(f"polarities written as {', '.join(signs[:4])}")
    return Layout(
        roles, ord(delimiter), power, at, size, tuple(before), names is not None, tuple(notes)
    )


def _wanted(options: Mapping[str, Any]) -> tuple[int, ...] | None:
    unit, delimiter, columns = (options.get(name) for name in ("unit", "delimiter", "columns"))
    if unit is not None and unit not in UNITS:
        raise FormatError(explain("options", "no unit of time", found=unit, expected=", ".join(UNITS)))  # fmt: skip
    if delimiter is not None and (delimiter not in DELIMITERS or len(delimiter) != 1):
        raise FormatError(
            explain("options", "no delimiter", found=repr(delimiter), expected="one of ',' ';' tab space")
        )  # fmt: skip
    if columns is None:
        return None
    letters = [str(c) for c in columns if str(c) not in ", "]
    roles = tuple(_LETTERS.get(letter, -1) for letter in letters)
    if sorted(role for role in roles if role) != [T, X, Y, P] or len(roles) > MAX_COLUMNS:
        raise FormatError(
            explain(
                "options",
                "columns name not each of t, x, y and p once",
                found=columns,
                expected="for instance 'txyp', '_' for a column to be ignored",
            )
        )
    return roles


def _fields(line: str, delimiter: str) -> list[str]:
    parts = line.split() if delimiter == " " else line.split(delimiter)
    return [part.strip().strip("\"'") for part in parts]


def _delimiter(lines: list[str]) -> str:
    for delimiter in DELIMITERS:
        if all(len(_fields(line, delimiter)) >= 4 for line in lines):
            return delimiter
    return " "


def _number(field: str) -> float | None:
    if field.lower() in _WORDS:
        return _WORDS[field.lower()]
    try:
        value = float(field)
    except ValueError:
        return None
    return value if abs(value) < 1e30 else None


def _by_name(names: list[str]) -> tuple[int, ...] | None:
    roles = [IGNORED] * min(len(names), MAX_COLUMNS)
    for k, name in enumerate(names[:MAX_COLUMNS]):
        for role, pattern in _NAMES.items():
            if role not in roles and pattern.match(name.strip().lower()):
                roles[k] = role
    return tuple(roles) if {T, X, Y, P} <= set(roles) else None


def _by_values(rows: list[list[str]]) -> tuple[int, ...] | None:
    """Tell four columns apart: polarities are few, times grow and may have a fraction, x stands before y."""
    full = [row for row in rows if len(row) == 4 and None not in map(_number, row)]
    if len(full) < _SOUND * len(rows) or not full:
        return None
    values = [
        [float(_number(field) or 0) for field in column] for column in zip(*full, strict=True)
    ]
    small = [k for k in range(4) if set(values[k]) <= {-1.0, 0.0, 1.0}]
    large = [k for k in range(4) if k not in small] or small
    broken = [k for k in large if any(set(".eE") & set(row[k]) for row in full)]
    growing = [k for k in large if _grows(values[k])]
    among = broken if len(broken) == 1 else growing or large
    time = max(among, key=lambda k: (max(values[k]) - min(values[k]), values[k][0], -k))
    signs = [k for k in small if k != time]
    if not signs:
        return None
    sign = max(signs)
    x, y = (k for k in range(4) if k not in (time, sign))
    roles = [IGNORED] * 4
    roles[time], roles[sign], roles[x], roles[y] = T, P, X, Y
    return tuple(roles)


def _grows(values: list[float]) -> bool:
    steps = len(values) - 1
    return sum(a <= b for a, b in pairwise(values)) >= _SOUND * steps


def _is_event(row: list[str], roles: tuple[int, ...]) -> bool:
    for field, role in zip(row, roles, strict=False):
        value = _number(field) if role else 0.0
        if value is None or (role in (X, Y) and not (0 <= value <= 65535 and value == int(value))):
            return False
    return True


def _unit(
    times: list[str], names: list[str] | None, roles: tuple[int, ...], unit: str | None
) -> tuple[int, str]:
    if unit is not None:
        return UNITS[unit], f"times in {unit}, by the caller"
    if names:
        name = names[roles.index(T)].strip().lower()
        if match := _UNIT.search(name):
            found = match.group(1).replace("sec", "s").replace("ss", "s")
            return UNITS[found], f"times in {found}, by their name {name!r}"
    values = [abs(_number(field) or 0.0) for field in times]
    fraction = any(set(".eE") & set(field) for field in times)
    whole = all(value == int(value) for value in values)
    if fraction and not (whole and len(values) > 1 and max(values, default=0.0) >= 1000):
        return UNITS["s"], "times in s, by their decimal point"
    if max(values, default=0.0) > _UNIX_NS:
        return UNITS["ns"], "times in ns, by their size"
    return UNITS["us"], "times in us: whole numbers"
