import contextlib
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spikewright.errors import ModelError
from spikewright.network import LIF, MODELS, CubaLIF, NeuronModel, Noise, Refractory, Reset
from spikewright.units import dimension_of

GOOD = {
    "name": "M",
    "state": {"v": "V"},
    "params": {"tau": (20e-3, "s"), "v_th": (1.0, "V")},
    "inputs": {"spikes": "V", "i": "V/s"},
    "jumps": {"spikes": "v"},
    "dynamics": {"v": "-v / tau + i"},
    "threshold": "v > v_th",
    "reset": {"v": "0"},
}


def model(**changes):
    return NeuronModel(**(GOOD | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": ""}, "model: needs a name"),
        ({"state": {"2v": "V"}}, "M.state['2v']: not a name"),
        ({"state": {"_v": "V"}}, "M.state['_v']: not a name"),
        ({"state": {"exp": "V"}}, "M.state['exp']: the name is taken by the expression language"),
        ({"state": {"v": "V", "tau": "V"}}, "the name stands in state too"),
        ({"state": {"v": "parsec"}}, "M: unit 'parsec': unknown symbol 'parsec'"),
        ({"update": {"v": "v"}}, "M: has both dynamics and update — keep one of them"),
        ({"jumps": {"x": "v"}}, "M.jumps['x']: no such port; expected ['spikes', 'i']"),
        ({"jumps": {"spikes": "u"}}, "M.jumps['spikes']: no such variable 'u'; expected ['v']"),
        ({"jumps": {"i": "v"}}, "M.jumps['i']: the port does not fit 'v'; found V/s, expected V"),
        ({"dynamics": {"u": "1"}}, "M.dynamics['u']: no such state variable; expected ['v']"),
        ({"dynamics": {"v": "-v"}}, "M.dynamics['v'] = '-v': wrong dimension; found V, expected V/s"),
        ({"dynamics": {"v": "v > 0"}}, "wrong kind; found truth, expected V/s"),
        ({"dynamics": {"v": "q"}}, "M.dynamics['v'] = 'q': unknown name 'q'"),
        ({"threshold": "v - v_th"}, "M.threshold = 'v - v_th': wrong kind; found V, expected truth"),
        ({"reset": {"v": "tau"}}, "M.reset['v'] = 'tau': wrong dimension; found s, expected V"),
        ({"output": "v > 0"}, "M.output = 'v > 0': is a truth value, not a number"),
        ({"initial": {"v": "v"}}, "M.initial['v'] = 'v': unknown name 'v'"),
        ({"noise": {"xi": "white"}}, "M.noise['xi']: not a Noise; found 'white'"),
        ({"refractory": Refractory("v_th", ("v",))}, "M.refractory: 'v_th' is not a parameter in seconds"),
        ({"refractory": Refractory("tau", ("u",))}, "M.refractory: no such variable 'u'"),
    ],
)  # fmt: skip
def test_what_is_wrong(changes, message):
    with pytest.raises(ModelError) as caught:
        model(**changes)
    assert message in str(caught.value)


def test_all_problems_at_once():
    with pytest.raises(ModelError) as caught:
        model(dynamics={"v": "-v"}, threshold="v", reset={"v": "q"})
    assert str(caught.value).startswith("3 problems")


INTEGER = {"name": "I", "state": {"v": "1"}, "params": {}, "inputs": {"x": "1"}, "integer": True}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"state": {"v": "V"}}, "I: an integer model has no units — write '1' for every unit"),
        ({"noise": {"u": Noise.UNIFORM}}, "integer models draw bits, real models anything else"),
        ({"update": {"v": "v / 2"}}, "/ and ** in an integer model"),
        ({"update": {"v": "sign(dt)"}}, "unknown name 'dt'"),
    ],
)
def test_integer_model(changes, message):
    NeuronModel(**INTEGER)
    with pytest.raises(ModelError) as caught:
        NeuronModel(**(INTEGER | changes))
    assert message in str(caught.value)


def test_what_engines_ask():
    good = model()
    assert (good.is_affine, good.is_spiking, good.is_graded, good.is_transparent) == (
        True, True, False, False)  # fmt: skip
    assert good.default_port == "spikes"
    assert good.thresholded == "v"
    assert good.dimensions["i"] == dimension_of("V/s")
    assert good.operations() == {"add": 1, "multiply": 0, "divide": 1, "compare": 1, "function": 0}
    assert not model(dynamics={"v": "-v * v / (v_th * tau)"}).is_affine


@pytest.mark.parametrize(
    ("reset", "kind"),
    [
        ({}, Reset.NONE),
        ({"v": "0"}, Reset.VALUE),
        ({"v": "v_th / 2"}, Reset.VALUE),
        ({"v": "v - v_th"}, Reset.SUBTRACT),
        ({"v": "v / 2"}, Reset.OTHER),
        ({"v": "v_th - v"}, Reset.OTHER),
    ],
)
def test_reset_kind(reset, kind):
    assert model(reset=reset).reset_kind is kind


def test_resetting_makes_the_other_kind():
    subtracting = LIF.resetting(Reset.SUBTRACT)
    assert subtracting.name == "LIFSubtract"
    assert subtracting.reset_kind is Reset.SUBTRACT
    assert subtracting.resetting(Reset.VALUE, "Back").reset_kind is Reset.VALUE
    with pytest.raises(
        ModelError, match="needs a threshold 'variable > level'; found no threshold"
    ):
        MODELS["LI"].resetting(Reset.SUBTRACT)


@pytest.mark.parametrize("name", MODELS)
def test_plain_data_round_trip(name):
    found = MODELS[name]
    again = NeuronModel.from_dict(found.as_dict())
    assert again == found
    assert hash(again) == hash(found)
    assert pickle.loads(pickle.dumps(found)) == found


@pytest.mark.parametrize(
    "change",
    [
        {"state": 3},
        {"params": {"tau": 1}},
        {"noise": {"xi": "pink"}},
        {"refractory": ["tau"]},
        {"more": 1},
    ],
)
def test_not_a_model_description(change):
    with pytest.raises(ModelError, match="model 'LIF': not a model description"):
        NeuronModel.from_dict(LIF.as_dict() | change)


@given(st.dictionaries(
    st.sampled_from(list(LIF.as_dict())), st.none() | st.integers() | st.text(max_size=5)
    | st.lists(st.text(max_size=3), max_size=2) | st.dictionaries(st.text(max_size=3), st.text(max_size=5)),
))  # fmt: skip
def test_any_description_is_a_model_or_a_model_error(change):
    with contextlib.suppress(ModelError):
        NeuronModel.from_dict(LIF.as_dict() | change)


def test_models_are_frozen():
    with pytest.raises(AttributeError):
        LIF.name = "x"
    with pytest.raises(TypeError):
        CubaLIF.params["tau_m"] = (1.0, "s")
