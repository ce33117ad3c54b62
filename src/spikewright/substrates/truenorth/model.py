"""The neuron of TrueNorth in every mode, and the real-valued neurons that are trained in its place.

Notation, as in the source: V potential, 20 bits signed; s[0..3] signed weights of a neuron, one per axon type; lambda
leak with reversal flag eps and stochastic flag c; alpha positive and beta negative threshold; M mask of the random part
eta of both; R reset value; gamma reset mode (0 to R, 1 subtract, 2 none); kappa negative saturation. Per tick:

    V += sum of s[type] over the active, connected axons
    V += (lambda or its stochastic form), away from or towards 0 where eps
    V >= alpha + eta: spike, V = R | V - (alpha + eta) | V
    V < -(beta + eta): V = -R | V + (beta + eta) | V, or with kappa: V < -beta: V = -beta

In a network an *axon* is a neuron without state (several packets to one axon in one tick are one event), the crossbar a
projection, and a *stochastic synapse* a neuron without state of its own: each draws its own number.

Assumed, since no source read says it: V saturates at its 20 bits, once after the synapses and once after the leak; the
random number that a weight or leak is compared with has 8 bits, so that a magnitude m acts with probability
(m + 1) / 256. The chip's random generator is not published either: stochastic modes agree in distribution only.

Source
------
Cassidy et al., "Cognitive computing building block: a versatile and efficient digital neuron model for neurosynaptic
cores", IJCNN 2013, doi 10.1109/IJCNN.2013.6707077. Mask and flags also in the NeMo simulator (header `tn_neuron.h`).
"""

from __future__ import annotations

from spikewright.network.library import Input
from spikewright.network.model import NeuronModel, Noise

V_MAX = 2**19 - 1
V_MIN = -(2**19)
WEIGHT_MAX = 255
"""Largest magnitude of a signed 9-bit weight or leak that both signs have."""
THRESHOLD_MAX = 2**18 - 1
MASK_MAX = 2**18 - 1
DRAW_MAX = 255
"""Largest random number that weights and leaks are compared with."""
AXON_TYPES = 4

_SOURCE = "Cassidy et al., IJCNN 2013"
_X = f"clip(v + a, {V_MIN}, {V_MAX})"

TrueNorthInput = Input.variant(
    "Input",
    integer=True,
    output="1 if x > 0 else 0",
    source="Definition: an axon is active or not, however many packets come.",
)

TrueNorthAxon = NeuronModel(
    name="TrueNorthAxon",
    state={},
    params={},
    inputs={"a": "1"},
    threshold="a > 0",
    integer=True,
    source=_SOURCE + ": an axon is one bit per tick",
)


def _leaked(leak: str) -> str:
    """Return the potential after the synapses and the leak; a reversing leak stops at 0."""
    towards = f"sign({_X}) * maximum(abs({_X}) + {leak}, 0)"
    return f"clip(({towards}) if reversal > 0 else {_X} + {leak}, {V_MIN}, {V_MAX})"


def _below(beta: str) -> str:
    """Return the potential after the negative threshold, before a spike's reset."""
    reset = f"-reset if gamma < 1 else (y + {beta} if gamma < 2 else y)"
    return (
        f"(-beta if kappa > 0 else ({reset})) if y + (beta if kappa > 0 else {beta}) < tie else y"
    )


_PARAMS = {
    "leak": (0, "1"),
    "reversal": (0, "1"),
    "alpha": (1, "1"),
    "beta": (THRESHOLD_MAX, "1"),
    "reset": (0, "1"),
    "gamma": (0, "1"),
    "kappa": (1, "1"),
    "tie": (0, "1"),
}

TrueNorthNeuron = NeuronModel(
    name="TrueNorthNeuron",
    state={"y": "1", "v": "1"},
    params=_PARAMS,
    inputs={"a": "1"},
    # y is what the thresholds see; `tie` 1 lets -beta itself count as below (one reading of RANC's simulator)
    update={"y": _leaked("leak"), "v": _below("beta")},
    threshold="y >= alpha",
    reset={"v": "reset if gamma < 1 else (y - alpha if gamma < 2 else y)"},
    integer=True,
    source=_SOURCE + ", without the stochastic modes",
)

TrueNorthStochastic = NeuronModel(
    name="TrueNorthStochastic",
    state={"eta": "1", "y": "1", "v": "1"},
    params=_PARAMS | {"random_leak": (0, "1"), "mask": (0, "1")},
    inputs={"a": "1"},
    update={
        "eta": "(rho >> 8) & mask",
        "y": _leaked(
            f"(leak if random_leak < 1 or abs(leak) < 1 else "
            f"(sign(leak) if abs(leak) >= (rho & {DRAW_MAX}) else 0))"
        ),
        "v": _below("(beta + eta)"),
    },
    threshold="y >= alpha + eta",
    reset={"v": "reset if gamma < 1 else (y - alpha - eta if gamma < 2 else y)"},
    noise={"rho": Noise.BITS},
    integer=True,
    source=_SOURCE + ", with stochastic leak and threshold",
)

TrueNorthSynapse = NeuronModel(
    name="TrueNorthSynapse",
    state={},
    params={"s": (0, "1")},
    inputs={"a": "1"},
    threshold=f"a > 0 and abs(s) >= (rho & {DRAW_MAX})",
    output="sign(s)",
    noise={"rho": Noise.BITS},
    integer=True,
    source=_SOURCE + ": one stochastic synapse",
)

LinearLeak = NeuronModel(
    name="LinearLeak",
    state={"v": "V"},
    params={"leak": (0.05, "V"), "v_th": (1.0, "V"), "v_min": (-1.0, "V")},
    inputs={"spikes": "V"},
    update={"v": "maximum(v + spikes - clip(v + spikes, -leak, leak), v_min)"},
    threshold="v > v_th",
    reset={"v": "0"},
    source=_SOURCE + ": leak towards 0 (eps = 1), gamma = 0 with R = 0, kappa = 1, in real numbers",
)

LinearLeakSubtract = LinearLeak.variant(
    "LinearLeakSubtract",
    params=dict(LinearLeak.params) | {"v_step": (1.0, "V")},
    reset={"v": "v - v_step"},
    source=_SOURCE + ": leak towards 0 (eps = 1), gamma = 1, kappa = 1, in real numbers",
)

TRAINED = {m.name: m for m in (LinearLeak, LinearLeakSubtract)}
MODELS = {
    m.name: m for m in (TrueNorthAxon, TrueNorthNeuron, TrueNorthStochastic, TrueNorthSynapse)
}
