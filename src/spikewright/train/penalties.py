"""What a chip cannot hold, as terms of a loss: too many synapses at a neuron, weights beyond a range.

A penalty is 0 where the limit is kept, and pulls weights back where it is not. It works on the weights that are
trained, not on what a pass makes of them. `report.hardware.penalties(chip)` makes those of a chip's limits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from spikewright.errors import Problems, TrainError, explain
from spikewright.network.graph import Network
from spikewright.network.topology import Dense
from spikewright.train.loss import Regularizer
from spikewright.train.run import Run


@dataclass(frozen=True)
class FanInPenalty(Regularizer):
    """Let no neuron have more than `limit` synapses: the sum of the magnitudes of all weights but its `limit` largest.

    Magnitudes are in natural units (see `Module`). Over training the superfluous weights shrink towards 0, where a pass
    (`substrates.passes.prune.PruneFanIn`) leaves them out. Only projections whose weights are trained are counted.

    Parameters
    ----------
    limit : synapses with a weight other than 0 that reach one neuron, over all its projections
    weight : of the term
    populations : which; empty: all

    Raises
    ------
    TrainError : a limit below 1, or a weight that is negative or not finite
    """

    limit: int
    weight: float = 1.0
    populations: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        problems = Problems()
        if self.limit != int(self.limit) or self.limit < 1:
            problems.add(
                "FanInPenalty.limit",
                "not a number of synapses",
                found=self.limit,
                expected="1 or more",
            )
        _check_weight(problems, "FanInPenalty", self.weight)
        problems.raise_as(TrainError)

    def check(self, network: Network) -> None:
        _check_names("FanInPenalty", "population", self.populations, network.populations)

    def __call__(self, run: Run) -> Tensor:
        network = _network_of("FanInPenalty", run)
        total = next(iter(run.sent.values())).new_zeros(())
        for name in self.populations or tuple(network.populations):
            total = total + self._excess(run, network, name)
        return total * self.weight

    def _excess(self, run: Run, network: Network, name: str) -> Tensor:
        """Return the magnitudes beyond the `limit` largest, summed over the neurons of a population."""
        rows = [_by_target(run, network, p) for p in network.incoming(name) if p in run.weights]
        if sum(r.shape[1] for r in rows) <= self.limit:
            return next(iter(run.sent.values())).new_zeros(())
        magnitude = torch.cat(rows, dim=1).abs()
        kept = torch.topk(magnitude, int(self.limit), dim=1).values
        return magnitude.sum() - kept.sum()


def _by_target(run: Run, network: Network, name: str) -> Tensor:
    """Return the weights of a projection by target neuron, (n_post, at most fan-in), filled up with zeros."""
    weight, p = run.weights[name], network.projections[name]
    if isinstance(p.topology, Dense):
        return weight
    synapses = p.topology.synapses(network.populations[p.pre].shape)
    order = np.argsort(synapses.target, kind="stable")
    count = np.bincount(synapses.target, minlength=synapses.n_post)
    column = np.arange(synapses.n) - np.repeat(np.cumsum(count) - count, count)
    filled = np.full((synapses.n_post, int(count.max(initial=0))), weight.numel(), np.int64)
    filled[synapses.target[order], column] = synapses.entry[order]
    flat = torch.cat((weight.flatten(), weight.new_zeros(1)))
    return flat[torch.from_numpy(filled).to(weight.device)]


@dataclass(frozen=True)
class WeightRangePenalty(Regularizer):
    """Keep weights between `low` and `high`: squared distance outside, in natural units (see `Module`), summed.

    Parameters
    ----------
    low, high : in the unit of the network's weights; minus or plus infinity where there is no limit
    weight : of the term
    projections : which; empty: all whose weights are trained

    Raises
    ------
    TrainError : no range, or a weight that is negative or not finite
    """

    low: float = -math.inf
    high: float = math.inf
    weight: float = 1.0
    projections: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        problems = Problems()
        if not self.low < self.high:
            problems.add(
                "WeightRangePenalty",
                "not a range",
                found=(self.low, self.high),
                expected="low < high",
            )
        _check_weight(problems, "WeightRangePenalty", self.weight)
        problems.raise_as(TrainError)

    def check(self, network: Network) -> None:
        _check_names("WeightRangePenalty", "projection", self.projections, network.projections)

    def __call__(self, run: Run) -> Tensor:
        _network_of("WeightRangePenalty", run)
        total = next(iter(run.sent.values())).new_zeros(())
        for name in self.projections or tuple(run.weights):
            if name not in run.weights:
                continue
            unit, weight = run.units[name], run.weights[name]
            below = torch.clamp(self.low / unit - weight, min=0.0)
            above = torch.clamp(weight - self.high / unit, min=0.0)
            total = total + (below**2 + above**2).sum()
        return total * self.weight


def _network_of(where: str, run: Run) -> Network:
    if run.network is None:
        raise TrainError(
            explain(where, "the run does not say which network ran", cure="use Module.run")
        )
    return run.network


def _check_weight(problems: Problems, where: str, weight: float) -> None:
    if not 0 <= weight < math.inf:
        problems.add(f"{where}.weight", "not a factor", found=weight, expected="0 or more")


def _check_names(where: str, kind: str, named: tuple[str, ...], known: object) -> None:
    problems = Problems()
    for name in named:
        if name not in known:  # type: ignore[operator]
            problems.add(where, f"no {kind} {name!r}", expected=", ".join(known))  # type: ignore[call-overload]
    problems.raise_as(TrainError)
