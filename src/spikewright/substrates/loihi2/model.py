"""Neurons for Loihi 2 that are not in the library: sigma-delta coding, and the input of integer networks.

`Delta` sends what changed of its input, `SigmaDelta` sums what arrives, passes it on rectified, and sends what changed.
They are real-valued like every model, and become integers as every other one does (`fixed_point.py`).

Source
------
Zambrano and Bohte, "Fast and efficient asynchronous neural computation with adapting spiking neural networks", arXiv
1609.02053, 2016; Orchard et al., "Efficient neuromorphic signal processing with Loihi 2", SiPS 2021.
"""

from __future__ import annotations

from spikewright.network.library import Input
from spikewright.network.model import NeuronModel

Loihi2Input = Input.variant("Input", integer=True)

_SENT = "what is below the threshold is kept and sent later"

Delta = NeuronModel(
    name="Delta",
    state={"d": "1", "act": "1", "residue": "1"},
    params={"v_th": (0.1, "1")},
    inputs={"x": "1"},
    update={"d": "x - act + residue", "act": "x", "residue": "d"},
    threshold="abs(d) >= v_th",
    output="d",
    reset={"residue": "0"},
    source=f"Orchard et al., SiPS 2021; {_SENT}",
)

SigmaDelta = NeuronModel(
    name="SigmaDelta",
    state={"sigma": "1", "d": "1", "act": "1", "residue": "1"},
    params={"v_th": (0.1, "1"), "bias": (0.0, "1")},
    inputs={"a": "1"},
    jumps={"a": "sigma"},
    update={
        "d": "maximum(sigma + bias, 0) - act + residue",
        "act": "maximum(sigma + bias, 0)",
        "residue": "d",
    },
    threshold="abs(d) >= v_th",
    output="d",
    reset={"residue": "0"},
    source=f"Orchard et al., SiPS 2021, rectified; {_SENT}",
)

MODELS = {m.name: m for m in (Delta, SigmaDelta)}
