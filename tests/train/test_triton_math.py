"""Functions of GPU kernels against those of the CPU's engine: natively on a GPU, else in Triton's interpreter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from spikewright.engines import kernels as double
from spikewright.engines import single

pytest.importorskip("triton")
from spikewright.train.fused.triton_kernel import kernel
from spikewright.train.fused.triton_text import Text

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
SPECIAL = [1e-30, -1e-9, 1e-4, 0.5, -0.0, np.inf, -np.inf, np.nan]
X = np.array([*np.linspace(-5, 5, 101), *np.linspace(-100, 100, 51), *SPECIAL])
Y = np.random.default_rng(0).choice([-2.5, -1.0, 0.3, 2.0, 7.0], len(X))
SAME_BITS = {
    *("absolute", "clip", "floor", "maximum", "minimum", "nearest", "sign_real", "sqrt", "trunc"),
}
SAME_BITS_IN_SINGLE = {"exp", "exprel", "tanh"}


def call(name: str, *columns: np.ndarray) -> np.ndarray:
    """Return a function of arrays, calculated by a kernel of its own."""
    taken = "xyz"[: len(columns)]
    arguments = f"_first, _last, _n, _size, _numbers, {', '.join(taken)}, _made"
    lines = [
        "@triton.jit",
        f"def call_{name}({arguments}, _BLOCK: tl.constexpr, _AHEAD: tl.constexpr):",
        "    _place = tl.program_id(0) * _BLOCK + tl.arange(0, _BLOCK)",
        "    _inside = _place < _size",
        *(f"    {a} = tl.load({a} + _place, mask=_inside, other=0)" for a in taken),
        f"    tl.store(_made + _place, {name}({', '.join(taken)}), mask=_inside)",
    ]
    text = Text(f"call_{name}", "\n".join(lines), (), (), 1)
    tensors = [torch.from_numpy(np.ascontiguousarray(x)).to(DEVICE) for x in columns]
    made = torch.empty_like(tensors[0])
    kernel(text).start(0, 1, len(made), len(made), tensors[0], [*tensors, made])
    return made.cpu().numpy()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", sorted(SAME_BITS | SAME_BITS_IN_SINGLE | {"log", "power"}))
def test_function(name: str, dtype: Any) -> None:
    x, y = X.astype(dtype), Y.astype(dtype)
    if dtype == np.float64 and name in ("exp", "exprel"):
        x = np.minimum(x, 700.0)  # beyond, the CPU's function raises
    columns = {"clip": [x, y, y + 1], "maximum": [x, y], "minimum": [x, y], "power": [x, y]}
    of_cpu = getattr(single if dtype == np.float32 else double, name)
    want = np.array([of_cpu(*values) for values in zip(*columns.get(name, [x]), strict=True)])
    got = call(name, *columns.get(name, [x]))
    assert got.dtype == dtype
    if name in SAME_BITS or (dtype == np.float32 and name in SAME_BITS_IN_SINGLE):
        np.testing.assert_array_equal(got, want)
        return
    is_number = np.isfinite(want)
    np.testing.assert_array_equal(got[~is_number], want[~is_number])
    got, want = got[is_number], want[is_number]
    allowed = np.full(len(want), 8.0 * np.finfo(dtype).eps)
    if name == "power":
        # an error of a logarithm, which is calculated in float64, is one of the power as many times larger
        size = np.abs(want, out=np.ones(len(want)), where=want != 0)
        allowed += np.finfo(np.float64).eps * np.abs(np.log(size))
    assert np.all(np.abs(got - want) <= allowed * np.abs(want))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["remainder_real", "floor_divide_real"])
def test_division_with_rest(name: str, dtype: Any) -> None:
    x = np.linspace(-20, 20, 161).astype(dtype)
    y = np.resize(np.array([0.7, -0.7, 2.5, -3.0, 0.25], dtype), len(x))
    of_cpu = getattr(single if dtype == np.float32 else double, name)
    want = np.array([of_cpu(*values) for values in zip(x, y, strict=True)])
    np.testing.assert_array_equal(call(name, x, y), want)
