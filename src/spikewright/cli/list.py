"""`spikewright list`: what there is, without loading it."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Any

import typer

from spikewright.cli.console import JSON, write_json, write_table


class What(enum.StrEnum):
    """What can be listed."""

    ALL = "all"
    MODELS = "models"
    ENGINES = "engines"
    SUBSTRATES = "substrates"
    DATA = "data"
    VECTORS = "vectors"


def list_(
    what: What = typer.Argument(What.ALL, help="What to list."),
    json: bool = JSON,
) -> None:
    """List models, engines, substrates (a table made from their chip files), data sets, kinds of vectors."""
    makers = {
        What.MODELS: models,
        What.ENGINES: engines,
        What.SUBSTRATES: substrates,
        What.DATA: data,
        What.VECTORS: vectors,
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

    if name == "substrates":  # many facts each: a block per substrate, not a column
        table = Table(title=name, box=SIMPLE_HEAD)
        for head in ("substrate", "fact", "value"):
            table.add_column(head, overflow="fold")
        for line in lines:
            first, *rest = line.items()
            for k, (key, value) in enumerate(rest):
                table.add_row(str(first[1]) if k == 0 else "", key, Text(str(value)))
            table.add_section()
        return table
    columns = list(dict.fromkeys(key for line in lines for key in line))
    table = Table(title=name, box=SIMPLE_HEAD)
    for key in columns:
        table.add_column(key, overflow="fold")
    for line in lines:
        table.add_row(*(Text(str(line.get(key, "-"))) for key in columns))
    return table


def models() -> list[dict[str, Any]]:
    """Return a line per neuron model."""
    from spikewright.network import MODELS

    return [
        {
            "name": name,
            "state": " ".join(m.state) or "-",
            "linear": "yes" if m.is_affine else "no",
            "reset": m.reset_kind.value,
            "threshold": m.threshold or "-",
            "source": m.source or "-",
        }
        for name, m in MODELS.items()
    ]


def engines() -> list[dict[str, Any]]:
    """Return a line per engine."""
    from spikewright.engines import ENGINES, available

    return [{"name": name, "built in": "yes" if name in ENGINES else "no"} for name in available()]


def substrates() -> list[dict[str, Any]]:
    """Return a line per substrate from its chip file; no substrate is imported."""
    from spikewright.substrates import available
    from spikewright.substrates.base import load_chip

    lines = []
    for name, place in available().items():
        path = chip_file(place)
        if path is None:
            lines.append({"name": name, "title": "(its chip file was not found)"})
            continue
        chip = load_chip(path)
        facts = {key.replace("_", " "): _plain(value) for key, value in chip.capabilities.items()}
        limits = {
            f"limit: {key.replace('_', ' ')}": _show(constant.value, constant.unit)
            for key, constant in chip.limits.items()
        }
        lines.append({"name": name, "title": chip.title} | facts | limits)
    return lines


def _plain(value: Any) -> Any:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else value


def _show(value: float, unit: str) -> str:
    from spikewright.report.cost import show_value

    return f"{value:g}" if unit == "1" else show_value(value, unit)


def chip_file(place: str) -> Path | None:
    """Return the chip file beside a module "package.module:object", without importing the module."""
    from importlib.util import find_spec

    first, *rest = place.partition(":")[0].split(".")
    try:
        spec = find_spec(first)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if spec.submodule_search_locations:
        for base in spec.submodule_search_locations:
            path = Path(base).joinpath(*rest[:-1], "chip.toml")
            if path.is_file():
                return path
        return None
    path = Path(spec.origin or "").with_name("chip.toml")
    return path if path.is_file() else None


def data() -> list[dict[str, Any]]:
    """Return a line per data set."""
    from spikewright.data import DATASETS

    return [{"name": name, "read by": place} for name, place in sorted(DATASETS.items())]


def vectors() -> list[dict[str, Any]]:
    """Return a line per kind of reference vectors that `verify` knows."""
    from spikewright.testing.verify import KINDS

    return [{"name": name} for name in sorted(KINDS)]
