"""Deterministic algorithms: on within a call, as before after it, and the same bits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from spikewright.errors import TrainError
from spikewright.network import LIF, Network, chain, conv, dense, flatten, neurons, source
from spikewright.train import AdamW, Precision, Trained, fit
from spikewright.train.determinism import WORKSPACE, deterministic_algorithms

CPU = torch.device("cpu")


def net() -> Network:
    return chain(
        source((1, 6, 6)), conv(3, 3, gain=2.0), neurons(LIF, tau_m=10e-3), flatten(),
        dense(8, recurrent=True, gain=2.0, bias=True), neurons(LIF, tau_m=10e-3),
        dense(2, gain=2.0), neurons(LIF, tau_m=10e-3), dt=1e-3, seed=1,
    )  # fmt: skip


def train(**changes: Any) -> Trained:
    draw = np.random.default_rng(1)
    labels = np.arange(20) % 2
    x = (draw.random((8, 20, 1, 6, 6)) < 0.2 + 0.3 * labels[:, None, None, None]).astype(np.float32)
    settings: dict[str, Any] = dict(
        epochs=2, batch=5, optimizer=AdamW(lr=0.02), progress=False, deterministic=True
    )
    return fit(net(), ((x, labels), None), **(settings | changes))


@pytest.mark.parametrize("precision", Precision)
def test_same_seed_same_bits(precision: Precision) -> None:
    first, second = train(precision=precision), train(precision=precision)
    for n, p in first.network.projections.items():
        np.testing.assert_array_equal(
            p.topology.weight, second.network.projections[n].topology.weight
        )
    assert first.history == second.history
    other = train(precision=precision, seed=1)
    assert other.history != first.history


def test_is_on_within_the_call_and_off_after_it() -> None:
    seen = []

    def look(network: Network, seed: int) -> tuple[Network, None]:
        seen.append(torch.are_deterministic_algorithms_enabled())
        return network, None

    train(through=(look,), epochs=1)
    assert set(seen) == {True}
    assert not torch.are_deterministic_algorithms_enabled()
    seen.clear()
    train(through=(look,), epochs=1, deterministic=False)
    assert set(seen) == {False}


def test_is_put_back_after_an_error() -> None:
    def stop(network: Network, seed: int) -> tuple[Network, None]:
        raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        train(through=(stop,))
    assert not torch.are_deterministic_algorithms_enabled()


def test_what_the_caller_had_set_is_put_back() -> None:
    try:
        torch.use_deterministic_algorithms(True, warn_only=True)
        with deterministic_algorithms(True, CPU):
            assert not torch.is_deterministic_algorithms_warn_only_enabled()
        assert torch.are_deterministic_algorithms_enabled()
        assert torch.is_deterministic_algorithms_warn_only_enabled()
    finally:
        torch.use_deterministic_algorithms(False)


def test_gpu_that_was_not_prepared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(WORKSPACE, raising=False)
    message = (
        r"need the environment variable CUBLAS_WORKSPACE_CONFIG; expected :4096:8 — start Python"
    )
    with (
        pytest.raises(TrainError, match=message),
        deterministic_algorithms(True, torch.device("cuda")),
    ):
        pass
