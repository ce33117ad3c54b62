"""A neuron with AMPA, GABA and NMDA conductances; NMDA is blocked by magnesium where the membrane is not depolarized.

    g_block(v) = 1 / (1 + mg / 3.57 exp(-62 v)),   mg in mM, v in V

NMDA conductance comes two ways. Arrivals at `nmda` (siemens) start a conductance of their own that rises with `tau_x`
and decays with `tau_n`, without saturation. Or, as in the source, the gates that saturate belong to the *sending*
neuron: let it project one to one to a population of `NmdaGate`, whose output s goes through weights in siemens to the
port `s_nmda`, held over a step. A gate's output reaches its targets one step after the spike did.

Source
------
Brunel and Wang, "Effects of neuromodulation in a cortical network model of object working memory dominated by
recurrent inhibition", J. Comput. Neurosci. 11, 2001, pyramidal cells. Jahr and Stevens, "Voltage
dependence of NMDA-activated macroscopic conductances predicted by single-channel kinetics", J. Neurosci. 10, 1990
(the block).
"""

from spikewright.network.model import NeuronModel, Refractory

_GATE: dict[str, tuple[float, str]] = {
    "tau_x": (2e-3, "s"),
    "tau_n": (100e-3, "s"),
    "alpha": (500.0, "Hz"),
}

NmdaLIF = NeuronModel(
    name="NmdaLIF",
    state={"x_n": "S", "g_n": "S", "g_e": "S", "g_i": "S", "v": "V"},
    params={
        "c": (0.5e-9, "F"),
        "g_l": (25e-9, "S"),
        "e_l": (-70e-3, "V"),
        "v_th": (-50e-3, "V"),
        "v_reset": (-55e-3, "V"),
        "t_ref": (2e-3, "s"),
        "e_e": (0.0, "V"),
        "e_i": (-70e-3, "V"),
        "tau_e": (2e-3, "s"),
        "tau_i": (10e-3, "s"),
        **_GATE,
        "mg": (1.0, "1"),
        "mg_half": (3.57, "1"),
        "k_mg": (62.0, "V^-1"),
    },
    inputs={"exc": "S", "inh": "S", "nmda": "S", "s_nmda": "S", "i": "A"},
    jumps={"exc": "g_e", "inh": "g_i", "nmda": "x_n"},
    dynamics={
        "x_n": "-x_n / tau_x",
        "g_n": "alpha * x_n - g_n / tau_n",
        "g_e": "-g_e / tau_e",
        "g_i": "-g_i / tau_i",
        "v": "(g_l * (e_l - v) + g_e * (e_e - v) + g_i * (e_i - v)"
        " + (g_n + s_nmda) * (e_e - v) / (1 + mg / mg_half * exp(-k_mg * v)) + i) / c",
    },
    threshold="v >= v_th",
    reset={"v": "v_reset"},
    refractory=Refractory("t_ref", hold=("v",)),
    initial={"v": "e_l"},
    source="Brunel and Wang, J. Comput. Neurosci. 11 (2001), pyramidal cells; block of Jahr and Stevens (1990)",
)

NmdaGate = NeuronModel(
    name="NmdaGate",
    state={"x": "1", "s": "1"},
    params=dict(_GATE),
    inputs={"spikes": "1"},
    jumps={"spikes": "x"},
    dynamics={"x": "-x / tau_x", "s": "alpha * x * (1 - s) - s / tau_n"},
    output="s",
    source="Brunel and Wang, J. Comput. Neurosci. 11 (2001), NMDA gating; one gate per sending neuron",
)
