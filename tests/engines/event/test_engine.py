"""Exact times: closed forms, real data, convergence of the clocked engine, delays off the grid, and what is refused."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import spikewright as sw
from spikewright.engines import choose
from spikewright.engines.event import Event
from spikewright.errors import EngineError, NetworkError
from spikewright.events import Events
from spikewright.network import (
    IF,
    LIF,
    MODELS,
    AlphaLIF,
    ConductanceLIF,
    CubaLIF,
    Dense,
    Input,
    Network,
    OneToOne,
    PoissonDrive,
    PoissonSource,
    Population,
    Projection,
    Propagation,
    Relay,
    Sparse,
)
from spikewright.network.plasticity import PairSTDP
from spikewright.network.synapse import Rule


def alone(model: Any, n: int = 1, dt: float = 1e-3, **more: Any) -> Network:
    return Network(dt=dt, populations={"p": Population(model, n, **more)})


def run(network: Network, inputs: Any = None, **options: Any) -> sw.Recording:
    return Event().run(network, inputs, **options)


# -- closed forms --------------------------------------------------------------------------------------


def test_constant_current_gives_the_intervals_of_the_closed_form() -> None:
    tau, v_th, t_ref = np.array([5e-3, 20e-3, 70e-3]), 0.9, np.array([0.0, 2e-3, 3.3e-3])
    current = np.array([1.0, 1.3, 2.1])
    params = {"tau_m": tau, "v_th": v_th, "t_ref": t_ref}
    found = run(alone(LIF, 3, params=params), {"p.i": np.tile(current, (1000, 1, 1))})
    for i in range(3):
        time, address = found.times("p")
        own = time[address == i]
        first = -tau[i] * np.log1p(-v_th / current[i])
        expected = first + (first + t_ref[i]) * np.arange(len(own))
        assert len(own) >= 10
        assert np.allclose(own, expected, rtol=1e-12, atol=0)


def test_a_leak_free_neuron_fires_at_multiples_of_threshold_over_current() -> None:
    time, _ = run(alone(IF), {"p.i": np.full((100, 1, 1), 70.0)}).times("p")
    assert np.allclose(time, np.arange(1, len(time) + 1) / 70.0, rtol=1e-12, atol=0)
    assert len(time) == 7


def test_current_that_only_reaches_the_threshold_never_fires() -> None:
    assert run(alone(LIF), {"p.i": np.ones((1000, 1, 1))}).times("p")[0].size == 0


@pytest.mark.parametrize("tau_s", [2e-3, 20e-3, 20.01e-3])
def test_a_pulse_through_a_synapse_fires_where_the_potential_says(tau_s: float) -> None:
    # potential of a current w exp(-t / tau_s): its crossing, found here by bisection in higher precision
    from decimal import Decimal, getcontext

    getcontext().prec = 50
    tau, w = Decimal(20) / 1000, Decimal(20) if tau_s < 1e-2 else Decimal("3.5")
    s = Decimal(repr(tau_s))

    def v(t: Decimal) -> Decimal:
        if s == tau:
            return w * t / tau * (-t / tau).exp()
        return w * s / (s - tau) * ((-t / s).exp() - (-t / tau).exp())

    low, high = Decimal(0), Decimal(1) / 1000
    while v(high) < 1 and high < 1:
        high += Decimal(1) / 10000
    for _ in range(150):
        middle = (low + high) / 2
        low, high = (middle, high) if v(middle) < 1 else (low, middle)
    network = Network(
        dt=1e-3,
        populations={"in": Population(Input, 1), "p": Population(CubaLIF, 1, {"tau_s": tau_s})},
        projections={"s": Projection("in", "p", OneToOne(float(w)), "spikes", delay=1e-3)},
    )
    time, _ = run(network, {"in": Events([0], [0], (1,))}, steps=60).times("p")
    assert time[0] - 1e-3 == pytest.approx(float(high), rel=1e-12)


def test_a_potential_that_stays_below_does_not_fire_and_one_above_does() -> None:
    # peak of an alpha-shaped current's potential, found on a fine grid of the closed form
    network = Network(
        dt=1e-3,
        populations={"in": Population(Input, 1), "p": Population(AlphaLIF, 1)},
        projections={"s": Projection("in", "p", OneToOne(1.0), "spikes", delay=1e-3)},
    )
    quiet = run(network, {"in": Events([0], [0], (1,))}, steps=100, record={"p": ("v",)})
    at_once = Projection("in", "p", OneToOne(1.0), "spikes")
    fine = Network(2e-6, network.populations, {"s": at_once})
    trace = run(fine, {"in": Events([0], [0], (1,))}, steps=20_000, record={"p": ("v",)})
    peak = trace.trace("p", "v").max()
    assert quiet.sent["p"].sum() == 0
    for factor, spikes in ((1 - 1e-7, 0), (1 + 1e-7, 1)):
        weight = factor / peak
        changed = network.replacing(
            projections={"s": Projection("in", "p", OneToOne(weight), "spikes", delay=1e-3)}
        )
        assert run(changed, {"in": Events([0], [0], (1,))}, steps=100).sent["p"].sum() == spikes


def test_an_unknown_neuron_without_a_closed_form_meets_its_tolerance() -> None:
    network = alone(ConductanceLIF, dt=1e-4)
    inputs = {"p.i": np.full((3000, 1, 1), 4e-10)}
    exact, _ = Event(tolerance=1e-12).run(network, inputs).times("p")
    # constant current: a leaky integrator
    params = {k: v for k, (v, _) in ConductanceLIF.params.items()}
    tau, rise = params["c"] / params["g_l"], 4e-10 / params["g_l"]
    first = -tau * np.log1p(-(params["v_th"] - params["e_l"]) / rise)
    assert np.allclose(exact, first + (first + params["t_ref"]) * np.arange(len(exact)), rtol=1e-10)
    rough, _ = Event(tolerance=1e-5).run(network, inputs).times("p")
    assert len(rough) == len(exact)
    assert 1e-12 < np.max(np.abs(rough - exact)) < 1e-4


# -- times -----------------------------------------------------------------------------------------------


def continuous(delay: Any, **more: Any) -> Network:
    return Network(
        dt=1e-3,
        populations={"in": Population(Input, 2), "p": Population(LIF, 3, {"v_th": 0.5})},
        projections={"s": Projection("in", "p", Dense(np.ones((3, 2))), "spikes", delay)},
        propagation=Propagation.CONTINUOUS,
        **more,
    )


def test_delays_of_any_length_one_per_synapse() -> None:
    delay = np.array([[1.23e-3, 4e-3], [0.0, np.pi * 1e-3], [7.7e-4, 2.5e-3]])
    found = sw.run(continuous(delay), {"in": Events([0, 10_300], [1, 0], (2,))}, steps=20)
    time, address = found.times("p")
    expected = sorted(
        [(delay[j, 1], j) for j in range(3)] + [(0.0103 + delay[j, 0], j) for j in range(3)]
    )
    assert found.engine == "event"
    assert address.tolist() == [j for _, j in expected]
    assert np.allclose(time, [t for t, _ in expected], rtol=1e-15)
    assert (
        found.spikes["p"].step.tolist()
        == np.floor(np.array([t for t, _ in expected]) * 1e3).tolist()
    )


def test_a_network_without_a_clock_is_refused_by_clocked_engines() -> None:
    for engine in ("reference", "cpu"):
        with pytest.raises(NetworkError, match=r"continuous, so it has no steps .* engine='event'"):
            sw.run(continuous(1e-3), steps=3, engine=engine)
    with pytest.raises(
        NetworkError, match=r"not a whole number of steps; .*Propagation.CONTINUOUS"
    ):
        continuous(1.5e-3).replacing(propagation=Propagation.NEXT_STEP)
    assert "delay 0.0015..0.0015 s" in continuous(1.5e-3).summary()


def test_the_choice_explains_itself() -> None:
    assert (
        str(choose(continuous(1e-3)))
        == "event: the network has no clock: every spike has its own time"
    )
    clocked = continuous(1e-3).replacing(propagation=Propagation.NEXT_STEP)
    chosen = choose(clocked)
    assert chosen.engine == "cpu"
    assert "engine='event' would give exact times, at less cost where they fire below" in chosen.why
    assert "event" not in choose(alone(MODELS["AdEx"])).why
    assert sw.run(clocked, steps=2).engine == "cpu"


def test_arrivals_of_one_instant_are_added_before_the_threshold_is_seen() -> None:
    weight = np.array([[1.2, -0.9]])
    for order in ([0, 1], [1, 0]):
        network = Network(
            dt=1e-3,
            populations={"in": Population(Input, 2), "p": Population(LIF, 1)},
            projections={
                f"{i}": Projection("in", "p", Dense(weight * (np.arange(2) == i)), "spikes", 3e-3)
                for i in order
            },
        )
        assert run(network, {"in": Events([500, 500], [0, 1], (2,))}, steps=9).sent["p"].sum() == 0


def test_relays_in_a_row_are_one_instant() -> None:
    network = Network(
        dt=1e-3,
        populations={
            "p": Population(LIF, 1),
            "r": Population(Relay, 1),
            "in": Population(Input, 1),
        },
        projections={
            "in->r": Projection("in", "r", OneToOne(1.0)),
            "r->p": Projection("r", "p", OneToOne(1.2), "spikes"),
            "in->p": Projection("in", "p", OneToOne(-0.9), "spikes"),
        },
    )
    assert run(network, {"in": Events([500], [0], (1,))}, steps=9).sent["p"].sum() == 0


def test_poisson_processes_have_their_rate_and_seed() -> None:
    network = Network(
        dt=1e-3,
        populations={
            "a": Population(PoissonSource, 400, {"rate": 30.0}),
            "p": Population(LIF, 400),
        },
        drives={"d": PoissonDrive("p", 50.0, 3.0)},
    )
    one, other = run(network, steps=2000, seed=1), run(network, steps=2000, seed=2)
    for name, rate in (("a", 30.0), ("p", 50.0)):
        mean = 400 * 2.0 * rate
        assert abs(one.sent[name].sum() - mean) < 5 * np.sqrt(mean)
    time, address = one.times("a")
    gaps = np.concatenate([np.diff(time[address == i]) for i in range(400)])
    assert np.std(gaps) / np.mean(gaps) == pytest.approx(1.0, abs=0.05)
    assert not np.array_equal(one.times("p")[0][:50], other.times("p")[0][:50])
    assert np.array_equal(one.times("p")[0], run(network, steps=2000, seed=1).times("p")[0])


def test_a_run_in_parts_is_the_run() -> None:
    weight = sw.rng.stream(1, "event/parts").normal(0.1, 0.4, (30, 30))
    network = Network(
        dt=1e-3,
        populations={"p": Population(CubaLIF, 30, {"t_ref": 2.7e-3, "v_th": 0.3})},
        projections={
            "jump": Projection("p", "p", Dense(weight), "spikes", 2.3e-3),
            "held": Projection("p", "p", Dense(weight / 3), "i_ext", 0.7e-3),
        },
        drives={"d": PoissonDrive("p", 300.0, 0.5)},
        propagation=Propagation.CONTINUOUS,
    )
    whole = run(network, steps=60, seed=3)
    state, times = None, []
    for steps in (1, 13, 4, 42):
        part = run(network, steps=steps, seed=3, state=state)
        state = part.state
        times.append(part.times("p")[0])
    assert whole.sent["p"].sum() > 100
    assert np.allclose(np.concatenate(times), whole.times("p")[0], rtol=0, atol=1e-13)


def test_times_of_a_clocked_engine_are_those_of_its_stamps() -> None:
    found = sw.run(alone(LIF), {"p.i": np.full((30, 1, 1), 2.0)}, engine="cpu")
    assert found.times("p")[0].tolist() == [14 * 1e-3, 28 * 1e-3]
    with pytest.raises(EngineError, match=r"recording.spikes\['p'\]: spikes were not kept"):
        sw.run(alone(LIF), steps=2, spikes=()).times("p")


# -- real data -----------------------------------------------------------------------------------------------


class IntFire:
    """The SONATA example of 300 integrate-and-fire cells: its network, inputs and expected spikes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "data" / "sonata" / "300_intfire"

    def open(self, name: str) -> Any:
        h5py = pytest.importorskip("h5py")
        return h5py.File(self.folder / name, "r")

    def edges(self, name: str) -> tuple[NDArray[Any], ...]:
        with self.open(f"network/{name}_v1_edges.h5") as file:
            group = file[f"edges/{name}_to_v1"]
            kind, synapses = group["edge_type_id"][:], group["0/nsyns"][:]
            source, target = group["source_node_id"][:], group["target_node_id"][:]
        weight = np.zeros(len(kind))
        with (self.folder / "network" / f"{name}_v1_edge_types.csv").open() as text:
            for row in csv.DictReader(text, delimiter=" "):
                sign = -1.0 if row["dynamics_params"] == "instanteneousInh.json" else 1.0
                weight[kind == int(row["edge_type_id"])] = sign * float(row["syn_weight"])
        return source.astype(int), target.astype(int), weight * synapses

    def network(self, dt: float) -> Network:
        with self.open("network/v1_nodes.h5") as file:
            kind = file["nodes/v1/node_type_id"][:]
        params = {"tau_m": np.where(kind == 100, 24e-3, 7e-3), "t_ref": 3e-3}
        sizes = {"lgn": 90, "tw": 30, "v1": 300}
        populations = {n: Population(Input, k) for n, k in sizes.items() if n != "v1"}
        populations["v1"] = Population(LIF, 300, params)
        projections = {}
        for name, size in sizes.items():
            source, target, weight = self.edges(name)
            rows = Sparse.from_edges(source, target, weight, n_pre=size, n_post=300)
            projections[name] = Projection(name, "v1", rows, "spikes", delay=2e-3)
        return Network(dt=dt, populations=populations, projections=projections)

    def inputs(self) -> dict[str, Events]:
        found = {}
        for name, size in (("lgn", 90), ("tw", 30)):
            with self.open(f"inputs/{name}_spikes.h5") as file:
                t, who = file["spikes/timestamps"][:], file["spikes/gids"][:].astype(int)
            order = np.argsort(t, kind="stable")
            # ms to ns
            found[name] = Events(
                np.rint(t[order] * 1e6).astype(int), who[order], (size,), tick=1e-9
            )
        return found

    def expected(self) -> list[tuple[int, int]]:
        """Return (microseconds, neuron) of every spike."""
        with self.open("output/spikes.h5") as file:
            t, who = file["spikes/v1/timestamps"][:], file["spikes/v1/node_ids"][:].astype(int)
        return sorted(zip(np.rint(t * 1e3).astype(int).tolist(), who.tolist(), strict=True))


