"""Which engine `engine="auto"` takes, and why.

A network says whether it has a clock (`Network.propagation`). With one, spikes lie on the grid of dt, and every engine
that is chosen gives the same recording; an engine without a clock would give other times, by up to a step each, so it
is never chosen there: it is named where it would be exact and cheaper, for whoever wants that. Without a clock there
is nothing that the clocked engines could mean.
"""

from __future__ import annotations

from dataclasses import dataclass

from spikewright.network.graph import Network, Propagation

PER_STEP, PER_ARRIVAL = 0.6e-9, 60e-9
"""CPU seconds of a neuron in a step with a clock, and of an arrival without one: measured, rounded
(`benchmarks/results/simulate_event.json`, LIF and CubaLIF, double precision)."""


@dataclass(frozen=True)
class Choice:
    """An engine, and why it was taken."""

    engine: str
    why: str

    def __str__(self) -> str:
        return f"{self.engine}: {self.why}"


def choose(network: Network) -> Choice:
    """Return the engine that "auto" stands for, and why.

    Examples
    --------
    >>> from spikewright.network import LIF, Network, Population, Propagation
    >>> net = Network(dt=1e-3, populations={"n": Population(LIF, 1)})
    >>> choose(net).engine, choose(net.replacing(propagation=Propagation.CONTINUOUS)).engine
    ('cpu', 'event')
    """
    if network.propagation is Propagation.CONTINUOUS:
        return Choice("event", "the network has no clock: every spike has its own time")
    why = f"spikes lie on the clock of the network, dt = {network.dt:g} s"
    return Choice("cpu", why + _hint(network))


def _hint(network: Network) -> str:
    """Return what an engine without a clock would do."""
    from spikewright.engines.event.affine import is_linear
    from spikewright.engines.event.refusals import why_not

    models = [p.model for p in network.populations.values()]
    stateful = [m for m in models if m.state]
    sends = {q.pre for q in network.projections.values()}
    graded = any(
        p.model.state and not p.model.is_spiking
        for n, p in network.populations.items()
        if n in sends
    )
    ruled = any(q.rule is not None for q in network.projections.values())
    if (
        graded
        or ruled
        or any(why_not(m) for m in models)
        or not all(is_linear(m) for m in stateful)
    ):
        return ""
    neurons = sum(p.n for p in network.populations.values() if p.model.state)
    synapses = sum(
        q.topology.expected_synapses(network.populations[q.pre].shape)
        for q in network.projections.values()
    )
    text = "; all neurons are linear, so engine='event' would give exact times"
    if synapses and neurons:
        rate = neurons * PER_STEP / network.dt / (synapses * PER_ARRIVAL)
        text += f", at less cost where they fire below about {rate:.1g} Hz"
    return text
