"""Pairwise STDP of a network as a rule of Loihi's learning engine: in `compile`, and epoch by epoch in `learn`.

With a trace of 16 per spike (`learning.IMPULSE`) a rule that adds `a_plus x` at a post spike and takes `a_minus y` at a
pre spike has the amplitudes `A = a / 16` in stored weight units, each a mantissa of 7 bits and a sign times a power of
two, no finer than 1/128. Within an epoch only the last spike of a neuron takes part in a pair.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.engines import run
from spikewright.engines.recording import State
from spikewright.errors import Problems, SubstrateError, explain
from spikewright.network.graph import Network
from spikewright.network.topology import Dense
from spikewright.substrates.base import Change, Compiled
from spikewright.substrates.loihi.learning import ACCUMULATOR_SHIFT, IMPULSE, Stdp
from spikewright.substrates.loihi.mapping import WEIGHT_TOP
from spikewright.substrates.loihi.model import Arithmetic

RULES = ("PairSTDP",)
"""Rules that the learning engine is given."""
MANTISSA_MAX = 2**7 - 1
EPOCH_MAX = 63


@dataclass(frozen=True)
class LearningRule:
    """A pairwise rule in the chip's numbers.

    Parameters
    ----------
    tau_plus, tau_minus : of the traces, in steps
    a_plus, a_minus : stored weight units per unit of a trace; the second is negative
    top : largest stored weight; the smallest is 0
    epoch : steps between two changes of weights
    """

    tau_plus: float
    tau_minus: float
    a_plus: float
    a_minus: float
    top: int
    epoch: int


def check_expressible(
    network: Network, arithmetic: Arithmetic, bits: int, problems: Problems
) -> None:
    """Note every rule that the learning engine cannot be given, with the cure."""
    learned = "compile what was learned: `recording.learned().without_rules()`"
    for name, p in network.projections.items():
        if p.rule is None:
            continue
        where = f"loihi: projection {name!r} ({p.rule.model.name})"
        if p.rule.model.name not in RULES:
            problems.add(
                where,
                "the learning engine computes additive STDP of all pairs",
                expected=", ".join(RULES),
                cure=learned,
            )
        elif arithmetic is not Arithmetic.LAVA:
            problems.add(
                where,
                "learning is described with the lava arithmetic alone",
                cure=f"use Loihi(arithmetic=Arithmetic.LAVA), or {learned}",
            )
        elif bits != 8:
            problems.add(
                where, "learning needs 8 bits per weight", found=bits, cure="use weight_bits=8"
            )
        elif not isinstance(p.topology, Dense):
            problems.add(where, "only dense projections learn here", found=p.topology.kind,
                         cure=f"write it as Dense, or {learned}")  # fmt: skip
        elif np.any(network.delay_steps(name)):
            problems.add(where, "synapses that learn have no delay here", cure="set delay=0")
        elif np.any(np.asarray(p.topology.weights) < 0):
            problems.add(where, "weights lie between 0 and w_max", found="negative weights")


def express(
    network: Network, name: str, *, unit: float, epoch: int, problems: Problems
) -> tuple[LearningRule | None, tuple[Change, ...]]:
    """Return a projection's rule in the chip's numbers, and what was rounded; or note why it cannot be.

    Parameters
    ----------
    network : before it was lowered, with rules
    name : of the projection
    unit : stored weight units per unit of the projection's weight
    epoch : steps between two changes of weights
    """
    rule = network.projections[name].rule
    if rule is None:
        return None, ()
    dt = network.dt
    kept, error = {}, 0.0
    for which, sign in (("a_plus", 1), ("a_minus", -1)):
        wanted = rule.param(which) * unit / IMPULSE
        kept[which] = sign * amplitude(wanted)
        if wanted and not kept[which]:
            problems.add(
                f"loihi: projection {name!r} ({rule.model.name})",
                f"{which} is finer than the learning engine's numbers",
                found=f"{wanted:.3g} weight units per unit of a trace",
                expected=f"{2.0 ** -(ACCUMULATOR_SHIFT + 1):.3g} or more",
                cure=f"use a larger {which}, or a smaller w_max",
            )
        elif wanted:
            error = max(error, abs(abs(kept[which]) / abs(wanted) - 1.0))
    found = LearningRule(
        rule.param("tau_plus") / dt,
        rule.param("tau_minus") / dt,
        kept["a_plus"],
        kept["a_minus"],
        min(WEIGHT_TOP, round(rule.param("w_max") * unit)),
        epoch,
    )
    what = (
        f"STDP on the learning engine, weights change every {epoch} steps; traces of 7 bits, "
        "the last spike of an epoch counts"
    )
    return found, (Change("replace", name, what, "learning engine", error),)


def amplitude(wanted: float) -> float:
    """Return the nearest `mantissa * 2^exponent` that the engine has, exponent -7 or more."""
    if not wanted:
        return 0.0
    exponent = max(-ACCUMULATOR_SHIFT, math.ceil(math.log2(abs(wanted) / MANTISSA_MAX)))
    return round(wanted / 2.0**exponent) * 2.0**exponent


def learn(
    compiled: Compiled, inputs: Mapping[str, Any], *, seed: int = 0, engine: str = "cpu"
) -> Compiled:
    """Run a compiled network with rules, and return it with the weights that it learned.

    Parameters
    ----------
    compiled : by `Loihi.compile`, of a network whose projections carry rules
    inputs : input population -> (T, 1, n)
    seed : of the stochastic rounding
    engine : what runs the epochs

    Raises
    ------
    SubstrateError : nothing in it learns, or there is more than one sample
    """
    rules: Mapping[str, LearningRule] = compiled.facts.get("learning", {})
    if not rules:
        raise SubstrateError(
            explain("loihi.learn", "no projection has a rule", cure="compile a network with rules")
        )
    entering = {name: np.asarray(x) for name, x in inputs.items()}
    if any(x.ndim < 2 or x.shape[1] != 1 for x in entering.values()):
        raise SubstrateError(
            explain(
                "loihi.learn", "weights belong to one run", expected="inputs (T, 1, n)",
                cure="present samples one after the other",
            )
        )  # fmt: skip
    network = compiled.network
    engines = {name: _engine(network, name, rule, seed) for name, rule in rules.items()}
    epoch = next(iter(rules.values())).epoch
    steps = max((len(x) for x in entering.values()), default=0)
    state: State | None = None
    for begin in range(0, steps, epoch):
        chunk = {name: x[begin : begin + epoch] for name, x in entering.items()}
        length = min(epoch, steps - begin)
        recording = run(network, chunk, steps=length, state=state, engine=engine)
        state = recording.state
        for name, stdp in engines.items():
            p = network.projections[name]
            pre, post = recording.dense(p.pre)[:, 0], recording.dense(p.post)[:, 0]
            for k in range(length):
                stdp.observe(begin + k + 1, pre[k].ravel() != 0, post[k].ravel() != 0)
        network = network.with_weights({name: stdp.weight for name, stdp in engines.items()})
    return replace(compiled, network=network)


def _engine(network: Network, name: str, rule: LearningRule, seed: int) -> Stdp:
    weight: NDArray[np.int64] = np.asarray(network.projections[name].topology.weight)
    return Stdp(
        weight,
        tau_plus=rule.tau_plus,
        tau_minus=rule.tau_minus,
        a_plus=rule.a_plus,
        a_minus=rule.a_minus,
        epoch=rule.epoch,
        seed=seed,
        low=0,
        high=rule.top,
    )
