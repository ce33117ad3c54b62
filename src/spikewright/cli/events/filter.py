"""`spikewright events filter`: filters one after another, named on the command line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import typer

from spikewright.cli.console import JSON, say, write_json
from spikewright.cli.events.options import (
    FROM,
    QUIET,
    READ,
    SOURCE_HELP,
    STRICT,
    TARGET_HELP,
    TO,
    WRITE,
    complete_filters,
)

MOVING = frozenset(
    {"crop", "flip", "rotate", "transpose", "resize", "undistort", "stabilize"}
    | {"cut", "shift", "stretch", "reverse", "jitter"}
)
"""Filters that move events in place or time: frames and samples beside them would be wrong."""


def filter_(
    source: Path = typer.Argument(..., help=SOURCE_HELP),
    target: Path = typer.Argument(..., help=TARGET_HELP),
    with_: list[str] = typer.Option(
        [],
        "--with",
        help="NAME:key=value,key=value, with the names of edit files: stcf:within=25ms,least=2. Repeatable, in order; "
        "`spikewright events list filters` shows all.",
        autocompletion=complete_filters,
    ),
    from_: str | None = FROM,
    to: str | None = TO,
    read: list[str] | None = READ,
    write: list[str] | None = WRITE,
    strict: bool = STRICT,
    quiet: bool = QUIET,
    json: bool = JSON,
) -> None:
    """Send a recording through filters, and say what is left. Memory does not grow with the recording."""
    from spikewright.cli.events.meter import Meter
    from spikewright.cli.events.options import PIPE, called
    from spikewright.cli.events.streams import (
        Stretch,
        Tally,
        check_target,
        complain_of,
        end,
        left_out,
        needs_triggers_first,
        pieces,
        reading,
        told,
        triggers_of,
        worth_telling,
        writing,
    )
    from spikewright.errors import UsageError, explain
    from spikewright.events.filters import Pipeline, learned
    from spikewright.events.filters.parameters import filter_of

    if not with_:
        raise UsageError(
            explain(
                "filter", "has nothing to do", cure="--with stcf, for instance, takes noise out"
            )
        )
    check_target(target, source, json=json)
    wanted = [filter_of(*called(text, "--with"), where="--with") for text in with_]
    with reading(source, format=from_, options=read, strict=strict) as reader:
        head, name = reader.header, reader.source.name
        tally = Tally()
        with Meter("filtering", reader, shown=not quiet) as meter:
            ready = learned(
                wanted, lambda: (chunk for _, chunk in pieces(reader)), head.width, head.height
            )
            pipeline = Pipeline(ready, head.width, head.height)
            made = head.replace(width=pipeline.width, height=pipeline.height)
            moves = any(each.name in MOVING for each in wanted)
            with writing(target, made, format=to, options=write, lossy=True) as writer:
                early = not moves and needs_triggers_first(reader, writer)
                if early:
                    writer.add_extras(triggers_of(reader, Stretch()))
                for beside, chunk in pieces(reader):
                    tally.read += len(chunk)
                    tally.note(beside)
                    if not moves:
                        writer.add_extras(replace(beside, triggers=None) if early else beside)
                    out = pipeline(chunk)
                    if len(out):
                        writer.add(out)
                        tally.written += len(out)
                    meter.at(tally.read)
                out = pipeline.finish()
                if len(out):
                    writer.add(out)
                    tally.written += len(out)
        found = worth_telling(reader)
    lost = left_out(writer)
    gone = tally.beside if moves else {one.note: one.count for one in lost}
    if json:
        write_json(
            {
                "source": name,
                "target": target,
                "filters": with_,
                "read": tally.read,
                "written": tally.written,
                "outside": pipeline.outside,
                "left_out": gone,
                "irregularities": told(found),
            }
        )
    else:
        complain_of(name, found)
        if moves and gone:
            listed = ", ".join(f"{count:,} {what}" for what, count in gone.items())
            say(f"left out, because events were moved: {listed}")
        if pipeline.outside:
            say(f"left out, because they lay outside the sensor: {pipeline.outside:,} events")
        if str(target) != PIPE:
            share = tally.written / tally.read if tally.read else 0.0
            say(f"{name} -> {target}: {tally.written:,} of {tally.read:,} events ({share:.1%})")
    end(found)
