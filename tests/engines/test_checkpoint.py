"""A checkpoint is the state, bit for bit, and knows whose it is."""

import errno
import os
import pickle
from dataclasses import replace

import h5py
import numpy as np
import pytest

from spikewright.engines.checkpoint import load_state, save_state
from spikewright.engines.recording import Spikes, State, SynapseState
from spikewright.engines.reference import Reference
from spikewright.errors import EngineError, FormatError
from spikewright.network import LIF, RULES, Dense, FixedInDegree, Population, Projection, Rule
from spikewright.network.fingerprint import fingerprint
from spikewright.network.store import load, save
from spikewright.testing.recorded_run import network


def bits(value):
    """A state as plain data, every float by its bits."""
    if isinstance(value, np.ndarray):
        return (value.dtype.str, value.shape, value.tobytes())
    if hasattr(value, "items"):
        return {key: bits(part) for key, part in value.items()}
    if hasattr(value, "__dataclass_fields__"):
        return {name: bits(getattr(value, name)) for name in value.__dataclass_fields__}
    return value


def state_of(net, steps=9):
    return Reference().run(net, steps=steps, batch=2, seed=5).state


def test_going_on_is_one_run(tmp_path):
    net = network()
    whole = Reference().run(net, steps=30, batch=2, seed=5)
    first = Reference().run(net, steps=12, batch=2, seed=5)
    save_state(tmp_path / "s.h5", first.state, net)
    again = load_state(tmp_path / "s.h5", net)
    assert bits(again) == bits(first.state)
    second = Reference().run(net, steps=18, batch=2, seed=5, state=again)
    assert bits(second.state) == bits(whole.state)
    assert np.array_equal(
        np.concatenate([first.dense("hid"), second.dense("hid")]), whole.dense("hid")
    )


def test_every_bit_and_every_part(tmp_path):
    net = network()
    odd = np.array([[np.nan, -0.0, np.inf], [5e-324, -np.inf, 0.1]])
    odd.view(np.uint64)[0, 0] ^= 7  # another NaN
    none = np.zeros((2, 0), np.int64)
    synapses = SynapseState(
        {"w": odd, "x": odd[::-1].copy()}, none, {"pre": odd}, none, {}, none,
        Spikes(*np.arange(9).reshape(3, 3)),
    )  # fmt: skip
    graded = replace(synapses, underway=replace(synapses.underway, value=odd[0]))
    state = State(
        2**40,
        {"in": {}, "hid/x": {"v": odd, "w": np.array([[2**62, -1, 0]])}},
        {"hid": np.array([[3, 0, 0]])},
        {("hid", "spikes"): odd[None], ("hid", "i"): 2 * odd[None]},
        {"a.b": synapses, "c": graded},
    )
    save_state(tmp_path / "s.h5", state, net)
    found = load_state(tmp_path / "s.h5", net)
    assert bits(found) == bits(state)
    assert found.synapses["a.b"].underway.value is None


def test_of_another_network(tmp_path):
    net = network()
    save_state(tmp_path / "s.h5", state_of(net), net)
    other = network(1, name="other")
    with pytest.raises(EngineError) as caught:
        load_state(tmp_path / "s.h5", other)
    assert str(caught.value) == (
        f"{tmp_path}/s.h5: a checkpoint of another network; found 'network' ({fingerprint(net)}), "
        f"expected 'other' ({fingerprint(other)}) — go on with the network as it was when the checkpoint was written, "
        "or start anew"
    )


def test_of_another_run(tmp_path):
    net = network()
    save_state(tmp_path / "s.h5", state_of(net), net, seed=5, first_sample=0)
    load_state(tmp_path / "s.h5", net, seed=5, first_sample=0)
    with pytest.raises(EngineError, match="another seed; found 5, expected 6 — say seed=5"):
        load_state(tmp_path / "s.h5", net, seed=6)
    with pytest.raises(EngineError, match="another first_sample; found 0, expected 3"):
        load_state(tmp_path / "s.h5", net, first_sample=3)


