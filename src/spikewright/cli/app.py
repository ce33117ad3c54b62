"""The program: its verbs, its exit statuses, and how errors are shown."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from spikewright.cli.compare import compare
from spikewright.cli.compile import compile_
from spikewright.cli.console import FELL_SHORT, INTERRUPTED, USAGE, complain
from spikewright.cli.convert import convert
from spikewright.cli.events import group
from spikewright.cli.list import list_
from spikewright.cli.run import run
from spikewright.cli.show import show
from spikewright.cli.train import train
from spikewright.cli.verify import verify
from spikewright.errors import SpikewrightError

_STATUSES = (
    f"Exit status: 0 done; {FELL_SHORT} something fell short (a verification; a substrate that could not take the "
    f"network; a damaged recording, of which all was taken that can be read); {USAGE} usage or bad input, with one "
    f"message and nothing half-written; {INTERRUPTED} interrupted by Ctrl-C, with everything finished so far kept."
)


class Verbs(TyperGroup):
    """Shows errors raised on purpose as one message; lets all others through."""

    def invoke(self, ctx: Any) -> Any:
        """Run a verb."""
        try:
            return super().invoke(ctx)
        except SpikewrightError as error:
            complain(str(error))
            raise typer.Exit(USAGE) from None
        except ModuleNotFoundError as error:
            if not error.name or error.name.startswith("spikewright"):
                raise
            complain(
                f"{error.name}: needed here, but not installed — pip install '{error.name.partition('.')[0]}', or "
                "install spikewright again with all it needs"
            )
            raise typer.Exit(USAGE) from None
        except MemoryError as error:
            complain(
                f"memory: not enough for this; found {error} — take fewer steps or samples, or a larger machine"
            )
            raise typer.Exit(USAGE) from None
        except KeyboardInterrupt as stop:
            complain(str(stop) or "interrupted; what was finished is kept")
            raise typer.Exit(INTERRUPTED) from None


app = typer.Typer(
    cls=Verbs,
    name="spikewright",
    help="Spiking networks described once: simulated, trained, compiled to chips, compared.",
    epilog=_STATUSES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    add_completion=True,
)


@app.callback(invoke_without_command=True)
def program(
    version: bool = typer.Option(False, "--version", help="Say the version and end."),
) -> None:
    """Spiking networks described once: simulated, trained, compiled to chips, compared."""
    if version:
        from spikewright import __version__

        typer.echo(f"spikewright {__version__}")
        raise typer.Exit


for name, verb, short in (
    ("compare", compare, "Compare substrates on a data set or a network: the main job."),
    ("run", run, "Run a network."),
    ("train", train, "Train a network; can be stopped and resumed."),
    ("compile", compile_, "Lower a network to a substrate."),
    ("show", show, "Show a file, a neuron model or a substrate."),
    ("list", list_, "List models, engines, substrates, data sets."),
    ("verify", verify, "Compare this installation with reference vectors."),
    ("convert", convert, "Convert between NIR and our own files."),
):
    app.command(name, short_help=short, epilog=_STATUSES)(verb)
app.add_typer(group(_STATUSES))
