"""The standard cells of PyNN as models of this package: what each parameter and variable is here, in which unit.

PyNN counts in ms, mV, nA, nF, uS (and nS where stated); this package in SI. A cell class is a table of both.

    IF_curr_exp    ExpCurrentLIF        IF_cond_exp     ConductanceLIF       EIF_cond_exp_isfa_ista    ConductanceAdEx
    IF_curr_alpha  AlphaCurrentLIF      IF_cond_alpha   ConductanceAlphaLIF  EIF_cond_alpha_isfa_ista  its alpha form
    IF_curr_delta  DeltaLIF             HH_cond_exp     HodgkinHuxley        Izhikevich                Izhikevich

Names, defaults and units are those of PyNN's documentation ("Standard models") and of `get_parameter_names()` and
`default_parameters` of PyNN 0.13.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from spikewright.errors import ModelError, explain
from spikewright.network import Input, Method, NeuronModel
from spikewright.network.library import (
    AlphaCurrentLIF,
    ConductanceAdEx,
    ConductanceAlphaLIF,
    ConductanceLIF,
    DeltaLIF,
    ExpCurrentLIF,
    HodgkinHuxley,
)
from spikewright.network.library import Izhikevich as IzhikevichModel
from spikewright.pynn.models import AdaptingConductanceLIF, ConductanceAlphaAdEx, PoissonTrain
from spikewright.pynn.parameters import Sequence

MS, MV, NA, NF, US, NS = 1e-3, 1e-3, 1e-9, 1e-9, 1e-6, 1e-9
UNITS = {"ms": MS, "mV": MV, "nA": NA, "nF": NF, "uS": US, "nS": NS, "Hz": 1.0}
STABLE = 0.5
"""Steps per time constant up to which RK4 is used: beyond 2.78 it is unstable, and exponential Euler is taken."""

Table = Mapping[str, tuple[str, float]]


class CellType:
    """A cell with values of its parameters. Abstract; the classes below are what scripts name.

    Parameters
    ----------
    parameters : name -> a number, a list, a `RandomDistribution` or a function of the index; default as documented

    Raises
    ------
    ModelError : no such parameter
    """

    default_parameters: ClassVar[dict[str, Any]] = {}
    default_initial_values: ClassVar[dict[str, float]] = {}
    units: ClassVar[dict[str, str]] = {}
    recordable: ClassVar[list[str]] = ["spikes"]
    receptor_types: ClassVar[tuple[str, ...]] = ()
    conductance_based: ClassVar[bool] = False
    injectable: ClassVar[bool] = False
    always_local: ClassVar[bool] = False

    model: ClassVar[NeuronModel]
    translation: ClassVar[Table] = {}
    """PyNN's parameter -> (the model's, factor to SI)."""
    variables: ClassVar[Table] = {}
    """PyNN's variable -> (the model's, factor to SI)."""
    ports: ClassVar[dict[str, str]] = {}
    weight_factor: ClassVar[float] = NA
    current_factor: ClassVar[float] = NA
    taus: ClassVar[tuple[str, ...]] = ()
    """Parameters that are the shortest time constants of equations that are not linear."""
    late: ClassVar[int] = 0
    """Steps that arrivals need more than `delay`: -1 where the model adds them at the end of a step."""

    def __init__(self, **parameters: Any) -> None:
        known = self.default_parameters
        for name in parameters:
            if name not in known:
                raise ModelError(
                    explain(
                        type(self).__name__,
                        f"has no parameter {name!r}",
                        expected=", ".join(known) or "none",
                    )
                )
        self.parameters = known | parameters

    @classmethod
    def get_parameter_names(cls) -> list[str]:
        """Return the names of its parameters."""
        return list(cls.default_parameters)

    @classmethod
    def has_parameter(cls, name: str) -> bool:
        """Return whether it has a parameter."""
        return name in cls.default_parameters

    def can_record(self, variable: str, location: Any = None) -> bool:
        """Return whether a variable can be recorded."""
        return variable in self.recordable

    def describe(self, template: Any = None, engine: Any = None) -> str:
        """Return the cell as text."""
        given = ", ".join(f"{name}={value}" for name, value in self.parameters.items())
        return f"{type(self).__name__}({given})"

    def __repr__(self) -> str:
        return f"{type(self).__name__}(<parameters>)"

    @classmethod
    def translated(cls, values: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Return the model's parameters in SI units."""
        return {ours: values[name] * factor for name, (ours, factor) in cls.translation.items()}

    @classmethod
    def method(cls, values: Mapping[str, NDArray[Any]], dt: float) -> Method:
        """Return how to integrate it at a step of `dt` ms."""
        if cls.model.is_affine or not cls.model.dynamics:
            return Method.AUTO
        shortest = min((float(values[name].min()) for name in cls.taus), default=np.inf)
        return Method.RK4 if dt <= STABLE * shortest else Method.EXPONENTIAL_EULER

    @classmethod
    def offset_drive(cls, values: Mapping[str, NDArray[Any]]) -> NDArray[Any] | None:
        """Return the constant current in nA that the model has no parameter for, or None."""
        if (
            "i_offset" not in values
            or "i_offset" in cls.translation
            or not values["i_offset"].any()
        ):
            return None
        return values["i_offset"]


