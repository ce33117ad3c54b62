from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from spikewright.engines import run
from spikewright.errors import NetworkError, SubstrateError
from spikewright.network import IF, LIF, Dense, Input, Network, Population, Projection
from spikewright.network.nir import Status, from_nir
from spikewright.network.nir import write_nir as write_network
from spikewright.substrates import get
from spikewright.substrates.base import Compiled
from spikewright.substrates.export import to_nir, write_nir
from spikewright.substrates.loihi.model import LoihiGraded, LoihiLIF, LoihiSigmaDelta
from spikewright.substrates.loihi.substrate import Loihi
from spikewright.substrates.pcm.substrate import Pcm


def differing(
    ours: NDArray[np.float64], theirs: NDArray[np.float64], earlier: int
) -> tuple[int, int]:
    """Return how many values differ, the second array being `earlier` steps ahead, and how many spikes there are."""
    end = len(ours) - earlier
    return int((ours[earlier:] != theirs[:end]).sum()), int(ours.sum())


def check_one_step(ours: NDArray[np.float64], theirs: NDArray[np.float64], earlier: int) -> None:
    """Fail unless a spike that is not where it was is one step off, and then at once in its place again."""
    end = len(ours) - earlier
    apart = np.cumsum(ours[earlier:] - theirs[:end], axis=0).reshape(end, -1)
    assert np.abs(apart).max() <= 1
    assert not np.any((apart[1:] != 0) & (apart[:-1] != 0))


def imported(compiled: Compiled) -> Network:
    document = to_nir(compiled).document
    assert document is not None
    return from_nir(document).network


def test_a_current_and_a_voltage_give_the_chips_spikes_again(cuba: Compiled, spikes: Any) -> None:
    back = imported(cuba)
    assert back.populations["hid"].model.name == "NirCubaLIF"
    entering = spikes(300)
    chip, nir = run(cuba.network, {"in": entering}), run(back, {"in": entering.astype(float)})
    for name, earlier in (("hid", 0), ("out", 1)):
        off, total = differing(chip.dense(name), nir.dense(name), earlier)
        assert total > 500
        # the chip truncates products within a step, NIR does not: one spike comes a step sooner or later
        assert off <= 2
        check_one_step(chip.dense(name), nir.dense(name), earlier)


@pytest.mark.parametrize("arithmetic", ["lava", "chip"])
@pytest.mark.parametrize("model", [LIF, IF])
def test_a_voltage_alone(network: Any, spikes: Any, arithmetic: str, model: Any) -> None:
    net = (
        network(LIF, v_rest=0.25, v_reset=0.25, v_th=1.5)
        if model is LIF
        else _without_leak(network())
    )
    compiled = Loihi(arithmetic=arithmetic).compile(net)  # type: ignore[arg-type]
    back = imported(compiled)
    entering = spikes(300)
    chip, nir = run(compiled.network, {"in": entering}), run(back, {"in": entering.astype(float)})
    for name, earlier in (("hid", 0), ("out", 1)):
        off, total = differing(chip.dense(name), nir.dense(name), earlier)
        assert total > 300
        assert off <= total / 1000
    if model is IF:
        # without a leak there is nothing to truncate
        assert np.array_equal(chip.dense("hid"), nir.dense("hid"))


def _without_leak(net: Network) -> Network:
    populations = {n: Population(IF, p.n) for n, p in net.populations.items() if n != "in"}
    return net.replacing(populations=populations)


def test_units_are_those_of_the_source(network: Any) -> None:
    """Weights, time constants and thresholds lie within what the chip rounds, and are not the source's own."""
    net = network(v_rest=0.25, v_reset=0.25, v_th=1.5)
    compiled = Loihi().compile(net)
    found = to_nir(compiled).network
    assert found is not None
    hid = found.populations["hid"]
    # NIR starts at 0, the chip at rest: voltages count from there
    assert float(hid.param("v_th").flat[0]) == pytest.approx(1.25, rel=1e-6)
    assert "voltages count from rest (0.25 in the source)" in to_nir(compiled).report.note("hid")
    # one Euler step keeps what the exact step keeps of the source, to 12 bits
    keep = 1.0 - 1e-3 / float(hid.param("tau_m").flat[0])
    assert keep * 4096 == pytest.approx(round(keep * 4096), abs=1e-3)
    assert keep == pytest.approx(np.exp(-0.1), abs=1 / 8192)
    # a jump acts before the leak of its step
    wanted = np.asarray(net.projections["a"].topology.weight) * np.exp(-0.1)
    got = np.asarray(found.projections["a"].topology.weight)
    # at most 8 bits and a sign, of a largest weight that may lie at half the range
    step = np.abs(wanted).max() / 127 * 2
    assert 0 < np.abs(got - wanted).max() <= 0.55 * step
    assert len(np.unique(got)) < got.size


def test_a_bias_is_kept_or_reported(network: Any, spikes: Any) -> None:
    net = network(delay=0.0)
    biased = replace(net.projections["a"], bias=np.linspace(0.0, 0.3, 12))
    compiled = Loihi().compile(net.replacing(projections={"a": biased}))
    exported = to_nir(compiled)
    assert exported.document is not None
    assert exported.document.graph.nodes["a"].kind == "Affine"
    back = from_nir(exported.document).network
    entering = spikes(100)
    chip, nir = run(compiled.network, {"in": entering}), run(back, {"in": entering.astype(float)})
    off, total = differing(chip.dense("hid"), nir.dense("hid"), 0)
    assert total > 300
    assert off <= total / 1000


