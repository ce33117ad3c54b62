"""Loihi compartment vectors in chip arithmetic: refractory period, wraps of input and current, voltage limits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from spikewright.engines import run
from spikewright.network import Dense, Network, Population, Projection
from spikewright.substrates.loihi import model as chip
from spikewright.testing.verify.case import Case
from spikewright.testing.verify.folder import cases_of
from spikewright.testing.verify.loihi import DT, ENGINE, Arrays, first_difference


def verify(folder: Path) -> list[Case]:
    """Compare every `.npz` file of a folder laid out like the nengo_loihi vectors."""
    return cases_of(folder, compare)


def compare(arrays: Arrays) -> str:
    """Run one case; return "" where equal, else the first difference."""
    meta = json.loads(str(arrays["meta"]))
    if meta["kind"] != "nengo_loihi_emulator":
        return f"not recognized: kind {meta['kind']!r}"
    params = {
        "du": meta["decay_u"],
        "dv": meta["decay_v"],
        "v_th": meta["vth"],
        "v_min": meta["vmin"],
        "v_max": meta["vmax"],
        "bias": np.asarray(arrays["bias"], np.int64),
        "refract": np.asarray(arrays["refract"], np.int64),
    }
    w_in = np.asarray(arrays["w_in"], np.int64).T
    w_rec = np.asarray(arrays["w_rec"], np.int64).T
    net = Network(
        dt=DT,
        populations={
            "in": Population(chip.LoihiInput, meta["n_in"]),
            "p": Population(chip.LoihiChipLIF, meta["n"], params),
        },
        projections={
            "in": Projection("in", "p", Dense(w_in), delay=DT),
            "rec": Projection("p", "p", Dense(w_rec)),
        },
        outputs=("p",),
    )
    spikes = np.asarray(arrays["in_spikes"], np.int64)[:, None]
    found = run(net, {"in": spikes}, engine=ENGINE, record={"p": ("u", "v")})
    for name, ours in (
        ("u", found.trace("p", "u")),
        ("v", found.trace("p", "v")),
        ("s", found.dense("p")),
    ):
        difference = first_difference(name, ours[:, 0], arrays[name])
        if difference:
            return difference
    return ""