def _table(**names: tuple[str, str]) -> Table:
    return {name: (ours, UNITS[unit]) for name, (ours, unit) in names.items()}


_MEMBRANE = {
    "v_rest": -65.0, "cm": 1.0, "tau_m": 20.0, "tau_refrac": 0.1, "i_offset": 0.0, "v_reset": -65.0, "v_thresh": -50.0,
}  # fmt: skip
_UNITS = {
    "v": "mV", "w": "nA", "u": "mV/ms", "gsyn_exc": "uS", "gsyn_inh": "uS", "g_s": "nS", "g_r": "nS", "cm": "nF",
    "i_offset": "nA",
} | dict.fromkeys(
    ("v_rest", "v_reset", "v_thresh", "v_spike", "e_rev_E", "e_rev_I", "delta_T"), "mV"
) | dict.fromkeys(("tau_m", "tau_refrac", "tau_syn_E", "tau_syn_I", "tau_w"), "ms")  # fmt: skip
_CURRENT = _table(
    v_rest=("e_l", "mV"), cm=("c", "nF"), tau_m=("tau_m", "ms"), tau_refrac=("t_ref", "ms"), i_offset=("i_dc", "nA"),
    v_reset=("v_reset", "mV"), v_thresh=("v_th", "mV"),
)  # fmt: skip
_TAUS = _table(tau_syn_E=("tau_e", "ms"), tau_syn_I=("tau_i", "ms"))
_CONDUCTANCE = _TAUS | _table(
    v_rest=("e_l", "mV"), cm=("c", "nF"), tau_refrac=("t_ref", "ms"), v_reset=("v_reset", "mV"),
    v_thresh=("v_th", "mV"), e_rev_E=("e_e", "mV"), e_rev_I=("e_i", "mV"),
)  # fmt: skip
_G = {"gsyn_exc": ("g_e", US), "gsyn_inh": ("g_i", US)}
_V = {"v": ("v", MV)}
_BOTH = ("excitatory", "inhibitory")


class _Current(CellType):
    """Current synapses: weights in nA, negative for inhibition."""

    default_initial_values: ClassVar[dict[str, float]] = {
        "v": -65.0,
        "isyn_exc": 0.0,
        "isyn_inh": 0.0,
    }
    units: ClassVar[dict[str, str]] = _UNITS | {"isyn_exc": "nA", "isyn_inh": "nA"}
    recordable: ClassVar[list[str]] = ["spikes", "v", "isyn_exc", "isyn_inh"]
    receptor_types: ClassVar[tuple[str, ...]] = _BOTH
    injectable: ClassVar[bool] = True
    translation: ClassVar[Table] = _CURRENT | _TAUS
    variables: ClassVar[Table] = _V | {"isyn_exc": ("i_e", NA), "isyn_inh": ("i_i", NA)}
    ports: ClassVar[dict[str, str]] = {"excitatory": "exc", "inhibitory": "inh"}


