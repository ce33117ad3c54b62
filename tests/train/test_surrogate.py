"""Surrogates: slopes are the derivatives of their steps, and spikes are exact."""

from __future__ import annotations

import pytest
import torch

from spikewright.errors import TrainError
from spikewright.train.surrogate import SURROGATES, Arctan, Spike


@pytest.mark.parametrize("name", SURROGATES)
class TestSlope:
    def test_is_the_derivative_of_the_step(self, name: str) -> None:
        surrogate = SURROGATES[name]()
        # away from the corners of the piecewise ones
        x = torch.tensor([-2.3, -0.41, -0.07, 0.03, 0.31, 1.7], dtype=torch.float64)
        h = 1e-6
        numeric = (surrogate.step(x + h) - surrogate.step(x - h)) / (2 * h)
        torch.testing.assert_close(surrogate.slope(x), numeric, rtol=1e-6, atol=1e-8)

    def test_is_even_and_largest_at_the_threshold(self, name: str) -> None:
        surrogate = SURROGATES[name]()
        x = torch.linspace(0, 3, 31, dtype=torch.float64)
        torch.testing.assert_close(surrogate.slope(x), surrogate.slope(-x))
        assert torch.all(surrogate.slope(x)[1:] <= surrogate.slope(x)[0])

    def test_is_a_value(self, name: str) -> None:
        assert SURROGATES[name]() == SURROGATES[name]()
        assert hash(SURROGATES[name]()) == hash(SURROGATES[name]())


class TestSpike:
    def test_is_exact_at_the_threshold(self) -> None:
        margin = torch.tensor([-1e-30, 0.0, 1e-30], dtype=torch.float64)
        assert Spike.apply(margin, None, False, Arctan(), 1.0).tolist() == [0, 0, 1]
        assert Spike.apply(margin, None, True, Arctan(), 1.0).tolist() == [0, 1, 1]

    def test_gradient_has_the_unit_of_the_margin(self) -> None:
        """A model in millivolts has the gradient of the same model in volts, per millivolt."""
        volts = torch.tensor([0.2], dtype=torch.float64, requires_grad=True)
        small = torch.tensor([0.2e-3], dtype=torch.float64, requires_grad=True)
        Spike.apply(volts, None, False, Arctan(), 1.0).sum().backward()
        Spike.apply(small, None, False, Arctan(), 1e-3).sum().backward()
        torch.testing.assert_close(small.grad, volts.grad * 1e3)

    def test_bad_width(self) -> None:
        with pytest.raises(TrainError, match=r"Arctan.alpha: must be more than 0; found -1"):
            Arctan(-1.0)
