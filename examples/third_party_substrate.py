"""A chip of your own: one data file and one model file (both in `my_substrate/`), compiled to, run, and priced."""

from pathlib import Path

from my_substrate.model import MODELS

from spikewright.engines import run
from spikewright.network import LIF, Dense, Input, Network, Population, Projection
from spikewright.rng import stream
from spikewright.substrates.base import Described
from spikewright.units import ms, show

chip = Described(Path(__file__).parent / "my_substrate" / "chip.toml", MODELS)

draw = stream(1, "example/weights")
network = Network(
    dt=1 * ms,
    populations={
        "in": Population(Input, 32),
        "hidden": Population(LIF, 40, {"tau_m": 10 * ms}),
        "out": Population(LIF, 4, {"tau_m": 20 * ms}),
    },
    projections={
        "in->hidden": Projection("in", "hidden", Dense(draw.normal(0.05, 0.2, (40, 32)))),
        "hidden->out": Projection("hidden", "out", Dense(draw.normal(0.05, 0.2, (4, 40)))),
    },
)
spikes = (stream(1, "example/input").random((50, 8, 32)) < 0.1).astype(float)

compiled = chip.compile(network, seed=1)
for change in compiled.changes:
    print(change)

ideal, lowered = run(network, {"in": spikes}), run(compiled.network, {"in": spikes})
print(
    f"\noutput spikes: ideal {ideal.sent['out'].sum()}, {chip.name} {lowered.sent['out'].sum()}\n"
)

costs = chip.cost(compiled, lowered)
for term in costs.energy:
    one = show(term.constant.value, term.constant.unit)
    print(f"{term.name:20} {term.count:10.6g} x {one:8} = {show(term.value, 'J')}")
for name, total, unit in (
    ("device", costs.device, "J"),
    ("system", costs.system, "J"),
    ("latency", costs.time, "s"),
):
    band = f"{show(total.low, unit)} to {show(total.high, unit)}"
    print(f"{name} per inference: {show(total.value, unit)} ({band}), {total.grade.value}")
print(f"area: {costs.silicon.value * 1e6:.3g} mm^2")
