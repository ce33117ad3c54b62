"""SpiNNaker's neuron against a restatement of its software in plain Python integers, one neuron and step at a time."""

from __future__ import annotations

import numpy as np
import pytest

from spikewright.engines import run
from spikewright.network import Dense, Network, Population, Projection
from spikewright.rng import stream
from spikewright.substrates.spinnaker.model import FACTOR, ONE, SpiNNakerInput, SpiNNakerLIF

STEPS, N_IN, N = 120, 12, 7


def int32(x: int) -> int:
    x &= 0xFFFFFFFF
    return x - (1 << 32) if x >= 1 << 31 else x


def mul_rn(x: int, y: int) -> int:
    return int32((x * y + (1 << 14)) >> 15)


class Core:
    """One neuron in the order of the software: read buffers, shape, update, threshold, decay."""

    def __init__(self, p: dict[str, int]) -> None:
        self.p = p
        self.v = self.refract = self.saturated = 0
        self.current = {"exc": 0, "inh": 0}

    def tick(self, weights: dict[str, list[int]]) -> bool:
        p = self.p
        for kind, arriving in weights.items():
            buffer = 0
            for weight in arriving:
                buffer = min(buffer + weight, 65535)
            self.saturated += sum(arriving) > 65535
            shaped = ((buffer << p[f"shift_{kind}"]) * p[f"init_{kind}"]) >> 32
            self.current[kind] = int32(self.current[kind] + shaped)
        if self.refract <= 0:
            total = self.current["exc"] - self.current["inh"] + p["i_offset"]
            alpha = int32(((total * p["r"] + (1 << 14)) >> 15) + p["v_rest"])
            self.v = int32(alpha - ((p["e"] * (alpha - self.v) + (1 << 14)) >> 15))
        else:
            self.refract -= 1
        fired = self.v >= p["v_th"]
        if fired:
            self.v, self.refract = p["v_reset"], p["t_ref"]
        for kind in self.current:
            self.current[kind] = (self.current[kind] * p[f"d_{kind}"]) >> 32
        return fired


def case(name: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray], np.ndarray]:
    """Return parameters per neuron, weights per type, and spikes, drawn from a named stream."""
    draw = stream(5, f"test_spinnaker/{name}")
    crowded = name == "saturating"
    params = {
        "e": draw.integers(25000, 32700, N),
        "r": draw.integers(20000, 90000, N),
        "v_rest": draw.integers(-70 * ONE, -50 * ONE, N),
        "v_reset": draw.integers(-80 * ONE, -70 * ONE, N),
        "v_th": draw.integers(-45 * ONE, -30 * ONE, N),
        "i_offset": draw.integers(-ONE, 3 * ONE, N),
        "t_ref": draw.integers(0, 4, N),
        "d_exc": draw.integers(FACTOR // 2, FACTOR - 1, N),
        "d_inh": draw.integers(FACTOR // 2, FACTOR - 1, N),
        "init_exc": draw.integers(FACTOR // 2, FACTOR - 1, N),
        "init_inh": draw.integers(FACTOR // 2, FACTOR - 1, N),
        "shift_exc": np.asarray(3 if crowded else 5),
        "shift_inh": np.asarray(1 if crowded else 2),
    }
    if name == "delta":
        params |= {"d_exc": np.zeros(N, int), "init_exc": np.full(N, FACTOR)}
        params |= {"shift_exc": np.asarray(8)}
    top = 40000 if crowded else 9000
    weights = {k: draw.integers(0, top, (N, N_IN)) for k in ("exc", "inh")}
    return params, weights, (draw.random((STEPS, N_IN)) < 0.3).astype(np.int64)


@pytest.mark.parametrize("engine", ["reference", "cpu"])
@pytest.mark.parametrize("name", ["exponential", "delta", "saturating"])
def test_neuron_is_the_software_bit_for_bit(name: str, engine: str) -> None:
    params, weights, x = case(name)
    network = Network(
        dt=1e-3,
        populations={
            "in": Population(SpiNNakerInput, N_IN),
            "a": Population(SpiNNakerLIF, N, params),
        },
        projections={k: Projection("in", "a", Dense(w), port=k) for k, w in weights.items()},
    )
    found = run(network, {"in": x[:, None]}, engine=engine, record={"a": ("v", "saturated")})
    cores = [Core({k: int(np.broadcast_to(v, N)[i]) for k, v in params.items()}) for i in range(N)]
    for step in range(STEPS):
        active = np.flatnonzero(x[step])
        for i, core in enumerate(cores):
            fired = core.tick({k: w[i, active].tolist() for k, w in weights.items()})
            assert found.dense("a")[step, 0, i] == fired, (step, i)
            assert found.trace("a", "v")[step, 0, i] == core.v, (step, i)
            assert found.trace("a", "saturated")[step, 0, i] == core.saturated, (step, i)
    assert found.sent["a"].sum() > 20
    assert (sum(c.saturated for c in cores) > 50) == (name == "saturating")


def test_accums_wrap_at_32_bits() -> None:
    params, weights, x = case("exponential")
    params |= {"i_offset": np.asarray(2**31 - 1), "v_th": np.asarray(2**31 - 1)}
    network = Network(
        dt=1e-3,
        populations={
            "in": Population(SpiNNakerInput, N_IN),
            "a": Population(SpiNNakerLIF, N, params),
        },
        projections={"w": Projection("in", "a", Dense(weights["exc"]), port="exc")},
    )
    found = run(network, {"in": x[:, None]}, engine="reference", record={"a": ("v",)})
    cores = [Core({k: int(np.broadcast_to(v, N)[i]) for k, v in params.items()}) for i in range(N)]
    for step in range(20):
        active = np.flatnonzero(x[step])
        for i, core in enumerate(cores):
            core.tick({"exc": weights["exc"][i, active].tolist(), "inh": []})
            assert found.trace("a", "v")[step, 0, i] == core.v
    assert mul_rn(3, ONE // 2) == 2
    assert mul_rn(-3, ONE // 2) == -1