@pytest.fixture(scope="module")
def intfire(shared: Path) -> IntFire:
    found = IntFire(shared)
    if not found.folder.is_dir():
        pytest.skip(f"no reference data at {found.folder}")
    return found


def test_all_spikes_of_a_published_network_to_the_microsecond(intfire: IntFire) -> None:
    found = run(intfire.network(1e-4), intfire.inputs(), steps=30_000)
    time, who = found.times("v1")
    expected = intfire.expected()
    assert len(expected) == 4322
    assert (
        sorted(zip(np.rint(time * 1e6).astype(int).tolist(), who.tolist(), strict=True)) == expected
    )


def test_a_wrong_weight_is_noticed(intfire: IntFire) -> None:
    network = intfire.network(1e-4)
    weight = 0.95 * network.projections["v1"].topology.weight
    found = run(network.with_weights({"v1": weight}), intfire.inputs(), steps=30_000)
    time, who = found.times("v1")
    got = sorted(zip(np.rint(time * 1e6).astype(int).tolist(), who.tolist(), strict=True))
    assert got != intfire.expected()


def test_the_clocked_engine_converges_at_first_order(intfire: IntFire) -> None:
    # until 1 s, where every neuron has fired a few times
    exact, _ = run(intfire.network(1e-4), intfire.inputs(), steps=30_000).times("v1")
    steps, errors = (2e-4, 1e-4, 5e-5, 2.5e-5), []
    for dt in steps:
        found = sw.run(intfire.network(dt), intfire.inputs(), steps=round(3.0 / dt), engine="cpu")
        time, _ = found.times("v1")
        n = 300
        errors.append(float(np.mean(np.abs(np.sort(time)[:n] - np.sort(exact)[:n]))))
    slope = np.polyfit(np.log(steps), np.log(errors), 1)[0]
    assert slope == pytest.approx(1.0, abs=0.15), errors


