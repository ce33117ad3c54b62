"""The crossbar substrate: lowering to tiles and converters, limits, prices."""

from __future__ import annotations

import numpy as np
import pytest

from spikewright.engines import run
from spikewright.errors import LimitError, SubstrateError
from spikewright.network import LI, LIF, Conv, Dense, Input, Network, Population, Projection
from spikewright.substrates import get
from spikewright.substrates.base import Grade
from spikewright.substrates.pcm.devices import PcmLike
from spikewright.substrates.pcm.substrate import Pcm

QUIET = PcmLike(programming_scale=0.0, drift_scale=0.0, read_scale=0.0)


def net(n_in: int = 20, n_hid: int = 30, n_out: int = 4, seed: int = 0) -> Network:
    generator = np.random.default_rng(seed)
    return Network(
        dt=1e-3,
        populations={
            "in": Population(Input, n_in),
            "hid": Population(LIF, n_hid, {"tau_m": 10e-3}),
            "out": Population(LIF, n_out, {"tau_m": 10e-3}),
        },
        projections={
            "a": Projection("in", "hid", Dense(generator.normal(0.1, 0.3, (n_hid, n_in)))),
            "b": Projection(
                "hid",
                "out",
                Dense(generator.normal(0.1, 0.3, (n_out, n_hid))),
                bias=np.full(n_out, 0.01),
            ),
        },
    )


def spikes(n: int = 20, steps: int = 40, batch: int = 3) -> np.ndarray:
    return (np.random.default_rng(1).random((steps, batch, n)) < 0.2).astype(float)


def test_quiet_devices_and_fine_converters_change_nothing_but_rounding() -> None:
    network = net()
    compiled = Pcm(devices=QUIET, output_noise=0.0).compile(network)
    ours = run(compiled.network, {"in": spikes()})
    ideal = run(network, {"in": spikes()})
    # a 9-bit converter over +-12 has steps of 0.047 of the largest weight: spikes agree but for near-threshold cases
    assert np.mean(ours.dense("hid") != ideal.dense("hid")) < 0.03


def test_what_a_neuron_gets_is_a_multiple_of_the_converter_step() -> None:
    network = net()
    compiled = Pcm(devices=QUIET, output_noise=0.0).compile(network)
    recording = run(compiled.network, {"in": spikes()}, record={"a.tile0": ("output",)})
    step = float(compiled.network.populations["a.tile0"].param("step"))
    values = recording.trace("a.tile0", "output") / step
    assert np.allclose(values, np.rint(values), atol=1e-9)
    assert step == pytest.approx(2 * 12 / 510)


def test_a_matrix_larger_than_a_tile_is_cut_and_gives_the_same_sums() -> None:
    network = net(n_in=300, n_hid=270)
    compiled = Pcm(devices=QUIET, output_noise=0.0).compile(network)
    tiles = compiled.facts["tiles"]
    assert [(t.rows, t.columns) for t in tiles if t.projection == "a"] == [
        (256, 256),
        (44, 256),
        (256, 14),
        (44, 14),
    ]
    weight = np.zeros((270, 300))
    for name, p in compiled.network.projections.items():
        if not name.startswith("a"):
            continue
        if ".tile" in name:
            analog = p.topology.synapses((300,)).matrix()
            back = next(
                q for q in compiled.network.projections.values() if q.pre == name
            ).topology.synapses((analog.shape[0],))
            weight += back.matrix() @ analog
    np.testing.assert_allclose(
        weight, network.projections["a"].topology.weight, rtol=1e-9, atol=1e-12
    )
    assert any("4 tiles" in str(c) for c in compiled.changes)


def test_same_seed_same_chip_and_other_seed_another() -> None:
    network, x = net(), spikes()
    first = run(Pcm().compile(network, seed=1).network, {"in": x}, seed=5)
    again = run(Pcm().compile(network, seed=1).network, {"in": x}, seed=5)
    other = run(Pcm().compile(network, seed=2).network, {"in": x}, seed=5)
    assert np.array_equal(first.sent["hid"], again.sent["hid"])
    assert not np.array_equal(first.sent["hid"], other.sent["hid"])


