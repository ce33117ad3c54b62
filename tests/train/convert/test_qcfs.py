from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spikewright.errors import TrainError
from spikewright.train.convert import QCFS


@given(
    st.integers(1, 16), st.floats(0.1, 10.0), st.lists(st.floats(-20, 20), min_size=1, max_size=8)
)
def test_it_is_the_formula_of_the_paper(levels: int, threshold: float, xs: list[float]) -> None:
    x = torch.tensor(xs, dtype=torch.float64)
    layer = QCFS(levels, threshold=threshold).double()
    lam = float(layer.threshold.detach())  # rounded to float32 first
    wanted = lam * np.clip(np.floor(x.numpy() * levels / lam + 0.5) / levels, 0, 1)
    found = layer(x).detach().numpy()
    # where x stands on an edge of the grid, either side is right: x L / lambda is rounded in another order
    edge = np.abs((x.numpy() * levels / lam + 0.5) - np.rint(x.numpy() * levels / lam + 0.5)) < 1e-9
    np.testing.assert_allclose(found[~edge], wanted[~edge], rtol=1e-12, atol=1e-12)


def test_gradients() -> None:
    layer = QCFS(4, threshold=2.0)
    x = torch.tensor([-1.0, 0.3, 1.2, 5.0], requires_grad=True)
    layer(x).sum().backward()
    assert x.grad.tolist() == [0.0, 1.0, 1.0, 0.0]
    # inside, y / lambda - x / lambda: what rounding took away; above, 1
    wanted = (0.5 - 0.3) / 2 + (1.0 - 1.2) / 2 + 1.0
    assert layer.threshold.grad.item() == pytest.approx(wanted, abs=1e-6)


def test_it_says_what_it_is() -> None:
    assert repr(QCFS(8, threshold=2.5)) == "QCFS(levels=8, threshold=2.5)"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"levels": 0}, r"QCFS\(levels=\): not a number of levels; found 0"),
        ({"levels": 2.5}, r"QCFS\(levels=\)"),
        ({"threshold": 0.0}, r"QCFS\(threshold=\): must be more than 0; found 0.0"),
        ({"threshold": float("nan")}, r"QCFS\(threshold=\)"),
    ],
)
def test_bad_settings(arguments: dict, said: str) -> None:
    with pytest.raises(TrainError, match=said):
        QCFS(**arguments)
