"""Training meets what the chip computes: the trained network behind the pass spikes as the compiled one."""

from __future__ import annotations

import numpy as np

from spikewright.engines import run
from spikewright.network import LIF, chain, dense, neurons, source
from spikewright.rng import stream
from spikewright.substrates.truenorth.model import LinearLeak
from spikewright.substrates.truenorth.substrate import TrueNorth
from spikewright.train import AdamW, CountCrossEntropy, fit

CLASSES, INPUTS = 4, 140


def toy(n: int, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Return spikes of more addresses than a neuron sees; each class has its own pattern of rates."""
    draw = stream(3, f"truenorth/training/{part}")
    labels = draw.integers(0, CLASSES, n)
    pattern = stream(3, "truenorth/training/pattern").random((CLASSES, INPUTS)) * 0.3
    return (draw.random((15, n, INPUTS)) < pattern[labels]).astype(np.float32), labels


def test_a_network_trained_through_the_passes_compiles_to_what_was_trained() -> None:
    chip = TrueNorth()
    plain = chain(
        source(INPUTS), dense(16, gain=2.0, recurrent=True), neurons(LIF, tau_m=10e-3),
        dense(CLASSES, gain=2.0), neurons(LIF, tau_m=10e-3), dt=1e-3, seed=2,
    )  # fmt: skip
    network = chip.adapted(plain)
    assert all(network.populations[n].model == LinearLeak for n in ("hidden1", "output"))
    trained = fit(
        network, (toy(96, "train"), toy(32, "validation")), epochs=3, batch=32, seed=3,
        optimizer=AdamW(lr=0.02), loss=CountCrossEntropy(gain=0.5), progress=False,
        through=chip.passes,
    )  # fmt: skip
    losses = [epoch.loss for epoch in trained.history]
    assert losses[-1] < 0.9 * losses[0]
    x = toy(40, "test")[0]
    behind, _ = chip.run_passes(trained.network, chip.passes, 0)
    compiled = chip.compile(trained.network)
    expected = run(behind, {"input": x}, engine="reference")
    found = run(compiled.network, {"input": x.astype(np.int64)}, engine="reference")
    for name in ("hidden1", "output"):
        assert expected.dense(name).sum() > 50
        np.testing.assert_array_equal(found.dense(name), expected.dense(name))
    seen = compiled.network.projections["input->hidden1"].topology.weight != 0
    assert seen.sum(axis=1).max() <= 128
