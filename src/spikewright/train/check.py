"""What can be known to be wrong before the first step of training: all of it at once."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from spikewright.data.base import Samples
from spikewright.errors import Problems, TrainError
from spikewright.network.graph import Network
from spikewright.train.measure import check_measures
from spikewright.train.samples import ArraySamples, Part
from spikewright.train.settings import Settings

SHOWN = 8
"""Classes that a message lists."""


def check(network: Network, train: Part, validation: Part | None, settings: Settings) -> None:
    """Raise TrainError with everything about network, data and settings that does not fit."""
    problems = Problems()
    for name in ("epochs", "batch"):
        if getattr(settings, name) < 1:
            problems.add(f"fit({name}=)", "must be at least 1", found=getattr(settings, name))
    check_measures(problems, settings.measures)
    if settings.measures and validation is None:
        problems.add(
            "fit(measures=)",
            "are taken on the validation part, and there is none",
            cure="give (train, validation)",
        )
    parts = {"train": train} | ({} if validation is None else {"validation": validation})
    for name, part in parts.items():
        _check_inputs(problems, f"data: {name}", part, network, settings)
    n_classes = 1 + max(int(p.labels.max()) for p in parts.values())
    before = len(problems.lines)
    if len(network.outputs) == 1:
        for name, part in parts.items():
            _check_labels(problems, f"data: {name}", part, network, is_training=name == "train")
    if len(problems.lines) == before:
        _collect(problems, lambda: settings.loss.check(network, n_classes))
    _collect(problems, lambda: settings.loss.record(network))
    for term in settings.regularizers:
        _collect(problems, lambda term=term: term.check(network))  # type: ignore[misc]
    problems.raise_as(TrainError)


def _collect(problems: Problems, check: Callable[[], object]) -> None:
    try:
        check()
    except TrainError as error:
        problems.lines.append(str(error))


def _check_inputs(
    problems: Problems, where: str, part: Part, network: Network, settings: Settings
) -> None:
    if isinstance(part, Samples) and not math.isclose(part.dt, network.dt, rel_tol=1e-9):
        problems.add(
            where,
            "is encoded for another dt than the network's",
            found=f"{part.dt:g} s",
            expected=f"{network.dt:g} s",
            cure="encode with dataset.encoded(encoding, dt=network.dt)",
        )
    if len(network.inputs) != 1:
        problems.add(
            where,
            "is for a network with one input population",
            found=", ".join(network.inputs) or "none",
            cure="train a `Module` of it in a loop of yours, which can give several",
        )
        return
    target = network.populations[network.inputs[0]]
    shape = part.shape if isinstance(part, Samples) else part.inputs.shape[2:]
    # samples are flattened, so only their number has to fit; plain arrays enter as they are
    fits = math.prod(shape) == target.n if isinstance(part, Samples) else (
        shape in (target.shape, (target.n,))
    )  # fmt: skip
    if not fits:
        problems.add(
            where,
            f"does not fit input population {network.inputs[0]!r}",
            found=f"samples of shape {shape}",
            expected=f"shape {target.shape}",
            cure="inputs are time first, then batch, then the population's shape",
        )
    if isinstance(part, ArraySamples) and part.inputs.dtype.kind == "f":
        largest = float(np.abs(part.inputs).max(initial=0.0))
        limit = float(np.finfo(settings.dtype).max)
        if largest > limit:
            problems.add(
                f"{where}: inputs",
                f"are too large for {settings.dtype}",
                found=f"{part.inputs.dtype} up to {largest:.3g}",
                expected=f"at most {limit:.3g}",
                cure="scale them, or train with dtype=torch.float64",
            )


def _check_labels(
    problems: Problems, where: str, part: Part, network: Network, *, is_training: bool
) -> None:
    output = network.outputs[0]
    n = network.populations[output].n
    outside = np.flatnonzero(part.labels >= n)
    if outside.size:
        problems.add(
            f"{where}: labels",
            f"are out of range for output population {output!r}, which has a neuron per class",
            found=f"{part.labels[outside[0]]} (sample {outside[0]}) among {outside.size}",
            expected=f"0 to {n - 1}",
            cure=f"give {output!r} {int(part.labels.max()) + 1} neurons, or count labels from 0",
        )
    if is_training:
        empty = np.setdiff1d(np.arange(n), part.labels)
        if empty.size:
            listed = ", ".join(map(str, empty[:SHOWN])) + (", ..." if empty.size > SHOWN else "")
            problems.add(
                f"{where}: labels",
                f"leave {empty.size} of {n} classes without a sample",
                found=f"none of class {listed}",
                expected=f"samples of every class 0 to {n - 1}",
                cure=f"check how the data was split, or give {output!r} as many neurons as classes",
            )
