"""The brain of the adult fly as a spiking model: the published constants, the diagram from the user's own files, the
experiment (drive some neurons with Poisson spikes, silence others).

Two models of the same neuron, with v in volt and g what synapses add to it:

    tau_m dv/dt = v_rest - v + g        tau_s dg/dt = -g        both stand still while it is refractory
    v > v_th: spike; v = v_reset, g = 0        an arrival adds its weight to g, refractory or not

`ShiuPublished` is this on the published grid, in the order of its simulator: integrate, fire, add what arrives,
reset. So what arrives in the step of a spike is lost, and delays are one step shorter than said (what is sent in
step k is added in step k + 18, seen by the integration of step k + 19).

`ShiuLIF` is linear, so that quiet neurons cost nothing (`lazy`): g goes on decaying while v is held. What arrives then
counts up to exp(-2.1 / 5), a third, less: neurons that fire often get a little less input. All else is equal.

Source
------
Shiu et al., "A Drosophila computational brain model reveals sensorimotor processing", Nature 634, 2024, methods;
constants and the meaning of columns also from its repository philshiu/Drosophila_brain_model. That driven neurons
have no refractory period is there, and in its stored spikes: their shortest interval is two steps of 0.1 ms.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spikewright.errors import FormatError, NetworkError, explain
from spikewright.network.connectome.diagram import Connectome
from spikewright.network.connectome.lists import distinct
from spikewright.network.connectome.tables import PARQUET, chosen, read_parquet, read_table
from spikewright.network.graph import Network, Population, Projection
from spikewright.network.library import PoissonSource
from spikewright.network.model import NeuronModel, Refractory
from spikewright.network.topology import Sparse
from spikewright.units import Hz, ms, mV

DT = 0.1 * ms
"""Step of the published runs (the default of their simulator; spike times in their files are multiples of it)."""
DELAY = 1.8 * ms
W_SYN = 0.275 * mV
"""Weight of one synapse, in g."""
KICK = 250 * W_SYN
"""What one spike of the drive adds to v: above threshold at once."""
RATE = 150 * Hz
"""Of the drive, where nothing else is said."""
T_REF = 2.2 * ms
_CONSTANTS: dict[str, tuple[float, str]] = {
    "tau_m": (20 * ms, "s"),
    "v_rest": (-52 * mV, "V"),
    "v_th": (-45 * mV, "V"),
    "v_reset": (-52 * mV, "V"),
}
_SOURCE = "Shiu et al., Nature 634 (2024), methods"
POPULATION = "brain"

ShiuLIF = NeuronModel(
    name="ShiuLIF",
    state={"g": "V", "v": "V"},
    params=_CONSTANTS | {"tau_s": (5 * ms, "s"), "t_ref": (T_REF - DT, "s")},
    inputs={"spikes": "V", "kick": "V"},
    jumps={"spikes": "g", "kick": "v"},
    dynamics={"g": "-g / tau_s", "v": "(v_rest - v + g) / tau_m"},
    threshold="v > v_th",
    reset={"v": "v_reset", "g": "0"},
    refractory=Refractory("t_ref", hold=("v",)),
    initial={"v": "v_rest"},
    source=_SOURCE + "; g decays while v is held",
)

# exact steps of the linear equations; the step is part of the published model
_SLOW, _FAST = math.exp(-DT / (20 * ms)), math.exp(-DT / (5 * ms))
ShiuPublished = NeuronModel(
    name="ShiuPublished",
    state={"v": "V", "g": "V", "late": "V", "left": "1"},
    params={
        **{n: v for n, v in _CONSTANTS.items() if n != "tau_m"},
        "slow": (_SLOW, "1"),
        "fast": (_FAST, "1"),
        # of g on v within a step: tau_s / (tau_s - tau_m) * (fast - slow)
        "gain": (5 / (5 - 20) * (_FAST - _SLOW), "1"),
        "n_ref": (round(T_REF / DT) - 1.0, "1"),
    },
    inputs={"spikes": "V", "kick": "V"},
    update={
        "v": "v + late if left > 0 else v_rest + (v + late - v_rest) * slow + g * gain",
        "g": "(g if left > 0 else g * fast) + spikes",
        # what the drive adds is seen by the next step's threshold, unless a spike is sent in between
        "late": "kick",
        "left": "maximum(left - 1, 0)",
    },
    threshold="v > v_th",
    reset={"v": "v_reset", "g": "0", "late": "0", "left": "n_ref"},
    initial={"v": "v_rest"},
    source=_SOURCE + "; order of Brian2's steps; dt is 0.1 ms",
)


def shiu2024(
    connectivity: str | os.PathLike[str],
    completeness: str | os.PathLike[str] | None = None,
    *,
    columns: Mapping[str, str] | None = None,
) -> Connectome:
    """Read the adult fly's diagram from the files of the paper: Connectivity_783.parquet and Completeness_783.csv.

    Parameters
    ----------
    connectivity : .parquet (or .csv, .npz) with one row per pair of neurons: `Presynaptic_ID`, `Postsynaptic_ID`,
        `Connectivity` (synapses) and `Excitatory` (1 or -1); where the index columns `Presynaptic_Index`,
        `Postsynaptic_Index` are there as well, they must lead to the same neurons of `completeness`
    completeness : .csv whose first column is the neurons in the model's order (or .npz with `root_id`); None: the
        neurons of the rows, sorted
    columns : pre, post, count, sign -> name in the file, where it has others

    Raises
    ------
    FormatError : a file or a column is missing, PyArrow is not installed, the indices name other neurons
    NetworkError : ids that are not known, duplicates
    """
    place = Path(connectivity)
    said = {
        "pre": "Presynaptic_ID",
        "post": "Postsynaptic_ID",
        "count": "Connectivity",
        "sign": "Excitatory",
    } | dict(columns or {})
    indices = {"pre": "Presynaptic_Index", "post": "Postsynaptic_Index"}
    if place.suffix.lower() in PARQUET and place.is_file():
        table = read_parquet(place, [*said.values(), *indices.values()])
    else:
        table = read_table(place)
    edges = chosen(
        str(place), table, ("pre", "post", "count", "sign"), said, ("pre", "post", "count", "sign")
    )
    if completeness is None:
        ids: NDArray[Any] = distinct(np.concatenate([edges["pre"], edges["post"]]))
    else:
        cells = read_table(completeness)
        first = cells.get("root_id", next(iter(cells.values())))
        if first.dtype.kind not in "iu":
            raise FormatError(
                explain(
                    str(completeness),
                    "its first column is not ids",
                    found=str(first[:1]),
                    expected="whole numbers",
                )
            )
        ids = first
        for end, name in indices.items():
            if name in table:
                at = table[name]
                inside = len(at) == 0 or 0 <= at.min() <= at.max() < len(ids)
                if not inside or not np.array_equal(ids[at], edges[end]):
                    raise FormatError(
                        explain(
                            f"{place}: {name}", f"does not lead to the neurons of {said[end]}",
                            cure=f"{completeness} belongs to another version: 630 and 783 do not mix",
                        )
                    )  # fmt: skip
    return Connectome.of(
        ids,
        edges["pre"],
        edges["post"],
        edges["count"],
        sign=edges["sign"],
        name="shiu2024",
        source="Shiu et al., Nature 634 (2024); FlyWire, Dorkenwald et al., Nature 634 (2024)",
    )


def shiu_network(
    diagram: Connectome,
    *,
    published: bool = False,
    refractory: ArrayLike | None = None,
    weight_per_synapse: float = W_SYN,
) -> Network:
    """Return the published model on a diagram of any size: population "brain", step 0.1 ms, delay 1.8 ms.

    Parameters
    ----------
    diagram : its neurons and signed synapse counts
    published : whether to use `ShiuPublished`, exact in every detail, or `ShiuLIF`, which may be lazy
    refractory : s, (n,); default: 2.2 ms for all
    weight_per_synapse : V, what one synapse adds to g; the paper's value was fitted to the adult fly's counts
    """
    time = np.full(diagram.n, T_REF) if refractory is None else np.asarray(refractory, np.float64)
    # a period of t holds t / dt - 1 steps; of 0, the reset alone still costs the spike that comes in the same step
    held = np.maximum(np.rint(time / DT) - 1, 0)
    if published:
        params: dict[str, Any] = {"n_ref": _one(held)}
    else:
        params = {"t_ref": _one(np.maximum(held, 1) * DT)}
    return diagram.to_network(
        ShiuPublished if published else ShiuLIF,
        params,
        weight_per_synapse=weight_per_synapse,
        # the published model adds arrivals a step earlier than it integrates them
        delay=DELAY - DT if published else DELAY,
        dt=DT,
        port="spikes",
        population=POPULATION,
    )


def _one(values: NDArray[np.float64]) -> Any:
    return float(values[0]) if len(values) and np.all(values == values[0]) else values


def shiu_experiment(
    diagram: Connectome,
    drive: ArrayLike,
    *,
    rate: float = RATE,
    silence: ArrayLike = (),
    published: bool = False,
    weight_per_synapse: float = W_SYN,
) -> Network:
    """Return the paper's experiment: a Poisson spike train of its own for each driven neuron, some neurons silenced.

    Parameters
    ----------
    diagram : of the fly
    drive : ids of driven neurons; each spike of its train fires the neuron; they have no refractory period
    rate : Hz; a train has a spike in a step with probability rate * dt, as in the published runs
    silence : ids of neurons that send nothing
    published, weight_per_synapse : see `shiu_network`

    Returns
    -------
    Network : "brain", and "drive", a population of Poisson sources

    Raises
    ------
    NetworkError : ids that are not known, or named twice; a rate outside (0, 1 / dt)
    """
    if not 0 < rate * DT < 1:
        raise NetworkError(
            explain(
                "shiu_experiment(rate=)",
                "out of range",
                found=f"{rate} Hz",
                expected=f"above 0, below {1 / DT:g} Hz",
            )
        )
    at = diagram.index(drive)
    if not len(at) or len(np.unique(at)) < len(at):
        raise NetworkError(
            explain("shiu_experiment(drive=)", "no neurons, or one is named twice", found=len(at))
        )
    quiet = np.asarray(silence)
    left = diagram.silenced(quiet) if quiet.size else diagram
    refractory = np.full(diagram.n, T_REF)
    refractory[at] = 0.0
    network = shiu_network(
        left, published=published, refractory=refractory, weight_per_synapse=weight_per_synapse
    )
    # the library's source fires with probability 1 - exp(-rate dt)
    exact = -math.log1p(-rate * DT) / DT
    kicks = Sparse.from_edges(np.arange(len(at)), at, KICK, n_pre=len(at), n_post=diagram.n)
    return network.replacing(
        populations={"drive": Population(PoissonSource, (len(at),), {"rate": exact})},
        # the published drive has no delay; a train is as good a Poisson train 1.8 ms later, and batches of steps and
        # lazy neurons need one
        projections={"drive->brain": Projection("drive", POPULATION, kicks, "kick", DELAY)},
        outputs=(POPULATION,),
    )
