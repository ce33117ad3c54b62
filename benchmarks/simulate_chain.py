"""The compiled engine against the reference, on the network of the main job: 64-256-128-10, 32 steps, 16 samples."""

from __future__ import annotations

import numpy as np
from harness import interleaved, report

from spikewright import rng
from spikewright.engines import get
from spikewright.network import LIF
from spikewright.network.chain import chain, dense, neurons, source

STEPS, SAMPLES = 32, 16


def main() -> None:
    """Time both engines on the same run, and check that they agree before a number is shown."""
    net = chain(
        source(64),
        dense(256, gain=3.0),
        neurons(LIF),
        dense(128, gain=3.0),
        neurons(LIF),
        dense(10, gain=3.0),
        neurons(LIF),
        dt=1e-3,
        seed=1,
    )
    spikes = (rng.stream(0, "benchmark").random((STEPS, SAMPLES, 64)) < 0.2).astype(float)
    engines = {name: get(name) for name in ("reference", "cpu")}
    first = {name: engine.run(net, {"input": spikes}) for name, engine in engines.items()}
    for population in net.populations:
        sent = [first[name].sent[population] for name in engines]
        if not np.array_equal(*sent):
            raise SystemExit(f"the engines differ in {population!r}: nothing to compare")
    cases = {
        name: (lambda engine=engine: engine.run(net, {"input": spikes}))
        for name, engine in engines.items()
    }
    total = sum(int(counts.sum()) for counts in first["cpu"].sent.values())
    note = f"{STEPS} steps, {SAMPLES} samples, {total} spikes, equal in both engines"
    report("simulate_chain", interleaved(cases, rounds=7), against="reference", note=note)


if __name__ == "__main__":
    main()
