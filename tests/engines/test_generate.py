import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from spikewright.engines import generate
from spikewright.engines.cpu import Cpu
from spikewright.engines.generate import Port, load, write
from spikewright.engines.program import lower
from spikewright.engines.recording import State
from spikewright.engines.reference import Reference
from spikewright.network import LIF, Network, NeuronModel, Population
from spikewright.testing.engine_suite import assert_same

REAL = [
    "x + y",
    "x - y",
    "x * y / z",
    "x / y",
    "x // y",
    "x % y",
    "x ** 2",
    "x ** -1",
    "x ** 0.5",
    "x ** 2.0",
    "x ** 12",
    "x ** -3",
    "-x",
    "+x - -y",
    "exp(x)",
    "log(x)",
    "sqrt(x)",
    "tanh(x)",
    "exprel(x)",
    "exprel(1e-9 * x)",
    "abs(x)",
    "sign(x)",
    "floor(x)",
    "trunc(x)",
    "round(x)",
    "round(0.5 * floor(x))",
    "minimum(x, y)",
    "maximum(x, y)",
    "clip(x, y, z)",
    "x if x > y else z",
    "x if not (x >= y and y < z or x == z) else y",
    "x if x != y else 1 / 3 - 2 ** 0.5 + 7 // 2 + 7 % 4 - -0.0",
    "x if 1 > 2 or x > y else exp(1) * tanh(2) * y",
    "x * 1e308 * 10",
    "sqrt(-1) if x > 0 else log(0) * x",
]
INTEGER = [
    "x + y * z",
    "x - y",
    "x // y",
    "x % y",
    "x >> y",
    "x << y",
    "x & y",
    "-x",
    "abs(x)",
    "sign(x)",
    "minimum(x, y)",
    "maximum(x, y)",
    "clip(x, y, z)",
    "x if x > y else z",
    "x if not (x == y) or z < 3 else (7 // -2) - (1 << 70)",
    "x << 40",
    "(x >> 3) % 5",
]
SPECIAL = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    1.5,
    2.5,
    np.inf,
    -np.inf,
    np.nan,
    1e308,
    -1e308,
    5e-324,
]
SPECIAL += [1e-9, 710.0, -745.2, 3.0, 7.25, -7.25, 0.1, 1e16]
WHOLE = [0, 1, -1, 2, -2, 3, 7, -7, 63, 64, 65, -63, 2**62, -(2**63), 2**63 - 1, 1000003]


def calculator(texts: list[str], integer: bool) -> NeuronModel:
    state = {name: "1" for name in "xyz"} | {f"out{i}": "1" for i in range(len(texts))}
    return NeuronModel(
        name="Calculator",
        state=state,
        params={},
        inputs={},
        update={f"out{i}": text for i, text in enumerate(texts)},
        output="x",
        integer=integer,
    )


@pytest.mark.parametrize(
    ("texts", "values", "integer"), [(REAL, SPECIAL, False), (INTEGER, WHOLE, True)]
)
def test_every_operation_means_the_same_for_every_value(texts, values, integer):
    rng = np.random.default_rng(0)
    some = rng.integers(-9, 9, 500) if integer else rng.normal(0, 20, 500)
    grid = np.array(np.meshgrid(values, values)).reshape(2, -1)
    x, y = (
        np.concatenate([g, s]) for g, s in zip(grid, (some, rng.permutation(some)), strict=True)
    )
    z = rng.permutation(y)
    network = Network(dt=1.0, populations={"c": Population(calculator(texts, integer), len(x))})
    start = Cpu().run(network, steps=0).state
    given = dict(start.values["c"]) | {"x": x[None], "y": y[None], "z": z[None]}
    state = State(0, {"c": given}, {}, {})
    runs = [engine.run(network, steps=1, state=state, spikes=()) for engine in (Reference(), Cpu())]
    for i, text in enumerate(texts):
        expected, found = (run.state.values["c"][f"out{i}"][0] for run in runs)
        same = (expected == found) & (np.signbit(expected) == np.signbit(found))
        if not integer:
            same |= np.isnan(expected) & np.isnan(found)
        at = int(np.argmin(same))
        assert same.all(), (text, x[at], y[at], z[at], expected[at], found[at])


