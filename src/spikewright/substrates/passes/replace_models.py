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
    table : name of a model -> its translation; a NeuronModel with the same parameters may stand for a translation
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
                params = {k: v for k, v in population.params.items() if k in translate.params}
                initial = {k: v for k, v in population.initial.items() if k in translate.state}
                made = replace(population, model=translate, params=params, initial=initial)
            else:
                made = translate(population, network.dt)
            populations[name] = made
            if made.model != population.model:
                changes.append(
                    Change("replace", name, f"{model} becomes {made.model.name}", "the chip's neuron")
                )
        problems.raise_as(SubstrateError)
        return network.replacing(populations=populations), tuple(changes)
