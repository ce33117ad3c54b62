"""`spikewright convert`: NIR and networks of lava-dl to our own files, and back, with a report of what was kept."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import TypeVar

import typer

from spikewright.cli.console import DT, JSON, say, write, write_json

Choice = TypeVar("Choice", bound=enum.Enum)


def convert(
    source: Path = typer.Argument(
        ...,
        help="A network (.h5), an NIR graph (.nir), a network of lava-dl (.net) or a circuit of SONATA (.json).",
    ),
    target: Path = typer.Argument(
        ...,
        help="What to write: .nir for an NIR graph, .h5 for our own layout, .py for a Brian2 script.",
    ),
    dt: float | None = DT,
    current: str | None = typer.Option(
        None, "--current", help="How NIR equations are stepped: sequential, euler or exact."
    ),
    if_input: str = typer.Option(
        "auto", "--if-input", help="What enters an NIR IF: auto, impulse or current."
    ),
    reset: str | None = typer.Option(
        None, "--reset", help="How NIR neurons reset: value or subtract."
    ),
    keep_delays: bool = typer.Option(
        False,
        "--keep-delays",
        help="Write one-step delays as Delay nodes instead of moving populations in time.",
    ),
    json: bool = JSON,
) -> None:
    """Write a network in another layout; say for every node whether it was kept exactly, changed or refused."""
    from spikewright.cli.documents import (
        Kind,
        check_ending,
        kind_of,
        read_network,
        write_network,
    )
    from spikewright.errors import UsageError, explain

    check_ending(target)
    kind = kind_of(source)
    reports = {}
    if kind is Kind.NIR:
        from spikewright.network.model import Reset
        from spikewright.network.nir import Current, IfInput, from_nir

        imported = from_nir(
            source,
            dt=dt,
            current=None if current is None else one_of(Current, current, "--current"),
            if_input=one_of(IfInput, if_input, "--if-input"),
            reset=None if reset is None else one_of(Reset, reset, "--reset"),
        )
        network = imported.network
        reports["read"] = imported.report
    else:
        for name, value in (("current", current), ("reset", reset)):
            if value is not None:
                raise UsageError(
                    explain(f"--{name}", "is for NIR graphs", found=source, cure="leave it out")
                )
        network, notes = read_network(source, dt=dt)
        for note in notes or ():
            say(note)
    written = write_network(network, target, retime=not keep_delays)
    if written is not None:
        reports["written"] = written
    if json:
        write_json(
            {
                "source": source,
                "target": target,
                "exact": all(r.is_exact for r in reports.values()),
                "reports": reports,
            }
        )
        return
    for word, report in reports.items():
        write(f"{word}:")
        write("  " + str(report).replace("\n", "\n  "))
    write(f"{source} -> {target}")


def one_of(kind: type[Choice], text: str, where: str) -> Choice:
    """Return the member of an enumeration with a value.

    Raises
    ------
    UsageError : there is none
    """
    from spikewright.errors import UsageError, explain

    known = {str(member.value): member for member in kind}
    if text not in known:
        raise UsageError(explain(where, "unknown", found=repr(text), expected=", ".join(known)))
    return known[text]
