"""`spikewright events repair`: a sound file of what can be saved of a damaged one."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from spikewright.cli.console import JSON, say, write_json
from spikewright.cli.events.options import FROM, PIPE, QUIET, READ, SOURCE_HELP, TO


def repair(
    source: Path = typer.Argument(..., help=SOURCE_HELP),
    target: Path = typer.Argument(
        ..., help="The new file; of the same format, if its ending fits."
    ),
    from_: str | None = FROM,
    to: str | None = TO,
    read: list[str] | None = READ,
    quiet: bool = QUIET,
    json: bool = JSON,
) -> None:
    """Write a sound file of all that can be read of a damaged one, and say what was wrong.

    Events outside the sensor are left out. The damaged file stays as it is.
    """
    from spikewright.cli.events.meter import Meter
    from spikewright.cli.events.options import of_format
    from spikewright.cli.events.streams import (
        check_target,
        complain_of,
        ending_cleanly,
        told,
    )
    from spikewright.errors import UsageError, explain
    from spikewright.events.formats import repair as mend
    from spikewright.events.irregular import Kind

    if str(target) == PIPE:
        raise UsageError(
            explain(
                "repair", "writes files only", cure="or convert SOURCE -, which keeps everything"
            )
        )
    check_target(target, source)
    given = sys.stdin.buffer if str(source) == PIPE else source
    with Meter("mending", shown=not quiet) as meter, ending_cleanly():
        found = mend(
            given, target, format=to, read_as=from_, watch=meter.watch, **of_format(read, "--read")
        )
    if json:
        write_json({"source": source, "target": target, "irregularities": told(found)})
        return
    complain_of(str(source), found)
    outside = found.count(Kind.OUTSIDE)
    if outside:
        say(f"left out, because they lay outside the sensor: {outside:,} events")
    say(f"{source} -> {target}: {'mended' if found.harmful else 'it was sound'}")
