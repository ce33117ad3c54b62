"""The shipped suites fail for engines and substrates that are wrong in one thing."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest

from spikewright.engines.engine import Engine, Request
from spikewright.engines.prices import EventPrices
from spikewright.engines.program import Program
from spikewright.engines.recording import Recording
from spikewright.engines.reference import Reference
from spikewright.network import LIF, Method, Network, Propagation
from spikewright.substrates.base import Change, Compiled, Costs
from spikewright.substrates.loihi.substrate import Loihi
from spikewright.testing.engine_suite import EngineSuite
from spikewright.testing.substrate_suite import SubstrateSuite


class LateBit(Engine):
    """The reference, with the last bit of every recorded variable changed."""

    name = "late_bit"

    def _advance(self, program: Program, request: Request) -> Recording:
        found = Reference()._advance(program, request)
        traces = {
            n: {v: np.nextafter(x, np.inf) if x.dtype.kind == "f" else x for v, x in vs.items()}
            for n, vs in found.traces.items()
        }
        return replace(found, engine=self.name, traces=traces)


class OtherSeed(Engine):
    """The reference, with another seed."""

    name = "other_seed"

    def _advance(self, program: Program, request: Request) -> Recording:
        found = Reference()._advance(program, replace(request, seed=request.seed + 1))
        return replace(found, engine=self.name, seed=request.seed)


class Forgetful(Engine):
    """The reference, which starts anew whatever state it is given."""

    name = "forgetful"

    def _advance(self, program: Program, request: Request) -> Recording:
        state = replace(request.state, step=0)
        return replace(
            Reference()._advance(program, replace(request, state=state)), engine=self.name
        )


class LateBitSuite(EngineSuite):
    engine = LateBit


class OtherSeedSuite(EngineSuite):
    engine = OtherSeed


class ForgetfulSuite(EngineSuite):
    engine = Forgetful


def test_a_wrong_last_bit_falls_short() -> None:
    with pytest.raises(AssertionError, match="traces"):
        LateBitSuite().test_library_model(LIF, Method.EXACT)
    with pytest.raises(AssertionError, match="traces"):
        LateBitSuite().test_delays_and_recurrence(Propagation.NEXT_STEP)


def test_other_draws_fall_short() -> None:
    with pytest.raises(AssertionError):
        OtherSeedSuite().test_noise()


def test_a_wrong_clock_falls_short() -> None:
    with pytest.raises(AssertionError):
        ForgetfulSuite().test_going_on_from_a_state_is_one_run()


@dataclass(frozen=True)
class Silent(Loihi):
    """Loihi, which does not say what it changed."""

    def compile(self, network: Network, *, seed: int = 0) -> Compiled:
        return replace(super().compile(network, seed=seed), changes=())


@dataclass(frozen=True)
class Vague(Loihi):
    """Loihi, which gives no reason for what it changed."""

    def compile(self, network: Network, *, seed: int = 0) -> Compiled:
        made = super().compile(network, seed=seed)
        return replace(made, changes=tuple(Change(c.by, c.where, c.what, "") for c in made.changes))


@dataclass(frozen=True)
class Cheap(Loihi):
    """Loihi, which is free."""

    def cost(self, compiled: Compiled, recording: Recording) -> Costs:
        made = super().cost(compiled, recording)
        return replace(made, energy=tuple(replace(t, count=0.0) for t in made.energy))


@dataclass(frozen=True)
class Forgotten(Loihi):
    """Loihi, whose prices of events leave out what neurons cost at every step."""

    def event_prices(self, compiled: Compiled) -> EventPrices:
        return replace(super().event_prices(compiled), step=0.0)


@dataclass(frozen=True)
class Restless(Loihi):
    """Loihi, whose weights differ from one compilation to the next."""

    def compile(self, network: Network, *, seed: int = 0) -> Compiled:
        made = super().compile(network, seed=seed)
        lowered = made.network.with_weights(
            {
                name: p.topology.weight
                + 2 * np.random.default_rng().integers(-1, 2, p.topology.weight.shape)
                for name, p in made.network.projections.items()
            }
        )
        return replace(made, network=lowered)


@pytest.mark.parametrize(
    ("substrate", "test"),
    [
        (Silent, "test_a_changed_network_lists_its_changes"),
        (Vague, "test_changes_have_a_place_and_a_reason"),
        (Cheap, "test_energy_grows_with_activity"),
        (Forgotten, "test_event_prices_give_the_events_of_the_costs"),
        (Restless, "test_compile_is_deterministic_for_a_seed"),
    ],
)
def test_a_wrong_substrate_falls_short(substrate: type[Loihi], test: str) -> None:
    class Suite(SubstrateSuite):
        def make(self) -> Loihi:
            return substrate()

    with pytest.raises(AssertionError):
        getattr(Suite(), test)()


def test_the_same_tests_pass_for_what_is_right() -> None:
    class Engines(EngineSuite):
        engine = Reference

    class Substrates(SubstrateSuite):
        def make(self) -> Loihi:
            return Loihi()

    Engines().test_library_model(LIF, Method.EXACT)
    Engines().test_noise()
    Engines().test_going_on_from_a_state_is_one_run()
    Substrates().test_a_changed_network_lists_its_changes()
    Substrates().test_changes_have_a_place_and_a_reason()
    Substrates().test_energy_grows_with_activity()
    Substrates().test_event_prices_give_the_events_of_the_costs()
    Substrates().test_compile_is_deterministic_for_a_seed()