def test_a_year_without_compensation_silences_neurons() -> None:
    network, x = net(), spikes()
    ideal = run(network, {"in": x}).sent["hid"].sum()
    kept = run(Pcm().compile(network).network, {"in": x}).sent["hid"].sum()
    lost = run(Pcm(compensation=False).compile(network).network, {"in": x}).sent["hid"].sum()
    assert lost < 0.7 * ideal
    assert abs(kept - ideal) < abs(lost - ideal)


def test_costs_of_a_known_run() -> None:
    network = net()
    chip = Pcm()
    compiled = chip.compile(network)
    x = np.zeros((10, 1, 20))
    x[2, 0, 3] = x[5, 0, 4] = 1.0
    recording = run(compiled.network, {"in": x})
    costs = chip.cost(compiled, recording)
    terms = {t.name: t for t in costs.energy}
    hidden = int((recording.activity["hid"] > 0).sum())
    assert terms["tile reads"].count == 2 + hidden
    assert terms["neuron updates"].count == 10 * 34
    assert costs.system.grade is Grade.ASSUMED
    assert costs.system.low < costs.system.value < costs.system.high
    assert "power of an idle chip" in costs.unpublished
    parts = Pcm(preset="parts")
    cheaper = parts.cost(compiled, recording)
    assert {t.name for t in cheaper.energy} >= {
        "column conversions",
        "device currents",
        "word lines",
    }
    assert 0.0 < cheaper.device.value < costs.device.value


def test_no_input_costs_no_reads() -> None:
    compiled = Pcm().compile(net())
    recording = run(compiled.network, {"in": np.zeros((5, 2, 20))})
    assert {t.name: t.count for t in Pcm().cost(compiled, recording).energy}["tile reads"] == 0.0


def test_a_convolution_stores_its_kernel_once_and_reads_once_per_place() -> None:
    generator = np.random.default_rng(0)
    network = Network(
        dt=1e-3,
        populations={"in": Population(Input, (2, 6, 6)), "c": Population(LIF, (4, 4, 4))},
        projections={"w": Projection("in", "c", Conv(generator.normal(0, 0.5, (4, 2, 3, 3))))},
    )
    (tile,) = Pcm().compile(network).facts["tiles"]
    assert (tile.rows, tile.columns, tile.reads, tile.conversions) == (18, 4, 16, 64)


def test_too_many_tiles() -> None:
    network = net(n_in=256 * 9, n_hid=256 * 8)
    with pytest.raises(
        LimitError,
        match=r"more tiles than there are; found 80 tiles \('a' 72, 'b' 8\), expected 64",
    ):
        Pcm().compile(network)


def test_a_kernel_larger_than_a_tile() -> None:
    network = Network(
        dt=1e-3,
        populations={"in": Population(Input, (40, 5, 5)), "c": Population(LIF, (4, 3, 3))},
        projections={"w": Projection("in", "c", Conv(np.ones((4, 40, 3, 3))))},
    )
    with pytest.raises(
        LimitError, match=r"'w': a conv map needs more rows than a tile has; found 360"
    ):
        Pcm().compile(network)


def test_graded_rows_and_delays_per_weight_are_refused_together() -> None:
    delay = np.zeros((2, 3))
    delay[0, 0] = 1e-3
    network = Network(
        dt=1e-3,
        populations={
            "in": Population(Input, 3),
            "mid": Population(LI, 3),
            "out": Population(LIF, 2),
        },
        projections={
            "a": Projection("in", "mid", Dense(np.eye(3))),
            "b": Projection("mid", "out", Dense(np.ones((2, 3))), delay=delay),
        },
    )
    with pytest.raises(SubstrateError, match=r"(?s)2 problems.*graded values.*one delay"):
        Pcm().compile(network)


@pytest.mark.parametrize("options", [{"time": -1.0}, {"time": float("nan")}, {"preset": "other"}])
def test_options_that_cannot_be(options: dict[str, object]) -> None:
    with pytest.raises(SubstrateError, match="pcm: "):
        get("pcm", **options)
