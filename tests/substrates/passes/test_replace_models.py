from __future__ import annotations

import pytest

from spikewright.errors import SubstrateError
from spikewright.network import (
    IF,
    LIF,
    AdEx,
    Dense,
    Input,
    Izhikevich,
    Network,
    Population,
    Projection,
)
from spikewright.substrates.passes.replace_models import ReplaceModels

OWN = LIF.variant("Own", params={"tau_m": (1.0, "s"), "r": (1.0, "ohm"), "v_rest": (0.0, "V"),
                                 "v_th": (9.0, "V"), "v_reset": (0.0, "V")}, refractory=None)  # fmt: skip


def network(**populations: Population) -> Network:
    some = {"in": Population(Input, 1), "a": Population(LIF, 1, {"tau_m": 5e-3, "t_ref": 2e-3})}
    return Network(
        dt=1e-3,
        populations=some | populations,
        projections={"w": Projection("in", "a", Dense([[1.0]]))},
        outputs=("a",),
    )


def test_a_model_takes_over_the_values_that_it_shares() -> None:
    found, changes = ReplaceModels({"LIF": OWN})(network(), 0)
    made = found.populations["a"]
    assert made.model == OWN
    assert made.param("tau_m") == 5e-3
    assert made.param("v_th") == 1.0  # the value of the model it replaces, not its own default
    assert [str(c) for c in changes] == [
        "replace: a: LIF becomes Own, without t_ref — the chip's neuron"
    ]
    assert found.populations["in"].model == Input


def test_a_translation_may_compute() -> None:
    def doubled(population: Population, dt: float) -> Population:
        return Population(OWN, population.shape, {"tau_m": 2 * float(population.param("tau_m"))})

    found, changes = ReplaceModels({"LIF": doubled})(network(), 0)
    assert found.populations["a"].param("tau_m") == 10e-3
    assert changes[0].what == "LIF becomes Own"


def test_models_that_stay_are_no_change() -> None:
    source = network()
    found, changes = ReplaceModels({}, keep=("Input", "LIF"))(source, 0)
    assert changes == ()
    assert found.populations["a"] is source.populations["a"]


def test_every_model_without_replacement_is_listed() -> None:
    source = network(b=Population(AdEx, 1), c=Population(Izhikevich, 1))
    with pytest.raises(SubstrateError) as caught:
        ReplaceModels({"LIF": OWN, "IF": IF})(source, 0)
    what = "the substrate has no neuron for the model"
    cure = "expected IF, LIF — use one of these models"
    assert str(caught.value) == (
        f"2 problems\n  1. population 'b': {what} AdEx; {cure}\n  2. population 'c': {what} Izhikevich; {cure}"
    )
