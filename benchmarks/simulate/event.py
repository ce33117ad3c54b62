"""With a clock, or without: what a second of network time costs, against the mean rate.

    python benchmarks/simulate/event.py [--neurons 20000] [--rounds 3] [--dry]

Neurons of two models (LIF, whose spikes jump the voltage, and CubaLIF, whose spikes start a current) have 100 random
targets each, and are made to fire by an input neuron of their own, at times drawn once for all engines. CPU time of one
thread, the least of interleaved rounds; the network is prepared before. Everything is in
`benchmarks/results/simulate_event.json`, the figure beside it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

from harness import RESULTS, machine  # noqa: E402

import spikewright as sw  # noqa: E402

RATES = (0.01, 0.1, 1.0, 10.0, 50.0)  # Hz
TARGETS, DELAY, DT = 100, 1.5e-3, 1e-4  # s
SECONDS = {0.01: 10.0, 0.1: 5.0, 1.0: 1.0, 10.0: 0.2, 50.0: 0.1}  # s of network time per run
# model -> (weight that makes a neuron fire once, weight of a synapse)
MODELS = {"LIF": (sw.LIF, 1.2, 2e-3), "CubaLIF": (sw.CubaLIF, 9.0, 5e-3)}
ENGINES: dict[str, dict[str, Any]] = {
    "event": {"engine": "event"},
    "cpu, double": {"engine": "cpu", "lazy": False, "threads": 1},
    "cpu, single": {"engine": "cpu", "lazy": False, "threads": 1, "precision": "single"},
    "cpu, single, lazy": {"engine": "cpu", "lazy": True, "threads": 1, "precision": "single"},
}


def network(model: str, n: int) -> sw.Network:
    """Return the network of a model."""
    neuron, strong, weak = MODELS[model]
    # the current that makes a CubaLIF fire goes on behind the spike; it is refractory as long
    params = {"t_ref": 2e-3} if model == "LIF" else {"t_ref": 30e-3}
    recurrent = sw.FixedOutDegree(n, TARGETS, weights=weak, seed=1)
    return sw.Network(
        dt=DT,
        populations={"in": sw.Population(sw.Input, n), "n": sw.Population(neuron, n, params)},
        projections={
            "in->n": sw.Projection("in", "n", sw.OneToOne(strong), "spikes"),
            "n->n": sw.Projection("n", "n", recurrent, "spikes", delay=DELAY),
        },
        outputs=("n",),
    )


def inputs(n: int, rate: float, seconds: float) -> sw.Events:
    """Return Poisson trains of one rate as events of a nanosecond."""
    rng = np.random.default_rng(7)
    count = rng.poisson(n * rate * seconds)
    # on the grid, so that the clocked engines get the same
    t = np.sort(rng.integers(0, round(seconds / DT), count)) * round(DT * 1e9)
    return sw.Events(t, rng.integers(0, n, count), (n,), tick=1e-9)


def measure(n: int, rounds: int) -> list[dict[str, Any]]:
    """Return one row per model, rate and engine."""
    rows = []
    for model in MODELS:
        net = network(model, n)
        ready = {k: sw.prepare(net, **options) for k, options in ENGINES.items()}
        for rate in RATES:
            seconds = SECONDS[rate]
            events, steps = inputs(n, rate, seconds), round(seconds / DT)
            least = dict.fromkeys(ENGINES, np.inf)
            spikes = dict.fromkeys(ENGINES, 0)
            for _ in range(rounds + 1):  # the first compiles
                for engine, prepared in ready.items():
                    start = time.process_time()
                    found = sw.run(prepared, {"in": events}, steps=steps, spikes=("n",))
                    took = time.process_time() - start
                    if _:
                        least[engine] = min(least[engine], took)
                    spikes[engine] = int(found.sent["n"].sum())
            for engine in ENGINES:
                rows.append(
                    {
                        "model": model,
                        "input_rate_hz": rate,
                        "engine": engine,
                        "cpu_s_per_s": least[engine] / seconds,
                        "rate_hz": spikes[engine] / n / seconds,
                    }
                )
                print(f"{model:8} {rate:6g} Hz {engine:18} {rows[-1]['cpu_s_per_s']:9.4f} s/s"
                      f"  {rows[-1]['rate_hz']:.4f} Hz", flush=True)  # fmt: skip
    return rows


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Write the figure."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "spikewright"
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(MODELS), figsize=(9, 3.6), sharey=True)
    for axis, model in zip(axes, MODELS, strict=True):
        for engine in ENGINES:
            own = [r for r in rows if r["model"] == model and r["engine"] == engine]
            axis.loglog(
                [r["rate_hz"] for r in own], [r["cpu_s_per_s"] for r in own], "o-", label=engine
            )
        axis.set_title(model)
        axis.set_xlabel("mean rate, Hz")
    axes[0].set_ylabel("CPU s per s of network time")
    axes[0].legend()
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--neurons", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dry", action="store_true", help="write no file")
    options = parser.parse_args()
    rows = measure(options.neurons, options.rounds)
    if options.dry:
        return
    result = {
        "what": "CPU seconds of one thread per second of network time, least of the rounds",
        "neurons": options.neurons,
        "targets": TARGETS,
        "dt": DT,
        "rounds": options.rounds,
        "machine": machine(),
        "rows": rows,
    }
    (RESULTS / "simulate_event.json").write_text(json.dumps(result, indent=1) + "\n")
    draw(rows, RESULTS / "simulate_event.svg")
    # the page that shows it has a copy
    shutil.copy(
        RESULTS / "simulate_event.svg", FOLDER.parents[1] / "docs/concepts/event_engine.svg"
    )


if __name__ == "__main__":
    main()
