"""Relays: neurons that pass spikes on, where delays or fan-out exceed what a chip has.

A relay neuron fires in the step in which a spike arrives, and what it sends is seen one step later at the earliest:
every relay on the way takes one step of the delay. Both passes keep the times of all spikes, but for those they list.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import LimitError, SubstrateError, explain
from spikewright.network.graph import Network, Population, Projection, Propagation
from spikewright.network.model import NeuronModel
from spikewright.network.topology import Sparse
from spikewright.substrates.base import Change
from spikewright.substrates.passes.pick import picked, written

RelayNeuron = NeuronModel(
    name="RelayNeuron",
    state={"v": "1"},
    params={},
    inputs={"x": "1"},
    jumps={"x": "v"},
    threshold="v > 0.5",
    reset={"v": "0"},
    source="Definition: fires in the step in which a spike arrives.",
)
IntegerRelayNeuron = NeuronModel(
    name="IntegerRelayNeuron",
    state={"v": "1"},
    params={},
    inputs={"x": "1"},
    update={"v": "x"},
    threshold="v > 0",
    reset={"v": "0"},
    integer=True,
    source="Definition: fires in the step in which a spike arrives.",
)


@dataclass(frozen=True)
class RelayDelays:
    """Lead synapses with long delays over chains of relay neurons, so that none exceeds `limit`.

    Each source has one chain for all its long synapses: stage q of it fires q (limit + 1) steps after the source.

    Parameters
    ----------
    limit : steps that one synapse can hold, 0 or more
    why : the reason shown in the list of changes
    """

    limit: int
    why: str = "a synapse holds short delays only"

    def __post_init__(self) -> None:
        if self.limit != int(self.limit) or self.limit < 0:
            raise SubstrateError(
                explain("relay: limit", "not possible", found=self.limit, expected="steps, >= 0")
            )

    def __call__(self, network: Network, seed: int) -> tuple[Network, tuple[Change, ...]]:
        """Return the network with relays.

        Raises
        ------
        SubstrateError : spikes with payloads, synapses with rules, or propagation within a step
        """
        populations, projections = dict(network.populations), dict(network.projections)
        changes = []
        for name in network.populations:
            long = [
                q
                for q in network.outgoing(name)
                if int(network.delay_steps(q).max(initial=0)) > self.limit
            ]
            if not long:
                continue
            _check_source(network, name)
            stage_of, n_stages = {}, 0
            for q in long:
                synapses = written(network, q)
                beyond = np.maximum(synapses.delay - self.limit, 0)
                stage_of[q] = synapses, -(-beyond // (self.limit + 1))
                n_stages = max(n_stages, int(stage_of[q][1].max(initial=0)))
            number: list[NDArray[np.int64]] = []
            for stage in range(1, n_stages + 1):
                needed = np.zeros(network.populations[name].n, bool)
                for synapses, stages in stage_of.values():
                    needed[synapses.source[stages >= stage]] = True
                index = np.cumsum(needed) - 1
                number.append(np.where(needed, index, -1))
                made, before = (
                    f"{name}.delay{stage}",
                    name if stage == 1 else f"{name}.delay{stage - 1}",
                )
                sources = np.flatnonzero(needed)
                earlier = sources if stage == 1 else number[stage - 2][sources]
                populations[made] = Population(_relay(network, name), (int(needed.sum()),))
                projections[f"wires->{made}"] = Projection(
                    before,
                    made,
                    _wires(earlier, populations[before].n),
                    delay=self.limit * network.dt,
                )
            for q, (synapses, stages) in stage_of.items():
                direct = stages == 0
                del projections[q]
                if np.any(direct) or network.projections[q].bias is not None:
                    projections[q] = picked(network, q, direct, synapses)
                for stage in range(1, int(stages.max(initial=0)) + 1):
                    made = f"{name}.delay{stage}"
                    projections[f"{q}.delay{stage}"] = picked(
                        network, q, stages == stage, synapses, pre=made,
                        source=number[stage - 1][synapses.source], n_pre=populations[made].n,
                        delay=synapses.delay - stage * (self.limit + 1), bias=False,
                    )  # fmt: skip
            n = sum(int((x >= 0).sum()) for x in number)
            what = f"{n} relay neurons in {n_stages} stages hold delays above {self.limit} steps"
            changes.append(Change("relay", name, what, self.why))
        if not changes:
            return network, ()
        return _rebuilt(network, populations, projections), tuple(changes)


@dataclass(frozen=True)
class SplitFanOut:
    """Give neurons with many synapses splitter neurons, so that nobody has more than `limit`.

    A source keeps as many synapses as it can, those with the shortest delays first; the others come from splitters,
    which take one step of their delay. Synapses without a delay to take it from arrive one step later, and are listed.

    Parameters
    ----------
    limit : synapses of one neuron, 2 or more
    why : the reason shown in the list of changes
    """

    limit: int
    why: str = "a neuron reaches few targets"

    def __post_init__(self) -> None:
        if self.limit != int(self.limit) or self.limit < 2:
            raise SubstrateError(
                explain("split: limit", "not possible", found=self.limit, expected=">= 2 synapses")
            )

    def __call__(self, network: Network, seed: int) -> tuple[Network, tuple[Change, ...]]:
        """Return the network with splitters.

        Raises
        ------
        LimitError : a fan-out above what one layer of splitters serves, `limit ** 2`
        SubstrateError : spikes with payloads, synapses with rules, or propagation within a step
        """
        populations, projections = dict(network.populations), dict(network.projections)
        changes = []
        for name, population in network.populations.items():
            names = network.outgoing(name)
            fan = np.zeros(population.n, np.int64)
            for q in names:
                fan += network.projections[q].topology.effective_fan_out(population.shape)
            if fan.max(initial=0) <= self.limit:
                continue
            _check_source(network, name)
            worst = int(np.argmax(fan))
            if fan[worst] > self.limit**2:
                raise LimitError(
                    explain(
                        f"split: neuron {worst} of population {name!r}",
                        "reaches more than one layer of splitters serves",
                        found=f"{fan[worst]} synapses",
                        expected=f"{self.limit**2} at most",
                        cure="prune its synapses",
                    )
                )
            splitters = -(-np.maximum(fan - self.limit, 0) // (self.limit - 1))
            all_of = {q: written(network, q) for q in names}
            source = np.concatenate([s.source for s in all_of.values()])
            delay = np.concatenate([s.delay for s in all_of.values()])
            order = np.lexsort((delay, source))
            begin = np.cumsum(fan) - fan
            rank = np.empty(len(source), np.int64)
            rank[order] = np.arange(len(source)) - begin[source[order]]
            past = rank - (self.limit - splitters[source])
            past[splitters[source] == 0] = -1
            first = np.cumsum(splitters) - splitters
            relay = np.where(past >= 0, first[source] + past // self.limit, -1)
            made, n = f"{name}.splitter", int(splitters.sum())
            populations[made] = Population(_relay(network, name), (n,))
            owner = np.repeat(np.arange(population.n), splitters)
            projections[f"wires->{made}"] = Projection(name, made, _wires(owner, population.n))
            at, late = 0, 0
            for q, synapses in all_of.items():
                own = relay[at : at + len(synapses.source)]
                at += len(own)
                moved = own >= 0
                if not np.any(moved):
                    continue
                late += int(np.count_nonzero(moved & (synapses.delay == 0)))
                del projections[q]
                if not np.all(moved) or network.projections[q].bias is not None:
                    projections[q] = picked(network, q, ~moved, synapses)
                projections[f"{q}.splitter"] = picked(
                    network, q, moved, synapses, pre=made, source=own, n_pre=n,
                    delay=np.maximum(synapses.delay - 1, 0), bias=False,
                )  # fmt: skip
            what = f"{n} splitter neurons serve a fan-out of up to {fan[worst]}"
            changes.append(Change("split", name, what, self.why))
            if late:
                what = f"{late} synapses without delay arrive one step later"
                changes.append(Change("split", name, what, "a splitter takes one step"))
        if not changes:
            return network, ()
        return _rebuilt(network, populations, projections), tuple(changes)


def _rebuilt(
    network: Network, populations: dict[str, Population], projections: dict[str, Projection]
) -> Network:
    return replace(network, populations=populations, projections=projections)


def _relay(network: Network, name: str) -> NeuronModel:
    integer = network.populations[name].model.integer
    return IntegerRelayNeuron if integer else RelayNeuron


def _wires(owner: NDArray[np.int64], n_pre: int) -> Sparse:
    """Return one wire to each relay from its owner; owners ascend."""
    start = np.zeros(n_pre + 1, np.int64)
    np.cumsum(np.bincount(owner, minlength=n_pre), out=start[1:])
    return Sparse(start, np.arange(len(owner)), np.ones(len(owner), np.int64), len(owner))


def _check_source(network: Network, name: str) -> None:
    where = f"relay: population {name!r}"
    model = network.populations[name].model
    if network.propagation is not Propagation.NEXT_STEP:
        raise SubstrateError(
            explain(
                where,
                "relays take a step each",
                found=network.propagation.value,
                expected="next_step",
                cure="run the pass Retime first",
            )
        )
    if model.is_graded and model.name != "Input":
        raise SubstrateError(
            explain(where, "sends more than spikes, which a relay neuron would cut to 1",
                    found=model.name)
        )  # fmt: skip
