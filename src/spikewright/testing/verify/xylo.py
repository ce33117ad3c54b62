"""Xylo vectors: every case runs in the chip's own order, and on an engine too where that must be equal.

It must be where no current saturated and no neuron reached its most spikes: then the order of events plays no role.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from spikewright.engines import run
from spikewright.substrates.xylo.core import Core, network_of
from spikewright.substrates.xylo.simulate import Trace, simulate
from spikewright.testing.verify.case import Case, difference
from spikewright.testing.verify.folder import Arrays, cases_in

DT = 1.0
ENGINE = "cpu"
TRACES = ("i_syn1", "i_syn2", "v_mem", "spikes", "i_syn_out", "v_mem_out", "out_spikes")


def verify(folder: Path) -> list[Case]:
    """Compare every `.npz` file of a folder laid out like the xylo vectors."""
    return cases_in(folder, compare)


def compare(name: str, arrays: Arrays) -> list[Case]:
    """Run one case.

    Raises
    ------
    KeyError : an array or a field of `meta` is missing
    """
    meta = json.loads(str(arrays["meta"]))
    if meta["kind"] != "xylo_v2":
        return [Case(name, False, f"not recognized: kind {meta['kind']!r}")]
    core = core_of(arrays, meta)
    trace = simulate(core, arrays["in_events"])
    found = _first(own_order(trace), arrays)
    if found:
        return [Case(name, False, found)]
    told = "equal bit for bit in the chip's order"
    if trace.synapse or trace.capped:
        return [Case(name, True, f"{told}; {trace.synapse} additions to a current saturate")]
    found = _first(on_engine(core, arrays), arrays)
    return [Case(name, not found, f"engine: {found}" if found else f"{told} and on the engine")]


def core_of(arrays: Arrays, meta: dict) -> Core:  # type: ignore[type-arg]
    """Return the core that a case describes."""
    return Core(
        w_in=arrays["w_in"],
        w_rec=arrays["w_rec"],
        w_out=arrays["w_out"],
        dash_syn=arrays["dash_syn"],
        dash_mem=arrays["dash_mem"],
        threshold=arrays["threshold"],
        bias=arrays["bias"],
        dash_syn_out=arrays["dash_syn_out"].reshape(-1),
        dash_mem_out=arrays["dash_mem_out"],
        threshold_out=arrays["threshold_out"],
        bias_out=arrays["bias_out"],
        shift_in=meta["weight_shift_in"],
        shift_rec=meta["weight_shift_rec"],
        shift_out=meta["weight_shift_out"],
        aliases=tuple(meta["aliases"]),
    )


def own_order(trace: Trace) -> Arrays:
    """Return a trace of one sample under the names of the vectors."""
    return {
        "i_syn1": trace.i_syn[:, 0, :, 0],
        "i_syn2": trace.i_syn[:, 0, :, 1],
        "v_mem": trace.v_mem[:, 0],
        "spikes": trace.spikes[:, 0],
        "i_syn_out": trace.i_syn_out[:, 0],
        "v_mem_out": trace.v_mem_out[:, 0],
        "out_spikes": trace.out_spikes[:, 0],
    }


def on_engine(core: Core, arrays: Arrays) -> Arrays:
    """Return the traces of a case as an engine computes them."""
    network = network_of(core, DT)
    events = np.asarray(arrays["in_events"], np.int64)
    # what is fired with aliases leaves one step later: one step more shows the last of it
    padded = np.concatenate([events, np.zeros((1, core.n_in), np.int64)])[:, None]
    record = {"hidden": ("i1", "i2", "v"), "out": ("i1", "v")}
    if core.aliases:
        record["fired"] = ("output",)
    found = run(network, {"in": padded}, engine=ENGINE, record=record)
    spikes = found.dense("fired")[1:] if core.aliases else found.dense("hidden")[:-1]
    return {
        "i_syn1": found.trace("hidden", "i1")[:-1, 0],
        "i_syn2": found.trace("hidden", "i2")[:-1, 0],
        "v_mem": found.trace("hidden", "v")[:-1, 0],
        "spikes": spikes[:, 0],
        "i_syn_out": found.trace("out", "i1")[:-1, 0],
        "v_mem_out": found.trace("out", "v")[:-1, 0],
        "out_spikes": found.dense("out")[:-1, 0],
    }


def _first(found: Arrays, expected: Arrays) -> str:
    differences = (
        difference(name, found[name], np.asarray(expected[name], np.int64)) for name in TRACES
    )
    return next((d for d in differences if d), "")
