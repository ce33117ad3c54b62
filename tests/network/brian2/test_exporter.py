"""The script that is written: what it says, what is refused, and, where Brian2 is at hand, what it does."""

from __future__ import annotations

import ast
import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

import spikewright as sw
from spikewright.network.brian2 import export_brian2
from spikewright.network.plasticity import DiehlCook

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "simulate"


def pair(model: sw.NeuronModel = sw.LIF, params: dict | None = None, **more: object) -> sw.Network:
    """Return two neurons of a model behind three inputs."""
    port = dict(more.pop("projection", {}))  # type: ignore[call-overload]
    population = sw.Population(model, 2, params or {}, **more)  # type: ignore[arg-type]
    return sw.Network(
        dt=1e-3,
        populations={"in": sw.Population(sw.Input, 3), "out": population},
        projections={"in->out": sw.Projection("in", "out", sw.Dense(np.ones((2, 3))), **port)},
    )


def written(network: sw.Network, folder: Path, inputs: dict | None = None) -> str:
    """Return the text of a network's script; it is Python, and its arrays are there."""
    script = export_brian2(network, folder / "net.py", inputs)
    text = script.read_text(encoding="utf-8")
    ast.parse(text)
    with np.load(folder / "net.npz") as data:
        assert set(re.findall(r"DATA\['([^']+)'\]", text)) == set(data.files)
    return text


def test_a_neuron_is_written_with_its_equations_units_and_order(tmp_path: Path) -> None:
    text = written(pair(sw.LIF, {"t_ref": 2e-3, "tau_m": [0.01, 0.02]}), tmp_path)
    assert "dv/dt = (v_rest - v + r * own_i) / tau_m : volt" in text  # `i` is Brian2's own
    assert "tau_m : second (constant)" in text
    assert "'refractory_steps': 2.0" in text
    assert "threshold='(v > v_th) and (waiting <= 0)'" in text
    assert "method='exact'" in text
    slots = re.search(r"schedule = \[(.*)\]", text)
    assert slots is not None
    order = [slot.strip('" ') for slot in slots[1].split(",")]
    wanted = ["enter", "carry", "deliver", "groups", "hold", "thresholds", "resets", "synapses"]
    assert [slot for slot in order if slot in wanted] == wanted


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("AdEx", "clip(v, v, v_peak)"),
        ("Izhikevich", "k2 * (v * v) + k1 * v + k0 - u + own_i : volt"),
        ("DiehlCookExcitatory", "int("),
        ("NoisyLIF", "own_xi : second**-0.5"),
        ("HodgkinHuxley", "own_ms"),
        ("ResonateAndFire", ": volt"),
    ],
)
def test_library_models_are_written(name: str, said: str, tmp_path: Path) -> None:
    method = (
        sw.Method.RK4
        if not sw.MODELS[name].is_affine and sw.MODELS[name].dynamics
        else sw.Method.AUTO
    )
    assert said in written(pair(sw.MODELS[name], method=method), tmp_path)


def test_a_reset_is_from_the_values_before_it(tmp_path: Path) -> None:
    swap = sw.LIF.variant(
        "Swap", state={"v": "V", "w": "V"}, reset={"v": "w", "w": "v"}, dynamics={"v": "-v / tau_m"}
    )
    text = written(pair(swap), tmp_path)
    assert re.search(r"after_v = w\s+after_w = v\s+v = after_v\s+w = after_w", text)
    assert re.search(r"^\s+w : volt$", text, re.MULTILINE)


def test_zero_has_the_unit_that_is_asked_for(tmp_path: Path) -> None:
    model = sw.LIF.variant(
        "Zero", dynamics={"v": "-v / tau_m if v > 0 else 0"}, reset={"v": "0"}, threshold="v > v_th"
    )
    text = written(pair(model, method=sw.Method.EULER), tmp_path)
    assert "int(v > 0 * volt)" in text
    assert re.search(r"v = 0 \* volt\b", text)


def test_inputs_are_spikes_or_values(tmp_path: Path) -> None:
    spikes = np.zeros((5, 1, 3))
    spikes[[1, 3], 0, [2, 0]] = 1
    events = sw.Events(np.array([1, 3]), np.array([2, 0]), (3,), tick=1e-3)
    arrays = []
    for given in (spikes, events, [events]):
        written(pair(), tmp_path, {"in": given, "out.i": np.ones((4, 2))})
        with np.load(tmp_path / "net.npz") as data:
            arrays.append({k: data[k] for k in data.files})
    for found in arrays:
        assert found["source0_step"].tolist() == [1, 3]
        assert found["source0_address"].tolist() == [2, 0]
        assert found["population1_table"].shape == (5, 2)  # and a row of zeros behind the last
        assert not found["population1_table"][-1].any()


