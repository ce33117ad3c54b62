"""A chip's limits and prices for training: where `substrates` and `train`, which do not know each other, meet."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from spikewright.errors import SubstrateError, explain
from spikewright.substrates.base import Substrate

if TYPE_CHECKING:
    from spikewright.engines.prices import EventPrices
    from spikewright.network.graph import Network
    from spikewright.train import Regularizer


def penalties(chip: Substrate, *, weight: float = 1.0) -> tuple[Regularizer, ...]:
    """Return a penalty for each limit of a chip that weights can break: fan-in, smallest and largest weight.

    Parameters
    ----------
    chip : a substrate
    weight : of each term

    Raises
    ------
    SubstrateError : the chip limits neither

    Examples
    --------
    >>> from spikewright import substrates
    >>> penalties(substrates.get("pcm"))
    (FanInPenalty(limit=256, weight=1.0, populations=()),)
    """
    from spikewright.train import FanInPenalty, WeightRangePenalty

    found: list[Regularizer] = []
    if chip.fan_in is not None:
        found.append(FanInPenalty(int(chip.fan_in.value), weight))
    low, high = chip.weight_range
    if low is not None or high is not None:
        found.append(
            WeightRangePenalty(
                -math.inf if low is None else low.value,
                math.inf if high is None else high.value,
                weight,
            )
        )
    if not found:
        raise SubstrateError(
            explain(
                chip.name,
                "limits neither the fan-in nor the weights",
                expected="limits fan_in, weight_low or weight_high in its chip file",
            )
        )
    return tuple(found)


def event_prices(chip: Substrate, network: Network, *, seed: int = 0) -> EventPrices:
    """Return what events cost on a chip when a network lies on it; see `Substrate.event_prices`.

    Parameters
    ----------
    chip : a substrate
    network : not compiled; where its neurons lie, and so how far their spikes go, is settled here
    seed : of the chip instance
    """
    return chip.event_prices(chip.compile(network, seed=seed))
