"""`spikewright verify`: this installation against a folder of reference vectors."""

from __future__ import annotations

from pathlib import Path

import typer

from spikewright.cli.console import FELL_SHORT, JSON, write, write_json


def verify(
    kind: str = typer.Argument(..., help="See `spikewright list vectors`."),
    folder: Path = typer.Argument(
        ..., help="A folder laid out like the reference vectors of that kind."
    ),
    json: bool = JSON,
) -> None:
    """Compare with reference vectors: a line per case. Exit status 1 if any falls short."""
    from spikewright.testing.verify import verify as compare_folder

    cases = compare_folder(kind, folder)
    short = [c for c in cases if not c.passed]
    if json:
        write_json({"kind": kind, "folder": folder, "passed": not short, "cases": cases})
    else:
        for case in cases:
            write(f"{'ok  ' if case.passed else 'FAIL'} {case.name}: {case.detail}")
        write(f"{len(cases) - len(short)} of {len(cases)} cases pass")
    if short or not cases:
        raise typer.Exit(FELL_SHORT)
