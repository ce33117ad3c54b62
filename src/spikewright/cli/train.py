"""`spikewright train`: a data set and a recipe become a trained network."""

from __future__ import annotations

from pathlib import Path

import typer

from spikewright.cli.console import JSON, SEED, cache_folder, say, write, write_json


def train(
    what: str = typer.Argument("digits", help="A data set; see `spikewright list data`."),
    data: Path | None = typer.Option(None, "--data", help="Folder of the data set's files."),
    recipe: str | None = typer.Option(
        None, "--recipe", help="Recipe; default: the one of that name."
    ),
    through: str | None = typer.Option(
        None, "--through", help="Substrate to train through, for instance pcm."
    ),
    epochs: int | None = typer.Option(None, "--epochs", min=1, help="Default: the recipe's."),
    checkpoint: Path | None = typer.Option(
        None, "--checkpoint", help="Folder; default: the user's cache."
    ),
    out: Path | None = typer.Option(
        None, "--out", help="File (.h5, .nir) for the trained network."
    ),
    seed: int = SEED,
    json: bool = JSON,
) -> None:
    """Train a network. Ctrl-C keeps everything (exit status 130); the same command goes on from there."""
    from spikewright.cli.documents import check_ending, check_place, write_network

    if out is not None:
        check_ending(out)
        check_place(out)
    from spikewright import substrates
    from spikewright.report.trainings import Trainings

    chip = substrates.get(through) if through else None
    trainings = Trainings(
        what,
        data,
        cache_folder(checkpoint, "trainings"),
        recipe=recipe,
        epochs=epochs,
        progress=True,
    )
    trained = trainings.train(seed, chip=chip)
    score = trainings.test_accuracy(trained.network, seed)
    if out is not None:
        write_network(trained.network, out)
        say(f"network: {out}")
    best = trained.history[trained.best] if trained.history else None
    if json:
        write_json(
            {
                "data": what,
                "recipe": trainings.recipe,
                "seed": seed,
                "through": through,
                "epochs": len(trained.history),
                "best": trained.best,
                "history": trained.history,
                "test_accuracy": score,
                "seconds": trained.seconds,
                "cached": trained.was_loaded,
                "checkpoint": trained.checkpoint,
            }
        )
        return
    how = "loaded from the cache" if trained.was_loaded else f"trained in {trained.seconds:.0f} s"
    write(f"{what}: {len(trained.history)} epochs, seed {seed}, {how}")
    if best is not None and best.validation_accuracy is not None:
        write(f"  best epoch {trained.best + 1}: validation {best.validation_accuracy:.2%}")
    write(f"  held-out accuracy {score:.2%}")
