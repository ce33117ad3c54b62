"""The two neurons of Diehl and Cook: conductances relative to the leak, and a threshold that adapts by `theta`.

Ports `exc` and `inh` jump a conductance in units of the leak's. During the refractory period a neuron does not fire;
its membrane goes on. `theta` starts at `theta_0`, where the threshold is `v_th`, and decays to 0, as in the published
code.

Source
------
Diehl and Cook, "Unsupervised learning of digit recognition using spike-timing-dependent plasticity", Front. Comput.
Neurosci. 9:99, 2015, sections 2.1 and 2.2. Numbers that the paper leaves out (potentials, refractory periods, theta)
from the authors' code, `stdp-mnist` on GitHub.
"""

from spikewright.network.model import NeuronModel, Refractory

_SYNAPSES: dict[str, tuple[float, str]] = {
    "e_e": (0.0, "V"),
    "tau_e": (1e-3, "s"),
    "tau_i": (2e-3, "s"),
}
_DYNAMICS = {
    "g_e": "-g_e / tau_e",
    "g_i": "-g_i / tau_i",
    "v": "(v_rest - v + g_e * (e_e - v) + g_i * (e_i - v)) / tau_m",
}
_SOURCE = "Diehl and Cook, Front. Comput. Neurosci. 9:99 (2015), section 2.1 and the authors' code"

DiehlCookExcitatory = NeuronModel(
    name="DiehlCookExcitatory",
    state={"g_e": "1", "g_i": "1", "v": "V", "theta": "V"},
    params={
        "tau_m": (100e-3, "s"),
        "v_rest": (-65e-3, "V"),
        "v_reset": (-65e-3, "V"),
        "v_th": (-52e-3, "V"),
        "t_ref": (5e-3, "s"),
        "e_i": (-100e-3, "V"),
        **_SYNAPSES,
        "theta_0": (20e-3, "V"),
        "theta_plus": (0.05e-3, "V"),
        "tau_theta": (1e4, "s"),
    },
    inputs={"exc": "1", "inh": "1"},
    jumps={"exc": "g_e", "inh": "g_i"},
    dynamics=_DYNAMICS | {"theta": "-theta / tau_theta"},
    threshold="v > v_th + theta - theta_0",
    reset={"v": "v_reset", "theta": "theta + theta_plus"},
    refractory=Refractory("t_ref", hold=()),
    initial={"v": "v_rest", "theta": "theta_0"},
    source=_SOURCE,
)

DiehlCookInhibitory = NeuronModel(
    name="DiehlCookInhibitory",
    state={"g_e": "1", "g_i": "1", "v": "V"},
    params={
        "tau_m": (10e-3, "s"),
        "v_rest": (-60e-3, "V"),
        "v_reset": (-45e-3, "V"),
        "v_th": (-40e-3, "V"),
        "t_ref": (2e-3, "s"),
        "e_i": (-85e-3, "V"),
        **_SYNAPSES,
    },
    inputs={"exc": "1", "inh": "1"},
    jumps={"exc": "g_e", "inh": "g_i"},
    dynamics=_DYNAMICS,
    threshold="v > v_th",
    reset={"v": "v_reset"},
    refractory=Refractory("t_ref", hold=()),
    initial={"v": "v_rest"},
    source=_SOURCE,
)
