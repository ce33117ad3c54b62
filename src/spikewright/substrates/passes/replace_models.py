"""Replace neuron models by a substrate's own, population by population."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from spikewright.errors import Problems, SubstrateError
from spikewright.network.graph import Network, Population
from spikewright.network.model import NeuronModel
from spikewright.substrates.base import Change

Translate = Callable[[Population, float], Population]
"""What a population becomes: (population, dt) -> population with the substrate's model."""


@dataclass(frozen=True)
class ReplaceModels:
    """Give each population the substrate's model for it.

    Parameters
    ----------
    table : name of a model -> its translation. A NeuronModel may stand for a translation: parameters of the
        same name keep their values, those that it lacks are named in the list of changes
    keep : names of models that stay
    """

    table: Mapping[str, Translate | NeuronModel]
    keep: tuple[str, ...] = ("Input",)

    def __call__(self, network: Network, seed: int) -> tuple[Network, tuple[Change, ...]]:
        """Return the network with its models replaced.

        Raises
        ------
        SubstrateError : a model has no replacement; all of them are listed
        """
        problems = Problems()
        populations, changes = {}, []
        for name, population in network.populations.items():
            model = population.model.name
            if model in self.keep:
                continue
            if model not in self.table:
                problems.add(
                    f"population {name!r}",
                    f"the substrate has no neuron for the model {model}",
                    expected=", ".join(sorted(self.table)),
                    cure="use one of these models",
                )
                continue
            translate = self.table[model]
            if isinstance(translate, NeuronModel):
                made, lost = _in_place_of(population, translate)
            else:
                made, lost = translate(population, network.dt), []
            populations[name] = made
            if made.model != population.model:
                without = f", without {', '.join(lost)}" if lost else ""
                what = f"{model} becomes {made.model.name}{without}"
                changes.append(Change("replace", name, what, "the chip's neuron"))
        problems.raise_as(SubstrateError)
        return network.replacing(populations=populations), tuple(changes)


def _in_place_of(population: Population, model: NeuronModel) -> tuple[Population, list[str]]:
    """Return the population with another model, every parameter they share kept, and what was set but is lost."""
    own = population.model
    params = {k: population.param(k) for k in model.params if k in own.params}
    initial = {k: v for k, v in population.initial.items() if k in model.state}
    lost = [k for k in population.params if k not in model.params]
    lost += [f"initial {k}" for k in population.initial if k not in model.state]
    return replace(population, model=model, params=params, initial=initial), lost
