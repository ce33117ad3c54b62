"""`spikewright run`: a network and its input become spikes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from spikewright.cli.console import (
    DT,
    ENGINE,
    JSON,
    PRECISION,
    SEED,
    THREADS,
    say,
    write,
    write_json,
)

MANY = 1_000_000
"""Weights from which on the memory that a run takes is worth a line."""


def run(
    network: Path = typer.Argument(
        ..., help="A network (.h5), an NIR graph (.nir) or a simulation of SONATA (.json)."
    ),
    events: Path | None = typer.Option(None, "--events", help="Events that enter its one input."),
    inputs: Path | None = typer.Option(None, "--inputs", help=".npz, one array T B N per input."),
    steps: int | None = typer.Option(
        None, "--steps", min=0, help="Steps; default: as long as the input."
    ),
    dt: float | None = DT,
    out: Path | None = typer.Option(None, "--out", help=".npz for what every output sent, T B N."),
    record: Path | None = typer.Option(
        None, "--record", help=".h5 for all spikes, written as the run goes."
    ),
    checkpoint: Path | None = typer.Option(
        None, "--checkpoint", help=".h5 for the state; where it exists, the run is taken up there."
    ),
    precision: str = PRECISION,
    threads: int | None = THREADS,
    engine: str = ENGINE,
    seed: int = SEED,
    json: bool = JSON,
) -> None:
    """Run a network and say how much it did; `--out` keeps what its outputs sent, `--record` everything."""
    from spikewright.cli.documents import (
        Kind,
        kind_of,
        read_inputs,
        read_network,
        write_arrays,
    )
    from spikewright.engines import plan
    from spikewright.engines import run as run_network
    from spikewright.report.metrics import activity

    given: Any = {}
    if kind_of(network) is Kind.SONATA:
        from spikewright.network.sonata import read_sonata

        circuit = read_sonata(network, dt=dt)
        found, given = circuit.network, circuit.inputs
        steps = circuit.steps if steps is None else steps
        for note in circuit.notes:
            say(note)
    else:
        found, _ = read_network(network, dt=dt)
    if engine in ("auto", "cpu") and found.n_weights > MANY and not json:
        # said before it is taken
        made = plan(found, precision=precision, threads=threads)
        say(f"memory: {made.size / 2**30:.2f} GiB, {made.threads} thread(s)")
    recording = run_network(
        found,
        read_inputs(found, events, inputs) or given,
        engine=engine,
        steps=steps,
        seed=seed,
        precision=precision,
        threads=threads,
        file=record,
        checkpoint=checkpoint,
        # the engine without a clock runs in one piece
        progress=not json and engine != "event",
    )
    if out is not None:
        write_arrays({name: recording.dense(name) for name in found.outputs}, out)
        say(f"outputs: {out}")
    if record is not None:
        say(f"recording: {record}")
    spikes = {n: int(recording.sent[n].sum()) for n in found.populations}
    result = {
        "network": found.name,
        "engine": recording.engine,
        "steps": recording.steps,
        "duration": recording.duration,
        "samples": recording.batch,
        "seed": seed,
        "sent": spikes,
        "activity": activity(recording) if recording.batch else None,
    }
    if json:
        write_json(result)
        return
    write(
        f"{found.name}: {recording.steps} steps ({recording.duration:g} s), {recording.batch} sample(s), "
        f"engine {recording.engine}, seed {seed}"
    )
    for name, count in spikes.items():
        population = found.populations[name]
        word = "spikes" if population.model.is_spiking else "values other than 0"
        write(f"  {name} ({population.model.name} {population.shape}): {count} {word}")
