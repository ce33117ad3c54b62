from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spikewright.engines import run
from spikewright.errors import ConstantError, LimitError, SubstrateError
from spikewright.network import (
    LIF,
    AdEx,
    Dense,
    Input,
    Network,
    NeuronModel,
    Population,
    Projection,
)
from spikewright.substrates.base import Category, Described, Grade

HEAD = 'name = "tiny"\ntitle = "Tiny"\n'
TINY = NeuronModel(
    name="TinyLIF",
    state={"v": "V"},
    params={"tau_m": (1.0, "s"), "v_th": (1.0, "V")},
    inputs={"spikes": "V"},
    jumps={"spikes": "v"},
    dynamics={"v": "-v / tau_m"},
    threshold="v > v_th",
    reset={"v": "0"},
    source="test",
)


def number(value: object, grade: str = "measured") -> str:
    text = f'"{value}"' if isinstance(value, str) else value
    return f'{{ value = {text}, source = "test, p. 1", grade = "{grade}" }}'


def make(folder: Path, text: str = "", **models: NeuronModel) -> Described:
    path = folder / "chip.toml"
    path.write_text(HEAD + text, encoding="utf-8")
    return Described(path, models)


def network(n_in: int = 3, n: int = 2, weight: float = 0.6) -> Network:
    return Network(
        dt=1e-3,
        populations={"in": Population(Input, n_in), "out": Population(LIF, n, {"tau_m": 5e-3})},
        projections={"w": Projection("in", "out", Dense(np.full((n, n_in), weight)))},
    )


def test_without_limits_and_passes_compiling_is_the_identity(tmp_path: Path) -> None:
    source = network()
    compiled = make(tmp_path).compile(source, seed=4)
    assert compiled.network is source
    assert compiled.changes == ()
    assert make(tmp_path).passes == ()
    assert make(tmp_path).presets() == ("default",)


def test_passes_run_in_the_order_of_the_file(tmp_path: Path) -> None:
    chip = make(
        tmp_path,
        f"[limits]\nweight_bits = {number(3)}\n[variation]\nweight = {number(0.1)}\ntau = {number(0.2)}\n"
        '[[passes]]\nkind = "replace"\nmodels = { LIF = "TinyLIF" }\n'
        '[[passes]]\nkind = "vary"\nweights = "variation.weight"\nparams = { tau_m = "variation.tau" }\n'
        '[[passes]]\nkind = "quantize"\nbits = "limits.weight_bits"\nwhy = "three bits"\n',
        TinyLIF=TINY,
    )
    compiled = chip.compile(network(), seed=1)
    assert [c.by for c in compiled.changes] == ["replace", "vary", "vary", "quantize"]
    assert compiled.changes[-1].why == "three bits"
    weight = compiled.network.projections["w"].topology.weight
    assert weight is not None
    assert len(np.unique(weight)) <= 7
    out = compiled.network.populations["out"]
    assert out.model == TINY
    assert out.param("tau_m").shape == (2,)
    assert [type(p).__name__ for p in chip.passes] == ["Vary", "Quantize"]


