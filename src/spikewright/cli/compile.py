"""`spikewright compile`: a network becomes what a substrate runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from spikewright.cli.console import DT, JSON, SEED, say, write, write_json

if TYPE_CHECKING:
    from spikewright.report.result import Layout
    from spikewright.substrates.base import Compiled, Costs, Substrate


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
    events: Path | None = typer.Option(
        None, "--events", help="Events to run it with: says what an inference costs."
    ),
    inputs: Path | None = typer.Option(
        None, "--inputs", help=".npz to run it with, one array T B N per input."
    ),
    heat: Path | None = typer.Option(
        None, "--heat", help="File (.svg) for the heat maps of cores and links in that run."
    ),
    seed: int = SEED,
    json: bool = JSON,
) -> None:
    """Lower a network to a substrate; say what was changed and why, where it lies, and what a run costs there."""
    from spikewright import substrates
    from spikewright.cli.documents import check_place, read_network
    from spikewright.errors import UsageError, explain
    from spikewright.report.cost import show_total
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
    if heat is not None and events is None and inputs is None:
        raise UsageError(explain("--heat", "needs a run", cure="say --events or --inputs"))
    files = ((export_configuration, (".h5", ".hdf5")), (nir, (".nir",)), (heat, (".svg",)))
    for place, ending in files:
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
    chip = substrates.get(substrate, **options)
    compiled = chip.compile(found, seed=seed)
    if out is not None:
        from spikewright.network.store import save

        save(compiled.network, out)
        say(f"lowered network: {out}")
    exported = _export(compiled, export_configuration, nir, sanafe)
    placed = layout(compiled.placement)
    costs = _costs(chip, compiled, events, inputs, seed)
    if heat is not None:
        _draw(heat, substrate, costs, placed)
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
                "costs": costs,
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
    if costs is not None and costs.is_priced:
        write(
            f"  an inference of {costs.steps} steps, price list {costs.preset}: device "
            f"{show_total(costs.device, 'J', band=True)}, system {show_total(costs.system, 'J', band=True)}, "
            f"latency {show_total(costs.time, 's', band=True)}"
        )
        for note in costs.notes:
            write(f"    {note}")


def _costs(
    chip: Substrate, compiled: Compiled, events: Path | None, inputs: Path | None, seed: int
) -> Costs | None:
    """Return what a run of the lowered network costs, where there is something to run it with."""
    from spikewright.cli.documents import read_inputs
    from spikewright.engines import run

    given = read_inputs(compiled.network, events, inputs)
    if not given:
        return None
    return chip.cost(compiled, run(compiled.network, given, seed=seed))


def _draw(place: Path, label: str, costs: Costs | None, placed: Layout | None) -> None:
    """Write the heat maps of a run."""
    from spikewright.errors import UsageError, explain
    from spikewright.report.meshes import heat_of

    made = None if costs is None or placed is None else heat_of(label, costs, placed)
    if made is None:
        raise UsageError(explain("--heat", f"{label} has no heat maps"))
    place.write_text(made.svg, encoding="utf-8")
    say(f"heat maps: {place}")


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
    """Return a name and a value: a number, yes/no, a quantity with a unit, a list as Python writes it, or text.

    Raises
    ------
    UsageError : not NAME=VALUE

    Examples
    --------
    >>> read_option("time=20 ms"), read_option("compensation=no"), read_option("preset=nahuku")
    (('time', 0.02), ('compensation', False), ('preset', 'nahuku'))
    >>> read_option("faulty=[(0, 0), (3, 1)]")
    ('faulty', [(0, 0), (3, 1)])
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
    if value.startswith(("[", "(", "{")):
        import ast

        try:
            return name.strip(), ast.literal_eval(value)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            raise UsageError(
                explain(f"--option {name.strip()}", "cannot be read", found=repr(value),
                        expected="a list or table as Python writes it, as in [(0, 1), (2, 3)]")
            ) from None  # fmt: skip
    try:
        return name.strip(), int(value)
    except ValueError:
        pass
    try:
        return name.strip(), quantity(value)
    except UnitError:
        return name.strip(), value
