"""`spikewright events render`: an edit carried out, or a recording as a film or picture."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import typer

from spikewright.cli.console import JSON, say, write_json
from spikewright.cli.events.options import (
    CLOCK,
    FROM,
    QUIET,
    READ,
    START,
    STOP,
    STRICT,
    complete_colors,
)

PICTURES = (".mp4", ".gif", ".png")
"""Endings of what is looked at; any other output is a recording."""


def render(
    source: Path = typer.Argument(
        ..., help="An edit file (.toml), a recording, or - for standard input."
    ),
    target: Path | None = typer.Argument(
        None,
        help="A film (.mp4, .gif), a picture (.png), or of an edit also a recording; default: the edit's own.",
    ),
    fps: float = typer.Option(30.0, "--fps", help="Pictures per second of the film."),
    speed: float = typer.Option(
        1.0, "--speed", help="Seconds of the recording per second of film."
    ),
    colors: str = typer.Option(
        "dark", "--colors", help="Color scheme.", autocompletion=complete_colors
    ),
    window: str | None = typer.Option(
        None,
        "--window",
        help="Show what happened in the last such time; default: since the last picture.",
    ),
    decay: str | None = typer.Option(
        None, "--decay", help="Instead, let each pixel's last event fade with this time constant."
    ),
    scale: int = typer.Option(1, "--scale", min=1, max=64, help="Pixels of the film per pixel."),
    start: str | None = START,
    stop: str | None = STOP,
    clock: str = CLOCK,
    from_: str | None = FROM,
    read: list[str] | None = READ,
    strict: bool = STRICT,
    quiet: bool = QUIET,
    json: bool = JSON,
) -> None:
    """Carry out an edit file, or make a film or a picture of a recording; the output's ending says which."""
    from spikewright.cli.events.options import seconds
    from spikewright.events.render.pictures import Look

    look = Look(window=seconds(window, "--window"), decay=seconds(decay, "--decay"))
    film = {"fps": fps, "speed": speed, "colors": colors, "scale": scale, "look": look}
    times = (start, stop, clock)
    reads = {"format": from_, "options": read, "strict": strict}
    if source.suffix.lower() != ".toml":
        result = of_recording(source, target, film, times, reads, quiet)
    else:
        result = of_edit(source, target, film, times, quiet, strict)
    finish(result, json)


def of_recording(
    source: Path,
    target: Path | None,
    film: dict[str, Any],
    times: tuple[str | None, str | None, str],
    reads: dict[str, Any],
    quiet: bool,
) -> dict[str, Any]:
    """Make a film or a picture of a recording."""
    from spikewright.cli.events.meter import Meter
    from spikewright.cli.events.streams import (
        check_target,
        ending_cleanly,
        reading,
        stretch_of,
        worth_telling,
    )
    from spikewright.errors import UsageError, explain
    from spikewright.events.render.film import render as draw

    if target is None or target.suffix.lower() not in PICTURES:
        raise UsageError(
            explain(
                "render", "makes no such thing of a recording", found=target,
                expected=", ".join(PICTURES), cure="convert and cut write recordings",
            )
        )  # fmt: skip
    check_target(target, source)
    with (
        reading(source, **reads) as reader,
        Meter("drawing", reader, shown=not quiet) as meter,
        ending_cleanly(),
    ):
        stretch = stretch_of(reader, *times)
        edges = {"start": stretch.start, "stop": stretch.stop}
        made = draw(reader, target, **edges, **film, progress=lambda k, _: meter.at(0))
        return {
            "source": reader.source.name,
            "target": target,
            "events": made.events,
            "pictures": made.pictures,
            "outside": made.outside,
            "found": worth_telling(reader),
        }


def of_edit(
    source: Path,
    target: Path | None,
    film: dict[str, Any],
    times: tuple[str | None, str | None, str],
    quiet: bool,
    strict: bool,
) -> dict[str, Any]:
    """Carry out an edit, and make a film of what comes out where one is wanted."""
    from dataclasses import replace

    from spikewright.cli.events.meter import Meter
    from spikewright.cli.events.streams import check_target, ending_cleanly
    from spikewright.errors import UsageError, explain
    from spikewright.events.edit import Edit
    from spikewright.events.edit import render as carry_out

    edit = Edit.load(source)
    if strict:
        edit = replace(edit, read={**edit.read, "strict": True})
    output = target or edit.output
    if output is None:
        raise UsageError(
            explain(
                str(source), "has no output", cure="name one, or add output = '...' to the edit"
            )
        )
    check_target(output, source, edit.input, *edit.merge)
    if str(output) == "-":
        raise UsageError(explain("render", "writes files only", cure="name a file"))
    with Meter("rendering", shown=not quiet) as meter, ending_cleanly():
        if output.suffix.lower() not in PICTURES:
            made = carry_out(edit, output=output, progress=lambda read, _, now: meter.at(read))
            pictures = None
        else:
            # beside the output: as large as what is left, and the folder for temporary files may be small
            with tempfile.TemporaryDirectory(prefix=".edit-", dir=output.parent) as folder:
                between = Path(folder) / "edited.aedat4"
                made = carry_out(
                    replace(edit, write={}),
                    output=between,
                    progress=lambda read, _, now: meter.at(read),
                )
                pictures = of_recording(between, output, film, times, {}, quiet)["pictures"]
    return {
        "source": source,
        "target": output,
        "read": made.read,
        "events": made.written,
        "pictures": pictures,
        "outside": made.outside,
        "masked": made.masked,
        "extras": made.extras,
        "found": made.irregularities,
    }


def finish(result: dict[str, Any], json: bool) -> None:
    """Say what was made, and what was wrong with the recordings."""
    from spikewright.cli.events.streams import complain_of, end, told

    found = result.pop("found")
    if json:
        write_json(result | {"irregularities": told(found)})
    else:
        complain_of(str(result["source"]), found)
        if result.get("extras"):
            say(f"left out: {result['extras']:,} triggers, frames and samples beside the events")
        if result["outside"]:
            say(f"left out, because they lay outside the sensor: {result['outside']:,} events")
        of = f" of {result['read']:,}" if "read" in result else ""
        text = f"{result['source']} -> {result['target']}: {result['events']:,}{of} events"
        if result["pictures"]:
            text += f", {result['pictures']:,} picture{'' if result['pictures'] == 1 else 's'}"
        say(text)
    end(found)
