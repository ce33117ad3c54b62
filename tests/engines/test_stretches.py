"""A run in stretches is the run: recorded as it goes, taken up where it was killed, told of as it goes."""

from __future__ import annotations

import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from spikewright.engines import stretches
from spikewright.engines.checkpoint import load_state
from spikewright.engines.cpu import Cpu
from spikewright.engines.engine import Engine
from spikewright.engines.record import Record
from spikewright.engines.recorder import is_complete, read_recording
from spikewright.engines.recording import Recording
from spikewright.engines.reference import Reference
from spikewright.errors import EngineError
from spikewright.network import LIF, Dense, Input, Network, Population, Projection, Rule
from spikewright.network.plasticity import PairSTDP
from spikewright.testing.engine_suite import EngineSuite, assert_same, spikes_in
from spikewright.testing.recorded_run import RECORD, assert_same_recording, network

every_engine = pytest.mark.parametrize("engine", [Reference, Cpu])
RUN: dict[str, Any] = {"steps": 70, "batch": 2, "seed": 5, "record": RECORD}


def learning() -> Network:
    """A network whose synapses change, with spikes underway between any two steps."""
    weight = np.linspace(0.1, 0.9, 12).reshape(4, 3)
    return Network(
        dt=1e-3,
        populations={"in": Population(Input, 3), "out": Population(LIF, 4, {"t_ref": 2e-3})},
        projections={
            "s": Projection("in", "out", Dense(weight), delay=3e-3, rule=Rule(PairSTDP)),
            "again": Projection("out", "out", Dense(np.eye(4, k=1)), delay=2e-3),
        },
    )


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stretches of 7 steps, each of which takes a second, and a checkpoint after each."""
    clock = SimpleNamespace(perf_counter=itertools.count().__next__)
    monkeypatch.setattr(stretches, "time", clock)
    monkeypatch.setattr(stretches, "FIRST", 7)
    monkeypatch.setattr(stretches, "SECONDS", 1.0)
    monkeypatch.setattr(stretches, "CHECKPOINT_SECONDS", -1.0)


@every_engine
def test_a_file_holds_what_memory_would(engine: type[Engine], tmp_path: Path) -> None:
    plain = engine().run(network(), **RUN)
    found = engine().run(network(), **RUN, file=tmp_path / "r.h5")
    assert_same_recording(found, plain)
    assert found.engine == engine.name
    assert is_complete(tmp_path / "r.h5")
    assert_same_recording(read_recording(tmp_path / "r.h5", network()), plain)
    assert_same(
        engine().run(network(), steps=9, state=found.state, seed=5, batch=2),
        engine().run(network(), steps=9, state=plain.state, seed=5, batch=2),
    )


@every_engine
def test_with_progress_alone_the_recording_is_in_memory(engine: type[Engine]) -> None:
    said: list[int] = []
    found = engine().run(network(), **RUN, progress=said.append)
    assert_same(found, engine().run(network(), **RUN))
    assert said == [7, 14, 21, 28, 35, 42, 49, 56, 63, 70]


def test_stretches_grow_until_they_take_long_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stretches, "SECONDS", 3.0)
    said: list[int] = []
    Cpu().run(network(), steps=300, progress=said.append)
    assert said == [7, 7 + 21, 7 + 21 + 63, 7 + 21 + 63 + 189, 300]


@every_engine
def test_inputs_of_stretches(engine: type[Engine]) -> None:
    net, x = learning(), spikes_in(40, 2, 3)
    plain = engine().run(net, {"in": x}, steps=60)
    assert_same(engine().run(net, {"in": x}, steps=60, progress=lambda _: None), plain)
    state = engine().run(net, {"in": x[:11]}).state
    rest = engine().run(net, {"in": x[11:]}, steps=49, state=state, progress=lambda _: None)
    assert rest.state.step == 60
    assert np.array_equal(rest.dense("out"), plain.dense("out")[11:])


class Killed(Exception):
    """What stands for a power failure in these tests."""


def killer(at: int) -> Any:
    def stop(step: int) -> None:
        if step >= at:
            raise Killed

    return stop


@every_engine
@pytest.mark.parametrize("at", [1, 20, 60])
def test_a_run_that_was_killed_is_taken_up(engine: type[Engine], at: int, tmp_path: Path) -> None:
    call: dict[str, Any] = {**RUN, "checkpoint": tmp_path / "c.h5", "file": tmp_path / "r.h5"}
    plain = engine().run(network(), **RUN)
    with pytest.raises(Killed):
        engine().run(network(), **call, progress=killer(at))
    assert not is_complete(tmp_path / "r.h5")
    said: list[int] = []
    found = engine().run(network(), **call, progress=said.append)
    assert_same_recording(found, plain)
    for name, values in plain.state.values.items():
        for variable, value in values.items():
            assert np.array_equal(found.state.values[name][variable], value)
    for place, pending in plain.state.pending.items():
        assert np.array_equal(found.state.pending[place], pending)
    assert said[-1] == 70
    # a third call finds everything done
    again = engine().run(network(), **call)
    assert_same_recording(again, plain)


@every_engine
def test_synapses_of_a_run_that_was_killed(engine: type[Engine], tmp_path: Path) -> None:
    net, x = learning(), spikes_in(50, 2, 3)
    plain = engine().run(net, {"in": x})
    call: dict[str, Any] = {"checkpoint": tmp_path / "c.h5", "file": tmp_path / "r.h5"}
    with pytest.raises(Killed):
        engine().run(net, {"in": x}, **call, progress=killer(25))
    found = engine().run(net, {"in": x}, **call)
    assert_same_recording(found, plain)
    assert np.array_equal(
        found.state.synapses["s"].values["w"], plain.state.synapses["s"].values["w"]
    )


@every_engine
def test_a_checkpoint_alone(engine: type[Engine], tmp_path: Path) -> None:
    whole = engine().run(network(), **RUN)
    found = engine().run(network(), **RUN, checkpoint=tmp_path / "c.h5")
    assert_same(found, whole)
    state = load_state(tmp_path / "c.h5", network(), seed=5, first_sample=0)
    assert state.step == 70
    longer = engine().run(network(), **{**RUN, "steps": 90}, checkpoint=tmp_path / "c.h5")
    assert longer.state.step == 90
    assert np.array_equal(
        longer.state.values["out"]["v"],
        engine().run(network(), **{**RUN, "steps": 90}).state.values["out"]["v"],
    )


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path) -> None:
    Cpu().run(network(), **RUN, checkpoint=tmp_path / "c.h5")
    with pytest.raises(EngineError, match="a checkpoint of another network"):
        Cpu().run(network(1), **RUN, checkpoint=tmp_path / "c.h5")
    with pytest.raises(EngineError, match="another seed"):
        Cpu().run(network(), **{**RUN, "seed": 6}, checkpoint=tmp_path / "c.h5")
    message = (
        r"the checkpoint is of another run; found step 70, expected 0 to 9 — name another file"
    )
    with pytest.raises(EngineError, match=message):
        Cpu().run(network(), **{**RUN, "steps": 9}, checkpoint=tmp_path / "c.h5")


@every_engine
@pytest.mark.parametrize("kind", ["memory", "file"])
def test_a_state_that_is_not_finite(engine: type[Engine], kind: str, tmp_path: Path) -> None:
    net, x = EngineSuite().exploding()
    keep: dict[str, Any] = {"progress": lambda _: None}
    if kind == "file":
        keep = {"file": tmp_path / "r.h5"}
    record = {"grow": ("v",)}
    with pytest.raises(EngineError, match=r"'grow', neuron 2, step 9 .*, sample 1") as caught:
        engine().run(net, {"in": x}, record=record, **keep)
    found = caught.value.recording
    assert isinstance(found, Recording)
    assert found.steps == 9
    expected = Reference().run(net, {"in": x[:9]}, record=record)
    assert np.array_equal(found.dense("grow"), expected.dense("grow"))
    assert np.array_equal(found.trace("grow", "v"), expected.trace("grow", "v"))
    if kind == "file":
        assert read_recording(tmp_path / "r.h5").steps == 9
        assert not is_complete(tmp_path / "r.h5")


@every_engine
@pytest.mark.parametrize("steps", [(60,), (1, 2, 3, 9, 45), (4, 4, 52), (29, 31)])
@pytest.mark.parametrize("every", [1, 3, 10])
def test_some_neurons_at_some_steps(
    engine: type[Engine], every: int, steps: tuple[int, ...]
) -> None:
    net = network()
    chosen = [3, 0, 2]
    record = {n: Record(("v", "output"), neurons=chosen, every=every) for n in ("hid", "graded")}
    all_of_it = {n: ("v", "output") for n in record}
    whole = Reference().run(net, steps=60, batch=2, seed=5, record=all_of_it)
    state, parts = None, []
    for n in steps:
        part = engine().run(net, steps=n, batch=2, seed=5, record=record, state=state)
        assert part.trace_neurons("hid").tolist() == chosen
        parts.append(part)
        state = part.state
    for name in record:
        for variable in ("v", "output"):
            rows = np.concatenate([p.trace(name, variable) for p in parts])
            expected = whole.trace(name, variable).reshape(60, 2, 4)[::every][:, :, chosen]
            assert np.array_equal(rows, expected), (name, variable)
        first = np.cumsum([0, *steps])[:-1]
        at = np.concatenate([p.trace_steps(name) + f for p, f in zip(parts, first, strict=True)])
        assert at.tolist() == list(range(0, 60, every))
