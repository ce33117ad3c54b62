"""Weights drawn so that membranes fluctuate near their thresholds for the data at hand, whatever the units and dt.

Notation: U the membrane without spikes and resets, theta the distance of the threshold from rest, sigma_U the standard
deviation of U over time, samples and neurons. Weights have zero mean, so <U> is 0 up to rest, and each population gets

    sigma_U = target * theta

of which feed-forward projections carry the share `alpha` of the variance, recurrent ones the rest.

Source
------
Rossbroich, Gygax, Zenke, "Fluctuation-driven initialization for spiking neural network training", Neuromorphic
Computing and Engineering 2, 2022: theta / sigma_U between 1 and 3 trains well, alpha = 0.9. There sigma_U is computed
from the kernel and a rate; here it is measured on a sample of the data, which holds for every model and encoding.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spikewright.errors import TrainError, explain
from spikewright.network.graph import Network
from spikewright.rng import stream
from spikewright.train.expression import value
from spikewright.train.inputs import tensor_of
from spikewright.train.module import Module
from spikewright.train.step import compile_step
from spikewright.train.threads import limited_threads

ROUNDS = 4
"""Times that a scale is corrected where the membrane is not linear in the weights; else once is enough."""


def initialize(
    network: Network,
    sample_input: Any,
    seed: int,
    *,
    target: float = 1.0,
    alpha: float = 0.9,
    projections: tuple[str, ...] | None = None,
) -> Network:
    """Return the network with new weights, drawn and scaled to the data.

    Parameters
    ----------
    network : every population with a threshold is scaled to it; where there is none, to 1 in the unit of what is sent
    sample_input : `T B *shape`, or population -> such an array; a batch of the training data
    seed : of the weights
    target : sigma_U / theta
    alpha : share of the variance that feed-forward projections carry, where there are recurrent ones
    projections : which get new weights; default: all that have weights of more than one number

    Raises
    ------
    TrainError : nothing to draw, or a population that nothing reaches

    Examples
    --------
    >>> import numpy as np
    >>> from spikewright.network import LIF
    >>> from spikewright.network.chain import chain, dense, neurons, source
    >>> net = chain(source(20), dense(10), neurons(LIF), dt=1e-3)
    >>> spikes = np.random.default_rng(1).random((50, 8, 20)) < 0.1
    >>> round(fluctuation(initialize(net, spikes, 1), spikes)["output"], 2)
    1.0
    """
    if not (math.isfinite(target) and target > 0 and 0 < alpha <= 1):
        raise TrainError(
            explain("initialize", "needs target > 0 and 0 < alpha <= 1", found=(target, alpha))
        )
    network = network.written_out()
    chosen = projections
    if chosen is None:
        chosen = tuple(
            n
            for n, q in network.projections.items()
            if q.topology.weight is not None and q.topology.weight.size > 1
        )
    unknown = [n for n in chosen if n not in network.projections]
    if unknown or not chosen:
        raise TrainError(
            explain(
                "initialize", "no such projection" if unknown else "nothing to draw", found=unknown
            )
        )
    drawn = {}
    for n in chosen:
        shape = np.shape(network.projections[n].topology.weight)
        drawn[n] = stream(seed, f"initialize/{n}").standard_normal(shape)
    with limited_threads(1):
        return _initialized(network, sample_input, drawn, chosen, target, alpha)


def _initialized(
    network: Network,
    sample_input: Any,
    drawn: Mapping[str, np.ndarray],
    chosen: tuple[str, ...],
    target: float,
    alpha: float,
) -> Network:
    place = {n: i for i, n in enumerate(network.order())}
    units = Module(network, dtype=torch.float64).units
    network = network.with_weights(
        {n: w * units[n] / math.sqrt(_fan_in(network, n)) for n, w in drawn.items()}
    )
    for name in network.order():
        incoming = [n for n in chosen if network.projections[n].post == name]
        forward = [n for n in incoming if place[network.projections[n].pre] < place[name]]
        back = [n for n in incoming if n not in forward]
        if not incoming:
            continue
        share = alpha if forward and back else 1.0
        for group, variance in ((forward, share), (back, 1.0 - share if forward else 1.0)):
            if group:
                network = _scaled(network, sample_input, name, group, target * math.sqrt(variance))
    return network


def _scaled(
    network: Network, sample_input: Any, name: str, group: list[str], target: float
) -> Network:
    linear = network.populations[name].model.is_affine
    for _ in range(1 if linear else ROUNDS):
        found = fluctuation(network, sample_input, only={name: tuple(group)})[name]
        if found == 0.0 or not math.isfinite(found):
            if all(network.projections[n].pre == name for n in group):
                return network
            raise TrainError(
                explain(
                    f"initialize: population {name!r}",
                    "nothing arrives from " + ", ".join(network.projections[n].pre for n in group),
                    found=f"a fluctuation of {found:g}",
                    cure="give a sample_input with spikes, or raise target",
                )
            )
        factor = target / found
        network = network.with_weights(
            {n: np.asarray(network.projections[n].topology.weight) * factor for n in group}
        )
        if abs(factor - 1.0) < 1e-3:
            break
    return network


def fluctuation(
    network: Network,
    sample_input: Any,
    *,
    only: Mapping[str, tuple[str, ...]] | None = None,
) -> dict[str, float]:
    """Return sigma_U / theta of each population that has state: spikes arrive, but none are fired and nothing is reset.

    Parameters
    ----------
    only : population -> the projections that are let through; default: all populations, all projections
    """
    inputs = sample_input
    if not isinstance(inputs, Mapping):
        inputs = tensor_of(np.asarray(inputs))
    module = Module(network, dtype=torch.float64)
    found = {}
    with torch.no_grad():
        run = module.run(inputs)
        for name, population in network.populations.items():
            if not population.model.state or (only is not None and name not in only):
                continue
            through = network.incoming(name) if only is None else only[name]
            arriving = module.arrivals(name, run.sent, through)
            found[name] = _free(module, name, arriving)
    return found


def _free(module: Module, name: str, arriving: Mapping[str, Tensor]) -> float:
    population, step = module.network.populations[name], module.steps[name]
    if not arriving:
        return 0.0
    compiled = compile_step(population, step, live=tuple(arriving), where=name)
    steps, batch = next(iter(arriving.values())).shape[:2]
    like = torch.zeros((batch, *population.shape), dtype=torch.float64)
    base: dict[str, Any] = {
        c: torch.tensor(x.reshape(population.shape)) for c, x in step.constants.items() if x.ndim
    }
    values = module.start(batch).values[name]
    seen = []
    for k in range(steps):
        names = base | dict(values) | {p: x[k] for p, x in arriving.items()}
        names |= dict.fromkeys(population.model.noise, like)
        names["_ref"] = like
        for variable, node in compiled.assign:
            names[variable] = node(names) if callable(node) else torch.full_like(like, node)
        values = {v: names[v] for v in population.model.state}
        watched = compiled.margin if compiled.margin is not None else compiled.output
        level = value(1.0 if watched is None else watched, names)
        seen.append(level if isinstance(level, Tensor) else torch.full_like(like, level))
    deviation = torch.stack(seen)
    return float((deviation - deviation.mean()).pow(2).mean().sqrt()) / compiled.scale


def _fan_in(network: Network, projection: str) -> float:
    q = network.projections[projection]
    synapses = q.topology.synapses(network.populations[q.pre].shape)
    return max(1.0, synapses.n / synapses.n_post)
