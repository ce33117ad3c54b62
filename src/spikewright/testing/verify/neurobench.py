"""NeuroBench: stored networks, inputs and activity are run here, and every metric is compared with the harness'.

A folder holds `index.json` (per case: layers, neurons, batch size, metrics) and `<case>.npz` (weights, inputs,
labels, activity per layer). Counts must be equal, ratios to `RATIO`; spikes equal, other activity to `ANALOG`.

The neurons are snnTorch's `Leaky` with its delayed reset: what a spike takes away, it takes at the start of the next
step. Its buffers have 20 bytes when the harness measures the footprint (README of the vectors): three float32 and one
int64.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spikewright.engines import Recording, run
from spikewright.errors import VerifyError, explain
from spikewright.network import (
    Compose,
    Conv,
    Dense,
    Flatten,
    Input,
    Network,
    NeuronModel,
    Population,
    Projection,
    Propagation,
    Relay,
    Topology,
)
from spikewright.report import neurobench
from spikewright.testing.verify.case import Case, difference
from spikewright.testing.verify.folder import Arrays, cases_in

ENGINE = "reference"
DT = 1e-3
RATIO = 1e-9
ANALOG = 1e-5
LEAKY_BYTES = 20
INPUT = "input"

_FIELDS: dict[str, Any] = {
    "state": {"mem": "1"},
    "params": {"beta": (0.9, "1"), "threshold": (1.0, "1")},
    "inputs": {"x": "1"},
    "threshold": "mem > threshold",
    "source": "snnTorch 1.0.0, Leaky with reset_delay=True",
}
LEAKY = {
    "subtract": NeuronModel(
        name="LeakySubtractLate",
        update={"mem": "beta * mem + x - (threshold if mem > threshold else 0)"},
        **_FIELDS,
    ),
    "zero": NeuronModel(
        name="LeakyZeroLate",
        update={"mem": "(0 if mem > threshold else beta * mem) + x"},
        **_FIELDS,
    ),
}
RELU = NeuronModel(
    name="ReLU",
    state={},
    params={},
    inputs={"x": "1"},
    output="maximum(x, 0)",
    source="Definition: max(x, 0)",
)


def verify(folder: Path) -> list[Case]:
    """Compare every case of a folder; one Case for its activity and one per metric.

    Raises
    ------
    VerifyError : the folder is missing, holds no vectors or no index
    """
    index = folder / "index.json"
    if folder.is_dir() and not index.is_file():
        raise VerifyError(explain(str(folder), "holds no index.json"))
    found: Mapping[str, Any] = {}
    if index.is_file():
        try:
            found = json.loads(index.read_text(encoding="utf-8"))["cases"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise VerifyError(explain(str(index), "not an index of cases", found=error)) from None
    cases = cases_in(
        folder, lambda name, arrays: _compare(name.removesuffix(".npz"), arrays, found)
    )
    missing = [n for n in found if not (folder / f"{n}.npz").is_file()]
    return cases + [Case(n, False, f"there is no {n}.npz") for n in missing]


def _compare(case: str, arrays: Arrays, index: Mapping[str, Any]) -> list[Case]:
    if case not in index:
        return [Case(case, False, "not recognized: not in index.json")]
    about = index[case]
    network = build(about, arrays)
    x = arrays["x"]
    inputs = x.swapaxes(0, 1) if about["spiking"] else x[None]
    recording = run(
        network,
        {INPUT: inputs.astype(np.float64)},
        engine=ENGINE,
        record=neurobench.membranes(network),
    )
    cases = [_activity(f"{case}: activity", recording, arrays, about["spiking"])]
    predicted = neurobench.choose_max_count(recording)
    measured = neurobench.measure(
        recording,
        batch=about["batch_size"],
        predicted=predicted,
        labels=arrays["labels"],
        buffers=dict.fromkeys(about["neurons"], LEAKY_BYTES),
    ).as_dict()
    for metric, wanted in about["metrics"].items():
        name = f"{case}: {metric}"
        if metric not in measured:
            cases.append(Case(name, False, "not recognized"))
            continue
        cases.append(_metric(name, measured[metric], wanted))
    return cases


def _metric(name: str, found: Any, wanted: Any) -> Case:
    ours, theirs = _numbers(found), _numbers(wanted)
    if ours.keys() != theirs.keys():
        return Case(name, False, f"found {', '.join(ours)}, expected {', '.join(theirs)}")
    for part, value in theirs.items():
        tolerance = 0.0 if isinstance(wanted, int) else RATIO * max(1.0, abs(value))
        if not abs(ours[part] - value) <= tolerance:
            return Case(name, False, f"{part} found {ours[part]!r}, expected {value!r}".strip())
    return Case(name, True, "equal: " + ", ".join(f"{k} {v:g}".strip() for k, v in theirs.items()))


def _numbers(value: Any) -> dict[str, float]:
    return {
        str(k): float(v) for k, v in (value if isinstance(value, Mapping) else {"": value}).items()
    }


def _activity(name: str, recording: Recording, arrays: Arrays, spiking: bool) -> Case:
    total = 0
    for population in recording.network.populations:
        stored = arrays.get(f"act:{population}.out")
        if stored is None:
            continue
        found = recording.dense(population)
        wanted = stored if spiking else stored[None]
        fires = recording.network.populations[population].model.is_spiking
        wrong = difference(population, found, wanted, tolerance=0.0 if fires else ANALOG)
        if wrong:
            return Case(name, False, wrong)
        total += int(np.count_nonzero(wanted))
    return Case(name, True, f"{total} spikes equal" if spiking else f"equal to {ANALOG:g}")


def build(about: Mapping[str, Any], arrays: Arrays) -> Network:
    """Return the network of a case: linear layers that follow each other are one projection.

    Raises
    ------
    VerifyError : a layer of another kind
    """
    shape = arrays["x"].shape[2 if about["spiking"] else 1 :]
    populations = {INPUT: Population(Input, shape)}
    projections: dict[str, Projection] = {}
    pre, row, bias, last = INPUT, [], None, ""

    def join(name: str, population: Population) -> None:
        nonlocal pre, row, bias
        topology: Topology = row[0] if len(row) == 1 else Compose(tuple(row))
        full = None if bias is None else np.broadcast_to(bias, population.shape)
        populations[name] = population
        projections[name] = Projection(pre, name, topology, bias=full)
        pre, row, bias = name, [], None

    for name, text in about["layers"]:
        kind = text.partition("(")[0]
        last = name
        if kind in ("Leaky", "ReLU"):
            join(name, _neurons(kind, shape, about["neurons"].get(name)))
            continue
        row.append(_map(kind, text, arrays.get(f"{name}.weight")))
        shape = row[-1].out_shape(shape)
        if f"{name}.bias" in arrays:
            own = arrays[f"{name}.bias"].astype(np.float64)
            bias = own.reshape(-1, *(1,) * (len(shape) - 1))
    if row:
        join(last, Population(Relay, shape))
    return Network(DT, populations, projections, propagation=Propagation.SAME_STEP)


def _neurons(kind: str, shape: tuple[int, ...], about: Mapping[str, Any] | None) -> Population:
    if kind == "ReLU" or about is None:
        return Population(RELU, shape)
    params = {"beta": about["beta"], "threshold": about["threshold"]}
    return Population(LEAKY[about["reset"]], shape, params)


def _map(kind: str, text: str, weight: NDArray[Any] | None) -> Topology:
    if kind == "Flatten":
        return Flatten()
    if weight is None or kind not in ("Linear", "Conv2d"):
        raise VerifyError(explain("layer", "not recognized", found=text))
    weight = weight.astype(np.float64)
    if kind == "Linear":
        return Dense(weight)
    return Conv(weight, _pair(text, "stride", 1), _pair(text, "padding", 0))


def _pair(text: str, name: str, default: int) -> tuple[int, int]:
    found = re.search(rf"{name}=\((\d+), (\d+)\)", text)
    return (int(found[1]), int(found[2])) if found else (default, default)
