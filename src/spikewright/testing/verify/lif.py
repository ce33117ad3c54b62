"""Neurons of other training libraries: spikes, membranes and gradients of one layer, and spikes of whole networks.

A file of kind "neuron" holds the input `x` (T B K), weights, and factors `c`, `d` (T B N) of the loss sum(c * spikes) +
sum(d * v); `grad_<name>` are its gradients. Spikes must be equal, of the differentiable step and of the reference
engine; membranes to 1e-9 and gradients to 1e-5 of the largest value of their array. A file of kind "network" holds
layers, an input and `spikes_<layer>`: the imported network must send the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from spikewright.engines import run
from spikewright.network import (
    Dense,
    Input,
    Network,
    OneToOne,
    Population,
    Projection,
    Propagation,
    Relay,
)
from spikewright.network.model import Reset
from spikewright.testing.verify.case import Case, difference
from spikewright.testing.verify.folder import Arrays, cases_in

if TYPE_CHECKING:
    from spikewright.train.presets import Preset

MEMBRANE, GRADIENT = 1e-9, 1e-5
DT = 1e-3
ENGINE = "reference"


def verify(folder: Path, *, fused: bool = True) -> list[Case]:
    """Compare every `.npz` file of a folder.

    Parameters
    ----------
    folder : of vectors
    fused : by the kernels that training uses, compiled the first time (a second or two for each model); else step by
        step by PyTorch

    Raises
    ------
    VerifyError : the folder is missing or holds no vectors
    """

    def compare(name: str, arrays: Arrays) -> list[Case]:
        meta = json.loads(str(arrays["meta"]))
        if meta["kind"] == "neuron":
            passed, detail = neuron(meta, arrays, fused=fused)
        elif meta["kind"] == "network":
            passed, detail = network(meta, arrays)
        else:
            passed, detail = False, f"not recognized: kind {meta['kind']!r}"
        return [Case(name, passed, detail)]

    return cases_in(folder, compare)


def neuron(meta: Mapping[str, Any], arrays: Arrays, *, fused: bool) -> tuple[bool, str]:
    """Compare one layer of neurons."""
    from spikewright.train.presets import LIBRARIES, PRESETS
    from spikewright.train.sensitivity import sensitivity
    from spikewright.train.step import Kernels

    library = LIBRARIES[meta["neuron"].partition(".")[0]]
    options = dict(meta["options"])
    recurrent = _recurrent(options, arrays)
    chosen = PRESETS[meta["neuron"]](**_read(library, options))
    net = _layer(chosen, recurrent, arrays)
    sending = net.outputs[0]
    weights = [q for q in net.projections if q != "out->late"]
    found = sensitivity(
        net,
        {"in": arrays["x"]},
        sent={sending: arrays["c"]},
        traces={"out": {"v": arrays["d"]}} if "d" in arrays else {},
        trainable=(*weights, *(f"out.{p}" for p in meta["trained"])),
        surrogate=chosen.surrogate,
        reset_gradient=chosen.reset_gradient,
        kernels=Kernels.FUSED if fused else Kernels.AUTOGRAD,
    )
    wrong = difference("spikes", found.sent[sending], arrays["spikes"])
    engine = run(net, {"in": arrays["x"]}, engine=ENGINE).dense(sending)
    wrong = wrong or difference(f"spikes of engine {ENGINE!r}, ", engine, arrays["spikes"])
    if "v" in arrays:
        wrong = wrong or _far("v", found.traces["out"]["v"], arrays["v"], MEMBRANE)[0]
    own = {
        "x": found.inputs["in"],
        "w": found.weights["in->out"],
        "w_rec": found.weights.get("out->out"),
        "w_one": found.weights.get("out->out"),
        "bias": found.biases.get("out->out"),
    } | {p: found.params["out", p] for p in meta["trained"]}
    stored = {k: g for k, g in arrays.items() if k.startswith("grad_")}
    largest = 0.0
    for name, expected in stored.items():
        gradient = own[name.removeprefix("grad_")]
        if gradient is None:
            return False, f"{name}: there is no such gradient"
        far, error = _far(name, gradient, expected, GRADIENT)
        wrong, largest = wrong or far, max(largest, error)
    if wrong:
        return False, wrong
    spikes = f"{np.count_nonzero(arrays['spikes'])} spikes equal"
    if not stored:
        return True, f"{spikes}; no gradients stored"
    return True, f"{spikes}; {len(stored)} gradients equal: {largest:.2g} <= {GRADIENT:g}"


def _layer(chosen: Preset, recurrent: Dense | OneToOne | None, arrays: Arrays) -> Network:
    """Return input -> neurons; where the library sends a step later, a relay behind them does too."""
    n, n_in = arrays["w"].shape
    populations = {"in": Population(Input, n_in), "out": chosen.population(n)}
    projections = {"in->out": Projection("in", "out", Dense(arrays["w"]))}
    if recurrent is not None:
        bias = arrays.get("bias")
        projections["out->out"] = Projection("out", "out", recurrent, delay=DT, bias=bias)
    sending = "out"
    if chosen.late:
        sending = "late"
        populations["late"] = Population(Relay, n)
        one = OneToOne(np.ones(()))
        projections["out->late"] = Projection("out", "late", one, delay=chosen.late * DT)
    return Network(
        DT, populations, projections, outputs=(sending,), propagation=Propagation.SAME_STEP
    )


def _far(
    what: str, found: NDArray[Any], expected: NDArray[Any], tolerance: float
) -> tuple[str, float]:
    """Return "" or the first difference, and the largest error, relative to the largest expected value."""
    scale = float(np.max(np.abs(expected)))
    wrong = difference(what, found, expected, tolerance=tolerance, scale=scale, of="of the largest")
    return wrong, 0.0 if wrong else float(np.max(np.abs(found - expected))) / scale


def _recurrent(options: dict[str, Any], arrays: Arrays) -> Dense | OneToOne | None:
    if "w_rec" in arrays:
        return Dense(arrays["w_rec"])
    if "w_one" in options:
        return OneToOne(np.asarray(options.pop("w_one")))
    return None


def _read(library: Any, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a preset: plain data made into values."""
    if "reset" in options:
        options["reset"] = Reset(options["reset"])
    if "method" in options:  # the library names its surrogate so
        options["surrogate"] = library.SURROGATES[options.pop("method")](options.pop("alpha"))
    elif "surrogate" in options:
        fields = dict(options["surrogate"])
        make = library.SURROGATES[fields.pop("name")]
        if library.__name__.endswith("sinabs"):
            options["surrogate"] = make(options["v_th"], **fields)
        else:
            options["surrogate"] = make(*fields.values())
    return options