class IF_curr_exp(_Current):
    """Leaky integrate-and-fire, exponential synaptic currents."""

    model = ExpCurrentLIF
    default_parameters: ClassVar[dict[str, Any]] = _MEMBRANE | {"tau_syn_E": 5.0, "tau_syn_I": 5.0}


class IF_curr_alpha(_Current):
    """Leaky integrate-and-fire, alpha-shaped synaptic currents whose peak is the weight."""

    model = AlphaCurrentLIF
    default_parameters: ClassVar[dict[str, Any]] = _MEMBRANE | {"tau_syn_E": 0.5, "tau_syn_I": 0.5}


class IF_curr_delta(CellType):
    """Leaky integrate-and-fire; a spike moves the voltage by its weight, in mV."""

    model = DeltaLIF
    default_parameters: ClassVar[dict[str, Any]] = dict(_MEMBRANE)
    default_initial_values: ClassVar[dict[str, float]] = {"v": -65.0}
    units: ClassVar[dict[str, str]] = _UNITS
    recordable: ClassVar[list[str]] = ["spikes", "v"]
    receptor_types: ClassVar[tuple[str, ...]] = _BOTH
    injectable: ClassVar[bool] = True
    translation: ClassVar[Table] = _CURRENT
    variables: ClassVar[Table] = _V
    ports: ClassVar[dict[str, str]] = {"excitatory": "spikes", "inhibitory": "spikes"}
    weight_factor: ClassVar[float] = MV
    late: ClassVar[int] = -1


