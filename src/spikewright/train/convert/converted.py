"""A trained torch network becomes a spiking network that says the same with rates."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from spikewright.errors import Problems, TrainError, explain
from spikewright.network.graph import Network
from spikewright.network.topology import Shape
from spikewright.train.convert import balance, report
from spikewright.train.convert.build import build, stages
from spikewright.train.convert.report import ConversionReport
from spikewright.train.convert.trace import read
from spikewright.units import ms


@dataclass(frozen=True)
class Converted:
    """What a conversion gives.

    Parameters
    ----------
    network : the spiking network
    thresholds : population -> activation that one spike stands for
    layers : population -> the activation of the module that it took the place of
    report : how far it is from the original, after every number of steps
    """

    network: Network
    thresholds: Mapping[str, float]
    layers: Mapping[str, str]
    report: ConversionReport

    def outputs(self, inputs: ArrayLike | Tensor, *, steps: int) -> NDArray[np.float64]:
        """Return what the network says after each step, in the unit of the original's outputs.

        Parameters
        ----------
        inputs : array, B *shape, held for all steps
        steps : T

        Returns
        -------
        float64 array, T B outputs
        """
        x = (
            inputs.detach().cpu()
            if isinstance(inputs, Tensor)
            else torch.as_tensor(np.array(inputs))
        )
        return np.stack(
            [y for y, _ in report.outputs(self.network, self.thresholds, x.double(), steps)]
        )


def convert(
    module: nn.Module,
    input_shape: int | Shape,
    *,
    calibration: Any,
    samples: tuple[Any, Any] | None = None,
    percentile: float = 99.9,
    initial: float = 0.5,
    steps: int = 32,
    dt: float = 1 * ms,
    name: str = "converted",
) -> Converted:
    """Return a trained network as integrate-and-fire neurons whose rates are its activations.

    Linear, Conv1d/2d, average pooling, Flatten and sums become projections; BatchNorm is folded into them; Dropout and
    Identity are left out. ReLU (also clipped) and QCFS become neurons. Maximum pooling is refused.

    Parameters
    ----------
    module : Sequential, nested, or anything that `torch.fx` can trace; as in `eval()`; it is not changed
    input_shape : of one sample: N, or (C, X) or (C, Y, X)
    calibration : inputs like those it was trained on, B *shape: thresholds are measured on them
    samples : (inputs, labels) that the report compares on, or (inputs, None); default: those of the calibration
    percentile : of positive activations that a ReLU's threshold is; 100 is the maximum
    initial : membranes at the start, as a share of the threshold; 0.5 rounds where 0 rounds down
    steps : the report's largest T
    dt : s
    name : of the network

    Raises
    ------
    TrainError : before anything runs: every layer that cannot be converted, inputs that do not fit

    Source
    ------
    Rueckauer et al., Frontiers in Neuroscience 11:682, 2017; Bu et al., ICLR 2022. See `docs/concepts/conversion.md`.

    Examples
    --------
    >>> from spikewright.train.convert import QCFS
    >>> ann = nn.Sequential(nn.Linear(2, 2, bias=False), QCFS(4, threshold=1.0))
    >>> _ = nn.init.eye_(ann[0].weight)
    >>> done = convert(ann, 2, calibration=[[0.2, 0.8]], steps=4)
    >>> done.outputs([[0.2, 0.8]], steps=4)[-1].tolist(), ann(torch.tensor([[0.2, 0.8]])).tolist()
    ([[0.25, 0.75]], [[0.25, 0.75]])
    """
    shape = (input_shape,) if isinstance(input_shape, int | np.integer) else tuple(input_shape)
    _check(percentile, initial, steps)
    module = copy.deepcopy(module).cpu().eval()
    graph = read(module)
    _check_finite(module)
    like = next(module.parameters(), torch.zeros(()))
    known = _inputs("calibration", calibration, shape, like)
    if samples is None:
        x, labels = known, None
    elif isinstance(samples, tuple | list) and len(samples) == 2:
        x = _inputs("samples", samples[0], shape, like)
        labels = _labels(samples[1], len(x))
    else:
        raise TrainError(
            explain("convert(samples=)", "must be (inputs, labels)", found=type(samples).__name__)
        )
    parts = stages(graph, shape)
    levels = balance.thresholds(graph, known, percentile=percentile)
    built = build(parts, shape, levels, initial=initial, dt=dt, name=name)
    found = report.compare(built, module, x, labels, steps=steps)
    return Converted(built.network, built.thresholds, built.layers, found)


def _check(percentile: float, initial: float, steps: int) -> None:
    problems = Problems()
    if not 0 < percentile <= 100:
        problems.add(
            "convert(percentile=)",
            "not a percentile",
            found=percentile,
            expected="more than 0, at most 100",
        )
    if not 0 <= initial < 1:
        problems.add(
            "convert(initial=)",
            "not a share of the threshold",
            found=initial,
            expected="0 to below 1",
        )
    if not isinstance(steps, int | np.integer) or steps < 1:
        problems.add("convert(steps=)", "not a number of steps", found=steps, expected="1, 2, ...")
    problems.raise_as(TrainError)


def _check_finite(module: nn.Module) -> None:
    problems = Problems()
    for name, held in module.state_dict().items():
        if not torch.isfinite(held).all():
            problems.add(f"convert: {name!r}", "not all numbers are finite", cure="train it again")
    problems.raise_as(TrainError)


def _inputs(what: str, given: Any, shape: Shape, like: Tensor) -> Tensor:
    x = _tensor(given, f"convert({what}=)")
    if tuple(x.shape[1:]) != shape or not len(x):
        raise TrainError(
            explain(
                f"convert({what}=)",
                "wrong shape",
                found=tuple(x.shape),
                expected=f"(B, {', '.join(map(str, shape))})",
                cure="give samples as the module takes them, at least one",
            )
        )
    x = x.to(like.dtype)
    if not torch.isfinite(x).all():
        raise TrainError(explain(f"convert({what}=)", "not all numbers are finite"))
    return x


def _tensor(given: Any, where: str) -> Tensor:
    if isinstance(given, Tensor):
        return given.detach().cpu()
    try:
        array = np.asarray(given)
    except ValueError:  # rows of different lengths
        array = np.asarray(None)
    if array.dtype.kind not in "buif":
        raise TrainError(explain(where, "not an array of numbers", found=type(given).__name__))
    return torch.tensor(array)


def _labels(given: Any, n: int) -> NDArray[np.int64] | None:
    if given is None:
        return None
    labels = np.asarray(given)
    if labels.shape != (n,) or labels.dtype.kind not in "iu":
        raise TrainError(
            explain(
                "convert(samples=): labels",
                "must be one whole number per sample",
                found=f"{labels.dtype} of shape {labels.shape}",
                expected=(n,),
            )
        )
    return labels.astype(np.int64)
