"""STDP windows and pairing schemes against explicit sums over pairs."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from spikewright.engines.reference import Reference
from spikewright.network import Rule, SynapseModel
from spikewright.network.plasticity import (
    RULES,
    MultiplicativeSTDP,
    PairSTDP,
    PairSTDPNearest,
    PairSTDPPresynaptic,
    PairSTDPReduced,
    PowerLawSTDP,
)
from spikewright.rng import stream
from spikewright.testing.synapses import forced, train

DT = 1e-3
A_PLUS, A_MINUS, TAU_PLUS, TAU_MINUS = 0.005, 0.00525, 17e-3, 34e-3
VALUES = {"tau_plus": TAU_PLUS, "tau_minus": TAU_MINUS, "w_max": 100.0}
LENGTH = 400


def final(rule: Rule, pre: object, post: object, weight: float = 50.0, delay: float = 0.0) -> float:
    """Return the weight after a run."""
    inputs = {"in": train(pre, LENGTH), "out.fire": train(post, LENGTH)}
    recording = Reference().run(forced(rule, [[weight]], delay=delay), inputs)
    return float(recording.learned().projections["s"].topology.weight[0, 0])  # type: ignore[index]


@pytest.mark.parametrize("delay", [0, 7])
def test_window(delay: int) -> None:
    steps = np.arange(-50, 51)
    fire = np.zeros((160, 1, len(steps)))
    fire[100 + steps, 0, np.arange(len(steps))] = 1
    net = forced(Rule(PairSTDP, VALUES), np.full((len(steps), 1), 50.0), delay=delay * DT)
    found = Reference().run(net, {"in": train(100 - delay, 160), "out.fire": fire}).learned()
    weight = found.projections["s"].topology.weight
    # an arrival stands before the post event of the same step
    late = steps >= 0
    size, tau = np.where(late, A_PLUS, -A_MINUS), np.where(late, TAU_PLUS, TAU_MINUS)
    expected = 50 + size * np.exp(-np.abs(steps) * DT / tau)
    assert weight is not None
    assert weight[:, 0] == pytest.approx(expected, abs=1e-12)


def pairs(scheme: str, pre: NDArray[np.int64], post: NDArray[np.int64]) -> list[int]:
    """Return t_post - t_pre of every pair that counts; one at 0 counts as pre before post."""
    found = []
    for t in post:
        before = pre[pre <= t]
        if scheme in ("presynaptic", "reduced"):  # since the last post event
            last = post[post < t]
            before = before[before > last[-1]] if len(last) else before
        found += [t - s for s in (before if scheme == "all" else before[-1:])]
    for s in pre:
        before = post[post < s]
        if scheme == "reduced":
            last = pre[pre < s]
            before = before[before >= last[-1]] if len(last) else before
        found += [t - s for t in (before if scheme == "all" else before[-1:])]
    return found


@pytest.mark.parametrize(
    ("model", "scheme"),
    [
        (PairSTDP, "all"),
        (PairSTDPNearest, "nearest"),
        (PairSTDPPresynaptic, "presynaptic"),
        (PairSTDPReduced, "reduced"),
    ],
    ids=lambda x: getattr(x, "name", x),
)
def test_pairing_schemes(model: SynapseModel, scheme: str) -> None:
    draw = stream(1, f"pairs/{scheme}")
    pre, post = (np.flatnonzero(draw.random(LENGTH) < 0.1) for _ in range(2))
    total = 0.0
    order_at_zero = pairs(scheme, pre, post)
    for d in order_at_zero:
        late = d >= 0
        size, tau = (A_PLUS, TAU_PLUS) if late else (-A_MINUS, TAU_MINUS)
        total += size * math.exp(-abs(d) * DT / tau)
    assert final(Rule(model, VALUES), pre, post) - 50 == pytest.approx(total, abs=1e-10)


@pytest.mark.parametrize("weight", [0.0, 0.2, 0.7, 1.0])
def test_weight_dependence(weight: float) -> None:
    def change(model: SynapseModel, steps: int, **params: float) -> float:
        return final(Rule(model, params), [100], [100 + steps], weight) - weight

    up, down = math.exp(-10 / 20), math.exp(-10 / 20)
    assert change(MultiplicativeSTDP, 10, w_max=2.0) == pytest.approx(0.003 * up)
    assert change(MultiplicativeSTDP, -10, w_max=2.0) == pytest.approx(-0.003 * weight * down)
    for mu in (0.02, 0.5, 1.0):
        gain, loss = (1 - weight) ** mu, weight**mu
        found = change(PowerLawSTDP, 10, mu=mu)
        assert found == pytest.approx(min(0.005 * gain * up, 1 - weight), abs=1e-15)
        found = change(PowerLawSTDP, -10, mu=mu)
        assert found == pytest.approx(-min(1.05 * 0.005 * loss * down, weight), abs=1e-15)


def test_power_law_without_power_is_additive() -> None:
    draw = stream(2, "additive")
    pre, post = (np.flatnonzero(draw.random(LENGTH) < 0.05) for _ in range(2))
    additive = Rule(PairSTDP, {"a_plus": 0.05, "a_minus": 0.0525})
    power = Rule(PowerLawSTDP, {"mu": 0.0, "a_plus": 0.05})
    assert final(power, pre, post, 0.5) == pytest.approx(final(additive, pre, post, 0.5), abs=1e-14)


BOUNDED = [m for m in RULES.values() if "w_max" in m.params and not m.reads]


@settings(max_examples=25)
@given(
    st.sampled_from(BOUNDED),
    st.integers(0, 2**32),
    st.floats(0.0, 1.0),
    st.floats(0.01, 3.0),
)
def test_weights_never_leave_their_bounds(
    model: SynapseModel, seed: int, weight: float, size: float
) -> None:
    draw = np.random.default_rng(seed)
    large = {p: size for p in model.params if p.startswith(("a_", "a2", "a3", "eta", "beta"))}
    if model.every:
        large[model.every] = 10e-3
    net = forced(Rule(model.variant("Bounded", on_every=_bounded(model)), large), [[weight] * 2])
    inputs = {
        "in": (draw.random((40, 1, 2)) < 0.3).astype(float),
        "out.fire": (draw.random((40, 1, 1)) < 0.3).astype(float),
    }
    state = None
    for begin in range(0, 40, 4):
        part = {name: x[begin : begin + 4] for name, x in inputs.items()}
        state = Reference().run(net, part, state=state).state
        w = state.synapses["s"].values["w"]
        assert np.all((w >= 0) & (w <= 1.0))


def _bounded(model: SynapseModel) -> dict[str, str]:
    """Normalisation is not bounded by itself."""
    return {v: f"clip({text}, 0, w_max)" for v, text in model.on_every.items()}
