"""The table of engines and `run`."""

import subprocess
import sys
from importlib.metadata import EntryPoint

import numpy as np
import pytest

from spikewright import engines
from spikewright.engines.cpu import Cpu
from spikewright.engines.reference import Reference
from spikewright.errors import EngineError, MissingExtra
from spikewright.network import LIF, Network, Population

NETWORK = Network(dt=1e-3, populations={"n": Population(LIF, 2)})


def test_engines_by_name():
    assert isinstance(engines.get("reference"), Reference)
    assert isinstance(engines.get("cpu"), Cpu)
    assert isinstance(engines.get(), Cpu), "auto"


def test_a_run_that_asks_for_gigabytes_is_refused_at_once():
    with pytest.raises(EngineError) as caught:
        engines.run(NETWORK, steps=10**12, record={"n": ("v",)}, engine="reference")
    assert str(caught.value) == (
        "run: would record more than memory holds; found 22351.7 GiB, expected 8 GiB at most — "
        "name a `file`, keep fewer neurons or steps (`Record`), or run fewer at a time"
    )


def test_unknown_engine():
    with pytest.raises(EngineError) as caught:
        engines.get("warp")
    assert (
        str(caught.value)
        == "engine: unknown; found 'warp', expected auto, reference, cpu, event, cluster"
    )


def others(monkeypatch, value):
    point = EntryPoint(name="mine", value=value, group=engines.GROUP)
    monkeypatch.setattr(
        engines, "entry_points", lambda group: [point] if group == engines.GROUP else []
    )


def test_an_engine_of_another_package(monkeypatch):
    others(monkeypatch, "spikewright.engines.reference:Reference")
    assert engines.available() == ("reference", "cpu", "event", "cluster", "mine")
    assert isinstance(engines.get("mine"), Reference)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("no_such_package:X", "engine 'mine': cannot be loaded: No module named 'no_such_package'"),
        ("spikewright.engines:X", "cannot be loaded: .*'X'"),
        ("spikewright.engines:run", "engine 'mine': is not an Engine; found <function run"),
    ],
)
def test_an_engine_that_is_none(monkeypatch, value, message):
    others(monkeypatch, value)
    with pytest.raises(EngineError, match=message):
        engines.get("mine")


def test_a_missing_extra(monkeypatch):
    monkeypatch.setitem(engines.ENGINES, "gpu", ("spikewright_no_such.gpu:Gpu", "gpu"))
    with pytest.raises(MissingExtra, match=r"engine 'gpu' needs spikewright_no_such — pip install"):
        engines.get("gpu")


def test_run_takes_every_option_of_an_engine():
    found = engines.run(
        NETWORK,
        {"n.i": np.full((50, 1, 2), 2.0)},
        engine="reference",
        steps=60,
        batch=1,
        seed=3,
        record={"n": ("v",)},
        spikes=(),
    )
    again = engines.run(NETWORK, steps=5, batch=1, state=found.state, first_sample=0)
    assert (found.engine, found.seed, found.steps) == ("reference", 3, 60)
    assert (again.engine, again.state.step) == ("cpu", 65)


def test_the_table_loads_no_compiler():
    code = (
        "import sys, spikewright.engines as e; e.available(); e.get('reference'); "
        "assert not {'numba', 'scipy', 'torch', 'h5py', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})
