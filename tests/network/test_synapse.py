import pickle

import numpy as np
import pytest

from spikewright.errors import ModelError, NetworkError
from spikewright.network import (
    Dense,
    Input,
    Network,
    NeuronModel,
    Population,
    Projection,
    Rule,
    SynapseModel,
)
from spikewright.network.plasticity import RULES, PairSTDP
from spikewright.network.store import load, save
from spikewright.testing.synapses import forced

TAU = {"tau": (20e-3, "s")}


def made(**fields: object) -> SynapseModel:
    """Return a synapse model with a trace on both sides, changed as told."""
    base: dict[str, object] = {
        "name": "M",
        "params": TAU | {"a": (0.1, "weight")},
        "pre": {"x": "1"},
        "post": {"y": "1"},
        "dynamics": {"x": "-x / tau", "y": "-y / tau"},
        "on_pre": {"w": "w - a * y", "x": "x + 1"},
        "on_post": {"w": "w + a * x", "y": "y + 1"},
    }
    return SynapseModel(**(base | fields))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": ""}, "needs a name"),
        ({"pre": {"tau": "1"}}, "the name stands in params too"),
        ({"pre": {"w": "1"}}, "taken by the expression language"),
        ({"pre": {"x": "1", "2x": "1"}}, "not a name"),
        ({"pre": {"x": "furlong"}}, "unknown symbol 'furlong'"),
        ({"dynamics": {"x": "-x"}}, "wrong dimension; found 1, expected Hz"),
        ({"on_pre": {"w": "w - y"}}, "joins weight and 1"),
        ({"on_pre": {"w": "w > a"}}, "wrong kind; found truth, expected weight"),
        ({"on_pre": {"w": "w - a * z"}}, "unknown name 'z'"),
        ({"on_pre": {"w": ""}}, "not an expression"),
        ({"on_pre": {"y": "y + 1"}}, "is not assigned here; expected w, x"),
        ({"on_post": {"x": "x + 1"}}, "is not assigned here; expected w, y"),
        ({"on_post": {"q": "1"}}, "no such variable"),
        ({"on_pre": {"x": "x + y"}}, "unknown name 'y'"),
        ({"on_post": {"y": "y + x"}}, "unknown name 'x'"),
        ({"on_pre": {"x": "x * w / a"}}, "unknown name 'w'"),
        ({"send": "x"}, "wrong dimension; found 1, expected weight"),
        ({"send": "v_post * w"}, "unknown name 'v_post'"),
        ({"dynamics": {"x": "-x * x / tau"}}, "has no closed form"),
        ({"dynamics": {"x": "-exp(x) / tau"}}, "has no closed form"),
        ({"dynamics": {"x": "1 / tau"}}, "has no closed form"),
        ({"dynamics": {"x": "(y - x) / tau"}}, "unknown name 'y'"),
        (
            {"reads": {"v_post": "1"}, "dynamics": {"y": "-v_post * y / tau"}},
            "has no closed form",
        ),
        ({"reads": {"v_post": "1"}, "dynamics": {"x": "(v_post - x) / tau"}}, "unknown name"),
        ({"reads": {"v": "V"}}, "not a neuron's variable; expected e.g. 'v_post'"),
        ({"reads": {"v_post": "V"}}, "is not used"),
        ({"every": "tau"}, "every: and on_every belong together"),
        ({"on_every": {"w": "w"}}, "every: and on_every belong together"),
        ({"every": "a", "on_every": {"w": "w"}}, "'a' is not a parameter in seconds"),
        ({"every": "tau", "on_every": {"w": "w", "x": "1"}}, "is not assigned here; expected w"),
        ({"signals": {"reward": "1"}}, "signals: and on_signal belong together"),
        ({"post_event": "y > 1", "on_post": {}}, "post_event: needs on_post"),
        ({"post_event": "y + 1"}, "wrong kind"),
        ({"dynamics": {"w": "-w / tau"}, "current": "w"}, "uses a variable with dynamics"),
        ({"on_pre": {}, "on_post": {}, "send": ""}, "does nothing"),
        ({"initial": {"w": "1"}}, "is not assigned here"),
        ({"initial": {"x": "y"}}, "unknown name 'y'"),
    ],
)
def test_a_wrong_model_says_what_is_wrong(fields: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=message.replace("(", r"\(").replace("+", r"\+")):
        made(**fields)


