"""What every network script does alike with this project's engine: prepare it, warm up, measure.

Single precision, as GeNN's default; no result depends on the number of threads. Kernels are compiled once per
installation; on the first run that time is in `build_compile`.
"""

from __future__ import annotations

from typing import Any

from timing import WARM_UP, Clock, Run

import spikewright as sw
from spikewright.engines import get

PRECISION = "single"


def simulate(run: Run, network: sw.Network, *, synapses: int, **more: Any) -> sw.Recording:
    """Prepare, warm up, measure and report; return the recording of the measured time."""
    run.lap("import")
    recording, spikes = simulate_on(run.clock, network, run.seconds, run.threads, run.seed)
    run.report(
        neurons=network.n_neurons,
        synapses=synapses,
        spikes=spikes,
        version=sw.__version__,
        precision=PRECISION,
        **more,
    )
    return recording


def simulate_on(
    clock: Clock, network: sw.Network, seconds: float, threads: int, seed: int
) -> tuple[sw.Recording, int]:
    """Return the recording of the measured time, and its spikes; laps go to `clock`."""
    engine = get("cpu")
    options: dict[str, Any] = {"precision": PRECISION, "spikes": (), "seed": seed}
    prepared = engine.prepare(network, precision=PRECISION, threads=threads)
    clock.lap("build")
    state = engine.run(prepared, steps=1, **options).state
    clock.lap("build_compile")
    state = engine.run(
        prepared, steps=round(WARM_UP / network.dt) - 1, state=state, **options
    ).state
    clock.lap("warm_up")
    recording = engine.run(prepared, steps=round(seconds / network.dt), state=state, **options)
    clock.lap("simulate")
    return recording, sum(int(sent.sum()) for sent in recording.sent.values())
