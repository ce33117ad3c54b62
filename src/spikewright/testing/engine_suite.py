"""What every engine must do, as a pytest class: subclass it in three lines.

    class TestMine(EngineSuite):
        engine = Mine

Every result is compared with the reference engine bit for bit: spikes, traces, counts and the state at the end.
Longer than most files: one class, a test per rule of the contract.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from spikewright.engines.engine import Engine
from spikewright.engines.recording import Recording, SynapseState
from spikewright.engines.reference import Reference
from spikewright.errors import EngineError
from spikewright.events import Events
from spikewright.network import (
    LI,
    LIF,
    MODELS,
    AvgPool,
    Compose,
    Conv,
    CubaLI,
    CubaLIF,
    Dense,
    Flatten,
    GaussianDrive,
    Input,
    Method,
    Network,
    NeuronModel,
    NoisyLIF,
    OneToOne,
    PoissonDrive,
    PoissonSource,
    Population,
    Projection,
    Propagation,
    Relay,
    Reset,
    Scale,
    Sparse,
    StepCurrent,
    SumPool,
)
from spikewright.network.model import Noise
from spikewright.rng import stream
from spikewright.testing.finer_grid import (
    assert_near,
    is_random,
    needs_clock,
    run_finer,
    uses_step,
)

# model -> port -> size of what enters, so that spiking models fire within a few steps
DRIVE: Mapping[str, Mapping[str, float]] = {
    "Input": {"x": 1.0},
    "Relay": {"x": 1.0},
    "ThresholdUnit": {"x": 1.0},
    "IF": {"spikes": 0.3, "i": 100.0},
    "ConductanceLIF": {"exc": 30e-9, "inh": 5e-9, "i": 1e-10},
    "ConductanceAlphaLIF": {"exc": 1e-6, "inh": 5e-9, "i": 1e-9},
    "ConductanceAdEx": {"exc": 1e-6, "inh": 5e-9, "i": 2e-9},
    "NmdaLIF": {"exc": 60e-9, "inh": 5e-9, "nmda": 30e-9, "s_nmda": 1e-8, "i": 1e-9},
    "NmdaGate": {"spikes": 0.5},
    "ExpCurrentLIF": {"exc": 3e-9, "inh": -5e-10, "i": 1e-9},
    "AlphaCurrentLIF": {"exc": 3e-9, "inh": -5e-10, "i": 1e-9},
    "DeltaLIF": {"spikes": 3e-3, "i": 1e-9},
    "DiehlCookExcitatory": {"exc": 30.0, "inh": 0.3},
    "DiehlCookInhibitory": {"exc": 5.0, "inh": 0.3},
    "Izhikevich2003": {"i": 3000.0},
    "AdEx": {"spikes": 5e-3, "i": 2e-9},
    "Izhikevich": {"spikes": 5e-3, "i": 20.0},
    "HodgkinHuxley": {"exc": 50e-9, "inh": 5e-9, "i": 5e-10},
    "ResonateAndFire": {"spikes": 0.5, "i": 100.0},
    "NirIF": {"spikes": 0.3, "i": 100.0},
    "NirCubaLI": {"i_in": 2.0},
    "NirCubaLIF": {"i_in": 300.0},
}
CASES = [
    pytest.param(model, method, id=f"{model.name}-{method.value}")
    for model in MODELS.values()
    for method in Method
    if (
        method is Method.AUTO
        if not model.dynamics or not model.state
        else method is not Method.AUTO
    )
    and (method is not Method.EXACT or model.is_affine)
]

IntegerLIF = NeuronModel(
    name="IntegerLIF",
    state={"u": "1", "v": "1"},
    params={"decay": (3072, "1"), "v_th": (200, "1"), "low": (-500, "1"), "high": (500, "1")},
    inputs={"spikes": "1", "x": "1"},
    update={
        "u": "((u * decay) >> 12) + spikes",
        "v": "clip(v - sign(v) * ((abs(v) * 256) >> 12) + u + (x // 3) % 7 - (x & 1), low, high)",
    },
    threshold="v >= v_th and not (x > 1000)",
    reset={"v": "v - v_th if v > 2 * v_th else 0"},
    integer=True,
    source="Made for this suite: every operation of integer models.",
)
Graded = LIF.variant(
    "GradedLIF", output="v - v_th", source="Made for this suite: sends its excess."
)
NoiseKinds = NeuronModel(
    name="NoiseKinds",
    state={"a": "1", "b": "1", "c": "s^-0.5"},
    params={},
    inputs={},
    update={"a": "a + xi", "b": "b * u", "c": "w"},
    output="a",
    noise={"xi": Noise.NORMAL, "u": Noise.UNIFORM, "w": Noise.WHITE},
    source="Made for this suite: every kind of noise.",
)


def assert_same(found: Recording, expected: Recording) -> None:
    """Raise AssertionError unless two recordings are equal bit for bit (the sign of zero included)."""
    assert (found.steps, found.batch, found.seed) == (expected.steps, expected.batch, expected.seed)
    for part in ("spikes", "traces", "sent", "activity"):
        assert set(getattr(found, part)) == set(getattr(expected, part)), part
    for name, spikes in expected.spikes.items():
        for column in ("step", "sample", "address", "value"):
            _equal(
                getattr(found.spikes[name], column),
                getattr(spikes, column),
                f"spikes[{name!r}].{column}",
            )
    for name, traces in expected.traces.items():
        assert set(found.traces[name]) == set(traces), f"traces[{name!r}]"
        for variable, trace in traces.items():
            _equal(found.traces[name][variable], trace, f"traces[{name!r}][{variable!r}]")
    for name in expected.sent:
        _equal(found.sent[name], expected.sent[name], f"sent[{name!r}]")
        _equal(found.activity[name], expected.activity[name], f"activity[{name!r}]")
    one, other = found.state, expected.state
    assert one.step == other.step
    for name, values in other.values.items():
        for variable, value in values.items():
            _equal(one.values[name][variable], value, f"state.values[{name!r}][{variable!r}]")
    for part in ("waiting", "pending"):
        assert set(getattr(one, part)) == set(getattr(other, part)), f"state.{part}"
        for key, value in getattr(other, part).items():
            _equal(getattr(one, part)[key], value, f"state.{part}[{key!r}]")
    assert_same_synapses(one.synapses, other.synapses)


def assert_same_synapses(
    found: Mapping[str, SynapseState], expected: Mapping[str, SynapseState]
) -> None:
    """Raise AssertionError unless the synapses of two states are equal bit for bit."""
    assert set(found) == set(expected), "state.synapses"
    for name, other in expected.items():
        one, where = found[name], f"state.synapses[{name!r}]"
        for part in ("values", "pre", "post"):
            assert set(getattr(one, part)) == set(getattr(other, part)), f"{where}.{part}"
            for variable, value in getattr(other, part).items():
                _equal(getattr(one, part)[variable], value, f"{where}.{part}[{variable!r}]")
        for part in ("touched", "arrived", "fired"):
            _equal(getattr(one, part), getattr(other, part), f"{where}.{part}")
        for column in ("step", "sample", "address", "value"):
            a, b = getattr(one.underway, column), getattr(other.underway, column)
            _equal(a, b, f"{where}.underway.{column}")


def _equal(found: NDArray[Any] | None, expected: NDArray[Any] | None, where: str) -> None:
    if found is None or expected is None:
        assert found is None, where
        assert expected is None, where
        return
    assert found.dtype == expected.dtype, where
    assert found.shape == expected.shape, where
    same = (found == expected) & (np.signbit(found) == np.signbit(expected))
    if found.dtype.kind == "f":
        same |= np.isnan(found) & np.isnan(expected)
    assert np.all(same), f"{where}: first difference at {np.argwhere(~same)[0]}"


def spikes_in(*shape: int, rate: float = 0.3, seed: int = 0) -> NDArray[np.float64]:
    """Return an array of zeros and ones."""
    return (stream(seed, "suite/spikes").random(shape) < rate).astype(np.float64)


def weights_in(*shape: int, scale: float = 0.6, seed: int = 0) -> NDArray[np.float64]:
    """Return normally distributed weights."""
    return stream(seed, f"suite/weights/{shape}").normal(0.2 * scale, scale, shape)


def layered(model: NeuronModel = LIF, **more: Any) -> Network:
    """Return a network of 5 inputs, 4 neurons of `model` and 2 integrators; `more` are fields of the hidden one."""
    return Network(
        dt=1e-3,
        populations={
            "in": Population(Input, 5),
            "hid": Population(model, 4, **more),
            "out": Population(CubaLI, 2),
        },
        projections={
            "in->hid": Projection("in", "hid", Dense(weights_in(4, 5))),
            "hid->out": Projection("hid", "out", Dense(weights_in(2, 4))),
        },
    )


class EngineSuite:
    """The contract of engines. Abstract: subclasses name their `engine`."""

    engine: ClassVar[type[Engine]]
    options: ClassVar[Mapping[str, Any]] = {}
    """More arguments of every run of `engine`, for instance a number of threads."""
    clock: ClassVar[bool] = True
    """Whether the engine goes step by step, and so is equal to the reference bit for bit. One without a clock is
    compared with a finer grid (`finer_grid.py`), goes on from a state up to rounding, and must refuse what is said in
    steps: integer models, updates, noise, values sent at every step, rules. Where Poisson processes drive, their draws
    differ, and only what follows from them for any draws is compared."""

    def run(
        self, network: Network, inputs: Mapping[str, Any] | None = None, **options: Any
    ) -> Recording:
        """Run on the engine under test."""
        return self.engine().run(network, inputs, **{**self.options, **options})

    def same(self, found: Recording, expected: Recording) -> None:
        """Raise AssertionError unless two recordings are as equal as this engine promises."""
        assert_same(found, expected)

    def check(
        self, network: Network, inputs: Mapping[str, Any] | None = None, **options: Any
    ) -> Recording:
        """Run on both engines with every variable recorded, compare, and return the recording."""
        # some methods blow up at the suite's step: then both must do so alike
        options.setdefault("check_finite", False)
        options.setdefault(
            "record", {n: (*p.model.state, "output") for n, p in network.populations.items()}
        )
        if not self.clock:
            return self.check_without_clock(network, inputs or {}, options)
        expected = Reference().run(network, inputs, **options)
        found = self.run(network, inputs, **options)
        assert found.engine == self.engine.name
        self.same(found, expected)
        return found

    def check_without_clock(
        self, network: Network, inputs: Mapping[str, Any], options: Mapping[str, Any]
    ) -> Recording:
        """Run on an engine without a clock, and compare as it promises; what needs a clock must be refused."""
        if needs_clock(network):
            with pytest.raises(EngineError, match="clock"):
                self.run(network, inputs, **options)
            return Reference().run(network, inputs, **options)
        found = self.run(network, inputs, **options)
        assert found.engine == self.engine.name
        if not (is_random(network) or uses_step(network) or "state" in options):
            assert_near(found, run_finer(network, inputs, options), network)
        return found

    def equal(self, found: NDArray[Any], expected: NDArray[Any]) -> bool:
        """Whether two results that ought to be one are as equal as this engine promises."""
        if self.clock:
            return bool(np.array_equal(found, expected))
        return bool(np.allclose(found, expected, rtol=1e-9, atol=1e-12))

    # -- models ----------------------------------------------------------------------------------------

    @pytest.mark.parametrize(("model", "method"), CASES)
    def test_library_model(self, model: NeuronModel, method: Method) -> None:
        network = Network(dt=1e-4, populations={"p": Population(model, 3, method=method)})
        drive = DRIVE.get(model.name, {"spikes": 0.5, "i": 2.0, "i_ext": 2.0})
        inputs = {}
        for port in model.inputs:
            noise = stream(1, f"suite/{port}").normal(1.0, 0.5, (80, 2, 3))
            sparse = spikes_in(80, 2, 3) if port in model.jumps or port == "x" else 1.0
            inputs[f"p.{port}"] = drive[port] * noise * sparse
        more = {"rate": 2000.0} if model is PoissonSource else {}
        if more:
            network = network.replacing(populations={"p": Population(model, 3, more)})
        solved = not self.clock and not needs_clock(network)
        if solved and method not in (Method.AUTO, Method.EXACT, Method.RK4):
            # it solves the equations, whatever the method
            plain = network.replacing(populations={"p": Population(model, 3)})
            one = self.run(network, inputs, steps=80, batch=2)
            assert_same(one, self.run(plain, inputs, steps=80, batch=2))
            return
        found = self.check(network, inputs, steps=80, batch=2, seed=3)
        assert found.sent["p"].sum() > 0, "nothing was sent: the comparison says too little"
        if model.is_spiking:
            assert not np.all(found.sent["p"] == 80)

    def test_parameters_and_start_of_each_neuron(self) -> None:
        more = {
            "params": {"tau_m": [5e-3, 1e-2, 2e-2, 4e-2], "t_ref": [0.0, 1e-3, 2e-3, 5e-3]},
            "initial": {"v": [0.9, 0.1, -0.5, 0.0]},
        }
        self.check(layered(LIF, **more), {"in": spikes_in(40, 2, 5)})
        self.check(layered(LIF, method=Method.EULER, **more), {"in": spikes_in(40, 2, 5)})

    @pytest.mark.parametrize("kind", [Reset.VALUE, Reset.SUBTRACT])
    def test_reset(self, kind: Reset) -> None:
        found = self.check(layered(CubaLIF.resetting(kind)), {"in": 5 * spikes_in(40, 2, 5)})
        assert found.sent["hid"].sum() > 0

    def test_refractory(self) -> None:
        network = layered(LIF, params={"t_ref": 4e-3})
        found = self.check(network, {"in": 9 * spikes_in(60, 1, 5)})
        for neuron in range(4):
            steps = found.spikes["hid"].step[found.spikes["hid"].address == neuron]
            # with a clock, a neuron is refractory in the steps behind that of its spike
            assert np.all(np.diff(steps) >= (5 if self.clock else 4))

    def test_graded_output(self) -> None:
        found = self.check(layered(Graded), {"in": spikes_in(40, 2, 5)})
        value = found.spikes["hid"].value
        assert value is not None
        assert value.size > 0
        assert np.all(value > 0)

    def test_noise(self) -> None:
        populations = {
            "a": Population(NoiseKinds, 6),
            "b": Population(NoisyLIF, 6),
            "c": Population(PoissonSource, 6, {"rate": 100.0}),
        }
        network = Network(
            dt=1e-3,
            populations=populations,
            projections={"c->b": Projection("c", "b", OneToOne(0.4))},
        )
        one = self.check(network, steps=30, batch=3, seed=5, first_sample=7)
        if not self.clock:
            return  # refused, as it must be
        again = self.run(network, steps=30, batch=3, seed=5, first_sample=7)
        other = self.run(network, steps=30, batch=3, seed=6, first_sample=7)
        assert np.array_equal(one.dense("a"), again.dense("a"))
        assert not np.array_equal(one.dense("a"), other.dense("a"))

    # -- drives ----------------------------------------------------------------------------------------

    def driven(self, **more: Any) -> Network:
        """Return a network with every kind of drive, several at one port, one value for all and one each."""
        return layered(params={"t_ref": 2e-3}).replacing(
            drives={
                "some": PoissonDrive("hid", 800.0, 0.3),
                "each": PoissonDrive("hid", [0.0, 30.0, 4000.0, 60e3], [0.1, -0.2, 0.05, 0.004]),
                "again": PoissonDrive("hid", [30.0, 30.0, 700.0, 30.0], -0.1),
                "noise": GaussianDrive("hid", 0.5, [0.0, 0.5, 1.0, 2.0], "i"),
                "same noise": GaussianDrive("out", 0.1, 0.2, "i_ext"),
                "pieces": StepCurrent("hid", [3e-3, 17e-3, 21e-3], [1.5, -0.5, 0.25], "i"),
                "rows": StepCurrent("out", [0.0, 9e-3], [[0.1, 0.2], [0.0, -0.3]]),
                **more,
            }
        )

    def test_drives(self) -> None:
        found = self.check(self.driven(), steps=43, batch=3, seed=9, first_sample=2)
        assert found.sent["hid"].sum() > 0
        assert not np.array_equal(found.dense("hid")[:, 0], found.dense("hid")[:, 1])
        other = self.run(self.driven(), steps=43, batch=3, seed=8, first_sample=2)
        assert not np.array_equal(found.dense("hid"), other.dense("hid"))

    def test_drives_beside_all_that_reaches_a_port(self) -> None:
        inputs = {
            "in": spikes_in(30, 2, 5),
            "hid.i": weights_in(30, 2, 4),
            "hid": weights_in(9, 2, 4),
        }
        network = self.driven()
        dense = network.projections["in->hid"].topology
        network = network.replacing(
            projections={
                "biased": Projection("in", "hid", dense, bias=0.1 * np.arange(4.0)),
                "late": Projection("hid", "hid", Dense(weights_in(4, 4)), "i", delay=3e-3),
            }
        )
        self.check(network, inputs, steps=40)

    def test_drives_of_chunks_are_those_of_the_whole(self) -> None:
        whole = self.run(self.driven(), steps=40, batch=2, seed=3)
        state, parts = None, []
        for steps in (1, 2, 6, 18, 13):
            part = self.run(self.driven(), steps=steps, batch=2, seed=3, state=state)
            parts.append(part.dense("hid"))
            state = part.state
        assert np.array_equal(np.concatenate(parts), whole.dense("hid"))
        assert state is not None
        assert self.equal(state.values["out"]["v"], whole.state.values["out"]["v"])

    def test_a_driven_batch_is_its_samples(self) -> None:
        together = self.run(self.driven(), steps=20, batch=3, seed=4)
        for b in range(3):
            alone = self.run(self.driven(), steps=20, seed=4, first_sample=b)
            assert np.array_equal(alone.dense("out")[:, 0], together.dense("out")[:, b])

    def test_drives_of_integers(self) -> None:
        network = self.integers().replacing(
            drives={
                "a": PoissonDrive("p", [0.0, 900.0, 900.0, 5000.0], [3, -20, 41, 7]),
                "b": PoissonDrive("in", 300.0, 2),
                "c": StepCurrent("p", [4e-3, 6e-3], np.array([[9, -9, 0, 200], [1, 1, 1, 1]]), "x"),
            }
        )
        self.check(network, steps=50, batch=2)

    # -- integers --------------------------------------------------------------------------------------

    def integers(self, exponent: int = 0, delay: Any = 0.0) -> Network:
        """Return an integer network whose projection has an exponent and a delay."""
        weight = stream(2, "suite/integers").integers(-90, 128, (4, 5))
        relay = NeuronModel(
            name="IntegerRelay", state={}, params={}, inputs={"x": "1"}, output="x", integer=True
        )
        return Network(
            dt=1e-3,
            populations={"in": Population(relay, 5), "p": Population(IntegerLIF, 4)},
            projections={
                "in->p": Projection(
                    "in", "p", Dense(weight), exponent=exponent, delay=delay, bias=np.arange(4)
                ),
                "p->p": Projection("p", "p", Sparse.from_matrix(weight[:, :4] // 3), delay=1e-3),
            },
        )

    @pytest.mark.parametrize("exponent", [0, 2, -3])
    def test_integer_model_and_exponent(self, exponent: int) -> None:
        inputs = {
            "in": spikes_in(60, 2, 5).astype(int),
            "p.x": stream(3, "suite/x").integers(-1100, 1100, (60, 2, 4)),
        }
        found = self.check(self.integers(exponent), inputs)
        assert found.sent["p"].sum() > 0

    def test_exponent_with_a_delay_of_each_synapse(self) -> None:
        delay = stream(4, "suite/delay").integers(0, 4, (4, 5)) * 1e-3
        self.check(self.integers(-2, delay), {"in": spikes_in(60, 2, 5).astype(int)})

    def test_integers_wrap(self) -> None:
        inputs = {"in": np.full((12, 1, 5), 2**61)}
        self.check(self.integers(1), inputs)

    # -- projections -----------------------------------------------------------------------------------

    @pytest.mark.parametrize("propagation", [Propagation.NEXT_STEP, Propagation.SAME_STEP])
    def test_delays_and_recurrence(self, propagation: Propagation) -> None:
        network = layered(params={"t_ref": 2e-3}).replacing(
            propagation=propagation,
            projections={
                "in->hid": Projection("in", "hid", Dense(weights_in(4, 5)), delay=3e-3),
                "again": Projection(
                    "hid",
                    "hid",
                    Dense(weights_in(4, 4)),
                    delay=1e-3 * (1 + np.arange(16) % 5).reshape(4, 4),
                ),
                "back": Projection("out", "hid", Dense(0.1 * weights_in(4, 2)), "i", delay=2e-3),
                "jump": Projection("in", "out", Dense(weights_in(2, 5))),
            },
        )
        self.check(network, {"in": spikes_in(50, 2, 5)})

    def test_biases_of_several_projections(self) -> None:
        network = layered()
        dense = network.projections["in->hid"].topology
        network = network.replacing(
            projections={
                "in->hid": Projection("in", "hid", dense, bias=0.1 * np.arange(4.0)),
                "too": Projection("in", "hid", dense, bias=np.full(4, -0.03), delay=1e-3),
                "i": Projection("in", "hid", dense, "i", bias=np.full(4, 0.7)),
            }
        )
        self.check(network, {"in": spikes_in(40, 2, 5), "hid.i": weights_in(30, 2, 4)})

    def test_maps_of_images(self) -> None:
        conv = Conv(weights_in(4, 1, 3, 3), stride=(2, 1), padding=1, dilation=(1, 2), groups=2)
        shape = conv.out_shape((2, 7, 6))
        pooled = SumPool(2).out_shape(shape)
        network = Network(
            dt=1e-3,
            populations={
                "in": Population(Input, (2, 7, 6)),
                "conv": Population(LIF, shape),
                "sum": Population(Relay, pooled),
                "mean": Population(LI, AvgPool(2).out_shape(shape)),
                "flat": Population(LIF, int(np.prod(pooled))),
                "out": Population(LI, 3),
            },
            projections={
                "conv": Projection("in", "conv", conv),
                "sum": Projection("conv", "sum", SumPool(2)),
                "mean": Projection("conv", "mean", AvgPool(2)),
                "flat": Projection("sum", "flat", Compose((Scale(0.7), Flatten()))),
                "out": Projection("flat", "out", Dense(weights_in(3, int(np.prod(pooled))))),
            },
        )
        found = self.check(network, {"in": spikes_in(20, 2, 2, 7, 6)})
        assert found.sent["flat"].sum() > 0

    def test_sparse_and_one_to_one(self) -> None:
        rows = Sparse.from_edges(
            [0, 0, 3, 4], [1, 1, 0, 3], [0.9, 0.8, 1.4, 1.1], n_pre=5, n_post=4
        )
        network = layered().replacing(
            projections={
                "in->hid": Projection("in", "hid", rows, delay=[1e-3, 0.0, 2e-3, 4e-3]),
                "self": Projection("hid", "hid", OneToOne(np.array([0.5, -0.5, 0.1, 0.2]))),
            }
        )
        self.check(network, {"in": spikes_in(40, 2, 5)})

    # -- inputs, state, batch ----------------------------------------------------------------------------

    def test_events_are_binned_to_steps(self) -> None:
        events = Events([0, 1500, 1700, 9000], [0, 2, 2, 4], (5,))
        found = self.check(layered(), {"in": [events, Events.empty((5,))]}, steps=12)
        assert found.dense("in")[1, 0, 2] == 2
        # a step holds the sum of its events; without a clock each is sent
        assert found.sent["in"].tolist() == [[1, 0, 1 if self.clock else 2, 0, 1], [0, 0, 0, 0, 0]]

    def test_going_on_from_a_state_is_one_run(self) -> None:
        network = layered(params={"t_ref": 3e-3}).replacing(
            projections={"late": Projection("in", "hid", Dense(weights_in(4, 5)), delay=4e-3)}
        )
        x = spikes_in(40, 2, 5)
        whole = self.run(network, {"in": x})
        first = self.run(network, {"in": x[:17]})
        kept = first.state.values["hid"]["v"].copy()
        second = self.check(network, {"in": x[17:]}, state=first.state)
        assert np.array_equal(first.state.values["hid"]["v"], kept), "the given state was changed"
        assert np.array_equal(
            np.concatenate([first.dense("hid"), second.dense("hid")]), whole.dense("hid")
        )
        assert self.equal(second.state.values["out"]["v"], whole.state.values["out"]["v"])

    def test_a_batch_is_its_samples(self) -> None:
        network = layered(NoisyLIF if self.clock else LIF)
        x = spikes_in(30, 3, 5)
        together = self.run(network, {"in": x}, seed=4)
        for b in range(3):
            alone = self.run(network, {"in": x[:, b : b + 1]}, seed=4, first_sample=b)
            assert np.array_equal(alone.dense("hid")[:, 0], together.dense("hid")[:, b])
            assert np.array_equal(alone.dense("out")[:, 0], together.dense("out")[:, b])

    def test_permuting_neurons_permutes_results(self) -> None:
        order = np.array([2, 0, 3, 1])
        tau, weight = np.array([5e-3, 1e-2, 2e-2, 3e-2]), weights_in(4, 5)
        runs = []
        for index in (np.arange(4), order):
            network = layered(LIF, params={"tau_m": tau[index]}).with_weights(
                {"in->hid": weight[index]}
            )
            runs.append(self.run(network, {"in": spikes_in(40, 2, 5)}).dense("hid"))
        assert np.array_equal(runs[0][:, :, order], runs[1])
        assert runs[0].sum() > 0

    def test_nothing_to_do(self) -> None:
        found = self.check(layered(), steps=0)
        assert found.dense("out").shape == (0, 1, 2)
        assert found.spikes["hid"].n == 0
        self.check(layered(), steps=5, batch=2)

    def test_input_shorter_than_the_run(self) -> None:
        found = self.check(
            layered(), {"in": spikes_in(10, 2, 5), "hid.i": np.ones((20, 2, 4))}, steps=40
        )
        assert found.activity["in"][10:].sum() == 0

    def test_read_only_input_is_left_alone(self) -> None:
        x = spikes_in(10, 2, 5)
        x.flags.writeable = False
        before = x.copy()
        self.check(layered(), {"in": x})
        assert np.array_equal(x, before)

    def test_only_what_is_asked_for_is_kept(self) -> None:
        found = self.check(
            layered(), {"in": spikes_in(20, 1, 5)}, record={"hid": ("v",)}, spikes=("in",)
        )
        assert set(found.spikes) == {"in"}
        assert set(found.traces) == {"hid", "out"}, "outputs that do not spike are always kept"

    def test_counts(self) -> None:
        found = self.check(layered(), {"in": spikes_in(30, 2, 5)})
        for name in ("in", "hid"):
            assert np.array_equal(found.sent[name].sum(1), found.activity[name].sum(0))
            assert np.array_equal(
                found.sent[name], (found.dense(name) != 0).sum(0).reshape(found.batch, -1)
            )

    # -- states that are not finite -----------------------------------------------------------------------

    def exploding(self) -> tuple[Network, NDArray[np.float64]]:
        """Return a network, and inputs after which neuron 2 of sample 1 is infinite in step 9, another one later."""
        growing = NeuronModel(
            name="Growing",
            state={"v": "1"},
            params={},
            inputs={"x": "1"},
            update={"v": "v + 1 / (4 - x)"},
            threshold="v > 1",
            reset={"v": "v - 1"},
            source="Made for this suite: what enters may make it infinite.",
        )
        network = Network(
            dt=1e-3,
            populations={"in": Population(Input, 4), "grow": Population(growing, 4)},
            projections={"s": Projection("in", "grow", OneToOne(1.0))},
        )
        x = np.zeros((20, 2, 4))
        x[9, 1, 2], x[11:, 0, 0] = 4.0, 4.0
        return network, x

    def test_a_state_that_is_not_finite_ends_the_run(self) -> None:
        network, x = self.exploding()
        if not self.clock:
            self.check(network, {"in": x})  # refused, as it must be
            return
        options: dict[str, Any] = {"record": {"grow": ("v", "output")}}
        with pytest.raises(EngineError) as caught:
            self.run(network, {"in": x}, **options)
        assert str(caught.value).startswith(
            "population 'grow', neuron 2, step 9 (0.009 s), sample 1: the state of Growing is not finite"
        )
        found = caught.value.recording
        assert isinstance(found, Recording)
        assert found.steps == 9
        expected = Reference().run(network, {"in": x[:9]}, **options)
        for name in network.populations:
            assert np.array_equal(found.dense(name), expected.dense(name))
        assert np.array_equal(found.trace("grow", "v"), expected.trace("grow", "v"))

    def test_a_state_that_is_not_finite_may_be_wanted(self) -> None:
        network, x = self.exploding()
        found = self.check(network, {"in": x}, check_finite=False)
        assert found.steps == 20
        assert np.isinf(found.state.values["grow"]["v"][1, 2])

    # -- what cannot be run -----------------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("inputs", "options", "message"),
        [
            ({"nobody": np.ones((3, 1, 5))}, {}, r"inputs\['nobody'\]: no such population"),
            ({"hid.x": np.ones((3, 1, 4))}, {}, r"inputs\['hid.x'\]: no such port 'x'"),
            ({"in": np.ones((3, 5))}, {}, r"wrong shape; found \(3, 5\), expected \(T, B, 5\)"),
            ({"in": np.full((3, 1, 5), np.nan)}, {}, r"inputs\['in'\]: not finite"),
            ({"in": np.full((3, 1, 5), "a")}, {}, r"inputs\['in'\]: not numbers"),
            ({"in": Events([0], [0], (4,))}, {"steps": 2}, "events of another shape"),
            ({"in": np.ones((3, 1, 5))}, {"steps": 2}, "inputs: longer than the run"),
            ({"in": np.ones((3, 1, 5))}, {"batch": 2}, "differ in their number of samples"),
            ({}, {}, r"run\(steps=\): needed where nothing enters"),
            ({}, {"steps": -1}, "run: needs steps and samples; found -1"),
            ({}, {"steps": 1, "batch": 0}, "1 sample or more"),
            ({}, {"steps": 1, "record": {"x": ("v",)}}, r"record\['x'\]: no such population"),
            ({}, {"steps": 1, "record": {"hid": ("z",)}}, r"no variable 'z'; expected v, output"),
            ({}, {"steps": 1, "spikes": ("x",)}, r"run\(spikes=\): no population 'x'"),
        ],
    )
    def test_bad_request(
        self, inputs: dict[str, Any], options: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(EngineError, match=message):
            self.run(layered(), inputs, **options)

    def test_bad_state(self) -> None:
        state = self.run(layered(), steps=2, batch=2).state
        with pytest.raises(EngineError, match=r"state\..*does not fit the network or the batch"):
            self.run(layered(), steps=2, batch=3, state=state)

    def test_real_numbers_into_an_integer_model(self) -> None:
        with pytest.raises(EngineError, match="real numbers enter an integer model"):
            self.run(self.integers(), {"p.x": np.full((3, 1, 4), 0.5)})

    def test_no_exact_step(self) -> None:
        network = Network(
            dt=1e-4, populations={"p": Population(MODELS["AdEx"], 1, method=Method.EXACT)}
        )
        with pytest.raises(EngineError, match="p: AdEx is not linear, so it has no exact step"):
            self.run(network, steps=1)
