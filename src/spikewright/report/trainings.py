"""Networks for a comparison from recipes, kept in a folder: what is finished is loaded, what was stopped is resumed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spikewright.errors import UsageError, explain
from spikewright.network.graph import Network
from spikewright.report.compare import Prepared
from spikewright.report.targets import Target
from spikewright.substrates.base import Substrate
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


@dataclass(frozen=True)
class Fitted:
    """A network of its own, and perhaps data of its own, for a substrate that the usual ones do not fit.

    Parameters
    ----------
    recipe : name of a constant of `train.recipes`
    data : name of a function there, of the folder where the data has one; "" for the usual arrangement
    note : what is different, and which limit asks for it
    """

    recipe: str
    data: str
    note: str


FITTED: dict[tuple[str, str], Fitted] = {
    ("digits", "odin"): Fitted(
        "ODIN_DIGITS",
        "",
        "64-182-10 in place of the usual network: a core has 256 rows, inputs included",
    ),
    ("digits", "xylo"): Fitted(
        "XYLO_DIGITS",
        "phased_digits_data",
        "16-128-128-10 in place of the usual network: the chip has 16 inputs, so two rows of the image come at a time",
    ),
    ("fsdd", "odin"): Fitted(
        "ODIN_FSDD",
        "",
        "80-166-10 in place of the usual network: a core has 256 rows, inputs included",
    ),
    ("fsdd", "xylo"): Fitted(
        "XYLO_FSDD",
        "counted_fsdd_data",
        "16-128r-10 in place of the usual network: the chip has 16 inputs, so there are 16 mel bands",
    ),
}
"""Data set and substrate -> what is trained there."""


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
        self._name, self._folder = name, folder
        self._checkpoints = checkpoints
        self._changes = {} if epochs is None else {"epochs": epochs}
        self._progress, self._pause = progress, pause
        self._own: dict[str, Dataset] = {}

    def train(self, seed: int, *, chip: Substrate | None = None, tuned: int = 0) -> Trained:
        """Return what `fit` gives.

        Parameters
        ----------
        seed : of the training
        chip : whose neurons the network gets and whose passes it is trained through
        tuned : epochs through the passes that follow a training without them; 0: all epochs
        """
        return self._train(seed, chip, tuned, *self._fitted(chip))

    def __call__(self, seed: int, line: Target, chip: Substrate | None) -> Prepared:
        """Return a trained network, and "cached" or how long it took.

        Raises
        ------
        LimitError, SubstrateError : the chip cannot take the network; found before it is trained
        """
        recipe, data = self._fitted(chip)
        if chip is not None:
            chip.compile(recipe.network(data, seed, chip.adapted))
        trained = self._train(seed, chip, line.tuned, recipe, data)
        if trained.was_loaded:
            word = "cached"
        else:
            word = f"trained in {trained.seconds:.0f} s"
            if trained.resumed_from:
                word += f" (resumed at epoch {trained.resumed_from + 1})"
        fitted = None if chip is None else FITTED.get((self._name, chip.name))
        own = None if data is self.dataset else data
        return Prepared(trained.network, word, own, fitted.note if fitted else "")

    def _fitted(self, chip: Substrate | None) -> tuple[Recipe, Dataset]:
        """Return the recipe and the data for a chip."""
        from spikewright.train import recipes

        fitted = None if chip is None else FITTED.get((self._name, chip.name))
        if fitted is None:
            return self._recipe, self.dataset
        recipe: Recipe = getattr(recipes, fitted.recipe)
        if not fitted.data:
            return recipe, self.dataset
        if fitted.data not in self._own:
            folder = () if self._folder is None else (self._folder,)
            self._own[fitted.data] = getattr(recipes, fitted.data)(*folder)
        return recipe, self._own[fitted.data]

    def _train(
        self, seed: int, chip: Substrate | None, tuned: int, recipe: Recipe, data: Dataset
    ) -> Trained:
        if self._pause is not None:
            self._pause()
        changes: dict[str, Any] = {"checkpoint": self._checkpoints, "progress": self._progress}
        through = () if chip is None else chip.passes
        if tuned and through:
            plain = recipe.train(data, seed=seed, **changes, **self._changes)
            return recipe.tune(
                plain.network, data, seed=seed, epochs=tuned, through=through, **changes
            )
        adapt = None if chip is None else chip.adapted
        changes |= {"through": through, **self._changes}
        return recipe.train(data, seed=seed, adapt=adapt, **changes)

    def test_accuracy(self, network: Network, seed: int) -> float:
        """Return the accuracy on the held-out part, on the ideal substrate."""
        from spikewright.report.compare import held_out_accuracy

        return held_out_accuracy(network, self.dataset, seed=seed)