def test_costs_of_a_tiny_run_by_hand(tmp_path: Path) -> None:
    chip = make(
        tmp_path,
        f"[energy]\nspike = {number('2 J')}\ninput_spike = {number('3 J')}\n"
        f"synaptic_operation = {number('5 J')}\nneuron_update = {number('7 J')}\nstep = {number('11 J')}\n"
        f"[static]\npower = {number('13 W')}\n[overhead]\npower = {number('17 W')}\n"
        f"inference = {number('19 J', 'assumed')}\n"
        f"[time]\nstep = {number('1 s')}\nsynaptic_operation = {number('0.5 s')}\n"
        f"[area]\nchip = {number('1 m^2')}\nneuron = {number('0.5 m^2')}\nsynapse = {number('0.25 m^2')}\n",
    )
    compiled = chip.compile(network())
    spikes = np.zeros((4, 1, 3))
    spikes[0] = 1  # 0.6 * 3 is above threshold: both neurons fire once
    recording = run(compiled.network, {"in": spikes}, engine="reference")
    costs = chip.cost(compiled, recording)
    assert recording.sent["out"].tolist() == [[1, 1]]
    time = 4 * 1 + 6 * 0.5
    assert costs.time.value == time
    # spikes 2, input spikes 3, operations 3 * 2, updates 4 * 2, steps 4
    assert costs.device.value == 2 * 2 + 3 * 3 + 6 * 5 + 8 * 7 + 4 * 11 + 13 * time
    assert costs.system.value == costs.device.value + 17 * time + 19
    assert costs.silicon.value == 1 + 2 * 0.5 + 6 * 0.25
    assert costs.device.grade is Grade.MEASURED
    assert costs.system.grade is Grade.ASSUMED
    assert costs.by_category()[Category.CLOCK].value == 44


def test_zero_weights_take_no_synapse(tmp_path: Path) -> None:
    chip = make(tmp_path, f"[limits]\nsynapses = {number(0)}\nfan_out = {number(0)}\n")
    assert chip.compile(network(weight=0.0)).facts["synapses"] == 0
    with pytest.raises(LimitError, match=r"limit synapses: exceeded; found 6 \('w' 6\)"):
        chip.compile(network())


@pytest.mark.parametrize(
    ("limit", "message"),
    [
        (
            "neurons",
            "tiny: limit neurons: exceeded 2 times; found 2 ('out' 2), expected 1 at most — use",
        ),
        (
            "inputs",
            "tiny: limit inputs: exceeded 3 times; found 3 ('in' 3), expected 1 at most — use",
        ),
        ("synapses", "tiny: limit synapses: exceeded 6 times; found 6 ('w' 6), expected 1 at most"),
        (
            "fan_in",
            "tiny: population 'out': limit fan_in: exceeded 3 times; found 3, expected 1 at most",
        ),
        (
            "fan_out",
            "tiny: population 'in': limit fan_out: exceeded 2 times; found 2, expected 1 at",
        ),
        (
            "max_delay",
            "tiny: projection 'w': limit max_delay: exceeded 4 times; found 4, expected 1",
        ),
    ],
)
def test_each_limit_is_explained(tmp_path: Path, limit: str, message: str) -> None:
    chip = make(tmp_path, f"[limits]\n{limit} = {number(1)}\n")
    delayed = Projection("in", "out", Dense(np.ones((2, 3))), delay=4e-3)
    source = network().replacing(projections={"w": delayed})
    with pytest.raises(LimitError) as caught:
        chip.compile(source)
    assert message in str(caught.value)


def test_a_model_without_replacement_is_listed(tmp_path: Path) -> None:
    chip = make(
        tmp_path, '[[passes]]\nkind = "replace"\nmodels = { LIF = "TinyLIF" }\n', TinyLIF=TINY
    )
    source = network().replacing(populations={"out": Population(AdEx, 2)})
    with pytest.raises(
        SubstrateError, match=r"population 'out': the substrate has no neuron .* AdEx"
    ):
        chip.compile(source)


def test_a_model_that_was_not_given_is_named(tmp_path: Path) -> None:
    with pytest.raises(SubstrateError) as caught:
        make(
            tmp_path,
            '[[passes]]\nkind = "replace"\nmodels = { LIF = "TinyLIF", IF = "X" }\n',
            X=TINY,
        )
    assert str(caught.value) == (
        "chip.toml: pass 1 (replace): no model 'TinyLIF' was given; expected X"
        " — Described(file, models={'TinyLIF': ...})"
    )