def network(meta: Mapping[str, Any], arrays: Arrays) -> tuple[bool, str]:
    """Compare an imported network."""
    from spikewright.train.importers import IMPORTERS

    layers = [stand_in(d, f"{n}", arrays) for n, d in enumerate(meta["layers"])]
    net = IMPORTERS[meta["library"]](layers, shape=tuple(meta["shape"]), dt=DT)
    found = run(net, {"input": arrays["x"]}, engine=ENGINE)
    spiking = [n for n, p in net.populations.items() if p.model.is_spiking]
    stored = sorted((k for k in arrays if k.startswith("spikes_")), key=lambda k: int(k[7:]))
    if len(spiking) != len(stored):
        return False, f"{len(spiking)} spiking populations, expected {len(stored)}"
    for name, key in zip(spiking, stored, strict=True):
        wrong = difference(f"{key} ({name})", found.dense(name), arrays[key])
        if wrong:
            return False, wrong
    total = sum(int(np.count_nonzero(arrays[k])) for k in stored)
    return True, f"{total} spikes of {len(stored)} layers equal"


def stand_in(described: Mapping[str, Any], prefix: str, arrays: Arrays) -> object:
    """Return an object with the class name and the attributes of a library's layer."""
    made = type(described["kind"], (), {})()
    for name, value in described["plain"].items():
        setattr(made, name, tuple(value) if isinstance(value, list) else value)
    for name in described["arrays"]:
        held: NDArray[Any] = np.asarray(arrays[f"{prefix}.{name}"])
        setattr(made, name, held)
    for name, inside in described["inside"].items():
        setattr(made, name, stand_in(inside, f"{prefix}.{name}", arrays))
    return made
