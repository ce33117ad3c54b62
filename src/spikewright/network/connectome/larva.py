"""The brain of the fruit fly larva: 2952 neurons, edges from axons and dendrites to axons and dendrites.

Source
------
Winding et al., "The connectome of an insect brain", Science 379, 2023, supplementary data S1.
"""

from __future__ import annotations

import os

import numpy as np

from spikewright.errors import DataError, FormatError, explain
from spikewright.files import read_arrays
from spikewright.network.connectome.diagram import Connectome

KINDS = {"ad": "axon-dendrite", "aa": "axon-axon", "dd": "dendrite-dendrite", "da": "dendrite-axon"}
ALL = "all_all"


def larval_drosophila(path: str | os.PathLike[str], edges: str = ALL) -> Connectome:
    """Read the larva's brain; types are classes of cells, the mark "side" is l, r or u (not known).

    No transmitter is published for most of its cells, so every sign is 1: say others with `signed(..., by="type")`.

    Parameters
    ----------
    path : larval_connectome.npz, with `neuron_id`, `cell_type`, `side`, and per kind of edge `_pre`, `_post`
        (places) and `_syn`
    edges : "ad", "aa", "dd", "da" (from axon or dendrite, to axon or dendrite), "all_all" (added up), or "kinds": all
        four, each a kind of its own

    Raises
    ------
    DataError : there is no such kind of edges
    FormatError : the file is missing, damaged, or lacks an array
    """
    known = (*KINDS, ALL, "kinds")
    if edges not in known:
        raise DataError(
            explain(
                "larval_drosophila(edges=)", "unknown", found=repr(edges), expected=", ".join(known)
            )
        )
    arrays = read_arrays(path)
    wanted = tuple(KINDS) if edges == "kinds" else (edges,)
    needed = [
        "neuron_id",
        "cell_type",
        "side",
        *(f"{w}_{x}" for w in wanted for x in ("pre", "post", "syn")),
    ]
    missing = [n for n in needed if n not in arrays]
    if missing:
        raise FormatError(
            explain(str(path), f"no array {', '.join(missing)}", found=", ".join(arrays))
        )
    ids = arrays["neuron_id"]
    parts = {
        x: np.concatenate([arrays[f"{w}_{x}"] for w in wanted]).astype(np.int64)
        for x in ("pre", "post", "syn")
    }
    for end in ("pre", "post"):
        if len(parts[end]) and not 0 <= parts[end].min() <= parts[end].max() < len(ids):
            raise FormatError(
                explain(
                    str(path),
                    f"{end}: a neuron is not there",
                    found=parts[end].max(),
                    expected=f"< {len(ids)}",
                )
            )
    kind = None
    if edges == "kinds":
        kind = np.repeat([KINDS[w] for w in wanted], [len(arrays[f"{w}_pre"]) for w in wanted])
    return Connectome.of(
        ids,
        ids[parts["pre"]],
        ids[parts["post"]],
        parts["syn"],
        types=arrays["cell_type"],
        kind=kind,
        marks={"side": arrays["side"]},
        name="larval_drosophila",
        source="Winding et al., Science 379 (2023)",
    )
