"""`spikewright events list`: formats, filters, scenes, models of pixels, color schemes."""

from __future__ import annotations

import enum
from typing import Any

import typer

from spikewright.cli.console import JSON, write_json, write_table


class What(enum.StrEnum):
    """What can be listed."""

    ALL = "all"
    FORMATS = "formats"
    FILTERS = "filters"
    SCENES = "scenes"
    PRESETS = "presets"
    COLORS = "colors"


def list_(what: What = typer.Argument(What.ALL, help="What to list."), json: bool = JSON) -> None:
    """List formats, filters with their parameters, drawn scenes, models of pixels and color schemes."""
    makers = {
        What.FORMATS: formats,
        What.FILTERS: filters,
        What.SCENES: scenes,
        What.PRESETS: presets,
        What.COLORS: colors,
    }
    wanted = list(makers) if what is What.ALL else [what]
    found = {kind.value: makers[kind]() for kind in wanted}
    if json:
        write_json(found if what is What.ALL else found[what.value])
        return
    for name, lines in found.items():
        write_table(_table(name, lines))


def _table(name: str, lines: list[dict[str, Any]]) -> Any:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    table = Table(title=name, box=SIMPLE_HEAD)
    for key in lines[0]:
        table.add_column(key, overflow="fold")
    for line in lines:
        table.add_row(*(Text(str(value)) for value in line.values()))
    return table


def formats() -> list[dict[str, Any]]:
    """Return a line per format."""
    from spikewright.events.formats import FORMATS, format_named

    found = [format_named(name) for name in FORMATS]
    return [
        {
            "name": each.name,
            "title": each.title,
            "endings": " ".join(each.suffixes),
            "written": "yes" if each.writer else "no",
        }
        for each in found
    ]


def filters() -> list[dict[str, Any]]:
    """Return a line per filter."""
    from spikewright.events.filters import FILTERS

    return [
        {"name": name, "does": cls.title, "parameters": ", ".join(_parameters(cls))}
        for name, cls in FILTERS.items()
    ]


def scenes() -> list[dict[str, Any]]:
    """Return a line per drawn scene."""
    from spikewright.events.synthesis import SCENES

    return [
        {
            "name": name,
            "shows": (cls.__doc__ or "").splitlines()[0],
            "parameters": ", ".join(_parameters(cls)),
        }
        for name, cls in SCENES.items()
    ]


def presets() -> list[dict[str, Any]]:
    """Return a line per model of pixels."""
    from dataclasses import asdict

    from spikewright.events.synthesis import PRESETS

    return [
        {"name": name, **{k: _plain(v) for k, v in asdict(m).items()}}
        for name, m in PRESETS.items()
    ]


def colors() -> list[dict[str, Any]]:
    """Return a line per color scheme; red, green and blue of each color."""
    from spikewright.events.render.colors import SCHEMES

    return [
        {"name": name, "on": list(s.on), "off": list(s.off), "ground": list(s.ground)}
        for name, s in SCHEMES.items()
    ]


def _parameters(cls: Any) -> list[str]:
    from dataclasses import MISSING, fields

    from spikewright.units import show

    texts = []
    for each in fields(cls):
        unit = each.metadata.get("unit")
        if each.default is MISSING:
            texts.append(each.name)
        elif unit and each.default:
            texts.append(f"{each.name}={show(each.default, unit).replace(' ', '')}")
        else:
            texts.append(f"{each.name}={_plain(each.default)}")
    return texts


def _plain(value: Any) -> Any:
    value = value.value if isinstance(value, enum.Enum) else value
    return str(value).lower() if isinstance(value, bool) else value
