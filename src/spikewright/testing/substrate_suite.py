"""The contract of every substrate, as tests to inherit: three lines buy it.

    class TestMine(SubstrateSuite):
        def make(self):
            return Mine()

Override `network`, `unsupported` or `too_large` where a substrate takes other networks; a substrate without a
limit accepts `too_large`, and one that takes every model accepts `unsupported`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from spikewright.engines import available, run
from spikewright.engines.recording import Recording
from spikewright.errors import LimitError, SpikewrightError, SubstrateError
from spikewright.network import (
    LIF,
    AdEx,
    Dense,
    Input,
    Network,
    Population,
    Projection,
)
from spikewright.rng import stream
from spikewright.substrates.base import (
    Compiled,
    Costs,
    Grade,
    Substrate,
    Term,
    Total,
)
from spikewright.substrates.passes.quantize import weights_of
from spikewright.units import ms, parse_unit

STEPS, BATCH = 40, 3
ROUNDING = 1e-9
"""Sums of costs in another order differ by float rounding only."""


def small_network(model: Any = LIF, *, n_in: int = 24, n_hidden: int = 16) -> Network:
    """Return a feed-forward network with one recurrent projection and one delay, drawn from a named stream."""
    draw = stream(7, "substrate_suite/weights")
    params = {"tau_m": 10 * ms} if "tau_m" in model.params else {}
    return Network(
        dt=1 * ms,
        populations={
            "in": Population(Input, n_in),
            "hidden": Population(model, n_hidden, params),
            "out": Population(model, 4, params),
        },
        projections={
            "in->hidden": Projection(
                "in", "hidden", Dense(draw.normal(0.05, 0.25, (n_hidden, n_in)))
            ),
            "hidden->hidden": Projection(
                "hidden", "hidden", Dense(draw.normal(0, 0.1, (n_hidden, n_hidden))), delay=1 * ms
            ),
            "hidden->out": Projection("hidden", "out", Dense(draw.normal(0.1, 0.3, (4, n_hidden)))),
        },
        name="small",
    )


def digest(network: Network) -> dict[str, Any]:
    """Return everything that a network computes with, as plain values that can be compared."""
    return {
        "dt": network.dt,
        "propagation": network.propagation,
        "outputs": network.outputs,
        "populations": {
            n: (
                p.model.as_dict(),
                p.shape,
                p.method,
                {k: p.param(k).tolist() for k in p.model.params},
                {k: np.asarray(v).tolist() for k, v in p.initial.items()},
            )
            for n, p in network.populations.items()
        },
        "projections": {
            n: (
                p.pre,
                p.post,
                network.port_of(n),
                p.topology.kind,
                [w.tolist() for w in weights_of(p.topology)],
                np.asarray(p.delay).tolist(),
                None if p.bias is None else np.asarray(p.bias).tolist(),
                p.exponent,
            )
            for n, p in network.projections.items()
        },
    }


class SubstrateSuite:
    """What every substrate keeps to. Subclass it, and give `make`."""

    def make(self) -> Substrate:
        """Return the substrate under test."""
        raise NotImplementedError("a SubstrateSuite needs make()")

    def network(self) -> Network:
        """Return a network that the substrate accepts; its inputs take spikes."""
        return small_network()

    def unsupported(self) -> Network:
        """Return a network of a model that most substrates do not have."""
        return small_network(AdEx)

    def too_large(self) -> Network:
        """Return a network with more inputs to a neuron than most substrates have."""
        weights = stream(7, "substrate_suite/large").normal(0, 0.1, (2, 20_000))
        return Network(
            dt=1 * ms,
            populations={"in": Population(Input, 20_000), "crowded": Population(LIF, 2)},
            projections={"in->crowded": Projection("in", "crowded", Dense(weights))},
        )

    # -- what the tests share ------------------------------------------------------------------------

    def inputs(self, network: Network, rate: float = 0.15) -> dict[str, NDArray[np.float64]]:
        """Return spikes for every input, each with probability `rate` per step."""
        return {
            name: (
                stream(7, f"substrate_suite/{name}").random(
                    (STEPS, BATCH, *network.populations[name].shape)
                )
                < rate
            ).astype(np.float64)
            for name in network.inputs
        }

    def lowered(self, rate: float = 0.15) -> tuple[Substrate, Compiled, Recording]:
        """Return the substrate, the compiled network, and a run of it on the reference engine."""
        substrate = self.make()
        compiled = substrate.compile(self.network(), seed=3)
        recording = run(compiled.network, self.inputs(compiled.network, rate), engine="reference")
        return substrate, compiled, recording

    def costs(self, rate: float = 0.15) -> Costs:
        """Return the costs of a run."""
        substrate, compiled, recording = self.lowered(rate)
        return substrate.cost(compiled, recording)

    # -- the chip file -------------------------------------------------------------------------------

    def test_chip_file_says_who_it_is(self) -> None:
        chip = self.make().chip
        assert chip.name == self.make().name
        assert chip.title
        assert chip.description
        assert chip.capabilities, "a chip file has a [capabilities] table"

    def test_every_constant_has_unit_source_and_grade(self) -> None:
        for table, constant in self.make().chip.constants():
            place = f"{table}.{constant.name}"
            assert constant.source.strip(), place
            assert isinstance(constant.grade, Grade), place
            assert parse_unit(constant.unit)[0] == 1.0, f"{place}: {constant.unit} is not SI"
            assert constant.low <= constant.value <= constant.high, place
            assert math.isfinite(constant.low), place
            assert math.isfinite(constant.high), place

    # -- compile -------------------------------------------------------------------------------------

    def test_compile_is_deterministic_for_a_seed(self) -> None:
        first, second = (self.make().compile(self.network(), seed=3) for _ in range(2))
        assert digest(first.network) == digest(second.network)
        assert first.changes == second.changes

    def test_compile_leaves_its_source_alone(self) -> None:
        network = self.network()
        before = digest(network)
        compiled = self.make().compile(network, seed=3)
        assert digest(network) == before
        assert compiled.source is network

    def test_compiled_says_where_and_with_which_seed(self) -> None:
        substrate = self.make()
        compiled = substrate.compile(self.network(), seed=3)
        assert compiled.substrate == substrate.name
        assert compiled.seed == 3

    def test_populations_keep_their_names_and_shapes(self) -> None:
        network = self.network()
        compiled = self.make().compile(network, seed=3)
        assert compiled.network.dt == network.dt
        assert compiled.network.outputs == network.outputs
        assert compiled.network.inputs == network.inputs
        for name in (*network.inputs, *network.outputs):
            assert compiled.network.populations[name].shape == network.populations[name].shape

    def test_changes_have_a_place_and_a_reason(self) -> None:
        network = self.network()
        compiled = self.make().compile(network, seed=3)
        places = set(network.populations) | set(network.projections)
        places |= set(compiled.network.populations) | set(compiled.network.projections)
        for change in compiled.changes:
            assert change.where in places, change
            assert change.by, change
            assert change.what, change
            assert change.why, change
            assert change.size is None or (math.isfinite(change.size) and change.size >= 0), change
            assert change.why in str(change)

    def test_a_changed_network_lists_its_changes(self) -> None:
        network = self.network()
        compiled = self.make().compile(network, seed=3)
        if digest(compiled.network) != digest(network):
            assert compiled.changes

    def test_facts_are_plain_data(self) -> None:
        compiled = self.make().compile(self.network(), seed=3)
        assert json.dumps(_plain(compiled.facts))

    def test_every_neuron_lies_on_one_core(self) -> None:
        compiled = self.make().compile(self.network(), seed=3)
        placement = compiled.placement
        if placement is None:
            return
        for name, core in placement.core_of.items():
            assert name not in compiled.network.inputs
            assert core.shape == (compiled.network.populations[name].n,)
            assert core.min() >= 0
            assert core.max() < placement.n_cores
        assert np.all(placement.position >= 0)
        assert np.all(placement.position < np.asarray(placement.mesh))
        for load in placement.load:
            assert all(0 <= used <= 1 for used in load.values()), load

    def test_passes_to_train_through_keep_the_structure(self) -> None:
        network, substrate = self.network(), self.make()
        changed, _ = substrate.run_passes(network, substrate.passes, 3)
        assert changed.dt == network.dt
        assert changed.propagation is network.propagation
        assert list(changed.populations) == list(network.populations)
        assert list(changed.projections) == list(network.projections)
        for name, population in network.populations.items():
            assert changed.populations[name].shape == population.shape
            assert changed.populations[name].model == population.model
        for name, projection in network.projections.items():
            new = changed.projections[name]
            shapes = [w.shape for w in weights_of(projection.topology)]
            assert (new.pre, new.post) == (projection.pre, projection.post)
            assert [w.shape for w in weights_of(new.topology)] == shapes

    # -- run -----------------------------------------------------------------------------------------

    @pytest.mark.parametrize("engine", [e for e in available() if e in ("reference", "cpu")])
    def test_lowered_network_runs_alike_on_every_engine(self, engine: str) -> None:
        _, compiled, expected = self.lowered()
        found = run(compiled.network, self.inputs(compiled.network), engine=engine)
        for name in compiled.network.populations:
            np.testing.assert_array_equal(found.dense(name), expected.dense(name), err_msg=name)

    # -- costs ---------------------------------------------------------------------------------------

    def test_totals_are_the_sums_of_their_terms(self) -> None:
        costs = self.costs()
        device = [t for t in costs.energy if t.category.is_device]
        for total, terms in (
            (costs.device, device),
            (costs.system, costs.energy),
            (costs.time, costs.latency),
            (costs.silicon, costs.area),
        ):
            _check_total(total, list(terms))
        parts = sum(t.value for t in costs.by_category().values())
        assert parts == pytest.approx(costs.system.value, rel=ROUNDING)
        assert costs.device.value <= costs.system.value

    def test_terms_have_the_unit_of_their_sum(self) -> None:
        costs = self.costs()
        for terms, units in (
            (costs.energy, ("J", "W")),
            (costs.latency, ("s",)),
            (costs.area, ("m^2",)),
        ):
            for term in terms:
                assert term.constant.unit in units, term.name
                assert term.count >= 0, term.name

    def test_costs_are_finite_and_not_negative(self) -> None:
        costs = self.costs()
        for total in (costs.device, costs.system, costs.time, costs.silicon):
            for value in (total.low, total.value, total.high):
                assert math.isfinite(value)
                assert value >= 0
        assert costs.steps == STEPS
        assert costs.preset in self.make().presets()

    def test_energy_grows_with_activity(self) -> None:
        silent, busy = self.costs(0.0), self.costs(0.3)
        if not busy.is_priced:
            return
        assert busy.device.value > silent.device.value
        assert busy.time.value >= silent.time.value

    def test_event_prices_give_the_events_of_the_costs(self) -> None:
        substrate, compiled, recording = self.lowered()
        try:
            prices = substrate.event_prices(compiled)
        except SubstrateError:
            return
        costs = substrate.cost(compiled, recording)
        events = [t for t in costs.energy if t.category.is_per_event]
        mean = prices.energy(recording).mean()
        assert mean == pytest.approx(sum(t.value for t in events), rel=ROUNDING)
        source = self.network()
        assert set(prices.populations) <= set(source.populations), "names of the compiled network"
        assert set(prices.operation) <= set(source.projections), "names of the compiled network"

    def test_costs_are_the_mean_over_samples(self) -> None:
        substrate, compiled, together = self.lowered()
        inputs = self.inputs(compiled.network)
        alone = [
            substrate.cost(
                compiled,
                run(
                    compiled.network,
                    {name: x[:, b : b + 1] for name, x in inputs.items()},
                    engine="reference",
                    first_sample=b,
                ),
            )
            for b in range(BATCH)
        ]
        costs = substrate.cost(compiled, together)
        for pick in ("system", "device", "time", "silicon"):
            mean = np.mean([getattr(c, pick).value for c in alone])
            assert getattr(costs, pick).value == pytest.approx(mean, rel=ROUNDING), pick

    def test_a_recording_of_another_network_is_refused(self) -> None:
        substrate, compiled, _ = self.lowered()
        other = small_network(n_in=5)
        recording = run(other, self.inputs(other), engine="reference")
        with pytest.raises(SubstrateError, match="the recording is of another network"):
            substrate.cost(compiled, recording)

    # -- what does not fit ---------------------------------------------------------------------------

    def test_too_large_a_network_is_refused_with_the_limit_that_binds(self) -> None:
        network, substrate = self.too_large(), self.make()
        try:
            substrate.compile(network)
        except LimitError as error:
            text = str(error)
            names = (*network.populations, *network.projections)
            assert substrate.name in text
            assert any(repr(name) in text for name in names), text
            limits = (name.replace("_", " ") for name in substrate.chip.limits)
            assert any(name in text.replace("_", " ") for name in limits), text
            for part in ("found ", "expected ", " — "):
                assert part in text, text

    def test_an_unsupported_model_is_refused_by_name(self) -> None:
        network, substrate = self.unsupported(), self.make()
        refusal: SpikewrightError | None = None
        try:
            compiled = substrate.compile(network)
        except SpikewrightError as error:
            refusal = error
        if refusal is None:
            run(compiled.network, self.inputs(compiled.network), engine="reference")
            return
        text = str(refusal)
        assert isinstance(refusal, SubstrateError), text
        for name, population in network.populations.items():
            if name not in network.inputs:
                assert repr(name) in text, text
                assert population.model.name in text, text


def _check_total(total: Total, terms: list[Term]) -> None:
    assert total.value == pytest.approx(sum(t.value for t in terms), rel=ROUNDING)
    slack = ROUNDING * abs(total.high)
    assert total.low - slack <= total.value <= total.high + slack
    for term in terms:
        slack = ROUNDING * abs(term.high)
        assert term.low - slack <= term.value <= term.high + slack, term.name
    assert total.grade is Grade.weakest(t.constant.grade for t in terms if t.count)


def _plain(value: Any) -> Any:
    """Return a value as JSON holds it: numbers, texts, arrays, mappings, and dataclasses of these; else fail."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    assert value is None or isinstance(value, bool | int | float | str), f"{value!r} is not data"
    return value