# -- what is refused -------------------------------------------------------------------------------------------


def test_what_needs_a_clock_is_refused_with_the_cure() -> None:
    network = Network(
        dt=1e-3,
        populations={
            "p": Population(MODELS["NoisyLIF"], 1),
            "q": Population(MODELS["Izhikevich2003"], 1),
        },
    )
    with pytest.raises(EngineError) as caught:
        run(network, steps=1)
    text = str(caught.value)
    assert "population 'p': NoisyLIF draws noise in every step" in text
    assert "population 'q': Izhikevich2003 is given by its next values" in text
    assert "use engine='cpu'" in text


def test_values_at_every_step_are_refused() -> None:
    network = Network(
        dt=1e-3,
        populations={"p": Population(MODELS["LI"], 1), "q": Population(LIF, 1)},
        projections={"s": Projection("p", "q", OneToOne(1.0), "i")},
    )
    with pytest.raises(
        EngineError, match=r"projection 's': 'p' \(LI\) sends a value at every step"
    ):
        run(network, steps=1)


def test_synapses_that_learn_are_refused() -> None:
    network = Network(
        dt=1e-3,
        populations={"p": Population(LIF, 1), "q": Population(LIF, 1)},
        projections={"s": Projection("p", "q", Dense(np.ones((1, 1))), rule=Rule(PairSTDP))},
    )
    with pytest.raises(
        EngineError, match=r"'s': its synapses change .*PairSTDP.*without_rules\(\)"
    ):
        run(network, steps=1)
    assert run(network.without_rules(), steps=1).steps == 1


