"""`spikewright events`: recordings of event cameras, read, mended, cut, filtered, converted, measured and shown."""

from __future__ import annotations

import typer

from spikewright.cli.events.convert import convert
from spikewright.cli.events.cut import cut
from spikewright.cli.events.filter import filter_
from spikewright.cli.events.info import info
from spikewright.cli.events.list import list_
from spikewright.cli.events.play import play
from spikewright.cli.events.render import render
from spikewright.cli.events.repair import repair
from spikewright.cli.events.stats import stats
from spikewright.cli.events.synth import synth

HELP = (
    "Recordings of event cameras: every format, both directions. Verbs can be chained: - reads standard input, of any "
    "format, or writes standard output, as AEDAT 4. What is wrong with a recording is told with its place and number "
    "on standard error; the status is 1 then, and everything that could be read was written."
)


def group(epilog: str) -> typer.Typer:
    """Return the verbs for recordings, each with `epilog` under its help."""
    verbs = typer.Typer(
        name="events",
        help=HELP,
        epilog=epilog,
        no_args_is_help=True,
        rich_markup_mode=None,
    )
    for name, verb, short in (
        ("info", info, "Say what a recording holds, and what is wrong with it."),
        ("stats", stats, "Rates, silences, intervals, hot pixels, bandwidth."),
        ("cut", cut, "Write a stretch of a recording."),
        ("convert", convert, "Write a recording in another format."),
        ("filter", filter_, "Send a recording through filters."),
        ("repair", repair, "Write what can be saved of a damaged recording."),
        ("render", render, "Carry out an edit file; or make a film or a picture."),
        ("play", play, "Show a recording in the terminal."),
        ("synth", synth, "Make events of a video or a drawn scene."),
        ("list", list_, "List formats, filters, scenes, pixels, colors."),
    ):
        verbs.command(name, short_help=short, epilog=epilog)(verb)
    return verbs
