"""`spikewright events convert`: the same events in another format, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import typer

from spikewright.cli.console import JSON, say, write_json
from spikewright.cli.events.options import (
    EVENTS_ONLY,
    FROM,
    LOSSY,
    PIPE,
    QUIET,
    READ,
    SOURCE_HELP,
    STRICT,
    TARGET_HELP,
    TO,
    WRITE,
    ZERO,
)


def convert(
    source: Path = typer.Argument(..., help=SOURCE_HELP),
    target: Path = typer.Argument(..., help=TARGET_HELP),
    from_: str | None = FROM,
    to: str | None = TO,
    read: list[str] | None = READ,
    write: list[str] | None = WRITE,
    lossy: bool = LOSSY,
    zero: bool = ZERO,
    events_only: bool = EVENTS_ONLY,
    strict: bool = STRICT,
    quiet: bool = QUIET,
    json: bool = JSON,
) -> None:
    """Write a recording in another format. The source stays as it is; the target appears when it is complete."""
    run(
        source, target, from_=from_, to=to, read=read, write=write, lossy=lossy,
        events_only=events_only, strict=strict, quiet=quiet, json=json, word="converting",
        start="0" if zero else None, zero=zero,
    )  # fmt: skip


def run(
    source: Path,
    target: Path,
    *,
    from_: str | None,
    to: str | None,
    read: list[str] | None,
    write: list[str] | None,
    lossy: bool,
    events_only: bool,
    strict: bool,
    quiet: bool,
    json: bool,
    word: str,
    start: str | None = None,
    stop: str | None = None,
    clock: str = "start",
    zero: bool = False,
) -> None:
    """Copy a recording or a stretch of it, and say what happened; `cut` is this with times."""
    from spikewright.cli.events.meter import Meter
    from spikewright.cli.events.streams import (
        PIPED,
        check_target,
        complain_of,
        copy,
        end,
        left_out,
        reading,
        stretch_of,
        told,
        worth_telling,
        writing,
    )

    check_target(target, source, json=json)
    with reading(source, format=from_, options=read, strict=strict) as reader:
        stretch = stretch_of(reader, start, stop, clock)
        later = -(stretch.start or 0) if zero else 0
        name = reader.source.name
        with (
            Meter(word, reader, shown=not quiet) as meter,
            writing(target, reader.header, format=to, options=write, lossy=lossy) as writer,
        ):
            tally = copy(reader, writer, stretch, meter, later=later, extras=not events_only)
        found = worth_telling(reader)
    written = PIPED if str(target) == PIPE else writer.name
    lost = left_out(writer)
    if json:
        write_json(
            {
                "source": name,
                "target": target,
                "from": reader.header.format,
                "to": written,
                "events": tally.written,
                "beside": {} if events_only else tally.beside,
                "left_out": tally.beside if events_only else {o.note: o.count for o in lost},
                "irregularities": told(found),
            }
        )
    else:
        complain_of(name, found)
        if events_only and tally.beside:
            say("left out: " + ", ".join(f"{n:,} {what}" for what, n in tally.beside.items()))
        if str(target) != PIPE or tally.written == 0:
            say(
                f"{name} -> {target}: {tally.written:,} events, {reader.header.format} to {written}"
            )
    end(found)
