"""Which neuron model of ours a `model_template` of SONATA is, with the units of its parameters and weights.

IntFire1 of NEURON: m decays with `tau`, an arrival adds its weight, m > 1 fires and sets m = 0, arrivals are ignored
for `refrac`. That is our `LIF` with a threshold of 1. Its files of parameters count in s. NEST's models are those of
`network/library/current.py` and `conductance.py`, which say how exactly; they count in ms, mV, pF, nS and pA.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from spikewright.network.library import (
    LIF,
    AlphaCurrentLIF,
    ConductanceAdEx,
    ConductanceAlphaLIF,
    ConductanceLIF,
    DeltaLIF,
    ExpCurrentLIF,
)
from spikewright.network.model import NeuronModel
from spikewright.units import ms, mV, nS, pA, pF


@dataclass(frozen=True)
class Template:
    """A model that files name.

    Parameters
    ----------
    model : ours
    params : parameter of the file -> (ours, factor to SI)
    fixed : our parameters that the template sets, SI
    needed : parameters of the file that have no default
    weight : factor of a weight to SI
    excitatory, inhibitory : the ports of weights of 0 or more, and of those below
    unsigned : weights below 0 arrive as their size (conductances)
    current : the port of an injected current, "" where there is none
    initial : variable of the file that can be set at the beginning -> ours; its factor is that of voltages, mV
    delay_before : steps that a clocked delay is shorter (NEST's threshold sees a delta synapse in the same step)
    clocked : it has no meaning without a clock
    """

    model: NeuronModel
    params: Mapping[str, tuple[str, float]]
    weight: float
    excitatory: str
    inhibitory: str
    fixed: Mapping[str, float] = field(default_factory=dict)
    needed: tuple[str, ...] = ()
    unsigned: bool = False
    current: str = ""
    initial: str = ""
    delay_before: int = 0
    clocked: bool = False


_MEMBRANE = {
    "C_m": ("c", pF), "tau_m": ("tau_m", ms), "E_L": ("e_l", mV), "V_th": ("v_th", mV), "V_reset": ("v_reset", mV),
    "t_ref": ("t_ref", ms), "I_e": ("i_dc", pA),
}  # fmt: skip
_CURRENTS = {"tau_syn_ex": ("tau_e", ms), "tau_syn_in": ("tau_i", ms)}
_CONDUCTANCES = {
    "C_m": ("c", pF), "g_L": ("g_l", nS), "E_L": ("e_l", mV), "V_th": ("v_th", mV), "V_reset": ("v_reset", mV),
    "t_ref": ("t_ref", ms), "E_ex": ("e_e", mV), "E_in": ("e_i", mV), **_CURRENTS,
}  # fmt: skip
_ADAPTIVE = {n: v for n, v in _CONDUCTANCES.items() if n != "V_th"} | {
    "V_th": ("v_t", mV), "V_peak": ("v_peak", mV), "Delta_T": ("delta_t", mV), "tau_w": ("tau_w", ms), "a": ("a", nS),
    "b": ("b", pA),
}  # fmt: skip
# defaults of NEST 3.10 for what the library's own defaults are not: iaf_cond_exp
_COND_EXP = {
    "c": 250 * pF, "g_l": 16.6667 * nS, "e_l": -70 * mV, "v_th": -55 * mV, "v_reset": -60 * mV, "t_ref": 2 * ms,
    "e_e": 0.0, "e_i": -85 * mV, "tau_e": 0.2 * ms, "tau_i": 2 * ms,
}  # fmt: skip

TEMPLATES: dict[str, Template] = {
    "nrn:IntFire1": Template(
        LIF,
        {"tau": ("tau_m", 1.0), "refrac": ("t_ref", 1.0)},
        1.0,
        "spikes",
        "spikes",
        fixed={"v_rest": 0.0, "v_th": 1.0, "v_reset": 0.0},
        needed=("tau", "refrac"),
    ),
    "nest:iaf_psc_alpha": Template(
        AlphaCurrentLIF, _MEMBRANE | _CURRENTS, pA, "exc", "inh", current="i", initial="V_m"
    ),
    "nest:iaf_psc_exp": Template(
        ExpCurrentLIF, _MEMBRANE | _CURRENTS, pA, "exc", "inh", current="i", initial="V_m"
    ),
    "nest:iaf_psc_delta": Template(
        DeltaLIF, _MEMBRANE, mV, "spikes", "spikes", current="i", initial="V_m", delay_before=1, clocked=True,
    ),
    "nest:iaf_cond_exp": Template(
        ConductanceLIF, _CONDUCTANCES, nS, "exc", "inh", fixed=_COND_EXP, unsigned=True, current="i", initial="V_m",
    ),
    "nest:iaf_cond_alpha": Template(
        ConductanceAlphaLIF, _CONDUCTANCES, nS, "exc", "inh", unsigned=True, current="i", initial="V_m"
    ),
    "nest:aeif_cond_exp": Template(
        ConductanceAdEx, _ADAPTIVE, nS, "exc", "inh", unsigned=True, current="i", initial="V_m"
    ),
}  # fmt: skip
"""model_template -> what it is here. Others: `read_sonata(templates={"nrn:Mine": Template(...)})`."""

STATIC = ("", "static_synapse", "nest:static_synapse")
"""Templates of synapses that deliver their weight and never change."""
DELAY = 1.0
"""ms where neither edge nor type has a delay: the default of NEST's static_synapse and of NEURON's NetCon."""