def test_spikes_without_end_are_an_error_not_a_hang() -> None:
    again = LIF.variant(
        "Again", reset={"v": "2 * v_th"}, refractory=None, source="Made for this test."
    )
    with pytest.raises(
        EngineError, match=r"'p', neuron 0, at .*: Again fires without end .* refractory"
    ):
        run(alone(again), {"p.i": np.full((50, 1, 1), 2.0)})
    ring = Network(
        dt=1e-3,
        populations={"in": Population(Input, 1), "p": Population(LIF, 2)},
        projections={
            "in": Projection("in", "p", Dense(np.array([[2.0], [0.0]])), "spikes"),
            "ring": Projection("p", "p", Dense(np.array([[0.0, 2.0], [2.0, 0.0]])), "spikes"),
        },
    )
    with pytest.raises(EngineError, match="spikes set off spikes without end at one instant"):
        run(ring, {"in": Events([0], [0], (1,))}, steps=5)


def test_files_and_tolerances_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"engine 'event' runs in one piece"):
        run(alone(LIF), steps=5, file=tmp_path / "run.h5")
    assert not list(tmp_path.iterdir())
    with pytest.raises(EngineError, match="not a tolerance"):
        Event(tolerance=0.0)
    with pytest.raises(EngineError, match="double precision"):
        run(alone(LIF), steps=5, precision="single")
