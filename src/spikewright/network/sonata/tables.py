"""Tables of types: one line per type of node or edge, columns separated by blanks; `NULL` is no value."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from spikewright.errors import FormatError, explain
from spikewright.files import replacing

Value = float | str
Types = Mapping[int, Mapping[str, Value]]
"""Number of the type -> column -> value; numbers are floats, `NULL` is left out."""
MAX_TABLE = 64 * 2**20
"""Bytes that a table may have."""


def read_types(path: str | os.PathLike[str], key: str) -> dict[int, dict[str, Value]]:
    """Read a table of types.

    Parameters
    ----------
    path : of the table
    key : the column that numbers the types: node_type_id or edge_type_id

    Raises
    ------
    FormatError : missing, without `key`, a line of another length, a number twice
    """
    place = Path(path)
    if not place.is_file():
        found = "a folder" if place.is_dir() else "no such file"
        raise FormatError(
            explain(str(place), "cannot be read", found=found, expected="a table of types")
        )
    try:
        if place.stat().st_size > MAX_TABLE:
            raise FormatError(
                explain(str(place), "is too large", expected=f"{MAX_TABLE >> 20} MiB at most")
            )
        text = place.read_text(encoding="utf-8-sig")
        head = text.partition("\n")[0]
        separator = "," if "," in head and " " not in head.strip() else " "
        lines = list(csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=True))
    except (OSError, ValueError, csv.Error) as error:
        raise FormatError(explain(str(place), "is not a table", found=str(error)[:160])) from None
    rows = [[cell for cell in line if cell or separator == ","] for line in lines]
    rows = [row for row in rows if row]
    if not rows or key not in rows[0]:
        raise FormatError(
            explain(str(place), f"no column {key!r}", found=", ".join(rows[0][:8] if rows else ()))
        )
    names = rows[0]
    found_types: dict[int, dict[str, Value]] = {}
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(names):
            raise FormatError(
                explain(
                    f"{place}: line {number}", "has another number of columns than the first",
                    found=len(row), expected=len(names), cure="quote values that hold blanks",
                )
            )  # fmt: skip
        values = {n: _value(x) for n, x in zip(names, row, strict=True) if x not in ("NULL", "")}
        own = values.pop(key, None)
        if not isinstance(own, float) or own != int(own):
            raise FormatError(
                explain(f"{place}: line {number}", f"{key} is not a whole number", found=own)
            )
        if int(own) in found_types:
            raise FormatError(
                explain(f"{place}: line {number}", f"{key} {int(own)} is there twice")
            )
        found_types[int(own)] = values
    return found_types


def _value(text: str) -> Value:
    try:
        number = float(text)
    except ValueError:
        return text
    return number if math.isfinite(number) else text


def write_types(
    path: str | os.PathLike[str], key: str, types: Mapping[int, Mapping[str, object]]
) -> None:
    """Write a table of types, whole or not at all."""
    names: list[str] = []
    for values in types.values():
        names += [n for n in values if n not in names]
    text = io.StringIO()
    writer = csv.writer(text, delimiter=" ", lineterminator="\n")
    writer.writerow([key, *names])
    for number, values in types.items():
        writer.writerow([number, *(_text(values.get(n)) for n in names)])
    with replacing(path) as temporary:
        temporary.write_text(text.getvalue(), encoding="utf-8")


def _text(value: object) -> str:
    if value is None:
        return "NULL"
    return repr(value) if isinstance(value, float) else str(value)


def unknown_types(used: Sequence[int], types: Types) -> list[int]:
    """Return the numbers that no line of a table has."""
    return sorted({int(n) for n in used} - set(types))
