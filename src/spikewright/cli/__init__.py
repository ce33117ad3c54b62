"""The command line. `main` is the entry point; every verb loads what it needs when it is called."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit status.

    Parameters
    ----------
    arguments : without the program's name; default: those of the process

    Returns
    -------
    int : 0 done, 1 fell short, 2 usage or bad input, 130 interrupted
    """
    from spikewright.cli.app import app

    # `list` is the verb's module here, once it is imported
    try:
        app(args=None if arguments is None else [*arguments], prog_name="spikewright")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return 0
