"""`spikewright compare`: the main job."""

from __future__ import annotations

from pathlib import Path

import typer

from spikewright.cli.console import (
    DT,
    ENGINE,
    FELL_SHORT,
    JSON,
    SEED,
    Bars,
    cache_folder,
    say,
    write,
    write_table,
)


def compare(
    what: str = typer.Argument(
        "digits", help="A data set (see `spikewright list data`) or a network file."
    ),
    data: Path | None = typer.Option(None, "--data", help="Folder of the data set's files."),
    events: Path | None = typer.Option(
        None, "--events", help="With a network: events that enter its input."
    ),
    inputs: Path | None = typer.Option(
        None, "--inputs", help="With a network: .npz, one array T B N per input."
    ),
    steps: int | None = typer.Option(
        None, "--steps", min=1, help="With a network: steps of the run."
    ),
    dt: float | None = DT,
    substrates: str = typer.Option(
        "", "--substrates", help="Names with commas between; default: all installed."
    ),
    seeds: int = typer.Option(
        3, "--seeds", min=1, help="Trainings, with the seeds SEED, SEED+1, ..."
    ),
    instances: int = typer.Option(
        10, "--instances", min=1, help="Chip instances per training where devices vary."
    ),
    samples: int | None = typer.Option(
        None, "--samples", min=1, help="Held-out samples; default: all."
    ),
    epochs: int | None = typer.Option(
        None, "--epochs", min=1, help="Epochs of training; default: the recipe's."
    ),
    damage: bool = typer.Option(
        False, "--damage", help="Also: how accuracy falls as synapses die."
    ),
    out: Path | None = typer.Option(
        None, "--out", help="HTML file; default: compare-NAME.html here."
    ),
    cache: Path | None = typer.Option(
        None, "--cache", help="Folder of trainings; default: the user's cache."
    ),
    engine: str = ENGINE,
    seed: int = SEED,
    json: bool = JSON,
) -> None:
    """Train on a data set (or take a network), compile to every substrate, run, and compare.

    Writes a table and one self-contained HTML file. Trainings are kept in the cache, so that an interrupted
    command goes on where it stopped, and the next one finds them. Exit status 1: some substrate could not take
    the network.
    """
    from spikewright.cli.documents import check_place
    from spikewright.data import DATASETS
    from spikewright.errors import UsageError, explain

    names = [n.strip() for n in substrates.split(",") if n.strip()] or None
    path = Path(what)
    if what not in DATASETS and not path.exists():
        raise UsageError(
            explain(
                f"compare {what!r}",
                "neither a data set nor a file",
                expected=f"{', '.join(sorted(DATASETS))}, or the path of a network",
            )
        )
    target = out or Path(f"compare-{what if what in DATASETS else path.stem}.html")
    check_place(target)
    for name, value, with_data in (
        ("--events", events, False),
        ("--inputs", inputs, False),
        ("--steps", steps, False),
        ("--dt", dt, False),
        ("--data", data, True),
        ("--samples", samples, True),
        ("--epochs", epochs, True),
        ("--damage", damage or None, True),
    ):
        if value is not None and with_data != (what in DATASETS):
            raise UsageError(
                explain(
                    name,
                    f"is for {'data sets' if with_data else 'networks'}",
                    found=repr(what),
                    cure="leave it out",
                )
            )
    from spikewright import engines, report

    engines.get(engine)

    with Bars(shown=True) as bars:
        if what in DATASETS:
            from spikewright.report.trainings import Trainings

            trainings = Trainings(
                what, data, cache_folder(cache, "trainings"), epochs=epochs, pause=bars.pause
            )
            found = report.compare(
                trainings.dataset,
                trainings,
                substrates=names,
                seeds=seeds,
                instances=instances,
                seed=seed,
                samples=samples,
                engine=engine,
                damage=(0.0, 0.05, 0.1, 0.2, 0.4) if damage else (),
                progress=bars,
            )
        else:
            from spikewright.cli.documents import read_inputs, read_network

            network, _ = read_network(path, dt=dt)
            found = report.compare_network(
                network,
                read_inputs(network, events, inputs),
                substrates=names,
                instances=instances,
                seed=seed,
                steps=steps,
                engine=engine,
                progress=bars,
            )
    report.write_html(found, target)
    if json:
        write(report.to_json(found))
    else:
        write_table(report.table(found))
    for label, why in found.failed.items():
        say(f"{label}: {why}")
    say(f"training: {found.about['training']}")
    say(f"report: {target}")
    if found.failed:
        raise typer.Exit(FELL_SHORT)
