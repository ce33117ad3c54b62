"""What a network without a clock cannot mean, each with the cure."""

from __future__ import annotations

from spikewright.errors import EngineError, Problems
from spikewright.network.graph import Network
from spikewright.network.library.sources import PoissonSource
from spikewright.network.model import NeuronModel

CLOCK = "use engine='cpu', which has a clock"


def why_not(model: NeuronModel) -> str:
    """Return why neurons of a model need a clock; empty where they do not."""
    if model == PoissonSource:
        return ""
    if model.integer:
        return "is integer arithmetic, one step after the other"
    if model.update:
        return "is given by its next values, one step after the other"
    if model.noise:
        return "draws noise in every step"
    if model.is_transparent:
        ports = set(model.inputs)
        passes = model.output in ports and not model.threshold and len(ports) == 1
        compares = bool(model.threshold) and not model.output and len(ports) == 1
        if compares:
            from spikewright.engines.event.affine import margin
            from spikewright.network.calculus import degree

            found = margin(model)
            port = next(iter(ports))
            compares = found is not None and model.threshold.strip().startswith(port)
            compares = compares and found is not None and degree(found[0], ports) == 1
        if not (passes or compares):
            return "has no state, and neither passes on nor compares what arrives"
    return ""


def refuse(network: Network) -> None:
    """Raise EngineError with everything that needs a clock."""
    problems = Problems()
    for name, population in network.populations.items():
        reason = why_not(population.model)
        if reason:
            problems.add(
                f"engine 'event': population {name!r}",
                f"{population.model.name} {reason}",
                cure=CLOCK,
            )
        elif population.model.state and not population.model.is_spiking:
            for projection in network.outgoing(name):
                problems.add(
                    f"engine 'event': projection {projection!r}",
                    f"{name!r} ({population.model.name}) sends a value at every step, not spikes",
                    cure=CLOCK,
                )
    for name, q in network.projections.items():
        if q.rule is not None:
            problems.add(
                f"engine 'event': projection {name!r}",
                f"its synapses change by the rule {q.rule.model.name}, which counts steps",
                cure=f"{CLOCK}; to run with weights as they are: network.without_rules()",
            )
    problems.raise_as(EngineError)