def test_every_problem_is_said_at_once() -> None:
    with pytest.raises(ModelError, match=r"(?s)2 problems.*'z'.*'q'"):
        made(on_pre={"w": "w + z"}, on_post={"w": "w + q"})


def test_the_unit_weight_belongs_to_synapses() -> None:
    with pytest.raises(ModelError, match="'weight' is a unit of synapse models only"):
        NeuronModel(name="N", state={"v": "weight"}, params={}, inputs={})


@pytest.mark.parametrize("model", RULES.values(), ids=lambda m: m.name)
def test_a_model_is_plain_data(model: SynapseModel) -> None:
    again = SynapseModel.from_dict(model.as_dict())
    assert again == model
    assert hash(again) == hash(model)
    assert pickle.loads(pickle.dumps(Rule(model))) == Rule(model)
    assert model.source


def test_not_a_description() -> None:
    with pytest.raises(ModelError, match="not a model description"):
        SynapseModel.from_dict({"name": "M", "colour": "red"})


def test_what_engines_ask() -> None:
    model = made(
        state={"e": "weight"},
        reads={"v_post": "V", "u_pre": "V"},
        post={"y": "1", "low": "V"},
        dynamics={"x": "-x / tau", "low": "(v_post - low) / tau"},
        current="w * u_pre / v_post",
    )
    assert model.synaptic == ("w", "e")
    assert model.followers == ("low",)
    assert (model.reads_pre, model.reads_post) == (("u",), ("v",))


def test_closed_forms() -> None:
    rule = Rule(made(dynamics={"x": "(3 - x) / tau", "y": "-2 * y / tau + 1 / tau"}), {"tau": 0.01})
    assert rule.rate("x") == pytest.approx(100)
    assert rule.target("x") == pytest.approx(3)
    assert (rule.rate("y"), rule.target("y")) == pytest.approx((200, 0.5))


@pytest.mark.parametrize(
    ("params", "initial", "message"),
    [
        ({"b": 1.0}, {}, "unknown; expected tau, a"),
        ({"a": np.nan}, {}, "not a number"),
        ({"a": [1.0, 2.0]}, {}, "not a number"),
        ({"a": "much"}, {}, "not a number"),
        ({"tau": -1.0}, {}, "does not decay"),
        ({"tau": 0.0}, {}, "does not decay"),
        ({}, {"w": 1.0}, "unknown; expected x, y"),
        ({}, {"x": np.inf}, "not a number"),
    ],
)
def test_a_wrong_rule_says_what_is_wrong(
    params: dict[str, float], initial: dict[str, float], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        Rule(made(), params, initial)
    with pytest.raises(ModelError, match="not a SynapseModel"):
        Rule("PairSTDP")  # type: ignore[arg-type]


def test_a_rule_is_saved_with_its_text(tmp_path) -> None:
    model = made(name="Mine")
    net = forced(Rule(model, {"a": 0.3}, {"x": 0.25}), [[0.5]], delay=2e-3)
    save(net, tmp_path / "net.h5")
    again = load(tmp_path / "net.h5").projections["s"].rule
    assert again == net.projections["s"].rule
    assert again is not None
    assert again.starting("x") == 0.25


def test_a_saved_rule_is_checked(tmp_path) -> None:
    import h5py

    save(forced(Rule(PairSTDP), [[0.5]]), tmp_path / "net.h5")
    with h5py.File(tmp_path / "net.h5", "r+") as file:
        text = file["projections/0/rule"].asstr()[()]
        del file["projections/0/rule"]
        file["projections/0/rule"] = text.replace("clip(w - a_minus * y", "open(w - a_minus * y")
    with pytest.raises(ModelError, match=r"/projections/0/rule: .*unknown function 'open'"):
        load(tmp_path / "net.h5")


def test_summary_and_without_rules() -> None:
    net = forced(Rule(PairSTDP), [[0.5]])
    assert "rule PairSTDP" in net.summary()
    assert net.without_rules().projections["s"].rule is None


def test_projection_takes_a_rule_only() -> None:
    with pytest.raises(NetworkError, match="not a Rule; found SynapseModel"):
        Network(
            dt=1e-3,
            populations={"in": Population(Input, 1), "out": Population(Input, 1)},
            projections={"s": Projection("in", "out", Dense([[1.0]]), rule=PairSTDP)},  # type: ignore[arg-type]
        )
