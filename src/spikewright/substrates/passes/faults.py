"""Faults of digital chips, as passes over a mapped network: dead cores, stuck bits, dropped packets, failed links.

Each is drawn from the seed that the pass is given, and listed as changes. The same faults can be given to the mapper
instead, to map around them: `Mesh(dead=..., failed=...)`.

Where neurons lie is said by `core_of`, population -> core of each neuron, as in `Placement`. Populations that it lacks
(inputs) lie outside the chip.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright import rng
from spikewright.errors import LimitError, Problems, SubstrateError, explain
from spikewright.network.graph import Network, Population, Projection
from spikewright.network.model import NeuronModel, Noise
from spikewright.network.topology import OneToOne
from spikewright.substrates.base import Change
from spikewright.substrates.passes.mesh import DIRECTIONS, Mesh
from spikewright.substrates.passes.pick import picked, without, written
from spikewright.substrates.passes.quantize import map_weights, relative_error, weights_of

Cores = Mapping[str, NDArray[np.int64]]

LossyLink = NeuronModel(
    name="LossyLink",
    state={},
    params={"p": (0.0, "1")},
    inputs={"x": "1"},
    noise={"u": Noise.UNIFORM},
    output="x if u >= p else 0",
    source="Definition: passes on what arrives in the same step, but with probability p nothing.",
)
IntegerLossyLink = NeuronModel(
    name="IntegerLossyLink",
    state={},
    params={"p": (0, "1")},
    inputs={"x": "1"},
    noise={"u": Noise.BITS},
    output="x if u >= p else 0",
    integer=True,
    source="Definition: passes on what arrives in the same step, but with probability p / 2^32 nothing.",
)


def _check_probability(where: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise SubstrateError(
            explain(where, "not a probability", found=value, expected="a number from 0 to 1")
        )


@dataclass(frozen=True)
class DeadCores:
    """Neurons on dead cores are silent: their synapses, both ways, and their bias are gone.

    What drives a neuron without synapses (a drive, a resting voltage above threshold) stays, but nobody hears it.

    Parameters
    ----------
    core_of : where neurons lie
    cores : dead cores by number
    fraction : share of the other cores that die, each by itself
    """

    core_of: Cores
    cores: tuple[int, ...] = ()
    fraction: float = 0.0

    def __post_init__(self) -> None:
        _check_probability("faults: fraction of dead cores", self.fraction)
        n = _n_cores(self.core_of)
        wrong = [c for c in self.cores if not 0 <= c < n]
        if wrong:
            raise SubstrateError(
                explain("faults: dead cores", "no such core", found=wrong, expected=f"0..{n - 1}")
            )

    def __call__(self, network: Network, seed: int) -> tuple[Network, tuple[Change, ...]]:
        """Return the network without the neurons of dead cores."""
        _check_cores(self.core_of, network)
        n = _n_cores(self.core_of)
        dead = rng.stream(seed, "faults/dead cores").random(n) < self.fraction
        dead[list(self.cores)] = True
        gone = {p: dead[core] for p, core in self.core_of.items()}
        projections = {}
        for name, p in network.projections.items():
            pre, post = gone.get(p.pre), gone.get(p.post)
            if not any(x is not None and x.any() for x in (pre, post)):
                continue
            synapses = written(network, name)
            kept = np.ones(len(synapses.source), bool)
            bias = p.bias
            if pre is not None:
                kept &= ~pre[synapses.source]
            if post is not None:
                kept &= ~post[synapses.target]
                if bias is not None:
                    bias = np.where(post.reshape(np.shape(bias)), 0, bias)
            if not kept.all() or bias is not p.bias:
                made = p if kept.all() else without(network, name, kept, synapses)
                projections[name] = replace(made, bias=bias)
        changes = tuple(
            Change("faults", p, f"{int(x.sum())} of {len(x)} neurons are silent", "dead cores")
            for p, x in gone.items()
            if x.any()
        )
        return (network.replacing(projections=projections) if projections else network), changes


@dataclass(frozen=True)
class StuckBits:
    """Bits of stored weights that read 0 or 1 whatever was written.

    Weights are whole numbers in two's complement, as a chip's lowered network has them; shared ones have one word.

    Parameters
    ----------
    probability : of each bit to be stuck
    bits : width of a word, sign included
    value : what stuck bits read: 0, 1, or None for either with equal chance
    """

    probability: float
    bits: int = 8
    value: int | None = None

    def __post_init__(self) -> None:
        _check_probability("faults: probability of stuck bits", self.probability)
        problems = Problems()
        if self.bits != int(self.bits) or not 1 <= self.bits <= 32:
            problems.add("faults: bits", "not possible", found=self.bits, expected="1 to 32")
        if self.value not in (None, 0, 1):
            problems.add("faults: value", "not a bit", found=self.value, expected="0, 1 or None")
        problems.raise_as(SubstrateError)

    def __call__(self, network: Network, seed: int) -> tuple[Network, tuple[Change, ...]]:
        """Return the network with its weights as they are read.

        Raises
        ------
        SubstrateError : weights that are not whole numbers
        LimitError : weights that do not fit into a word
        """
        self._check(network)
        projections, changes = {}, []
        for name, p in network.projections.items():
            old = weights_of(p.topology)
            stuck = 0

            def read(weight: NDArray[Any], number: int, name: str = name) -> NDArray[Any]:
                nonlocal stuck
                draw = rng.stream(seed, f"faults/stuck/{name}/{number}")
                word = np.asarray(weight).astype(np.int64) & (2**self.bits - 1)
                for bit in range(self.bits):
                    hit = draw.random(word.shape) < self.probability
                    ones = draw.random(word.shape) < 0.5
                    if self.value is not None:
                        ones[...] = bool(self.value)
                    stuck += int(hit.sum())
                    mask = np.int64(1 << bit)
                    word = np.where(hit, np.where(ones, word | mask, word & ~mask), word)
                sign = np.int64(1) << np.int64(self.bits - 1)
                signed = np.where(word >= sign, word - 2 * sign, word) if self.bits > 1 else word
                return np.asarray(signed.astype(np.asarray(weight).dtype))

            topology = map_weights(p.topology, read)
            new = weights_of(topology)
            if stuck and any(np.any(a != b) for a, b in zip(new, old, strict=True)):
                size = relative_error(_flat(new), _flat(old))
                what = f"{stuck} bits of its weights are stuck"
                changes.append(Change("faults", name, what, "faulty memory", size))
                projections[name] = replace(p, topology=topology)
        return (network.replacing(projections=projections) if projections else network), tuple(
            changes
        )

    def _check(self, network: Network) -> None:
        real, wide = Problems(), Problems()
        low = -(2 ** (self.bits - 1)) if self.bits > 1 else 0
        high = 2 ** (self.bits - 1) - 1 if self.bits > 1 else 1
        for name, p in network.projections.items():
            for weight in weights_of(p.topology):
                if not np.all(weight == np.rint(weight)):
                    real.add(
                        f"projection {name!r}",
                        "its weights are not whole numbers, so they have no bits",
                        cure="compile the network for a digital chip first",
                    )
                elif weight.size and not low <= weight.min() <= weight.max() <= high:
                    wide.add(
                        f"projection {name!r}",
                        f"its weights do not fit into {self.bits} bits",
                        found=f"{weight.min()}..{weight.max()}",
                        expected=f"{low}..{high}",
                        cure="say how wide a word is: StuckBits(bits=...)",
                    )
        real.raise_as(SubstrateError)
        wide.raise_as(LimitError)


@dataclass(frozen=True)
class DroppedPackets:
    """Packets between cores that get lost, each with the same probability, whatever is in them.

    A packet is what one spike sends to one core other than its own. For every population and destination core there is
    a population of lossy links, one per neuron, which passes a spike on or loses it for all its targets there at once,
    in the step in which it is sent: nothing arrives later than before. Packets from outside the chip are lost alike.

    Parameters
    ----------
    core_of : where neurons lie
    probability : of each packet to be lost
    """

    core_of: Cores
    probability: float

    def __post_init__(self) -> None:
        _check_probability("faults: probability of dropped packets", self.probability)

    def __call__(self, network: Network, seed: int) -> tuple[Network, tuple[Change, ...]]:
        """Return the network with lossy links; what they lose is drawn by the engine, from the seed of the run."""
        _check_cores(self.core_of, network)
        if self.probability == 0:
            return network, ()
        populations, projections = dict(network.populations), dict(network.projections)
        changes = []
        for name, population in network.populations.items():
            own = self.core_of.get(name, np.full(population.n, -1))
            reached: set[int] = set()
            for q in network.outgoing(name):
                p = network.projections[q]
                if p.post not in self.core_of:
                    continue
                synapses = written(network, q)
                to = self.core_of[p.post][synapses.target]
                away = to != own[synapses.source]
                if not away.any():
                    continue
                del projections[q]
                if not away.all() or p.bias is not None:
                    projections[q] = picked(network, q, ~away, synapses)
                for core in np.unique(to[away]):
                    reached.add(int(core))
                    projections[f"{q}.to{core}"] = picked(
                        network,
                        q,
                        away & (to == core),
                        synapses,
                        pre=f"{name}.to{core}",
                        bias=False,
                    )
                if p.exponent < 0:
                    what = "sums are shifted down for each core apart, and floored"
                    changes.append(Change("faults", q, what, "packets are apart"))
            integer = population.model.integer
            for core in sorted(reached):
                link = IntegerLossyLink if integer else LossyLink
                p_lost = round(self.probability * 2**32) if integer else self.probability
                made = f"{name}.to{core}"
                populations[made] = Population(link, (population.n,), {"p": p_lost})
                weight = np.asarray(1 if integer else 1.0)
                projections[f"wires->{made}"] = Projection(name, made, OneToOne(weight))
            if reached:
                what = f"packets to {len(reached)} cores are lost with probability {self.probability:g}"
                changes.append(Change("faults", name, what, "an unreliable network"))
        if not changes:
            return network, ()
        return replace(network, populations=populations, projections=projections), tuple(changes)


@dataclass(frozen=True)
class LinkFailure:
    """Packets whose way in dimension order crosses a failed link never arrive: there is no detour.

    To lead packets around failed links instead, give them to the mapper: `Mesh(failed=...)`.

    Parameters
    ----------
    core_of : where neurons lie
    position : (n_cores, 2), tile of each core
    mesh : the mesh; its failed links fail
    fraction : share of the other links that fail, each direction by itself
    """

    core_of: Cores
    position: NDArray[np.int64]
    mesh: Mesh
    fraction: float = 0.0

    def __post_init__(self) -> None:
        _check_probability("faults: fraction of failed links", self.fraction)
        if len(self.position) < _n_cores(self.core_of):
            raise SubstrateError(
                explain(
                    "faults: link failure",
                    "a core has no position",
                    found=len(self.position),
                    expected=f"{_n_cores(self.core_of)} positions",
                )
            )

    def failed(self, seed: int) -> tuple[tuple[int, int, str], ...]:
        """Return the links that fail."""
        draw = rng.stream(seed, "faults/links")
        links = replace(self.mesh, failed=()).open_links()
        hit = links & (draw.random(links.shape) < self.fraction)
        drawn = [
            (int(t % self.mesh.x), int(t // self.mesh.x), DIRECTIONS[d])
            for t, d in zip(*np.nonzero(hit), strict=True)
        ]
        return tuple(dict.fromkeys((*self.mesh.failed, *drawn)))

    def __call__(self, network: Network, seed: int) -> tuple[Network, tuple[Change, ...]]:
        """Return the network without the synapses that nothing reaches."""
        from spikewright.substrates.passes.route import way

        _check_cores(self.core_of, network)
        broken = set(self.failed(seed))
        places = [(int(x), int(y)) for x, y in self.position]
        lost = np.zeros((len(places), len(places)), bool)
        for a, from_ in enumerate(places):
            for b, to in enumerate(places):
                lost[a, b] = a != b and not broken.isdisjoint(way(from_, to, self.mesh))
        projections, changes = {}, []
        for name, p in network.projections.items():
            if p.pre not in self.core_of or p.post not in self.core_of:
                continue
            synapses = written(network, name)
            sender = self.core_of[p.pre][synapses.source]
            kept = ~lost[sender, self.core_of[p.post][synapses.target]]
            if kept.all():
                continue
            projections[name] = without(network, name, kept, synapses)
            what = f"{int((~kept).sum())} of {len(kept)} synapses are not reached any more"
            changes.append(Change("faults", name, what, f"{len(broken)} failed links"))
        return (network.replacing(projections=projections) if projections else network), tuple(
            changes
        )


def _n_cores(core_of: Cores) -> int:
    return 1 + max((int(np.max(c, initial=-1)) for c in core_of.values()), default=-1)


def _check_cores(core_of: Cores, network: Network) -> None:
    problems = Problems()
    for name, core in core_of.items():
        n = network.populations[name].n if name in network.populations else None
        if np.shape(core) != (n,):
            problems.add(
                f"faults: core_of[{name!r}]",
                "no core for each neuron",
                found=np.shape(core),
                expected="no such population" if n is None else f"({n},)",
            )
    problems.raise_as(SubstrateError)


def _flat(weights: list[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate([np.ravel(w).astype(float) for w in weights])
