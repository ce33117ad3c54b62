"""The integer neuron of SpiNNaker's software: leaky integrate-and-fire with two exponential current synapses.

Notation: an *accum* is s16.15, an int32 in which 32768 stands for 1. `e`, `r` are accums, decays and shaping factors
are u0.32 (2^32 stands for 1). mul_rn(x, y) = (x y + 2^14) >> 15 rounds to nearest; dec(x, d) = (x d) >> 32 floors;
products have 64 bits.

    input_t = min(arrivals_t, 65535) << shift_t                    for the types t = exc, inh
    i_t     = dec(i_t, d_t) + dec(input_t, init_t)
    i       = i_exc - i_inh + i_offset
    alpha   = mul_rn(i, r) + v_rest ;  v = alpha - mul_rn(e, alpha - v)          unless refractory
    spike where v >= v_th ;  v = v_reset, refract = t_ref

The chip decays a current behind the threshold; here it decays at the beginning of the next step, which is the same, so
a trace of `i_exc` shows it before that. Ring buffers hold unsigned 16 bits and saturate; since all weights of a type
are positive, the saturated sum of a step does not depend on the order of its arrivals. Accums wrap at 32 bits.

With d_t = 0 and init_t = 2^32 a type is a delta synapse: what arrives acts in its own step only, unshaped.

Source
------
sPyNNaker: neuron_model_lif_impl.h, exp_synapse_utils.h, decay.h, synapses.c (described, not copied): the releases that
decay behind the threshold and round products to nearest. Rhodes et al., Front. Neurosci. 12:816, 2018.
"""

from __future__ import annotations

from spikewright.network.library import Input
from spikewright.network.model import NeuronModel

ONE = 1 << 15
"""1 as an accum."""
FACTOR = 1 << 32
"""1 as a u0.32."""
BUFFER_MAX = 65535
ACCUM_MAX = 2**31 - 1
SHIFT_MAX = 15


def _wrap(text: str) -> str:
    return f"({text} + 2147483648) % 4294967296 - 2147483648"


def _current(kind: str) -> str:
    arrived = f"(minimum({kind}, {BUFFER_MAX}) << shift_{kind})"
    return _wrap(f"((i_{kind} * d_{kind}) >> 32) + (({arrived} * init_{kind}) >> 32)")


SpiNNakerInput = Input.variant("Input", integer=True)

SpiNNakerLIF = NeuronModel(
    name="SpiNNakerLIF",
    state={
        "i_exc": "1",
        "i_inh": "1",
        "alpha": "1",
        "v": "1",
        "refract": "1",
        "saturated": "1",
    },
    params={
        "e": (31182, "1"),
        "r": (ONE, "1"),
        "v_rest": (0, "1"),
        "v_reset": (0, "1"),
        "v_th": (ONE, "1"),
        "i_offset": (0, "1"),
        "t_ref": (0, "1"),
        "d_exc": (0, "1"),
        "d_inh": (0, "1"),
        "init_exc": (FACTOR, "1"),
        "init_inh": (FACTOR, "1"),
        "shift_exc": (0, "1"),
        "shift_inh": (0, "1"),
    },
    inputs={"exc": "1", "inh": "1"},
    update={
        # how many sums of a step were cut at 65535: the chip counts them for its report as well
        "saturated": f"saturated + (1 if exc > {BUFFER_MAX} else 0) + (1 if inh > {BUFFER_MAX} else 0)",
        "i_exc": _current("exc"),
        "i_inh": _current("inh"),
        "alpha": _wrap("(((i_exc - i_inh + i_offset) * r + 16384) >> 15) + v_rest"),
        "v": f"v if refract > 0 else {_wrap('alpha - ((e * (alpha - v) + 16384) >> 15)')}",
        "refract": "maximum(refract - 1, 0)",
    },
    threshold="v >= v_th",
    reset={"v": "v_reset", "refract": "t_ref"},
    integer=True,
    source="sPyNNaker neuron_model_lif_impl.h, exp_synapse_utils.h, decay.h, synapses.c; Rhodes et al. 2018",
)

MODELS = {SpiNNakerLIF.name: SpiNNakerLIF}
