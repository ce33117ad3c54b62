"""`spikewright events info`: what a file holds, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from spikewright.cli.console import JSON, write, write_json
from spikewright.cli.events.options import FROM, QUIET, READ, SOURCE_HELP, STRICT


def info(
    source: Path = typer.Argument(..., help=SOURCE_HELP),
    header: bool = typer.Option(False, "--header", help="Show the file's own header lines too."),
    index: bool = typer.Option(
        False, "--index", help="Keep a seek index beside the file: later cuts are at once."
    ),
    from_: str | None = FROM,
    read: list[str] | None = READ,
    strict: bool = STRICT,
    quiet: bool = QUIET,
    json: bool = JSON,
) -> None:
    """Say what a recording holds: format, sensor, events, times, what came beside them, and all that is irregular."""
    from spikewright.cli.events.meter import Meter
    from spikewright.cli.events.streams import (
        Tally,
        end,
        pieces,
        reading,
        told,
        worth_telling,
    )
    from spikewright.events.formats import format_named

    options = [*(read or []), "index=true"] if index else read
    with reading(source, format=from_, options=options, strict=strict) as reader:
        tally, on = Tally(), 0
        first, last = 2**63, -(2**63)
        with Meter("reading", reader, shown=not quiet) as meter:
            for beside, chunk in pieces(reader):
                tally.note(beside)
                tally.read += len(chunk)
                if len(chunk):
                    on += int((chunk.p != 0).sum())
                    first, last = min(first, int(chunk.t.min())), max(last, int(chunk.t.max()))
                meter.at(tally.read)
        if index:
            reader.build_index()
        head = reader.header  # only now: some sizes are known from the events alone
        found = worth_telling(reader)
        size = reader.source.size
    span = max(last - first, 0)
    facts: dict[str, Any] = {
        "file": reader.source.name,
        "format": head.format,
        "title": format_named(head.format).title,
        "bytes": size,
        "width": head.width,
        "height": head.height,
        "events": tally.read,
        "on": on,
        "off": tally.read - on,
        "first": first if tally.read else None,
        "last": last if tally.read else None,
        "duration": span * 1e-6,
        "rate": tally.read / (span * 1e-6) if span else None,
        "beside": tally.beside,
        "start": head.start,
        "t_offset": head.t_offset,
        "notes": list(head.notes),
        "details": plain(head.details),
        "irregularities": told(found),
        "sound": not any(one.is_harmful for one in found),
    }
    if header:
        facts["header"] = list(head.lines)
    if json:
        write_json(facts)
    else:
        for line in described(facts):
            write(line)
        for one in found:
            write(f"  {'damaged' if one.is_harmful else 'remark':<9} {one}")
        if header:
            for text in head.lines:
                write(f"  | {text}")
    end(found)


def described(facts: Mapping[str, Any]) -> list[str]:
    """Return the facts as lines for people."""
    from spikewright.units import show

    sensor = f"{facts['width']} x {facts['height']} pixels" if facts["width"] else "unknown size"
    lines = [f"{facts['file']}: {facts['title']}, {sensor}, {facts['bytes']:,} bytes"]
    events = f"{facts['events']:,}"
    if facts["events"]:
        share = facts["on"] / facts["events"]
        events += f" ({share:.1%} ON), {facts['bytes'] / facts['events']:.2f} bytes each"
    lines.append(f"  events    {events}")
    if facts["events"]:
        lines.append(
            f"  time      {facts['first']:,} us to {facts['last']:,} us: {show(facts['duration'], 's', digits=6)}"
        )
    if facts["rate"]:
        lines.append(f"  rate      {show(facts['rate'], 'events/s')} on average")
    for name, count in facts["beside"].items():
        lines.append(f"  beside    {count:,} {name}")
    if facts["start"]:
        lines.append(f"  recorded  {facts['start']}")
    if facts["t_offset"]:
        lines.append(f"  clock     zero is {facts['t_offset']:,} us of the camera's")
    return lines + [f"  assumed   {note}" for note in facts["notes"]]


def plain(value: Any) -> Any:
    """Return a header's details as values that JSON knows."""
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(each) for each in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)