REFUSED = [
    (lambda: pair(sw.AdEx), r"exponential Euler needs .* linear .*; v of AdEx is not — say method"),
    (
        lambda: pair().replacing(propagation=sw.Propagation.SAME_STEP),
        "not seen in the next step; found propagation same_step, expected next_step",
    ),
    (
        lambda: pair(projection={"rule": sw.Rule(DiehlCook, {})}),
        r"'in->out': has a rule; found DiehlCook — export network.without_rules\(\)",
    ),
    (
        lambda: sw.Network(
            dt=1e-3,
            populations={"a": sw.Population(sw.LI, 1), "b": sw.Population(sw.LIF, 1)},
            projections={"a->b": sw.Projection("a", "b", sw.OneToOne())},
        ),
        "'a': sends values, and Brian2 sends spikes; found output 'v' of LI — leave out a->b",
    ),
    (
        lambda: sw.Network(dt=1e-3, populations={"a": sw.Population(sw.Relay, 1)}),
        "'a': passes on in the same step what reaches it; found Relay",
    ),
    (
        lambda: pair(
            sw.LIF.variant("Rounded", dynamics={"v": "round(v / v_th) * v_th / tau_m"}),
            method=sw.Method.EULER,
        ),
        "Brian2 cannot round",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("network", "said"), REFUSED, ids=range(len(REFUSED)))
def test_what_brian2_cannot_say_is_named(network, said: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(sw.NetworkError, match=said):
        export_brian2(network(), tmp_path / "net.py")
    assert list(tmp_path.iterdir()) == []


def test_an_input_is_reached_from_outside_only(tmp_path: Path) -> None:
    net = pair().replacing(drives={"more": sw.PoissonDrive("in", 10.0, 1.0)})
    with pytest.raises(sw.NetworkError, match=r"'in': is reached from within .*found more"):
        export_brian2(net, tmp_path / "net.py")


def test_names_stay_words_in_the_script(tmp_path: Path) -> None:
    evil = '"""\nimport evil\n"""'
    model = sw.LIF.variant(f"LIF{evil}", source=f"a book\u2028\rimport evil{evil}\\")
    net = pair(model)
    named = sw.Network(
        dt=net.dt,
        populations={f"out{evil}": net.populations["out"]},
        drives={evil: sw.StepCurrent(f"out{evil}", [0.0], [1.0], "i")},
        name=f"net{evil}\\",
    )
    tree = ast.parse(written(named, tmp_path))
    imported = [a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names]
    assert sorted(imported) == ["argparse", "brian2", "numpy"]


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"nobody": np.zeros((3, 1, 2))}, r"inputs\['nobody'\]: no such population or port"),
        ({"out.v": np.zeros((3, 1, 2))}, "no such population or port"),
        ({"in": np.zeros((3, 2, 3))}, "does not fit: an array of shape"),
        ({"in": [1, "a"]}, "could not convert"),
        ({"in": sw.Events(np.array([1]), np.array([7]), (8,), tick=1e-3)}, "has an address 7"),
        ({"in": np.full((3, 1, 3), 0.5)}, "one at most per neuron and step; found the value 0.5"),
    ],
)
def test_inputs_that_do_not_fit(inputs: dict, said: str, tmp_path: Path) -> None:
    with pytest.raises(sw.NetworkError, match=said):
        export_brian2(pair(), tmp_path / "net.py", inputs)


def test_a_script_ends_in_py(tmp_path: Path) -> None:
    with pytest.raises(
        sw.NetworkError, match=r"not the name of a script; found .* ends in \.py|ends"
    ):
        export_brian2(pair(), tmp_path / "net.txt")


@pytest.mark.peer
@pytest.mark.parametrize("name", ["cond_adex", "fed"])
def test_the_script_does_in_brian2_what_we_do(name: str, tmp_path: Path) -> None:
    python = Path(os.environ.get("SPIKEWRIGHT_PEERS", "nowhere")) / "brian" / "bin" / "python"
    if not python.exists():
        pytest.skip("no environment with Brian2; set SPIKEWRIGHT_PEERS")
    network = sw.load_network(GOLDEN / f"exported_{name}.h5")
    with np.load(GOLDEN / f"exported_{name}.npz") as file:
        inputs = {
            k.removeprefix("inputs/"): file[k].astype(float)
            for k in file.files
            if k.startswith("inputs/")
        }
    script = export_brian2(network, tmp_path / "net.py", inputs)
    done = subprocess.run(
        [python, script, "--steps", "600", "--out", tmp_path / "out.npz"],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    ours = sw.run(network, {n: x[:600] for n, x in inputs.items()}, steps=600)
    with np.load(tmp_path / "out.npz") as found:
        for population, spikes in ours.spikes.items():
            if f"{population}:step" in found.files:
                step, address = found[f"{population}:step"], found[f"{population}:address"]
                order = np.lexsort((address, step))
                assert np.array_equal(step[order], spikes.step)
                assert np.array_equal(address[order], spikes.address)
                assert len(step) > 10
