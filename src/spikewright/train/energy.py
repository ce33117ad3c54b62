"""Energy of a run in joules of a device, as something that training can lower and show.

Prices are plain numbers (`EventPrices`), made for a network by `substrate.event_prices(compiled)`. Counts are those of
the run, so energy is a function of the spikes, and its gradient reaches every neuron that sent one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spikewright.engines.prices import EventPrices
from spikewright.errors import Problems, TrainError, explain
from spikewright.network.graph import Network
from spikewright.network.topology import Dense, OneToOne, Sparse
from spikewright.network.windows import Conv
from spikewright.train.loss import Regularizer
from spikewright.train.maps import apply
from spikewright.train.measure import Measure
from spikewright.train.run import Run


def event_energy(prices: EventPrices, run: Run) -> Tensor:
    """Return the energy of each sample's events, J, float64 (B,).

    It is what `prices.energy(recording)` gives where the counts agree. Its gradient with respect to a spike is what
    that spike costs; the price of a step in which a population is active is shared by the spikes of that step.

    Raises
    ------
    TrainError : the run lacks a population or projection that has a price
    """
    network = run.network
    if network is None:
        raise TrainError(
            explain("energy", "the run does not say which network ran", cure="use Module.run")
        )
    _check(prices, network)
    per_spike = {n: np.array(price) for n, price in prices.spike.items()}
    for name, price in prices.operation.items():
        pre = network.projections[name].pre
        per_spike[pre] = per_spike.get(pre, np.zeros(())) + price * _fan_out(run, network, name)
    any_sent = next(iter(run.sent.values()))
    steps, batch = any_sent.shape[:2]
    total = any_sent.new_full((batch,), prices.step * steps, dtype=torch.float64)
    for name, each in per_spike.items():
        counts = _fired(run.sent[name]).sum(0, dtype=torch.float64).flatten(1)
        price = torch.from_numpy(np.broadcast_to(each, counts.shape[1]).copy()).to(counts)
        total = total + counts @ price
    for name, one in prices.active_step.items():
        active = _fired(run.sent[name]).flatten(2).amax(2).sum(0, dtype=torch.float64)
        total = total + active * one
    return total


def _fired(sent: Tensor) -> Tensor:
    """Return 1 where something was sent, with the gradient of a spike of that size."""
    where = sent.detach()
    if bool(((where == 0) | (where == 1)).all()):
        return sent
    if not sent.requires_grad:
        return (sent != 0).to(sent.dtype)
    return sent / torch.where(where == 0, torch.ones_like(where), where)


def _fan_out(run: Run, network: Network, name: str) -> NDArray[np.float64]:
    """Return the synapses of each source whose weight was not 0 in the run."""
    projection = network.projections[name]
    topology, pre = projection.topology, network.populations[projection.pre].shape
    # an instance holds the weights that ran; a network that was not changed holds those before training
    trained = run.weights.get(name)
    if trained is not None and not run.is_instance:
        topology = topology.with_weight(trained.detach().cpu().numpy().astype(np.float64))
    if not isinstance(topology, Dense | Conv | Sparse | OneToOne):
        return topology.effective_fan_out(pre).astype(np.float64)
    # how often a source counts is the derivative of what all targets get where every synapse is worth 1
    kept = torch.from_numpy(np.asarray(topology.weight != 0, np.float64))
    with torch.enable_grad():
        one = torch.ones((1, *pre), dtype=torch.float64, requires_grad=True)
        (count,) = torch.autograd.grad(apply(topology, one, pre, kept).sum(), one)
    return count.numpy().reshape(-1)


def _check(prices: EventPrices, network: Network) -> None:
    problems = Problems()
    where = f"energy of {prices.device}"
    cure = "make the prices for this network: chip.event_prices(chip.compile(network))"
    for name in prices.populations:
        population = network.populations.get(name)
        if population is None:
            problems.add(where, f"has a price for {name!r}, which is no population", cure=cure)
        elif np.ndim(prices.spike.get(name, 0.0)) and prices.spike[name].shape != (population.n,):
            problems.add(
                f"{where}: population {name!r}",
                "has prices for another number of neurons",
                found=len(prices.spike[name]),
                expected=population.n,
                cure=cure,
            )
    for name in prices.operation:
        if name not in network.projections:
            problems.add(where, f"has a price for {name!r}, which is no projection", cure=cure)
    problems.raise_as(TrainError)


@dataclass(frozen=True)
class EnergyRegularizer(Regularizer):
    """The mean energy of a sample's events, times `weight`.

    Parameters
    ----------
    prices : of the device that the network is meant for
    weight : loss per joule

    Raises
    ------
    TrainError : a weight that is negative or not finite

    Examples
    --------
    >>> from spikewright.engines.prices import EventPrices
    >>> term = EnergyRegularizer(EventPrices("mine", spike={"hidden": 1e-12}), weight=1e9)
    """

    prices: EventPrices
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.weight < float("inf"):
            raise TrainError(
                explain(
                    "EnergyRegularizer.weight",
                    "not a loss per joule",
                    found=self.weight,
                    expected="0 or more",
                )
            )

    def check(self, network: Network) -> None:
        _check(self.prices, network)

    def __call__(self, run: Run) -> Tensor:
        energy = event_energy(self.prices, run).mean() * self.weight
        return energy.to(next(iter(run.sent.values())).dtype)


@dataclass(frozen=True)
class EnergyMeasure(Measure):
    """The energy of a sample's events, for the table of epochs.

    Parameters
    ----------
    prices : of the device that the network is meant for
    name : what the table calls it
    """

    prices: EventPrices
    name: str = "energy"
    unit: str = "J"

    def of(self, run: Run) -> float:
        return float(event_energy(self.prices, run).detach().mean())