def test_written_whole_or_not_at_all(tmp_path, monkeypatch):
    net = network()
    save_state(tmp_path / "s.h5", state_of(net), net)

    def full(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(FormatError, match="No space left on device"):
        save_state(tmp_path / "s.h5", state_of(net, 20), net)
    assert load_state(tmp_path / "s.h5", net).step == 9
    assert os.listdir(tmp_path) == ["s.h5"]


def test_not_a_checkpoint(tmp_path):
    net = network()
    with pytest.raises(FormatError, match="no such file"):
        load_state(tmp_path / "s.h5", net)
    (tmp_path / "s.h5").write_bytes(b"nothing")
    with pytest.raises(FormatError):
        load_state(tmp_path / "s.h5", net)
    with h5py.File(tmp_path / "s.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(FormatError, match="not a checkpoint of Spikewright; found x"):
        load_state(tmp_path / "s.h5", net)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ("nothing", "/index: not JSON"),
        ("[]", "/index: not a JSON object; found list"),
        ("{}", "/index: not a state; found 'arrays'"),
        ('{"arrays": [["step"], ["values"]], "empty": []}', "/index: not a state"),
        ('{"arrays": [["step"]], "empty": [[]]}', "/index: not a state"),
        ('{"arrays": [5], "empty": []}', "/index: not a state"),
        ('{"arrays": [["step"]], "empty": [["values"]]}', "/index: not a state; found 'synapses'"),
    ],
)
def test_a_damaged_index(tmp_path, index, message):
    net = network()
    save_state(tmp_path / "s.h5", state_of(net), net)
    with h5py.File(tmp_path / "s.h5", "r+") as file:
        del file["index"]
        file["index"] = index
    with pytest.raises(FormatError, match=message):
        load_state(tmp_path / "s.h5", net)


def rule(name):
    return Rule(RULES[name])


def plastic():
    """A network whose synapses have a state, with a recipe, its delays and weights drawn."""
    return network(
        populations=dict(network().populations) | {"more": Population(LIF, 5, {"t_ref": 1e-3, "tau_m": 5e-3})},
        projections={
            "short": Projection("in", "hid", Dense(np.full((4, 3), 0.9)), delay=2e-3, rule=rule("TsodyksMarkram")),
            "stdp": Projection("hid", "graded", Dense(np.full((4, 4), 0.4)), delay=1e-3, rule=rule("PairSTDP")),
            "drawn": Projection("in", "more", FixedInDegree(5, 2, weights=1.5, seed=3)),
        },
    )  # fmt: skip


def test_going_on_with_plastic_synapses_is_one_run(tmp_path):
    net = plastic()
    whole = Reference().run(net, steps=40, batch=2, seed=5)
    first = Reference().run(net, steps=17, batch=2, seed=5)
    save_state(tmp_path / "s.h5", first.state, net)
    again = load_state(tmp_path / "s.h5", net)
    assert bits(again) == bits(first.state)
    assert set(again.synapses) == {"short", "stdp"}
    second = Reference().run(net, steps=23, batch=2, seed=5, state=again)
    assert bits(second.state) == bits(whole.state)


@pytest.mark.parametrize("made", [network, plastic])
def test_a_file_of_the_network_has_its_fingerprint(tmp_path, made):
    net = made()
    save(net, tmp_path / "n.h5")
    assert fingerprint(load(tmp_path / "n.h5")) == fingerprint(net)
    assert fingerprint(made()) == fingerprint(net)
    assert fingerprint(pickle.loads(pickle.dumps(net))) == fingerprint(net)


def test_what_the_fingerprint_depends_on():
    net = network()
    same = [network(), network(name="x"), network(metadata={"note": 1})]
    assert {fingerprint(n) for n in same} == {fingerprint(net)}
    assert len(fingerprint(net)) == 32
    weight = net.projections["a"].topology.weight
    changed = weight.copy()
    changed[0, 0] = np.nextafter(changed[0, 0], 1)
    hid = net.populations["hid"]
    others = [
        network(dt=0.5e-3),
        net.with_weights({"a": changed}),
        net.replacing(populations={"hid": Population(LIF, hid.shape)}),
        net.replacing(populations={"hid": replace(hid, params={"t_ref": 3e-3})}),
        net.replacing(projections={"a": replace(net.projections["a"], delay=3e-3)}),
        net.replacing(projections={"d": replace(net.projections["a"])}),
        net.replacing(drives={"p": replace(net.drives["p"], rate=301.0)}),
        net.replacing(populations={"more": Population(LIF, 1)}),
        net.replacing(projections={"a": replace(net.projections["a"], topology=Dense(weight.T.copy().T * 1.0 + 0))}),
    ]  # fmt: skip
    found = [fingerprint(n) for n in others]
    assert found.pop() == fingerprint(net), "the same numbers, stored otherwise"
    assert len({*found, fingerprint(net)}) == len(found) + 1
