"""`spikewright events synth`: the events that a camera would see of a video or of a drawn scene."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from spikewright.cli.console import JSON, SEED, say, write_json
from spikewright.cli.events.options import (
    PIPE,
    QUIET,
    TARGET_HELP,
    TO,
    WRITE,
    complete_presets,
    complete_scenes,
)


def synth(
    source: str = typer.Argument(
        ...,
        help="A video, or a drawn scene with its parameters: bar, disc:rate=3, checkerboard, stars; see "
        "`spikewright events list scenes`.",
        autocompletion=complete_scenes,
    ),
    target: Path = typer.Argument(..., help=TARGET_HELP),
    size: str | None = typer.Option(
        None, "--size", help="Of the sensor, such as 346x260; default: the video's, or that."
    ),
    duration: str = typer.Option("1s", "--duration", help="Of a scene."),
    fps: float = typer.Option(1000.0, "--fps", help="How often the light of a scene is drawn, Hz."),
    preset: str = typer.Option(
        "default", "--pixel", help="Model of the pixels.", autocompletion=complete_presets
    ),
    set_: list[str] | None = typer.Option(
        None, "--set", help="KEY=VALUE: change the model of the pixels, such as shot=5. Repeatable."
    ),
    seed: int = SEED,
    to: str | None = TO,
    write: list[str] | None = WRITE,
    quiet: bool = QUIET,
    json: bool = JSON,
) -> None:
    """Make the events that a camera would see of a video, or of a drawn scene whose motion is known."""
    from spikewright.cli.events.meter import Meter
    from spikewright.cli.events.streams import check_target, left_out, writing
    from spikewright.errors import EventError, explain
    from spikewright.events.formats import Header

    check_target(target, Path(source), json=json)
    model = model_of(preset, set_)
    with Meter("seeing", shown=not quiet) as meter:
        written = 0

        def progress(done: int, total: int | None) -> None:
            meter.at(written, done=done, total=total)

        chunks = events_of(source, size, duration, fps, model, seed, progress)
        first = next(chunks, None)
        if first is None:
            raise EventError(explain(source, "has no frames"))
        head = Header("", first.width, first.height)
        with writing(target, head, format=to, options=write) as writer:
            writer.add(first)
            written = first.n
            for chunk in chunks:
                writer.add(chunk)
                written += chunk.n
    left_out(writer)
    if json:
        write_json(
            {
                "source": source,
                "target": target,
                "events": written,
                "width": first.width,
                "height": first.height,
                "pixel": model,
                "seed": seed,
            }
        )
    elif str(target) != PIPE:
        say(f"{source} -> {target}: {written:,} events of {first.width} x {first.height} pixels")


def model_of(preset: str, changes: list[str] | None) -> Any:
    """Return a model of pixels by its name, with changes.

    Raises
    ------
    UsageError : no such model, or no such parameter
    """
    from dataclasses import fields, replace

    from spikewright.cli.events.options import pairs
    from spikewright.errors import UsageError, explain
    from spikewright.events.synthesis import PRESETS, Timing

    if preset not in PRESETS:
        raise UsageError(
            explain("--pixel", "is unknown", found=repr(preset), expected=", ".join(PRESETS))
        )
    chosen = pairs(changes, "--set")
    known = {
        each.name: type(getattr(PRESETS[preset], each.name)) for each in fields(PRESETS[preset])
    }
    for key, value in chosen.items():
        if key not in known:
            raise UsageError(
                explain("--set", "no such parameter", found=key, expected=", ".join(known))
            )
        try:
            # a number may be written without a point; truth and timing may not be numbers
            chosen[key] = known[key](value) if known[key] in (float, Timing) else value
        except (TypeError, ValueError):
            raise UsageError(explain(f"--set {key}", "does not fit", found=repr(value))) from None
        if known[key] is bool and not isinstance(value, bool):
            raise UsageError(
                explain(f"--set {key}", "does not fit", found=repr(value), expected="true or false")
            )
    return replace(PRESETS[preset], **chosen)


def events_of(
    source: str,
    size: str | None,
    duration: str,
    fps: float,
    model: Any,
    seed: int,
    progress: Any,
) -> Iterator[Any]:
    """Give the events of a video or a scene, frame by frame.

    Raises
    ------
    UsageError : neither, or a parameter that a scene does not have
    """
    from spikewright.cli.events.options import called, seconds
    from spikewright.cli.events.options import size as size_of
    from spikewright.errors import UsageError, explain
    from spikewright.events.synthesis import SCENES, chunks, video_events

    pixels = size_of(size, "--size")
    name, values = called(source, "scene") if not Path(source).exists() else ("", {})
    if name in SCENES:
        if pixels is not None:
            values |= {"width": pixels[0], "height": pixels[1]}
        if "velocity" in values:
            values["velocity"] = tuple(values["velocity"])
        try:
            scene = SCENES[name](**values)
        except TypeError as error:
            raise UsageError(
                explain(f"scene {name}", "has no such parameter", found=error)
            ) from None
        length = seconds(duration, "--duration") or 0.0
        if not (length > 0 and 0 < fps < 1e7):
            raise UsageError(
                explain(
                    "synth", "has no time", found=f"{length} s at {fps} Hz", expected="both > 0"
                )
            )
        frames = int(length * fps) + 1

        def drawn() -> Iterator[Any]:
            for k in range(frames):
                yield scene.light(k / fps)
                progress(k + 1, frames)

        yield from chunks(drawn(), fps=fps, model=model, seed=seed)
        return
    if not Path(source).exists():
        raise UsageError(
            explain(
                "synth", "neither a file nor a scene", found=repr(source),
                expected=f"a video, or {', '.join(SCENES)}",
            )
        )  # fmt: skip
    yield from video_events(source, size=pixels, model=model, seed=seed, progress=progress)