class _Conductance(CellType):
    """Conductance synapses: weights in uS, never negative."""

    default_initial_values: ClassVar[dict[str, float]] = {
        "v": -65.0,
        "gsyn_exc": 0.0,
        "gsyn_inh": 0.0,
    }
    units: ClassVar[dict[str, str]] = _UNITS
    recordable: ClassVar[list[str]] = ["spikes", "v", "gsyn_exc", "gsyn_inh"]
    receptor_types: ClassVar[tuple[str, ...]] = _BOTH
    conductance_based: ClassVar[bool] = True
    injectable: ClassVar[bool] = True
    translation: ClassVar[Table] = _CONDUCTANCE
    variables: ClassVar[Table] = _V | _G
    ports: ClassVar[dict[str, str]] = {"excitatory": "exc", "inhibitory": "inh"}
    weight_factor: ClassVar[float] = US
    taus: ClassVar[tuple[str, ...]] = ("tau_syn_E", "tau_syn_I", "tau_m")

    @classmethod
    def translated(cls, values: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        found = super().translated(values)
        return found | {"g_l": values["cm"] * NF / (values["tau_m"] * MS)}


class IF_cond_exp(_Conductance):
    """Leaky integrate-and-fire, exponential synaptic conductances."""

    model = ConductanceLIF
    default_parameters: ClassVar[dict[str, Any]] = _MEMBRANE | {
        "tau_syn_E": 5.0, "tau_syn_I": 5.0, "e_rev_E": 0.0, "e_rev_I": -70.0,
    }  # fmt: skip


class IF_cond_alpha(_Conductance):
    """Leaky integrate-and-fire, alpha-shaped synaptic conductances whose peak is the weight."""

    model = ConductanceAlphaLIF
    default_parameters: ClassVar[dict[str, Any]] = _MEMBRANE | {
        "tau_syn_E": 0.3, "tau_syn_I": 0.5, "e_rev_E": 0.0, "e_rev_I": -70.0,
    }  # fmt: skip


class IF_cond_exp_gsfa_grr(_Conductance):
    """IF_cond_exp with a conductance of adaptation and one of relative refractoriness; their parameters in nS."""

    model = AdaptingConductanceLIF
    default_parameters: ClassVar[dict[str, Any]] = IF_cond_exp.default_parameters | {
        "tau_sfa": 100.0, "e_rev_sfa": -75.0, "q_sfa": 15.0, "tau_rr": 2.0, "e_rev_rr": -75.0, "q_rr": 3000.0,
    }  # fmt: skip
    default_initial_values: ClassVar[dict[str, float]] = _Conductance.default_initial_values | {
        "g_s": 0.0,
        "g_r": 0.0,
    }
    recordable: ClassVar[list[str]] = [*_Conductance.recordable, "g_s", "g_r"]
    translation: ClassVar[Table] = _CONDUCTANCE | _table(
        tau_sfa=("tau_s", "ms"), e_rev_sfa=("e_s", "mV"), q_sfa=("q_s", "nS"), tau_rr=("tau_r", "ms"),
        e_rev_rr=("e_r", "mV"), q_rr=("q_r", "nS"),
    )  # fmt: skip
    variables: ClassVar[Table] = _V | _G | {"g_s": ("g_s", NS), "g_r": ("g_r", NS)}
    taus: ClassVar[tuple[str, ...]] = ("tau_syn_E", "tau_syn_I", "tau_m", "tau_rr")


class EIF_cond_exp_isfa_ista(_Conductance):
    """Adaptive exponential integrate-and-fire, exponential synaptic conductances; `a` in nS, `b` in nA."""

    model = ConductanceAdEx
    default_parameters: ClassVar[dict[str, Any]] = {
        "cm": 0.281, "tau_refrac": 0.1, "v_spike": -40.0, "v_reset": -70.6, "v_rest": -70.6, "tau_m": 9.3667,
        "i_offset": 0.0, "a": 4.0, "b": 0.0805, "delta_T": 2.0, "tau_w": 144.0, "v_thresh": -50.4, "e_rev_E": 0.0,
        "tau_syn_E": 5.0, "e_rev_I": -80.0, "tau_syn_I": 5.0,
    }  # fmt: skip
    default_initial_values: ClassVar[dict[str, float]] = {
        "v": -70.6, "w": 0.0, "gsyn_exc": 0.0, "gsyn_inh": 0.0,
    }  # fmt: skip
    units: ClassVar[dict[str, str]] = _UNITS | {"a": "nS", "b": "nA"}
    recordable: ClassVar[list[str]] = ["spikes", "v", "w", "gsyn_exc", "gsyn_inh"]
    translation: ClassVar[Table] = {
        name: pair for name, pair in _CONDUCTANCE.items() if name != "v_thresh"
    } | _table(
        v_thresh=("v_t", "mV"), v_spike=("v_peak", "mV"), a=("a", "nS"), b=("b", "nA"), delta_T=("delta_t", "mV"),
        tau_w=("tau_w", "ms"),
    )  # fmt: skip
    variables: ClassVar[Table] = _V | _G | {"w": ("w", NA)}


class EIF_cond_alpha_isfa_ista(EIF_cond_exp_isfa_ista):
    """Adaptive exponential integrate-and-fire, alpha-shaped synaptic conductances."""

    model = ConductanceAlphaAdEx


class HH_cond_exp(_Conductance):
    """Hodgkin-Huxley after Traub and Miles, exponential synaptic conductances; gates start at rest."""

    model = HodgkinHuxley
    default_parameters: ClassVar[dict[str, Any]] = {
        "gbar_Na": 20.0, "gbar_K": 6.0, "g_leak": 0.01, "cm": 0.2, "v_offset": -63.0, "e_rev_Na": 50.0,
        "e_rev_K": -90.0, "e_rev_leak": -65.0, "e_rev_E": 0.0, "e_rev_I": -80.0, "tau_syn_E": 0.2, "tau_syn_I": 2.0,
        "i_offset": 0.0,
    }  # fmt: skip
    units: ClassVar[dict[str, str]] = (
        _UNITS
        | dict.fromkeys(("gbar_Na", "gbar_K", "g_leak"), "uS")
        | dict.fromkeys(("v_offset", "e_rev_Na", "e_rev_K", "e_rev_leak"), "mV")
    )
    recordable: ClassVar[list[str]] = ["spikes", "v", "gsyn_exc", "gsyn_inh", "m", "h", "n"]
    translation: ClassVar[Table] = _TAUS | _table(
        gbar_Na=("g_na", "uS"), gbar_K=("g_k", "uS"), g_leak=("g_l", "uS"), cm=("c", "nF"), v_offset=("v_t", "mV"),
        e_rev_Na=("e_na", "mV"), e_rev_K=("e_k", "mV"), e_rev_leak=("e_l", "mV"), e_rev_E=("e_e", "mV"),
        e_rev_I=("e_i", "mV"),
    )  # fmt: skip
    variables: ClassVar[Table] = _V | _G | {"m": ("m", 1.0), "h": ("h", 1.0), "n": ("n", 1.0)}

    @classmethod
    def translated(cls, values: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        return CellType.translated.__func__(cls, values)  # type: ignore[attr-defined, no-any-return]

    @classmethod
    def method(cls, values: Mapping[str, NDArray[Any]], dt: float) -> Method:
        # rates of the gates reach 30 per ms at a peak: RK4 is unstable there at the usual steps
        return Method.EXPONENTIAL_EULER


class Izhikevich(CellType):
    """Izhikevich's model of 2003; a spike moves the voltage by its weight, in mV; 1 nA adds 1000 mV/ms."""

    model = IzhikevichModel
    default_parameters: ClassVar[dict[str, Any]] = {
        "a": 0.02, "b": 0.2, "c": -65.0, "d": 2.0, "i_offset": 0.0,
    }  # fmt: skip
    default_initial_values: ClassVar[dict[str, float]] = {"v": -70.0, "u": -14.0}
    units: ClassVar[dict[str, str]] = _UNITS | {"a": "/ms", "b": "/ms", "c": "mV", "d": "mV/ms"}
    recordable: ClassVar[list[str]] = ["spikes", "v", "u"]
    receptor_types: ClassVar[tuple[str, ...]] = _BOTH
    injectable: ClassVar[bool] = True
    translation: ClassVar[Table] = {
        "a": ("a", 1e3), "b": ("b", 1e3), "c": ("c", MV), "d": ("d", 1.0),
    }  # fmt: skip
    variables: ClassVar[Table] = _V | {"u": ("u", 1.0)}
    ports: ClassVar[dict[str, str]] = {"excitatory": "spikes", "inhibitory": "spikes"}
    weight_factor: ClassVar[float] = MV
    # the equation's current has no unit; the paper's I = 10 is 0.01 nA
    current_factor: ClassVar[float] = 1e3

    @classmethod
    def method(cls, values: Mapping[str, NDArray[Any]], dt: float) -> Method:
        return Method.RK4


class SpikeSourceArray(CellType):
    """Spikes at given times, in ms; they lie on the grid: each at the nearest multiple of the time step."""

    model = Input
    default_parameters: ClassVar[dict[str, Any]] = {"spike_times": Sequence([])}
    units: ClassVar[dict[str, str]] = {"spike_times": "ms"}


class SpikeSourcePoisson(CellType):
    """A Poisson process per neuron from `start` for `duration`: any number of spikes may fall into a step."""

    model = PoissonTrain
    default_parameters: ClassVar[dict[str, Any]] = {"rate": 1.0, "start": 0.0, "duration": 1e10}
    units: ClassVar[dict[str, str]] = {"rate": "Hz", "start": "ms", "duration": "ms"}


CELLS = {
    c.__name__: c
    for c in (
        IF_curr_delta, IF_curr_exp, IF_curr_alpha, IF_cond_exp, IF_cond_alpha, IF_cond_exp_gsfa_grr,
        EIF_cond_exp_isfa_ista, EIF_cond_alpha_isfa_ista, HH_cond_exp, Izhikevich, SpikeSourceArray,
        SpikeSourcePoisson,
    )
}  # fmt: skip
"""Name -> cell class."""
