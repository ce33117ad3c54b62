"""What the verbs for recordings share on the command line: options, their texts, and what the Tab key offers."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from typing import Any

import typer

PIPE = "-"
"""In place of a file name: standard input or output."""

TAKEN = frozenset({"given", "path", "header", "format", "pipe", "read_as", "watch"})
"""What readers and writers are told otherwise than by options of a format."""

SOURCE_HELP = "A recording of any format, or - for standard input."
TARGET_HELP = "The file to write; its ending names the format. Or - for standard output: AEDAT 4."


def complete_formats(incomplete: str) -> list[str]:
    """Return the formats that begin so."""
    from spikewright.events.formats import FORMATS

    return [name for name in FORMATS if name.startswith(incomplete)]


def complete_filters(incomplete: str) -> list[str]:
    """Return the filters that begin so, or what may follow behind one."""
    from dataclasses import fields

    from spikewright.events.filters import FILTERS

    name, colon, rest = incomplete.partition(":")
    if not colon:
        return [each for each in FILTERS if each.startswith(name)]
    if name not in FILTERS:
        return []
    done, comma, last = rest.rpartition(",")
    used = {pair.partition("=")[0] for pair in done.split(",")}
    keys = [f.name for f in fields(FILTERS[name]) if f.name not in used]
    return [f"{name}:{done}{comma}{key}=" for key in keys if key.startswith(last)]


def complete_scenes(incomplete: str) -> list[str]:
    """Return the drawn scenes that begin so."""
    from spikewright.events.synthesis import SCENES

    return [name for name in SCENES if name.startswith(incomplete)]


def complete_presets(incomplete: str) -> list[str]:
    """Return the models of pixels that begin so."""
    from spikewright.events.synthesis import PRESETS

    return [name for name in PRESETS if name.startswith(incomplete)]


def complete_colors(incomplete: str) -> list[str]:
    """Return the color schemes that begin so."""
    from spikewright.events.render.colors import SCHEMES

    return [name for name in SCHEMES if name.startswith(incomplete)]


FROM = typer.Option(
    None, "--from", help="Format of the input, where its content does not tell.",
    autocompletion=complete_formats,
)  # fmt: skip
TO = typer.Option(
    None, "--to", help="Format of the output, where its name does not tell.",
    autocompletion=complete_formats,
)  # fmt: skip
READ = typer.Option(
    None, "--read", help="KEY=VALUE: an option of reading, such as width=640. Repeatable."
)
WRITE = typer.Option(
    None, "--write", help="KEY=VALUE: an option of the format that is written. Repeatable."
)
START = typer.Option(None, "--start", help="From this time on, such as 1.5s or 250ms.")
STOP = typer.Option(None, "--stop", help="Up to this time, which is not part of it.")
CLOCK = typer.Option(
    "start", "--clock", help="Times count from the first event (start) or as in the file (recording).",
)  # fmt: skip
STRICT = typer.Option(False, "--strict", help="Make the first thing that is wrong an error.")
LOSSY = typer.Option(
    False, "--lossy", help="Leave out what the output's format cannot hold, and say how much."
)
ZERO = typer.Option(
    False,
    "--zero",
    help="Let times begin at zero; what came beside before the first event is left out.",
)
EVENTS_ONLY = typer.Option(
    False, "--events-only", help="Leave out triggers, frames and inertial samples."
)
QUIET = typer.Option(False, "--quiet", "-q", help="Show no progress.")


def seconds(text: str | None, where: str) -> float | None:
    """Return a time in seconds.

    Raises
    ------
    UsageError : no time
    """
    from spikewright.errors import UnitError, UsageError, explain
    from spikewright.events.filters.base import LONGEST
    from spikewright.units import quantity

    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        try:
            value = quantity(text, unit="s")
        except UnitError:
            value = float("nan")
    if not abs(value) <= LONGEST:
        raise UsageError(
            explain(where, "is not a time", found=repr(text), expected="such as 1.5s, 250ms or 1.5")
        )
    return value


def size(text: str | None, where: str) -> tuple[int, int] | None:
    """Return width and height.

    Raises
    ------
    UsageError : not two whole numbers above 0
    """
    from spikewright.errors import UsageError, explain

    if text is None:
        return None
    width, cross, height = text.lower().partition("x")
    fits = cross and width.isdecimal() and height.isdecimal() and len(text) < 12
    if not fits or not (0 < int(width) <= 65536 and 0 < int(height) <= 65536):
        raise UsageError(
            explain(where, "is not a size", found=repr(text), expected="such as 346x260")
        )
    return int(width), int(height)


def pairs(texts: Iterable[str] | None, where: str) -> dict[str, Any]:
    """Return the values of `KEY=VALUE` words; numbers, true, false and lists as TOML writes them, else text.

    Raises
    ------
    UsageError : a word without =, or a key twice
    """
    from spikewright.errors import UsageError, explain

    found: dict[str, Any] = {}
    for text in texts or ():
        key, equals, value = text.partition("=")
        key = key.strip()
        if not equals or not key:
            raise UsageError(
                explain(where, "is not KEY=VALUE", found=repr(text), expected="such as within=25ms")
            )
        if key in found:
            raise UsageError(explain(where, f"{key} is said twice"))
        found[key] = _value(value.strip())
    return found


def of_format(texts: Iterable[str] | None, where: str) -> dict[str, Any]:
    """Return the options of a format; see `pairs`.

    Raises
    ------
    UsageError : not KEY=VALUE, or what has an option of the command line to itself
    """
    from spikewright.errors import UsageError, explain

    found = pairs(texts, where)
    for key in sorted(TAKEN & set(found)):
        raise UsageError(
            explain(where, f"{key} is no option of a format", cure="--from and --to name formats")
        )
    return found


def called(text: str, where: str) -> tuple[str, dict[str, Any]]:
    """Return name and values of `NAME:key=value,key=value`.

    Raises
    ------
    UsageError : no such form
    """
    name, _, rest = text.partition(":")
    return name.strip(), pairs(_parts(rest), f"{where} {name.strip()}") if rest.strip() else {}


def _parts(text: str) -> list[str]:
    """Divide at commas that are in no bracket and no quotes."""
    parts, depth, quote = [""], 0, ""
    for letter in text:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'":
            quote = letter
        elif letter in "[]":
            depth += 1 if letter == "[" else -1
        elif letter == "," and depth == 0:
            parts.append("")
            continue
        parts[-1] += letter
    return parts


def _value(text: str) -> Any:
    try:
        table = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    value = table["value"] if len(table) == 1 else text
    # TOML has dates and tables too, which no option takes
    return value if isinstance(value, bool | int | float | str | list) else text