def test_names_of_the_model_cannot_disturb_the_kernel():
    names = [
        "b",
        "n",
        "row",
        "np",
        "k",
        "lambda",
        "range",
        "ref",
        "held_b",
        "sent",
        "state_b",
        "P_b_b",
    ]
    model = NeuronModel(
        name='Names; import os #\n\'"""',
        state={name: "1" for name in names} | {"after_b": "1"},
        params={"tau": (1e-2, "s"), "exponent_1": (2.0, "1"), "t_ref": (2e-3, "s")},
        inputs={"value": "1", "ring_value": "1", "math": "1"},
        jumps={"value": "lambda", "ring_value": "b"},
        dynamics={"b": "(n - b ** 0.5 + math) / tau", "n": "-n / tau", "ref": "-ref / tau"},
        threshold="b > 1",
        reset={"b": "b - exponent_1", "n": "n + b"},
        refractory=None,
    )
    network = Network(dt=1e-3, populations={"p": Population(model, 2)})
    inputs = {"p.value": np.ones((9, 1, 2)), "p.ring_value": np.full((9, 1, 2), 0.8)}
    record = {"p": tuple(model.state)}
    assert_same(
        Cpu().run(network, inputs, record=record), Reference().run(network, inputs, record=record)
    )


def kernel():
    program = lower(Network(dt=1e-3, populations={"p": Population(LIF, 3)}))
    none = Port(ring=False, outside=False, biases=0)
    return write(program.populations["p"], {"spikes": none, "i": none})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SPIKEWRIGHT_CACHE", str(tmp_path / "kernels"))
    generate._load.cache_clear()
    yield tmp_path / "kernels"
    generate._load.cache_clear()


def test_the_file_says_what_it_was_made_from(folder):
    load(kernel())
    (path,) = folder.glob("*.py")
    assert path.name.startswith("LIF_")
    text = path.read_text()
    assert text.startswith("# Generated by Spikewright from the model 'LIF', integrated by exact.")
    assert "'(v_rest - v + r * i) / tau_m'" in text
    compile(text, str(path), "exec")


def test_a_damaged_file_is_written_again(folder):
    load(kernel())
    (path,) = folder.glob("*.py")
    intact = path.read_bytes()
    for damaged in (intact[:200], b"", intact + b"\nraise SystemExit\n", b"\xff\x00"):
        path.write_bytes(damaged)
        generate._load.cache_clear()
        load(kernel())
        assert path.read_bytes() == intact


def test_damaged_machine_code_is_compiled_again(folder):
    network = Network(dt=1e-3, populations={"p": Population(LIF, 3)})
    expected = Cpu().run(network, steps=3)
    for end in ("nbi", "nbc"):
        for path in folder.rglob(f"*.{end}"):
            path.write_bytes(path.read_bytes()[:40])
        generate._load.cache_clear()
        assert_same(Cpu().run(network, steps=3), expected)


def test_a_folder_that_cannot_be_used_is_replaced(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("SPIKEWRIGHT_CACHE", str(tmp_path / "file"))
    assert generate.folder() != tmp_path / "file"
    assert generate.folder().is_dir()


def test_the_kernel_does_not_depend_on_numbers_or_sizes():
    def text(**more):
        network = Network(dt=1e-3, populations={"p": Population(LIF, **more)})
        none = Port(ring=True, outside=False, biases=0)
        return write(lower(network).populations["p"], {"spikes": none, "i": none}).text

    assert text(shape=3) == text(shape=7, params={"tau_m": 5e-3})
    assert text(shape=3) != text(shape=3, params={"tau_m": [5e-3, 6e-3, 7e-3]})


def test_a_second_process_compiles_nothing(folder):
    script = """
import numba.core.event as event
from spikewright.engines.cpu import Cpu
from spikewright.network import LIF, Network, Population
with event.install_recorder("numba:compile") as record:
    Cpu().run(Network(dt=1e-3, populations={"p": Population(LIF, 3)}), steps=3)
print(len(record.buffer))
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    counts = [
        int(
            subprocess.run(
                [sys.executable, "-c", script], env=environment, capture_output=True, check=True
            ).stdout
        )
        for _ in range(2)
    ]
    assert counts[0] > 0
    assert counts[1] == 0


def test_loading_leaves_the_sources_alone(folder):
    load(kernel())
    assert not list(Path(generate.__file__).parent.glob("LIF_*"))
