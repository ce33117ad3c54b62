"""What is measured on the validation part after every epoch, beside loss and accuracy: energy, latency, activity."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from spikewright.errors import Problems
from spikewright.network.graph import Network
from spikewright.train.run import Run


class Measure(ABC):
    """A number per sample that is read off a run. Abstract; it is shown and kept, and changes nothing.

    A measure is a frozen value: its fields are part of what identifies a training run.

    Attributes
    ----------
    name : what a history and the progress table call it, e.g. "energy"
    unit : SI unit of the number, e.g. "J"; empty where it has none
    """

    name: str
    unit: str

    @abstractmethod
    def of(self, run: Run) -> float:
        """Return the mean per sample of a batch; batches are averaged by their numbers of samples."""

    def record(self, network: Network) -> Mapping[str, tuple[str, ...]]:
        """Return the variables that a run must record for this measure."""
        return {}


def check_measures(problems: Problems, measures: Sequence[Measure]) -> None:
    """Note measures that cannot be told apart, or that clash with what is always measured."""
    seen = {"loss", "accuracy", "spikes"}
    for measure in measures:
        if measure.name in seen:
            problems.add(
                "fit(measures=)",
                f"two things are called {measure.name!r}",
                cure="give the measure another name",
            )
        seen.add(measure.name)


def records(*wanted: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    """Return population -> variables, of several such mappings."""
    found: dict[str, dict[str, None]] = {}
    for mapping in wanted:
        for population, variables in mapping.items():
            found.setdefault(population, {}).update(dict.fromkeys(variables))
    return {n: tuple(variables) for n, variables in found.items()}