def test_a_bias_beside_a_current_is_reported(cuba: Compiled) -> None:
    hid = cuba.network.populations["hid"]
    biased = replace(hid, params={**hid.params, "bias": 64})
    changed = replace(cuba, network=cuba.network.replacing(populations={"hid": biased}))
    report = to_nir(changed).report
    assert "its bias passes through the current in NIR" in report.note("hid")


def test_a_refractory_period_is_reported(network: Any) -> None:
    compiled = Loihi(arithmetic="chip").compile(network(t_ref=3e-3))  # type: ignore[arg-type]
    report = to_nir(compiled).report
    assert "'wait' is left out" in report.note("hid")
    assert not report.is_exact


def test_a_file_is_written_and_read(compiled: Compiled, tmp_path: Path, spikes: Any) -> None:
    report = write_nir(compiled, tmp_path / "a.nir")
    assert report.settings["current"] == "sequential"
    back = from_nir(tmp_path / "a.nir").network
    assert run(back, {"in": spikes(50).astype(float)}).dense("out").sum() > 10


@pytest.mark.parametrize(
    ("population", "message"),
    [
        (Population(LoihiGraded, 5), "out .LoihiGraded.: it does not send 1 where one voltage"),
        (Population(LoihiSigmaDelta, 5), "out .LoihiSigmaDelta.: it does not send 1 where"),
        (
            Population(LoihiLIF.variant("Squares", update={"u": "a << 6", "v": "u * u"}), 5),
            "out .Squares.: its step is not linear in a",
        ),
        (
            Population(LoihiLIF.variant("Kept", reset={"v": "v >> 1"}), 5),
            "out .Kept.: it resets neither to a value nor by its threshold",
        ),
        (
            Population(LoihiLIF.variant("Grows", update={"u": "a << 6", "v": "v * 2 + u"}), 5),
            "out .Grows.: its state grows",
        ),
    ],
)
def test_what_nir_cannot_say_is_refused(
    compiled: Compiled, tmp_path: Path, population: Population, message: str
) -> None:
    named = replace(compiled, network=compiled.network.replacing(populations={"out": population}))
    exported = to_nir(named)
    assert exported.document is None
    assert [f.name for f in exported.report.of(Status.REFUSED)] == ["out"]
    with pytest.raises(NetworkError, match=message):
        write_nir(named, tmp_path / "a.nir")
    assert list(tmp_path.iterdir()) == []


def test_real_numbers_are_refused(network: Any) -> None:
    with pytest.raises(SubstrateError, match=r"to_nir: population 'hid' .LIF.: computes with real"):
        to_nir(Pcm().compile(network(delay=0.0)))


def test_subtracting_neurons_are_named(compiled: Compiled) -> None:
    subtracts = LoihiLIF.variant("Subtracts", reset={"v": "v - v_th"})
    hid = compiled.network.populations["hid"]
    named = replace(
        compiled,
        network=compiled.network.replacing(populations={"hid": replace(hid, model=subtracts)}),
    )
    exported = to_nir(named)
    assert exported.document is not None
    assert "subtracts the threshold" in exported.report.note("hid")


def test_from_nir_to_the_chip_and_back(tmp_path: Path) -> None:
    """Graphs of NIR that a chip can take go all the way: NIR, network, chip, NIR."""
    net = Network(
        dt=1e-3,
        populations={"in": Population(Input, 2), "out": Population(LIF, 2)},
        projections={"w": Projection("in", "out", Dense([[0.5, 0.2], [0.1, 0.9]]))},
    )
    write_network(net, tmp_path / "net.nir")
    source = from_nir(tmp_path / "net.nir").network
    compiled = Loihi().compile(source)
    write_nir(compiled, tmp_path / "chip.nir")
    back = from_nir(tmp_path / "chip.nir").network
    entering = (np.random.default_rng(0).random((200, 1, 2)) < 0.5).astype(int)
    (name,) = compiled.network.outputs
    chip = run(compiled.network, {compiled.network.inputs[0]: entering}).dense(name)
    nir = run(back, {back.inputs[0]: entering.astype(float)}).dense(back.outputs[0])
    assert chip.sum() > 20
    assert np.array_equal(chip, nir)


@pytest.mark.parametrize("name", ["loihi2", "spinnaker"])
def test_other_chips_with_scratch_registers_and_two_ports(
    name: str, network: Any, spikes: Any
) -> None:
    """What is computed anew in every step is no current, and ports may weigh differently."""
    chip = get(name)
    compiled = chip.compile(chip.adapted(network(delay=0.0)))
    back = imported(compiled)
    entering = spikes(200)
    ours = run(compiled.network, {"in": entering}).dense("hid")
    theirs = run(back, {"in": entering.astype(float)}).dense("hid")
    off, total = differing(ours, theirs, 0)
    assert total > 300
    assert off <= 2
    check_one_step(ours, theirs, 0)
