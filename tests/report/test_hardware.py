"""A chip's limits and prices as terms of training."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from spikewright import substrates
from spikewright.errors import SubstrateError
from spikewright.network import LIF, Dense, Input, Network, Population, Projection
from spikewright.report.hardware import event_prices, penalties
from spikewright.substrates.base import Described
from spikewright.train import EnergyRegularizer, FanInPenalty, WeightRangePenalty


def described(folder: Path, limits: str) -> Described:
    path = folder / "chip.toml"
    path.write_text(f'name = "tiny"\ntitle = "Tiny"\n[limits]\n{limits}', encoding="utf-8")
    return Described(path)


def number(value: str) -> str:
    return f'{{ value = "{value}", source = "test, p. 1", grade = "measured" }}'


def test_penalties_of_the_built_in_chips() -> None:
    assert penalties(substrates.get("loihi")) == (FanInPenalty(4096),)
    assert penalties(substrates.get("pcm"), weight=0.5) == (FanInPenalty(256, weight=0.5),)


def test_penalties_of_a_chip_file(tmp_path: Path) -> None:
    chip = described(
        tmp_path,
        f"fan_in = {number('64')}\nweight_low = {number('-20 mV')}\nweight_high = {number('30 mV')}\n",
    )
    assert penalties(chip, weight=2.0) == (
        FanInPenalty(64, weight=2.0),
        WeightRangePenalty(-0.02, 0.03, weight=2.0),
    )
    only = described(tmp_path, f"weight_low = {number('0 V')}\n")
    assert penalties(only) == (WeightRangePenalty(0.0, math.inf),)


def test_a_chip_without_such_limits() -> None:
    with pytest.raises(
        SubstrateError,
        match="ideal: limits neither the fan-in nor the weights; expected limits fan_",
    ):
        penalties(substrates.get("ideal"))


def test_prices_of_a_network() -> None:
    network = Network(
        dt=1e-3,
        populations={"in": Population(Input, 3), "out": Population(LIF, 2)},
        projections={"w": Projection("in", "out", Dense(np.full((2, 3), 0.6)))},
    )
    prices = event_prices(substrates.get("loihi"), network)
    assert prices.device == "loihi davies"
    assert prices.operation == {"w": pytest.approx(23.6e-12)}
    # two neurons on one core, which send nowhere: a spike costs what an active update costs more
    assert prices.spike["out"].tolist() == pytest.approx([29e-12] * 2)
    assert prices.step == pytest.approx(2 * 52e-12)
    EnergyRegularizer(prices).check(network)


def test_chips_without_a_price_per_event(tmp_path: Path) -> None:
    network = Network(dt=1e-3, populations={"in": Population(Input, 3)}, projections={})
    for chip in (substrates.get("ideal"), described(tmp_path, f"fan_in = {number('64')}\n")):
        with pytest.raises(
            SubstrateError, match=f"{chip.name}: has no price per event — choose a substrate with"
        ):
            event_prices(chip, network)
    with pytest.raises(
        SubstrateError,
        match=r"pcm: preset 'parts': has no price per event: a conversion costs .* — use Pcm\(preset='hermes'\)",
    ):
        event_prices(substrates.get("pcm", preset="parts"), network)
