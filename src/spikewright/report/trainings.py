"""Networks for a comparison from recipes, kept in a folder: what is finished is loaded, what was stopped is resumed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spikewright.errors import UsageError, explain
from spikewright.network.graph import Network
from spikewright.report.compare import Prepared
from spikewright.report.targets import Target
from spikewright.substrates.base import Pass, Substrate
from spikewright.units import ms

if TYPE_CHECKING:
    from spikewright.data import Dataset
    from spikewright.train import Recipe, Trained

RECIPES = ("digits", "fashion_mnist", "fsdd", "mnist")
"""Data sets that have a recipe. Those of 60 000 images use the one of `digits` with fewer, larger steps."""
LARGE = {"epochs": 4, "batch": 128}


def recipe_of(name: str) -> Recipe:
    """Return the recipe of a name.

    Raises
    ------
    UsageError : there is none
    """
    from spikewright.train import DIGITS, FSDD

    if name not in RECIPES:
        raise UsageError(explain(f"recipe {name!r}", "unknown", expected=", ".join(RECIPES)))
    if name == "fsdd":
        return FSDD
    return DIGITS if name == "digits" else replace(DIGITS, settings=DIGITS.settings | LARGE)


def data_of(name: str, folder: Path | None) -> Dataset:
    """Return a data set as its recipe wants it: as spikes, the training part augmented where that helps.

    Raises
    ------
    UsageError : it needs a folder, or needs none
    DataError, FormatError : its files are missing or damaged
    """
    from spikewright.train import digits_data, fsdd_data

    if name == "digits":
        if folder is not None:
            raise UsageError(
                explain("--data", "not for 'digits', which scikit-learn brings", found=folder)
            )
        return digits_data()
    if folder is None:
        raise UsageError(
            explain(f"data set {name!r}", "its files are not shipped", cure="say --data FOLDER")
        )
    if name == "fsdd":
        return fsdd_data(folder)
    from spikewright.data import DeterministicRate, load

    return load(name, folder, encoding=DeterministicRate(), steps=20, dt=1 * ms)


class Trainings:
    """A trainer for `compare`, for one data set.

    Parameters
    ----------
    name : data set
    folder : of its files, or None where it needs none
    checkpoints : folder where trainings are kept
    recipe : name of the recipe; default: the one of the data set's name
    epochs : instead of the recipe's
    progress : whether to show a bar per training
    pause : called before a training shows its own bar
    """

    def __init__(
        self,
        name: str,
        folder: Path | None,
        checkpoints: Path,
        *,
        recipe: str | None = None,
        epochs: int | None = None,
        progress: bool = True,
        pause: Callable[[], None] | None = None,
    ) -> None:
        self.recipe = recipe or name
        self._recipe = recipe_of(self.recipe)
        self.dataset = data_of(name, folder)
        self._checkpoints = checkpoints
        self._changes = {} if epochs is None else {"epochs": epochs}
        self._progress, self._pause = progress, pause

    def train(
        self,
        seed: int,
        through: Sequence[Pass] = (),
        *,
        chip: Substrate | None = None,
        tuned: int = 0,
    ) -> Trained:
        """Return what `fit` gives.

        Parameters
        ----------
        seed : of the training
        through : passes to train through
        chip : whose neurons the network gets and whose passes it is trained through, besides
        tuned : epochs through the passes that follow a training without them; 0: all epochs
        """
        if self._pause is not None:
            self._pause()
        changes: dict[str, Any] = {"checkpoint": self._checkpoints, "progress": self._progress}
        through = (*through, *(chip.passes if chip is not None else ()))
        if tuned and through:
            plain = self._recipe.train(self.dataset, seed=seed, **changes, **self._changes)
            return self._recipe.tune(
                plain.network, self.dataset, seed=seed, epochs=tuned, through=through, **changes
            )
        changes |= {"through": through, **self._changes}
        adapt = None if chip is None else chip.adapted
        return self._recipe.train(self.dataset, seed=seed, adapt=adapt, **changes)

    def __call__(self, seed: int, line: Target, chip: Substrate | None) -> Prepared:
        """Return a trained network, and "cached" or how long it took."""
        trained = self.train(seed, chip=chip, tuned=line.tuned)
        if trained.was_loaded:
            return Prepared(trained.network, "cached")
        word = f"trained in {trained.seconds:.0f} s"
        if trained.resumed_from:
            word += f" (resumed at epoch {trained.resumed_from + 1})"
        return Prepared(trained.network, word)

    def test_accuracy(self, network: Network, seed: int) -> float:
        """Return the accuracy on the held-out part, on the ideal substrate."""
        from spikewright.report.compare import held_out_accuracy

        return held_out_accuracy(network, self.dataset, seed=seed)
