"""`spikewright compile`: a network becomes what a substrate runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from spikewright.cli.console import DT, JSON, SEED, say, write, write_json

if TYPE_CHECKING:
    from spikewright.substrates.base import Compiled


def compile_(
    network: Path = typer.Argument(..., help="A network (.h5) or an NIR graph (.nir)."),
    substrate: str = typer.Argument(..., help="See `spikewright list substrates`."),
    option: list[str] = typer.Option(
        [], "--option", "-o", help="NAME=VALUE of the substrate; may be repeated."
    ),
    dt: float | None = DT,
    out: Path | None = typer.Option(None, "--out", help="File (.h5) for the lowered network."),
    export_configuration: Path | None = typer.Option(
        None, "--export-configuration", help="File (.h5) for what each core holds: plain tables."
    ),
    nir: Path | None = typer.Option(
        None,
        "--nir",
        help="File (.nir) for the network with the numbers that the chip computes with.",
    ),
    sanafe: Path | None = typer.Option(
        None, "--sanafe", help="Folder for the files of SANA-FE: arch.yaml and snn.yaml."
    ),
    seed: int = SEED,
    json: bool = JSON,
) -> None:
    """Lower a network to a substrate; say what was changed and why, and where it lies."""
    from spikewright import substrates
    from spikewright.cli.documents import check_place, read_network
    from spikewright.errors import UsageError, explain
    from spikewright.report.pictures import layout

    if out is not None and out.suffix not in (".h5", ".hdf5"):
        raise UsageError(
            explain(
                str(out),
                "unknown ending",
                found=repr(out.suffix),
                expected=".h5",
                cure="`spikewright convert` makes .nir of it",
            )
        )
    for place, ending in ((export_configuration, (".h5", ".hdf5")), (nir, (".nir",))):
        if place is not None:
            if place.suffix not in ending:
                raise UsageError(
                    explain(
                        str(place),
                        "unknown ending",
                        found=repr(place.suffix),
                        expected=ending[0],
                    )
                )
            check_place(place)
    options = dict(read_option(text) for text in option)
    found, _ = read_network(network, dt=dt)
    compiled = substrates.get(substrate, **options).compile(found, seed=seed)
    if out is not None:
        from spikewright.network.store import save

        save(compiled.network, out)
        say(f"lowered network: {out}")
    exported = _export(compiled, export_configuration, nir, sanafe)
    placed = layout(compiled.placement)
    if json:
        write_json(
            {
                "network": found.name,
                "substrate": substrate,
                "options": options,
                "seed": seed,
                "changes": compiled.changes,
                "cores": 0 if placed is None else len(placed.position),
                "placement": placed,
                "exported": exported,
            }
        )
        return
    write(f"{found.name} on {substrate}: {len(compiled.changes)} change(s)")
    for change in compiled.changes:
        write(f"  {change}")
    if placed is not None:
        fullest = max(range(len(placed.load)), key=lambda core: placed.load[core])
        write(
            f"  placement: {len(placed.position)} core(s) on a mesh of {' x '.join(map(str, placed.mesh))}; "
            f"the fullest uses {placed.load[fullest]:.0%} of {placed.binding[fullest] or 'nothing'}"
        )


def _export(
    compiled: Compiled, configuration: Path | None, nir: Path | None, sanafe: Path | None
) -> dict[str, object]:
    """Write the files that are asked for; return what is to be said about each."""
    from spikewright.substrates import export

    told: dict[str, object] = {}
    if configuration is not None:
        export.export_configuration(compiled, configuration)
        told["configuration"] = {"file": configuration}
        say(f"configuration: {configuration}")
    if nir is not None:
        report = export.write_nir(compiled, nir)
        told["nir"] = {"file": nir, "report": report}
        say(f"NIR: {nir}")
        say("  " + str(report).replace("\n", "\n  "))
    if sanafe is not None:
        files = export.export_sanafe(compiled, sanafe)
        told["sanafe"] = files
        say(f"SANA-FE: {files.architecture}, {files.network}")
        for note in files.notes:
            say(f"  {note}")
    return told


def read_option(text: str) -> tuple[str, object]:
    """Return a name and a value: a number, yes/no, a quantity with a unit, or text.

    Raises
    ------
    UsageError : not NAME=VALUE

    Examples
    --------
    >>> read_option("time=20 ms"), read_option("compensation=no"), read_option("preset=nahuku")
    (('time', 0.02), ('compensation', False), ('preset', 'nahuku'))
    """
    from spikewright.errors import UnitError, UsageError, explain
    from spikewright.units import quantity

    name, equal, value = text.partition("=")
    if not equal or not name.strip().isidentifier():
        raise UsageError(
            explain("--option", "not an option", found=repr(text), expected="NAME=VALUE")
        )
    value = value.strip()
    if value.lower() in ("yes", "true", "no", "false"):
        return name.strip(), value.lower() in ("yes", "true")
    try:
        return name.strip(), int(value)
    except ValueError:
        pass
    try:
        return name.strip(), quantity(value)
    except UnitError:
        return name.strip(), value