def test_every_wrong_name_is_listed(tmp_path: Path) -> None:
    with pytest.raises(ConstantError) as caught:
        make(
            tmp_path,
            f"[limits]\ncolours = {number(3)}\n[energy]\nspike = {number('1 W')}\nwish = {number('1 J')}\n"
            f"[static]\npower = {number('1 W')}\n[variation]\nbits = {number('2.5')}\n"
            f"spread = {number(-0.1)}\n[area]\nchip = {number('-1 m^2')}\n"
            '[[passes]]\nkind = "anneal"\n'
            '[[passes]]\nkind = "quantize"\nbits = 8\nround = "up"\n'
            '[[passes]]\nkind = "quantize"\nbits = "variation.bits"\n'
            '[[passes]]\nkind = "vary"\nweights = "variation.spread"\nparams = "all"\n'
            '[[passes]]\nkind = "replace"\nmodels = "TinyLIF"\n',
        )
    text = str(caught.value)
    for part in (
        "pass 1: unknown kind; found anneal, expected retime, quantize, replace, vary",
        "pass 2 (quantize): unknown keys; found round, expected bits, why",
        "pass 2 (quantize): bits: refers to no constant of the file; found 8, expected limits.colours",
        "pass 3 (quantize): bits: not possible; found 2.5, expected a whole number >= 2",
        "pass 4 (vary): weights: a spread cannot be; found -0.1, expected >= 0",
        "pass 4 (vary): params: not a table of references; found 'all'",
        "pass 5 (replace): models is a table of names, keep a list of names",
        "limits.colours: nothing uses it; expected neurons, inputs, synapses",
        "energy.spike: wrong unit; found W, expected J",
        "energy.wish: nothing uses it; expected spike, input_spike, synaptic_operation",
        "area.chip: negative; found -1.0, expected >= 0",
        "static.power: a power without a time — add [time], for instance its step",
    ):
        assert part in text, f"{part}\n{text}"


def test_a_reference_must_have_no_unit(tmp_path: Path) -> None:
    with pytest.raises(ConstantError, match=r"variation\.w: wrong unit; found J, expected no unit"):
        make(
            tmp_path,
            f'[variation]\nw = {number("1 J")}\n[[passes]]\nkind = "vary"\nweights = "variation.w"\n',
        )


def test_the_file_cannot_hold_code(tmp_path: Path) -> None:
    with pytest.raises(ConstantError, match="refers to no constant"):
        make(tmp_path, '[[passes]]\nkind = "vary"\nweights = "__import__(\'os\').getcwd()"\n')


def test_weights_beyond_a_range_are_explained(tmp_path: Path) -> None:
    limits = f"[limits]\nweight_low = {number('-100 mV')}\nweight_high = {number('0.5 V')}\n"
    chip = make(tmp_path, limits)
    with pytest.raises(LimitError) as caught:
        chip.compile(network(weight=0.6))
    assert str(caught.value) == (
        "tiny: projection 'w': limit weight_high: exceeded; found 600 mV, expected 500 mV at most — clip the "
        "weights, or train with a WeightRangePenalty"
    )
    with pytest.raises(
        LimitError, match="limit weight_low: exceeded; found -200 mV, expected -100"
    ):
        chip.compile(network(weight=-0.2))
    assert chip.compile(network(weight=0.5)).changes == ()
    low, high = chip.weight_range
    assert low is not None
    assert high is not None
    assert (low.value, high.value) == (-0.1, 0.5)
    assert make(tmp_path).weight_range == (None, None)


def test_a_range_of_weights_in_another_unit_is_explained(tmp_path: Path) -> None:
    chip = make(tmp_path, f"[limits]\nweight_high = {number('1 A')}\n")
    with pytest.raises(
        LimitError, match="'w': limit weight_high: another unit than its port's; found A, expected"
    ):
        chip.compile(network())


def test_the_fan_in_is_a_limit_of_the_file(tmp_path: Path) -> None:
    assert make(tmp_path).fan_in is None
    found = make(tmp_path, f"[limits]\nfan_in = {number(7)}\n").fan_in
    assert found is not None
    assert found.value == 7
